"""Endoscope views: a lit tunnel of mucosa with folds, polyps, vessels, glints, tools, dark corners."""

import numpy as np
from scipy import ndimage as ndi

from .chrome import margins
from .shapes import Band, Outline, chance, field, log_uniform, raster, soft


def endoscope_scene(rng):
    h = int(rng.integers(250, 350))
    size = (h, int(h * rng.uniform(0.95, 1.35)))
    x, y = raster(size)
    light = rng.uniform(0.3, 0.7, 2) * (size[1], size[0])
    lumen = rng.uniform(0.15, 0.85, 2) * (size[1], size[0])
    relief = rng.uniform(2, 9) * field(rng, size, log_uniform(rng, 25, 90), 3)
    d = np.hypot(x - lumen[0], y - lumen[1])
    relief += rng.uniform(0, 8) * np.sin(d / h * rng.uniform(8, 25) + field(rng, size, 60))  # folds
    shapes, bumps = [], []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        radius = h * log_uniform(rng, 0.06, 0.27)
        centre = (size[1] * rng.uniform(0.22, 0.78), h * rng.uniform(0.22, 0.78))
        if any(np.hypot(centre[0] - s.x, centre[1] - s.y) < 1.2 * (s.radius + radius) for s in shapes):
            continue
        polyp = Outline(rng, centre, radius, irregularity=rng.choice([0.03, 0.08, 0.15]), spikes=0.0)
        dome = np.clip(polyp.depth(x, y) / radius, 0, 1)
        relief += radius * rng.uniform(0.25, 0.9) * np.sqrt(dome * (2 - dome))
        shapes.append(polyp)
        bumps.append(soft(polyp.depth(x, y), rng.uniform(0.7, 3)))
    gy, gx = np.gradient(relief)
    lx, ly = (light[0] - x) / h, (light[1] - y) / h
    normal = 1 / np.sqrt(1 + gx**2 + gy**2)
    shade = np.clip((lx * -gx + ly * -gy + 1.0) * normal, 0, 2)
    fall = 1 / (1 + (np.hypot(x - light[0], y - light[1]) / h * rng.uniform(0.6, 2)) ** 2)
    dark = 1 - 0.9 * soft(h * rng.uniform(0.0, 0.2) - d, h * 0.06)
    mucosa = np.array([rng.uniform(0.65, 0.95), rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.5)])
    image = np.ones(size + (3,), np.float32) * mucosa.astype(np.float32)
    veins = np.abs(field(rng, size, log_uniform(rng, 20, 60), 4, 0.65))
    image *= (1 - rng.uniform(0, 0.3) * np.exp(-((veins / 0.08) ** 2)))[..., None] * np.array([1, 0.9, 0.9])
    image *= (1 + rng.uniform(0, 0.08) * field(rng, size, 6))[..., None]
    for inside in bumps:
        hue = 1 + rng.normal(0, 0.16, 3)
        texture = 1 + rng.uniform(0, 0.12) * field(rng, size, log_uniform(rng, 3, 14))
        image *= 1 + inside[..., None] * (hue * texture[..., None] - 1)
    image *= (shade * fall * dark)[..., None]
    wet = field(rng, size, log_uniform(rng, 5, 12), 2) + 2.5 * (shade - 1)
    image += (rng.uniform(0.3, 0.9) * soft(wet - rng.uniform(1.8, 3.2), 0.3))[..., None]
    if chance(rng, 0.25):  # a tool from the rim
        t = rng.uniform(0, 2 * np.pi)
        tip = rng.uniform(0.3, 0.7, 2) * (size[1], size[0])
        length = h * 1.2
        middle = (tip[0] + np.cos(t) * length / 2, tip[1] + np.sin(t) * length / 2)
        tool = Band(rng, middle, h * rng.uniform(0.02, 0.06), length=length, angle=t)
        tool.bend = 0.0
        depth = tool.depth(x, y)
        cover = soft(depth, 1.0)[..., None]
        steel = rng.uniform(0.25, 0.8) * np.clip(depth / tool.half_width, 0.2, 1)[..., None] * np.ones(3)
        image = image * (1 - cover) + steel * cover
        hidden = depth > 0
        masks = [(s.depth(x, y) > 0) & ~hidden for s in shapes]
        if chance(rng, 0.5):
            masks.append(hidden)
    else:
        masks = [s.depth(x, y) > 0 for s in shapes]
    view = Outline(rng, (size[1] / 2, h / 2), h * rng.uniform(0.46, 0.75), irregularity=0.0, stretch=rng.uniform(1, 1.3), angle=0.0, spikes=0.0)
    view.power = rng.choice([2.0, 4.0, 8.0])
    seen = view.depth(x, y) > 0
    image = ndi.gaussian_filter(image, (s := rng.uniform(0.3, 1.0), s, 0)) * seen[..., None]
    image = np.clip(image * rng.uniform(0.8, 1.3), 0, 1).astype(np.float32)
    return margins(rng, image, [m & seen for m in masks], room=0.6)
