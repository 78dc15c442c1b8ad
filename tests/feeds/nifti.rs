//! NIfTI volumes, against what nibabel says about them (`data/nifti/make.py`), and damaged ones.

use std::collections::BTreeMap;

use serde::Deserialize;
use tapseg::Mask;
use tapseg::feed::nifti::{NiftiClip, SliceAxis, View, Window};

use super::*;

fn volume(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nifti").join(name)
}

/// Pictures by slice, row and column.
type Pictures = Vec<Vec<Vec<u8>>>;

#[derive(Deserialize)]
struct Expected {
    affine: [[f64; 4]; 3],
    spacing_mm: [f64; 3],
    voxel_mm3: f64,
    axis_codes: String,
    axial: Pictures,
    coronal: Pictures,
    sagittal: Pictures,
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_slice(&std::fs::read(volume("expected.json")).unwrap()).unwrap()
}

/// Greys are the values.
fn view(axis: SliceAxis) -> View {
    View { axis, window: Some(Window { black: 0.0, white: 255.0 }) }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + b.abs())
}

#[test]
fn volumes_lie_and_look_as_nibabel_says() {
    let cases = expected();
    assert_eq!(cases.len(), 8);
    for (name, expected) in cases {
        let axes = [
            (SliceAxis::Axial, &expected.axial, 2),
            (SliceAxis::Coronal, &expected.coronal, 1),
            (SliceAxis::Sagittal, &expected.sagittal, 0),
        ];
        for (axis, pictures, world) in axes {
            let mut clip = NiftiClip::open(&volume(&name), view(axis)).unwrap();
            let geometry = clip.geometry().clone();
            let rows = geometry.affine.iter().zip(&expected.affine);
            assert!(rows.flat_map(|(a, b)| a.iter().zip(b)).all(|(a, b)| close(*a, *b)), "{name}");
            let spacing = geometry.spacing_mm();
            assert!(spacing.iter().zip(expected.spacing_mm).all(|(a, b)| close(*a, b)), "{name}");
            assert!(close(geometry.voxel_mm3(), expected.voxel_mm3), "{name}");
            assert_eq!(geometry.axis_codes(), expected.axis_codes, "{name}");
            assert_eq!(clip.frame_count(), Some(pictures.len() as u64));
            let across = |world: usize| {
                let along = |axis: &usize| geometry.orientation()[*axis].0 == world;
                spacing[(0..3).find(along).unwrap()] as f32
            };
            let [x, y] = [[1, 2], [0, 2], [0, 1]][world].map(across);
            for (slice, picture) in pictures.iter().enumerate() {
                let frame = clip.frame(slice as u64).unwrap();
                assert_eq!(frame.sequence, slice as u64);
                let size = FrameSize::new(picture[0].len() as u32, picture.len() as u32);
                assert_eq!(frame.size(), size, "{name} {axis:?}");
                let found: Vec<u8> = frame.rgb().chunks(3).map(|p| p[0]).collect();
                assert_eq!(found, picture.concat(), "{name} {axis:?} {slice}");
                assert_eq!(frame.pixel_spacing, Some(PixelSpacing { row_mm: y, column_mm: x }));
            }
        }
    }
}

#[test]
fn masks_have_the_geometry_of_their_volume() {
    let folder = tempfile::tempdir().unwrap();
    for name in expected().into_keys() {
        for axis in [SliceAxis::I, SliceAxis::J, SliceAxis::K] {
            let mut clip = NiftiClip::open(&volume(&name), view(axis)).unwrap();
            let mut mask = clip.empty_mask();
            // The voxels above a value, slice by slice; those of slice 0 are left out.
            for slice in 1..clip.frame_count().unwrap() {
                let frame = clip.frame(slice).unwrap();
                let inside = frame.rgb().chunks(3).map(|p| u8::from(p[0] > 100)).collect();
                mask.set_slice(slice, &Mask::from_pixels(frame.size(), inside));
            }
            let inside = mask.voxels().iter().map(|&v| u64::from(v)).sum::<u64>();
            assert!(inside > 50);
            let ml = inside as f64 * clip.geometry().voxel_mm3() / 1000.0;
            assert!(close(mask.volume_ml(), ml), "{name}");
            // A name with more dots is written under that name.
            for file in ["scan.1.mask.nii.gz", "scan.1.mask.nii"] {
                let path = folder.path().join(file);
                mask.write(&path).unwrap();
                let mut read = NiftiClip::open(&path, view(axis)).unwrap();
                assert_eq!(read.geometry(), clip.geometry(), "{name}");
                let mut again = read.empty_mask();
                for slice in 0..read.frame_count().unwrap() {
                    let frame = read.frame(slice).unwrap();
                    let inside = frame.rgb().chunks(3).map(|p| p[0]).collect();
                    again.set_slice(slice, &Mask::from_pixels(frame.size(), inside));
                }
                assert_eq!(again.voxels(), mask.voxels(), "{name} {axis:?}");
                let raw = std::fs::read(&path).unwrap();
                let kept = std::fs::read(volume(&name)).unwrap();
                if !file.ends_with("gz") && !name.ends_with("gz") {
                    let at = |bytes: &[u8], range: Range<usize>| bytes[range].to_vec();
                    // dim; pixdim; qform and sform with their codes.
                    for range in [40..56, 76..108, 252..328] {
                        assert_eq!(at(&raw, range.clone()), at(&kept, range), "{name}");
                    }
                }
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing partial is left");
    let clip = NiftiClip::open(&volume("ras_int16.nii"), View::default()).unwrap();
    let error = clip.empty_mask().write(&folder.path().join("mask.png")).unwrap_err();
    assert!(error.to_string().contains(".nii.gz"), "{error}");
}

#[test]
fn a_volume_is_a_feed_and_its_middle_slice_a_still() {
    let path = volume("oblique_float32.nii.gz");
    let mut clip = open_clip(&[path.display().to_string()]).unwrap();
    assert_eq!((clip.frame_count(), clip.name()), (Some(5), "oblique_float32.nii.gz"));
    let still = read_still(&path).unwrap();
    assert_eq!(still.rgb(), clip.frame(2).unwrap().rgb());
    let error = open_error(&[&path, &path]).to_string();
    assert!(error.contains("one at a time"), "{error}");
}

#[test]
fn damaged_and_foreign_volumes_are_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let sound = std::fs::read(volume("ras_int16.nii")).unwrap();
    let with = |changes: &[(usize, &[u8])]| {
        let mut bytes = sound.clone();
        for (at, change) in changes {
            bytes[*at..at + change.len()].copy_from_slice(change);
        }
        bytes
    };
    let nan = f32::NAN.to_le_bytes();
    let cases: [(&str, Vec<u8>, &str); 15] = [
        ("empty", vec![], "within its header"),
        ("text", vec![b'a'; 400], "not a NIfTI-1 file"),
        ("short", sound[..500].to_vec(), "there is data for 74 voxels"),
        ("no dimensions", with(&[(40, &[0, 0])]), "dimensions"),
        ("a length of 0", with(&[(42, &[0, 0])]), "dimensions are damaged"),
        ("a negative length", with(&[(42, &[0xFE, 0xFF])]), "is -2"),
        (
            "absurd lengths",
            with(&[(42, &[0xFF, 0x7F]), (44, &[0xFF, 0x7F]), (46, &[0xFF, 0x7F])]),
            "32767x32767: more than the limit",
        ),
        ("large", with(&[(42, &[0, 16]), (44, &[0, 16]), (46, &[0, 16])]), "more than 1 GiB"),
        ("claims", with(&[(42, &[0, 4]), (44, &[0, 4]), (46, &[0, 1])]), "there is data for 210"),
        ("colour", with(&[(70, &[128, 0])]), "Rgb24 are not supported"),
        ("bits", with(&[(72, &[8, 0])]), "Int16 has 8 bits"),
        ("offset", with(&[(108, &nan)]), "begin at byte NaN"),
        ("pair", with(&[(344, b"ni1\0")]), "separate .img"),
        ("no place", with(&[(280, &nan)]), "its sform gives voxels no volume"),
        ("flat", with(&[(280, &[0; 48])]), "its sform gives voxels no volume"),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.path().join("volume.nii");
        std::fs::write(&path, bytes).unwrap();
        let error = open_error(&[&path]).to_string();
        assert!(error.contains(expected) && error.contains("volume.nii"), "{name}: {error}");
    }
    let four = open_error(&[&volume("four_dimensions.nii.gz")]).to_string();
    assert!(
        four.contains("4 dimensions (4 along dimension 4)") && four.contains("fslroi"),
        "{four}"
    );
    assert!(open_error(&[&volume("nifti2.nii")]).to_string().contains("NIfTI-2"));
    // A compressed file that breaks off, whatever its name.
    let compressed = std::fs::read(volume("oblique_float32.nii.gz")).unwrap();
    let path = folder.path().join("cut.nii");
    std::fs::write(&path, &compressed[..compressed.len() - 40]).unwrap();
    assert!(open_error(&[&path]).to_string().contains("cut.nii: its data is damaged"));
}

/// Whatever is in the file: an error or slices, never a panic.
#[test]
fn flipped_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume.nii");
    let sound = std::fs::read(volume("oblique_qform_int16.nii")).unwrap();
    let mut state = 1u64;
    let mut opened = 0;
    for run in 0..3000 {
        let mut bytes = sound.clone();
        for _ in 0..=run % 4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes[(state >> 33) as usize % 352] = (state >> 20) as u8;
        }
        std::fs::write(&path, bytes).unwrap();
        for axis in [SliceAxis::Axial, SliceAxis::I] {
            if let Ok(mut clip) = NiftiClip::open(&path, View { axis, window: None }) {
                let last = clip.frame_count().unwrap() - 1;
                clip.frame(last).unwrap();
                opened += 1;
            }
        }
    }
    assert!(opened > 100, "{opened}");
}
