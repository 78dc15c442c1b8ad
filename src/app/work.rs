//! What is done beside the loop: writing to disks, and reading from them.

use std::path::PathBuf;
use std::thread::JoinHandle;

use crate::cine::CineBuffer;
use crate::contain::contain;
use crate::record::{self, Clip, Retention};
use crate::session::{Command, Event};

/// Where records are, and what may become of them.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// The folder of records; nowhere, which Save tells the person.
    pub folder: Option<PathBuf>,
    /// Which of them may be deleted; none.
    pub retention: Retention,
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
    ) -> Option<Box<dyn FnOnce() -> Option<Event> + Send>> {
        let keeping = self.clone();
        Some(match command {
            Command::Save(snapshot) => Box::new(move || {
                let saved = || keeping.kept(|folder| record::write_record(folder, &snapshot));
                Some(Event::Saved(outcome(saved)))
            }),
            Command::Clip { until, pixel_spacing } => {
                let frames = cine.map(|cine| cine.frames(until)).unwrap_or_default();
                let clip = Clip { frames, pixel_spacing };
                Box::new(move || {
                    let saved = || keeping.kept(|folder| record::write_clip(folder, &clip));
                    Some(Event::Clipped(outcome(saved)))
                })
            }
            Command::Network(_) | Command::Label(_) => return None,
        })
    }

    /// Makes room, has `write` make a record, and tells where it is.
    fn kept(
        &self,
        write: impl FnOnce(&std::path::Path) -> Result<PathBuf, record::RecordError>,
    ) -> Result<String, String> {
        let folder = self.folder.as_deref().ok_or("no folder to save to was given")?;
        self.tidy();
        let written = write(folder);
        match &written {
            Ok(path) => log::info!("saved {}", path.display()),
            Err(reason) => log::warn!("not saved: {reason}"),
        }
        let place = written.map_err(|error| error.to_string())?.display().to_string();
        Ok(match self.retention.shortage(folder) {
            Some(shortage) => format!("{place}; {shortage}"),
            None => place,
        })
    }

    /// Deletes what is to be deleted by now, and tells where room is short all the same.
    pub fn tidying(&self) -> impl FnOnce() -> Option<Event> + Send + 'static {
        let keeping = self.clone();
        move || {
            let folder = keeping.folder.as_deref().filter(|folder| folder.exists())?;
            keeping.tidy();
            let shortage = keeping.retention.shortage(folder)?;
            Some(Event::Notice(format!("Records: {shortage}")))
        }
    }

    fn tidy(&self) {
        let Some(folder) = self.folder.as_deref().filter(|folder| folder.exists()) else { return };
        match self.retention.tidy(folder) {
            Ok(deleted) => deleted.iter().for_each(|name| log::info!("deleted record {name}")),
            Err(error) => log::warn!("records are not tidied: {error}"),
        }
    }
}
