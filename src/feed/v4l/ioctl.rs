//! The driver's calls, each with the structure that belongs to it.
//!
//! The `v4l` crate's safe layer is not used: it waits for ever or queues a buffer twice after a
//! timeout, panics where a device that is gone can't be stopped or a driver's name isn't UTF-8, leaves
//! out how colours are coded, and knows neither events nor timings nor the signal's state. Its
//! structures, made from the kernel's header, and its raw call are.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};

use v4l::v4l_sys::{
    v4l2_buffer, v4l2_capability, v4l2_dv_timings, v4l2_event, v4l2_event_subscription,
    v4l2_fmtdesc, v4l2_format, v4l2_frmivalenum, v4l2_frmsizeenum, v4l2_input, v4l2_requestbuffers,
    v4l2_std_id, v4l2_streamparm,
};

/// Structures of whole numbers alone, for which any bytes are a value.
///
/// # Safety
/// That must be so; a pointer in one must be of no use to the calls here.
pub(super) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($name:ty),+) => {
        $(
            // SAFETY: it has whole numbers alone, and unions of them; the pointers of `v4l2_buffer`
            // are for kinds of memory and buffers that are not used here.
            unsafe impl Plain for $name {}
        )+
    };
}

plain!(
    v4l2_buffer,
    v4l2_capability,
    v4l2_dv_timings,
    v4l2_event,
    v4l2_event_subscription,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_frmivalenum,
    v4l2_frmsizeenum,
    v4l2_input,
    v4l2_requestbuffers,
    v4l2_std_id,
    v4l2_streamparm,
    i32
);

/// All zeros.
pub(super) fn zeroed<T: Plain>() -> T {
    // SAFETY: any bytes are a value of it.
    unsafe { std::mem::zeroed() }
}

/// A call to the driver with a structure that it reads, writes, or both.
pub(super) struct Call<T> {
    number: u32,
    argument: PhantomData<T>,
}

/// Directions, as the kernel's `asm-generic/ioctl.h` has them.
const WRITTEN: u32 = 1;
const READ: u32 = 2;

impl<T: Plain> Call<T> {
    /// The call `nr` of Video4Linux: direction, size of the structure, letter and number.
    const fn new(direction: u32, nr: u32) -> Self {
        let size = size_of::<T>() as u32;
        let number = direction << 30 | size << 16 | (b'V' as u32) << 8 | nr;
        Self { number, argument: PhantomData }
    }

    /// Makes the call. One that a signal interrupts is made again.
    pub fn on(&self, device: &impl AsFd, argument: &mut T) -> io::Result<()> {
        loop {
            let fd = device.as_fd().as_raw_fd();
            let pointer = (&raw mut *argument).cast();
            // SAFETY: the number tells the kernel how long the structure is, which is as long as
            // `T`; it points to no other memory that the kernel would use.
            match unsafe { v4l::v4l2::ioctl(fd, self.number.into(), pointer) } {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// What the driver answers.
    pub fn get(&self, device: &impl AsFd) -> io::Result<T> {
        let mut answer = zeroed();
        self.on(device, &mut answer).map(|()| answer)
    }
}

/// All that a driver lists, from `first` on, with `index` set to 0, 1, 2….
pub(super) fn list<T: Plain>(
    call: &Call<T>,
    device: &impl AsFd,
    first: T,
    index: impl Fn(&mut T) -> &mut u32,
) -> Vec<T> {
    // A driver that never comes to an end must not hold the program.
    const MOST: u32 = 256;
    let entry = |i| {
        let mut entry = first;
        *index(&mut entry) = i;
        call.on(device, &mut entry).ok().map(|()| entry)
    };
    (0..MOST).map_while(entry).collect()
}

// Numbers as in the kernel's `linux/videodev2.h`.
pub(super) const QUERYCAP: Call<v4l2_capability> = Call::new(READ, 0);
pub(super) const ENUM_FMT: Call<v4l2_fmtdesc> = Call::new(READ | WRITTEN, 2);
pub(super) const G_FMT: Call<v4l2_format> = Call::new(READ | WRITTEN, 4);
pub(super) const S_FMT: Call<v4l2_format> = Call::new(READ | WRITTEN, 5);
pub(super) const REQBUFS: Call<v4l2_requestbuffers> = Call::new(READ | WRITTEN, 8);
pub(super) const QUERYBUF: Call<v4l2_buffer> = Call::new(READ | WRITTEN, 9);
pub(super) const QBUF: Call<v4l2_buffer> = Call::new(READ | WRITTEN, 15);
pub(super) const DQBUF: Call<v4l2_buffer> = Call::new(READ | WRITTEN, 17);
pub(super) const STREAMON: Call<i32> = Call::new(WRITTEN, 18);
pub(super) const STREAMOFF: Call<i32> = Call::new(WRITTEN, 19);
pub(super) const G_PARM: Call<v4l2_streamparm> = Call::new(READ | WRITTEN, 21);
pub(super) const S_PARM: Call<v4l2_streamparm> = Call::new(READ | WRITTEN, 22);
pub(super) const G_STD: Call<v4l2_std_id> = Call::new(READ, 23);
pub(super) const S_STD: Call<v4l2_std_id> = Call::new(WRITTEN, 24);
pub(super) const ENUMINPUT: Call<v4l2_input> = Call::new(READ | WRITTEN, 26);
pub(super) const G_INPUT: Call<i32> = Call::new(READ, 38);
pub(super) const QUERYSTD: Call<v4l2_std_id> = Call::new(READ, 63);
pub(super) const ENUM_FRAMESIZES: Call<v4l2_frmsizeenum> = Call::new(READ | WRITTEN, 74);
pub(super) const ENUM_FRAMEINTERVALS: Call<v4l2_frmivalenum> = Call::new(READ | WRITTEN, 75);
pub(super) const S_DV_TIMINGS: Call<v4l2_dv_timings> = Call::new(READ | WRITTEN, 87);
pub(super) const G_DV_TIMINGS: Call<v4l2_dv_timings> = Call::new(READ | WRITTEN, 88);
pub(super) const DQEVENT: Call<v4l2_event> = Call::new(READ, 89);
pub(super) const SUBSCRIBE_EVENT: Call<v4l2_event_subscription> = Call::new(WRITTEN, 90);
pub(super) const QUERY_DV_TIMINGS: Call<v4l2_dv_timings> = Call::new(READ, 99);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        // Those of 64-bit machines.
        let cases = [
            (QUERYCAP.number, 0x8068_5600_u32),
            (ENUM_FMT.number, 0xc040_5602),
            (S_FMT.number, 0xc0d0_5605),
            (REQBUFS.number, 0xc014_5608),
            (DQBUF.number, 0xc058_5611),
            (STREAMON.number, 0x4004_5612),
            (S_PARM.number, 0xc0cc_5616),
            (ENUMINPUT.number, 0xc050_561a),
            (QUERYSTD.number, 0x8008_563f),
            (ENUM_FRAMESIZES.number, 0xc02c_564a),
            (ENUM_FRAMEINTERVALS.number, 0xc034_564b),
            (S_DV_TIMINGS.number, 0xc084_5657),
            (G_DV_TIMINGS.number, 0xc084_5658),
            (DQEVENT.number, 0x8088_5659),
            (SUBSCRIBE_EVENT.number, 0x4020_565a),
            (QUERY_DV_TIMINGS.number, 0x8084_5663),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected, "{found:#x}, {expected:#x}");
        }
    }
}
