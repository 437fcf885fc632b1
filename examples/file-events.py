#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints each action of a video once, when it is seen.

    file-events.py VIDEO        (--test makes a video)
"""
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

PAN = "videotestsrc num-buffers=64 pattern=smpte horizontal-speed={} ! video/x-raw,framerate=30/1 ! queue ! c. "
TEST = "concat name=c " + PAN.format(-2) + PAN.format(2) + "c."
WANTED = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.ELEMENT


def main():
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit("usage: file-events.py VIDEO")
    test = sys.argv[1] == "--test"
    source = TEST if test else f'filesrc location="{sys.argv[1]}" ! decodebin'
    pipeline = Gst.parse_launch(f"{source} ! videoclassify3d events=once clip-stride=8 ! fakesink")
    pipeline.set_state(Gst.State.PLAYING)
    events = []
    while True:
        message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, WANTED)
        if message.type == Gst.MessageType.ERROR:
            sys.exit(message.parse_error()[0].message)
        if message.type == Gst.MessageType.EOS:
            break
        s = message.get_structure()
        if s.get_name() == "videoclassify3d-event":
            label, score = s.get_string("label"), s.get_double("score")[1]
            start, end = (s.get_uint64(name)[1] / Gst.SECOND for name in ("start", "end"))
            events.append(label)
            print(f"{start:7.2f} - {end:7.2f} s  {label} ({score:.2f})", flush=True)
    pipeline.set_state(Gst.State.NULL)
    if test and events != ["pan left", "pan right"]:
        sys.exit(f"expected two pans, saw {events}")


if __name__ == "__main__":
    main()
