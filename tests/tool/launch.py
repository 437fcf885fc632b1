# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures and videos for tests, made by gst-launch-1.0."""
import os

from runs import complete


def without_plugin():
    """An environment for GStreamer's own programs: a plugin built for a sanitizer loads into no other program."""
    return {k: v for k, v in os.environ.items() if not k.startswith("GST_")}


def launch(pipeline, location=None):
    """Runs a pipeline, without our plugin. location, which may have spaces, is given to the pipeline's last element."""
    words = pipeline.split() + ([f"location={location}"] if location else [])
    complete(["gst-launch-1.0", "-q", *words], stdout=None, stderr=None, env=without_plugin()).check_returncode()


def turn(path):
    """Says in a QuickTime file that its picture is to be turned by 90 degrees clockwise, as phones do."""
    with open(path, "rb") as f:
        data = f.read()
    begin = data.index(b"tkhd") + 4 + 40
    lying, upright = (b"".join(x.to_bytes(4, "big") for x in (*m, 0, 0, 0x40000000)) for m in (
        (0x10000, 0, 0, 0, 0x10000, 0), (0, 0x10000, 0, 0xffff0000, 0, 0)))
    assert data[begin:begin + 36] == lying
    with open(path, "wb") as f:
        f.write(data[:begin] + upright + data[begin + 36:])
