//! Where things lie in a DICOM file (PS3.5 section 7 and annex A.4, PS3.10 section 7).
//!
//! The pixel data is found here rather than by the DICOM library, so that a clip's frames are
//! slices of the file. On the way every length is checked against the file and nesting is bounded,
//! because the library allocates what a length says and follows sequences by recursion.

use std::ops::Range;

use dicom_object::Tag;

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);
const META_LENGTH: Tag = Tag(0x0002, 0x0000);
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// Sequences within sequences that are followed; ultrasound objects have 2 or 3.
const DEEPEST_NESTING: usize = 16;

/// What may be wrong where an element does not fit. A length that was written in another encoding
/// reads as any number at all.
const ENDS_EARLY: &str =
    "the file is cut short (copy it again), damaged, or not in the encoding it states";

/// How pixel data is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Uncompressed, little endian.
    Native,
    /// RLE Lossless.
    Rle,
    /// JPEG Baseline, 8 bit.
    JpegBaseline,
}

/// Byte ranges of the pixel data.
#[derive(Debug)]
pub(super) enum PixelData {
    /// All frames, one after the other.
    Native(Range<usize>),
    /// Fragments; the offset table before them is left out.
    Encapsulated(Vec<Range<usize>>),
}

/// What a file consists of.
#[derive(Debug)]
pub(super) struct Layout {
    pub syntax: Syntax,
    /// Everything before the pixel data, from the `DICM` mark on.
    pub header: Range<usize>,
    pub pixel_data: PixelData,
}

/// The position of the `DICM` mark: after a preamble of 128 bytes, or first of all.
pub(super) fn mark_position(bytes: &[u8]) -> Option<usize> {
    [128, 0].into_iter().find(|&at| bytes.get(at..).is_some_and(|b| b.starts_with(b"DICM")))
}

/// Finds the parts of a file, or says what is wrong with it.
pub(super) fn layout(bytes: &[u8]) -> Result<Layout, String> {
    let mut walker = Walker::new(bytes, bytes.len())?;
    let Header { range, syntax, length } = walker.header()?;
    let pixel_data = match (syntax, length) {
        (Syntax::Native, Some(length)) => PixelData::Native(walker.at..walker.at + length),
        (Syntax::Rle | Syntax::JpegBaseline, None) => PixelData::Encapsulated(walker.fragments()?),
        _ => return Err("its pixel data is not stored as its transfer syntax says".into()),
    };
    Ok(Layout { syntax, header: range, pixel_data })
}

/// Why there is no header to be read.
#[derive(Debug)]
pub(super) struct NoHeader {
    /// What is wrong.
    pub reason: String,
    /// Whether nothing is, but that the bytes end within it.
    pub goes_on: bool,
}

/// Where the header is in a file of `length` bytes that begins with `bytes`.
pub(super) fn header_range(bytes: &[u8], length: usize) -> Result<Range<usize>, NoHeader> {
    let no_mark = |reason| NoHeader { reason, goes_on: false };
    let mut walker = Walker::new(bytes, length).map_err(no_mark)?;
    let header = walker.header();
    let goes_on = walker.ran_out && bytes.len() < length;
    header.map(|header| header.range).map_err(|reason| NoHeader { reason, goes_on })
}

/// What comes before the pixel data.
struct Header {
    /// From the `DICM` mark on.
    range: Range<usize>,
    syntax: Syntax,
    /// That of the pixel data, where it is stated.
    length: Option<usize>,
}

/// The start of a data element.
struct Element {
    tag: Tag,
    /// Whether its value consists of items that hold data sets.
    sequence: bool,
    /// The value's length, which is known to lie in the file; none where a delimiter ends it.
    length: Option<usize>,
}

struct Walker<'a> {
    /// What the file begins with.
    bytes: &'a [u8],
    /// The file's length.
    length: usize,
    /// Where the `DICM` mark is.
    mark: usize,
    at: usize,
    explicit: bool,
    /// Whether something was wanted that lies behind `bytes`.
    ran_out: bool,
}

impl<'a> Walker<'a> {
    /// Behind the mark of a file of `length` bytes that begins with `bytes`.
    fn new(bytes: &'a [u8], length: usize) -> Result<Self, String> {
        let mark = mark_position(bytes).ok_or(
            "no DICOM file: the mark DICM is missing; a bare data set needs file meta information first",
        )?;
        Ok(Self { bytes, length, mark, at: mark + 4, explicit: true, ran_out: false })
    }

    /// Reads up to the pixel data's value.
    fn header(&mut self) -> Result<Header, String> {
        let (syntax, explicit) = self.meta()?;
        self.explicit = explicit;
        let pixel_data = self.pixel_data_of(self.length, 0)?;
        let (pixel_start, length) = pixel_data.ok_or("it has no pixel data")?;
        Ok(Header { range: self.mark..pixel_start, syntax, length })
    }

    /// The next `count` bytes.
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.get(..count));
        self.ran_out |= found.is_none();
        self.at += count;
        found.ok_or_else(|| format!("it ends before byte {}: {ENDS_EARLY}", self.at))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut taken = [0; N];
        taken.copy_from_slice(self.bytes(N)?);
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, String> {
        self.take().map(u16::from_le_bytes)
    }

    /// Reads up to the value of the next element, whose end must not lie beyond `end`.
    fn element(&mut self, end: usize) -> Result<Element, String> {
        let tag = Tag(self.u16()?, self.u16()?);
        let mut sequence = false;
        let length = if tag.0 == 0xFFFE || !self.explicit {
            u32::from_le_bytes(self.take()?)
        } else {
            let vr = self.take::<2>()?;
            sequence = &vr == b"SQ";
            match &vr {
                b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS"
                | b"LO" | b"LT" | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL"
                | b"US" => u32::from(self.u16()?),
                _ => {
                    self.u16()?;
                    u32::from_le_bytes(self.take()?)
                }
            }
        };
        let length = (length != u32::MAX).then_some(length as usize);
        if length.is_some_and(|length| length > end.saturating_sub(self.at)) {
            return Err(format!("element {tag} ends beyond what holds it: {ENDS_EARLY}"));
        }
        // Implicit encoding does not say what is a sequence; only sequences begin with an item.
        sequence |= !self.explicit && self.bytes[self.at..].starts_with(&[0xFE, 0xFF, 0x00, 0xE0]);
        Ok(Element { tag, sequence, length })
    }

    /// Whether the next element is of the file meta information.
    fn is_meta(&mut self) -> Result<bool, String> {
        let start = self.at;
        let group = if start < self.length { self.u16()? } else { 0 };
        self.at = start;
        Ok(group == 2)
    }

    /// Reads the file meta information: the transfer syntax, and whether it is explicit.
    fn meta(&mut self) -> Result<(Syntax, bool), String> {
        let (mut uid, mut stated_end, mut found) = (None, None, None);
        while self.is_meta()? {
            let element = self.element(self.length)?;
            let length = element.length.ok_or("its file meta information is damaged")?;
            let value = self.bytes(length)?;
            match element.tag {
                META_LENGTH => {
                    let stated = value.first_chunk().map(|b| u32::from_le_bytes(*b) as usize);
                    stated_end = stated.and_then(|length| length.checked_add(self.at));
                }
                TRANSFER_SYNTAX => {
                    let text = String::from_utf8_lossy(value);
                    uid = Some(text.trim_end_matches(['\0', ' ']).to_owned());
                }
                _ => {}
            }
            found = Some(self.at);
        }
        if stated_end.is_none() || stated_end != found {
            return Err("the length of its file meta information is wrong".into());
        }
        match uid.as_deref() {
            Some("1.2.840.10008.1.2") => Ok((Syntax::Native, false)),
            Some("1.2.840.10008.1.2.1") => Ok((Syntax::Native, true)),
            Some("1.2.840.10008.1.2.5") => Ok((Syntax::Rle, true)),
            Some("1.2.840.10008.1.2.4.50") => Ok((Syntax::JpegBaseline, true)),
            other => Err(format!(
                "transfer syntax {} is not supported; convert it to explicit little endian, RLE or \
                 JPEG baseline first (dcmconv, dcmdjpeg or gdcmconv --raw)",
                other.unwrap_or("(none)")
            )),
        }
    }

    /// Walks the data set that ends at `end`, or before it with a delimiter. Stops at the pixel
    /// data of the outermost data set: the position of its element, and its length.
    fn pixel_data_of(
        &mut self,
        end: usize,
        depth: usize,
    ) -> Result<Option<(usize, Option<usize>)>, String> {
        while self.at < end {
            let start = self.at;
            let element = self.element(end)?;
            match (element.tag, element.length) {
                (PIXEL_DATA, length) if depth == 0 => return Ok(Some((start, length))),
                (PIXEL_DATA, None) => drop(self.fragments()?),
                (ITEM_END, _) if depth > 0 => return Ok(None),
                (_, None) => self.items(end, depth + 1)?,
                (_, Some(length)) if element.sequence => self.items(self.at + length, depth + 1)?,
                (_, Some(length)) => self.at += length,
            }
        }
        Ok(None)
    }

    /// Walks the items of a sequence that ends at `end`, or before it with a delimiter.
    fn items(&mut self, end: usize, depth: usize) -> Result<(), String> {
        if depth > DEEPEST_NESTING {
            return Err(format!("its sequences are nested deeper than {DEEPEST_NESTING}"));
        }
        while self.at < end {
            let element = self.element(end)?;
            match (element.tag, element.length) {
                (SEQUENCE_END, _) => return Ok(()),
                (ITEM, length) => {
                    let item_end = length.map_or(end, |length| self.at + length);
                    self.pixel_data_of(item_end, depth)?;
                }
                (tag, _) => return Err(format!("a sequence holds {tag} instead of an item")),
            }
        }
        Ok(())
    }

    /// The fragments of encapsulated pixel data, without the offset table.
    fn fragments(&mut self) -> Result<Vec<Range<usize>>, String> {
        let mut items = Vec::new();
        loop {
            let element = self.element(self.length)?;
            match (element.tag, element.length) {
                (ITEM, Some(length)) => items.push(self.at..self.at + length),
                (SEQUENCE_END, _) => break,
                (tag, _) => {
                    return Err(format!("its pixel data holds {tag} instead of a fragment"));
                }
            }
            self.at += items.last().map_or(0, |item| item.len());
        }
        Ok(items.into_iter().skip(1).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More is read of a file where that may help, and of no other: it may be very large.
    #[test]
    fn a_header_goes_on_where_the_bytes_end_within_it_and_nothing_else_is_wrong() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/feeds/rle_rgb.dcm");
        let bytes = std::fs::read(path).unwrap();
        let whole = header_range(&bytes, bytes.len()).unwrap();
        let goes_on = |bytes: &[u8], length| header_range(bytes, length).unwrap_err().goes_on;
        for cut in whole.start + 4..whole.end {
            assert!(goes_on(&bytes[..cut], bytes.len()), "{cut}");
            assert!(!goes_on(&bytes[..cut], cut), "{cut}: there is no more");
        }
        assert_eq!(header_range(&bytes[..whole.end + 12], bytes.len()).unwrap(), whole);

        let changed = |from: &[u8], to: &[u8]| {
            let mut changed = bytes[..whole.end].to_vec();
            let at = changed.windows(from.len()).position(|part| part == from).unwrap();
            changed[at..][..to.len()].copy_from_slice(to);
            changed
        };
        for (name, damaged) in [
            ("no mark", changed(b"DICM", b"JPEG")),
            ("another transfer syntax", changed(b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.9")),
            ("the length of the meta information", changed(b"UL\x04\0", b"UL\x04\0\xFF")),
            ("a value of 4 GB", changed(b"OB\0\0", b"OB\0\0\0\0\0\xFF")),
        ] {
            assert!(!goes_on(&damaged, 1 << 30), "{name}");
        }
    }
}
