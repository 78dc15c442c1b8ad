use super::*;
use crate::eval::{Problem, ProblemKind};

fn key(seed: u64) -> Key {
    Key {
        tapseg: "1".into(),
        regions: false,
        dataset: "d".into(),
        items: vec!["a".into(), "b".into()],
        models: vec![],
        protocols: vec![Protocol::Tap],
        seed,
    }
}

fn outcome(what: &str) -> Outcome {
    let problem = Problem { kind: ProblemKind::EmptyMask, what: what.into() };
    Outcome { problems: vec![problem], ..Outcome::default() }
}

#[test]
fn what_was_kept_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv.journal");
    let mut journal = Journal::open(&path, &key(1)).unwrap();
    journal.keep(0, 0, outcome("a")).unwrap();
    journal.keep(0, 1, outcome("b")).unwrap();
    drop(journal);

    // Killed while it wrote: the line that is not whole is done again.
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();
    let mut journal = Journal::open(&path, &key(1)).unwrap();
    assert_eq!(journal.known(), 1);
    assert_eq!(journal.take(0, 0), Some(outcome("a")));
    assert_eq!((journal.take(0, 0), journal.take(0, 1)), (None, None));
    journal.keep(0, 1, outcome("b")).unwrap();
    drop(journal);
    assert_eq!(std::fs::read(&path).unwrap(), whole);

    // Asked otherwise, it is left as it is.
    let told = Journal::open(&path, &key(2)).err().unwrap().to_string();
    assert!(told.contains("out.csv.journal") && told.contains("of another seed: "), "{told}");
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let journal = Journal::open(&path, &key(1)).unwrap();
    assert_eq!(journal.known(), 2);
    journal.remove().unwrap();
    assert!(!path.exists());

    // Where nothing was done yet, nothing is lost.
    drop(Journal::open(&path, &key(1)).unwrap());
    assert_eq!(Journal::open(&path, &key(2)).unwrap().known(), 0);
    std::fs::write(&path, "notes\n").unwrap();
    let told = Journal::open(&path, &key(2)).err().unwrap().to_string();
    assert!(told.contains("of something else"), "{told}");
}
