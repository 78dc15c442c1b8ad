//! Masks as COCO's run-length encoding (RLE): what datasets and tools exchange.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};

use crate::frame::Frame;
use crate::geometry::FrameSize;
use crate::mask::Mask;

/// A mask as the lengths of its runs, column by column from the top left, outside and inside by
/// turns and outside first (COCO's `maskApi`). JSON holds it as `{"size": [height, width], "counts":
/// "…"}` with COCO's compressed string; a list of lengths is read as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rle {
    size: FrameSize,
    counts: Vec<u32>,
}

/// Runs that make no mask.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RleError {
    /// The compressed string has a character that none is written with, or ends within a number.
    #[error("the mask's counts are no compressed COCO RLE")]
    Damaged,
    /// The runs don't fill the size.
    #[error("the mask's runs cover {found} pixels, but its size is {size}")]
    Length {
        /// The size that was stated.
        size: FrameSize,
        /// Pixels of all runs.
        found: u64,
    },
}

impl Rle {
    /// The runs of `mask`.
    pub fn of(mask: &Mask) -> Self {
        let size = mask.size();
        let (width, height) = (size.width as usize, size.height as usize);
        let mut runs = Runs::new();
        let Some(b) = mask.bounding_box() else {
            return Self { size, counts: vec![size.pixels() as u32] };
        };
        let (top, bottom) = (b.y0 as usize, b.y1 as usize + 1);
        for x in b.x0 as usize..b.x1 as usize + 1 {
            runs.extend_to(false, x * height + top);
            for y in top..bottom {
                runs.extend_to(mask.pixels()[y * width + x] != 0, x * height + y + 1);
            }
        }
        runs.extend_to(false, size.pixels());
        Self { size, counts: runs.counts }
    }

    /// A mask of `size` with these run lengths.
    ///
    /// # Errors
    /// [`RleError::Length`] where they don't add up to the size.
    pub fn from_counts(size: FrameSize, counts: Vec<u32>) -> Result<Self, RleError> {
        let found = counts.iter().map(|&n| u64::from(n)).sum();
        if found == size.pixels() as u64 {
            Ok(Self { size, counts })
        } else {
            Err(RleError::Length { size, found })
        }
    }

    /// Reads COCO's compressed string (`rleFrString`).
    ///
    /// # Errors
    /// [`RleError`] where it is none, or of another size.
    pub fn from_compressed(size: FrameSize, text: &str) -> Result<Self, RleError> {
        let mut counts: Vec<u32> = Vec::new();
        let mut bytes = text.bytes();
        while let Some(first) = bytes.next() {
            let (mut value, mut shift, mut byte) = (0i64, 0, first);
            loop {
                let digit = byte.checked_sub(48).filter(|d| *d < 64 && shift < 60);
                let digit = i64::from(digit.ok_or(RleError::Damaged)?);
                value |= (digit & 0x1f) << shift;
                shift += 5;
                if digit & 0x20 == 0 {
                    // The topmost bit is the sign.
                    value |= if digit & 0x10 != 0 { -1 << shift } else { 0 };
                    break;
                }
                byte = bytes.next().ok_or(RleError::Damaged)?;
            }
            let before = if counts.len() > 2 { counts[counts.len() - 2] } else { 0 };
            counts.push(u32::try_from(value + i64::from(before)).or(Err(RleError::Damaged))?);
        }
        Self::from_counts(size, counts)
    }

    /// COCO's compressed string (`rleToString`): each length from the third on as the difference to
    /// the one two before it, in digits of 5 bits.
    pub fn to_compressed(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let before = if i > 2 { self.counts[i - 2] } else { 0 };
            let mut value = i64::from(count) - i64::from(before);
            loop {
                let digit = (value & 0x1f) as u8;
                value >>= 5;
                let more = if digit & 0x10 != 0 { value != -1 } else { value != 0 };
                text.push(char::from(48 + digit + if more { 0x20 } else { 0 }));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// The mask's size.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The lengths of the runs.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The number of pixels inside.
    pub fn area_px(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&n| u64::from(n)).sum()
    }

    /// The mask itself.
    pub fn to_mask(&self) -> Mask {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let mut pixels = vec![0; self.size.pixels()];
        for run in self.inside() {
            for at in run {
                pixels[at % height * width + at / height] = 1;
            }
        }
        Mask::from_pixels(self.size, pixels)
    }

    /// Where the runs inside begin and end, column by column.
    fn inside(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let mut at = 0;
        let ranges = self.counts.iter().map(move |&n| {
            let start = at;
            at += n as usize;
            start..at
        });
        ranges.skip(1).step_by(2)
    }

    /// The number of pixels in both.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn intersection_px(&self, other: &Rle) -> u64 {
        assert_eq!(self.size, other.size, "only masks of the same frame can be compared");
        let (mut left, mut right) = (self.inside(), other.inside());
        let (mut a, mut b) = (left.next(), right.next());
        let mut both = 0;
        while let (Some(x), Some(y)) = (&a, &b) {
            both += x.end.min(y.end).saturating_sub(x.start.max(y.start)) as u64;
            if x.end <= y.end { a = left.next() } else { b = right.next() }
        }
        both
    }
}

/// Runs as they grow: outside at even places, inside at odd ones.
struct Runs {
    counts: Vec<u32>,
    end: usize,
}

impl Runs {
    fn new() -> Self {
        Self { counts: vec![0], end: 0 }
    }

    /// Goes on to pixel `end`, all inside or all outside.
    fn extend_to(&mut self, inside: bool, end: usize) {
        let length = (end - self.end) as u32;
        if length == 0 {
            return;
        }
        self.end = end;
        let open = self.counts.len().is_multiple_of(2) == inside;
        match self.counts.last_mut() {
            Some(last) if open => *last += length,
            _ => self.counts.push(length),
        }
    }
}

impl Serialize for Rle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Rle", 2)?;
        fields.serialize_field("size", &[self.size.height, self.size.width])?;
        fields.serialize_field("counts", &self.to_compressed())?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Rle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            size: [u32; 2],
            counts: Counts,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Counts {
            Compressed(String),
            Lengths(Vec<u32>),
        }
        let Fields { size: [height, width], counts } = Fields::deserialize(deserializer)?;
        let size = FrameSize::new(width, height);
        Frame::check_size(size).map_err(de::Error::custom)?;
        let rle = match counts {
            Counts::Compressed(text) => Self::from_compressed(size, &text),
            Counts::Lengths(counts) => Self::from_counts(size, counts),
        };
        rle.map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let size = FrameSize::new(rows[0].len() as u32, rows.len() as u32);
        Mask::from_pixels(size, rows.concat().bytes().map(|c| u8::from(c == b'#')).collect())
    }

    /// Expected strings printed by pycocotools 2.0: `mask.encode(np.asfortranarray(m))["counts"]`.
    #[test]
    fn masks_are_encoded_as_pycocotools_does() {
        let cases: [(&[&str], &[u32], &str); 4] = [
            (&["....", ".##.", ".##."], &[4, 2, 1, 2, 3], "42102"),
            (&["#...", "#..#"], &[0, 2, 5, 1], "025O"),
            (&["...", "..."], &[6], "6"),
            (&["###"], &[0, 3], "03"),
        ];
        for (rows, counts, text) in cases {
            let rle = Rle::of(&mask(rows));
            assert_eq!((rle.counts(), &*rle.to_compressed()), (counts, text), "{rows:?}");
            assert_eq!(Rle::from_compressed(rle.size(), text), Ok(rle.clone()));
            assert_eq!(rle.to_mask(), mask(rows));
            assert_eq!(rle.area_px(), mask(rows).area_px());
        }
    }

    #[test]
    fn long_runs_and_json_come_back() {
        let size = FrameSize::new(1000, 700);
        let counts = vec![123_456, 1, 2, 400_000, 5, 176_536];
        let rle = Rle::from_counts(size, counts.clone()).unwrap();
        let text = serde_json::to_string(&rle).unwrap();
        assert_eq!(serde_json::from_str::<Rle>(&text).unwrap(), rle);
        let plain = serde_json::json!({ "size": [700, 1000], "counts": counts });
        assert_eq!(serde_json::from_value::<Rle>(plain).unwrap(), rle);
    }

    #[test]
    fn overlaps_are_counted_on_the_runs() {
        let (a, b) = (mask(&["##..", "##.#"]), mask(&["#.#.", "####"]));
        assert_eq!(Rle::of(&a).intersection_px(&Rle::of(&b)), 4);
        assert_eq!(Rle::of(&b).intersection_px(&Rle::of(&a)), 4);
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        let size = FrameSize::new(4, 3);
        for text in ["", "4212", "4212\u{1}", "o", "é", "oooooooooooooooooooo"] {
            assert!(Rle::from_compressed(size, text).is_err(), "{text:?}");
        }
        let huge = r#"{"size": [4294967295, 4294967295], "counts": [1]}"#;
        assert!(serde_json::from_str::<Rle>(huge).unwrap_err().to_string().contains("limit"));
    }
}
