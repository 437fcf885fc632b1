#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""playbin with the elements as its video filter, and examples/player with keys from the terminal.

    test-player.py GST-LAUNCH PLAYER FILTER
"""
import os
import pathlib
import subprocess
import sys
import tempfile

LAUNCH, PLAYER, FILTER = sys.argv[1:4]
count = failures = 0


def check(name, condition, detail=""):
    global count, failures
    count += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {count} {name}")
    if not condition:
        print(f"# {detail!r}")


def run(*args, keys=""):
    p = subprocess.run(args, input=keys, capture_output=True, text=True, check=False, timeout=120)
    return p.returncode, p.stdout, p.stderr


with tempfile.TemporaryDirectory() as folder:
    video = os.path.join(folder, "a pan.avi")
    uri = pathlib.Path(video).as_uri()
    run(LAUNCH, "-q", *("videotestsrc num-buffers=130 pattern=smpte horizontal-speed=-2 "
                        "! video/x-raw,width=320,height=240,framerate=30/1 ! jpegenc ! avimux ! filesink").split(),
        f"location={video}")
    found = run(LAUNCH, "-m", "playbin", f"uri={uri}", f"video-filter={FILTER}", "video-sink=fakesink sync=false")
    check("playbin", found[0] == 0 and found[1].count("videoclassify3d, ") >= 2 and "pan\\ left" in found[1], found)
    found = run(PLAYER, "--test", video)
    check("player", found[0] == 0 and "pan left" in found[1], found)
    found = run(PLAYER, "--test", uri, keys="p\np\n+-q")
    check("pause, seek and quit", found[0] == 0, found)
    found = run(PLAYER, "--test", os.path.join(folder, "missing.avi"))
    check("a missing file is an error", found[0] == 1 and found[2], found)
print(f"1..{count}")
sys.exit(1 if failures else 0)
