//! The attributes of a data set that a clip needs.

use std::time::Duration;

use dicom_object::{DefaultDicomObject, InMemDicomObject, Tag};

use crate::frame::PixelSpacing;

/// Tags by their names in PS3.6.
pub(super) mod tags {
    use dicom_object::Tag;

    pub const RECOMMENDED_DISPLAY_FRAME_RATE: Tag = Tag(0x0008, 0x2144);
    pub const CINE_RATE: Tag = Tag(0x0018, 0x0040);
    pub const FRAME_TIME: Tag = Tag(0x0018, 0x1063);
    pub const FRAME_TIME_VECTOR: Tag = Tag(0x0018, 0x1065);
    pub const IMAGER_PIXEL_SPACING: Tag = Tag(0x0018, 0x1164);
    pub const NOMINAL_SCANNED_PIXEL_SPACING: Tag = Tag(0x0018, 0x2010);
    pub const SEQUENCE_OF_ULTRASOUND_REGIONS: Tag = Tag(0x0018, 0x6011);
    pub const REGION_MIN_X0: Tag = Tag(0x0018, 0x6018);
    pub const REGION_MIN_Y0: Tag = Tag(0x0018, 0x601A);
    pub const REGION_MAX_X1: Tag = Tag(0x0018, 0x601C);
    pub const REGION_MAX_Y1: Tag = Tag(0x0018, 0x601E);
    pub const PHYSICAL_UNITS_X_DIRECTION: Tag = Tag(0x0018, 0x6024);
    pub const PHYSICAL_UNITS_Y_DIRECTION: Tag = Tag(0x0018, 0x6026);
    pub const PHYSICAL_DELTA_X: Tag = Tag(0x0018, 0x602C);
    pub const PHYSICAL_DELTA_Y: Tag = Tag(0x0018, 0x602E);
    pub const SAMPLES_PER_PIXEL: Tag = Tag(0x0028, 0x0002);
    pub const PHOTOMETRIC_INTERPRETATION: Tag = Tag(0x0028, 0x0004);
    pub const PLANAR_CONFIGURATION: Tag = Tag(0x0028, 0x0006);
    pub const NUMBER_OF_FRAMES: Tag = Tag(0x0028, 0x0008);
    pub const ROWS: Tag = Tag(0x0028, 0x0010);
    pub const COLUMNS: Tag = Tag(0x0028, 0x0011);
    pub const PIXEL_SPACING: Tag = Tag(0x0028, 0x0030);
    pub const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
    pub const BITS_STORED: Tag = Tag(0x0028, 0x0101);
    pub const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
    pub const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);
    pub const WINDOW_CENTER: Tag = Tag(0x0028, 0x1050);
    pub const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
    pub const RESCALE_INTERCEPT: Tag = Tag(0x0028, 0x1052);
    pub const RESCALE_SLOPE: Tag = Tag(0x0028, 0x1053);
    /// Descriptor and data of red, green and blue.
    pub const PALETTE: [(Tag, Tag); 3] = [
        (Tag(0x0028, 0x1101), Tag(0x0028, 0x1201)),
        (Tag(0x0028, 0x1102), Tag(0x0028, 0x1202)),
        (Tag(0x0028, 0x1103), Tag(0x0028, 0x1203)),
    ];
}

/// A data set's header. What is absent, empty or no number is the same to all of these.
pub(super) struct Attributes<'a>(&'a InMemDicomObject);

impl<'a> Attributes<'a> {
    pub fn new(object: &'a DefaultDicomObject) -> Self {
        Self(object)
    }

    pub fn numbers(&self, tag: Tag) -> Vec<f64> {
        let numbers = self.0.get(tag).and_then(|element| element.to_multi_float64().ok());
        numbers.unwrap_or_default().into_iter().filter(|v| v.is_finite()).collect()
    }

    pub fn integers(&self, tag: Tag) -> Vec<i32> {
        let integers = self.0.get(tag).and_then(|element| element.to_multi_int().ok());
        integers.unwrap_or_default()
    }

    pub fn u16(&self, tag: Tag) -> Option<u16> {
        self.integers(tag).first().and_then(|&v| v.try_into().ok())
    }

    pub fn required_u16(&self, tag: Tag) -> Result<u16, String> {
        self.u16(tag).ok_or_else(|| format!("the attribute {tag} is missing or damaged"))
    }

    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = self.0.get(tag)?.to_str().ok()?;
        Some(text.trim_end_matches(['\0', ' ']).to_owned())
    }

    pub fn bytes(&self, tag: Tag) -> Option<Vec<u8>> {
        Some(self.0.get(tag)?.to_bytes().ok()?.into_owned())
    }

    /// The number of frames, at least 1.
    pub fn frame_count(&self) -> Result<u64, String> {
        match (self.0.get(tags::NUMBER_OF_FRAMES), self.integers(tags::NUMBER_OF_FRAMES).first()) {
            (None, _) => Ok(1),
            (Some(_), Some(&count)) if count > 0 => Ok(count as u64),
            (Some(_), _) => Err("its number of frames is no number greater than 0".into()),
        }
    }

    /// The time from one frame to the next: Frame Time, the mean of Frame Time Vector, or what
    /// Cine Rate or Recommended Display Frame Rate says, in this order.
    pub fn frame_interval(&self) -> Option<Duration> {
        let first = |tag| self.numbers(tag).first().copied();
        // The vector's first entry belongs to the first frame and is 0.
        let vector = self.numbers(tags::FRAME_TIME_VECTOR);
        let increments = vector.get(1..).unwrap_or_default();
        let mean = (!increments.is_empty())
            .then(|| increments.iter().sum::<f64>() / increments.len() as f64);
        let rate = || {
            let rates = [tags::CINE_RATE, tags::RECOMMENDED_DISPLAY_FRAME_RATE];
            rates.into_iter().filter_map(first).find(|&rate| rate > 0.0).map(|rate| 1000.0 / rate)
        };
        let milliseconds = [first(tags::FRAME_TIME), mean]
            .into_iter()
            .flatten()
            .find(|&ms| ms > 0.0)
            .or_else(rate)?;
        Duration::try_from_secs_f64(milliseconds / 1000.0).ok().filter(|d| !d.is_zero())
    }

    /// The pixel spacing: Pixel Spacing; the largest ultrasound region measured in centimetres both
    /// ways, where all regions lie on the picture; Nominal Scanned Pixel Spacing; or Imager Pixel Spacing
    /// (which is the detector's), in this order.
    pub fn pixel_spacing(&self) -> Option<PixelSpacing> {
        let pair = |tag| match self.numbers(tag)[..] {
            [row, column, ..] => spacing(row, column),
            _ => None,
        };
        pair(tags::PIXEL_SPACING)
            .or_else(|| self.region_spacing())
            .or_else(|| pair(tags::NOMINAL_SCANNED_PIXEL_SPACING))
            .or_else(|| pair(tags::IMAGER_PIXEL_SPACING))
    }

    fn region_spacing(&self) -> Option<PixelSpacing> {
        const CENTIMETRES: u16 = 3;
        let regions = self.0.get(tags::SEQUENCE_OF_ULTRASOUND_REGIONS)?.items()?;
        // A picture that was made smaller later has the regions, and the spacing, of the larger one.
        let sides = [(tags::REGION_MAX_X1, tags::COLUMNS), (tags::REGION_MAX_Y1, tags::ROWS)];
        let is_beyond = |region: Attributes<'_>| {
            sides.iter().any(|&(end, side)| {
                let end = region.numbers(end).first().copied();
                end.zip(self.u16(side)).is_some_and(|(end, side)| end > side.into())
            })
        };
        if regions.iter().map(Attributes).any(is_beyond) {
            return None;
        }
        let measured = regions.iter().map(Attributes).filter_map(|region| {
            let units = [tags::PHYSICAL_UNITS_X_DIRECTION, tags::PHYSICAL_UNITS_Y_DIRECTION];
            let number = |tag| region.numbers(tag).first().copied();
            let side = |from, to| Some(number(to)? - number(from)?);
            let area = side(tags::REGION_MIN_X0, tags::REGION_MAX_X1)
                .zip(side(tags::REGION_MIN_Y0, tags::REGION_MAX_Y1))
                .map_or(0.0, |(width, height)| width * height);
            let in_mm = |tag| number(tag).map(|cm: f64| cm.abs() * 10.0);
            let found = spacing(in_mm(tags::PHYSICAL_DELTA_Y)?, in_mm(tags::PHYSICAL_DELTA_X)?)?;
            units.iter().all(|&tag| region.u16(tag) == Some(CENTIMETRES)).then_some((area, found))
        });
        measured.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, found)| found)
    }
}

/// A spacing that can be measured with.
fn spacing(row_mm: f64, column_mm: f64) -> Option<PixelSpacing> {
    let found = PixelSpacing { row_mm: row_mm as f32, column_mm: column_mm as f32 };
    [found.row_mm, found.column_mm].iter().all(|v| v.is_finite() && *v > 0.0).then_some(found)
}
