//! Which board this is, by the device tree that its firmware handed to the kernel.

use std::fs;
use std::path::Path;

use super::profile::{Profile, ProfileError, Profiles};

/// Why the board isn't known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// A profile can't be read.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No profile fits, and the general ones are for other processors.
    #[error("this board isn't known; name a profile, one of: {}", .0.join(", "))]
    Unknown(Vec<String>),
}

/// What the board whose files are below `root` is called by its device tree.
pub(super) fn board_name(root: &Path) -> Option<String> {
    strings(root, "model").into_iter().next()
}

/// The profile for the board whose files are below `root`: the one that lists the earliest of the
/// device tree's `compatible` names, which run from the board itself to its processor. Without one,
/// `generic-arm64` where there is a device tree or this program is for arm64, else `pc`.
///
/// # Errors
/// [`DetectError`] where a profile can't be read, or there is none.
pub fn detect(root: &Path, profiles: &Profiles) -> Result<Profile, DetectError> {
    let names = profiles.names();
    let all = names.iter().map(|n| profiles.find(n)).collect::<Result<Vec<_>, _>>()?;
    let compatible = strings(root, "compatible");
    for name in &compatible {
        if let Some(profile) = all.iter().find(|p| p.compatible.contains(name)) {
            return Ok(profile.clone());
        }
    }
    let arm64 = !compatible.is_empty() || cfg!(target_arch = "aarch64");
    let general = if arm64 { "generic-arm64" } else { "pc" };
    all.into_iter().find(|p| p.name == general).ok_or(DetectError::Unknown(names))
}

/// The strings of a property, each of which ends with a zero byte.
fn strings(root: &Path, property: &str) -> Vec<String> {
    let bytes = fs::read(root.join("proc/device-tree").join(property)).unwrap_or_default();
    let parts = bytes.split(|b| *b == 0).map(|s| String::from_utf8_lossy(s).trim().to_owned());
    parts.filter(|s| !s.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(compatible: &[u8]) -> String {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/device-tree");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("compatible"), compatible).unwrap();
        detect(root.path(), &Profiles::new([])).unwrap().name
    }

    #[test]
    fn boards_are_known_by_their_device_tree() {
        assert_eq!(detected(b"raspberrypi,5-model-b\0brcm,bcm2712\0"), "raspberry-pi-5");
        assert_eq!(detected(b"raspberrypi,4-model-b\0brcm,bcm2711\0"), "raspberry-pi-4");
        let orin = b"nvidia,p3768-0000+p3767-0005-super\0nvidia,tegra234\0";
        assert_eq!(detected(orin), "jetson-orin-nano");
        assert_eq!(detected(b"linux,dummy-virt\0"), "generic-arm64");
    }

    #[test]
    fn without_a_device_tree_the_program_tells() {
        let root = tempfile::tempdir().unwrap();
        let expected = if cfg!(target_arch = "aarch64") { "generic-arm64" } else { "pc" };
        assert_eq!(detect(root.path(), &Profiles::new([])).unwrap().name, expected);
    }
}
