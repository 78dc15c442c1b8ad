//! The program is killed in the middle of saving, again and again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tapseg::record;

use super::*;

/// Tells the child where to save to; without it, it has nothing to do.
const FOLDER: &str = "TAPSEG_TEST_SAVES_TO";

/// How often it is killed.
const TIMES: u64 = 12;

/// Writes what the run confirms to standard output, at the moment at which the person is told.
struct Confirmations;

impl log::Log for Confirmations {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, entry: &log::Record) {
        let told = entry.args().to_string();
        if let Some(place) = told.strip_prefix("saved ") {
            println!("confirmed {place}");
        }
    }

    fn flush(&self) {}
}

/// The child: saves pictures and clips until it is killed.
#[test]
fn saves_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    log::set_logger(&Confirmations).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let press = |button| (When::Answered, Action::Press(button));
    let save_and_clip = [press(Button::Save), press(Button::Clip)];
    let steps = [&[(When::Shown(4), TAP)], &save_and_clip.repeat(2000)[..]].concat();
    let options = RunOptions {
        keeping: keeping(PathBuf::from(folder)),
        clip: Some(CineLimits::of(Duration::from_millis(400))),
        ..scripted(&steps, Until::ScriptDone)
    };
    played(Colours::new(100_000, 200), Sleeper::default(), options).unwrap();
}

/// Runs the child on `folder` for `life` after its first record, and gives what it confirmed.
fn killed_after(life: Duration, folder: &Path) -> Vec<PathBuf> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::saves_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let confirmed = |line: &String| line.split_once("confirmed ").map(|(_, at)| PathBuf::from(at));
    let first = lines.find_map(|line| confirmed(&line));
    let started = Instant::now();
    // On a thread of its own, so that no full pipe slows the child down.
    let rest = std::thread::spawn(move || lines.filter_map(|l| confirmed(&l)).collect::<Vec<_>>());
    std::thread::sleep(life.saturating_sub(started.elapsed()));
    child.kill().unwrap();
    child.wait().unwrap();
    first.into_iter().chain(rest.join().unwrap()).collect()
}

#[test]
fn what_was_confirmed_is_there_however_the_program_ends() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("kept");
    let mut confirmed = Vec::new();
    for time in 0..TIMES {
        // At another moment of a save each time; the longest lives are long enough for clips.
        confirmed.extend(killed_after(Duration::from_millis(7 * time * time), &folder));
        let listed = record::records(&folder).unwrap();
        for kept in &listed {
            kept.verify().unwrap_or_else(|error| panic!("{} is listed: {error}", kept.name));
        }
        for place in &confirmed {
            assert!(listed.iter().any(|kept| kept.folder == *place), "{} is lost", place.display());
        }
    }
    let kinds = |kind: &str| {
        confirmed.iter().filter(|at| record::open(at).unwrap().content().contains(kind)).count()
    };
    assert!(kinds("structure") > 0 && kinds("clip") > 0, "{}", confirmed.len());
    println!("{} records were confirmed in {TIMES} lives", confirmed.len());
}
