"""Makes `ellipsoid.nii.gz` and `ellipsoid_mask.nii.gz` beside it, or a larger one elsewhere:

    make_ellipsoid.py [FOLDER [SCALE]]

A dark ellipsoid in speckled tissue, as a cyst in a 3-D breast scan: Rayleigh speckle with grains of
about two voxels, log-compressed to bytes, and an oblique, flipped affine. Needs nibabel and numpy.
Own work, under the licence of the repository.
"""
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
scale = float(sys.argv[2]) if len(sys.argv) > 2 else 0.5
random = np.random.default_rng(6)
shape = tuple(round(n * scale) for n in (160, 128, 48))
radii = np.array([36, 26, 14]) * scale
centre = np.array([88, 60, 25]) * scale
grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
# Tilted in the plane of slices, so that its box is larger than its radii.
turn = np.radians(20)
offset = grid - centre
tilted = np.stack([
    offset[..., 0] * np.cos(turn) + offset[..., 1] * np.sin(turn),
    offset[..., 1] * np.cos(turn) - offset[..., 0] * np.sin(turn),
    offset[..., 2],
], -1)
inside = ((tilted / radii) ** 2).sum(-1) <= 1

field = random.normal(size=shape) + 1j * random.normal(size=shape)
kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2)
for axis, grain in ((0, 1.0), (1, 0.7), (2, 0.6)):
    k = kernel ** (1 / grain ** 2)
    field = np.apply_along_axis(lambda line: np.convolve(line, k / np.sqrt((k ** 2).sum()), "same"), axis, field)
amplitude = np.abs(field * np.where(inside, 0.08, 1.0))
decibels = 20 * np.log10(np.maximum(amplitude, 1e-4))
grey = np.clip((decibels + 40) / 52 * 255, 0, 255).astype(np.uint8)

x, z = np.radians(14), np.radians(-9)
rotation = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
rotation = rotation @ [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
affine = np.eye(4)
affine[:3, :3] = rotation @ np.diag([-1, -1, 1]) @ np.diag(np.array([0.4, 0.4, 0.8]) / scale)
affine[:3, 3] = 21, 14, -9
for name, voxels in (("ellipsoid", grey), ("ellipsoid_mask", inside.astype(np.uint8))):
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    with nib.openers.Opener(folder / f"{name}.nii.gz", "wb", mtime=0) as file:
        image.to_file_map({"image": nib.FileHolder(fileobj=file)})
ml = inside.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000
k = round(centre[2])
columns, rows = np.nonzero(inside[:, :, k])
print(f"{shape}: {ml:.3f} ml; slice {k}: box {columns.min()},{rows.min()},{columns.max()},{rows.max()}")
