//! The labels of structures, beside their outlines.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::Alignment;

use crate::geometry::FramePoint;

use super::palette::{PLATE, object_colour};
use super::scene::SceneObject;
use super::text::Letters;
use super::viewport::Viewport;

/// Draws an object's label below its outline, or within the picture where there is no room below; not
/// at all where it is wider than the picture.
pub(super) fn draw_tag<D: DrawTarget<Color = Rgb888>>(
    object: &SceneObject,
    viewport: &Viewport,
    unit: u32,
    target: &mut D,
) -> Result<(), D::Error> {
    let (Some(label), Some(mask)) = (&object.label, &object.mask) else { return Ok(()) };
    let Some(b) = mask.bounding_box() else { return Ok(()) };
    let letters = Letters::largest(unit);
    let gap = 4 * unit;
    let area = viewport.area();
    let size = Size::new(letters.width(label), letters.height(label));
    let plate = size + Size::new_equal(gap);
    if plate.width > area.size.width || plate.height > area.size.height {
        return Ok(());
    }
    let foot = viewport.to_screen(FramePoint::new((b.x0 + b.x1) / 2.0, b.y1));
    let below = foot + Point::new(-(plate.width as i32) / 2, gap as i32);
    let limit = area.top_left + (area.size - plate);
    let corner = below.component_min(limit).component_max(area.top_left);
    let plate = Rectangle::new(corner, plate);
    target.fill_solid(&plate, PLATE)?;
    let ink = (object_colour(object.colour), Some(PLATE));
    letters.write(label, plate, Alignment::Center, ink, target)
}
