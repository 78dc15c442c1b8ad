//! `--board`: how a board's profile fills in what the command line doesn't say.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use tapseg::Package;
use tapseg::board::{CoreList, Profile, Profiles, detect};

/// The word for the profile that the device tree tells.
const AUTO: &str = "auto";

/// The profile that `--board` names.
pub fn profile(board: &str) -> Result<Profile> {
    let named = || format!("--board {board}");
    let profiles = Profiles::of_system();
    let profile = match board {
        AUTO => detect(Path::new("/"), &profiles).with_context(named)?,
        name => profiles.find(name).with_context(named)?,
    };
    log::info!("board profile {}: {profile:?}", profile.name);
    Ok(profile)
}

/// Keeps this process to the profile's cores and memory. Threads that are started later inherit both.
pub fn keep_within(profile: &Profile) -> Result<()> {
    let name = &profile.name;
    if let Some(cores) = profile.cores.as_ref().and_then(|c| c.resolve(Path::new("/"))) {
        keep_to_cores(&cores).with_context(|| format!("board profile {name}: cores"))?;
    }
    if let Some(mb) = profile.memory_mb {
        // A ceiling of the service or the shell may be lower already, and stays.
        let limit = getrlimit(Resource::Data);
        let asked = mb.saturating_mul(1_000_000);
        let current = limit.maximum.map_or(asked, |most| asked.min(most));
        setrlimit(Resource::Data, Rlimit { current: Some(current), maximum: limit.maximum })
            .with_context(|| format!("board profile {name}: memory_mb = {mb}"))?;
    }
    Ok(())
}

fn keep_to_cores(cores: &CoreList) -> Result<()> {
    let mut set = CpuSet::new();
    for core in cores.iter().filter(|core| *core < CpuSet::MAX_CPU) {
        set.set(core);
    }
    sched_setaffinity(None, &set).context("this machine has none of these cores")
}

/// The package must store its weights as the profile expects, or the board would be slower than it
/// was set up to be.
pub fn check_precision(profile: &Profile, package: &Package) -> Result<()> {
    let Some(expected) = &profile.precision else { return Ok(()) };
    let (board, manifest) = (&profile.name, package.manifest());
    ensure!(
        *expected == manifest.weights,
        "board profile {board} asks for {expected} weights, but {package:?} has {}: convert it with \
         --weights {expected}, or name another with --model",
        manifest.weights
    );
    Ok(())
}
