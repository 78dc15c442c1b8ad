//! What `--feed` says of a capture device.

use std::fmt;
use std::path::PathBuf;

use super::Wishes;
use crate::feed::FeedError;
use crate::feed::pixels::PixelFormat;
use crate::frame::Frame;
use crate::geometry::FrameSize;

/// Which device. It is looked up whenever it is opened, so that it may come back under another number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first that delivers pictures.
    First,
    /// The one behind this path, such as `/dev/video0` or `/dev/v4l/by-id/…`.
    Path(PathBuf),
    /// The first of this name, or else with this in its name; small and capital letters are the same.
    Name(String),
}

/// A capture device, and how it is to deliver.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureSpec {
    /// Which.
    pub place: Place,
    /// How.
    pub wishes: Wishes,
}

impl CaptureSpec {
    /// What `spec` says, where it is of a capture device: `v4l` for the first one, `/dev/video0`,
    /// `v4l:by-id/…` or `v4l:by-path/…` (see `/dev/v4l`), `v4l:by-name/…`; each with
    /// `,size=1280x720`, `,fps=30` and `,format=YUYV` behind it where wanted.
    ///
    /// # Errors
    /// [`FeedError::Spec`] where it is of one and can't be understood.
    pub fn parse(spec: &str) -> Result<Option<Self>, FeedError> {
        let begins = |words: &[&str]| words.iter().any(|word| spec.starts_with(word));
        // What is in /dev/shm are files.
        if spec != "v4l" && !begins(&["v4l:", "v4l,", "/dev/"]) || begins(&["/dev/shm/"]) {
            return Ok(None);
        }
        let invalid = |reason: String| FeedError::Spec { spec: spec.to_owned(), reason };
        let mut wishes = Wishes::default();
        let mut place = spec;
        // From the end, as names may have commas of their own.
        while let Some((before, option)) = place.rsplit_once(',')
            && let Some((key, value)) = option.split_once('=')
        {
            wish(&mut wishes, key, value).map_err(invalid)?;
            place = before;
        }
        Ok(Some(Self { place: which(place).map_err(invalid)?, wishes }))
    }
}

fn which(place: &str) -> Result<Place, String> {
    const HINT: &str = "give /dev/video0, v4l:by-id/…, v4l:by-path/… or v4l:by-name/…; \
                        tapseg run --list-feeds shows what there is";
    let Some(named) = place.strip_prefix("v4l:") else {
        return Ok(if place == "v4l" { Place::First } else { Place::Path(place.into()) });
    };
    match named.split_once('/') {
        Some(("by-name", name)) if !name.trim().is_empty() => Ok(Place::Name(name.into())),
        Some(("by-id" | "by-path", link)) if !link.is_empty() && !link.contains('/') => {
            Ok(Place::Path(PathBuf::from("/dev/v4l").join(named)))
        }
        Some(("", _)) if named.starts_with("/dev/") => Ok(Place::Path(named.into())),
        _ => Err(HINT.into()),
    }
}

fn wish(wishes: &mut Wishes, key: &str, value: &str) -> Result<(), String> {
    match key {
        "size" => {
            let sides = value.split_once(['x', 'X']);
            let size =
                sides.and_then(|(w, h)| Some(FrameSize::new(w.parse().ok()?, h.parse().ok()?)));
            let size = size.ok_or_else(|| format!("size={value}: give one as 1280x720"))?;
            Frame::check_size(size).map_err(|error| format!("size={value}: {error}"))?;
            wishes.size = Some(size);
        }
        "fps" => {
            let fps = value.parse().ok().filter(|fps: &f64| fps.is_finite() && *fps > 0.0);
            let hint = || format!("fps={value}: give a number greater than 0, such as 30");
            wishes.fps = Some(fps.ok_or_else(hint)?);
        }
        "format" => {
            let known = || PixelFormat::ALL.map(|format| format.to_string()).join(", ");
            let hint = || format!("format={value}: give one of {}", known());
            wishes.format = Some(PixelFormat::from_name(value).ok_or_else(hint)?);
        }
        _ => return Err(format!("there is no option {key}: give size, fps or format")),
    }
    Ok(())
}

/// The device, as a person calls it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("capture device"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_from_files() {
        let path = |path: &str| Some(Place::Path(path.into()));
        let cases = [
            ("frames/", None),
            ("phantom", None),
            ("v4l.png", None),
            ("/dev/shm/clip", None),
            ("v4l", Some(Place::First)),
            ("v4l,fps=30", Some(Place::First)),
            ("/dev/video0", path("/dev/video0")),
            ("v4l:/dev/video2", path("/dev/video2")),
            (
                "v4l:by-id/usb-MACROSILICON_USB_Video-index0",
                path("/dev/v4l/by-id/usb-MACROSILICON_USB_Video-index0"),
            ),
            (
                "v4l:by-path/pci-0000:00:14.0-usb-0:1:1.0",
                path("/dev/v4l/by-path/pci-0000:00:14.0-usb-0:1:1.0"),
            ),
            ("v4l:by-name/Cam Link, 4K", Some(Place::Name("Cam Link, 4K".into()))),
        ];
        for (spec, expected) in cases {
            let parsed = CaptureSpec::parse(spec).unwrap();
            assert_eq!(parsed.map(|spec| spec.place), expected, "{spec}");
        }
    }

    #[test]
    fn wishes_are_read() {
        let spec = "/dev/video0,size=1280x720,fps=29.97,format=mjpg";
        let expected = Wishes {
            size: Some(FrameSize::new(1280, 720)),
            fps: Some(29.97),
            format: Some(PixelFormat::Mjpeg),
        };
        assert_eq!(CaptureSpec::parse(spec).unwrap().unwrap().wishes, expected);
    }

    #[test]
    fn what_cannot_be_understood_is_told() {
        let cases = [
            ("v4l:", "list-feeds"),
            ("v4l:0", "list-feeds"),
            ("v4l:by-name/", "list-feeds"),
            ("v4l:by-id/../../null", "list-feeds"),
            ("/dev/video0,size=0x0", "no pixels"),
            ("/dev/video0,size=wide", "1280x720"),
            ("/dev/video0,fps=0", "greater than 0"),
            ("/dev/video0,fps=nan", "greater than 0"),
            ("/dev/video0,format=H264", "YUYV"),
            ("/dev/video0,rate=3", "no option rate"),
        ];
        for (spec, expected) in cases {
            let told = CaptureSpec::parse(spec).unwrap_err().to_string();
            assert!(told.contains(expected) && told.contains(spec), "{spec}: {told}");
        }
    }
}
