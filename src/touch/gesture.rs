//! From pointer events to taps and drags.

use embedded_graphics::geometry::Point;

use crate::screen::{PointerEvent, PointerPhase};

/// What a person did, in screen pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// A finger came down on the empty glass; a tap, a drag or a cancellation follows.
    Touched {
        /// Where.
        at: Point,
    },
    /// It was lifted without having moved beyond its wobble.
    Tap {
        /// Where it came down: lifting rolls the finger away from what was aimed at.
        at: Point,
    },
    /// It moves; more follows.
    DragMoved {
        /// Where it came down.
        from: Point,
        /// Where it is.
        to: Point,
    },
    /// It was lifted after having moved.
    Drag {
        /// Where it came down.
        from: Point,
        /// Where it was lifted.
        to: Point,
    },
    /// What it began is void: a second finger came down, or the screen took the pointer away.
    Cancelled,
}

/// The finger that makes a gesture.
#[derive(Clone, Copy, Debug)]
struct Tracked {
    id: u64,
    from: Point,
    dragging: bool,
}

/// Recognises gestures of one finger. A second finger cancels, and no gesture begins before all
/// fingers are lifted.
#[derive(Clone, Debug)]
pub struct GestureRecogniser {
    wobble_px: f32,
    down: Vec<u64>,
    tracked: Option<Tracked>,
}

impl GestureRecogniser {
    /// How far a resting finger wanders, in millimetres.
    pub const WOBBLE_MM: f32 = 2.0;

    /// Fingers that can be down at once. More can only be fingers whose lifting was never told;
    /// all are forgotten then.
    const MAX_FINGERS: usize = 10;

    /// A recogniser for a screen with `pixels_per_mm` pixels to the millimetre (about 3.8 on a
    /// desktop at 96 dpi, 8.5 on a 7 inch panel of 1280×800). A finger that moves farther than
    /// [`WOBBLE_MM`](Self::WOBBLE_MM), and at least one pixel, drags. A scale that is not a
    /// positive number counts as 0.
    pub fn new(pixels_per_mm: f32) -> Self {
        Self {
            wobble_px: (pixels_per_mm * Self::WOBBLE_MM).max(1.0),
            down: Vec::new(),
            tracked: None,
        }
    }

    /// Takes the next event of the screen. Moves and lifts of unknown fingers are ignored. A
    /// finger that comes down while it is down must have been lifted unnoticed: what it had begun
    /// is replaced.
    pub fn handle(&mut self, event: &PointerEvent) -> Option<Gesture> {
        let PointerEvent { id, phase, position, .. } = *event;
        match phase {
            PointerPhase::Down => self.down(id, position),
            PointerPhase::Move => self.moved(id, position),
            PointerPhase::Up => {
                self.down.retain(|&finger| finger != id);
                self.moved(id, position);
                let Tracked { from, dragging, .. } = self.tracked.take_if(|t| t.id == id)?;
                Some(if dragging {
                    Gesture::Drag { from, to: position }
                } else {
                    Gesture::Tap { at: from }
                })
            }
            PointerPhase::Cancel => {
                self.down.retain(|&finger| finger != id);
                self.tracked.take_if(|t| t.id == id).map(|_| Gesture::Cancelled)
            }
        }
    }

    fn down(&mut self, id: u64, at: Point) -> Option<Gesture> {
        self.down.retain(|&finger| finger != id);
        if self.down.len() == Self::MAX_FINGERS {
            self.down.clear();
        }
        let alone = self.down.is_empty();
        self.down.push(id);
        if alone {
            self.tracked = Some(Tracked { id, from: at, dragging: false });
            Some(Gesture::Touched { at })
        } else {
            self.tracked.take().map(|_| Gesture::Cancelled)
        }
    }

    fn moved(&mut self, id: u64, to: Point) -> Option<Gesture> {
        let tracked = self.tracked.as_mut().filter(|t| t.id == id)?;
        let (dx, dy) = (to.x as f32 - tracked.from.x as f32, to.y as f32 - tracked.from.y as f32);
        tracked.dragging |= dx.hypot(dy) > self.wobble_px;
        tracked.dragging.then_some(Gesture::DragMoved { from: tracked.from, to })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Gesture::{Cancelled, Drag, DragMoved, Tap, Touched};
    use super::PointerPhase::{Cancel, Down, Move, Up};
    use super::*;

    /// Finger, phase, x; y is always 5. The wobble is 8 px.
    type Events = &'static [(u64, PointerPhase, i32)];

    const fn p(x: i32) -> Point {
        Point::new(x, 5)
    }

    #[test]
    fn gestures() {
        let cases: &[(&str, Events, &[Gesture])] = &[
            ("tap", &[(0, Down, 10), (0, Up, 10)], &[Touched { at: p(10) }, Tap { at: p(10) }]),
            (
                "a finger wobbles",
                &[(0, Down, 10), (0, Move, 18), (0, Move, 2), (0, Up, 14)],
                &[Touched { at: p(10) }, Tap { at: p(10) }],
            ),
            (
                "drag and back",
                &[(0, Down, 10), (0, Move, 19), (0, Move, 11), (0, Up, 10)],
                &[
                    Touched { at: p(10) },
                    DragMoved { from: p(10), to: p(19) },
                    DragMoved { from: p(10), to: p(11) },
                    Drag { from: p(10), to: p(10) },
                ],
            ),
            (
                "a drag whose moves were not told",
                &[(0, Down, 10), (0, Up, 90)],
                &[Touched { at: p(10) }, Drag { from: p(10), to: p(90) }],
            ),
            ("up and move without down", &[(0, Up, 1), (0, Move, 50), (0, Cancel, 1)], &[]),
            (
                "a mouse moves between clicks",
                &[(0, Move, 1), (0, Down, 10), (0, Up, 10), (0, Move, 90)],
                &[Touched { at: p(10) }, Tap { at: p(10) }],
            ),
            (
                "taken away while dragging",
                &[(0, Down, 10), (0, Move, 50), (0, Cancel, 50), (0, Up, 50)],
                &[Touched { at: p(10) }, DragMoved { from: p(10), to: p(50) }, Cancelled],
            ),
            (
                "a second finger voids the gesture until both are lifted",
                &[(0, Down, 10), (1, Down, 60), (0, Move, 99), (0, Up, 99), (2, Down, 5)],
                &[Touched { at: p(10) }, Cancelled],
            ),
            (
                "the next gesture after two fingers",
                &[(0, Down, 10), (1, Down, 60), (1, Up, 60), (0, Up, 10), (0, Down, 7), (0, Up, 7)],
                &[Touched { at: p(10) }, Cancelled, Touched { at: p(7) }, Tap { at: p(7) }],
            ),
            (
                "an id is used again after its up",
                &[(3, Down, 10), (3, Up, 10), (3, Down, 70), (3, Up, 70)],
                &[
                    Touched { at: p(10) },
                    Tap { at: p(10) },
                    Touched { at: p(70) },
                    Tap { at: p(70) },
                ],
            ),
            (
                "an id comes down again without an up",
                &[(3, Down, 10), (3, Move, 50), (3, Down, 70), (3, Up, 70)],
                &[
                    Touched { at: p(10) },
                    DragMoved { from: p(10), to: p(50) },
                    Touched { at: p(70) },
                    Tap { at: p(70) },
                ],
            ),
            (
                "far apart",
                &[(0, Down, i32::MIN), (0, Up, i32::MAX)],
                &[Touched { at: p(i32::MIN) }, Drag { from: p(i32::MIN), to: p(i32::MAX) }],
            ),
        ];
        for (name, events, expected) in cases {
            let mut recogniser = GestureRecogniser::new(4.0);
            let found: Vec<Gesture> = events
                .iter()
                .enumerate()
                .filter_map(|(i, &(id, phase, x))| {
                    let time = Duration::from_millis(10 * i as u64);
                    recogniser.handle(&PointerEvent { id, phase, position: p(x), time })
                })
                .collect();
            assert_eq!(&found, expected, "{name}");
        }
    }

    #[test]
    fn fingers_that_never_lift_do_not_pile_up() {
        let mut recogniser = GestureRecogniser::new(f32::NAN);
        let mut touched = 0;
        for id in 0..1000 {
            let event = PointerEvent { id, phase: Down, position: p(0), time: Duration::ZERO };
            touched += usize::from(matches!(recogniser.handle(&event), Some(Touched { .. })));
            assert!(recogniser.down.len() <= GestureRecogniser::MAX_FINGERS);
        }
        assert_eq!(touched, 100);
    }
}
