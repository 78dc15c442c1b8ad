//! What the network is asked about the frozen frame, and what becomes of its answers.

use std::time::Duration;

use crate::frame::Frame;
use crate::geometry::FrameSize;
use crate::prompt::{Prompt, PromptError};
use crate::region::Region;
use crate::words::Word;

use super::event::{Command, Decoded, Encoded, Job};
use super::everything::Everything;
use super::{Frozen, Session};

/// The newest request for an embedding.
#[derive(Clone, Debug)]
pub(super) struct Encoding {
    pub id: u64,
    pub frame: Frame,
    /// When it was asked for, and the frame was the newest.
    pub begun: Duration,
    /// How long it took; `None` before it is there, and where it was kept from before.
    pub took: Option<Duration>,
    pub progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Running,
    Done,
    Failed,
}

impl Session {
    /// Whether the frozen frame's embedding or a mask on it is on its way.
    pub(crate) fn is_working(&self) -> bool {
        let asked = |f: &Frozen| {
            f.objects.are_asked_for() || f.everything.as_ref().is_some_and(Everything::is_running)
        };
        self.is_encoding() || self.frozen.as_ref().is_some_and(asked)
    }

    pub(super) fn is_encoding(&self) -> bool {
        self.encoding_of_frozen().is_some_and(|e| e.progress == Progress::Running)
    }

    pub(super) fn encoding_of_frozen(&self) -> Option<&Encoding> {
        let frozen = self.frozen.as_ref()?;
        self.encoding.as_ref().filter(|e| same_picture(&e.frame, &frozen.frame))
    }

    /// Has the frozen frame encoded unless it is, or is on its way.
    pub(super) fn encode(&mut self, commands: &mut Vec<Command>) {
        let Some(frozen) = &self.frozen else { return };
        let frame = frozen.frame.clone();
        if self.encoding_of_frozen().is_none_or(|e| e.progress == Progress::Failed) {
            // The new job makes a search that waits behind the failed one void.
            if let Some(frozen) = &mut self.frozen {
                frozen.everything.take_if(|everything| everything.is_running());
            }
            self.begin_encoding(frame, commands);
        }
    }

    pub(super) fn begin_encoding(&mut self, frame: Frame, commands: &mut Vec<Command>) {
        let (encoding, job) = self.new_encoding(frame);
        self.encoding = Some(encoding);
        commands.push(Command::Network(job));
    }

    /// An embedding that is to be made of `frame`, and the job that makes it.
    pub(super) fn new_encoding(&mut self, frame: Frame) -> (Encoding, Job) {
        let id = self.new_id();
        let region = self.regions.set_for(frame.size());
        let (begun, progress) = (self.now, Progress::Running);
        let encoding = Encoding { id, frame: frame.clone(), begun, took: None, progress };
        (encoding, Job::Encode { id, frame, region })
    }

    pub(super) fn encoded(&mut self, id: u64, result: Result<Encoded, String>) {
        let Some(encoding) = self.encoding.as_mut().filter(|e| e.id == id) else { return };
        match result {
            Ok(Encoded { took, cached, region }) => {
                encoding.progress = Progress::Done;
                self.regions.looked_at(encoding.frame.size(), region);
                if !cached {
                    self.last_encode = took;
                    encoding.took = Some(took);
                }
            }
            Err(reason) => {
                encoding.progress = Progress::Failed;
                self.say(reason);
            }
        }
    }

    pub(super) fn decoded(&mut self, request: u64, result: Result<Decoded, String>) {
        let Some(frozen) = &mut self.frozen else { return };
        let took = result.as_ref().ok().map(|d| d.took);
        let usable = result.and_then(|Decoded { masks, .. }| {
            let fits = |c: &crate::MaskCandidate| c.mask.size() == frozen.frame.size();
            match masks.candidates.is_empty() || !masks.candidates.iter().all(fits) {
                true => Err(self.options.words.get(Word::OddMask).to_owned()),
                false => Ok(masks),
            }
        });
        match frozen.objects.answer(request, usable) {
            Ok(true) => self.last_decode = took.or(self.last_decode),
            Ok(false) => {}
            Err(reason) => self.say(reason),
        }
    }

    /// Has every prompt decoded that is not yet, once the embedding is there. After an encoding
    /// that failed, a new prompt tries again.
    pub(super) fn ask_for_masks(&mut self, commands: &mut Vec<Command>) {
        let Some(Encoding { id, progress: Progress::Done, .. }) = self.encoding_of_frozen() else {
            return;
        };
        let encoding = *id;
        let Some(frozen) = &mut self.frozen else { return };
        let size = frozen.frame.size();
        let region = self.regions.of(size).and_then(|bounds| Region::of(bounds, size));
        if let Some(word) = frozen.objects.take_back(|prompt| unanswerable(prompt, size, region)) {
            self.say_word(word);
        }
        let Some(frozen) = &mut self.frozen else { return };
        for (object, prompt, asked) in
            frozen.objects.wanted(encoding, self.options.refine_with_mask)
        {
            self.last_id += 1;
            let request = self.last_id;
            asked.ask(request, encoding);
            commands.push(Command::Network(Job::Decode { request, object, encoding, prompt }));
        }
    }
}

/// Why nothing comes of asking the network: it sees `region` alone, and wants to know where the structure is
/// before it is told where not.
fn unanswerable(prompt: &Prompt, size: FrameSize, region: Option<Region>) -> Option<Word> {
    let checked = match region {
        Some(region) => region.prompt(prompt),
        None => prompt.clone().checked(size),
    };
    match checked.err()? {
        PromptError::PointOutsideRegion { .. } => Some(Word::OutsideRegion),
        PromptError::OnlyNegative => Some(Word::FirstOnIt),
        _ => None,
    }
}

/// Whether two frames share their pixels, and so show the same picture for certain.
pub(super) fn same_picture(a: &Frame, b: &Frame) -> bool {
    a.size() == b.size() && std::ptr::eq(a.rgb(), b.rgb())
}
