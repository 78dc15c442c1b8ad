"""Self-made pictures with exact masks: what the tap head is trained on.

A scene is a function of a random generator: a picture (rows x columns, or x 3; 0 to 1) and the masks
of its structures, outer before inner.
"""

from .endoscope import endoscope_scene
from .skin import lesion_scene
from .slices import blobs, body_slice, cells
from .ultrasound import organ_scene, test_object, tissue_scene

# Scenes and their shares.
KINDS = {
    "tissue": (tissue_scene, 0.30),
    "organ": (organ_scene, 0.18),
    "test-object": (test_object, 0.08),
    "lesion": (lesion_scene, 0.08),
    "endoscope": (endoscope_scene, 0.08),
    "slice": (body_slice, 0.10),
    "cells": (cells, 0.05),
    "blobs": (blobs, 0.13),
}


def scene(seed):
    """The picture number `seed`: its kind, 8-bit picture, masks that are large enough to be tapped."""
    import numpy as np

    rng = np.random.default_rng(seed)
    names = list(KINDS)
    kind = names[rng.choice(len(names), p=[share for _, share in KINDS.values()])]
    image, masks = KINDS[kind][0](rng)
    side = max(image.shape[:2])
    least = 50 * (side / 256) ** 2
    masks = [m for m in masks if least <= m.sum() <= 0.6 * m.size]
    return kind, (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8), masks
