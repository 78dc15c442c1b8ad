//! A display that is shown on: its mode, and two buffers of which one is on the screen.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use embedded_graphics::geometry::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::screen::{Canvas, PixelFormat, Rotation, write_rotated};

use super::kms::{Buffer, Card, Connector, RawMode, Shown};

/// A display that does not refresh for so long has gone, or is asleep; nobody waits for it longer.
const PATIENCE: Duration = Duration::from_millis(200);

pub(super) struct Pipe {
    card: Rc<Card>,
    connector: u32,
    crtc: u32,
    mode: RawMode,
    /// What was shown before.
    before: Option<Shown>,
    buffers: [Buffer; 2],
    /// The buffer that is not on the screen.
    back: usize,
    /// The other one is on its way to the screen.
    flipping: bool,
}

impl Pipe {
    /// Sets the mode and shows black.
    pub fn new(card: Rc<Card>, connector: &Connector, mode: RawMode) -> io::Result<Self> {
        let crtc = card.crtc_for(connector)?;
        let before = card.shown(crtc).ok().filter(Shown::is_something);
        let (width, height) = (mode.hdisplay.into(), mode.vdisplay.into());
        let buffers = [Buffer::new(&card, width, height)?, Buffer::new(&card, width, height)?];
        let connector = connector.id;
        let pipe = Self { card, connector, crtc, mode, before, buffers, back: 1, flipping: false };
        pipe.set(0)?;
        Ok(pipe)
    }

    pub fn size(&self) -> Size {
        Size::new(self.mode.hdisplay.into(), self.mode.vdisplay.into())
    }

    /// Whether the display is still there, in a mode that it has.
    pub fn is_connected(&self) -> bool {
        // Without asking the display itself, which would stop everything for a moment: the kernel
        // knows when a cable is pulled.
        let connector = self.card.connector(self.connector, false);
        connector.is_ok_and(|found| found.is_connected && found.modes.contains(&self.mode))
    }

    /// Draws on the buffer that is not on the screen, and has it shown from the next refresh on. Waits
    /// for the one before to have got there, so that no more than one picture is ever on its way.
    pub fn show(&mut self, canvas: &Canvas, rotation: Rotation) -> io::Result<()> {
        self.await_flip()?;
        let (size, back) = (self.size(), self.back);
        let buffer = &mut self.buffers[back];
        let stride = buffer.stride;
        write_rotated(canvas, rotation, PixelFormat::Xrgb8888, size, stride, buffer.bytes());
        match self.card.flip(self.crtc, buffer.framebuffer) {
            Ok(()) => self.flipping = true,
            // Some small drivers only set modes; where that fails too the display has gone.
            Err(_) => self.set(back)?,
        }
        self.back = 1 - back;
        Ok(())
    }

    /// Sets the mode, and shows a buffer at once.
    fn set(&self, buffer: usize) -> io::Result<()> {
        let shown = Shown::new(self.buffers[buffer].framebuffer, self.mode);
        self.card.show(self.crtc, self.connector, shown)
    }

    fn await_flip(&mut self) -> io::Result<()> {
        let asked = Instant::now();
        while self.flipping && asked.elapsed() < PATIENCE {
            let left = PATIENCE.saturating_sub(asked.elapsed());
            let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
            let mut ready = [PollFd::new(&*self.card, PollFlags::IN)];
            match poll(&mut ready, Some(&left)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => self.flipping = !self.card.flipped()?,
                Err(error) => return Err(error.into()),
            }
        }
        self.flipping = false;
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // What was shown before may be gone by now; the kernel shows its console then.
        if let Some(before) = self.before {
            let _ = self.card.show(self.crtc, self.connector, before);
        }
        self.buffers.iter().for_each(|buffer| buffer.free(&self.card));
    }
}
