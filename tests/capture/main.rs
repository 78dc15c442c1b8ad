//! Capture devices as Linux drives them, with its test driver vivid: `boards/emulated/run` runs this on an
//! emulated board. It needs root, and is skipped where there is no such driver.
//!
//! For other tests on the board, `capture-test unplug` takes the device away, and `plug-in` brings it back;
//! `capture-test set CONTROL VALUE` sets one of its controls, such as `set "DV Timings Signal Mode" "No
//! Signal"`, and `capture-test play
//! FOLDER` has the camera show the files there, each a frame in RGB, again and again until it is ended.

mod vivid;

use std::time::{Duration, Instant};

use tapseg::feed::capture::CaptureSpec;
use tapseg::feed::pixels::Converter;
use tapseg::feed::{Feed, v4l};
use tapseg::{Frame, FrameSize};

use vivid::Vivid;

/// What vivid's HDMI input has unless it is told otherwise.
const SIZE: FrameSize = FrameSize::new(1280, 720);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unplug"] => Vivid::loaded().unplug(),
        ["plug-in"] => drop(Vivid::plug_in()),
        ["set", control, value] => Vivid::loaded().set(control, value),
        ["play", folder] => {
            let vivid = Vivid::loaded();
            vivid.set("OSD Text Mode", "2");
            vivid.set("Loop Video", "1");
            let files = std::fs::read_dir(folder).expect("a folder").flatten();
            let mut paths: Vec<_> = files.map(|file| file.path()).collect();
            paths.sort();
            let frames = paths.iter().map(|path| std::fs::read(path).expect("a frame")).collect();
            let _player = vivid.play(b"RGB3", frames);
            loop {
                std::thread::park();
            }
        }
        // What cargo adds is of no use here.
        _ => check(),
    }
}

fn check() {
    let Some(vivid) = Vivid::load() else {
        println!("SKIPPED: there is no driver vivid here, or no right to load it");
        assert!(std::env::var_os("TAPSEG_REQUIRE_VIVID").is_none(), "it must be there");
        return;
    };
    let begun = Instant::now();
    type Step = fn(&Vivid);
    let steps: [(&str, Step); 8] = [
        ("the device is listed", listed),
        ("frames are bit-exact", exact),
        ("colours are right in every format and coding", colours),
        ("a signal that goes comes back", signal),
        ("another resolution is followed", resolution),
        ("frames that are lost or damaged are told", damage),
        ("a device in use is told", busy),
        ("frames are new when they are given", latency),
    ];
    for (name, step) in steps {
        step(&vivid);
        println!("ok {name} ({:.1} s)", begun.elapsed().as_secs_f32());
    }
    unplugged(vivid);
    println!(
        "ok a device that is unplugged and plugged in again ({:.1} s)",
        begun.elapsed().as_secs_f32()
    );
}

fn open(vivid: &Vivid, options: &str) -> Box<dyn Feed> {
    let spec = format!("{}{options}", vivid.capture.display());
    let spec = CaptureSpec::parse(&spec).unwrap().expect("a device");
    Box::new(v4l::open_feed(spec, Converter::new().unwrap()))
}

/// The next frame; faults may come before it.
fn frame(feed: &mut dyn Feed) -> Frame {
    let mut faults = Vec::new();
    for _ in 0..50 {
        match feed.next_frame() {
            Ok(frame) => return frame.expect("it never ends"),
            Err(fault) => faults.push(fault.to_string()),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no frame came: {faults:?}")
}

/// Waits for a fault with `words` in it; frames may come before it.
fn fault(feed: &mut dyn Feed, words: &str) {
    let begun = Instant::now();
    let mut told = Vec::new();
    while begun.elapsed() < Duration::from_secs(20) {
        match feed.next_frame() {
            Ok(_) => {}
            Err(fault) if fault.to_string().contains(words) => return,
            Err(fault) => told.push(fault.to_string()),
        }
    }
    panic!("nobody said {words:?}, but {told:?}")
}

fn listed(vivid: &Vivid) {
    let devices = v4l::list();
    let [device] = devices.as_slice() else { panic!("one device delivers pictures: {devices:?}") };
    assert_eq!(device.path, vivid.capture);
    let modes = device.modes.as_ref().unwrap();
    for format in ["YUYV", "UYVY", "NV12", "GREY", "RGB3", "RGB565"] {
        assert!(
            modes.iter().any(|m| m.format.to_string() == format && m.size == SIZE),
            "{modes:?}"
        );
    }
    assert_eq!(device.best().unwrap().format.to_string(), "RGB3");
    let output = v4l::V4lDevice::open(&vivid.output).expect_err("nothing comes out of an output");
    assert!(output.to_string().contains("delivers no pictures"), "{output}");
}

/// A real ultrasound frame in the middle of the screen, moved by some pixels.
fn picture(shift: usize) -> Vec<u8> {
    let path = std::env::var("TAPSEG_FRAME").unwrap_or("tests/data/frames/clarius_eye.png".into());
    let image = image::open(path).unwrap().into_rgb8();
    let mut rgb = vec![0; SIZE.pixels() * 3];
    for (x, y, pixel) in image.enumerate_pixels() {
        let x = x as usize + shift;
        if x < SIZE.width as usize && y < SIZE.height {
            rgb[(y as usize * SIZE.width as usize + x) * 3..][..3].copy_from_slice(&pixel.0);
        }
    }
    rgb
}

fn exact(vivid: &Vivid) {
    let pictures: Vec<Vec<u8>> = (0..4).map(|i| picture(16 * i)).collect();
    vivid.set("OSD Text Mode", "2");
    vivid.set("Loop Video", "1");
    let player = vivid.play(b"RGB3", pictures.clone());
    let mut feed = open(vivid, ",format=RGB3");
    let mut seen = [0; 4];
    // Before the first frame is sent there is noise.
    let mut strange = 0;
    while seen.iter().sum::<u32>() < 20 {
        let frame = frame(&mut *feed);
        assert_eq!(frame.size(), SIZE);
        match pictures.iter().position(|picture| *picture == frame.rgb()) {
            Some(i) => seen[i] += 1,
            None => strange += 1,
        }
        assert!(strange < 20, "frames that were not sent: {strange}; sent ones {seen:?}");
    }
    assert!(seen.iter().filter(|&&n| n > 0).count() >= 2, "{seen:?}");
    println!("   20 frames as they were sent, {strange} before the first");
    drop((feed, player));
    // YUYV, made by the equations of BT.601 in whole levels, comes back within two levels.
    let coded: Vec<u8> = pictures[0].chunks_exact(6).flat_map(yuyv).collect();
    let player = vivid.play(b"YUYV", vec![coded]);
    let mut feed = open(vivid, ",format=YUYV");
    let close = (0..20).any(|_| {
        let frame = frame(&mut *feed);
        let pairs = frame.rgb().chunks_exact(6).zip(pictures[0].chunks_exact(6));
        // Pairs of grey pixels alone: others share their colour.
        let mut grey = pairs.filter(|(_, sent)| {
            sent[..3].iter().all(|v| *v == sent[0]) && sent[3..].iter().all(|v| *v == sent[3])
        });
        grey.all(|(got, sent)| got.iter().zip(sent).all(|(a, b)| a.abs_diff(*b) <= 2))
    });
    assert!(close, "YUYV comes back as it was sent");
    drop(player);
    vivid.set("Loop Video", "0");
}

/// Two pixels in BT.601 of limited range.
fn yuyv(pair: &[u8]) -> [u8; 4] {
    let [r0, g0, b0, r1, g1, b1] = std::array::from_fn(|i| f32::from(pair[i]) / 255.0);
    let luma = |r: f32, g: f32, b: f32| 0.299 * r + 0.587 * g + 0.114 * b;
    let (y0, y1) = (luma(r0, g0, b0), luma(r1, g1, b1));
    let u = ((b0 - y0) + (b1 - y1)) / 2.0 / 1.772;
    let v = ((r0 - y0) + (r1 - y1)) / 2.0 / 1.402;
    let level = |value: f32, zero: f32, span: f32| (zero + span * value).round() as u8;
    [level(y0, 16.0, 219.0), level(u, 128.0, 224.0), level(y1, 16.0, 219.0), level(v, 128.0, 224.0)]
}

/// White, yellow, cyan, green, magenta, red, blue and black, at full strength.
const BARS: [[u8; 3]; 8] = [
    [255, 255, 255],
    [255, 255, 0],
    [0, 255, 255],
    [0, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
    [0, 0, 255],
    [0, 0, 0],
];

fn check_bars(vivid: &Vivid, format: &str, what: &str) {
    let frame = frame(&mut *open(vivid, &format!(",format={format}")));
    for (bar, expected) in BARS.iter().enumerate() {
        let x = (2 * bar + 1) * SIZE.width as usize / 16;
        let y = SIZE.height as usize / 2;
        let pixel = &frame.rgb()[(y * SIZE.width as usize + x) * 3..][..3];
        let grey = matches!(format, "GREY" | "Y10" | "Y12" | "Y16");
        // The driver makes its colours in whole levels several times over, one less each time.
        let far = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 5;
        let wrong = if grey {
            // White and black are known; others are in between, and grey.
            pixel[0] != pixel[1] || matches!(bar, 0 | 7) && pixel.iter().zip(expected).any(far)
        } else {
            pixel.iter().zip(expected).any(far)
        };
        assert!(!wrong, "{format} {what}: bar {bar} is {pixel:?} and not {expected:?}");
    }
}

fn colours(vivid: &Vivid) {
    vivid.set("OSD Text Mode", "2");
    vivid.set("Test Pattern", "100% Colorbar");
    vivid.set("Colorspace", "sRGB");
    let mut checked = 0;
    for encoding in ["ITU-R 601", "Rec. 709"] {
        for quantization in ["Full Range", "Limited Range"] {
            vivid.set("Y'CbCr Encoding", encoding);
            vivid.set("Quantization", quantization);
            let what = format!("as {encoding} in {quantization}");
            for format in ["YUYV", "UYVY", "NV12", "NV21", "YU12", "RGB3", "BGR3", "RGB565"] {
                check_bars(vivid, format, &what);
                checked += 1;
            }
        }
    }
    vivid.set("Y'CbCr Encoding", "Default");
    vivid.set("Quantization", "Default");
    let known = v4l::list().remove(0).modes.unwrap();
    for format in known.iter().map(|m| m.format.to_string()).filter(|f| *f != "MJPG") {
        check_bars(vivid, &format, "by default");
        checked += 1;
    }
    println!("   {checked} combinations");
}

fn signal(vivid: &Vivid) {
    let mut feed = open(vivid, "");
    let before = frame(&mut *feed);
    let cases =
        [("No Signal", "no signal"), ("No Lock", "unstable"), ("Out of Range", "out of range")];
    for (mode, words) in cases {
        vivid.set("DV Timings Signal Mode", mode);
        fault(&mut *feed, words);
        let again = feed.next_frame().unwrap_err().to_string();
        assert!(again.contains(words), "it stays gone: {again}");
        vivid.set("DV Timings Signal Mode", "Current DV Timings");
        let after = frame(&mut *feed);
        assert!(after.sequence > before.sequence && after.captured_at > before.captured_at);
    }
}

fn resolution(vivid: &Vivid) {
    let mut feed = open(vivid, "");
    assert_eq!(frame(&mut *feed).size(), SIZE);
    vivid.set("DV Timings", "640x480");
    vivid.set("DV Timings Signal Mode", "Selected DV Timings");
    fault(&mut *feed, "changed its resolution");
    assert_eq!(frame(&mut *feed).size(), FrameSize::new(640, 480));
    vivid.set("DV Timings", "1280x720p60");
    fault(&mut *feed, "changed its resolution");
    assert_eq!(frame(&mut *feed).size(), SIZE);
    vivid.set("DV Timings Signal Mode", "Current DV Timings");
}

fn damage(vivid: &Vivid) {
    let mut feed = open(vivid, "");
    frame(&mut *feed);
    // One frame each time, and one that isn't the newest when it is looked for is passed over.
    let told = (0..100).any(|_| {
        vivid.set("Inject V4L2_BUF_FLAG_ERROR", "1");
        let shown: Vec<_> = (0..4).map(|_| feed.next_frame()).collect();
        shown.iter().any(|f| f.as_ref().is_err_and(|e| e.to_string().contains("arrived damaged")))
    });
    assert!(told, "a damaged frame is told");
    frame(&mut *feed);
    vivid.set("Percentage of Dropped Buffers", "100");
    fault(&mut *feed, "no frame for 2 s");
    vivid.set("Percentage of Dropped Buffers", "60");
    let first = frame(&mut *feed).sequence;
    // Which ones are dropped is chance: of a hundred, some.
    let counted = (1..100).any(|shown| frame(&mut *feed).sequence > first + shown);
    assert!(counted, "those left out are counted");
    vivid.set("Percentage of Dropped Buffers", "0");
    vivid.set("Inject Fatal Streaming Error", "1");
    fault(&mut *feed, "delivers no frame");
    frame(&mut *feed);
    for (control, words) in [
        ("Inject VIDIOC_STREAMON Error", "does not start"),
        ("Inject VIDIOC_REQBUFS Error", "no memory for frames"),
        ("Inject VIDIOC_QBUF Error", "takes no buffer"),
    ] {
        // It is to be started anew: the error waits there.
        drop(feed);
        feed = open(vivid, "");
        vivid.set(control, "1");
        fault(&mut *feed, words);
        frame(&mut *feed);
    }
}

fn busy(vivid: &Vivid) {
    let mut first = open(vivid, "");
    frame(&mut *first);
    let mut second = open(vivid, "");
    let told = second.next_frame().unwrap_err().to_string();
    assert!(told.contains("in use"), "{told}");
    frame(&mut *first);
    drop(first);
    frame(&mut *second);
}

/// Whoever is slow gets frames that are new: at most one waits between the driver and the reader.
fn latency(vivid: &Vivid) {
    let mut feed = open(vivid, ",format=YUYV");
    frame(&mut *feed);
    let interval = feed.frame_interval().unwrap_or(Duration::from_secs_f32(1.0 / 60.0));
    let mut ages = Vec::new();
    for i in 0..20 {
        let frame = frame(&mut *feed);
        ages.push(frame.taken_at.expect("a live frame").elapsed());
        // As a reader that draws, and one that is held up.
        std::thread::sleep(Duration::from_millis(if i % 5 == 0 { 500 } else { 10 }));
    }
    // What the conversion takes itself, by the same clock.
    let layout_bytes = vec![128; SIZE.pixels() * 2];
    let begun = Instant::now();
    convert(&layout_bytes);
    let conversion = begun.elapsed();
    ages.sort_unstable();
    let (median, last) = (ages[ages.len() / 2], ages[ages.len() - 1]);
    println!(
        "   age of frames: median {median:.1?}, at most {last:.1?}; interval {interval:.1?}, conversion {conversion:.1?}"
    );
    assert!(median <= 2 * interval + 2 * conversion, "more than one frame waits");
}

fn convert(buffer: &[u8]) {
    use tapseg::feed::pixels::{BufferLayout, ColourMatrix, Fields, PixelFormat, Range};
    let layout = BufferLayout {
        format: PixelFormat::Yuyv,
        size: SIZE,
        stride: SIZE.width * 2,
        fields: Fields::Woven,
        matrix: ColourMatrix::Bt709,
        range: Range::Limited,
    };
    Converter::new().unwrap().convert(&layout, buffer).unwrap();
}

fn unplugged(vivid: Vivid) {
    let mut feed = open(&vivid, "");
    frame(&mut *feed);
    vivid.unplug();
    fault(&mut *feed, "unplugged");
    fault(&mut *feed, "not there");
    let again = Vivid::plug_in();
    assert_eq!(again.capture, vivid.capture, "nobody held on to the one that was unplugged");
    frame(&mut *feed);
}
