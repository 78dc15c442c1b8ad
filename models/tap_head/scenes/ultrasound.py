"""Ultrasound as scanners show it: speckle made along the beams, log-compressed, scan-converted.

The picture is built in beam space (depth x beam). Every sample knows where it lies on the screen, so
that a shape is the same function for the echo and for its exact mask.
"""

import numpy as np
from scipy import ndimage as ndi

from .chrome import margins
from .shapes import Band, Outline, any_shape, chance, field, log_uniform, raster, soft, spread


class Probe:
    """A linear, curved or phased array: where each sample of each beam lies, and the way back."""

    def __init__(self, rng, size):
        self.size = size
        h, w = size
        self.kind = rng.choice(["linear", "curved", "phased"], p=[0.5, 0.3, 0.2])
        if self.kind == "linear":
            self.samples, self.beams = h, w
            self.skew = rng.uniform(-0.3, 0.3) if chance(rng, 0.1) else 0.0
        else:
            half = rng.uniform(0.45, 0.7) if self.kind == "curved" else rng.uniform(0.6, 0.8)
            start = h * rng.uniform(0.25, 0.8) if self.kind == "curved" else h * rng.uniform(0.0, 0.05)
            # As large as the picture holds.
            reach = min(h, (w / 2) / np.sin(half) - start * 1.0)
            reach = max(min(reach, h + start * (np.cos(half) - 1) + start * 0.2), h * 0.5)
            self.half, self.start, self.reach = half, start, reach
            self.samples, self.beams = int(reach), int(min(2 * half * (start + reach) * 0.7, 420))

    def positions(self):
        """x, y on the picture of every sample: depth x beam."""
        h, w = self.size
        if self.kind == "linear":
            x, y = raster((self.samples, self.beams))
            return x + self.skew * y, y
        r = self.start + np.linspace(0, self.reach, self.samples, dtype=np.float32)[:, None]
        t = np.linspace(-self.half, self.half, self.beams, dtype=np.float32)[None]
        return w / 2 + r * np.sin(t), r * np.cos(t) - self.start * np.cos(self.half)

    def scan_convert(self, beams):
        """The picture of what stands in beam space, and where there is a picture."""
        h, w = self.size
        x, y = raster(self.size)
        if self.kind == "linear":
            column, row = x - self.skew * y - 0.5, y - 0.5
        else:
            yy = y + self.start * np.cos(self.half)
            r, t = np.hypot(x - w / 2, yy), np.arctan2(x - w / 2, yy)
            row = (r - self.start) / self.reach * (self.samples - 1)
            column = (t / self.half + 1) / 2 * (self.beams - 1)
        seen = (row >= 0) & (row <= self.samples - 1) & (column >= 0) & (column <= self.beams - 1)
        picture = ndi.map_coordinates(beams, (row, column), order=1, mode="nearest")
        return np.where(seen, picture, 0), seen


def speckle(rng, size, axial, lateral, looks):
    """Fully developed speckle of mean power 1: the envelope of filtered complex noise."""
    power = np.zeros(size, np.float32)
    for _ in range(looks):
        for _ in range(2):
            noise = rng.standard_normal(size).astype(np.float32)
            part = ndi.gaussian_filter(noise, (axial, lateral), mode="wrap")
            power += (part / (part.std() + 1e-9)) ** 2
    return np.sqrt(power / (2 * looks))


def layers(rng, x, y, size):
    """Tissue in decibels: layers of differing echo, with bright borders, stripes and patches."""
    h = size[0]
    count = int(rng.integers(0, 6))
    tissue = np.full(x.shape, rng.uniform(-4, 4), np.float32)
    tilt = rng.normal(0, 0.08)
    for _ in range(count):
        level = h * rng.uniform(0.03, 0.95)
        wave = rng.uniform(0, 0.04) * h * np.sin(x / h * rng.uniform(1, 9) + rng.uniform(0, 6))
        d = y - (level + tilt * x + wave)
        tissue += rng.normal(0, 5) * soft(d, rng.uniform(1, 4))
        if chance(rng, 0.6):
            tissue += rng.uniform(3, 14) * np.exp(-((d / rng.uniform(0.8, 3.5)) ** 2))
    if chance(rng, 0.5):  # fibres of muscle or tendon
        period, angle = h * rng.uniform(0.015, 0.06), rng.normal(0, 0.15)
        stripes = np.sin((y + angle * x) / period * 6.28 + 2 * field(rng, x.shape, 50))
        tissue += rng.uniform(1, 5) * stripes * (field(rng, x.shape, 90) > rng.uniform(-1, 1))
    tissue += rng.uniform(0.5, 5) * field(rng, x.shape, log_uniform(rng, 12, 90), 4)
    if chance(rng, 0.3):
        spots = field(rng, x.shape, log_uniform(rng, 5, 14), 1)
        tissue += rng.uniform(3, 10) * (spots > rng.uniform(1.2, 2.2))
    return tissue


class Body:
    """Decibels and attenuation along the beams, to which structures are added."""

    def __init__(self, rng, x, y, size):
        self.rng, self.x, self.y = rng, x, y
        self.tissue = layers(rng, x, y, size)
        self.loss = np.zeros(x.shape, np.float32)
        self.lines = np.full(x.shape, -200.0, np.float32)

    def fill(self, shape, echo, edge, texture=None):
        """What is inside a shape gets `echo` decibels: fluid, a mass, a nodule."""
        inside = soft(shape.depth(self.x, self.y), edge)
        level = echo if texture is None else echo + texture
        self.tissue = self.tissue * (1 - inside) + level * inside
        return inside

    def rim(self, shape, strength, width, facing=1.0, outside=1.0):
        """A wall; brightest where it lies across the beam (`facing` 1), or even all round (0).

        It lies `outside` widths beyond the outline: what holds fluid is measured to the inner edge of
        its wall, so that the wall isn't part of the mask.
        """
        d = shape.depth(self.x, self.y)
        across = np.abs(np.gradient(d, axis=0)) / (np.hypot(*np.gradient(d)) + 1e-3)
        gain = (1 - facing) + facing * across**2
        wall = strength * gain - (d / width + outside) ** 2 * 8
        self.lines = np.maximum(self.lines, wall)

    def shadow(self, inside, decibels):
        """Beyond `inside` the picture is darker (or, below 0, brighter) by so much."""
        self.loss += decibels * np.minimum(np.cumsum(inside, axis=0) / 25.0, 1.0)

    def image(self, probe):
        rng = self.rng
        h = self.x.shape[0]
        axial, lateral = rng.uniform(0.5, 1.4), rng.uniform(0.8, 3.2)
        looks = int(rng.choice([1, 1, 2, 3, 6]))
        near = speckle(rng, self.x.shape, axial, lateral, looks)
        far = speckle(rng, self.x.shape, axial * 1.2, lateral * rng.uniform(1.2, 2.2), looks)
        depth = np.linspace(0, 1, h, dtype=np.float32)[:, None]
        grain = near * (1 - depth) + far * depth
        loss = ndi.gaussian_filter(self.loss, (0, lateral))
        gain = rng.uniform(-14, 4) * depth + rng.uniform(-3, 3) * np.cos(depth * rng.uniform(2, 9))
        sides = rng.uniform(0, 8) * np.linspace(-1, 1, self.x.shape[1], dtype=np.float32)[None] ** 4
        decibels = np.maximum(self.tissue, self.lines) - loss + gain - sides
        amplitude = grain * 10 ** (np.clip(decibels, -90, 40) / 20)
        floor = 10 ** (rng.uniform(-55, -28) / 20)
        amplitude = amplitude + floor * near
        if chance(rng, 0.3):  # reverberation under the probe
            every = h * rng.uniform(0.02, 0.08)
            amplitude += rng.uniform(0, 0.6) * np.exp(-depth * 12) * (1 + np.cos(depth * h / every * 6.28))
        span, top = rng.uniform(38, 75), rng.uniform(4, 30)
        grey = np.clip(1 + (20 * np.log10(amplitude + 1e-6) - top) / span, 0, 1)
        grey = grey ** rng.uniform(0.8, 1.9) * rng.uniform(0.4, 1.0)
        if chance(rng, 0.35):
            grey = ndi.gaussian_filter(grey, rng.uniform(0.4, 1.0))
        if chance(rng, 0.2):
            grey = np.clip(grey + 0.6 * (grey - ndi.gaussian_filter(grey, 2.0)), 0, 1)
        return probe.scan_convert(grey.astype(np.float32))


def add_structure(rng, body, shape, nest=True):
    """One structure of a random kind; the shapes that have masks, outer first."""
    kind = rng.choice(
        ["fluid", "mass", "bright", "rimmed", "complex", "halo", "stone", "nest"],
        p=[0.3, 0.26, 0.1, 0.1, 0.08, 0.06, 0.03, 0.07],
    )
    tissue = float(np.median(body.tissue))
    sharp = log_uniform(rng, 0.5, 3.5)
    grainy = rng.uniform(0, 4) * field(rng, body.x.shape, log_uniform(rng, 5, 30), 2)
    found = [shape]
    if kind == "fluid":
        inside = body.fill(shape, rng.uniform(-70, -25), sharp)
        body.shadow(inside, -rng.uniform(0, 10))
        if chance(rng, 0.6):
            body.rim(shape, tissue + rng.uniform(0, 14), log_uniform(rng, 1, 5), rng.uniform(0.3, 1))
        if nest and chance(rng, 0.25) and isinstance(shape, Outline):
            part = shape.inner(rng, 0.12, 0.5)
            body.fill(part, tissue + rng.uniform(-14, 6), sharp)
            found.append(part)
    elif kind == "mass":
        inside = body.fill(shape, tissue - rng.uniform(6, 20), sharp * 1.3, grainy)
        body.shadow(inside, rng.uniform(-3, 10))
        if nest and chance(rng, 0.15) and isinstance(shape, Outline):
            part = shape.inner(rng, 0.2, 0.5)
            body.fill(part, tissue - rng.uniform(20, 50), sharp)
            found.append(part)
    elif kind == "bright":
        body.fill(shape, tissue + rng.uniform(6, 15), sharp, grainy)
    elif kind == "rimmed":
        body.fill(shape, tissue - rng.uniform(-2, 12), sharp, grainy)
        body.rim(shape, tissue + rng.uniform(6, 16), log_uniform(rng, 1, 6), rng.uniform(0, 0.8))
    elif kind == "complex":
        inside = body.fill(shape, tissue - rng.uniform(10, 25), sharp)
        parts = field(rng, body.x.shape, shape_radius(shape) * rng.uniform(0.3, 0.8), 2)
        body.tissue += inside * rng.uniform(8, 22) * soft(parts - rng.uniform(-0.3, 0.8), 0.2)
        body.rim(shape, tissue + rng.uniform(0, 8), rng.uniform(1, 2.5), 0.5, outside=0.5)
    elif kind == "halo":
        body.fill(shape, tissue - rng.uniform(-3, 3), sharp, grainy)
        body.tissue -= rng.uniform(6, 14) * np.exp(-((shape.depth(body.x, body.y) / rng.uniform(1.5, 4)) ** 2))
    elif kind == "stone":
        inside = body.fill(shape, tissue + rng.uniform(10, 18), sharp)
        body.shadow(inside, rng.uniform(15, 40))
    else:  # nest: a wall with a lumen, a kidney with its sinus, an eye with its lens
        body.fill(shape, tissue + rng.normal(0, 9), sharp, grainy)
        body.rim(shape, tissue + rng.uniform(0, 10), rng.uniform(1, 3), 0.4, outside=0.0)
        if isinstance(shape, Outline):
            part = shape.inner(rng, 0.4, 0.75)
            body.fill(part, rng.choice([-45.0, tissue + 9, tissue - 15]), sharp, None)
            found.append(part)
    return found


def shape_radius(shape):
    return getattr(shape, "radius", getattr(shape, "half_width", 20.0))


def tissue_scene(rng):
    """Soft tissue with a few structures of any kind."""
    h = int(rng.integers(260, 400))
    size = (h, int(h * rng.uniform(0.65, 1.3)))
    probe = Probe(rng, size)
    body = Body(rng, *probe.positions(), size)
    largest = min(size) * log_uniform(rng, 0.12, 0.42)
    shapes = []
    for centre, radius in spread(rng, int(rng.integers(1, 6)), size, (max(largest * 0.25, 9), largest), 0.18):
        shapes += add_structure(rng, body, any_shape(rng, centre, radius))
    return finish(rng, body, probe, shapes)


def test_object(rng):
    """A quality-assurance phantom: even grain, rows of cylinders of stated contrast, wires."""
    h = int(rng.integers(260, 400))
    size = (h, int(h * rng.uniform(0.7, 1.2)))
    probe = Probe(rng, size)
    body = Body(rng, *probe.positions(), size)
    body.tissue[:] = rng.uniform(-3, 3) + rng.uniform(0, 1) * field(rng, body.x.shape, 60)
    shapes = []
    for _ in range(int(rng.integers(1, 4))):
        y = h * rng.uniform(0.15, 0.85)
        count = int(rng.integers(1, 5))
        radius = size[1] * rng.uniform(0.025, 0.1)
        grows = rng.uniform(0.7, 1.4)
        contrast, step = rng.uniform(-25, -4), rng.uniform(-4, 4)
        if chance(rng, 0.25):
            contrast = rng.uniform(4, 12)
        for k in range(count):
            x = size[1] * (k + rng.uniform(0.4, 0.6)) / count
            r = radius * grows**k
            if any(np.hypot(s.x - x, s.y - y) < 1.3 * (s.radius + r) for s in shapes):
                continue
            shape = Outline(rng, (x, y), r, irregularity=0.0, stretch=np.exp(rng.normal(0, 0.05)), spikes=0.0)
            shape.power = 2.0
            body.fill(shape, np.median(body.tissue) + contrast + step * k, rng.uniform(0.6, 2))
            shapes.append(shape)
    for _ in range(int(rng.integers(0, 14))):
        wire = Outline(rng, (rng.uniform(0.1, 0.9) * size[1], rng.uniform(0.1, 0.9) * h), rng.uniform(1, 2.2), spikes=0)
        body.lines = np.maximum(body.lines, soft(wire.depth(body.x, body.y), 0.7) * 40 - 22)
    return finish(rng, body, probe, shapes)


def organ_scene(rng):
    """Larger anatomy: a globe, a skull, vessels side by side, chambers, a full bladder."""
    h = int(rng.integers(280, 400))
    size = (h, int(h * rng.uniform(0.75, 1.25)))
    probe = Probe(rng, size)
    body = Body(rng, *probe.positions(), size)
    tissue = float(np.median(body.tissue))
    w = size[1]
    kind = rng.choice(["globe", "skull", "vessels", "chambers", "sac", "layered"])
    shapes = []
    if kind in ("globe", "sac"):
        radius = h * rng.uniform(0.17, 0.36)
        globe = Outline(
            rng, (w * rng.uniform(0.35, 0.65), h * rng.uniform(0.3, 0.6)), radius,
            irregularity=0.02 if kind == "globe" else rng.uniform(0.05, 0.2),
            stretch=rng.uniform(0.8, 1.3) if kind == "globe" else rng.uniform(0.5, 2.0),
            angle=0.0 if kind == "globe" else None, spikes=0.0,
        )
        inside = body.fill(globe, rng.uniform(-70, -30), log_uniform(rng, 0.7, 3))
        body.shadow(inside, -rng.uniform(2, 12))
        body.rim(globe, tissue + rng.uniform(-2, 14), rng.uniform(1, 3), rng.uniform(0.4, 1))
        shapes.append(globe)
        if chance(rng, 0.5):  # something small behind or beside it
            t = rng.uniform(0.2, 2.9)
            r = radius * rng.uniform(0.12, 0.35)
            d = radius * (1 + abs(globe.amplitude).sum()) * 1.25 + r * 1.6
            small = Outline(rng, (globe.x + d * np.cos(t), globe.y + d * np.sin(t)), r, spikes=0.0)
            body.fill(small, tissue - rng.uniform(8, 50), log_uniform(rng, 0.7, 2.5))
            if chance(rng, 0.6):
                body.rim(small, tissue + rng.uniform(4, 16), log_uniform(rng, 1.5, 6), rng.uniform(0, 0.7))
            shapes.append(small)
    elif kind == "skull":
        head = Outline(rng, (w * 0.5, h * 0.5), h * rng.uniform(0.2, 0.36), irregularity=0.02, stretch=rng.uniform(1.1, 1.5), spikes=0.0)
        body.fill(head, tissue - rng.uniform(8, 25), 2.0, 3 * field(rng, body.x.shape, 25))
        body.rim(head, tissue + rng.uniform(10, 20), rng.uniform(1.5, 4), rng.uniform(0.2, 0.8), outside=-0.5)
        shapes.append(head)
        if chance(rng, 0.6):
            part = head.inner(rng, 0.1, 0.3)
            body.fill(part, rng.choice([-40.0, tissue + 8]), 1.0)
            shapes.append(part)
    elif kind == "vessels":
        for centre, radius in spread(rng, int(rng.integers(1, 4)), size, (h * 0.04, h * 0.14), 0.2):
            vessel = Outline(rng, centre, radius, irregularity=0.03, stretch=np.exp(abs(rng.normal(0, 0.25))), angle=rng.normal(0, 0.3), spikes=0.0)
            if chance(rng, 0.25):
                vessel = Band(rng, centre, radius * 0.6, length=w * rng.uniform(0.5, 1.5))
            inside = body.fill(vessel, rng.uniform(-60, -22), log_uniform(rng, 0.6, 2.5))
            body.shadow(inside, -rng.uniform(0, 8))
            body.rim(vessel, tissue + rng.uniform(2, 14), log_uniform(rng, 1, 5), rng.uniform(0.2, 1))
            shapes.append(vessel)
    elif kind == "chambers":
        wall = field(rng, body.x.shape, 40, 2)
        heart = Outline(rng, (w * 0.5, h * 0.5), h * 0.4, irregularity=0.05, spikes=0.0)
        body.fill(heart, tissue + rng.uniform(-2, 8), 3.0, 2 * wall)
        for centre, radius in spread(rng, int(rng.integers(2, 5)), size, (h * 0.08, h * 0.2), 0.25, 1.0):
            chamber = Outline(rng, centre, radius, irregularity=rng.uniform(0.02, 0.15), spikes=0.0)
            body.fill(chamber, rng.uniform(-45, -18), rng.uniform(1.5, 4))
            shapes.append(chamber)
    else:  # layered: flat organs between fasciae, a nodule in one of them
        flat = Outline(rng, (w * rng.uniform(0.4, 0.6), h * rng.uniform(0.3, 0.6)), h * rng.uniform(0.15, 0.25), irregularity=0.06, stretch=rng.uniform(1.6, 3), angle=rng.normal(0, 0.2), spikes=0.0)
        body.fill(flat, tissue + rng.normal(0, 7), 2.0, 1.5 * field(rng, body.x.shape, 12))
        body.rim(flat, tissue + rng.uniform(4, 12), rng.uniform(1, 2.5), 0.7, outside=0.0)
        shapes.append(flat)
        nodule = flat.inner(rng, 0.2, 0.45)
        body.fill(nodule, rng.choice([-45.0, tissue - 14, tissue + 10]), log_uniform(rng, 0.7, 3))
        shapes.append(nodule)
    return finish(rng, body, probe, shapes)


def finish(rng, body, probe, shapes):
    image, seen = body.image(probe)
    x, y = raster(probe.size)
    masks = [(shape.depth(x, y) > 0) & seen for shape in shapes]
    if chance(rng, 0.12):  # some machines tint
        tint = 1 - rng.uniform(0, 0.35, 3)
        image = image[..., None] * tint[None, None] / tint.max()
    return margins(rng, image.astype(np.float32), masks)
