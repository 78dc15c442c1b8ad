//! A clip as a multi-frame Secondary Capture (PS3.3, A.8.2 and A.8.4), its frames in baseline JPEG.

use dicom_core::header::Tag;
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use jiff::Timestamp;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::{Element, about, capture_elements, new_uid, pixels, text, u16, written_as};
use crate::frame::PixelSpacing;
use crate::geometry::FrameSize;
use crate::record::Blanking;

const MULTI_FRAME_GREY: &str = "1.2.840.10008.5.1.4.1.1.7.2";
const MULTI_FRAME_COLOUR: &str = "1.2.840.10008.5.1.4.1.1.7.4";
const JPEG_BASELINE: &str = "1.2.840.10008.1.2.4.50";

/// What JPEG leaves of a speckled picture at this quality can't be told from the original by eye.
const QUALITY: u8 = 90;

/// A clip that is put together frame by frame.
pub struct ClipFile {
    size: FrameSize,
    is_grey: bool,
    frames: Vec<Vec<u8>>,
}

impl ClipFile {
    /// One of frames of `size`, with one channel where `is_grey`.
    ///
    /// # Errors
    /// Why DICOM has no clip of that size.
    pub fn new(size: FrameSize, is_grey: bool) -> Result<Self, String> {
        if size.longest_side() > u32::from(u16::MAX) {
            return Err(format!("DICOM knows no pictures of {size}"));
        }
        Ok(Self { size, is_grey, frames: Vec::new() })
    }

    /// Appends a frame: one byte a pixel where the clip is grey, else three.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn push(&mut self, pixels: &[u8]) -> Result<(), String> {
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, QUALITY);
        // Colours in half as many columns: YBR_FULL_422.
        encoder.set_sampling_factor(SamplingFactor::F_2_1);
        let (width, height) = (self.size.width as u16, self.size.height as u16);
        let colours = if self.is_grey { ColorType::Luma } else { ColorType::Rgb };
        encoder.encode(pixels, width, height, colours).map_err(|error| error.to_string())?;
        // Fragments have an even length.
        if !jpeg.len().is_multiple_of(2) {
            jpeg.push(0);
        }
        self.frames.push(jpeg);
        Ok(())
    }

    /// The file, with the times from one frame to the next in milliseconds (of the first it is 0).
    ///
    /// # Errors
    /// Why it can't be made.
    pub fn written(
        self,
        steps_ms: &[f64],
        spacing: Option<PixelSpacing>,
        blanking: Option<Blanking>,
        at: Timestamp,
    ) -> Result<Vec<u8>, String> {
        let [study, series, instance] = [new_uid()?, new_uid()?, new_uid()?];
        let class = if self.is_grey { MULTI_FRAME_GREY } else { MULTI_FRAME_COLOUR };
        let (channels, photometric) =
            if self.is_grey { (1, "MONOCHROME2") } else { (3, "YBR_FULL_422") };
        let mut elements = about(&study, at);
        elements.extend(capture_elements(spacing, blanking, [&series, &instance], class));
        elements.extend(pixels(self.size, channels, photometric, 8));
        let raw = self.frames.len() * self.size.pixels() * usize::from(channels);
        let compressed: usize = self.frames.iter().map(Vec::len).sum();
        let steps: Vec<String> = steps_ms.iter().map(|ms| format!("{ms:.3}")).collect();
        let frame_time_vector = Tag(0x0018, 0x1065);
        elements.extend([
            text(0x0028, 0x0008, VR::IS, self.frames.len().to_string()),
            text(0x0028, 0x2110, VR::CS, "01"),
            text(0x0028, 0x2112, VR::DS, format!("{:.2}", raw as f64 / compressed.max(1) as f64)),
            text(0x0028, 0x2114, VR::CS, "ISO_10918_1"),
        ]);
        // A single frame is followed by none.
        if self.frames.len() > 1 {
            let pointer = PrimitiveValue::Tags([frame_time_vector].as_slice().into());
            elements.extend([
                DataElement::new(Tag(0x0028, 0x0009), VR::AT, pointer),
                DataElement::new(frame_time_vector, VR::DS, PrimitiveValue::Strs(steps.into())),
            ]);
        }
        if self.is_grey {
            elements.extend([
                text(0x0028, 0x1052, VR::DS, "0"),
                text(0x0028, 0x1053, VR::DS, "1"),
                text(0x0028, 0x1054, VR::LO, "US"),
                text(0x2050, 0x0020, VR::CS, "IDENTITY"),
            ]);
        } else {
            elements.push(u16(0x0028, 0x0006, 0));
        }
        elements.push(self.pixel_data());
        written_as(JPEG_BASELINE, elements, class, &instance)
    }

    fn pixel_data(self) -> Element {
        let mut offset = 0;
        let starts = self.frames.iter().map(|frame| {
            let start = offset;
            // Each has a header of eight bytes.
            offset += frame.len() as u32 + 8;
            start
        });
        let starts: Vec<u32> = starts.collect();
        let fragments = PixelFragmentSequence::new(starts, self.frames);
        DataElement::new(Tag(0x7FE0, 0x0010), VR::OB, fragments)
    }
}
