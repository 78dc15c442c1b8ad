//! Keeps only the newest frame of a feed for a reader who may be slow.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::{Feed, FeedError};
use crate::frame::Frame;

/// What a feed did.
#[derive(Debug)]
pub enum FeedEvent {
    /// It delivered a frame.
    Frame(Frame),
    /// A frame could not be read; others may follow.
    Failed(FeedError),
    /// It came to its end; nothing follows.
    Ended,
}

/// Reads `feed` on a thread of its own, as fast as it delivers. A newer frame replaces one that
/// was not received yet; a failure is only ever replaced by a newer failure, and the end never.
/// What is waiting comes out as failure, frame, end.
///
/// The threads end when the receiver is dropped, as soon as the frame being waited for has come.
/// A feed that keeps failing is asked again after pauses that grow to a second.
///
/// # Errors
/// What the system says where it gives no threads.
pub fn spawn_latest(feed: Box<dyn Feed>) -> std::io::Result<Receiver<FeedEvent>> {
    spawn_latest_with(feed, Rest::default())
}

/// As [`spawn_latest`], of a feed that may be let rest.
///
/// # Errors
/// As for [`spawn_latest`].
pub fn spawn_latest_with(feed: Box<dyn Feed>, rest: Rest) -> std::io::Result<Receiver<FeedEvent>> {
    // Neither channel stores anything: what waits for the reader is in `keep_newest`.
    let (read, newest) = bounded(0);
    let (out, events) = bounded(0);
    let thread = |name: &str| std::thread::Builder::new().name(name.into());
    thread("feed").spawn(move || read_all(feed, &read, &rest))?;
    thread("feed-newest").spawn(move || keep_newest(&newest, &out))?;
    Ok(events)
}

/// Whether a feed may rest: while nobody looks at its frames, a live source is asked for one now and then
/// alone, so that the processor need not make pictures of all. Recordings go on as they are. Clones are of the
/// same.
#[derive(Clone, Debug, Default)]
pub struct Rest(Arc<(Mutex<bool>, Condvar)>);

impl Rest {
    /// The time from one frame to the next meanwhile.
    const PAUSE: Duration = Duration::from_millis(250);

    /// Frames older than this are not given out behind a pause: they had waited in the device meanwhile.
    const STALE: Duration = Duration::from_millis(100);

    /// Lets the feed rest, or has it go on at once.
    pub fn set(&self, resting: bool) {
        let (now, changed) = &*self.0;
        let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != resting {
            *now = resting;
            changed.notify_all();
        }
    }

    /// Whether a frame of this age is left out, which is the first since the feed has rested.
    fn leaves_out(&self, age: Duration) -> bool {
        let resting = *self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        !resting && age > Self::STALE
    }

    /// Waits for as long as the feed may rest; tells whether it did.
    fn pause(&self) -> bool {
        let (now, changed) = &*self.0;
        let now = now.lock().unwrap_or_else(PoisonError::into_inner);
        let may_rest = *now;
        // A lock whose holder broke off is as good as any.
        drop(changed.wait_timeout_while(now, Self::PAUSE, |resting| *resting));
        may_rest
    }
}

/// Sends all that `feed` delivers, until it ends or nobody listens.
fn read_all(mut feed: Box<dyn Feed>, events: &Sender<FeedEvent>, rest: &Rest) {
    const FIRST_PAUSE: Duration = Duration::from_millis(2);
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);
    let mut pause = FIRST_PAUSE;
    let mut rested = false;
    loop {
        let error = match feed.next_frame() {
            Ok(Some(frame)) => {
                let taken_at = frame.taken_at;
                let stale = taken_at.is_some_and(|at| rest.leaves_out(at.elapsed()));
                if std::mem::take(&mut rested) && stale {
                    continue;
                }
                if events.send(FeedEvent::Frame(frame)).is_err() {
                    return;
                }
                pause = FIRST_PAUSE;
                rested = taken_at.is_some() && rest.pause();
                continue;
            }
            Ok(None) => {
                // Nobody listening is an end as well.
                let _ = events.send(FeedEvent::Ended);
                return;
            }
            Err(error) => error,
        };
        if events.send(FeedEvent::Failed(error)).is_err() {
            return;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Takes whatever comes in and hands out the newest, until the end or until nobody listens.
fn keep_newest(incoming: &Receiver<FeedEvent>, out: &Sender<FeedEvent>) {
    let mut waiting = Waiting::default();
    while !waiting.ended {
        if waiting.is_empty() {
            let Ok(event) = incoming.recv() else { return };
            waiting.put(event);
            continue;
        }
        select! {
            recv(incoming) -> event => match event {
                Ok(event) => waiting.put(event),
                Err(_) => break,
            },
            // The event is taken out only once the reader is there to receive it.
            send(out, waiting.take()) -> sent => if sent.is_err() { return },
        }
    }
    while !waiting.is_empty() && out.send(waiting.take()).is_ok() {}
}

/// What was not received yet: at most one of each kind.
#[derive(Default)]
struct Waiting {
    failed: Option<FeedError>,
    frame: Option<Frame>,
    ended: bool,
}

impl Waiting {
    fn put(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Failed(error) => self.failed = Some(error),
            FeedEvent::Frame(frame) => self.frame = Some(frame),
            FeedEvent::Ended => self.ended = true,
        }
    }

    fn is_empty(&self) -> bool {
        self.failed.is_none() && self.frame.is_none() && !self.ended
    }

    /// What comes next; the end where nothing else is left.
    fn take(&mut self) -> FeedEvent {
        let failed = self.failed.take().map(FeedEvent::Failed);
        failed.or_else(|| self.frame.take().map(FeedEvent::Frame)).unwrap_or_else(|| {
            self.ended = false;
            FeedEvent::Ended
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::geometry::FrameSize;

    /// Plays a script: `f` a frame, `!` a failure, `r` a frame again and again, `l` that of a live source,
    /// `o` one that waited in it until somebody looked again; then the end.
    struct Script {
        steps: &'static str,
        asked: Arc<AtomicU64>,
        rest: Rest,
    }

    impl Feed for Script {
        fn name(&self) -> &str {
            "script"
        }
        fn frame_interval(&self) -> Option<Duration> {
            None
        }
        fn next_frame(&mut self) -> Result<Option<Frame>, FeedError> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            let last = self.steps.len().saturating_sub(1);
            let endless = self.steps.ends_with(['r', 'l']) || self.steps.ends_with("!!");
            let step = if endless { (asked as usize).min(last) } else { asked as usize };
            match self.steps.as_bytes().get(step) {
                None => Ok(None),
                Some(b'!') => Err(FeedError::NoPictures(asked.to_string().into())),
                Some(step) => {
                    let mut frame = Frame::from_rgb(FrameSize::new(1, 1), vec![0; 3]).unwrap();
                    frame.taken_at = (*step == b'l').then(Instant::now);
                    if *step == b'o' {
                        self.rest.set(false);
                        frame.taken_at = Instant::now().checked_sub(2 * Rest::STALE);
                    }
                    frame.sequence = asked;
                    Ok(Some(frame))
                }
            }
        }
    }

    fn spawn(steps: &'static str) -> (Receiver<FeedEvent>, Arc<AtomicU64>) {
        spawn_with(steps, Rest::default())
    }

    fn spawn_with(steps: &'static str, rest: Rest) -> (Receiver<FeedEvent>, Arc<AtomicU64>) {
        let asked = Arc::new(AtomicU64::new(0));
        let script = Script { steps, asked: asked.clone(), rest: rest.clone() };
        (spawn_latest_with(Box::new(script), rest).unwrap(), asked)
    }

    /// Waits until the feed was asked for `count` frames, the last of them not counted.
    fn wait_for(asked: &AtomicU64, count: u64) {
        let started = Instant::now();
        while asked.load(Ordering::SeqCst) < count {
            assert!(started.elapsed() < Duration::from_secs(20), "the feed was not read");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(20));
    }

    #[test]
    fn a_slow_reader_gets_the_newest_frame_and_every_kind_of_news() {
        let cases = [
            ("frames", "ffff", "3."),
            ("a failure is not lost to frames", "f!ff", "!1 3."),
            ("a newer failure replaces an older", "!f!f", "!2 3."),
            ("nothing but the end", "", "."),
        ];
        for (name, steps, expected) in cases {
            let (events, asked) = spawn(steps);
            wait_for(&asked, steps.len() as u64 + 1);
            let mut seen = String::new();
            for event in events {
                seen += &match event {
                    FeedEvent::Frame(frame) => frame.sequence.to_string(),
                    FeedEvent::Failed(FeedError::NoPictures(n)) => format!("!{} ", n.display()),
                    FeedEvent::Failed(other) => panic!("{other}"),
                    FeedEvent::Ended => ".".into(),
                };
            }
            assert_eq!(seen, expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_read_once_nobody_listens() {
        let (events, asked) = spawn("r");
        assert!(matches!(events.recv(), Ok(FeedEvent::Frame(_))));
        drop(events);
        std::thread::sleep(Duration::from_millis(50));
        let then = asked.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(asked.load(Ordering::SeqCst), then);
    }

    #[test]
    fn a_live_source_rests_while_nobody_looks_and_a_recording_does_not() {
        let rest = Rest::default();
        let (_events, asked) = spawn_with("l", rest.clone());
        wait_for(&asked, 100);
        rest.set(true);
        // What it is at when it is told.
        std::thread::sleep(Duration::from_millis(20));
        let before = asked.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(400));
        let meanwhile = asked.load(Ordering::SeqCst) - before;
        assert!(meanwhile <= 3, "asked {meanwhile} times in 0.4 s");
        rest.set(false);
        wait_for(&asked, before + 100);

        rest.set(true);
        let (_events, asked) = spawn_with("r", rest);
        wait_for(&asked, 100);
    }

    #[test]
    fn what_waited_in_the_device_is_left_out_when_somebody_looks_again() {
        let rest = Rest::default();
        let [fresh, old] = [40, 150].map(Duration::from_millis);
        assert!(!rest.pause() && !rest.leaves_out(fresh) && rest.leaves_out(old));
        rest.set(true);
        assert!(rest.pause() && !rest.leaves_out(old), "it is not shown");

        for (resting, expected) in [(true, 0), (false, 1)] {
            let rest = Rest::default();
            rest.set(resting);
            let (events, _) = spawn_with("lo", rest);
            let frames = events.into_iter().filter_map(|event| match event {
                FeedEvent::Frame(frame) => Some(frame.sequence),
                _ => None,
            });
            assert_eq!(frames.last(), Some(expected), "resting: {resting}");
        }
    }

    #[test]
    fn a_feed_that_keeps_failing_is_asked_ever_more_rarely() {
        let (_events, asked) = spawn("!!");
        std::thread::sleep(Duration::from_millis(300));
        let asked = asked.load(Ordering::SeqCst);
        assert!((3..=9).contains(&asked), "asked {asked} times");
    }
}
