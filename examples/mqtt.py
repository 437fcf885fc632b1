#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Publishes the lines of videoclassjson to an MQTT broker, as topics 3dcnn/SOURCE/TYPE (paho-mqtt, which
Debian packages as python3-paho-mqtt).

    mqtt.py BROKER[:PORT] SOURCE VIDEO|--test

SOURCE is any name that topics may have: no /, + or #.
"""
import json
import os
import sys

import gi
from paho.mqtt import MQTTException, publish

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

TEST = ("videotestsrc num-buffers=70 pattern=smpte horizontal-speed=-2 "
        "! video/x-raw,width=320,height=240,framerate=30/1")


def main():
    Gst.init(None)
    if len(sys.argv) != 4:
        sys.exit("usage: mqtt.py BROKER[:PORT] SOURCE VIDEO")
    broker, source_name, video = sys.argv[1:]
    host, _, port = broker.partition(":")
    if (port and not port.isdigit()) or set(source_name) & set('/+#"\\'):
        sys.exit(f"{broker}, {source_name}: a port is a number, and a source's name has no / + # \" or \\")
    source = TEST if video == "--test" else f'filesrc location="{video}" ! decodebin ! videoconvert'
    ended, failures = [], []
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)  # or the element opens the pipe anew, and closing it here does not end it
    pipeline = Gst.parse_launch(f"{source} ! videoclassify3d events=once "
                                f'! videoclassjson fd={write_end} source="{source_name}" utc=true ! fakesink')

    def on_message(_bus, message):
        """On the streaming thread, so that nothing else has to run."""
        if message.type in (Gst.MessageType.EOS, Gst.MessageType.ERROR) and not ended:
            ended.append(message.type)
            if message.type == Gst.MessageType.ERROR:
                failures.append(message.parse_error()[0].message)
            os.close(write_end)
        return Gst.BusSyncReply.DROP

    pipeline.get_bus().set_sync_handler(on_message)
    pipeline.set_state(Gst.State.PLAYING)
    with os.fdopen(read_end, encoding="utf-8") as lines:
        for line in lines:
            kind = json.loads(line)["type"]
            try:
                publish.single(f"3dcnn/{source_name}/{kind}", line.strip(), qos=1, hostname=host,
                               port=int(port or 1883))
            except (OSError, ValueError, MQTTException) as error:
                failures.append(f"{broker}: {error}")
                break
    pipeline.set_state(Gst.State.NULL)
    return "\n".join(failures) or 0


if __name__ == "__main__":
    sys.exit(main())
