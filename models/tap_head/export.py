"""Writes the trained head as ONNX: the projection to principal components folded into the first
layer, weights as 8-bit integers with a scale per output channel, by the names that the program
(`src/model/tap_head`) reads them by."""

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from head import ANGLES, RINGS, Head


def folded(net, mean, projection):
    """The head for the embedding's own 256 channels."""
    whole = Head(channels=256)
    state = net.state_dict()
    weight = state["enter.weight"][:, :, 0, 0] @ torch.from_numpy(projection.T)
    state["enter.bias"] = state["enter.bias"] - weight @ torch.from_numpy(mean)
    state["enter.weight"] = weight[:, :, None, None]
    whole.load_state_dict(state)
    return whole.eval()


def named(model):
    """What the exporter made of parameters is called by what it is, too, which the nodes that take it tell."""
    others = {"Conv": "mix.cells.weight", "MatMul": "mix.core.weight", "Sub": "start"}
    norms = {"Mul": "weight", "Add": "bias"}
    names = {}
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name.startswith("onnx::") and any(name == tensor.name for tensor in model.graph.initializer):
                layer = node.name.split("/")[1]  # such as /norms.3/Mul
                of_norm = layer.startswith("norms.")
                names[name] = f"{layer}.{norms[node.op_type]}" if of_norm else others.pop(node.op_type)
                node.input[at] = names[name]
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    return model


def quantized(model):
    """Every weight of more than 1000 numbers as int8 and DequantizeLinear along its first axis."""
    graph = model.graph
    axis_of = {}
    for node in graph.node:
        if node.op_type == "Conv":
            axis_of[node.input[1]] = 0
        elif node.op_type == "Gemm":
            trans = next((a.i for a in node.attribute if a.name == "transB"), 0)
            axis_of[node.input[1]] = 0 if trans else 1
    kept, nodes = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name not in axis_of or values.size < 1000:
            kept.append(tensor)
            continue
        axis = axis_of[tensor.name]
        others = tuple(k for k in range(values.ndim) if k != axis)
        scale = np.maximum(np.abs(values).max(others), 1e-8) / 127
        shape = [1] * values.ndim
        shape[axis] = -1
        integers = np.round(values / scale.reshape(shape)).astype(np.int8)
        kept.append(numpy_helper.from_array(integers, tensor.name + ".int8"))
        kept.append(numpy_helper.from_array(scale.astype(np.float32), tensor.name + ".scale"))
        inputs = [tensor.name + ".int8", tensor.name + ".scale"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [tensor.name], tensor.name + ".dequantize", axis=axis))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in reversed(nodes):
        graph.node.insert(0, node)
    return model


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("components", type=Path)
    arguments.add_argument("weights", type=Path)
    arguments.add_argument("out", type=Path)
    a = arguments.parse_args()
    net = Head()
    net.load_state_dict(torch.load(a.weights))
    c = np.load(a.components)
    whole = folded(net, c["mean"], c["projection"])
    example = torch.randn(1, 256, RINGS, ANGLES), torch.zeros(1, 3, RINGS, ANGLES)
    torch.onnx.export(
        whole, example, str(a.out), dynamo=False, opset_version=17,
        input_names=["cell_features", "given"], output_names=["cell_logits", "quality_logits"],
    )
    model = quantized(named(onnx.load(a.out)))
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, a.out)
    print(a.out, a.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
