#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the results of the last `meson test` of a build folder, subtests included. A program that fails
although all subtests that it came to passed, counts as one that failed.
"""
import glob
import json
import os
import sys
import xml.etree.ElementTree as ET

LINES, COLUMNS = 12, 1000


def details(output):
    """What the subtests that failed say of it: the comments that follow them, each cut short."""
    found = {}
    name = None
    for line in (output or "").splitlines():
        if line.startswith("not ok "):
            name = line.removeprefix("not ok ")
            found[name] = []
        elif line.startswith("#") and name is not None:
            found[name].append(line[:COLUMNS])
        else:
            name = None
    return [f"  {name}\n" + "\n".join(f"    {line}" for line in lines[:LINES]) for name, lines in found.items() if lines]


passed = failed = skipped = 0
reasons = []
explanations = []
blamed = set()
# The name has that of the wrapper, if tests ran in one.
path = max(glob.glob(os.path.join(sys.argv[1], "meson-logs", "testlog*.junit.xml")), key=os.path.getmtime)
for case in ET.parse(path).getroot().iter("testcase"):
    skip = case.find("skipped")
    if skip is not None:
        skipped += 1
        reasons.append(f"skipped: {case.get('classname') or ''} {case.get('name')}")
    elif case.find("failure") is not None or case.find("error") is not None:
        failed += 1
        blamed |= {case.get("classname"), case.get("name")}
        reasons.append(f"FAILED: {case.get('classname') or ''} {case.get('name')}")
    else:
        passed += 1
with open(path.replace(".junit.xml", ".json"), encoding="utf-8") as f:
    for program in map(json.loads, f):
        if program["result"] in ("OK", "SKIP", "EXPECTEDFAIL"):
            continue
        explanations += details(program.get("stdout"))
        if not any((name or "").endswith(program["name"]) for name in blamed):
            failed += 1
            reasons.append(f"FAILED: {program['name']} ({program['result']})")
print("\n".join(explanations + reasons))
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
