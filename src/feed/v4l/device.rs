//! A Video4Linux device.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use v4l::v4l_sys::{
    V4L2_BUF_FLAG_ERROR, V4L2_BUF_FLAG_TIMESTAMP_MASK, V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
    V4L2_CAP_DEVICE_CAPS, V4L2_CAP_STREAMING, V4L2_CAP_VIDEO_CAPTURE,
    V4L2_CAP_VIDEO_CAPTURE_MPLANE, V4L2_EVENT_SOURCE_CHANGE, V4L2_IN_ST_NO_H_LOCK,
    V4L2_IN_ST_NO_POWER, V4L2_IN_ST_NO_SIGNAL, V4L2_IN_ST_NO_STD_LOCK, V4L2_IN_ST_NO_SYNC,
    V4L2_IN_ST_NO_V_LOCK, V4L2_PIX_FMT_PRIV_MAGIC,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE as CAPTURE, v4l2_buffer, v4l2_event_subscription,
    v4l2_fract, v4l2_memory_V4L2_MEMORY_MMAP as MMAP, v4l2_pix_format, v4l2_requestbuffers,
};

use super::buffers::Mapping;
use super::ioctl::{self, zeroed};
use super::layout::layout;
use super::modes::modes;
use crate::feed::capture::{
    CaptureDevice, CaptureFault, Filled, Interval, Mode, Signal, Started, Wake,
};

/// A capture device that is open, of one plane of memory a frame.
#[derive(Debug)]
pub struct V4lDevice {
    file: File,
    buffers: Vec<Mapping>,
    /// Bytes that are filled, by buffer.
    used: Vec<usize>,
    /// Whether buffers may be there to be given back.
    started: bool,
}

impl V4lDevice {
    /// Buffers: one being filled, one being read, and two for a program that was held up.
    const BUFFERS: u32 = 4;

    /// More buffers than any driver has.
    const MOST_BUFFERS: u32 = 32;

    /// The major number of all Video4Linux nodes; no other is opened, lest that does something.
    const MAJOR: u32 = 81;

    /// Opens the device at `path`, and changes nothing.
    ///
    /// # Errors
    /// [`CaptureFault`], also where it delivers no pictures.
    pub fn open(path: &Path) -> Result<Self, CaptureFault> {
        let doing = |error| CaptureFault::from_io("it can't be opened", error);
        let data = std::fs::metadata(path).map_err(doing)?;
        if !data.file_type().is_char_device() || rustix::fs::major(data.rdev()) != Self::MAJOR {
            return Err(CaptureFault::NotCapture("a file of another kind".into()));
        }
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nonblocking)
            .open(path)
            .map_err(doing)?;
        let device = Self { file, buffers: Vec::new(), used: Vec::new(), started: false };
        device.check_capabilities()?;
        Ok(device)
    }

    fn check_capabilities(&self) -> Result<(), CaptureFault> {
        let told = ioctl::QUERYCAP.get(&self.file).map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::NOTTY.raw_os_error() => {
                CaptureFault::NotCapture("it does not answer as one".into())
            }
            _ => CaptureFault::from_io("it does not say what it is", error),
        })?;
        let node = told.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let can = if node { told.device_caps } else { told.capabilities };
        let reason = if can & V4L2_CAP_VIDEO_CAPTURE == 0 {
            if can & V4L2_CAP_VIDEO_CAPTURE_MPLANE == 0 {
                "it delivers no pictures"
            } else {
                "its frames come in several pieces of memory (multi-planar)"
            }
        } else if can & V4L2_CAP_STREAMING == 0 {
            "it can't stream"
        } else {
            return Ok(());
        };
        Err(CaptureFault::NotCapture(reason.into()))
    }

    /// Takes over the timing (HDMI) or standard (PAL, NTSC) that the source has at present. A device
    /// that can't tell, or is in use, stays as it is.
    pub fn follow_source(&self) {
        if let Ok(mut timings) = ioctl::QUERY_DV_TIMINGS.get(&self.file) {
            let _ = ioctl::S_DV_TIMINGS.on(&self.file, &mut timings);
        }
        if let (Ok(set), Ok(mut seen)) =
            (ioctl::G_STD.get(&self.file), ioctl::QUERYSTD.get(&self.file))
            // Several where it can't tell them apart; none where there is no signal.
            && seen != 0
            && set & seen == 0
        {
            let _ = ioctl::S_STD.on(&self.file, &mut seen);
        }
    }

    /// Asks for a format, and gives what the driver made of it.
    fn set_format(&self, mode: &Mode) -> io::Result<v4l2_pix_format> {
        let mut format = zeroed::<v4l::v4l_sys::v4l2_format>();
        format.type_ = CAPTURE;
        // Zero for all else: the driver chooses, also the stride, which it would keep otherwise.
        let mut pix: v4l2_pix_format = zeroed_pix();
        pix.width = mode.size.width;
        pix.height = mode.size.height;
        pix.pixelformat = u32::from_le_bytes(mode.format.fourcc());
        // Says that how colours are coded is understood.
        pix.priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
        format.fmt.pix = pix;
        ioctl::S_FMT.on(&self.file, &mut format)?;
        // SAFETY: the driver answers for this type with this member.
        Ok(unsafe { format.fmt.pix })
    }

    /// Asks for a rate, and gives the one there is, where the driver has any.
    fn set_interval(&self, wanted: Option<Interval>) -> Option<Interval> {
        let mut parameters = zeroed::<v4l::v4l_sys::v4l2_streamparm>();
        parameters.type_ = CAPTURE;
        if let Some(Interval { numerator, denominator }) = wanted {
            let mut capture = zeroed_capture();
            capture.timeperframe = v4l2_fract { numerator, denominator };
            parameters.parm.capture = capture;
            // A driver without rates has one of its own.
            let _ = ioctl::S_PARM.on(&self.file, &mut parameters);
        }
        let mut told = zeroed::<v4l::v4l_sys::v4l2_streamparm>();
        told.type_ = CAPTURE;
        ioctl::G_PARM.on(&self.file, &mut told).ok()?;
        // SAFETY: the driver answers for this type with this member.
        let v4l2_fract { numerator, denominator } = unsafe { told.parm.capture.timeperframe };
        let interval = Interval { numerator, denominator };
        interval.fps().is_some().then_some(interval).or(wanted)
    }

    fn buffer(index: u32) -> v4l2_buffer {
        let mut buffer = zeroed::<v4l2_buffer>();
        (buffer.type_, buffer.memory, buffer.index) = (CAPTURE, MMAP, index);
        buffer
    }

    fn request_buffers(&self, count: u32) -> io::Result<u32> {
        let mut request = zeroed::<v4l2_requestbuffers>();
        (request.type_, request.memory, request.count) = (CAPTURE, MMAP, count);
        ioctl::REQBUFS.on(&self.file, &mut request).map(|()| request.count)
    }

    fn map_buffers(&mut self) -> Result<(), CaptureFault> {
        let doing = |error| CaptureFault::from_io("it has no memory for frames", error);
        let count = self.request_buffers(Self::BUFFERS).map_err(doing)?;
        self.started = true;
        for index in 0..count.min(Self::MOST_BUFFERS) {
            let mut buffer = Self::buffer(index);
            ioctl::QUERYBUF.on(&self.file, &mut buffer).map_err(doing)?;
            // SAFETY: the driver answers for this kind of memory with this member.
            let offset = unsafe { buffer.m.offset };
            let mapping = Mapping::new(&self.file, offset.into(), buffer.length as usize);
            self.buffers.push(mapping.map_err(doing)?);
            self.used.push(0);
        }
        if self.buffers.is_empty() {
            return Err(doing(io::ErrorKind::OutOfMemory.into()));
        }
        Ok(())
    }

    fn queue(&self, index: u32) -> Result<(), CaptureFault> {
        ioctl::QBUF
            .on(&self.file, &mut Self::buffer(index))
            .map_err(|error| CaptureFault::from_io("it takes no buffer", error))
    }

    /// Whether any of the events that wait is a change of the source.
    fn source_changed(&self) -> bool {
        let events = std::iter::from_fn(|| ioctl::DQEVENT.get(&self.file).ok());
        // All are taken, up to more than a queue holds.
        events.take(64).filter(|event| event.type_ == V4L2_EVENT_SOURCE_CHANGE).count() > 0
    }
}

fn zeroed_pix() -> v4l2_pix_format {
    // SAFETY: zeroed all over, so this member is.
    unsafe { zeroed::<v4l::v4l_sys::v4l2_format>().fmt.pix }
}

fn zeroed_capture() -> v4l::v4l_sys::v4l2_captureparm {
    // SAFETY: zeroed all over, so this member is.
    unsafe { zeroed::<v4l::v4l_sys::v4l2_streamparm>().parm.capture }
}

impl CaptureDevice for V4lDevice {
    fn modes(&mut self) -> Result<Vec<Mode>, CaptureFault> {
        modes(&self.file)
    }

    fn signal(&mut self) -> Signal {
        match ioctl::QUERY_DV_TIMINGS.get(&self.file) {
            Ok(_) => {}
            Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::NOLINK) => return Signal::Absent,
                Some(Errno::NOLCK) => return Signal::Unstable,
                Some(Errno::RANGE) => return Signal::OutOfRange,
                // It has no such timings, or is gone, which the next call will tell.
                _ => {}
            },
        }
        let Ok(index) = ioctl::G_INPUT.get(&self.file) else { return Signal::Present };
        let mut input = zeroed::<v4l::v4l_sys::v4l2_input>();
        input.index = index as u32;
        if ioctl::ENUMINPUT.on(&self.file, &mut input).is_err() {
            return Signal::Present;
        }
        const NO_LOCK: u32 = V4L2_IN_ST_NO_H_LOCK
            | V4L2_IN_ST_NO_V_LOCK
            | V4L2_IN_ST_NO_STD_LOCK
            | V4L2_IN_ST_NO_SYNC;
        if input.status & (V4L2_IN_ST_NO_POWER | V4L2_IN_ST_NO_SIGNAL) != 0 {
            Signal::Absent
        } else if input.status & NO_LOCK != 0 {
            Signal::Unstable
        } else {
            Signal::Present
        }
    }

    fn start(&mut self, mode: &Mode) -> Result<Started, CaptureFault> {
        let doing = |error| CaptureFault::from_io("it does not take a format", error);
        let pix = self.set_format(mode).map_err(doing)?;
        let Some(layout) = layout(&pix) else {
            let fourcc = pix.pixelformat.to_le_bytes();
            return Err(CaptureFault::NoFormat(String::from_utf8_lossy(&fourcc).into_owned()));
        };
        layout.check()?;
        let interval = self.set_interval(mode.interval);
        let mut subscription = zeroed::<v4l2_event_subscription>();
        subscription.type_ = V4L2_EVENT_SOURCE_CHANGE;
        // Many devices have no such event.
        let _ = ioctl::SUBSCRIBE_EVENT.on(&self.file, &mut subscription);
        self.map_buffers()?;
        for index in 0..self.buffers.len() {
            self.queue(index as u32)?;
        }
        ioctl::STREAMON
            .on(&self.file, &mut (CAPTURE as i32))
            .map_err(|error| CaptureFault::from_io("it does not start", error))?;
        Ok(Started { layout, interval })
    }

    fn wait(&mut self, patience: Duration) -> Result<Wake, CaptureFault> {
        let timeout = Timespec {
            tv_sec: patience.as_secs() as i64,
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        let mut polled = [PollFd::new(&self.file, PollFlags::IN | PollFlags::PRI)];
        match poll(&mut polled, Some(&timeout)) {
            Ok(0) => return Ok(Wake::TimedOut),
            // A signal's business; the caller looks at the time.
            Err(Errno::INTR) => return Ok(Wake::TimedOut),
            Err(error) => return Err(CaptureFault::from_io("waiting for it", error.into())),
            Ok(_) => {}
        }
        let woken = polled[0].revents();
        if woken.contains(PollFlags::PRI) && self.source_changed() {
            return Ok(Wake::SourceChanged);
        }
        // What is wrong the next call for a buffer tells.
        Ok(Wake::Filled)
    }

    fn dequeue(&mut self) -> Result<Option<Filled>, CaptureFault> {
        let mut buffer = Self::buffer(0);
        match ioctl::DQBUF.on(&self.file, &mut buffer) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(CaptureFault::from_io("it delivers no frame", error)),
        }
        let index = buffer.index as usize;
        let Some(used) = self.used.get_mut(index) else {
            let strange = io::Error::other(format!("it names buffer {index}, which it has not"));
            return Err(CaptureFault::from_io("it delivers no frame", strange));
        };
        *used = buffer.bytesused as usize;
        Ok(Some(Filled {
            index,
            sequence: buffer.sequence,
            taken_at: taken_at(&buffer),
            damaged: buffer.flags & V4L2_BUF_FLAG_ERROR != 0,
        }))
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        let buffer = self.buffers.get(filled.index).zip(self.used.get(filled.index));
        buffer.map_or(&[], |(mapping, &used)| mapping.bytes(used))
    }

    fn requeue(&mut self, filled: Filled) -> Result<(), CaptureFault> {
        self.queue(filled.index as u32)
    }
}

/// When the driver says that the frame was taken. Its monotonic clock is that of [`Instant`] too, but
/// `Instant` can't be made from it; so the frame's age is taken off the present.
fn taken_at(buffer: &v4l2_buffer) -> Instant {
    let now = Instant::now();
    if buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return now;
    }
    let (seconds, micros) = (buffer.timestamp.tv_sec, buffer.timestamp.tv_usec);
    let Ok(seconds) = u64::try_from(seconds) else { return now };
    let taken = Duration::from_secs(seconds) + Duration::from_micros(micros.max(0) as u64);
    let clock = clock_gettime(ClockId::Monotonic);
    let clock = Duration::new(clock.tv_sec.max(0) as u64, clock.tv_nsec as u32);
    now.checked_sub(clock.saturating_sub(taken)).unwrap_or(now)
}

impl Drop for V4lDevice {
    fn drop(&mut self) {
        if self.started {
            // Of a device that is gone nothing can be stopped.
            let _ = ioctl::STREAMOFF.on(&self.file, &mut (CAPTURE as i32));
            self.buffers.clear();
            let _ = self.request_buffers(0);
        }
    }
}
