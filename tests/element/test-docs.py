#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the commands that the documentation shows: those of gst-launch-1.0, `3dcnn classify` and `3dcnn info`, with
their pipes and redirects, in Markdown pages, the man page's examples and the elements' example launch lines. Test pictures
stand in for cameras, and sinks that show nothing for windows; files are made for the names that are used, and those
that a command is to write have to be there. TAP output.

    test-docs.py GST-LAUNCH TOOL-OR-"" SOURCE-FOLDER
"""
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

LAUNCH, TOOL, SOURCE = sys.argv[1], sys.argv[2] and os.path.abspath(sys.argv[2]), sys.argv[3]
CAMERA = "videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=160,height=120,framerate=30/1"
# What stands in for what, one after the other.
STAND_INS = [
    (r"\bv4l2src(?: device=\S+)?", CAMERA),
    (r"\brtspsrc location=\S+ ! decodebin\b", CAMERA),
    (r"\buridecodebin uri=rtsp:\S+", CAMERA),
    (r"\bautovideosink\b", "fakesink"),
    (r"\bplaybin\b", "playbin video-sink=fakesink audio-sink=fakesink"),
    (r"\buri=file:///home/me/", "uri=file://$PWD/"),
    (r"(?<=find )/srv/videos\b", "."),
]
# Elements and programs that need not be there, nor do options of the build. Without them, commands are left out.
OPTIONAL = {"x264enc", "vp8enc", "mp4mux", "videoclassoverlay", "pngdec", "jq", "find", "grep", "stdbuf"}
COMMAND = r"(gst-launch-1\.0|3dcnn (classify|info)|find .*\| 3dcnn classify) "
FEWEST = 40


def commands_of_page(path):
    """Indented lines that begin with a command, with the lines that go on. Those that set a variable belong to all
    commands after them."""
    text = variables = ""
    with open(path, encoding="utf-8") as f:
        for line in f:
            if re.match(r'    [A-Z]+=".*"$', line):
                variables += line.strip() + "; "
            if text or re.match("    " + COMMAND, line):
                text += line.strip()
                if text.endswith("\\"):
                    text = text[:-1]
                    continue
                yield variables + text if "$" in text else text
                text = ""


def commands_of_man_page(path):
    with open(path, encoding="utf-8") as f:
        examples = f.read().split(".SH EXAMPLES", 1)[1].split(".SH", 1)[0]
    for line in examples.replace("\\-", "-").splitlines():
        if re.match(COMMAND, line):
            yield line


def commands_of_source(path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for block in re.findall(r"\|\[\n(.*?)\]\|", text, re.DOTALL):
        yield re.sub(r"\n? \* ?", "", block).strip()


def find_commands():
    for pattern, function in (("README.md", commands_of_page), ("doc/videoclass*.md", commands_of_page),
                              ("doc/players.md", commands_of_page), ("doc/recipes/*.md", commands_of_page),
                              ("examples/README.md", commands_of_page), ("doc/3dcnn.1", commands_of_man_page),
                              ("gst/gstvideoclass*.c", commands_of_source)):
        for path in sorted(glob.glob(os.path.join(SOURCE, pattern))):
            for command in function(path):
                if TOOL or "3dcnn " not in command:
                    yield os.path.relpath(path, SOURCE), command


def write_gestures(path):
    """The bundled model under the names of gestures; the test pictures, which stand still, are the first."""
    with open(os.path.join(SOURCE, "models", "labels", "jester.txt"), encoding="utf-8") as f:
        labels = f.read().split("\n")
    idle = ["No_gesture", "Doing_other_things"]
    with open(os.path.join(SOURCE, "models", "shufflenet.safetensors"), "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        tensors = f.read()
    gestures = [label for label in labels if label and label not in idle]
    header["__metadata__"]["3dcnn.labels"] = json.dumps(gestures[:8] + idle)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + tensors)


def make_files(folder):
    """The files that the documentation speaks of: a video, a list of it, and a model."""
    subprocess.run([LAUNCH, "-q"] + ("videotestsrc num-buffers=70 ! video/x-raw,width=160,height=120,framerate=30/1 ! "
                                     "videoconvert ! jpegenc ! avimux ! filesink location=holiday.mp4").split(),
                   cwd=folder, check=True)
    with open(os.path.join(folder, "archive.txt"), "w", encoding="utf-8") as f:
        f.write("# an archive\nholiday.mp4\n")
    write_gestures(os.path.join(folder, "jester.safetensors"))
    os.mkdir(os.path.join(folder, "bin"))
    os.symlink(LAUNCH, os.path.join(folder, "bin", "gst-launch-1.0"))
    if TOOL:
        os.symlink(TOOL, os.path.join(folder, "bin", "3dcnn"))


def exists(element):
    inspect = os.path.join(os.path.dirname(LAUNCH), "gst-inspect-1.0")
    return subprocess.run([inspect, element], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def missing(command):
    """What a command needs that is not there, if it need not be."""
    for name in sorted(OPTIONAL & set(re.findall(r"[\w-]+", command))):
        if not shutil.which(name) and not exists(name):
            return name
    return None


def outputs(command):
    """The files that a command writes."""
    command = re.sub(r"\s#.*", "", command)
    names = re.findall(r"\b(?:filesink|videoclassjson)\b[^!]*?\blocation=(\S+)", command)
    names += re.findall(r">>? (\S+)$", command)
    if "3dcnn classify" in command:
        names += ["holiday." + kind for kind in ("srt", "vtt", "csv") if f"--{kind}" in command]
    return names


def problems(command, p, folder):
    """What is wrong with what came out of a command, a line each."""
    if p.returncode != 0:
        yield f"status {p.returncode}"
    if "ERROR" in p.stderr or re.search(r"WARNING: from element \S*GstVideoClass", p.stdout + p.stderr):
        yield "an error or a warning"
    for name in outputs(command):
        path = os.path.join(folder, name)
        if not os.path.exists(path) or os.path.getsize(path) == 0:
            yield f"nothing in {name}"
        elif name.endswith(".json"):
            with open(path, encoding="utf-8") as f:
                json.load(f)
        elif name.endswith(".jsonl"):
            with open(path, encoding="utf-8") as f:
                for line in f:
                    json.loads(line)
    to_terminal = not re.search(r">>? \S+$|location=", command)
    if " -m " in command and to_terminal and "videoclassify3d" not in p.stdout:
        yield "no messages"
    if ("videoclassjson" in command or "3dcnn " in command) and to_terminal and not p.stdout:
        yield "nothing on the standard output"


def run(command, folder):
    for what, stand_in in STAND_INS:
        command = re.sub(what, lambda m, s=stand_in: s, command)
    for name in outputs(command):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    env = dict(os.environ, PATH=os.path.join(folder, "bin") + ":" + os.environ["PATH"])
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)


def members(node):
    """The names of all members of a JSON document."""
    if isinstance(node, dict):
        return set(node) | set().union(*map(members, node.values()))
    return set().union(*map(members, node)) if isinstance(node, list) else set()


def undocumented(folder):
    """Members of the tool's JSON and columns of its tables that the man page does not have in bold."""
    p = subprocess.run([TOOL, "classify", "shufflenet", "holiday.mp4", "--json", "--csv"], cwd=folder,
                       capture_output=True, text=True, check=True)
    with open(os.path.join(folder, "holiday.csv"), encoding="utf-8") as f:
        names = members(json.loads(p.stdout)) | set(f.readline().strip().split(","))
    with open(os.path.join(SOURCE, "doc", "3dcnn.1"), encoding="utf-8") as f:
        text = f.read().split(".SH OUTPUT OF CLASSIFY", 1)[1].split(".SH", 1)[0]
    bold = set(re.findall(r"\w+", " ".join(re.findall(r"^\.B.*", text, re.MULTILINE))))
    return sorted(names - bold)


def main():
    found = list(find_commands())
    print(f"1..{len(found) + bool(TOOL)}")
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        for i, (page, command) in enumerate(found, 1):
            name = f"{page}: {command[:70]}".replace("#", "")
            lacking = missing(command)
            if lacking:
                print(f"ok {i} {name} # SKIP {lacking} is not there")
                continue
            p = run(command, folder)
            bad = list(problems(command, p, folder))
            print(f"{'not ok' if bad else 'ok'} {i} {name}")
            for line in bad + ((p.stdout + p.stderr).splitlines()[-8:] if bad else []):
                print("#", line)
        if TOOL:
            lacking = undocumented(folder)
            print(f"{'not ok' if lacking else 'ok'} {len(found) + 1} the man page has the output's fields {lacking or ''}")
    if TOOL and len(found) < FEWEST:
        print("Bail out! the documentation shows fewer commands than it had")


main()
