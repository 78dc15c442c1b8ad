//! What the system tells about the machine and this process. Nothing is known where the system
//! doesn't have the files that Linux has.

use std::fs;
use std::path::Path;

/// Lets other threads go first: this one, and those that it starts, run where these leave time. Where
/// the system doesn't have this, nothing changes.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(GIVING_WAY) {
        log::debug!("this thread can't give way: {error}");
    }
}

/// How nice a thread is that gives way: a tenth of the time where another one wants it.
#[cfg(target_os = "linux")]
const GIVING_WAY: i32 = 10;

/// The largest memory this process has had resident, in megabytes of 10⁶ bytes.
pub fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kilobytes(&status, "VmHWM").map(|kilobytes| kilobytes * 1024.0 / 1e6)
}

/// What the processor is called, or else the board, or else the architecture.
pub fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let board = || {
        let name = fs::read_to_string("/proc/device-tree/model").ok()?;
        Some(name.trim_end_matches('\0').trim().to_owned())
    };
    let named = value(&info, "model name").map(str::to_owned).or_else(board);
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The temperature of the hottest sensor, in degrees Celsius.
pub fn temperature_celsius() -> Option<f64> {
    let sensors = numbers("/sys/class/thermal", "thermal_zone", "temp");
    sensors.into_iter().reduce(f64::max).map(|thousandths| thousandths / 1e3)
}

/// How fast the cores are clocked at present, in MHz: their mean.
pub fn frequency_mhz() -> Option<f64> {
    let cores = numbers("/sys/devices/system/cpu", "cpu", "cpufreq/scaling_cur_freq");
    let count = cores.len();
    (count > 0).then(|| cores.iter().sum::<f64>() / count as f64 / 1e3)
}

/// The value of the first line `name: value` of `text`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|l| l.1)
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    value(status, name)?.strip_suffix("kB")?.trim().parse().ok()
}

/// The numbers in `file` of the folders in `folder` whose names begin with `prefix`.
fn numbers(folder: &str, prefix: &str, file: &str) -> Vec<f64> {
    let entries = fs::read_dir(Path::new(folder)).into_iter().flatten().flatten();
    let of_prefix = entries.filter(|e| e.file_name().to_string_lossy().starts_with(prefix));
    let texts = of_prefix.filter_map(|entry| fs::read_to_string(entry.path().join(file)).ok());
    texts.filter_map(|text| text.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_system_are_read() {
        let status = "Name:\ttapseg\nVmPeak:\t  900 kB\nVmHWM:\t  2048 kB\n";
        assert_eq!(kilobytes(status, "VmHWM"), Some(2048.0));
        assert_eq!(kilobytes(status, "VmSwap"), None);
        assert_eq!(value("model name\t: A: B\nmodel name: C", "model name"), Some("A: B"));
    }

    #[test]
    fn what_this_machine_tells_makes_sense() {
        assert!(!processor().is_empty());
        assert!(peak_rss_mb().is_none_or(|mb| mb > 1.0));
        assert!(frequency_mhz().is_none_or(|mhz| mhz > 1.0));
        assert!(temperature_celsius().is_none_or(|celsius| (-50.0..200.0).contains(&celsius)));
    }
}
