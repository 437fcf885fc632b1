#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""3dcnn train, finetune and eval in several processes: the same numbers as in one, files written once, and an
end of all of them whatever happens to one. TAP output.

    test-mpi.py TOOL TOOL-BUILT-WITHOUT-MPI MPIRUN-OR-"" SOURCE-FOLDER
"""
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import processes
from runs import complete
from tap import check, finish

TOOL, ALONE, MPIRUN, SOURCE = sys.argv[1:5]
SIZE, FRAMES, CLASSES = 48, 8, 4
NETWORK = ["--arch", "mobilenet", "--width", "0.1", "--size", str(SIZE), "--frames", str(FRAMES), "--threads", "1"]
# Losses, relative, over 20 steps; fewer where another configuration of CI has made these.
QUICK = bool(os.environ.get("CNN3D_TEST_QUICK"))
BAR, STEPS = 1e-5, 6 if QUICK else 20


def make_cache(folder, n):
    """Noise that moves as fast as its label says."""
    os.makedirs(folder)
    rng, videos = random.Random(n), []
    with open(os.path.join(folder, "frames.bin"), "wb") as f:
        for i in range(n):
            videos.append({"name": f"{i}", "label": i % CLASSES, "offset": f.tell(), "frames": FRAMES + 2,
                           "width": SIZE, "height": SIZE, "rate": 7.5})
            noise = bytes(rng.randrange(256) for _ in range(SIZE * SIZE * 3))
            for t in range(FRAMES + 2):
                f.write(noise[3 * t * (i % CLASSES):] + noise[:3 * t * (i % CLASSES)])
    with open(os.path.join(folder, "cache.json"), "w", encoding="utf-8") as f:
        json.dump({"version": 1, "labels": [f"speed {c}" for c in range(CLASSES)], "videos": videos}, f)
    return folder


def one(*args):
    p = complete([TOOL, *args])
    return p.returncode, p.stdout, p.stderr


def several(n, *args, **more):
    return processes.run(MPIRUN, n, [TOOL, *args], **more)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def losses(out, column="loss"):
    """Of each epoch; none if it did not come that far, which fails a test later on."""
    if not os.path.exists(out + ".csv"):
        return []
    with open(out + ".csv", encoding="utf-8", newline="") as f:
        return [float(row[column]) for row in csv.DictReader(f)]


def difference(a, b):
    return max(abs(x - y) / abs(x) for x, y in zip(a, b)) if len(a) == len(b) > 0 else float("inf")


def without_times(path):
    """A checkpoint but for how long it all took."""
    data = read(path)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header["__metadata__"].pop("seconds")
    return header, data[8 + length:]


def test_alone(folder, data):
    """A build without MPI does not do all of the work in each process."""
    out = os.path.join(folder, "alone")
    args = [ALONE, "train", *NETWORK, "-d", data, "-e", "1", "-b", "8", "-o", out]
    for names in ({"OMPI_COMM_WORLD_SIZE": "2"}, {"PMI_SIZE": "3"}, {"PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "2"}):
        p = subprocess.run(args, capture_output=True, text=True, check=False, env={**os.environ, **names}, timeout=100)
        check(f"without MPI: refused, with the build option: {' '.join(names)}", p.returncode == 1
              and "-Dmpi=enabled" in p.stderr and not os.path.exists(out), (p.returncode, p.stderr))
    p = subprocess.run(args, capture_output=True, text=True, check=False, timeout=100,
                       env={**os.environ, "OMPI_COMM_WORLD_SIZE": "1"})
    check("without MPI: one process of mpirun is all right", p.returncode == 0 and os.path.exists(out), p.stderr)


def test_losses(folder, data, val):
    """In double, as float's rounding errors grow tenfold with every few steps, whatever computes them."""
    networks = [("shufflenet", "0.5", (2,)), ("mobilenetv2", "0.2", (2, 4))]
    for arch, width, counts in networks[:1] if QUICK else networks:
        args = ["train", "--arch", arch, "--width", width, "--size", str(SIZE), "--frames", "16", "-d", data,
                "-v", val, "-b", "8", "-e", str(STEPS), "--rate", "0.005", "--contrast", "0.1", "--threads", "1",
                "--double", "-o"]
        first = os.path.join(folder, f"{arch}-1")
        status, text, err = one(*args, first)
        check(f"{arch} in one process", status == 0 and len(losses(first)) == STEPS, (text, err))
        for n in counts:
            out = os.path.join(folder, f"{arch}-{n}")
            # More processes than CPUs wait for each other at every sum, so they take few steps.
            steps = STEPS if n == 2 else 4
            status, text, err = several(n, *args, out, "-e", str(steps))
            worst = difference(losses(first)[:steps], losses(out)) if status == 0 else err
            check(f"{arch} in {n}: the same losses, within {BAR}", status == 0 and worst <= BAR, worst)
            print(f"# relative difference {worst}, of numbers with nine digits")
            worst = difference(losses(first, "val_loss")[:steps], losses(out, "val_loss")) if status == 0 else err
            check("and those of validation, whose last batch is not whole", status == 0 and worst <= BAR, worst)


def test_rest(folder, ten):
    """The last batch of an epoch is shared too, but for clips that would make one process' part larger."""
    args = ["train", *NETWORK, "-b", "4", "-e", "3", "--rate", "0.001", "--dropout", "0.5", "--double", "-o"]
    a, b = (os.path.join(folder, f"rest-{n}") for n in (1, 2))
    one(*args, a, "-d", ten)
    status, text, err = several(2, *args, b, "-d", ten)
    worst = difference(losses(a), losses(b)) if status == 0 else err
    check("a smaller last batch: the same losses", status == 0 and worst <= BAR and " 10 clips, 2" in text, (text, worst))
    eleven = make_cache(os.path.join(folder, "eleven"), 11)
    status, text, err = several(2, *args, b + "-left", "-d", eleven)
    check("clips that cannot be shared are said to be left out", status == 0 and "10 of 11 clips an epoch" in text,
          (text, err))


def test_float(folder, data):
    """The first losses, before rounding errors have grown."""
    args = ["train", *NETWORK, "-d", data, "-b", "8", "-e", "3", "--rate", "0.0001", "--dropout", "0.5", "-o"]
    a, b = (os.path.join(folder, f"float-{n}") for n in (1, 2))
    one(*args, a)
    status, text, err = several(2, *args, b)
    worst = difference(losses(a), losses(b)) if status == 0 else err
    check("in float, three steps", status == 0 and worst <= BAR, worst)
    check("what is said is said once", text.count("epoch 1/3") == 1 and text.count("2 processes") == 1
          and text.count("written") == 1 and not err, (text, err))
    check("files are written once", sorted(n for n in os.listdir(folder) if n.startswith("float-2"))
          == ["float-2", "float-2.checkpoint", "float-2.csv", "float-2.svg"], os.listdir(folder))


def test_going_on(folder, data, val):
    args = ["train", *NETWORK, "-d", data, "-v", val, "-b", "8", "-o"]
    whole, parts = (os.path.join(folder, n) for n in ("whole", "parts"))
    status, text, err = several(2, *args, whole, "-e", "4")
    check("an unbroken training", status == 0, (text, err))
    several(2, *args, parts, "-e", "2")
    status, text, err = several(2, *args, parts, "-e", "2")
    check("a checkpoint is not overwritten, and that is said once", status == 1 and err.count("--resume goes on") == 1,
          (status, err))
    status, text, err = several(2, *args, parts, "-e", "4", "--resume")
    check("--resume comes to the same files", status == 0 and "going on from epoch 3" in text
          and read(whole) == read(parts) and without_times(whole + ".checkpoint") == without_times(parts + ".checkpoint"),
          (text, err))
    status, text, err = several(2, *args, parts, "-e", "4", "--resume")
    check("what is done is not done again", status == 0 and text.count("are done") == 1, (text, err))
    status, text, err = one(*args, parts, "-e", "5", "--resume")
    check("one process goes on from what two have done", status == 0 and len(losses(parts)) == 5, (text, err))


def wait_for_epoch(p, n=1):
    seen = 0
    while seen < n:
        line = p.stdout.readline()
        if not line:
            return False
        seen += line.startswith("epoch ")
    return True


def test_interrupt(folder, data):
    args = [TOOL, "train", *NETWORK, "-d", data, "-b", "8", "-o", os.path.join(folder, "interrupted"), "--resume"]
    out = os.path.join(folder, "interrupted")
    for number, statuses in ((signal.SIGUSR1, [130]), (signal.SIGINT, [1, 130]), (signal.SIGTERM, [1, 130, 143])):
        p = processes.start(MPIRUN, 2, [*args, "-e", "100000"])
        ready = wait_for_epoch(p)
        p.send_signal(number)
        text, err = p.communicate(timeout=100)
        check(f"{number.name} to mpirun saves and ends all", ready and p.returncode in statuses
              and ("3dcnn: interrupted" in err or number != signal.SIGUSR1), (p.returncode, text, err))
    done = len(losses(out))
    status, text, err = several(2, *args[1:], "-e", str(done + 1))
    check("and it goes on from there", status == 0 and f"going on from epoch {done + 1}," in text, (done, text, err))


def children(pid):
    """Processes of the tool below mpirun."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except (OSError, ValueError):
            continue
        if int(fields[1]) == pid and os.path.basename(words[0]) == os.path.basename(TOOL).encode():
            found.append(int(name))
    return sorted(found)


def test_failures(folder, data):
    """Whatever happens to one process, none waits for it without end."""
    out, copy = os.path.join(folder, "failing"), os.path.join(folder, "copy")
    shutil.copytree(data, copy)

    def both(name, second, *more):
        # A name each: mpirun may end before a process that it has killed, which still has its file locked.
        line = [TOOL, "train", *NETWORK, "-b", "8", "-o", name, *more]
        return [*line, "-d", data], [*line, *second]

    status, _, err = processes.run(MPIRUN, 2, *both(out + "1", ["-d", "/nonexistent"], "-e", "1"))
    check("data that one has not: all end, and it is said whose", status == 1
          and err.count("3dcnn: process 1: /nonexistent: is not there") == 1 and not os.path.exists(out + "1"), (status, err))
    other = make_cache(os.path.join(folder, "other"), 12)
    status, _, err = processes.run(MPIRUN, 2, *both(out + "2", ["-d", other], "-e", "1"))
    check("other data", status == 1 and "process 1: has other videos" in err, (status, err))
    status, _, err = processes.run(MPIRUN, 2, *both(out + "3", ["-d", data, "--rate", "0.5"], "-e", "1"))
    check("other options", status == 1 and "process 1: has other options" in err, (status, err))
    status, _, err = processes.run(MPIRUN, 2, *both(out + "4", ["-d", data, "--rate", "-1"], "-e", "1"))
    check("an option that is wrong in one of them", status != 0 and "--rate takes" in err, (status, err))

    p = processes.start(MPIRUN, 2, *both(out, ["-d", copy], "-e", "100000"))
    ready = wait_for_epoch(p)
    with open(os.path.join(copy, "frames.bin"), "r+b") as f:
        f.truncate(100)
    text, err = p.communicate(timeout=100)
    check("data that one cannot read any more end all", ready and p.returncode == 1 and "process 1: " in err
          and "copy/frames.bin" in err, (p.returncode, text, err))
    status, text, err = several(2, "train", *NETWORK, "-b", "8", "-o", out, "-d", data, "-e",
                                str(len(losses(out)) + 1), "--resume")
    check("its checkpoint is a good one", status == 0 and "going on" in text, (text, err))

    p = processes.start(MPIRUN, 2, [TOOL, "train", *NETWORK, "-b", "8", "-o", out + "-killed", "-d", data, "-e", "100000"])
    ready, pids = wait_for_epoch(p), children(p.pid)
    if pids:
        os.kill(pids[-1], signal.SIGKILL)
    begin = time.monotonic()
    _, err = p.communicate(timeout=100)
    check("one that is killed takes the others along", ready and len(pids) == 2 and p.returncode != 0, (pids, err))
    print(f"# after {time.monotonic() - begin:.1f} s")


def test_unwritable(folder, data):
    """Only the first process writes, so only it can fail to."""
    place = os.path.join(folder, "place")
    os.makedirs(place)
    p = processes.start(MPIRUN, 2, [TOOL, "train", *NETWORK, "-d", data, "-b", "8", "-e", "100000", "-o",
                                    os.path.join(place, "m")])
    ready = wait_for_epoch(p)
    os.rename(place, place + "-gone")
    _, err = p.communicate(timeout=100)
    check("files that cannot be written any more end all", ready and p.returncode == 1 and "place/m" in err
          and err.count("3dcnn:") == 1, (p.returncode, err))


def test_wrong_use(folder, data):
    out = os.path.join(folder, "wrong")
    for n, args, code, expected in (
            (2, ["train", *NETWORK, "-d", data, "-o", out, "-b", "7"], 1, "shared evenly by 2"),
            (3, ["train", *NETWORK, "-d", data, "-o", out, "-b", "30"], 1, "less than a batch of 30"),
            (2, ["train", *NETWORK, "-d", data, "-o", out, "--rate", "-1"], 2, "--rate takes"),
            (2, ["train", *NETWORK, "-d", "/nonexistent", "-o", out], 1, "/nonexistent: is not there"),
            (2, ["finetune", os.path.join(SOURCE, "models", "shufflenet.safetensors"), "-d", data, "-o", out], 2,
             "--portion complete"),
            (2, ["info", "--arch", "shufflenet"], 2, "info runs in one process"),
            (2, ["synth", "-o", out], 2, "in one process")):
        if args[0] == "synth" and "synth" not in one("--help")[1]:
            continue
        status, text, err = several(n, *args)
        check(f"said once: {expected}", status == code and err.count(expected) == 1 and not text
              and not os.path.exists(out), (status, text, err))
    status, text, err = several(2, "train", "--help")
    check("--help", status == 0 and "--arch" in text, (status, err))


def test_finetune(folder, data):
    base = os.path.join(folder, "float-2")
    outs = [os.path.join(folder, f"tuned-{n}") for n in (1, 2)]
    args = ["finetune", base, "--portion", "complete", "-d", data, "-b", "8", "-e", "5", "--double", "--threads", "1",
            "--dropout", "0.5", "-o"]
    one(*args, outs[0])
    status, text, err = several(2, *args, outs[1])
    worst = difference(losses(outs[0]), losses(outs[1])) if status == 0 else err
    check("finetune --portion complete", status == 0 and worst <= BAR, (text, worst))


def test_eval(folder, val):
    model, results = os.path.join(folder, "float-2"), []
    for n in (1, 2, 3):
        scores = os.path.join(folder, f"scores-{n}.json")
        args = ["eval", model, "--data", val, "--json", "--scores", scores, "--batch", "4"]
        status, text, err = one(*args) if n == 1 else several(n, *args)
        with open(scores, encoding="utf-8") as f:
            results.append((status, json.loads(text or "{}"), json.load(f), err))
    check("eval: the same in 1, 2 and 3 processes", all(r[:2] == results[0][:2] for r in results)
          and results[0][1]["clips"]["n"] == 10, results)
    worst = max(abs(x - y) for r in results for a, b in zip(r[2], results[0][2]) for x, y in zip(a["scores"], b["scores"]))
    check("and each video's scores", worst < 1e-12, worst)
    status, _, err = several(2, "eval", model, "--data", "/nonexistent")
    check("a failure is said once", status == 1 and err.count("/nonexistent: is not there") == 1, (status, err))


with tempfile.TemporaryDirectory() as tmp:
    DATA, VAL = make_cache(os.path.join(tmp, "data"), 8), make_cache(os.path.join(tmp, "val"), 10)
    test_alone(tmp, DATA)
    if MPIRUN:
        test_losses(tmp, DATA, VAL)
        test_float(tmp, DATA)
        test_rest(tmp, VAL)
        test_going_on(tmp, DATA, VAL)
        test_interrupt(tmp, DATA)
        test_failures(tmp, DATA)
        test_unwritable(tmp, DATA)
        test_wrong_use(tmp, DATA)
        test_finetune(tmp, DATA)
        test_eval(tmp, VAL)
    else:
        check("several processes # SKIP this build has no MPI, or there is no mpirun", True)
finish()
