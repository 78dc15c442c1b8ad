//! The person of a day's work: what is done at the screen, what goes wrong meanwhile, and what is looked at.

use std::collections::VecDeque;

use super::*;

/// What the person, or fate, does next.
enum Do {
    /// Looks on for so many pictures.
    Look(u32),
    /// So many seconds pass without anybody there.
    Rest(u32),
    /// Nothing comes from the feed for so many seconds.
    NoSignal(u32),
    Key(char),
    Back,
    /// Taps the picture, in shares of its width and height.
    Tap(f32, f32),
    Press(Button),
    /// Waits until the program has told this since the last key or tap.
    Expect(&'static str),
    /// Whether the live picture is on the screen from now on.
    Live(bool),
    Fate(Box<dyn FnOnce()>),
}

fn fate(what: impl FnOnce() + 'static) -> Do {
    Do::Fate(Box::new(what))
}

/// The disk that is worked on.
#[derive(Clone)]
pub struct Disk {
    pub kept: PathBuf,
    /// A file that takes all room, where the disk is a small one of its own.
    pub filler: Option<PathBuf>,
}

impl Disk {
    fn fill(&self) {
        use std::io::Write;
        let Some(filler) = &self.filler else { return };
        let mut file = fs::File::create(filler).unwrap();
        for bytes in [1 << 20, 4096, 1] {
            let full = vec![0; bytes];
            while file.write_all(&full).is_ok() {}
        }
    }

    fn free(&self) {
        self.filler.iter().for_each(|filler| fs::remove_file(filler).unwrap());
    }
}

/// One examination after the other.
fn examination(number: usize, disk: &Disk) -> Vec<Do> {
    use Do::*;
    let at = |k: usize| 0.35 + 0.3 * ((number * k) % 10) as f32 / 10.0;
    let mut steps = vec![Live(true), Look(50)];
    match number % 12 {
        3 => {
            let fails = |fails| fate(move || FAILS.store(fails, SeqCst));
            steps.extend([Live(false), fails(true), Look(5), fails(false), Look(3), Live(true)]);
        }
        5 => steps.extend([Live(false), NoSignal(6), Look(3), Live(true)]),
        6 => {
            let next = fate(|| SIZE_NOW.store(1 - SIZE_NOW.load(SeqCst), SeqCst));
            steps.extend([Live(false), next, Look(5), Live(true), Look(30)]);
        }
        9 => steps.push(fate(|| SET_MS.store(400 * 86_400_000, SeqCst))),
        10 => steps.push(fate(|| SET_MS.store(-3 * 3_600_000, SeqCst))),
        _ => {}
    }
    steps.extend([Live(false), Tap(at(3), at(7)), Expect(DECODED), Look(2)]);
    steps.extend([Tap(at(3) + 0.1, at(7) + 0.1), Expect(DECODED), Look(2)]);
    steps.extend([Press(Button::NextMask), Look(2)]);
    match number % 12 {
        7 if disk.filler.is_some() => {
            let (full, free) = (disk.clone(), disk.clone());
            // Old records may make room for it all the same.
            steps.extend([fate(move || full.fill()), Key('s'), Expect("saved")]);
            steps.extend([Look(3), Key('c'), Expect("saved"), Look(3)]);
            steps.push(fate(move || free.free()));
        }
        8 => {
            let (gone, back) = (disk.kept.clone(), disk.kept.clone());
            let away = gone.with_extension("away");
            let there = away.clone();
            let lose = move || {
                fs::rename(&gone, &away).unwrap();
                fs::write(&gone, "no folder").unwrap();
            };
            let find = move || {
                fs::remove_file(&back).unwrap();
                fs::rename(&there, &back).unwrap();
            };
            steps.extend([fate(lose), Key('s'), Expect("not saved: "), Look(3), fate(find)]);
        }
        _ => {}
    }
    steps.extend([Key('s'), Expect("saved /"), Look(3), Key('c'), Expect("saved /"), Look(3)]);
    if number.is_multiple_of(2) {
        steps.extend([Press(Button::Track), Live(true), Look(75), Key('s'), Expect("saved /")]);
        steps.extend([Look(3), Press(Button::Track)]);
    } else {
        steps.push(Key(' '));
    }
    if number % 4 == 1 {
        steps.extend([Live(false), Key('r'), Look(20), Press(Button::Tile(0)), Look(60), Back]);
        steps.extend([Look(5), Press(Button::Tile(1)), Look(60), Back, Look(5)]);
        steps.extend([Press(Button::Export), Look(60), Back, Look(5)]);
    }
    steps.extend([Live(true), Rest(REST_S), fate(|| SET_MS.store(0, SeqCst))]);
    steps
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Day {
    pub examinations: usize,
    pub pictures: u64,
    pub longest_gap: Duration,
    pub longest_turn: Duration,
    /// The memory in use in MB, every ten minutes of the simulated time.
    pub rss_mb: Vec<f64>,
}

/// Whoever works at the screen, and looks how it goes.
pub struct Person {
    until_ms: u64,
    disk: Disk,
    ask: Sender<()>,
    steps: VecDeque<Do>,
    /// When the step began, and how much had been told by the last key or tap.
    since: Instant,
    heard: usize,
    answered: u64,
    live: bool,
    /// Whether a picture is to come to the screen, since when, and how many had come before.
    expected: bool,
    asked: Instant,
    seen: u64,
    /// When the last picture came to the screen, while it is live, and when the loop came by.
    shown: Option<Instant>,
    turned: Instant,
    pub day: Day,
}

impl Person {
    /// Someone who begins a day of so many hours, and has frames made by `ask`.
    pub fn new(hours: f64, disk: Disk, ask: Sender<()>) -> Self {
        Self {
            until_ms: (hours * 3_600_000.0) as u64,
            disk,
            ask,
            steps: VecDeque::new(),
            since: Instant::now(),
            heard: 0,
            answered: 0,
            live: false,
            expected: false,
            asked: Instant::now(),
            seen: 0,
            shown: None,
            turned: Instant::now(),
            day: Day::default(),
        }
    }

    /// The time goes on, with a frame, once the one before has come, and is on the screen where that is live.
    fn pass(&mut self, ms: u64, with_frame: bool) -> bool {
        let unseen = self.live && self.expected && self.day.pictures == self.seen;
        if CAME.load(SeqCst) < ASKED.load(SeqCst) || unseen {
            assert!(self.asked.elapsed() < PATIENCE, "no picture for {:?}", self.asked.elapsed());
            std::thread::sleep(Duration::from_micros(200));
            return false;
        }
        NOW_MS.fetch_add(ms, SeqCst);
        self.expected = with_frame && self.live;
        self.seen = self.day.pictures;
        self.asked = Instant::now();
        if with_frame {
            ASKED.fetch_add(1, SeqCst);
            self.ask.send(()).unwrap();
        }
        let due = NOW_MS.load(SeqCst) / 600_000;
        if self.day.rss_mb.len() as u64 <= due {
            self.day.rss_mb.push(rss_mb());
        }
        true
    }

    fn events(&mut self) -> Vec<ScreenEvent> {
        let Some(step) = self.steps.pop_front() else {
            if NOW_MS.load(SeqCst) >= self.until_ms {
                return vec![ScreenEvent::Closed];
            }
            self.steps.extend(examination(self.day.examinations, &self.disk));
            self.day.examinations += 1;
            return Vec::new();
        };
        let mut again = None;
        let layout = || Layout::new(SCREEN, SIZES[SIZE_NOW.load(SeqCst)]);
        let mut events = Vec::new();
        match step {
            Do::Look(n) => again = left(n, self.pass(STEP_MS, true)).map(Do::Look),
            Do::Rest(n) => again = left(n, self.pass(1000, true)).map(Do::Rest),
            Do::NoSignal(n) => again = left(n, self.pass(1000, false)).map(Do::NoSignal),
            Do::Key(letter) => events.push(ScreenEvent::Key(Key::Letter(letter))),
            Do::Back => events.push(ScreenEvent::Key(Key::Backspace)),
            Do::Tap(x, y) => {
                let size = SIZES[SIZE_NOW.load(SeqCst)];
                let at = FramePoint::new(x * size.width as f32, y * size.height as f32);
                events = click(layout().viewport().to_screen(at));
            }
            Do::Press(button @ (Button::Tile(_) | Button::Export)) => {
                let layout =
                    Layout::with_buttons(SCREEN, SIZES[SIZE_NOW.load(SeqCst)], Button::BROWSING);
                let layout = layout.with_tiles(6);
                let at = match button {
                    Button::Tile(tile) => layout.tile_areas()[usize::from(tile)].center(),
                    _ => layout.button_area(button).center(),
                };
                events = click(at);
            }
            Do::Press(button) => events = click(layout().button_area(button).center()),
            Do::Expect(what) => {
                let told = TOLD.lock().unwrap();
                let answered = what == DECODED && ANSWERED.load(SeqCst) > self.answered;
                if !answered && !told[self.heard..].iter().any(|(_, told)| told.contains(what)) {
                    assert!(
                        self.since.elapsed() < PATIENCE,
                        "{what:?} did not come in examination {}: {:?}",
                        self.day.examinations,
                        &told[self.heard..]
                    );
                    drop(told);
                    self.pass(STEP_MS, true);
                    again = Some(Do::Expect(what));
                }
            }
            Do::Live(live) => self.live = live,
            Do::Fate(what) => what(),
        }
        if !self.live {
            self.shown = None;
        }
        if !events.is_empty() {
            self.heard = TOLD.lock().unwrap().len();
            self.answered = ANSWERED.load(SeqCst);
        }
        match again {
            Some(step) => self.steps.push_front(step),
            None => self.since = Instant::now(),
        }
        events
    }

    fn shown(&mut self) {
        self.day.pictures += 1;
        let now = Instant::now();
        if let Some(before) = self.shown.replace(now).filter(|_| self.live) {
            self.day.longest_gap = self.day.longest_gap.max(now - before);
        }
    }
}

/// What is left of `n` after one, where it is `done`.
fn left(n: u32, done: bool) -> Option<u32> {
    (n > u32::from(done)).then(|| n - u32::from(done))
}

/// A screen without a display, at which the person sits.
pub struct Desk<'a>(pub &'a RefCell<Person>);

impl Screen for Desk<'_> {
    fn size(&self) -> Size {
        SCREEN
    }

    fn poll(&mut self, _: Duration, events: &mut Vec<ScreenEvent>) -> Result<(), ScreenError> {
        let mut person = self.0.borrow_mut();
        person.day.longest_turn = person.day.longest_turn.max(person.turned.elapsed());
        events.extend(person.events());
        // What the person takes, to fill a disk as well, is not the loop's.
        person.turned = Instant::now();
        Ok(())
    }

    fn present(&mut self, _: &Canvas) -> Result<(), ScreenError> {
        self.0.borrow_mut().shown();
        Ok(())
    }
}
