//! Frames that come as JPEG streams.

use std::borrow::Cow;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Fields, PixelError};
use crate::contain::contain;
use crate::feed::jpeg::{check_is_whole, has_huffman_tables};
use crate::frame::Frame;
use crate::geometry::FrameSize;

/// An APP0 segment by which the decoder takes the Huffman tables that motion JPEG leaves out (those
/// of ITU-T T.81 Annex K.3).
const STANDARD_TABLES: &[u8] = b"\xFF\xE0\x00\x08AVI1\0\0";

/// The picture of a frame. One of which a part is missing or can't be decoded is refused: the decoder
/// would fill it up and call it a picture.
pub(super) fn decode(stream: &[u8], fields: Fields) -> Result<(FrameSize, Vec<u8>), PixelError> {
    let damaged = |reason: String| PixelError::Jpeg(reason);
    if !stream.starts_with(b"\xFF\xD8") {
        return Err(damaged("it does not begin as such data does".into()));
    }
    check_is_whole(stream).map_err(|_| damaged("it is cut short".into()))?;
    let (size, rgb) =
        contain(|| pixels(&with_tables(stream))).and_then(|decoded| decoded).map_err(damaged)?;
    if rgb.len() != size.pixels() * 3 {
        return Err(damaged("it is of an unusual kind of JPEG".into()));
    }
    Ok(match fields {
        Fields::Single => doubled(size, &rgb),
        // Whole frames are what an encoder is given.
        Fields::Woven | Fields::TopThenBottom | Fields::BottomThenTop => (size, rgb),
    })
}

fn pixels(stream: &[u8]) -> Result<(FrameSize, Vec<u8>), String> {
    let options =
        DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stream), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let size = decoder.info().map_or(FrameSize::new(0, 0), |info| {
        FrameSize::new(u32::from(info.width), u32::from(info.height))
    });
    Frame::check_size(size).map_err(|error| error.to_string())?;
    let rgb = decoder.decode().map_err(|error| error.to_string())?;
    Ok((size, rgb))
}

/// The stream, with a sign to take the standard tables where it brings none.
fn with_tables(stream: &[u8]) -> Cow<'_, [u8]> {
    if has_huffman_tables(stream) {
        return stream.into();
    }
    let (start, rest) = stream.split_at(2);
    [start, STANDARD_TABLES, rest].concat().into()
}

/// Every line twice.
fn doubled(size: FrameSize, rgb: &[u8]) -> (FrameSize, Vec<u8>) {
    let rows = rgb.chunks_exact(size.width as usize * 3);
    let lines = rows.flat_map(|row| [row, row]).flatten().copied().collect();
    (FrameSize::new(size.width, size.height * 2), lines)
}
