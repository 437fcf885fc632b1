#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-resources.py BUILT RECORDED [--update]

Fails if a kernel spills on any architecture, or if registers differ from those recorded with the same
nvcc. Another nvcc is told only about spills. --update records what was built.
"""

import re
import sys


def read(path):
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    return lines[0], {line.split()[0]: line for line in lines if not line.startswith("#")}


def main():
    built_by, built = read(sys.argv[1])
    if sys.argv[3:] == ["--update"]:
        with open(sys.argv[1], encoding="ascii") as source, open(sys.argv[2], "w", encoding="ascii") as to:
            to.write(source.read())
        return 0
    recorded_by, recorded = read(sys.argv[2])

    wrong = [f"{kernel}: spills or has a stack: {line}" for kernel, line in built.items()
             if not re.search(r" stack 0 spills 0 ", line)]
    if len({tuple(re.findall(r"sm_\d+", line)) for line in built.values()}) != 1:
        wrong.append("not every kernel was built for every architecture")
    if built.keys() != recorded.keys():
        wrong.append(f"kernels differ: {sorted(built.keys() ^ recorded.keys())}")
    elif built_by == recorded_by:
        wrong += [f"built    {built[kernel]}\nrecorded {recorded[kernel]}" for kernel in built
                  if built[kernel] != recorded[kernel]]
    else:
        print(f"{built_by}, recorded with {recorded_by}: registers are not compared")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


sys.exit(main())
