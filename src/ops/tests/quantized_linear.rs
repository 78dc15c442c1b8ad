//! `QuantizedLinear` against the same in operators of ONNX, and malformed ones.

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::multithread::Executor;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::super::rows::Rows;
use super::super::tensors::values;
use super::{Graph, *};
use crate::kernels::MAX_DEPTH;

fn weights(k: usize, n: usize) -> Vec<i8> {
    numbers(9, k * n).iter().map(|w| (w * 127.0) as i8).collect()
}

/// A graph of one `QuantizedLinear`.
fn layer(x: &[&str], k: usize, n: usize) -> Graph {
    Graph::new(x, x.len())
        .bytes("w", &[k, n], &weights(k, n))
        .floats("s", &[n], &numbers(2, n))
        .floats("b", &[n], &numbers(3, n))
        .node(QUANTIZED_LINEAR, &["x", "w", "s", "b"], "y", &[])
}

/// The same layer in operators of ONNX.
fn spelled_out(x: &[&str], k: usize, n: usize) -> Graph {
    Graph::new(x, x.len())
        .bytes("w", &[k, n], &weights(k, n))
        .floats("s", &[n], &numbers(2, n))
        .floats("b", &[n], &numbers(3, n))
        .floats("smallest", &[], &[1e-30])
        .floats("levels", &[], &[127.0])
        .floats("level", &[], &[1.0 / 127.0])
        .node("Abs", &["x"], "abs", &[])
        .node("ReduceMax", &["abs"], "max", &[("keepdims", 1)])
        .with_ints("axes", &[-1])
        .node("Max", &["max", "smallest"], "at_least", &[])
        .node("Div", &["levels", "at_least"], "per_step", &[])
        .node("Mul", &["x", "per_step"], "scaled", &[])
        .node("Round", &["scaled"], "rounded", &[])
        .node("Cast", &["rounded"], "q", &[("to", DataType::Int8 as i64)])
        .node("MatMulInteger", &["q", "w"], "sums", &[])
        .node("Cast", &["sums"], "acc", &[("to", DataType::Float as i64)])
        .node("Mul", &["max", "level"], "step", &[])
        .node("Mul", &["acc", "step"], "stepped", &[])
        .node("Mul", &["stepped", "s"], "product", &[])
        .node("Add", &["product", "b"], "y", &[])
}

/// tract may rewrite the factors of the spelled out graph, such as a division as a product with a
/// reciprocal, so that single roundings differ; an input that lies just between two levels could
/// then get the other one, but none of these does.
#[test]
fn it_equals_the_same_in_operators_of_onnx() {
    for (shape, n) in [(&[1, 5, 7, 33][..], 19), (&[64, 40], 24), (&[3, 1, 16], 1)] {
        let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
        let axes: Vec<&str> = axes.iter().map(String::as_str).collect();
        let k = shape[shape.len() - 1];
        let x = tokens(shape);
        let ours = run(&layer(&axes, k, n).load().unwrap(), &x);
        let theirs = run(&spelled_out(&axes, k, n).load().unwrap(), &x);
        assert_eq!(ours.shape(), theirs.shape());
        let (ours, theirs) = (values::<f32>(&ours).unwrap(), values::<f32>(&theirs).unwrap());
        for (ours, theirs) in ours.iter().zip(theirs) {
            // A few units in the last place of the products, which are up to about 10.
            assert!((ours - theirs).abs() <= 4e-6, "{ours} {theirs}");
        }
    }
}

#[test]
fn leading_axes_may_be_symbols_and_the_bias_left_out() {
    let graph = Graph::new(&["batch", "3", "8"], 3)
        .bytes("w", &[8, 5], &weights(8, 5))
        .floats("s", &[5], &numbers(2, 5))
        .node(QUANTIZED_LINEAR, &["x", "w", "s"], "y", &[]);
    let model = graph.load().unwrap();
    let fact = model.output_fact(0).unwrap();
    assert_eq!(fact.datum_type, f32::datum_type());
    assert_eq!(fact.shape.iter().map(|d| d.to_string()).collect::<Vec<_>>(), ["batch", "3", "5"]);
    for batch in [0, 1, 4] {
        assert_eq!(run(&model, &tokens(&[batch, 3, 8])).shape(), [batch, 3, 5]);
    }
}

#[test]
fn threads_change_nothing() {
    let shape = [131, 100];
    let x = tokens(&shape);
    let model = layer(&["131", "100"], 100, 90).load().unwrap();
    let alone = run(&model, &x);
    for executor in [Executor::multithread(2), Executor::multithread(3), Executor::RayonGlobal] {
        let shared = multithread::multithread_tract_scope(executor, || run(&model, &x));
        assert_eq!(shared, alone);
    }
}

#[test]
fn its_cost_is_in_int8() {
    let model = layer(&["4", "6", "8"], 8, 5).load().unwrap();
    let node = model.nodes().iter().find(|node| node.op_is::<Rows>()).unwrap();
    let inputs = model.node_input_facts(node.id).unwrap();
    let cost = node.op.cost(&inputs).unwrap();
    assert_eq!(cost[0], (Cost::FMA(i8::datum_type()), (4 * 6 * 8 * 5).to_dim()));
}

/// What is wrong with a node, and what is said about it.
struct Case {
    graph: Graph,
    says: &'static str,
}

#[test]
fn malformed_nodes_are_refused() {
    let start = || Graph::new(&["2", "8"], 2);
    let whole = |k: usize, n: usize| {
        start().bytes("w", &[k, n], &weights(k, n)).floats("s", &[n], &numbers(2, n))
    };
    let node = |graph: Graph| graph.node(QUANTIZED_LINEAR, &["x", "w", "s"], "y", &[]);
    let mut foreign = node(whole(8, 3));
    foreign.0.node[0].domain = "elsewhere".into();
    let mut twice = node(whole(8, 3));
    twice.0.node[0].output.push("z".into());
    let mut free = node(whole(8, 3));
    free.0.initializer.remove(0);
    free.0.input.push(float_input("w", &["8", "3"]));
    let mut integers = layer(&["2", "8"], 8, 3);
    let tensor = integers.0.input[0].r#type.as_mut().unwrap().value.as_mut().unwrap();
    let pb::type_proto::Value::TensorType(tensor) = tensor;
    tensor.elem_type = DataType::Int32 as i32;
    let deep = MAX_DEPTH + 1;
    let deep = Graph::new(&["2", &deep.to_string()], 2)
        .bytes("w", &[deep, 1], &vec![0; deep])
        .floats("s", &[1], &[1.0]);
    for Case { graph, says } in [
        Case { graph: foreign, says: "is of domain \"tapseg\", not \"elsewhere\"" },
        Case {
            graph: whole(8, 3).node(QUANTIZED_LINEAR, &["x", "w"], "y", &[]),
            says: "takes 3..=4 inputs",
        },
        Case {
            graph: whole(8, 3).node(QUANTIZED_LINEAR, &["x", "w", "s", ""], "y", &[]),
            says: "takes 3..=4 inputs",
        },
        Case { graph: twice, says: "has one output, not 2" },
        Case {
            graph: whole(8, 3).node(QUANTIZED_LINEAR, &["x", "w", "s"], "y", &[("axis", 1)]),
            says: "has no attribute \"axis\"",
        },
        Case { graph: free, says: "weight of QuantizedLinear isn't constant" },
        Case { graph: integers, says: "not f32" },
        Case { graph: layer(&[], 8, 3), says: "x of QuantizedLinear has no axis" },
        Case { graph: node(whole(7, 3)), says: "takes 7" },
        Case {
            graph: node(start().bytes("w", &[8], &[1; 8]).floats("s", &[1], &[1.0])),
            says: "has 1 axes, not 2",
        },
        Case {
            graph: node(start().floats("w", &[8, 1], &[1.0; 8]).floats("s", &[1], &[1.0])),
            says: "weight of QuantizedLinear is",
        },
        Case {
            graph: node(start().bytes("w", &[8, 1], &[1; 8]).floats("s", &[], &[1.0])),
            says: "scale of QuantizedLinear is",
        },
        Case {
            graph: node(start().bytes("w", &[8, 1], &[1; 8]).floats("s", &[2], &[1.0; 2])),
            says: "2 scales for 1 outputs",
        },
        Case {
            graph: whole(8, 3).floats("b", &[2], &[1.0; 2]).node(
                QUANTIZED_LINEAR,
                &["x", "w", "s", "b"],
                "y",
                &[],
            ),
            says: "2 biases for 3 outputs",
        },
        Case {
            graph: node(start().bytes("w", &[8, 1], &[-128; 8]).floats("s", &[1], &[1.0])),
            says: "weight 0 is -128",
        },
        Case { graph: node(deep), says: "a depth of 131073 is more than 131072" },
    ] {
        let refusal = graph.refusal();
        assert!(refusal.contains(says), "{refusal:?} should say {says:?}");
    }
}
