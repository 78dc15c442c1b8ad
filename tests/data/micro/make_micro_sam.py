"""Writes micro_sam.pth and micro_sam_cases.npz: the classes of Segment Anything in a micro configuration.

    pip install segment-anything torch torchvision numpy
    python make_micro_sam.py

The checkpoint has the official key names and seeded random weights, so it is small enough to be kept here, and a
converter that reproduces the outputs reads the published ViT-B, ViT-L and ViT-H the same way. The classes are the
official ones of segment_anything 1.0, unchanged.

Blocks 0 and 2 attend within windows of 4, which are padded on the grid of 6; blocks 1 and 3 attend globally. Widths that
meet differ (encoder 24 with 2 heads of 12, its perceptron 48; decoder 32 with 8 heads, its perceptron 64, IoU head 24), and
biases, norms and position tables are far from what they are initialised with: a tenth of its spread as noise in any tensor
changes an output by more than 1e-3, but for the decoder's `k_proj.bias`, which a softmax over the keys cancels.

micro_sam_cases.npz holds `frame` (rows × columns × RGB, 4:3, its longer side as long as the model's), `input` (the frame
normalised and padded), `embedding`, `mask_input` and, for six prompts, `<case>/low_res_logits` and `<case>/iou` of all
four mask tokens, with `<case>/points` and `<case>/labels` and `<case>/box` where the prompt has them.

Beside them it writes two files for the reader of checkpoints: micro_sam_wrapped.pth, as a trainer saves one (the weights
under `model`, each key beginning with `module.`, beside an optimizer's state and the epoch), and micro_sam_pickled.pth, a
whole module rather than its weights, which can't be read without executing what the file says and must be refused.
"""
import copy
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn

SIZE, PATCH, WIDTH, CHANNELS = 96, 16, 24, 32
GRID = SIZE // PATCH
HERE = Path(__file__).parent


def micro_sam():
    return Sam(
        image_encoder=ImageEncoderViT(
            depth=4, embed_dim=WIDTH, img_size=SIZE, mlp_ratio=2, norm_layer=partial(nn.LayerNorm, eps=1e-6), num_heads=2,
            patch_size=PATCH, qkv_bias=True, use_rel_pos=True, global_attn_indexes=[1, 3], window_size=4,
            out_chans=CHANNELS),
        prompt_encoder=PromptEncoder(embed_dim=CHANNELS, image_embedding_size=(GRID, GRID), input_image_size=(SIZE, SIZE),
                                     mask_in_chans=16),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=64, num_heads=8),
            transformer_dim=CHANNELS, iou_head_depth=3, iou_head_hidden_dim=24))


def randomise(net, g):
    """Weights that keep activations near unit size, and norms, biases and positions that are not trivial."""
    for name, tensor in net.state_dict().items():
        noise = torch.randn(tensor.shape, generator=g)
        if tensor.ndim == 1 and name.endswith("weight"):
            tensor.copy_(torch.exp(0.3 * noise))
        elif tensor.ndim == 1:
            tensor.copy_(0.3 * noise)
        elif "pos" in name or "embed." in name or "embeddings" in name or "token.weight" in name or "tokens.weight" in name:
            tensor.copy_((0.5 if "pos_" in name else 1.0) * noise)
        else:
            fan_in = tensor.shape[0] if "output_upscaling" in name else tensor[0].numel()
            tensor.copy_((2.0 if "qkv" in name or "q_proj" in name else 1.0) * noise * fan_in ** -0.5)


def cases(sam, g):
    h, w, s = SIZE * 3 // 4, SIZE, SIZE / 256
    frame = F.interpolate(torch.rand(1, 3, h // 16, w // 16, generator=g), size=(h, w), mode="bilinear")
    frame = (frame * 200 + 55 * torch.rand(1, 3, h, w, generator=g)).clamp(0, 255).to(torch.uint8)
    mask = torch.randn(1, 1, 4 * GRID, 4 * GRID, generator=g) * 4
    one = torch.tensor([[[90., 100.]]]) * s, torch.tensor([[1]])
    two = torch.tensor([[[90., 100.], [30., 40.]]]) * s, torch.tensor([[1, 0]])
    three = torch.tensor([[[90., 100.], [30., 40.], [200., 60.]]]) * s, torch.tensor([[1, 0, 1]])
    box = torch.tensor([[40., 50., 180., 170.]]) * s
    prompts = {
        "one_point": (one, None, None),
        "three_points": (three, None, None),
        "box": (None, box, None),
        "box_and_points": (two, box, None),
        "point_and_mask": (one, None, mask),
        "box_and_mask": (None, box, mask),
    }
    x = sam.preprocess(frame.float())
    embedding = sam.image_encoder(x)
    found = {"frame": frame[0].permute(1, 2, 0), "input": x, "embedding": embedding, "mask_input": mask}
    for case, (points, box, mask) in prompts.items():
        sparse, dense = sam.prompt_encoder(points, box, mask)
        found[f"{case}/low_res_logits"], found[f"{case}/iou"] = sam.mask_decoder.predict_masks(
            image_embeddings=embedding, image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense)
        if points is not None:
            found[f"{case}/points"], found[f"{case}/labels"] = points
        if box is not None:
            found[f"{case}/box"] = box
    return {name: value.numpy() for name, value in found.items()}


def save_as_trainers_do(sam):
    """A step of training gives the optimizer a state like a real one's."""
    some = [p for name, p in sam.named_parameters() if name.startswith("mask_decoder.iou_prediction_head")]
    optimizer = torch.optim.AdamW(some, lr=1e-4)
    weights = copy.deepcopy(nn.DataParallel(sam).state_dict())
    sum(p.sum() for p in some).backward()
    optimizer.step()
    wrapped = {"model": weights, "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(wrapped, HERE / "micro_sam_wrapped.pth")


def main():
    torch.manual_seed(11)
    g = torch.Generator().manual_seed(11)
    sam = micro_sam()
    randomise(sam, g)
    sam.eval()
    torch.save(sam.state_dict(), HERE / "micro_sam.pth")
    torch.save(sam, HERE / "micro_sam_pickled.pth")
    with torch.no_grad():
        found = cases(sam, g)
    np.savez_compressed(HERE / "micro_sam_cases.npz", **found)
    for name, value in found.items():
        print(f"{name:32} {str(value.shape):18} {value.dtype}")
    save_as_trainers_do(sam)


if __name__ == "__main__":
    main()
