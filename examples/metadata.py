#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the results on buffers from Python, without bindings: GObject introspection is enough.

    metadata.py VIDEO        (--test makes a video)
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideoClassify", "1.0")
from gi.repository import Gst, GstVideoClassify  # noqa: E402

TEST = ("videotestsrc num-buffers=70 pattern=smpte horizontal-speed=-2 "
        "! video/x-raw,width=320,height=240,framerate=30/1")
seen = []


def on_buffer(_pad, info):
    buffer = info.get_buffer()
    meta = GstVideoClassify.buffer_get_video_classify_meta(buffer, None)
    if meta is not None:
        best = meta.result.get_class(0)
        if not seen or seen[-1] != best.label:
            seen.append(best.label)
            print(f"{buffer.pts / Gst.SECOND:.2f} s: {best.label} {best.score:.2f}")
    return Gst.PadProbeReturn.OK


def main():
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit("usage: metadata.py VIDEO")
    source = TEST if sys.argv[1] == "--test" else f'filesrc location="{sys.argv[1]}" ! decodebin'
    pipeline = Gst.parse_launch(f"{source} ! videoclassify3d ! fakesink name=sink")
    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_buffer)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE,
                                                    Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error()[0].message)
    if sys.argv[1] == "--test" and seen != ["pan left"]:
        sys.exit(f"expected a pan left, saw {seen}")


if __name__ == "__main__":
    main()
