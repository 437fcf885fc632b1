#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Examples that take a video, with one whose path has a space.

    test-paths.py GST-LAUNCH EXAMPLE...
"""
import os
import subprocess
import sys
import tempfile

MAKE = ("videotestsrc num-buffers=70 pattern=smpte horizontal-speed=-2 "
        "! video/x-raw,width=320,height=240,framerate=30/1 ! jpegenc ! avimux ! filesink")

with tempfile.TemporaryDirectory() as folder:
    video = os.path.join(folder, "a pan.avi")
    subprocess.run([sys.argv[1], "-q", *MAKE.split(), f"location={video}"], check=True)
    for example in sys.argv[2:]:
        p = subprocess.run([sys.executable, example, video], capture_output=True, text=True, check=False, timeout=100)
        if p.returncode or "pan left" not in p.stdout:
            sys.exit(f"{example}: {p.returncode} {p.stdout} {p.stderr}")
