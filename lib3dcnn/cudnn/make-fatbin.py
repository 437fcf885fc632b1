#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compiles the CUDA kernels for all architectures, and writes them as an array in a C file.

  make-fatbin.py --nvcc NVCC --root SOURCES [--fatbin FILE] [--resources FILE] [--output FILE.c]
  make-fatbin.py --embed FILE --output FILE.c     (a fatbin that was made elsewhere)
  make-fatbin.py --empty --output FILE.c          (no nvcc: the backend says so)

--resources writes the registers, stack and spills of each kernel on each architecture.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# Those that nvcc does not know (110 and 120 before 12.9 and 12.8) are left out; newer GPUs than all of
# these compile the PTX.
ARCHITECTURES = [75, 80, 86, 87, 89, 90, 100, 110, 120]
PTX = 75
KERNELS = "lib3dcnn/cudnn/kernels.cu"


def release(nvcc):
    version = subprocess.run([nvcc, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(number) for number in re.search(r"release (\d+)\.(\d+)", version).groups())


def compile_fatbin(nvcc, root, fatbin):
    known = subprocess.run([nvcc, "--list-gpu-code"], check=True, capture_output=True, text=True).stdout
    known = {int(number) for number in re.findall(r"sm_(\d+)", known)}
    args = [nvcc, "-fatbin", "-std=c++17", "-O3", f"-I{root}", "--threads", "2", "-Xptxas", "-v",
            "-o", fatbin, f"{root}/{KERNELS}"]
    for arch in ARCHITECTURES:
        if arch in known:
            code = f"[sm_{arch},compute_{arch}]" if arch == PTX else f"sm_{arch}"
            args += ["-gencode", f"arch=compute_{arch},code={code}"]
    # A quarter of the default's size, but drivers before R550 do not unpack it: only where the code itself needs a newer
    # one. By default CUDA 12 compresses as all drivers unpack.
    if release(nvcc) >= (13, 0):
        args += ["--compress-mode=size"]
    result = subprocess.run(args, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(args)}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def resources(nvcc, log):
    """The lines of ptxas, one for each kernel and architecture, sorted."""
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    full = re.search(r"V(\d+\.\d+\.\d+)", version)
    pattern = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'.*?(\d+) bytes stack frame, "
                         r"(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers"
                         r"(?:[^\n]*?(\d+) bytes smem)?", re.S)
    rows = {}
    for kernel, arch, stack, stores, loads, registers, shared in pattern.findall(log):
        rows.setdefault(kernel, []).append((int(arch), int(registers), int(stack), int(stores) + int(loads),
                                            int(shared or 0)))
    lines = [f"# nvcc {full.group(1) if full else 'unknown'}",
             "# kernel, then registers on each architecture; bytes of stack, spills and shared memory"]
    for kernel in sorted(rows):
        each = sorted(rows[kernel])
        lines.append(f"{kernel:32s} " + " ".join(f"sm_{row[0]}:{row[1]}" for row in each)
                     + f"  stack {max(row[2] for row in each)} spills {max(row[3] for row in each)}"
                     f" shared {max(row[4] for row in each)}")
    return "\n".join(lines) + "\n"


def embed(data, output):
    rows = [data[i:i + 24] for i in range(0, len(data), 24)]
    with open(output, "w", encoding="ascii") as to:
        to.write('/* Made by make-fatbin.py. */\n#include "lib3dcnn/cudnn/fatbin.h"\n\n'
                 "/* The driver reads it as 64-bit words. */\n"
                 f"const unsigned char cnn3d_fatbin[{max(len(data), 1)}] "
                 "__attribute__ ((aligned (16))) = {\n")
        for row in rows:
            to.write(",".join(str(byte) for byte in row) + ",\n")
        if not rows:
            to.write("0\n")
        to.write(f"}};\nconst unsigned long long cnn3d_fatbin_size = {len(data)};\n")


def main():
    parser = argparse.ArgumentParser(description="compiles and embeds the CUDA kernels")
    parser.add_argument("--nvcc")
    parser.add_argument("--root", default=".")
    parser.add_argument("--fatbin")
    parser.add_argument("--resources")
    parser.add_argument("--embed")
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--output")
    args = parser.parse_args()

    if args.empty:
        embed(b"", args.output)
    elif args.embed:
        data = pathlib.Path(args.embed).read_bytes()
        if data[:4] != bytes.fromhex("50ed55ba"):
            sys.exit(f"{args.embed}: not a fatbin")
        embed(data, args.output)
    elif args.nvcc:
        with tempfile.TemporaryDirectory() as folder:
            fatbin = args.fatbin or f"{folder}/kernels.fatbin"
            log = compile_fatbin(args.nvcc, args.root, fatbin)
            if args.resources:
                pathlib.Path(args.resources).write_text(resources(args.nvcc, log), encoding="ascii")
            if args.output:
                embed(pathlib.Path(fatbin).read_bytes(), args.output)
    else:
        parser.error("one of --nvcc, --embed and --empty is needed")


main()
