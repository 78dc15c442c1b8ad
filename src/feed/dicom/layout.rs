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
    let Header { range, syntax, length, mut walker } = header(bytes, bytes.len())?;
    let pixel_data = match (syntax, length) {
        (Syntax::Native, Some(length)) => PixelData::Native(walker.at..walker.at + length),
        (Syntax::Rle | Syntax::JpegBaseline, None) => PixelData::Encapsulated(walker.fragments()?),
        _ => return Err("its pixel data is not stored as its transfer syntax says".into()),
    };
    Ok(Layout { syntax, header: range, pixel_data })
}

/// Where the header is in a file of `length` bytes that begins with `bytes`, or what is wrong with it,
/// which may be that `bytes` end within it.
pub(super) fn header_range(bytes: &[u8], length: usize) -> Result<Range<usize>, String> {
    header(bytes, length).map(|header| header.range)
}

/// What comes before the pixel data.
struct Header<'a> {
    /// From the `DICM` mark on.
    range: Range<usize>,
    syntax: Syntax,
    /// That of the pixel data, where it is stated.
    length: Option<usize>,
    /// At the pixel data's value.
    walker: Walker<'a>,
}

fn header(bytes: &[u8], length: usize) -> Result<Header<'_>, String> {
    let mark = mark_position(bytes).ok_or(
        "no DICOM file: the mark DICM is missing; a bare data set needs file meta information first",
    )?;
    let mut walker = Walker { bytes, at: mark + 4, explicit: true };
    let (syntax, explicit) = walker.meta()?;
    walker.explicit = explicit;
    let (pixel_start, length) = walker.pixel_data_of(length, 0)?.ok_or("it has no pixel data")?;
    Ok(Header { range: mark..pixel_start, syntax, length, walker })
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
    bytes: &'a [u8],
    at: usize,
    explicit: bool,
}

impl<'a> Walker<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        self.at += N;
        found.copied().ok_or_else(|| format!("it ends before byte {}: {ENDS_EARLY}", self.at))
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

    /// Reads the file meta information: the transfer syntax, and whether it is explicit.
    fn meta(&mut self) -> Result<(Syntax, bool), String> {
        let (mut uid, mut stated_end, mut found) = (None, None, None);
        while self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(&[2, 0])) {
            let element = self.element(self.bytes.len())?;
            let length = element.length.ok_or("its file meta information is damaged")?;
            let value = &self.bytes[self.at..self.at + length];
            self.at += length;
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
            let element = self.element(self.bytes.len())?;
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
