//! The main job on a real window: a feed plays, a mouse taps, and the outline on the screen is
//! where the library puts it. Runs under a virtual display (`Xvfb`, `xdotool`, ImageMagick's
//! `import`); where these are missing it says so and is skipped, unless `TAPSEG_REQUIRE_DISPLAY` is
//! set. Its last screenshot stays in `target/bedside.png`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::{PointsIter, Rectangle};
use image::RgbImage;
use tapseg::feed::read_still;
use tapseg::overlay::{Button, Layout};
use tapseg::region::find_region;
use tapseg::{FramePoint, FrameSize, Mask, Package, Prompt, Segmenter};

const SCREEN: Size = Size::new(1280, 800);
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A virtual display with the program's window on it.
struct Bedside {
    display: String,
    window: Running,
    _server: Running,
    /// What is remembered from one start to the next: nothing yet.
    _memory: tempfile::TempDir,
    shot: PathBuf,
}

impl Bedside {
    fn open(arguments: &[&str]) -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Running)
            .expect("Xvfb starts");
        let mut number = String::new();
        let stdout = server.0.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut number).expect("Xvfb tells its display");
        let display = format!(":{}", number.trim());
        let memory = tempfile::tempdir().expect("a folder");
        let window = Command::new(env!("CARGO_BIN_EXE_tapseg"))
            .args(arguments)
            .env("DISPLAY", &display)
            .env("XDG_DATA_HOME", memory.path())
            .env_remove("STATE_DIRECTORY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            .spawn()
            .map(Running)
            .expect("the program starts");
        let shot = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bedside.png");
        Self { display, window, _server: server, _memory: memory, shot }
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .env("DISPLAY", &self.display)
            .output()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn click(&self, at: Point) {
        let (x, y) = (at.x.to_string(), at.y.to_string());
        self.tool("xdotool", &["mousemove", &x, &y]);
        // A finger stays down for a moment; the program looks at its screen that often.
        self.tool("xdotool", &["mousedown", "1", "sleep", "0.05", "mouseup", "1"]);
    }

    fn screenshot(&self) -> RgbImage {
        self.tool("import", &["-window", "root", self.shot.to_str().expect("a plain path")]);
        image::open(&self.shot).expect("a screenshot").into_rgb8()
    }

    /// Waits for a screen that `fits`.
    fn wait(&mut self, what: &str, fits: impl Fn(&RgbImage) -> bool) -> RgbImage {
        let start = Instant::now();
        loop {
            assert!(self.window.0.try_wait().unwrap().is_none(), "the program ended: {what}");
            let screen = self.screenshot();
            if fits(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "{what}: see {}", self.shot.display());
            sleep(Duration::from_millis(200));
        }
    }
}

/// The pixels of `area` in which two screens differ by more than a shade.
fn changed(area: Rectangle, a: &RgbImage, b: &RgbImage) -> Vec<Point> {
    let differs = |p: &Point| {
        let (a, b) = (a.get_pixel(p.x as u32, p.y as u32), b.get_pixel(p.x as u32, p.y as u32));
        a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 8)
    };
    area.points().filter(differs).collect()
}

#[test]
fn a_tap_on_the_live_picture_outlines_the_structure() {
    for tool in ["Xvfb", "xdotool", "import"] {
        if Command::new(tool).arg("-version").output().is_err() {
            assert!(
                std::env::var_os("TAPSEG_REQUIRE_DISPLAY").is_none(),
                "{tool} is not installed"
            );
            eprintln!("skipped: {tool} is not installed");
            return;
        }
    }
    let picture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames/clarius_contrast.png");
    let picture = picture.to_str().expect("a plain path");
    let frame = read_still(Path::new(picture)).unwrap();
    let layout = Layout::new(SCREEN, frame.size());
    let viewport = layout.viewport();
    let tap = viewport.to_screen(FramePoint::new(838.0, 396.0));

    let segmenter = Segmenter::load(&Package::embedded().unwrap()).unwrap();
    let embedding = segmenter.set_image_in(&frame, find_region(&frame)).unwrap();
    let at = viewport.to_frame(tap);
    let masks = segmenter.predict(&embedding, &Prompt::default().positive(at.x, at.y)).unwrap();
    let expected = on_screen(&masks.best().mask, &layout);
    assert!(expected.len() > 2000, "there is a structure at {at:?}");

    let mut bedside = Bedside::open(&[
        "run", "--feed", picture, "--loop", "--screen", "window", "--size", "1280x800",
    ]);
    // At the first start there is the guide, with fingertips at its left, which a tap puts away.
    let fingertips = Rectangle::new(Point::zero(), Size::new(160, 700));
    bedside.wait("the guide is not shown", |screen| {
        let yellow = |p: &Point| screen.get_pixel(p.x as u32, p.y as u32).0 == [0xF0, 0xE4, 0x42];
        fingertips.points().filter(yellow).count() > 1000
    });
    bedside.click(tap);
    let live = bedside.wait("no picture is shown", |screen| {
        let bright = viewport
            .area()
            .points()
            .filter(|p| screen.get_pixel(p.x as u32, p.y as u32).0.iter().any(|&v| v > 30));
        bright.count() > 20_000
    });

    bedside.click(tap);
    // The tint, not the ring that turns while the network works: it fills the structure.
    let structure = around(&expected);
    let near = |screen: &RgbImage| {
        let now = changed(structure, &live, screen);
        overlap(&now, &expected) >= 0.9
    };
    let outlined = bedside.wait("the structure is not outlined", near);
    println!(
        "IoU {:.3} to the library's mask",
        overlap(&changed(structure, &live, &outlined), &expected)
    );

    bedside.click(layout.button_area(Button::LiveFreeze).center());
    bedside.wait("Live does not go back to the plain picture", |screen| {
        changed(viewport.area(), &live, screen).is_empty()
    });
}

/// The area of these pixels with what is near: its size is told in a corner of the picture.
fn around(pixels: &[Point]) -> Rectangle {
    let corners = pixels.iter().fold((pixels[0], pixels[0]), |(low, high), p| {
        (low.component_min(*p), high.component_max(*p))
    });
    Rectangle::with_corners(corners.0, corners.1).offset(40)
}

/// The screen pixels that show a pixel of `mask`.
fn on_screen(mask: &Mask, layout: &Layout) -> Vec<Point> {
    let viewport = layout.viewport();
    viewport.area().points().filter(|p| mask.contains(viewport.to_frame(*p))).collect()
}

/// Intersection over union of two lists of screen pixels.
fn overlap(a: &[Point], b: &[Point]) -> f64 {
    let size = FrameSize::new(SCREEN.width, SCREEN.height);
    let mask = |points: &[Point]| {
        let mut pixels = vec![0; size.pixels()];
        points.iter().for_each(|p| pixels[(p.y * SCREEN.width as i32 + p.x) as usize] = 1);
        Mask::from_pixels(size, pixels)
    };
    mask(a).iou(&mask(b))
}
