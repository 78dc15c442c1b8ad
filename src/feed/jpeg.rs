//! What the JPEG decoder leaves unsaid.

/// Refuses a JPEG stream that stops before its EOI marker: the decoder would fill what is missing
/// with grey and call it a picture. What follows the marker is not looked at, such as the byte
/// that makes a DICOM fragment's length even.
pub(super) fn check_is_whole(stream: &[u8]) -> Result<(), String> {
    const EOI: u8 = 0xD9;
    let whole = markers(stream).any(|marker| marker == EOI);
    whole.then_some(()).ok_or_else(|| "its JPEG data is cut short: copy it again".into())
}

/// Whether a JPEG stream brings its Huffman tables along. Those of cameras may leave them out.
pub(super) fn has_huffman_tables(stream: &[u8]) -> bool {
    const DHT: u8 = 0xC4;
    const SOS: u8 = 0xDA;
    markers(stream).take_while(|&marker| marker != SOS).any(|marker| marker == DHT)
}

/// The markers of a JPEG stream. Segments are stepped over by their lengths (ITU-T T.81 section
/// B.1.1), so that those of a thumbnail within one do not count. In entropy-coded data no marker but
/// restarts can occur.
fn markers(mut stream: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let at = stream.windows(2).position(|w| w[0] == 0xFF && !matches!(w[1], 0 | 0xFF))?;
        let marker = stream[at + 1];
        stream = &stream[at + 2..];
        // TEM, restarts, SOI and EOI stand alone.
        if !matches!(marker, 0x01 | 0xD0..=0xD9) {
            let length = stream.first_chunk().map_or(0, |b| u16::from_be_bytes(*b));
            stream = stream.get(usize::from(length)..).unwrap_or_default();
        }
        Some(marker)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_picture_itself_counts() {
        const SCAN: &[u8] = b"\xFF\xDA\0\x03\x01\x12\xFF\0\x34\xFF\xD0\x56";
        const THUMBNAIL: &[u8] = b"\xFF\xE1\0\x06\xFF\xD8\xFF\xD9";
        let cases: [(&str, &[&[u8]], bool); 9] = [
            ("whole", &[SCAN, b"\xFF\xD9"], true),
            ("padded", &[SCAN, b"\xFF\xD9\0\0\0"], true),
            ("fill bytes before the end", &[SCAN, b"\xFF\xFF\xD9"], true),
            ("two scans", &[SCAN, SCAN, b"\xFF\xD9"], true),
            ("empty", &[], false),
            ("cut in a scan", &[SCAN], false),
            ("cut in a scan, padded", &[SCAN, b"\0\0"], false),
            ("cut behind a thumbnail", &[THUMBNAIL, SCAN], false),
            ("cut in a segment", &[b"\xFF\xE1\0\x99\xFF\xD9"], false),
        ];
        for (name, parts, whole) in cases {
            let stream = [b"\xFF\xD8".as_slice(), &parts.concat()].concat();
            assert_eq!(check_is_whole(&stream).is_ok(), whole, "{name}");
        }
    }

    #[test]
    fn tables_are_looked_for_before_the_first_scan() {
        const TABLES: &[u8] = b"\xFF\xC4\0\x03\x01";
        const SCAN: &[u8] = b"\xFF\xDA\0\x03\x01\x12";
        assert!(has_huffman_tables(&[b"\xFF\xD8", TABLES, SCAN].concat()));
        assert!(!has_huffman_tables(&[b"\xFF\xD8", SCAN, TABLES].concat()));
        assert!(!has_huffman_tables(b""));
    }
}
