//! `tapseg embed`: image embeddings as NumPy files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use ndarray_npy::WriteNpyExt;
use serde_json::{Value, json};
use tapseg::{Frame, Segmenter, feed};

use super::arguments::{ModelArguments, milliseconds};
use super::output;

/// Write pictures' image embeddings as NumPy files
///
/// For checking this encoder against another, and for training on what it sees: float32, 1 ×
/// channels × rows × columns.
#[derive(Args)]
#[command(after_help = "Examples:
  tapseg embed breast.png -o embedding.npy
  tapseg embed pictures/*.png -o embeddings/")]
pub struct Embed {
    /// PNG, JPEG, BMP, TIFF, NIfTI or DICOM (its first frame)
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// The file to write; of several pictures, the folder for a file each, called like the picture
    #[arg(short, long, value_name = "NPY|FOLDER")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArguments,
}

impl Embed {
    pub fn run(self, json: bool) -> Result<()> {
        let files = self.files()?;
        // A picture that can't be read is told before the model is loaded, if it is the first.
        let mut first = Some(feed::read_still(&self.images[0])?);
        let (segmenter, load) = self.model.load()?;
        let mut reports = Vec::new();
        for (image, file) in self.images.iter().zip(&files) {
            let frame = match first.take() {
                Some(frame) => frame,
                None => feed::read_still(image)?,
            };
            let mut report = write(&segmenter, &frame, file)?;
            report["timings_ms"]["load"] = milliseconds(load).into();
            if json {
                reports.push(report);
            } else {
                output::line(format_args!(
                    "{}: float32 {}, encoded in {} ms",
                    file.display(),
                    report["shape"],
                    report["timings_ms"]["encode"]
                ))?;
            }
        }
        match &reports[..] {
            [] => Ok(()),
            [one] => output::json(one),
            several => output::json(&several),
        }
    }

    /// The file for each picture.
    fn files(&self) -> Result<Vec<PathBuf>> {
        if self.images.len() == 1 && !self.output.is_dir() {
            return Ok(vec![self.output.clone()]);
        }
        output::folder(&self.output)?;
        let mut files: Vec<PathBuf> = Vec::new();
        for image in &self.images {
            let stem = image.file_stem();
            let stem = stem.with_context(|| format!("{} is no file", image.display()))?;
            let file = self.output.join(stem).with_added_extension("npy");
            files.push(file);
        }
        let mut sorted: Vec<&PathBuf> = files.iter().collect();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("two of the pictures would be written to {}: rename one", pair[0].display());
        }
        Ok(files)
    }
}

fn write(segmenter: &Segmenter, frame: &Frame, file: &Path) -> Result<Value> {
    let embedding = segmenter.set_image(frame)?;
    let features = embedding.features()?;
    let mut npy = Vec::new();
    features.write_npy(&mut npy).with_context(|| format!("can't write {}", file.display()))?;
    output::file(file, &npy)?;
    Ok(json!({
        "file": file.display().to_string(),
        "model": segmenter.manifest().name,
        "shape": features.shape(),
        "timings_ms": {
            "preprocess": milliseconds(embedding.preprocess_time),
            "encode": milliseconds(embedding.encode_time),
        },
    }))
}
