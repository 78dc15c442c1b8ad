//! Decoders of encapsulated frames: RLE Lossless and JPEG Baseline.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::{ColorType, ImageDecoder};

use crate::feed::jpeg::check_is_whole;
use crate::geometry::FrameSize;

/// Decodes an RLE frame (PS3.5 annex G) of `pixels` pixels, whose pixels take `pixel_bytes` bytes.
/// The result has the bytes of each pixel beside each other, every sample little endian.
///
/// One segment holds one byte of all pixels: sample by sample, the high byte first.
pub(super) fn rle(
    fragment: &[u8],
    pixels: usize,
    pixel_bytes: usize,
    sample_bytes: usize,
) -> Result<Vec<u8>, String> {
    let word = |i: usize| {
        let bytes = fragment.get(i * 4..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    };
    if word(0) != Some(pixel_bytes) {
        return Err(format!("its RLE frame does not have the {pixel_bytes} segments it needs"));
    }
    let mut out = vec![0; pixels * pixel_bytes];
    for segment in 0..pixel_bytes {
        let start = word(1 + segment);
        let end = if segment + 1 < pixel_bytes { word(2 + segment) } else { Some(fragment.len()) };
        let bytes = start.zip(end).and_then(|(start, end)| fragment.get(start..end));
        let low_byte_first = segment ^ (sample_bytes - 1);
        let places = out.iter_mut().skip(low_byte_first).step_by(pixel_bytes);
        unpack_bits(bytes.ok_or("its RLE segments lie outside the frame")?, places)?;
    }
    Ok(out)
}

/// Expands PackBits runs into `places` until they are full.
fn unpack_bits<'a>(
    mut packed: &[u8],
    mut places: impl ExactSizeIterator<Item = &'a mut u8>,
) -> Result<(), String> {
    const TRUNCATED: &str = "its RLE data ends before the picture does";
    while places.len() > 0 {
        let (&control, rest) = packed.split_first().ok_or(TRUNCATED)?;
        packed = rest;
        match control {
            // The next control + 1 bytes as they are.
            0..=127 => {
                let count = usize::from(control) + 1;
                let (literal, rest) = packed.split_at_checked(count).ok_or(TRUNCATED)?;
                places.by_ref().zip(literal).for_each(|(place, &value)| *place = value);
                packed = rest;
            }
            // No operation.
            128 => {}
            // The next byte 257 - control times.
            129..=255 => {
                let (&value, rest) = packed.split_first().ok_or(TRUNCATED)?;
                let count = 257 - usize::from(control);
                places.by_ref().take(count).for_each(|place| *place = value);
                packed = rest;
            }
        }
    }
    Ok(())
}

/// Decodes a JPEG frame that must have `size` and `samples` (1: grey, 3: comes out as RGB).
/// `rgb` says that the file calls its samples RGB.
pub(super) fn jpeg(
    fragments: Cow<'_, [u8]>,
    size: FrameSize,
    samples: usize,
    rgb: bool,
) -> Result<Vec<u8>, String> {
    let stream = if rgb { marked_as_rgb(fragments) } else { fragments };
    let decoder = JpegDecoder::new(Cursor::new(&*stream)).map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    let found = FrameSize::new(width, height);
    let expected = if samples == 3 { ColorType::Rgb8 } else { ColorType::L8 };
    if found != size || decoder.color_type() != expected {
        return Err(format!(
            "its JPEG frame is {found} {:?}, but the header says {size} {expected:?}",
            decoder.color_type()
        ));
    }
    check_is_whole(&stream)?;
    let mut out = vec![0; size.pixels() * samples];
    decoder.read_image(&mut out).map_err(|e| e.to_string())?;
    Ok(out)
}

/// Adds the marker that says "not transformed" to a stream that doesn't say which colours it has.
/// A decoder takes such a stream for YCbCr, as JFIF has it; in DICOM the header is what counts.
fn marked_as_rgb(stream: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    const START: [u8; 2] = [0xFF, 0xD8];
    const JFIF: [u8; 2] = [0xFF, 0xE0];
    const ADOBE: [u8; 2] = [0xFF, 0xEE];
    const UNTRANSFORMED: [u8; 16] = *b"\xFF\xEE\x00\x0EAdobe\x00\x64\0\0\0\0\0";
    let Some(rest) = stream.strip_prefix(&START) else { return stream };
    if rest.starts_with(&JFIF) || rest.starts_with(&ADOBE) {
        return stream;
    }
    [START.as_slice(), &UNTRANSFORMED, rest].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An RLE frame of these segments.
    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut header = [0u32; 16];
        header[0] = segments.len() as u32;
        let mut data = Vec::new();
        for (i, segment) in segments.iter().enumerate() {
            header[i + 1] = 64 + data.len() as u32;
            data.extend_from_slice(segment);
        }
        [header.iter().flat_map(|w| w.to_le_bytes()).collect(), data].concat()
    }

    #[test]
    fn rle_segments_become_pixels() {
        let run = |value| [254, value];
        type Case<'a> = (&'a str, Vec<u8>, usize, usize, &'a [u8]);
        let cases: [Case; 5] = [
            ("literal and run", frame(&[&[0, 7, 255, 9]]), 1, 1, &[7, 9, 9]),
            ("no operation, surplus", frame(&[&[128, 3, 1, 2, 3, 4]]), 1, 1, &[1, 2, 3]),
            ("a run too long", frame(&[&[129, 5]]), 1, 1, &[5, 5, 5]),
            ("16 bit: high byte first", frame(&[&run(1), &run(2)]), 2, 2, &[2, 1, 2, 1, 2, 1]),
            ("colour", frame(&[&run(1), &run(2), &run(3)]), 3, 1, &[1, 2, 3, 1, 2, 3, 1, 2, 3]),
        ];
        for (name, fragment, pixel_bytes, sample_bytes, expected) in cases {
            let found = rle(&fragment, 3, pixel_bytes, sample_bytes);
            assert_eq!(found.as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn damaged_rle_is_refused() {
        let good = frame(&[&[2, 1, 2, 3]]);
        let mut beyond = good.clone();
        beyond[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut many = good.clone();
        many[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let cases = [
            ("empty", vec![], "segments it needs"),
            ("too many segments", many, "segments it needs"),
            ("segment beyond the end", beyond, "outside"),
            ("truncated literal", good[..good.len() - 1].to_vec(), "ends before"),
            ("truncated run", frame(&[&[255]]), "ends before"),
            ("too short", frame(&[&[0, 1]]), "ends before"),
        ];
        for (name, fragment, expected) in cases {
            let error = rle(&fragment, 3, 1, 1).expect_err(name);
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
