//! What is done beside the loop: writing to disks, and reading from them.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::cine::CineBuffer;
use crate::clock::Clock;
use crate::contain::contain;
use crate::record::{self, Blanking, Clip, RecordError, RecordOptions, Retention, Tidied};
use crate::region::RegionChoice;
use crate::session::{Ask, Command, Event, Told};
use crate::words::{Word, Words};

/// Where records are, and what may become of them.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// The folder of records; nowhere, which Save tells the person.
    pub folder: Option<PathBuf>,
    /// Which of them may be deleted; none.
    pub retention: Retention,
    /// Where records are copied to from the screen, as the folder of a USB stick; nowhere. A copy that is on no
    /// other disk is told as such, and lets no record be deleted.
    pub export_to: Option<PathBuf>,
    /// Where the picture is, outside of which what is kept is blanked; nothing is. Where that is all of the
    /// frame there is nothing to blank, and the person is told so with each record.
    pub blank: Option<RegionChoice>,
}

/// Threads of their own, and what is told when they end.
#[derive(Default)]
pub(super) struct Works {
    running: Vec<JoinHandle<Option<Event>>>,
}

impl Works {
    /// Begins `work`.
    pub fn begin(
        &mut self,
        work: impl FnOnce() -> Option<Event> + Send + 'static,
    ) -> std::io::Result<()> {
        self.running.push(std::thread::Builder::new().name("work".into()).spawn(work)?);
        Ok(())
    }

    /// What has been done since it was asked last.
    pub fn done(&mut self) -> Vec<Event> {
        let (done, running) = self.running.drain(..).partition(JoinHandle::is_finished);
        self.running = running;
        events(done)
    }

    /// Waits for all.
    pub fn all_done(&mut self) -> Vec<Event> {
        events(std::mem::take(&mut self.running))
    }
}

fn events(done: Vec<JoinHandle<Option<Event>>>) -> Vec<Event> {
    // What breaks off is told by the event: see `Clerk::outcome`.
    done.into_iter().filter_map(|work| work.join().ok().flatten()).collect()
}

impl Keeping {
    /// What a command asks for, where it is one of those that keep or show something.
    pub(super) fn work(
        &self,
        command: Command,
        cine: Option<&CineBuffer>,
        clock: Clock,
        words: &Words,
    ) -> Option<Box<dyn FnOnce() -> Option<Event> + Send>> {
        let clerk = Clerk { keeping: self.clone(), words: words.clone() };
        Some(match command {
            Command::Save(snapshot) => Box::new(move || {
                let saved = || {
                    let blank = clerk.keeping.blank;
                    let blanking = blank.map(|at| Blanking::of_frame(&snapshot.frame, at));
                    let blanking = blanking.transpose().map_err(|e| e.told(&clerk.words))?;
                    let options = RecordOptions { clock, blanking };
                    let write = |folder: &Path| record::write_record(folder, &snapshot, &options);
                    clerk.kept(&options, write)
                };
                Some(Event::Saved(clerk.outcome(saved)))
            }),
            Command::Clip { last, scale, since } => {
                let frames = cine.map_or(Ok(Vec::new()), |cine| cine.frames(last.as_ref()));
                Box::new(move || {
                    let saved = || {
                        let told = |error: RecordError| error.told(&clerk.words);
                        let clip = Clip::of(frames?, scale.as_ref(), since).map_err(told)?;
                        let blank = clerk.keeping.blank;
                        let blanking = blank.map(|at| Blanking::of_clip(&clip.frames, at));
                        let blanking = blanking.transpose().map_err(told)?;
                        let options = RecordOptions { clock, blanking };
                        let write = |folder: &Path| record::write_clip(folder, &clip, &options);
                        let kept = clerk.kept(&options, write)?;
                        let unscaled = scale.is_some_and(|s| clip.pixel_spacing != Some(s.spacing));
                        let unscaled = unscaled.then(|| clerk.words.get(Word::ClipUnscaled).into());
                        let told = [Some(format!("{:.1} s", clip.seconds())), unscaled, Some(kept)];
                        Ok(told.into_iter().flatten().collect::<Vec<_>>().join("; "))
                    };
                    Some(Event::Clipped(clerk.outcome(saved)))
                })
            }
            Command::Records(ask) => Box::new(move || Some(Event::Records(clerk.answer(ask)))),
            Command::Network(_) | Command::Refine(_) | Command::Label(_) => return None,
            Command::Remember(_) => return None,
        })
    }

    /// Deletes what is to be deleted by now, and tells what could not be, and where room is short.
    pub(super) fn tidying(
        &self,
        clock: Clock,
        words: &Words,
    ) -> impl FnOnce() -> Option<Event> + Send + 'static {
        let clerk = Clerk { keeping: self.clone(), words: words.clone() };
        move || {
            let Clerk { keeping, words } = &clerk;
            let folder = keeping.folder.as_deref().filter(|folder| folder.exists())?;
            let failed = keeping.tidy(clock);
            let failed =
                failed.map(|error| words.fill(Word::NotDeleted, &[("reason", &error.told(words))]));
            let told = keeping.retention.shortage(folder, words).or(failed)?;
            Some(Event::Notice(words.fill(Word::OfRecords, &[("told", &told)])))
        }
    }

    /// Tells why something could not be deleted.
    fn tidy(&self, clock: Clock) -> Option<RecordError> {
        let folder = self.folder.as_deref().filter(|folder| folder.exists())?;
        let tidied = self
            .retention
            .tidy(folder, clock)
            .unwrap_or_else(|error| Tidied { failed: vec![error], ..Tidied::default() });
        tidied.deleted.iter().for_each(|name| log::info!("deleted record {name}"));
        tidied.failed.iter().for_each(|error| log::warn!("not deleted: {error}"));
        tidied.failed.into_iter().next()
    }
}

/// Who keeps records, and tells in the person's language what came of it.
struct Clerk {
    keeping: Keeping,
    words: Words,
}

impl Clerk {
    /// What came of `task`; a panic in it is an error like others.
    fn outcome<T>(&self, task: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let broke_off = |panic: String| self.words.fill(Word::BrokeOff, &[("reason", &panic)]);
        contain(task).unwrap_or_else(|panic| Err(broke_off(panic)))
    }

    /// What `given` is, or what `word` says where it is none.
    fn given<'a>(&self, given: &'a Option<PathBuf>, word: Word) -> Result<&'a Path, String> {
        given.as_deref().ok_or_else(|| self.words.get(word).to_owned())
    }

    fn answer(&self, ask: Ask) -> Told {
        match ask {
            Ask::Page { id, first, count } => {
                let page = |folder: &Path| record::album_page(folder, first, count, &self.words);
                Told::Page { id, result: self.looked_at(page) }
            }
            Ask::View { id, name } => {
                let view =
                    |folder: &Path| record::album_view(folder, &name, &self.words).map(Box::new);
                Told::View { id, result: self.looked_at(view) }
            }
            Ask::Frames { id, name, first, count } => {
                let frames = |folder: &Path| record::album_frames(folder, &name, first, count);
                Told::Frames { id, result: self.looked_at(frames) }
            }
            Ask::Export { names } => Told::Exported(self.outcome(|| self.export(&names))),
        }
    }

    fn looked_at<T>(
        &self,
        look: impl FnOnce(&Path) -> Result<T, RecordError>,
    ) -> Result<T, String> {
        let folder = self.given(&self.keeping.folder, Word::NoRecordsFolder)?;
        self.outcome(|| look(folder).map_err(|error| error.told(&self.words)))
    }

    /// Copies the records of these names, or all that were never exported, and tells how many.
    fn export(&self, names: &[String]) -> Result<String, String> {
        let words = &self.words;
        let text = |error: RecordError| error.told(words);
        let folder = self.given(&self.keeping.folder, Word::NoRecordsFolder)?;
        let to = self.given(&self.keeping.export_to, Word::NoStick)?;
        let all = names.is_empty().then(|| record::record_names(folder)).transpose();
        let all = all.map_err(text)?;
        let (mut copied, mut failed) = (0, None);
        for name in all.as_deref().unwrap_or(names) {
            let exported = match record::open(&folder.join(name)) {
                Ok(kept) if all.is_some() && kept.is_exported() => continue,
                Ok(kept) => kept.export(to),
                Err(error) => Err(error),
            };
            match exported {
                Ok(_) => copied += 1,
                // One that is damaged keeps no other back.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let place = to.display();
        let figures: [(&str, &dyn Display); 2] = [("count", &copied), ("place", &place)];
        let told = match (copied, failed) {
            (_, Some(error)) => {
                let figures: [(&str, &dyn Display); 2] =
                    [("reason", &text(error)), ("count", &copied)];
                Err(words.fill(Word::SomeCopied, &figures))
            }
            (0, None) => Ok(words.get(Word::AllExported).into()),
            (1, None) => Ok(words.fill(Word::OneCopied, &figures)),
            (_, None) => Ok(words.fill(Word::Copied, &figures)),
        };
        if copied == 0 || record::is_another_disk(to, folder) {
            return told;
        }
        let beside = |told: String| words.fill(Word::NoOtherDisk, &[("told", &told)]);
        told.map(beside).map_err(beside)
    }

    /// Makes room, has `write` make a record, and tells what the person is to know of it, and its name.
    fn kept(
        &self,
        options: &RecordOptions,
        write: impl FnOnce(&Path) -> Result<PathBuf, RecordError>,
    ) -> Result<String, String> {
        let folder = self.given(&self.keeping.folder, Word::NoFolder)?;
        self.keeping.tidy(options.clock);
        let written = write(folder);
        match &written {
            Ok(path) => log::info!("saved {}", path.display()),
            Err(reason) => log::warn!("not saved: {reason}"),
        }
        let place = written.map_err(|error| error.told(&self.words))?;
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned());
        let unblanked = options.blanking == Some(Blanking::Nothing);
        let unblanked = unblanked.then(|| self.words.get(Word::NothingBlanked).to_owned());
        // What matters first: small screens show the beginning alone.
        let told = [unblanked, self.keeping.retention.shortage(folder, &self.words), name];
        Ok(told.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Room;

    /// A clerk whose folder has a record, and where it is.
    fn clerk(folder: &Path, export_to: &Path) -> (Clerk, PathBuf) {
        let record = folder.join("20261127T081502.123Z");
        std::fs::create_dir_all(&record).unwrap();
        std::fs::write(record.join("record.json"), r#"{"files": []}"#).unwrap();
        let (folder, export_to) = (Some(folder.into()), Some(export_to.into()));
        let keeping = Keeping { folder, export_to, ..Keeping::default() };
        (Clerk { keeping, words: Words::default() }, record)
    }

    /// A panel of 480 pixels shows 58 letters.
    #[test]
    fn warnings_come_before_the_name_of_what_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let (mut clerk, record) = clerk(folder.path(), folder.path());
        let options = RecordOptions { blanking: Some(Blanking::Nothing), ..Default::default() };
        let name = record.file_name().unwrap().to_str().unwrap();
        let told = |clerk: &Clerk| clerk.kept(&options, |_| Ok(record.clone())).unwrap();
        assert_eq!(told(&clerk), format!("nothing was blanked; {name}"));
        clerk.keeping.retention.free = Some(Room::Share(1.0));
        let told = told(&clerk);
        let warnings = told.strip_suffix(&format!(": export records; {name}")).unwrap();
        assert!(warnings.starts_with("nothing was blanked; only "), "{told}");
        assert!("Saved: ".len() + warnings.len() <= 58, "{told}");
    }

    #[test]
    fn what_was_copied_to_no_other_disk_is_exported_again() {
        let folder = tempfile::tempdir().unwrap();
        // As where no stick is in its place.
        let stick = tempfile::tempdir_in(folder.path()).unwrap();
        let (clerk, record) = clerk(&folder.path().join("kept"), stick.path());
        let place = stick.path().display();
        for _ in 0..2 {
            let told = clerk.export(&[]).unwrap();
            assert_eq!(told, format!("On no other disk: 1 record is in {place}"));
        }
        // One that can't be read is told, and keeps no other back.
        let damaged = folder.path().join("kept/20261127T081501.000Z");
        std::fs::create_dir(&damaged).unwrap();
        std::fs::write(damaged.join("record.json"), "{").unwrap();
        let told = clerk.export(&[]).unwrap_err();
        assert!(told.contains("081501.000Z") && told.ends_with("; 1 were copied"), "{told}");
        std::fs::remove_dir_all(&damaged).unwrap();
        std::fs::write(record.join(".exported"), "").unwrap();
        assert_eq!(clerk.export(&[]).unwrap(), "All records were exported before");
    }
}
