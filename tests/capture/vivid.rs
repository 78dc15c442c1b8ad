//! The kernel's test driver for video, vivid: a capture device whose cable is an output device of its
//! own, and whose faults are controls.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use v4l::control::{Control, MenuItem, Type, Value};
use v4l::io::mmap::Stream;
use v4l::io::traits::OutputStream;
use v4l::video::Output;
use v4l::{Device, FourCC};

/// One capture and one output device, both HDMI.
const ARGUMENTS: [&str; 6] = [
    "n_devs=1",
    "num_inputs=1",
    "input_types=0x3",
    "num_outputs=1",
    "output_types=1",
    "node_types=0x101",
];

/// The driver, loaded.
pub struct Vivid {
    pub capture: PathBuf,
    pub output: PathBuf,
}

impl Vivid {
    /// Loads the driver anew; none where there is none.
    pub fn load() -> Option<Self> {
        let _ = Command::new("modprobe").args(["-r", "vivid"]).status();
        let loaded = Command::new("modprobe").arg("vivid").args(ARGUMENTS).status();
        loaded.is_ok_and(|status| status.success()).then(Self::loaded)
    }

    /// The driver, as it was loaded before.
    pub fn loaded() -> Self {
        let node = |kind: &str| {
            let nodes = std::fs::read_dir("/sys/class/video4linux").unwrap().flatten();
            let mut named = nodes.filter(|node| {
                let name = std::fs::read_to_string(node.path().join("name")).unwrap_or_default();
                name.trim().ends_with(kind)
            });
            Path::new("/dev").join(named.next().expect("vivid's node").file_name())
        };
        Self { capture: node("-cap"), output: node("-out") }
    }

    /// Takes the device away, as when its cable is pulled, whoever uses it.
    pub fn unplug(&self) {
        std::fs::write("/sys/bus/platform/drivers/vivid/unbind", "vivid.0").expect("unplugged");
    }

    /// Brings it back.
    pub fn plug_in() -> Self {
        std::fs::write("/sys/bus/platform/drivers/vivid/bind", "vivid.0").expect("plugged in");
        Self::loaded()
    }

    /// Sets a control of the capture device to a number, or to the entry of its menu that has `value`
    /// in it.
    pub fn set(&self, name: &str, value: &str) {
        let device = Device::with_path(&self.capture).unwrap();
        let controls = device.query_controls().unwrap();
        let control = controls.iter().find(|c| c.name == name);
        let control = control.unwrap_or_else(|| {
            panic!(
                "vivid has no control {name}: {:?}",
                controls.iter().map(|c| &c.name).collect::<Vec<_>>()
            )
        });
        let number = value.parse().ok().or_else(|| {
            let items = control.items.as_ref()?.iter();
            let named = |item: &MenuItem| item.to_string().contains(value);
            items.filter(|(_, item)| named(item)).map(|(i, _)| i64::from(*i)).next()
        });
        let number =
            number.unwrap_or_else(|| panic!("{name} knows no {value}: {:?}", control.items));
        let value = match control.typ {
            Type::Boolean => Value::Boolean(number != 0),
            _ => Value::Integer(number),
        };
        let set = device.set_control(Control { id: control.id, value });
        set.unwrap_or_else(|error| panic!("{name} = {number}: {error}"));
    }

    /// Sends `frames` to the output, again and again: what the capture device receives once `Loop
    /// Video` is set.
    pub fn play(&self, fourcc: &[u8; 4], frames: Vec<Vec<u8>>) -> Player {
        let path = self.output.clone();
        let fourcc = *fourcc;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let device = Device::with_path(&path).unwrap();
            let mut format = device.format().unwrap();
            format.fourcc = FourCC::new(&fourcc);
            // Else the driver keeps those of the format before.
            (format.stride, format.size) = (0, 0);
            let format = device.set_format(&format).unwrap();
            assert_eq!(format.fourcc.repr, fourcc, "vivid's output takes it");
            // By mapped buffers: the kernel's own way to write frames loses their length in some versions.
            let mut stream = Stream::new(&device, v4l::buffer::Type::VideoOutput).unwrap();
            let send = |frame: &[u8], stream: &mut Stream| {
                assert_eq!(frame.len(), format.size as usize, "{}x{}", format.width, format.height);
                let (buffer, about) = OutputStream::next(stream)?;
                buffer[..frame.len()].copy_from_slice(frame);
                about.bytesused = frame.len() as u32;
                Ok::<_, std::io::Error>(())
            };
            // Two more on their way, so that there is always one to be shown; dark ones at first.
            let ahead = [1, 2].map(|index| OutputStream::queue(&mut stream, index));
            ahead.into_iter().for_each(|queued| queued.expect("a buffer"));
            for frame in frames.iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // As when the device is unplugged.
                if let Err(error) = send(frame, &mut stream) {
                    eprintln!("the scanner's end of the cable: {error}");
                    break;
                }
            }
        });
        Player { stop, thread: Some(thread) }
    }
}

/// Sends frames until it is dropped.
pub struct Player {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().expect("frames were sent");
        }
    }
}
