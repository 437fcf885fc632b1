#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An overlay of one's own: reads the results on buffers and draws with Cairo; here, a gauge for the score
of the best class.

    own-overlay.py VIDEO        (--test makes a video, and shows nothing)
"""
import math
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideoClassify", "1.0")
gi.require_foreign("cairo")
from gi.repository import Gst, GstVideoClassify  # noqa: E402

TEST = ("videotestsrc num-buffers=70 pattern=smpte horizontal-speed=-2 "
        "! video/x-raw,width=320,height=240,framerate=30/1")
current = {"label": None, "score": 0.0}
drawn = []


def on_buffer(_pad, info):
    """Before cairooverlay gets the buffer: what is to be drawn on it."""
    meta = GstVideoClassify.buffer_get_video_classify_meta(info.get_buffer(), None)
    best = meta.result.get_class(0) if meta is not None else None
    current["label"] = best.label if best is not None else None
    current["score"] = best.score if best is not None else 0.0
    return Gst.PadProbeReturn.OK


def on_draw(_overlay, context, _timestamp, _duration):
    if current["label"] is None:
        return
    drawn.append(current["label"])
    context.set_line_width(10)
    context.set_source_rgba(0, 0, 0, 0.6)
    context.arc(50, 50, 30, 0, 2 * math.pi)
    context.stroke()
    context.set_source_rgb(0.2, 0.9, 0.4)
    context.arc(50, 50, 30, -math.pi / 2, -math.pi / 2 + 2 * math.pi * current["score"])
    context.stroke()
    context.set_source_rgb(1, 1, 1)
    context.set_font_size(20)
    context.move_to(95, 57)
    context.show_text(current["label"])


def main():
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit("usage: own-overlay.py VIDEO")
    test = sys.argv[1] == "--test"
    source = TEST if test else f'filesrc location="{sys.argv[1]}" ! decodebin'
    sink = "fakesink" if test else "autovideosink"
    pipeline = Gst.parse_launch(f"{source} ! videoconvert ! videoclassify3d ! videoconvert "
                                f"! cairooverlay name=draw ! videoconvert ! {sink}")
    draw = pipeline.get_by_name("draw")
    draw.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_buffer)
    draw.connect("draw", on_draw)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE,
                                                    Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error()[0].message)
    if test and drawn != ["pan left"] * 7:
        sys.exit(f"expected a pan left on the last 7 frames, drew {drawn}")


if __name__ == "__main__":
    main()
