"""Writes truth.json, found.json and scores.json: masks, and what pycocotools' COCOeval says to them.

    pip install pycocotools numpy
    python make_coco.py

Seeded ellipses on six pictures of two categories; some are missed, found twice, taken for the other category or found
where nothing is. One is a crowd, and one is an outline of points. scores.json has the figures for the 100 surest
detections of a picture and, as for proposals, for the 1000 surest whatever their category.
"""
import contextlib
import copy
import io
import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = Path(__file__).parent
WIDTH, HEIGHT = 240, 180


def ellipse(x, y, a, b):
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    inside = ((xs - x) / a) ** 2 + ((ys - y) / b) ** 2 <= 1
    rle = coco.encode(np.asfortranarray(inside.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def scores(truth, found, most, by_category):
    evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(found)), "segm")
    evaluation.params.maxDets = [most]
    evaluation.params.useCats = int(by_category)
    evaluation.evaluate()
    evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]

    def mean(values):
        values = values[values > -1]
        return float(values.mean()) if values.size else None

    figures = {"ap": mean(precision[..., 0, 0]), "ap50": mean(precision[0, ..., 0, 0]), "ap75": mean(precision[5, ..., 0, 0]),
               "ar": mean(recall[..., 0, 0])}
    for area, name in enumerate(["small", "medium", "large"], 1):
        figures[f"ap_{name}"] = mean(precision[..., area, 0])
        figures[f"ar_{name}"] = mean(recall[..., area, 0])
    return figures


def main():
    rng = np.random.default_rng(7)
    images = [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(6)]
    annotations, found = [], []

    def finds(image, category, *shape):
        found.append({"image_id": image, "category_id": category, "segmentation": ellipse(*shape),
                      "score": round(float(rng.uniform(0.1, 1)), 3)})

    for image in range(6):
        for _ in range(5):
            x, y = rng.uniform(20, WIDTH - 20), rng.uniform(20, HEIGHT - 20)
            a, b = rng.uniform(5, 70, 2) * rng.choice([0.3, 1])
            category = int(rng.integers(1, 3))
            mask = ellipse(x, y, a + 2, b + 2)
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": category, "segmentation": mask,
                                "area": int(coco.area(mask)), "bbox": coco.toBbox(mask).tolist(), "iscrowd": 0})
            for _ in range(int(rng.integers(0, 3))):
                taken_for = category if rng.random() < 0.85 else 3 - category
                finds(image, taken_for, x + rng.normal(0, 3), y + rng.normal(0, 3), a + 2 + rng.uniform(0, 4), b + 2)
        finds(image, 1, rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), 15, 15)
    annotations[3]["iscrowd"] = 1
    outline = [30.5, 20.2, 120.7, 41.5, 99.1, 130.9, 40.3, 110.2]
    annotations.append({"id": len(annotations) + 1, "image_id": 2, "category_id": 2, "segmentation": [outline], "area": 6800.5,
                        "bbox": [30.5, 20.2, 90.2, 110.7], "iscrowd": 0})
    finds(2, 2, 75, 75, 46, 50)
    truth = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}
    (HERE / "truth.json").write_text(json.dumps(truth, separators=(",", ":")))
    (HERE / "found.json").write_text(json.dumps(found, separators=(",", ":")))
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(str(HERE / "truth.json"))
        figures = {"instances": scores(known, found, 100, True), "proposals": scores(known, found, 1000, False)}
    (HERE / "scores.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
