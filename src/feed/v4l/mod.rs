//! Capture devices of Linux (Video4Linux): capture cards and sticks, webcams, cameras.

mod buffers;
mod device;
mod ioctl;
mod layout;
mod modes;
mod nodes;

use super::capture::{CaptureDevice, CaptureFault, CaptureFeed, CaptureSpec, Place};
use super::pixels::Converter;

pub use device::V4lDevice;
pub use nodes::{Listed, list};

/// The feed of the device that `spec` names. A device that is not there, or can't be used, is waited
/// for: its feed tells what is wrong.
pub fn open_feed(spec: CaptureSpec, converter: Converter) -> CaptureFeed {
    let CaptureSpec { place, wishes } = spec;
    let name = place.to_string();
    CaptureFeed::new(&name, wishes, converter, move || open(&place))
}

fn open(place: &Place) -> Result<Box<dyn CaptureDevice>, CaptureFault> {
    let device = V4lDevice::open(&nodes::find(place)?)?;
    device.follow_source();
    Ok(Box::new(device))
}
