//! Records, written and read back.

use std::cell::Cell;
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ndarray::Array2;

use super::*;
use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint};
use crate::mask::Mask;
use crate::measure::{calliper, volume_of_revolution};
use crate::model::{Masks, ModelId, Package};
use crate::prompt::Prompt;
use crate::region::RegionChoice;

fn snapshot() -> Snapshot {
    let size = FrameSize::new(40, 30);
    let mut frame = Frame::from_rgb(size, vec![100; size.pixels() * 3]).unwrap();
    frame.pixel_spacing = Some(PixelSpacing { row_mm: 0.5, column_mm: 0.5 });
    frame.sequence = 7;
    let candidate = |rows: usize| MaskCandidate {
        mask: Mask::from_pixels(size, (0..1200).map(|i| u8::from(i < rows * 40)).collect()),
        low_res_logits: Arc::new(Array2::zeros((4, 4))),
        predicted_iou: 0.75,
        stability_score: 0.5,
    };
    let object = SnapshotObject {
        origin: Origin::Found,
        refined: false,
        prompt: Prompt::default().positive(3.0, 4.0),
        masks: Masks { candidates: vec![candidate(20), candidate(10)] },
        chosen: 1,
        colour: 0,
        label: Some("囊肿".into()),
    };
    let ends = [FramePoint::new(4.0, 4.0), FramePoint::new(34.0, 4.0)];
    let callipers = vec![calliper(ends[0], ends[1], frame.pixel_spacing)];
    Snapshot { frame, objects: vec![object], callipers, model: "fake".into(), refiner: None }
}

fn english() -> Words {
    Words::default()
}

fn saved(parent: &Path) -> Result<PathBuf, RecordError> {
    write_record(parent, &snapshot(), &RecordOptions::default())
}

#[test]
fn a_record_is_complete_and_private() {
    let parent = tempfile::tempdir().unwrap();
    let folder = saved(&parent.path().join("kept")).unwrap();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "frame.dcm",
            "frame.png",
            "mask-1.png",
            "masks.dcm",
            "measurements.dcm",
            "overlay.png",
            "record.json"
        ]
    );
    let mask = image::open(folder.join("mask-1.png")).unwrap().into_luma8();
    assert_eq!((mask.get_pixel(5, 9).0, mask.get_pixel(5, 10).0), ([255], [0]));
    let capture = crate::feed::read_still(&folder.join("frame.dcm")).unwrap();
    assert_eq!(capture.rgb(), snapshot().frame.rgb());
    assert_eq!(capture.pixel_spacing, snapshot().frame.pixel_spacing);
    let segmentation = dicom_object::open_file(folder.join("masks.dcm")).unwrap();
    let segments = segmentation.element_by_name("SegmentSequence").unwrap().items().unwrap();
    let label = segments[0].element_by_name("SegmentLabel").unwrap();
    assert_eq!(label.to_str().unwrap(), "囊肿");
    let packed = segmentation.element_by_name("PixelData").unwrap().to_bytes().unwrap();
    // Ten rows of 40 pixels, of 30.
    assert_eq!(*packed, [[0xFF; 50].as_slice(), &[0; 100]].concat());
    let frame = image::open(folder.join("frame.png")).unwrap().into_rgb8();
    assert!(frame.pixels().all(|p| p.0 == [100; 3]));
    let overlay = image::open(folder.join("overlay.png")).unwrap().into_rgb8();
    assert_eq!(overlay.dimensions(), (40, 30));
    assert_ne!(overlay.get_pixel(20, 5).0, [100; 3], "tinted");
    let bare = super::overlay(&Snapshot { callipers: Vec::new(), ..snapshot() }).to_image();
    assert_ne!(bare, overlay, "the calliper is on it");
    assert_eq!(bare.get_pixel(20, 25).0, [100; 3], "outside the mask");
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("record.json")).unwrap()).unwrap();
    assert_eq!(json["sequence"], 7);
    assert_eq!(json["objects"][0]["area_px"], 400);
    assert_eq!(json["objects"][0]["area_mm2"], 100.0);
    let sizes = &json["objects"][0]["measurements"];
    assert_eq!(sizes["area"], serde_json::json!({ "value": 100.0, "unit": "mm2" }));
    assert_eq!(sizes["longest_diameter"]["length"]["unit"], "mm");
    let length = &json["callipers"][0]["length"];
    assert_eq!(*length, serde_json::json!({ "value": 15.0, "unit": "mm" }));
    assert_eq!(json["objects"][0]["rank"], 2);
    assert_eq!(json["objects"][0]["origin"], "found");
    assert_eq!(json["objects"][0]["points"][0]["label"], "positive");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        names.iter().for_each(|name| assert_eq!(mode(&folder.join(name)), 0o600, "{name}"));
    }
}

#[test]
fn records_are_listed_verified_and_exported() {
    let parent = tempfile::tempdir().unwrap();
    let folder = saved(parent.path()).unwrap();
    fs::create_dir(parent.path().join(".20260101T000000.000Z.part")).unwrap();
    fs::create_dir(parent.path().join("empty")).unwrap();
    let kept = records(parent.path()).unwrap();
    assert_eq!(kept.iter().map(|kept| &kept.folder).collect::<Vec<_>>(), [&folder]);
    kept[0].verify().unwrap();
    assert_eq!(kept[0].measurements(1).unwrap().area.value, 100.0);
    assert!(!kept[0].is_exported());

    let page = album_page(parent.path(), 0, 6, &english()).unwrap();
    assert_eq!((page.total, page.entries.len()), (1, 1));
    assert_eq!(page.entries[0].note, "1 structure");
    assert_eq!(page.entries[0].picture.as_ref().unwrap().size(), FrameSize::new(40, 30));
    assert!(album_page(parent.path(), 1, 6, &english()).unwrap().entries.is_empty());
    assert_eq!(album_page(&parent.path().join("none"), 0, 6, &english()).unwrap().total, 0);
    let broken = parent.path().join("20991231T235959.999Z");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("record.json"), "{").unwrap();
    let page = album_page(parent.path(), 0, 6, &english()).unwrap();
    assert_eq!((page.total, page.entries[0].note.as_str()), (2, "damaged"));
    fs::remove_file(broken.join("record.json")).unwrap();
    assert_eq!(record_names(parent.path()).unwrap(), [&kept[0].name, "20991231T235959.999Z"]);
    fs::remove_dir_all(&broken).unwrap();
    let view = album_view(parent.path(), &kept[0].name, &english()).unwrap();
    assert_eq!(view.frame.rgb(), snapshot().frame.rgb());
    assert_eq!(view.frame.pixel_spacing, snapshot().frame.pixel_spacing);
    let mask = view.objects[0].mask.as_ref().unwrap();
    assert_eq!((view.objects.len(), mask.area_px()), (1, 400));
    assert_eq!(view.callipers, snapshot().callipers);
    assert!(album_view(parent.path(), "none", &english()).is_err());
    assert!(kept[0].measurements(2).unwrap_err().to_string().contains("structure 2"));
    assert!(kept[0].measurements(0).is_err());

    let near = tempfile::tempdir_in(parent.path().parent().unwrap()).unwrap();
    kept[0].export(near.path()).unwrap();
    assert!(!kept[0].is_exported(), "it is on the same disk");

    let stick = tempfile::tempdir_in("/dev/shm").unwrap();
    // As a stick that was pulled out left it.
    let unfinished = stick.path().join(format!(".{}.part", kept[0].name));
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("frame.png"), "half").unwrap();
    let copy = kept[0].export(stick.path()).unwrap();
    open(&copy).unwrap().verify().unwrap();
    assert!(!kept[0].is_exported(), "it is in memory");
    // No test has a disk of its own, but where these files are is another.
    kept[0].note_copy(Path::new("/proc"), &copy);
    assert!(kept[0].is_exported(), "it is on another disk");
    assert_eq!(
        album_page(parent.path(), 0, 6, &english()).unwrap().entries[0].note,
        "1 structure, exported"
    );
    let retention = |unexported| Retention { free: Some(Room::Share(1.0)), keep: None, unexported };
    assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 1);
    assert_eq!(kept[0].export(stick.path()).unwrap(), copy, "it is there already");
    let other = Kept { record: serde_json::json!({}), ..kept[0].clone() };
    assert!(other.export(stick.path()).unwrap_err().to_string().contains("another record"));
    let away = stick.path().join("away");
    assert!(kept[0].export(&away).unwrap_err().to_string().contains("away"));

    let mask = folder.join("mask-1.png");
    let mut bytes = fs::read(&mask).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&mask, bytes).unwrap();
    assert!(kept[0].verify().unwrap_err().to_string().contains("mask-1.png"));
    let other = tempfile::tempdir().unwrap();
    kept[0].export(other.path()).unwrap_err();
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    assert!(
        album_view(parent.path(), &kept[0].name, &english())
            .unwrap_err()
            .to_string()
            .contains("mask-1")
    );

    // No disk is ever all free: whatever may be deleted is.
    let tidied =
        |retention: Retention| retention.tidy(parent.path(), Clock::default()).unwrap().deleted;
    let newer = saved(parent.path()).unwrap();
    assert_eq!(tidied(Retention::default()), [""; 0]);
    assert_eq!(tidied(retention(false)), [kept[0].name.clone()]);
    assert!(!folder.exists() && newer.exists());
    assert_eq!(tidied(retention(false)), [""; 0]);
    assert_eq!(tidied(retention(true)).len(), 1);
    assert!(!newer.exists());
}

/// A stick that isn't in its place leaves an ordinary folder, on the system's disk or in memory.
#[test]
fn only_another_disk_holds_what_may_be_deleted() {
    let here = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir_in("/dev/shm").unwrap();
    let root = Path::new("/");
    let cases = [
        ("beside the records", here.path(), here.path()),
        ("in memory", there.path(), here.path()),
        ("on the system's disk", root, there.path()),
        ("nowhere", Path::new("/nowhere/usb"), here.path()),
    ];
    for (name, to, records) in cases {
        assert!(!is_another_disk(to, records), "{name}");
    }
    // What the kernel shows of processes stands for a mount of its own.
    assert!(is_another_disk(Path::new("/proc"), here.path()));
}

thread_local! {
    /// What a test's clocks are ahead of the machine's, in seconds: the steady one, and the one on the wall.
    static AHEAD: Cell<(u64, i64)> = const { Cell::new((0, 0)) };
}

const TURNED: Clock = Clock {
    steady: || Instant::now() + Duration::from_secs(AHEAD.get().0),
    wall: || {
        let (passed, set) = AHEAD.get();
        let by = Duration::from_secs((passed as i64 + set).unsigned_abs());
        if passed as i64 + set < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    },
};

const DAY: u64 = 86_400;

#[test]
fn a_clock_that_is_set_makes_no_record_old() {
    let parent = tempfile::tempdir().unwrap();
    let save = || {
        write_record(parent.path(), &snapshot(), &RecordOptions { clock: TURNED, blanking: None })
            .unwrap();
    };
    let keep = Some(Duration::from_secs(30 * DAY));
    let retention = Retention { keep, free: None, unexported: true };
    let gone = |passed: u64, set: i64| {
        AHEAD.set((passed, set));
        retention.tidy(parent.path(), TURNED).unwrap().deleted.len()
    };
    let year = 365 * DAY as i64;
    // A board without a battery starts in another year.
    AHEAD.set((0, -year));
    save();
    assert_eq!(gone(0, -year), 0, "it is new");
    assert_eq!(gone(10, 0), 0, "the network told the date");
    assert_eq!(gone(20, 3 * year), 0, "it was set forward");
    save();
    assert_eq!(gone(30, 0), 0, "and back again");
    assert_eq!(gone(31 * DAY, 0), 1, "what is old goes; the other is of a year to come");

    // In the next life of the program, a long pause counts little.
    ages::LOOKED.lock().unwrap().as_mut().unwrap().remove(parent.path());
    assert_eq!(gone(500 * DAY, 3 * year), 1, "it has been there for a month");
    save();
    assert_eq!(gone(500 * DAY, 3 * year), 0);
    ages::LOOKED.lock().unwrap().as_mut().unwrap().remove(parent.path());
    assert_eq!(gone(531 * DAY, 4 * year), 0, "nobody knows how long the pause was");
}

#[test]
fn records_of_one_moment_have_names_of_their_own() {
    let parent = tempfile::tempdir().unwrap();
    let moment = Clock { wall: || SystemTime::UNIX_EPOCH + Duration::from_secs(9), ..TURNED };
    let names = [(); 3].map(|()| {
        write_record(parent.path(), &snapshot(), &RecordOptions { clock: moment, blanking: None })
            .unwrap()
    });
    let listed = records(parent.path()).unwrap();
    assert_eq!(
        listed.iter().map(|kept| &kept.folder).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert_eq!(listed[2].name, "19700101T000009.002Z");
    assert_eq!(listed[2].record["saved_at"], "1970-01-01T00:00:09.002Z");
}

#[test]
fn a_record_that_cannot_be_deleted_keeps_no_other_back() {
    let parent = tempfile::tempdir().unwrap();
    let stuck = saved(parent.path()).unwrap();
    let other = saved(parent.path()).unwrap();
    // What it would become while it is deleted is in the way.
    let name = stuck.file_name().unwrap().to_string_lossy().into_owned();
    fs::create_dir_all(parent.path().join(format!(".{name}.gone/full"))).unwrap();
    let all = Retention { keep: None, free: Some(Room::Share(1.0)), unexported: true };
    let tidied = all.tidy(parent.path(), Clock::default()).unwrap();
    assert_eq!(tidied.deleted, [other.file_name().unwrap().to_string_lossy()]);
    assert!(tidied.failed[0].to_string().contains(&name) && stuck.exists());
}

#[test]
fn a_record_cannot_name_files_elsewhere() {
    let parent = tempfile::tempdir().unwrap();
    let folder = saved(parent.path()).unwrap();
    let secret = parent.path().join("secret.png");
    fs::copy(folder.join("frame.png"), &secret).unwrap();
    let json = fs::read_to_string(folder.join("record.json")).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    for bad in ["../secret.png", secret.to_str().unwrap(), "..", "", "overlay.pn"] {
        let mut record: serde_json::Value = serde_json::from_str(&json).unwrap();
        record["objects"][0]["file"] = bad.into();
        fs::write(folder.join("record.json"), record.to_string()).unwrap();
        let error = album_view(parent.path(), name, &english()).unwrap_err().to_string();
        assert!(
            error.contains("is no file's name") || error.contains("lists no"),
            "{bad}: {error}"
        );
    }
}

#[test]
fn two_programs_that_export_to_one_stick_take_turns() {
    let (parent, stick) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    saved(parent.path()).unwrap();
    let kept = records(parent.path()).unwrap().remove(0);
    // The other one is in the middle of it.
    let other = files::lock_folder(stick.path()).unwrap();
    let half = stick.path().join(format!(".{}.part", kept.name));
    fs::create_dir(&half).unwrap();
    std::thread::scope(|scope| {
        let export = scope.spawn(|| kept.export(stick.path()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(half.exists() && !export.is_finished(), "it is not touched");
        drop(other);
        open(&export.join().unwrap().unwrap()).unwrap().verify().unwrap();
    });
    assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 1);
}

#[test]
fn a_full_disk_is_told_with_what_to_do() {
    let full = io(Path::new("/kept/frame.png"), ErrorKind::StorageFull.into()).to_string();
    assert!(
        full.starts_with("the disk is full: make room") && full.contains("frame.png"),
        "{full}"
    );
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = saved(&file).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

fn real(file: &str) -> Frame {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut frame = crate::feed::read_still(&data.join(file)).unwrap();
    frame.pixel_spacing = Some(PixelSpacing { row_mm: 0.05, column_mm: 0.05 });
    frame
}

fn rgb(file: &Path) -> image::RgbImage {
    image::open(file).unwrap().into_rgb8()
}

/// Checks that `found` is black outside of `region`, and off the original by `most` at most inside.
fn check_blanked(found: &[u8], original: &Frame, region: FrameBox, most: u8, name: &str) {
    let width = original.size().width as usize;
    for (k, (found, before)) in found.chunks(3).zip(original.rgb().chunks(3)).enumerate() {
        let at = FramePoint::new((k % width) as f32, (k / width) as f32);
        let inside =
            (region.x0..=region.x1).contains(&at.x) && (region.y0..=region.y1).contains(&at.y);
        let expected = if inside { before } else { &[0; 3] };
        let off = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(off <= most, "{name}: {found:?} in place of {expected:?} at {at:?}");
    }
}

/// Names can be given twice; a package's `model.toml` has the checksums of its networks.
#[test]
fn records_tell_which_package_drew_what() {
    let parent = tempfile::tempdir().unwrap();
    let manifest = include_bytes!("../../models/litemedsam/model.toml");
    let sha256 = crate::model::hex_sha256(manifest);
    let model = Package::embedded().unwrap().id();
    assert_eq!(model.sha256.as_ref(), Some(&sha256));
    let refiner = Some(ModelId { name: "large".into(), sha256: Some("12ab".into()) });
    let first = snapshot().objects[0].clone();
    let second = SnapshotObject { refined: true, ..first.clone() };
    let snapshot = Snapshot { model, refiner, objects: vec![first, second], ..snapshot() };
    let folder = write_record(parent.path(), &snapshot, &RecordOptions::default()).unwrap();
    let record = open(&folder).unwrap().record;
    let told = |part: &serde_json::Value| (part["model"].clone(), part["model_sha256"].clone());
    assert_eq!(told(&record), ("litemedsam".into(), sha256.clone().into()));
    assert_eq!(told(&record["objects"][0]), ("litemedsam".into(), sha256.into()));
    assert_eq!(told(&record["objects"][1]), ("large".into(), "12ab".into()));
}

#[test]
fn what_is_round_the_picture_is_black_in_every_file() {
    let eye = real("frames/clarius_eye.png");
    let mask = real("frames/clarius_eye_mask0.png");
    let inside = mask.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
    let mut candidate = snapshot().objects[0].masks.candidates[0].clone();
    candidate.mask = Mask::from_pixels(mask.size(), inside);
    let masks = Masks { candidates: vec![candidate] };
    let object = SnapshotObject { masks, chosen: 0, ..snapshot().objects[0].clone() };
    let whole = Snapshot {
        frame: eye.clone(),
        objects: vec![object],
        callipers: Vec::new(),
        model: "fake".into(),
        refiner: None,
    };
    let parent = tempfile::tempdir().unwrap();
    let saved = |blanking: Option<Blanking>| {
        let options = RecordOptions { blanking, ..RecordOptions::default() };
        let folder = write_record(parent.path(), &whole, &options).unwrap();
        let kept = open(&folder).unwrap();
        kept.verify().unwrap();
        (folder, kept.record)
    };
    let tag = |file: &Path, name: &str| {
        let file = dicom_object::open_file(file).unwrap();
        let value = file.element_by_name(name).ok().map(|e| e.to_str().unwrap().into_owned());
        value.unwrap_or_default()
    };
    let blanking = Blanking::of_frame(&eye, RegionChoice::Auto).unwrap();
    let Blanking::Outside(region) = blanking else { panic!("the picture is found") };
    let region = region.bounding_box();
    // The scanner's sign above the picture, and its words below it.
    let bright = |file: &Path, left: u32, top: u32| {
        let picture = rgb(file);
        let (x, y) = (left..left + 60, top..top + 26);
        y.into_iter().any(|y| x.clone().any(|x| picture.get_pixel(x, y).0[0] > 100))
    };
    let (before, told) = saved(None);
    assert!(told["blanking"].is_null() && told["source"].is_string());
    assert!(
        bright(&before.join("frame.png"), 912, 880) && bright(&before.join("frame.png"), 280, 56)
    );
    assert_eq!(tag(&before.join("frame.dcm"), "BurnedInAnnotation"), "YES");

    let (after, record) = saved(Some(blanking));
    check_blanked(&rgb(&after.join("frame.png")), &eye, region, 0, "frame.png");
    let still = crate::feed::read_still(&after.join("frame.dcm")).unwrap();
    check_blanked(still.rgb(), &eye, region, 0, "frame.dcm");
    for file in ["frame.png", "overlay.png"] {
        assert!(
            !bright(&after.join(file), 912, 880) && !bright(&after.join(file), 280, 56),
            "{file}: {region:?}"
        );
    }
    // Marks on the picture itself stay, so nobody may take it for clean.
    assert_eq!(tag(&after.join("frame.dcm"), "BurnedInAnnotation"), "YES");
    assert!(tag(&after.join("frame.dcm"), "DeidentificationMethod").contains("Black outside"));
    assert_eq!(record["blanking"]["outside_of"]["x0"], region.x0);
    assert!(record["source"].is_null(), "a file's name may be a person's");
    let same =
        |file: &str| fs::read(before.join(file)).unwrap() == fs::read(after.join(file)).unwrap();
    assert!(same("mask-1.png"));
    assert_eq!(record["objects"], told["objects"], "measurements");

    // The phantom's lesion alone: nothing tells a picture from what is round it.
    let (full, record) = saved(Some(Blanking::Nothing));
    check_blanked(
        &rgb(&full.join("frame.png")),
        &eye,
        FrameBox { x0: 0.0, y0: 0.0, x1: 9999.0, y1: 9999.0 },
        0,
        "as it was",
    );
    assert!(record["blanking"]["outside_of"].is_null());
    assert!(record["blanking"]["reason"].as_str().unwrap().contains("nothing was blanked"));
    assert_eq!(tag(&full.join("frame.dcm"), "BurnedInAnnotation"), "YES");
    assert_eq!(tag(&full.join("frame.dcm"), "DeidentificationMethod"), "");
    let filled = Frame::from_rgb(FrameSize::new(64, 48), vec![90; 64 * 48 * 3]).unwrap();
    let blanked = |choice| Blanking::of_frame(&filled, choice);
    assert_eq!(blanked(RegionChoice::Auto).unwrap(), Blanking::Nothing);
    let all = FrameBox { x0: 0.0, y0: 0.0, x1: 63.0, y1: 47.0 };
    assert_eq!(blanked(RegionChoice::Fixed(all)).unwrap(), Blanking::Nothing);
    // One that was meant for another screen blanks nothing silently.
    let beyond = FrameBox { x0: all.x1 + 10.0, x1: all.x1 + 90.0, ..all };
    let refused = blanked(RegionChoice::Fixed(beyond)).unwrap_err().to_string();
    assert!(refused.contains("reaches beyond the frame"), "{refused}");
}

#[test]
fn a_clip_is_blanked_outside_of_where_the_picture_ever_is() {
    let frames: Vec<Frame> = ["f010", "f013", "f017"]
        .iter()
        .zip(0..)
        .map(|(name, sequence)| {
            let mut frame = real(&format!("clip/{name}.png"));
            frame.sequence = sequence;
            frame
        })
        .collect();
    let compressed: Vec<_> =
        frames.iter().map(|f| crate::cine::CineFrame::of(f).unwrap()).collect();
    let parent = tempfile::tempdir().unwrap();
    let blanking = Blanking::of_clip(&compressed, RegionChoice::Whole).unwrap();
    let Blanking::Outside(region) = blanking else { panic!("the picture is found") };
    let options = RecordOptions { blanking: Some(blanking), ..RecordOptions::default() };
    let folder =
        write_clip(parent.path(), &Clip::of(compressed, None, 0).unwrap(), &options).unwrap();
    open(&folder).unwrap().verify().unwrap();
    let mut dicom = crate::feed::dicom::DicomClip::open(&folder.join("clip.dcm")).unwrap();
    for (i, frame) in frames.iter().enumerate() {
        let name = format!("frame-{:04}.png", i + 1);
        check_blanked(&rgb(&folder.join(&name)), frame, region.bounding_box(), 0, &name);
        let found = crate::feed::Clip::frame(&mut dicom, i as u64).unwrap();
        let Blanking::Outside(region) = blanking else { unreachable!() };
        let outside = region.blanked_outside(&found);
        let off = outside.rgb().iter().zip(found.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
        // JPEG rounds what is beside an edge.
        assert!(off.unwrap() <= 40, "frame {i}: {off:?}");
    }
    // Before them one that is black, or filled by a picture, of which nothing may be lost.
    let of_clip = |grey: u8, frames: &[Frame]| {
        let first = frames[0].repainted(vec![grey; frames[0].rgb().len()]);
        let frames = std::iter::once(&first).chain(&frames[1..]);
        let clip: Vec<_> = frames.map(|f| crate::cine::CineFrame::of(f).unwrap()).collect();
        Blanking::of_clip(&clip, RegionChoice::Auto).unwrap()
    };
    let again = [&frames[..1], &frames].concat();
    assert_eq!(of_clip(0, &again), blanking);
    assert_eq!(of_clip(0, &frames[..1]), Blanking::Nothing);
    assert_eq!(of_clip(90, &again), Blanking::Nothing);
}

#[test]
fn sizes_are_reported_with_what_they_are_of() {
    let parent = tempfile::tempdir().unwrap();
    let folder = saved(parent.path()).unwrap();
    let report = dicom_object::open_file(folder.join("measurements.dcm")).unwrap();
    let of = |file: &str, name: &str| {
        let file = dicom_object::open_file(folder.join(file)).unwrap();
        file.element_by_name(name).unwrap().to_str().unwrap().into_owned()
    };
    let text = format!("{report:?}");
    for file in ["frame.dcm", "masks.dcm"] {
        assert!(text.contains(&of(file, "SOPInstanceUID")), "{file}");
        assert_eq!(of(file, "StudyInstanceUID"), of("measurements.dcm", "StudyInstanceUID"));
    }
    let volume = volume_of_revolution(&open(&folder).unwrap().measurements(1).unwrap()).unwrap();
    assert!((volume.value - 0.26).abs() < 0.03, "20 mm by 5 mm: {volume}");
    let volume = format!("{:.4}", volume.value);
    // A calliper of 15 mm from the middle of pixel (4, 4).
    let sizes = ["100.0000", "Long Axis", "Perpendicular Axis", "Perimeter", "mm2"];
    let by_hand = ["Calliper 1", "Distance", "15.0000", "POLYLINE", "4.5"];
    for expected in sizes.iter().chain(&["囊肿", "single 2D region", &volume]).chain(&by_hand) {
        assert!(text.contains(expected), "{expected}: {text}");
    }

    // What is called the same is told apart, and callipers alone are reported, too.
    let report_of = |snapshot: &Snapshot| {
        let folder = write_record(parent.path(), snapshot, &RecordOptions::default()).unwrap();
        let files = ["masks.dcm", "measurements.dcm"].map(|file| folder.join(file).exists());
        (files, format!("{:?}", dicom_object::open_file(folder.join("measurements.dcm")).unwrap()))
    };
    let twice = [snapshot().objects[0].clone(), snapshot().objects[0].clone()].to_vec();
    let (_, twice) = report_of(&Snapshot { objects: twice, ..snapshot() });
    assert!(twice.contains("囊肿 1") && twice.contains("囊肿 2"), "{twice}");
    let (files, alone) = report_of(&Snapshot { objects: Vec::new(), ..snapshot() });
    assert!(files == [false, true] && alone.contains("Calliper 1"), "{alone}");
}
