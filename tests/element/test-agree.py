#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what videoclassify3d says of a file, clip by clip and digit by digit, with what
`3dcnn classify` says of it, with clips that overlap and that do not. TAP output.

    test-agree.py GST-LAUNCH TOOL
"""
import json
import os
import re
import subprocess
import sys
import tempfile

LAUNCH, TOOL = (os.path.abspath(p) for p in sys.argv[1:3])


def of_element(video, stride):
    """Start and end in ns, and scores by label, of each clip."""
    out = subprocess.run([LAUNCH, "-m"] + f"filesrc location={video} ! decodebin ! videoconvert ! videoclassify3d "
                         f"clip-stride={stride} top-k=10 ! fakesink".split(), capture_output=True, text=True,
                         timeout=120, check=True).stdout
    clips = []
    for line in out.splitlines():
        if not re.search(r"\(element\): videoclassify3d,", line):
            continue
        start, end = (int(re.search(rf"{f}=\(guint64\)(\d+)", line)[1]) for f in ("clip-start", "clip-end"))
        labels, scores = (re.search(rf"{f}=\(\w+\)< (.*?) >", line)[1].split(", ") for f in ("labels", "scores"))
        labels = [re.sub(r"^\(\w+\)", "", label).strip('"').replace("\\", "") for label in labels]
        clips.append((start, end, dict(zip(labels, (float(re.sub(r"^\(\w+\)", "", s)) for s in scores)))))
    return clips


def of_tool(video, stride):
    out = subprocess.run([TOOL, "classify", "shufflenet", video, "--json", "--clip-stride", str(stride), "--top-k", "10"],
                         capture_output=True, text=True, timeout=120, check=True).stdout
    return [(round(c["start"] * 1e9), round(c["end"] * 1e9), {k["label"]: k["score"] for k in c["classes"]})
            for c in json.loads(out)[0]["clips"]]


def main():
    print("1..3")
    with tempfile.TemporaryDirectory() as folder:
        video = os.path.join(folder, "video.avi")
        subprocess.run([LAUNCH, "-q"] + "videotestsrc num-buffers=200 pattern=smpte horizontal-speed=2 ! "
                       "video/x-raw,width=160,height=120,framerate=30/1 ! jpegenc ! avimux ! filesink "
                       f"location={video}".split(), check=True)
        for i, stride in enumerate((16, 4), 1):
            a, b = of_element(video, stride), of_tool(video, stride)
            ok = len(a) == len(b) >= 3 and all(x == y for x, y in zip(a, b))
            print(f"{'ok' if ok else 'not ok'} {i} clip-stride={stride}: {len(a)} clips")
            if not ok:
                print(f"# element: {a}\n# tool: {b}")
        subprocess.run([LAUNCH, "-q"] + "videotestsrc num-buffers=4 ! video/x-raw,width=160,height=120,framerate=2/5 ! "
                       f"jpegenc ! avimux ! filesink location={video}".split(), check=True)
        a, b = of_element(video, 16), of_tool(video, 16)
        ok = a == b and [(start, end) for start, end, _ in a] == [(k * 25 * 10**8, (k + 1) * 25 * 10**8) for k in range(3)]
        print(f"{'ok' if ok else 'not ok'} 3 frames longer than clips: {len(a)} clips")


main()
