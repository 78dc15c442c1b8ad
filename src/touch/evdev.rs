//! Touch panels, tablets and mice of a board without a desktop: the kernel's event devices.

mod raw;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_graphics::geometry::{Point, Size};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::screen::{PointerEvent, PointerPhase, Rotation, ScreenEvent, now};

use super::alignment::{Alignment, AxisRange, TouchDevice, TouchSpec, pixel};
use super::contacts::{Contact, Contacts, Protocol};

use raw::RawDevice;

/// How often it is looked for devices that were plugged in.
const LOOK: Duration = Duration::from_secs(1);

/// Fingers have numbers from a multiple of this on, one for each device.
const FINGERS: u64 = 64;

/// The touch devices of a board, as they come and go.
pub struct Touch {
    spec: TouchSpec,
    devices: Vec<Device>,
    opened: u64,
    looked: Option<Duration>,
    /// Devices that can't be used or are nothing to point with.
    passed_over: Vec<PathBuf>,
    /// Devices that may not be used, or not yet: rules for one that was plugged in take a moment.
    refused: Vec<PathBuf>,
    /// Where each finger that is down is, on the canvas; the mouse's number as well while pressed.
    down: BTreeMap<u64, Point>,
}

impl Touch {
    /// Opens what is there. What isn't, or may not be used, is told on standard error, and is used as
    /// soon as it comes.
    pub fn open(spec: TouchSpec) -> Self {
        let mut touch = Self {
            spec,
            devices: Vec::new(),
            opened: 0,
            looked: None,
            passed_over: Vec::new(),
            refused: Vec::new(),
            down: BTreeMap::new(),
        };
        touch.look();
        if touch.devices.is_empty() {
            match &touch.spec.device {
                TouchDevice::Auto => eprintln!(
                    "nothing to touch or point with is connected, or may be used (`tapseg doctor` tells); \
                     it is used as soon as it is"
                ),
                TouchDevice::Named(path) => {
                    eprintln!("{}: not there yet; it is used as soon as it is", path.display());
                }
                TouchDevice::None => {}
            }
        }
        touch
    }

    /// Whether a finger's number is that of a mouse or tablet.
    pub fn is_mouse(&self, id: u64) -> bool {
        self.devices.iter().any(|d| d.number == id / FINGERS && d.is_mouse)
    }

    /// The numbers of the fingers that are down.
    pub fn fingers_down(&self) -> BTreeSet<u64> {
        self.down.keys().copied().collect()
    }

    /// Waits up to `timeout` for something to happen and appends it to `events`, in pixels of the canvas
    /// that a panel of `size` pixels shows turned by `rotation`. Mice and tablets also move while they
    /// are not down.
    pub fn poll(
        &mut self,
        timeout: Duration,
        size: Size,
        rotation: Rotation,
        events: &mut Vec<ScreenEvent>,
    ) {
        if self.looked.is_none_or(|looked| now() - looked >= LOOK) {
            self.look();
        }
        let mut ready: Vec<PollFd<'_>> =
            self.devices.iter().map(|d| PollFd::new(&d.raw, PollFlags::IN)).collect();
        let wait =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        if poll(&mut ready, Some(&wait)).is_err() {
            return;
        }
        let ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut gone = Vec::new();
        for (device, _) in self.devices.iter_mut().zip(&ready).filter(|(_, ready)| **ready) {
            let mut found = Vec::new();
            if let Err(error) = device.read(&mut found) {
                log::info!("{} ({}) has gone: {error}", device.path.display(), device.name);
                device.contacts.cancel(&mut found);
                gone.push(device.number);
            }
            for contact in found {
                let position = device.position(contact, &self.spec.alignment, size, rotation);
                let id = device.number * FINGERS + contact.id;
                match contact.phase {
                    PointerPhase::Down => {
                        self.down.insert(id, position);
                    }
                    PointerPhase::Move => {
                        self.down.entry(id).and_modify(|at| *at = position);
                    }
                    PointerPhase::Up | PointerPhase::Cancel => {
                        self.down.remove(&id);
                    }
                }
                let event = PointerEvent { id, phase: contact.phase, position, time: now() };
                events.push(ScreenEvent::Pointer(event));
            }
        }
        self.devices.retain(|device| !gone.contains(&device.number));
    }

    /// Opens what was plugged in since it was looked last.
    fn look(&mut self) {
        self.looked = Some(now());
        let paths: Vec<PathBuf> = match &self.spec.device {
            TouchDevice::None => return,
            TouchDevice::Named(path) if path.exists() => vec![path.clone()],
            TouchDevice::Named(_) => Vec::new(),
            TouchDevice::Auto => {
                let entries = fs::read_dir("/dev/input").into_iter().flatten().flatten();
                let is_event = |path: &PathBuf| {
                    path.file_name()
                        .and_then(|n| n.to_str())
                        .is_some_and(|n| n.starts_with("event"))
                };
                entries.map(|entry| entry.path()).filter(is_event).collect()
            }
        };
        self.passed_over.retain(|path| paths.contains(path));
        self.refused.retain(|path| paths.contains(path));
        for path in paths {
            if self.devices.iter().any(|d| d.path == path) || self.passed_over.contains(&path) {
                continue;
            }
            match Device::open(&path, self.opened) {
                Ok(Some(device)) => {
                    self.refused.retain(|other| *other != path);
                    log::info!("{} ({}): {:?}", path.display(), device.name, device.protocol);
                    self.devices.push(device);
                    self.opened += 1;
                }
                Ok(None) => {
                    if matches!(self.spec.device, TouchDevice::Named(_)) {
                        eprintln!("{}: nothing to touch or point with", path.display());
                    }
                    self.passed_over.push(path);
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    if !self.refused.contains(&path) {
                        self.tell_refused(&path, &error);
                        self.refused.push(path);
                    }
                }
                Err(error) => {
                    self.tell_refused(&path, &error);
                    self.passed_over.push(path);
                }
            }
        }
    }

    fn tell_refused(&self, path: &Path, error: &io::Error) {
        let named = matches!(self.spec.device, TouchDevice::Named(_));
        match error.kind() {
            // One sentence is enough for all of them.
            io::ErrorKind::PermissionDenied if named || self.refused.is_empty() => eprintln!(
                "{}: you may not use it: `sudo usermod -aG input $USER`, and log in again",
                path.display()
            ),
            _ if named => eprintln!("{}: {error}", path.display()),
            _ => log::info!("{}: {error}", path.display()),
        }
    }
}

/// An event device that is open.
struct Device {
    path: PathBuf,
    name: String,
    number: u64,
    raw: RawDevice,
    protocol: Protocol,
    contacts: Contacts,
    axes: (AxisRange, AxisRange),
    is_mouse: bool,
    /// Where a mouse is, on the canvas; the middle until it moves.
    mouse: Option<Point>,
}

impl Device {
    /// Opens a device, unless it is nothing to point with.
    fn open(path: &Path, number: u64) -> io::Result<Option<Self>> {
        let raw = RawDevice::open(path)?;
        let abilities = raw.abilities()?;
        let Some(protocol) = Protocol::of(abilities) else { return Ok(None) };
        let mut device = Self {
            path: path.to_owned(),
            name: raw.name(),
            number,
            protocol,
            contacts: Contacts::new(protocol),
            axes: (AxisRange { min: 0, max: 0 }, AxisRange { min: 0, max: 0 }),
            is_mouse: protocol == Protocol::Mouse || !abilities.touch && !abilities.multitouch,
            mouse: None,
            raw,
        };
        device.stand()?;
        Ok(Some(device))
    }

    /// Asks where the device stands, and for its axes.
    fn stand(&mut self) -> io::Result<()> {
        if self.protocol == Protocol::Mouse {
            return Ok(());
        }
        let stand = self.raw.stand(self.protocol)?;
        self.axes = stand.ranges;
        self.contacts.stand(stand.slot, &stand.positions);
        Ok(())
    }

    /// Reads what is there.
    fn read(&mut self, found: &mut Vec<Contact>) -> io::Result<()> {
        let mut lost = false;
        for event in self.raw.read()? {
            lost |= self.contacts.handle(event, found);
        }
        if lost { self.stand() } else { Ok(()) }
    }

    /// The pixel of the canvas that a finger is on.
    fn position(
        &mut self,
        contact: Contact,
        alignment: &Alignment,
        panel: Size,
        rotation: Rotation,
    ) -> Point {
        if self.protocol == Protocol::Mouse {
            let canvas = rotation.turned(panel);
            let middle = Point::new(canvas.width as i32 / 2, canvas.height as i32 / 2);
            let before = self.mouse.unwrap_or(middle);
            let along = |v: i32, by: i32, length: u32| {
                v.saturating_add(by).clamp(0, length.max(1) as i32 - 1)
            };
            let at = Point::new(
                along(before.x, contact.at.0, canvas.width),
                along(before.y, contact.at.1, canvas.height),
            );
            return *self.mouse.insert(at);
        }
        let place = (self.axes.0.share(contact.at.0), self.axes.1.share(contact.at.1));
        rotation.to_canvas(pixel(alignment.place(place), panel), panel)
    }
}
