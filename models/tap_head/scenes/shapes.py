"""Closed outlines, smooth random fields and the other pieces that every scene is put together from.

A shape is a function of coordinates, so that it can be evaluated on a raster of pixels as well as
along the beams of a sector. It answers with a signed depth in pixels: positive inside, about the
distance to the outline near it.
"""

import numpy as np
from scipy import ndimage as ndi


def log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng, p):
    return rng.random() < p


def field(rng, size, scale, octaves=3, roughness=0.5):
    """Smooth noise of mean 0 and deviation 1 over `size` (rows, columns); `scale` in pixels."""
    total = np.zeros(size, np.float32)
    weight = 1.0
    for octave in range(octaves):
        step = max(scale / 2**octave, 1.0)
        coarse = (int(size[0] / step) + 4, int(size[1] / step) + 4)
        noise = rng.standard_normal(coarse).astype(np.float32)
        zoomed = ndi.zoom(noise, (size[0] / (coarse[0] - 3), size[1] / (coarse[1] - 3)), order=3)
        total += weight * zoomed[: size[0], : size[1]]
        weight *= roughness
    return (total - total.mean()) / (total.std() + 1e-6)


class Outline:
    """A star-shaped outline: an ellipse whose radius waves with the angle."""

    def __init__(self, rng, centre, radius, irregularity=None, stretch=None, angle=None, spikes=None):
        self.x, self.y = centre
        self.radius = radius
        self.stretch = np.exp(rng.normal(0, 0.28)) if stretch is None else stretch
        self.angle = rng.uniform(0, np.pi) if angle is None else angle
        if irregularity is None:
            irregularity = rng.choice([0.0, 0.03, 0.08, 0.16, 0.28], p=[0.3, 0.2, 0.2, 0.2, 0.1])
        waves = np.arange(2, 10)
        self.waves = waves
        self.amplitude = irregularity * rng.standard_normal(8) / (waves / 2.0) ** 1.3
        self.phase = rng.uniform(0, 2 * np.pi, 8)
        # A superellipse: 2 is an ellipse, more is nearer to a box.
        self.power = rng.choice([2.0, 2.5, 3.5], p=[0.8, 0.13, 0.07])
        self.spikes = (0.0 if chance(rng, 0.93) else rng.uniform(0.1, 0.35)) if spikes is None else spikes
        self.spike_count = int(rng.integers(7, 24))
        self.spike_phase = rng.uniform(0, 2 * np.pi)

    def depth(self, x, y):
        c, s = np.cos(self.angle), np.sin(self.angle)
        k = np.sqrt(self.stretch)
        dx, dy = x - self.x, y - self.y
        u, v = (dx * c + dy * s) / k, (-dx * s + dy * c) * k
        theta = np.arctan2(v, u)
        rho = (np.abs(u) ** self.power + np.abs(v) ** self.power) ** (1.0 / self.power)
        wave = np.ones_like(theta)
        for n, a, p in zip(self.waves, self.amplitude, self.phase):
            if a:
                wave += a * np.cos(n * theta + p)
        if self.spikes:
            peaks = np.abs(np.sin(self.spike_count * theta / 2 + self.spike_phase)) ** 6
            wave += self.spikes * peaks
        return self.radius * np.maximum(wave, 0.25) - rho

    def inner(self, rng, low=0.25, high=0.75):
        """A smaller outline somewhere inside."""
        share = rng.uniform(low, high)
        room = self.radius * (1 - share) * 0.75
        r, t = room * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        alike = chance(rng, 0.6)
        return Outline(
            rng,
            (self.x + r * np.cos(t), self.y + r * np.sin(t)),
            self.radius * share,
            irregularity=float(np.abs(self.amplitude).max() * 0.7) if alike else None,
            stretch=self.stretch**0.8 if alike else None,
            angle=self.angle if alike else None,
            spikes=0.0,
        )


class Band:
    """A tube: a vessel or duct along its length, bent, of slowly changing width."""

    def __init__(self, rng, centre, radius, length=None, angle=None):
        self.x, self.y = centre
        self.angle = rng.normal(0, 0.35) if angle is None else angle
        self.half_width = radius
        self.half_length = radius * rng.uniform(2.0, 9.0) if length is None else length / 2
        self.bend = rng.normal(0, 0.12) / self.half_length
        self.taper = rng.normal(0, 0.25)
        self.wave = rng.uniform(0, 0.2)
        self.phase = rng.uniform(0, 6.28)

    def depth(self, x, y):
        c, s = np.cos(self.angle), np.sin(self.angle)
        dx, dy = x - self.x, y - self.y
        u, v = dx * c + dy * s, -dx * s + dy * c
        v = v - self.bend * u * u
        t = np.clip(u / self.half_length, -1, 1)
        half = self.half_width * (1 + self.taper * t + self.wave * np.sin(3 * t + self.phase))
        beyond = np.maximum(np.abs(u) - self.half_length, 0)
        return half - np.sqrt(v * v + beyond * beyond)


class Crescent:
    """What one outline leaves of another: a pocket of fluid, a cap, a cup."""

    def __init__(self, rng, centre, radius):
        self.outer = Outline(rng, centre, radius, spikes=0.0)
        t, d = rng.uniform(0, 2 * np.pi), radius * rng.uniform(0.45, 0.9)
        self.cut = Outline(
            rng,
            (centre[0] + d * np.cos(t), centre[1] + d * np.sin(t)),
            radius * rng.uniform(0.7, 1.2),
            irregularity=0.03,
            spikes=0.0,
        )

    def depth(self, x, y):
        return np.minimum(self.outer.depth(x, y), -self.cut.depth(x, y))


def any_shape(rng, centre, radius):
    """An outline mostly; sometimes a tube, or a crescent."""
    p = rng.random()
    if p < 0.82:
        return Outline(rng, centre, radius)
    if p < 0.94:
        return Band(rng, centre, radius * rng.uniform(0.3, 0.6))
    return Crescent(rng, centre, radius)


def raster(size):
    """Coordinates of the pixels' centres of an image of (rows, columns): x, y."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) + 0.5
    return x, y


def soft(depth, width):
    """1 well inside, 0 well outside, an edge of about `width` pixels between."""
    return 1.0 / (1.0 + np.exp(np.clip(-depth / max(width, 0.05) * 2.5, -30, 30)))


def spread(rng, count, size, radii, margin=0.1, gap=1.05, tries=60):
    """Centres for `count` shapes that keep apart: a list of (centre, radius)."""
    placed = []
    for _ in range(tries):
        if len(placed) == count:
            break
        r = log_uniform(rng, *radii)
        x = rng.uniform(margin * size[1], (1 - margin) * size[1])
        y = rng.uniform(margin * size[0], (1 - margin) * size[0])
        if all(np.hypot(x - px, y - py) > gap * (r + pr) for (px, py), pr in placed):
            placed.append(((x, y), r))
    return placed
