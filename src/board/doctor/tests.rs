//! Boards made of files.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

struct Board(tempfile::TempDir);

impl Board {
    /// A sound Raspberry Pi 5 with a capture stick and a touch panel, looked at by another user who
    /// is in the devices' group.
    fn sound() -> Self {
        let board = Self(tempfile::tempdir().unwrap());
        board.put("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0");
        let core = "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp\n\n";
        board.put("proc/cpuinfo", &core.repeat(4));
        board.put("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n");
        board.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n");
        board.put("sys/class/thermal/thermal_zone0/temp", "52300\n");
        board.put("sys/devices/platform/soc/soc:firmware/get_throttled", "0\n");
        board.put("sys/class/video4linux/video0/name", "USB Video\n");
        board.put("sys/class/drm/card1-DSI-1/status", "connected\n");
        board.put("sys/class/drm/card1-DSI-1/modes", "1280x800\n640x480\n");
        board.put("sys/class/drm/card1-HDMI-A-1/status", "disconnected\n");
        board.put(
            "proc/bus/input/devices",
            "N: Name=\"pwr_button\"\nH: Handlers=kbd event0 \nB: PROP=0\nB: KEY=1000\n\n\
             N: Name=\"Goodix Touch\"\nH: Handlers=mouse0 event4 \nB: PROP=2\nB: ABS=2608000 3\n\n\
             N: Name=\"Panel\"\nH: Handlers=event5 \nB: PROP=2\nB: ABS=260800000000003\n\n",
        );
        for node in ["dev/video0", "dev/dri/card1", "dev/input/event5"] {
            board.put(node, "");
            board.mode(node, 0o660);
        }
        let data = fs::metadata(board.0.path().join("dev/video0")).unwrap();
        let (user, group) = (data.uid() + 1, data.gid());
        board.user(user, group);
        board
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.0.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn user(&self, user: u32, group: u32) {
        let status = format!(
            "Name:\tx\nUid:\t{user}\t{user}\t{user}\t{user}\nGid:\t9\t9\t9\t9\nGroups:\t{group} \n"
        );
        self.put("proc/self/status", &status);
    }

    fn finding(&self, part: &str) -> Finding {
        examine(self.0.path()).into_iter().find(|f| f.part == part).unwrap()
    }

    /// The finding must be of `state`, tell `found` and, where something is wrong, a remedy.
    fn tells(&self, part: &str, state: State, found: &str) {
        let finding = self.finding(part);
        assert_eq!(finding.state, state, "{finding:?}");
        assert!(finding.found.contains(found), "{finding:?}");
        assert_eq!(finding.remedy.is_some(), state != State::Ok, "{finding:?}");
    }
}

/// How cameras are: of no use to a program that was built without capture devices.
const CAMERAS: State = if cfg!(feature = "v4l") { State::Ok } else { State::Warning };

#[test]
fn a_sound_board_has_nothing_to_mend() {
    let board = Board::sound();
    for finding in examine(board.0.path()).into_iter().filter(|f| f.part != "cameras") {
        assert_eq!(finding.state, State::Ok, "{finding:?}");
    }
    board.tells("board", State::Ok, "Raspberry Pi 5");
    board.tells("processor", State::Ok, "4 cores with 8-bit dot products");
    board.tells("memory", State::Ok, "8192 MB, of which 6144 MB");
    board.tells("temperature", State::Ok, "52 °C");
    board.tells("cameras", CAMERAS, "/dev/video0 (USB Video)");
    let told = board.finding("cameras");
    assert_eq!(told.found.contains("built without capture devices"), !cfg!(feature = "v4l"));
    let remedy = told.remedy.unwrap_or_default();
    assert_eq!(remedy.contains("--features v4l"), !cfg!(feature = "v4l"), "{remedy}");
    board.tells("panels", State::Ok, "DSI-1 at /dev/dri/card1 (1280x800)");
    board.tells("touch", State::Ok, "/dev/input/event5 (Panel)");
    board.tells("permissions", State::Ok, "all 3 devices");
    assert!(!board.finding("panels").found.contains("HDMI"));
}

#[test]
fn what_is_wrong_is_told_with_a_remedy() {
    let board = Board::sound();
    board.put("proc/meminfo", "MemTotal: 900000 kB\nMemAvailable: 200000 kB\n");
    board.tells("memory", State::Fault, "204 MB can be had");
    board.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave");
    board.tells("clock", State::Warning, "powersave");
    board.put("sys/class/thermal/thermal_zone0/temp", "84100\n");
    board.tells("temperature", State::Warning, "84 °C");
    board.put("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
    board.tells("throttling", State::Fault, "now: the supply voltage is too low; the cores are");
    board.put("sys/devices/platform/soc/soc:firmware/get_throttled", "0x50000\n");
    board.tells("throttling", State::Warning, "since the start: the supply voltage is too low");
}

#[test]
fn throttling_is_read_wherever_a_board_tells_it() {
    const FOUR: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";
    const FIVE: &str = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled";
    let board = Board::sound();
    board.tells("throttling", State::Ok, "none");
    fs::remove_file(board.0.path().join(FOUR)).unwrap();
    assert!(examine(board.0.path()).iter().all(|f| f.part != "throttling"), "nothing tells it");
    board.put("sys/class/thermal/cooling_device0/type", "cpufreq-cpu0\n");
    board.put("sys/class/thermal/cooling_device0/cur_state", "0\n");
    board.tells("throttling", State::Ok, "whether the supply voltage suffices is not known");
    board.put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
    board.put("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
    board.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
    board.tells("throttling", State::Warning, "the supply voltage was too low");
    board.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
    assert_eq!(board.finding("throttling").found, "none");
    board.put(FIVE, "50005\n");
    board.tells("throttling", State::Fault, "now: the supply voltage is too low");
}

#[test]
fn the_boards_own_codecs_are_no_cameras() {
    let board = Board::sound();
    board.put("sys/class/video4linux/video10/name", "bcm2835-codec-decode\n");
    board.put("sys/class/video4linux/video20/name", "pispbe-output0\n");
    board.tells("cameras", CAMERAS, "/dev/video0 (USB Video)");
    assert!(!board.finding("cameras").found.contains("codec"));
    // The nodes aren't there: nobody is told that they are missing.
    board.tells("permissions", State::Ok, "all 3 devices");
    fs::remove_dir_all(board.0.path().join("sys/class/video4linux/video0")).unwrap();
    board.tells("cameras", State::Warning, "none");
}

#[test]
fn devices_that_may_not_be_used_name_the_groups() {
    let board = Board::sound();
    let owner = fs::metadata(board.0.path().join("dev/video0")).unwrap();
    board.user(owner.uid() + 1, owner.gid() + 1);
    board.tells("permissions", State::Fault, "/dev/video0, /dev/dri/card1, /dev/input/event5");
    let remedy = board.finding("permissions").remedy.unwrap();
    assert!(remedy.contains("usermod -aG input,video $USER"), "{remedy}");
    board.mode("dev/input/event5", 0o666);
    assert!(board.finding("permissions").remedy.unwrap().contains("-aG video $USER"));
    board.user(0, 0);
    board.tells("permissions", State::Ok, "");
    fs::remove_file(board.0.path().join("dev/video0")).unwrap();
    board.tells("permissions", State::Fault, "/dev/video0 not there");
}

#[test]
fn single_touch_counts_and_a_mouse_is_told() {
    let board = Board::sound();
    let devices = "proc/bus/input/devices";
    let touch =
        "N: Name=\"ADS7846\"\nH: Handlers=event2 \nB: PROP=0\nB: KEY=400 0 0 0 0 0\nB: ABS=3\n\n";
    // Some kernels say nothing of properties, and only panels have BTN_TOUCH without a pointer.
    board.put(devices, &touch.replace("B: PROP=0\n", ""));
    board.tells("touch", State::Ok, "/dev/input/event2 (ADS7846)");
    let mouse =
        "N: Name=\"Mouse\"\nH: Handlers=event1 \nB: PROP=0\nB: KEY=70000 0 0 0 0\nB: REL=903\n\n";
    board.put(devices, mouse);
    board.tells("touch", State::Warning, "no panel, but /dev/input/event1 (Mouse)");
}

#[test]
fn an_empty_machine_is_told_without_a_panic() {
    let root = tempfile::tempdir().unwrap();
    let findings = examine(root.path());
    let states: Vec<_> = findings.iter().map(|f| (f.part, f.state)).collect();
    assert!(states.contains(&("cameras", State::Warning)), "{states:?}");
    assert!(states.contains(&("memory", State::Warning)), "{states:?}");
    assert!(states.iter().all(|(part, _)| *part != "permissions"), "there is nothing to use");
}

/// The EDID of a display of this size, in the timing or in centimetres.
fn edid(width: u16, height: u16, in_timing: bool) -> Vec<u8> {
    let mut edid = vec![0; 128];
    edid[1..7].fill(0xFF);
    if in_timing {
        edid[54] = 1;
        edid[66] = width as u8;
        edid[67] = height as u8;
        edid[68] = ((width >> 8) << 4 | height >> 8) as u8;
    } else {
        edid[21] = (width / 10) as u8;
        edid[22] = (height / 10) as u8;
    }
    edid
}

#[test]
fn buttons_are_measured_on_panels_that_tell_their_size() {
    let board = Board::sound();
    let with = |mode: &str, edid: &[u8]| {
        board.put("sys/class/drm/card1-DSI-1/modes", mode);
        fs::write(board.0.path().join("sys/class/drm/card1-DSI-1/edid"), edid).unwrap();
    };
    board.tells("buttons", State::Ok, "DSI-1 does not tell its size");
    with("1280x800\n", &edid(217, 136, true));
    board.tells("buttons", State::Ok, "mm on DSI-1, which measures 217 x 136 mm");
    with("1920x1080i\n", &edid(530, 300, false));
    board.tells("buttons", State::Ok, "which measures 530 x 300 mm");
    with("1920x1080\n", &edid(530, 300, true));
    board.tells("buttons", State::Ok, "which measures 530 x 300 mm");
    with("320x240\n", &edid(57, 43, true));
    board.tells("buttons", State::Warning, "which measures 57 x 43 mm");
    // An aspect ratio, half a file, and something else.
    with("1280x800\n", &edid(16, 9, true));
    board.tells("buttons", State::Ok, "does not tell");
    with("1280x800\n", &edid(217, 136, true)[..100]);
    board.tells("buttons", State::Ok, "does not tell");
    with("broken\n", &[7; 300]);
    assert!(examine(board.0.path()).iter().all(|f| f.part != "buttons"));
}
