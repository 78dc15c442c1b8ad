//! COCO's JSON: pictures, boxes and masks as datasets and detectors exchange them, and how well
//! masks are found.

mod polygon;
mod score;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::geometry::FrameSize;
use crate::rle::Rle;

pub use score::{Found, Scores, Truth, score};

/// A picture of a dataset.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ImageEntry {
    /// Its number.
    pub id: u64,
    /// Its file, relative to the folder of pictures.
    pub file_name: String,
    /// Its size, where the dataset states it.
    pub width: Option<u32>,
    /// As `width`.
    pub height: Option<u32>,
}

/// A box or a mask on a picture.
#[derive(Clone, Debug, Deserialize)]
pub struct Annotation {
    /// The picture.
    pub image_id: u64,
    /// What it is; 0 where nothing says it.
    #[serde(default)]
    pub category_id: u64,
    /// Left, top, width and height in pixels; edges are at pixels' edges, (0, 0) the top left corner.
    pub bbox: Option<[f64; 4]>,
    /// The detector's confidence.
    pub score: Option<f32>,
    /// The mask.
    pub segmentation: Option<Segmentation>,
    /// Pixels inside, as the dataset counts them.
    pub area: Option<f64>,
    /// 1 where it is a crowd, on which nothing counts as wrong.
    #[serde(default)]
    pub iscrowd: u8,
}

/// A mask as a dataset writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Segmentation {
    /// Runs.
    Rle(Rle),
    /// Outlines, x and y by turns, of which all are inside.
    Polygons(Vec<Vec<f64>>),
}

impl Segmentation {
    /// The runs, on a picture of `size`.
    ///
    /// # Errors
    /// A sentence where the mask is of another size, or a polygon has no area or reaches beyond
    /// what a picture can be.
    pub fn to_rle(&self, size: FrameSize) -> Result<Rle, String> {
        match self {
            Self::Rle(rle) if rle.size() == size => Ok(rle.clone()),
            Self::Rle(rle) => Err(format!("a mask of {} on a picture of {size}", rle.size())),
            Self::Polygons(polygons) => polygon::filled(size, polygons),
        }
    }
}

/// A dataset, or what a detector found: a list alone has no pictures.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "File")]
pub struct Dataset {
    /// The pictures by number.
    pub images: HashMap<u64, ImageEntry>,
    /// Boxes and masks, in the file's order.
    pub annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Whole { images: Vec<ImageEntry>, annotations: Vec<Annotation> },
    List(Vec<Annotation>),
}

impl From<File> for Dataset {
    fn from(file: File) -> Self {
        let (images, annotations) = match file {
            File::Whole { images, annotations } => (images, annotations),
            File::List(annotations) => (Vec::new(), annotations),
        };
        Self { images: images.into_iter().map(|image| (image.id, image)).collect(), annotations }
    }
}
