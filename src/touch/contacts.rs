//! From the kernel's input events to fingers: multitouch by both of its protocols, single-touch
//! panels, tablets and mice (`Documentation/input/multi-touch-protocol.rst` of Linux).

use std::collections::BTreeMap;

use crate::screen::PointerPhase;

/// Kinds and codes of events, and properties (`linux/input-event-codes.h`).
pub(crate) mod code {
    pub const EV_SYN: u16 = 0;
    pub const EV_KEY: u16 = 1;
    pub const EV_REL: u16 = 2;
    pub const EV_ABS: u16 = 3;
    pub const SYN_REPORT: u16 = 0;
    pub const SYN_MT_REPORT: u16 = 2;
    pub const SYN_DROPPED: u16 = 3;
    pub const BTN_LEFT: u16 = 0x110;
    pub const BTN_TOUCH: u16 = 0x14A;
    pub const REL_X: u16 = 0;
    pub const REL_Y: u16 = 1;
    pub const ABS_X: u16 = 0;
    pub const ABS_Y: u16 = 1;
    pub const ABS_MT_SLOT: u16 = 0x2F;
    pub const ABS_MT_POSITION_X: u16 = 0x35;
    pub const ABS_MT_POSITION_Y: u16 = 0x36;
    pub const ABS_MT_TRACKING_ID: u16 = 0x39;
    pub const INPUT_PROP_POINTER: u16 = 0;
}
use code::*;

/// How a device tells what it feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Multitouch, protocol B: each finger has a slot, of which changes are told.
    Slots,
    /// Multitouch, protocol A: each report tells all fingers, in any order.
    Anonymous,
    /// One finger, pen or button at an absolute position.
    Single,
    /// Movement, and a button.
    Mouse,
}

/// What a device can tell, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// `ABS_MT_POSITION_X` and `_Y`.
    pub multitouch: bool,
    /// `ABS_MT_SLOT`.
    pub slots: bool,
    /// `ABS_X` and `ABS_Y`.
    pub absolute: bool,
    /// `REL_X` and `REL_Y`.
    pub relative: bool,
    /// `BTN_TOUCH`.
    pub touch: bool,
    /// `BTN_LEFT`.
    pub left_button: bool,
    /// `INPUT_PROP_POINTER`: it moves a pointer elsewhere, as a touchpad does.
    pub pointer: bool,
}

impl Protocol {
    /// How a device of these abilities speaks; `None` where it is nothing to point with on a screen
    /// (keyboards, touchpads, accelerometers).
    pub fn of(can: Abilities) -> Option<Self> {
        match can {
            Abilities { pointer: true, relative: false, .. } => None,
            Abilities { multitouch: true, slots: true, .. } => Some(Self::Slots),
            Abilities { multitouch: true, .. } => Some(Self::Anonymous),
            Abilities { absolute: true, touch: true, .. }
            | Abilities { absolute: true, left_button: true, .. } => Some(Self::Single),
            Abilities { relative: true, left_button: true, .. } => Some(Self::Mouse),
            _ => None,
        }
    }
}

/// An event of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent {
    /// Its kind, as `EV_ABS`.
    pub kind: u16,
    /// Which of the kind, as `ABS_X`.
    pub code: u16,
    /// The value.
    pub value: i32,
}

/// What a finger did, in the device's own units (for a mouse, in what it counts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Which finger, from 0.
    pub id: u64,
    /// What it did; a mouse or tablet moves also while it is not down.
    pub phase: PointerPhase,
    /// Where; for a mouse, how far it moved.
    pub at: (i32, i32),
}

/// Fingers beyond this number are not followed.
pub(super) const MAX_FINGERS: usize = 16;

/// The fingers on a device.
#[derive(Clone, Debug)]
pub struct Contacts {
    protocol: Protocol,
    /// By slot, or by the id that a finger was given.
    fingers: BTreeMap<usize, Finger>,
    slot: usize,
    /// Protocol A: the fingers of the report that is being told, and the next one's parts.
    told: Vec<Told>,
    next: Told,
    /// Single-touch and mice: position or movement, and whether the button is down.
    at: (i32, i32),
    pressed: bool,
    /// Events were lost, so that what comes until the report's end is worthless.
    lost: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Finger {
    at: (i32, i32),
    /// The tracking id, while it is down.
    tracking: Option<i32>,
    /// Before the report.
    was: Option<i32>,
    moved: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    x: Option<i32>,
    y: Option<i32>,
    tracking: Option<i32>,
}

impl Contacts {
    /// No finger. The first slot is the current one: the kernel does not tell it.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            fingers: BTreeMap::new(),
            slot: 0,
            told: Vec::new(),
            next: Told::default(),
            at: (0, 0),
            pressed: false,
            lost: false,
        }
    }

    /// Where a device says that it stands when it is opened, or after events were lost: the current
    /// slot, and the position in each slot, or the only one. It tells them again only when they change,
    /// so that a finger that comes down where another was lifted is told without a position.
    pub fn stand(&mut self, slot: i32, positions: &[(i32, i32)]) {
        self.slot = usize::try_from(slot).unwrap_or(0);
        match self.protocol {
            Protocol::Single => self.at = positions.first().copied().unwrap_or_default(),
            Protocol::Slots => {
                for (slot, at) in positions.iter().enumerate().take(MAX_FINGERS) {
                    self.fingers.entry(slot).or_default().at = *at;
                }
            }
            Protocol::Anonymous | Protocol::Mouse => {}
        }
    }

    /// Takes the next event; at the end of a report, appends what the fingers did. Whether events were
    /// lost: then all fingers are void, and the device is to be asked where it [`stand`](Self::stand)s.
    pub fn handle(&mut self, event: RawEvent, found: &mut Vec<Contact>) -> bool {
        let RawEvent { kind, code, value } = event;
        match (kind, code) {
            (EV_SYN, SYN_DROPPED) => {
                self.lost = true;
                self.cancel(found);
                return true;
            }
            (EV_SYN, SYN_REPORT) if self.lost => self.lost = false,
            _ if self.lost => {}
            (EV_SYN, SYN_REPORT) => self.report(found),
            (EV_SYN, SYN_MT_REPORT) => self.end_of_finger(),
            _ => self.note(kind, code, value),
        }
        false
    }

    /// Voids all fingers: the device has gone.
    pub fn cancel(&mut self, found: &mut Vec<Contact>) {
        for (&id, finger) in &mut self.fingers {
            if finger.was.is_some() {
                found.push(contact(id, PointerPhase::Cancel, finger.at));
            }
            *finger = Finger { at: finger.at, ..Finger::default() };
        }
        self.told.clear();
        self.next = Told::default();
        self.pressed = false;
    }

    fn note(&mut self, kind: u16, code: u16, value: i32) {
        match (self.protocol, kind, code) {
            (Protocol::Slots, EV_ABS, ABS_MT_SLOT) => {
                self.slot = usize::try_from(value).unwrap_or(usize::MAX);
            }
            (Protocol::Slots, EV_ABS, _) if self.slot < MAX_FINGERS => {
                let finger = self.fingers.entry(self.slot).or_default();
                match code {
                    ABS_MT_TRACKING_ID => finger.tracking = (value >= 0).then_some(value),
                    ABS_MT_POSITION_X => (finger.at.0, finger.moved) = (value, true),
                    ABS_MT_POSITION_Y => (finger.at.1, finger.moved) = (value, true),
                    _ => {}
                }
            }
            (Protocol::Anonymous, EV_ABS, ABS_MT_POSITION_X) => self.next.x = Some(value),
            (Protocol::Anonymous, EV_ABS, ABS_MT_POSITION_Y) => self.next.y = Some(value),
            (Protocol::Anonymous, EV_ABS, ABS_MT_TRACKING_ID) => self.next.tracking = Some(value),
            (Protocol::Single, EV_ABS, ABS_X) => self.at.0 = value,
            (Protocol::Single, EV_ABS, ABS_Y) => self.at.1 = value,
            (Protocol::Mouse, EV_REL, REL_X) => self.at.0 = self.at.0.saturating_add(value),
            (Protocol::Mouse, EV_REL, REL_Y) => self.at.1 = self.at.1.saturating_add(value),
            (Protocol::Single | Protocol::Mouse, EV_KEY, BTN_LEFT | BTN_TOUCH) => {
                self.pressed = value != 0;
            }
            _ => {}
        }
    }

    /// The end of one finger of protocol A; without a position there was none.
    fn end_of_finger(&mut self) {
        let told = std::mem::take(&mut self.next);
        if told.x.is_some() && told.y.is_some() && self.told.len() < MAX_FINGERS {
            self.told.push(told);
        }
    }

    fn report(&mut self, found: &mut Vec<Contact>) {
        match self.protocol {
            Protocol::Slots => {}
            Protocol::Anonymous => {
                // The last finger of some drivers is ended by the report alone.
                self.end_of_finger();
                self.match_fingers();
            }
            Protocol::Single | Protocol::Mouse => {
                let finger = self.fingers.entry(0).or_default();
                finger.moved = self.protocol == Protocol::Mouse || finger.at != self.at;
                finger.at = self.at;
                finger.tracking = self.pressed.then_some(0);
                if finger.moved && finger.was.is_none() && finger.tracking.is_none() {
                    found.push(contact(0, PointerPhase::Move, finger.at));
                }
            }
        }
        for (&id, finger) in &mut self.fingers {
            let Finger { at, tracking, was, moved } = *finger;
            match (was, tracking) {
                (None, Some(_)) => found.push(contact(id, PointerPhase::Down, at)),
                (Some(_), None) => found.push(contact(id, PointerPhase::Up, at)),
                (Some(before), Some(now)) if before != now => {
                    found.push(contact(id, PointerPhase::Up, at));
                    found.push(contact(id, PointerPhase::Down, at));
                }
                (Some(_), Some(_)) if moved => found.push(contact(id, PointerPhase::Move, at)),
                _ => {}
            }
            (finger.was, finger.moved) = (tracking, false);
        }
        if self.protocol == Protocol::Mouse {
            self.at = (0, 0);
        }
    }

    /// Finds out which of the fingers told are which of those before: by their tracking ids, or else
    /// the nearest.
    fn match_fingers(&mut self) {
        let told = std::mem::take(&mut self.told);
        let mut free: Vec<usize> =
            self.fingers.iter().filter(|(_, f)| f.was.is_some()).map(|(id, _)| *id).collect();
        self.fingers.values_mut().for_each(|finger| finger.tracking = None);
        for Told { x, y, tracking } in told {
            let at = (x.unwrap_or_default(), y.unwrap_or_default());
            let known = |id: &usize| self.fingers[id].was;
            let distance = |id: &usize| {
                let before = self.fingers[id].at;
                let (dx, dy) =
                    (i64::from(before.0) - i64::from(at.0), i64::from(before.1) - i64::from(at.1));
                dx.saturating_mul(dx).saturating_add(dy.saturating_mul(dy))
            };
            let id = match tracking {
                Some(_) => free.iter().copied().find(|id| known(id) == tracking),
                None => free.iter().copied().min_by_key(distance),
            };
            let id = id.unwrap_or_else(|| {
                let used = |id: &usize| {
                    self.fingers.get(id).is_some_and(|f| f.was.or(f.tracking).is_some())
                };
                (0..).find(|id| !used(id)).unwrap_or_default()
            });
            free.retain(|other| *other != id);
            let finger = self.fingers.entry(id).or_default();
            *finger = Finger { at, tracking: tracking.or(Some(0)), moved: true, ..*finger };
        }
    }
}

fn contact(id: usize, phase: PointerPhase, at: (i32, i32)) -> Contact {
    Contact { id: id as u64, phase, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events as in `evtest`: `slot 1`, `id 5`, `x 10`, `y 20`, `ax 3`, `ay 4`, `rx 1`, `ry -2`,
    /// `touch 1`, `left 0`, `mt`, `lost`, and `|` for the end of a report.
    fn events(text: &str) -> Vec<RawEvent> {
        let mut words = text.split_whitespace();
        let mut events = Vec::new();
        while let Some(word) = words.next() {
            let (kind, code) = match word {
                "|" => (EV_SYN, SYN_REPORT),
                "mt" => (EV_SYN, SYN_MT_REPORT),
                "lost" => (EV_SYN, SYN_DROPPED),
                "slot" => (EV_ABS, ABS_MT_SLOT),
                "id" => (EV_ABS, ABS_MT_TRACKING_ID),
                "x" => (EV_ABS, ABS_MT_POSITION_X),
                "y" => (EV_ABS, ABS_MT_POSITION_Y),
                "ax" => (EV_ABS, ABS_X),
                "ay" => (EV_ABS, ABS_Y),
                "rx" => (EV_REL, REL_X),
                "ry" => (EV_REL, REL_Y),
                "touch" => (EV_KEY, BTN_TOUCH),
                "left" => (EV_KEY, BTN_LEFT),
                other => panic!("{other}"),
            };
            let value = if kind == EV_SYN { 0 } else { words.next().unwrap().parse().unwrap() };
            events.push(RawEvent { kind, code, value });
        }
        events
    }

    fn told(protocol: Protocol, text: &str) -> String {
        let (mut contacts, mut found) = (Contacts::new(protocol), Vec::new());
        for event in events(text) {
            contacts.handle(event, &mut found);
        }
        let brief = |c: &Contact| format!("{:?}{} {},{}", c.phase, c.id, c.at.0, c.at.1);
        found.iter().map(brief).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn fingers_in_slots() {
        let cases = [
            (
                "a tap without the first slot told",
                "id 7 x 10 y 20 touch 1 ax 10 ay 20 | x 11 ax 11 | id -1 touch 0 |",
                "Down0 10,20; Move0 11,20; Up0 11,20",
            ),
            (
                "two fingers",
                "id 1 x 10 y 20 slot 1 id 2 x 50 y 60 | slot 0 x 12 slot 1 y 61 | slot 0 id -1 | slot 1 id -1 |",
                "Down0 10,20; Down1 50,60; Move0 12,20; Move1 50,61; Up0 12,20; Up1 50,61",
            ),
            (
                "the same place again tells no position",
                "id 1 x 10 y 20 | id -1 | id 2 | id -1 |",
                "Down0 10,20; Up0 10,20; Down0 10,20; Up0 10,20",
            ),
            (
                "another finger in the slot within a report",
                "id 1 x 10 y 20 | id 2 x 90 |",
                "Down0 10,20; Up0 90,20; Down0 90,20",
            ),
            ("down and up within a report", "id 1 x 10 y 20 id -1 |", ""),
            ("slots that can't be", "slot -5 id 1 x 1 y 1 | slot 999 id 2 x 1 y 1 |", ""),
            (
                "events were lost",
                "id 1 x 10 y 20 | lost x 99 id -1 | x 30 | id -1 | id 3 x 5 y 5 |",
                "Down0 10,20; Cancel0 10,20; Down0 5,5",
            ),
        ];
        for (name, text, expected) in cases {
            assert_eq!(told(Protocol::Slots, text), expected, "{name}");
        }
    }

    #[test]
    fn fingers_without_names() {
        let cases = [
            ("a tap", "x 10 y 20 mt | x 12 y 20 mt | mt |", "Down0 10,20; Move0 12,20; Up0 12,20"),
            (
                "two fingers that change their order",
                "x 10 y 20 mt x 90 y 90 mt | x 88 y 90 mt x 11 y 20 mt | x 88 y 91 mt |",
                "Down0 10,20; Down1 90,90; Move0 11,20; Move1 88,90; Up0 11,20; Move1 88,91",
            ),
            (
                "tracking ids count more than places",
                "id 4 x 10 y 10 mt id 5 x 90 y 90 mt | id 5 x 12 y 12 mt id 4 x 80 y 80 mt |",
                "Down0 10,10; Down1 90,90; Move0 80,80; Move1 12,12",
            ),
            ("the report ends the last finger", "x 10 y 20 | |", "Down0 10,20; Up0 10,20"),
            ("half a position", "x 10 mt | y 3 mt |", ""),
            (
                "a third finger while two are down",
                "x 1 y 1 mt x 50 y 50 mt | x 1 y 1 mt x 50 y 50 mt x 99 y 1 mt |",
                "Down0 1,1; Down1 50,50; Move0 1,1; Move1 50,50; Down2 99,1",
            ),
        ];
        for (name, text, expected) in cases {
            assert_eq!(told(Protocol::Anonymous, text), expected, "{name}");
        }
    }

    #[test]
    fn one_finger_pens_and_mice() {
        let cases = [
            (
                "a single-touch panel",
                Protocol::Single,
                "ax 100 ay 200 touch 1 | ax 110 | touch 0 |",
                "Down0 100,200; Move0 110,200; Up0 110,200",
            ),
            (
                "a tablet that moves between presses",
                Protocol::Single,
                "ax 5 ay 6 | left 1 | ax 7 | left 0 | ax 9 |",
                "Move0 5,6; Down0 5,6; Move0 7,6; Up0 7,6; Move0 9,6",
            ),
            (
                "a mouse",
                Protocol::Mouse,
                "rx 5 ry -2 | left 1 | rx 3 | left 0 |",
                "Move0 5,-2; Down0 0,0; Move0 3,0; Up0 0,0",
            ),
            ("a mouse far off", Protocol::Mouse, "rx 2147483647 rx 9 |", "Move0 2147483647,0"),
        ];
        for (name, protocol, text, expected) in cases {
            assert_eq!(told(protocol, text), expected, "{name}");
        }
    }

    #[test]
    fn devices_are_told_apart() {
        let none = Abilities::default();
        let absolute = Abilities { absolute: true, ..none };
        let multitouch = Abilities { multitouch: true, touch: true, ..absolute };
        let mouse = Abilities { relative: true, left_button: true, ..none };
        let cases = [
            ("a keyboard", none, None),
            ("an accelerometer", absolute, None),
            ("a panel", Abilities { slots: true, ..multitouch }, Some(Protocol::Slots)),
            ("an old panel", multitouch, Some(Protocol::Anonymous)),
            (
                "a touchpad",
                Abilities { slots: true, pointer: true, left_button: true, ..multitouch },
                None,
            ),
            ("a resistive panel", Abilities { touch: true, ..absolute }, Some(Protocol::Single)),
            ("qemu's tablet", Abilities { left_button: true, ..absolute }, Some(Protocol::Single)),
            ("a mouse", mouse, Some(Protocol::Mouse)),
            ("a mouse that says so", Abilities { pointer: true, ..mouse }, Some(Protocol::Mouse)),
        ];
        for (name, abilities, expected) in cases {
            assert_eq!(Protocol::of(abilities), expected, "{name}");
        }
    }

    #[test]
    fn a_device_that_goes_voids_its_fingers_once() {
        let (mut contacts, mut found) = (Contacts::new(Protocol::Slots), Vec::new());
        for event in events("id 1 x 3 y 4 |") {
            contacts.handle(event, &mut found);
        }
        found.clear();
        contacts.cancel(&mut found);
        contacts.cancel(&mut found);
        assert_eq!(found, [Contact { id: 0, phase: PointerPhase::Cancel, at: (3, 4) }]);
    }

    #[test]
    fn a_device_says_where_it_stands() {
        let (mut contacts, mut found) = (Contacts::new(Protocol::Single), Vec::new());
        contacts.stand(-1, &[(70, 80)]);
        for event in events("left 1 |") {
            contacts.handle(event, &mut found);
        }
        assert_eq!(found, [Contact { id: 0, phase: PointerPhase::Down, at: (70, 80) }]);
        let (mut contacts, mut found) = (Contacts::new(Protocol::Slots), Vec::new());
        contacts.stand(2, &[(1, 1), (2, 2), (3, 4)]);
        for event in events("id 1 | id -1 | slot 0 id 2 x 9 |") {
            contacts.handle(event, &mut found);
        }
        let down = |id, at| Contact { id, phase: PointerPhase::Down, at };
        let up = Contact { phase: PointerPhase::Up, ..down(2, (3, 4)) };
        assert_eq!(found, [down(2, (3, 4)), up, down(0, (9, 1))]);
    }
}
