//! What an encoder does to pixels before its network begins.

use std::path::Path;

use tract_onnx::pb;
use tract_onnx::prelude::*;

use crate::model::Normalisation;

use super::super::graph::{Side, f32_tensor};
use super::super::{ConvertError, MAX_INPUT_SIZE, Preset};
use super::engine;
use super::signature::Sides;
use super::surgery::needed;

/// Rows and columns of the picture that is tried where any size is taken. They differ, so that an
/// output with equal ones has been padded.
const TRIED: [usize; 2] = [24, 40];

/// What may differ by rounding, in units of a normalised pixel; one step of 8 bits is 0.017.
const TOLERANCE: f32 = 1e-3;

/// The part of an encoder that prepares pixels (0 to 255).
pub(super) struct Preparation<'a> {
    /// The encoder's input.
    pub input: &'a str,
    /// H×W×3 or 1×3×H×W.
    pub sides: &'a Sides,
    /// Where the network begins: 1×3×S×S.
    pub entry: &'a str,
}

/// The side of the picture that comes out of the preparation, which is tried on one. It must do
/// what `preset` says, which takes its place: else either the preset is wrong or the file.
///
/// Presets that normalise each picture by its own values have no such counterpart inside a graph;
/// with these, it is only looked at what size comes out.
pub(super) fn input_size(
    path: &Path,
    model: &pb::ModelProto,
    preparation: &Preparation,
    preset: Preset,
) -> Result<u32, ConvertError> {
    let differs = |reason: String| ConvertError::Preparation {
        path: path.to_path_buf(),
        preset: preset.name(),
        reason,
    };
    let (channels_last, [rows, columns]) = match preparation.sides[..] {
        [rows, columns, _] => (true, [rows, columns]),
        [_, _, rows, columns] => (false, [rows, columns]),
        _ => return Err(differs("it takes no picture".into())),
    };
    let rows = rows.unwrap_or(TRIED[0]);
    let columns = columns.unwrap_or(TRIED[1]);
    if rows > MAX_INPUT_SIZE || columns > MAX_INPUT_SIZE {
        return Err(differs(format!("it takes a picture of {columns}×{rows} pixels")));
    }
    let pixel = |row: usize, column: usize, channel: usize| {
        ((row * 37 + column * 11 + channel * 73) % 256) as f32
    };
    let prepared = engine(path, || {
        let picture: Tensor = if channels_last {
            tract_ndarray::Array3::from_shape_fn((rows, columns, 3), |(y, x, c)| pixel(y, x, c))
                .into()
        } else {
            tract_ndarray::Array4::from_shape_fn((1, 3, rows, columns), |(_, c, y, x)| {
                pixel(y, x, c)
            })
            .into()
        };
        let network = part(model, preparation, picture.shape());
        let network = crate::ops::onnx().model_for_proto_model(&network)?.into_optimized()?;
        let outputs = network.into_runnable()?.run(tvec![picture.into_tvalue()])?;
        Ok(outputs[0].to_plain_array_view::<f32>()?.to_owned())
    })?;
    let &[1, 3, height, width] = prepared.shape() else {
        return Err(differs(format!("it makes {:?} of a picture", prepared.shape())));
    };
    if let Normalisation::MeanStd { mean, std } = preset.preprocessing(0).normalisation {
        let same = prepared.indexed_iter().all(|(at, &found)| {
            let (channel, row, column) = (at[1], at[2], at[3]);
            let normalised = (pixel(row, column, channel) - mean[channel]) / std[channel];
            let expected = if row < rows && column < columns { normalised } else { 0.0 };
            (found - expected).abs() <= TOLERANCE
        });
        if !same {
            return Err(differs("it gives other values".into()));
        }
    }
    if height == width {
        return Ok(height as u32); // the engine holds it in memory
    }
    if (height, width) == (rows, columns) && preparation.sides.contains(&None) {
        return Ok(preset.input_size());
    }
    Err(differs(format!("it makes a picture of {width}×{height} pixels, which is not square")))
}

/// The preparation as a network of its own, for a picture of this shape.
fn part(model: &pb::ModelProto, preparation: &Preparation, shape: &[usize]) -> pb::ModelProto {
    let Some(graph) = &model.graph else { return pb::ModelProto::default() };
    let (nodes, values) = needed(graph, vec![preparation.entry.to_owned()]);
    let sides: Vec<_> = shape.iter().map(|&side| Side::Fixed(side)).collect();
    let tensors = graph.initializer.iter().filter(|tensor| values.contains(&tensor.name));
    let graph = pb::GraphProto {
        node: nodes.iter().map(|&index| graph.node[index].clone()).collect(),
        initializer: tensors.cloned().collect(),
        input: vec![f32_tensor(preparation.input, &sides)],
        output: vec![f32_tensor(
            preparation.entry,
            &[Side::Fixed(1), Side::Fixed(3), Side::Free("rows"), Side::Free("columns")],
        )],
        ..Default::default()
    };
    pb::ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        graph: Some(graph),
        ..Default::default()
    }
}
