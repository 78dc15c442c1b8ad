//! What the board is connected to: cameras, panels and touch, and who may use them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Finding, entries, name, text};
use crate::feed::capture::is_part_of_board;
use crate::touch::{Abilities, Protocol, code};

pub(super) fn examine(root: &Path) -> Vec<Finding> {
    let mut nodes = Vec::new();
    let mut findings = vec![cameras(root, &mut nodes), panels(root, &mut nodes)];
    findings.extend(super::buttons::examine(root));
    findings.push(touch(root, &mut nodes));
    if !nodes.is_empty() {
        findings.push(permissions(root, &nodes));
    }
    findings
}

fn cameras(root: &Path, nodes: &mut Vec<PathBuf>) -> Finding {
    let called = |device: &PathBuf| text(device.join("name")).unwrap_or_default();
    let mut devices = entries(root.join("sys/class/video4linux"), "video");
    devices.retain(|device| !is_part_of_board(&called(device)));
    if devices.is_empty() {
        let remedy = "plug the capture device in; `dmesg | tail` tells whether the kernel knows it. \
                      Files and the simulator can be shown without one";
        return Finding::warning("cameras", "none", remedy);
    }
    let named = devices.iter().map(|device| {
        let node = PathBuf::from("dev").join(name(device));
        let told = format!("/{} ({})", node.display(), called(device));
        nodes.push(node);
        told
    });
    let named = named.collect::<Vec<_>>().join(", ");
    if cfg!(feature = "v4l") {
        return Finding::ok("cameras", named);
    }
    let found = format!("{named}, but this program was built without capture devices");
    Finding::warning("cameras", found, "run boards/setup, then build it with --features v4l")
}

fn panels(root: &Path, nodes: &mut Vec<PathBuf>) -> Finding {
    let mut found = Vec::new();
    for connector in entries(root.join("sys/class/drm"), "card") {
        let connected = text(connector.join("status")).is_some_and(|s| s == "connected");
        let whole = name(&connector);
        if let (true, Some((card, port))) = (connected, whole.split_once('-')) {
            let modes = text(connector.join("modes")).unwrap_or_default();
            let mode = modes.lines().next().unwrap_or("no mode").to_owned();
            nodes.push(PathBuf::from("dev/dri").join(card));
            found.push(format!("{port} at /dev/dri/{card} ({mode})"));
        }
    }
    for buffer in entries(root.join("sys/class/graphics"), "fb") {
        if let Some(size) = text(buffer.join("virtual_size")) {
            let buffer = name(&buffer);
            found.push(format!("/dev/{buffer} ({})", size.replace(',', "x")));
            nodes.push(PathBuf::from("dev").join(buffer));
        }
    }
    if found.is_empty() {
        let remedy = "connect the panel before the board is switched on. `--screen picture:DIR` writes \
                      files instead";
        return Finding::warning("panels", "none is connected", remedy);
    }
    Finding::ok("panels", found.join(", "))
}

fn touch(root: &Path, nodes: &mut Vec<PathBuf>) -> Finding {
    let list = text(root.join("proc/bus/input/devices")).unwrap_or_default();
    let (mut found, mut mice) = (Vec::new(), Vec::new());
    for device in list.split("\n\n") {
        let line = |prefix: &str| device.lines().find_map(|l| l.strip_prefix(prefix));
        let bit = |prefix, code: u16| line(prefix).is_some_and(|words| has_bit(words, code.into()));
        let handlers = line("H: Handlers=").unwrap_or_default();
        let abilities = Abilities {
            multitouch: bit("B: ABS=", code::ABS_MT_POSITION_X),
            slots: bit("B: ABS=", code::ABS_MT_SLOT),
            absolute: bit("B: ABS=", code::ABS_X),
            relative: bit("B: REL=", code::REL_X),
            touch: bit("B: KEY=", code::BTN_TOUCH),
            left_button: bit("B: KEY=", code::BTN_LEFT),
            pointer: bit("B: PROP=", code::INPUT_PROP_POINTER),
        };
        let event = handlers.split_whitespace().find(|h| h.starts_with("event"));
        let protocol = Protocol::of(abilities);
        if let (Some(event), Some(protocol)) = (event, protocol) {
            let called = line("N: Name=").unwrap_or_default().trim_matches('"');
            nodes.push(PathBuf::from("dev/input").join(event));
            let told = format!("/dev/input/{event} ({called})");
            let panel = protocol != Protocol::Mouse && (abilities.touch || abilities.multitouch);
            if panel { found.push(told) } else { mice.push(told) }
        }
    }
    if found.is_empty() {
        let remedy = "connect the panel's touch cable (USB or I²C). A mouse points as well";
        let no_panel = match mice.is_empty() {
            true => "no panel, and no mouse".into(),
            false => format!("no panel, but {}", mice.join(", ")),
        };
        return Finding::warning("touch", no_panel, remedy);
    }
    Finding::ok("touch", found.join(", "))
}

/// Whether a bit is set in what the kernel prints: words of 64 bits in hex, the highest first.
fn has_bit(words: &str, bit: usize) -> bool {
    let word = words.split_whitespace().rev().nth(bit / 64);
    word.and_then(|w| u64::from_str_radix(w, 16).ok()).is_some_and(|w| w >> (bit % 64) & 1 == 1)
}

/// Whether this process may read and write the device nodes, by its user and groups.
fn permissions(root: &Path, nodes: &[PathBuf]) -> Finding {
    const PART: &str = "permissions";
    let status = text(root.join("proc/self/status")).unwrap_or_default();
    let numbers = |key: &str| -> Vec<u32> {
        let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().filter_map(|n| n.parse().ok()).collect()
    };
    // Real, effective, saved, file system: the last one counts for files.
    let user = numbers("Uid:").last().copied();
    let groups: Vec<u32> = numbers("Gid:").into_iter().skip(3).chain(numbers("Groups:")).collect();
    let (mut missing, mut refused, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for node in nodes {
        let shown = format!("/{}", node.display());
        let Ok(data) = fs::metadata(root.join(node)) else {
            missing.push(shown);
            continue;
        };
        let shift = match user {
            Some(0) | None => continue,
            Some(user) if user == data.uid() => 6,
            _ if groups.contains(&data.gid()) => 3,
            _ => 0,
        };
        if data.mode() >> shift & 0o6 != 0o6 {
            refused.push(shown);
            wanted.push(if node.starts_with("dev/input") { "input" } else { "video" });
        }
    }
    if !missing.is_empty() {
        let found = format!("{} not there", missing.join(", "));
        return Finding::fault(PART, found, "sudo udevadm trigger, or start the board again");
    }
    if !refused.is_empty() {
        wanted.sort_unstable();
        wanted.dedup();
        let remedy = format!("sudo usermod -aG {} $USER, and log in again", wanted.join(","));
        return Finding::fault(PART, format!("may not use {}", refused.join(", ")), remedy);
    }
    Finding::ok(PART, format!("may use all {} devices", nodes.len()))
}
