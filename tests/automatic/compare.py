"""Compares `tapseg everything` with the official automatic mask generator on the same weights.

    tests/automatic/run                                  # installs what is needed, and compares all
    target/automatic-venv/bin/python tests/automatic/compare.py PICTURE CHECKPOINT ARCHITECTURE TAPSEG PACKAGE [--points-per-side 8 …]

ARCHITECTURE is tiny (the seeded configuration of 256 pixels), micro (tests/data/micro), vit_b, vit_l or vit_h. PACKAGE is
what `tapseg convert CHECKPOINT --preset sam --weights f32` made of the checkpoint. Further options are given to both; their
names are the same. A mask of the generator is matched with the one of tapseg's that has the largest IoU. Exits with 1
unless that is 0.99 or more for every mask, and tapseg finds as many masks, within 2 %.
"""
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco
from segment_anything import SamAutomaticMaskGenerator, sam_model_registry
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

HERE = Path(__file__).parent


def tiny():
    size, patch, channels = 256, 16, 256
    grid = size // patch
    return Sam(
        image_encoder=ImageEncoderViT(
            depth=4, embed_dim=64, img_size=size, mlp_ratio=4, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), num_heads=4,
            patch_size=patch, qkv_bias=True, use_rel_pos=True, global_attn_indexes=[1, 3], window_size=6, out_chans=channels),
        prompt_encoder=PromptEncoder(embed_dim=channels, image_embedding_size=(grid, grid), input_image_size=(size, size),
                                     mask_in_chans=16),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=channels, mlp_dim=2048, num_heads=8),
            transformer_dim=channels, iou_head_depth=3, iou_head_hidden_dim=256))


def model(architecture):
    if architecture == "tiny":
        return tiny()
    if architecture == "micro":
        sys.path.insert(0, str(HERE.parent / "data" / "micro"))
        from make_micro_sam import micro_sam
        return micro_sam()
    return sam_model_registry[architecture](checkpoint=None)


def main(picture, checkpoint, architecture, tapseg, package, *options):
    sam = model(architecture).eval()
    sam.load_state_dict(torch.load(checkpoint))
    values = {name[2:].replace("-", "_"): json.loads(value) for name, value in zip(options[::2], options[1::2])}
    start = time.time()
    generator = SamAutomaticMaskGenerator(sam, output_mode="coco_rle", **values)
    theirs = generator.generate(np.array(Image.open(picture).convert("RGB")))
    took = time.time() - start
    with tempfile.TemporaryDirectory() as out:
        start = time.time()
        subprocess.run([tapseg, "everything", picture, "--model", package, "-o", out, *options], check=True)
        ours = json.loads((Path(out) / "masks.json").read_text())
    print(f"{len(theirs)} masks in {took:.1f} s by the generator, {len(ours)} in {time.time() - start:.1f} s by tapseg")
    if not theirs or not ours:
        sys.exit("there is nothing to compare: lower the thresholds")
    overlap = coco.iou([m["segmentation"] for m in ours], [m["segmentation"] for m in theirs], [0] * len(theirs))
    best = overlap.max(axis=0)
    same = (best >= 0.99).mean()
    print(f"IoU of matched masks: mean {best.mean():.5f}, least {best.min():.5f}; 0.99 or more for {100 * same:.1f} %")
    for field in ("predicted_iou", "stability_score"):
        pairs = [(ours[o][field], t[field]) for o, t in zip(overlap.argmax(axis=0), theirs)]
        print(f"{field}: largest difference {max(abs(a - b) for a, b in pairs):.2g}")
    order = [t["segmentation"]["counts"] for t in theirs] == [o["segmentation"]["counts"] for o in ours]
    print("the same masks to the pixel, in the same order" if order else "order or single pixels differ")
    sys.exit(int(same < 1 or abs(len(ours) - len(theirs)) > 0.02 * len(theirs)))


if __name__ == "__main__":
    main(*sys.argv[1:])
