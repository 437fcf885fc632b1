#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""3dcnn classify --list, in one process and in several: order, bad files, side-cars, lists of all kinds. Videos to
train on, decoded by several processes. TAP output.

    test-archive.py TOOL TOOL-BUILT-WITHOUT-MPI MPIRUN-OR-"" SOURCE-FOLDER
"""
import json
import os
import sys
import tempfile

import processes
from launch import launch
from runs import complete
from tap import check, finish

TOOL, ALONE, MPIRUN, SOURCE = sys.argv[1:5]
TOOL, ALONE = os.path.abspath(TOOL), os.path.abspath(ALONE)
MODEL = os.path.abspath(os.path.join(SOURCE, "models", "shufflenet.safetensors"))
# Numbers of processes; 0: without mpirun.
COUNTS = (0, 1, 2, 3) if MPIRUN else (0,)
FEW = (0, 2) if MPIRUN else (0,)


def classify(n, *args, tool=TOOL, **more):
    command = [tool, "classify", MODEL, *args]
    if n > 0:
        return processes.run(MPIRUN, n, command, **more)
    p = complete(command, **more)
    return p.returncode, p.stdout, p.stderr


def all_ways(*args, counts=FEW, **more):
    """The results of each number of processes."""
    return {n: classify(n, *args, **more) for n in counts}


def write(path, text):
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def make_video(path, pattern, frames):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    launch(f"videotestsrc num-buffers={frames} pattern={pattern} ! video/x-raw,width=64,height=48,framerate=15/1 ! "
           "jpegenc ! avimux ! filesink", path)


def make_archive(folder):
    """Five videos, of which the first is by far the longest, and a bad one."""
    videos = os.path.join(folder, "videos")
    for i, (pattern, frames) in enumerate((("ball", 160), ("snow", 20), ("smpte", 10), ("snow", 40), ("red", 15))):
        make_video(os.path.join(videos, f"{'deep/' * (i == 3)}{i} æ.avi"), pattern, frames)
    write(os.path.join(videos, "bad.avi"), "no video\n")
    return write(os.path.join(folder, "archive.txt"),
                 "\ufeff# An archive.\n\nvideos/0 æ.avi\nvideos/bad.avi\r\nvideos/1 æ.avi\r\n   \n"
                 f"{videos}/2 æ.avi\n#videos/2 æ.avi\nfile://{videos}/deep/3%20%C3%A6.avi\nvideos/none.avi\nvideos/4 æ.avi")


def test_order(folder, archive):
    names = ["videos/0 æ.avi", "videos/1 æ.avi", f"{folder}/videos/2 æ.avi", f"file://{folder}/videos/deep/3%20%C3%A6.avi",
             "videos/4 æ.avi"]
    results = all_ways("--list", archive, counts=COUNTS)
    first = results[0][1]
    found = [line for line in first.splitlines() if not line.startswith(" ")]
    check("all of a list, in its order", found == names and first.count("whole video") == 5, first)
    for n, (status, text, err) in results.items():
        check(f"bad files are named, counted and told by the status: {n}", status == 1
              and err.count("videos/bad.avi: ") == 1 and err.count("videos/none.avi: ") == 1
              and err.count("3dcnn:") == 3 and "2 of 7 videos failed" in err
              and err.index("bad.avi") < err.index("none.avi"), (status, err))
        check(f"the same to the byte: {n}", text == first, text)
    results = all_ways("--list", archive, "--json", "--clip-stride", "4", "--top-k", "2", counts=COUNTS)
    first = json.loads(results[0][1])
    check("as JSON, in one array", [v["video"] for v in first] == names and len(first[0]["clips"]) > 10
          and len(first[0]["classes"]) == 2, first)
    check("as JSON: the same to the byte", all(r[1] == results[0][1] and r[0] == 1 for r in results.values()), results)
    status, text, err = classify(0, "--list", archive, tool=ALONE)
    check("a build without MPI has --list", status == 1 and text.count("whole video") == 5, (status, text, err))


def test_lengths(folder):
    """A list shorter than the number of processes, and none at all."""
    short = write(os.path.join(folder, "short.txt"), "videos/1 æ.avi\n")
    for n, (status, text, err) in all_ways("--list", short).items():
        check(f"a list of one: {n}", status == 0 and text.count("whole video") == 1 and not err, (status, text, err))
    empty = write(os.path.join(folder, "empty.txt"), "# nothing\n\n")
    for n, (status, text, err) in all_ways("--list", empty, "--json").items():
        check(f"an empty list: {n}", status == 0 and json.loads(text) == [] and err.count("empty.txt: lists no videos") == 1,
              (status, text, err))
    bad = write(os.path.join(folder, "bad.txt"), "videos/bad.avi\nvideos/bad.avi\n")
    for n, (status, text, err) in all_ways("--list", bad, "--json").items():
        check(f"only bad ones: {n}", status == 1 and json.loads(text) == [] and "2 of 2 videos failed" in err,
              (status, text, err))


def test_input(folder, archive):
    with open(os.path.join(folder, "archive.txt"), encoding="utf-8") as f:
        expected = [line for line in f.read().splitlines() if line.startswith("videos/") and "none" not in line
                    and "bad" not in line]
    for n in FEW:
        with open(archive, "rb") as f:
            status, text, err = classify(n, "--list", "-", stdin=f, cwd=folder)
        found = [line for line in text.splitlines() if line.startswith("videos/")]
        check(f"from standard input, paths from where the program runs: {n}", status == 1 and found == expected,
              (status, text, err))
    for n, (status, text, err) in all_ways(os.path.join(folder, "videos", "4 æ.avi"), "--list",
                                           os.path.join(folder, "short.txt")).items():
        check(f"a video and a list: {n}", status == 0 and text.count("whole video") == 2
              and text.index("4 æ.avi") < text.index("1 æ.avi"), (text, err))
    for name, text, expected in (("missing.txt", None, "missing.txt"), ("binary.txt", b"a.avi\n\0\n", "is no text")):
        path = os.path.join(folder, name)
        if text is not None:
            write(path, text)
        for n, (status, text, err) in all_ways("--list", path).items():
            check(f"{expected}: {n}", status == 1 and err.count(expected) == 1 and not text, (status, text, err))
    for n, (status, text, err) in all_ways("--list", archive, "--top-k", "0").items():
        check(f"a wrong option: {n}", status == 2 and err.count("--top-k") == 1 and not text, (status, err))
    status, _, err = classify(0)
    check("neither a video nor a list", status == 2 and "--list FILE" in err, err)


def test_side_cars(folder):
    videos = os.path.join(folder, "videos")
    files = [os.path.join(videos, name) for name in ("0 æ", "deep/3 æ")]
    listed = write(os.path.join(folder, "two.txt"), f"videos/0 æ.avi\nfile://{videos}/deep/3%20%C3%A6.avi\n")
    results = {}
    for n, (status, _, err) in ((n, classify(n, "--list", listed, "--srt", "--vtt", "--csv", "--threshold", "0.1"))
                                for n in FEW):
        results[n] = [read(f"{file}.{ending}") for file in files for ending in ("srt", "vtt", "csv")]
        for file in files:
            for ending in ("srt", "vtt", "csv"):
                os.unlink(f"{file}.{ending}")
        check(f"side-cars next to each video: {n}", status == 0 and results[n] == results[0]
              and "-->" in results[n][0] and results[n][1].startswith("WEBVTT") and results[n][2].count("\n") >= 2,
              (status, err, results))
    for lines, expected in ((["videos/0 æ.avi", "rtsp://example.invalid/live"], "rtsp://example.invalid/live: has no place"),
                            (["videos/0 æ.avi", "videos/./0 æ.mkv"], "0 æ.mkv: would write the same files")):
        listed = write(os.path.join(folder, "refused.txt"), "\n".join(lines))
        for n, (status, text, err) in all_ways("--list", listed, "--srt").items():
            check(f"refused before anything is done: {expected}: {n}", status == 2 and err.count(expected) == 1 and not text,
                  (status, text, err))
    listed = write(os.path.join(folder, "twice.txt"), "videos/2 æ.avi\nvideos/2 æ.avi\n")
    status, text, err = classify(0, "--list", listed, "--srt")
    check("the same video twice is no conflict", status == 0 and text.count("whole video") == 2, (status, err))
    os.makedirs(os.path.join(videos, "1 æ.srt"))
    listed = write(os.path.join(folder, "blocked.txt"), "videos/1 æ.avi\nvideos/2 æ.avi\n")
    for n, (status, text, err) in all_ways("--list", listed, "--srt").items():
        check(f"a side-car that cannot be written is named, and the rest goes on: {n}", status == 1
              and "1 æ.srt" in err and text.count("whole video") == 2 and "1 of 2 videos failed" in err, (status, text, err))


def test_uris(folder):
    listed = write(os.path.join(folder, "uris.txt"), "nonsense://x/y.avi\nvideos/2 æ.avi\n")
    status, text, err = classify(0, "--list", listed)
    check("a URI that nothing can read is named", status == 1 and "nonsense://x/y.avi: " in err
          and text.count("whole video") == 1, (status, text, err))
    status, text, err = classify(0, f"file://{folder}/videos/deep/3%20%C3%A6.avi")
    check("a URI in place of a path", status == 0 and "whole video" in text, (status, err))


def test_elsewhere(folder):
    """What one process lacks ends all, before the list is spoilt by it."""
    listed = os.path.join(folder, "short.txt")
    status, text, err = processes.run(MPIRUN, 2, [TOOL, "classify", MODEL, "--list", listed],
                                      [TOOL, "classify", "/nonexistent.safetensors", "--list", listed])
    check("a model that one process has not", status == 1 and "process 1: " in err and "/nonexistent.safetensors" in err
          and not text, (status, text, err))
    command = [TOOL, "classify", MODEL, "--list", listed]
    status, text, err = processes.run(MPIRUN, 2, command, ["env", "GST_PLUGIN_PATH_1_0=", "GST_PLUGIN_PATH=", "GST_PLUGIN_SYSTEM_PATH_1_0=",
                                                          "GST_REGISTRY_1_0=" + os.path.join(folder, "registry"), *command])
    check("an element that one process has not", status == 1 and "process 1: the GStreamer element" in err
          and not text, (status, text, err))


def test_training(folder):
    """Videos that several processes train on are decoded by one."""
    data, out = os.path.join(folder, "set"), os.path.join(folder, "trained")
    for i in range(4):
        make_video(os.path.join(data, "red" if i % 2 else "blue", f"{i}.avi"), "red" if i % 2 else "blue", 12)
    write(os.path.join(data, "red", "bad.avi"), "no video")
    status, text, err = processes.run(MPIRUN, 2, [
        TOOL, "train", "--arch", "mobilenet", "--width", "0.1", "--size", "48", "--frames", "8", "--threads", "1", "-b", "4",
        "-e", "1", "-d", data, "-o", out])
    check("videos are decoded by one of the processes", status == 0 and "2 classes, 4 clips, 2 processes" in text
          and "another process" not in err and os.path.exists(data + ".cache"), (status, text, err))
    check("what cannot be read is said once", err.count("bad.avi") == 1 and err.count("are left out") == 1, err)


with tempfile.TemporaryDirectory() as tmp:
    tmp = os.path.realpath(tmp)
    LIST = make_archive(tmp)
    test_order(tmp, LIST)
    test_lengths(tmp)
    test_input(tmp, LIST)
    test_side_cars(tmp)
    test_uris(tmp)
    if MPIRUN:
        test_elsewhere(tmp)
        test_training(tmp)
    else:
        check("several processes # SKIP this build has no MPI, or there is no mpirun", True)
finish()
