//! From pointer events to taps, drags, long presses and pinches.

use std::time::Duration;

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
    /// It has rested where it came down; nothing follows when it is lifted.
    LongPress {
        /// Where it came down.
        at: Point,
    },
    /// Two fingers moved: what was below them is to be below them again, so that it is moved, and
    /// larger when they part.
    Pinched {
        /// Where they were.
        from: [Point; 2],
        /// Where they are.
        to: [Point; 2],
    },
    /// What it began is void: a second finger came down, or the screen took the pointer away.
    Cancelled,
}

/// A finger that is down.
#[derive(Clone, Copy, Debug)]
struct Finger {
    id: u64,
    at: Point,
}

/// The finger that makes a gesture.
#[derive(Clone, Copy, Debug)]
struct Tracked {
    id: u64,
    from: Point,
    since: Duration,
    dragging: bool,
}

/// Two fingers that are down together.
#[derive(Clone, Copy, Debug)]
struct Pinch {
    ids: [u64; 2],
    /// Where they came down, or were when the gesture was told last.
    last: [Point; 2],
    /// One has moved beyond its wobble.
    moving: bool,
}

/// Recognises gestures of one finger, and of two together. A second finger cancels what the first
/// began, and no gesture of one finger begins before all are lifted.
#[derive(Clone, Debug)]
pub struct GestureRecogniser {
    wobble_px: f32,
    down: Vec<Finger>,
    tracked: Option<Tracked>,
    pinch: Option<Pinch>,
}

impl GestureRecogniser {
    /// How far a resting finger wanders, in millimetres.
    pub const WOBBLE_MM: f32 = 2.0;

    /// How long a finger rests for a long press: longer than a hesitant tap.
    pub const LONG_PRESS: Duration = Duration::from_millis(600);

    /// Fingers that can be down at once. More can only be fingers whose lifting was never told;
    /// all are forgotten then.
    const MAX_FINGERS: usize = 10;

    /// A recogniser for a screen with `pixels_per_mm` pixels to the millimetre (about 3.8 on a
    /// desktop at 96 dpi, 8.5 on a 7 inch panel of 1280×800). A finger that moves farther than
    /// [`WOBBLE_MM`](Self::WOBBLE_MM), and at least one pixel, drags. A scale that is not a
    /// positive number counts as 0.
    pub fn new(pixels_per_mm: f32) -> Self {
        let mut recogniser = Self { wobble_px: 1.0, down: Vec::new(), tracked: None, pinch: None };
        recogniser.set_scale(pixels_per_mm);
        recogniser
    }

    /// The screen has another scale now; see [`new`](Self::new).
    pub fn set_scale(&mut self, pixels_per_mm: f32) {
        self.wobble_px = (pixels_per_mm * Self::WOBBLE_MM).max(1.0);
    }

    /// Whether a finger is down.
    pub fn is_touched(&self) -> bool {
        !self.down.is_empty()
    }

    /// Takes the next event of the screen. Moves and lifts of unknown fingers are ignored. A
    /// finger that comes down while it is down must have been lifted unnoticed: what it had begun
    /// is replaced.
    pub fn handle(&mut self, event: &PointerEvent) -> Option<Gesture> {
        let PointerEvent { id, phase, position, time } = *event;
        match phase {
            PointerPhase::Down => self.down(id, position, time),
            PointerPhase::Move => {
                let finger = self.down.iter_mut().find(|finger| finger.id == id)?;
                finger.at = position;
                self.moved(id, position).or_else(|| self.pinched())
            }
            PointerPhase::Up => {
                self.lifted(id);
                self.moved(id, position);
                let Tracked { from, dragging, .. } = self.tracked.take_if(|t| t.id == id)?;
                Some(if dragging {
                    Gesture::Drag { from, to: position }
                } else {
                    Gesture::Tap { at: from }
                })
            }
            PointerPhase::Cancel => {
                self.lifted(id);
                self.tracked.take_if(|t| t.id == id).map(|_| Gesture::Cancelled)
            }
        }
    }

    /// Takes notice of the time, on the clock of the events: a finger that rests tells nothing.
    pub fn tick(&mut self, now: Duration) -> Option<Gesture> {
        let rested =
            |t: &mut Tracked| !t.dragging && now.saturating_sub(t.since) >= Self::LONG_PRESS;
        self.tracked.take_if(rested).map(|t| Gesture::LongPress { at: t.from })
    }

    fn down(&mut self, id: u64, at: Point, time: Duration) -> Option<Gesture> {
        self.lifted(id);
        if self.down.len() == Self::MAX_FINGERS {
            self.down.clear();
        }
        self.down.push(Finger { id, at });
        self.pinch = match self.down[..] {
            [a, b] => Some(Pinch { ids: [a.id, b.id], last: [a.at, b.at], moving: false }),
            _ => None,
        };
        if self.down.len() == 1 {
            self.tracked = Some(Tracked { id, from: at, since: time, dragging: false });
            Some(Gesture::Touched { at })
        } else {
            self.tracked.take().map(|_| Gesture::Cancelled)
        }
    }

    fn lifted(&mut self, id: u64) {
        self.down.retain(|finger| finger.id != id);
        self.pinch.take_if(|pinch| pinch.ids.contains(&id));
    }

    fn moved(&mut self, id: u64, to: Point) -> Option<Gesture> {
        let tracked = self.tracked.as_mut().filter(|t| t.id == id)?;
        tracked.dragging |= distance(tracked.from, to) > self.wobble_px;
        tracked.dragging.then_some(Gesture::DragMoved { from: tracked.from, to })
    }

    fn pinched(&mut self) -> Option<Gesture> {
        let (Some(pinch), [a, b]) = (&mut self.pinch, &self.down[..]) else { return None };
        let (from, to) = (pinch.last, [a.at, b.at]);
        if pinch.moving {
            pinch.last = to;
            return Some(Gesture::Pinched { from, to });
        }
        let wobble = self.wobble_px;
        pinch.moving = from.iter().zip(to).any(|(from, to)| distance(*from, to) > wobble);
        // Nothing jumps by the wobble: what is below the fingers counts from here.
        if pinch.moving {
            pinch.last = to;
        }
        None
    }
}

/// The distance between two points in pixels; far apart ones don't overflow.
fn distance(a: Point, b: Point) -> f32 {
    (b.x as f32 - a.x as f32).hypot(b.y as f32 - a.y as f32)
}

#[cfg(test)]
mod tests {
    use super::Gesture::{Cancelled, Drag, DragMoved, LongPress, Pinched, Tap, Touched};
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

    /// Finger, phase, x, milliseconds; what is told at each event and tick.
    fn told(events: &[(u64, PointerPhase, i32, u64)], ticks: &[u64]) -> Vec<Gesture> {
        let mut recogniser = GestureRecogniser::new(4.0);
        let mut found = Vec::new();
        let mut ticks = ticks.iter().copied().peekable();
        let end = events.iter().map(|e| e.3).max().unwrap_or(0) + 5000;
        for &(id, phase, x, ms) in events.iter().chain([&(99, Move, 0, end)]) {
            while let Some(tick) = ticks.next_if(|tick| *tick <= ms) {
                found.extend(recogniser.tick(Duration::from_millis(tick)));
            }
            let time = Duration::from_millis(ms);
            found.extend(recogniser.handle(&PointerEvent { id, phase, position: p(x), time }));
        }
        found
    }

    #[test]
    fn a_finger_that_rests_presses_long() {
        let long = [Touched { at: p(10) }, LongPress { at: p(10) }];
        let tap = [Touched { at: p(10) }, Tap { at: p(10) }];
        let rest = [(0, Down, 10, 100), (0, Move, 14, 300), (0, Up, 12, 900)];
        assert_eq!(told(&rest, &[699, 700, 800, 2000]), long, "told once, while it is down");
        assert_eq!(told(&rest, &[50, 699]), tap, "nobody looked in time");
        assert_eq!(told(&[(0, Down, 10, 100), (0, Up, 10, 650)], &[500, 720]), tap, "slow");
        let dragged = [(0, Down, 10, 0), (0, Move, 90, 100), (0, Up, 90, 3000)];
        let found = told(&dragged, &[1000, 2000]);
        assert_eq!(found.last(), Some(&Drag { from: p(10), to: p(90) }), "{found:?}");
        let two = [(0, Down, 10, 0), (1, Down, 60, 100), (1, Up, 60, 2000), (0, Up, 10, 2100)];
        assert_eq!(told(&two, &[1000, 2050]), [Touched { at: p(10) }, Cancelled], "two fingers");
        let after = [(0, Down, 10, 0), (0, Move, 90, 800), (0, Up, 90, 900), (0, Down, 5, 950)];
        let found = told(&after, &[700]);
        assert_eq!(found[2..], [Touched { at: p(5) }], "what moves after it is nothing: {found:?}");
    }

    #[test]
    fn two_fingers_pinch_from_where_they_pass_their_wobble() {
        let pinched = |a, b, c, d| Pinched { from: [p(a), p(b)], to: [p(c), p(d)] };
        let begun = [Touched { at: p(10) }, Cancelled];
        let apart: &[_] = &[
            (0, Down, 10, 0),
            (1, Down, 60, 1),
            (1, Move, 66, 2),
            (1, Move, 70, 3),
            (1, Move, 80, 4),
            (0, Move, 0, 5),
            (0, Up, 0, 6),
            (1, Move, 200, 7),
            (1, Up, 200, 8),
        ];
        let expected = [&begun[..], &[pinched(10, 70, 10, 80), pinched(10, 80, 0, 80)]].concat();
        assert_eq!(told(apart, &[]), expected);
        let third: &[_] = &[
            (0, Down, 10, 0),
            (1, Down, 60, 1),
            (2, Down, 90, 2),
            (1, Move, 99, 3),
            (2, Up, 90, 4),
            (1, Move, 150, 5),
        ];
        assert_eq!(told(third, &[]), begun, "a third finger ends it");
        let again: &[_] = &[
            (0, Down, 10, 0),
            (1, Down, 60, 1),
            (1, Up, 60, 2),
            (0, Move, 20, 3),
            (4, Down, 70, 4),
            (4, Move, 90, 5),
            (0, Move, 0, 6),
        ];
        let expected = [&begun[..], &[pinched(20, 90, 0, 90)]].concat();
        assert_eq!(told(again, &[]), expected, "another second finger");
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
