//! How long records have been in a folder, whatever the clock says.
//!
//! Boards without a battery start with a clock that is behind, and clocks are set: by the date alone a
//! fresh record may look years old. So a folder has a time of its own, which goes on by no more than has
//! passed for certain, and notes at which of it each record was first seen.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::files;

/// The file in a folder of records.
const FILE: &str = ".ages";

/// What a pause between two runs counts at most: a night, and less than the shortest time that records
/// are asked to be kept, so that a clock that was set forward meanwhile makes none of them old.
const PAUSE: Duration = Duration::from_secs(20 * 3600);

/// When this program looked at folders last.
pub(super) static LOOKED: Mutex<Option<HashMap<PathBuf, Instant>>> = Mutex::new(None);

/// What the file tells.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ages {
    /// The folder's own time.
    own_s: f64,
    /// What the clock on the wall said then.
    wall: Option<SystemTime>,
    /// When records were first seen, in the folder's own time.
    seen_s: BTreeMap<String, f64>,
}

impl Ages {
    /// Those of the records called `names` in `folder`, as of now; where nothing is known of it, its time begins. `looked` is kept by
    /// the caller from one time to the next.
    pub fn of(
        folder: &Path,
        names: Vec<String>,
        clock: Clock,
        looked: &mut Option<HashMap<PathBuf, Instant>>,
    ) -> Self {
        let file = fs::read(folder.join(FILE)).unwrap_or_default();
        let mut ages: Self = serde_json::from_slice(&file).unwrap_or_default();
        let now = (clock.steady)();
        let before = looked.get_or_insert_default().insert(folder.into(), now);
        let most = before.map_or(PAUSE, |before| now.saturating_duration_since(before));
        ages.go_on((clock.wall)(), most);
        ages.see(names);
        ages
    }

    /// Its own time goes on as the clock on the wall did, but by no more than `most`.
    fn go_on(&mut self, wall: SystemTime, most: Duration) {
        // A clock that was set back tells nothing.
        let passed = self.wall.and_then(|before| wall.duration_since(before).ok());
        self.own_s += passed.unwrap_or_default().min(most).as_secs_f64();
        self.wall = Some(wall);
    }

    fn see(&mut self, names: Vec<String>) {
        let before = std::mem::take(&mut self.seen_s);
        let seen = |name: String| {
            let at = before.get(&name).copied().unwrap_or(self.own_s);
            (name, at)
        };
        self.seen_s = names.into_iter().map(seen).collect();
    }

    /// For how long a record has been there, as far as is known for certain.
    pub fn of_record(&self, name: &str) -> Duration {
        let since = self.seen_s.get(name).copied().unwrap_or(self.own_s);
        Duration::try_from_secs_f64(self.own_s - since).unwrap_or_default()
    }

    /// Has them on the disk. Where it is full the next run counts less: records stay longer, not shorter.
    pub fn note(&self, folder: &Path) {
        let written = serde_json::to_vec(self).map_err(std::io::Error::from).and_then(|json| {
            let path = folder.join(FILE);
            files::write_beside(&path, &json).and_then(|partial| files::finish(&partial, &path))
        });
        if let Err(reason) = written {
            log::debug!("{}: {reason}", folder.join(FILE).display());
        }
    }
}
