"""Slices and projections in grey: a body with organs in it, as CT, MR and X-ray show them, and cells."""

import numpy as np
from scipy import ndimage as ndi

from .chrome import margins
from .shapes import Outline, any_shape, chance, field, log_uniform, raster, soft, spread


def body_slice(rng):
    """Nested regions of even grey in an outline on black: fat, muscle, bone, organs, a tumour."""
    h = int(rng.integers(240, 340))
    size = (h, int(h * rng.uniform(0.9, 1.3)))
    x, y = raster(size)
    body = Outline(rng, (size[1] / 2, h / 2), min(size) * rng.uniform(0.36, 0.47), irregularity=0.04, stretch=rng.uniform(0.8, 1.4), angle=0.0, spikes=0.0)
    inside = soft(body.depth(x, y), 1.0)
    image = rng.uniform(0.0, 0.05) + inside * rng.uniform(0.25, 0.55)
    rind = rng.uniform(2, 14)
    image += inside * (1 - soft(body.depth(x, y) - rind, 1.0)) * rng.uniform(-0.2, 0.4)
    if chance(rng, 0.4):  # a ring of bone
        image += np.exp(-(((body.depth(x, y) - rind) / rng.uniform(1.5, 5)) ** 2)) * rng.uniform(0.3, 0.6)
    shapes = []
    reach = body.radius * 0.62
    for centre, radius in spread(rng, int(rng.integers(2, 9)), size, (body.radius * 0.07, body.radius * 0.42), 0.2, 1.02):
        if np.hypot((centre[0] - body.x) / np.sqrt(body.stretch), (centre[1] - body.y) * np.sqrt(body.stretch)) > reach:
            continue
        organ = any_shape(rng, centre, radius)
        cover = soft(organ.depth(x, y), log_uniform(rng, 0.6, 2.5)) * inside
        level = np.median(image[body.depth(x, y) > 0]) + rng.choice([-1, 1]) * rng.uniform(0.07, 0.45)
        texture = rng.uniform(0, 0.05) * field(rng, size, log_uniform(rng, 4, 20))
        image = image * (1 - cover) + (level + texture) * cover
        shapes.append(organ)
        if chance(rng, 0.3) and isinstance(organ, Outline):
            part = organ.inner(rng, 0.2, 0.6)
            cover = soft(part.depth(x, y), log_uniform(rng, 0.6, 2.5)) * inside
            image = image * (1 - cover) + (level + rng.choice([-1, 1]) * rng.uniform(0.08, 0.35)) * cover
            shapes.append(part)
    image *= 1 + rng.uniform(0, 0.12) * field(rng, size, 120, 1)
    image += rng.uniform(0.005, 0.06) * ndi.gaussian_filter(rng.standard_normal(size), rng.uniform(0.3, 1.0))
    image = ndi.gaussian_filter(np.clip(image, 0, 1) ** rng.uniform(0.7, 1.4), rng.uniform(0, 1.0)).astype(np.float32)
    masks = [(s.depth(x, y) > 0) & (body.depth(x, y) > 0) for s in shapes]
    if chance(rng, 0.25):
        masks.append(body.depth(x, y) > 0)
    return margins(rng, image, masks, room=0.35)


def cells(rng):
    """Many alike: cells, droplets, grains, under a microscope."""
    h = int(rng.integers(230, 320))
    size = (h, int(h * rng.uniform(0.9, 1.4)))
    x, y = raster(size)
    base = rng.uniform(0.1, 0.9, 3)
    image = np.ones(size + (3,), np.float32) * base.astype(np.float32)
    image *= (1 + rng.uniform(0, 0.15) * field(rng, size, 60))[..., None]
    colour = np.clip(base + rng.choice([-1, 1]) * rng.uniform(0.12, 0.5) + rng.normal(0, 0.1, 3), 0, 1)
    radius = h * log_uniform(rng, 0.035, 0.16)
    irregularity = rng.choice([0.02, 0.08, 0.18])
    shapes = []
    for centre, r in spread(rng, int(rng.integers(3, 30)), size, (radius * 0.75, radius * 1.3), 0.05, 0.95, 150):
        cell = Outline(rng, centre, r, irregularity=irregularity, spikes=0.0)
        depth = cell.depth(x, y)
        cover = soft(depth, rng.uniform(0.6, 2))[..., None] * rng.uniform(0.6, 1)
        image = image * (1 - cover) + (colour * rng.uniform(0.85, 1.15)) * cover
        if chance(rng, 0.5):
            image *= (1 - rng.uniform(0, 0.4) * np.exp(-((depth / 1.5) ** 2)))[..., None]
        shapes.append(cell)
        if chance(rng, 0.3):
            part = cell.inner(rng, 0.3, 0.5)
            cover = soft(part.depth(x, y), 1.0)[..., None] * 0.8
            image = image * (1 - cover) + np.clip(colour * rng.uniform(0.4, 1.3), 0, 1) * cover
            shapes.append(part)
    image += rng.uniform(0.005, 0.05) * rng.standard_normal(size + (1,))
    if chance(rng, 0.3):
        image = image.mean(2)
    return np.clip(image, 0, 1).astype(np.float32), [s.depth(x, y) > 0 for s in shapes]


def blobs(rng):
    """Shapes that differ from what is round them in level, colour, grain or only by their outline."""
    h = int(rng.integers(230, 340))
    size = (h, int(h * rng.uniform(0.75, 1.4)))
    x, y = raster(size)
    coloured = chance(rng, 0.5)
    channels = 3 if coloured else 1

    def stuff():
        level = rng.uniform(0.1, 0.9, channels)
        grain = rng.uniform(0, 0.25) * field(rng, size, log_uniform(rng, 1.5, 40), int(rng.integers(1, 5)))
        grain += rng.uniform(0, 0.15) * field(rng, size, 150, 1)
        return (level[None, None] + grain[..., None]).astype(np.float32)

    image = stuff()
    shapes = []
    largest = min(size) * log_uniform(rng, 0.1, 0.42)
    for centre, radius in spread(rng, int(rng.integers(1, 8)), size, (max(largest * 0.25, 8), largest), 0.08):
        shape = any_shape(rng, centre, radius)
        depth = shape.depth(x, y)
        cover = soft(depth, log_uniform(rng, 0.5, 5))[..., None]
        how = rng.random()
        if how < 0.6:
            image = image * (1 - cover) + stuff() * cover * rng.uniform(0.85, 1) + image * cover * 0.0
        elif how < 0.8:
            image = image + cover * rng.choice([-1, 1]) * rng.uniform(0.08, 0.4)
        else:
            edge = np.exp(-((depth / rng.uniform(0.8, 3)) ** 2))[..., None]
            image = image + edge * rng.choice([-1, 1]) * rng.uniform(0.2, 0.6)
        shapes.append(shape)
        if chance(rng, 0.25) and isinstance(shape, Outline):
            part = shape.inner(rng)
            cover = soft(part.depth(x, y), log_uniform(rng, 0.5, 3))[..., None]
            image = image * (1 - cover) + stuff() * cover
            shapes.append(part)
    image = image + rng.uniform(0, 0.08) * rng.standard_normal(size + (1,))
    image = ndi.gaussian_filter(image, (s := rng.uniform(0, 1.5), s, 0))
    image = np.clip(image, 0, 1).astype(np.float32)
    image = image if coloured else image[..., 0]
    return margins(rng, image, [s.depth(x, y) > 0 for s in shapes], room=0.25)
