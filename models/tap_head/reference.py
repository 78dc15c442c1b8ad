"""Writes what the tests hold the program's tap head to: the answers of ONNX Runtime with the shipped
head, on an embedding that a formula gives (`src/model/tap_head/tests.rs` has the same)."""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from scipy import ndimage

from head import ANGLES, RADII, RINGS, STEP, inside_frame, sample, splat

TAP, POSITIVE, NEGATIVE = (100.0, 80.0), (110.0, 70.0), (150.0, 120.0)
FRAME = (192, 256)  # rows, columns in model input pixels


def reach(probability):
    """How far the cells that hang together with the tap reach in each direction."""
    member = probability > 0.5
    member[:2] = True
    labels, _ = ndimage.label(np.concatenate([member] * 3, 1), structure=np.ones((3, 3)))
    member &= (labels == labels[0, ANGLES])[:, ANGLES : 2 * ANGLES]
    radii = RADII.numpy()
    found = np.zeros(ANGLES)
    for angle in range(ANGLES):
        last = np.flatnonzero(member[:, angle])[-1]
        found[angle] = radii[last]
        if last + 1 < RINGS:
            inner = max(probability[last, angle], 0.5)
            outer = min(probability[last + 1, angle], 0.499)
            found[angle] *= np.exp(STEP * (inner - 0.5) / (inner - outer))
    return found


def corners(radii, tap):
    theta = np.arange(ANGLES) * 2 * np.pi / ANGLES
    return tap[0] + radii * np.cos(theta), tap[1] + radii * np.sin(theta)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("head", type=Path)
    arguments.add_argument("out", type=Path)
    a = arguments.parse_args()
    channel, row, column = np.meshgrid(np.arange(256), np.arange(64), np.arange(64), indexing="ij")
    phase = channel * 7 % 31 + channel * 0.05 * row * 0.1
    features = torch.from_numpy((0.3 * np.sin(phase + column * 0.11))[None].astype(np.float32))
    tap = torch.tensor([TAP])
    given = [inside_frame(tap, torch.tensor([FRAME]))[0], splat(TAP, [POSITIVE]), splat(TAP, [NEGATIVE])]
    session = onnxruntime.InferenceSession(a.head)
    inputs = {"cell_features": sample(features, tap).numpy(), "given": torch.stack(given)[None].numpy()}
    logits, quality = session.run(None, inputs)
    lines = []
    for answer, q in zip(logits[0], quality[0]):
        x, y = corners(reach(1 / (1 + np.exp(-answer))), TAP)
        q = 1 / (1 + np.exp(-q))
        lines.append([q, x.min(), y.min(), x.max(), y.max()])
    lines.sort(reverse=True)
    a.out.write_text("".join(" ".join(f"{v:.5f}" for v in line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
