"""Known answers for `src/eval`: writes masks.npz, statistics.json and the files of small datasets.

pip install numpy scipy surface-distance pillow
"""
import json
import pathlib

import numpy as np
from PIL import Image
from scipy import ndimage, stats

np.Inf = np.inf  # surface-distance 0.1 is older than NumPy 2
from surface_distance import metrics as sd  # noqa: E402

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)


def blob(shape, smooth, share):
    field = ndimage.gaussian_filter(rng.standard_normal(shape), smooth)
    return field > np.quantile(field, 1 - share)


def disc(shape, y, x, r):
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= r * r


def masks():
    shape = (40, 56)
    empty = np.zeros(shape, bool)
    full = np.ones(shape, bool)
    single = empty.copy()
    single[0, 55] = True
    a = blob(shape, 3, 0.3)
    pairs = [
        (disc(shape, 20, 25, 12), disc(shape, 21, 27, 12)),
        (disc(shape, 20, 25, 12), disc(shape, 20, 25, 12)),
        (disc(shape, 5, 5, 9), disc(shape, 33, 50, 8)),
        (a, a ^ blob(shape, 1, 0.05)),
        (blob(shape, 2, 0.4), blob(shape, 2, 0.4)),
        (blob(shape, 1, 0.5), blob(shape, 4, 0.2)),
        (full, blob(shape, 3, 0.9)),
        (single, disc(shape, 3, 52, 3)),
        (empty, disc(shape, 20, 25, 6)),
    ]
    spacings = [(1.0, 1.0), (0.5, 0.5), (0.3, 0.8), (1.7, 0.9)]
    nsd = np.zeros((len(pairs), len(spacings)))
    for i, (x, y) in enumerate(pairs):
        for j, spacing in enumerate(spacings):
            distances = sd.compute_surface_distances(x, y, spacing)
            nsd[i, j] = sd.compute_surface_dice_at_tolerance(distances, 2.0)
    overlap = np.array([[2 * (x & y).sum() / (x.sum() + y.sum()), (x & y).sum() / (x | y).sum(), (x == y).mean()] for x, y in pairs])
    padded = np.pad(a, 1)
    np.savez_compressed(
        HERE / "masks.npz",
        a=np.array([p[0] for p in pairs]).astype(np.uint8),
        b=np.array([p[1] for p in pairs]).astype(np.uint8),
        spacings=np.array(spacings),
        nsd=nsd,
        dice_iou_accuracy=overlap,
        # How deep each pixel of pair 3's first mask lies inside.
        depths=ndimage.distance_transform_edt(padded)[1:-1, 1:-1],
        # To the nearest pixel of that mask, with spacing 3.
        distances=ndimage.distance_transform_edt(~a, sampling=spacings[3]),
    )


def statistics():
    cases = []
    for n in (3, 5, 12, 40, 120):
        x = rng.standard_normal(n)
        y = 0.4 * x + rng.standard_normal(n)
        if n == 40:  # ties
            x, y = np.round(x, 1), np.round(y, 1)
        p, s = stats.pearsonr(x, y), stats.spearmanr(x, y)
        cases.append(dict(x=list(x), y=list(y), pearson=[p.statistic, p.pvalue], spearman=[s.statistic, s.pvalue]))
    tests = []
    for n, digits, method in ((5, 9, "exact"), (20, 9, "exact"), (50, 9, "exact"), (30, 1, "approx"), (80, 9, "approx"), (80, 1, "approx")):
        d = np.round(0.3 + rng.standard_normal(n), digits)
        tests.append(dict(differences=list(d), p=stats.wilcoxon(d, method=method, correction=False).pvalue))
    values = rng.beta(8, 2, 60)
    interval = stats.bootstrap((values,), np.mean, n_resamples=20000, method="percentile", random_state=1).confidence_interval
    text = json.dumps(dict(correlations=cases, wilcoxon=tests, bootstrap=dict(values=list(values), mean=values.mean(), ci95=[interval.low, interval.high])))
    (HERE / "statistics.json").write_text(text)


def picture(size=(48, 36)):
    grey = ndimage.gaussian_filter(rng.uniform(0, 255, (size[1], size[0])), 2)
    grey = (grey - grey.min()) / (grey.max() - grey.min()) * 255
    return grey.astype(np.uint8)


def files():
    """Pictures and masks as they come: 16 bit, palettes, labels, CVPR 2024 archives."""
    kinds = HERE / "kinds"
    kinds.mkdir(exist_ok=True)
    shape = (36, 48)
    one, two = disc(shape, 15, 15, 8), disc(shape, 20, 36, 6)
    grey = picture()
    Image.fromarray(grey.astype(np.uint16) * 200).save(kinds / "deep.png")
    Image.fromarray(one.astype(np.uint16) * 65535).save(kinds / "deep_mask.png")
    palette = Image.fromarray(grey, "P")
    palette.putpalette([v for i in range(256) for v in (i, 255 - i, i // 2)])
    palette.save(kinds / "palette.png")
    colours = Image.fromarray((one + 2 * two).astype(np.uint8), "P")
    colours.putpalette([0, 0, 0, 128, 0, 0, 0, 64, 0])
    colours.save(kinds / "palette_mask.png")
    Image.fromarray(grey).save(kinds / "labels.png")
    Image.fromarray((one + 2 * two).astype(np.uint8)).save(kinds / "labels_mask.png")
    bits = Image.fromarray(one.astype(np.uint8) * 255).convert("1")
    Image.fromarray(grey).save(kinds / "bits.png")
    bits.save(kinds / "bits_mask.png")
    archives = HERE / "npz"
    archives.mkdir(exist_ok=True)
    colour = np.repeat(grey[..., None], 3, 2)
    np.savez_compressed(archives / "flat.npz", imgs=colour, gts=(one + 2 * two).astype(np.uint8), boxes=np.array([[6, 6, 24, 24], [29, 13, 43, 27]]))
    volume = np.stack([picture() for _ in range(4)])
    labels = np.zeros(volume.shape, np.uint8)
    labels[1], labels[2] = one, one + 2 * two
    np.savez_compressed(archives / "volume.npz", imgs=volume, gts=labels, spacing=np.array([0.5, 0.7, 3.0]), boxes=np.array([[6, 6, 1, 24, 24, 2], [29, 13, 2, 43, 27, 2]]))


masks()
statistics()
files()
