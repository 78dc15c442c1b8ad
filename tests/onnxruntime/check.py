#!/usr/bin/env python3
"""What `tapseg convert --plain` writes, run by ONNX Runtime and compared with the official PyTorch code's outputs.

    cargo build --release
    tests/onnxruntime/check.py [--tapseg PATH] [--reference DIR]

Needs python3 with venv; it makes its environment in target/onnxruntime-venv and installs onnxruntime and numpy there,
unless the Python that runs it has both. Each checkpoint is converted with f32, f16 and int8 weights; ONNX Runtime encodes
the saved input, and decodes every saved prompt with the embedding that it has just made. Printed are the largest
differences of embedding, logits and predicted IoU, and the IoU of the masks at a threshold of 0.

Checked are the small checkpoints micro_sam, micro_mobile and micro in tests/data/micro and, of the folder that --reference or
TAPSEG_REFERENCE names, each of sam_tiny.pth, lite_medsam.pth, mobile_sam_random.pth and sam_vit_b_random.pth that is there
with its cases. The last takes about a minute and 2 GB of memory.

Exits with 1 where f32 weights miss a bound (embedding within 2e-3, mask IoU at least 0.999), or where a checkpoint isn't
converted or a network doesn't run, whatever its weights.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / "target/onnxruntime-venv"
PACKAGES = ["onnxruntime", "numpy"]
WEIGHTS = ["f32", "f16", "int8"]
PROMPTS = ["one_point", "three_points", "box", "box_and_points", "point_and_mask", "box_and_mask"]
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
LITEMEDSAM_SCALE = 256 / 1280
MAX_EMBEDDING_DIFFERENCE, MIN_MASK_IOU = 2e-3, 0.999


def with_packages():
    """Goes on in an environment that has the packages."""
    try:
        import numpy, onnxruntime  # noqa: F401
        return
    except ImportError:
        if Path(sys.prefix) == VENV:
            raise
    python = VENV / "bin/python"
    have = [python, "-c", "import numpy, onnxruntime"]
    if not python.exists() or subprocess.run(have, stderr=subprocess.DEVNULL).returncode:
        print(f"installing {' and '.join(PACKAGES)} in {VENV}", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        except subprocess.CalledProcessError as error:
            sys.exit(f"{error}\n(on Debian and Ubuntu, venv is in the package python3-venv)")
    os.execv(python, [python, __file__, *sys.argv[1:]])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tapseg", type=Path, default=ROOT / "target/release/tapseg", metavar="PATH",
                        help="the program; target/release/tapseg where not given")
    parser.add_argument("--reference", type=Path, default=os.environ.get("TAPSEG_REFERENCE") or None, metavar="DIR",
                        help="a folder with full checkpoints and their cases; TAPSEG_REFERENCE where not given")
    return parser.parse_args()


ARGUMENTS = arguments()
with_packages()

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402


def checkpoints(reference):
    """Name, checkpoint, cases and options of what there is to check."""
    data = ROOT / "tests/data/micro"
    for name, options in [
        ("micro_sam", ["--preset", "sam"]),
        ("micro_mobile", ["--preset", "mobilesam", "--input-size", "128"]),
        ("micro", ["--preset", "litemedsam", "--input-size", "32"]),
    ]:
        yield name, data / f"{name}.pth", data / f"{name}_cases.npz", options
    if reference is None:
        print("small ones alone: neither --reference nor TAPSEG_REFERENCE names a folder", file=sys.stderr)
        return
    for name, cases, preset in [
        ("sam_tiny", "sam_tiny", "sam"),
        ("lite_medsam", "litemedsam", "litemedsam"),
        ("mobile_sam_random", "mobile_sam_random", "mobilesam"),
        ("sam_vit_b_random", "sam_vit_b_random", "sam"),
    ]:
        paths = reference / f"{name}.pth", reference / f"{cases}_cases.npz"
        missing = [path.name for path in paths if not path.exists()]
        if missing:
            print(f"{name} skipped: no {' and no '.join(missing)} in {reference}", file=sys.stderr)
        else:
            yield name, *paths, ["--preset", preset]


def normalised(frame):
    """The input of SAM's encoder for a frame whose longer side has the model's size."""
    height, width, _ = frame.shape
    size = max(height, width)
    image = np.zeros((1, 3, size, size), np.float32)
    image[0, :, :height, :width] = ((frame - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1)
    return image


class Prompt:
    """Points and box corners with their labels, a mask or none, and what the official code says to them."""

    def __init__(self, name, coords, labels, mask, logits, quality):
        self.name, self.mask, self.logits, self.quality = name, mask, logits, quality
        self.coords = np.asarray(coords, np.float32).reshape(1, -1, 2)
        self.labels = np.asarray(labels, np.float32).reshape(1, -1)

    @classmethod
    def of_sam(cls, cases, name):
        """A padding point stands in for a box."""
        coords, labels = np.zeros((0, 2)), []
        if f"{name}/points" in cases:
            coords, labels = cases[f"{name}/points"][0], list(cases[f"{name}/labels"][0])
        box = f"{name}/box" in cases
        last = cases[f"{name}/box"].reshape(2, 2) if box else np.zeros((1, 2))
        mask = cases["mask_input"] if name.endswith("_mask") else None
        return cls(name, np.concatenate([coords, last]), labels + ([2, 3] if box else [-1]), mask,
                   cases[f"{name}/low_res_logits"], cases[f"{name}/iou"])

    def inputs(self, embedding):
        side = 4 * embedding.shape[-1]
        none = np.zeros((1, 1, side, side), np.float32)
        return {
            "image_embeddings": embedding,
            "point_coords": self.coords,
            "point_labels": self.labels,
            "mask_input": none if self.mask is None else self.mask,
            "has_mask_input": np.float32([self.mask is not None]),
        }


def scenes(cases):
    """Prefix, encoder input, embedding and prompts of each image in the cases."""
    if "embedding" in cases:
        image = cases["input"] if "input" in cases else normalised(cases["frame"])
        yield "", image, cases["embedding"], [Prompt.of_sam(cases, name) for name in PROMPTS]
        return
    for frame in (name.removesuffix("/input") for name in cases if name.endswith("/input")):
        boxes = cases[f"{frame}/boxes_frame_px"] * LITEMEDSAM_SCALE
        prompts = [Prompt(f"box{i}", box, [2, 3], None, cases[f"{frame}/box{i}/low_res_logits"], cases[f"{frame}/box{i}/iou"])
                   for i, box in enumerate(boxes)]
        yield f"{frame}/", cases[f"{frame}/input"], cases[f"{frame}/embedding"], prompts


def difference(found, expected):
    """The largest difference, beyond what rounding to f16 explains where the expected values are stored so."""
    assert found.shape == expected.shape, f"{found.shape}, not {expected.shape}"
    rounding = np.spacing(np.abs(expected)).astype(np.float32) / 2 if expected.dtype == np.float16 else 0
    return float(np.max(np.maximum(np.abs(found - expected.astype(np.float32)) - rounding, 0)))


def mask_iou(found, expected):
    found, expected = found > 0, expected > 0
    union = np.count_nonzero(found | expected)
    return np.count_nonzero(found & expected) / union if union else 1.0


def first_line(text):
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    return line if len(line) <= 160 else f"{line[:159]}…"


def session(path):
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def check(package, cases, report):
    """Runs a package over all cases, one network after the other, and reports line by line."""
    encoder, answers = session(package / "encoder.onnx"), []
    for prefix, image, expected, prompts in scenes(cases):
        [embedding] = encoder.run(["image_embeddings"], {"image": image})
        report(f"{prefix}embedding", embedding=difference(embedding, expected))
        answers.append((prefix, embedding, prompts))
    del encoder
    decoder = session(package / "decoder.onnx")
    for prefix, embedding, prompts in answers:
        for prompt in prompts:
            logits, quality = decoder.run(["low_res_masks", "iou_predictions"], prompt.inputs(embedding))
            # LiteMedSAM's cases have the first mask alone, the only one that it was trained for.
            tokens = prompt.logits.shape[1]
            logits, quality = logits[:, :tokens], quality[:, :tokens]
            report(f"{prefix}{prompt.name}", logits=difference(logits, prompt.logits),
                   quality=difference(quality, prompt.quality), iou=mask_iou(logits, prompt.logits))


def main():
    if not ARGUMENTS.tapseg.is_file():
        sys.exit(f"{ARGUMENTS.tapseg} is missing: cargo build --release")

    print(f"ONNX Runtime {onnxruntime.__version__}")
    print(f"{'model':18} {'weights':8} {'what':28} {'largest difference':>18} {'predicted IoU':>14} {'mask IoU':>9}", flush=True)
    failures = []

    def fail(name, weights, why):
        failures.append(f"{name}, {weights}: {why}")
        print(f"{name:18} {weights:8} {why}", flush=True)

    for name, checkpoint, npz, options in checkpoints(ARGUMENTS.reference):
        with np.load(npz) as arrays:
            cases = dict(arrays)
        for weights in WEIGHTS:

            def report(what, embedding=None, logits=None, quality=None, iou=None):
                bound = embedding <= MAX_EMBEDDING_DIFFERENCE if iou is None else iou >= MIN_MASK_IOU
                miss = weights == "f32" and not bound
                found = f"{embedding:18.2g}" if iou is None else f"{logits:18.2g} {quality:14.2g} {iou:9.5f}"
                print(f"{name:18} {weights:8} {what:28} {found}{'   MISSED' if miss else ''}", flush=True)
                if miss:
                    failures.append(f"{name}, {weights}: {what} misses its bound")

            with tempfile.TemporaryDirectory() as folder:
                package = Path(folder) / name
                command = [ARGUMENTS.tapseg.resolve(), "convert", checkpoint, "-o", package, "--plain", "--weights", weights,
                           *options]
                converted = subprocess.run(command, capture_output=True, text=True)
                if converted.returncode:
                    fail(name, weights, f"not converted: {first_line(converted.stderr)}")
                    continue
                try:
                    check(package, cases, report)
                except Exception as error:  # ONNX Runtime's exceptions have no common class of their own.
                    fail(name, weights, f"did not run: {first_line(str(error))}")
    if failures:
        sys.exit("\n".join(["", "failed:", *failures]))
    print("f32 weights are within their bounds everywhere")


if __name__ == "__main__":
    main()
