//! Everything on a frame: masks without a prompt by a person.
//!
//! A grid of prompts is decoded, and what is unsure, unstable or there twice is left out: Segment
//! Anything's automatic mask generation (*Segment Anything*, appendix B, "Automatic mask
//! generation"; `SamAutomaticMaskGenerator` in `automatic_mask_generator.py`), step by step and with
//! the same defaults. Where a model was trained on boxes alone a grid of boxes takes the place of
//! the points.

mod crops;
mod edges;
mod labels;
mod nms;
mod regions;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::geometry::{FrameBox, FramePoint, FrameSize};
use crate::mask::Mask;
use crate::model::{Manifest, ModelError, PromptKind, Proposal, Segmenter, Spot};
use crate::rle::Rle;

use crops::Crop;
use regions::{Kind, without_small};

pub use edges::{Edges, edges};
pub use labels::label_map;
pub use nms::{Corners, non_maximum_suppression};
pub(crate) use regions::components;

/// Prompts that are decoded between two looks at whether to go on.
const PROMPTS_PER_REPORT: usize = 16;

/// How near an edge, in pixels, a mask's box touches it.
const EDGE_TOLERANCE: f32 = 20.0;

/// Sides of the boxes at each place of a grid of boxes, as shares of the crop's longer side: from
/// a lymph node to the whole of an organ.
const BOX_SIDES: [f32; 4] = [0.08, 0.16, 0.32, 0.6];

/// How masks are generated; names and defaults are the official generator's, whose
/// `points_per_batch` changes nothing here.
#[derive(Clone, Debug, PartialEq)]
pub struct AutomaticOptions {
    /// Points along each side of the grid. A grid of boxes has half as many places a side, and a
    /// square of each of four sizes at each.
    pub points_per_side: u32,
    /// Masks with this predicted IoU or less are left out; 0 keeps all.
    pub pred_iou_thresh: f32,
    /// Masks less stable than this are left out; 0 keeps all.
    pub stability_score_thresh: f32,
    /// How far the threshold, in logits, is moved up and down to see how stable a mask is.
    pub stability_score_offset: f32,
    /// Of two masks on a crop whose boxes have a larger IoU, the one predicted to be better stays.
    pub box_nms_thresh: f64,
    /// Layers of crops beside the whole frame; layer n has 2ⁿ × 2ⁿ of them, each encoded by itself.
    pub crop_n_layers: u32,
    /// Of two masks of different crops whose boxes have a larger IoU, the one of the smaller crop
    /// stays.
    pub crop_nms_thresh: f64,
    /// How far crops overlap, as a share of the frame's shorter side; halved with each layer.
    pub crop_overlap_ratio: f64,
    /// A crop's grid has so many times fewer points a side with each layer.
    pub crop_n_points_downscale_factor: u32,
    /// Holes and islands of fewer pixels are removed; 0 leaves all.
    pub min_mask_region_area: u64,
}

impl Default for AutomaticOptions {
    fn default() -> Self {
        Self {
            points_per_side: 32,
            pred_iou_thresh: 0.88,
            stability_score_thresh: 0.95,
            stability_score_offset: 1.0,
            box_nms_thresh: 0.7,
            crop_n_layers: 0,
            crop_nms_thresh: 0.7,
            crop_overlap_ratio: 512.0 / 1500.0,
            crop_n_points_downscale_factor: 1,
            min_mask_region_area: 0,
        }
    }
}

impl AutomaticOptions {
    /// The defaults for a model: the official ones, but where it was trained on boxes alone, with
    /// thresholds for boxes that fit no structure. What LiteMedSAM says to boxes round real
    /// structures has shallower edges than Segment Anything's masks: good ones have a stability of about
    /// 0.9, and what merely fills a box has less.
    pub fn for_model(manifest: &Manifest) -> Self {
        if manifest.was_trained_for(PromptKind::Point) {
            return Self::default();
        }
        Self { pred_iou_thresh: 0.85, stability_score_thresh: 0.85, ..Self::default() }
    }
}

/// One mask, with the fields and names of the official generator's JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutomaticMask {
    /// The mask at the frame's size.
    pub segmentation: Rle,
    /// Pixels inside.
    pub area: u64,
    /// Left, top, width and height of the box through the outermost pixels' centres.
    pub bbox: [u32; 4],
    /// The decoder's own estimate of the mask's IoU with the truth.
    pub predicted_iou: f32,
    /// The point that was prompted with, `[x, y]` in frame pixels; the middle of a box.
    pub point_coords: Vec<[f64; 2]>,
    /// IoU of the masks at the thresholds moved up and down.
    pub stability_score: f32,
    /// Left, top, width and height of the crop it was found on.
    pub crop_box: [u32; 4],
    /// The box that was prompted with, as left, top, right and bottom in frame pixels; none where
    /// it was a point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_coords: Option<Corners>,
}

/// What was found on a frame.
#[derive(Clone, Debug)]
pub struct Everything {
    /// The masks: those of smaller crops first, then those that small regions were removed from
    /// last, then best predicted IoU first.
    pub masks: Vec<AutomaticMask>,
    /// Prompts that were decoded.
    pub decoded: u64,
    /// Prompts there were to decode; more than `decoded` where it was told to stop.
    pub prompts: u64,
}

/// A mask on its way.
struct Found {
    rle: Rle,
    /// Left, top, right, bottom in frame pixels, through pixel centres.
    corners: [u32; 4],
    predicted_iou: f32,
    stability_score: f32,
    spot: Spot,
    crop: Crop,
}

/// Finds everything on `frame`. `progress` is told how many prompts of how many are decoded, and may
/// stop it: what was found until then is given.
///
/// # Errors
/// [`ModelError::Run`] where the engine fails.
pub fn segment_everything(
    segmenter: &Segmenter,
    frame: &Frame,
    options: &AutomaticOptions,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Everything, ModelError> {
    let points = segmenter.manifest().was_trained_for(PromptKind::Point);
    let crops = crops::crops(frame.size(), options);
    let planned: Vec<(Crop, Vec<Spot>)> =
        crops.into_iter().map(|crop| (crop, spots(crop, points, options))).collect();
    let planned: Vec<_> = planned.into_iter().filter(|(_, spots)| !spots.is_empty()).collect();
    let prompts = planned.iter().map(|(_, spots)| spots.len() as u64).sum();
    let (mut decoded, mut found) = (0, Vec::new());
    let several = planned.len() > 1;
    for (crop, spots) in planned {
        if progress(decoded, prompts).is_break() {
            break;
        }
        let picture = frame.cropped(crop.x0, crop.y0, crop.size());
        let picture = picture.unwrap_or_else(|_| unreachable!("crops lie on the frame"));
        let embedding = segmenter.set_image(&picture)?;
        let mut here = Vec::new();
        let mut stopped = false;
        for batch in spots.chunks(PROMPTS_PER_REPORT) {
            let judge = |index: usize, proposal: Proposal<'_>| {
                judged(&proposal, batch[index], crop, frame.size(), options)
            };
            here.extend(segmenter.decode_each(&embedding, batch, judge)?);
            decoded += batch.len() as u64;
            stopped = progress(decoded, prompts).is_break();
            if stopped {
                break;
            }
        }
        let scores: Vec<f32> = here.iter().map(|f| f.predicted_iou).collect();
        found.extend(suppressed(here, &scores, options.box_nms_thresh));
        if stopped {
            break;
        }
    }
    if several {
        // Those of smaller crops first.
        let scores: Vec<f32> = found.iter().map(|f| 1.0 / f.crop.size().pixels() as f32).collect();
        found = suppressed(found, &scores, options.crop_nms_thresh);
    }
    if options.min_mask_region_area > 0 {
        found = tidied(found, options);
    }
    Ok(Everything { masks: found.into_iter().map(AutomaticMask::from).collect(), decoded, prompts })
}

/// What is prompted with on a crop, in its pixels.
fn spots(crop: Crop, points: bool, options: &AutomaticOptions) -> Vec<Spot> {
    let size = crop.size();
    let whole = if points { options.points_per_side } else { options.points_per_side.div_ceil(2) };
    let grid = crops::grid(crops::per_side(options, whole, crop.layer), size);
    let grid = grid.into_iter().map(|[x, y]| FramePoint::new(x as f32, y as f32));
    if points {
        return grid.map(Spot::Point).collect();
    }
    let sides = BOX_SIDES.map(|share| share * size.longest_side() as f32);
    let boxes = grid.flat_map(|at| sides.map(|side| FrameBox::centred(at, side, side)));
    boxes.filter_map(|b| b.clipped(size)).map(Spot::Box).collect()
}

/// The proposal as a mask of the frame, if it is good enough (`_process_batch`).
fn judged(
    proposal: &Proposal<'_>,
    spot: Spot,
    crop: Crop,
    frame: FrameSize,
    options: &AutomaticOptions,
) -> Option<Found> {
    let predicted_iou = proposal.predicted_iou;
    if options.pred_iou_thresh > 0.0 && predicted_iou <= options.pred_iou_thresh {
        return None;
    }
    let size = crop.size();
    let offset = options.stability_score_offset;
    let (mut inner, mut outer) = (0u32, 0u32);
    let mut pixels = vec![0; size.pixels()];
    proposal.frame_logits_above(-offset.abs(), |y, x, row| {
        inner += row.iter().map(|l| u32::from(*l > offset)).sum::<u32>();
        outer += row.iter().map(|l| u32::from(*l > -offset)).sum::<u32>();
        let pixels = &mut pixels[y * size.width as usize + x..];
        pixels.iter_mut().zip(row).for_each(|(pixel, l)| *pixel = u8::from(*l > 0.0));
    });
    let stability_score = if outer == 0 { 0.0 } else { inner as f32 / outer as f32 };
    if stability_score < options.stability_score_thresh {
        return None;
    }
    let mask = Mask::from_pixels(size, pixels);
    let [x0, y0, x1, y1] = corners_of(&mask);
    let corners = [x0 + crop.x0, y0 + crop.y0, x1 + crop.x0, y1 + crop.y0];
    if touches_crop_edge(corners, crop, frame) {
        return None;
    }
    let rle = Rle::of(&if size == frame { mask } else { on_frame(&mask, crop, frame) });
    Some(Found { rle, corners, predicted_iou, stability_score, spot, crop })
}

/// The mask's box, all zeros for an empty one (`batched_mask_to_box`).
fn corners_of(mask: &Mask) -> [u32; 4] {
    mask.bounding_box().map_or([0; 4], |b| [b.x0, b.y0, b.x1, b.y1].map(|v| v as u32))
}

/// Whether it is cut off by the crop rather than by the frame (`is_box_near_crop_edge`).
fn touches_crop_edge(corners: [u32; 4], crop: Crop, frame: FrameSize) -> bool {
    let near = |edges: [u32; 4]| -> [bool; 4] {
        std::array::from_fn(|i| (corners[i] as f32 - edges[i] as f32).abs() <= EDGE_TOLERANCE)
    };
    let of_crop = near([crop.x0, crop.y0, crop.x1, crop.y1]);
    let of_frame = near([0, 0, frame.width, frame.height]);
    of_crop.iter().zip(of_frame).any(|(crop, frame)| *crop && !frame)
}

/// A crop's mask with nothing round it.
fn on_frame(mask: &Mask, crop: Crop, frame: FrameSize) -> Mask {
    let mut pixels = vec![0; frame.pixels()];
    let rows = pixels.chunks_exact_mut(frame.width as usize).skip(crop.y0 as usize);
    for (y, row) in rows.take(mask.size().height as usize).enumerate() {
        row[crop.x0 as usize..crop.x1 as usize].copy_from_slice(mask.row(y as u32));
    }
    Mask::from_pixels(frame, pixels)
}

/// What stays after suppression by the masks' boxes, best score first.
fn suppressed(found: Vec<Found>, scores: &[f32], threshold: f64) -> Vec<Found> {
    let boxes: Vec<Corners> = found.iter().map(|f| f.corners.map(|v| v as f32)).collect();
    let mut found: Vec<Option<Found>> = found.into_iter().map(Some).collect();
    let kept = non_maximum_suppression(&boxes, scores, threshold);
    kept.into_iter().filter_map(|index| found[index].take()).collect()
}

/// Small holes and islands removed, and what became the same with them; masks that needed nothing
/// come first (`postprocess_small_regions`).
fn tidied(found: Vec<Found>, options: &AutomaticOptions) -> Vec<Found> {
    let tidy = |found: Found| {
        let mask = found.rle.to_mask();
        let filled = without_small(&mask, options.min_mask_region_area, Kind::Holes);
        let base = filled.as_ref().unwrap_or(&mask);
        let alone = without_small(base, options.min_mask_region_area, Kind::Islands);
        match alone.or(filled) {
            None => (found, 1.0),
            Some(mask) => (Found { rle: Rle::of(&mask), corners: corners_of(&mask), ..found }, 0.0),
        }
    };
    let (found, unchanged): (Vec<Found>, Vec<f32>) = found.into_iter().map(tidy).unzip();
    let threshold = options.box_nms_thresh.max(options.crop_nms_thresh);
    suppressed(found, &unchanged, threshold)
}

impl From<Found> for AutomaticMask {
    fn from(found: Found) -> Self {
        let [x0, y0, x1, y1] = found.corners;
        let (left, top) = (f64::from(found.crop.x0), f64::from(found.crop.y0));
        let (point, box_coords) = match found.spot {
            Spot::Point(p) => ([f64::from(p.x), f64::from(p.y)], None),
            Spot::Box(b) => {
                let middle = [b.x0 + b.x1, b.y0 + b.y1].map(|sum| f64::from(sum) / 2.0);
                let (left, top) = (left as f32, top as f32);
                (middle, Some([b.x0 + left, b.y0 + top, b.x1 + left, b.y1 + top]))
            }
        };
        Self {
            area: found.rle.area_px(),
            segmentation: found.rle,
            bbox: [x0, y0, x1 - x0, y1 - y0],
            predicted_iou: found.predicted_iou,
            point_coords: vec![[point[0] + left, point[1] + top]],
            stability_score: found.stability_score,
            crop_box: found.crop.xywh(),
            box_coords,
        }
    }
}
