//! The calls of the kernel's mode setting that are needed here, in this program's own words.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::ptr::{self, NonNull};

use drm_ffi::mode;
use embedded_graphics::geometry::Size;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

pub(super) use drm_ffi::drm_mode_modeinfo as RawMode;

/// Names of kinds of connectors, by the kernel's numbers (`drm_connector.c`).
const KINDS: [&str; 21] = [
    "Unknown",
    "VGA",
    "DVI-I",
    "DVI-D",
    "DVI-A",
    "Composite",
    "SVIDEO",
    "LVDS",
    "Component",
    "DIN",
    "DP",
    "HDMI-A",
    "HDMI-B",
    "TV",
    "eDP",
    "Virtual",
    "DSI",
    "DPI",
    "Writeback",
    "SPI",
    "USB",
];

/// `DRM_MODE_CONNECTED` and `DRM_MODE_DISCONNECTED`; some drivers can't tell.
const CONNECTED: u32 = 1;
const DISCONNECTED: u32 = 2;

/// A graphics card's device.
pub(super) struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Where a display can be connected.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub id: u32,
    kind: u32,
    number: u32,
    /// A display is connected, or its driver can't tell and has modes for one.
    pub is_connected: bool,
    /// The display's size; none where it tells none.
    pub millimetres: Option<Size>,
    pub modes: Vec<RawMode>,
    /// What feeds it now, and what can.
    encoder: u32,
    encoders: Vec<u32>,
}

impl Connector {
    /// Whether it writes to memory in place of a display.
    pub fn is_writeback(&self) -> bool {
        KINDS.get(self.kind as usize) == Some(&"Writeback")
    }
}

/// As `/sys/class/drm` has it, as `HDMI-A-1`.
impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", KINDS.get(self.kind as usize).unwrap_or(&KINDS[0]), self.number)
    }
}

/// What a CRTC, which feeds displays, shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    framebuffer: u32,
    at: (u32, u32),
    mode: Option<RawMode>,
}

impl Shown {
    /// A framebuffer from its top left corner on.
    pub fn new(framebuffer: u32, mode: RawMode) -> Self {
        Self { framebuffer, at: (0, 0), mode: Some(mode) }
    }

    /// Whether it shows anything.
    pub fn is_something(&self) -> bool {
        self.framebuffer != 0
    }
}

impl Card {
    pub fn open(device: &Path) -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).open(device).map(Self)
    }

    /// The connectors, whether or not something is connected. `probe` asks the displays themselves,
    /// which takes a moment.
    pub fn connectors(&self, probe: bool) -> io::Result<Vec<Connector>> {
        let mut ids = Vec::new();
        mode::get_resources(self.as_fd(), None, None, Some(&mut ids), None)?;
        Ok(ids.into_iter().flat_map(|id| self.connector(id, probe)).collect())
    }

    pub fn connector(&self, id: u32, probe: bool) -> io::Result<Connector> {
        let (mut modes, mut encoders) = (Vec::new(), Vec::new());
        let (told_modes, told_encoders) = (Some(&mut modes), Some(&mut encoders));
        let fd = self.as_fd();
        let told = mode::get_connector(fd, id, None, None, told_modes, told_encoders, probe)?;
        let size = Size::new(told.mm_width, told.mm_height);
        Ok(Connector {
            id,
            kind: told.connector_type,
            number: told.connector_type_id,
            is_connected: told.connection == CONNECTED
                || told.connection != DISCONNECTED && told.count_modes > 0,
            millimetres: (size != Size::zero()).then_some(size),
            modes,
            encoder: told.encoder_id,
            encoders,
        })
    }

    /// What feeds a connector: what does so already, or else the first that can.
    pub fn crtc_for(&self, connector: &Connector) -> io::Result<u32> {
        let encoder = |id: u32| mode::get_encoder(self.as_fd(), id).ok();
        if let Some(current) = encoder(connector.encoder).filter(|encoder| encoder.crtc_id != 0) {
            return Ok(current.crtc_id);
        }
        let mut crtcs = Vec::new();
        mode::get_resources(self.as_fd(), None, Some(&mut crtcs), None, None)?;
        let possible =
            connector.encoders.iter().filter_map(|id| encoder(*id)).find_map(|encoder| {
                let feeds = |index: &usize| encoder.possible_crtcs >> index & 1 == 1;
                (0..crtcs.len().min(32)).find(feeds).map(|index| crtcs[index])
            });
        possible.ok_or_else(|| io::Error::other("nothing can feed it"))
    }

    pub fn shown(&self, crtc: u32) -> io::Result<Shown> {
        let told = mode::get_crtc(self.as_fd(), crtc)?;
        let mode = (told.mode_valid != 0).then_some(told.mode);
        Ok(Shown { framebuffer: told.fb_id, at: (told.x, told.y), mode })
    }

    /// Sets the mode of a connector, and what is shown on it.
    pub fn show(&self, crtc: u32, connector: u32, shown: Shown) -> io::Result<()> {
        let Shown { framebuffer, at: (x, y), mode } = shown;
        mode::set_crtc(self.as_fd(), crtc, framebuffer, x, y, &[connector], mode).map(drop)
    }

    /// Has a framebuffer shown from the next refresh on, which [`flipped`](Self::flipped) tells of.
    pub fn flip(&self, crtc: u32, framebuffer: u32) -> io::Result<()> {
        let flags = drm_ffi::drm_sys::DRM_MODE_PAGE_FLIP_EVENT;
        mode::page_flip(self.as_fd(), crtc, framebuffer, flags, 0)
    }

    /// Reads what has happened, and tells whether a framebuffer has come to be shown. Waits where
    /// nothing has happened.
    pub fn flipped(&self) -> io::Result<bool> {
        let mut bytes = [0; 1024];
        let length = rustix::io::read(self, &mut bytes)?;
        let mut left = &bytes[..length];
        let mut flipped = false;
        // Each event begins with its kind and its length, in the processor's byte order.
        while let [a, b, c, d, e, f, g, h, ..] = *left {
            let kind = u32::from_ne_bytes([a, b, c, d]);
            let length = u32::from_ne_bytes([e, f, g, h]) as usize;
            flipped |= kind == drm_ffi::drm_sys::DRM_EVENT_FLIP_COMPLETE;
            left = left.get(length.max(8)..).unwrap_or_default();
        }
        Ok(flipped)
    }
}

/// A picture in memory that a display can show: XRGB8888, mapped into this process.
pub(super) struct Buffer {
    handle: u32,
    pub framebuffer: u32,
    /// Bytes from one row to the next.
    pub stride: usize,
    start: NonNull<u8>,
    length: usize,
}

impl Buffer {
    /// A black picture of `width` × `height` pixels.
    pub fn new(card: &Card, width: u32, height: u32) -> io::Result<Self> {
        let made = mode::dumbbuffer::create(card.as_fd(), width, height, 32, 0)?;
        let length = made.size as usize;
        let stride = made.pitch as usize;
        if stride < width as usize * 4 || length < stride * height as usize {
            return Err(io::Error::other(format!(
                "the driver gave {length} bytes in rows of {stride} for {width}x{height} pixels"
            )));
        }
        let (bits, depth) = (32, 24);
        let added =
            mode::add_fb(card.as_fd(), width, height, made.pitch, bits, depth, made.handle)?;
        let offset = mode::dumbbuffer::map(card.as_fd(), made.handle, 0, 0)?.offset;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address that is free.
        let start = unsafe {
            mmap(ptr::null_mut(), length, access, MapFlags::SHARED, card.as_fd(), offset)
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let (handle, framebuffer) = (made.handle, added.fb_id);
        let mut buffer = Self { handle, framebuffer, stride, start, length };
        buffer.bytes().fill(0);
        Ok(buffer)
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping has `length` bytes, lives as long as this, and nothing else in this
        // process has it; the display only reads it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// Gives back what the card keeps of it.
    pub fn free(&self, card: &Card) {
        let _ = mode::rm_fb(card.as_fd(), self.framebuffer);
        let _ = mode::dumbbuffer::destroy(card.as_fd(), self.handle);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no slice of it outlives this.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}
