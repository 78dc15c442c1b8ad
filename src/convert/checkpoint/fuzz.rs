//! Readers against damaged files: real ones with changed, moved, lost and repeated bytes must give an
//! error or tensors, and never a panic. How many are tried is told by the environment variable
//! `TAPSEG_FUZZ_RUNS`.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{Checkpoint, pickle};
use crate::fuzz::{Mutator, runs};

fn seed(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(file)).unwrap()
}

/// Opens a file and reads all that it says it has; gives how many tensors that were.
fn read_all(bytes: Vec<u8>) -> usize {
    let Ok(checkpoint) = Checkpoint::read(Cursor::new(bytes)) else { return 0 };
    checkpoint.keys().filter(|key| checkpoint.tensor(key).is_ok_and(|t| t.is_some())).count()
}

/// The entries of a zip.
fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut entries = vec![];
    for index in 0..zip.len() {
        let (mut entry, mut content) = (zip.by_index(index).unwrap(), vec![]);
        entry.read_to_end(&mut content).unwrap();
        entries.push((entry.name().unwrap().into_owned(), content));
    }
    entries
}

fn zipped(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in entries {
        zip.start_file(name, stored).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn damaged_checkpoints_give_errors_or_tensors() {
    let (torch, old, safetensors) =
        (seed("mini.pth"), seed("mini_old.pth"), seed("mini.safetensors"));
    assert_eq!((read_all(torch.clone()), read_all(safetensors.clone())), (6, 6));
    assert_eq!(read_all(old.clone()), 0);
    let parts = entries(&torch);
    let at = parts.iter().position(|(name, _)| name.ends_with("data.pkl")).unwrap();
    let mut mutator = Mutator::new(1, &[&torch, &old, &safetensors, &parts[at].1]);
    let mut read = [0u64; 4];
    for run in 0..runs() {
        let target = (run % 4) as usize;
        read[target] += match target {
            0 => read_all(mutator.changed(&torch)),
            1 => read_all(mutator.changed(&safetensors)),
            // Past the checksums of the container: the pickle alone…
            2 => {
                pickle::read_state_dict(&mutator.changed(&parts[at].1)).map_or(0, |dict| dict.len())
            }
            // …and in a container that is sound again.
            _ => {
                let mut parts = parts.clone();
                parts[at].1 = mutator.changed(&parts[at].1);
                read_all(zipped(&parts))
            }
        } as u64;
    }
    println!("tensors that could still be read: {read:?}");
    // The changes are small enough that much remains, so that readers get far.
    assert!(read.iter().all(|tensors| *tensors > runs() / 100), "{read:?}");
}
