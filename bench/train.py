#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Time of a training step (forward, backward, SGD) against PyTorch on the CPU, interleaved in one
process: ours, PyTorch's default layout, PyTorch's channels-last, and again. Same threads, same
weights by structure, random clips.

    python3 bench/train.py [--library build/lib3dcnn/lib3dcnn.so] [--networks shufflenet:0.5,...]
"""
import argparse
import ctypes
import os
import resource
import statistics
import time

import numpy as np

from structs import read_enum, read_struct

Config, Options, Result = (read_struct(name) for name in
                           ("Cnn3dConfig", "Cnn3dTrainOptions", "Cnn3dTrainResult"))
ARCHS = [value.removeprefix("CNN3D_ARCH_").lower() for value in read_enum("Cnn3dArch")]
LIBRARY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                       "build", "lib3dcnn", "lib3dcnn.so")


class Ours:
    def __init__(self, library, name, width, classes, threads, clips, targets):
        self.lib = ctypes.CDLL(library)
        self.lib.cnn3d_trainer_new.restype = ctypes.c_void_p
        self.lib.cnn3d_trainer_get_memory.restype = ctypes.c_size_t
        config = Config(arch=ARCHS.index(name), width=width, classes=classes)
        options = Options(seed=1, threads=threads)
        trainer = self.lib.cnn3d_trainer_new(ctypes.byref(config), ctypes.byref(options), None)
        if not trainer:
            raise SystemExit(f"no trainer for {name} {width}")
        self.trainer = ctypes.c_void_p(trainer)
        self.clips, self.targets = clips, targets.astype(np.int32)
        self.result = Result()

    def step(self):
        if not self.lib.cnn3d_trainer_step(
                self.trainer, self.clips.ctypes.data_as(ctypes.c_void_p),
                self.targets.ctypes.data_as(ctypes.c_void_p), len(self.clips),
                ctypes.c_double(0.01), ctypes.byref(self.result), None):
            raise SystemExit("a step failed")

    def close(self):
        self.lib.cnn3d_trainer_unref(self.trainer)


class Torch:
    def __init__(self, name, width, classes, clips, targets, channels_last):
        import torch
        import torch_networks
        self.torch = torch
        self.net = torch_networks.build(name, width, classes).train()
        self.clips, self.targets = torch.from_numpy(clips), torch.from_numpy(targets)
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last_3d)
            self.clips = self.clips.to(memory_format=torch.channels_last_3d)
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, dampening=0.9,
                                   weight_decay=1e-3)

    def step(self):
        self.sgd.zero_grad()
        self.torch.nn.functional.cross_entropy(self.net(self.clips), self.targets).backward()
        self.sgd.step()

    def close(self):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", default=LIBRARY)
    parser.add_argument("--networks", default="shufflenet:0.5,mobilenetv2:0.45")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--classes", type=int, default=600)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", action="store_true", help="ours only, with peak memory")
    args = parser.parse_args()

    rng = np.random.default_rng(1)
    clips = rng.standard_normal((args.batch, 3, 16, 112, 112), dtype=np.float32)
    targets = rng.integers(0, args.classes, args.batch)
    for item in args.networks.split(","):
        name, width = item.split(":")
        peers = {"lib3dcnn": Ours(args.library, name, float(width), args.classes, args.threads,
                                  clips, targets)}
        if not args.alone:
            import torch
            torch.set_num_threads(args.threads)
            for last in (False, True):
                peers["torch channels-last" if last else "torch"] = Torch(
                    name, float(width), args.classes, clips, targets, last)
        times = {key: [] for key in peers}
        for i in range(args.rounds + 1):
            for key, peer in peers.items():
                start = time.perf_counter()
                peer.step()
                if i > 0:  # the first allocates
                    times[key].append(time.perf_counter() - start)
        ours = statistics.median(times["lib3dcnn"])
        for key, values in times.items():
            median = statistics.median(values)
            print(f"{name} {width}x  {key:20s} median {median:.3f} s  best {min(values):.3f} s  "
                  f"{args.batch / median:6.1f} clips/s  {median / ours:.2f}x", flush=True)
        if args.alone:
            print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
        for peer in peers.values():
            peer.close()


if __name__ == "__main__":
    main()
