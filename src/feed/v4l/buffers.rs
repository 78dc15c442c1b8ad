//! Memory that the driver fills.

use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::ptr::{NonNull, null_mut};
use std::slice;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A buffer of the driver's in this program's memory, to be read.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: memory can be read and unmapped from any thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes of `device` from `offset` on, as it told of a buffer.
    pub fn new(device: &impl AsFd, offset: u64, length: usize) -> io::Result<Self> {
        let (protection, flags) = (ProtFlags::READ, MapFlags::SHARED);
        // SAFETY: no address is asked for, so no memory that is in use is replaced.
        let start = unsafe { mmap(null_mut(), length, protection, flags, device, offset)? };
        match NonNull::new(start) {
            Some(start) => Ok(Self { start, length }),
            None => Err(io::ErrorKind::OutOfMemory.into()),
        }
    }

    /// The first `used` bytes, or all where there are fewer.
    pub fn bytes(&self, used: usize) -> &[u8] {
        // SAFETY: so many bytes are mapped as long as `self` is there, even of a device that is
        // gone. The driver may write while they are read if it breaks its promise; then the bytes are
        // a mixture, and bytes nevertheless.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), used.min(self.length)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody has a reference into it any more. That
        // it can't be unmapped is no harm.
        let _ = unsafe { munmap(self.start.as_ptr(), self.length) };
    }
}
