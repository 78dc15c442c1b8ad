//! The steps on a row's way from one layer to the next.

use std::cell::RefCell;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::kernels::{Activation, FloatLinear, Isa, PackedLinear, activate, add, layer_norm};

/// A step on the way of a row.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Normalises the row, then scales and shifts it.
    Norm { gamma: Arc<[f32]>, beta: Arc<[f32]>, epsilon: f32 },
    /// A linear layer in int8.
    Int8(Arc<PackedLinear>),
    /// A linear layer in f32.
    Float(Arc<FloatLinear>),
    /// Adds a constant row.
    AddRow(Arc<[f32]>),
    /// Adds the row of the next input; one with fewer rows is begun again.
    AddInput,
    /// Makes so many rows of each, one behind the other.
    Split(usize),
    /// A function of each value.
    Activate(Activation),
}

impl Stage {
    /// How long the row is after it, for one of `width`.
    fn width(&self, width: usize) -> TractResult<usize> {
        let (takes, gives) = match self {
            Self::Norm { gamma, .. } => (gamma.len(), gamma.len()),
            Self::Int8(layer) => (layer.inputs(), layer.outputs()),
            Self::Float(layer) => (layer.inputs(), layer.outputs()),
            Self::AddRow(row) => (row.len(), row.len()),
            Self::AddInput | Self::Activate(_) => (width, width),
            Self::Split(parts) => {
                ensure!(
                    *parts > 0 && width.is_multiple_of(*parts),
                    "a row of {width} can't be {parts} rows"
                );
                (width, width / parts)
            }
        };
        ensure!(takes == width, "tokens are {width} long, but {self:?} takes {takes}");
        Ok(gives)
    }

    /// Whether what it writes can't take the place of what it reads.
    fn moves(&self) -> bool {
        matches!(self, Self::Norm { .. } | Self::Int8(_) | Self::Float(_))
    }

    /// How many rows a row becomes.
    fn parts(&self) -> usize {
        if let Self::Split(parts) = self { *parts } else { 1 }
    }

    fn macs(&self) -> usize {
        match self {
            Self::Int8(layer) => layer.inputs() * layer.outputs(),
            Self::Float(layer) => layer.inputs() * layer.outputs(),
            _ => 0,
        }
    }
}

/// How long a row of `width` is after `stages`.
pub(super) fn width_after(stages: &[Stage], width: usize) -> TractResult<usize> {
    stages.iter().try_fold(width, |width, stage| stage.width(width))
}

/// How many rows each row is after `stages`.
pub(super) fn parts(stages: &[Stage]) -> usize {
    stages.iter().map(Stage::parts).product()
}

/// The most values of a row on its way, with all that it is split into.
pub(super) fn widest(stages: &[Stage], width: usize) -> TractResult<usize> {
    let (mut widest, mut parts) = (width, 1);
    stages.iter().try_fold(width, |width, stage| {
        let width = stage.width(width)?;
        parts *= stage.parts();
        widest = widest.max(width * parts);
        TractResult::Ok(width)
    })?;
    Ok(widest)
}

/// Multiplications per row.
pub(super) fn macs(stages: &[Stage]) -> usize {
    let mut parts = 1;
    let each = stages.iter().map(|stage| {
        parts *= stage.parts();
        stage.macs() * parts
    });
    each.sum()
}

/// Multiplications of `rows` rows, by kind.
pub(super) fn costs(stages: &[Stage], rows: TDim) -> TVec<(Cost, TDim)> {
    let mut rows = rows;
    let mut cost = tvec!();
    for stage in stages {
        rows *= stage.parts();
        let int8 = matches!(stage, Stage::Int8(_));
        let of = if int8 { i8::datum_type() } else { f32::datum_type() };
        if stage.macs() > 0 {
            cost.push((Cost::FMA(of), rows.clone() * stage.macs()));
        }
    }
    cost
}

/// The stages in a line.
pub(super) fn described(stages: &[Stage]) -> String {
    let names = stages.iter().map(|stage| match stage {
        Stage::Norm { .. } => "norm".to_owned(),
        Stage::Int8(layer) => format!("int8 {} × {}", layer.inputs(), layer.outputs()),
        Stage::Float(layer) => format!("f32 {} × {}", layer.inputs(), layer.outputs()),
        Stage::AddRow(_) => "+ row".to_owned(),
        Stage::AddInput => "+ input".to_owned(),
        Stage::Split(parts) => format!("/ {parts}"),
        Stage::Activate(function) => format!("{function:?}"),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Runs `stages` on a block of `rows` rows `x`; what is added begins at row `others.1` of the further
/// inputs.
pub(super) fn run(
    stages: &[Stage],
    isa: Isa,
    rows: usize,
    x: &[f32],
    others: (&[&[f32]], usize),
    out: &mut [f32],
) {
    BETWEEN.with_borrow_mut(|between| run_through(between, stages, isa, rows, x, others, out));
}

thread_local! {
    /// Values between stages. They are kept for the next block, and written over: else they would
    /// have to be zeroed for each.
    static BETWEEN: RefCell<[Vec<f32>; 2]> = const { RefCell::new([vec![], vec![]]) };
}

/// [`run`], with room for what is between stages.
fn run_through(
    [here, there]: &mut [Vec<f32>; 2],
    stages: &[Stage],
    isa: Isa,
    rows: usize,
    x: &[f32],
    others: (&[&[f32]], usize),
    out: &mut [f32],
) {
    let last = stages.iter().rposition(Stage::moves);
    let (mut rows, mut width) = (rows, x.len() / rows.max(1));
    let mut others = others.0.iter().map(|other| (other, others.1));
    // Values are in `x` at first, then in `here`, at last in `out`.
    let (mut in_x, mut in_out) = (true, false);
    if last.is_none() {
        out.copy_from_slice(x);
        in_out = true;
    }
    for (index, stage) in stages.iter().enumerate() {
        if stage.moves() {
            let from = if in_x { x } else { &here[..rows * width] };
            width = stage.width(width).unwrap_or(width);
            in_out = Some(index) == last;
            let to = if in_out { &mut *out } else { room(there, rows * width) };
            match stage {
                Stage::Norm { gamma, beta, epsilon } => {
                    layer_norm(isa, from, (gamma, beta), *epsilon, to);
                }
                Stage::Int8(layer) => layer.apply(rows, from, to),
                Stage::Float(layer) => layer.apply(rows, from, to),
                _ => {}
            }
            std::mem::swap(here, there);
            in_x = false;
            continue;
        }
        if in_x && !in_out {
            room(here, x.len()).copy_from_slice(x);
            in_x = false;
        }
        let at = if in_out { &mut *out } else { &mut here[..rows * width] };
        match stage {
            Stage::AddRow(row) => add(isa, at, row),
            Stage::AddInput => {
                if let Some((other, first)) = others.next() {
                    add_from(isa, at, other, first * width);
                }
            }
            Stage::Activate(function) => activate(isa, *function, at),
            Stage::Split(parts) => (rows, width) = (rows * parts, width / parts),
            _ => {}
        }
    }
}

/// The first `length` of `values`, which may be anything.
fn room(values: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if values.len() < length {
        values.resize(length, 0.0);
    }
    &mut values[..length]
}

/// Adds `other` to `x` from `first` on, and from its begin again where it ends.
fn add_from(isa: Isa, mut x: &mut [f32], other: &[f32], first: usize) {
    if other.is_empty() {
        return;
    }
    let mut first = first % other.len();
    while !x.is_empty() {
        let count = x.len().min(other.len() - first);
        let (now, later) = x.split_at_mut(count);
        add(isa, now, &other[first..first + count]);
        (x, first) = (later, 0);
    }
}
