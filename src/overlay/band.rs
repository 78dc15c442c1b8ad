//! The strip of buttons along one side of the screen.

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use crate::geometry::FrameSize;

use super::arrangement::Hand;
use super::viewport::Viewport;

/// The number of screen pixels that the picture takes.
pub(super) fn picture_pixels(viewport: &Viewport) -> u64 {
    let Size { width, height } = viewport.area().size;
    u64::from(width) * u64::from(height)
}

#[derive(Clone, Copy)]
enum Side {
    Beside(Hand),
    Bottom,
}

/// A strip of buttons along one side of the screen.
#[derive(Clone, Copy)]
pub(super) struct Band {
    side: Side,
    /// Columns beside the picture, rows at the bottom.
    lanes: u32,
    /// The breadth of one lane in pixels.
    lane: u32,
    /// How many buttons there are.
    count: u32,
}

impl Band {
    /// The bands whose buttons are finger-sized and which leave at least half of `body`.
    pub fn candidates(
        body: Size,
        finger: u32,
        count: u32,
        hand: Hand,
    ) -> impl Iterator<Item = Band> {
        // Labels are words, so a button is wider than it is high.
        let width = finger + finger / 2;
        let band = move |side, lane| move |lanes| Band { side, lanes, lane, count };
        let columns = (1..=3).map(band(Side::Beside(hand), width));
        let rows = (1..=3).map(band(Side::Bottom, finger));
        columns.chain(rows).filter(move |band| match band.side {
            Side::Beside(_) => {
                body.height / band.per_lane() >= finger && band.lanes * band.lane <= body.width / 2
            }
            Side::Bottom => {
                body.width / band.per_lane() >= width && band.lanes * band.lane <= body.height / 2
            }
        })
    }

    /// The band with the largest buttons that half of `body` has room for.
    pub fn roomiest(body: Size, count: u32, hand: Hand) -> Self {
        let band = |lanes: u32| {
            let height = body.height / count.max(1).div_ceil(lanes);
            let lane = (body.width / 2 / lanes).min(height + height / 2);
            Self { side: Side::Beside(hand), lanes, lane, count }
        };
        let least = |band: &Band| band.lane.min(body.height / band.per_lane());
        // Of those with equally large buttons the one with the fewest columns.
        (1..=4).rev().map(band).max_by_key(least).unwrap_or_else(|| band(1))
    }

    /// The band made broader with room that the picture leaves free, within reason.
    pub fn widened(self, body: Size, frame: FrameSize, finger: u32) -> Self {
        let free = self.rest(body).size - self.viewport(body, frame).area().size;
        let (free, limit) = match self.side {
            Side::Beside(_) => (free.width, 2 * finger),
            Side::Bottom => (free.height, finger + finger / 2),
        };
        Self { lane: (self.lane + free / self.lanes).min(limit), ..self }
    }

    /// Where the picture is beside the band.
    pub fn viewport(&self, body: Size, frame: FrameSize) -> Viewport {
        Viewport::fit(self.rest(body), frame)
    }

    fn per_lane(&self) -> u32 {
        self.count.max(1).div_ceil(self.lanes)
    }

    /// What the band leaves of `body` for the picture.
    pub fn rest(&self, body: Size) -> Rectangle {
        let band = self.lanes * self.lane;
        let beside = Size::new(body.width - band, body.height);
        match self.side {
            Side::Beside(Hand::Right) => Rectangle::new(Point::zero(), beside),
            Side::Beside(Hand::Left) => Rectangle::new(Point::new(band as i32, 0), beside),
            Side::Bottom => {
                Rectangle::new(Point::zero(), Size::new(body.width, body.height - band))
            }
        }
    }

    /// The cell of the button `index`; cells fill the lanes one after the other, from the picture
    /// outwards.
    pub fn cell(&self, body: Size, index: u32) -> Rectangle {
        let (lane, place) = (index / self.per_lane(), index % self.per_lane());
        let rest = self.rest(body).size;
        let along = match self.side {
            Side::Beside(_) => body.height,
            Side::Bottom => body.width,
        };
        let start = place * along / self.per_lane();
        let length = (place + 1) * along / self.per_lane() - start;
        let across = lane * self.lane;
        let (x, y, size) = match self.side {
            Side::Beside(Hand::Right) => (rest.width + across, start, Size::new(self.lane, length)),
            Side::Beside(Hand::Left) => {
                let outwards = (self.lanes - 1 - lane) * self.lane;
                (outwards, start, Size::new(self.lane, length))
            }
            Side::Bottom => (start, rest.height + across, Size::new(length, self.lane)),
        };
        Rectangle::new(Point::new(x as i32, y as i32), size)
    }
}
