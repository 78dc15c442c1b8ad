//! What it takes to draw a scene: whole screens of 1280 × 800 with a frame of 1280 × 960 and 0, 1
//! or 3 masks, first and again, and the parts.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use embedded_graphics::geometry::Size;
use tapseg::overlay::{Button, ButtonState, Layout, Overlay, Scene, SceneObject, Status};
use tapseg::prompt::{PointLabel, PromptPoint};
use tapseg::screen::Canvas;
use tapseg::{Frame, FrameBox, FramePoint, FrameSize, Mask};

const SCREEN: Size = Size::new(1280, 800);

/// A frame of speckle.
fn frame(size: FrameSize) -> Frame {
    let mut state = 1u32;
    let speckle = std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let rgb: Vec<u8> = speckle.take(size.pixels()).flat_map(|v| [v, v, v]).collect();
    Frame::from_rgb(size, rgb).expect("the size fits")
}

/// A disc a third of the frame's height across with its prompts.
fn object(size: FrameSize, index: usize) -> SceneObject {
    let radius = size.height as f32 / 6.0;
    let centre = FramePoint::new(
        size.width as f32 * (0.25 + 0.25 * index as f32),
        size.height as f32 * (0.6 - 0.2 * (index % 2) as f32),
    );
    let pixels = (0..size.pixels()).map(|i| {
        let (x, y) = (i as u32 % size.width, i as u32 / size.width);
        u8::from((x as f32 - centre.x).hypot(y as f32 - centre.y) < radius)
    });
    SceneObject {
        mask: Some(Mask::from_pixels(size, pixels.collect())),
        points: vec![PromptPoint { position: centre, label: PointLabel::Positive }],
        bounding_box: Some(FrameBox::centred(centre, 2.2 * radius, 2.2 * radius)),
        colour: index,
        active: index == 0,
        proposed: false,
        label: None,
    }
}

fn scene(size: FrameSize, masks: usize) -> Scene {
    let state =
        |button| ButtonState { button, label: "New object".into(), enabled: true, active: false };
    Scene {
        frame: Some(frame(size)),
        objects: (0..masks).map(|index| object(size, index)).collect(),
        buttons: Button::ALL.map(state).to_vec(),
        status: Status {
            refinement: None,
            source: "clip.dcm".into(),
            model: "litemedsam".into(),
            feed_fps: Some(30.0),
            encode_ms: Some(600.0),
            decode_ms: Some(40.0),
            predicted_iou: Some(0.9),
            mask_of: Some((1, 3)),
            message: Some("Tap the structure, or drag a box round it".into()),
        },
        working: Some(Duration::from_secs(1)),
        ..Scene::default()
    }
}

fn redraw(criterion: &mut Criterion) {
    let size = FrameSize::new(1280, 960);
    let layout = Layout::new(SCREEN, size);
    let mut canvas = Canvas::new(SCREEN);
    let mut group = criterion.benchmark_group("redraw 1280x800");
    group.throughput(Throughput::Elements(u64::from(SCREEN.width * SCREEN.height)));
    for masks in [0, 1, 3] {
        let scene = scene(size, masks);
        let mut overlay = Overlay::new();
        group.bench_function(BenchmarkId::new("same masks", masks), |bencher| {
            bencher.iter(|| overlay.draw(black_box(&scene), &layout, &mut canvas));
        });
        group.bench_function(BenchmarkId::new("new masks", masks), |bencher| {
            bencher.iter(|| Overlay::new().draw(black_box(&scene), &layout, &mut canvas));
        });
    }
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    let mut canvas = Canvas::new(SCREEN);
    let mut group = criterion.benchmark_group("part");
    let sizes = [
        ("picture enlarged", FrameSize::new(640, 480)),
        ("picture a little smaller", FrameSize::new(1280, 960)),
        ("picture as it is", FrameSize::new(1000, 750)),
        ("picture far smaller", FrameSize::new(2560, 1920)),
    ];
    for (name, size) in sizes {
        let layout = Layout::new(SCREEN, size);
        let scene = Scene { frame: Some(frame(size)), ..Scene::default() };
        let mut overlay = Overlay::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| overlay.draw(black_box(&scene), &layout, &mut canvas));
        });
    }
    let size = FrameSize::new(1280, 960);
    let layout = Layout::new(SCREEN, size);
    let chrome = Scene { frame: None, ..scene(size, 0) };
    let mut overlay = Overlay::new();
    group.bench_function("buttons and status", |bencher| {
        bencher.iter(|| overlay.draw(black_box(&chrome), &layout, &mut canvas));
    });
    group.finish();
}

criterion_group!(benches, redraw, parts);
criterion_main!(benches);
