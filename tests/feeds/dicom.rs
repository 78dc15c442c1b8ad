//! DICOM clips of every encoding, and damaged ones.

use super::dicom_file::*;
use super::*;

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.dcm");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn open(bytes: &[u8]) -> Result<DicomClip, FeedError> {
    DicomClip::open(&written(bytes).1.clone())
}

#[test]
fn grey_values_become_8_bit() {
    let more = |more: Vec<Vec<u8>>, picture: Picture<'static>| Picture { more, ..picture };
    let full = [0, 128, 255];
    let cases: [(&str, Picture, &[u8]); 13] = [
        ("8 bit as they are", picture("MONOCHROME2", 3, &[3, 4, 9]), &[3, 4, 9]),
        ("inverted", picture("MONOCHROME1", 3, &[3, 4, 9]), &[252, 251, 246]),
        (
            "8 bit windowed",
            more(window("5.5", "11"), picture("MONOCHROME2", 3, &[0, 5, 10])),
            &full,
        ),
        ("a window of 1", more(window("5", "1"), picture("MONOCHROME2", 2, &[4, 5])), &[0, 255]),
        (
            "16 bit stretched",
            picture16("MONOCHROME2", 16, 15, 0, &[1000, 1100, 1400]),
            &[0, 64, 255],
        ),
        ("12 bit stretched", picture16("MONOCHROME2", 12, 11, 0, &[0, 2048, 4095]), &full),
        (
            "unused bits are ignored",
            picture16("MONOCHROME2", 12, 11, 0, &[0xF000, 0x1800, 0xFFFF]),
            &full,
        ),
        ("high bit", picture16("MONOCHROME2", 12, 15, 0, &[0xF, 0x8000, 0xFFF0]), &full),
        ("signed", picture16("MONOCHROME2", 16, 15, 1, &[-100, 1, 100]), &[0, 129, 255]),
        (
            "12 bit signed inverted",
            picture16("MONOCHROME1", 12, 11, 1, &[-5, 0, 5]),
            &[255, 127, 0],
        ),
        (
            "window of rescaled values",
            more(
                [window("0.5", "101"), vec![ds(0x28, 0x1052, "-1024"), ds(0x28, 0x1053, "2")]]
                    .concat(),
                picture16("MONOCHROME2", 16, 15, 0, &[487, 512, 537]),
            ),
            &full,
        ),
        (
            "a negative slope turns the scale round",
            more(
                vec![ds(0x28, 0x1052, "0"), ds(0x28, 0x1053, "-1")],
                picture("MONOCHROME2", 2, &[0, 255]),
            ),
            &[255, 0],
        ),
        ("flat", picture16("MONOCHROME2", 16, 15, 0, &[7, 7, 7]), &[0, 0, 0]),
    ];
    for (name, picture, expected) in cases {
        let frame = open(&picture.file()).and_then(|mut clip| clip.frame(0));
        let frame = frame.unwrap_or_else(|error| panic!("{name}: {error}"));
        let grey: Vec<u8> = frame.rgb().chunks(3).map(|p| p[0]).collect();
        assert_eq!(grey, expected, "{name}");
        assert!(frame.rgb().chunks(3).all(|p| p == [p[0]; 3]), "{name}");
    }
}

/// The three channels of a palette: descriptor and data.
fn palette(descriptor: [u16; 3], channels: [&[u8]; 3]) -> Vec<Vec<u8>> {
    let one = |i: usize| {
        let number = i as u16 + 1;
        let data = element(0x28, 0x1200 + number, "OW", channels[i]);
        [us(0x28, 0x1100 + number, &descriptor), data]
    };
    [one(0), one(1), one(2)].concat()
}

#[test]
fn colours_become_rgb() {
    let more = |more: Vec<Vec<u8>>, picture: Picture<'static>| Picture { more, ..picture };
    let planar = || vec![us(0x28, 6, &[1])];
    let colours8: [&[u8]; 3] = [&[1, 2, 3, 4], &[5, 6, 7, 8], &[9, 10, 11, 12]];
    let colours16: [&[u8]; 3] = [&[99, 1, 99, 2], &[99, 3, 99, 4], &[99, 5, 99, 6]];
    let cases: [(&str, Picture, &[u8]); 10] = [
        ("RGB", picture("RGB", 2, &[1, 2, 3, 4, 5, 6]), &[1, 2, 3, 4, 5, 6]),
        (
            "RGB by plane",
            more(planar(), picture("RGB", 2, &[1, 4, 2, 5, 3, 6])),
            &[1, 2, 3, 4, 5, 6],
        ),
        ("YBR_FULL", picture("YBR_FULL", 2, &[76, 85, 255, 29, 255, 107]), &[254, 0, 0, 0, 0, 254]),
        (
            "YBR_FULL by plane",
            more(planar(), picture("YBR_FULL", 2, &[76, 29, 85, 255, 255, 107])),
            &[254, 0, 0, 0, 0, 254],
        ),
        (
            "YBR_FULL_422",
            picture("YBR_FULL_422", 2, &[76, 226, 128, 128]),
            &[76, 76, 76, 226, 226, 226],
        ),
        (
            "8 bit palette",
            more(palette([4, 0, 8], colours8), picture("PALETTE COLOR", 2, &[0, 3])),
            &[1, 5, 9, 4, 8, 12],
        ),
        (
            "palette that begins later",
            more(palette([4, 100, 8], colours8), picture("PALETTE COLOR", 4, &[0, 100, 102, 255])),
            &[1, 5, 9, 1, 5, 9, 3, 7, 11, 4, 8, 12],
        ),
        (
            "16 bit palette",
            more(palette([2, 0, 16], colours16), picture("PALETTE COLOR", 2, &[0, 1])),
            &[1, 3, 5, 2, 4, 6],
        ),
        (
            "16 bit indices",
            more(
                palette([2, 300, 16], colours16),
                picture16("PALETTE COLOR", 16, 15, 0, &[300, 301]),
            ),
            &[1, 3, 5, 2, 4, 6],
        ),
        (
            "signed indices",
            more(
                palette([2, 0xFFFF, 16], colours16),
                picture16("PALETTE COLOR", 16, 15, 1, &[-1, 0]),
            ),
            &[1, 3, 5, 2, 4, 6],
        ),
    ];
    for (name, picture, expected) in cases {
        let frame = open(&picture.file()).and_then(|mut clip| clip.frame(0));
        let frame = frame.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(frame.rgb(), expected, "{name}");
    }
}

/// What make.py draws, at frame `t`.
fn expected(t: u32, grey: bool) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let red = (8 * (x + t)) as u8;
        let colour = [red, (12 * y + 4 * t) as u8, (250 - 5 * (x + y)) as u8];
        if grey { [red; 3] } else { colour }
    };
    (0..16).flat_map(|y| (0..24).flat_map(move |x| pixel(x, y))).collect()
}

#[test]
fn every_encoding_shows_the_same_clip() {
    let cases = [
        ("implicit_rgb.dcm", false, 0.0, 0),
        ("rle_rgb.dcm", false, 0.0, 0),
        ("rle_ybr_full.dcm", false, 0.5, 2),
        ("rle_grey16.dcm", true, 0.0, 0),
        ("jpeg_ybr_full_422.dcm", false, 2.5, 12),
        ("jpeg_rgb_unmarked.dcm", false, 1.0, 5),
        ("jpeg_grey.dcm", true, 1.0, 4),
    ];
    for (name, grey, mean_limit, limit) in cases {
        let mut clip = open_clip(&[data(name).display().to_string()]).unwrap();
        assert_eq!(clip.frame_count(), Some(3), "{name}");
        assert_eq!(frame_count(&data(name)).unwrap(), 3, "{name}");
        assert_eq!(clip.frame_interval(), Some(Duration::from_millis(40)), "{name}");
        // Any order will do.
        for t in [2, 0, 1] {
            let frame = clip.frame(t).unwrap();
            assert_eq!((frame.size(), frame.sequence), (FrameSize::new(24, 16), t), "{name}");
            let expected = expected(t as u32, grey);
            let off = frame.rgb().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
            let mean = off.clone().map(f64::from).sum::<f64>() / expected.len() as f64;
            let most = off.max().unwrap();
            assert!(mean <= mean_limit && most <= limit, "{name}: mean {mean}, most {most}");
        }
        assert_eq!(&*clip.frame(0).unwrap().source, name);
    }
}

#[test]
fn frames_are_counted_by_the_header_alone() {
    let count = |more: Vec<Vec<u8>>, cut: usize| {
        let picture = Picture { more, ..picture("MONOCHROME2", 64, &[7; 192]) };
        let bytes = picture.file();
        frame_count(&written(&bytes[..bytes.len() - cut]).1)
    };
    let stated = |frames: &str| element(0x28, 8, "IS", frames.as_bytes());
    assert_eq!(count(vec![], 0).unwrap(), 1);
    assert_eq!(count(vec![stated("3")], 0).unwrap(), 3);
    // What somebody else put before the pixels, of any length.
    for length in [65_000, 100_000, 2_000_000] {
        let own = element(0x29, 0x1010, "OB", &vec![1; length]);
        assert_eq!(count(vec![own, stated("3")], 0).unwrap(), 3, "{length}");
    }
    for (more, cut, told) in [
        (vec![stated("2000000000")], 0, "2000000000 frames"),
        (vec![stated("none")], 0, "number of frames"),
        (vec![stated("3")], 150, "cut short"),
        (vec![stated("3")], 500, "DICM"),
    ] {
        let error = count(more, cut).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}

/// A file of JPEG frames: what is before the second frame's fragment, its data, and what follows.
fn around_second_fragment(bytes: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let starts: Vec<usize> = (0..bytes.len() - 10)
        .filter(|&at| {
            bytes[at..].starts_with(&[0xFE, 0xFF, 0, 0xE0])
                && bytes[at + 8..].starts_with(&[0xFF, 0xD8])
        })
        .collect();
    assert_eq!(starts.len(), 3);
    let (before, item) = bytes.split_at(starts[1]);
    let length = u32::from_le_bytes(item[4..8].try_into().unwrap()) as usize;
    let (data, after) = item[8..].split_at(length);
    (before, data, after)
}

fn fragment(data: &[u8]) -> Vec<u8> {
    [&[0xFE, 0xFF, 0, 0xE0], &(data.len() as u32).to_le_bytes()[..], data].concat()
}

#[test]
fn a_jpeg_frame_may_be_spread_over_fragments() {
    let bytes = std::fs::read(data("jpeg_grey.dcm")).unwrap();
    let (before, second, after) = around_second_fragment(&bytes);
    let split = [before, &fragment(&second[..40]), &fragment(&second[40..]), after].concat();
    let mut clip = open(&split).unwrap();
    assert_eq!(clip.frame_count(), Some(3));
    let whole = DicomClip::open(&data("jpeg_grey.dcm")).unwrap().frame(1).unwrap();
    assert_eq!(clip.frame(1).unwrap().rgb(), whole.rgb());
}

#[test]
fn spacing_and_frame_time_are_read_from_where_they_stand() {
    let spacing = |row_mm, column_mm| Some(PixelSpacing { row_mm, column_mm });
    let region = |units: u16, delta_x: f64, size: u32| {
        let value = [
            element(0x18, 0x6018, "UL", &0u32.to_le_bytes()),
            element(0x18, 0x601A, "UL", &0u32.to_le_bytes()),
            element(0x18, 0x601C, "UL", &size.to_le_bytes()),
            element(0x18, 0x601E, "UL", &size.to_le_bytes()),
            us(0x18, 0x6024, &[units]),
            us(0x18, 0x6026, &[3]),
            element(0x18, 0x602C, "FD", &delta_x.to_le_bytes()),
            element(0x18, 0x602E, "FD", &(-0.5f64).to_le_bytes()),
        ]
        .concat();
        [vec![0xFE, 0xFF, 0, 0xE0], (value.len() as u32).to_le_bytes().to_vec(), value].concat()
    };
    let regions = |items: &[Vec<u8>]| element(0x18, 0x6011, "SQ", &items.concat());
    let ms = |ms| Some(Duration::from_millis(ms));
    type Case<'a> = (&'a str, Vec<Vec<u8>>, Option<PixelSpacing>, Option<Duration>);
    let cases: [Case; 13] = [
        ("nothing", vec![], None, None),
        (
            "pixel spacing",
            vec![ds(0x28, 0x30, "0.5\\0.25"), ds(0x18, 0x1164, "9\\9")],
            spacing(0.5, 0.25),
            None,
        ),
        ("zero spacing", vec![ds(0x28, 0x30, "0\\0.25")], None, None),
        ("spacing that is no number", vec![ds(0x28, 0x30, "a\\b")], None, None),
        (
            "nominal before imager",
            vec![ds(0x18, 0x1164, "9\\9"), ds(0x18, 0x2010, "2\\3")],
            spacing(2.0, 3.0),
            None,
        ),
        ("imager", vec![ds(0x18, 0x1164, "9\\8")], spacing(9.0, 8.0), None),
        (
            "the largest region",
            vec![regions(&[region(3, 0.1, 5), region(3, 0.2, 50), region(3, 0.3, 7)])],
            spacing(5.0, 2.0),
            None,
        ),
        (
            "only regions in cm both ways",
            vec![regions(&[region(3, 0.1, 5), region(4, 0.2, 50)])],
            spacing(5.0, 1.0),
            None,
        ),
        (
            "regions of a larger picture",
            vec![regions(&[region(3, 0.1, 5), region(3, 0.2, 61)])],
            None,
            None,
        ),
        ("frame time", vec![ds(0x18, 0x1063, "40"), ds(0x18, 0x40, "99")], None, ms(40)),
        ("frame time vector", vec![ds(0x18, 0x1065, "0\\10\\30")], None, ms(20)),
        (
            "cine rate",
            vec![element(0x18, 0x40, "IS", b"25"), element(8, 0x2144, "IS", b"10")],
            None,
            ms(40),
        ),
        (
            "display rate, frame time 0",
            vec![ds(0x18, 0x1063, "0"), element(8, 0x2144, "IS", b"10")],
            None,
            ms(100),
        ),
    ];
    for (name, more, spacing, interval) in cases {
        let (rows, columns, pixels) = (60, 60, vec![0; 3600]);
        let bytes =
            Picture { more, rows, columns, pixels, ..picture("MONOCHROME2", 1, &[0]) }.file();
        let mut clip = open(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(clip.frame(0).unwrap().pixel_spacing, spacing, "{name}");
        assert_eq!(clip.frame_interval(), interval, "{name}");
    }
}

#[test]
fn files_are_recognised_by_mark_or_name() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8], bool); 4] = [
        ("no_extension", &picture("MONOCHROME2", 1, &[0]).file(), true),
        ("by_name.DCM", b"anything", true),
        ("picture.png", &flat_png(1, 1, 0), false),
        ("short", b"DIC", false),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(looks_like_dicom(&path).unwrap(), expected, "{name}");
    }
    assert!(!looks_like_dicom(folder.path()).unwrap());
    assert!(looks_like_dicom(&folder.path().join("missing")).is_err());
}

#[test]
fn bad_files_are_refused_by_name() {
    let frames = |n: &str| vec![element(0x28, 8, "IS", n.as_bytes())];
    let with = |more: Vec<Vec<u8>>| Picture { more, ..picture("MONOCHROME2", 2, &[0, 1]) }.file();
    let without = |number: u16| {
        let mut elements = picture("MONOCHROME2", 2, &[0, 1]).elements();
        elements.retain(|e| e[..4] != [[0x28, 0], number.to_le_bytes()].concat());
        file(EXPLICIT, elements)
    };
    let good = with(vec![]);
    // Sequences within sequences, each of undefined length.
    let nested = |depth: usize| {
        let open = b"\x08\0\x40\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
        with(vec![open.repeat(depth)])
    };
    let long_value =
        |vr: &[u8]| with(vec![[b"\x08\0\x50\0", vr, b"\0\0\xF0\xFF\xFF\xFF"].concat()]);
    let palette_of = |entries, bits| palette([entries, 0, bits], [&[0; 4]; 3]);
    let truncated = |name: &str| {
        let bytes = std::fs::read(data(name)).unwrap();
        bytes[..bytes.len() - 300].to_vec()
    };
    let more = |more, p: Picture<'static>| Picture { more, ..p }.file();
    let implicit = b"\x08\0\x08\0\x12\0\0\0DERIVED\\SECONDARY ".to_vec();
    let cases: [(&str, Vec<u8>, &str); 27] = [
        ("empty", vec![], "mark DICM"),
        ("text", b"this is text, not a DICOM file".to_vec(), "mark DICM"),
        ("only the mark", good[..132].to_vec(), "file meta information"),
        ("no data set", file(EXPLICIT, vec![]), "no pixel data"),
        ("truncated in the header", good[..good.len() - 40].to_vec(), "cut short"),
        ("truncated in the pixels", good[..good.len() - 1].to_vec(), "cut short"),
        ("truncated RLE", truncated("rle_rgb.dcm"), "cut short"),
        ("truncated JPEG", truncated("jpeg_grey.dcm"), "cut short"),
        (
            "implicit called explicit",
            file(EXPLICIT, vec![implicit]),
            "not in the encoding it states",
        ),
        (
            "unknown transfer syntax",
            file("1.2.840.10008.1.2.4.90", vec![]),
            "1.2.840.10008.1.2.4.90",
        ),
        ("big endian", file("1.2.840.10008.1.2.2", vec![]), "not supported"),
        (
            "native data called RLE",
            file(RLE, picture("MONOCHROME2", 2, &[0, 1]).elements()),
            "transfer syntax",
        ),
        ("no rows", without(0x10), "(0028,0010)"),
        ("no photometric interpretation", without(4), "photometric"),
        ("no bits", without(0x100), "(0028,0100)"),
        ("zero rows", Picture { rows: 0, ..picture("MONOCHROME2", 2, &[0]) }.file(), "no pixels"),
        (
            "too few pixels",
            Picture { rows: 5000, columns: 5000, ..picture("RGB", 2, &[0; 6]) }.file(),
            "data for 0",
        ),
        (
            "65535 x 65535",
            Picture { rows: 65535, columns: 65535, ..picture("RGB", 2, &[0; 6]) }.file(),
            "limit",
        ),
        ("too many frames", with(frames("2147483647")), "2147483647 frames"),
        ("no frames", with(frames("0")), "number of frames"),
        ("frames that are no number", with(frames("many")), "number of frames"),
        ("unknown photometric interpretation", picture("HSV", 2, &[0; 6]).file(), "HSV"),
        (
            "32 bit",
            Picture { bits: [32, 32, 31, 0], ..picture("MONOCHROME2", 1, &[0; 4]) }.file(),
            "bits",
        ),
        (
            "more bits stored than allocated",
            Picture { bits: [8, 12, 11, 0], ..picture("MONOCHROME2", 1, &[0]) }.file(),
            "bits",
        ),
        ("no palette", picture("PALETTE COLOR", 2, &[0, 1]).file(), "palette"),
        (
            "short palette",
            more(palette_of(256, 16), picture("PALETTE COLOR", 2, &[0, 1])),
            "shorter",
        ),
        ("odd width of 4:2:2", picture("YBR_FULL_422", 3, &[0; 6]).file(), "YBR_FULL_422"),
    ];
    for (name, bytes, expected) in cases {
        let error = open(&bytes).and_then(|mut clip| clip.frame(0)).expect_err(name).to_string();
        assert!(error.contains(expected) && error.contains("clip.dcm"), "{name}: {error}");
    }
    for (name, bytes) in [
        ("a value of 4 GB", long_value(b"OB")),
        ("a text of 4 GB", long_value(b"UT")),
        ("deeply nested", nested(100_000)),
    ] {
        assert!(matches!(open(&bytes), Err(FeedError::Decode { .. })), "{name}");
    }
}

#[test]
fn one_damaged_frame_does_not_take_the_others_along() {
    let mut bytes = std::fs::read(data("jpeg_grey.dcm")).unwrap();
    let second = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&[0xFF, 0xD8, 0xFF])).nth(1);
    bytes[second.unwrap() + 3..][..20].fill(0);
    let mut clip = open(&bytes).unwrap();
    assert!(clip.frame(0).is_ok() && clip.frame(2).is_ok());
    let error = clip.frame(1).unwrap_err().to_string();
    assert!(error.contains("frame 2"), "{error}");
}

#[test]
fn half_a_jpeg_frame_is_refused() {
    for name in ["jpeg_grey.dcm", "jpeg_rgb_unmarked.dcm"] {
        let bytes = std::fs::read(data(name)).unwrap();
        let (before, second, after) = around_second_fragment(&bytes);
        let scan = second.windows(2).position(|w| w == [0xFF, 0xDA]).unwrap();
        let half = [&second[..scan.midpoint(second.len()) & !1], &[0, 0]].concat();
        let mut clip = open(&[before, &fragment(&half), after].concat()).unwrap();
        assert!(clip.frame(0).is_ok() && clip.frame(2).is_ok(), "{name}");
        let error = clip.frame(1).expect_err(name).to_string();
        assert!(error.contains("frame 2") && error.contains("cut short"), "{name}: {error}");
    }
}

#[test]
fn dicom_files_are_given_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, png) = (folder.path().join("clip.dcm"), folder.path().join("picture.png"));
    std::fs::copy(data("rle_rgb.dcm"), &clip).unwrap();
    let error = open_error(&[folder.path()]).to_string();
    assert!(error.contains("one at a time"), "{error}");
    std::fs::write(&png, flat_png(1, 1, 0)).unwrap();
    for specs in [[&*clip, &*clip], [&*png, &*clip]] {
        let error = open_error(&specs);
        assert!(matches!(error, FeedError::Spec { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains("give one at a time") && error.contains("clip.dcm"), "{error}");
    }
}

/// Whatever a file holds, it is played or refused.
#[test]
fn damaged_files_never_panic() {
    let names = [
        "implicit_rgb.dcm",
        "rle_rgb.dcm",
        "rle_grey16.dcm",
        "jpeg_ybr_full_422.dcm",
        "jpeg_grey.dcm",
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.dcm");
    let mut state = 1u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut played, mut refused) = (0, 0);
    for name in names {
        let good = std::fs::read(data(name)).unwrap();
        for _ in 0..400 {
            let mut bytes = good.clone();
            for _ in 0..1 + random(4) {
                // Mostly in the header, where it hurts.
                let end = if random(3) == 0 { bytes.len() } else { bytes.len().min(900) };
                bytes[128 + random(end - 128)] = [0, 1, 0x7F, 0xFF, random(256) as u8][random(5)];
            }
            if random(10) == 0 {
                bytes.truncate(random(bytes.len()));
            }
            std::fs::write(&path, bytes).unwrap();
            let clip = DicomClip::open(&path);
            let frames = clip.map(|mut clip| {
                (0..3.min(clip.frame_count().unwrap()))
                    .map(|i| clip.frame(i).is_ok())
                    .collect::<Vec<_>>()
            });
            match frames {
                Ok(frames) if frames.contains(&true) => played += 1,
                _ => refused += 1,
            }
        }
    }
    assert!(played > 100 && refused > 100, "played {played}, refused {refused}");
}
