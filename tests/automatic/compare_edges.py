"""Compares `tapseg edges` with section 7.2 and appendix D.2 of *Segment Anything*, written in NumPy on the official model.

    tests/automatic/run                                  # installs what is needed, and compares all
    target/automatic-venv/bin/python tests/automatic/compare_edges.py PICTURE CHECKPOINT ARCHITECTURE TAPSEG PACKAGE

The arguments are those of compare.py. There is no official program: 16 × 16 points, three masks each; those whose boxes are
there twice are removed (torchvision's NMS at 0.7); Sobel's gradient of the probabilities on the pixels just outside of each
mask; the largest of all masks, scaled to 1; thinned as edgesNms does, on the map under a triangle of radius 4. Exits with 1
unless the maps correlate to 0.99 and 98 % of either map's lines (strength above 0.1) lie on the other's, within a pixel.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import binary_dilation, convolve1d, map_coordinates, sobel
from segment_anything import SamPredictor
from torchvision.ops import batched_nms

from compare import model


def masks(sam, picture):
    """Logits at the picture's size, and predicted IoUs, of all masks of the grid."""
    predictor = SamPredictor(sam)
    predictor.set_image(picture)
    height, width = picture.shape[:2]
    places = (np.arange(16) + 0.5) / 16
    points = np.array([[x * width, y * height] for y in places for x in places])
    logits, scores = [], []
    for batch in np.split(points, 16):
        at = torch.as_tensor(predictor.transform.apply_coords(batch, (height, width)))[:, None]
        found, iou, _ = predictor.predict_torch(at, torch.ones(len(batch), 1), multimask_output=True, return_logits=True)
        logits.append(found.flatten(0, 1).numpy())
        scores.append(iou.flatten().numpy())
    return np.concatenate(logits), np.concatenate(scores)


def boxes(inside):
    found = np.zeros((len(inside), 4), np.float32)
    for box, mask in zip(found, inside):
        if mask.any():
            ys, xs = np.nonzero(mask)
            box[:] = xs.min(), ys.min(), xs.max(), ys.max()
    return torch.as_tensor(found)


def thinned(strength):
    triangle = np.convolve(np.ones(5), np.ones(5)) / 25
    smooth = convolve1d(convolve1d(strength, triangle, 1, mode="nearest"), triangle, 0, mode="nearest")
    along = lambda m, axis: convolve1d(m, [1, -2, 1], axis, mode="nearest")
    mixed = convolve1d(convolve1d(smooth, [1, 0, -1], 0, mode="nearest"), [1, 0, -1], 1, mode="nearest") / 4
    hessian = np.stack([along(smooth, 1), mixed, mixed, along(smooth, 0)], -1).reshape(*smooth.shape, 2, 2)
    # The direction in which it bends down most.
    across = np.linalg.eigh(hessian)[1][..., 0]
    ys, xs = np.mgrid[: strength.shape[0], : strength.shape[1]]
    beside = [map_coordinates(strength, [ys + s * across[..., 1], xs + s * across[..., 0]], order=1, mode="nearest") for s in (1, -1)]
    return np.where(strength * 1.01 >= np.maximum(*beside), strength, 0)


def reference(sam, picture):
    logits, scores = masks(sam, picture)
    inside = logits > 0
    kept = batched_nms(boxes(inside), torch.as_tensor(scores), torch.zeros(len(scores)), 0.7)
    strength = np.zeros(picture.shape[:2])
    for index in kept:
        probability = 1 / (1 + np.exp(-logits[index].astype(float)))
        gradient = np.hypot(sobel(probability, 0, mode="nearest"), sobel(probability, 1, mode="nearest"))
        rim = binary_dilation(inside[index], np.ones((3, 3))) & ~inside[index]
        strength = np.maximum(strength, np.where(rim, gradient, 0))
    return thinned(strength / max(strength.max(), 1e-12)), len(kept)


def main(picture, checkpoint, architecture, tapseg, package):
    sam = model(architecture).eval()
    sam.load_state_dict(torch.load(checkpoint))
    with torch.no_grad():
        theirs, count = reference(sam, np.array(Image.open(picture).convert("RGB")))
    with tempfile.TemporaryDirectory() as out:
        path = Path(out) / "edges.png"
        told = subprocess.run([tapseg, "--json", "edges", picture, "--model", package, "-o", path], check=True, capture_output=True)
        ours = np.array(Image.open(path)) / 255
    correlation = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    a, b = ours > 0.1, theirs > 0.1
    around = lambda m: binary_dilation(m, np.ones((3, 3)))
    on_theirs, on_ours = (a & around(b)).sum() / max(a.sum(), 1), (b & around(a)).sum() / max(b.sum(), 1)
    print(f"{json.loads(told.stdout)['masks']} masks by tapseg, {count} by the reference")
    print(f"correlation {correlation:.5f}; {a.sum()} and {b.sum()} pixels on lines")
    print(f"{100 * on_theirs:.2f} % of tapseg's lines on the reference's, {100 * on_ours:.2f} % the other way round")
    sys.exit(int(correlation < 0.99 or min(on_theirs, on_ours) < 0.98))


if __name__ == "__main__":
    main(*sys.argv[1:])
