//! What a frame and a prompt cost: preprocessing with encoding, and decoding one prompt or many.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tapseg::geometry::FrameBox;
use tapseg::model::{Proposal, Spot};
use tapseg::{Package, Prompt, Segmenter, feed};

fn network(c: &mut Criterion) {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames/clarius_eye.png");
    let frame = feed::read_still(&picture).expect("the test picture is there");
    let package = Package::embedded().expect("the package inside the program is sound");
    let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut settings = vec![NonZeroUsize::MIN, all];
    settings.dedup();
    for threads in settings {
        let segmenter = Segmenter::load_with_threads(&package, threads).expect("it loads");
        let embedding = segmenter.set_image(&frame).expect("it encodes");
        let mut group = c.benchmark_group(format!("litemedsam, threads {threads}"));
        group.sample_size(10).measurement_time(Duration::from_secs(20));
        group.bench_function("encode", |b| b.iter(|| segmenter.set_image(&frame)));
        let eye = FrameBox { x0: 305.0, y0: 67.0, x1: 855.0, y1: 572.0 };
        for (name, prompt) in [
            ("decode a box", Prompt::default().in_box(eye)),
            ("decode a tap", Prompt::default().positive(580.0, 320.0)),
        ] {
            group.bench_function(name, |b| b.iter(|| segmenter.predict(&embedding, &prompt)));
        }
        // Sixteen boxes, to compare with sixteen times a box.
        let at = |i: u32| ((i % 4 * 250 + 100) as f32, (i / 4 * 180 + 60) as f32);
        let boxes: Vec<Spot> = (0..16)
            .map(at)
            .map(|(x, y)| Spot::Box(FrameBox { x0: x, y0: y, x1: x + 200.0, y1: y + 200.0 }))
            .collect();
        // As in segmenting everything: half of the masks are brought to the frame.
        let area = |index: usize, proposal: Proposal<'_>| {
            let mut area = 0;
            index.is_multiple_of(2).then(|| {
                proposal.frame_logits(|row| area += row.iter().filter(|l| **l > 0.0).count());
                area
            })
        };
        // As an official predictor is used: each mask at the frame's size.
        group.bench_function("decode sixteen boxes, one by one", |b| {
            b.iter(|| {
                for spot in &boxes {
                    if let Spot::Box(at) = *spot {
                        let masks = segmenter.predict(&embedding, &Prompt::default().in_box(at));
                        std::hint::black_box(masks.expect("it decodes"));
                    }
                }
            });
        });
        group.bench_function("decode sixteen boxes", |b| {
            b.iter(|| segmenter.decode_each(&embedding, &boxes, area));
        });
        group.finish();
    }
}

criterion_group!(benches, network);
criterion_main!(benches);
