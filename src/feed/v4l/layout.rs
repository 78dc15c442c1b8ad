//! What a driver says of its buffers.

use v4l::v4l_sys::v4l2_pix_format;

use crate::feed::pixels::{BufferLayout, ColourMatrix, Fields, PixelFormat, Range};
use crate::geometry::FrameSize;

/// The layout of a format; none where its pixels are of an unknown kind.
///
/// What the driver leaves open is as `linux/videodev2.h` defines it, with one exception that its own
/// test pattern generator makes too: grey uses all levels, as it comes from sensors.
pub(super) fn layout(pix: &v4l2_pix_format) -> Option<BufferLayout> {
    let format = PixelFormat::from_fourcc(pix.pixelformat.to_le_bytes())?;
    // SAFETY: both members of the union are whole numbers of the same size.
    let encoding = unsafe { pix.__bindgen_anon_1.ycbcr_enc };
    Some(BufferLayout {
        format,
        size: FrameSize::new(pix.width, pix.height),
        stride: pix.bytesperline,
        fields: fields(pix.field),
        matrix: matrix(encoding, pix.colorspace),
        range: range(format, pix.quantization, pix.colorspace),
    })
}

/// `enum v4l2_field`.
fn fields(field: u32) -> Fields {
    match field {
        5 => Fields::TopThenBottom,
        6 => Fields::BottomThenTop,
        // The top one, the bottom one, or both in turn.
        2 | 3 | 7 => Fields::Single,
        _ => Fields::Woven,
    }
}

/// `enum v4l2_ycbcr_encoding`, and where it says nothing `enum v4l2_colorspace`.
fn matrix(encoding: u32, colorspace: u32) -> ColourMatrix {
    match (encoding, colorspace) {
        (1 | 3 | 5, _) => ColourMatrix::Bt601,
        (2 | 4, _) | (0, 3 | 12) => ColourMatrix::Bt709,
        (6 | 7, _) | (0, 10) => ColourMatrix::Bt2020,
        (8, _) | (0, 2) => ColourMatrix::Smpte240m,
        _ => ColourMatrix::Bt601,
    }
}

/// `enum v4l2_quantization`, and where it says nothing what is usual.
fn range(format: PixelFormat, quantization: u32, colorspace: u32) -> Range {
    const JPEG: u32 = 7;
    match quantization {
        1 => Range::Full,
        2 => Range::Limited,
        _ if format.has_chroma() && colorspace != JPEG => Range::Limited,
        _ => Range::Full,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ioctl::zeroed;
    use super::*;

    fn read(
        fourcc: &[u8; 4],
        [field, colorspace, encoding, quantization]: [u32; 4],
    ) -> BufferLayout {
        let mut format = zeroed::<v4l::v4l_sys::v4l2_format>();
        // SAFETY: any bytes are a value of it.
        let pix = unsafe { &mut format.fmt.pix };
        (pix.width, pix.height, pix.bytesperline) = (720, 576, 1440);
        pix.pixelformat = u32::from_le_bytes(*fourcc);
        (pix.field, pix.colorspace, pix.quantization) = (field, colorspace, quantization);
        pix.__bindgen_anon_1.ycbcr_enc = encoding;
        layout(pix).unwrap()
    }

    #[test]
    fn drivers_are_taken_at_their_word() {
        use ColourMatrix::*;
        use Range::*;
        let cases = [
            ("nothing said", b"YUYV", [0, 0, 0, 0], (Fields::Woven, Bt601, Limited)),
            ("a webcam", b"YUYV", [1, 8, 0, 0], (Fields::Woven, Bt601, Limited)),
            ("PAL", b"UYVY", [4, 1, 0, 0], (Fields::Woven, Bt601, Limited)),
            ("HDMI", b"UYVY", [1, 3, 0, 0], (Fields::Woven, Bt709, Limited)),
            ("HDMI of full range", b"UYVY", [1, 3, 2, 1], (Fields::Woven, Bt709, Full)),
            ("sRGB as 709", b"NV12", [1, 8, 2, 2], (Fields::Woven, Bt709, Limited)),
            ("UHD", b"NV12", [1, 10, 0, 0], (Fields::Woven, Bt2020, Limited)),
            ("early HD", b"NV12", [1, 2, 0, 0], (Fields::Woven, Smpte240m, Limited)),
            ("JPEG's colours", b"YU12", [1, 7, 0, 0], (Fields::Woven, Bt601, Full)),
            ("fields", b"YUYV", [5, 1, 0, 0], (Fields::TopThenBottom, Bt601, Limited)),
            ("fields", b"YUYV", [6, 1, 0, 0], (Fields::BottomThenTop, Bt601, Limited)),
            ("one field", b"YUYV", [7, 1, 0, 0], (Fields::Single, Bt601, Limited)),
            ("grey", b"GREY", [1, 8, 0, 0], (Fields::Woven, Bt601, Full)),
            ("RGB", b"RGB3", [1, 8, 0, 0], (Fields::Woven, Bt601, Full)),
            ("RGB of television", b"RGB3", [1, 8, 0, 2], (Fields::Woven, Bt601, Limited)),
            ("unknown words", b"YUYV", [99, 99, 99, 99], (Fields::Woven, Bt601, Limited)),
        ];
        for (name, fourcc, said, expected) in cases {
            let BufferLayout { fields, matrix, range, .. } = read(fourcc, said);
            assert_eq!((fields, matrix, range), expected, "{name}");
        }
    }
}
