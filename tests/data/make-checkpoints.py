#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the checkpoints in this folder with PyTorch: a MobileNetV1 of width 0.06 with 3 classes, in
every format that is read, and the logits that PyTorch gives for the self-check's clip.

    tests/data/make-checkpoints.py
"""
import json
import os
import struct
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "bench"))
import torch_networks  # noqa: E402

MASK = (1 << 64) - 1
MEAN = (114.7748, 107.7354, 99.4750)


def fnv1a(text):
    h = 0xCBF29CE484222325
    for b in text.encode():
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def uniform(h, i):
    z = (h + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return ((z ^ (z >> 31)) >> 40) / 2**24


def clip(size, frames):
    h = fnv1a("input")
    n = frames * size * size
    values = [int(uniform(h, i) * 256) - MEAN[i // n] for i in range(3 * n)]
    return torch.tensor(values, dtype=torch.float64).view(1, 3, frames, size, size)


def main():
    torch.manual_seed(2)
    model = torch_networks.build("mobilenet", 0.06, 3)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.1, 0.1)
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    state = model.state_dict()
    prefixed = {"module." + k: v for k, v in state.items()}
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9)

    def path(name):
        return os.path.join(HERE, name)

    torch.save({"epoch": 7, "arch": "mobilenet", "state_dict": prefixed,
                "optimizer": optimizer.state_dict(), "best_prec1": 12.5}, path("legacy.pth"),
               _use_new_zipfile_serialization=False)
    torch.save({"state_dict": prefixed, "epoch": 7}, path("zip.pth"))
    strided = {k: v.transpose(0, 1).contiguous().transpose(0, 1) if v.dim() == 5 else v
               for k, v in state.items()}
    torch.save(strided, path("strided.pth"))
    for name, dtype in (("half", torch.float16), ("bfloat", torch.bfloat16), ("double", torch.float64)):
        torch.save({k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()},
                   path(name + ".pth"))

    header, data = {}, b""
    for k, v in state.items():
        if v.is_floating_point():
            raw = v.numpy().astype("<f4").tobytes()
            header[k] = {"dtype": "F32", "shape": list(v.shape), "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
    text = json.dumps(header).encode()
    with open(path("state.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)

    logits = {}
    with torch.no_grad():
        x = clip(112, 16)
        for name, dtype in (("float", torch.float32), ("half", torch.float16), ("bfloat", torch.bfloat16)):
            rounded = torch_networks.build("mobilenet", 0.06, 3)
            rounded.load_state_dict({k: v.to(dtype).to(v.dtype) if v.is_floating_point() else v
                                     for k, v in state.items()})
            logits[name] = rounded.double()(x)[0].tolist()
    with open(path("logits.json"), "w", encoding="utf-8") as f:
        json.dump(logits, f, indent=1)


if __name__ == "__main__":
    main()
