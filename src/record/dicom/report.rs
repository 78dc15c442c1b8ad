//! The sizes of structures as a structured report: a Comprehensive SR (PS3.3, A.35.3) by the template
//! "Measurement Report" (PS3.16, TID 1500), with a group of measurements for each (TID 1410) that refers
//! to its segment and to the picture, and one for each distance measured by hand (TID 1501).

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use jiff::Timestamp;

use super::{
    ANATOMICAL_STRUCTURE, Code, Element, IMPLEMENTATION, Referenced, code, new_uid, sequence, text,
};
use crate::measure::{Calliper, Measurements, Quantity, Unit, volume_of_revolution};

/// Comprehensive SR.
pub const CLASS: &str = "1.2.840.10008.5.1.4.1.1.88.33";

/// An item of a report's content.
type Item = Vec<Element>;

/// A structure that has a segment and a size.
pub struct Structure<'a> {
    /// Its segment's, counted from 1.
    pub number: usize,
    pub name: String,
    pub sizes: &'a Measurements,
}

/// What is reported, and of what.
pub struct Content<'a> {
    pub structures: &'a [Structure<'a>],
    /// Distances that were measured by hand.
    pub callipers: &'a [Calliper],
    pub picture: Referenced<'a>,
    /// The structures' segments; without structures there are none.
    pub masks: Referenced<'a>,
}

/// What is in the report.
///
/// # Errors
/// Where the system gives no random numbers for UIDs.
pub fn elements(
    content: &Content,
    study: &str,
    instance: &str,
    at: Timestamp,
) -> Result<Vec<Element>, String> {
    let Content { structures, callipers, picture, masks } = content;
    let sizes = structures.iter().map(|structure| group(structure, content));
    let by_hand = callipers
        .iter()
        .zip(1..)
        .map(|(calliper, number)| group_by_hand(calliper, number, picture));
    let groups = sizes.chain(by_hand).collect::<Result<Vec<Item>, String>>()?;
    let content = vec![
        language(),
        context("CODE", ["121005", "DCM", "Observer Type"], {
            code(0x0040, 0xA168, ["121007", "DCM", "Device"])
        }),
        context("UIDREF", ["121012", "DCM", "Device Observer UID"], {
            text(0x0040, 0xA124, VR::UI, IMPLEMENTATION)
        }),
        context("TEXT", ["121013", "DCM", "Device Observer Name"], {
            text(0x0040, 0xA160, VR::UT, concat!("tapseg ", env!("CARGO_PKG_VERSION")))
        }),
        coded(
            "HAS CONCEPT MOD",
            ["121058", "DCM", "Procedure reported"],
            ["363679005", "SCT", "Imaging procedure"],
        ),
        container(["126010", "DCM", "Imaging Measurements"], None, groups),
    ];
    let evidence = |of: &Referenced| {
        let items = vec![of.elements()];
        vec![sequence(0x0008, 0x1199, items), text(0x0020, 0x000E, VR::UI, of.series)]
    };
    let masks = (!structures.is_empty()).then(|| evidence(masks));
    let series = [evidence(picture)].into_iter().chain(masks).collect();
    let evidence = vec![sequence(0x0008, 0x1115, series), text(0x0020, 0x000D, VR::UI, study)];
    let mut elements = vec![
        text(0x0008, 0x0016, VR::UI, CLASS),
        text(0x0008, 0x0018, VR::UI, instance),
        text(0x0008, 0x0060, VR::CS, "SR"),
        sequence(0x0008, 0x1111, Vec::new()),
        text(0x0020, 0x000E, VR::UI, new_uid()?),
        text(0x0020, 0x0011, VR::IS, "3"),
        text(0x0040, 0xA032, VR::DT, at.strftime("%Y%m%d%H%M%S.%6f+0000").to_string()),
        sequence(0x0040, 0xA372, Vec::new()),
        sequence(0x0040, 0xA375, vec![evidence]),
        text(0x0040, 0xA491, VR::CS, "COMPLETE"),
        text(0x0040, 0xA493, VR::CS, "UNVERIFIED"),
    ];
    let report = ["126000", "DCM", "Imaging Measurement Report"];
    // The report's own content is not an item of another's.
    elements.extend(container_elements(report, Some("1500"), content));
    Ok(elements)
}

/// The measurements of a structure.
fn group(
    Structure { number, name, sizes }: &Structure,
    Content { structures, picture, masks, .. }: &Content,
) -> Result<Item, String> {
    let mut segment = masks.elements();
    // Each segment has one frame, and who names that doesn't name the segment.
    segment.push(text(0x0008, 0x1160, VR::IS, number.to_string()));
    // Structures that are called the same are told apart.
    let is_alone = structures.iter().filter(|other| other.name == *name).count() == 1;
    let name = if is_alone { name.clone() } else { format!("{name} {number}") };
    let mut content = tracking(name)?;
    content.extend([
        coded("CONTAINS", ["121071", "DCM", "Finding"], ANATOMICAL_STRUCTURE),
        image(["121214", "DCM", "Referenced Segmentation Frame"], segment),
        image(["121233", "DCM", "Source image for segmentation"], picture.elements()),
        number_of(["42798000", "SCT", "Area"], sizes.area, Vec::new()),
        number_of(["103339001", "SCT", "Long Axis"], sizes.longest_diameter.length, Vec::new()),
        number_of(
            ["131189007", "SCT", "Perpendicular Axis"],
            sizes.perpendicular_diameter.length,
            Vec::new(),
        ),
        number_of(["131191004", "SCT", "Perimeter"], sizes.perimeter, Vec::new()),
    ]);
    let volume = ["121216", "DCM", "Volume estimated from single 2D region"];
    let of_revolution = volume_of_revolution(sizes);
    content.extend(of_revolution.map(|quantity| number_of(volume, quantity, Vec::new())));
    Ok(container(["125007", "DCM", "Measurement Group"], Some("1410"), content))
}

/// A distance that was measured by hand, with its ends.
fn group_by_hand(calliper: &Calliper, number: usize, picture: &Referenced) -> Result<Item, String> {
    let mut content = tracking(format!("Calliper {number}"))?;
    // Columns and rows from the upper left corner of the first pixel, whose middle is ours.
    let ends = [calliper.from.x, calliper.from.y, calliper.to.x, calliper.to.y].map(|v| v + 0.5);
    let place = vec![
        text(0x0070, 0x0023, VR::CS, "POLYLINE"),
        DataElement::new(Tag(0x0070, 0x0022), VR::FL, PrimitiveValue::F32(ends[..].into())),
        sequence(0x0040, 0xA730, vec![selected_from(picture)]),
    ];
    let source = ["121112", "DCM", "Source of Measurement"];
    let line = vec![item("INFERRED FROM", "SCOORD", source, place)];
    content.push(number_of(["121206", "DCM", "Distance"], calliper.length, line));
    Ok(container(["125007", "DCM", "Measurement Group"], Some("1501"), content))
}

/// What a group's measurements are of.
fn tracking(name: String) -> Result<Vec<Item>, String> {
    Ok(vec![
        context("TEXT", ["112039", "DCM", "Tracking Identifier"], {
            text(0x0040, 0xA160, VR::UT, name)
        }),
        context("UIDREF", ["112040", "DCM", "Tracking Unique Identifier"], {
            text(0x0040, 0xA124, VR::UI, new_uid()?)
        }),
    ])
}

/// The picture that coordinates are of, which needs no name.
fn selected_from(picture: &Referenced) -> Item {
    vec![
        text(0x0040, 0xA010, VR::CS, "SELECTED FROM"),
        text(0x0040, 0xA040, VR::CS, "IMAGE"),
        sequence(0x0008, 0x1199, vec![picture.elements()]),
    ]
}

/// An item: how it relates to the one it is in, its kind, name and value.
fn item(relation: &str, kind: &str, name: Code, value: Vec<Element>) -> Item {
    let mut item = vec![
        text(0x0040, 0xA010, VR::CS, relation),
        text(0x0040, 0xA040, VR::CS, kind),
        code(0x0040, 0xA043, name),
    ];
    item.extend(value);
    item
}

fn container(name: Code, template: Option<&str>, content: Vec<Item>) -> Item {
    let mut item = vec![text(0x0040, 0xA010, VR::CS, "CONTAINS")];
    item.extend(container_elements(name, template, content));
    item
}

fn container_elements(name: Code, template: Option<&str>, content: Vec<Item>) -> Vec<Element> {
    let template = template.map(|template| {
        let item =
            vec![text(0x0008, 0x0105, VR::CS, "DCMR"), text(0x0040, 0xDB00, VR::CS, template)];
        sequence(0x0040, 0xA504, vec![item])
    });
    let elements = [
        text(0x0040, 0xA040, VR::CS, "CONTAINER"),
        code(0x0040, 0xA043, name),
        text(0x0040, 0xA050, VR::CS, "SEPARATE"),
    ];
    let content = (!content.is_empty()).then(|| sequence(0x0040, 0xA730, content));
    elements.into_iter().chain(template).chain(content).collect()
}

fn coded(relation: &str, name: Code, value: Code) -> Item {
    item(relation, "CODE", name, vec![code(0x0040, 0xA168, value)])
}

fn language() -> Item {
    let name = ["121049", "DCM", "Language of Content Item and Descendants"];
    coded("HAS CONCEPT MOD", name, ["en", "RFC5646", "English"])
}

fn context(kind: &str, name: Code, value: Element) -> Item {
    item("HAS OBS CONTEXT", kind, name, vec![value])
}

fn image(name: Code, reference: Vec<Element>) -> Item {
    item("CONTAINS", "IMAGE", name, vec![sequence(0x0008, 0x1199, vec![reference])])
}

/// A measured number, with its unit by UCUM, and what it was taken from.
fn number_of(name: Code, Quantity { value, unit }: Quantity, from: Vec<Item>) -> Item {
    let unit = match unit {
        Unit::Pixel | Unit::SquarePixel => ["{pixels}", "UCUM", "pixels"],
        Unit::Millimetre => ["mm", "UCUM", "millimeter"],
        Unit::SquareMillimetre => ["mm2", "UCUM", "square millimeter"],
        Unit::Millilitre => ["ml", "UCUM", "milliliter"],
    };
    let measured = vec![
        code(0x0040, 0x08EA, unit),
        // A decimal string has sixteen characters at most.
        text(0x0040, 0xA30A, VR::DS, format!("{value:.4}")),
    ];
    let mut value = vec![sequence(0x0040, 0xA300, vec![measured])];
    value.extend((!from.is_empty()).then(|| sequence(0x0040, 0xA730, from)));
    item("CONTAINS", "NUM", name, value)
}
