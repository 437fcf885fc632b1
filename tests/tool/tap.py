# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Test Anything Protocol, for the test programs of this folder."""
import sys

_count = 0
_failures = 0


def check(name, condition, detail=""):
    """Prints a line for a test; the detail helps where it fails."""
    global _count, _failures
    _count += 1
    _failures += not condition
    print(f"{'ok' if condition else 'not ok'} {_count} {name}", flush=True)
    if not condition:
        print(f"# {detail}", flush=True)


def finish():
    """Prints how many tests there were, and ends the program."""
    print(f"1..{_count}")
    sys.exit(1 if _failures else 0)
