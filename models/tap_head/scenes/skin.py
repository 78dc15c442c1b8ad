"""Skin lesions as a dermatoscope shows them: tone, pigment, hair, gel, a dark corner, a ruler."""

import numpy as np
from scipy import ndimage as ndi

from .shapes import Outline, chance, field, log_uniform, raster, soft

TONES = np.array([[0.93, 0.78, 0.70], [0.88, 0.68, 0.58], [0.80, 0.58, 0.46], [0.62, 0.42, 0.31], [0.40, 0.26, 0.19]])
PIGMENTS = np.array([[0.45, 0.27, 0.18], [0.30, 0.17, 0.12], [0.15, 0.10, 0.10], [0.62, 0.36, 0.28], [0.72, 0.35, 0.33], [0.35, 0.33, 0.38]])


def lesion_scene(rng):
    h = int(rng.integers(250, 340))
    size = (h, int(h * rng.choice([1.0, 1.25, 4 / 3, 1.5])))
    x, y = raster(size)
    tone = TONES[rng.integers(len(TONES))] + rng.normal(0, 0.03, 3)
    image = np.ones(size + (3,), np.float32) * tone.astype(np.float32)
    image *= 1 + (rng.uniform(0.01, 0.05) * field(rng, size, 40) + rng.uniform(0.005, 0.03) * field(rng, size, 3, 2))[..., None]
    image[..., 0] += rng.uniform(0, 0.04) * field(rng, size, 25)
    shapes = []
    for _ in range(1 if chance(rng, 0.85) else 2):
        radius = min(size) * log_uniform(rng, 0.08, 0.42)
        centre = (size[1] * rng.uniform(0.3, 0.7), size[0] * rng.uniform(0.3, 0.7))
        if shapes and np.hypot(centre[0] - shapes[0].x, centre[1] - shapes[0].y) < 1.4 * (shapes[0].radius + radius):
            continue
        lesion = Outline(rng, centre, radius, irregularity=rng.choice([0.03, 0.1, 0.2, 0.3]))
        depth = lesion.depth(x, y) + radius * rng.uniform(0, 0.1) * field(rng, size, radius * 0.4 + 4)
        lesion.depth = lambda a, b, d=depth: d
        inside = soft(depth, log_uniform(rng, 0.8, max(2.0, radius * 0.2)))
        pigment = PIGMENTS[rng.integers(len(PIGMENTS))] * rng.uniform(0.8, 1.2) * (tone / tone.max()) ** 0.5
        strength = rng.uniform(0.3, 0.95)
        mottled = np.clip(1 + rng.uniform(0, 0.5) * field(rng, size, radius * rng.uniform(0.1, 0.6) + 2), 0.2, 1.6)
        cover = np.clip(inside * strength * mottled, 0, 1)[..., None]
        image = image * (1 - cover) + pigment.astype(np.float32) * cover
        shapes.append(lesion)
        if chance(rng, 0.35):
            part = Outline.inner(lesion, rng, 0.2, 0.6)
            dark = (soft(part.depth(x, y), rng.uniform(1, 6)) * inside)[..., None] * rng.uniform(0.3, 0.9)
            image = image * (1 - dark) + PIGMENTS[rng.integers(len(PIGMENTS))].astype(np.float32) * dark
            if chance(rng, 0.6):
                both = np.minimum(part.depth(x, y), depth)
                part.depth = lambda a, b, d=both: d
                shapes.append(part)
    for _ in range(int(rng.integers(0, 30)) if chance(rng, 0.4) else 0):  # hair
        t = np.linspace(0, 1, 300)
        p0, p1, p2 = (rng.uniform(-0.1, 1.1, 2) * (size[1], size[0]) for _ in range(3))
        line = np.outer((1 - t) ** 2, p0) + np.outer(2 * t * (1 - t), p1) + np.outer(t * t, p2)
        c, r = line[:, 0].astype(int), line[:, 1].astype(int)
        keep = (c >= 0) & (r >= 0) & (c < size[1] - 1) & (r < size[0] - 1)
        for k in range(int(rng.integers(1, 3))):
            image[r[keep], c[keep] + k] *= rng.uniform(0.2, 0.7)
    for _ in range(int(rng.integers(0, 12)) if chance(rng, 0.3) else 0):  # bubbles and glints
        spot = Outline(rng, (rng.uniform(0, size[1]), rng.uniform(0, size[0])), rng.uniform(1, 8), irregularity=0)
        image += (np.exp(-((spot.depth(x, y) / 1.2) ** 2)) * rng.uniform(0.1, 0.5))[..., None]
    corner = np.hypot((x - size[1] / 2) / size[1], (y - h / 2) / h) * 2
    image *= (1 - rng.uniform(0, 0.35) * corner**2)[..., None]
    if chance(rng, 0.15):
        image *= soft((rng.uniform(0.95, 1.25) - corner) * h / 2, 3)[..., None]
    if chance(rng, 0.2):
        image[int(h * 0.96) :, :: int(rng.integers(6, 16))] *= 0.3
    image = ndi.gaussian_filter(image, (s := rng.uniform(0.3, 1.2), s, 0))
    masks = [shape.depth(x, y) > 0 for shape in shapes]
    return np.clip(image, 0, 1), masks
