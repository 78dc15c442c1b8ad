mod desk;

use std::path::Path;

use super::*;
use crate::coco;
use crate::eval::{Dataset, Problem, ProblemKind};
use crate::files;
use crate::geometry::FrameSize;

const SIZE: FrameSize = FrameSize::new(40, 30);

/// A folder of pictures: two of the same stem, one in a folder, and a mask, which is none.
fn pictures(folder: &Path) {
    let rgb = image::ExtendedColorType::Rgb8;
    let png = files::png(&[90; 40 * 30 * 3], SIZE, rgb).unwrap();
    std::fs::create_dir_all(folder.join("more")).unwrap();
    for name in ["a.png", "a.bmp", "a_mask0.png", "more/b (1).png"] {
        std::fs::write(folder.join(name), &png).unwrap();
    }
    image::load_from_memory(&png).unwrap().save(folder.join("a.bmp")).unwrap();
}

/// A square of `side` pixels at the top left.
fn square(side: u32) -> Mask {
    let inside = |i: u32| u8::from(i % SIZE.width < side && i / SIZE.width < side);
    Mask::from_pixels(SIZE, (0..SIZE.pixels() as u32).map(inside).collect())
}

fn about(name: &str) -> About {
    About {
        name: name.into(),
        origin: Origin::Pointed,
        points: vec![],
        bounding_box: None,
        prompts: 1,
        predicted_iou: 0.9,
        model: "fake".into(),
        seconds: 2.5,
    }
}

fn keep(set: &mut LabelSet, picture: usize, side: u32, name: &str) -> u64 {
    let frame = set.read(picture).unwrap();
    set.keep(picture, &frame, &square(side), about(name)).unwrap()
}

fn coco_of(out: &Path) -> coco::Dataset {
    serde_json::from_slice(&std::fs::read(out.join("annotations.json")).unwrap()).unwrap()
}

fn open(folder: &Path, out: &Path, names: &[&str]) -> Result<LabelSet, LabelError> {
    LabelSet::open(folder, out, names.iter().map(|&name| name.to_owned()).collect())
}

/// The files of masks and pictures in a dataset, by name.
fn files_in(out: &Path) -> Vec<String> {
    let found = files::files_below(out).unwrap();
    let names = found.iter().map(|path| crate::eval::name_in(out, path));
    names.filter(|name| name.ends_with(".png")).collect()
}

/// Names and areas of the structures of each picture, as `eval` reads them.
fn read_back(out: &Path) -> Vec<(String, Vec<(String, u64)>)> {
    let dataset = Dataset::open(out.to_str().unwrap()).unwrap();
    let mut found = Vec::new();
    // COCO's JSON is written when the dataset is closed, and the classes are in it.
    let mut problems: Vec<Problem> = dataset.problems.clone();
    problems.retain(|problem| problem.kind != ProblemKind::NoClass);
    for item in &dataset.items {
        item.read(&mut problems, |picture| {
            assert_eq!(picture.frame.rgb()[0], 90);
            let structures = picture.structures.iter();
            let structures = structures.map(|s| (s.name.clone(), s.mask.area_px())).collect();
            found.push((picture.name.clone(), structures));
            Ok::<_, ()>(())
        })
        .unwrap();
    }
    assert_eq!(problems, []);
    found
}

#[test]
fn what_is_kept_is_a_dataset_for_eval_and_for_training() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    pictures(folder.path());
    let out = out.path().join("labels");
    let names = vec!["cyst".to_owned(), "nerve".to_owned()];
    let mut set = LabelSet::open(folder.path(), &out, names).unwrap();
    let names: Vec<String> = set.pictures().iter().map(Picture::name).collect();
    assert_eq!(names, ["a.bmp", "a.png", "more/b (1).png"]);
    assert_eq!([keep(&mut set, 0, 10, "nerve"), keep(&mut set, 2, 8, "cyst")], [1, 2]);
    assert_eq!(keep(&mut set, 2, 12, "nerve"), 3);
    let expected = [
        ("images/a.bmp.png".to_owned(), vec![("a.bmp_mask0".to_owned(), 100)]),
        (
            "images/more/b (1).png".to_owned(),
            vec![("b (1)_mask0".to_owned(), 64), ("b (1)_mask1".to_owned(), 144)],
        ),
    ];
    assert_eq!(read_back(&out), expected);

    // A mask that is taken back is gone from there, and its number is not given again.
    set.withdraw(2).unwrap();
    assert_eq!(keep(&mut set, 2, 9, "cyst"), 4);
    assert_eq!(
        set.masks_of(2).iter().map(|m| &*m.file).collect::<Vec<_>>(),
        ["masks/more/b (1)_mask1.png", "masks/more/b (1)_mask2.png"]
    );
    set.finish(2).unwrap();
    let summary = set.close();
    assert!(summary.problems.is_empty(), "{:?}", summary.problems);
    assert_eq!((summary.pictures, summary.finished, summary.masks), (3, 1, 3));
    assert_eq!((summary.names["cyst"], summary.names["nerve"]), (1, 2));
    assert_eq!((summary.median_seconds, summary.total_seconds), (Some(2.5), 7.5));
    let coco = coco_of(&out);
    assert_eq!((coco.images.len(), coco.annotations.len()), (2, 3));
    for annotation in &coco.annotations {
        let image = &coco.images[&annotation.image_id];
        assert!(out.join("images").join(&image.file_name).exists(), "{image:?}");
        let size = FrameSize::new(image.width.unwrap(), image.height.unwrap());
        let mask = annotation.segmentation.as_ref().unwrap().to_rle(size).unwrap();
        let side = (mask.area_px() as f64).sqrt();
        assert_eq!(annotation.bbox, Some([0.0, 0.0, side, side]));
        assert_eq!(annotation.area, Some(side * side));
        assert!((1..=2).contains(&annotation.category_id) && annotation.iscrowd == 0);
    }
}

#[test]
fn labelling_goes_on_where_it_was_cut_off() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    pictures(folder.path());
    let open = |names: &[&str]| open(folder.path(), out.path(), names);
    let mut set = open(&["cyst", "vein"]).unwrap();
    keep(&mut set, 1, 10, "cyst");
    set.finish(0).unwrap();
    let busy = open(&[]).err().unwrap().to_string();
    assert!(busy.contains("another tapseg"), "{busy}");
    // The power fails: a mask's file was not there yet, and a line is cut short.
    drop(set);
    std::fs::remove_file(out.path().join("masks/a.png_mask0.png")).unwrap();
    let journal = out.path().join("labels.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, [&whole[..], b"{\"kept\":{\"id\":2,\"pic"].concat()).unwrap();
    let mut set = open(&[]).unwrap();
    assert_eq!(set.names(), ["cyst", "vein"]);
    let finished: Vec<bool> = set.pictures().iter().map(|picture| picture.finished).collect();
    assert_eq!(finished, [true, false, false]);
    assert_eq!(set.masks_of(1)[0].segmentation.to_mask(), square(10));
    assert_eq!(read_back(out.path())[0].1, [("a.png_mask0".to_owned(), 100)]);
    assert_eq!(keep(&mut set, 1, 5, "vein"), 2);
    drop(set);
    let mut set = open(&[]).unwrap();
    assert_eq!(set.masks_of(1).len(), 2);
    // The power fails again: a mask was taken back, and its file was still there.
    let file = out.path().join("masks/a.png_mask1.png");
    let png = std::fs::read(&file).unwrap();
    set.withdraw(2).unwrap();
    drop(set);
    std::fs::write(&file, png).unwrap();
    assert_eq!(open(&[]).unwrap().masks_of(1).len(), 1);
    assert_eq!(read_back(out.path())[0].1, [("a.png_mask0".to_owned(), 100)]);

    // What is damaged in the middle is not dropped in silence.
    let lines = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, lines.replacen("\"id\":1", "\"id\":x", 1)).unwrap();
    let damaged = open(&[]).err().unwrap().to_string();
    assert!(damaged.contains("labels.jsonl, line 2"), "{damaged}");
    std::fs::write(&journal, lines.replace("a.png", "c.png")).unwrap();
    let other = open(&[]).err().unwrap().to_string();
    assert!(other.contains("c.png is not in"), "{other}");
    let empty = tempfile::tempdir().unwrap();
    let none = LabelSet::open(empty.path(), out.path(), vec![]).err().unwrap().to_string();
    assert!(none.contains("no pictures"), "{none}");
}

#[test]
fn what_was_named_once_keeps_its_name_whatever_comes_and_goes() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (folder, out) = (folder.path(), out.path());
    pictures(folder);
    let away = folder.with_extension("away");
    std::fs::rename(folder.join("a.bmp"), &away).unwrap();
    let mut set = open(folder, out, &[]).unwrap();
    keep(&mut set, 0, 10, "structure");
    drop(set);
    std::fs::rename(&away, folder.join("a.bmp")).unwrap();
    let mut set = open(folder, out, &[]).unwrap();
    keep(&mut set, 0, 10, "structure");
    keep(&mut set, 1, 12, "structure");
    drop(set);
    let expected = [
        "images/a.bmp.png",
        "images/a.png",
        "masks/a.bmp_mask0.png",
        "masks/a_mask0.png",
        "masks/a_mask1.png",
    ];
    assert_eq!(files_in(out), expected);
    // A picture that has gone keeps its masks, and a power cut none from COCO's JSON.
    std::fs::remove_file(folder.join("a.png")).unwrap();
    drop(open(folder, out, &[]).unwrap());
    let coco = coco_of(out);
    let mut files: Vec<_> = coco.images.values().map(|image| &*image.file_name).collect();
    files.sort_unstable();
    assert_eq!((files, coco.annotations.len()), (vec!["a.bmp.png", "a.png"], 3));
    // What differs from another in its capitals alone is told apart, wherever they don't count.
    std::fs::copy(folder.join("a.bmp"), folder.join("A.BMP")).unwrap();
    let mut set = open(folder, out, &[]).unwrap();
    keep(&mut set, 0, 9, "structure");
    assert_eq!(set.masks_of(0)[0].file, "masks/A.BMP-2_mask0.png");
}

#[test]
fn a_mask_is_taken_back_even_where_its_file_stays() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (folder, out) = (folder.path(), out.path());
    pictures(folder);
    let mut set = open(folder, out, &[]).unwrap();
    let id = keep(&mut set, 0, 10, "structure");
    // What can't be removed as a file is.
    let file = out.join(&set.masks_of(0)[0].file);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    set.withdraw(id).unwrap();
    assert!(set.masks_of(0).is_empty());
    drop(set);
    assert!(file.exists() && files_in(out).is_empty(), "the picture's file has gone");
    let set = open(folder, out, &[]).unwrap();
    assert!(set.masks_of(0).is_empty());
    let problems = set.close().problems;
    assert!(problems.len() == 1 && problems[0].contains("_mask"), "{problems:?}");
}

#[test]
fn the_names_are_the_classes_for_eval() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let out = out.path();
    pictures(folder.path());
    let mut set = open(folder.path(), out, &["cyst", "nerve"]).unwrap();
    keep(&mut set, 0, 10, "nerve");
    keep(&mut set, 0, 4, "cyst");
    keep(&mut set, 2, 8, "nerve");
    set.close();
    let classes = || {
        let dataset = Dataset::open(out.to_str().unwrap()).unwrap();
        let (mut classes, mut problems) = (vec![], dataset.problems.clone());
        for item in &dataset.items {
            let read = item.read(&mut problems, |picture| {
                classes.extend(picture.structures.into_iter().map(|s| (s.name, s.class)));
                Ok::<_, ()>(())
            });
            read.unwrap();
        }
        (classes, problems.into_iter().map(|problem| problem.kind).collect::<Vec<_>>())
    };
    let class = |name: &str| Some(name.to_owned());
    let mut expected = vec![
        ("a.bmp_mask0".to_owned(), class("nerve")),
        ("a.bmp_mask1".to_owned(), class("cyst")),
        ("b (1)_mask0".to_owned(), class("nerve")),
    ];
    assert_eq!(classes(), (expected.clone(), vec![]));
    // Without names, and with names that can't be read, structures have none, which is told.
    let annotations = out.join("annotations.json");
    let text = std::fs::read_to_string(&annotations).unwrap();
    std::fs::write(&annotations, text.replace("masks/a.bmp_mask1", "masks/other")).unwrap();
    expected[1].1 = None;
    assert_eq!(classes(), (expected.clone(), vec![ProblemKind::NoClass]));
    std::fs::write(&annotations, &text[..text.len() - 1]).unwrap();
    expected.iter_mut().for_each(|(_, class)| *class = None);
    assert_eq!(classes(), (expected.clone(), vec![ProblemKind::Unreadable]));
    std::fs::remove_file(&annotations).unwrap();
    assert_eq!(classes(), (expected, vec![]));
}

#[test]
fn what_can_not_be_read_is_left_out_until_it_can() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    pictures(folder.path());
    let first = folder.path().join("a.bmp");
    let whole = std::fs::read(&first).unwrap();
    for content in [&b""[..], b"no picture", &whole[..40]] {
        std::fs::write(&first, content).unwrap();
        let mut set = open(folder.path(), out.path(), &[]).unwrap();
        let reason = set.read(0).err().unwrap().reason();
        assert!(!reason.contains("a.bmp") && reason.contains(": "), "{reason}");
        assert!(set.pictures()[0].unreadable && !set.pictures()[1].unreadable);
        let summary = set.close();
        assert_eq!((summary.unreadable, summary.problems.len()), (vec!["a.bmp".to_owned()], 0));
        let set = open(folder.path(), out.path(), &[]).unwrap();
        assert!(set.pictures()[0].unreadable);
    }
    std::fs::write(&first, whole).unwrap();
    let set = open(folder.path(), out.path(), &[]).unwrap();
    assert!(!set.pictures()[0].unreadable);
}

#[test]
fn the_frames_of_a_clip_are_pictures() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/feeds/rle_rgb.dcm");
    let clip = folder.path().join("clip.dcm");
    std::fs::copy(&source, &clip).unwrap();
    std::fs::write(folder.path().join("broken.dcm"), "DICM").unwrap();
    let mut set = open(folder.path(), out.path(), &[]).unwrap();
    let frames = set.pictures().iter().map(|picture| (picture.name(), picture.frame.is_some()));
    let frames: Vec<_> = frames.collect();
    let expected = [("broken.dcm", false), ("clip.dcm", true), ("clip.dcm#2", true)];
    assert_eq!(frames[..3], expected.map(|(name, clip)| (name.to_owned(), clip)));
    let count = frames.len() as u64 - 1;
    assert_eq!(set.pictures()[2].frame, Some(FrameOf { number: 2, count }));
    assert!(set.read(0).is_err());
    let mut dicom = crate::feed::dicom::DicomClip::open(&source).unwrap();
    for number in [1, count, 2] {
        let frame = set.read(number as usize).unwrap();
        let expected = crate::feed::Clip::frame(&mut dicom, number - 1).unwrap();
        assert!(frame.rgb() == expected.rgb() && frame.sequence == number, "frame {number}");
    }
    let frame = set.read(2).unwrap();
    let all = Mask::from_pixels(frame.size(), vec![1; frame.size().pixels()]);
    set.keep(2, &frame, &all, about("structure")).unwrap();
    assert_eq!(files_in(out.path()), ["images/clip_frame2.png", "masks/clip_frame2_mask0.png"]);
    // The file is another by now.
    std::fs::write(&clip, "DICM").unwrap();
    assert!(set.read(0).is_err() && set.read(2).is_err());
    assert_eq!(set.close().unreadable, ["broken.dcm", "clip.dcm#2"]);
}

#[test]
fn the_median_of_an_even_number_lies_between_the_middle_two() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    pictures(folder.path());
    let mut set = open(folder.path(), out.path(), &[]).unwrap();
    let frame = set.read(0).unwrap();
    for seconds in [9.0, 1.0, 4.0, 2.0] {
        set.keep(0, &frame, &square(5), About { seconds, ..about("structure") }).unwrap();
    }
    assert_eq!(set.close().median_seconds, Some(3.0));
}

#[test]
fn folders_that_will_not_do_are_told_with_what_will() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (folder, out) = (folder.path(), out.path());
    let told = |folder: &Path, out: &Path| open(folder, out, &[]).err().unwrap().to_string();
    assert!(told(&folder.join("none"), out).contains("none: "));
    assert!(told(folder, out).contains("no pictures are there"));
    std::fs::write(folder.join("a_mask0.png"), "").unwrap();
    assert!(told(folder, out).contains("1 are masks by their names"));
    std::fs::remove_file(folder.join("a_mask0.png")).unwrap();
    pictures(folder);
    assert!(told(&folder.join("a.png"), out).contains("give the folder that it is in"));
    assert!(told(folder, folder).contains("give another folder"));
    assert!(told(&folder.join("more"), folder).contains("give another folder"));
    let file = out.join("file");
    std::fs::write(&file, "").unwrap();
    assert!(told(folder, &file).contains("--out"));
}
