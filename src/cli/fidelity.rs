//! What storing a model smaller cost, as it is told by `convert --report` and `models check`.

use std::path::Path;

use anyhow::Result;
use tapseg::convert::{Checkpoint, Networks, Stage};
use tapseg::fidelity::{
    Baseline, Case, Disagreement, Fidelity, Summary, cases_in, layer_noise, phantom_cases, plot_svg,
};
use tapseg::model::{FIDELITY_FILES, Manifest, Threads};
use tapseg::{Package, Segmenter};

use super::output;
use super::progress::Bar;

/// What names simulated pictures in place of a folder.
pub const PHANTOM: &str = "phantom";

/// The pictures in the folder `images`, or simulated ones.
pub fn cases(images: &Path) -> Result<Vec<Case>> {
    match images == Path::new(PHANTOM) {
        true => Ok(phantom_cases()?),
        false => Ok(cases_in(images)?),
    }
}

/// The model in the file `checkpoint` in f32, in memory, fed and asked as `manifest` says.
pub fn in_f32(checkpoint: &Path, manifest: &Manifest) -> Result<Package> {
    let mut bar = Bar::new();
    let mut progress = |stage, done, total| bar.show(stage, done, total);
    let file = Checkpoint::open(checkpoint, |done, total| progress(Stage::Opening, done, total))?;
    let networks = Networks::read_as(&file, manifest, &mut progress)?;
    Ok(networks.in_memory(checkpoint)?)
}

/// Compares `package` with `reference`, the same model in f32.
pub fn measure(reference: &Package, package: &Package, cases: Vec<Case>) -> Result<Fidelity> {
    let mut bar = Bar::new();
    // Both networks answer each picture twice, once for their layers.
    let total = 3 * cases.len() as u64;
    let count = cases.len() as u64;
    let threads = Threads::all_cores();
    let baseline = {
        let segmenter = Segmenter::load(reference)?;
        let show = |done| bar.show(Stage::Measuring, done, total);
        Baseline::new(reference, &segmenter, cases, show)?
    };
    let show = |done| bar.show(Stage::Measuring, count + done, total);
    let layers = layer_noise(reference, package, &baseline, &threads, show)?;
    let segmenter = Segmenter::load(package)?;
    let show = |done| bar.show(Stage::Measuring, 2 * count + done, total);
    let fidelity = baseline.compare(package, &segmenter, layers, show)?;
    bar.clear();
    Ok(fidelity)
}

/// Writes `fidelity.json` and `fidelity.svg` to `folder`.
pub fn write(fidelity: &Fidelity, folder: &Path) -> Result<()> {
    output::folder(folder)?;
    let contents = [serde_json::to_string_pretty(fidelity)?, plot_svg(fidelity)];
    for (name, content) in FIDELITY_FILES.into_iter().zip(contents) {
        output::file(&folder.join(name), content.as_bytes())?;
    }
    Ok(())
}

/// Prints the figures as a table.
pub fn print(fidelity: &Fidelity) -> Result<()> {
    let f = fidelity;
    output::line(format_args!(
        "{} ({}), {:.1} MB where f32 has {:.1}, on {} pictures:",
        f.model,
        f.weights,
        f.bytes as f64 / 1e6,
        f.f32_bytes as f64 / 1e6,
        f.images
    ))?;
    output::line(format_args!(
        "{:<24} {:>5} {:>8} {:>8} {:>8}",
        "against f32", "n", "mean", "p5", "min"
    ))?;
    for (name, Summary { n, mean, p5, min }) in [
        ("embedding, cosine", f.embedding_cosine),
        ("mask IoU, boxes", f.box_mask_iou),
        ("mask IoU, points", f.point_mask_iou),
    ] {
        output::line(format_args!("{name:<24} {n:>5} {mean:>8.4} {p5:>8.4} {min:>8.4}"))?;
    }
    output::line("masks that agree least:")?;
    for Disagreement { image, prompt, mask_iou } in &f.worst {
        output::line(format_args!("  {mask_iou:.4}  {image} {prompt}"))?;
    }
    output::line(format_args!("{:<56} {:>7} {:>8}", "layer", "weights", "SNR dB"))?;
    for layer in &f.layers {
        output::line(format_args!(
            "{:<56} {:>7} {:>8.1}",
            layer.name, layer.weights, layer.snr_db
        ))?;
    }
    Ok(())
}
