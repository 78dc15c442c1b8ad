//! Sentences for the person that go away by themselves.

use crate::words::Word;

use super::Session;

impl Session {
    /// Tells what is new; what goes on is told as long as nothing else is.
    pub(super) fn feed_failed(&mut self, reason: String) {
        if self.feed.fault.as_ref() != Some(&reason) {
            self.say(reason.clone());
            self.feed.fault = Some(reason);
        }
    }

    /// Says a sentence, in place of the one that was said before.
    pub(crate) fn say(&mut self, notice: impl Into<String>) {
        self.notice = Some((notice.into(), self.now + Self::NOTICE));
        self.revision += 1;
    }

    /// Says what `word` stands for.
    pub(super) fn say_word(&mut self, word: Word) {
        let text = self.options.words.get(word).to_owned();
        self.say(text);
    }

    /// Says what `word` makes of a reason.
    pub(super) fn say_reason(&mut self, word: Word, reason: String) {
        self.say(self.options.words.fill(word, &[("reason", &reason)]));
    }

    /// The sentence that was said last, while it stays.
    pub(crate) fn notice(&self) -> Option<&str> {
        self.notice.as_ref().map(|(notice, _)| &**notice)
    }
}
