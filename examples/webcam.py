#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labels on the picture of the first camera.

    webcam.py [--camera=/dev/video1] [VIDEO] [PROPERTY=VALUE...]

Without a camera that opens it plays the video; without that, a test picture that pans to the left. With
--test there is no window, and it ends after some labels.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

TEST = ("videotestsrc is-live=true pattern=smpte horizontal-speed=-2 "
        "! video/x-raw,width=640,height=480,framerate=30/1")
WANTED = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.ELEMENT


def find_cameras(device):
    """Source elements of all cameras, or of the device that was asked for."""
    if device is not None:
        source = Gst.ElementFactory.make("v4l2src", "camera")
        if source is not None:
            source.set_property("device", device)
        return [source] if source is not None else []
    monitor = Gst.DeviceMonitor.new()
    monitor.add_filter("Video/Source", None)
    if not monitor.start():
        return []
    sources = [device.create_element("camera") for device in monitor.get_devices()]
    monitor.stop()
    return [source for source in sources if source is not None]


def make_pipeline(camera, video, properties, test):
    source = f'filesrc location="{video}" ! decodebin' if video is not None else TEST
    if camera is not None:
        source = "identity name=in ! decodebin"  # its own formats, compressed ones too
    sink = "fakesink sync=true" if test else "autovideosink"
    pipeline = Gst.parse_launch(f"{source} ! videoconvert ! videoclassify3d clip-stride=4 {' '.join(properties)} "
                                f"! videoclassoverlay ! videoconvert ! {sink}")
    if camera is not None:
        pipeline.add(camera)
        camera.link(pipeline.get_by_name("in"))
    return pipeline


def play(pipeline, test):
    """To the end, or to the third label of a test; an error's message, and the labels."""
    error, labels = None, []
    pipeline.set_state(Gst.State.PLAYING)
    while not test or len(labels) < 3:
        message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, WANTED)
        if message.type == Gst.MessageType.ERROR:
            error = message.parse_error()[0].message
        if message.type != Gst.MessageType.ELEMENT:
            break
        s = message.get_structure()
        if s.get_name() == "videoclassify3d":
            labels.append(s.get_string("label"))
            print(f"{labels[-1]} {s.get_double('score')[1]:.2f}", flush=True)
    pipeline.set_state(Gst.State.NULL)
    return error, labels


def main():
    Gst.init(None)
    test, device, video, properties = False, None, None, []
    for arg in sys.argv[1:]:
        if arg == "--test":
            test = True
        elif arg.startswith("--camera="):
            device = arg.removeprefix("--camera=")
        elif "=" in arg:
            properties.append(arg)
        else:
            video = arg
    cameras = [] if test and device is None else find_cameras(device)
    # A camera that is there may be in use, or be no camera. After them comes the video, or the test picture.
    for camera in cameras + [None]:
        error, labels = play(make_pipeline(camera, video, properties, test), test)
        if error is not None:
            print(error, file=sys.stderr)
        if error is None or labels:
            break
    if test and set(labels) != {"pan left"}:
        sys.exit(f"expected a pan left, saw {labels}")
    return 1 if error is not None else 0


if __name__ == "__main__":
    sys.exit(main())
