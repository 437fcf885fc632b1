#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every command of 3dcnn as a user would: results, messages, exit codes. TAP output."""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

from launch import launch, turn
from runs import complete
from tap import check, finish

TOOL, SOURCE, HAVE_GST = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
MODEL = os.path.join(SOURCE, "models", "shufflenet.safetensors")


def run(*args, **variables):
    p = complete([TOOL, *args], env={**os.environ, **variables})
    return p.returncode, p.stdout, p.stderr


def test_main():
    status, out, err = run()
    check("no command is wrong usage", status == 2 and "Usage" in err and not out, (status, out, err))
    status, out, _ = run("--help")
    check("--help", status == 0 and "info" in out and "bench" in out, out)
    status, out, _ = run("--version")
    check("--version", status == 0 and out.startswith("3dcnn "), out)
    status, _, err = run("nonsense")
    check("an unknown command is named", status == 2 and "nonsense" in err, err)
    with open(os.path.join(SOURCE, "doc", "3dcnn.1"), encoding="utf-8") as f:
        page = f.read().replace("\\-", "-")
    for command in ["info", "eval", "import", "verify", "run", "export", "bench", "devices", "selftest", "train", "finetune"] + ["classify", "synth"] * HAVE_GST:
        status, out, _ = run(command, "--help")
        options = {w.split("=")[0].rstrip(",") for w in out.split() if w.startswith("--")}
        missing = [o for o in options - {"--help"} if o not in page]
        check(f"{command} --help, and all of it in the man page", status == 0 and not missing, missing)
        status, _, err = run(command, "--nonsense")
        check(f"{command} refuses unknown options", status == 2 and "nonsense" in err, err)


def test_info():
    status, out, _ = run("info", MODEL)
    check("info prints the card", status == 0 and "pan left" in out and "7.5 frames" in out, out)
    status, out, _ = run("info", "shufflenet", "--json")
    info = json.loads(out)
    check("info by name, as JSON", status == 0 and info["classes"] == 10 and info["groups"] == 3, info)
    status, out, _ = run("info", "--arch", "mobilenetv2", "--width", "0.45", "--json")
    info = json.loads(out)
    check("info of an architecture", info["parameters"] == 1399834 and info["macs"] == 157963292, info)
    status, _, err = run("info", "--arch", "shufflenetv2", "--width", "0.3")
    check("an impossible width is explained", status == 1 and "0.25" in err, err)
    status, _, err = run("info", "--arch", "resnet")
    check("an unknown architecture is named", status == 1 and "resnet" in err, err)
    status, _, err = run("info", "mobilenetv3")
    check("a name without weights says what to do", status == 1 and "mobilenetv3" in err
          and "published checkpoints" in err, err)
    status, _, err = run("info")
    check("info needs a model", status == 2, err)
    info = json.loads(run("info", "--arch", "shufflenet", "--roofline", "--batch", "2", "--json")[1])["roofline"]
    check("info predicts the cost on GPUs", info["clips"] == 2 and info["macs"] == 2 * 187711104
          and info["launches"] <= 75 and len(info["devices"]) == 4, info)
    for clips in (1, 8):
        status, out, err = run("info", "--roofline", "--batch", str(clips))
        rows = [line.split() for line in out.splitlines()[2:]]
        check(f"info predicts the cost of all networks, {clips} clips", status == 0 and len(rows) == 17
              and rows[1][:5] == ["shufflenet", "1x", "56", "28.0" if clips == 1 else "22.0", "188"] and "H100" in out, (out, err))
    all_json = json.loads(run("info", "--roofline", "--batch", "2", "--json")[1])
    check("... as JSON", len(all_json) == 17 and all_json[1]["roofline"] == info and all_json[1]["width"] == 1, all_json[1])
    status, _, err = run("info", "--roofline", "--width", "0.5")
    check("... of which the widths are given", status == 2 and "--arch" in err, err)
    status, _, err = run("info", "--roofline", "--size", "10000")
    check("... at a size that cannot be", status == 1 and "10000" in err, err)
    status, out, _ = run("info", "shufflenet", "--roofline", "--precision", "fp32")
    check("... as text", status == 0 and "H100" in out and "predicted" in out and "fp32" in out, out)
    for option in ["--batch=8", "--precision=fp32"]:
        status, out, err = run("info", "shufflenet", option)
        check(f"info refuses {option} without --roofline", status == 2 and "--roofline" in err and out == "", err)
    for option in ["--batch=0", "--precision=int8"]:
        status, _, err = run("info", "shufflenet", "--roofline", option)
        check(f"info refuses {option}", status == 2 and option.split("=")[0] in err, err)


def test_import_verify(folder):
    out_file = os.path.join(folder, "copy.safetensors")
    status, out, err = run("import", MODEL, "-o", out_file, "--name", "Copy", "--sample-rate", "5")
    check("import", status == 0 and "3D-ShuffleNetV1 0.5x" in out, err)
    info = json.loads(run("info", out_file, "--json")[1])
    check("import changes the card", info["name"] == "Copy" and info["sample_rate"] == 5
          and info["labels"][1] == "pan left", info)
    status, out, err = run("verify", out_file, MODEL)
    check("verify", status == 0 and out.count(": ok") == 2, err)
    with open(out_file, "rb") as f:
        data = bytearray(f.read())
    header = 8 + struct.unpack("<Q", data[:8])[0]
    data[header + 3] ^= 0x40
    with open(out_file, "wb") as f:
        f.write(data)
    status, _, err = run("verify", out_file)
    check("verify finds a changed weight", status == 1 and "self-check" in err, err)
    labels = os.path.join(folder, "labels.txt")
    with open(labels, "w", encoding="utf-8") as f:
        f.write("one\ntwo\n")
    status, _, err = run("import", MODEL, "-o", out_file, "--labels", labels)
    check("labels that do not fit are named", status == 1 and "labels.txt" in err and "10" in err, err)
    status, _, err = run("import", MODEL, "-o", os.path.join(folder, "no", "such", "folder"))
    check("an unwritable file is named", status == 1 and "folder" in err, err)
    status, _, err = run("import", "/dev/null", "-o", out_file)
    check("what is no model is refused", status == 1 and "/dev/null" in err, err)


def test_run(folder):
    clip = os.path.join(folder, "clip.u8")
    with open(clip, "wb") as f:
        f.write(bytes((i * 7) % 256 for i in range(16 * 112 * 112 * 3)))
    logits = {}
    for backend in ("cpu", "reference"):
        status, out, err = run("run", MODEL, "--input", clip, "--input-format", "u8-thwc", "--backend",
                               backend, "--threads", "2", "--json")
        logits[backend] = json.loads(out)["logits"]
        check(f"run on {backend}", status == 0 and len(logits[backend]) == 10, err)
    largest = max(map(abs, logits["reference"]))
    worst = max(abs(a - b) for a, b in zip(logits["cpu"], logits["reference"]))
    check("backends agree", worst <= 1e-4 * largest, (worst, largest))
    status, _, err = run("run", MODEL, "--input", clip)
    check("a clip of the wrong size is explained", status == 1 and "602112" in err and "2408448" in err, err)
    status, _, err = run("run", MODEL, "--input", os.path.join(folder, "none"))
    check("a missing clip is named", status == 1 and "none" in err, err)
    status, _, err = run("run", MODEL, "--input", clip, "--backend", "gpu")
    check("an unknown backend is named", status == 2 and "gpu" in err, err)


def test_export(folder):
    path = os.path.join(folder, "model.onnx")
    status, _, err = run("export", MODEL, "--onnx", path)
    with open(path, "rb") as f:
        data = f.read()
    check("export", status == 0 and b"lib3dcnn" in data and data.count(b"Conv") == 49 and b"Gemm" in data, err)
    check("export keeps the card", b"3dcnn.labels" in data and b"pan left" in data, data[:2000])
    status, _, err = run("export", MODEL)
    check("export needs --onnx", status == 2 and "--onnx" in err, err)
    status, _, err = run("export", MODEL, "--onnx", os.path.join(folder, "no", "model.onnx"))
    check("a file that cannot be written is named", status == 1 and "model.onnx" in err, err)


def test_bench():
    status, out, err = run("bench", MODEL, "--runs", "2", "--threads", "1,2", "--batch", "2", "--json")
    rows = json.loads(out)
    check("bench", status == 0 and [r["threads"] for r in rows] == [1, 2] and rows[0]["median_ms"] > 0, err)
    status, out, err = run("bench", MODEL, "--layers", "--runs", "3")
    check("bench --layers", status == 0 and "classifier.1" in out and "depthwise" in out and "peak" in out, err)
    check("bench tells the speed", all(r["gflops"] > 0 and r["p10_ms"] <= r["median_ms"] <= r["p90_ms"]
                                       for r in rows), rows)
    status, out, err = run("bench", "--arch", "shufflenet", "--groups", "8", "--layers", "--runs", "2", "--json")
    info = json.loads(run("info", "--arch", "shufflenet", "--groups", "8", "--json")[1])
    rows = json.loads(out)
    check("bench --layers as JSON has every multiply-add", status == 0 and rows[0]["peak_gflops"] > 0
          and sum(layer["macs"] for layer in rows[0]["layers"]) == info["macs"], (err, out))
    status, out, err = run("bench", "--arch", "resnet")
    check("bench prints no table where it fails", status == 1 and "resnet" in err and out == "", (out, err))
    for command in ["bench", "run", "verify", "selftest", "eval", *["classify"] * HAVE_GST]:
        status, _, err = run(command, MODEL, "--backend", "nosuch", *{"run": ["--input", "x"], "eval": ["--data", "x"],
                                                                       "classify": ["x"]}.get(command, []))
        check(f"{command} refuses a backend that does not exist", status == 2 and "'nosuch'" in err, err)
    status, out, err = run("bench", MODEL, "--runs", "1", "--backend", "cpu")
    check("bench says where it ran", status == 0 and out.startswith("cpu (") and "thread" not in out.splitlines()[0],
          out)
    status, _, err = run("bench", MODEL, "--layers", "--batch", "2")
    check("bench --layers refuses batches", status == 2 and "--batch" in err, err)
    status, _, err = run("bench", MODEL, "--layers", "--backend", "reference")
    check("bench --layers names a backend without a profile", status == 1 and "reference" in err, err)
    status, out, err = run("bench", MODEL, "--stream", "8", "--runs", "2", "--threads", "1,2", "--json")
    rows = json.loads(out) if status == 0 else []
    check("bench --stream", len(rows) == 2 and all(r["stride"] == 8 and 0 < r["latency_ms"] <= r["stream_ms"]
                                                   and r["direct_ms"] > 0 for r in rows), err)
    status, _, err = run("bench", MODEL, "--stream", "8", "--batch", "2")
    check("bench --stream refuses batches", status == 2 and "--batch" in err, err)
    status, _, err = run("bench", MODEL, "--width", "2")
    check("bench refuses a width for a model", status == 2 and "--arch" in err, err)
    status, _, err = run("bench", MODEL, "--threads", "x")
    check("bench refuses threads that are no numbers", status == 2 and "'x'" in err, err)


def test_precision(folder):
    clip = os.path.join(folder, "clip.u8")
    isa = {"CNN3D_CPU_ISA": "baseline"}
    for command in (["run", MODEL, "--input", clip, "--input-format", "u8-thwc"], ["verify", MODEL],
                    ["bench", MODEL, "--runs", "1"]):
        for precision, why in (("fp16", "cpu backend"), ("bf16", "cpu backend"), ("int8", "bf16x3")):
            status, out, err = run(*command, "--backend", "cpu", "--precision", precision, **isa)
            check(f"{command[0]} says where {precision} is not to be had",
                  status == (2 if precision == "int8" else 1)
                  and precision in err and why in err and ": ok" not in out, (out, err))
    status, out, err = run("verify", MODEL, "--backend", "cpu", "--precision", "fp32", **isa)
    check("verify in one precision", status == 0 and ": ok, cpu (baseline" in out and "of the largest" in out, err)
    if run("verify", MODEL, "--precision", "bf16")[0] != 0:
        check("bf16 and bf16x3 # SKIP this CPU has neither", True)
        return
    errors = {}
    for precision in ("fp32", "bf16x3", "bf16"):
        status, out, err = run("verify", MODEL, "--precision", precision, "--backend", "cpu")
        check(f"verify in {precision}", status == 0 and ": ok" in out, err)
        errors[precision] = float(out.split("differ by ")[1].split()[0])
        check("... which it names", precision == "fp32" or f"{precision} by " in out, out)
        status, out, err = run("run", MODEL, "--input", clip, "--input-format", "u8-thwc", "--precision", precision)
        check(f"run in {precision}", status == 0 and len(out.split()) >= 10, err)
        status, out, err = run("bench", MODEL, "--precision", precision, "--runs", "1", "--json")
        check(f"bench in {precision}", status == 0 and "cpu" in json.loads(out)[0]["backend"], err)
    check("errors are as precise", errors["fp32"] <= errors["bf16x3"] < 1e-4 < errors["bf16"] < 3e-2, errors)
    status, out, err = run("selftest", MODEL, "--only", "--backend", "cpu", "--precision", "bf16x3", "--runs", "1")
    check("selftest of a precision of the CPU", status == 0 and "0 failed" in out, out + err)


def test_formats(folder):
    """A checkpoint is as good a model as a model file."""
    clip = os.path.join(folder, "clip.f32")
    with open(clip, "wb") as f:
        f.write(struct.pack("<f", 1.5) * (3 * 16 * 112 * 112))
    for name in ("legacy.pth", "zip.pth", "state.safetensors"):
        model = os.path.join(SOURCE, "tests", "data", name)
        results = [run("info", model, "--json"), run("run", model, "--input", clip, "--json"),
                   run("bench", model, "--runs", "1", "--json"),
                   run("export", model, "--onnx", os.path.join(folder, "m.onnx"))]
        check(f"info, run, bench and export take {name}", all(status == 0 for status, _, _ in results),
              [err for _, _, err in results])
        logits = json.loads(results[1][1])["logits"]
        largest = max(map(abs, logits))
        if name == "legacy.pth":
            first = logits
        check(f"{name} is the same network", max(abs(a - b) for a, b in zip(first, logits)) <= 1e-4 * largest
              and len(logits) == 3, (first, logits))
        status, _, err = run("verify", model)
        check(f"verify says that {name} has no self-check", status == 1 and "self-check" in err, err)


def test_classify(folder):
    video = os.path.join(folder, "pan.avi")
    launch("videotestsrc num-buffers=64 pattern=smpte horizontal-speed=-2 "
           f"! video/x-raw,width=320,height=240,framerate=30/1 ! jpegenc ! avimux ! filesink location={video}")
    status, out, err = run("classify", "shufflenet", video)
    check("classify", status == 0 and "pan left" in out and "whole video" in out, (out, err))
    status, out, err = run("classify", MODEL, video, "--json", "--clip-stride", "4", "--top-k", "2")
    data = json.loads(out)
    check("classify as JSON", status == 0 and data[0]["classes"][0]["label"] == "pan left"
          and len(data[0]["clips"][0]["classes"]) == 2, (out, err))
    turned = os.path.join(folder, "turned.mov")
    launch("videotestsrc num-buffers=64 pattern=smpte horizontal-speed=-2 ! video/x-raw,width=320,height=240,framerate=30/1 "
           f"! jpegenc ! qtmux ! filesink location={turned}")
    turn(turned)
    status, out, err = run("classify", MODEL, turned)
    check("classify turns videos by their tag", status == 0 and "whole video          tilt up" in out, (out, err))
    status, out, err = run("classify", MODEL, video, "--srt", "--vtt", "--csv")
    text = {}
    for ending in ("srt", "vtt", "csv"):
        with open(video[:-3] + ending, encoding="utf-8") as f:
            text[ending] = f.read()
    check("classify writes subtitles", status == 0
          and text["srt"] == "1\n00:00:00,000 --> 00:00:02,000\npan left\n\n", (err, text))
    check("classify writes WebVTT", text["vtt"].startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\npan left"),
          text)
    check("classify writes CSV", text["csv"].startswith('start,end,label,score\n0.000,2.000,"pan left",0.9'), text)
    labels, told = os.path.join(folder, "quotes.txt"), os.path.join(folder, "quotes.safetensors")
    with open(labels, "w", encoding="utf-8") as f:
        f.write("x\nDon't \"pan\" <b> & go\n" + "x\n" * 8)
    run("import", MODEL, "-o", told, "--labels", labels)
    status, out, err = run("classify", told, video, "--vtt")
    with open(video[:-3] + "vtt", encoding="utf-8") as f:
        check("WebVTT escapes what it knows", status == 0 and f.read().endswith("Don't \"pan\" &lt;b&gt; &amp; go\n\n"), (out, err))
    misnamed = os.path.join(folder, "misnamed.srt")
    shutil.copy(video, misnamed)
    status, out, err = run("classify", MODEL, misnamed, "--csv")
    check("a video is never replaced by its subtitles", status == 2 and "misnamed.srt" in err and not out
          and os.path.getsize(misnamed) == os.path.getsize(video), (status, out, err))
    for command in (("classify", MODEL, video), ("classify", MODEL, video, "--json"), ("info", MODEL)):
        with open("/dev/full", "w", encoding="utf-8") as full:
            p = complete([TOOL, *command], stdout=full)
        check(f"{command[0]} to a full disk", p.returncode == 1 and "standard output cannot be written" in p.stderr,
              (p.returncode, p.stderr))
    picture = os.path.join(folder, "one frame.avi")
    launch("videotestsrc num-buffers=1 ! video/x-raw,width=320,height=240,framerate=25/1 ! jpegenc ! avimux "
           "! filesink", picture)
    status, out, err = run("classify", MODEL, picture, "--srt", "--vtt", "--threshold", "0")
    for ending, cue in (("srt", "00:00:00,000 --> 00:00:00,040"), ("vtt", "00:00:00.000 --> 00:00:00.040")):
        with open(picture[:-3] + ending, encoding="utf-8") as f:
            check(f"{ending} of a single frame lasts as long as that", status == 0 and cue in f.read(), (out, err))
    for options in (("--threshold", "7"), ("--threshold", "nan"), ("--threshold", "-0.1"), ("--sample-rate", "nan")):
        status, out, err = run("classify", MODEL, video, *options)
        check(f"classify refuses {' '.join(options)}", status == 2 and options[0] in err and not out, (out, err))
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"http://127.0.0.1:{server.getsockname()[1]}/x.mp4"
    status, out, err = run("classify", MODEL, nowhere)
    check("a URI that cannot be read is not called one without video", status == 1 and nowhere + ": " in err
          and "has no video" not in err, err)
    status, out, err = run("classify", folder, video)
    check("a folder is not a model", status == 1 and "is a folder" in err, err)
    status, out, err = run("classify", MODEL, "/nonexistent.avi", video)
    check("a video that fails is named, the next one goes on", status == 1 and "/nonexistent.avi" in err
          and "pan left" in out, (out, err))
    status, out, err = run("classify", MODEL, MODEL)
    check("what is no video is named", status == 1 and MODEL in err and not out, (out, err))
    for name, sound in (("sound.wav", "num-buffers=20 ! wavenc"), ("short.avi", "num-buffers=1 ! avimux")):
        launch(f"audiotestsrc {sound} ! filesink", os.path.join(folder, name))
        status, out, err = run("classify", MODEL, os.path.join(folder, name))
        check(f"sound alone is no video: {name}", status == 1 and f"{name}: has no video" in err and not out, (out, err))
    checkpoint = os.path.join(SOURCE, "tests", "data", "zip.pth")
    status, out, err = run("classify", checkpoint, video, "--sample-rate", "7.5", "--json")
    check("classify takes a checkpoint", status == 0 and len(json.loads(out)[0]["classes"]) == 3, (out, err))


with tempfile.TemporaryDirectory() as tmp:
    test_main()
    test_info()
    test_import_verify(tmp)
    test_run(tmp)
    test_precision(tmp)
    test_formats(tmp)
    test_export(tmp)
    test_bench()
    if HAVE_GST:
        test_classify(tmp)
finish()
