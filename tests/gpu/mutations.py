#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mutations.py [--cuda FOLDER] [--sanitize] [--only WORD]

Breaks the CUDA kernels one line at a time, and fails if their tests do not notice. Not part of the test
suite: each mutation is compiled anew. --sanitize does so under AddressSanitizer, which
finds reads outside of memory that do not change a result.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ["tests/gpu/kernels-emulated.cpp", "tests/gpu/emulation.cpp"]
C_SOURCES = ["tests/gpu/test-gpu-kernels.c", "tests/gpu/check-kernels.c", "lib3dcnn/cudnn/kernels-shape.c"]

# (what, file, text, replacement, whether only a sanitizer can see it)
MUTATIONS = [
    ("no barrier", "pool.cu", "  __syncthreads ();\n", "", False),
    ("a barrier that only some threads meet", "pool.cu", "  __syncthreads ();\n",
     "  if (threadIdx.x < 64)\n    __syncthreads ();\n", False),
    ("columns right of the input are read", "depthwise.cu", "(unsigned) (w + x) < (unsigned) a.in.w",
     "w + x >= 0", False),
    ("rows below the input are read", "depthwise.cu", "(unsigned) (h + y) < (unsigned) a.in.h",
     "h + y >= 0", False),
    ("the run is written to its end", "depthwise.cu", "if (w + r < a.out.w)", "if (true)", False),
    ("one weight for another", "depthwise.cu", "((row + y) * 3 + k) * a.c", "((row + y) * 3 + 2 - k) * a.c",
     False),
    ("threads after the last run", "depthwise.cu", "number >= n_runs", "number > n_runs", False),
    ("the input is not clamped", "depthwise.cu", "v[i] = bound_above (v[i], a.load_high);", ";", False),
    ("padding wins a maximum", "pool.cu", "inside ? Op::join (sum[i], bound_above (v[i], a.load_high)) : sum[i]",
     "Op::join (sum[i], bound_above (v[i], a.load_high))", False),
    ("lanes after the last", "pool.cu", "if (lane < a.c)", "if (true)", True),
    ("half of the rows are added", "pool.cu", "for (int r = 0; r < ROWS; r++)\n      total",
     "for (int r = 0; r < ROWS / 2; r++)\n      total", False),
    ("NaN becomes a bound", "device.cuh", "bound_above (v < low ? low : v, high)",
     "fminf (fmaxf (v, low), high)", False),
    ("a maximum forgets NaN", "pool.cu", "a >= v ? a : a == a ? v : a", "a >= v ? a : v", False),
    ("a list is taken for a pack", "elementwise.cu", "whole && lane[i] == lane[0] + i", "whole", False),
    ("a pack that is not aligned", "elementwise.cu", "n == V && lane[0] % V == 0", "n == V", True),
    ("the tail of a list is written", "elementwise.cu", "      if (i < n)\n        from_float (&y",
     "        from_float (&y", False),
    ("a sum without its bias", "elementwise.cu", "if (a.bias != nullptr)", "if (false)", False),
    ("the last pack is written whole", "input.cu", "total - first >= V", "true", False),
    ("bytes in their own order", "input.cu", "int byte = lane == 0 ? a.order[0]", "int byte = lane == 0 ? 0", False),
]


def build_and_run(folder, cuda, flags):
    include = [f"-I{folder}", "-isystem", f"{cuda}/include", "-D_GNU_SOURCE"]
    objects = []
    for source in SOURCES + C_SOURCES:
        compiler = ["g++", "-std=c++17"] if source.endswith("cpp") else ["gcc"]
        target = f"{folder}/{pathlib.Path(source).stem}.o"
        objects.append(target)
        if source in SOURCES[1:] + C_SOURCES and pathlib.Path(target).exists():
            continue
        subprocess.run(compiler + flags + include + ["-c", f"{folder}/{source}", "-o", target], check=True,
                       stderr=subprocess.DEVNULL)
    subprocess.run(["g++"] + flags + objects + ["-lm", "-o", f"{folder}/test"], check=True)
    return subprocess.run([f"{folder}/test"], capture_output=True, text=True, timeout=300)


def main():
    parser = argparse.ArgumentParser(description="shows that the tests of kernels find errors")
    parser.add_argument("--cuda", default="/usr/local/cuda")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--only", default="", help="mutations whose description has this word")
    args = parser.parse_args()
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if args.sanitize else ["-O1"]

    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        for part in ("lib3dcnn/cudnn", "tests/gpu"):
            shutil.copytree(ROOT / part, f"{folder}/{part}")
        if build_and_run(folder, args.cuda, flags).returncode != 0:
            sys.exit("the tests fail without a mutation")
        for what, name, text, replacement, sanitizer in MUTATIONS:
            if args.only not in what:
                continue
            path = pathlib.Path(folder) / "lib3dcnn/cudnn" / name
            source = path.read_text(encoding="utf-8")
            if source.count(text) < 1:
                sys.exit(f"{name}: there is no '{text}' to change")
            path.write_text(source.replace(text, replacement, 1), encoding="utf-8")
            result = build_and_run(folder, args.cuda, flags)
            path.write_text(source, encoding="utf-8")
            found = result.returncode != 0
            excused = not found and sanitizer and not args.sanitize
            survivors += not found and not excused
            print(f"{'found' if found else 'needs --sanitize' if excused else 'NOT FOUND':16s} {what}")
    return 1 if survivors else 0


sys.exit(main())
