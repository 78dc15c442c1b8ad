//! A framebuffer (`/dev/fb0`): the plainest way to a panel, which every driver has.

mod console;
mod layout;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::ptr::{self, NonNull};

use embedded_graphics::geometry::Size;
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::panel::Output;
use super::{Canvas, Rotation, ScreenError, write_rotated};

use console::HiddenConsole;
use layout::{FixedInfo, Layout, VariableInfo};

/// Asks for what can be changed, and for what can't (`linux/fb.h`).
const FBIOGET_VSCREENINFO: Opcode = 0x4600;
const FBIOGET_FSCREENINFO: Opcode = 0x4602;

/// A framebuffer, mapped into memory. Where it can, the text console behind it is hidden, and shown
/// again when this is dropped or the program is ended by a signal; SIGINT and SIGTERM are for the
/// caller to watch for.
pub struct Framebuffer {
    memory: Mapping,
    layout: Layout,
    _console: Option<HiddenConsole>,
}

impl Framebuffer {
    /// Opens the framebuffer `device`, which must store pixels in a
    /// [`PixelFormat`](super::PixelFormat).
    ///
    /// # Errors
    /// [`ScreenError::Panel`] where it isn't there, may not be used, isn't a framebuffer, or stores
    /// pixels in another way.
    pub fn open(device: &Path) -> Result<Self, ScreenError> {
        let refuse =
            |reason: String| ScreenError::Panel { device: device.display().to_string(), reason };
        let opened = OpenOptions::new().read(true).write(true).open(device);
        let file = opened.map_err(|error| refuse(super::panel::why_not_opened(&error)))?;
        let (fixed, variable) =
            ask(&file).map_err(|error| refuse(format!("it isn't a framebuffer ({error})")))?;
        let layout = Layout::of(&fixed, &variable).map_err(refuse)?;
        let memory = Mapping::of(&file, layout.mapped)
            .map_err(|error| refuse(format!("its memory can't be mapped: {error}")))?;
        let console = HiddenConsole::hide();
        if let Err(error) = &console {
            log::warn!("the text console may write over the picture: it can't be hidden ({error})");
        }
        Ok(Self { memory, layout, _console: console.ok() })
    }
}

impl Output for Framebuffer {
    fn size(&self) -> Size {
        self.layout.size
    }

    fn millimetres(&self) -> Option<Size> {
        Some(self.layout.millimetres)
    }

    fn show(&mut self, canvas: &Canvas, rotation: Rotation) -> Result<(), ScreenError> {
        let Layout { size, format, stride, offset, .. } = self.layout;
        let memory = &mut self.memory.bytes()[offset..];
        write_rotated(canvas, rotation, format, size, stride, memory);
        Ok(())
    }

    fn refresh(&mut self) -> bool {
        false
    }
}

/// What the driver tells of the framebuffer.
fn ask(file: &File) -> io::Result<(FixedInfo, VariableInfo)> {
    // SAFETY: these calls fill in the two structures, which are laid out as the kernel's, and for
    // which any bytes are values; devices that don't know the calls refuse them.
    unsafe {
        let fixed = ioctl(file, Getter::<FBIOGET_FSCREENINFO, FixedInfo>::new())?;
        let variable = ioctl(file, Getter::<FBIOGET_VSCREENINFO, VariableInfo>::new())?;
        Ok((fixed, variable))
    }
}

/// A device's memory in this process.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    fn of(file: &File, length: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address that is free.
        let start =
            unsafe { mmap(ptr::null_mut(), length, access, MapFlags::SHARED, file.as_fd(), 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping has `length` bytes, lives as long as this, and nothing else in this
        // process has it; the panel only reads it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no slice of it outlives this.
        if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), self.length) } {
            log::warn!("a framebuffer can't be unmapped: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_framebuffer_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fb9");
        let told = || Framebuffer::open(&file).err().unwrap().to_string();
        assert!(told().contains("fb9") && told().contains("not there"), "{}", told());
        fs::write(&file, "").unwrap();
        assert!(told().contains("fb9") && told().contains("isn't a framebuffer"), "{}", told());
    }
}
