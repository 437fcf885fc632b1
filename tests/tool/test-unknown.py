#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clips of no class: a network that is taught three of ten camera motions with 3dcnn finetune --unknown does not see
them in the other seven; how eval, classify, info and import show that; wrong use. TAP output.
"""
import csv
import json
import os
import re
import shutil
import sys
import tempfile

from runs import run_tool
from tap import check, finish

TOOL, SOURCE = sys.argv[1:3]
MODEL = os.path.join(SOURCE, "models", "shufflenet.safetensors")
LABELS = ["pan left", "roll clockwise", "zoom in"]
N = 7  # clips of each motion to learn
QUICK = "CNN3D_TEST_QUICK" in os.environ  # another configuration of CI has run all
VIEWS = 1 if QUICK else 4  # of each, besides its middle


def run(*args):
    return run_tool(TOOL, *args)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def read_header(path):
    data = read(path)
    return json.loads(data[8:8 + int.from_bytes(data[:8], "little")])


def relabel(path, labels, others=None, n=None):
    """Leaves these labels in a cache, at most n clips of each, and the others under another one if that is given."""
    with open(os.path.join(path, "cache.json"), encoding="utf-8") as f:
        cache = json.load(f)
    new, counts = labels + ([others] if others else []), {}
    videos = []
    for v in cache["videos"]:
        label = cache["labels"][v["label"]]
        label = label if label in labels else others
        counts[label] = counts.get(label, 0) + 1
        if label is not None and (n is None or counts[label] <= n):
            videos.append({**v, "label": new.index(label)})
    with open(os.path.join(path, "cache.json"), "w", encoding="utf-8") as f:
        json.dump({**cache, "labels": new, "videos": videos}, f)


def make_data(folder):
    """Clips to learn three classes from, clips of ten of which seven are unknown, and a few of these."""
    out, few = os.path.join(folder, "motion"), os.path.join(folder, "few")
    run("synth", "--textures", "30", "--clips", str(10 * N), "--test-clips", "120", "--seed", "5", "-o", out)
    train, test = os.path.join(out, "train"), os.path.join(out, "test")
    relabel(train, LABELS)
    relabel(test, LABELS, "unknown")
    shutil.copytree(test, few)
    relabel(few, LABELS + ["unknown"], n=2)
    return train, test, few


def finetune(out, data, *args):
    views = [] if "--portion" in args else ["--views", str(VIEWS)]
    return run("finetune", MODEL, "-d", data, "--no-flip", "-o", out, *views, *args)


def evaluate(model, data, *args):
    status, out, err = run("eval", model, "--data", data, "--json", *args)
    return json.loads(out) if status == 0 else err


def test_rules(folder, data, test):
    plain, none = (os.path.join(folder, f"{n}.safetensors") for n in ("plain", "none"))
    if not QUICK:
        finetune(plain, data)
        status, text, err = finetune(none, data, "--unknown", "none")
        check("--unknown none is the default", status == 0 and read(plain) == read(none) and "unknown" not in text,
              (text, err))
    paths = {}
    # Measured: 0 and 0.89 by distance, 0.08 and 0.35 by margin.
    for rule, most_known, least_unknown in (("distance", 0.15, 0.8), ("margin", 0.15, 0.15)):
        paths[rule] = path = os.path.join(folder, f"{rule}.safetensors")
        status, text, err = finetune(path, data, "--unknown", rule, "--half")
        check(f"finetune --unknown {rule}", status == 0 and f"unknown: clips with a {rule}" in text, (text, err))
        note = "clips that were learned from" in err
        check(f"{rule}: what the threshold is from", note == (rule == "margin"), err)
        clips = evaluate(path, test)["clips"]
        print(f"# {rule}: {clips}")
        check(f"{rule}: clips of the classes are accepted", clips["n"] == 36 and clips["rejected"] <= most_known, clips)
        check(f"{rule}: clips of other kinds are rejected", clips["unknown"]["n"] == 84
              and clips["unknown"]["rejected"] >= least_unknown, clips)
        check(f"{rule}: those accepted are right", clips["top1_accepted"] >= 0.9, clips)
        if QUICK:
            continue
        status, _, err = finetune(none, data, "--unknown", rule, "--half")
        check(f"{rule}: the same again is the same", status == 0 and read(none) == read(path), err)
    return paths


def test_quantile(folder, data, test):
    """Less that is to be accepted means more that is rejected, of both kinds."""
    path = os.path.join(folder, "quantile.safetensors")
    found = []
    for q in ("0.3", "0.7", "1"):
        finetune(path, data, "--unknown", "distance", "--unknown-quantile", q)
        clips = evaluate(path, test)["clips"]
        found.append((clips["rejected"], clips["unknown"]["rejected"]))
    check("--unknown-quantile", found[0][0] > found[1][0] >= found[2][0] and found[0][1] >= found[1][1] > found[2][1],
          found)
    check("about as much is accepted", 0.4 <= found[0][0] <= 1 and found[2][0] <= 0.1, found)


def test_files(folder, paths):
    out, half = (os.path.join(folder, f"{n}.safetensors") for n in ("imported", "imported-half"))
    for rule, path in paths.items():
        header = read_header(path)
        card, has = header["__metadata__"], "unknown.means" in header
        check(f"{rule}: the card", card["3dcnn.unknown"] == rule and float(card["3dcnn.unknown.threshold"]) > 0
              and card["3dcnn.unknown.label"] == "unknown", card)
        check(f"{rule}: its tensors", has == ("unknown.variances" in header) == (rule == "distance"), list(header))
        if has:
            check("they are float32, of the classes and features", header["unknown.means"]["dtype"] == "F32"
                  and header["unknown.means"]["shape"] == [3, 480] and header["unknown.variances"]["shape"] == [480], header)
        status, text, _ = run("info", path)
        check(f"{rule}: info", status == 0 and re.search(rf"unknown +'unknown', by a {rule} (below|beyond) [\d.]+", text), text)
        found = json.loads(run("info", path, "--json")[1])["unknown"]
        check(f"{rule}: info as JSON", found == {"rule": rule, "label": "unknown",
                                               "threshold": float(card["3dcnn.unknown.threshold"])}, found)
        for to, option in ((out, []), (half, ["--half"])):
            status, _, err = run("import", path, "-o", to, *option)
            same = {k: v for k, v in read_header(to)["__metadata__"].items() if k.startswith("3dcnn.unknown")}
            check(f"{rule}: import{' --half' if option else ''} keeps it", status == 0 and len(same) == 3
                  and all(card[k] == v for k, v in same.items()), (same, err))
        data = read(path)
        at = 8 + int.from_bytes(data[:8], "little")
        if has:
            begin, end = header["unknown.means"]["data_offsets"]
            again, begin2 = read(half), read_header(half)["unknown.means"]["data_offsets"][0]
            at2 = 8 + int.from_bytes(again[:8], "little")
            check("import --half keeps the tensors", data[at + begin:at + end]
                  == again[at2 + begin2:at2 + begin2 + end - begin])
    check("a model without it does not speak of it", "unknown" not in run("info", MODEL)[1] + run("info", MODEL, "--json")[1])
    status, _, err = run("export", paths["distance"], "--onnx", os.path.join(folder, "rule.onnx"))
    check("export says that a distance is not exported", status == 0 and "distance" in err, err)
    status, _, err = run("finetune", paths["distance"], "-d", os.path.join(folder, "motion", "train"), "-o", out,
                         "--views", "0", "-e", "1")
    check("a model that is taught anew has no rule of the old one", status == 0
          and "3dcnn.unknown" not in read_header(out)["__metadata__"] and "unknown.means" not in read_header(out), err)


def test_eval(folder, paths, few):
    table, scores = os.path.join(folder, "table.csv"), os.path.join(folder, "scores.json")
    found = evaluate(paths["distance"], few, "--confusion", table, "--scores", scores)
    with open(table, encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))
    check("the confusion matrix has the unknown", rows[0][1:] == LABELS + ["unknown"]
          and [sum(map(int, r[1:])) for r in rows[1:]] == [2, 2, 2, 2], rows)
    with open(scores, encoding="utf-8") as f:
        videos = json.load(f)
    rejected = [v["answer"] == "unknown" for v in videos]
    check("a video's answer is unknown if its clips are", rejected == [v["rejected"] == v["clips"] for v in videos]
          and sum(r for r, v in zip(rejected, videos) if v["truth"] == "unknown") == int(rows[4][4]), videos)
    check("scores are of the classes", all(len(v["scores"]) == 3 and abs(sum(v["scores"]) - 1) < 1e-5 for v in videos))
    check("shares are of the kinds", found["videos"]["n"] == 6 and found["videos"]["unknown"]["n"] == 2
          and found["videos"]["unknown"]["rejected"] == int(rows[4][4]) / 2, found)
    for rule, path in paths.items():
        answers = []
        for backend in ("cpu", "reference"):
            status, _, err = run("eval", path, "--data", few, "--scores", scores, "--backend", backend)
            with open(scores, encoding="utf-8") as f:
                answers.append([(v["answer"], v["rejected"]) for v in json.load(f)])
        check(f"{rule}: backends agree", answers[0] == answers[1], answers)
    status, text, _ = run("eval", paths["distance"], "--data", few)
    check("as text", status == 0 and "rejected" in text and "of 2 of no class" in text, text)
    status, text, _ = run("eval", paths["distance"], "--data", os.path.join(folder, "motion", "train"))
    check("data without unknown videos", status == 0 and "rejected" in text and "no class" not in text, text)
    status, _, err = run("eval", MODEL, "--data", few)
    check("a model without a rule has no such class", status == 1 and "unknown" in err, err)


def test_classify(folder, paths):
    videos = os.path.join(folder, "videos")
    run("synth", "--textures", "8", "--clips", "0", "--test-clips", "20", "--seed", "9", "--format", "video", "-o", videos)
    files = sorted(os.path.join(root, name) for root, _, names in os.walk(videos) for name in names if name.endswith(".avi"))
    known = [any(label in os.path.dirname(f) for label in LABELS) for f in files]
    status, out, err = run("classify", paths["distance"], *files, "--json", "--csv", "--srt", "--top-k", "4")
    check("classify", status == 0 and len(files) == 20 and sum(known) == 6, err)
    results = json.loads(out)
    rejected = [r["classes"][0]["index"] == -1 for r in results]
    n_known, n_unknown = (sum(r for r, k in zip(rejected, known) if k == kind) for kind in (True, False))
    check("videos of the classes are accepted, others are not", n_known <= 2 and n_unknown >= 10, (n_known, n_unknown))
    check("the unknown comes before the classes, which have their scores", all(
        [c["label"] for c in r["classes"]][0] == "unknown" and r["classes"][0]["score"] > 0.5
        and sorted(c["index"] for c in r["classes"]) == [-1, 0, 1, 2] for r, no in zip(results, rejected) if no), results)
    check("else there are classes only", all(sorted(c["index"] for c in r["classes"]) == [0, 1, 2]
                                             for r, no in zip(results, rejected) if not no), results)
    for file, no in zip(files, rejected):
        with open(file[:-4] + ".csv", encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
        with open(file[:-4] + ".srt", encoding="utf-8") as f:
            text = f.read()
        if no != (rows[0]["label"] == "unknown") or no != ("unknown" in text):
            check(f"the tables of {file}", False, (no, rows, text))
    check("tables and subtitles have it", True)
    status, out, err = run("classify", paths["distance"], files[rejected.index(True)], "--top-k", "2")
    check("as text", status == 0 and re.search(r"whole video +unknown 1\.000, \w", out), (out, err))


def test_validation(folder, data, test):
    path = os.path.join(folder, "validation.safetensors")
    for rule in ("distance", "margin"):
        status, text, err = finetune(path, data, "--unknown", rule, "--val-share", "0.3")
        n = int(re.search(r"from (\d+) clips", text).group(1)) if status == 0 else 0
        # A distance leaves each video out; for a margin, six clips of validation are too few alone.
        check(f"{rule}: with validation", status == 0 and n == (3 * N if rule == "distance" else 15 * (VIEWS + 1) + 6)
              and "clips for validation" in text and ("learned from as well" in err) == (rule == "margin"), (text, err))
    status, text, err = finetune(path, data, "--unknown", "margin", "-v", data, "--unknown-quantile", "0.9")
    check("margin: with enough validation", status == 0 and f"from {3 * N} clips" in text and "learned from" not in err, (text, err))
    clips = evaluate(path, test)["clips"]
    check("a margin from validation", clips["unknown"]["rejected"] > clips["rejected"], clips)
    one = os.path.join(folder, "one")
    shutil.copytree(data, one)
    relabel(one, LABELS, n=1)
    status, text, err = finetune(path, one, "--unknown", "distance")
    check("with a single video for each class the threshold is called too strict", status == 0
          and "from 0 clips" in text and "too much" in err, (text, err))


def test_complete(folder, data, test):
    path = os.path.join(folder, "complete.safetensors")
    args = ["--portion", "complete", "-b", "6", "--rate", "0.001", "--threads", "1", "-v", data, "--unknown", "distance"]
    status, text, err = finetune(path, data, *args, "-e", "1")
    first = read(path)
    check("the complete network", status == 0 and f"from {3 * N} clips" in text and "learned from" not in err, (text, err))
    check("its card", read_header(path)["__metadata__"]["3dcnn.unknown"] == "distance")
    check("it can be used", evaluate(path, test)["clips"]["unknown"]["n"] == 84)
    status, text, err = finetune(path, data, *args, "-e", "1", "--resume")
    check("once more, by --resume", status == 0 and read(path) == first, (text, err))
    path = os.path.join(folder, "alone.safetensors")
    status, text, err = finetune(path, data, "--portion", "complete", "-b", "6", "-e", "1", "--unknown", "distance")
    check("without validation that is called too strict", status == 0 and "--val-share" in err, (text, err))


def test_errors(folder, data, few):
    out = os.path.join(folder, "errors.safetensors")
    for args, expected in (
            (["--unknown", "maybe"], "'maybe'"), (["--unknown", "distance", "--unknown-quantile", "0"], "--unknown-quantile"),
            (["--unknown", "margin", "--unknown-quantile", "1.01"], "--unknown-quantile"),
            (["--unknown", "margin", "--unknown-quantile", "nan"], "--unknown-quantile"),
            (["--unknown-quantile", "0.9"], "--unknown margin"),
            (["--unknown", "margin", "--unknown-label", ""], "--unknown-label")):
        status, _, err = finetune(out, data, *args)
        check(f"refused: {' '.join(args)}", status == 2 and expected in err, (status, err))
    status, _, err = finetune(out, few, "--unknown", "distance")
    check("a class of that name needs another one", status == 1 and "--unknown-label" in err and few in err, err)
    check("a failure writes nothing", not os.path.exists(out))
    status, _, err = finetune(out, few, "--unknown", "distance", "--unknown-label", "none of these")
    check("--unknown-label", status == 0
          and read_header(out)["__metadata__"]["3dcnn.unknown.label"] == "none of these", err)


with tempfile.TemporaryDirectory() as tmp:
    TRAIN, TEST, FEW = make_data(tmp)
    PATHS = test_rules(tmp, TRAIN, TEST)
    if not QUICK:
        test_quantile(tmp, TRAIN, TEST)
        test_validation(tmp, TRAIN, TEST)
    test_files(tmp, PATHS)
    test_eval(tmp, PATHS, FEW)
    test_classify(tmp, PATHS)
    test_complete(tmp, TRAIN, TEST)
    test_errors(tmp, TRAIN, FEW)
finish()
