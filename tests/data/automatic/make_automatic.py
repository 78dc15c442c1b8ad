"""Writes micro_points.pth and cases.json: what the official automatic mask generator finds with it.

    pip install segment-anything torch torchvision numpy pillow opencv-python-headless pycocotools
    python make_automatic.py

The classes are the official ones of segment_anything 1.0, unchanged, in the configuration of ../micro/make_micro_sam.py
with seeded random weights. Pixels attend to prompt tokens by what is alike in both, and logits are ten times as large, so
and
lower, so that masks differ from point to point, are small and many are stable. The picture is ../frames/clarius_eye.png at a quarter of its
size, as picture.png here. Thresholds are such that a random model's masks survive; between them the cases go through
crops, small regions, every filter and both suppressions.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from segment_anything import SamAutomaticMaskGenerator

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "micro"))
from make_micro_sam import micro_sam, randomise  # noqa: E402

CASES = {
    "plain": dict(points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=0.97),
    "filtered": dict(points_per_side=8, pred_iou_thresh=0.5, stability_score_thresh=0.3, box_nms_thresh=0.99,
                     stability_score_offset=0.5),
    "crops": dict(points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.2, box_nms_thresh=0.97, crop_n_layers=1,
                  crop_n_points_downscale_factor=2, crop_nms_thresh=0.97),
    "tidied": dict(points_per_side=5, pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=0.98,
                   min_mask_region_area=400),
}


# What makes masks smaller: pixels' features are more often positive than not.
BIAS = 12


def seeded():
    torch.manual_seed(5)
    sam = micro_sam()
    with torch.no_grad():
        randomise(sam, torch.Generator().manual_seed(5))
        decoder = sam.mask_decoder
        for attention in (layer.cross_attn_image_to_token for layer in decoder.transformer.layers):
            attention.k_proj.weight.copy_(attention.q_proj.weight)
        for mlp in decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.mul_(10)
            mlp.layers[-1].bias.mul_(10).sub_(BIAS)
        decoder.iou_prediction_head.layers[-1].bias.add_(1)
    return sam.eval()


def main():
    sam = seeded()
    torch.save(sam.state_dict(), HERE / "micro_points.pth")
    picture = Image.open(HERE.parent / "frames" / "clarius_eye.png").convert("RGB").resize((320, 240))
    picture.save(HERE / "picture.png")
    cases = {}
    for name, options in CASES.items():
        masks = SamAutomaticMaskGenerator(sam, output_mode="coco_rle", **options).generate(np.array(picture))
        cases[name] = {"options": options, "masks": masks}
        print(name, len(masks), "masks of areas", sorted(m["area"] for m in masks)[:: max(1, len(masks) // 8)])
    (HERE / "cases.json").write_text(json.dumps(cases, separators=(",", ":")))


if __name__ == "__main__":
    main()
