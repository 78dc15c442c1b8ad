//! What is done beside the loop: writing to disks, and reading from them.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::cine::CineBuffer;
use crate::clock::Clock;
use crate::contain::contain;
use crate::record::{self, Blanking, Clip, Kept, RecordError, RecordOptions, Retention, Tidied};
use crate::region::RegionChoice;
use crate::session::{Ask, Command, Event, Told};

/// Where records are, and what may become of them.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// The folder of records; nowhere, which Save tells the person.
    pub folder: Option<PathBuf>,
    /// Which of them may be deleted; none.
    pub retention: Retention,
    /// Where records are copied to from the screen, as the folder of a USB stick; nowhere.
    pub export_to: Option<PathBuf>,
    /// Where the picture is, outside of which what is kept is blanked; nothing is.
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
    // What breaks off is told by the event: see `outcome`.
    done.into_iter().filter_map(|work| work.join().ok().flatten()).collect()
}

/// What came of `task`; a panic in it is an error like others.
fn outcome<T>(task: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    contain(task).unwrap_or_else(|panic| Err(format!("it broke off: {panic}")))
}

impl Keeping {
    /// What a command asks for, where it is one of those that keep or show something.
    pub fn work(
        &self,
        command: Command,
        cine: Option<&CineBuffer>,
        clock: Clock,
    ) -> Option<Box<dyn FnOnce() -> Option<Event> + Send>> {
        let keeping = self.clone();
        Some(match command {
            Command::Save(snapshot) => Box::new(move || {
                let blanking = keeping.blank.map(|at| Blanking::of_frame(&snapshot.frame, at));
                let options = RecordOptions { clock, blanking };
                let write = |folder: &Path| record::write_record(folder, &snapshot, &options);
                Some(Event::Saved(outcome(|| keeping.kept(&options, write))))
            }),
            Command::Clip { last, scale } => {
                let frames = cine.map_or(Ok(Vec::new()), |cine| cine.frames(last.as_ref()));
                Box::new(move || {
                    let saved = || {
                        let clip = Clip::of(frames?, scale);
                        let blanking = keeping.blank.map(|at| Blanking::of_clip(&clip.frames, at));
                        let blanking = blanking.transpose().map_err(|error| error.to_string())?;
                        let options = RecordOptions { clock, blanking };
                        keeping.kept(&options, |folder| record::write_clip(folder, &clip, &options))
                    };
                    Some(Event::Clipped(outcome(saved)))
                })
            }
            Command::Records(ask) => Box::new(move || Some(Event::Records(keeping.answer(ask)))),
            Command::Network(_) | Command::Refine(_) | Command::Label(_) => return None,
            Command::Remember(_) => return None,
        })
    }

    fn answer(&self, ask: Ask) -> Told {
        match ask {
            Ask::Page { id, first, count } => {
                let page = |folder: &Path| record::album_page(folder, first, count);
                Told::Page { id, result: self.looked_at(page) }
            }
            Ask::View { id, name } => {
                let view = |folder: &Path| record::album_view(folder, &name).map(Box::new);
                Told::View { id, result: self.looked_at(view) }
            }
            Ask::Frames { id, name, first, count } => {
                let frames = |folder: &Path| record::album_frames(folder, &name, first, count);
                Told::Frames { id, result: self.looked_at(frames) }
            }
            Ask::Export { names } => Told::Exported(outcome(|| self.export(&names))),
        }
    }

    fn looked_at<T>(
        &self,
        look: impl FnOnce(&Path) -> Result<T, RecordError>,
    ) -> Result<T, String> {
        let folder = self.folder.as_deref().ok_or("no folder of records was given")?;
        outcome(|| look(folder).map_err(|error| error.to_string()))
    }

    /// Copies the records of these names, or all that were never copied, and tells how many.
    fn export(&self, names: &[String]) -> Result<String, String> {
        let text = |error: RecordError| error.to_string();
        let folder = self.folder.as_deref().ok_or("no folder of records was given")?;
        let to = self.export_to.as_deref().ok_or("no folder to export to was given")?;
        let (mut copied, mut failed) = (0, None);
        let mut export = |kept: Kept| match kept.export(to) {
            Ok(_) => copied += 1,
            // One that is damaged keeps no other back.
            Err(error) => failed = failed.take().or(Some(error)),
        };
        match names {
            [] => {
                let all = record::each_record(folder).map_err(text)?;
                all.filter(|kept| !kept.is_exported()).for_each(&mut export);
            }
            names => {
                for name in names {
                    export(record::open(&folder.join(name)).map_err(text)?);
                }
            }
        }
        match (copied, failed) {
            (_, Some(error)) => Err(format!("{error}; {copied} were exported")),
            (0, None) => Ok("All records were exported before".into()),
            (1, None) => Ok(format!("1 record is in {}", to.display())),
            (_, None) => Ok(format!("{copied} records are in {}", to.display())),
        }
    }

    /// Makes room, has `write` make a record, and tells where it is.
    fn kept(
        &self,
        options: &RecordOptions,
        write: impl FnOnce(&Path) -> Result<PathBuf, RecordError>,
    ) -> Result<String, String> {
        let folder = self.folder.as_deref().ok_or("no folder to save to was given")?;
        self.tidy(options.clock);
        let written = write(folder);
        match &written {
            Ok(path) => log::info!("saved {}", path.display()),
            Err(reason) => log::warn!("not saved: {reason}"),
        }
        let place = written.map_err(|error| error.to_string())?.display().to_string();
        let unblanked = options.blanking == Some(Blanking::Nothing);
        let warnings =
            [unblanked.then(|| Blanking::NOTHING.to_owned()), self.retention.shortage(folder)];
        let told = [Some(place)].into_iter().chain(warnings).flatten();
        Ok(told.collect::<Vec<_>>().join("; "))
    }

    /// Deletes what is to be deleted by now, and tells what could not be, and where room is short.
    pub fn tidying(&self, clock: Clock) -> impl FnOnce() -> Option<Event> + Send + 'static {
        let keeping = self.clone();
        move || {
            let folder = keeping.folder.as_deref().filter(|folder| folder.exists())?;
            let failed = keeping.tidy(clock).map(|reason| format!("not deleted: {reason}"));
            let told = keeping.retention.shortage(folder).or(failed)?;
            Some(Event::Notice(format!("Records: {told}")))
        }
    }

    /// Tells why something could not be deleted.
    fn tidy(&self, clock: Clock) -> Option<String> {
        let folder = self.folder.as_deref().filter(|folder| folder.exists())?;
        let tidied = self
            .retention
            .tidy(folder, clock)
            .unwrap_or_else(|error| Tidied { failed: vec![error], ..Tidied::default() });
        tidied.deleted.iter().for_each(|name| log::info!("deleted record {name}"));
        tidied.failed.iter().for_each(|error| log::warn!("not deleted: {error}"));
        tidied.failed.first().map(ToString::to_string)
    }
}
