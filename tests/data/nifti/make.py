"""Makes the NIfTI files beside it, and `expected.json`: what nibabel says about them. Run with
nibabel and numpy; the results are committed. Own work, under the licence of the repository.

Every volume has a value of its own in each of its voxels, from 0 to 209 once it is rescaled, so
that a picture of a slice tells where each pixel came from.
"""
import json
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations as orient

HERE = Path(__file__).parent
SHAPE = (7, 6, 5)


def rotation(x, y, z):
    x, y, z = np.radians([x, y, z])
    rx = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    ry = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    rz = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    return np.array(rz) @ ry @ rx


def affine(matrix, spacing, origin=(-11.0, 7.5, 3.25)):
    made = np.eye(4)
    made[:3, :3] = np.asarray(matrix, float) @ np.diag(spacing)
    made[:3, 3] = origin
    return made


PIR = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
SHEAR = [[1, 0.2, 0.1], [0, 1, -0.15], [0, 0, 1]]
# name, type, byte order, affine, codes of sform and qform, slope and intercept, unit
CASES = [
    ("ras_int16.nii", np.int16, "<", affine(np.eye(3), (0.5, 0.75, 2)), (1, 1), None, "mm"),
    ("lps_uint8.nii.gz", np.uint8, "<", affine(np.diag([-1, -1, 1]), (0.4, 0.4, 1)), (1, 0), None, "mm"),
    ("oblique_float32.nii.gz", np.float32, "<", affine(rotation(25, -18, 34), (0.6, 0.8, 1.7)), (2, 1), None, "mm"),
    ("oblique_qform_int16.nii", np.int16, "<", affine(rotation(-40, 12, 160) @ np.diag([1, 1, -1]), (1, 2, 3)), (0, 1), (0.5, -100.0), "mm"),
    ("pir_big_endian_int16.nii", np.int16, ">", affine(PIR, (0.9, 1.1, 4)), (1, 1), (0.5, 10.0), "mm"),
    ("sheared_float64.nii", np.float64, "<", affine(np.array(SHEAR) @ np.diag([1, -1, 1]), (1, 1.5, 2)), (4, 0), None, "mm"),
    ("no_codes_big_endian_float32.nii.gz", np.float32, ">", affine(np.eye(3), (1.5, 0.5, 2.5)), (0, 0), None, "mm"),
    ("micron_uint16.nii", np.uint16, "<", affine(rotation(80, 5, 0), (500, 750, 900), (0, 0, 0)), (1, 1), None, "micron"),
]


def pictures(values, transform):
    """Per axis of the patient the pictures of all slices in stored order: columns and rows run to
    the left, the back and the foot."""
    ornt = orient.io_orientation(transform)
    turn = orient.ornt_transform(ornt, orient.axcodes2ornt("LPI"))
    shown = orient.apply_orientation(values, turn)
    found = {}
    for world, name in enumerate(["sagittal", "coronal", "axial"]):
        voxel_axis = int(np.where(ornt[:, 0] == world)[0][0])
        slices = [shown.take(i, world).T.tolist() for i in range(shown.shape[world])]
        found[name] = slices if turn[voxel_axis, 1] > 0 else slices[::-1]
    return found


expected = {}
for name, kind, order, transform, (sform, qform), scale, unit in CASES:
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    slope, intercept = scale or (1.0, 0.0)
    stored = ((values - intercept) / slope).astype(kind)
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(kind).newbyteorder(order))
    header.set_xyzt_units(unit)
    image = nib.Nifti1Image(stored, transform, header)
    image.set_sform(transform, sform)
    image.set_qform(transform, qform)
    if (sform, qform) == (0, 0):
        image.header["pixdim"][1:4] = np.linalg.norm(transform[:3, :3], axis=0)
    if scale:
        image.header.set_slope_inter(slope, intercept)
    # What to_filename would choose itself is kept from being chosen.
    with (nib.openers.Opener(HERE / name, "wb", mtime=0) if name.endswith("gz") else open(HERE / name, "wb")) as file:
        image.header["vox_offset"], image.header["magic"] = 352, b"n+1"
        file.write(image.header.binaryblock + b"\0" * 4)
        file.write(stored.astype(stored.dtype.newbyteorder(order)).tobytes(order="F"))
    read = nib.load(HERE / name)
    assert np.array_equal(np.rint(read.get_fdata()), values), name
    mm = {"mm": 1.0, "micron": 0.001}[read.header.get_xyzt_units()[0]]
    transform = read.affine.copy()
    transform[:3] *= mm
    expected[name] = {
        "affine": transform[:3].tolist(),
        "spacing_mm": (np.array(nib.affines.voxel_sizes(read.affine)) * mm).tolist(),
        "voxel_mm3": abs(float(np.linalg.det(transform[:3, :3]))),
        "axis_codes": "".join(nib.aff2axcodes(read.affine)),
        **pictures(values, read.affine),
    }

four = nib.Nifti1Image(np.zeros((3, 3, 2, 4), np.uint8), np.eye(4))
nib.save(four, HERE / "four_dimensions.nii.gz")
nib.save(nib.Nifti2Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), HERE / "nifti2.nii")
(HERE / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
