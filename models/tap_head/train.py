"""Trains the tap head on embedded scenes, as Segment Anything trains its three masks: the loss of the
best answer counts, and each answer learns to tell its own IoU."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt

from data import SIDE
from head import ANGLES, OFFSETS, RADII, RINGS, STEP, Head, bilinear, inside_frame, sample, splat


def depth_inside(mask, margin):
    """A mask cut out of its picture with a margin: how far each pixel inside is from the outline (and
    from the picture's rim), the cut, and where it begins: x, y."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    cut = mask[top : rows[-1] + margin + 1, left : columns[-1] + margin + 1]
    return distance_transform_edt(np.pad(cut, 1))[1:-1, 1:-1], cut, (left, top)


class Scenes:
    """All shards of a folder, taps drawn from them."""

    def __init__(self, shards):
        parts = [np.load(s) for s in shards]
        first = np.cumsum([0] + [len(p["seed"]) for p in parts])
        self.features = torch.from_numpy(np.concatenate([p["features"] for p in parts]))
        self.kind = np.concatenate([p["kind"] for p in parts])
        self.size = torch.from_numpy(np.concatenate([p["size"] for p in parts]))
        self.mask = np.concatenate([p["mask"] for p in parts])
        self.picture = np.concatenate([p["picture"] + f for p, f in zip(parts, first)])
        self.of_picture = {}
        for m, p in enumerate(self.picture):
            self.of_picture.setdefault(int(p), []).append(m)
        # Every kind has its share, every picture of it the same, every mask of that too.
        per_picture = np.bincount(self.picture, minlength=len(self.kind))
        weight = 1 / np.sqrt(per_picture[self.picture])
        self.weight = weight / weight.sum()

    def unpacked(self, m):
        return np.unpackbits(self.mask[m]).reshape(SIDE, SIDE).astype(bool)

    def tap(self, rng, m):
        """A tap on mask m, further positive and negative taps."""
        mask = self.unpacked(m)
        depth, _, (left, top) = depth_inside(mask, 0)
        where = rng.random()
        if where < 0.2:
            y, x = np.unravel_index(depth.argmax(), depth.shape)
        else:
            least = (0.3 if where < 0.5 else 0.12 if where < 0.7 else 0.0) * depth.max()
            places = np.argwhere(depth > least)
            y, x = places[rng.integers(len(places))]
        x, y = x + left, y + top
        tap = np.array([x, y]) + rng.uniform(-0.5, 0.5, 2)
        positive, negative = [], []
        if rng.random() < 0.3:
            inside = np.argwhere(mask)
            # Wrong answers that a person would cut: other structures that hold the tap, or near ones.
            others = [self.unpacked(k) for k in self.of_picture[int(self.picture[m])] if k != m]
            holding = [o & ~mask for o in others if o[int(y), int(x)]]
            if holding and holding[0].sum() > 20:
                outside = np.argwhere(holding[0])
            else:
                reach = max(6, int(0.8 * depth.max() + 3))
                _, cut, corner = depth_inside(mask, reach)
                beyond = distance_transform_edt(~cut)
                outside = np.argwhere((beyond > 2) & (beyond < reach)) + corner[::-1]
            for _ in range(int(rng.integers(1, 4))):
                if rng.random() < 0.5:
                    p = inside[rng.integers(len(inside))]
                    positive.append((p[1], p[0]))
                elif len(outside):
                    p = outside[rng.integers(len(outside))]
                    negative.append((p[1], p[0]))
        return tap, positive, negative, mask

    def batch(self, rng, masks):
        taps, given, target = [], [], []
        for m in masks:
            tap, positive, negative, mask = self.tap(rng, m)
            taps.append(tap)
            given.append(torch.stack([splat(tap, positive), splat(tap, negative)]))
            target.append(torch.from_numpy(mask))
        tap = torch.tensor(np.array(taps), dtype=torch.float32)
        picture = self.picture[masks]
        features = sample(self.features[picture].float(), tap)
        inside = inside_frame(tap, self.size[picture])[:, None]
        given = torch.cat([inside, torch.stack(given)], 1)
        return features, given, covered(torch.stack(target).float()[:, None], tap)


def covered(mask, tap, rings=5, angles=3):
    """How much of every cell a mask covers, 0 to 1: where an outline runs within a cell can be read
    from it, as a cell is 17 % of its distance from the tap. mask B x 1 x H x W, tap B x 2."""
    out = 0
    for r in (torch.arange(rings) + 0.5) / rings - 0.5:
        for a in ((torch.arange(angles) + 0.5) / angles - 0.5) * 2 * torch.pi / ANGLES:
            cos, sin = torch.cos(a), torch.sin(a)
            turn = torch.stack([torch.stack([cos, sin]), torch.stack([-sin, cos])])
            at = tap[:, None, None, :] + (OFFSETS @ turn * torch.exp(STEP * r))[None]
            out = out + bilinear(mask, at, "zeros")
    return out / (rings * angles)


BOX = 1.0  # weight of the box's error

# Taps of each round and its highest learning rate, from which it falls by half a cosine; then it begins
# anew, as in SGDR (Loshchilov and Hutter, 2017).
ROUNDS = [(64_000, 2e-3), (57_600, 1.2e-3), (76_800, 1.2e-3)]

RING_AREA = (RADII**2)[None, None, :, None]
DIRECTIONS = torch.arange(ANGLES) * 2 * torch.pi / ANGLES


def sides(p):
    """The distances from the tap to the right, lower, left and upper side of the box of what lies in
    the cells, were it without holes: B x answers x 4, in model input pixels."""
    radius = RADII[0] * torch.exp(STEP * (p.sum(2) - 0.5))
    x, y = radius * torch.cos(DIRECTIONS), radius * torch.sin(DIRECTIONS)
    return torch.stack([v.amax(-1) for v in (x, y, -x, -y)], -1)


def box_error(p, y):
    """The mean error of a side, as a part of the box's width or height."""
    found, true = sides(p), sides(y)
    extent = true + true.roll(2, -1)
    return ((found - true).abs() / extent).clamp(max=1).mean(-1)


def losses(logits, quality, wanted):
    p = torch.sigmoid(logits)
    y = wanted.expand_as(p)
    entropy = F.binary_cross_entropy_with_logits(logits, y, reduction="none").mean((2, 3))
    dice = 1 - (2 * (p * y).sum((2, 3)) + 1) / ((p + y).sum((2, 3)) + 1)
    with torch.no_grad():
        a, b = (p > 0.5).float(), (y > 0.5).float()
        iou = ((a * b * RING_AREA).sum((2, 3)) + 1e-3) / ((torch.maximum(a, b) * RING_AREA).sum((2, 3)) + 1e-3)
    return entropy + 0.5 * dice + BOX * box_error(p, y), iou, torch.sigmoid(quality)


def turned(rng, *maps):
    """The same grids turned and mirrored at random, as if the picture had been."""
    out = [m.clone() for m in maps]
    for b in range(len(maps[0])):
        turn = int(rng.integers(0, ANGLES)) if rng.random() < 0.5 else int(rng.integers(-2, 3))
        mirror = rng.random() < 0.5
        for m in out:
            m[b] = (m[b].flip(-1) if mirror else m[b]).roll(turn, -1)
    return out


def picked(iou, quality):
    return iou.gather(1, quality.argmax(1, keepdim=True))[:, 0]


def validate(net, batches, kinds):
    net.eval()
    found = {}
    with torch.no_grad():
        for (features, given, wanted), names in zip(batches, kinds):
            logits, quality = net(features, given)
            _, iou, quality = losses(logits, quality, wanted)
            for pick, best, name in zip(picked(iou, quality), iou.max(1)[0], names):
                found.setdefault(str(name), []).append((float(pick), float(best)))
    net.train()
    everything = [v for values in found.values() for v in values]
    found["all"] = everything
    return {k: np.mean(v, 0).round(3).tolist() for k, v in found.items()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--validation", type=int, default=1, help="shards kept for validation")
    a = arguments.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    shards = sorted(a.data.glob("[0-9]*.npz"))
    train, kept = Scenes(shards[a.validation :]), Scenes(shards[: a.validation])
    chosen = rng.choice(len(kept.picture), min(600, len(kept.picture)), p=kept.weight)
    chosen = [chosen[k : k + 50] for k in range(0, len(chosen), 50)]
    batches = [kept.batch(rng, m) for m in chosen]
    kinds = [kept.kind[kept.picture[m]] for m in chosen]
    net = Head()
    size = 32
    print(len(train.kind), "pictures", len(train.picture), "masks", sum(p.numel() for p in net.parameters()), "parameters", flush=True)
    start, log = time.time(), []
    plan = [(step, taps // size, rate) for taps, rate in ROUNDS for step in range(taps // size)]
    for done, (step, steps, rate) in enumerate(plan):
        if step == 0:
            optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.03)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * (0.5 * (1 + np.cos(np.pi * step / steps)) + 0.01)
        features, given, wanted = train.batch(rng, rng.choice(len(train.picture), size, p=train.weight))
        features, given, wanted = turned(rng, features, given, wanted)
        features = features * (1 + 0.1 * torch.randn(size, features.shape[1], 1, 1))
        features = features + 0.15 * torch.randn_like(features)
        with torch.autocast("cpu", torch.bfloat16):
            logits, quality = net(features, given)
        loss, iou, quality = losses(logits.float(), quality.float(), wanted)
        total = loss.min(1)[0].mean() + 0.06 * loss.mean() + 0.5 * ((quality - iou) ** 2).mean()
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        log.append((total.item(), picked(iou, quality).mean().item(), iou.max(1)[0].mean().item()))
        if done % 200 == 199 or done == len(plan) - 1:
            values = validate(net, batches, kinds)
            print(f"{time.time() - start:.0f} s", done + 1, np.mean(log[-200:], 0).round(3), json.dumps(values), flush=True)
            torch.save(net.state_dict(), a.out)


if __name__ == "__main__":
    main()
