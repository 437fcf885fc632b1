#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""videoclassify3d inside of a program that has frames of its own: they go in through appsrc, and come out
of appsink with results attached.

    embed.py
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstVideoClassify", "1.0")
from gi.repository import Gst, GstApp, GstVideoClassify  # noqa: E402,F401

WIDTH, HEIGHT, TILE, FPS, FRAMES = 160, 120, 15, 15, 80


def make_frame(number):
    """Coloured tiles that move to the right: the camera pans left. RGB."""
    frame = bytearray()
    for j in range(HEIGHT // TILE):
        row = bytearray()
        for x in range(WIDTH):
            i = (x - 2 * number + 100 * TILE) // TILE
            shade = (31 * i * i + 17 * j * j + 57 * i * j) % 97 * 255 // 96
            row += bytes((shade, (shade + 80) % 256, 255 - shade))
        frame += row * TILE
    buffer = Gst.Buffer.new_wrapped(bytes(frame))
    buffer.pts = number * Gst.SECOND // FPS
    buffer.duration = Gst.SECOND // FPS
    return buffer


def main():
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "appsrc name=source format=time "
        f"caps=video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate={FPS}/1 "
        "! videoclassify3d ! appsink name=sink sync=false")
    source, sink = pipeline.get_by_name("source"), pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    seen = []
    for number in range(FRAMES):
        source.push_buffer(make_frame(number))
        sample = sink.pull_sample()
        if sample is None:
            break
        meta = GstVideoClassify.buffer_get_video_classify_meta(sample.get_buffer(), None)
        best = meta.result.get_class(0) if meta is not None else None
        if best is not None:
            if not seen:
                print(f"frame {number}: {best.label} {best.score:.2f}")
            seen.append(best.label)
    source.end_of_stream()
    pipeline.set_state(Gst.State.NULL)
    return 0 if set(seen) == {"pan left"} else f"expected a pan left, saw {seen}"


if __name__ == "__main__":
    sys.exit(main())
