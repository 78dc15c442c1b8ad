//! `tapseg instances`: masks for the boxes of a detector.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tapseg::coco::{Annotation, Dataset, Found, ImageEntry, Scores, Truth, score};
use tapseg::model::Spot;
use tapseg::{FrameBox, FrameSize, Mask, Rle, Segmenter, feed};

use super::arguments::ModelArguments;
use super::interrupt::Interrupt;
use super::{output, progress};

/// Detections of a picture that are judged.
const MOST_DETECTIONS: usize = 100;

/// How many pictures, and how many boxes, that are left out are named.
const NAMED: usize = 20;

/// Turn a detector's boxes into masks
///
/// Reads COCO JSON: a whole dataset, or a list of detections whose pictures the ground truth names.
/// Writes a list of COCO results, a mask (RLE) for each box, with the detector's score. With
/// --truth, says how good they are: COCO's average precision and recall. A box without area on its
/// picture, or on one that nothing names, is left out, named and counted.
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg instances boxes.json --images val/ -o masks.json\n          \
    tapseg instances detections.json --images val/ --truth annotations.json -o masks.json"
)]
pub struct Instances {
    /// COCO JSON with boxes
    boxes: PathBuf,

    /// The folder of pictures
    #[arg(long, value_name = "DIR")]
    images: PathBuf,

    /// COCO JSON with the true masks
    #[arg(long, value_name = "JSON")]
    truth: Option<PathBuf>,

    /// The JSON file to write
    #[arg(short, long, value_name = "JSON")]
    output: PathBuf,

    #[command(flatten)]
    model: ModelArguments,
}

/// A mask as COCO's tools read results: without a box, from which they would take its size.
#[derive(Serialize)]
pub struct Instance {
    pub image_id: u64,
    pub category_id: u64,
    pub segmentation: Rle,
    pub score: f32,
    pub predicted_iou: f32,
}

impl Instances {
    pub fn run(self, json: bool) -> Result<()> {
        let boxes: Dataset = read(&self.boxes)?;
        let truth: Option<Dataset> = self.truth.as_deref().map(read).transpose()?;
        let named = |id: &u64| {
            let of_truth = || truth.as_ref().and_then(|truth| truth.images.get(id));
            boxes.images.get(id).or_else(of_truth)
        };
        let mut pictures: BTreeMap<u64, Vec<&Annotation>> = BTreeMap::new();
        for annotation in &boxes.annotations {
            pictures.entry(annotation.image_id).or_default().push(annotation);
        }
        let (pictures, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
            pictures.into_iter().partition(|(id, _)| named(id).is_some());
        if let Some(id) = unknown.keys().next().filter(|_| pictures.is_empty()) {
            let remedy = match truth {
                Some(_) => {
                    "the truth names none of the pictures: give the one that belongs to the boxes"
                }
                None => "give --truth, or a dataset with images",
            };
            let boxes = self.boxes.display();
            bail!("{boxes}: nothing says which file picture {id} is: {remedy}");
        }
        output::writable(&self.output)?;
        let (segmenter, _) = self.model.load()?;
        let interrupt = Interrupt::watch()?;
        let bar = progress::counted("pictures");
        bar.set_length(pictures.len() as u64);
        let (mut instances, mut sizes, mut failed) = (Vec::new(), BTreeMap::new(), Vec::new());
        let of_unknown = |(id, boxes): (&u64, &Vec<_>)| {
            let picture = format!("picture {id}");
            let left_out =
                move |n| format!("{picture}: its box {n}: nothing says which file the picture is");
            (1..=boxes.len()).map(left_out)
        };
        let mut left_out: Vec<String> = unknown.iter().flat_map(of_unknown).collect();
        for (id, annotations) in &pictures {
            if interrupt.asked() {
                break;
            }
            let Some(entry) = named(id) else { continue };
            let path = self.images.join(&entry.file_name);
            match masks(&segmenter, &path, annotations) {
                Ok((size, found, reasons)) => {
                    sizes.insert(*id, size);
                    instances.extend(found);
                    left_out.extend(reasons.into_iter().map(|why| format!("picture {id}: {why}")));
                }
                Err(error) => failed.push(error.context(format!("picture {id}"))),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        output::file(&self.output, &serde_json::to_vec(&instances)?)?;
        let (done, all) = (sizes.len() + failed.len(), pictures.len());
        let complete = failed.is_empty() && done == all;
        ensure!(
            !complete || !instances.is_empty() || left_out.is_empty(),
            "{}: no box can be asked about; bbox is left, top, width and height in pixels:{}",
            self.boxes.display(),
            listed(&left_out)
        );
        if done < all {
            eprintln!(
                "stopped after {done} of {all} pictures: their masks are written, but not judged"
            );
        }
        let scores = match &truth {
            Some(truth) if sizes.len() == all => {
                Some(judge(truth, &sizes, &instances, MOST_DETECTIONS, true)?)
            }
            _ => None,
        };
        let counts = (sizes.len(), instances.len());
        print(json, counts, &left_out, &self.output, MOST_DETECTIONS, scores)?;
        none_left_out(&failed, all)
    }
}

/// Fails with what kept pictures from being asked about, if there are any: what others gave is
/// written by then.
pub fn none_left_out(failed: &[anyhow::Error], all: usize) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = failed.iter().map(output::told_once).collect();
    let (count, named) = (failed.len(), listed(&reasons));
    bail!("{count} of {all} pictures are left out, and nothing is judged:{named}")
}

/// The first of `reasons`, a line each, and how many more there are.
fn listed(reasons: &[String]) -> String {
    let named: String = reasons.iter().take(NAMED).map(|reason| format!("\n  {reason}")).collect();
    match reasons.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}\n  and {more} more"),
    }
}

/// Tells how many masks on how many pictures were written, which boxes were left out, and the scores
/// of the `most` surest masks of each picture.
pub fn print(
    json: bool,
    (pictures, masks): (usize, usize),
    left_out: &[String],
    to: &Path,
    most: usize,
    scores: Option<Scores>,
) -> Result<()> {
    if json {
        return output::json(&serde_json::json!({
            "pictures": pictures, "masks": masks, "boxes_left_out": left_out, "scores": scores,
        }));
    }
    let to = to.display();
    output::line(format_args!("{masks} masks on {pictures} pictures, written to {to}"))?;
    if !left_out.is_empty() {
        let (count, named) = (left_out.len(), listed(left_out));
        output::line(format_args!("boxes left out, which count as not found: {count}{named}"))?;
    }
    let Some(s) = scores else { return Ok(()) };
    let recall = format!("AR at {most}");
    for (name, value) in [
        ("AP", s.ap),
        ("AP at IoU 0.50", s.ap50),
        ("AP at IoU 0.75", s.ap75),
        ("AP, small", s.ap_small),
        ("AP, medium", s.ap_medium),
        ("AP, large", s.ap_large),
        (&*recall, s.ar),
        ("AR, small", s.ar_small),
        ("AR, medium", s.ar_medium),
        ("AR, large", s.ar_large),
    ] {
        let value = value.map_or("-".into(), |v| format!("{v:.3}"));
        output::line(format_args!("{name:<16}{value:>6}"))?;
    }
    Ok(())
}

/// Reads a COCO file.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is no COCO JSON with images and annotations", path.display()))
}

/// The picture's size, a mask for each of its boxes, and why there is none for some.
fn masks(
    segmenter: &Segmenter,
    picture: &Path,
    annotations: &[&Annotation],
) -> Result<(FrameSize, Vec<Instance>, Vec<String>)> {
    let frame = feed::read_still(picture)?;
    let size = frame.size();
    let (mut spots, mut asked, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (index, annotation) in annotations.iter().copied().enumerate() {
        match spot(annotation, size) {
            Ok(spot) => {
                spots.push(spot);
                asked.push(annotation);
            }
            Err(reason) => left_out.push(format!("its box {}: {reason}", index + 1)),
        }
    }
    if spots.is_empty() {
        return Ok((size, vec![], left_out));
    }
    let embedding = segmenter.set_image(&frame)?;
    let found = segmenter.decode_each(&embedding, &spots, |index, proposal| {
        let mut pixels = vec![0; size.pixels()];
        proposal.frame_logits_above(0.0, |y, x, row| {
            let pixels = &mut pixels[y * size.width as usize + x..];
            pixels.iter_mut().zip(row).for_each(|(pixel, l)| *pixel = u8::from(*l > 0.0));
        });
        let annotation = asked[index];
        Some(Instance {
            image_id: annotation.image_id,
            category_id: annotation.category_id,
            segmentation: Rle::of(&Mask::from_pixels(size, pixels)),
            score: annotation.score.unwrap_or(proposal.predicted_iou),
            predicted_iou: proposal.predicted_iou,
        })
    })?;
    Ok((size, found, left_out))
}

/// What to ask for an annotation on a picture of `size`, or why nothing can be asked.
fn spot(annotation: &Annotation, size: FrameSize) -> Result<Spot, String> {
    let [x, y, width, height] = annotation.bbox.ok_or("no bbox")?;
    let [x0, y0, x1, y1] = [x, y, x + width, y + height].map(|v| v as f32);
    let on_frame = FrameBox { x0, y0, x1, y1 }.clipped(size).filter(|_| x0 < x1 && y0 < y1);
    on_frame
        .map(Spot::Box)
        .ok_or_else(|| format!("{x}, {y}, {width} x {height} has no area on the frame of {size}"))
}

/// COCO's scores of the `most` surest instances of a picture; pictures without any count with what
/// is missed on them. Categories make no difference unless it is `by_category`.
pub fn judge(
    truth: &Dataset,
    sizes: &BTreeMap<u64, FrameSize>,
    instances: &[Instance],
    most: usize,
    by_category: bool,
) -> Result<Scores> {
    let category = |id: u64| if by_category { id } else { 0 };
    let stated = |image: &ImageEntry| Some(FrameSize::new(image.width?, image.height?));
    let mut true_masks = Vec::new();
    for (index, annotation) in truth.annotations.iter().enumerate() {
        let mask = || {
            let id = annotation.image_id;
            let of_truth = || truth.images.get(&id).and_then(stated);
            let size = sizes.get(&id).copied().or_else(of_truth);
            let size = size.context("nothing says how large its picture is")?;
            let segmentation =
                annotation.segmentation.as_ref().context("it has no segmentation")?;
            segmentation.to_rle(size).map_err(anyhow::Error::msg)
        };
        let mask = mask().with_context(|| format!("annotation {} of the truth", index + 1))?;
        true_masks.push(Truth {
            image_id: annotation.image_id,
            category_id: category(annotation.category_id),
            area: annotation.area.unwrap_or(mask.area_px() as f64),
            mask,
            crowd: annotation.iscrowd != 0,
        });
    }
    let found: Vec<Found> = instances
        .iter()
        .map(|i| Found {
            image_id: i.image_id,
            category_id: category(i.category_id),
            mask: i.segmentation.clone(),
            score: i.score,
        })
        .collect();
    Ok(score(&true_masks, &found, most))
}
