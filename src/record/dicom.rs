//! The picture as a DICOM Secondary Capture, its masks as a Segmentation that refers to it (PS3.3, A.8.1 and
//! A.51), and their sizes as a structured report. The patient's attributes stay empty: nobody entered them.

mod clip;
mod report;

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use jiff::Timestamp;

use crate::frame::{Frame, PixelSpacing};
use crate::geometry::{FrameBox, FrameSize};
use crate::mask::Mask;
use crate::measure::{Calliper, Measurements};

use super::Blanking;

pub(super) use clip::ClipFile;

const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const SEGMENTATION: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
/// This program's, made of the UUID f559c0bc-c940-4dd3-8938-5db82a297fe0.
const IMPLEMENTATION: &str = "2.25.326126882567536668073704441024208273376";

/// What is outlined; nobody said more about it.
const ANATOMICAL_STRUCTURE: Code = ["91723000", "SCT", "Anatomical structure"];

type Element = DataElement<InMemDicomObject>;

/// A structure.
pub(super) struct Segment<'a> {
    pub mask: &'a Mask,
    /// The model that drew it.
    pub model: &'a str,
    /// What it was called.
    pub label: Option<&'a str>,
}

impl Segment<'_> {
    /// What structure `number` is called: at most 64 letters, and no backslash, which parts values.
    fn name(&self, number: usize) -> String {
        let label = self.label.map(|label| label.replace('\\', "/").chars().take(64).collect());
        label.unwrap_or_else(|| format!("Structure {number}"))
    }
}

/// Makes the files of `frame`, its structures, which have these `sizes` (none where a mask is empty), and
/// what was measured by hand: their names and bytes.
///
/// # Errors
/// Why they can't be made.
pub(super) fn files(
    frame: &Frame,
    masks: &[Segment],
    sizes: &[Option<&Measurements>],
    callipers: &[Calliper],
    blanking: Option<Blanking>,
    at: Timestamp,
) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let [study, series, instance] = [new_uid()?, new_uid()?, new_uid()?];
    let mut picture = about(&study, at);
    picture.extend(capture(frame, blanking, [&series, &instance]));
    let mut files = vec![("frame.dcm", written(picture, SECONDARY_CAPTURE, &instance)?)];
    let [mask_series, own] = [new_uid()?, new_uid()?];
    if !masks.is_empty() {
        let mut segments = about(&study, at);
        segments.extend(segmentation(frame, masks, [&series, &instance], [&mask_series, &own])?);
        files.push(("masks.dcm", written(segments, SEGMENTATION, &own)?));
    }
    let named = masks.iter().zip(sizes).zip(1..);
    let structures = named.filter_map(|((segment, sizes), number)| {
        let (sizes, name) = ((*sizes)?, segment.name(number));
        Some(report::Structure { number, name, sizes })
    });
    let structures: Vec<report::Structure> = structures.collect();
    if structures.is_empty() && callipers.is_empty() {
        return Ok(files);
    }
    let report_instance = new_uid()?;
    let picture = Referenced { class: SECONDARY_CAPTURE, series: &series, instance: &instance };
    let masks = Referenced { class: SEGMENTATION, series: &mask_series, instance: &own };
    let content = report::Content { structures: &structures, callipers, picture, masks };
    let mut report = about(&study, at);
    report.extend(report::elements(&content, &study, &report_instance, at)?);
    files.push(("measurements.dcm", written(report, report::CLASS, &report_instance)?));
    Ok(files)
}

/// An instance that others refer to.
struct Referenced<'a> {
    class: &'static str,
    series: &'a str,
    instance: &'a str,
}

impl Referenced<'_> {
    fn elements(&self) -> Vec<Element> {
        vec![text(0x0008, 0x1150, VR::UI, self.class), text(0x0008, 0x1155, VR::UI, self.instance)]
    }
}

/// A UID made of a random UUID (PS3.5, B.2).
fn new_uid() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    // Version 4, variant 1 (RFC 9562).
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    Ok(format!("2.25.{}", u128::from_be_bytes(bytes)))
}

fn text(group: u16, element: u16, vr: VR, value: impl Into<String>) -> Element {
    DataElement::new(Tag(group, element), vr, PrimitiveValue::from(value.into()))
}

fn empty(group: u16, element: u16, vr: VR) -> Element {
    DataElement::new(Tag(group, element), vr, PrimitiveValue::Empty)
}

fn u16(group: u16, element: u16, value: u16) -> Element {
    DataElement::new(Tag(group, element), VR::US, PrimitiveValue::from(value))
}

fn sequence(group: u16, element: u16, items: Vec<Vec<Element>>) -> Element {
    let items: Vec<_> = items.into_iter().map(InMemDicomObject::from_element_iter).collect();
    DataElement::new(Tag(group, element), VR::SQ, DataSetSequence::from(items))
}

/// A coded term: its value, the scheme, and what it means.
type Code<'a> = [&'a str; 3];

fn code(group: u16, element: u16, [value, scheme, meaning]: Code) -> Element {
    let item = vec![
        text(0x0008, 0x0100, VR::SH, value),
        text(0x0008, 0x0102, VR::SH, scheme),
        text(0x0008, 0x0104, VR::LO, meaning),
    ];
    sequence(group, element, vec![item])
}

/// How pixels are stored: `bits` are taken of as many.
fn pixels(size: FrameSize, channels: u16, photometric: &str, bits: u16) -> Vec<Element> {
    vec![
        u16(0x0028, 0x0002, channels),
        text(0x0028, 0x0004, VR::CS, photometric),
        u16(0x0028, 0x0010, size.height as u16),
        u16(0x0028, 0x0011, size.width as u16),
        u16(0x0028, 0x0100, bits),
        u16(0x0028, 0x0101, bits),
        u16(0x0028, 0x0102, bits - 1),
        u16(0x0028, 0x0103, 0),
    ]
}

/// Patient, study, equipment and time, which all files share.
fn about(study: &str, at: Timestamp) -> Vec<Element> {
    let (date, time) = (at.strftime("%Y%m%d").to_string(), at.strftime("%H%M%S.%6f").to_string());
    let version = env!("CARGO_PKG_VERSION");
    vec![
        text(0x0008, 0x0005, VR::CS, "ISO_IR 192"),
        text(0x0008, 0x0012, VR::DA, date.clone()),
        text(0x0008, 0x0013, VR::TM, time.clone()),
        text(0x0008, 0x0020, VR::DA, date.clone()),
        text(0x0008, 0x0023, VR::DA, date),
        text(0x0008, 0x0030, VR::TM, time.clone()),
        text(0x0008, 0x0033, VR::TM, time),
        empty(0x0008, 0x0050, VR::SH),
        text(0x0008, 0x0070, VR::LO, "tapseg"),
        empty(0x0008, 0x0090, VR::PN),
        text(0x0008, 0x0201, VR::SH, "+0000"),
        text(0x0008, 0x1090, VR::LO, "tapseg"),
        empty(0x0010, 0x0010, VR::PN),
        empty(0x0010, 0x0020, VR::LO),
        empty(0x0010, 0x0030, VR::DA),
        empty(0x0010, 0x0040, VR::CS),
        text(0x0018, 0x1000, VR::LO, "0"),
        text(0x0018, 0x1020, VR::LO, version),
        text(0x0020, 0x000D, VR::UI, study),
        empty(0x0020, 0x0010, VR::SH),
        text(0x0020, 0x0013, VR::IS, "1"),
    ]
}

fn capture(frame: &Frame, blanking: Option<Blanking>, uids: [&str; 2]) -> Vec<Element> {
    let mut rgb = frame.rgb().to_vec();
    // Values have an even length.
    rgb.resize(rgb.len().next_multiple_of(2), 0);
    let mut elements = capture_elements(frame.pixel_spacing, blanking, uids, SECONDARY_CAPTURE);
    elements.extend(pixels(frame.size(), 3, "RGB", 8));
    elements.extend([
        u16(0x0028, 0x0006, 0),
        DataElement::new(Tag(0x7FE0, 0x0010), VR::OB, PrimitiveValue::U8(rgb.into())),
    ]);
    elements
}

/// What captures of one frame and of several share.
fn capture_elements(
    spacing: Option<PixelSpacing>,
    blanking: Option<Blanking>,
    [series, instance]: [&str; 2],
    class: &str,
) -> Vec<Element> {
    let outside = match blanking {
        Some(Blanking::Outside(region)) => Some(region.bounding_box()),
        Some(Blanking::Nothing) | None => None,
    };
    let mut elements = vec![
        text(0x0008, 0x0008, VR::CS, "DERIVED\\SECONDARY"),
        text(0x0008, 0x0016, VR::UI, class),
        text(0x0008, 0x0018, VR::UI, instance),
        text(0x0008, 0x0060, VR::CS, "OT"),
        // Drawn from a screen: from a device's digital interface.
        text(0x0008, 0x0064, VR::CS, "DI"),
        text(0x0020, 0x000E, VR::UI, series),
        text(0x0020, 0x0011, VR::IS, "1"),
        empty(0x0020, 0x0020, VR::CS),
        empty(0x0020, 0x0060, VR::CS),
        // A scanner's screen may show whose it is, and its picture may where what is round it is blanked.
        text(0x0028, 0x0301, VR::CS, "YES"),
    ];
    if let Some(FrameBox { x0, y0, x1, y1 }) = outside {
        let method = format!("Black outside of the picture ({x0},{y0} to {x1},{y1})");
        elements.extend([
            text(0x0012, 0x0063, VR::LO, method),
            code(0x0012, 0x0064, ["113101", "DCM", "Clean Pixel Data Option"]),
        ]);
    }
    if let Some(spacing) = spacing {
        let pair = format!("{}\\{}", spacing.row_mm, spacing.column_mm);
        elements.push(text(0x0028, 0x0030, VR::DS, pair));
    }
    elements
}

fn segmentation(
    frame: &Frame,
    masks: &[Segment],
    [series, instance]: [&str; 2],
    [own_series, own]: [&str; 2],
) -> Result<Vec<Element>, String> {
    let organization = new_uid()?;
    let picture = Referenced { class: SECONDARY_CAPTURE, series, instance };
    let segment = |(number, segment): (usize, &Segment)| {
        let (category, kind) = ((0x0062, 0x0003), (0x0062, 0x000F));
        vec![
            code(category.0, category.1, ["123037004", "SCT", "Anatomical Structure"]),
            u16(0x0062, 0x0004, number as u16),
            text(0x0062, 0x0005, VR::LO, segment.name(number)),
            text(0x0062, 0x0008, VR::CS, "SEMIAUTOMATIC"),
            text(
                0x0062,
                0x0009,
                VR::LO,
                format!("tapseg, {}", segment.model.chars().take(48).collect::<String>()),
            ),
            code(kind.0, kind.1, ANATOMICAL_STRUCTURE),
        ]
    };
    let groups = |number: usize| {
        let mut source = picture.elements();
        source.push(text(0x0028, 0x135A, VR::CS, "YES"));
        let purpose = "Source image for image processing operation";
        source.push(code(0x0040, 0xA170, ["121322", "DCM", purpose]));
        let derivation = vec![
            sequence(0x0008, 0x2112, vec![source]),
            code(0x0008, 0x9215, ["113076", "DCM", "Segmentation"]),
        ];
        let index = PrimitiveValue::from(number as u32);
        let content = vec![DataElement::new(Tag(0x0020, 0x9157), VR::UL, index)];
        vec![
            sequence(0x0008, 0x9124, vec![derivation]),
            sequence(0x0020, 0x9111, vec![content]),
            sequence(0x0062, 0x000A, vec![vec![u16(0x0062, 0x000B, number as u16)]]),
        ]
    };
    let tag = |group, element, value| {
        DataElement::new(Tag(group, element), VR::AT, PrimitiveValue::from(value))
    };
    let dimension = vec![
        text(0x0020, 0x9164, VR::UI, organization.clone()),
        tag(0x0020, 0x9165, Tag(0x0062, 0x000B)),
        tag(0x0020, 0x9167, Tag(0x0062, 0x000A)),
    ];
    let numbers = || 1..=masks.len();
    let mut elements = pixels(frame.size(), 1, "MONOCHROME2", 1);
    elements.extend([
        text(0x0008, 0x0008, VR::CS, "DERIVED\\PRIMARY"),
        text(0x0008, 0x0016, VR::UI, SEGMENTATION),
        text(0x0008, 0x0018, VR::UI, own),
        text(0x0008, 0x0060, VR::CS, "SEG"),
        sequence(
            0x0008,
            0x1115,
            vec![vec![
                sequence(0x0008, 0x114A, vec![picture.elements()]),
                text(0x0020, 0x000E, VR::UI, series),
            ]],
        ),
        text(0x0020, 0x000E, VR::UI, own_series),
        text(0x0020, 0x0011, VR::IS, "2"),
        empty(0x0020, 0x0020, VR::CS),
        sequence(0x0020, 0x9221, vec![vec![text(0x0020, 0x9164, VR::UI, organization)]]),
        sequence(0x0020, 0x9222, vec![dimension]),
        text(0x0028, 0x0008, VR::IS, masks.len().to_string()),
        text(0x0028, 0x2110, VR::CS, "00"),
        text(0x0062, 0x0001, VR::CS, "BINARY"),
        sequence(0x0062, 0x0002, numbers().zip(masks).map(segment).collect()),
        text(0x0070, 0x0080, VR::CS, "OUTLINES"),
        empty(0x0070, 0x0081, VR::LO),
        empty(0x0070, 0x0084, VR::PN),
        // The pixel spacing is the picture's: a measure of its own would need a slice's thickness.
        sequence(0x5200, 0x9229, vec![Vec::new()]),
        sequence(0x5200, 0x9230, numbers().map(groups).collect()),
        DataElement::new(
            Tag(0x7FE0, 0x0010),
            VR::OB,
            PrimitiveValue::U8(packed(masks.iter().map(|segment| segment.mask)).into()),
        ),
    ]);
    Ok(elements)
}

/// The masks one after the other, eight pixels a byte from its lowest bit, without a gap between
/// them (PS3.5, 8.1.1); of even length.
fn packed<'a>(masks: impl Iterator<Item = &'a Mask> + Clone) -> Vec<u8> {
    let count: usize = masks.clone().map(|mask| mask.pixels().len()).sum();
    let mut bytes = vec![0; count.div_ceil(8).next_multiple_of(2)];
    for (i, &pixel) in masks.flat_map(|mask| mask.pixels()).enumerate() {
        bytes[i / 8] |= pixel << (i % 8);
    }
    bytes
}

fn written(elements: Vec<Element>, class: &str, instance: &str) -> Result<Vec<u8>, String> {
    written_as(EXPLICIT_LITTLE_ENDIAN, elements, class, instance)
}

fn written_as(
    syntax: &str,
    elements: Vec<Element>,
    class: &str,
    instance: &str,
) -> Result<Vec<u8>, String> {
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance)
        .implementation_class_uid(IMPLEMENTATION);
    let object = InMemDicomObject::from_element_iter(elements).with_meta(meta);
    let object = object.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn uids_are_random_uuids() {
        let uids: HashSet<String> = (0..100).map(|_| new_uid().unwrap()).collect();
        assert_eq!(uids.len(), 100);
        for uid in uids {
            let number: u128 = uid.strip_prefix("2.25.").unwrap().parse().unwrap();
            assert!(uid.len() <= 64, "{uid}");
            assert_eq!((number >> 76 & 0xF, number >> 62 & 3), (4, 2), "{uid}");
        }
    }

    #[test]
    fn masks_are_packed_without_gaps() {
        let size = FrameSize::new(3, 3);
        let first = Mask::from_pixels(size, vec![1, 0, 0, 0, 0, 0, 0, 0, 1]);
        let second = Mask::from_pixels(size, vec![1, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(packed([&first, &second].into_iter()), [0b0000_0001, 0b0000_0111, 0, 0]);
    }
}
