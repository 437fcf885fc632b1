# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads PNG files of 8 bits a colour, as Cairo writes them."""
import struct
import zlib


def paeth(a, b, c):
    return min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]


def read_png(path):
    """The rows of a picture, each a list of (red, green, blue)."""
    with open(path, "rb") as f:
        data = f.read()
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError(f"{path}: is no PNG file")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    step = {2: 3, 6: 4}[colours]
    assert depth == 8
    raw, rows, above = zlib.decompress(packed), [], bytearray(width * step)
    for y in range(height):
        begin = y * (width * step + 1)
        rule, line = raw[begin], bytearray(raw[begin + 1:begin + 1 + width * step])
        for i, value in enumerate(line):
            left = line[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            line[i] = (value + (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[rule]) & 255
        rows.append([tuple(line[x * step:x * step + 3]) for x in range(width)])
        above = line
    return rows
