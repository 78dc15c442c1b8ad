use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ndarray::Array2;

use super::*;
use crate::coco;
use crate::eval::{Dataset, Problem};
use crate::files;
use crate::geometry::FrameSize;
use crate::model::{MaskCandidate, Masks};
use crate::overlay::Button;
use crate::screen::Key;
use crate::session::{Command, Decoded, Encoded, Event, Job};

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

/// Names and areas of the structures of each picture, as `eval` reads them.
fn read_back(out: &Path) -> Vec<(String, Vec<(String, u64)>)> {
    let dataset = Dataset::open(out.to_str().unwrap()).unwrap();
    let mut found = Vec::new();
    let mut problems: Vec<Problem> = dataset.problems.clone();
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
    assert_eq!(set.picture_names(), ["a.bmp", "a.png", "more/b (1).png"]);
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
    let summary = set.close().unwrap();
    assert_eq!((summary.pictures, summary.finished, summary.masks), (3, 1, 3));
    assert_eq!((summary.names["cyst"], summary.names["nerve"]), (1, 2));
    assert_eq!((summary.median_seconds, summary.total_seconds), (Some(2.5), 7.5));
    let text = std::fs::read(out.join("annotations.json")).unwrap();
    let coco: coco::Dataset = serde_json::from_slice(&text).unwrap();
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
    let open = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        LabelSet::open(folder.path(), out.path(), names)
    };
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
    assert_eq!(set.finished(), [true, false, false]);
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

/// A desk, and what it asked for that was not answered.
struct Bed {
    desk: Desk,
    todo: Vec<Command>,
    now: Duration,
}

impl Bed {
    fn new(finished: &[bool], propose: bool) -> Self {
        let desk = Desk::new(DeskOptions {
            pictures: (0..finished.len()).map(|i| format!("{i}.png")).collect(),
            finished: finished.to_vec(),
            names: vec!["cyst".into(), "nerve".into()],
            propose,
            ..DeskOptions::default()
        });
        let mut bed = Self { desk, todo: vec![], now: Duration::ZERO };
        bed.pass(1);
        bed
    }

    fn on(&mut self, event: Event) {
        self.todo.extend(self.desk.handle(event));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.on(Event::Tick(self.now));
    }

    fn press(&mut self, button: Button) {
        self.on(Event::Pressed(button));
    }

    fn tap(&mut self) {
        self.on(Event::Touched);
        self.on(Event::Tap { at: crate::FramePoint::new(5.0, 5.0), reach: 1.0 });
    }

    /// Answers all that was asked for: errands in `kept`, and proposals and prompts with a square of
    /// 10 pixels.
    fn answer(&mut self, kept: &mut Vec<(usize, About)>) {
        while !self.todo.is_empty() {
            let event = match self.todo.remove(0) {
                Command::Label(Errand::Show(picture)) => {
                    let mut frame = Frame::from_rgb(SIZE, vec![7; SIZE.pixels() * 3]).unwrap();
                    frame.sequence = picture as u64;
                    let result = Ok((frame.clone(), vec![]));
                    self.on(Event::Label(Outcome::Shown { picture, result }));
                    Event::Presented(frame)
                }
                Command::Label(Errand::Keep { id, picture, about, .. }) => {
                    kept.push((picture, *about));
                    Event::Label(Outcome::Kept { id, result: Ok(kept.len() as u64) })
                }
                Command::Label(Errand::Withdraw(mask)) => {
                    kept.remove(mask as usize - 1);
                    Event::Label(Outcome::Withdrawn { mask, result: Ok(()) })
                }
                Command::Label(Errand::Finish(picture)) => {
                    Event::Label(Outcome::Finished { picture, result: Ok(()) })
                }
                Command::Network(Job::Encode { id, .. }) => {
                    let took = Duration::from_millis(1);
                    Event::Encoded { id, result: Ok(Encoded { took, cached: false, region: None }) }
                }
                Command::Network(Job::Everything { id, .. }) => {
                    Event::Searched { id, result: Ok(vec![candidate(10)]) }
                }
                Command::Network(Job::Decode { request, .. }) => {
                    let masks = Masks { candidates: vec![candidate(10)] };
                    let took = Duration::from_millis(1);
                    Event::Decoded { request, result: Ok(Decoded { took, masks }) }
                }
                Command::Network(Job::Stop) | Command::Refine(_) | Command::Remember(_) => continue,
                Command::Save(_) | Command::Clip { .. } | Command::Records(_) => continue,
            };
            self.on(event);
        }
        assert!(self.desk.is_idle());
    }

    fn message(&self) -> String {
        self.desk.scene().status.message.unwrap()
    }
}

fn candidate(side: u32) -> MaskCandidate {
    MaskCandidate {
        mask: square(side),
        low_res_logits: Arc::new(Array2::zeros((4, 4))),
        predicted_iou: 0.8,
        stability_score: 1.0,
    }
}

#[test]
fn proposals_are_taken_corrected_and_named() {
    let mut kept = Vec::new();
    let mut bed = Bed::new(&[true, false, false], true);
    bed.answer(&mut kept);
    let scene = bed.desk.scene();
    assert_eq!((scene.objects.len(), &*scene.status.source), (1, "2/3 1.png"));
    bed.press(Button::Accept);
    assert!(bed.todo.is_empty(), "a proposal that nobody tapped is not accepted");

    bed.tap();
    bed.pass(3);
    bed.on(Event::Key(Key::Enter));
    bed.answer(&mut kept);
    let (picture, about) = &kept[0];
    assert_eq!((*picture, &*about.name, about.prompts), (1, "cyst", 0));
    assert_eq!((about.origin, about.seconds), (Origin::Proposed, 3.0));
    assert!(bed.message().contains("1 kept here: cyst"), "{}", bed.message());

    bed.on(Event::Key(Key::Letter('+')));
    bed.on(Event::Key(Key::Letter('2')));
    bed.tap();
    bed.answer(&mut kept);
    bed.pass(5);
    bed.press(Button::Next);
    assert!(bed.message().contains("not accepted"), "{}", bed.message());
    bed.on(Event::Key(Key::Letter(' ')));
    bed.on(Event::Key(Key::Right));
    bed.answer(&mut kept);
    assert_eq!((&*kept[1].1.name, kept[1].1.origin), ("nerve", Origin::Pointed));
    assert_eq!((kept[1].1.seconds, kept[1].1.points.len()), (5.0, 1));
    let scene = bed.desk.scene();
    assert_eq!((scene.status.source, scene.objects.len()), ("3/3 2.png".into(), 1));

    // The proposal is taken and corrected; then all is taken back, step by step.
    bed.tap();
    bed.press(Button::Positive);
    bed.on(Event::Tap { at: crate::FramePoint::new(20.0, 20.0), reach: 1.0 });
    bed.answer(&mut kept);
    bed.press(Button::Accept);
    bed.answer(&mut kept);
    assert_eq!((kept[2].1.origin, kept[2].1.prompts), (Origin::Corrected, 1));
    bed.on(Event::Key(Key::Backspace));
    bed.answer(&mut kept);
    assert_eq!(kept.len(), 2);
    bed.press(Button::Next);
    bed.answer(&mut kept);
    assert!(bed.message().contains("last picture"), "{}", bed.message());
    bed.press(Button::Previous);
    bed.answer(&mut kept);
    assert!(bed.desk.scene().objects.is_empty(), "done: nothing is proposed");
}

#[test]
fn what_can_not_be_written_or_read_is_told_and_stays() {
    let mut bed = Bed::new(&[false, false], false);
    bed.answer(&mut vec![]);
    bed.tap();
    bed.answer(&mut vec![]);
    bed.press(Button::Accept);
    let fail = |bed: &mut Bed| {
        let Some(Command::Label(Errand::Keep { id, .. })) = bed.todo.pop() else { panic!() };
        bed.on(Event::Label(Outcome::Kept { id, result: Err("the disk is full".into()) }));
    };
    fail(&mut bed);
    assert!(bed.message().contains("Not kept: the disk is full"), "{}", bed.message());
    bed.press(Button::Next);
    assert!(bed.todo.is_empty() && bed.message().contains("not on the disk"));
    bed.press(Button::Accept);
    fail(&mut bed);
    assert_eq!(bed.desk.scene().objects.len(), 1);
    bed.press(Button::Accept);
    let mut kept = Vec::new();
    bed.answer(&mut kept);
    assert_eq!(kept.len(), 1);
    bed.press(Button::Next);
    bed.todo.truncate(1);
    let outcome = Outcome::Finished { picture: 0, result: Ok(()) };
    bed.todo.clear();
    bed.on(Event::Label(outcome));
    bed.todo.clear();
    let result = Err("1.png: no PNG file".to_owned());
    bed.on(Event::Label(Outcome::Shown { picture: 1, result }));
    assert!(bed.message().contains("no PNG file"), "{}", bed.message());
    assert!(bed.desk.is_idle());
    bed.tap();
    assert!(bed.todo.is_empty());
    bed.press(Button::Previous);
    bed.answer(&mut kept);
    assert_eq!(bed.desk.scene().status.source, "1/2 0.png");
}
