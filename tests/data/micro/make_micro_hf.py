"""Writes micro_sam.safetensors and keys.txt: the weights of micro_sam.pth in the layout of Hugging Face's `transformers`.

    pip install transformers safetensors torch numpy
    python make_micro_hf.py .
    python make_micro_hf.py SAM.pth OUT.safetensors      # the same of any official checkpoint, with its keys beside it

`SamModel` is built with the configuration that the tensors have, gets the weights by their new names (RENAMED is the
mapping of transformers' own convert_sam_to_hf.py), must give what the official classes gave (micro_sam_cases.npz: the
embedding, and logits and predicted IoU of all six prompts, to 1e-5), and is saved by `save_pretrained`.

The matrix of random frequencies has two names in `SamModel`, `shared_image_embedding.positional_embedding` and
`prompt_encoder.shared_embedding.positional_embedding`. save_pretrained writes only the first to a safetensors file, and the
published facebook/sam-vit-* have only the first there; their pytorch_model.bin and files saved in other ways have both. So
there are three files, each with the same weights:

    micro_sam.safetensors         as save_pretrained writes it: one name
    micro_sam_both.safetensors    both names
    micro_sam_hf.bin              both names, one storage, written by torch.save as pytorch_model.bin was

In transformers the norms of the decoder's transformer have an epsilon of 1e-6 where the official code has 1e-5 (the last
one excepted). The model that is compared has the official one, as a file of weights does not tell.
"""
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig, __version__

HERE = Path(__file__).parent
SHARED = "shared_image_embedding.positional_embedding"
TIED = "prompt_encoder.shared_embedding.positional_embedding"
RENAMED = [
    (r"^image_encoder\.", "vision_encoder."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"^(vision_encoder)\.blocks\.", r"\1.layers."),
    (r"\.norm(\d|_final_attn)\.", r".layer_norm\1."),
    (r"\.neck\.0\.", ".neck.conv1."),
    (r"\.neck\.1\.", ".neck.layer_norm1."),
    (r"\.neck\.2\.", ".neck.conv2."),
    (r"\.neck\.3\.", ".neck.layer_norm2."),
    (r"\.pe_layer\.positional_encoding_gaussian_matrix$", ".shared_embedding.positional_embedding"),
    (r"\.point_embeddings\.", ".point_embed."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.0\.", r".\1.proj_in."),
    (r"\.(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.1\.", r".\1.layers.0."),
    (r"\.(output_hypernetworks_mlps\.\d|iou_prediction_head)\.layers\.2\.", r".\1.proj_out."),
]


def renamed(key):
    """The name in transformers of an official key."""
    for pattern, name in RENAMED:
        key = re.sub(pattern, name, key)
    return key


def configuration(weights, decoder_epsilon):
    """The configuration that the tensors of an official checkpoint have."""
    _, grid, _, width = weights["image_encoder.pos_embed"].shape
    _, _, patch, _ = weights["image_encoder.patch_embed.proj.weight"].shape
    depth = 1 + max(int(key.split(".")[2]) for key in weights if key.startswith("image_encoder.blocks."))
    tables = [weights[f"image_encoder.blocks.{block}.attn.rel_pos_h"] for block in range(depth)]
    reach = [(table.shape[0] + 1) // 2 for table in tables]
    channels = weights["image_encoder.neck.0.weight"].shape[0]
    vision = SamVisionConfig(
        hidden_size=width, output_channels=channels, num_hidden_layers=depth,
        num_attention_heads=width // tables[0].shape[1], image_size=grid * patch, patch_size=patch,
        mlp_dim=weights["image_encoder.blocks.0.mlp.lin1.weight"].shape[0],
        mlp_ratio=weights["image_encoder.blocks.0.mlp.lin1.weight"].shape[0] / width,
        window_size=min(reach), global_attn_indexes=[block for block in range(depth) if reach[block] == grid],
        num_pos_feats=channels // 2)
    prompt = SamPromptEncoderConfig(
        hidden_size=channels, image_size=grid * patch, patch_size=patch,
        mask_input_channels=weights["prompt_encoder.mask_downscaling.3.weight"].shape[0])
    decoder = SamMaskDecoderConfig(
        hidden_size=channels, mlp_dim=weights["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0],
        iou_head_hidden_dim=weights["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0],
        layer_norm_eps=decoder_epsilon)
    return SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)


def hugging_face(weights, decoder_epsilon=1e-5):
    model = SamModel(configuration(weights, decoder_epsilon))
    translated = {renamed(key): value for key, value in weights.items()}
    translated[SHARED] = translated[TIED]
    model.load_state_dict(translated)
    return model.eval(), translated


def differences(model, cases):
    """The largest difference of embedding, logits and predicted IoU to the official outputs."""
    given = lambda name: torch.from_numpy(cases[name]) if name in cases.files else None
    found = {"embedding": 0.0, "logits": 0.0, "iou": 0.0}

    def compare(kind, value, name):
        found[kind] = max(found[kind], float(np.abs(value.reshape(cases[name].shape).numpy() - cases[name]).max()))

    with torch.no_grad():
        embedding = model.get_image_embeddings(given("input"))
        compare("embedding", embedding, "embedding")
        for case in (name.removesuffix("/iou") for name in cases.files if name.endswith("/iou")):
            points, labels, box = (given(f"{case}/{kind}") for kind in ("points", "labels", "box"))
            sparse, dense = model.prompt_encoder(
                input_points=None if points is None else points[:, None],
                input_labels=None if labels is None else labels[:, None],
                input_boxes=None if box is None else box[:, None],
                input_masks=given("mask_input") if case.endswith("_mask") else None)
            tokens = [model.mask_decoder(
                image_embeddings=embedding, image_positional_embeddings=model.get_image_wide_positional_embeddings(),
                sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=several)
                for several in (False, True)]
            for index, (kind, name) in enumerate([("logits", "low_res_logits"), ("iou", "iou")]):
                compare(kind, torch.cat([token[index] for token in tokens], dim=2), f"{case}/{name}")
    return found


def save(model, path):
    """The file that save_pretrained writes, and its tensors."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path.write_bytes((Path(folder) / "model.safetensors").read_bytes())
    return load_file(path)


def main():
    source = Path(sys.argv[1])
    micro = source.is_dir()
    weights = torch.load(source / "micro_sam.pth" if micro else source, weights_only=True)
    out = HERE / "micro_sam.safetensors" if micro else Path(sys.argv[2])
    model, translated = hugging_face(weights)
    if micro:
        cases = np.load(source / "micro_sam_cases.npz")
        official, own = differences(model, cases), differences(hugging_face(weights, 1e-6)[0], cases)
        print("largest differences to the official classes:", official)
        print("with transformers' own epsilon in the decoder:", own)
        assert max(official.values()) <= 1e-5
    saved = save(model, out)
    assert set(translated) - set(saved) == {TIED}
    assert all(torch.equal(value, translated[key]) for key, value in saved.items())
    names = {renamed(key): key for key in weights}
    names[SHARED] = names[TIED]
    keys = [f"{key}\t{list(value.shape)}\t{names[key]}\n" for key, value in sorted(saved.items())]
    heading = f"# key in transformers {__version__}, shape, official key; {TIED} is {SHARED} again, where it is written\n"
    (HERE / "keys.txt" if micro else out.with_suffix(".keys.txt")).write_text(heading + "".join(keys))
    if micro:
        save_file(saved | {TIED: translated[TIED].clone()}, HERE / "micro_sam_both.safetensors", metadata={"format": "pt"})
        torch.save({key: translated[key] for key in model.state_dict()}, HERE / "micro_sam_hf.bin")
    print(f"{len(saved)} tensors, {out.stat().st_size} bytes in {out}")


if __name__ == "__main__":
    main()
