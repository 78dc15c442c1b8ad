//! A day's work in little time: the whole loop with a tiny package, the simulated feed, and a person who
//! outlines, saves, tracks and looks at records, while the feed fails, the disk is full or gone, and the
//! clock is set.
//!
//! The clocks are simulated. While the person is at work, a frame comes every 40 ms of the simulated time,
//! each as soon as the one before is on the screen; in between, one a second. Every frame goes the whole
//! way: it is simulated, remembered for clips, followed by the session, drawn and shown. An hour
//! is run with the other tests; `TAPSEG_SOAK_HOURS=24` runs a day, and `--nocapture` tells what it took.

mod person;

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{LazyLock, OnceLock};
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, bounded};
use tapseg::Segmenter;
use tapseg::app::RegionSegmenter;
use tapseg::clock::Clock;
use tapseg::convert::{Checkpoint, ConvertOptions, Networks, Preset};
use tapseg::feed::Clip as _;
use tapseg::feed::phantom::{Phantom, PhantomOptions};
use tapseg::record::{self, Retention};
use tapseg::region::RegionChoice;

use super::*;
use person::{Desk, Disk, Person};

/// Tells the child where to work; without it, it has nothing to do.
const FOLDER: &str = "TAPSEG_TEST_SOAKS_IN";
/// Tells it that the folder is a small disk of its own, which may be filled.
const SMALL_DISK: &str = "TAPSEG_TEST_SMALL_DISK";
/// How many hours are simulated; one where it isn't set.
const HOURS: &str = "TAPSEG_SOAK_HOURS";

/// The sizes of the feed's pictures, in turn.
const SIZES: [FrameSize; 2] = [FrameSize::new(160, 120), FrameSize::new(200, 140)];
/// From frame to frame in milliseconds, while somebody is at work.
const STEP_MS: u64 = 40;
/// From one examination to the next in seconds, at rest.
const REST_S: u32 = 240;
/// The longest that somebody waits for the program before it is taken to hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The simulated time, and what the clock on the wall was set ahead by, in milliseconds.
static NOW_MS: AtomicU64 = AtomicU64::new(0);
static SET_MS: AtomicI64 = AtomicI64::new(0);
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// 7 o'clock on a day in November 2026.
const MORNING_S: u64 = 1_795_762_800;

const CLOCK: Clock = Clock {
    steady: || *BEGAN + Duration::from_millis(NOW_MS.load(SeqCst)),
    wall: || {
        let ms = MORNING_S as i64 * 1000 + NOW_MS.load(SeqCst) as i64 + SET_MS.load(SeqCst);
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms as u64)
    },
};

/// Which of the sizes the feed has, and whether it fails.
static SIZE_NOW: AtomicUsize = AtomicUsize::new(0);
static FAILS: AtomicBool = AtomicBool::new(false);
/// Frames, or failures, that were asked for and have come.
static ASKED: AtomicU64 = AtomicU64::new(0);
static CAME: AtomicU64 = AtomicU64::new(0);

/// The simulator, which makes a frame each time it is asked to.
struct OnDemand {
    phantoms: Vec<Phantom>,
    asked: Receiver<()>,
    sequence: u64,
}

impl Feed for OnDemand {
    fn name(&self) -> &str {
        "phantom"
    }

    fn frame_interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(STEP_MS))
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
        if self.asked.recv().is_err() {
            return Ok(None);
        }
        let frame = match FAILS.load(SeqCst) {
            true => Err(FeedError::NoPictures("the cable is out".into())),
            false => self.phantoms[SIZE_NOW.load(SeqCst)].frame(self.sequence),
        };
        self.sequence += 1;
        CAME.fetch_add(1, SeqCst);
        let mut frame = frame?;
        frame.captured_at = Duration::from_millis(NOW_MS.load(SeqCst));
        Ok(Some(frame))
    }
}

/// What the program told of records, and when.
static TOLD: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());
/// How often it told that a prompt was answered, which it does in these words.
static ANSWERED: AtomicU64 = AtomicU64::new(0);
const DECODED: &str = "masks decoded";

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, of: &log::Metadata) -> bool {
        of.target().starts_with("tapseg")
    }

    fn log(&self, entry: &log::Record) {
        let told = entry.args().to_string();
        let wanted = ["saved ", "not saved: ", "deleted record ", "not deleted: "];
        if told.contains(DECODED) {
            ANSWERED.fetch_add(1, SeqCst);
        } else if wanted.iter().any(|wanted| told.starts_with(wanted)) {
            TOLD.lock().unwrap().push((NOW_MS.load(SeqCst), told));
        }
    }

    fn flush(&self) {}
}

/// The memory that is in use, in MB.
fn rss_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024.0 / 1e6
}

fn micro() -> Segmenter {
    let micro = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/micro/micro.pth");
    let options = ConvertOptions {
        preset: Some(Preset::LiteMedSam),
        input_size: Some(32),
        ..ConvertOptions::new("micro")
    };
    let checkpoint = Checkpoint::open(&micro, |_, _| ()).unwrap();
    let networks = Networks::read(&checkpoint, &options, &mut |_, _, _| ()).unwrap();
    Segmenter::load(&networks.in_memory(Path::new("memory")).unwrap()).unwrap()
}

/// The child: works for a day.
#[test]
fn works_for_a_day() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let hours = std::env::var(HOURS).map_or(1.0, |hours| hours.parse().unwrap());
    log::set_logger(&Listener).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let stick = tempfile::tempdir_in("/dev/shm").unwrap();
    let small = std::env::var_os(SMALL_DISK).is_some();
    let filler = small.then(|| folder.join("filler"));
    let disk = Disk { kept: folder.join("kept"), filler };
    let phantom = |size| Phantom::new(PhantomOptions { size, ..Default::default() }).unwrap();
    let (ask, asked) = bounded(1);
    let feed = OnDemand { phantoms: SIZES.map(phantom).into(), asked, sequence: 0 };
    let person = RefCell::new(Person::new(hours, disk.clone(), ask));
    let options = RunOptions {
        ahead: Some(0.5),
        cache_bytes: 1 << 20,
        clock: CLOCK,
        keeping: Keeping {
            folder: Some(disk.kept.clone()),
            // A stick that is a folder in memory counts as none.
            retention: Retention { keep: Some(keep(hours)), free: None, unexported: true },
            export_to: Some(stick.path().into()),
            blank: Some(RegionChoice::Auto),
        },
        clip: Some(CineLimits::of(Duration::from_secs(1))),
        ..RunOptions::default()
    };
    let predictor = RegionSegmenter::new(micro(), RegionChoice::Auto);
    let began = Instant::now();
    let report = run(Box::new(feed), predictor, &mut Desk(&person), options).unwrap();
    let took = began.elapsed();
    let day = person.into_inner().day;
    let records = check_records(&disk.kept, stick.path(), keep(hours));
    // The first quarter of the day is for warming up.
    let warm = day.rss_mb.len() / 4;
    let (start, end) = (day.rss_mb[warm], *day.rss_mb.last().unwrap());
    println!(
        "{hours} h in {took:.0?}: {} examinations, {} frames, {} shown, {} pictures; {records}; \
        memory {:.1} MB at first, {start:.1} MB warm, {end:.1} MB at the end; longest gap {:.0?}, longest \
        turn of the loop {:.0?}{}",
        day.examinations,
        ASKED.load(SeqCst),
        report.frames_shown,
        day.pictures,
        day.rss_mb[0],
        day.longest_gap,
        day.longest_turn,
        if small { "" } else { "; the disk was never full, as there was no small one" },
    );
    println!("memory in MB every ten minutes: {:.1?}", day.rss_mb);
    let most = day.rss_mb[warm..].iter().copied().fold(end, f64::max);
    // Less than an hour says little: what is filled for the first time looks like growth.
    let share = if hours >= 2.0 { 1.05 } else { 1.25 };
    assert!(most <= share * start, "from {start:.1} MB to {most:.1} MB: {:?}", day.rss_mb);
    // Of a day, which is simulated by itself; among other tests the machine may be busy for longer.
    let stalled = hours >= 2.0 && day.longest_gap > Duration::from_secs(1);
    assert!(!stalled, "nothing was shown for {:.1?}", day.longest_gap);
}

/// How long records stay: a quarter of a day, or of whatever is simulated, so that some go.
fn keep(hours: f64) -> Duration {
    Duration::from_secs_f64(hours.min(24.0) * 3600.0 / 4.0)
}

/// Every record that was confirmed is there and whole, or was deleted as it may be after so long.
fn check_records(kept: &Path, stick: &Path, keep: Duration) -> String {
    let told = TOLD.lock().unwrap();
    let of = |what: &'static str| {
        told.iter().filter_map(move |(at, told)| Some((*at, told.strip_prefix(what)?)))
    };
    let listed = record::records(kept).unwrap();
    let gone: Vec<(u64, &str)> = of("deleted record ").collect();
    let mut saved = 0;
    for (at, place) in of("saved ") {
        saved += 1;
        let name = Path::new(place).file_name().unwrap().to_str().unwrap();
        if let Some((deleted, _)) = gone.iter().find(|(_, gone)| *gone == name) {
            let age = Duration::from_millis(deleted - at);
            assert!(age >= keep, "{name} was deleted after {age:?}");
        } else {
            let found = listed.iter().find(|kept| kept.name == name);
            found.unwrap_or_else(|| panic!("{name} is lost")).verify().unwrap();
        }
    }
    assert_eq!(listed.len() + gone.len(), saved, "there are others");
    let copies = record::records(stick).unwrap();
    copies.iter().for_each(|copy| copy.verify().unwrap());
    assert!(!copies.is_empty() && copies.iter().all(|copy| !copy.is_exported()));
    // While the disk is gone nothing can be looked for on it.
    assert!(of("not deleted: ").all(|(_, reason)| reason.contains("Not a directory")));
    let refused = of("not saved: ").count();
    assert!(saved > 0 && refused > 0 && !gone.is_empty(), "{saved} {refused} {gone:?}");
    format!("{saved} records, {} deleted when old, {refused} times not saved and told", gone.len())
}

/// Whether a process may have a disk of its own.
fn may_mount() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    *MAY.get_or_init(|| {
        let mount = ["-rm", "sh", "-c", "mount -t tmpfs -o size=1m tapseg /mnt"];
        let tried = Command::new("unshare").args(mount).output();
        tried.is_ok_and(|tried| tried.status.success())
    })
}

#[test]
fn a_day_of_work_leaves_memory_pictures_and_records_as_they_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let child = ["--exact", "soak::works_for_a_day", "--nocapture", "--test-threads=1"];
    let mut command = if may_mount() {
        let mut unshared = Command::new("unshare");
        let mount = "mount -t tmpfs -o size=256m tapseg \"$1\" && shift && exec \"$@\"";
        unshared.args(["-rm", "sh", "-c", mount, "sh"]).arg(folder.path()).arg(program);
        unshared.env(SMALL_DISK, "1");
        unshared
    } else {
        Command::new(program)
    };
    let output = command.args(child).env(FOLDER, folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    print!("{told}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("examinations"), "{told}{complaint}");
}
