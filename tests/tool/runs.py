# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of 3dcnn and of other programs, for the tests of this folder."""
import os
import shutil
import subprocess

_COMPUTE = ("train", "finetune", "eval", "classify")


def _tell_where(pid):
    """Where a program's threads are, for the log: their stacks where there is gdb, else what they wait for."""
    if shutil.which("gdb"):
        p = subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all backtrace"], capture_output=True, text=True,
                           check=False, timeout=100)
        lines = p.stdout.splitlines()
    else:
        lines = []
        for thread in sorted(os.listdir(f"/proc/{pid}/task")):
            for name in ("comm", "wchan", "syscall"):
                with open(f"/proc/{pid}/task/{thread}/{name}", encoding="utf-8") as f:
                    lines.append(f"{thread} {name} {f.read().strip()}")
    for line in lines:
        print("#", line, flush=True)


def complete(command, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more):
    """As subprocess.run(), of a program that should end. One that does not is a failure: where its threads are is in the log,
    it is killed, and subprocess.TimeoutExpired says which command it was.
    """
    with subprocess.Popen(command, stdout=stdout, stderr=stderr, text=True, **more) as p:
        try:
            out, err = p.communicate(timeout=timeout)
        except BaseException:
            try:
                if p.poll() is None:
                    _tell_where(p.pid)
            finally:  # also where that cannot be told, as else the program would be waited for
                p.kill()
            raise
    return subprocess.CompletedProcess(command, p.returncode, out, err)


def run_tool(tool, *args):
    """Exit status, output and errors of 3dcnn. On one thread, unless args say otherwise: beside other tests, threads that
    meet at barriers wait for a CPU at each.
    """
    if args[0] in _COMPUTE and "--threads" not in args:
        args += ("--threads", "1")
    p = complete([tool, *args])
    return p.returncode, p.stdout, p.stderr
