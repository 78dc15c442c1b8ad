//! The board itself: processor, memory, clock and temperature.

use std::path::Path;

use super::{Finding, entries, name, text};
use crate::board::detect::board_name;

/// Less memory free than this, in MB, and a model may not fit: LiteMedSAM takes about 180 MB to outline
/// one structure on a picture of 1280 × 960.
const LEAST_FREE_MB: u64 = 300;

/// Less memory free than this, in MB, and large pictures or other models won't fit.
const GOOD_FREE_MB: u64 = 700;

/// From here on boards begin to clock their cores down, in degrees Celsius.
const HOT_CELSIUS: f64 = 80.0;

/// What the Raspberry Pi's firmware reports (`vcgencmd get_throttled`): bit, and what it means. The
/// same bits shifted by 16 tell that it has happened since the start.
const THROTTLED_BITS: [(u32, &str); 4] = [
    (0, "the supply voltage is too low"),
    (1, "the clock is capped"),
    (2, "the cores are throttled"),
    (3, "the soft temperature limit is reached"),
];

pub(super) fn examine(root: &Path) -> Vec<Finding> {
    let board = match board_name(root) {
        Some(name) => Finding::ok("board", name),
        None => Finding::ok("board", "no device tree, as on a PC"),
    };
    let mut findings = vec![board, processor(root), memory(root)];
    findings.extend(governor(root));
    findings.extend(temperature(root));
    findings.extend(throttling(root));
    findings
}

fn processor(root: &Path) -> Finding {
    const PART: &str = "processor";
    let info = text(root.join("proc/cpuinfo")).unwrap_or_default();
    let lines =
        || info.lines().filter_map(|l| l.split_once(':')).map(|(k, v)| (k.trim(), v.trim()));
    let cores = lines().filter(|(key, _)| *key == "processor").count();
    let features = lines().find(|(key, _)| matches!(*key, "Features" | "flags")).map(|l| l.1);
    let Some(features) = features.filter(|_| cores > 0) else {
        let remedy = "mount /proc: mount -t proc proc /proc";
        return Finding::warning(PART, "/proc/cpuinfo tells nothing", remedy);
    };
    let has = |feature: &str| features.split_whitespace().any(|f| f == feature);
    let fast = [
        ("i8mm", "8-bit matrix products"),
        ("asimddp", "8-bit dot products"),
        ("avx512_vnni", "8-bit dot products (AVX-512)"),
        ("avx2", "AVX2"),
    ];
    let found = |what: &str| format!("{cores} cores with {what}");
    if let Some((_, what)) = fast.into_iter().find(|(feature, _)| has(feature)) {
        return Finding::ok(PART, found(what));
    }
    if has("asimd") {
        return Finding::ok(PART, found("plain NEON, without 8-bit dot products"));
    }
    let remedy =
        "use a 64-bit ARM or an AVX2 processor: without, an outline takes many times as long";
    Finding::warning(PART, found("neither NEON nor AVX2"), remedy)
}

fn memory(root: &Path) -> Finding {
    const PART: &str = "memory";
    let info = text(root.join("proc/meminfo")).unwrap_or_default();
    let mb = |key: &str| -> Option<u64> {
        let line = info.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024 / 1_000_000)
    };
    let (Some(total), Some(free)) = (mb("MemTotal"), mb("MemAvailable")) else {
        let remedy = "mount /proc: mount -t proc proc /proc";
        return Finding::warning(PART, "/proc/meminfo tells nothing", remedy);
    };
    let found = format!("{total} MB, of which {free} MB can be had");
    let remedy = "end other programs, or use a board with more memory";
    if free < LEAST_FREE_MB {
        Finding::fault(PART, found, remedy)
    } else if free < GOOD_FREE_MB {
        Finding::warning(PART, found, remedy)
    } else {
        Finding::ok(PART, found)
    }
}

fn governor(root: &Path) -> Option<Finding> {
    const PART: &str = "clock";
    let cores = entries(root.join("sys/devices/system/cpu"), "cpu");
    let governors = cores.iter().filter_map(|core| text(core.join("cpufreq/scaling_governor")));
    let mut governors: Vec<String> = governors.collect();
    governors.sort();
    governors.dedup();
    if governors.is_empty() {
        return None;
    }
    let found = format!("governor {}", governors.join(", "));
    if governors.iter().any(|g| g == "powersave")
        && !entries(root.join("sys/devices/system/cpu"), "intel_pstate").iter().any(|p| p.is_dir())
    {
        let remedy =
            "echo schedutil | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor";
        return Some(Finding::warning(PART, format!("{found}: cores stay slow"), remedy));
    }
    Some(Finding::ok(PART, found))
}

fn temperature(root: &Path) -> Option<Finding> {
    let zones = entries(root.join("sys/class/thermal"), "thermal_zone");
    let hottest = zones.iter().filter_map(|zone| text(zone.join("temp"))?.parse::<f64>().ok());
    let celsius = hottest.reduce(f64::max)? / 1e3;
    let found = format!("{celsius:.0} °C");
    Some(if celsius < HOT_CELSIUS {
        Finding::ok("temperature", found)
    } else {
        Finding::warning("temperature", found, "fit a heat sink or fan, and keep its vents free")
    })
}

fn throttling(root: &Path) -> Option<Finding> {
    const PART: &str = "throttling";
    const SUPPLY: &str = "use the board's own power supply and a fan, then start it again";
    let bits = throttled_bits(root);
    let told = |shift: u32| -> Vec<&str> {
        let set = |bit: u32| bits.is_some_and(|b| b >> (bit + shift) & 1 == 1);
        THROTTLED_BITS.iter().filter(|(bit, _)| set(*bit)).map(|(_, what)| *what).collect()
    };
    let (now, before) = (told(0), told(16));
    if !now.is_empty() {
        return Some(Finding::fault(PART, format!("now: {}", now.join("; ")), SUPPLY));
    }
    if !before.is_empty() {
        let found = format!("not now, but since the start: {}", before.join("; "));
        return Some(Finding::warning(PART, found, SUPPLY));
    }
    let low_voltage = low_voltage_alarm(root);
    if low_voltage == Some(true) {
        return Some(Finding::warning(PART, "the supply voltage was too low of late", SUPPLY));
    }
    let coolers = entries(root.join("sys/class/thermal"), "cooling_device");
    let of_processor = coolers.iter().filter(|c| {
        text(c.join("type")).is_some_and(|t| t.contains("cpufreq") || t == "Processor")
    });
    let states: Vec<(String, String)> =
        of_processor.filter_map(|c| Some((name(c), text(c.join("cur_state"))?))).collect();
    if states.iter().any(|(_, state)| state != "0") {
        return Some(Finding::warning(PART, "the cores are clocked down because of heat", SUPPLY));
    }
    if bits.is_some() || low_voltage.is_some() {
        return Some(Finding::ok(PART, "none"));
    }
    let by_heat = "none by heat; whether the supply voltage suffices is not known";
    (!states.is_empty()).then(|| Finding::ok(PART, by_heat))
}

/// What the firmware reports, where the kernel hands it on: `soc/soc:firmware` up to the Raspberry Pi
/// 4, and with the bus's address in both names on the 5.
fn throttled_bits(root: &Path) -> Option<u32> {
    let buses = entries(root.join("sys/devices/platform"), "soc");
    let firmwares = buses.into_iter().flat_map(|bus| entries(bus, "soc"));
    let told = firmwares.filter(|f| name(f).ends_with(":firmware"));
    let hex = told.filter_map(|f| text(f.join("get_throttled"))).next()?;
    u32::from_str_radix(hex.trim_start_matches("0x"), 16).ok()
}

/// Whether the supply voltage was too low since the driver `raspberrypi-hwmon` looked last.
fn low_voltage_alarm(root: &Path) -> Option<bool> {
    let sensors = entries(root.join("sys/class/hwmon"), "hwmon");
    let volts = sensors.iter().find(|s| text(s.join("name")).as_deref() == Some("rpi_volt"))?;
    Some(text(volts.join("in0_lcrit_alarm"))? != "0")
}
