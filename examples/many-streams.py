#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several live streams in one process: the elements share one network, and none waits for another. Each is a
pipeline of its own, so that the others go on when one fails or ends.

    many-streams.py URI...        (--test: four test pictures, and a fifth that fails)
"""
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

TEST = ("videotestsrc is-live=true num-buffers=80 pattern=smpte horizontal-speed={} "
        "! video/x-raw,width=320,height=240,framerate=30/1")
TESTS = [TEST.format(speed) for speed in (-2, 2, -2, 2)] + [TEST.format(-2) + " ! identity error-after=20"]


class Streams:
    def __init__(self):
        self.loop = GLib.MainLoop()
        self.pipelines, self.labels, self.playing, self.failed = [], {}, 0, 0

    def add(self, source, uri=None):
        name = f"camera-{len(self.pipelines)}"
        pipeline = Gst.parse_launch(f"{source} ! videoclassify3d mode=async clip-stride=8 name={name} "
                                    "! fakesink sync=true")
        if uri is not None:
            pipeline.get_by_name("source").set_property("uri", uri)
        pipeline.get_bus().add_watch(GLib.PRIORITY_DEFAULT, self.on_message)
        self.pipelines.append(pipeline)
        self.playing += 1
        pipeline.set_state(Gst.State.PLAYING)

    def on_message(self, _bus, message):
        """Whatever its errors are, a stream ends once."""
        if message.type == Gst.MessageType.ELEMENT and message.get_structure().get_name() == "videoclassify3d":
            s = message.get_structure()
            print(f"{message.src.name}: {s.get_string('label')} {s.get_double('score')[1]:.2f}", flush=True)
            self.labels.setdefault(message.src.name, set()).add(s.get_string("label"))
        elif message.type in (Gst.MessageType.EOS, Gst.MessageType.ERROR):
            if message.type == Gst.MessageType.ERROR:
                print(f"{message.src.name}: {message.parse_error()[0].message}", file=sys.stderr)
                self.failed += 1
            self.playing -= 1
            if self.playing == 0:
                self.loop.quit()
            return False
        return True

    def run(self):
        self.loop.run()
        for pipeline in self.pipelines:
            pipeline.set_state(Gst.State.NULL)


def main():
    Gst.init(None)
    if len(sys.argv) < 2:
        sys.exit("usage: many-streams.py URI...")
    test = sys.argv[1] == "--test"
    streams = Streams()
    for source in TESTS if test else []:
        streams.add(source)
    for uri in [] if test else sys.argv[1:]:
        streams.add("uridecodebin name=source", uri)
    streams.run()
    if test and (streams.failed != 1 or len(streams.labels) != 4):
        sys.exit(f"expected labels of four streams, saw {streams.labels}")
    return 1 if streams.failed and not test else 0


if __name__ == "__main__":
    sys.exit(main())
