//! From stored samples to 8-bit RGB (PS3.3 sections C.7.6.3 and C.11).

use super::attributes::{Attributes, tags};
use crate::geometry::FrameSize;

/// How the samples of a pixel are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Photometric {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    YbrFull422,
}

impl Photometric {
    fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "MONOCHROME1" => Self::Monochrome1,
            "MONOCHROME2" => Self::Monochrome2,
            "PALETTE COLOR" => Self::Palette,
            "RGB" => Self::Rgb,
            "YBR_FULL" => Self::YbrFull,
            "YBR_FULL_422" => Self::YbrFull422,
            other => {
                return Err(format!(
                    "photometric interpretation {other:?} is not supported; convert it to RGB or \
                     MONOCHROME2 first"
                ));
            }
        })
    }

    /// Samples a pixel.
    pub fn samples(self) -> usize {
        match self {
            Self::Monochrome1 | Self::Monochrome2 | Self::Palette => 1,
            Self::Rgb | Self::YbrFull | Self::YbrFull422 => 3,
        }
    }
}

/// The image pixel attributes, checked.
#[derive(Clone, Debug)]
pub(super) struct PixelFormat {
    pub size: FrameSize,
    pub photometric: Photometric,
    /// All red samples of a frame before all green ones, rather than pixel by pixel.
    planar: bool,
    /// 8 or 16; 8 for colour.
    bits_allocated: u32,
    bits_stored: u32,
    /// Bits below the lowest that is used.
    shift: u32,
    signed: bool,
}

impl PixelFormat {
    pub fn read(attributes: &Attributes) -> Result<Self, String> {
        let size = FrameSize::new(
            attributes.required_u16(tags::COLUMNS)?.into(),
            attributes.required_u16(tags::ROWS)?.into(),
        );
        let name = attributes.text(tags::PHOTOMETRIC_INTERPRETATION);
        let photometric =
            Photometric::parse(&name.ok_or("its photometric interpretation is missing")?)?;
        let samples = attributes.u16(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        if usize::from(samples) != photometric.samples() {
            return Err(format!("{samples} samples a pixel don't go with {photometric:?}"));
        }
        let bits_allocated = u32::from(attributes.required_u16(tags::BITS_ALLOCATED)?);
        let bits_stored = attributes.u16(tags::BITS_STORED).map_or(bits_allocated, u32::from);
        let high_bit =
            attributes.u16(tags::HIGH_BIT).map_or(bits_stored.wrapping_sub(1), u32::from);
        let supported = bits_allocated == 8 || (bits_allocated == 16 && samples == 1);
        let consistent = (1..=bits_allocated).contains(&bits_stored)
            && (bits_stored - 1..bits_allocated).contains(&high_bit);
        if !supported || !consistent {
            return Err(format!(
                "{bits_stored} bits in {bits_allocated} up to bit {high_bit} are not supported: \
                 grey needs 8 or 16 allocated bits, colour 8"
            ));
        }
        Ok(Self {
            size,
            photometric,
            planar: attributes.u16(tags::PLANAR_CONFIGURATION) == Some(1),
            bits_allocated,
            bits_stored,
            shift: high_bit + 1 - bits_stored,
            signed: attributes.u16(tags::PIXEL_REPRESENTATION) == Some(1),
        })
    }

    /// Bytes of one sample.
    pub fn sample_bytes(&self) -> usize {
        self.bits_allocated as usize / 8
    }

    /// Bytes of one pixel with all its samples.
    pub fn pixel_bytes(&self) -> usize {
        self.photometric.samples() * self.sample_bytes()
    }

    /// Bytes of one uncompressed frame. [`Photometric::YbrFull422`] stores two pixels in four bytes.
    pub fn native_frame_bytes(&self) -> usize {
        match self.photometric {
            Photometric::YbrFull422 => self.size.pixels() * 2,
            _ => self.size.pixels() * self.pixel_bytes(),
        }
    }

    /// An uncompressed frame with the samples of each pixel beside each other.
    ///
    /// Two pixels Y₁ Y₂ Cb Cr share their colour.
    pub fn interleaved(&self, native: &[u8]) -> Vec<u8> {
        if self.photometric == Photometric::YbrFull422 {
            let pairs = native.as_chunks::<4>().0.iter();
            return pairs.flat_map(|&[y1, y2, cb, cr]| [y1, cb, cr, y2, cb, cr]).collect();
        }
        if self.planar && self.photometric.samples() == 3 {
            let (red, rest) = native.split_at(native.len() / 3);
            let (green, blue) = rest.split_at(rest.len() / 2);
            let pixels = red.iter().zip(green).zip(blue);
            return pixels.flat_map(|((&r, &g), &b)| [r, g, b]).collect();
        }
        native.to_vec()
    }

    /// The stored values of grey or palette samples, as indices into a table of
    /// [`table_len`](Self::table_len) entries.
    fn stored<'a>(&'a self, samples: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let mask = self.table_len() - 1;
        samples.chunks_exact(self.sample_bytes()).map(move |sample| {
            let value =
                sample.iter().rev().fold(0, |value, &byte| (value << 8) | usize::from(byte));
            (value >> self.shift) & mask
        })
    }

    /// The number of values that a sample can have.
    fn table_len(&self) -> usize {
        1 << self.bits_stored
    }

    /// What the bits of a sample mean.
    fn value(&self, stored: usize) -> i32 {
        let value = stored as i32;
        let negative = self.signed && (value >> (self.bits_stored - 1)) & 1 == 1;
        if negative { value - (1 << self.bits_stored) } else { value }
    }
}

/// What turns samples into RGB.
pub(super) enum Colours {
    /// They are RGB.
    Rgb,
    /// They are luminance and colour differences (full range, BT.601).
    Ybr,
    /// A colour for every value that a sample can have.
    Table(Vec<[u8; 3]>),
}

impl Colours {
    /// The colours of a frame whose samples are interleaved.
    pub fn rgb(&self, format: &PixelFormat, samples: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Rgb => samples,
            Self::Ybr => samples.as_chunks::<3>().0.iter().flat_map(|&p| ybr_to_rgb(p)).collect(),
            Self::Table(table) => {
                format.stored(&samples).flat_map(|stored| table[stored]).collect()
            }
        }
    }

    /// Grey values.
    ///
    /// With a window centre and width they are applied as the function LINEAR to the rescaled
    /// values (only the first window is used, and other functions or tables are not). Without,
    /// unsigned 8-bit values are shown as they are, and others are stretched from the least to the
    /// greatest value of the frame `first`, so that all frames of a clip look alike.
    pub fn grey(
        format: &PixelFormat,
        attributes: &Attributes,
        first: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<Self, String> {
        let number = |tag| attributes.numbers(tag).first().copied();
        let slope = number(tags::RESCALE_SLOPE).filter(|&s| s != 0.0).unwrap_or(1.0);
        let intercept = number(tags::RESCALE_INTERCEPT).unwrap_or(0.0);
        let rescaled = |stored| f64::from(format.value(stored)) * slope + intercept;
        let width = number(tags::WINDOW_WIDTH).filter(|&width| width >= 1.0);
        // The values that become black and white; in between it is linear.
        let (black, white) = match number(tags::WINDOW_CENTER).zip(width) {
            Some((centre, width)) => {
                (centre - 0.5 - (width - 1.0) / 2.0, centre - 0.5 + (width - 1.0) / 2.0)
            }
            None if format.bits_stored == 8 && !format.signed => {
                let ends = [rescaled(0), rescaled(255)];
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            }
            None => {
                let range = (f64::INFINITY, f64::NEG_INFINITY);
                let values = first()?;
                format.stored(&values).map(rescaled).fold(range, |(l, h), v| (l.min(v), h.max(v)))
            }
        };
        let inverted = format.photometric == Photometric::Monochrome1;
        let shade = |stored| {
            let value = rescaled(stored);
            let grey = match value {
                v if v <= black => 0.0,
                v if v > white => 255.0,
                v => ((v - black) / (white - black) * 255.0).round(),
            } as u8;
            [if inverted { 255 - grey } else { grey }; 3]
        };
        Ok(Self::Table((0..format.table_len()).map(shade).collect()))
    }

    /// The palette of the file; values beyond its ends have the colour of that end.
    pub fn palette(format: &PixelFormat, attributes: &Attributes) -> Result<Self, String> {
        let mut channels = Vec::with_capacity(3);
        for (descriptor, data) in tags::PALETTE {
            let Some(&[entries, first, bits]) = attributes.integers(descriptor).first_chunk()
            else {
                return Err(format!("its palette descriptor {descriptor} is missing or damaged"));
            };
            let bytes = attributes.bytes(data).ok_or_else(|| {
                format!("its palette {data} is missing (segmented palettes are not supported)")
            })?;
            // 65536 does not fit into the descriptor and is written as 0.
            let entries = if entries & 0xFFFF == 0 { 65536 } else { entries as usize & 0xFFFF };
            let first = if format.signed { i32::from(first as i16) } else { first & 0xFFFF };
            let shades: Vec<u8> = if bits == 8 && bytes.len() < entries * 2 {
                bytes
            } else {
                let words = bytes.as_chunks::<2>().0.iter().map(|&b| u16::from_le_bytes(b));
                words.map(|word| (word >> (bits - 8).clamp(0, 8)) as u8).collect()
            };
            if shades.len() < entries || !(8..=16).contains(&bits) {
                return Err(format!("its palette {data} is shorter than its descriptor says"));
            }
            channels.push((entries, first, shades));
        }
        let colour = |stored| {
            let value = format.value(stored);
            let shade = |(entries, first, shades): &(usize, i32, Vec<u8>)| {
                shades[(value.saturating_sub(*first).max(0) as usize).min(entries - 1)]
            };
            [shade(&channels[0]), shade(&channels[1]), shade(&channels[2])]
        };
        Ok(Self::Table((0..format.table_len()).map(colour).collect()))
    }
}

/// PS3.3 C.7.6.3.1.2, inverted.
fn ybr_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let red = y + 1.402 * cr;
    let green = y - (0.114 * 1.772 / 0.587) * cb - (0.299 * 1.402 / 0.587) * cr;
    let blue = y + 1.772 * cb;
    // The cast saturates.
    [red, green, blue].map(|v| v.round() as u8)
}
