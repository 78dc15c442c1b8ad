//! Graphs give the same after operators were put together as before, within rounding: sums are
//! taken in another order.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::super::conv::PackedConv;
use super::super::rows::Rows;
use super::super::tensors::values;
use super::{Graph, *};

/// `graph` as read, and with operators put together.
fn both(graph: Graph) -> [TypedModel; 2] {
    let plain = graph.load().unwrap();
    let mut fused = graph.typed().unwrap();
    fuse(&mut fused).unwrap();
    [plain, fused.into_decluttered().unwrap()]
}

/// The names of the operators that are left but sources and constants.
fn operators(model: &TypedModel) -> Vec<String> {
    let names = model.eval_order().unwrap().into_iter().map(|id| model.node(id).op.name());
    names.filter(|name| !matches!(&**name, "Source" | "Const")).map(|n| n.to_string()).collect()
}

#[track_caller]
fn assert_close(models: &[TypedModel; 2], x: &Tensor) {
    let [plain, fused] = [0, 1].map(|index| run(&models[index], x));
    assert_eq!(plain.shape(), fused.shape());
    let (plain, fused) = (values::<f32>(&plain).unwrap(), values::<f32>(&fused).unwrap());
    for (plain, fused) in plain.iter().zip(fused) {
        assert!((plain - fused).abs() <= 2e-5 * plain.abs().max(1.0), "{plain} {fused}");
    }
}

/// x/2 · (1 + erf(x/√2)) in operators of ONNX, as exporters write it: the half first or last, and a
/// factor or a divisor.
pub(super) fn gelu(graph: Graph, x: &str, y: &str, half_last: bool) -> Graph {
    let name = |part: &str| format!("{y}.{part}");
    let root = if half_last { 2f32.sqrt() } else { 0.5f32.sqrt() };
    let graph = graph
        .floats(&name("root"), &[], &[root])
        .floats(&name("one"), &[], &[1.0])
        .floats(&name("half"), &[], &[0.5])
        .node(if half_last { "Div" } else { "Mul" }, &[x, &name("root")], &name("scaled"), &[])
        .node("Erf", &[&name("scaled")], &name("erf"), &[])
        .node("Add", &[&name("erf"), &name("one")], &name("gate"), &[]);
    if half_last {
        graph.node("Mul", &[x, &name("gate")], &name("gated"), &[]).node(
            "Mul",
            &[&name("gated"), &name("half")],
            y,
            &[],
        )
    } else {
        graph.node("Mul", &[x, &name("half")], &name("halved"), &[]).node(
            "Mul",
            &[&name("halved"), &name("gate")],
            y,
            &[],
        )
    }
}

/// Norm, layer, GELU, layer, and the input added, as in a transformer's block.
fn perceptron(half_last: bool) -> Graph {
    let graph = Graph::new(&["batch", "50", "20"], 3)
        .floats("gamma", &[20], &numbers(2, 20))
        .floats("beta", &[20], &numbers(3, 20))
        .floats("w1", &[20, 33], &numbers(4, 660))
        .floats("b1", &[33], &numbers(5, 33))
        .floats("w2", &[33, 20], &numbers(6, 660))
        .floats("b2", &[20], &numbers(7, 20))
        .node("LayerNormalization", &["x", "gamma", "beta"], "normal", &[("axis", -1)])
        .node("MatMul", &["normal", "w1"], "wide", &[])
        .node("Add", &["wide", "b1"], "hidden", &[]);
    gelu(graph, "hidden", "active", half_last)
        .node("MatMul", &["active", "w2"], "narrow", &[])
        .node("Add", &["b2", "narrow"], "moved", &[])
        .node("Add", &["x", "moved"], "y", &[])
}

#[test]
fn a_block_becomes_one_operator() {
    for half_last in [false, true] {
        let models = both(perceptron(half_last));
        assert_eq!(operators(&models[1]), ["Rows"]);
        for batch in [1, 2] {
            assert_close(&models, &tokens(&[batch, 50, 20]));
        }
    }
}

#[test]
fn threads_and_blocks_change_no_bit() {
    let [_, model] = both(perceptron(false));
    let x = tokens(&[9, 50, 20]);
    let alone = run(&model, &x);
    for threads in [2, 3] {
        let executor = multithread::Executor::multithread(threads);
        let shared = multithread::multithread_tract_scope(executor, || run(&model, &x));
        assert_eq!(shared, alone);
    }
}

#[test]
fn what_is_used_elsewhere_or_given_is_left() {
    let graph = Graph::new(&["4", "8"], 2)
        .floats("w", &[8, 8], &numbers(4, 64))
        .node("MatMul", &["x", "w"], "first", &[])
        .node("MatMul", &["first", "w"], "second", &[])
        .node("Mul", &["first", "second"], "y", &[]);
    let models = both(graph);
    assert_eq!(operators(&models[1]), ["Rows", "Rows", "Mul"]);
    assert_close(&models, &tokens(&[4, 8]));
}

#[test]
fn sums_go_over_a_batch_of_one_and_rows_are_split() {
    let graph = Graph::new(&["batch", "6", "8"], 3)
        .floats("place", &[1, 6, 8], &numbers(8, 48))
        .floats("w", &[8, 12], &numbers(4, 96))
        .floats("v", &[3, 5], &numbers(5, 15))
        .integers("split", &[0, 24, 3])
        .node("Add", &["x", "place"], "placed", &[])
        .node("MatMul", &["placed", "w"], "wide", &[])
        .node("Reshape", &["wide", "split"], "parts", &[])
        .node("MatMul", &["parts", "v"], "y", &[]);
    let models = both(graph);
    assert_eq!(operators(&models[1]), ["Rows"]);
    for batch in [1, 3] {
        assert_close(&models, &tokens(&[batch, 6, 8]));
    }
}

/// What is added to rows that were split is counted in other rows than the input.
#[test]
fn nothing_is_added_to_split_rows() {
    let graph = Graph::new(&["batch", "60", "8"], 3)
        .floats("w", &[8, 12], &numbers(4, 96))
        .floats("u", &[8, 12], &numbers(5, 96))
        .floats("v", &[3, 3], &numbers(6, 9))
        .integers("split", &[0, 240, 3])
        .node("MatMul", &["x", "w"], "wide", &[])
        .node("Reshape", &["wide", "split"], "parts", &[])
        .node("MatMul", &["parts", "v"], "mixed", &[])
        .node("MatMul", &["x", "u"], "skip", &[])
        .node("Reshape", &["skip", "split"], "skipped", &[])
        .node("Add", &["mixed", "skipped"], "y", &[]);
    let models = both(graph);
    assert!(operators(&models[1]).len() > 1);
    let x = tokens(&[40, 60, 8]);
    assert_close(&models, &x);
    let alone = run(&models[1], &x);
    let executor = multithread::Executor::multithread(2);
    let shared = multithread::multithread_tract_scope(executor, || run(&models[1], &x));
    assert_eq!(shared, alone);
}

/// x · W + b, with tensors called by `name`.
fn linear(graph: Graph, x: &str, name: &str, [inputs, outputs]: [usize; 2]) -> Graph {
    let [weight, bias, product] =
        ["weight", "bias", "product"].map(|part| format!("{name}.{part}"));
    graph
        .floats(&weight, &[inputs, outputs], &numbers(2, inputs * outputs))
        .floats(&bias, &[outputs], &numbers(3, outputs))
        .node("MatMul", &[x, &weight], &product, &[])
        .node("Add", &[&product, &bias], name, &[])
}

/// An inverted bottleneck: wider, a depthwise convolution, narrower, and the input added.
#[test]
fn a_bottleneck_becomes_one_operator_for_any_size() {
    for (height, width, stride) in [(7, 9, 1), (40, 33, 1), (8, 70, 2), (9, 5, 2), (1, 1, 1)] {
        let sides = [height, width].map(|side: usize| side.to_string());
        let graph = Graph::new(&["1", &sides[0], &sides[1], "4"], 4)
            .floats("w2", &[60, 1, 3, 3], &numbers(4, 540))
            .floats("b2", &[60], &numbers(5, 60));
        let graph = linear(graph, "x", "wide", [4, 60]);
        let graph = gelu(graph, "wide", "active", false).node(
            DEPTHWISE_CONV,
            &["active", "w2", "b2"],
            "mixed",
            &[("stride", stride), ("padding", 1)],
        );
        let graph = gelu(graph, "mixed", "gated", true);
        let graph = if stride == 1 {
            linear(graph, "gated", "narrow", [60, 4]).node("Add", &["x", "narrow"], "y", &[])
        } else {
            linear(graph, "gated", "y", [60, 4])
        };
        let models = both(graph);
        assert_eq!(operators(&models[1]), ["PackedConv"]);
        let node = models[1].nodes().iter().find_map(|node| node.op_as::<PackedConv>()).unwrap();
        assert!(!node.before.is_empty() && !node.after.is_empty());
        assert_close(&models, &tokens(&[1, height, width, 4]));
    }
}

/// The layers after neighbourhoods go into them, but not into those of the next convolution.
#[test]
fn convolutions_one_after_the_other() {
    let around = [("kernel", 3), ("stride", 2), ("padding", 1)];
    let graph =
        Graph::new(&["1", "21", "60", "3"], 4).node(NEIGHBOURHOODS, &["x"], "near", &around);
    let graph = linear(graph, "near", "first", [27, 40]);
    let graph =
        gelu(graph, "first", "active", false).node(NEIGHBOURHOODS, &["active"], "far", &around);
    let models = both(linear(graph, "far", "y", [360, 5]));
    assert_eq!(operators(&models[1]), ["PackedConv", "PackedConv"]);
    assert_close(&models, &tokens(&[1, 21, 60, 3]));
}

#[test]
fn kernels_that_fit_nowhere_are_refused() {
    for (kernel, stride, padding) in
        [(3, 0, 1), (3, 1, 3), (65, 1, 32), (1 << 40, 1, 1 << 39), (0, 1, 0), (9, 1, 0), (-3, 1, 1)]
    {
        let geometry = [("kernel", kernel), ("stride", stride), ("padding", padding)];
        Graph::new(&["1", "8", "8", "3"], 4).node(NEIGHBOURHOODS, &["x"], "y", &geometry).refusal();
    }
}

/// Convolutions of channels that lie together against the engine's own.
#[test]
fn a_convolution_is_that_of_onnx() {
    for (side, inputs, outputs, kernel, stride, padding, depthwise) in [
        (8, 3, 5, 4, 4, 0, false),
        (9, 17, 20, 3, 1, 1, false),
        (7, 16, 16, 3, 2, 1, true),
        (5, 33, 33, 3, 1, 1, true),
    ] {
        let group = if depthwise { 1 } else { inputs };
        let places = kernel * kernel;
        let weight = numbers(2, outputs * group * places);
        let start = |axes: [usize; 4]| {
            let axes = axes.map(|side| side.to_string());
            Graph::new(&axes.each_ref().map(|axis| &**axis), 4)
                .floats("w", &[outputs, group, kernel, kernel], &weight)
                .floats("b", &[outputs], &numbers(3, outputs))
        };
        let [k, s, p] = [kernel, stride, padding].map(|side| side as i64);
        let ours = start([1, side, side, inputs]);
        let geometry = [("stride", s), ("padding", p)];
        let ours = if depthwise {
            ours.node(DEPTHWISE_CONV, &["x", "w", "b"], "y", &geometry)
        } else {
            let depth = places * inputs;
            let turned = |i: usize| {
                let (place, input, output) =
                    (i / outputs / inputs, i / outputs % inputs, i % outputs);
                weight[(output * inputs + input) * places + place]
            };
            let turned: Vec<f32> = (0..depth * outputs).map(turned).collect();
            ours.floats("v", &[depth, outputs], &turned)
                .node(NEIGHBOURHOODS, &["x"], "near", &[("kernel", k), geometry[0], geometry[1]])
                .node("MatMul", &["near", "v"], "sums", &[])
                .node("Add", &["sums", "b"], "y", &[])
        };
        let theirs = start([1, inputs, side, side])
            .node("Conv", &["x", "w", "b"], "y", &[("group", (inputs / group) as i64)])
            .with_ints("kernel_shape", &[k, k])
            .with_ints("strides", &[s, s])
            .with_ints("pads", &[p, p, p, p]);
        let x = tokens(&[1, side, side, inputs]);
        let expected =
            run(&theirs.load().unwrap(), &x.clone().permute_axes(&[0, 3, 1, 2]).unwrap())
                .permute_axes(&[0, 2, 3, 1])
                .unwrap();
        for model in both(ours) {
            expected.close_enough(&run(&model, &x), Approximation::Approximate).unwrap();
        }
    }
}

#[test]
fn constants_that_are_not_known_are_left_to_the_run() {
    let mut graph = Graph::new(&["2", "8"], 2).node(
        "LayerNormalization",
        &["x", "gamma", "gamma"],
        "y",
        &[("axis", -1)],
    );
    graph.0.input.push(float_input("gamma", &["8"]));
    let models = both(graph);
    assert!(models[1].nodes().iter().all(|node| !node.op_is::<Rows>()));
}
