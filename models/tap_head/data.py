"""Scenes as the image encoder sees them: pictures made in parallel, embedded by `tapseg embed`."""

import argparse
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from scenes import scene

SIDE = 256  # of the model input
CHANNELS = 96  # of the embedding's principal components that the head is given
SHARD = 200


def to_input(mask):
    """A mask of a picture in model input pixels: the longest side becomes 256, padded at the end."""
    h, w = mask.shape
    scale = SIDE / max(h, w)
    size = int(w * scale + 0.5), int(h * scale + 0.5)
    small = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.BOX)) > 127
    padded = np.zeros((SIDE, SIDE), bool)
    padded[: size[1], : size[0]] = small
    return padded, size[::-1]


def draw(job):
    seed, folder = job
    kind, image, masks = scene(seed)
    Image.fromarray(image).save(folder / f"{seed}.png", compress_level=1)
    small, size = [], (0, 0)
    for mask in masks:
        padded, size = to_input(mask)
        if padded.sum() >= 25:
            small.append(np.packbits(padded))
    return seed, kind, size, small


def embed(tapseg, files, folder):
    """The embeddings of picture files: N x 256 x 64 x 64."""
    command = [tapseg, "embed", *map(str, files), "-o", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return np.stack([np.load(folder / f"{f.stem}.npy")[0] for f in files])


def principal_components(embeddings):
    """mean (256), projection (256 x CHANNELS) to components of deviation about 1."""
    samples = np.concatenate([e.reshape(256, -1)[:, ::29].T for e in embeddings]).astype(np.float64)
    mean = samples.mean(0)
    values, vectors = np.linalg.eigh(np.cov((samples - mean).T))
    values, vectors = values[::-1][:CHANNELS], vectors[:, ::-1][:, :CHANNELS]
    deviation = np.sqrt(values)
    return mean.astype(np.float32), (vectors / np.maximum(deviation, 0.1 * deviation[0])).astype(np.float32)


def make(tapseg, out, first_seed, count, workers):
    """Writes shards of `count` scenes from `first_seed` on to the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    components = out / "components.npz"
    with ProcessPoolExecutor(workers) as pool:
        for start in range(first_seed, first_seed + count, SHARD):
            shard = out / f"{start:07}.npz"
            if shard.exists():
                continue
            with tempfile.TemporaryDirectory(dir=out) as folder:
                folder = Path(folder)
                seeds = range(start, min(start + SHARD, first_seed + count))
                drawn = list(pool.map(draw, [(s, folder) for s in seeds], chunksize=4))
                drawn = [d for d in drawn if d[3]]
                embeddings = embed(tapseg, [folder / f"{d[0]}.png" for d in drawn], folder)
            if not components.exists():
                mean, projection = principal_components(embeddings)
                np.savez(components, mean=mean, projection=projection)
            c = np.load(components)
            flat = embeddings.reshape(len(drawn), 256, -1).transpose(0, 2, 1) - c["mean"]
            projected = (flat @ c["projection"]).transpose(0, 2, 1).reshape(-1, CHANNELS, 64, 64)
            np.savez(
                shard,
                seed=[d[0] for d in drawn],
                kind=[d[1] for d in drawn],
                size=[d[2] for d in drawn],
                features=projected.astype(np.float16),
                mask=np.concatenate([np.stack(d[3]) for d in drawn]),
                picture=np.repeat(np.arange(len(drawn)), [len(d[3]) for d in drawn]),
            )
            print(shard.name, len(drawn), "pictures", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tapseg", type=Path, help="the program whose package embeds them")
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--first", type=int, default=0, help="the first scene's seed")
    arguments.add_argument("--count", type=int, default=3000)
    arguments.add_argument("--workers", type=int, default=2)
    a = arguments.parse_args()
    make(a.tapseg, a.out, a.first, a.count, a.workers)


if __name__ == "__main__":
    main()
