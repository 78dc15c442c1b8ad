//! Measuring one setting.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tapseg::feed::{open_clip, read_still};
use tapseg::geometry::FrameBox;
use tapseg::kernels::Isa;
use tapseg::machine::{
    Peak, Spread, Sustained, frequency_mhz, peak_rss_mb, processor, temperature_celsius,
};
use tapseg::model::{PromptKind, Recorder, Threads};
use tapseg::{Frame, Prompt, Segmenter};

use super::super::arguments::milliseconds;
use super::Bench;
use super::profile::Profile;
use super::report::{Heat, Report};

/// Loads the package and measures it on `threads`.
pub fn measure(bench: &Bench, threads: NonZeroUsize) -> Result<Report> {
    let frame = match &bench.image {
        Some(path) => read_still(path)?,
        None => open_clip(&["phantom".to_owned()])?.frame(0)?,
    };
    let bounding_box = bench.bounding_box.unwrap_or_else(|| middle(&frame));
    // Checked before the model is loaded, so that a slip of the hand is told at once.
    let boxed = Prompt::default().in_box(bounding_box).checked(frame.size())?;
    let bounding_box = boxed.bounding_box.context("the box is there")?;
    let FrameBox { x0, y0, x1, y1 } = bounding_box;
    let tap = Prompt::default().positive((x0 + x1) / 2.0, (y0 + y1) / 2.0);
    let isa = Isa::chosen()?;

    let start = Instant::now();
    let mut on = Threads::new(threads);
    if bench.stock {
        on = on.with_stock_operators();
    }
    let recorder = Recorder::default();
    if bench.profile {
        on = on.recorded_by(&recorder);
    }
    let package = bench.package.package()?;
    let segmenter = Segmenter::load_on(&package, &on)?;
    let load = start.elapsed();
    drop(package);

    let (mut preprocess, mut encode, mut embedding) = (vec![], vec![], None);
    for _ in 0..bench.runs.get() {
        let made = segmenter.set_image(&frame)?;
        preprocess.push(made.preprocess_time);
        encode.push(made.encode_time);
        embedding = Some(made);
    }
    let embedding = embedding.context("nothing was encoded")?;
    let decode = timed(bench.runs, || segmenter.predict(&embedding, &boxed).map(drop))?;
    // What other prompts take is not mixed with a box.
    let recorded = recorder.take();
    let decode_tap = timed(bench.runs, || segmenter.predict(&embedding, &tap).map(drop))?;
    let points = sixteen_points(bounding_box);
    let decode_points =
        timed(bench.runs, || segmenter.predict_as_tokens(&embedding, &points).map(drop))?;
    let peak_rss_mb = peak_rss_mb();
    let heat = bench.seconds.map(|s| keep_on(&segmenter, &frame, s)).transpose()?;
    let peak = bench.profile.then(|| Peak::measure(isa, threads.get())).transpose()?;

    let manifest = segmenter.manifest();
    Ok(Report {
        model: manifest.name.clone(),
        weights: manifest.weights.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        processor: processor(),
        isa: isa.name().to_owned(),
        operators: if bench.stock { "stock" } else { "tapseg" }.to_owned(),
        picture: frame.size().to_string(),
        threads: threads.get(),
        load_ms: milliseconds(load),
        preprocess_ms: spread(&preprocess)?,
        encode_ms: spread(&encode)?,
        decode_ms: decode,
        decode_tap_ms: decode_tap,
        decode_16_points_ms: decode_points.median,
        trained_on_points: manifest.was_trained_for(PromptKind::Point),
        peak_rss_mb,
        heat,
        profile: peak.map(|peak| Profile::new(&recorded, peak)),
        sweep: vec![],
    })
}

/// The middle quarter of a frame.
fn middle(frame: &Frame) -> FrameBox {
    let (width, height) = (frame.size().width as f32, frame.size().height as f32);
    FrameBox { x0: width / 4.0, y0: height / 4.0, x1: width * 0.75, y1: height * 0.75 }
}

/// Four by four points in a box, all on the structure.
fn sixteen_points(within: FrameBox) -> Prompt {
    let at = |from: f32, to: f32, step: u8| from + (to - from) * (f32::from(step) + 0.5) / 4.0;
    (0..16).fold(Prompt::default(), |prompt, i| {
        prompt.positive(at(within.x0, within.x1, i % 4), at(within.y0, within.y1, i / 4))
    })
}

/// How long `work` takes, in `runs` times.
fn timed<E>(runs: NonZeroUsize, mut work: impl FnMut() -> Result<(), E>) -> Result<Spread>
where
    anyhow::Error: From<E>,
{
    let mut times = Vec::with_capacity(runs.get());
    for _ in 0..runs.get() {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    spread(&times)
}

fn spread(times: &[Duration]) -> Result<Spread> {
    Spread::of(times).context("nothing was timed")
}

/// Encodes for as many seconds.
fn keep_on(segmenter: &Segmenter, frame: &Frame, seconds: NonZeroUsize) -> Result<Heat> {
    let before = (temperature_celsius(), frequency_mhz());
    let (start, mut times) = (Instant::now(), vec![]);
    while times.is_empty() || start.elapsed() < Duration::from_secs(seconds.get() as u64) {
        times.push(segmenter.set_image(frame)?.encode_time);
    }
    // Of the clock, what it is while there is still work is of interest; it falls soon after.
    let after = (temperature_celsius(), frequency_mhz());
    Ok(Heat {
        seconds: start.elapsed().as_secs_f64(),
        encode: Sustained::of(&times).context("nothing was timed")?,
        temperature_celsius: before.0.zip(after.0),
        frequency_mhz: before.1.zip(after.1),
    })
}
