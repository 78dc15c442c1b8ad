"""Writes seeded edge maps, boundaries of three people, and what BSDS500's benchmark says to them.

    pip install numpy scipy scikit-image pillow
    python make_boundary.py

NAME.png is an edge map, truth/NAME-1.png, -2 and -3 the boundaries. scores.json follows edgesEvalImg.m and edgesEvalDir.m of
Dollár's Structured Edge Detection Toolbox step by step, with scikit-image's `thin` in the place of MATLAB's bwmorph, and an
exact assignment (as many pairs as possible, and of those the least distance) in the place of CSA's.
"""
import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.optimize import linear_sum_assignment
from skimage.morphology import thin

HERE = Path(__file__).parent
WIDTH, HEIGHT, DISTANCE, THRESHOLDS = 240, 180, 0.0075, np.arange(1, 100) / 100
EPS = np.finfo(float).eps


def ellipse(x, y, a, b):
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    inside = ((xs - x) / a) ** 2 + ((ys - y) / b) ** 2 <= 1
    return inside & ~binary_erosion(inside)


def correspond(edges, truth):
    (ey, ex), (ty, tx) = np.nonzero(edges), np.nonzero(truth)
    matched_edges, matched_truth = np.zeros_like(edges), np.zeros_like(truth)
    if len(ey) and len(ty):
        square = (ey[:, None] - ty) ** 2 + (ex[:, None] - tx) ** 2
        reach = DISTANCE * np.hypot(WIDTH, HEIGHT)
        cost = np.where(square <= reach**2, np.sqrt(square), 1e6)
        i, j = linear_sum_assignment(cost)
        near = cost[i, j] < 1e6
        matched_edges[ey[i[near]], ex[i[near]]] = True
        matched_truth[ty[j[near]], tx[j[near]]] = True
    return matched_edges, matched_truth


def counts(strength, truths):
    rows = []
    for threshold in THRESHOLDS:
        edges = thin(strength / 255 >= threshold)
        pairs = [correspond(edges, truth) for truth in truths]
        right = np.any([edge for edge, _ in pairs], axis=0)
        rows.append([sum(int(t.sum()) for _, t in pairs), sum(int(t.sum()) for t in truths), int(right.sum()), int(edges.sum())])
    return np.array(rows, float)


def rpf(c):
    r, p = c[..., 0] / np.maximum(EPS, c[..., 1]), c[..., 2] / np.maximum(EPS, c[..., 3])
    return r, p, 2 * p * r / np.maximum(EPS, p + r)


def best_rpf(t, r, p):
    a, best = np.linspace(0, 1, 100), (-1,)
    for j in range(1, len(t)):
        rj, pj, tj = (v[j] * a + v[j - 1] * (1 - a) for v in (r, p, t))
        f = 2 * pj * rj / np.maximum(EPS, pj + rj)
        k = f.argmax()
        if f[k] > best[0]:
            best = (f[k], pj[k], rj[k], tj[k])
    return best


def main():
    rng = np.random.default_rng(11)
    (HERE / "truth").mkdir(exist_ok=True)
    everyone = []
    for name in ("a", "b"):
        shapes = [(rng.uniform(50, WIDTH - 50), rng.uniform(40, HEIGHT - 40), *rng.uniform(15, 45, 2)) for _ in range(4)]
        strength = gaussian_filter(rng.random((HEIGHT, WIDTH)), 2)
        strength = np.maximum(0, strength - 0.55) * 3
        for k, (x, y, a, b) in enumerate(shapes):
            strength = np.maximum(strength, gaussian_filter(ellipse(x + 1, y, a, b + 1).astype(float), 0.8) * (1.6 - 0.3 * k))
        strength = np.round(np.clip(strength, 0, 1) * 255).astype(np.uint8)
        truths = []
        for person in range(3):
            drawn = [s for k, s in enumerate(shapes) if k != person]
            truths.append(np.any([ellipse(x, y + person, a + rng.normal(0, 1), b) for x, y, a, b in drawn], axis=0))
            Image.fromarray(truths[-1].astype(np.uint8) * 255).save(HERE / "truth" / f"{name}-{person + 1}.png", optimize=True)
        Image.fromarray(strength).save(HERE / f"{name}.png", optimize=True)
        everyone.append(counts(strength, truths))
    r, p, _ = rpf(sum(everyone))
    ods = best_rpf(THRESHOLDS, r, p)
    own = sum(c[rpf(c)[2].argmax()] for c in everyone)
    ois = rpf(own)
    unique_r, k = np.unique(r, return_index=True)
    grid = np.arange(101) / 100
    ap = np.interp(grid, unique_r, p[k], left=np.nan, right=np.nan)
    unique_p, k = np.unique(p, return_index=True)
    r50 = np.interp(max(unique_p[0], 0.5), unique_p, r[k], left=np.nan, right=np.nan)
    figures = {"ods": dict(zip(("f", "precision", "recall"), map(float, ods))), "ods_threshold": float(ods[3]),
               "ois": {"f": float(ois[2]), "precision": float(ois[1]), "recall": float(ois[0])},
               "ap": float(np.nansum(ap) / 100), "r50": float(r50)}
    listed = {name: c[::7].astype(int).tolist() for name, c in zip("ab", everyone)}
    (HERE / "scores.json").write_text(json.dumps({"scores": figures, "counts": listed}) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
