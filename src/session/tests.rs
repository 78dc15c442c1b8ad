//! Tests of single rules, by what they are about; `memory` fills a session up, `walk` takes random ways
//! through all events.

mod ahead;
mod beside;
mod everything;
mod freezing;
mod memory;
mod pointing;
mod refining;
mod scaling;
mod touching;
mod trouble;
mod walk;

use std::sync::Arc;

use ndarray::Array2;

use super::*;
use crate::mask::Mask;
use crate::model::{MaskCandidate, Masks};
use crate::overlay::{Button, Scene};
use crate::prompt::{MaskPrompt, Prompt};

const SIZE: FrameSize = FrameSize::new(64, 48);
const BOX: FrameBox = FrameBox { x0: 10.0, y0: 10.0, x1: 30.0, y1: 20.0 };

fn frame(sequence: u64) -> Frame {
    let mut frame = Frame::from_rgb(SIZE, vec![sequence as u8; SIZE.pixels() * 3]).unwrap();
    frame.sequence = sequence;
    frame
}

/// `count` masks whose logits hold `mark`, and mark + 1, …: the frame, and more and more of its rows.
fn masks(count: usize, mark: f32) -> Masks {
    let rows = |i: usize| if i == 0 { SIZE.height as usize } else { 6 * i };
    let inside = |i: usize, k: usize| u8::from(k / (SIZE.width as usize) < rows(i));
    let candidate = |i: usize| MaskCandidate {
        mask: Mask::from_pixels(SIZE, (0..SIZE.pixels()).map(|k| inside(i, k)).collect()),
        low_res_logits: Arc::new(Array2::from_elem((4, 4), mark + i as f32)),
        predicted_iou: 0.9 - 0.1 * i as f32,
        stability_score: 1.0,
    };
    Masks { candidates: (0..count).map(candidate).collect() }
}

/// A session and everything it asked for.
struct Bed {
    session: Session,
    commands: Vec<Command>,
}

impl Bed {
    fn new(refine_with_mask: bool) -> Self {
        let options = SessionOptions { refine_with_mask, ..Default::default() };
        Self { session: Session::new(options), commands: Vec::new() }
    }

    /// With frame 1 on the screen.
    fn live() -> Self {
        let mut bed = Self::new(false);
        bed.show(1);
        bed
    }

    fn on(&mut self, event: Event) -> Vec<Command> {
        let commands = self.session.handle(event);
        self.commands.extend(commands.iter().cloned());
        commands
    }

    fn show(&mut self, sequence: u64) {
        self.on(Event::Frame(frame(sequence)));
        self.present();
    }

    fn present(&mut self) {
        let shown = self.scene().frame.unwrap();
        self.on(Event::Presented(shown));
    }

    fn tap(&mut self, x: f32, y: f32) -> Vec<Command> {
        self.on(Event::Tap { at: FramePoint::new(x, y), reach: 3.0 })
    }

    fn press(&mut self, button: Button) -> Vec<Command> {
        self.on(Event::Pressed(button))
    }

    fn encoded(&mut self) -> Vec<Command> {
        self.encoded_in(Duration::from_millis(500))
    }

    fn encoded_in(&mut self, took: Duration) -> Vec<Command> {
        let last = self.commands.iter().rev().find_map(|c| match c {
            Command::Network(Job::Encode { id, .. }) => Some(*id),
            _ => None,
        });
        let id = last.unwrap();
        self.on(Event::Encoded { id, result: Ok(Encoded { took, cached: false, region: None }) })
    }

    fn decoded(&mut self, request: u64, masks: Masks) {
        let took = Duration::from_millis(20);
        self.on(Event::Decoded { request, result: Ok(Decoded { took, masks }) });
    }

    /// Answers the decode among `commands`, whose logits then hold its request number.
    fn answer(&mut self, commands: &[Command]) -> u64 {
        let (request, _) = decode(commands);
        self.decoded(request, masks(3, request as f32));
        request
    }

    fn scene(&self) -> Scene {
        self.session.scene()
    }

    fn message(&self) -> String {
        self.scene().status.message.unwrap_or_default()
    }
}

fn with(options: SessionOptions) -> Bed {
    let mut bed = Bed { session: Session::new(options), commands: Vec::new() };
    bed.show(1);
    bed
}

fn drag(from: (f32, f32), to: (f32, f32)) -> Drag {
    let point = |(x, y)| FramePoint::new(x, y);
    Drag { from: point(from), to: point(to), reach: 2.0 }
}

fn lengths(bed: &Bed) -> Vec<String> {
    bed.scene().callipers.iter().map(|calliper| calliper.length.to_string()).collect()
}

/// The request and prompt of the only command, which decodes.
fn decode(commands: &[Command]) -> (u64, Prompt) {
    match commands {
        [Command::Network(Job::Decode { request, prompt, .. })] => (*request, prompt.clone()),
        other => panic!("expected one decode, found {other:?}"),
    }
}

fn encoded_sequence(commands: &[Command]) -> Option<u64> {
    commands.iter().find_map(|c| match c {
        Command::Network(Job::Encode { frame, .. }) => Some(frame.sequence),
        _ => None,
    })
}
