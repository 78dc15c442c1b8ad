"""Measures taps on folders of pictures with masks, and prints a table.

    tests/taps/run                                                         # does it all
    target/taps/venv/bin/python tests/taps/measure.py TAPSEG OUT [FRAMES]

OUT holds the folder pictures that pictures.py wrote.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "models" / "litemedsam"
TAPS = ["centre-tap", "interior-tap", "rim-tap"]
# Nuclei are 12 pixels wide in the model's input, less than half of what else is here.
SMALL = "nuclei"


def without_tap_head(out):
    """The package that is inside the program, without its tap head: seven squares stand for a tap."""
    squares = out / "squares"
    shutil.copytree(PACKAGE, squares, dirs_exist_ok=True)
    (squares / "tap_head.onnx").unlink()
    manifest = (PACKAGE / "model.toml").read_text()
    (squares / "model.toml").write_text(manifest.split("[tap_head]")[0])
    return squares


def measured(program, dataset, model):
    """Mean Dice and that of the best candidate by setting, and how many structures there are."""
    command = [program, "eval", str(dataset), "--regions", "--protocol", "tap,box", "--model", str(model), "--json"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    answer = json.loads(run.stdout)
    found = {r["setting"]: r["metrics"] for r in answer["results"] if r["class"] is None}
    means = {s: {k: m[k]["mean"] for k in ("dice", "oracle_dice") if m.get(k)} for s, m in found.items()}
    return answer["structures"], means


def row(name, count, heads, squares):
    cells = [f"{heads[t]['dice']:.3f} / {heads[t]['oracle_dice']:.3f}" for t in TAPS]
    cells += [f"{heads['given-box']['dice']:.3f}"]
    cells += [f"{squares[t]['dice']:.3f} / {squares[t]['oracle_dice']:.3f}" for t in TAPS]
    print(f"| {name} | {count} | " + " | ".join(cells) + " |", flush=True)


def mean(rows, which):
    """The mean over structures of all rows."""
    total = sum(r[0] for r in rows)
    settings = rows[0][which]
    return {s: {k: sum(r[0] * r[which][s][k] for r in rows) / total for k in settings[s]} for s in settings}


def main():
    program, out, *frames = sys.argv[1:]
    out = Path(out)
    squares = without_tap_head(out)
    datasets = {"ultrasound, simulated": "phantom:seed=201,count=20"}
    datasets |= {p.name: p for p in sorted((out / "pictures").iterdir()) if p.name != SMALL}
    if frames:
        datasets["ultrasound, real"] = frames[0]
    else:
        print("skipped: real frames, as TAPSEG_FRAMES names none")
    print("Mean Dice of the first answer / the best answer, of a tap at the centre, anywhere inside, near the rim\n")
    print("| pictures | structures | centre | inside | rim | tight box | squares: centre | inside | rim |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows = []
    for name, dataset in datasets.items():
        count, heads = measured(program, dataset, PACKAGE)
        rows.append((count, heads, measured(program, dataset, squares)[1]))
        row(name, *rows[-1])
    row("all of these", sum(r[0] for r in rows), mean(rows, 1), mean(rows, 2))
    count, heads = measured(program, out / "pictures" / SMALL, PACKAGE)
    row(SMALL, count, heads, measured(program, out / "pictures" / SMALL, squares)[1])


if __name__ == "__main__":
    main()
