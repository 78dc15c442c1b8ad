//! Every format on every instruction set against one pixel at a time, and against other programs.

use super::*;
use crate::frame::Frame;
use crate::random::SplitMix64;

fn layout(format: PixelFormat, width: u32, height: u32) -> BufferLayout {
    BufferLayout {
        format,
        size: FrameSize::new(width, height),
        stride: format.row_bytes(width as usize) as u32,
        fields: Fields::Woven,
        matrix: ColourMatrix::Bt601,
        range: Range::Full,
    }
}

/// The picture, one pixel at a time.
fn plain(layout: &BufferLayout, buffer: &[u8]) -> Vec<u8> {
    let coefficients = Coefficients::new(layout.matrix, layout.range);
    let size = layout.picture_size();
    let rows = (0..size.height as usize).map(|y| row_of(layout, buffer, y));
    let columns = 0..size.width as usize;
    rows.flat_map(|row| columns.clone().flat_map(move |x| row.pixel(x, &coefficients))).collect()
}

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = SplitMix64::new(seed);
    (0..bytes).map(|_| random.next_u64() as u8).collect()
}

const MATRICES: [ColourMatrix; 4] =
    [ColourMatrix::Bt601, ColourMatrix::Bt709, ColourMatrix::Bt2020, ColourMatrix::Smpte240m];
const RANGES: [Range; 2] = [Range::Full, Range::Limited];
const FIELDS: [Fields; 4] =
    [Fields::Woven, Fields::TopThenBottom, Fields::BottomThenTop, Fields::Single];

fn formats_with_rows() -> impl Iterator<Item = PixelFormat> {
    PixelFormat::ALL.into_iter().filter(|&format| format != PixelFormat::Mjpeg)
}

#[test]
fn all_instruction_sets_give_the_bytes_of_one_pixel_at_a_time() {
    for isa in Isa::available() {
        for format in formats_with_rows() {
            // One vector of sixteen pixels, one less and more, odd ones, and several.
            for width in [1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 48, 65] {
                for (height, padding) in [(1, 0), (2, 1), (3, 6), (5, 64)] {
                    let i = (width + height) as usize;
                    let mut layout = layout(format, width, height);
                    layout.stride += padding;
                    layout.fields = FIELDS[i % 4];
                    layout.matrix = MATRICES[i / 2 % 4];
                    layout.range = RANGES[i % 2];
                    let buffer = noise(layout.bytes(), u64::from(width * 100 + height));
                    let (size, rgb) = Converter::with(isa).convert(&layout, &buffer).unwrap();
                    assert_eq!(size, layout.picture_size());
                    assert!(rgb == plain(&layout, &buffer), "{} {layout:?}", isa.name());
                }
            }
        }
    }
}

#[test]
fn extremes_are_the_same_on_all_instruction_sets() {
    for isa in Isa::available() {
        for format in formats_with_rows() {
            for matrix in MATRICES {
                for range in RANGES {
                    let layout = BufferLayout { matrix, range, ..layout(format, 40, 4) };
                    for pattern in [[0, 0], [255, 255], [0, 255], [255, 0], [128, 127], [16, 235]] {
                        let buffer: Vec<u8> =
                            pattern.into_iter().cycle().take(layout.bytes()).collect();
                        let (_, rgb) = Converter::with(isa).convert(&layout, &buffer).unwrap();
                        assert!(rgb == plain(&layout, &buffer), "{} {layout:?}", isa.name());
                    }
                }
            }
        }
    }
}

/// See `tests/data/pixels/make.py`.
fn reference(name: &str) -> (Vec<u8>, Vec<u8>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pixels");
    let read = |kind: &str| std::fs::read(format!("{folder}/{name}.{kind}")).unwrap();
    (read("bin"), read("rgb"))
}

#[test]
fn pictures_are_as_the_standards_say() {
    let matrices = ["bt601", "bt709", "bt2020", "smpte240m"].into_iter().zip(MATRICES);
    let ranges = || ["full", "limited"].into_iter().zip(RANGES);
    let mut found = 0;
    for format in formats_with_rows() {
        for (matrix_name, matrix) in matrices.clone() {
            for (range_name, range) in ranges() {
                let name = format!("{format}-{matrix_name}-{range_name}").to_lowercase();
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pixels");
                if !std::path::Path::new(&format!("{folder}/{name}.bin")).exists() {
                    continue;
                }
                found += 1;
                let (stored, expected) = reference(&name);
                let layout = BufferLayout { matrix, range, ..layout(format, 38, 6) };
                let (_, rgb) = Converter::new().unwrap().convert(&layout, &stored).unwrap();
                // Where the exact value lies between two levels either is right.
                let rounded = format.has_chroma() || format == PixelFormat::Rgb565;
                let tolerance = u8::from(rounded || range == Range::Limited);
                let far = rgb.iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > tolerance);
                assert_eq!(far.count(), 0, "{name}");
            }
        }
    }
    assert_eq!(found, 21, "pictures of every format");
}

#[test]
fn fields_are_woven_or_doubled() {
    // Lines as they lie in the buffer, by their grey value, and as they are to be shown.
    let cases: [(Fields, &[u8], &[u8]); 7] = [
        (Fields::Woven, &[1, 2, 3], &[1, 2, 3]),
        (Fields::TopThenBottom, &[1, 3, 2, 4], &[1, 2, 3, 4]),
        (Fields::TopThenBottom, &[1, 3, 5, 2, 4], &[1, 2, 3, 4, 5]),
        (Fields::BottomThenTop, &[2, 4, 1, 3], &[1, 2, 3, 4]),
        (Fields::BottomThenTop, &[2, 4, 1, 3, 5], &[1, 2, 3, 4, 5]),
        (Fields::BottomThenTop, &[1], &[1]),
        (Fields::Single, &[1, 2], &[1, 1, 2, 2]),
    ];
    for (fields, stored, expected) in cases {
        let layout = BufferLayout { fields, ..layout(PixelFormat::Grey, 1, stored.len() as u32) };
        let (_, rgb) = Converter::new().unwrap().convert(&layout, stored).unwrap();
        let shown: Vec<u8> = rgb.into_iter().step_by(3).collect();
        assert_eq!(shown, expected, "{fields:?}");
    }
}

#[test]
fn impossible_buffers_are_refused() {
    let converter = Converter::new().unwrap();
    let refused = |layout: &BufferLayout, bytes: usize| {
        converter.convert(layout, &vec![0; bytes]).unwrap_err().to_string()
    };
    for format in formats_with_rows() {
        let whole = layout(format, 6, 4);
        let short = refused(&whole, whole.bytes() - 1);
        assert!(short.contains(&format!("of {} bytes", whole.bytes())), "{format}: {short}");
        assert!(refused(&whole, 0).contains("with 0 of"), "{format}");
        let narrow = BufferLayout { stride: whole.stride - 1, ..whole };
        assert!(refused(&narrow, 1000).contains("bytes apart"), "{format}");
        assert!(refused(&BufferLayout { stride: 0, ..whole }, 1000).contains("0 bytes apart"));
        let absurd = BufferLayout { stride: u32::MAX, ..whole };
        assert!(refused(&absurd, 1000).contains("with 1000 of"), "{format}");
        for (width, height) in [(0, 0), (0, 4), (6, 0)] {
            let empty = BufferLayout { size: FrameSize::new(width, height), ..whole };
            assert!(refused(&empty, 1000).contains("no pixels"), "{format}");
        }
        let huge = BufferLayout { size: FrameSize::new(u32::MAX, u32::MAX), ..whole };
        assert!(refused(&huge, 1000).contains("limit"), "{format}");
        let doubled = BufferLayout { fields: Fields::Single, ..huge };
        assert!(refused(&doubled, 1000).contains("limit"), "{format}");
    }
}

#[test]
fn names_are_known_again() {
    for format in PixelFormat::ALL {
        assert_eq!(PixelFormat::from_fourcc(format.fourcc()), Some(format));
        assert_eq!(PixelFormat::from_name(&format.to_string().to_lowercase()), Some(format));
    }
    assert_eq!(PixelFormat::from_fourcc(*b"H264"), None);
}

fn jpeg() -> BufferLayout {
    layout(PixelFormat::Mjpeg, 48, 32)
}

#[test]
fn jpeg_is_as_libjpeg_decodes_it() {
    let (stream, expected) = reference("mjpg");
    let converter = Converter::new().unwrap();
    let (size, rgb) = converter.convert(&jpeg(), &stream).unwrap();
    assert_eq!(size, FrameSize::new(48, 32));
    let away = rgb.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
    assert!(away.clone().max().unwrap() <= 4, "{:?}", away.max());
    // Buffers are longer than streams, and the stream's size is what counts.
    let padded = [stream.as_slice(), &[0; 100]].concat();
    let other = BufferLayout { size: FrameSize::new(640, 480), stride: 0, ..jpeg() };
    assert_eq!(converter.convert(&other, &padded).unwrap(), (size, rgb.clone()));
    let single = BufferLayout { fields: Fields::Single, ..jpeg() };
    let (size, doubled) = converter.convert(&single, &stream).unwrap();
    assert_eq!((size, doubled.len()), (FrameSize::new(48, 64), 2 * rgb.len()));
    assert_eq!((&doubled[..144], &doubled[144..288]), (&rgb[..144], &rgb[..144]));
}

#[test]
fn jpeg_without_huffman_tables_takes_the_standard_ones() {
    let (stream, _) = reference("mjpg");
    let mut without = Vec::new();
    let mut rest = stream.as_slice();
    // Between the start and the scan there are only segments with lengths.
    without.extend_from_slice(&rest[..2]);
    rest = &rest[2..];
    while rest[1] != 0xDA {
        let length = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if rest[1] != 0xC4 {
            without.extend_from_slice(&rest[..length]);
        }
        rest = &rest[length..];
    }
    without.extend_from_slice(rest);
    assert!(without.len() < stream.len() - 400);
    let converter = Converter::new().unwrap();
    let with = converter.convert(&jpeg(), &stream).unwrap();
    assert_eq!(converter.convert(&jpeg(), &without).unwrap(), with);
}

#[test]
fn damaged_jpeg_is_refused_and_never_panics() {
    let (stream, _) = reference("mjpg");
    let converter = Converter::new().unwrap();
    for length in [0, 1, 2, 3, 20, 200, stream.len() / 2, stream.len() - 1] {
        let error = converter.convert(&jpeg(), &stream[..length]).unwrap_err();
        assert!(matches!(error, PixelError::Jpeg(_)), "{length}: {error}");
    }
    let mut random = SplitMix64::new(3);
    let mut refused = 0;
    for _ in 0..300 {
        let mut damaged = stream.clone();
        for _ in 0..4 {
            let at = random.below(damaged.len());
            damaged[at] = random.next_u64() as u8;
        }
        match converter.convert(&jpeg(), &damaged) {
            Ok((size, rgb)) => assert!(Frame::from_rgb(size, rgb).is_ok()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 50, "{refused} of 300 were found to be damaged");
}
