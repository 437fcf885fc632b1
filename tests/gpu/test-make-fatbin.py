#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the kernels are compressed: in a way that drivers before R550 unpack, unless nvcc needs newer ones. TAP.

  test-make-fatbin.py MAKE-FATBIN
"""
import os
import subprocess
import sys
import tempfile

# Says that it knows all options, and writes those that it gets.
NVCC = """#!/bin/sh
case "$*" in
  --version) echo "Cuda compilation tools, release $RELEASE, V$RELEASE.99" ;;
  --help) echo "--compress-mode" ;;
  --list-gpu-code) echo sm_75 ;;
  *) echo "$@" > "$OPTIONS" ;;
esac
"""

with tempfile.TemporaryDirectory() as folder:
    nvcc, options = os.path.join(folder, "nvcc"), os.path.join(folder, "options")
    with open(nvcc, "w", encoding="ascii") as f:
        f.write(NVCC)
    os.chmod(nvcc, 0o755)
    for number, (release, size) in enumerate([("12.8", False), ("12.9", False), ("13.0", True), ("13.1", True)], 1):
        result = subprocess.run([sys.executable, sys.argv[1], "--nvcc", nvcc, "--fatbin", os.path.join(folder, "f")],
                                env=dict(os.environ, RELEASE=release, OPTIONS=options), check=False,
                                capture_output=True, text=True)
        with open(options, encoding="ascii") as f:
            given = f.read()
        good = result.returncode == 0 and "sm_75" in given and ("--compress-mode" in given) == size
        print("ok" if good else "not ok", number, "nvcc", release)
        if not good:
            print("#", given, result.stderr)
print("1..4")
