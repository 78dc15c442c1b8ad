"""Writes pictures with masks, a folder for each kind, that the tap head was not trained on.

    tests/taps/run                                                  # does it all
    target/taps/venv/bin/python tests/taps/pictures.py WHEELS OUT
"""

import io
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage as ndi
from skimage import data, filters, measure, segmentation

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "tap_head"))
from scenes.endoscope import endoscope_scene  # noqa: E402

# The recipe of the tap head ends at seed 21,199.
ENDOSCOPE_SEEDS = range(50_000, 50_020)
# Smaller structures are dust, in picture pixels.
LEAST = 500


def write(folder, name, picture, masks):
    """A picture beside its masks, as `tapseg eval` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / f"{name}.png")
    for number, mask in enumerate(masks):
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}_mask{number}.png")


def parts(mask):
    """The connected parts of a mask that are no dust."""
    labels = measure.label(mask)
    return [labels == r.label for r in measure.regionprops(labels) if r.area >= LEAST]


def coins():
    """Coins, by the watershed of scikit-image's own example of segmenting them."""
    picture = data.coins()
    markers = np.zeros(picture.shape, int)
    markers[picture < 30], markers[picture > 150] = 1, 2
    flooded = segmentation.watershed(filters.sobel(picture), markers)
    return picture, parts(ndi.binary_fill_holes(flooded == 2))


def cell():
    """A cell in phase contrast, brighter than what is round it."""
    picture = data.cell()
    smooth = filters.gaussian(picture, 2)
    return picture, parts(ndi.binary_fill_holes(smooth > filters.threshold_otsu(smooth)))[:1]


def packed(wheels, package, path):
    """A file in a package."""
    (wheel,) = wheels.glob(f"{package}-*.whl")
    return io.BytesIO(ZipFile(wheel).read(path))


def flower(wheels):
    """A photograph of a flower, told from leaves by how red it is."""
    picture = np.asarray(Image.open(packed(wheels, "scikit_learn", "sklearn/datasets/images/flower.jpg")))
    red = picture[..., 0].astype(float) - picture[..., 1:].mean(2)
    flowers = parts(ndi.binary_fill_holes(red > filters.threshold_otsu(red)))
    return picture, [max(flowers, key=np.sum)]


def nuclei(wheels):
    """Nuclei under a fluorescence microscope with masks by experts (Data Science Bowl 2018)."""
    picture, labels = (tifffile.imread(packed(wheels, "stardist", f"stardist/data/images/{n}2d.tif")) for n in ("img", "mask"))
    low, high = np.percentile(picture, [0.5, 99.8])
    picture = np.clip((picture - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return picture, [labels == n for n in np.unique(labels) if n]


def main():
    wheels, out = map(Path, sys.argv[1:])
    write(out / "coins", "coins", *coins())
    write(out / "cell", "cell", *cell())
    write(out / "flower", "flower", *flower(wheels))
    write(out / "nuclei", "nuclei", *nuclei(wheels))
    for seed in ENDOSCOPE_SEEDS:
        image, masks = endoscope_scene(np.random.default_rng(seed))
        picture = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        write(out / "endoscope", str(seed), picture, [m for m in masks if m.sum() >= LEAST])


if __name__ == "__main__":
    main()
