"""Writes micro_mobile.pth and micro_mobile_cases.npz: MobileSAM's classes in a micro configuration.

    pip install mobilesam-mirror==1.0.0 torch torchvision timm numpy
    python make_micro_mobile.py

The checkpoint has the official key names and seeded random weights, so it is small enough to be kept here, and a
converter that reproduces the outputs reads the published mobile_sam.pt the same way. The classes are the official ones
of ChaoningZhang/MobileSAM (Apache-2.0), which the wheel repackages: TinyViT with its patch embedding of two 3×3
convolutions of stride 2, and SAM's prompt encoder and mask decoder. Three lines of TinyViT are bound to the real size and
are replaced: the neck's 256 channels, the 64 by 64 view before it, and the stride of the last downsample, which the source
writes as a list of widths. `norm_head` and `head` are what is left of TinyViT's classifier: they are in the checkpoint, as in
the published one, and nothing uses them.

The three attention stages meet the three cases of a window: padded (16 tokens a side, window 7), the whole image (8, 8)
and fitting (8, 4). But for the classifier, `num_batches_tracked` and the decoder's `k_proj.bias`, which a softmax over
the keys cancels, a tenth of its spread as noise in any tensor changes an output by more than 1e-3.

micro_mobile_cases.npz holds `frame` (rows × columns × RGB, 4:3, its longer side as long as the model's), `input` (the frame
normalised and padded), `embedding`, `mask_input` and, for six prompts, `<case>/low_res_logits` and `<case>/iou` of all
four mask tokens, with `<case>/points` and `<case>/labels` and `<case>/box` where the prompt has them.
"""
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mobile_sam.modeling import MaskDecoder, PromptEncoder, Sam, TinyViT, TwoWayTransformer
from mobile_sam.modeling.tiny_vit_sam import LayerNorm2d
from torch import nn

GRID, SIZE, CHANNELS = 8, 128, 32
HERE = Path(__file__).parent


class MicroTinyViT(TinyViT):
    def __init__(self):
        super().__init__(img_size=SIZE, in_chans=3, num_classes=10, embed_dims=[8, 16, 24, 40], depths=[2, 1, 2, 1],
                         num_heads=[1, 2, 3, 5], window_sizes=[7, 7, 8, 4], mlp_ratio=2.0, drop_path_rate=0.0,
                         mbconv_expand_ratio=3.0, layer_lr_decay=0.8)
        self.layers[2].downsample.conv2.c.stride = (1, 1)
        self.neck = nn.Sequential(
            nn.Conv2d(40, CHANNELS, kernel_size=1, bias=False), LayerNorm2d(CHANNELS),
            nn.Conv2d(CHANNELS, CHANNELS, kernel_size=3, padding=1, bias=False), LayerNorm2d(CHANNELS))

    def forward_features(self, x):
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        batch, _, channels = x.size()
        return self.neck(x.view(batch, GRID, GRID, channels).permute(0, 3, 1, 2))


def micro_mobile():
    return Sam(
        image_encoder=MicroTinyViT(),
        prompt_encoder=PromptEncoder(embed_dim=CHANNELS, image_embedding_size=(GRID, GRID), input_image_size=(SIZE, SIZE),
                                     mask_in_chans=16),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=64, num_heads=8),
            transformer_dim=CHANNELS, iou_head_depth=3, iou_head_hidden_dim=24))


def randomise(net, g):
    """Weights that keep activations near unit size, and statistics, norms and biases that are not trivial."""
    for name, tensor in net.state_dict().items():
        noise = torch.randn(tensor.shape, generator=g)
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.copy_(torch.exp(0.3 * noise))
        elif tensor.ndim == 1 or "attention_biases" in name:
            tensor.copy_(0.3 * noise)
        elif "gaussian" in name or "embed." in name or "embeddings" in name or "token.weight" in name or "tokens.weight" in name:
            tensor.copy_(noise)
        elif tensor.ndim > 1:
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


def main():
    torch.manual_seed(13)
    g = torch.Generator().manual_seed(13)
    sam = micro_mobile()
    randomise(sam, g)
    sam.eval()
    torch.save(sam.state_dict(), HERE / "micro_mobile.pth")
    with torch.no_grad():
        found = cases(sam, g)
    np.savez_compressed(HERE / "micro_mobile_cases.npz", **found)
    for name, value in found.items():
        print(f"{name:32} {str(value.shape):18} {value.dtype}")


if __name__ == "__main__":
    main()
