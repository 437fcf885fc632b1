#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""lib3dcnn by GObject introspection: the same results as the tool's, and errors for what does not fit.

    test-introspection.py TOOL MODEL
"""
import array
import gc
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import gi

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tool"))
from tap import check, finish  # noqa: E402

gi.require_version("Cnn3d", "1.0")
from gi.repository import Cnn3d, GLib  # noqa: E402

TOOL, MODEL = sys.argv[1:3]


def load():
    return Cnn3d.Model.load(MODEL, None)


def on_bytes(data):
    return GLib.Bytes.new(bytes(data))


def run_tool(folder, data, kind):
    path = os.path.join(folder, "clip")
    pathlib.Path(path).write_bytes(data)
    p = subprocess.run([TOOL, "run", MODEL, "--input", path, "--input-format", kind, "--threads", "1", "--json"],
                       capture_output=True, check=True)
    return json.loads(p.stdout)["logits"]


def close(a, b):
    return len(a) == len(b) and all(abs(x - y) <= 1e-4 * max(map(abs, b)) for x, y in zip(a, b))


def refused(name, call, *words):
    """The call raises an error of the library's, which has the words."""
    try:
        result = call()
    except GLib.Error as error:
        check(name, error.matches(Cnn3d.error_quark(), Cnn3d.Error.MISMATCH)
              and all(word in error.message for word in words), error.message)
    else:
        check(name, False, f"returned {result}")


def check_model():
    # What a model gave outlives it.
    config, card = load().get_config(), load().get_card()
    gc.collect()
    check("the configuration", (config.frames, config.size, config.classes) == (16, 112, 10)
          and config.describe() == "3D-ShuffleNetV1 0.5x (3 groups)", config.describe())
    check("the card", len(card.labels) == config.classes and card.labels[1] == "pan left"
          and card.sample_rate == 7.5 and len(card.mean) == 3 and card.name == "Camera motion", card.labels)
    check("labels", [load().get_label(i) for i in range(config.classes)] == card.labels)
    data = pathlib.Path(MODEL).read_bytes()
    check("from memory", Cnn3d.Model.load_bytes(on_bytes(data), "memory", None).get_label(2) == "pan right")
    try:
        Cnn3d.Model.load("/nonexistent/model", None)
        check("a file that is missing", False)
    except GLib.Error as error:
        check("a file that is missing", "/nonexistent/model" in error.message, error.message)


def check_session(folder, rgb):
    model = load()
    options = Cnn3d.SessionOptions()
    options.backend, options.threads = Cnn3d.Backend.CPU, 1
    session = Cnn3d.Session.new(model, options)
    classes, n_features = model.get_config().classes, model.get_n_features()
    wanted = run_tool(folder, rgb, "u8-thwc")
    logits = session.run_rgb(on_bytes(rgb))
    check("RGB as the tool's", close(logits, wanted), f"{logits} {wanted}")
    planes = model.normalize(on_bytes(rgb))
    floats = array.array("f", planes.get_data())
    check("normalised floats", len(floats) == len(rgb) and abs(floats[0] - (rgb[0] - model.get_card().mean[0])) < 1e-4)
    logits_of_floats = session.run(planes)
    check("floats as the tool's", close(logits_of_floats, run_tool(folder, planes.get_data(), "f32-cthw")))
    check("floats of any place", close(session.run(GLib.Bytes.new_from_bytes(
        on_bytes(b"." + planes.get_data()), 1, len(rgb) * 4)), wanted))
    other = bytes(len(rgb))
    both = session.run_rgb(on_bytes(rgb + other))
    check("two clips", len(both) == 2 * classes and close(both[:classes], wanted)
          and close(both[classes:], run_tool(folder, other, "u8-thwc")))
    again, features = session.run_rgb_features(on_bytes(rgb + other))
    check("features", close(again, both) and len(features) == 2 * n_features)
    again, features = session.run_features(planes)
    check("features of floats", close(again, wanted) and len(features) == n_features)
    scores = model.get_card().scores(logits)
    check("scores", len(scores) == classes and abs(sum(scores) - 1) < 1e-5)
    refused("a clip that is too short", lambda: session.run_rgb(on_bytes(rgb[:-1])), "602111", "602112")
    refused("a clip that is too long", lambda: session.run_rgb(on_bytes(rgb + b".")), "602113", "16 frames of 112 x 112")
    refused("bytes in place of floats", lambda: session.run(on_bytes(rgb)), str(4 * len(rgb)), "floats")
    refused("no clip", lambda: session.run_rgb(on_bytes(b"")), "0 bytes")
    refused("no clip with features", lambda: session.run_rgb_features(on_bytes(b"")), "0 bytes")
    refused("two clips to be normalised", lambda: model.normalize(on_bytes(2 * rgb)), "602112")
    refused("no logits", lambda: model.get_card().scores([]), "logits")
    try:
        options.backend, options.precision = Cnn3d.Backend.REFERENCE, Cnn3d.Precision.BF16
        Cnn3d.Session.new(model, options)
        check("a precision that is not there", False)
    except GLib.Error as error:
        check("a precision that is not there", "reference backend" in error.message, error.message)
    model_of = Cnn3d.Session.new(load(), None).get_model()
    gc.collect()
    check("the model of a session that is gone", model_of.get_label(1) == "pan left")


def check_stream(rgb, direct):
    model = load()
    options = Cnn3d.SessionOptions()
    options.backend, options.threads, options.direct_stem = Cnn3d.Backend.CPU, 1, direct
    session = Cnn3d.Session.new(model, options)
    stream = Cnn3d.Stream.new(session, 4)
    size = len(rgb) // 16
    frames = [rgb[size * i:size * (i + 1)] for i in range(16)]
    refused("a clip before its frames", stream.run, "16 frames", "only 0")
    due = []
    for frame in frames + frames[:4]:
        stream.push_rgb(on_bytes(frame))
        due.append(stream.is_due())
        if due[-1]:
            logits, features = stream.run_features()
            last = stream.run()
    check("what is due", [i for i, is_due in enumerate(due) if is_due] == [15, 19], due)
    check("the same bits as a clip", last == logits == session.run_rgb(on_bytes(b"".join(frames[4:] + frames[:4]))))
    check("a stream's features", len(features) == model.get_n_features())
    refused("half a frame", lambda: stream.push_rgb(on_bytes(frames[0][:-3])), "RGB frame", "37632")
    refused("a frame of another kind", lambda: stream.push(on_bytes(4 * frames[0])), "reset")
    check("what is refused does not count", stream.get_n_frames() == 20)
    stream.reset()
    planes = array.array("f", model.normalize(on_bytes(rgb)).get_data())
    n = size // 3
    for t in range(16):
        stream.push(on_bytes(b"".join(planes[(16 * p + t) * n:(16 * p + t + 1) * n].tobytes() for p in range(3))))
    check("frames of floats", close(stream.run(), session.run_rgb(on_bytes(rgb))))
    refused("an RGB frame after floats", lambda: stream.push_rgb(on_bytes(frames[0])), "reset")


def check_unknown():
    card = load().get_card()
    check("nothing is unknown without a rule", card.unknown is None)
    rule = Cnn3d.Unknown()
    rule.rule, rule.threshold = Cnn3d.UnknownRule.MARGIN, 0.5
    check("unknown", rule.judge([1.0, 1.1], None) and not rule.judge([1.0, 9.0], None))
    refused("a judgement of nothing", lambda: rule.judge([], None), "0 logits")
    rule.rule, rule.n_classes, rule.n_features = Cnn3d.UnknownRule.DISTANCE, 2, 3
    refused("a distance without features", lambda: rule.judge([1.0, 2.0], None), "3 features")
    refused("a distance of other classes", lambda: rule.judge([1.0], [1.0, 2.0, 3.0]), "1 logits")


def main():
    rgb = random.Random(1).randbytes(16 * 112 * 112 * 3)
    check_model()
    with tempfile.TemporaryDirectory() as folder:
        check_session(folder, rgb)
    check_stream(rgb, True)
    check_stream(rgb, False)
    check_unknown()
    finish()


main()
