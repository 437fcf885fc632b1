#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the commands that the documentation of the element shows: those of gst-launch-1.0 and of
`3dcnn classify`. Test pictures stand in for cameras and sinks that show nothing for windows; files are
made for the names that are used. TAP output.

    test-docs.py GST-LAUNCH TOOL-OR-"" SOURCE-FOLDER
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

LAUNCH, TOOL, SOURCE = sys.argv[1], sys.argv[2] and os.path.abspath(sys.argv[2]), sys.argv[3]
CAMERA = ("videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=160,height=120,framerate=30/1")
# What stands in for what, one after the other.
STAND_INS = [
    (r"\bv4l2src(?: device=\S+)?", CAMERA),
    (r"\brtspsrc location=\S+ ! decodebin\b", CAMERA),
    (r"\bautovideosink\b", "fakesink"),
    (r"\bplaybin\b", "playbin video-sink=fakesink audio-sink=fakesink"),
    (r"\$PWD", "."),
]


def commands(path):
    """Indented lines that begin with a command, with the lines that go on."""
    text = ""
    with open(path, encoding="utf-8") as f:
        for line in f:
            if text or re.match(r"    (gst-launch-1\.0|3dcnn classify) ", line):
                text += line.strip()
                if text.endswith("\\"):
                    text = text[:-1]
                    continue
                yield text
                text = ""


def make_files(folder):
    """The files that the documentation speaks of: a video, a list of it, and a model."""
    subprocess.run([LAUNCH, "-q"] + ("videotestsrc num-buffers=70 ! video/x-raw,width=160,height=120,framerate=30/1 ! "
                                     "videoconvert ! jpegenc ! avimux ! filesink location=holiday.mp4").split(),
                   cwd=folder, check=True)
    with open(os.path.join(folder, "archive.txt"), "w", encoding="utf-8") as f:
        f.write("# an archive\nholiday.mp4\n")
    shutil.copy(os.path.join(SOURCE, "models", "shufflenet.safetensors"), os.path.join(folder, "jester.safetensors"))


def exists(element):
    inspect = os.path.join(os.path.dirname(LAUNCH), "gst-inspect-1.0")
    return subprocess.run([inspect, element], stdout=subprocess.DEVNULL, check=False).returncode == 0


def run(command, folder):
    if command.startswith("3dcnn"):
        words = [TOOL] + shlex.split(command.split(" >")[0], comments=True)[1:]
    else:
        for what, stand_in in STAND_INS:
            command = re.sub(what, stand_in, command)
        command = command.replace("file://.", f"file://{folder}")
        words = [LAUNCH] + shlex.split(command.split(" | ")[0].split(" >")[0], comments=True)[1:]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def main():
    pages = [os.path.join(SOURCE, "doc", "videoclassify3d.md")]
    recipes = os.path.join(SOURCE, "doc", "recipes")
    pages += sorted(os.path.join(recipes, p) for p in os.listdir(recipes) if p.endswith(".md"))
    found = [(page, c) for page in pages for c in commands(page) if TOOL or not c.startswith("3dcnn")]
    print(f"1..{len(found)}")
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        for i, (page, command) in enumerate(found, 1):
            name = f"{os.path.basename(page)}: {command[:70]}".replace("#", "")
            elements = set(re.findall(r"\bvideoclass\w+", command))
            missing = [e for e in elements if not exists(e)]
            if missing:
                print(f"ok {i} {name} # SKIP {missing[0]} is not built")
                continue
            p = run(command, folder)
            bad = p.returncode != 0 or "ERROR" in p.stderr
            print(f"{'not ok' if bad else 'ok'} {i} {name}")
            if bad:
                print("\n".join("# " + line for line in (p.stdout + p.stderr).splitlines()[-8:]))
    if len(found) < 8:
        print("Bail out! the documentation shows fewer commands than it had")


main()
