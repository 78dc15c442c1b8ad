//! What points at the structure on a picture, and what is blended into the picture.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use ndarray_npy::ReadNpyExt;
use tapseg::feed;
use tapseg::geometry::{FrameBox, FramePoint, FrameSize};
use tapseg::model::{Manifest, PromptKind};
use tapseg::prompt::{MaskPrompt, Prior, PromptError, PromptPoint, Scribble, gaze_points};
use tapseg::{Frame, Mask, Prompt};

use super::arguments::{frame_box, point, scribble};

/// What points at the structure.
#[derive(Args, Debug)]
pub struct PromptArguments {
    /// A point on the structure, or off it with a third number 0; as often as needed
    #[arg(long = "point", value_name = "X,Y[,0|1]", value_parser = point, allow_hyphen_values = true)]
    points: Vec<PromptPoint>,

    /// A box round the structure: two opposite corners, at least half of it on the picture, to which it is
    /// cut
    #[arg(long = "box", value_name = "X0,Y0,X1,Y1", value_parser = frame_box, allow_hyphen_values = true)]
    bounding_box: Option<FrameBox>,

    /// A mask to refine: a grey picture of the same size, the structure brighter than 127
    #[arg(long, value_name = "PNG")]
    pub mask: Option<PathBuf>,

    /// A stroke over the structure, or off it with a third number 0 at its end: "x,y x,y …"; as often
    /// as needed. It becomes up to 10 points
    #[arg(long = "scribble", value_name = "X,Y X,Y…[,0|1]", value_parser = scribble, allow_hyphen_values = true)]
    scribbles: Vec<Scribble>,

    /// Where somebody looked or pointed: CSV with the columns t_ms, x, y, or JSON; fixations of at
    /// least 100 ms become points
    #[arg(long, value_name = "FILE")]
    gaze: Option<PathBuf>,

    /// What a text encoder such as CLIP's made of words that name the structure: a NumPy array (.npy) of
    /// 32-bit floats, N or 1 x N; for packages with a text encoder
    #[arg(long, value_name = "NPY")]
    pub text_embedding: Option<PathBuf>,
}

impl PromptArguments {
    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        let Self { points, bounding_box, mask, scribbles, gaze, text_embedding } = self;
        let files = mask.is_some() || gaze.is_some() || text_embedding.is_some();
        let things = bounding_box.is_some() || files;
        points.is_empty() && scribbles.is_empty() && !things
    }

    /// Refuses a kind of prompt that a model wasn't trained for and that isn't answered through another one.
    pub fn check_for(&self, model: &Manifest) -> Result<()> {
        let trained = |kind| model.was_trained_for(kind);
        // Of a model for boxes alone a mask counts as its box.
        let masks = trained(PromptKind::Mask) || !trained(PromptKind::Point);
        for (argument, kind, given, answered) in [
            ("--box", "box", self.bounding_box.is_some(), trained(PromptKind::Box)),
            ("--mask", "mask", self.mask.is_some(), masks),
        ] {
            ensure!(
                answered || !given,
                "{argument}: package {} doesn't say that it was trained for it: give --point, or add \
                 {kind:?} to the prompts in its model.toml if it was",
                model.name
            );
        }
        Ok(())
    }

    /// The prompt, checked on a frame of `size`.
    pub fn prompt(&self, size: FrameSize) -> Result<Prompt> {
        let mut points = self.points.clone();
        // The points that a stroke becomes are nobody's: its own are judged.
        let mut corners = self.scribbles.iter().flat_map(|scribble| &scribble.path);
        if let Some(&FramePoint { x, y }) = corners.find(|corner| !corner.is_inside(size)) {
            return Err(PromptError::PointOutside { x, y, frame: size }).context("--scribble");
        }
        points.extend(self.scribbles.iter().flat_map(|scribble| scribble.points(size)));
        if let Some(path) = &self.gaze {
            points.extend(gaze_points(path, size)?);
        }
        let mask = self.mask.as_deref().map(|path| mask_prompt(path, size)).transpose()?;
        let bounding_box = self.bounding_box;
        bounding_box.map_or(Ok(()), |given| check_box(given, size))?;
        let text = self.text_embedding.as_deref().map(text_embedding).transpose()?;
        let prompt = Prompt { points, bounding_box, mask, text };
        Ok(prompt.checked(size)?)
    }
}

/// Refuses a box of which less than half lies on a picture of `size`, and says where one is cut to it:
/// it may have been measured on another picture.
fn check_box(given: FrameBox, size: FrameSize) -> Result<()> {
    let FrameBox { x0, y0, x1, y1 } = given;
    let whole = FrameBox::from_corners(FramePoint::new(x0, y0), FramePoint::new(x1, y1));
    // One that lies beside it has no part on it, which the prompt's own check tells.
    let Some(part) = whole.clipped(size).filter(|part| *part != whole) else { return Ok(()) };
    let area = |found: FrameBox| found.width() * found.height();
    ensure!(
        2.0 * area(part) >= area(whole),
        "--box {x0},{y0},{x1},{y1}: less than half of it lies on the picture of {size} pixels: give \
         corners on it"
    );
    let FrameBox { x0: left, y0: top, x1: right, y1: bottom } = part;
    eprintln!("--box {x0},{y0},{x1},{y1} is cut to the picture: {left},{top},{right},{bottom}");
    Ok(())
}

/// Reads what a text encoder made of words.
fn text_embedding(path: &Path) -> Result<Arc<[f32]>> {
    let file =
        std::fs::File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    let array = ndarray::ArrayD::<f32>::read_npy(std::io::BufReader::new(file))
        .with_context(|| format!("{}: no array of 32-bit floats", path.display()))?;
    let shape = array.shape().to_vec();
    match shape.as_slice() {
        [_] | [1, _] => Ok(array.iter().copied().collect()),
        _ => bail!("{}: shape {shape:?}; N or 1 x N is needed", path.display()),
    }
}

/// A prior to blend into the picture.
#[derive(Args, Debug)]
pub struct PriorArguments {
    /// What is likely to be structure: a grey picture of the same size, the brighter the likelier. It
    /// is blended into the green channel, its boundary into the blue one (SAMAug)
    #[arg(long, value_name = "PNG")]
    pub prior: Option<PathBuf>,
}

impl PriorArguments {
    /// `frame` with the prior, where there is one.
    pub fn blended_into(&self, frame: &Frame) -> Result<Frame> {
        let Some(path) = &self.prior else { return Ok(frame.clone()) };
        let prior = Prior::from_frame(&picture_of("--prior", path, frame.size())?);
        Ok(prior.blended_into(frame)?)
    }
}

/// Reads a mask from a picture.
pub fn read_mask(path: &Path) -> Result<Mask> {
    Ok(bright(&feed::read_still(path)?))
}

/// The mask to refine in the picture at `path`.
fn mask_prompt(path: &Path, size: FrameSize) -> Result<MaskPrompt> {
    let picture = picture_of("--mask", path, size)?;
    let mask = bright(&picture);
    let brightest = picture.rgb().iter().copied().max().unwrap_or(0);
    // Label files, such as those of nnU-Net and ITK, have 1 where there is something.
    ensure!(
        mask.area_px() > 0 || brightest == 0,
        "--mask {}: its brightest value is {brightest}, and values above 127 count: save it with 0 and 255",
        path.display()
    );
    Ok(MaskPrompt::Binary(mask))
}

/// What is brighter than 127.
fn bright(picture: &Frame) -> Mask {
    let inside = picture.rgb().chunks_exact(3).map(|p| u8::from(p[0] > 127)).collect();
    Mask::from_pixels(picture.size(), inside)
}

/// The picture that an `argument` names, which must have the `size` of the one that is segmented.
fn picture_of(argument: &str, path: &Path, size: FrameSize) -> Result<Frame> {
    let picture = feed::read_still(path)?;
    let (path, found) = (path.display(), picture.size());
    ensure!(
        found == size,
        "{argument} {path}: it is {found}, the picture {size}: scale it to that"
    );
    Ok(picture)
}
