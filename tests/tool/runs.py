# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of 3dcnn beside other tests, for the tests of this folder."""
import subprocess

_COMPUTE = ("train", "finetune", "eval", "classify")


def run_tool(tool, *args):
    """Exit status, output and errors of 3dcnn. On one thread, unless args say otherwise: beside other tests, threads that
    meet at barriers wait for a CPU at each.
    """
    if args[0] in _COMPUTE and "--threads" not in args:
        args += ("--threads", "1")
    p = subprocess.run([tool, *args], capture_output=True, text=True, check=False, timeout=300)
    return p.returncode, p.stdout, p.stderr
