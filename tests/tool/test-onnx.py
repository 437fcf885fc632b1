#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exports networks of every architecture, checks the files with ONNX's checker, and compares their
logits in ONNX Runtime, one clip and two at a time, with those of 3dcnn run. Skipped (77) without the
Python packages onnx and onnxruntime; those of bench/compare.py's virtual environment are used if it
is there.
"""
import json
import os
import subprocess
import sys
import tempfile

TOOL, MAKE_MODEL, SOURCE = sys.argv[1:4]
try:
    import numpy
    import onnx
    import onnxruntime
except ImportError as missing:
    VENV = os.path.join(SOURCE, ".venv", "bin", "python")
    if os.path.exists(VENV) and "TEST_ONNX_VENV" not in os.environ:
        os.environ["TEST_ONNX_VENV"] = "1"
        os.execv(VENV, [VENV, *sys.argv])
    print(f"skipped: {missing.name} is not installed in this Python (pip install onnx onnxruntime)")
    sys.exit(77)

TOLERANCE = 1e-4  # of the largest logit
NETWORKS = [  # architecture, width, groups, version, classes, frames, size
    ("shufflenet", 0.5, 3, 0, 5, 16, 64),
    ("shufflenet", 0.5, 1, 0, 5, 16, 64),
    ("shufflenetv2", 0.25, 0, 0, 7, 16, 64),
    ("mobilenet", 0.3, 0, 0, 5, 8, 64),
    ("mobilenetv2", 0.2, 0, 0, 3, 16, 64),
    ("squeezenet", 1, 0, 10, 4, 16, 64),
    ("squeezenet", 1, 0, 11, 4, 16, 112),
]


def ours(model, clip, folder):
    path = os.path.join(folder, "clip.f32")
    clip.astype("<f4").tofile(path)
    out = subprocess.run([TOOL, "run", model, "--input", path, "--json"], check=True, capture_output=True)
    return numpy.array(json.loads(out.stdout)["logits"])


def compare(network, folder):
    model, path = os.path.join(folder, "m.safetensors"), os.path.join(folder, "m.onnx")
    frames, size = network[-2:]
    subprocess.run([MAKE_MODEL, *map(str, network), model], check=True)
    subprocess.run([TOOL, "export", model, "--onnx", path], check=True, capture_output=True)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    clips = numpy.random.default_rng(1).integers(-110, 140, (2, 3, frames, size, size)).astype("f4")
    expected = numpy.stack([ours(model, clip, folder) for clip in clips])
    one = session.run(None, {"x": clips[:1]})[0]
    two = session.run(None, {"x": clips})[0]
    assert one.shape == (1, network[4]) and two.shape == (2, network[4]), (one.shape, two.shape)
    return max(abs(one - expected[:1]).max(), abs(two - expected).max()) / abs(expected).max()


bad = 0
with tempfile.TemporaryDirectory() as tmp:
    for n in NETWORKS:
        error = compare(n, tmp)
        bad += not error <= TOLERANCE
        print(f"{'ok' if error <= TOLERANCE else 'FAILED'}: {n}: {error:.1e} of the largest logit", flush=True)
sys.exit(1 if bad else 0)
