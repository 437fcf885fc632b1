#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/train.sh and models/photographs.sh with a package manager and a tool that only pretend. TAP output."""
import os
import shutil
import subprocess
import sys
import tempfile

from tap import check, finish

SOURCE = sys.argv[1]
# Unpacks as many pictures as the environment says.
DPKG = """mkdir -p "$3/usr/share"
i=0
while [ $i -lt $PICTURES ]; do
  head -c 70000 /dev/zero > "$3/usr/share/picture-$i.jpg"
  i=$((i + 1))
done"""
APT_GET = """[ "$1" != update ] || exit 0
[ "$3" != "${BROKEN:-}" ] || { echo "no network" >&2; exit 100; }
touch "${3}_1_all.deb"
"""
TOOL = """echo "$@" >> "$CALLS"
while [ $# -gt 0 ]; do
  [ "$1" != -o ] || case "$2" in *.safetensors) echo new > "$2" ;; *) mkdir -p "$2/test" ;; esac
  shift
done"""


def install(folder):
    """The scripts, a model that is there already, and the programs that pretend."""
    os.makedirs(os.path.join(folder, "bin"))
    os.makedirs(os.path.join(folder, "models", "logs"))
    for name in ("train.sh", "photographs.sh"):
        shutil.copy(os.path.join(SOURCE, "models", name), os.path.join(folder, "models"))
    with open(os.path.join(folder, "models", "shufflenet.safetensors"), "w", encoding="utf-8") as f:
        f.write("old\n")
    for name, text in (("apt-get", APT_GET), ("apt-cache", "[ \"$2\" = lomiri-wallpapers ] || echo \"$2 | 1 | here\""),
                       ("dpkg", DPKG), ("tool", TOOL)):
        path = os.path.join(folder, "bin", name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)


def train(folder, **env):
    tool = os.path.join(folder, "bin")
    calls = os.path.join(folder, "calls")
    if os.path.exists(calls):
        os.unlink(calls)
    p = subprocess.run([os.path.join(folder, "models", "train.sh"), "shufflenet", os.path.join(folder, "data")],
                       capture_output=True, text=True, check=False, timeout=60, env=os.environ | {
                           "PATH": f"{tool}:{os.environ['PATH']}", "CNN3D": os.path.join(tool, "tool"), "CALLS": calls,
                           "PICTURES": "20"} | env)
    made = ""
    if os.path.exists(calls):
        with open(calls, encoding="utf-8") as f:
            made = f.read()
    with open(os.path.join(folder, "models", "shufflenet.safetensors"), encoding="utf-8") as f:
        return p.returncode, p.stderr, made, f.read().strip(), sorted(os.listdir(os.path.join(folder, "data")))


with tempfile.TemporaryDirectory() as tmp:
    install(tmp)
    STATUS, ERR, MADE, MODEL, DATA = train(tmp, BROKEN="ukui-wallpapers")
    check("a download that fails ends it", STATUS != 0 and "ukui-wallpapers cannot be downloaded" in ERR
          and "no network" in ERR and MODEL == "old" and not MADE and not DATA, (STATUS, ERR, MADE, MODEL, DATA))
    STATUS, ERR, MADE, MODEL, DATA = train(tmp, PICTURES="1")
    check("so do too few photographs", STATUS != 0 and "too few" in ERR and "apt-get update" in ERR and MODEL == "old"
          and not MADE and not DATA, (STATUS, ERR, MADE, MODEL, DATA))
    STATUS, ERR, MADE, MODEL, DATA = train(tmp)
    check("with enough, it trains", STATUS == 0 and MODEL == "new" and "lomiri-wallpapers is not in this Debian" in ERR
          and len(os.listdir(os.path.join(tmp, "data", "photographs"))) == 180, (STATUS, ERR, MADE, MODEL, DATA))
    LEARN = [line for line in MADE.splitlines() if line.startswith("train ")]
    check("training clips choose the epoch, test clips are for the end", len(LEARN) == 1 and "--val-share" in LEARN[0]
          and "clips/test" not in LEARN[0] and MADE.splitlines()[-1].startswith("eval "), MADE)
finish()
