//! `tapseg edges`: the edges of pictures, and how well they fit what people drew.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use image::GrayImage;
use tapseg::automatic::edges;
use tapseg::boundary::{BoundaryScores, PictureCounts};
use tapseg::{Frame, FrameSize, Mask, Segmenter, feed};

use super::arguments::ModelArguments;
use super::instances::none_left_out;
use super::interrupt::Interrupt;
use super::{output, progress};

/// Draw the edges on a picture, or on a folder of them
///
/// Takes the edges of the masks that a grid of 16 × 16 points gives, as Segment Anything does
/// without having been trained for it: the brighter the surer, thinned to lines. With --truth, tells
/// how well they fit boundaries that people drew, by the benchmark of BSDS500.
#[derive(Args)]
#[command(after_help = "Example:  tapseg edges breast.png -o edges.png\n          \
    tapseg edges test/ --truth boundaries/ -o edges/")]
pub struct Edges {
    /// PNG, JPEG, BMP, TIFF, DICOM (its first frame) or NIfTI (its middle slice), or a folder of pictures
    image: PathBuf,

    /// The grey picture to write, or the folder for pictures of the same names
    #[arg(short, long, value_name = "PNG")]
    output: PathBuf,

    /// A folder of boundaries, pictures that are black beside them: NAME.png, or NAME-1.png,
    /// NAME-2.png… of several people
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,
}

/// The edges of a picture, from 0 to 255, and of how many masks they are.
struct Drawn {
    size: FrameSize,
    strength: Vec<u8>,
    masks: usize,
}

impl Edges {
    pub fn run(self, json: bool) -> Result<()> {
        let truth = self.truth.as_deref().map(Truth::open).transpose()?;
        if self.image.is_dir() { self.folder(truth, json) } else { self.picture(truth, json) }
    }

    fn picture(&self, truth: Option<Truth>, json: bool) -> Result<()> {
        let frame = feed::read_still(&self.image)?;
        let stem = self.image.file_stem().unwrap_or_default().to_string_lossy();
        let boundaries = truth.map(|truth| truth.of(&stem, frame.size())).transpose()?;
        output::writable(&self.output)?;
        let (segmenter, _) = self.model.load()?;
        let found = draw(&segmenter, &frame, &Interrupt::watch()?)?;
        let Some(found) = found else { bail!("stopped: nothing is written") };
        found.save(&self.output)?;
        let scores = boundaries.and_then(|truth| BoundaryScores::of(&[found.counts(&truth)]));
        let model = &segmenter.manifest().name;
        if json {
            return output::json(&serde_json::json!({
                "image": self.image.display().to_string(), "model": model, "masks": found.masks,
                "scores": scores,
            }));
        }
        output::line(format_args!(
            "{model} on {}: the edges of {} masks, written to {}",
            self.image.display(),
            found.masks,
            self.output.display()
        ))?;
        print(scores)
    }

    fn folder(&self, truth: Option<Truth>, json: bool) -> Result<()> {
        let mut clip = feed::open_clip(&[self.image.display().to_string()])?;
        let all = clip.frame_count().context("a folder has an end")?;
        output::folder(&self.output)?;
        let (segmenter, _) = self.model.load()?;
        let interrupt = Interrupt::watch()?;
        let (mut counts, mut failed) = (Vec::new(), Vec::new());
        for index in 0..all {
            let mut one = || -> Result<Option<()>> {
                let frame = clip.frame(index)?;
                let stem = Path::new(&*frame.source).file_stem().unwrap_or_default();
                let stem = stem.to_string_lossy();
                let boundaries =
                    truth.as_ref().map(|truth| truth.of(&stem, frame.size())).transpose()?;
                let Some(found) = draw(&segmenter, &frame, &interrupt)? else { return Ok(None) };
                found.save(&self.output.join(format!("{stem}.png")))?;
                counts.extend(boundaries.map(|truth| found.counts(&truth)));
                Ok(Some(()))
            };
            match one() {
                Ok(Some(())) => log::info!("{} of {all} pictures", index + 1),
                Ok(None) => bail!(
                    "stopped after {index} of {all} pictures: their edges are in {}, and nothing is \
                     judged",
                    self.output.display()
                ),
                Err(error) => failed.push(error),
            }
        }
        none_left_out(&failed, all as usize)?;
        let scores = BoundaryScores::of(&counts);
        let model = &segmenter.manifest().name;
        if json {
            return output::json(&serde_json::json!({
                "image": self.image.display().to_string(), "model": model, "pictures": all,
                "scores": scores,
            }));
        }
        let to = self.output.display();
        output::line(format_args!("{model}: the edges of {all} pictures, written to {to}"))?;
        print(scores)
    }
}

/// `None` where it was stopped.
fn draw(segmenter: &Segmenter, frame: &Frame, interrupt: &Interrupt) -> Result<Option<Drawn>> {
    let bar = progress::counted("prompts");
    let found = edges(segmenter, frame, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        interrupt.flow()
    })?;
    bar.finish_and_clear();
    Ok(found.map(|found| Drawn {
        size: found.size,
        strength: found.strength.iter().map(|s| (s * 255.0).round() as u8).collect(),
        masks: found.masks,
    }))
}

impl Drawn {
    fn save(&self, path: &Path) -> Result<()> {
        let (width, height) = (self.size.width, self.size.height);
        let picture = GrayImage::from_raw(width, height, self.strength.clone())
            .context("there is one value a pixel")?;
        output::png(path, &picture)
    }

    fn counts(&self, truth: &[Mask]) -> PictureCounts {
        PictureCounts::new(self.size, &self.strength, truth)
    }
}

/// A folder of boundaries.
struct Truth {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Truth {
    fn open(folder: &Path) -> Result<Self> {
        let failed = || format!("can't list {}", folder.display());
        let entries = std::fs::read_dir(folder).with_context(failed)?;
        let files: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut files = files.with_context(failed)?;
        files.sort();
        let is_mat = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "mat");
        ensure!(
            files.is_empty() || !files.iter().all(is_mat),
            "{}: MATLAB's files are not read; write each person's boundaries as a PNG first, with \
             Python: for i, person in enumerate(scipy.io.loadmat('NAME.mat')['groundTruth'][0]): \
             PIL.Image.fromarray(person[0, 0]['Boundaries'] * 255).save(f'NAME-{{i + 1}}.png')",
            folder.display()
        );
        Ok(Self { folder: folder.into(), files })
    }

    /// What people drew on the picture called `stem`, of `size`.
    fn of(&self, stem: &str, size: FrameSize) -> Result<Vec<Mask>> {
        let belongs = |file: &&PathBuf| {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            name.strip_prefix(stem).is_some_and(|rest| {
                let number = rest.strip_prefix(['-', '_']);
                rest.is_empty()
                    || number.is_some_and(|n| {
                        !n.is_empty() && n.bytes().all(|digit| digit.is_ascii_digit())
                    })
            })
        };
        let boundary = |file: &PathBuf| -> Result<Mask> {
            let frame = feed::read_still(file)?;
            ensure!(
                frame.size() == size,
                "{} is {}, its picture {size}",
                file.display(),
                frame.size()
            );
            let drawn = frame.rgb().chunks_exact(3).map(|p| u8::from(p.iter().any(|v| *v > 0)));
            Ok(Mask::from_pixels(size, drawn.collect()))
        };
        let found: Result<Vec<Mask>> = self.files.iter().filter(belongs).map(boundary).collect();
        let found = found?;
        let folder = self.folder.display();
        ensure!(!found.is_empty(), "{folder} has neither {stem}.png nor {stem}-1.png");
        Ok(found)
    }
}

fn print(scores: Option<BoundaryScores>) -> Result<()> {
    let Some(s) = scores else { return Ok(()) };
    for (name, at) in [("ODS", s.ods), ("OIS", s.ois)] {
        let threshold = match name {
            "ODS" => format!(", threshold {:.2}", s.ods_threshold),
            _ => String::new(),
        };
        output::line(format_args!(
            "{name} F {:.3} (precision {:.3}, recall {:.3}{threshold})",
            at.f, at.precision, at.recall
        ))?;
    }
    let r50 = s.r50.map_or("-".into(), |r50| format!("{r50:.3}"));
    output::line(format_args!("AP {:.3}, R50 {r50}", s.ap))
}
