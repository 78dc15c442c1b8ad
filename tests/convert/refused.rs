//! Checkpoints that don't fit, are damaged, or mean harm.

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use tapseg::convert::{Checkpoint, ConvertOptions, Networks, WeightPrecision, convert};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::cases::{micro_path, options, package};

/// The micro checkpoint with `change` applied to the content of each entry, by its name.
fn repacked(change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    let mut source = ZipArchive::new(File::open(micro_path("micro.pth")).unwrap()).unwrap();
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for index in 0..source.len() {
        let mut entry = source.by_index(index).unwrap();
        let (name, mut content) = (entry.name().unwrap().into_owned(), vec![]);
        entry.read_to_end(&mut content).unwrap();
        change(name.trim_start_matches("micro/"), &mut content);
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name, stored).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Replaces `from` by `to`, of the same length, wherever it stands.
fn replace(content: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..content.len().saturating_sub(from.len()))
        .filter(|&at| content[at..].starts_with(from.as_bytes()))
        .collect();
    for at in places {
        content[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
}

/// The micro checkpoint with `change` applied to the content of one entry.
fn changed(entry: &str, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    repacked(|name, content| {
        if name == entry {
            change(content);
        }
    })
}

/// The micro checkpoint with `change` applied to the pickle that describes it.
fn described(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    changed("data.pkl", change)
}

/// The micro checkpoint with one piece of text in its keys replaced.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    described(|pickle| replace(pickle, from, to))
}

/// Adds a tensor called `name`: the last one once more, out of the memo.
fn add_tensor(pickle: &mut Vec<u8>, name: &str) {
    let end = (0..pickle.len()).rfind(|&at| pickle[at..].starts_with(b"u}r")).unwrap();
    let key = [b"X", &(name.len() as u32).to_le_bytes()[..], name.as_bytes()].concat();
    let recalled = [b"j", &pickle[end - 4..end]].concat();
    pickle.splice(end..end, [key, recalled].concat());
}

/// Builds both networks, or says why not.
fn build(bytes: &[u8]) -> Result<(), String> {
    let checkpoint = Checkpoint::read(Cursor::new(bytes.to_vec())).map_err(|e| e.to_string())?;
    package(&checkpoint, &options(Some(32), WeightPrecision::F32))
        .map(drop)
        .map_err(|e| e.to_string())
}

#[test]
fn checkpoints_that_do_not_fit_are_refused_by_what_is_wrong() {
    build(&repacked(|_, _| {})).unwrap();
    let cases = [
        (
            "a missing tensor",
            renamed("layers.1.blocks.0.mlp.fc1.bias", "layers.1.blocks.0.mlp.fc1.bent"),
            "lacks 1 tensors: image_encoder.layers.1.blocks.0.mlp.fc1.bias",
        ),
        (
            "a missing block",
            renamed("layers.2.blocks.0.", "layers.2.blocks.7."),
            "image_encoder.layers.2.blocks.0.",
        ),
        (
            "a missing norm",
            renamed("transformer.layers.0.norm1.", "transformer.layers.0.norm9."),
            "the mask decoder lacks 2 tensors: mask_decoder.transformer.layers.0.norm1.",
        ),
        (
            "a variant with more tensors",
            described(|pickle| add_tensor(pickle, "mask_decoder.hf_token.weight")),
            "variant of it (it looks like HQ-SAM, whose decoder has a token more): mask_decoder.hf_token",
        ),
        (
            "tensors in each other's place",
            described(|pickle| {
                for (from, to) in [("fc1.w", "fcX.w"), ("fc2.w", "fc1.w"), ("fcX.w", "fc2.w")] {
                    replace(pickle, from, to);
                }
            }),
            "image_encoder.layers.1.blocks.0.mlp.fc1.weight has shape [16, 32]",
        ),
        (
            "another network",
            renamed("image_encoder.", "vision_tower0."),
            "the first being mask_decoder.iou_prediction_head.layers.0.bias",
        ),
        (
            "NaN",
            changed("data/0", |content| content[..4].copy_from_slice(&f32::NAN.to_le_bytes())),
            "tensor image_encoder.patch_embed.seq.0.c.weight: holds NaN",
        ),
        (
            "a short storage",
            changed("data/0", |content| content.truncate(content.len() - 4)),
            "should have 12 elements of 4 bytes; the file holds 11",
        ),
        (
            "a negative variance",
            changed("data/4", |content| content[..4].copy_from_slice(&(-1f32).to_le_bytes())),
            "image_encoder.patch_embed.seq.0.bn has statistics",
        ),
    ];
    for (name, bytes, expected) in cases {
        let error = build(&bytes).expect_err(name);
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn sizes_that_no_network_has_are_refused() {
    let checkpoint = Checkpoint::open(&micro_path("micro.pth"), |_, _| ()).unwrap();
    let sam = Checkpoint::open(&micro_path("micro_sam.pth"), |_, _| ()).unwrap();
    let cases = [
        (&checkpoint, 0, "a multiple of 4"),
        (&checkpoint, 30, "a multiple of 4"),
        (&checkpoint, 1028, "257×257 cells"),
        (&checkpoint, usize::MAX - 3, "cells"),
        (&sam, 64, "possible is 96 alone"),
    ];
    for (checkpoint, size, expected) in cases {
        let error = package(checkpoint, &options(Some(size), WeightPrecision::F32)).unwrap_err();
        assert!(error.to_string().contains(expected), "{size}: {error}");
    }
}

#[test]
fn what_shapes_do_not_tell_is_asked_for() {
    let preset_of = |file: &str| {
        let checkpoint = Checkpoint::open(&micro_path(file), |_, _| ()).unwrap();
        let unasked = ConvertOptions::new("micro");
        Networks::read(&checkpoint, &unasked, &mut |_, _, _| ()).map(|n| n.assumptions.join("; "))
    };
    let error = preset_of("micro_sam.pth").err().unwrap().to_string();
    assert!(error.contains("--preset sam") && error.contains("--preset medsam"), "{error}");
    for (file, expected) in [("micro.pth", "litemedsam"), ("micro_mobile.pth", "mobilesam")] {
        let assumed = preset_of(file).unwrap();
        assert!(assumed.contains(expected) && assumed.contains("pixels"), "{assumed}");
    }
}

#[test]
fn a_file_that_is_missing_or_cut_short_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(micro_path("micro.pth")).unwrap();
    let (path, out) = (folder.path().join("cut.pth"), folder.path().join("out"));
    let options = options(Some(32), WeightPrecision::F32);
    for len in (0..whole.len()).step_by(whole.len() / 64).map(Some).chain([None]) {
        match len {
            Some(len) => fs::write(&path, &whole[..len]).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = convert(&path, &options, &out, &mut |_, _, _| ()).unwrap_err().to_string();
        assert!(error.contains("cut.pth"), "{len:?}: {error}");
        assert!(!out.exists(), "{len:?}: a package was begun");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// No change of a few bytes makes the reader or the builders panic, hang or take memory.
    #[test]
    fn changed_bytes_give_an_error_or_a_network(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        place in 0..3,
    ) {
        let change = |content: &mut Vec<u8>| {
            for (index, byte) in &changes {
                let at = index.index(content.len());
                content[at] = *byte;
            }
        };
        let bytes = match place {
            // What describes the tensors, with a checksum that is right again.
            0 => described(change),
            // The zip's directory, at the end.
            1 => {
                let mut bytes = fs::read(micro_path("micro.pth")).unwrap();
                let mut directory = bytes.split_off(bytes.len() - 24_000);
                change(&mut directory);
                bytes.extend(directory);
                bytes
            }
            _ => {
                let mut bytes = fs::read(micro_path("micro.pth")).unwrap();
                change(&mut bytes);
                bytes
            }
        };
        let _ = build(&bytes);
    }
}
