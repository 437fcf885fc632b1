#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the results of the last `meson test` of a build folder, subtests included."""
import os
import sys
import xml.etree.ElementTree as ET

passed = failed = skipped = 0
reasons = []
path = os.path.join(sys.argv[1], "meson-logs", "testlog.junit.xml")
for case in ET.parse(path).getroot().iter("testcase"):
    skip = case.find("skipped")
    if skip is not None:
        skipped += 1
        reasons.append(f"skipped: {case.get('classname') or ''} {case.get('name')}")
    elif case.find("failure") is not None or case.find("error") is not None:
        failed += 1
        reasons.append(f"FAILED: {case.get('classname') or ''} {case.get('name')}")
    else:
        passed += 1
print("\n".join(reasons))
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
