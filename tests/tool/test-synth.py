#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""3dcnn synth as a user runs it: caches, videos, the split, wrong options. TAP output."""
import json
import os
import sys
import tempfile

from launch import launch
from runs import complete
from tap import check, finish

TOOL = sys.argv[1]
LABELS = ["static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out",
          "roll clockwise", "roll counterclockwise", "shake"]
CLIP = 16 * 48 * 48 * 3


def synth(*args):
    p = complete([TOOL, "synth", *args])
    return p.returncode, p.stdout, p.stderr


def read(folder, split):
    with open(os.path.join(folder, split, "cache.json"), encoding="utf-8") as f:
        meta = json.load(f)
    with open(os.path.join(folder, split, "frames.bin"), "rb") as f:
        return meta, f.read()


def test_cache(folder):
    common = ["--textures", "3", "--clips", "70", "--test-clips", "10", "--size", "48"]
    one, two, other = (os.path.join(folder, name) for name in ("one", "two", "other"))
    status, out, err = synth("-o", one, "--threads", "1", *common)
    check("a cache", status == 0 and "70 clips" in out, (out, err))
    meta, frames = read(one, "train")
    check("its labels", meta["labels"] == LABELS, meta["labels"])
    check("its clips", len(meta["videos"]) == 70 and len(frames) == 70 * CLIP
          and [v["label"] for v in meta["videos"]] == [i % 10 for i in range(70)], len(frames))
    check("its rate", all(v["rate"] == 7.5 and v["frames"] == 16 for v in meta["videos"]))
    synth("-o", two, "--threads", "3", *common)
    check("the same on any number of threads", read(two, "train")[1] == frames)
    check("tests are other clips", read(one, "test")[1] != frames[:10 * CLIP])
    synth("-o", other, "--seed", "2", *common)
    check("another seed, other clips", read(other, "train")[1] != frames)


def test_split(folder):
    photos, out = os.path.join(folder, "photos"), os.path.join(folder, "split")
    os.makedirs(os.path.join(photos, "deep"))
    for i, pattern in enumerate(["smpte", "checkers-8", "circular", "zone-plate", "pinwheel", "spokes", "snow", "smpte"]):
        path = os.path.join(photos, "deep" if i % 2 else "", f"{pattern}{i if i == 7 else ''}.png")
        launch(f"videotestsrc pattern={pattern} num-buffers=1 kx2=20 ky2=20 kt=1 ! videobalance contrast={0.75 if i == 7 else 1} "
               "! video/x-raw,width=320,height=240 ! pngenc ! filesink", path)
    with open(os.path.join(photos, "broken.jpg"), "wb") as f:
        f.write(b"no picture")
    status, text, err = synth("--images", photos, "--textures", "0", "--clips", "200", "--test-clips", "100",
                              "--test-share", "0.4", "--size", "32", "-o", out)
    check("photographs, a broken one named and passed over", status == 0 and "broken.jpg" in err, (text, err))
    scenes = [{v["name"].split(" over ")[1] for v in read(out, split)[0]["videos"]} for split in ("train", "test")]
    told = [int(line.split()[-2]) for line in text.splitlines()]
    check("it tells over how many scenes each side is", sum(told) == 8 and all(
        len(a) <= n for a, n in zip(scenes, told)), (text, scenes))
    check("no photograph is on both sides", scenes[0] and scenes[1] and not scenes[0] & scenes[1], scenes)
    # The two colour bars look alike, so they stay together.
    check("pictures that look alike stay on one side", not any(
        ("smpte.png" in a) and ("smpte7.png" in b) for a, b in (scenes, scenes[::-1])), scenes)


def test_videos(folder):
    out = os.path.join(folder, "videos")
    status, text, err = synth("--textures", "2", "--clips", "10", "--test-clips", "0", "--format", "video", "-o", out)
    check("videos", status == 0, (text, err))
    check("a folder for each class", sorted(os.listdir(os.path.join(out, "train"))) == sorted(LABELS))
    video = os.path.join(out, "train", "pan left", "000001.avi")
    check("a video in it", os.path.getsize(video) > 10000)
    before = {os.path.join(at, name) for at, _, names in os.walk(out) for name in names}
    args = ["--textures", "2", "--clips", "5", "--test-clips", "0", "--format", "video", "-o", out]
    status, text, err = synth(*args)
    check("clips are not put among old ones", status == 1 and "has clips already; --force" in err
          and {os.path.join(at, name) for at, _, names in os.walk(out) for name in names} == before, (text, err))
    with open(os.path.join(out, "train", "shake", "mine.avi"), "wb") as f:
        f.write(b"mine")
    status, text, err = synth(*args, "--force")
    check("others' files are left alone", status == 1 and "other things" in err, (text, err))
    os.unlink(os.path.join(out, "train", "shake", "mine.avi"))
    status, text, err = synth(*args, "--force")
    check("--force removes old clips", status == 0 and {os.path.basename(at): names for at, _, names in os.walk(
        os.path.join(out, "train")) if names} == {LABELS[i]: [f"{i:06}.avi"] for i in range(5)}, (text, err))
    # Real footage as the scene: what was just made serves.
    again = os.path.join(folder, "footage")
    status, text, err = synth("--videos", out, "--textures", "0", "--clips", "0", "--test-clips", "20", "--test-share",
                              "1", "--actors", "0", "--size", "32", "-o", again)
    check("clips over videos", status == 0 and len(read(again, "test")[0]["videos"]) == 20, (text, err))


def test_plain(folder):
    """Pictures in which no motion can be seen, and folders without any."""
    photos, out = os.path.join(folder, "plain"), os.path.join(folder, "over-plain")
    os.makedirs(photos)
    status, text, err = synth("--images", photos, "--clips", "10", "-o", out)
    check("a folder without pictures is named", status == 1 and "plain: has no pictures" in err
          and not os.path.exists(out), (text, err))
    launch("videotestsrc pattern=white num-buffers=1 ! pngenc ! filesink", os.path.join(photos, "white.png"))
    status, text, err = synth("--images", photos, "--clips", "10", "--textures", "0", "-o", out)
    check("a white picture is passed over, and none is left", status == 1 and "white.png: is too plain" in err
          and "plain: has no pictures" in err and not os.path.exists(out), (text, err))
    launch("videotestsrc pattern=zone-plate num-buffers=1 kx2=20 ky2=20 kt=1 ! video/x-raw,width=320,height=240 ! pngenc "
           "! filesink", os.path.join(photos, "zone.png"))
    status, text, err = synth("--images", photos, "--clips", "10", "--test-clips", "0", "--test-share", "0",
                              "--textures", "0", "--size", "32", "-o", out)
    check("the others are used", status == 0 and "white.png: is too plain" in err
          and all(v["name"].endswith("over zone.png") for v in read(out, "train")[0]["videos"]), (text, err))
    again = os.path.join(folder, "no-tests")
    status, text, err = synth("--images", photos, "--clips", "10", "--test-share", "0", "-o", again)
    check("that no picture is for tests is known first", status == 1 and "is for tests" in err
          and not os.path.exists(again), (text, err))


def test_errors(folder):
    status, _, err = synth("--clips", "10")
    check("synth needs --output", status == 2 and "--output" in err, err)
    status, _, err = synth("-o", folder, "--format", "gif")
    check("a wrong format is named", status == 2 and "gif" in err, err)
    for option, value in (("--test-share", "2"), ("--frames", "0"), ("--rate", "0"), ("--clips", "-1"), ("--size", "5")):
        status, _, err = synth("-o", folder, option, value)
        check(f"{option} {value} is out of range", status == 2 and "range" in err, err)
    status, _, err = synth("-o", os.path.join(folder, "x"), "--images", "/nonexistent")
    check("a folder that is not there is named", status == 1 and "/nonexistent" in err, err)
    status, _, err = synth("-o", os.path.join(folder, "x"), "--textures", "0", "--clips", "10")
    check("nothing to look at is explained", status == 1 and "--textures" in err, err)
    status, _, err = synth("-o", "/proc/nowhere", "--textures", "1", "--clips", "10")
    check("a place that cannot be written to is named", status == 1 and "/proc/nowhere" in err, err)


with tempfile.TemporaryDirectory() as tmp:
    test_cache(tmp)
    test_split(tmp)
    test_videos(tmp)
    test_plain(tmp)
    test_errors(tmp)
finish()
