use super::*;
use crate::eval::{Case, Factors, Overlap, Problem, ProblemKind, Scores, Setting};

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

fn outcome(picture: &str) -> Outcome {
    let case = Case {
        picture: picture.into(),
        volume: None,
        class: None,
        structure: None,
        setting: Setting::CentreTap,
        repeat: 0,
        scores: Scores { pixel_accuracy: 1.0, iou: 1.0, dice: 1.0, nsd_2px: 1.0, nsd_2mm: None },
        overlap: Overlap { found_px: 1, true_px: 1, both_px: 1 },
        oracle_dice: None,
        predicted_iou: None,
        clicks: None,
        factors: Factors { size: 0.1, contrast: 0.5, aspect_ratio: 1.0, boundary_complexity: 1.0 },
    };
    Outcome { pictures: 1, structures: 1, cases: vec![case], problems: vec![] }
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
}

#[test]
fn what_may_be_mended_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv.journal");
    let problem = Problem { kind: ProblemKind::UnclearMask, what: "a_mask.png".into() };
    let partly = Outcome { problems: vec![problem], ..outcome("a") };
    let mut journal = Journal::open(&path, &key(1)).unwrap();
    assert_eq!(journal.keep(0, 0, partly.clone()).unwrap(), partly);
    journal.keep(0, 1, Outcome::default()).unwrap();
    drop(journal);
    assert_eq!(Journal::open(&path, &key(1)).unwrap().known(), 0);
    assert_eq!(Journal::open(&path, &key(2)).unwrap().known(), 0);
}

#[test]
fn only_a_key_that_nothing_follows_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv.journal");
    let own = serde_json::to_string(&key(1)).unwrap();
    let other = serde_json::to_string(&key(2)).unwrap();
    for begun in ["", &own[..9], &own, &other, &format!("{other}\n")] {
        std::fs::write(&path, begun).unwrap();
        assert_eq!(Journal::open(&path, &key(1)).unwrap().known(), 0, "{begun}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{own}\n"));
    }
    // What another version wrote of outcomes is not understood, but was done.
    let older = format!("{other}\n{{\"model\":0,\"item\":0,\"scores\":[]}}\n");
    for (foreign, of) in [
        (&*older, "of another seed: "),
        ("my notes", "out.csv.journal is no journal"),
        ("my notes\n", "out.csv.journal is no journal"),
        ("\n", "out.csv.journal is no journal"),
    ] {
        std::fs::write(&path, foreign).unwrap();
        let told = Journal::open(&path, &key(1)).err().unwrap().to_string();
        assert!(told.contains(of), "{foreign}: {told}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
    }
}
