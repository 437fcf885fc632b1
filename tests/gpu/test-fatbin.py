#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in the embedded kernels: machine code for each architecture, and PTX for later ones. TAP.

  test-fatbin.py FATBIN [NVCC]     (an older nvcc does not know the newest architectures)
"""
import re
import struct
import subprocess
import sys

EXPECTED = {75, 80, 86, 87, 89, 90, 100, 110, 120}
PTX, CODE = 1, 2


def entries(data):
    """(kind, architecture) of each part: a header of 16 bytes, then headers with their sizes."""
    magic, _, begin, size = struct.unpack_from("<IHHQ", data)
    assert magic == 0xba55ed50 and begin + size <= len(data), "not a whole fatbin"
    at = begin
    while at < begin + size:
        kind, _, header, length = struct.unpack_from("<HHIQ", data, at)
        yield kind, struct.unpack_from("<I", data, at + 28)[0]
        at += header + length


with open(sys.argv[1], "rb") as f:
    found = list(entries(f.read()))
if len(sys.argv) > 2:
    known = subprocess.run([sys.argv[2], "--list-gpu-code"], check=True, capture_output=True, text=True).stdout
    EXPECTED &= {int(number) for number in re.findall(r"sm_(\d+)", known)}
code = {arch for kind, arch in found if kind == CODE}
ptx = {arch for kind, arch in found if kind == PTX}
print("# code for", sorted(code), "PTX for", sorted(ptx))
print("ok 1 code" if code == EXPECTED else f"not ok 1 code: expected {sorted(EXPECTED)}")
print("ok 2 PTX" if ptx == {75} else "not ok 2 PTX: expected 75")
print("1..2")
