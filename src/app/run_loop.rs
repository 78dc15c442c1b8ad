//! The loop that draws.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use embedded_graphics::geometry::Size;

use crate::cine::CineBuffer;
use crate::feed::{FeedEvent, Rest};
use crate::geometry::FrameSize;
use crate::label::Errand;
use crate::overlay::{Arrangement, Layout, Overlay, Zoom};
use crate::screen::{self, Canvas, Screen, ScreenEvent};
use crate::session::{Command, Drag, Event};
use crate::touch::{Action, Gesture, GestureRecogniser};
use crate::words::Word;

use super::driven::Driven;
use super::memory::Remembered;
use super::pointer::Presses;
use super::report::{Report, Samples, StepReport};
use super::work::Works;
use super::worker::Network;
use super::{AppError, RunOptions, Until, pointer};

/// How long the loop waits for the screen before it looks at frames and answers.
const POLL: Duration = Duration::from_millis(10);

/// How often the picture is drawn again while the network works, for the progress indication.
const PROGRESS: Duration = Duration::from_millis(50);

/// How often records that may be deleted are looked for.
const TIDY: Duration = Duration::from_secs(3600);

pub(super) struct RunLoop<'a, S> {
    session: S,
    screen: &'a mut dyn Screen,
    options: RunOptions,
    frames: Receiver<FeedEvent>,
    network: Network,
    refiner: Option<Network>,
    errands: Option<(Sender<Errand>, Receiver<Event>)>,
    works: Works,
    cine: Option<CineBuffer>,
    rest: Rest,
    remembered: Option<Remembered>,
    tidied: Option<Instant>,
    recogniser: GestureRecogniser,
    presses: Presses,
    overlay: Overlay,
    arrangement: Arrangement,
    layout: Layout,
    zoom: Zoom,
    canvas: Canvas,
    started: Instant,
    drawn: Option<Drawn>,
    /// The scripted step that is not answered yet.
    step: Option<(Action, Instant)>,
    last_failure: Option<String>,
    report: Report,
    encode: Samples,
    decode: Samples,
    draw: Samples,
    present: Samples,
    latency: Samples,
}

/// What is on the screen.
struct Drawn {
    at: Instant,
    revision: u64,
    screen: Size,
    arrangement: Arrangement,
    zoom: Zoom,
    /// The sequence number of the picture.
    sequence: Option<u64>,
}

impl Drawn {
    fn is_on(&self, screen: Size, arrangement: Arrangement) -> bool {
        self.screen == screen && self.arrangement == arrangement
    }
}

impl<'a, S: Driven> RunLoop<'a, S> {
    pub fn new(
        session: S,
        screen: &'a mut dyn Screen,
        options: RunOptions,
        frames: Receiver<FeedEvent>,
        network: Network,
    ) -> Self {
        Self {
            recogniser: GestureRecogniser::new(RunOptions::DESKTOP),
            presses: Presses::default(),
            arrangement: Arrangement::default(),
            overlay: Overlay::new(),
            layout: Layout::new(screen.size(), FrameSize::new(0, 0)),
            zoom: Zoom::default(),
            canvas: Canvas::new(screen.size()),
            started: (options.clock.steady)(),
            errands: None,
            works: Works::default(),
            cine: None,
            rest: Rest::default(),
            remembered: None,
            tidied: None,
            drawn: None,
            step: None,
            last_failure: None,
            report: Report::default(),
            encode: Samples::default(),
            decode: Samples::default(),
            draw: Samples::default(),
            present: Samples::default(),
            latency: Samples::default(),
            session,
            screen,
            options,
            frames,
            network,
            refiner: None,
        }
    }

    /// With what runs errands and tells what came of them.
    pub fn with_errands(self, errands: (Sender<Errand>, Receiver<Event>)) -> Self {
        Self { errands: Some(errands), ..self }
    }

    /// With a second, larger network.
    pub fn with_refiner(self, refiner: Option<Network>) -> Self {
        Self { refiner, ..self }
    }

    /// With what is remembered of the feed.
    pub fn with_memory(self, remembered: Option<Remembered>) -> Self {
        Self { remembered, ..self }
    }

    /// With the last seconds of the feed.
    pub fn with_cine(self, cine: Option<CineBuffer>) -> Self {
        Self { cine, ..self }
    }

    /// With the feed's rest.
    pub fn with_rest(self, rest: Rest) -> Self {
        Self { rest, ..self }
    }

    /// The session, as it was left.
    pub fn into_session(self) -> S {
        self.session
    }

    pub fn run(&mut self) -> Result<Report, AppError> {
        let mut events = Vec::new();
        loop {
            self.screen.poll(POLL, &mut events)?;
            self.look_at_screen();
            self.tell(Event::Tick(self.now() - self.started))?;
            if self.take_screen_events(&mut events)? {
                break;
            }
            // A finger that is down may be on Live.
            self.rest.set(self.session.is_frozen() && !self.recogniser.is_touched());
            self.take_frame()?;
            self.take_answers()?;
            self.look_after_records()?;
            self.draw_if_due()?;
            if self.is_settled() {
                self.end_step();
                if self.is_over()? {
                    break;
                }
                self.play_script()?;
            }
        }
        self.tell(Event::Closing)?;
        for event in self.works.all_done() {
            self.tell(event)?;
        }
        Ok(Report {
            encode: self.encode.timings(),
            decode: self.decode.timings(),
            draw: self.draw.timings(),
            present: self.present.timings(),
            latency: self.latency.timings(),
            ..std::mem::take(&mut self.report)
        })
    }

    /// The screen's scale is that of the display that is there now.
    fn look_at_screen(&mut self) {
        self.arrangement = self.options.arrangement(self.screen);
        self.recogniser.set_scale(self.pixels_per_mm());
    }

    fn pixels_per_mm(&self) -> f32 {
        self.arrangement.pixels_per_mm.unwrap_or(RunOptions::DESKTOP)
    }

    fn now(&self) -> Instant {
        (self.options.clock.steady)()
    }

    /// Tells the session, and does what it asks for.
    fn tell(&mut self, event: Event) -> Result<(), AppError> {
        for command in self.session.handle(event) {
            match command {
                Command::Network(job) => {
                    self.network.jobs.send(job).map_err(|_| AppError::NetworkStopped)?;
                }
                Command::Refine(job) => {
                    let sent = self.refiner.as_ref().is_some_and(|r| r.jobs.send(job).is_ok());
                    if !sent {
                        self.go_on_without_refiner()?;
                    }
                }
                Command::Remember(memory) => {
                    if let Some(remembered) = self.remembered.clone() {
                        let words = self.options.words.clone();
                        remembered.put(memory);
                        self.works.begin(move || {
                            let reason = remembered.keep_waiting().err()?;
                            let told = words.fill(Word::NotRemembered, &[("reason", &reason)]);
                            Some(Event::Notice(told))
                        })?;
                    }
                }
                Command::Label(errand) => {
                    let to = self.errands.as_ref().map(|(to, _)| to);
                    let sent = to.is_some_and(|to| to.send(errand).is_ok());
                    sent.then_some(()).ok_or(AppError::LabelsStopped)?;
                }
                other => {
                    let RunOptions { keeping, clock, words, .. } = &self.options;
                    if let Some(work) = keeping.work(other, self.cine.as_ref(), *clock, words) {
                        self.works.begin(work)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The first network's outlines are there without the second, too.
    fn go_on_without_refiner(&mut self) -> Result<(), AppError> {
        log::error!("the second network stopped at work: outlines are not refined any more");
        self.refiner = None;
        self.tell(Event::RefinerStopped)
    }

    /// Deletes what is to be deleted, now and then, and keeps the clip of a frozen picture.
    fn look_after_records(&mut self) -> Result<(), AppError> {
        if let Some(cine) = &self.cine {
            cine.hold(self.session.is_frozen());
        }
        let now = self.now();
        if self.tidied.is_none_or(|at| now - at >= TIDY) {
            self.tidied = Some(now);
            let RunOptions { keeping, clock, words, .. } = &self.options;
            self.works.begin(keeping.tidying(*clock, words))?;
        }
        Ok(())
    }

    /// Whether the screen was closed.
    fn take_screen_events(&mut self, events: &mut Vec<ScreenEvent>) -> Result<bool, AppError> {
        for event in events.drain(..) {
            match event {
                ScreenEvent::Closed => return Ok(true),
                // Size and scale are asked for with every turn.
                ScreenEvent::Resized(_) => {}
                ScreenEvent::Key(key) => self.tell(Event::Key(key))?,
                ScreenEvent::Pointer(event) => {
                    if let Some(gesture) = self.recogniser.handle(&event) {
                        self.take_gesture(gesture, event.time)?;
                    }
                }
            }
        }
        let now = screen::now();
        if let Some(gesture) = self.recogniser.tick(now) {
            self.take_gesture(gesture, now)?;
        }
        Ok(false)
    }

    /// Takes a gesture that was made at `time`.
    fn take_gesture(&mut self, gesture: Gesture, time: Duration) -> Result<(), AppError> {
        if let Gesture::Pinched { from, to } = gesture {
            self.zoom = self.zoom.pinched(from, to, &self.layout.viewport());
            self.layout = self.layout.clone().zoomed(self.zoom);
        }
        let scale = self.pixels_per_mm();
        let event = pointer::event(gesture, &self.layout, scale);
        let held =
            event.filter(|event| self.presses.admit(event, (gesture, time), &self.layout, scale));
        held.map_or(Ok(()), |event| self.tell(event))
    }

    /// Takes what the feed has, up to one frame: one that can't be shown need not be taken.
    fn take_frame(&mut self) -> Result<(), AppError> {
        while !self.session.feed_has_ended() {
            match self.frames.try_recv() {
                Ok(FeedEvent::Frame(frame)) => return self.tell(Event::Frame(frame)),
                Ok(FeedEvent::Failed(error)) => {
                    let reason = error.to_string();
                    log::info!("{reason}");
                    self.last_failure = Some(reason.clone());
                    self.tell(Event::FeedFailed(reason))?;
                }
                Ok(FeedEvent::Ended) | Err(TryRecvError::Disconnected) => {
                    self.tell(Event::FeedEnded)?;
                }
                Err(TryRecvError::Empty) => return Ok(()),
            }
        }
        Ok(())
    }

    fn take_answers(&mut self) -> Result<(), AppError> {
        loop {
            let answer = match self.network.answers.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(AppError::NetworkStopped),
            };
            match &answer {
                Event::Encoded { result: Ok(encoded), .. } if encoded.cached => {
                    self.report.cache_hits += 1;
                }
                Event::Encoded { result: Ok(encoded), .. } => self.encode.add(encoded.took),
                Event::Decoded { result: Ok(decoded), .. } => self.decode.add(decoded.took),
                _ => {}
            }
            self.tell(answer)?;
        }
        while let Some(answer) = self.refiner.as_ref().map(|refiner| refiner.answers.try_recv()) {
            match answer {
                Ok(Event::Encoded { id, result }) => {
                    self.tell(Event::RefinerEncoded { id, result })?;
                }
                Ok(Event::Decoded { request, result }) => {
                    self.tell(Event::Refined { request, result })?;
                }
                Ok(_) | Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.go_on_without_refiner()?,
            }
        }
        while let Some(Ok(outcome)) = self.errands.as_ref().map(|(_, from)| from.try_recv()) {
            self.tell(outcome)?;
        }
        self.works.done().into_iter().try_for_each(|event| self.tell(event))
    }

    /// Draws if there is something new, or progress to show, no faster than wanted.
    fn draw_if_due(&mut self) -> Result<(), AppError> {
        let size = self.screen.size();
        if let Some(drawn) = &self.drawn {
            let age = self.now() - drawn.at;
            let same_screen = drawn.is_on(size, self.arrangement);
            let new = !self.is_drawn(drawn) || !same_screen || drawn.zoom != self.zoom;
            let progress = self.session.is_working() && age >= PROGRESS;
            if age.as_secs_f32() * self.options.max_fps < 1.0 || !(new || progress) {
                return Ok(());
            }
        }
        let at = self.now();
        let drawing = Instant::now();
        let revision = self.session.revision();
        let scene = self.session.scene();
        let frame_size = scene.frame.as_ref().map_or(FrameSize::new(0, 0), |frame| frame.size());
        let arrangement = self.arrangement;
        let same_screen = self.drawn.as_ref().is_some_and(|drawn| drawn.is_on(size, arrangement));
        let buttons = || scene.buttons.iter().map(|state| state.button);
        let tiles = scene.tiles.as_ref().map_or(0, Vec::len);
        let same_layout = self.layout.viewport().frame() == frame_size
            && self.layout.buttons().eq(buttons())
            && self.layout.tile_areas().len() == tiles
            && self.layout.has_guide() == scene.guide;
        if !same_screen || !same_layout {
            let layout = Layout::arranged(size, frame_size, buttons(), arrangement);
            let layout = layout.zoomed(self.zoom).with_tiles(tiles);
            self.layout = layout.with_guide(scene.guide);
            self.canvas = Canvas::new(size);
        }
        let Ok(()) = self.overlay.draw(&scene, &self.layout, &mut self.canvas);
        self.draw.add(drawing.elapsed());
        let presenting = Instant::now();
        self.screen.present(&self.canvas)?;
        self.present.add(presenting.elapsed());
        let sequence = scene.frame.as_ref().map(|frame| frame.sequence);
        let before = self.drawn.as_ref().and_then(|drawn| drawn.sequence);
        if sequence.is_some() && sequence != before {
            self.report.frames_shown += 1;
            let taken_at = scene.frame.as_ref().and_then(|frame| frame.taken_at);
            taken_at.into_iter().for_each(|taken_at| self.latency.add(taken_at.elapsed()));
        }
        let zoom = self.zoom;
        self.drawn = Some(Drawn { at, revision, screen: size, arrangement, zoom, sequence });
        scene.frame.map_or(Ok(()), |frame| self.tell(Event::Presented(frame)))
    }

    fn is_drawn(&self, drawn: &Drawn) -> bool {
        drawn.revision == self.session.revision()
    }

    /// Whether all that was asked for is answered and on the screen.
    fn is_settled(&self) -> bool {
        self.session.is_idle() && self.drawn.as_ref().is_some_and(|drawn| self.is_drawn(drawn))
    }

    /// Reports the scripted step that was being answered.
    fn end_step(&mut self) {
        if let Some((action, since)) = self.step.take() {
            let scene = self.session.scene();
            self.report.steps.push(StepReport { action, took: since.elapsed(), scene });
        }
    }

    /// Begins the next scripted step if it is due.
    fn play_script(&mut self) -> Result<(), AppError> {
        let shown = self.drawn.as_ref().and_then(|drawn| drawn.sequence);
        let Some(action) = self.options.script.next_due(shown) else {
            return self.check_script();
        };
        self.step = Some((action, Instant::now()));
        match action {
            Action::Tap(at) => {
                let reach = pointer::reach(&self.layout, self.pixels_per_mm());
                self.tell(Event::Touched)?;
                self.tell(Event::Tap { at, reach })
            }
            Action::Drag(b) => {
                self.tell(Event::Touched)?;
                let reach = pointer::reach(&self.layout, self.pixels_per_mm());
                let drag = Drag { reach, ..Drag::from(b) };
                self.tell(Event::DragMoved(drag))?;
                self.tell(Event::Drag(drag))
            }
            Action::Press(button) => self.tell(Event::Pressed(button)),
            Action::Key(key) => self.tell(Event::Key(key)),
        }
    }

    /// Refuses to wait for a frame that can't come.
    fn check_script(&self) -> Result<(), AppError> {
        let reason = if self.session.is_frozen() {
            "the picture is frozen"
        } else if self.session.feed_has_ended() {
            "the feed has ended"
        } else {
            return Ok(());
        };
        self.options
            .script
            .awaited_frame()
            .map_or(Ok(()), |frame| Err(AppError::Script { frame, reason }))
    }

    /// Whether nothing is left to be done.
    fn is_over(&self) -> Result<bool, AppError> {
        let ended = self.session.feed_has_ended();
        if self.options.until == Until::Closed {
            return Ok(false);
        }
        if ended && self.drawn.as_ref().is_none_or(|drawn| drawn.sequence.is_none()) {
            let reason = self.last_failure.clone().unwrap_or_else(|| "it ended at once".into());
            return Err(AppError::NoPicture { reason });
        }
        Ok(self.options.script.is_done() && (ended || self.options.until == Until::ScriptDone))
    }
}
