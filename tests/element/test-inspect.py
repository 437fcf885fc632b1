#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what gst-inspect says of an element with the text that is kept next to this file: its classification, pad
templates, properties with their flags, ranges and defaults, and signals, as far as GStreamer's versions print them
alike.

    test-inspect.py GST-INSPECT ELEMENT TEXT [--write]
"""
import os
import re
import subprocess
import sys

# What belongs to GStreamer's base classes, and what depends on its version.
NOT_OURS = ("name", "parent", "qos")
# A list of formats that is longer is that of all formats, which later versions add to.
LONGEST_LIST = 400


def squeeze(line):
    return re.sub(r"\s+", " ", line).strip()


def sections(text):
    """Pairs of a heading, which is not indented, and the lines below it."""
    found = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            found.append((line.strip().rstrip(":"), []))
        elif found and line.strip():
            found[-1][1].append(line)
    return dict(found)


def details(lines):
    for line in lines:
        m = re.match(r"\s+(Long-name|Klass|Description)\s+(.*)", line)
        if m:
            yield f"{m.group(1)}: {m.group(2)}"


def templates(lines):
    for line in lines:
        line = squeeze(line)
        m = re.match(r"(\S+) template: (.*)", line)
        if m:
            yield f"pad {m.group(1).lower()} {m.group(2)}"
        elif "format: {" in line and len(line) > LONGEST_LIST:
            yield "  format: { all of this version }"
        elif not line.startswith("Capabilities"):
            yield "  " + line


def properties(lines):
    ours = False
    for line in lines:
        m = re.match(r"  ([a-z0-9-]+)\s+: (.*)", line)
        if m:
            ours = m.group(1) not in NOT_OURS
            if ours:
                yield f"property {m.group(1)}: {m.group(2)}"
            continue
        m = re.match(r"\s+\(?(-?\d+|0x[0-9a-f]+)\)?:? (\S+)\s+- (.*)", line)
        if ours and m:
            yield f"    {m.group(2)}: {m.group(3)}"
        elif ours:
            # Which value is the default, as a number or a nick; how flags are written; blanks.
            line = re.sub(r"^flags: ", "", squeeze(line))
            yield "  " + line


def signals(lines):
    found = []
    for line in lines:
        line = re.sub(r"\s*\*\s*", "* ", squeeze(line))
        m = re.match(r'"(\S+)" : (.*)', line)
        if m:
            found.append([f"signal {m.group(1)}: {m.group(2)}"])
        elif found:
            found[-1].append("  " + line)
    # Later versions sort them.
    return sum(sorted(found), [])


def normalise(text):
    found = sections(text)
    kept = list(details(found.get("Factory Details", [])))
    kept += templates(found.get("Pad Templates", []))
    kept += properties(found.get("Element Properties", []))
    kept += signals(found.get("Element Signals", []))
    return "\n".join(kept) + "\n"


def main():
    env = dict(os.environ, LC_ALL="C", GST_INSPECT_NO_COLORS="1")
    text = subprocess.run([sys.argv[1], sys.argv[2]], capture_output=True, text=True, check=True, env=env).stdout
    found = normalise(text)
    if "--write" in sys.argv:
        with open(sys.argv[3], "w", encoding="utf-8") as f:
            f.write(found)
    with open(sys.argv[3], encoding="utf-8") as f:
        expected = f.read()
    print("1..1")
    print("ok 1 gst-inspect" if found == expected else "not ok 1 gst-inspect")
    if found != expected:
        import difflib
        for line in difflib.unified_diff(expected.splitlines(), found.splitlines(), "kept", "now", lineterm=""):
            print("#", line)


main()
