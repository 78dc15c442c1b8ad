//! The sizes of structures as a structured report: a Comprehensive SR (PS3.3, A.35.3) by the template
//! "Measurement Report" (PS3.16, TID 1500), with a group of measurements for each (TID 1410) that refers
//! to its segment and to the picture.

use dicom_core::VR;
use jiff::Timestamp;

use super::{
    ANATOMICAL_STRUCTURE, Code, Element, IMPLEMENTATION, Referenced, code, new_uid, sequence, text,
};
use crate::measure::{Measurements, Quantity, Unit};

/// Comprehensive SR.
pub const CLASS: &str = "1.2.840.10008.5.1.4.1.1.88.33";

/// An item of a report's content.
type Item = Vec<Element>;

/// What is in the report about structures that have these `sizes`, each the segment of its place,
/// counted from 1; those without have no pixels.
///
/// # Errors
/// Where the system gives no random numbers for UIDs.
pub fn elements(
    sizes: &[Option<&Measurements>],
    study: &str,
    picture: &Referenced,
    masks: &Referenced,
    instance: &str,
    at: Timestamp,
) -> Result<Vec<Element>, String> {
    let measured = sizes.iter().zip(1..).filter_map(|(sizes, number)| Some(((*sizes)?, number)));
    let groups = measured.map(|(sizes, number)| group(sizes, number, picture, masks));
    let groups = groups.collect::<Result<Vec<Item>, String>>()?;
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
    let series = vec![evidence(picture), evidence(masks)];
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

/// The measurements of structure `number`.
fn group(
    sizes: &Measurements,
    number: usize,
    picture: &Referenced,
    masks: &Referenced,
) -> Result<Item, String> {
    let mut segment = masks.elements();
    // Each segment has one frame, and who names that doesn't name the segment.
    segment.push(text(0x0008, 0x1160, VR::IS, number.to_string()));
    let content = vec![
        context("TEXT", ["112039", "DCM", "Tracking Identifier"], {
            text(0x0040, 0xA160, VR::UT, format!("Structure {number}"))
        }),
        context("UIDREF", ["112040", "DCM", "Tracking Unique Identifier"], {
            text(0x0040, 0xA124, VR::UI, new_uid()?)
        }),
        coded("CONTAINS", ["121071", "DCM", "Finding"], ANATOMICAL_STRUCTURE),
        image(["121214", "DCM", "Referenced Segmentation Frame"], segment),
        image(["121233", "DCM", "Source image for segmentation"], picture.elements()),
        number_of(["42798000", "SCT", "Area"], sizes.area),
        number_of(["103339001", "SCT", "Long Axis"], sizes.longest_diameter.length),
        number_of(["131189007", "SCT", "Perpendicular Axis"], sizes.perpendicular_diameter.length),
        number_of(["131191004", "SCT", "Perimeter"], sizes.perimeter),
    ];
    Ok(container(["125007", "DCM", "Measurement Group"], Some("1410"), content))
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

/// A measured number, with its unit by UCUM.
fn number_of(name: Code, Quantity { value, unit }: Quantity) -> Item {
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
    item("CONTAINS", "NUM", name, vec![sequence(0x0040, 0xA300, vec![measured])])
}
