//! How long records stay, and how much room is left for new ones. Nothing is deleted unless it was
//! allowed, nothing that was not copied elsewhere unless that too was allowed, and a record as a
//! whole or not at all.

use std::fs;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::ages::{Ages, LOOKED};
use super::folder::is_record_name;
use super::shelf::names;
use super::{Kept, RecordError, io, open, sync_folder};
use crate::clock::Clock;
use crate::files;
use crate::words::{Word, Words};

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Room {
    /// Bytes.
    Bytes(u64),
    /// A share of the whole disk, from 0 to 1.
    Share(f64),
}

/// Which records may be deleted; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Retention {
    /// Those that are older.
    pub keep: Option<Duration>,
    /// The oldest, while less than this is free.
    pub free: Option<Room>,
    /// Those too that were never exported to another disk.
    pub unexported: bool,
}

/// What became of records that were to be deleted.
#[derive(Debug, Default)]
pub struct Tidied {
    /// The names of those that are gone.
    pub deleted: Vec<String>,
    /// Why others could not be deleted.
    pub failed: Vec<RecordError>,
}

/// What decides about a record.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// For how long it has been there.
    age: Duration,
    bytes: u64,
    exported: bool,
}

impl Retention {
    /// Room that a person is warned of, where nothing else is asked for.
    const LOW: u64 = 200_000_000;

    /// What is half written is somebody's who still writes, unless it is this old.
    const ABANDONED: Duration = Duration::from_secs(3600);

    /// Deletes the records in `folder` that may be, oldest first, as far as needed, and what a
    /// program that was killed left half written. What can't be deleted keeps nothing else back.
    ///
    /// A record is as old as both its date and the time for which programs have seen it there tell,
    /// so that a clock that is set makes none older; pauses between runs count 20 hours at most.
    ///
    /// # Errors
    /// [`RecordError::Io`] where the folder can't be read.
    pub fn tidy(&self, folder: &Path, clock: Clock) -> Result<Tidied, RecordError> {
        // One at a time: a second would not count what the first is about to free, and delete more.
        let mut looked = LOOKED.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = (clock.wall)();
        remove_abandoned(folder, Self::ABANDONED, wall)?;
        let ages = Ages::of(folder, names(folder)?, clock, &mut looked);
        ages.note(folder);
        let mut tidied = Tidied::default();
        if self.keep.is_none() && self.free.is_none() {
            return Ok(tidied);
        }
        // Read one by one: together they may take much memory.
        let dated = names(folder)?.into_iter().filter_map(|name| {
            let kept = open(&folder.join(&name)).ok()?;
            Some((candidate(&kept, wall, &ages)?, name))
        });
        let mut dated: Vec<(Candidate, String)> = dated.collect();
        // By what was seen first, and by name among those: a date may be of another year.
        dated.sort_by_key(|(_, name)| std::cmp::Reverse(ages.of_record(name)));
        let missing = self.missing(room(folder).map_err(|source| io(folder, source))?);
        let candidates: Vec<Candidate> = dated.iter().map(|(candidate, _)| *candidate).collect();
        self.choose(&candidates, missing, |index| {
            let (_, name) = &dated[index];
            match delete(folder, name) {
                Ok(()) => tidied.deleted.push(name.clone()),
                Err(error) => {
                    tidied.failed.push(error);
                    return false;
                }
            }
            true
        });
        Ok(tidied)
    }

    /// What a person is to be told, in `words`, where room is short.
    pub fn shortage(&self, folder: &Path, words: &Words) -> Option<String> {
        let (free, all) = room(folder).ok()?;
        let wanted = self.free.map_or(Self::LOW, |room| room.of(all));
        let gigabytes = format!("{:.1}", free as f64 / 1e9);
        (free < wanted).then(|| words.fill(Word::Shortage, &[("free", &gigabytes)]))
    }

    /// Bytes that are to become free, of a disk's free bytes and all.
    fn missing(&self, (free, all): (u64, u64)) -> u64 {
        self.free.map_or(0, |room| room.of(all).saturating_sub(free))
    }

    /// Has those of `candidates`, oldest first, deleted that are too old, and as many of the oldest as
    /// make `missing` bytes. `delete` is given an index, and tells whether it is gone.
    fn choose(
        &self,
        candidates: &[Candidate],
        missing: u64,
        mut delete: impl FnMut(usize) -> bool,
    ) {
        let mut freed = 0;
        for (index, candidate) in candidates.iter().enumerate() {
            let may = candidate.exported || self.unexported;
            let goes = freed < missing || self.keep.is_some_and(|keep| candidate.age > keep);
            if may && goes && delete(index) {
                freed += candidate.bytes;
            }
        }
    }
}

impl Room {
    fn of(self, all: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Share(share) => (all as f64 * share) as u64,
        }
    }
}

/// What there is to decide by; none where a record doesn't tell when it was saved.
fn candidate(kept: &Kept, wall: SystemTime, ages: &Ages) -> Option<Candidate> {
    let at: Timestamp = kept.record["saved_at"].as_str()?.parse().ok()?;
    let by_date = wall.duration_since(at.into()).unwrap_or_default();
    let bytes = kept.files().ok()?.iter().map(|file| file.bytes).sum();
    let age = by_date.min(ages.of_record(&kept.name));
    Some(Candidate { age, bytes, exported: kept.is_exported() })
}

/// The free and all bytes of the disk that has `folder`.
fn room(folder: &Path) -> std::io::Result<(u64, u64)> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok((disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
}

/// Deletes a record: under a hidden name first, so that none is listed that is half there.
fn delete(parent: &Path, name: &str) -> Result<(), RecordError> {
    let (folder, gone) = (parent.join(name), parent.join(format!(".{name}.gone")));
    fs::rename(&folder, &gone).map_err(|source| io(&folder, source))?;
    sync_folder(parent)?;
    fs::remove_dir_all(&gone).map_err(|source| io(&gone, source))
}

/// Whether a folder is a record that is half written, or half deleted: nothing else is touched.
fn is_unfinished(name: &str) -> bool {
    let inner = name.strip_prefix('.');
    let record = inner.and_then(|n| n.strip_suffix(".part").or(n.strip_suffix(".gone")));
    record.is_some_and(is_record_name)
}

/// Removes what was left half written or half deleted at least `age` before `now`, or that much after it,
/// where the clock was set, and that no program is at. What can't be removed keeps nothing else back.
fn remove_abandoned(folder: &Path, age: Duration, now: SystemTime) -> Result<(), RecordError> {
    let entries = fs::read_dir(folder).map_err(|source| io(folder, source))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let changed = entry.metadata().and_then(|found| found.modified());
        let old = changed
            .is_ok_and(|at| now.duration_since(at).unwrap_or_else(|ahead| ahead.duration()) >= age);
        if !(folder && is_unfinished(&name) && old) {
            continue;
        }
        let path = entry.path();
        // Where a disk knows no locks, the time decides.
        let in_use = matches!(files::try_lock_folder(&path), Ok(None));
        if let Err(reason) = if in_use { Ok(()) } else { fs::remove_dir_all(&path) } {
            log::warn!("{} can't be removed: {reason}", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Four records of 10 bytes, 4 to 1 days old; the first and the third were exported.
    fn candidates() -> [Candidate; 4] {
        let of =
            |days: u32| Candidate { age: days * DAY, bytes: 10, exported: days.is_multiple_of(2) };
        [4, 3, 2, 1].map(of)
    }

    /// Which of them go, where those `stuck` can't be deleted.
    fn chosen(retention: Retention, missing: u64, stuck: &[usize]) -> Vec<usize> {
        let mut gone = Vec::new();
        retention.choose(&candidates(), missing, |index| {
            let goes = !stuck.contains(&index);
            gone.extend(goes.then_some(index));
            goes
        });
        gone
    }

    #[test]
    fn the_oldest_go_among_those_that_may() {
        let none = Retention::default();
        let old = Retention { keep: Some(DAY * 5 / 2), ..none };
        let any = Retention { unexported: true, ..old };
        let room = Retention { free: Some(Room::Bytes(0)), ..none };
        let both = Retention { free: Some(Room::Bytes(0)), ..any };
        let cases: [(&str, Retention, u64, &[usize]); 7] = [
            ("nothing was allowed", none, 0, &[]),
            ("too old and exported", old, 0, &[0]),
            ("too old", any, 0, &[0, 1]),
            ("room is there", room, 0, &[]),
            ("room is short", room, 1, &[0]),
            ("what was not exported stays", room, 1000, &[0, 2]),
            ("both", both, 25, &[0, 1, 2]),
        ];
        for (name, retention, missing, expected) in cases {
            assert_eq!(chosen(retention, missing, &[]), expected, "{name}");
        }
        assert_eq!(chosen(room, 1, &[0]), [2], "what can't be deleted makes no room");
        assert_eq!(chosen(any, 0, &[0]), [1], "nor does it keep others back");
    }

    #[test]
    fn room_is_counted_in_bytes_or_as_a_share() {
        let short = |free| Retention { free: Some(free), ..Retention::default() };
        assert_eq!(short(Room::Bytes(70)).missing((50, 1000)), 20);
        assert_eq!(short(Room::Share(0.1)).missing((50, 1000)), 50);
        assert_eq!(short(Room::Share(0.01)).missing((50, 1000)), 0);
        let folder = tempfile::tempdir().unwrap();
        let (free, all) = room(folder.path()).unwrap();
        assert!(free <= all && all > 0);
        let told =
            |free, language| short(free).shortage(folder.path(), &Words::find(language).unwrap());
        assert!(told(Room::Bytes(u64::MAX), "en").unwrap().contains("export"));
        assert!(told(Room::Bytes(u64::MAX), "zh").unwrap().contains("导出"));
        assert_eq!(told(Room::Bytes(0), "en"), None);
    }

    #[test]
    fn only_what_is_old_is_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let (half, gone) = (".20261127T081502.123Z.part", ".20261127T081503.123Z.gone");
        for name in [half, gone, "c", ".d", ".somebody-else's.part"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let file = ".20261127T081504.123Z.part";
        fs::write(folder.path().join(file), "").unwrap();
        let others = format!("{file} .d .somebody-else's.part c");
        let left = || {
            let mut names: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names.join(" ")
        };
        let now = SystemTime::now();
        let remove = |now| remove_abandoned(folder.path(), Retention::ABANDONED, now).unwrap();
        remove(now);
        assert_eq!(left(), format!("{half} {gone} {others}"));
        let writing = files::try_lock_folder(&folder.path().join(half)).unwrap().unwrap();
        remove(now + 365 * DAY);
        assert_eq!(left(), format!("{half} {others}"), "somebody writes, and the clock was set");
        drop(writing);
        remove(now - 365 * DAY);
        assert_eq!(left(), others, "it was left when the clock was ahead");
    }
}
