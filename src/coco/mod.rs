//! COCO's JSON: pictures, boxes and masks as datasets and detectors exchange them, and how well
//! masks are found.

mod polygon;
mod score;

use std::collections::HashMap;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

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
    /// Where the mask lies as a picture, in the dataset's folder; [`label`](crate::label) notes it.
    pub mask_file: Option<String>,
}

/// What annotations can be of.
#[derive(Clone, Debug, Deserialize)]
pub struct Category {
    /// Its number.
    pub id: u64,
    /// What it is called.
    pub name: String,
}

/// A mask as a dataset writes it.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The pictures by number.
    pub images: HashMap<u64, ImageEntry>,
    /// Boxes and masks, in the file's order.
    pub annotations: Vec<Annotation>,
    /// What they are of; none where the file doesn't say it.
    pub categories: Vec<Category>,
}

// An object is told from a list before it is read: serde's untagged enums hold everything twice and
// don't say what is wrong with it.
impl<'de> Deserialize<'de> for Dataset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Whole {
            images: Vec<ImageEntry>,
            annotations: Vec<Annotation>,
            #[serde(default)]
            categories: Vec<Category>,
        }
        let file = deserializer.deserialize_any(EitherVisitor(PhantomData))?;
        let Whole { images, annotations, categories } = match file {
            Either::Object(whole) => whole,
            Either::List(annotations) => Whole { images: vec![], annotations, categories: vec![] },
        };
        let images = images.into_iter().map(|image| (image.id, image)).collect();
        Ok(Self { images, annotations, categories })
    }
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match deserializer.deserialize_any(EitherVisitor(PhantomData))? {
            Either::Object(rle) => Self::Rle(rle),
            Either::List(polygons) => Self::Polygons(polygons),
        })
    }
}

/// What JSON has as an object or as a list.
enum Either<O, T> {
    Object(O),
    List(Vec<T>),
}

struct EitherVisitor<O, T>(PhantomData<(O, T)>);

impl<'de, O: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for EitherVisitor<O, T> {
    type Value = Either<O, T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(Either::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Either::List)
    }
}
