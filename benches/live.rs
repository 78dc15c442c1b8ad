//! What the live picture takes while nobody touches it: ultrasound frames of a capture device in memory are
//! converted, drawn, written to a panel in memory and kept for *Clip*, by the loop of `tapseg run`. Prints
//! the time of a frame; `benches/arm_live` counts its instructions on arm64.
//!
//! `cargo bench --bench live -- WIDTHxHEIGHT FPS FRAMES`

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use embedded_graphics::geometry::Size;
use tapseg::app::{self, Predictor, RunOptions, Until};
use tapseg::cine::CineLimits;
use tapseg::feed::capture::{
    CaptureDevice, CaptureFault, CaptureFeed, Filled, Interval, Mode, Signal, Started, Wake, Wishes,
};
use tapseg::feed::pixels::{
    BufferLayout, ColourMatrix, Converter, Fields, PixelFormat, Range as Levels,
};
use tapseg::feed::{Feed, FeedError};
use tapseg::model::ModelError;
use tapseg::screen::panel::{Output, Panel};
use tapseg::screen::{Canvas, PixelFormat as PanelFormat, Rotation, ScreenError, write_rotated};
use tapseg::touch::TouchSpec;
use tapseg::touch::evdev::Touch;
use tapseg::{Frame, FrameSize, MaskCandidate, Masks, Prompt, SizeBytes};

const PANEL: Size = Size::new(1280, 800);

fn main() {
    // What cargo adds is of no use here.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let word =
        |index: usize, default: &str| arguments.get(index).map_or(default.to_owned(), Clone::clone);
    let size = word(0, "1280x720");
    let (width, height) = size.split_once('x').expect("WIDTHxHEIGHT");
    let size = FrameSize::new(width.parse().expect("a width"), height.parse().expect("a height"));
    let fps: u32 = word(1, "30").parse().expect("frames a second");
    let frames: u64 = word(2, "150").parse().expect("a number of frames");
    let mode = Mode {
        format: PixelFormat::Yuyv,
        size,
        interval: Some(Interval { numerator: 1, denominator: fps }),
    };
    let begun = Instant::now();
    let open = move || Ok(Box::new(Memory::new(mode)) as Box<dyn CaptureDevice>);
    let converter = Converter::new().expect("a converter");
    let feed = CaptureFeed::new("memory", Wishes::default(), converter, open);
    let feed = Box::new(Limited { feed, left: frames });
    let output = Box::new(Sheet { memory: vec![0; (PANEL.width * PANEL.height * 4) as usize] });
    let mut screen = Panel::new(output, Touch::open(TouchSpec::none()), Rotation::None);
    let clip = Some(CineLimits::of(Duration::from_secs(10)));
    let options = RunOptions { until: Until::FeedEnded, clip, ..RunOptions::default() };
    let report = app::run(feed, Nobody, &mut screen, options).expect("it runs");
    println!(
        "{} frames shown in {:.1} s; draw {:.2} ms, present {:.2} ms, latency {:.2} ms (medians)",
        report.frames_shown,
        begun.elapsed().as_secs_f32(),
        report.draw.median_ms,
        report.present.median_ms,
        report.latency.median_ms
    );
}

/// A capture device that fills two buffers in turn, by the clock.
struct Memory {
    mode: Mode,
    buffers: [Vec<u8>; 2],
    begun: Instant,
    given: u32,
}

impl Memory {
    fn new(mode: Mode) -> Self {
        let picture =
            image::load_from_memory(include_bytes!("../tests/data/frames/clarius_eye.png"))
                .expect("a picture")
                .into_luma8();
        // Two frames that differ by a pixel's shift, each as grey bytes with chroma between them.
        let buffers = std::array::from_fn(|shift| {
            let FrameSize { width, height } = mode.size;
            let at = |x: u32, y: u32| {
                let x = (x + shift as u32) * picture.width() / (width + 1);
                picture.get_pixel(x, y * picture.height() / height).0[0]
            };
            let luma = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            luma.flat_map(|(x, y)| [at(x, y), 128]).collect()
        });
        Self { mode, buffers, begun: Instant::now(), given: 0 }
    }

    fn layout(mode: &Mode) -> BufferLayout {
        BufferLayout {
            format: mode.format,
            size: mode.size,
            stride: mode.size.width * 2,
            fields: Fields::Woven,
            matrix: ColourMatrix::Bt709,
            range: Levels::Limited,
        }
    }

    /// When the next frame is there.
    fn due(&self) -> Instant {
        let interval = self.mode.interval.and_then(Interval::duration).expect("a rate");
        self.begun + interval * (self.given + 1)
    }
}

impl CaptureDevice for Memory {
    fn modes(&mut self) -> Result<Vec<Mode>, CaptureFault> {
        Ok(vec![self.mode])
    }

    fn signal(&mut self) -> Signal {
        Signal::Present
    }

    fn start(&mut self, mode: &Mode) -> Result<Started, CaptureFault> {
        self.begun = Instant::now();
        Ok(Started { layout: Self::layout(mode), interval: mode.interval })
    }

    fn wait(&mut self, patience: Duration) -> Result<Wake, CaptureFault> {
        std::thread::sleep(self.due().saturating_duration_since(Instant::now()).min(patience));
        Ok(if self.due() <= Instant::now() { Wake::Filled } else { Wake::TimedOut })
    }

    fn dequeue(&mut self) -> Result<Option<Filled>, CaptureFault> {
        let due = self.due();
        if due > Instant::now() {
            return Ok(None);
        }
        self.given += 1;
        let index = self.given as usize % 2;
        Ok(Some(Filled { index, sequence: self.given, taken_at: due, damaged: false }))
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        &self.buffers[filled.index]
    }

    fn requeue(&mut self, _: Filled) -> Result<(), CaptureFault> {
        Ok(())
    }
}

/// A feed that ends.
struct Limited {
    feed: CaptureFeed,
    left: u64,
}

impl Feed for Limited {
    fn name(&self) -> &str {
        self.feed.name()
    }

    fn frame_interval(&self) -> Option<Duration> {
        self.feed.frame_interval()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return Ok(None),
        }
        self.feed.next_frame()
    }
}

/// A panel's memory.
struct Sheet {
    memory: Vec<u8>,
}

impl Output for Sheet {
    fn size(&self) -> Size {
        PANEL
    }

    fn millimetres(&self) -> Option<Size> {
        None
    }

    fn show(&mut self, canvas: &Canvas, rotation: Rotation) -> Result<(), ScreenError> {
        let stride = PANEL.width as usize * 4;
        write_rotated(canvas, rotation, PanelFormat::Xrgb8888, PANEL, stride, &mut self.memory);
        Ok(())
    }

    fn refresh(&mut self) -> bool {
        false
    }
}

/// A model that nobody asks.
struct Nobody;

impl Predictor for Nobody {
    type Embedding = Nothing;

    fn name(&self) -> &str {
        "none"
    }

    fn encode(&mut self, _: &Frame) -> Result<Nothing, ModelError> {
        unreachable!("nothing is touched")
    }

    fn decode(&mut self, _: &Nothing, _: &Prompt) -> Result<Masks, ModelError> {
        unreachable!("nothing is touched")
    }

    fn everything(
        &mut self,
        _: &Frame,
        _: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Vec<MaskCandidate>, ModelError> {
        unreachable!("nothing is touched")
    }
}

#[derive(Clone)]
struct Nothing;

impl SizeBytes for Nothing {
    fn size_bytes(&self) -> usize {
        0
    }
}
