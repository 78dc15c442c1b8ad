//! Which capture devices there are.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::V4lDevice;
use crate::feed::capture::{
    CaptureDevice, CaptureFault, Mode, Place, Wishes, choose, is_part_of_board,
};

/// A capture device, as it is listed.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its node, such as `/dev/video0`.
    pub path: PathBuf,
    /// What it calls itself.
    pub name: String,
    /// A name that it keeps when it is plugged in elsewhere or later, as `--feed` takes it.
    pub stable: Option<String>,
    /// What it can deliver, or why that is not known.
    #[serde(serialize_with = "modes_or_fault")]
    pub modes: Result<Vec<Mode>, CaptureFault>,
}

fn modes_or_fault<S: Serializer>(
    modes: &Result<Vec<Mode>, CaptureFault>,
    to: S,
) -> Result<S::Ok, S::Error> {
    modes.as_ref().map_err(ToString::to_string).serialize(to)
}

impl Listed {
    /// The mode that would be chosen.
    pub fn best(&self) -> Option<Mode> {
        choose(self.modes.as_ref().ok()?, &Wishes::default()).ok()
    }
}

/// The capture devices of this machine, by number; nodes that deliver no pictures, and those of the
/// board's own codecs, are left out.
pub fn list() -> Vec<Listed> {
    let cameras = nodes().into_iter().filter(|(_, name)| !is_part_of_board(name));
    let listed = cameras.map(|(path, name)| {
        let modes = V4lDevice::open(&path).and_then(|mut device| device.modes());
        Listed { stable: stable_name(&path), path, name, modes }
    });
    listed.filter(|l| !matches!(l.modes, Err(CaptureFault::NotCapture(_)))).collect()
}

/// The nodes there are, with the devices' names, by number.
fn nodes() -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir("/sys/class/video4linux").into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let node = entry.file_name().into_string().ok()?;
        let number: u32 = node.strip_prefix("video")?.parse().ok()?;
        // Bytes of some devices are no UTF-8.
        let name = fs::read(entry.path().join("name")).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).trim().to_owned();
        Some((number, (Path::new("/dev").join(node), name)))
    });
    let mut nodes: Vec<_> = numbered.collect();
    nodes.sort();
    nodes.into_iter().map(|(_, node)| node).collect()
}

/// The link to a node in `/dev/v4l/by-id`, or else in `/dev/v4l/by-path`.
fn stable_name(node: &Path) -> Option<String> {
    let node = node.canonicalize().ok()?;
    ["by-id", "by-path"].into_iter().find_map(|kind| {
        let links = fs::read_dir(Path::new("/dev/v4l").join(kind)).into_iter().flatten().flatten();
        let link = links
            .into_iter()
            .find(|link| link.path().canonicalize().is_ok_and(|target| target == node))?;
        Some(format!("v4l:{kind}/{}", link.file_name().to_str()?))
    })
}

/// The node at `place`.
///
/// # Errors
/// [`CaptureFault::Absent`].
pub(super) fn find(place: &Place) -> Result<PathBuf, CaptureFault> {
    let nodes = nodes();
    let delivers = |path: &Path| match V4lDevice::open(path) {
        Ok(_) => true,
        Err(fault) => !matches!(fault, CaptureFault::NotCapture(_)),
    };
    let mut candidates: Vec<&PathBuf> = match place {
        Place::Path(path) if path.exists() => return Ok(path.clone()),
        Place::Path(_) => Vec::new(),
        Place::First => {
            let cameras = nodes.iter().filter(|(_, name)| !is_part_of_board(name));
            cameras.map(|(path, _)| path).collect()
        }
        Place::Name(name) => {
            let wanted = name.trim().to_lowercase();
            let like = |fits: fn(&str, &str) -> bool| {
                let fitting = nodes.iter().filter(|(_, name)| fits(&name.to_lowercase(), &wanted));
                fitting.map(|(path, _)| path).collect::<Vec<_>>()
            };
            [like(|name, wanted| name == wanted), like(|name, wanted| name.contains(wanted))]
                .concat()
        }
    };
    // A camera may have nodes that deliver no pictures; a device that can't be opened counts, so that
    // the reason is told.
    let found = candidates.iter().position(|path| delivers(path));
    match found {
        Some(i) => Ok(candidates.swap_remove(i).clone()),
        None => {
            let there = nodes.iter().map(|(path, name)| format!("{} {name}", path.display()));
            Err(CaptureFault::Absent { found: there.collect() })
        }
    }
}
