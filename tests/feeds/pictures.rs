//! Pictures of every format and depth, and damaged ones.

use super::*;

#[test]
fn every_kind_becomes_8_bit_rgb() {
    use ImageFormat::{Bmp, Jpeg, Png, Tiff};
    let grey = GrayImage::from_raw(3, 1, vec![0, 100, 200]).unwrap();
    let colour = RgbImage::from_raw(3, 1, vec![1, 2, 3, 40, 50, 60, 250, 251, 252]).unwrap();
    let alpha =
        ImageBuffer::<Rgba<u8>, _>::from_raw(2, 1, vec![1, 2, 3, 0, 40, 50, 60, 255]).unwrap();
    let grey_alpha = ImageBuffer::<LumaA<u8>, _>::from_raw(1, 1, vec![9, 7]).unwrap();
    let grey16 = ImageBuffer::<Luma<u16>, _>::from_raw(3, 1, vec![1000, 1100, 1400]).unwrap();
    let colour16 = ImageBuffer::<Rgb<u16>, _>::from_raw(1, 1, vec![100, 200, 350]).unwrap();
    let flat16 = ImageBuffer::<Luma<u16>, _>::from_raw(1, 1, vec![777]).unwrap();
    let float = ImageBuffer::<Rgb<f32>, _>::from_raw(1, 1, vec![-1.0, 0.0, 1.0]).unwrap();
    let jpeg = GrayImage::from_pixel(3, 1, Luma([77]));
    let grey_rgb = vec![0, 0, 0, 100, 100, 100, 200, 200, 200];
    let cases: [(&str, Vec<u8>, Vec<u8>); 13] = [
        ("grey PNG", encoded(grey.clone(), Png), grey_rgb.clone()),
        ("grey BMP", encoded(grey.clone(), Bmp), grey_rgb.clone()),
        ("grey TIFF", encoded(grey, Tiff), grey_rgb),
        ("colour PNG", encoded(colour.clone(), Png), colour.to_vec()),
        ("colour BMP", encoded(colour.clone(), Bmp), colour.to_vec()),
        ("colour TIFF", encoded(colour.clone(), Tiff), colour.to_vec()),
        ("alpha is dropped", encoded(alpha, Png), vec![1, 2, 3, 40, 50, 60]),
        ("grey with alpha", encoded(grey_alpha, Png), vec![9; 3]),
        (
            "16 bit PNG is stretched",
            encoded(grey16.clone(), Png),
            vec![0, 0, 0, 64, 64, 64, 255, 255, 255],
        ),
        ("16 bit TIFF", encoded(grey16, Tiff), vec![0, 0, 0, 64, 64, 64, 255, 255, 255]),
        ("16 bit colour keeps its hue", encoded(colour16, Png), vec![0, 102, 255]),
        ("flat 16 bit", encoded(flat16, Png), vec![0; 3]),
        ("float TIFF", encoded(DynamicImage::ImageRgb32F(float), Tiff), vec![0, 128, 255]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in cases {
        let path = folder.path().join("picture.png");
        std::fs::write(&path, bytes).unwrap();
        let frame = read_still(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(frame.rgb(), expected, "{name}");
        assert_eq!((&*frame.source, frame.pixel_spacing), ("picture.png", None), "{name}");
    }
    let path = folder.path().join("picture.jpg");
    std::fs::write(&path, encoded(jpeg, Jpeg)).unwrap();
    assert!(read_still(&path).unwrap().rgb().iter().all(|v| v.abs_diff(77) <= 1));
}

#[test]
fn a_jpeg_taken_sideways_is_turned_upright() {
    let wide = encoded(GrayImage::new(8, 4), ImageFormat::Jpeg);
    // An EXIF segment with one entry: orientation 6, turned by 90 degrees.
    let exif =
        b"\xFF\xE1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sideways.jpg");
    std::fs::write(&path, [&wide[..2], exif, &wide[2..]].concat()).unwrap();
    assert_eq!(read_still(&path).unwrap().size(), FrameSize::new(4, 8));
}

#[test]
fn a_folder_plays_its_pictures_in_natural_order_whatever_their_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("f10.png", flat_png(8, 4, 10)),
        ("f2.png", flat_png(4, 4, 2)),
        ("f3.PNG", b"text, not a picture".to_vec()),
        ("f2_mask0.png", flat_png(4, 4, 255)),
        (".hidden.png", flat_png(4, 4, 255)),
        ("notes.txt", b"notes".to_vec()),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::create_dir(folder.path().join("g.png")).unwrap();

    let clip = Box::new(ImageClip::open(&[folder.path().into()]).unwrap());
    assert_eq!((clip.frame_count(), clip.frame_interval()), (Some(3), None));
    let playback = Playback { rate: Rate::Unpaced, looping: false };
    let mut player = Player::new(clip, playback).unwrap();
    use tapseg::feed::Feed;
    let first = player.next_frame().unwrap().unwrap();
    assert_eq!((&*first.source, first.size()), ("f2.png", FrameSize::new(4, 4)));
    let error = player.next_frame().unwrap_err().to_string();
    assert!(error.contains("f3.PNG"), "{error}");
    let last = player.next_frame().unwrap().unwrap();
    assert_eq!((&*last.source, last.size(), last.sequence), ("f10.png", FrameSize::new(8, 4), 2));
    assert_eq!(last.captured_at, Duration::from_millis(200));
    assert!(player.next_frame().unwrap().is_none());
}

#[test]
fn a_list_plays_in_its_own_order() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["b.png", "a_mask.png"].map(|name| folder.path().join(name));
    paths.iter().for_each(|path| std::fs::write(path, flat_png(2, 2, 0)).unwrap());
    let mut clip = ImageClip::open(&paths).unwrap();
    assert_eq!(&*clip.frame(0).unwrap().source, "b.png");
    assert_eq!(&*clip.frame(1).unwrap().source, "a_mask.png");
    assert_eq!(clip.name(), "b.png and 1 more");
}

/// A PNG's signature and header with a size of its own.
fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = flat_png(1, 1, 0);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xEDB8_8320 * (c & 1)))
    })
}

/// A TIFF of one pixel with one sample.
fn grey_tiff(bits: u16, sample_format: u16, photometric: u16) -> Vec<u8> {
    let entries = [
        (256, 1),
        (257, 1),
        (258, bits),
        (259, 1),
        (262, photometric),
        (273, 4),
        (277, 1),
        (278, 1),
        (279, bits / 8),
        (339, sample_format),
    ];
    // The entries' values are all of type SHORT. The pixel lies over the end of the header.
    let entry = |&(tag, value): &(u16, u16)| [tag, 3, 1, 0, value, 0].map(u16::to_le_bytes);
    let directory = entries.iter().flat_map(entry).flatten();
    let count = (entries.len() as u16).to_le_bytes();
    b"II*\0\x08\0\0\0".iter().copied().chain(count).chain(directory).chain([0; 4]).collect()
}

#[test]
fn bad_pictures_are_refused() {
    let noise =
        |x: u32, y: u32| Rgb([((x * 71) ^ (y * 37)) as u8, (x * y) as u8, (x ^ (y * 5)) as u8]);
    let picture = RgbImage::from_fn(64, 64, noise);
    let half = |format| {
        let bytes = encoded(picture.clone(), format);
        bytes[..bytes.len() / 2].to_vec()
    };
    let bmp_claiming = |width: i32| {
        let mut bytes = encoded(GrayImage::new(1, 1), ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&width.to_le_bytes());
        bytes[22..26].copy_from_slice(&width.to_le_bytes());
        bytes
    };
    const DAMAGED: &str = "copy it again";
    const OTHER_PNG: &str = "save it as an 8- or 16-bit PNG";
    const OTHER_FORMAT: &str = "give a PNG, JPEG, BMP, TIFF, DICOM or NIfTI file";
    let jpeg = encoded(picture.clone(), ImageFormat::Jpeg);
    let cases = [
        ("empty.png", vec![], DAMAGED),
        ("text.png", b"this is a text file and no picture".to_vec(), OTHER_FORMAT),
        ("text.mp4", b"this is a text file and no picture".to_vec(), OTHER_FORMAT),
        ("text", b"this is a text file and no picture".to_vec(), OTHER_FORMAT),
        ("picture.gif", b"GIF89a".to_vec(), OTHER_FORMAT),
        ("truncated.png", half(ImageFormat::Png), DAMAGED),
        ("truncated.tif", half(ImageFormat::Tiff), DAMAGED),
        ("truncated.bmp", half(ImageFormat::Bmp), DAMAGED),
        ("truncated.jpg", half(ImageFormat::Jpeg), DAMAGED),
        ("no_end.jpg", jpeg[..jpeg.len() - 2].to_vec(), DAMAGED),
        ("header.jpg", jpeg[..100].to_vec(), DAMAGED),
        ("float.tif", grey_tiff(32, 3, 1), OTHER_PNG),
        ("palette.tif", grey_tiff(8, 1, 3), OTHER_PNG),
        ("huge.png", png_claiming(100_000, 100_000), "100000x100000"),
        ("wide.png", png_claiming(u32::MAX >> 1, 1), "scale it down"),
        ("zero.png", png_claiming(0, 7), DAMAGED),
        ("huge.bmp", bmp_claiming(40_000), "40000x40000"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = open_error(&[&path]);
        assert!(matches!(error, FeedError::Decode { .. } | FeedError::Size { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
    let huge = open_error(&[&folder.path().join("huge.png")]).to_string();
    assert!(huge.contains("100000x100000") && huge.contains("limit"), "{huge}");
}

#[test]
fn bad_paths_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, folder) = (folder.path().join("missing.png"), folder.path());
    assert!(matches!(open_error(&[&missing]), FeedError::Io { .. }));
    assert!(matches!(open_error(&[folder]), FeedError::NoPictures(_)));
    assert!(matches!(open_error(&[folder, folder]), FeedError::Decode { .. }));
    assert!(matches!(open_error(&[&missing, folder]), FeedError::Io { .. }));
    assert!(matches!(open_error(&[]), FeedError::NoPictures(_)));
    assert!(matches!(read_still(folder), Err(FeedError::Io { .. } | FeedError::Decode { .. })));
}
