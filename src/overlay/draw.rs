//! The whole screen.

use embedded_graphics::draw_target::{DrawTarget, DrawTargetExt};
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;

use crate::frame::Frame;
use crate::measure::Calliper;
use crate::screen::Canvas;

use super::buttons::draw_button;
use super::callipers::{draw_calliper, draw_ruler};
use super::guide::draw_guide;
use super::layout::Layout;
use super::palette::BLACK;
use super::picture::PictureLayer;
use super::prompts::{draw_prompts, draw_region, draw_rubber_band};
use super::scene::{Scene, SceneObject};
use super::sizes::{draw_diameters, draw_list};
use super::status::{draw_alert, draw_status, draw_working};
use super::tags::draw_tag;
use super::tiles::draw_tile;

/// Draws scenes. It keeps the outlines of the masks and its row buffer from one to the next, so
/// one overlay should draw all the scenes of a screen.
#[derive(Default)]
pub struct Overlay {
    picture: PictureLayer,
}

impl Overlay {
    /// An overlay that has not drawn anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws all of `scene` as `layout` says; `layout` should have been made for the size of the
    /// target and of the scene's frame. A frame of another size is stretched to its viewport, and
    /// so are the masks.
    ///
    /// # Errors
    /// Those of `target`.
    pub fn draw<D: DrawTarget<Color = Rgb888>>(
        &mut self,
        scene: &Scene,
        layout: &Layout,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let (viewport, unit, chrome) = (layout.viewport(), layout.unit(), scene.theme.chrome());
        if let Some(tiles) = &scene.tiles {
            let screen = Rectangle::new(Point::zero(), layout.screen());
            target.fill_solid(&screen, chrome.background)?;
            for (tile, area) in tiles.iter().zip(layout.tile_areas()) {
                draw_tile(tile, *area, unit, chrome, target)?;
            }
            return draw_controls(scene, layout, target);
        }
        let area = viewport.area();
        for rest in around(area, layout.screen()) {
            target.fill_solid(&rest, chrome.background)?;
        }
        match &scene.frame {
            Some(frame) => self.picture.draw(frame, &scene.objects, &viewport, unit, target)?,
            None => target.fill_solid(&area, BLACK)?,
        }
        let mut picture = target.clipped(&area);
        let sizes = || {
            let shown = self.picture.sizes().filter(|_| scene.frame.is_some());
            shown.filter_map(|(i, sizes)| Some((sizes, scene.objects.get(i)?.colour)))
        };
        for (sizes, colour) in sizes() {
            draw_diameters(sizes, colour, &viewport, unit, &mut picture)?;
        }
        for active in [false, true] {
            for object in scene.objects.iter().filter(|object| object.active == active) {
                draw_prompts(object, &viewport, unit, &mut picture)?;
            }
        }
        draw_list(sizes(), &scene.words, area, unit, &mut picture)?;
        for object in &scene.objects {
            draw_tag(object, &viewport, unit, &mut picture)?;
        }
        for calliper in &scene.callipers {
            draw_calliper(calliper, &viewport, unit, &mut picture)?;
        }
        if let Some(ruler) = &scene.ruler {
            draw_ruler(ruler, &viewport, unit, &mut picture)?;
        }
        if let Some(region) = scene.region {
            draw_region(region, &viewport, unit, &mut picture)?;
        }
        if let Some(band) = scene.rubber_band {
            draw_rubber_band(band, &viewport, unit, &mut picture)?;
        }
        if let Some(elapsed) = scene.working {
            draw_working(elapsed, area, unit, &mut picture)?;
        }
        if let Some(alert) = &scene.alert {
            // Without a picture, where one would be.
            let area = if scene.frame.is_some() { area } else { layout.room() };
            draw_alert(alert, area, unit, target)?;
        }
        if scene.guide {
            draw_guide(&scene.words, layout.room(), unit, target)?;
        }
        draw_controls(scene, layout, target)
    }
}

/// Draws buttons and status line.
fn draw_controls<D: DrawTarget<Color = Rgb888>>(
    scene: &Scene,
    layout: &Layout,
    target: &mut D,
) -> Result<(), D::Error> {
    let (unit, chrome) = (layout.unit(), scene.theme.chrome());
    for state in &scene.buttons {
        draw_button(state, layout.button_area(state.button), unit, chrome, target)?;
    }
    draw_status(&scene.status, &scene.words, layout.status_area(), unit, chrome, target)
}

/// A frame with masks, prompts and callipers at its own size, without buttons and status line.
pub fn draw_still(frame: &Frame, objects: Vec<SceneObject>, callipers: Vec<Calliper>) -> Canvas {
    let layout = Layout::picture_only(frame.size());
    let mut canvas = Canvas::new(layout.screen());
    let scene = Scene { frame: Some(frame.clone()), objects, callipers, ..Scene::default() };
    let Ok(()) = Overlay::new().draw(&scene, &layout, &mut canvas);
    canvas
}

/// The parts of the screen round `area`: above, below, left and right of it.
fn around(area: Rectangle, screen: Size) -> [Rectangle; 4] {
    let (left, top) = (area.top_left.x, area.top_left.y);
    let (right, bottom) = (left + area.size.width as i32, top + area.size.height as i32);
    let (width, height) = (screen.width as i32, screen.height as i32);
    let between = |x0: i32, y0: i32, x1: i32, y1: i32| {
        Rectangle::new(Point::new(x0, y0), Size::new((x1 - x0) as u32, (y1 - y0) as u32))
    };
    [
        between(0, 0, width, top),
        between(0, bottom, width, height),
        between(0, top, left, bottom),
        between(right, top, width, bottom),
    ]
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use embedded_graphics::Pixel;
    use embedded_graphics::geometry::OriginDimensions;
    use embedded_graphics::pixelcolor::{IntoStorage, Rgb565};

    use crate::frame::PixelSpacing;
    use crate::geometry::{FrameBox, FramePoint, FrameSize};
    use crate::mask::Mask;
    use crate::measure::calliper;
    use crate::overlay::palette::Theme;
    use crate::overlay::scene::{Button, ButtonState, Status};
    use crate::prompt::{PointLabel, PromptPoint};
    use crate::words::Words;

    use super::*;

    /// A scene with everything on it.
    fn scene(size: FrameSize) -> Scene {
        let rgb: Vec<u8> = (0..size.pixels() * 3).map(|i| (i * 13 % 199) as u8).collect();
        let pixels = (0..size.pixels()).map(|i| u8::from(i % 7 < 4)).collect();
        let point = |x, y, label| PromptPoint { position: FramePoint::new(x, y), label };
        let object = SceneObject {
            mask: Some(Mask::from_pixels(size, pixels)),
            points: vec![
                point(0.0, 0.0, PointLabel::Positive),
                point(f32::NAN, f32::INFINITY, PointLabel::Negative),
                point(-1e30, 1e30, PointLabel::Negative),
            ],
            bounding_box: Some(FrameBox { x0: -3.0, y0: 0.0, x1: 1e20, y1: 5.0 }),
            colour: usize::MAX,
            active: true,
            proposed: false,
            label: Some("a label that is too long for the picture ".repeat(3)),
        };
        let passive = SceneObject { active: false, colour: 1, ..object.clone() };
        Scene {
            frame: Some(Frame::from_rgb(size, rgb).unwrap()),
            objects: vec![object, passive],
            rubber_band: Some(FrameBox { x0: f32::NAN, y0: 1.0, x1: 2.0, y1: 5.0 }),
            callipers: vec![calliper(FramePoint::new(1.0, 2.0), FramePoint::new(9e9, 3.0), None)],
            ruler: None,
            region: Some(FrameBox { x0: -5.0, y0: f32::NAN, x1: 1e9, y1: 3.0 }),
            guide: false,
            tiles: None,
            theme: Theme::Day,
            words: Words::default(),
            buttons: Button::ALL
                .map(|button| ButtonState {
                    button,
                    label: "Next mask".into(),
                    enabled: true,
                    active: false,
                })
                .to_vec(),
            alert: Some("No signal ".repeat(40)),
            status: Status {
                source: "a file with a very long name ".repeat(20),
                message: Some("心臓 ".repeat(200)),
                predicted_iou: Some(f32::NAN),
                mask_of: Some((usize::MAX, 7)),
                ..Status::default()
            },
            working: Some(Duration::MAX),
        }
    }

    /// On a panel of 800 × 480 a line of sizes reaches beyond the middle of the picture.
    #[test]
    fn sizes_are_to_be_read_while_the_network_is_at_work() {
        let (screen, size) = (Size::new(800, 480), FrameSize::new(640, 480));
        let rgb = vec![60; size.pixels() * 3];
        let mut frame = Frame::from_rgb(size, rgb).unwrap();
        frame.pixel_spacing = Some(PixelSpacing { row_mm: 0.5, column_mm: 0.5 });
        frame.transducer_y = Some(0.0);
        let inside = |k: usize| u8::from((100..540).contains(&(k % 640)) && k > 640 * 100);
        let mask = Some(Mask::from_pixels(size, (0..size.pixels()).map(inside).collect()));
        let object = SceneObject { mask, ..scene(size).objects[0].clone() };
        let drawn = |working: Option<Duration>| {
            let objects = vec![SceneObject { points: vec![], label: None, ..object.clone() }];
            let scene = Scene { frame: Some(frame.clone()), objects, working, ..Scene::default() };
            let mut canvas = Canvas::new(screen);
            Overlay::new().draw(&scene, &Layout::new(screen, size), &mut canvas).unwrap();
            canvas
        };
        let [resting, working] = [None, Some(Duration::from_secs(1))].map(drawn);
        assert!(resting != working, "the ring is there");
        let upper = 800 * Layout::new(screen, size).viewport().area().size.height as usize / 2;
        assert!(resting.pixels()[..upper] == working.pixels()[..upper], "and on no size");
    }

    #[test]
    fn no_size_is_too_odd_to_draw() {
        let screens = [0, 1, 2, 5, 40, 130, 700];
        let mut overlay = Overlay::new();
        for (w, h) in screens.iter().flat_map(|&w| screens.map(|h| (w, h))) {
            for frame in [FrameSize::new(1, 1), FrameSize::new(2, 300), FrameSize::new(64, 48)] {
                let screen = Size::new(w, h);
                let mut canvas = Canvas::new(screen);
                overlay.draw(&scene(frame), &Layout::new(screen, frame), &mut canvas).unwrap();
                let guide = Scene { guide: true, ..Scene::default() };
                overlay.draw(&guide, &Layout::new(screen, frame), &mut canvas).unwrap();
                let other = Layout::new(Size::new(h, 77), FrameSize::new(0, 9));
                overlay.draw(&scene(frame), &other, &mut canvas).unwrap();
                let alone = Layout::picture_only(FrameSize::new(w, h));
                overlay.draw(&scene(frame), &alone, &mut canvas).unwrap();
            }
        }
    }

    #[test]
    fn every_pixel_is_drawn() {
        for (w, h) in [(320, 200), (199, 301), (1, 1), (47, 3)] {
            let (screen, frame) = (Size::new(w, h), FrameSize::new(64, 48));
            let untouched = Rgb888::new(1, 254, 1);
            let mut canvas = Canvas::new(screen);
            canvas.clear(untouched).unwrap();
            Overlay::new().draw(&scene(frame), &Layout::new(screen, frame), &mut canvas).unwrap();
            assert!(!canvas.pixels().contains(&untouched.into_storage()), "{w}x{h}");
        }
    }

    #[test]
    fn what_is_wrong_is_written_without_a_picture_too() {
        let screen = Size::new(320, 200);
        let drawn = |alert: Option<&str>| {
            let mut canvas = Canvas::new(screen);
            let scene = Scene { alert: alert.map(str::to_owned), ..Scene::default() };
            let layout = Layout::new(screen, FrameSize::new(0, 0));
            Overlay::new().draw(&scene, &layout, &mut canvas).unwrap();
            canvas
        };
        let letters = |canvas: &Canvas| {
            let bright = |word: &&u32| **word & 0xFF > 0xA0;
            canvas.pixels().iter().filter(bright).count()
        };
        assert!(letters(&drawn(Some("a.png can't be read: damaged"))) > letters(&drawn(None)) + 50);
    }

    /// A display with another pixel format that knows single pixels alone.
    struct SmallDisplay {
        pixels: Vec<Rgb565>,
        size: Size,
    }

    impl OriginDimensions for SmallDisplay {
        fn size(&self) -> Size {
            self.size
        }
    }

    impl DrawTarget for SmallDisplay {
        type Color = Rgb565;
        type Error = Infallible;

        fn draw_iter<I: IntoIterator<Item = Pixel<Rgb565>>>(
            &mut self,
            pixels: I,
        ) -> Result<(), Infallible> {
            for Pixel(Point { x, y }, colour) in pixels {
                let on = |v: i32, length: u32| (0..length as i32).contains(&v);
                if on(x, self.size.width) && on(y, self.size.height) {
                    self.pixels[y as usize * self.size.width as usize + x as usize] = colour;
                }
            }
            Ok(())
        }
    }

    #[test]
    fn other_displays_show_the_same() {
        let (size, frame) = (Size::new(320, 240), FrameSize::new(64, 48));
        let (scene, layout) = (scene(frame), Layout::new(size, frame));
        let mut canvas = Canvas::new(size);
        Overlay::new().draw(&scene, &layout, &mut canvas).unwrap();
        let mut display = SmallDisplay { pixels: vec![Rgb565::default(); 320 * 240], size };
        Overlay::new().draw(&scene, &layout, &mut display.color_converted()).unwrap();
        for (found, &word) in display.pixels.iter().zip(canvas.pixels()) {
            let [_, red, green, blue] = word.to_be_bytes();
            assert_eq!(*found, Rgb565::from(Rgb888::new(red, green, blue)));
        }
    }
}
