"""Writes the ONNX files here and cases.npz: Segment Anything's own classes, exported as people do it.

    pip install segment-anything torch torchvision onnx onnxscript numpy
    python make_foreign.py

The classes are the official ones (ImageEncoderViT, PromptEncoder, MaskDecoder, SamOnnxModel) in a micro configuration
with seeded random weights: 64 pixels, patches of 16, windows of 3 of the 4 cells a side, so that they are padded, and a
global block.

    encoder.onnx         the image encoder alone, a normalised picture 1×3×64×64
    encoder_hwc.onnx     with samexporter's --use-preprocess: height × width × 3, 0 to 255, both sides free
    encoder_dynamo.onnx  the image encoder by PyTorch's newer exporter, its weights in encoder_dynamo.onnx.data
    decoder.onnx         as scripts/export_onnx_model.py writes it
    decoder_single.onnx  the same with --return-single-mask
    decoder_dynamo.onnx  the decoder by PyTorch's newer exporter, its weights in the file

cases.npz holds `picture` (48×64×3, 8 bits), `input` (its normalised and padded form), `embedding`, `mask_input` and, for
five prompts, `<case>/coords` and `<case>/labels` as the decoder takes them, with `<case>/low_res_masks` and `<case>/iou` of
all four mask tokens, and `<case>/single_low_res_masks` and `<case>/single_iou` of the one that is chosen.
"""
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.utils.onnx import SamOnnxModel
from torch import nn

SIDE, PATCH, CHANNELS = 64, 16, 32
GRID = SIDE // PATCH
HERE = Path(__file__).parent


def micro_sam():
    return Sam(
        image_encoder=ImageEncoderViT(img_size=SIDE, patch_size=PATCH, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2,
                                      out_chans=CHANNELS, use_rel_pos=True, window_size=3, global_attn_indexes=(1,)),
        prompt_encoder=PromptEncoder(embed_dim=CHANNELS, image_embedding_size=(GRID, GRID),
                                     input_image_size=(SIDE, SIDE), mask_in_chans=8),
        mask_decoder=MaskDecoder(num_multimask_outputs=3, transformer_dim=CHANNELS, iou_head_depth=2,
                                 iou_head_hidden_dim=16,
                                 transformer=TwoWayTransformer(depth=1, embedding_dim=CHANNELS, mlp_dim=32,
                                                               num_heads=4)))


def randomise(net, g):
    """Weights that keep activations near unit size, and norms and positions that are not trivial."""
    for name, tensor in net.state_dict().items():
        noise = torch.randn(tensor.shape, generator=g)
        if tensor.ndim == 1 and name.endswith("weight"):
            tensor.copy_(torch.exp(0.3 * noise))
        elif tensor.ndim == 1 or "rel_pos" in name or "pos_embed" in name:
            tensor.copy_(0.3 * noise)
        elif tensor.ndim > 1:
            tensor.copy_(noise if "prompt" in name and tensor.shape[0] < 3 else noise * tensor[0].numel() ** -0.5)


class WithPreprocess(nn.Module):
    """The encoder as samexporter wraps it for --use-preprocess."""

    def __init__(self, sam):
        super().__init__()
        self.sam = sam

    def forward(self, x):
        x = torch.permute(x, (2, 0, 1))
        x = (x - self.sam.pixel_mean) / self.sam.pixel_std
        height, width = x.shape[-2:]
        x = nn.functional.pad(x, (0, SIDE - width, 0, SIDE - height))
        return self.sam.image_encoder(torch.unsqueeze(x, dim=0))


def export(net, inputs, name, output_names, dynamic_axes=None, **options):
    torch.onnx.export(net, tuple(inputs.values()), str(HERE / name), input_names=list(inputs), output_names=output_names,
                      **(options or {"dynamo": False, "opset_version": 17, "dynamic_axes": dynamic_axes}))
    # Without the traces to the Python source, which are larger than the network.
    model = onnx.load(HERE / name, load_external_data=False)
    for node in model.graph.node:
        node.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    onnx.save(model, HERE / name)


def main():
    warnings.simplefilter("ignore")
    g = torch.Generator().manual_seed(11)
    sam = micro_sam().eval()
    randomise(sam, g)
    picture = torch.randint(0, 256, (48, SIDE, 3), generator=g).float()
    mask = torch.randn(1, 1, 4 * GRID, 4 * GRID, generator=g) * 4
    normalised = sam.preprocess(picture.permute(2, 0, 1)[None])
    with torch.no_grad():
        embedding = sam.image_encoder(normalised)
        assert torch.equal(embedding, WithPreprocess(sam)(picture))

    export(sam.image_encoder, {"images": normalised}, "encoder.onnx", ["embeddings"])
    export(WithPreprocess(sam), {"input_image": picture}, "encoder_hwc.onnx", ["image_embeddings"],
           {"input_image": {0: "image_height", 1: "image_width"}})
    export(sam.image_encoder, {"images": normalised}, "encoder_dynamo.onnx", ["embeddings"], dynamo=True,
           external_data=True, verbose=False)

    coords, labels = torch.rand(1, 5, 2, generator=g) * SIDE, torch.tensor([[1.0, 0.0, 1.0, 2.0, 3.0]])
    inputs = {"image_embeddings": embedding, "point_coords": coords, "point_labels": labels, "mask_input": mask,
              "has_mask_input": torch.ones(1), "orig_im_size": torch.tensor([48.0, 64.0])}
    outputs = ["masks", "iou_predictions", "low_res_masks"]
    points = {"point_coords": {1: "num_points"}, "point_labels": {1: "num_points"}}
    every, single = SamOnnxModel(sam, return_single_mask=False), SamOnnxModel(sam, return_single_mask=True)
    export(every, inputs, "decoder.onnx", outputs, points)
    export(single, inputs, "decoder_single.onnx", outputs, points)
    n = torch.export.Dim("num_points", min=1, max=64)
    shapes = {name: {1: n} if name in points else None for name in inputs}
    export(every, inputs, "decoder_dynamo.onnx", outputs, dynamo=True, external_data=False, verbose=False,
           dynamic_shapes=tuple(shapes.values()))

    one, none = torch.ones(1), torch.zeros(1)
    point, box = torch.tensor([[[20.0, 30.5]]]), torch.tensor([[[10.0, 8.0], [41.0, 33.0]]])
    many = torch.tensor([[[20.0, 30.5], [5.0, 44.0], [50.0, 12.0]]])
    pad = torch.zeros(1, 1, 2)
    prompts = {
        "tap": (torch.cat([point, pad], 1), [1, -1], none),
        "taps": (torch.cat([many, pad], 1), [1, 0, 1, -1], none),
        "box": (box, [2, 3], none),
        "tap_in_box": (torch.cat([point, box], 1), [1, 2, 3], none),
        "tap_and_mask": (torch.cat([point, pad], 1), [1, -1], one),
    }
    cases = {"picture": picture.byte(), "input": normalised, "embedding": embedding, "mask_input": mask}
    for name, (coords, labels, has_mask) in prompts.items():
        labels = torch.tensor([labels]).float()
        given = (embedding, coords, labels, mask, has_mask, inputs["orig_im_size"])
        _, cases[f"{name}/iou"], cases[f"{name}/low_res_masks"] = every(*given)
        _, cases[f"{name}/single_iou"], cases[f"{name}/single_low_res_masks"] = single(*given)
        cases |= {f"{name}/coords": coords, f"{name}/labels": labels}
    np.savez_compressed(HERE / "cases.npz", **{name: value.detach().numpy() for name, value in cases.items()})
    for name, value in cases.items():
        print(f"{name:36} {tuple(value.shape)}")


main()
