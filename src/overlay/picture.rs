//! The frame with the masks on it. A draw target can't be read back, so picture, tints and lines
//! are put together a row at a time before they are sent.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::raw::RawU24;
use embedded_graphics::pixelcolor::{IntoStorage, Rgb888};
use embedded_graphics::primitives::Rectangle;

use crate::frame::{Frame, PixelSpacing};
use crate::geometry::FrameSize;
use crate::mask::Mask;
use crate::measure::Measurements;

use super::outline::{Outline, Part, Stroke};
use super::palette::{BLACK, object_colour};
use super::scale::Scaler;
use super::scene::SceneObject;
use super::viewport::{Region, Viewport};

/// Draws frames with masks; keeps what stays the same from one frame to the next.
#[derive(Default)]
pub(super) struct PictureLayer {
    scaler: Option<Scaler>,
    /// One an object, in order.
    outlines: Vec<Option<KeptOutline>>,
    row: Vec<u32>,
}

/// An outline and what it was made from.
struct KeptOutline {
    mask: Mask,
    region: Region,
    to: FrameSize,
    stroke: Stroke,
    spacing: Option<PixelSpacing>,
    proposed: bool,
    outline: Outline,
    sizes: Option<Measurements>,
}

impl KeptOutline {
    fn is_of(
        &self,
        mask: &Mask,
        proposed: bool,
        region: Region,
        to: FrameSize,
        stroke: Stroke,
        spacing: Option<PixelSpacing>,
    ) -> bool {
        // The kept mask shares its pixels, so nothing else can have come to lie at their address.
        let same_mask = std::ptr::eq(self.mask.pixels(), mask.pixels());
        same_mask
            && self.proposed == proposed
            && self.spacing == spacing
            && self.region == region
            && self.to == to
            && self.stroke == stroke
    }
}

impl PictureLayer {
    /// Draws what `viewport` shows of `frame` and of the masks of `objects`, with lines `unit` times
    /// as thick as on a plain screen.
    pub fn draw<D: DrawTarget<Color = Rgb888>>(
        &mut self,
        frame: &Frame,
        objects: &[SceneObject],
        viewport: &Viewport,
        unit: u32,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let area = viewport.area();
        let to = FrameSize::new(area.size.width, area.size.height);
        if to.pixels() == 0 {
            return Ok(());
        }
        // A frame of another size than the viewport was made for is shown whole.
        let region = match viewport.region() {
            region if viewport.frame() == frame.size() => region,
            _ => Region::whole(frame.size()),
        };
        self.outline(frame, objects, region, to, unit);
        let Region { left, top, size } = region;
        let part = (size != frame.size()).then(|| frame.cropped(left, top, size).ok()).flatten();
        let frame = part.as_ref().unwrap_or(frame);
        let scaler = match self.scaler.take().filter(|kept| kept.is_for(frame.size(), to)) {
            Some(kept) => self.scaler.insert(kept),
            None => self.scaler.insert(Scaler::new(frame.size(), to)),
        };
        let layers: Vec<(&Outline, Paint)> = [false, true]
            .into_iter()
            .flat_map(|active| {
                objects.iter().zip(&self.outlines).filter(move |(o, _)| o.active == active)
            })
            .filter_map(|(object, kept)| Some((&kept.as_ref()?.outline, Paint::of(object))))
            .collect();
        self.row.resize(to.width as usize, 0);
        for y in 0..to.height {
            scaler.row(frame, y, &mut self.row);
            for (outline, paint) in &layers {
                for span in outline.row(y) {
                    if let Some(glaze) = paint.part(span.part) {
                        glaze.over(&mut self.row[span.start as usize..span.end as usize]);
                    }
                }
            }
            let row =
                Rectangle::new(area.top_left + Point::new(0, y as i32), Size::new(to.width, 1));
            let colours = self.row.iter().map(|&word| Rgb888::from(RawU24::new(word)));
            target.fill_contiguous(&row, colours)?;
        }
        Ok(())
    }

    /// The measurements of each of the objects drawn last that has a mask and is no proposal, by its
    /// index.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, &Measurements)> {
        let kept = self.outlines.iter().enumerate();
        kept.filter_map(|(index, kept)| Some((index, kept.as_ref()?.sizes.as_ref()?)))
    }

    /// Makes the outlines that are not there yet.
    fn outline(
        &mut self,
        frame: &Frame,
        objects: &[SceneObject],
        region: Region,
        to: FrameSize,
        unit: u32,
    ) {
        self.outlines.resize_with(objects.len(), || None);
        for (object, kept) in objects.iter().zip(&mut self.outlines) {
            let stroke = stroke(object.active, unit);
            let current = object.mask.as_ref().filter(|mask| mask.size().pixels() > 0);
            let (spacing, proposed) = (frame.pixel_spacing, object.proposed);
            let wanted = |kept: &KeptOutline| {
                current.is_some_and(|m| kept.is_of(m, proposed, region, to, stroke, spacing))
            };
            if !kept.as_ref().is_some_and(wanted) {
                *kept = current.map(|mask| {
                    // A mask of another size is stretched as it is.
                    let Region { left, top, size } = region;
                    let part =
                        mask.cropped(left, top, size).filter(|_| mask.size() == frame.size());
                    let outline = Outline::new(part.as_ref().unwrap_or(mask), to, stroke);
                    let sizes = (!proposed).then(|| Measurements::on(frame, mask)).flatten();
                    let mask = mask.clone();
                    KeptOutline { mask, region, to, stroke, spacing, proposed, outline, sizes }
                });
            }
        }
    }
}

/// How thick the parts of an outline are.
fn stroke(active: bool, unit: u32) -> Stroke {
    // Beyond the largest screens' magnification nothing is gained.
    let unit = unit.min(8) as u8;
    let (line, inner) = if active { (3, 1) } else { (2, 0) };
    Stroke { halo: unit, line: line * unit, inner: inner * unit }
}

/// The colours of an object's outline.
struct Paint {
    halo: Glaze,
    line: Glaze,
    inner: Glaze,
    /// None where the picture is to be seen as it is.
    tint: Option<Glaze>,
}

impl Paint {
    fn of(object: &SceneObject) -> Self {
        let colour = object_colour(object.colour);
        let (line, tint) = if object.active { (256, 60) } else { (216, 32) };
        Self {
            halo: Glaze::new(BLACK, 170),
            line: Glaze::new(colour, line),
            inner: Glaze::new(BLACK, 110),
            tint: (!object.proposed).then(|| Glaze::new(colour, tint)),
        }
    }

    fn part(&self, part: Part) -> Option<&Glaze> {
        match part {
            Part::Halo => Some(&self.halo),
            Part::Line => Some(&self.line),
            Part::Inner => Some(&self.inner),
            Part::Tint => self.tint.as_ref(),
        }
    }
}

/// A colour that covers what is below by a share.
struct Glaze {
    red_blue: u32,
    green: u32,
    /// The share of what is below, of 256.
    below: u32,
}

const RED_BLUE: u32 = 0x00FF_00FF;
const GREEN: u32 = 0x0000_FF00;

impl Glaze {
    /// `colour` at `opacity`, of 256.
    fn new(colour: Rgb888, opacity: u32) -> Self {
        let word: u32 = colour.into_storage();
        Self {
            red_blue: (word & RED_BLUE) * opacity,
            green: (word & GREEN) * opacity,
            below: 256 - opacity,
        }
    }

    fn over(&self, pixels: &mut [u32]) {
        for pixel in pixels {
            let red_blue = ((*pixel & RED_BLUE) * self.below + self.red_blue) >> 8;
            let green = ((*pixel & GREEN) * self.below + self.green) >> 8;
            *pixel = red_blue & RED_BLUE | green & GREEN;
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::pixelcolor::RgbColor;

    use crate::screen::Canvas;

    use super::*;

    #[test]
    fn a_glaze_mixes_each_channel() {
        let cases = [
            ("nothing", Rgb888::new(9, 9, 9), 0),
            ("half", Rgb888::new(200, 100, 0), 128),
            ("a little", Rgb888::new(255, 255, 255), 60),
            ("all", Rgb888::new(1, 2, 3), 256),
        ];
        for (name, colour, opacity) in cases {
            let mut pixel = [0x00FF_8001];
            Glaze::new(colour, opacity).over(&mut pixel);
            let channels = [(0xFF, colour.r()), (0x80, colour.g()), (0x01, colour.b())];
            let expected =
                channels.map(|(a, b)| ((a * (256 - opacity) + u32::from(b) * opacity) >> 8) as u8);
            assert_eq!(pixel[0].to_be_bytes()[1..], expected, "{name}");
        }
    }

    fn object(mask: Mask, colour: usize, active: bool) -> SceneObject {
        SceneObject {
            mask: Some(mask),
            points: vec![],
            bounding_box: None,
            colour,
            active,
            proposed: false,
            label: None,
        }
    }

    /// The picture put together pixel by pixel.
    fn slowly(frame: &Frame, objects: &[SceneObject], to: FrameSize) -> Vec<u32> {
        let mut scaler = Scaler::new(frame.size(), to);
        let mut pixels = vec![0; to.pixels()];
        for (y, row) in pixels.chunks_exact_mut(to.width as usize).enumerate() {
            scaler.row(frame, y as u32, row);
        }
        let mut ordered: Vec<_> = objects.iter().collect();
        ordered.sort_by_key(|object| object.active);
        for object in ordered {
            let outline = Outline::new(object.mask.as_ref().unwrap(), to, stroke(object.active, 1));
            for (i, pixel) in pixels.iter_mut().enumerate() {
                let (x, y) = (i as u32 % to.width, i as u32 / to.width);
                let at = |span: &&super::super::outline::Span| (span.start..span.end).contains(&x);
                if let Some(span) = outline.row(y).iter().find(at)
                    && let Some(glaze) = Paint::of(object).part(span.part)
                {
                    glaze.over(std::slice::from_mut(pixel));
                }
            }
        }
        pixels
    }

    #[test]
    fn rows_equal_pixels_and_follow_every_change() {
        let size = FrameSize::new(24, 18);
        let frame = |seed: usize| {
            let rgb: Vec<u8> = (0..size.pixels() * 3).map(|i| (i * seed % 251) as u8).collect();
            Frame::from_rgb(size, rgb).unwrap()
        };
        let disc = |cx: i32, cy: i32| {
            let all = (0..18).flat_map(|y| (0..24).map(move |x| (x, y)));
            let inside = |(x, y)| u8::from((x - cx) * (x - cx) + (y - cy) * (y - cy) < 30);
            Mask::from_pixels(size, all.map(inside).collect())
        };
        let (first, second) = (disc(8, 8), disc(13, 9));
        let cases = [
            ("no object", frame(37), vec![], (40, 30)),
            ("one", frame(37), vec![object(first.clone(), 0, true)], (40, 30)),
            ("another frame", frame(91), vec![object(first.clone(), 0, true)], (40, 30)),
            ("inactive", frame(91), vec![object(first.clone(), 0, false)], (40, 30)),
            ("another mask", frame(91), vec![object(second.clone(), 0, true)], (40, 30)),
            (
                "two",
                frame(91),
                vec![object(second, 9, true), object(first.clone(), 1, false)],
                (40, 30),
            ),
            (
                "proposed",
                frame(91),
                vec![SceneObject { proposed: true, ..object(first.clone(), 0, false) }],
                (40, 30),
            ),
            ("another size", frame(91), vec![object(first.clone(), 0, true)], (24, 18)),
            ("smaller", frame(91), vec![object(first, 0, true)], (8, 6)),
        ];
        let mut layer = PictureLayer::default();
        for (name, frame, objects, (w, h)) in cases {
            let mut canvas = Canvas::new(Size::new(w, h));
            let viewport = stretched(frame.size(), w, h);
            layer.draw(&frame, &objects, &viewport, 1, &mut canvas).unwrap();
            assert!(canvas.pixels() == slowly(&frame, &objects, FrameSize::new(w, h)), "{name}");
            // A part of it is what the part alone would be.
            let (left, top, size) = (5, 3, FrameSize::new(12, 9));
            let part = viewport.showing(Region { left, top, size });
            layer.draw(&frame, &objects, &part, 1, &mut canvas).unwrap();
            let mut cropped = objects.clone();
            for object in &mut cropped {
                object.mask = object.mask.as_ref().and_then(|m| m.cropped(left, top, size));
            }
            let frame = frame.cropped(left, top, size).unwrap();
            assert!(canvas.pixels() == slowly(&frame, &cropped, FrameSize::new(w, h)), "{name}");
        }
    }

    /// All of a canvas of `w` × `h` as viewport; both keep the frames' aspect ratio.
    fn stretched(frame: FrameSize, w: u32, h: u32) -> Viewport {
        let viewport = Viewport::fit(Rectangle::new(Point::zero(), Size::new(w, h)), frame);
        assert_eq!(viewport.area().size, Size::new(w, h));
        viewport
    }
}
