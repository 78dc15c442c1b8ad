//! Pictures of each state of the interface on a small panel, which README shows. What is drawn is
//! written to `target/interface` and compared with `tests/data/interface`; where a change is meant,
//! run the test with `TAPSEG_ACCEPT_PICTURES=1`, look at what it wrote, and commit it.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use tapseg::feed::read_still;
use tapseg::overlay::{Arrangement, Hand, Overlay, Scene, Theme, Zoom};
use tapseg::record::{AlbumPage, RecordOptions, album_page, album_view, write_record};
use tapseg::screen::pixels_per_mm;
use tapseg::session::{
    Ask, Command, Decoded, Drag, Encoded, Event, Job, Session, SessionOptions, Told,
};
use tapseg::words::Words;

use super::*;

/// A panel and how it is set up.
#[derive(Clone)]
struct Setup {
    panel: Size,
    /// Of the panel's lit area.
    mm: (f32, f32),
    hand: Hand,
    theme: Theme,
    language: &'static str,
    labels: &'static [&'static str],
}

/// The 7 inch panels of 800 × 480.
const SMALL: Setup = Setup {
    panel: Size::new(800, 480),
    mm: (154.0, 86.0),
    hand: Hand::Right,
    theme: Theme::Dark,
    language: "en",
    labels: &["lesion", "cyst", "lymph node"],
};

/// The 10 inch panels of 1280 × 800.
const LARGE: Setup = Setup { panel: Size::new(1280, 800), mm: (217.0, 136.0), ..SMALL };

/// Positions of the eye and of what is round it, in pixels of the frame.
const IN_EYE: FramePoint = FramePoint::new(580.0, 320.0);

/// A session that a script drives, and the screen that shows it.
struct Bedside {
    session: Session,
    commands: Vec<Command>,
    overlay: Overlay,
    zoom: Zoom,
    eye: Mask,
    setup: Setup,
}

impl Bedside {
    fn new(setup: &Setup) -> Self {
        let options = SessionOptions {
            source: "scanner".into(),
            model: "litemedsam".into(),
            frame_interval: Some(Duration::from_millis(40)),
            clips: true,
            export: true,
            theme: setup.theme,
            words: Words::find(setup.language).unwrap(),
            labels: setup.labels.iter().map(|label| (*label).to_owned()).collect(),
            ..SessionOptions::default()
        };
        let mask = read_still(&data("frames/clarius_eye_mask0.png")).unwrap();
        let inside = mask.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
        Self {
            session: Session::new(options),
            commands: Vec::new(),
            overlay: Overlay::new(),
            zoom: Zoom::default(),
            eye: Mask::from_pixels(mask.size(), inside),
            setup: setup.clone(),
        }
    }

    fn live(setup: &Setup) -> Self {
        let mut bedside = Self::new(setup);
        for sequence in 0..3 {
            bedside.at(40 * sequence);
            bedside.on(Event::Frame(eye(sequence)));
            let shown = bedside.session.scene().frame.expect("the frame");
            bedside.on(Event::Presented(shown));
        }
        bedside
    }

    /// With the eye outlined.
    fn outlined(setup: &Setup) -> Self {
        let mut bedside = Self::live(setup);
        bedside.tap(IN_EYE.x, IN_EYE.y);
        bedside.answer();
        bedside
    }

    fn on(&mut self, event: Event) {
        self.commands = self.session.handle(event);
    }

    fn at(&mut self, ms: u64) {
        self.on(Event::Tick(Duration::from_millis(ms)));
    }

    fn tap(&mut self, x: f32, y: f32) {
        self.on(Event::Tap { at: FramePoint::new(x, y), reach: 12.0 });
    }

    fn press(&mut self, button: Button) {
        self.on(Event::Pressed(button));
    }

    fn drag(&mut self, from: (f32, f32), to: (f32, f32)) -> Drag {
        let point = |(x, y)| FramePoint::new(x, y);
        let drag = Drag { from: point(from), to: point(to), reach: 12.0 };
        self.on(Event::DragMoved(drag));
        drag
    }

    /// Lets the network answer with the eye.
    fn answer(&mut self) {
        while let Some(Command::Network(job)) = self.commands.pop() {
            let event = match job {
                Job::Encode { id, .. } => {
                    let took = Duration::from_millis(420);
                    Event::Encoded { id, result: Ok(Encoded { took, cached: false, region: None }) }
                }
                Job::Decode { request, .. } => {
                    let candidate = MaskCandidate {
                        mask: self.eye.clone(),
                        low_res_logits: Arc::new(Array2::zeros((4, 4))),
                        predicted_iou: 0.94,
                        stability_score: 1.0,
                    };
                    let masks = Masks { candidates: vec![candidate] };
                    let took = Duration::from_millis(31);
                    Event::Decoded { request, result: Ok(Decoded { took, masks }) }
                }
                other => panic!("{other:?}"),
            };
            self.on(event);
        }
    }

    /// What the panel shows.
    fn shown(&mut self) -> RgbImage {
        let scene: Scene = self.session.scene();
        let size = scene.frame.as_ref().map_or(FrameSize::new(0, 0), |frame| frame.size());
        let buttons = scene.buttons.iter().map(|state| state.button);
        let tiles = scene.tiles.as_ref().map_or(0, Vec::len);
        let Setup { panel, mm, hand, .. } = self.setup;
        let arrangement = Arrangement { hand, pixels_per_mm: pixels_per_mm(panel, mm) };
        let layout = Layout::arranged(panel, size, buttons, arrangement);
        assert!(layout.smallest_button() as f32 / arrangement.pixels_per_mm.unwrap() >= 9.0);
        let layout = layout.zoomed(self.zoom).with_tiles(tiles);
        let mut canvas = Canvas::new(panel);
        let Ok(()) = self.overlay.draw(&scene, &layout, &mut canvas);
        canvas.to_image()
    }
}

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// The eye, of which a pixel is 0.051 mm.
fn eye(sequence: u64) -> Frame {
    let mut frame = read_still(&data("frames/clarius_eye.png")).unwrap();
    frame.sequence = sequence;
    frame.pixel_spacing = Some(PixelSpacing { row_mm: 0.0508, column_mm: 0.0508 });
    frame
}

/// The records of a morning.
fn records(bedside: &mut Bedside) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    bedside.press(Button::Save);
    let Some(Command::Save(snapshot)) = bedside.commands.pop() else { panic!("nothing to save") };
    write_record(folder.path(), &snapshot, &RecordOptions::default()).unwrap();
    bedside.on(Event::Saved(Ok("there".into())));
    bedside.at(9000);
    bedside.press(Button::Records);
    let Some(Command::Records(Ask::Page { id, .. })) = bedside.commands.pop() else { panic!() };
    let page = album_page(folder.path(), 0, 6, &Words::default()).unwrap();
    let entry = |(minute, note): (usize, &str)| {
        let title = format!("2026-11-27 08:{:02}", 40 - 7 * minute);
        tapseg::record::AlbumEntry { title, note: note.into(), ..page.entries[0].clone() }
    };
    let notes = [
        "1 structure",
        "clip of 250 frames",
        "1 structure, exported",
        "2 structures",
        "1 structure",
    ];
    let entries = notes.into_iter().enumerate().map(entry).collect();
    let result = Ok(AlbumPage { total: 5, first: 0, entries });
    bedside.on(Event::Records(Told::Page { id, result }));
    folder
}

fn states() -> Vec<(&'static str, RgbImage)> {
    let mut drawn = Vec::new();
    let mut draw = |name, bedside: &mut Bedside| drawn.push((name, bedside.shown()));
    draw("waiting", &mut Bedside::new(&SMALL));
    draw("live", &mut Bedside::live(&SMALL));

    let mut working = Bedside::live(&SMALL);
    working.tap(IN_EYE.x, IN_EYE.y);
    working.at(700);
    draw("working", &mut working);

    let mut outlined = Bedside::outlined(&SMALL);
    draw("outlined", &mut outlined);
    let viewport = Layout::new(SMALL.panel, eye(0).size()).viewport();
    let fingers = |apart: i32| [Point::new(320 - apart, 200), Point::new(320 + apart, 200)];
    outlined.zoom = Zoom::default().pinched(fingers(60), fingers(130), &viewport);
    draw("zoom", &mut outlined);

    let mut boxed = Bedside::live(&SMALL);
    boxed.drag((305.0, 67.0), (800.0, 500.0));
    draw("box", &mut boxed);

    let mut measured = Bedside::live(&SMALL);
    measured.press(Button::LiveFreeze);
    measured.answer();
    measured.press(Button::Calliper);
    for (from, to) in [((580.0, 75.0), (580.0, 560.0)), ((318.0, 300.0), (840.0, 330.0))] {
        let drag = measured.drag(from, to);
        measured.on(Event::Drag(drag));
    }
    draw("callipers", &mut measured);

    let mut scaled = Bedside::live(&SMALL);
    scaled.press(Button::Scale);
    scaled.answer();
    scaled.tap(992.0, 90.0);
    scaled.tap(999.0, 870.0);
    scaled.press(Button::Less);
    draw("scale", &mut scaled);

    let mut tracked = Bedside::outlined(&SMALL);
    tracked.press(Button::Track);
    draw("tracking", &mut tracked);

    let mut silent = Bedside::live(&SMALL);
    silent.at(5000);
    draw("no-signal", &mut silent);

    let mut kept = Bedside::outlined(&SMALL);
    let folder = records(&mut kept);
    draw("records", &mut kept);
    kept.press(Button::Tile(0));
    let Some(Command::Records(Ask::View { id, name })) = kept.commands.pop() else { panic!() };
    let mut view = album_view(folder.path(), &name, &Words::default()).unwrap();
    view.title = "2026-11-27 08:40: 1 structure".into();
    kept.on(Event::Records(Told::View { id, result: Ok(Box::new(view)) }));
    draw("record", &mut kept);
    setups(&mut draw);
    drawn
}

fn pressed(mut bedside: Bedside, buttons: &[Button]) -> Bedside {
    buttons.iter().for_each(|button| bedside.press(*button));
    bedside
}

/// Other hands, lights, languages and panels, and what is set on the screen.
fn setups(draw: &mut impl FnMut(&'static str, &mut Bedside)) {
    let day = Setup { hand: Hand::Left, theme: Theme::Day, ..SMALL };
    draw("left-day", &mut Bedside::outlined(&day));
    draw("menu", &mut pressed(Bedside::outlined(&SMALL), &[Button::Menu]));
    draw("hidden", &mut pressed(Bedside::outlined(&SMALL), &[Button::Hide]));
    draw("labels", &mut pressed(Bedside::outlined(&SMALL), &[Button::Label]));
    let labelled = [Button::Label, Button::Choice(1)];
    draw("labelled", &mut pressed(Bedside::outlined(&SMALL), &labelled));
    let mut region = pressed(Bedside::outlined(&SMALL), &[Button::Menu, Button::Region]);
    let edge = region.drag((1023.0, 400.0), (900.0, 400.0));
    region.on(Event::Drag(edge));
    draw("region", &mut region);
    draw("guide", &mut pressed(Bedside::live(&SMALL), &[Button::Guide]));
    let chinese = Setup { language: "zh", ..SMALL };
    draw("guide-chinese", &mut pressed(Bedside::live(&chinese), &[Button::Guide]));
    draw("chinese", &mut Bedside::outlined(&Setup { language: "zh", ..SMALL }));
    draw("large", &mut Bedside::outlined(&LARGE));
    let chinese = Setup { language: "zh", theme: Theme::Day, ..LARGE };
    draw("large-chinese-day", &mut Bedside::outlined(&chinese));
}

/// The share of pixels that differ by more than a shade.
fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    if a.dimensions() != b.dimensions() {
        return 1.0;
    }
    let differ = a
        .pixels()
        .zip(b.pixels())
        .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 24));
    differ.count() as f64 / f64::from(a.width() * a.height())
}

fn write(path: &Path, picture: &RgbImage) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let png = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(png).unwrap();
}

#[test]
fn each_state_looks_as_in_the_pictures() {
    let drawn = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interface");
    let accepted = std::env::var_os("TAPSEG_ACCEPT_PICTURES").is_some();
    let mut wrong = Vec::new();
    for (name, picture) in states() {
        let file = format!("{name}.png");
        write(&drawn.join(&file), &picture);
        let kept = data("interface").join(&file);
        if accepted {
            write(&kept, &picture);
        }
        let difference =
            image::open(&kept).map_or(1.0, |kept| difference(&kept.into_rgb8(), &picture));
        if difference > 0.002 {
            wrong.push(format!("{file} differs in {:.1} % of its pixels", 100.0 * difference));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}: see target/interface");
}
