//! Writes DICOM files, right and wrong ones, independently of the library that reads them.

pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const RLE: &str = "1.2.840.10008.1.2.5";

/// A data element in explicit little endian; numbers are given as their bytes.
pub fn element(group: u16, element: u16, vr: &str, value: &[u8]) -> Vec<u8> {
    let padding = if vr == "UI" { 0 } else { b' ' };
    let value = [value, &vec![padding; value.len() % 2]].concat();
    let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
    bytes.extend_from_slice(vr.as_bytes());
    if ["OB", "OW", "SQ", "UN", "UT"].contains(&vr) {
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    } else {
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
    }
    bytes.extend(value);
    bytes
}

pub fn us(group: u16, number: u16, values: &[u16]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    element(group, number, "US", &bytes)
}

pub fn ds(group: u16, number: u16, text: &str) -> Vec<u8> {
    element(group, number, "DS", text.as_bytes())
}

/// A file of these elements, put in order.
pub fn file(syntax: &str, mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    let meta = [
        element(2, 1, "OB", &[0, 1]),
        element(2, 2, "UI", b"1.2.840.10008.5.1.4.1.1.3.1"),
        element(2, 3, "UI", b"1.2.3.4"),
        element(2, 0x10, "UI", syntax.as_bytes()),
        element(2, 0x12, "UI", b"1.2.3"),
    ]
    .concat();
    let length = element(2, 0, "UL", &(meta.len() as u32).to_le_bytes());
    let key = |e: &Vec<u8>| [u16::from_le_bytes([e[0], e[1]]), u16::from_le_bytes([e[2], e[3]])];
    elements.sort_by_key(key);
    [vec![0; 128], b"DICM".to_vec(), length, meta, elements.concat()].concat()
}

/// The elements of a native picture, or of several frames of it.
pub struct Picture<'a> {
    pub photometric: &'a str,
    pub rows: u16,
    pub columns: u16,
    /// Allocated, stored, high bit, representation.
    pub bits: [u16; 4],
    pub pixels: Vec<u8>,
    pub more: Vec<Vec<u8>>,
}

impl Picture<'_> {
    pub fn elements(self) -> Vec<Vec<u8>> {
        let grey = self.photometric.starts_with(['M', 'P']);
        let mut elements = vec![
            us(0x28, 2, &[if grey { 1 } else { 3 }]),
            element(0x28, 4, "CS", self.photometric.as_bytes()),
            us(0x28, 0x10, &[self.rows]),
            us(0x28, 0x11, &[self.columns]),
            us(0x28, 0x100, &[self.bits[0]]),
            us(0x28, 0x101, &[self.bits[1]]),
            us(0x28, 0x102, &[self.bits[2]]),
            us(0x28, 0x103, &[self.bits[3]]),
            element(0x7FE0, 0x10, "OW", &self.pixels),
        ];
        elements.extend(self.more);
        elements
    }

    pub fn file(self) -> Vec<u8> {
        file(EXPLICIT, self.elements())
    }
}

pub fn picture<'a>(photometric: &'a str, columns: u16, pixels: &[u8]) -> Picture<'a> {
    let (bits, pixels) = ([8, 8, 7, 0], pixels.to_vec());
    Picture { photometric, rows: 1, columns, bits, pixels, more: vec![] }
}

/// One row of 16-bit grey values.
pub fn picture16<'a>(
    photometric: &'a str,
    stored: u16,
    high: u16,
    signed: u16,
    values: &[i32],
) -> Picture<'a> {
    let pixels: Vec<u8> = values.iter().flat_map(|&v| (v as u16).to_le_bytes()).collect();
    let bits = [16, stored, high, signed];
    Picture { bits, ..picture(photometric, values.len() as u16, &pixels) }
}

pub fn window(centre: &str, width: &str) -> Vec<Vec<u8>> {
    vec![ds(0x28, 0x1050, centre), ds(0x28, 0x1051, width)]
}
