//! Where everything stands on the screen.

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use crate::geometry::{FramePoint, FrameSize};
use crate::screen::Canvas;

use super::arrangement::Arrangement;
use super::band::{Band, picture_pixels};
use super::scene::Button;
use super::tiles::tile_areas;
use super::viewport::Viewport;
use super::zoom::Zoom;

/// The share of the screen's shorter side that makes a finger-sized button: 64 pixels of 800,
/// about 10 mm on the 7 to 10 inch panels of bedside devices.
const FINGER_SHARE: f32 = 0.08;

/// No button is planned narrower or lower than this, in pixels: 9 mm on a 7 inch panel of 800 ×
/// 480.
const MIN_FINGER: u32 = 48;

/// The screen's shorter side for which lines and letters are drawn at their plain size; larger
/// screens magnify them by whole numbers.
const PLAIN_SIDE: f32 = 800.0;

/// The screen divided into picture, buttons and status line, in screen pixels. The buttons stand
/// in columns beside the picture, at the side of the hand that points, or in rows below it, whichever
/// keeps the picture larger.
///
/// No button is smaller than [`Arrangement::TARGET_MM`] where the screen's scale is known and half of
/// it has the room. Where it has not, they are as large as that half allows; any size is fine, even
/// zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    screen: Size,
    unit: u32,
    viewport: Viewport,
    buttons: Vec<(Button, Rectangle)>,
    status: Rectangle,
    /// What the buttons leave for the picture.
    room: Rectangle,
    tiles: Vec<Rectangle>,
    /// The guide lies over everything.
    guide: bool,
}

impl Layout {
    /// The layout for frames of the size `frame` on a screen of the size `screen`. Before the
    /// first frame, a `frame` of 0 × 0 leaves the picture's room empty. Sides of `screen` beyond
    /// [`Canvas::MAX_SIDE`] are cut to it.
    pub fn new(screen: Size, frame: FrameSize) -> Self {
        Self::with_buttons(screen, frame, Button::ALL)
    }

    /// As [`new`](Self::new), with these buttons in this order.
    pub fn with_buttons(
        screen: Size,
        frame: FrameSize,
        buttons: impl IntoIterator<Item = Button>,
    ) -> Self {
        Self::arranged(screen, frame, buttons, Arrangement::default())
    }

    /// As [`with_buttons`](Self::with_buttons), for the hand and the scale that `arrangement` tells.
    pub fn arranged(
        screen: Size,
        frame: FrameSize,
        buttons: impl IntoIterator<Item = Button>,
        arrangement: Arrangement,
    ) -> Self {
        let buttons: Vec<Button> = buttons.into_iter().collect();
        let count = buttons.len() as u32;
        let screen = screen.component_min(Size::new_equal(Canvas::MAX_SIDE));
        let short = screen.width.min(screen.height) as f32;
        let unit = unit(screen);
        let target = arrangement.target();
        let comfortable = ((short * FINGER_SHARE) as u32).max(MIN_FINGER);
        let comfortable = target.map_or(comfortable, |target| comfortable.max(target));
        // Two lines of text, smaller on a small screen.
        let line = if short >= 600.0 { 22 * unit } else { 16 };
        let status_height = (2 * line + 6 * unit).min(screen.height / 5);
        let body = Size::new(screen.width, screen.height - status_height);
        let status_top_left = Point::new(0, body.height as i32);
        let least = target.unwrap_or(MIN_FINGER);
        let fitting = [comfortable, least].into_iter().find_map(|finger| {
            let bands = Band::candidates(body, finger, count, arrangement.hand);
            let area = |band: &Band| picture_pixels(&band.viewport(body, frame));
            // The first of those that leave the picture equally large.
            let best = bands.reduce(|a, b| if area(&b) > area(&a) { b } else { a })?;
            Some(best.widened(body, frame, finger))
        });
        let band = fitting.unwrap_or_else(|| Band::roomiest(body, count, arrangement.hand));
        Self {
            screen,
            unit,
            viewport: band.viewport(body, frame),
            buttons: (0..).zip(buttons).map(|(i, b)| (b, band.cell(body, i))).collect(),
            status: Rectangle::new(status_top_left, Size::new(screen.width, status_height)),
            room: band.rest(body),
            tiles: Vec::new(),
            guide: false,
        }
    }

    /// The same layout with `count` tiles in place of the picture.
    #[must_use]
    pub fn with_tiles(self, count: usize) -> Self {
        Self { tiles: tile_areas(self.room, count), ..self }
    }

    /// The same layout with the guide over everything, or without: any place is then
    /// [`Button::Guide`].
    #[must_use]
    pub fn with_guide(self, guide: bool) -> Self {
        Self { guide, ..self }
    }

    /// Whether the guide lies over everything.
    pub fn has_guide(&self) -> bool {
        self.guide
    }

    /// What the buttons and the status line leave for the picture.
    pub fn room(&self) -> Rectangle {
        self.room
    }

    /// The same layout with the part of the picture that is looked at.
    #[must_use]
    pub fn zoomed(self, zoom: Zoom) -> Self {
        let region = zoom.region(self.viewport.frame());
        Self { viewport: self.viewport.showing(region), ..self }
    }

    /// The picture alone, pixel for pixel (up to [`Canvas::MAX_SIDE`]): no buttons and no status
    /// line, which take no room and are not drawn.
    pub fn picture_only(frame: FrameSize) -> Self {
        let whole = Size::new(frame.width, frame.height);
        let screen = whole.component_min(Size::new_equal(Canvas::MAX_SIDE));
        Self {
            screen,
            unit: unit(screen),
            viewport: Viewport::fit(Rectangle::new(Point::zero(), screen), frame),
            buttons: Vec::new(),
            status: Rectangle::zero(),
            room: Rectangle::zero(),
            tiles: Vec::new(),
            guide: false,
        }
    }

    /// The buttons, in order.
    pub fn buttons(&self) -> impl Iterator<Item = Button> {
        self.buttons.iter().map(|(button, _)| *button)
    }

    /// Where the tiles are, each a [`Button::Tile`].
    pub fn tile_areas(&self) -> &[Rectangle] {
        &self.tiles
    }

    /// The screen's size.
    pub fn screen(&self) -> Size {
        self.screen
    }

    /// Where the picture is.
    pub fn viewport(&self) -> Viewport {
        self.viewport
    }

    /// The area in which a press is one on `button`, empty for one that is not there. The areas have
    /// no gaps between them.
    pub fn button_area(&self, button: Button) -> Rectangle {
        let found = self.buttons.iter().find(|(at, _)| *at == button);
        found.map_or(Rectangle::zero(), |(_, area)| *area)
    }

    /// The least side of any button in pixels; 0 where there is none.
    pub fn smallest_button(&self) -> u32 {
        let side = |area: &Rectangle| area.size.width.min(area.size.height);
        self.buttons.iter().map(|(_, area)| side(area)).min().unwrap_or(0)
    }

    /// Where the status line is.
    pub fn status_area(&self) -> Rectangle {
        self.status
    }

    /// How many pixels a thin line takes: 1 and more on large screens.
    pub fn unit(&self) -> u32 {
        self.unit
    }

    /// The button at a screen pixel.
    pub fn button_at(&self, pixel: Point) -> Option<Button> {
        if self.guide {
            return Some(Button::Guide);
        }
        let under = self.buttons.iter().find(|(_, area)| area.contains(pixel));
        let tile = || (0..).zip(&self.tiles).find(|(_, area)| area.contains(pixel));
        under.map(|(button, _)| *button).or_else(|| tile().map(|(i, _)| Button::Tile(i)))
    }

    /// The frame position at a screen pixel, `None` off the picture.
    pub fn frame_point_at(&self, pixel: Point) -> Option<FramePoint> {
        self.viewport.frame_point_at(pixel)
    }

    /// The position on the frame nearest to a screen pixel, for drags that leave the picture;
    /// `None` where there is no picture.
    pub fn nearest_frame_point(&self, pixel: Point) -> Option<FramePoint> {
        self.viewport.nearest_frame_point(pixel)
    }
}

/// How many pixels a thin line takes on a screen.
fn unit(screen: Size) -> u32 {
    let short = screen.width.min(screen.height) as f32;
    ((short / PLAIN_SIDE).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use crate::overlay::arrangement::Hand;
    use crate::screen::pixels_per_mm;

    use super::*;

    struct Case {
        name: &'static str,
        screen: (u32, u32),
        frame: (u32, u32),
        /// The least side of a button.
        button: u32,
        /// The least share of the screen that the picture takes.
        picture: f32,
        buttons_at_the_right: bool,
    }

    #[rustfmt::skip]
    const CASES: [Case; 7] = [
        Case { name: "bedside panel", screen: (1280, 800), frame: (1280, 960), button: 64, picture: 0.7, buttons_at_the_right: true },
        Case { name: "small panel", screen: (800, 480), frame: (640, 480), button: 48, picture: 0.65, buttons_at_the_right: true },
        Case { name: "portrait panel", screen: (800, 1280), frame: (640, 480), button: 64, picture: 0.45, buttons_at_the_right: false },
        Case { name: "phone", screen: (480, 800), frame: (640, 480), button: 48, picture: 0.4, buttons_at_the_right: false },
        Case { name: "full HD", screen: (1920, 1080), frame: (1280, 960), button: 80, picture: 0.65, buttons_at_the_right: true },
        Case { name: "4K", screen: (3840, 2160), frame: (640, 480), button: 160, picture: 0.64, buttons_at_the_right: true },
        Case { name: "square", screen: (720, 720), frame: (640, 480), button: 57, picture: 0.55, buttons_at_the_right: false },
    ];

    fn layout(case: &Case) -> Layout {
        let Case { screen: (w, h), frame: (fw, fh), .. } = *case;
        Layout::new(Size::new(w, h), FrameSize::new(fw, fh))
    }

    #[test]
    fn buttons_are_finger_sized_and_the_picture_large() {
        for case in &CASES {
            let (name, layout) = (case.name, layout(case));
            for button in Button::ALL {
                let Size { width, height } = layout.button_area(button).size;
                assert!(width.min(height) >= case.button, "{name}: {button:?} {width}x{height}");
            }
            let picture = layout.viewport.area().size;
            let share = (picture.width * picture.height) as f32
                / (layout.screen.width * layout.screen.height) as f32;
            assert!(share >= case.picture, "{name}: the picture takes {share}");
            let first = layout.button_area(Button::ALL[0]).top_left;
            assert_eq!(first.y == 0, case.buttons_at_the_right, "{name}");
        }
    }

    /// A panel by its diagonal, its pixels and the size of its lit area; whether it has the room.
    type Panel = (&'static str, (u32, u32), (f32, f32), bool);

    #[rustfmt::skip]
    const PANELS: [Panel; 7] = [
        ("2.8 inch", (320, 240), (57.0, 43.0), false),
        ("4.3 inch", (480, 272), (95.0, 54.0), true),
        ("5 inch", (800, 480), (108.0, 65.0), true),
        ("7 inch", (800, 480), (154.0, 86.0), true),
        ("10 inch", (1280, 800), (217.0, 136.0), true),
        ("10 inch, upright", (800, 1280), (136.0, 217.0), true),
        ("13 inch", (1920, 1080), (294.0, 165.0), true),
    ];

    fn on_panel(pixels: (u32, u32), mm: (f32, f32), hand: Hand) -> (Layout, f32) {
        let screen = Size::new(pixels.0, pixels.1);
        let pixels_per_mm = pixels_per_mm(screen, mm);
        let arrangement = Arrangement { hand, pixels_per_mm };
        let layout = Layout::arranged(screen, FrameSize::new(640, 480), Button::ALL, arrangement);
        let mm = layout.smallest_button() as f32 / pixels_per_mm.unwrap();
        (layout, mm)
    }

    #[test]
    fn buttons_measure_nine_millimetres_where_the_panel_has_the_room() {
        for (name, pixels, size, roomy) in PANELS {
            let (layout, mm) = on_panel(pixels, size, Hand::Right);
            assert_eq!(mm >= Arrangement::TARGET_MM, roomy, "{name}: {mm} mm");
            // Elsewhere they are as large as half of the screen allows.
            assert!(mm >= 5.0, "{name}: {mm} mm");
            let picture = layout.viewport.area().size;
            assert!(2 * picture.width.max(picture.height) >= pixels.0.min(pixels.1), "{name}");
        }
    }

    /// A second press must not start what stands behind the page that the first one left: a search least
    /// of all, and nothing that is kept, goes live or is lost.
    #[test]
    fn a_finger_that_leaves_a_page_twice_starts_nothing() {
        let labelled = Button::ALL.into_iter().chain([Button::Label]).collect();
        let tools: [Vec<Button>; 2] = [Button::ALL.to_vec(), labelled];
        let pages = [&Button::MENU[..], &Button::BROWSING];
        let harmless = [Button::Menu, Button::Label, Button::Calliper];
        for ((name, pixels, mm, _), hand) in
            PANELS.iter().flat_map(|panel| [Hand::Right, Hand::Left].map(|hand| (panel, hand)))
        {
            let screen = Size::new(pixels.0, pixels.1);
            let arrangement = Arrangement { hand, pixels_per_mm: pixels_per_mm(screen, *mm) };
            let on = |buttons: &[Button]| {
                let buttons = buttons.iter().copied();
                Layout::arranged(screen, FrameSize::new(640, 480), buttons, arrangement)
            };
            for (tools, page) in tools.iter().flat_map(|tools| pages.map(|page| (tools, page))) {
                let back = on(page).button_area(Button::Back);
                let behind = on(tools).button_at(back.center());
                assert!(
                    behind.is_none_or(|b| harmless.contains(&b)),
                    "{name} {hand:?}: {behind:?}"
                );
                // Smaller panels have too few rows for no part of it to lie over another button.
                let search = on(tools).button_area(Button::Everything);
                let apart = search.intersection(&back).is_zero_sized();
                assert!(apart || mm.0.max(mm.1) < 150.0, "{name} {hand:?}: {back:?}");
            }
        }
    }

    #[test]
    fn left_hands_have_the_mirror_image() {
        for (name, pixels, size, _) in PANELS {
            let [right, left] = [Hand::Right, Hand::Left].map(|h| on_panel(pixels, size, h).0);
            let upright = pixels.0 < pixels.1;
            for button in Button::ALL {
                let (a, b) = (right.button_area(button), left.button_area(button));
                let mirrored = pixels.0 as i32 - a.top_left.x - a.size.width as i32;
                let expected = if upright { a.top_left.x } else { mirrored };
                assert_eq!((b.top_left.x, b.top_left.y), (expected, a.top_left.y), "{name}");
                assert_eq!(a.size, b.size, "{name}");
                assert!(left.viewport.area().intersection(&b).is_zero_sized(), "{name}");
            }
            assert_eq!(right.viewport.area().size, left.viewport.area().size, "{name}");
        }
    }

    #[test]
    fn nothing_overlaps_or_leaves_the_screen() {
        for case in &CASES {
            let layout = layout(case);
            let mut areas: Vec<_> = Button::ALL.map(|b| layout.button_area(b)).to_vec();
            areas.extend([layout.viewport.area(), layout.status]);
            let screen = Rectangle::new(Point::zero(), layout.screen);
            for (i, a) in areas.iter().enumerate() {
                assert_eq!(a.intersection(&screen), *a, "{}: {i} leaves the screen", case.name);
                for (j, b) in areas.iter().enumerate().skip(i + 1) {
                    assert!(a.intersection(b).is_zero_sized(), "{}: {i} and {j}", case.name);
                }
            }
        }
    }

    #[test]
    fn a_press_finds_the_button_under_it() {
        for case in &CASES {
            let layout = layout(case);
            for button in Button::ALL {
                let area = layout.button_area(button);
                let corners = [area.top_left, area.center(), area.bottom_right().unwrap()];
                for pixel in corners {
                    assert_eq!(layout.button_at(pixel), Some(button), "{}", case.name);
                    assert_eq!(layout.frame_point_at(pixel), None, "{}", case.name);
                }
            }
            let middle = layout.viewport.area().center();
            assert_eq!(layout.button_at(middle), None);
            assert!(layout.frame_point_at(middle).is_some());
            assert_eq!(layout.button_at(layout.status.center()), None);
        }
    }

    #[test]
    fn the_guide_is_wherever_one_presses() {
        let layout = Layout::new(Size::new(800, 480), FrameSize::new(640, 480)).with_guide(true);
        for pixel in [Point::zero(), Point::new(300, 200), Point::new(790, 20), Point::new(9, 470)]
        {
            assert_eq!(layout.button_at(pixel), Some(Button::Guide), "{pixel}");
        }
        assert_ne!(layout.with_guide(false).button_at(Point::zero()), Some(Button::Guide));
    }

    #[test]
    fn a_picture_alone_fills_the_screen() {
        let layout = Layout::picture_only(FrameSize::new(333, 77));
        assert_eq!(layout.screen, Size::new(333, 77));
        assert_eq!(layout.viewport.area(), Rectangle::new(Point::zero(), layout.screen));
        assert_eq!(layout.button_at(Point::zero()), None);
        let flat = Layout::picture_only(FrameSize::new(1_000_000, 60));
        assert_eq!(flat.screen, Size::new(Canvas::MAX_SIDE, 60));
    }

    #[test]
    fn any_size_can_be_laid_out() {
        let sides = [0, 1, 2, 3, 10, 47, 100, 5000, u32::MAX];
        for (w, h) in sides.iter().flat_map(|&w| sides.map(|h| (w, h))) {
            for frame in [FrameSize::new(0, 0), FrameSize::new(1, 1), FrameSize::new(640, 480)] {
                let layout = Layout::new(Size::new(w, h), frame);
                for pixel in [Point::zero(), Point::new(-5, 9), Point::new(i32::MAX, i32::MIN)] {
                    let _ = layout.button_at(pixel);
                    let _ = layout.frame_point_at(pixel);
                    let _ = layout.nearest_frame_point(pixel);
                }
            }
        }
    }
}
