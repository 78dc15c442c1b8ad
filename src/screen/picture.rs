//! PNG files where there is no display.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use embedded_graphics::geometry::{OriginDimensions, Size};
use image::ExtendedColorType;
use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use super::{Canvas, Screen, ScreenError, ScreenEvent};

/// A screen whose pictures become files: `frame-00000.png`, `frame-00001.png`, … in a folder.
///
/// Each [`present`](Screen::present) writes one; how many is the caller's to bound. A file
/// appears under its name only when it is complete, replaces one that is already there, and is
/// readable by its owner alone.
pub struct PictureScreen {
    folder: PathBuf,
    size: Size,
    written: usize,
}

impl PictureScreen {
    /// A screen of `size` that writes into `folder`, which is made where it does not exist; the
    /// pictures of an earlier run there are removed. Sides beyond [`Canvas::MAX_SIDE`] are cut to it.
    ///
    /// # Errors
    /// [`ScreenError::Write`] where the folder can't be made.
    pub fn new(folder: impl Into<PathBuf>, size: Size) -> Result<Self, ScreenError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|source| ScreenError::Write {
            path: folder.clone(),
            reason: source.to_string(),
        })?;
        // They are numbered without gaps, so the first that is missing is the end of them.
        (0..).map(|n| fs::remove_file(folder.join(file_name(n)))).take_while(Result::is_ok).count();
        let size = size.component_min(Size::new_equal(Canvas::MAX_SIDE));
        Ok(Self { folder, size, written: 0 })
    }

    /// The number of pictures written so far.
    pub fn written(&self) -> usize {
        self.written
    }
}

impl Screen for PictureScreen {
    fn size(&self) -> Size {
        self.size
    }

    /// Sleeps for `timeout`: nothing can happen on such a screen, and a loop that draws once a
    /// turn keeps its pace. Pass zero for pictures as fast as they can be written.
    fn poll(&mut self, timeout: Duration, _: &mut Vec<ScreenEvent>) -> Result<(), ScreenError> {
        std::thread::sleep(timeout);
        Ok(())
    }

    fn present(&mut self, canvas: &Canvas) -> Result<(), ScreenError> {
        let path = self.folder.join(file_name(self.written));
        let unfinished = path.with_extension("png.part");
        let result = write_png(&unfinished, canvas)
            .and_then(|()| fs::rename(&unfinished, &path).map_err(|error| error.to_string()));
        if let Err(reason) = result {
            // Best effort: the error that is reported is the one that matters.
            let _ = fs::remove_file(&unfinished);
            return Err(ScreenError::Write { path, reason });
        }
        self.written += 1;
        Ok(())
    }
}

fn file_name(number: usize) -> String {
    format!("frame-{number:05}.png")
}

/// Writes `canvas` to `path`.
fn write_png(path: &std::path::Path, canvas: &Canvas) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(path).map_err(|error| error.to_string())?);
    let Size { width, height } = canvas.size();
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&canvas.to_image(), width, height, ExtendedColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    file.flush().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use embedded_graphics::draw_target::DrawTarget;
    use embedded_graphics::pixelcolor::Rgb888;

    use super::*;

    #[test]
    fn each_picture_becomes_one_complete_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut screen = PictureScreen::new(folder.path().join("a/b"), Size::new(5, 4)).unwrap();
        let mut canvas = Canvas::new(screen.size());
        for value in [10, 20] {
            canvas.clear(Rgb888::new(value, 1, 2)).unwrap();
            screen.present(&canvas).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path().join("a/b"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["frame-00000.png", "frame-00001.png"]);
        let second = image::open(folder.path().join("a/b/frame-00001.png")).unwrap().into_rgb8();
        assert_eq!(second.dimensions(), (5, 4));
        assert!(second.pixels().all(|p| p.0 == [20, 1, 2]));
        assert_eq!(screen.written(), 2);
    }

    #[test]
    fn nothing_happens_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut screen = PictureScreen::new(folder.path(), Size::new(5, 4)).unwrap();
        let mut events = Vec::new();
        screen.poll(Duration::from_millis(1), &mut events).unwrap();
        assert_eq!(events, []);
    }

    #[test]
    fn what_cannot_be_written_is_named_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = PictureScreen::new(&file, Size::new(5, 4)).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");

        let mut screen = PictureScreen::new(folder.path(), Size::zero()).unwrap();
        let error = screen.present(&Canvas::new(Size::zero())).unwrap_err();
        assert!(error.to_string().contains("frame-00000.png"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
