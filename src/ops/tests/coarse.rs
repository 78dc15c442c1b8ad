//! What int8 layers take is made coarsely, and nothing else is.

use tract_onnx::prelude::*;

use super::super::tensors::values;
use super::fusing::gelu;
use super::{Graph, *};

/// `graph` after operators were put together, with what they tell of themselves.
fn fused(graph: &Graph) -> (TypedModel, String) {
    let mut model = graph.typed().unwrap();
    fuse(&mut model).unwrap();
    let model = model.into_decluttered().unwrap();
    let told = model.nodes().iter().flat_map(|node| node.op.info().unwrap_or_default());
    let told = told.collect::<Vec<_>>().join("; ");
    (model, told)
}

/// Adds the layer of `k` inputs to `n` outputs.
fn layer(graph: Graph, int8: bool, (x, y): (&str, &str), (k, n): (usize, usize)) -> Graph {
    let (weight, scale) = (format!("{y}.weight"), format!("{y}.scale"));
    let numbers = numbers(k as u32, k * n);
    if int8 {
        let whole: Vec<i8> = numbers.iter().map(|w| (w * 127.0) as i8).collect();
        graph.bytes(&weight, &[k, n], &whole).floats(&scale, &[n], &vec![1.0 / 127.0; n]).node(
            QUANTIZED_LINEAR,
            &[x, &weight, &scale],
            y,
            &[],
        )
    } else {
        graph.floats(&weight, &[k, n], &numbers).node("MatMul", &[x, &weight], y, &[])
    }
}

/// Compares with what the engine makes of the operators one by one.
#[track_caller]
fn assert_near(graph: &Graph, x: &Tensor, bound: f32) {
    let (plain, coarse) = (run(&graph.load().unwrap(), x), run(&fused(graph).0, x));
    let (plain, coarse) = (values::<f32>(&plain).unwrap(), values::<f32>(&coarse).unwrap());
    let largest = plain.iter().fold(0f32, |largest, v| largest.max(v.abs()));
    for (plain, coarse) in plain.iter().zip(coarse) {
        assert!((plain - coarse).abs() <= bound * largest, "{plain} {coarse} beside {largest}");
    }
}

#[test]
fn gelu_is_coarse_where_an_int8_layer_takes_it() {
    for (int8, stages) in [
        (true, "int8 20 × 33, CoarseGelu, int8 33 × 20"),
        (false, "int8 20 × 33, Gelu, f32 33 × 20"),
    ] {
        let graph = layer(Graph::new(&["9", "20"], 2), true, ("x", "hidden"), (20, 33));
        let graph = gelu(graph, "hidden", "active", false);
        let graph = layer(graph, int8, ("active", "y"), (33, 20));
        assert_eq!(fused(&graph).1, stages);
        // Where it is a little off, a value may be rounded to another step.
        assert_near(&graph, &tokens(&[9, 20]), 0.01);
    }
}

#[test]
fn scores_are_in_int8_where_an_int8_layer_makes_what_is_multiplied() {
    for (int8, told) in [(true, "windows of 3, scores in int8"), (false, "windows of 3")] {
        let graph = layer(Graph::new(&["1", "25", "16"], 3), int8, ("x", "qkv"), (16, 96));
        let graph = graph
            .floats("pad", &[96], &numbers(7, 96))
            .floats("table", &[2, 9, 9], &numbers(8, 162))
            .node(WINDOW_ATTENTION, &["qkv", "pad", "table"], "y", &[("heads", 2), ("window", 3)]);
        assert!(fused(&graph).1.ends_with(told), "{}", fused(&graph).1);
        assert_near(&graph, &tokens(&[1, 25, 16]), if int8 { 0.05 } else { 1e-5 });
    }
}
