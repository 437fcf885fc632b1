#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the pictures in doc/images with what videoclassoverlay draws now: they have the same size, and differ by
no more than another version of the font does. TAP output.

    test-pictures.py GST-LAUNCH OVERLAY-PICTURE SOURCE-FOLDER [--write]
"""
import os
import struct
import subprocess
import sys
import tempfile

LAUNCH, DRAW, SOURCE = sys.argv[1:4]
PICTURES = {
    "overlay-320x240.png": ["320", "240"],
    "overlay-720p.png": ["1280", "720", "--objects"],
    "overlay-4k.png": ["3840", "2160"],
}
# The share of values, in a thumbnail, that differ by more than STEP of 255.
STEP, SHARE = 32, 0.03
THUMBNAIL = "video/x-raw,format=RGB,width=320,height=180"


def draw(name, path, *options):
    width, height, *more = PICTURES[name]
    subprocess.run([DRAW, width, height, path, *more, *options], check=True)


def size(path):
    with open(path, "rb") as f:
        return struct.unpack(">II", f.read(24)[16:])


def thumbnail(path, folder):
    raw = os.path.join(folder, "raw")
    subprocess.run([LAUNCH, "-q", "filesrc", f"location={path}", "!", "pngdec", "!", "videoconvert", "!", "videoscale",
                    "method=lanczos", "add-borders=false", "!", THUMBNAIL, "!", "filesink", f"location={raw}"], check=True)
    with open(raw, "rb") as f:
        return f.read()


def difference(a, b):
    return sum(abs(x - y) > STEP for x, y in zip(a, b)) / len(a) if len(a) == len(b) else 1


def main():
    print(f"1..{len(PICTURES)}")
    with tempfile.TemporaryDirectory() as folder:
        for i, name in enumerate(PICTURES, 1):
            kept, now = os.path.join(SOURCE, "doc", "images", name), os.path.join(folder, name)
            if "--write" in sys.argv:
                draw(name, kept, "--small")
            draw(name, now)
            same = size(kept) == size(now)
            share = difference(thumbnail(kept, folder), thumbnail(now, folder))
            print(f"{'ok' if same and share < SHARE else 'not ok'} {i} {name} # {share:.2%} of the values differ")


main()
