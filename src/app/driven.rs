//! What the loop drives.

use crate::label::Desk;
use crate::overlay::Scene;
use crate::session::{Command, Event, Session};

/// A state machine that a person drives: a [`Session`] on a feed, or a [`Desk`] of pictures to label.
pub(super) trait Driven {
    /// Takes notice of an event and tells what is to be done.
    fn handle(&mut self, event: Event) -> Vec<Command>;

    /// What the screen is to show.
    fn scene(&self) -> Scene;

    /// Changes whenever the scene has changed.
    fn revision(&self) -> u64;

    /// Whether everything asked for has been answered.
    fn is_idle(&self) -> bool;

    /// Whether a picture is being encoded or a prompt answered, which the screen shows by what turns.
    fn is_working(&self) -> bool;

    /// Whether no more frames will come.
    fn feed_has_ended(&self) -> bool;

    /// Whether one picture stays until the person lets it go.
    fn is_frozen(&self) -> bool;
}

impl Driven for Session {
    fn handle(&mut self, event: Event) -> Vec<Command> {
        Session::handle(self, event)
    }

    fn scene(&self) -> Scene {
        Session::scene(self)
    }

    fn revision(&self) -> u64 {
        Session::revision(self)
    }

    fn is_idle(&self) -> bool {
        Session::is_idle(self)
    }

    fn is_working(&self) -> bool {
        Session::is_working(self)
    }

    fn feed_has_ended(&self) -> bool {
        Session::feed_has_ended(self)
    }

    fn is_frozen(&self) -> bool {
        self.is_held()
    }
}

impl Driven for Desk {
    fn handle(&mut self, event: Event) -> Vec<Command> {
        Desk::handle(self, event)
    }

    fn scene(&self) -> Scene {
        Desk::scene(self)
    }

    fn revision(&self) -> u64 {
        Desk::revision(self)
    }

    fn is_idle(&self) -> bool {
        Desk::is_idle(self)
    }

    fn is_working(&self) -> bool {
        !Desk::is_idle(self)
    }

    /// There is no feed: pictures come when they are asked for.
    fn feed_has_ended(&self) -> bool {
        false
    }

    fn is_frozen(&self) -> bool {
        false
    }
}
