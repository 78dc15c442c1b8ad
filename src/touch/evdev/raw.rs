//! The kernel's event devices: what they can, where they stand, and what they tell.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use crate::touch::alignment::AxisRange;
use crate::touch::contacts::{Abilities, MAX_FINGERS, Protocol, RawEvent, code};

/// Bytes for a bit each of the codes of a kind; keys are the most, 768.
type Bits = [u8; 96];

/// Calls to event devices (`linux/input.h`): the name, the properties, the codes of a kind.
const GET_NAME: Opcode = opcode::read::<[u8; 256]>(b'E', 0x06);
const GET_PROPERTIES: Opcode = opcode::read::<Bits>(b'E', 0x09);
const GET_KEYS: Opcode = opcode::read::<Bits>(b'E', 0x20 + code::EV_KEY as u8);
const GET_RELATIVE: Opcode = opcode::read::<Bits>(b'E', 0x20 + code::EV_REL as u8);
const GET_ABSOLUTE: Opcode = opcode::read::<Bits>(b'E', 0x20 + code::EV_ABS as u8);

/// Calls for how axes stand.
const GET_X: Opcode = opcode::read::<Axis>(b'E', 0x40 + code::ABS_X as u8);
const GET_Y: Opcode = opcode::read::<Axis>(b'E', 0x40 + code::ABS_Y as u8);
const GET_SLOT: Opcode = opcode::read::<Axis>(b'E', 0x40 + code::ABS_MT_SLOT as u8);
const GET_FINGER_X: Opcode = opcode::read::<Axis>(b'E', 0x40 + code::ABS_MT_POSITION_X as u8);
const GET_FINGER_Y: Opcode = opcode::read::<Axis>(b'E', 0x40 + code::ABS_MT_POSITION_Y as u8);

/// What a code is in each slot (`struct input_mt_request_layout`): the code, and values that the kernel
/// fills in for the slots that it has.
type InSlots = [i32; 1 + MAX_FINGERS];
const GET_IN_SLOTS: Opcode = opcode::read::<InSlots>(b'E', 0x0A);

/// Bytes of `struct input_event`: the time in two words, kind, code, value.
const EVENT: usize = 2 * size_of::<usize>() + 8;

/// An axis as it stands (`struct input_absinfo`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Axis {
    value: i32,
    minimum: i32,
    maximum: i32,
    fuzz: i32,
    flat: i32,
    resolution: i32,
}

impl Axis {
    fn range(self) -> AxisRange {
        AxisRange { min: self.minimum, max: self.maximum }
    }
}

/// Where a device's axes stand.
pub(super) struct Stand {
    pub ranges: (AxisRange, AxisRange),
    /// The position in each slot, where it has slots, or the only one.
    pub positions: Vec<(i32, i32)>,
    /// The current slot, where it has slots.
    pub slot: i32,
}

/// An event device that is open.
pub(super) struct RawDevice(File);

impl AsFd for RawDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl RawDevice {
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    pub fn name(&self) -> String {
        let name = self.get::<GET_NAME, _>([0; 256]).unwrap_or([0; 256]);
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        String::from_utf8_lossy(&name[..end]).into_owned()
    }

    /// What the device can.
    ///
    /// # Errors
    /// The system's, where it is no event device.
    pub fn abilities(&self) -> io::Result<Abilities> {
        let keys = self.get::<GET_KEYS, Bits>([0; 96])?;
        let relative = self.get::<GET_RELATIVE, Bits>([0; 96])?;
        let absolute = self.get::<GET_ABSOLUTE, Bits>([0; 96])?;
        let properties = self.get::<GET_PROPERTIES, Bits>([0; 96])?;
        let both = |bits: &Bits, x, y| has(bits, x) && has(bits, y);
        Ok(Abilities {
            multitouch: both(&absolute, code::ABS_MT_POSITION_X, code::ABS_MT_POSITION_Y),
            slots: has(&absolute, code::ABS_MT_SLOT),
            absolute: both(&absolute, code::ABS_X, code::ABS_Y),
            relative: both(&relative, code::REL_X, code::REL_Y),
            touch: has(&keys, code::BTN_TOUCH),
            left_button: has(&keys, code::BTN_LEFT),
            pointer: has(&properties, code::INPUT_PROP_POINTER),
        })
    }

    /// Where the axes of the fingers stand, or those of the one position.
    pub fn stand(&self, protocol: Protocol) -> io::Result<Stand> {
        let none = Axis::default();
        let (x, y) = match protocol {
            Protocol::Slots | Protocol::Anonymous => {
                (self.get::<GET_FINGER_X, _>(none)?, self.get::<GET_FINGER_Y, _>(none)?)
            }
            Protocol::Single | Protocol::Mouse => {
                (self.get::<GET_X, _>(none)?, self.get::<GET_Y, _>(none)?)
            }
        };
        let ranges = (x.range(), y.range());
        if protocol != Protocol::Slots {
            return Ok(Stand { ranges, positions: vec![(x.value, y.value)], slot: 0 });
        }
        let slot = self.get::<GET_SLOT, _>(none)?.value;
        let in_slots = |code: u16| {
            let mut request: InSlots = [0; _];
            request[0] = code.into();
            self.get::<GET_IN_SLOTS, _>(request)
        };
        let (x, y) = (in_slots(code::ABS_MT_POSITION_X)?, in_slots(code::ABS_MT_POSITION_Y)?);
        Ok(Stand { ranges, positions: x.into_iter().zip(y).skip(1).collect(), slot })
    }

    /// Reads what has happened, of which there must be something.
    ///
    /// # Errors
    /// The system's, where the device has gone.
    pub fn read(&self) -> io::Result<Vec<RawEvent>> {
        let mut bytes = [0; 64 * EVENT];
        let length = rustix::io::read(self, &mut bytes)?;
        Ok(bytes[..length].chunks_exact(EVENT).map(event).collect())
    }

    /// What a call makes of `value`.
    fn get<const OPCODE: Opcode, T>(&self, mut value: T) -> io::Result<T> {
        // SAFETY: each of the calls above fills in at most as many bytes as its number tells, those of
        // a type for which any bytes are values; what is no event device refuses them.
        unsafe { ioctl(self, Updater::<OPCODE, T>::new(&mut value)) }?;
        Ok(value)
    }
}

/// Whether the bit of a code is set.
fn has(bits: &Bits, code: u16) -> bool {
    let code = usize::from(code);
    bits[code / 8] >> (code % 8) & 1 == 1
}

/// An event as the kernel writes it.
fn event(bytes: &[u8]) -> RawEvent {
    let two = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    let value = std::array::from_fn(|i| bytes[EVENT - 4 + i]);
    RawEvent { kind: two(EVENT - 8), code: two(EVENT - 6), value: i32::from_ne_bytes(value) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn events_are_read_as_the_kernel_writes_them() {
        let mut bytes = vec![0xEE; EVENT - 8];
        bytes.extend(3u16.to_ne_bytes());
        bytes.extend(0x35u16.to_ne_bytes());
        bytes.extend((-7i32).to_ne_bytes());
        assert_eq!(event(&bytes), RawEvent { kind: 3, code: 0x35, value: -7 });
        let mut bits = [0; 96];
        bits[0x14A / 8] = 1 << (0x14A % 8);
        assert!(has(&bits, code::BTN_TOUCH) && !has(&bits, code::BTN_LEFT));
    }

    #[test]
    fn what_is_no_event_device_can_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event0");
        fs::write(&path, [0; 100]).unwrap();
        let device = RawDevice::open(&path).unwrap();
        assert!(device.abilities().is_err() && device.stand(Protocol::Slots).is_err());
        assert_eq!(device.name(), "");
    }
}
