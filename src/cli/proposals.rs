//! `tapseg proposals`: where objects may be, on the pictures of a dataset.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use tapseg::automatic::{AutomaticMask, AutomaticOptions, segment_everything};
use tapseg::coco::Dataset;
use tapseg::feed;

use super::arguments::ModelArguments;
use super::instances::{Instance, judge, none_left_out, print, read};
use super::interrupt::Interrupt;
use super::{output, progress};

/// Proposals of a picture.
const MOST_PROPOSALS: usize = 1000;

/// Propose objects on the pictures of a dataset
///
/// Segments everything with a grid of 64 × 64 points and ranks the masks by the mean of predicted
/// IoU and stability, as in Segment Anything's section 7.3; at most 1000 a picture. Writes a list of
/// COCO results, and says how many of the dataset's masks are among them, whatever their category:
/// average recall, by size.
#[derive(Args)]
#[command(
    after_help = "Example:  tapseg proposals annotations.json --images val/ -o proposals.json"
)]
pub struct Proposals {
    /// COCO JSON with the pictures and the true masks
    truth: PathBuf,

    /// The folder of pictures
    #[arg(long, value_name = "DIR")]
    images: PathBuf,

    /// The JSON file to write
    #[arg(short, long, value_name = "JSON")]
    output: PathBuf,

    /// Points along each side of the grid; a grid of boxes has half as many places
    #[arg(long, value_name = "N", default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    points_per_side: u32,

    #[command(flatten)]
    model: ModelArguments,
}

impl Proposals {
    pub fn run(self, json: bool) -> Result<()> {
        let truth: Dataset = read(&self.truth)?;
        ensure!(!truth.images.is_empty(), "{} names no pictures", self.truth.display());
        output::writable(&self.output)?;
        let (segmenter, _) = self.model.load()?;
        let options = AutomaticOptions {
            points_per_side: self.points_per_side,
            box_nms_thresh: 0.9,
            ..AutomaticOptions::for_model(segmenter.manifest())
        };
        let interrupt = Interrupt::watch()?;
        let pictures: BTreeMap<_, _> = truth.images.iter().collect();
        let bar = progress::counted("prompts");
        // All are of one that the truth has: pycocotools leaves others out, even where it is told that
        // categories don't count.
        let category = truth.annotations.first().map_or(1, |annotation| annotation.category_id);
        let (mut proposals, mut sizes, mut failed) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (done, (id, entry)) in (0u64..).zip(&pictures) {
            let frame = match feed::read_still(&self.images.join(&entry.file_name)) {
                Ok(frame) => frame,
                Err(error) => {
                    failed.push(anyhow::Error::from(error).context(format!("picture {id}")));
                    continue;
                }
            };
            let found = segment_everything(&segmenter, &frame, &options, &mut |here, all| {
                bar.set_length(all * pictures.len() as u64);
                bar.set_position(done * all + here);
                interrupt.flow()
            })?;
            if found.decoded < found.prompts {
                break;
            }
            sizes.insert(**id, frame.size());
            let mut ranked: Vec<Instance> =
                found.masks.into_iter().map(|mask| proposal(**id, category, mask)).collect();
            ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
            ranked.truncate(MOST_PROPOSALS);
            proposals.extend(ranked);
        }
        bar.finish_and_clear();
        output::file(&self.output, &serde_json::to_vec(&proposals)?)?;
        let (done, all) = (sizes.len() + failed.len(), pictures.len());
        if done < all {
            eprintln!("stopped after {done} of {all} pictures: they are written, but not judged");
        }
        let judged = || judge(&truth, &sizes, &proposals, MOST_PROPOSALS, false);
        let scores = (sizes.len() == all).then(judged).transpose()?;
        print(json, (sizes.len(), proposals.len()), &[], &self.output, MOST_PROPOSALS, scores)?;
        none_left_out(&failed, all)
    }
}

/// The mask with its rank's score.
fn proposal(image_id: u64, category_id: u64, mask: AutomaticMask) -> Instance {
    Instance {
        image_id,
        category_id,
        segmentation: mask.segmentation,
        score: (mask.predicted_iou + mask.stability_score) / 2.0,
        predicted_iou: mask.predicted_iou,
    }
}
