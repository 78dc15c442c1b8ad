//! An exported image encoder → the interface of [`Manifest::encoder`](crate::model::Manifest).

use std::collections::BTreeSet;
use std::path::Path;

use tract_onnx::pb;

use super::super::graph::Side::{Fixed, Free};
use super::super::graph::f32_tensor;
use super::super::{ConvertError, Preset};
use super::file::Exported;
use super::preparation::{self, Preparation};
use super::signature::{Declared, Sides, inputs};
use super::surgery::{detach, for_each_use, needed, prune, rename};
use super::wrong_interface;

const INPUT: &str = "image";
const OUTPUT: &str = "image_embeddings";
const EXPECTED: &str = "an image encoder, which takes one float 1×3×S×S or H×W×3 and gives one \
                        1×C×G×G (or several, one of them called image_embeddings)";

/// Operators that leave a picture what it is.
const TRANSPARENT: [&str; 5] =
    ["Constant", "Identity", "Cast", "QuantizeLinear", "DequantizeLinear"];

/// The encoder with our interface, and the side of its input in pixels.
pub(super) fn rewritten(
    file: Exported,
    preset: Preset,
) -> Result<(pb::ModelProto, u32), ConvertError> {
    let Exported { path, mut model, .. } = file;
    let graph = model.graph.get_or_insert_default();
    let wrong = |graph: &pb::GraphProto| wrong_interface(&path, graph, EXPECTED);
    let output = match &graph.output[..] {
        [only] => only.name.clone(),
        several if several.iter().any(|o| o.name == OUTPUT) => OUTPUT.to_owned(),
        _ => return Err(wrong(graph)),
    };
    let [_] = inputs(graph)[..] else { return Err(wrong(graph)) };
    rename(graph, &output, OUTPUT);
    let (input, sides) = picture_input(graph).ok_or_else(|| wrong(graph))?;

    let entry = entry(graph, &input).filter(|entry| prepares(graph, entry, &sides));
    let (picture, size) = match entry {
        Some(entry) => {
            let preparation = Preparation { input: &input, sides: &sides, entry: &entry };
            let size = preparation::input_size(&path, &model, &preparation, preset)?;
            (entry, size)
        }
        None => match sides[..] {
            [_, _, rows, columns] if rows.is_none() || columns.is_none() || rows == columns => {
                let side = rows.or(columns).and_then(|side| u32::try_from(side).ok());
                (input, side.unwrap_or(preset.input_size()))
            }
            _ => return Err(wrong(graph)),
        },
    };

    let graph = model.graph.get_or_insert_default();
    detach(graph, &picture);
    rename(graph, &picture, INPUT);
    let side = size as usize;
    graph.input.retain(|input| input.name != INPUT);
    graph.input.push(f32_tensor(INPUT, &[Fixed(1), Fixed(3), Fixed(side), Fixed(side)]));
    let embedding = [Fixed(1), Free("channels"), Free("grid"), Free("grid")];
    graph.output = vec![f32_tensor(OUTPUT, &embedding)];
    prune(graph);
    match &graph.input[..] {
        [input] if input.name == INPUT => Ok((model, size)),
        _ => Err(wrong(graph)),
    }
}

/// Channels and side of an embedding with the shape that the engine found.
pub(super) fn embedding(
    path: &Path,
    shape: &[Option<usize>],
) -> Result<(usize, usize), ConvertError> {
    match *shape {
        [Some(1), Some(channels), Some(rows), Some(columns)] if rows == columns => {
            Ok((channels, rows))
        }
        _ => Err(ConvertError::Engine {
            path: path.to_path_buf(),
            reason: format!("it gives {shape:?}; expected an embedding 1×C×G×G"),
        }),
    }
}

/// The one input and its sides, if a picture could be fed to it.
fn picture_input(graph: &pb::GraphProto) -> Option<(String, Sides)> {
    let [input] = inputs(graph)[..] else { return None };
    let Declared { float32: true, sides: Some(sides) } = Declared::of(input) else { return None };
    let could_be = |side: Option<usize>, length| side.is_none_or(|side| side == length);
    let picture = match sides[..] {
        [batch, channels, _, _] => could_be(batch, 1) && could_be(channels, 3),
        [_, _, channels] => could_be(channels, 3),
        _ => false,
    };
    picture.then(|| (input.name.clone(), sides))
}

/// The value in which the picture comes to the first convolution over its three channels: there
/// the network begins, and before it pixels are prepared at most.
fn entry(graph: &pb::GraphProto, input: &str) -> Option<String> {
    let mut reached = BTreeSet::from([input]);
    for node in &graph.node {
        let mut follows = false;
        for_each_use(node, &mut |name| follows |= reached.contains(name));
        if !follows {
            continue;
        }
        if let ("Conv", [picture, weight, ..]) = (node.op_type.as_str(), &node.input[..])
            && reached.contains(picture.as_str())
            && channels_taken(graph, weight) == Some(3)
        {
            return Some(picture.clone());
        }
        reached.extend(node.output.iter().map(String::as_str));
    }
    None
}

/// The input channels of a convolution with this weight, which may be stored in another type.
fn channels_taken(graph: &pb::GraphProto, weight: &str) -> Option<i64> {
    let mut name = weight;
    for _ in 0..4 {
        if let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.name == name) {
            return tensor.dims.get(1).copied();
        }
        let node = graph.node.iter().find(|node| node.output.iter().any(|o| o == name))?;
        if node.op_type == "Constant" {
            let tensor = node.attribute.iter().find_map(|attribute| attribute.t.as_ref())?;
            return tensor.dims.get(1).copied();
        }
        name = node.input.first().filter(|_| TRANSPARENT.contains(&node.op_type.as_str()))?;
    }
    None
}

/// Whether the graph does something to the picture before it comes to `entry`.
fn prepares(graph: &pb::GraphProto, entry: &str, sides: &Sides) -> bool {
    let (before, _) = needed(graph, vec![entry.to_owned()]);
    let mut operators = before.iter().map(|&index| graph.node[index].op_type.as_str());
    sides.len() == 3 || !operators.all(|operator| TRANSPARENT.contains(&operator))
}
