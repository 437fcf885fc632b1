#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what gst-inspect says of an element with the text that is kept next to this file:
its properties, signals and classification, as far as GStreamer's versions print them alike.

    test-inspect.py GST-INSPECT ELEMENT TEXT [--write]
"""
import re
import subprocess
import sys

text = subprocess.run([sys.argv[1], sys.argv[2]], capture_output=True, text=True, check=True).stdout
kept = []
for line in text.splitlines():
    m = re.match(r"\s+(Long-name|Klass|Description)\s+(.*)", line)
    if m and "." not in m.group(1):
        kept.append(f"{m.group(1)}: {m.group(2)}")
    m = re.match(r"  ([a-z0-9-]+)\s+: (.*)", line)
    if m and m.group(1) not in ("name", "parent", "qos"):
        kept.append(f"property {m.group(1)}: {m.group(2)}")
    m = re.match(r'\s+\(?(-?\d+|0x[0-9a-f]+)\)?:? (\S+)\s+- (.*)', line)
    if m:
        kept.append(f"  {m.group(2)}: {m.group(3)}")
found = "\n".join(kept) + "\n"
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
