//! How large a pixel is, where the picture doesn't tell.

use clap::Args;
use tapseg::feed::{Feed, FeedError};
use tapseg::measure::parse_spacing;
use tapseg::{Frame, PixelSpacing};

/// The scale of the pictures.
#[derive(Args, Clone, Copy, Debug)]
pub struct ScaleArguments {
    /// Millimetres a pixel, in place of what the picture states: 0.12, or 0.1x0.12 across and down. Of a
    /// feed it holds for pictures as large as the first
    #[arg(long, value_name = "MM", value_parser = spacing)]
    pub spacing: Option<PixelSpacing>,

    /// The row of the transducer's face in pixels of the picture, from which depth is counted; below 0
    /// where the picture was cropped under it
    #[arg(long, value_name = "Y", allow_hyphen_values = true)]
    pub transducer_row: Option<f32>,
}

impl ScaleArguments {
    /// `frame` with this scale. The transducer may be above a picture that was cropped, but not below.
    pub fn applied_to(self, mut frame: Frame) -> Result<Frame, FeedError> {
        frame.pixel_spacing = self.spacing.or(frame.pixel_spacing);
        let height = frame.size().height;
        match self.transducer_row {
            Some(row) if !row.is_finite() || row >= height as f32 => {
                return Err(FeedError::TransducerRow { row, height });
            }
            row => frame.transducer_y = row.or(frame.transducer_y),
        }
        Ok(frame)
    }
}

/// A feed whose frames have a scale.
pub struct Scaled<F> {
    pub feed: F,
    pub scale: ScaleArguments,
}

impl<F: Feed> Feed for Scaled<F> {
    fn name(&self) -> &str {
        self.feed.name()
    }

    fn frame_interval(&self) -> Option<std::time::Duration> {
        self.feed.frame_interval()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
        let frame = self.feed.next_frame()?;
        frame.map(|frame| self.scale.applied_to(frame)).transpose()
    }
}

fn spacing(text: &str) -> Result<PixelSpacing, String> {
    parse_spacing(text).map_err(|error| error.to_string())
}
