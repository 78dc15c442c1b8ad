//! The dataset as COCO's JSON, for training code.

use std::collections::BTreeMap;

use serde::Serialize;

use super::KeptMask;
use crate::coco::ImageEntry;
use crate::rle::Rle;

#[derive(Serialize)]
pub(super) struct File<'a> {
    images: Vec<ImageEntry>,
    annotations: Vec<Annotation<'a>>,
    categories: Vec<Category<'a>>,
}

#[derive(Serialize)]
struct Annotation<'a> {
    id: u64,
    image_id: u64,
    category_id: u64,
    segmentation: &'a Rle,
    area: u64,
    /// Left, top, width and height in pixels.
    bbox: [u32; 4],
    iscrowd: u8,
    /// Where the mask lies as a picture, in the dataset's folder.
    mask_file: &'a str,
    seconds: f64,
}

#[derive(Serialize)]
struct Category<'a> {
    id: u64,
    name: &'a str,
}

impl<'a> File<'a> {
    /// Of these masks, whose pictures have these files in the folder of pictures. Categories are
    /// numbered from 1 in the order of `names`, then as they come.
    pub fn of(
        masks: impl Iterator<Item = &'a KeptMask> + Clone,
        file: impl Fn(&str) -> String,
        names: &'a [String],
    ) -> Self {
        let mut categories: Vec<&str> = Vec::new();
        let used = masks.clone().map(|mask| &*mask.about.name);
        for name in names.iter().map(|name| &**name).chain(used) {
            if !categories.contains(&name) {
                categories.push(name);
            }
        }
        let mut pictures: BTreeMap<&str, ImageEntry> = BTreeMap::new();
        let annotations = masks.map(|mask| {
            let size = mask.segmentation.size();
            let next = pictures.len() as u64 + 1;
            let entry = pictures.entry(&mask.picture).or_insert_with(|| ImageEntry {
                id: next,
                file_name: file(&mask.picture),
                width: Some(size.width),
                height: Some(size.height),
            });
            let category = categories.iter().position(|name| *name == mask.about.name);
            let tight = mask.segmentation.to_mask().bounding_box();
            let bbox = tight.map_or([0; 4], |b| {
                [b.x0, b.y0, b.width() + 1.0, b.height() + 1.0].map(|side| side as u32)
            });
            Annotation {
                id: mask.id,
                image_id: entry.id,
                category_id: category.map_or(0, |at| at as u64 + 1),
                segmentation: &mask.segmentation,
                area: mask.segmentation.area_px(),
                bbox,
                iscrowd: 0,
                mask_file: &mask.file,
                seconds: mask.about.seconds,
            }
        });
        let annotations = annotations.collect();
        let category = |(id, name): (u64, &&'a str)| Category { id, name };
        let categories = (1..).zip(&categories).map(category).collect();
        let mut images: Vec<ImageEntry> = pictures.into_values().collect();
        images.sort_by_key(|image| image.id);
        Self { images, annotations, categories }
    }
}
