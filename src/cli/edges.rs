//! `tapseg edges`: the edges of one picture.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use image::GrayImage;
use tapseg::automatic::edges;
use tapseg::feed;

use super::arguments::ModelArguments;
use super::interrupt::Interrupt;
use super::{output, progress};

/// Draw the edges on one picture
///
/// Takes the edges of the masks that a grid of 16 × 16 points gives, as Segment Anything does
/// without having been trained for it: the brighter the surer, thinned to lines.
#[derive(Args)]
#[command(after_help = "Example:  tapseg edges breast.png -o edges.png")]
pub struct Edges {
    /// PNG, JPEG, BMP, TIFF or DICOM (its first frame)
    image: PathBuf,

    /// The grey picture to write
    #[arg(short, long, value_name = "PNG")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArguments,
}

impl Edges {
    pub fn run(self, json: bool) -> Result<()> {
        let frame = feed::read_still(&self.image)?;
        output::writable(&self.output)?;
        let (segmenter, _) = self.model.load()?;
        let interrupt = Interrupt::watch()?;
        let bar = progress::counted("prompts");
        let found = edges(&segmenter, &frame, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
            interrupt.flow()
        })?;
        bar.finish_and_clear();
        let Some(found) = found else { bail!("stopped: nothing is written") };
        let grey = found.strength.iter().map(|s| (s * 255.0).round() as u8).collect();
        GrayImage::from_raw(found.size.width, found.size.height, grey)
            .context("there is one value a pixel")?
            .save_with_format(&self.output, image::ImageFormat::Png)
            .with_context(|| format!("can't write {}", self.output.display()))?;
        let model = &segmenter.manifest().name;
        if json {
            return output::json(&serde_json::json!({
                "image": self.image.display().to_string(), "model": model, "masks": found.masks,
            }));
        }
        output::line(format_args!(
            "{model} on {}: the edges of {} masks, written to {}",
            self.image.display(),
            found.masks,
            self.output.display()
        ))
    }
}
