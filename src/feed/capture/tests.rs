//! A device that plays a script: what can happen to real ones, in any order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::feed::pixels::{ColourMatrix, Converter, Fields, Range};
use crate::feed::{Feed, FeedError};
use crate::frame::Frame;

/// What the device does next.
#[derive(Clone, Debug)]
enum Step {
    /// It can't be opened.
    Refuses(fn() -> CaptureFault),
    /// It is there, with such a signal.
    Opens(Signal),
    /// Frames with these sequence numbers are filled; each is grey of its number.
    Frames(&'static [u32]),
    /// A frame that the driver knows to be damaged.
    Damaged(u32),
    /// A frame of fewer bytes than promised.
    Short(u32),
    /// Nothing comes.
    Silence,
    /// It wakes, and has nothing.
    FalseAlarm,
    /// The signal is such from now on.
    SignalIs(Signal),
    /// The source's timing changes.
    Changes,
    /// The device is gone.
    Unplugged,
}

#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    /// Buffers that the program has.
    taken: usize,
    open: usize,
    starts: usize,
}

type Shared = Arc<Mutex<Script>>;

const SIZE: FrameSize = FrameSize::new(4, 2);

struct Fake {
    script: Shared,
    signal: Signal,
    filled: VecDeque<(u32, Vec<u8>, bool)>,
    bytes: Vec<Vec<u8>>,
}

impl Fake {
    fn open(script: &Shared) -> Result<Box<dyn CaptureDevice>, CaptureFault> {
        let mut guard = script.lock().unwrap();
        let signal = match guard.steps.pop_front() {
            Some(Step::Refuses(fault)) => return Err(fault()),
            Some(Step::Opens(signal)) => signal,
            other => panic!("opened where the script says {other:?}"),
        };
        guard.open += 1;
        assert_eq!(guard.open, 1, "opened while it is open");
        guard.taken = 0;
        drop(guard);
        let (script, filled) = (script.clone(), VecDeque::new());
        Ok(Box::new(Self { script, signal, filled, bytes: Vec::new() }))
    }

    fn fill(&mut self, sequence: u32, bytes: usize, damaged: bool) {
        self.filled.push_back((sequence, vec![sequence as u8; bytes], damaged));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.script.lock().unwrap().open -= 1;
    }
}

impl CaptureDevice for Fake {
    fn modes(&mut self) -> Result<Vec<Mode>, CaptureFault> {
        let interval = Some(Interval { numerator: 1, denominator: 50 });
        Ok(vec![Mode { format: PixelFormat::Grey, size: SIZE, interval }])
    }

    fn signal(&mut self) -> Signal {
        self.signal
    }

    fn start(&mut self, mode: &Mode) -> Result<Started, CaptureFault> {
        self.script.lock().unwrap().starts += 1;
        let layout = BufferLayout {
            format: mode.format,
            size: mode.size,
            stride: mode.size.width,
            fields: Fields::Woven,
            matrix: ColourMatrix::Bt601,
            range: Range::Full,
        };
        Ok(Started { layout, interval: mode.interval })
    }

    fn wait(&mut self, patience: Duration) -> Result<Wake, CaptureFault> {
        if !self.filled.is_empty() {
            return Ok(Wake::Filled);
        }
        let step = self.script.lock().unwrap().steps.pop_front();
        let whole = SIZE.pixels();
        match step {
            Some(Step::Frames(frames)) => frames.iter().for_each(|&n| self.fill(n, whole, false)),
            Some(Step::Damaged(n)) => self.fill(n, whole, true),
            Some(Step::Short(n)) => self.fill(n, whole - 1, false),
            Some(Step::Silence) => {
                self.script.lock().unwrap().steps.push_front(Step::Silence);
                std::thread::sleep(patience);
                return Ok(Wake::TimedOut);
            }
            Some(Step::FalseAlarm) => {}
            Some(Step::SignalIs(signal)) => {
                self.signal = signal;
                std::thread::sleep(patience);
                return Ok(Wake::TimedOut);
            }
            Some(Step::Changes) => return Ok(Wake::SourceChanged),
            Some(Step::Unplugged) => return Err(CaptureFault::Unplugged),
            other => panic!("waited for where the script says {other:?}"),
        }
        Ok(Wake::Filled)
    }

    fn dequeue(&mut self) -> Result<Option<Filled>, CaptureFault> {
        let Some((sequence, bytes, damaged)) = self.filled.pop_front() else { return Ok(None) };
        self.script.lock().unwrap().taken += 1;
        self.bytes.push(bytes);
        let index = self.bytes.len() - 1;
        Ok(Some(Filled { index, sequence, taken_at: Instant::now(), damaged }))
    }

    fn bytes(&self, filled: &Filled) -> &[u8] {
        &self.bytes[filled.index]
    }

    fn requeue(&mut self, _: Filled) -> Result<(), CaptureFault> {
        self.script.lock().unwrap().taken -= 1;
        Ok(())
    }
}

/// A feed of a device that plays `steps` after it was opened once to learn its rate.
fn feed(steps: &[Step]) -> (CaptureFeed, Shared) {
    let first = [Step::Opens(Signal::Present)];
    let steps = first.iter().chain(steps).cloned().collect();
    let script: Shared = Arc::new(Mutex::new(Script { steps, ..Script::default() }));
    let shared = script.clone();
    let open = move || Fake::open(&shared);
    (CaptureFeed::new("cam", Wishes::default(), Converter::new().unwrap(), open), script)
}

/// What the feed says: sequence and grey of a frame, or the beginning of the fault's words.
fn said(outcome: Result<Option<Frame>, FeedError>) -> String {
    match outcome {
        Ok(Some(frame)) => format!("{}={}", frame.sequence, frame.rgb()[0]),
        Ok(None) => "end".into(),
        Err(error) => {
            let words = error.to_string();
            let words = words.strip_prefix("cam: ").expect("the device is named");
            words.split([':', ';']).next().unwrap().to_owned()
        }
    }
}

#[test]
fn whatever_happens_is_told_and_outlived() {
    use Signal::*;
    use Step::*;
    type Case<'a> = (&'a str, &'a [Step], &'a [&'a str]);
    let cases: [Case; 13] = [
        ("frames", &[Opens(Present), Frames(&[7]), Frames(&[8])], &["0=7", "1=8"]),
        ("the newest wins", &[Opens(Present), Frames(&[1, 2, 3]), Frames(&[4])], &["0=3", "1=4"]),
        (
            "frames left out are counted",
            &[Opens(Present), Frames(&[1]), Frames(&[5])],
            &["0=1", "4=5"],
        ),
        (
            "a device that doesn't count",
            &[Opens(Present), Frames(&[0]), Frames(&[0])],
            &["0=0", "1=0"],
        ),
        ("false alarms", &[Opens(Present), FalseAlarm, FalseAlarm, Frames(&[1])], &["0=1"]),
        (
            "absent, then busy, then there",
            &[
                Refuses(|| CaptureFault::Absent { found: vec!["/dev/video3 Cam".into()] }),
                Refuses(|| CaptureFault::Busy),
                Opens(Present),
                Frames(&[1]),
            ],
            &["not there", "in use", "0=1"],
        ),
        (
            "no signal at first",
            &[Opens(Absent), Opens(Unstable), Opens(OutOfRange), Opens(Present), Frames(&[1])],
            &["no signal", "the signal is unstable", "the signal is out of range", "0=1"],
        ),
        (
            "signal lost and back",
            &[
                Opens(Present),
                Frames(&[1]),
                SignalIs(Absent),
                Opens(Absent),
                Opens(Present),
                Frames(&[0]),
            ],
            &["0=1", "no signal", "no signal", "1=0"],
        ),
        (
            "unplugged and plugged in again",
            &[
                Opens(Present),
                Frames(&[90]),
                Unplugged,
                Refuses(|| CaptureFault::Absent { found: vec![] }),
                Opens(Present),
                Frames(&[0]),
                Frames(&[1]),
            ],
            &["0=90", "unplugged", "not there", "1=0", "2=1"],
        ),
        (
            "another resolution",
            &[Opens(Present), Frames(&[1]), Changes, Opens(Present), Frames(&[0])],
            &["0=1", "the source changed its resolution", "1=0"],
        ),
        (
            "damaged frames",
            &[Opens(Present), Frames(&[1]), Damaged(2), Short(3), Frames(&[4])],
            &["0=1", "a frame arrived damaged", "the frame came with 7 of 8 bytes", "3=4"],
        ),
        (
            "nothing but damaged frames",
            &[
                Opens(Present),
                Short(1),
                Short(2),
                Short(3),
                Short(4),
                Short(5),
                Short(6),
                Short(7),
                Short(8),
                Opens(Present),
                Frames(&[1]),
            ],
            &["the frame came with 7 of 8 bytes"; 8],
        ),
        ("permission", &[Refuses(|| CaptureFault::Permission)], &["may not be used"]),
    ];
    for (name, steps, expected) in cases {
        let (mut feed, script) = feed(steps);
        assert_eq!(feed.frame_interval(), Some(Duration::from_millis(20)), "{name}");
        let heard: Vec<String> = expected.iter().map(|_| said(feed.next_frame())).collect();
        assert_eq!(heard, expected, "{name}");
        assert_eq!(script.lock().unwrap().taken, 0, "{name}: all buffers were given back");
        if name == "nothing but damaged frames" {
            assert_eq!(said(feed.next_frame()), "8=1", "{name}: it is started again");
        }
        drop(feed);
        assert_eq!(script.lock().unwrap().open, 0, "{name}: it is closed");
    }
}

#[test]
fn a_stalled_queue_is_started_again() {
    let (mut feed, script) = feed(&[Step::Opens(Signal::Present), Step::Silence]);
    let begun = Instant::now();
    assert_eq!(said(feed.next_frame()), "no frame for 2 s");
    assert!(begun.elapsed() >= Duration::from_secs(2));
    script.lock().unwrap().steps = [Step::Opens(Signal::Present), Step::Frames(&[9])].into();
    assert_eq!(said(feed.next_frame()), "0=9");
    assert_eq!(script.lock().unwrap().starts, 2);
}

#[test]
fn frames_tell_when_they_were_taken() {
    let steps = [Step::Opens(Signal::Present), Step::Frames(&[1]), Step::Frames(&[2])];
    let (mut feed, _) = feed(&steps);
    let first = feed.next_frame().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let second = feed.next_frame().unwrap().unwrap();
    assert_eq!(first.captured_at, Duration::ZERO);
    let between = second.taken_at.unwrap() - first.taken_at.unwrap();
    assert_eq!(second.captured_at, between);
    assert!(between >= Duration::from_millis(20));
}

#[test]
fn a_device_that_is_not_there_is_no_error_yet() {
    let refuse = || Err(CaptureFault::Absent { found: vec!["/dev/video1 Cam Link".into()] });
    let converter = Converter::new().unwrap();
    let mut feed = CaptureFeed::new("/dev/video0", Wishes::default(), converter, refuse);
    assert_eq!(feed.frame_interval(), None);
    let told = feed.next_frame().unwrap_err().to_string();
    assert_eq!(told, "/dev/video0: not there: plug it in (there is /dev/video1 Cam Link)");
}

#[test]
fn what_the_system_says_is_put_into_words() {
    use std::io::Error;
    let cases = [
        (19, "unplugged"),
        (16, "in use"),
        (13, "usermod -aG video"),
        (1, "usermod -aG video"),
        (2, "not there"),
        (67, "no signal"),
        (37, "unstable"),
        (5, "it does not start: Input/output error"),
    ];
    for (code, expected) in cases {
        let fault = CaptureFault::from_io("it does not start", Error::from_raw_os_error(code));
        assert!(fault.to_string().contains(expected), "{code}: {fault}");
    }
}
