//! An exported decoder → the interface of [`Manifest::decoder`](crate::model::Manifest).

use tract_onnx::pb;

use super::super::ConvertError;
use super::super::graph::Side::{self, Fixed, Free};
use super::super::graph::f32_tensor;
use super::file::Exported;
use super::signature::{Declared, Sides, inputs};
use super::surgery::prune;
use super::wrong_interface;

const INPUTS: [&str; 5] =
    ["image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input"];
const OUTPUTS: [&str; 2] = ["low_res_masks", "iou_predictions"];
const EXPECTED: &str = "a decoder as Segment Anything's export_onnx_model.py writes it, which \
                        takes float image_embeddings 1×C×G×G, point_coords 1×N×2, point_labels \
                        1×N, mask_input 1×1×4G×4G and has_mask_input 1, with N of any length, and \
                        gives low_res_masks and iou_predictions among others";

/// The decoder with our interface, for embeddings of `channels` × `grid` × `grid`. Where the file
/// has fixed its batch at one prompt, so has the result.
pub(super) fn rewritten(
    file: Exported,
    (channels, grid): (usize, usize),
) -> Result<pb::ModelProto, ConvertError> {
    let Exported { path, mut model, .. } = file;
    let graph = model.graph.get_or_insert_default();
    let sides = declared_sides(graph).ok_or_else(|| wrong_interface(&path, graph, EXPECTED))?;
    let batch =
        if sides[1..].iter().any(|sides| sides[0].is_some()) { Fixed(1) } else { Free("batch") };
    let low_res = 4 * grid;
    let inputs = [
        vec![Fixed(1), Fixed(channels), Fixed(grid), Fixed(grid)],
        vec![batch, Free("points"), Fixed(2)],
        vec![batch, Free("points")],
        vec![batch, Fixed(1), Fixed(low_res), Fixed(low_res)],
        vec![batch],
    ];
    let fits = |declared: &Sides, ours: &[Side]| {
        declared.iter().zip(ours).all(|(declared, ours)| match (declared, ours) {
            (Some(declared), Fixed(ours)) => declared == ours,
            (Some(_), Free(_)) => false,
            (None, _) => true,
        })
    };
    let embedding = |side: Option<usize>| side.map_or("?".into(), |side| side.to_string());
    if !fits(&sides[0], &inputs[0]) {
        return Err(ConvertError::Pair {
            encoder: format!("1×{channels}×{grid}×{grid}"),
            decoder: sides[0].iter().map(|&s| embedding(s)).collect::<Vec<_>>().join("×"),
        });
    }
    if !sides.iter().zip(&inputs).all(|(declared, ours)| fits(declared, ours)) {
        return Err(wrong_interface(&path, graph, EXPECTED));
    }
    let masks = [batch, Free("masks"), Fixed(low_res), Fixed(low_res)];
    graph.output = vec![f32_tensor(OUTPUTS[0], &masks), f32_tensor(OUTPUTS[1], &masks[..2])];
    prune(graph);
    if graph.input.iter().any(|input| !INPUTS.contains(&input.name.as_str())) {
        // The masks themselves depend on it.
        return Err(wrong_interface(&path, graph, EXPECTED));
    }
    let named = INPUTS.iter().zip(&inputs);
    graph.input = named.map(|(name, sides)| f32_tensor(name, sides)).collect();
    Ok(model)
}

/// The sides of the five inputs, if these, the outputs and their types and ranks are as expected.
fn declared_sides(graph: &pb::GraphProto) -> Option<[Sides; 5]> {
    let inputs = inputs(graph);
    let known = |name: &str| name == "orig_im_size" || INPUTS.contains(&name);
    if !inputs.iter().all(|input| known(&input.name)) {
        return None;
    }
    let outputs = |name| graph.output.iter().any(|output| output.name == name);
    if !OUTPUTS.into_iter().all(outputs) {
        return None;
    }
    let ranks = [4, 3, 2, 4, 1];
    let mut found = INPUTS.iter().zip(ranks).map(|(name, rank)| {
        let declared = Declared::of(inputs.iter().find(|input| input.name == *name)?);
        declared.sides.filter(|sides| declared.float32 && sides.len() == rank)
    });
    Some([found.next()??, found.next()??, found.next()??, found.next()??, found.next()??])
}
