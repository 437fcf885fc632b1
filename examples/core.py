#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""lib3dcnn without GStreamer, and without bindings: GObject introspection is enough. Loads a model, runs one
clip of RGB frames that it paints itself, and prints the best class; then the same frames one by one, as they
would come from a camera.

    core.py MODEL [--test]        (such as models/shufflenet.safetensors)
"""
import sys

import gi

gi.require_version("Cnn3d", "1.0")
from gi.repository import Cnn3d, GLib  # noqa: E402


def paint(number, size):
    """Coloured tiles that move to the right by 3 pixels a frame: the camera pans left. RGB."""
    frame = bytearray()
    for y in range(size):
        for x in range(size):
            i, j = (x - 3 * number + 1400) // 14, y // 14
            shade = (31 * i * i + 17 * j * j + 57 * i * j) % 97 * 255 // 96
            frame += bytes((shade, (shade + 80) % 256, 255 - shade))
    return bytes(frame)


def best_class(model, logits):
    scores = model.get_card().scores(logits)
    best = scores.index(max(scores))
    return model.get_label(best), scores[best]


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: core.py MODEL")
    model = Cnn3d.Model.load(sys.argv[1], None)
    config = model.get_config()
    frames = [paint(number, config.size) for number in range(config.frames)]

    session = Cnn3d.Session.new(model, None)
    # One clip; of several, one after the other, the logits follow each other as well.
    logits = session.run_rgb(GLib.Bytes.new(b"".join(frames)))
    label, score = best_class(model, logits)
    print(f"{session.describe()}: {label} {score:.2f}")

    # Clips that overlap share the first layers, where they begin multiples of four frames apart.
    stream = Cnn3d.Stream.new(session, 4)
    for frame in frames:
        stream.push_rgb(GLib.Bytes.new(frame))
        if stream.is_due():
            streamed, score = best_class(model, stream.run())
            print(f"after {stream.get_n_frames()} frames: {streamed} {score:.2f}")
    if "--test" in sys.argv and not label == streamed == "pan left":
        sys.exit(f"expected a pan left, saw {label} and {streamed}")


if __name__ == "__main__":
    try:
        main()
    except GLib.Error as error:
        sys.exit(error.message)
