# SPDX-License-Identifier: LGPL-2.1-or-later
"""The structs that the benchmark of training reads from headers are those of the C compiler.

    test-structs.py PROGRAM-THAT-PRINTS-THEM SOURCE-FOLDER
"""
import os
import subprocess
import sys

program, source = sys.argv[1:]
sys.path.insert(0, os.path.join(source, "tests", "tool"))
from tap import check, finish  # noqa: E402


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def numbers(text):
    return dict(line.split() for line in text.splitlines())


def main():
    compiled = numbers(run(program))
    names = [name for name in compiled if "." not in name]
    read = numbers(run(sys.executable, os.path.join(source, "bench", "structs.py"), *names))
    for name in names:
        check(f"the size of {name}", read[name] == compiled[name], f"{read[name]}, not {compiled[name]}")
    for field in (field for field in compiled if "." in field):
        check(f"the place of {field}", read.get(field) == compiled[field],
              f"{read.get(field)}, not {compiled[field]}")
    finish()


main()
