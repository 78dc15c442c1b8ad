"""Writes the seeds that readers of checkpoints are tested from: very small files as the real libraries write them.

    pip install torch safetensors numpy
    python make_fuzz.py

mini.pth is a trainer's checkpoint (weights of several types under `model`, an optimizer's state, an epoch), mini_old.pth
has the container that torch wrote before 1.6, mini.safetensors the same weights in the other format.
"""
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent


def main():
    torch.manual_seed(3)
    whole = torch.randn(4, 6)
    weights = OrderedDict(
        {"module.a.weight": torch.randn(3, 5), "module.a.bias": torch.randn(5).half(), "module.b": whole[:, 2:4],
         "module.c": whole.t(), "module.d": torch.randn(2).bfloat16(), "module.n": torch.tensor(7),
         "module.e": torch.nn.Parameter(torch.randn(2, 1, 2).double())})
    optimizer = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}},
                 "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0, 1]}]}
    checkpoint = {"model": weights, "optimizer": optimizer, "epoch": 3, "note": None}
    torch.save(checkpoint, HERE / "mini.pth")
    torch.save(checkpoint, HERE / "mini_old.pth", _use_new_zipfile_serialization=False)
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}, HERE / "mini.safetensors",
              metadata={"format": "pt"})


main()
