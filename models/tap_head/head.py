"""The tap head: from the embedding round a tap to three boxes and how good each is thought to be.

The features are sampled on a log-polar grid round the tap (rows: distance, columns: angle), so that a
structure looks alike at every size, and a small convolutional network says of each cell whether it
belongs to what was tapped: three answers, with an estimate of their IoU. Angles go round.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ANGLES, RINGS = 24, 28
NEAREST, FARTHEST = 2.0, 190.0  # model input pixels
STEP = float(np.log(FARTHEST / NEAREST) / (RINGS - 1))
RADII = NEAREST * torch.exp(STEP * torch.arange(RINGS))
_THETA = torch.arange(ANGLES) * 2 * torch.pi / ANGLES
OFFSETS = RADII[:, None, None] * torch.stack([torch.cos(_THETA), torch.sin(_THETA)], -1)  # rings x angles x (x, y)
HYPOTHESES = 3


class Head(nn.Module):
    def __init__(self, channels=96, width=64, dilations=(1, 2, 1, 4, 1, 2)):
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 1)
        self.query = nn.Linear(width, 32)
        self.key = nn.Conv2d(width, 32, 1)
        self.mix = nn.Conv2d(2 * width + 8 + 5, width, 1)
        self.dilations = dilations
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, dilation=d) for d in dilations)
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in dilations)
        self.globals = nn.ModuleList(nn.Linear(width, width) for _ in dilations)
        self.out = nn.Conv2d(width, HYPOTHESES, 1)
        self.quality = nn.Sequential(nn.Linear(2 * width + 1, 64), nn.GELU(), nn.Linear(64, 1))
        ring = torch.linspace(-1, 1, RINGS)[None, None, :, None].expand(1, 1, RINGS, ANGLES)
        self.register_buffer("ring", ring.clone(), persistent=False)
        # The answers start as discs of three sizes.
        self.start = nn.Parameter(torch.tensor([-0.25, 0.15, 0.55]))
        nn.init.zeros_(self.out.bias)

    def forward(self, features, given):
        """features: B x C x rings x angles; given: B x 3 x rings x angles (inside the frame, further
        positive, negative taps). Logits B x 3 x rings x angles, quality logits B x 3."""
        batch = features.shape[0]
        f = F.gelu(self.enter(features))
        core = f[:, :, :6].mean((2, 3))
        query = F.normalize(self.query(core).view(batch, 8, 4), dim=-1)
        key = F.normalize(self.key(f).view(batch, 8, 4, RINGS, ANGLES), dim=2)
        alike = (query[..., None, None] * key).sum(2)
        ring = self.ring.expand(batch, -1, -1, -1)
        # What is the same for all cells, the core, is multiplied once.
        weight, width = self.mix.weight, f.shape[1]
        of_cells = torch.cat([weight[:, :width], weight[:, 2 * width :]], 1)
        h = F.conv2d(torch.cat([f, alike, given, ring, ring**2], 1), of_cells, self.mix.bias)
        h = h + F.linear(core, weight[:, width : 2 * width, 0, 0])[:, :, None, None]
        for d, conv, norm, whole in zip(self.dilations, self.convs, self.norms, self.globals):
            y = torch.cat([h[..., -d:], h, h[..., :d]], 3)
            y = torch.cat([y[:, :, :1].expand(-1, -1, d, -1), y, y[:, :, -1:].expand(-1, -1, d, -1)], 2)
            h = h + F.gelu(norm(conv(y)) + whole(h.mean((2, 3)))[:, :, None, None])
        logits = self.out(h) + 6 * (self.start.view(1, -1, 1, 1) - ring)
        inside = torch.sigmoid(logits)
        mean = h.mean((2, 3))
        quality = []
        for k in range(HYPOTHESES):
            w = inside[:, k : k + 1]
            of_mask = (h * w).sum((2, 3)) / (w.sum((2, 3)) + 1e-3)
            quality.append(self.quality(torch.cat([mean, of_mask, w.mean((2, 3))], 1)))
        return logits, torch.cat(quality, 1)


def grid(tap):
    """Where the cells lie, in model input pixels: B x rings x angles x (x, y)."""
    return tap[:, None, None, :] + OFFSETS[None]


def bilinear(image, at, beyond):
    """image: B x C x H x W whose pixel centres are at whole numbers; at: B x rings x angles x (x, y)
    in its pixels. `beyond` it are "zeros" or the "border"."""
    size = torch.tensor([image.shape[3], image.shape[2]])
    return F.grid_sample(image, (at + 0.5) / size * 2 - 1, align_corners=False, padding_mode=beyond)


def sample(features, tap):
    """The features of the cells: features B x C x 64 x 64, tap B x 2 in model input pixels."""
    # A cell of the embedding covers 4 input pixels; pixel centres are whole numbers in both.
    return bilinear(features, (grid(tap) + 0.5) / 4 - 0.5, "border")


def splat(tap, others):
    """Further taps as a map over the cells: each shared among the four cells next to it."""
    channel = torch.zeros(RINGS, ANGLES)
    for x, y in others:
        dx, dy = x - float(tap[0]), y - float(tap[1])
        r = np.clip(np.log(max(np.hypot(dx, dy), 1e-3) / NEAREST) / STEP, 0, RINGS - 1)
        a = np.arctan2(dy, dx) / (2 * np.pi) * ANGLES
        r0, a0 = int(min(np.floor(r), RINGS - 2)), int(np.floor(a))
        for i, wr in ((r0, 1 - (r - r0)), (r0 + 1, r - r0)):
            for j, wa in ((a0, 1 - (a - a0)), (a0 + 1, a - a0)):
                channel[i, j % ANGLES] += float(wr * wa)
    return channel.clamp(max=1)


def inside_frame(tap, size):
    """1 where a cell lies on the frame: size B x (rows, columns) in model input pixels."""
    at = grid(tap)
    wide, high = size[:, 1, None, None], size[:, 0, None, None]
    on = (at[..., 0] >= -0.5) & (at[..., 1] >= -0.5) & (at[..., 0] < wide - 0.5) & (at[..., 1] < high - 0.5)
    return on.float()
