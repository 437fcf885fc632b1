#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""3dcnn eval: its numbers agree with each other and with 3dcnn run; what it writes; wrong use. TAP output."""
import csv
import glob
import json
import math
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

from launch import launch
from png import read_png
from runs import complete
from tap import check, finish
from terminal import run_on_terminal

TOOL, SOURCE = sys.argv[1:3]
MODEL = os.path.join(SOURCE, "models", "shufflenet.safetensors")
CLIP = 16 * 112 * 112 * 3
QUICK = "CNN3D_TEST_QUICK" in os.environ  # another configuration of CI has run all
N = 30
BUNDLED = 0.9  # top-1; measured: 0.99 to 1, with other seeds from 0.96 on


def run(*args):
    p = complete([TOOL, *args])
    return p.returncode, p.stdout, p.stderr


def softmax(logits):
    exps = [math.exp(x - max(logits)) for x in logits]
    return [x / sum(exps) for x in exps]


def test_numbers(folder):
    data = os.path.join(folder, "clips")
    run("synth", "--textures", "8", "--clips", "0", "--test-clips", str(N), "-o", data)
    data = os.path.join(data, "test")
    files = {ending: os.path.join(folder, f"out.{ending}") for ending in ("csv", "svg", "json")}
    status, out, err = run("eval", MODEL, "--data", data, "--json", "--confusion", files["csv"], "--confusion",
                           files["svg"], "--scores", files["json"], "--batch", "7")
    check("eval", status == 0, err)
    result = json.loads(out)
    check("as many clips and videos as there are", result["clips"]["n"] == N and result["videos"]["n"] == N, result)
    check("a video of one clip has its scores", result["clips"] == result["videos"], result)
    check("all classes", len(result["classes"]) == 10 and sum(c["n"] for c in result["classes"]) == N, result)

    with open(files["csv"], encoding="utf-8", newline="") as f:
        table = list(csv.reader(f))
    counts = [[int(x) for x in row[1:]] for row in table[1:]]
    right = sum(counts[i][i] for i in range(10))
    check("the table has all videos", sum(map(sum, counts)) == N and table[0][1:] == [row[0] for row in table[1:]], table)
    check("its diagonal is top-1", abs(right / N - result["videos"]["top1"]) < 1e-9, (right, result))
    check("rows are true classes", [sum(row) for row in counts] == [3] * 10, counts)
    check("well above chance", right >= N // 3, counts)
    check("top-5 is no less than top-1", result["videos"]["top5"] >= result["videos"]["top1"])
    picture = ElementTree.parse(files["svg"]).getroot()
    texts = [t.text for t in picture.iter("{http://www.w3.org/2000/svg}text")]
    check("the picture has labels and numbers", texts.count("zoom in") == 2 and str(max(map(max, counts))) in texts, texts)

    endings = {ending: os.path.join(folder, f"other.{ending}") for ending in ("SVG", "png", "CSV", "jpg", "txt")}
    for ending in ("SVG", "CSV"):
        run("eval", MODEL, "--data", data, "--confusion", endings[ending])
        with open(endings[ending], "rb") as f, open(files[ending.lower()], "rb") as g:
            check(f"a name that ends in .{ending}", f.read() == g.read())
    status, _, err = run("eval", MODEL, "--data", data, "--confusion", endings["png"])
    if status == 2 and "Pango" in err:
        check("a build without PNG says so # SKIP", True)
    else:
        rows = read_png(endings["png"])
        size = (picture.get("width"), picture.get("height"))
        check("the picture as PNG", status == 0 and size == (str(len(rows[0])), str(len(rows)))
              and rows[1][1] == (255, 255, 255) and len({colour for row in rows for colour in row}) > 20, (err, size))
    for ending in ("jpg", "txt"):
        status, out, err = run("eval", MODEL, "--data", data, "--confusion", endings[ending])
        check(f".{ending} is refused before any work", status == 2 and out == "" and ".csv, .svg or .png" in err
              and not os.path.exists(endings[ending]), (status, out, err))

    with open(files["json"], encoding="utf-8") as f:
        scores = json.load(f)
    with open(os.path.join(data, "frames.bin"), "rb") as f:
        f.seek(4 * CLIP)
        raw = f.read(CLIP)
    clip = os.path.join(folder, "clip.u8")
    with open(clip, "wb") as f:
        f.write(raw)
    expected = softmax(json.loads(run("run", MODEL, "--input", clip, "--input-format", "u8-thwc", "--json")[1])["logits"])
    worst = max(abs(a - b) for a, b in zip(expected, scores[4]["scores"]))
    check("labels are beside the scores", all(v["labels"] == table[0][1:] and len(v["scores"]) == 10
                                              and v["labels"][v["scores"].index(max(v["scores"]))] == v["answer"]
                                              for v in scores), scores[0])
    check("scores are those of a run", len(scores) == N and worst < 1e-4 and scores[4]["truth"] == "tilt down",
          (worst, scores[4]))
    status, out, _ = run("eval", MODEL, "--data", data)
    ended, lines = run_on_terminal(TOOL, "eval", MODEL, "--data", data)
    check("a bar on a terminal", ended == 0 and lines[-1] == "" and any(re.match(
        r"eval \[#+ *\] \d+ clips  accuracy [\d.]+ %  [\d.]+ clips/s  0:\d\d:\d\d left$", line) for line in lines), lines)
    check("as text", status == 0 and f"{100 * right / N:.2f} %" in out and "shake" in out, out)


def test_bundled(folder):
    """Every bundled model is as good as it was made, on clips over textures that none has seen."""
    data = os.path.join(folder, "textures")
    run("synth", "--textures", "40", "--clips", "0", "--test-clips", "100", "-o", data)
    models = sorted(glob.glob(os.path.join(SOURCE, "models", "*.safetensors")))
    check("there are bundled models", len(models) >= 5, models)
    for model in models[:1] if QUICK else models:
        status, out, err = run("eval", model, "--data", os.path.join(data, "test"), "--json")
        top1 = json.loads(out)["videos"]["top1"] if status == 0 else 0
        check(f"{os.path.basename(model)} tells camera motions apart", top1 >= BUNDLED, (top1, err))


def test_videos(folder):
    """Two clips and a part of a third: the video's scores are the mean of two clips' scores."""
    videos = os.path.join(folder, "videos")
    os.makedirs(os.path.join(videos, "static"))
    for name, frames in (("long", 40), ("short", 5)):
        launch(f"videotestsrc pattern=ball num-buffers={frames} ! video/x-raw,width=160,height=120,framerate=15/2 "
               "! jpegenc ! avimux ! filesink", f"{videos}/static/{name}.avi")
    scores = os.path.join(folder, "videos.json")
    status, out, err = run("eval", MODEL, "--data", videos, "--cache", os.path.join(folder, "cache"), "--scores", scores,
                           "--json")
    check("a folder of videos", status == 0, err)
    result = json.loads(out)
    with open(scores, encoding="utf-8") as f:
        clips = {os.path.basename(v["video"]): v["clips"] for v in json.load(f)}
    check("clips follow one another, a short video is repeated", clips.get("long.avi") == 2 and clips.get("short.avi") == 1
          and result["clips"]["n"] == 3 and result["videos"]["n"] == 2, (clips, result))


def test_unreadable(folder):
    """One of four videos is none, which is as much as a tenth, at least one, allows: sound without a picture is none."""
    videos, cache = os.path.join(folder, "videos"), os.path.join(folder, "cache")
    args = ["eval", MODEL, "--data", videos, "--cache", cache]
    launch("audiotestsrc num-buffers=1 ! avimux ! filesink", os.path.join(videos, "static", "broken.avi"))
    status, _, err = run(*args)
    check("a video that cannot be read is passed over", status == 0 and "broken.avi: has no video" in err, err)
    status, _, err = run(*args, "--max-unreadable", "0")
    check("--max-unreadable 0 allows none", status == 1 and "--max-unreadable" in err, (status, err))
    status, _, err = run(*args, "--max-unreadable", "1", "--cache-size", "1e-6", "--sample-rate", "5")
    check("--cache-size", status == 1 and "--cache-size" in err, (status, err))


def test_errors(folder):
    status, _, err = run("eval", MODEL)
    check("eval needs --data", status == 2 and "--data" in err, err)
    for args, expected in ((["--threads", "-1"], "--threads"), (["--sample-rate", "-5"], "--sample-rate"),
                           (["--sample-rate", "nan"], "--sample-rate"), (["--backend", "abacus"], "abacus"),
                           (["--precision", "fp1"], "fp1"), (["--cache-size", "nan"], "--cache-size"),
                           (["--max-unreadable", "-2"], "--max-unreadable")):
        status, _, err = run("eval", MODEL, "--data", "/nonexistent", *args)
        check(f"refused: {' '.join(args)}", status == 2 and expected in err, (status, err))
    for option, name in (("--scores", "x.json"), ("--confusion", "x.svg")):
        status, _, err = run("eval", MODEL, "--data", "/nonexistent/data", option, f"/nonexistent/place/{name}")
        check(f"a place that cannot be written to is named first: {option}", status == 1
              and f"/nonexistent/place/{name}: cannot be written" in err and "/nonexistent/data" not in err, err)
    status, _, err = run("eval", MODEL, "--data", "/nonexistent")
    check("data that are not there are named", status == 1 and "/nonexistent" in err, err)
    status, _, err = run("eval", "/nonexistent.safetensors", "--data", folder)
    check("a model that is not there is named", status == 1 and "/nonexistent.safetensors" in err, err)
    status, _, err = run("eval", MODEL, "--data", os.path.join(folder, "clips", "test"), "--confusion", "/nonexistent/x.csv")
    check("a file that cannot be written is named", status == 1 and "/nonexistent/x.csv" in err, err)
    status, _, err = run("eval", os.path.join(SOURCE, "tests", "data", "zip.pth"), "--data",
                         os.path.join(folder, "clips", "test"))
    check("a model without labels is told so", status == 1 and "labels" in err, err)


with tempfile.TemporaryDirectory() as tmp:
    test_numbers(tmp)
    test_bundled(tmp)
    test_videos(tmp)
    test_unreadable(tmp)
    test_errors(tmp)
finish()
