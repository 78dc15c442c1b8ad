"""What scikit-image's regionprops says about the outlines in frames/ and about shapes drawn here.

    python3 tests/data/measure/make.py      # numpy, pillow, scikit-image 0.26

writes shape-*.png and regionprops.json beside itself. The largest diameter is looked for among
half-pixel contours of the region, as regionprops does, but in millimetres."""
import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.distance import pdist
from skimage import measure

here = Path(__file__).parent
rng = np.random.default_rng(5)
y, x = np.mgrid[:160, :200]


def blob():
    angle = np.arctan2(y - 80, x - 100)
    radius = 50 + sum(rng.uniform(-6, 6) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5))
    return np.hypot(x - 100, y - 80) <= radius


shapes = {"blob": blob(), "crescent": (np.hypot(x - 100, y - 80) <= 62) & (np.hypot(x - 140, y - 70) > 60)}
for name, shape in shapes.items():
    Image.fromarray((shape * 255).astype(np.uint8)).save(here / f"shape-{name}.png", optimize=True)

files = [f"measure/shape-{name}.png" for name in shapes]
files += ["frames/clarius_eye_mask0.png", "frames/clarius_contrast_mask0.png", "frames/clarius_contrast_mask1.png"]
cases = []
for file in files:
    mask = np.asarray(Image.open(here.parent / file).convert("L")) > 127
    for spacing in (None, (0.12, 0.12), (0.1, 0.2)):
        scale = spacing or (1.0, 1.0)
        region, = measure.regionprops(mask.astype(np.uint8), spacing=scale)
        contour = np.vstack(measure.find_contours(np.pad(region.image, 2).astype(float), 0.5)) * scale
        case = {"file": file, "spacing": spacing, "area": region.area,
                "axis_major_length": region.axis_major_length, "axis_minor_length": region.axis_minor_length,
                "eccentricity": region.eccentricity, "feret_diameter_max": pdist(contour).max(),
                # regionprops has no perimeter of pixels that are no squares
                "perimeter_crofton": region.perimeter_crofton * scale[0] if scale[0] == scale[1] and spacing is None else None}
        cases.append({k: float(v) if isinstance(v, np.generic) else v for k, v in case.items()})
(here / "regionprops.json").write_text(json.dumps(cases, indent=1) + "\n")
