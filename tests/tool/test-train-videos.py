#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""3dcnn train on videos: a folder for each class, tables, the cache that is made of them. TAP output."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from launch import launch, turn, without_plugin
from runs import complete
from tap import check, finish

TOOL = sys.argv[1]
NETWORK = ["--arch", "mobilenet", "--width", "0.1", "--size", "48", "--frames", "8", "--threads", "1",
           "--crop-scales", "1,0.9", "-b", "4", "-e", "1"]


def train(out, *args, env=None):
    for end in ("", ".checkpoint", ".csv", ".svg"):
        if os.path.exists(out + end):
            os.unlink(out + end)
    p = complete([TOOL, "train", *NETWORK, "-o", out, *args], env=os.environ | (env or {}))
    return p.returncode, p.stdout, p.stderr


def make_video(path, pattern, frames=30, rate=15, width=160, height=120, encode="jpegenc ! avimux"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    launch(f"videotestsrc num-buffers={frames} pattern={pattern} ! video/x-raw,width={width},height={height},"
           f"framerate={rate}/1 ! {encode} ! filesink", path)


def index(cache):
    with open(os.path.join(cache, "cache.json"), encoding="utf-8") as f:
        return json.load(f)


def pixel(cache, video, t):
    """The mean colour of a frame."""
    with open(os.path.join(cache, "frames.bin"), "rb") as f:
        size = video["width"] * video["height"] * 3
        f.seek(video["offset"] + t * size)
        data = f.read(size)
    return [sum(data[c::3]) * 3 / size for c in range(3)]


def make_folder(folder):
    for i in range(3):
        make_video(os.path.join(folder, "red", f"{i}.avi"), "red", 20 + i)
        make_video(os.path.join(folder, "blue", "deep", f"{i}.mkv"), "blue", 30, 30, 60, 100, "jpegenc ! matroskamux")
    with open(os.path.join(folder, "red", "0.avi.srt"), "w", encoding="utf-8") as f:
        f.write("no video\n")
    os.makedirs(os.path.join(folder, "empty"))


def test_folder(folder):
    data, out = os.path.join(folder, "set"), os.path.join(folder, "m")
    make_folder(data)
    status, text, err = train(out, "-d", data, "--sample-rate", "7.5")
    check("a folder for each class", status == 0 and "2 classes, 6 clips" in text, (text, err))
    check("a class without videos is named", "empty: has no videos" in err, err)
    meta = index(data + ".cache")
    videos = meta["videos"]
    check("labels and videos", meta["labels"] == ["blue", "red"] and [v["name"] for v in videos]
          == [f"blue/deep/{i}.mkv" for i in range(3)] + [f"red/{i}.avi" for i in range(3)]
          and [v["label"] for v in videos] == [0, 0, 0, 1, 1, 1], meta)
    check("twice the sample rate, the smaller side scaled", videos[0]["rate"] == 15 and videos[0]["frames"] in (15, 16)
          and (videos[0]["width"], videos[0]["height"]) == (55, 92) and videos[3]["frames"] == 20
          and (videos[3]["width"], videos[3]["height"]) == (73, 55), videos)
    red, blue = pixel(data + ".cache", videos[3], 7), pixel(data + ".cache", videos[0], 14)
    check("the right pixels", red[0] > 230 and red[2] < 30 and blue[2] > 230 and blue[0] < 30, (red, blue))
    info = json.loads(subprocess.run([TOOL, "info", out, "--json"], capture_output=True, check=True).stdout)
    check("the card", info["labels"] == ["blue", "red"] and info["sample_rate"] == 7.5, info)
    return data, out


def stamp(cache):
    return os.stat(os.path.join(cache, "cache.json")).st_ino


def test_changes(data, out):
    cache, args = data + ".cache", ["-d", data, "--sample-rate", "7.5"]
    before = stamp(cache)
    status, _, err = train(out, *args)
    check("the cache is used again", status == 0 and stamp(cache) == before, err)
    make_video(os.path.join(data, "red", "1.avi"), "green", 12)
    old = index(cache)["videos"]
    status, _, err = train(out, *args)
    videos = index(cache)["videos"]
    check("a changed video is decoded anew", status == 0 and videos[4]["frames"] == 12
          and pixel(cache, videos[4], 3)[1] > 200, (err, videos))
    check("the others are as they were", [v["source_time"] for i, v in enumerate(videos) if i != 4]
          == [v["source_time"] for i, v in enumerate(old) if i != 4] and pixel(cache, videos[5], 3)[0] > 230, videos)
    os.unlink(os.path.join(data, "red", "1.avi"))
    status, text, err = train(out, *args)
    check("one that is gone is left out", status == 0 and "5 clips" in text, (text, err))
    status, text, err = train(out, "-d", data, "--sample-rate", "5")
    check("another rate, another cache", status == 0 and index(cache)["videos"][0]["rate"] == 10, (text, err))
    with open(os.path.join(cache, "frames.bin"), "r+b") as f:
        f.truncate(100)
    status, text, err = train(out, *args)
    check("a damaged cache is made anew", status == 0 and "5 clips" in text, (text, err))
    os.makedirs(cache + ".partial-123456")
    with open(os.path.join(cache + ".partial-123456", "frames.bin"), "wb") as f:
        f.write(b"x" * 1000)
    os.utime(os.path.join(data, "red", "0.avi"), (time.time() + 5, time.time() + 5))
    status, text, err = train(out, *args)
    check("what an interrupted one left behind is removed", status == 0 and not [
        n for n in os.listdir(os.path.dirname(cache)) if "partial" in n], os.listdir(os.path.dirname(cache)))
    elsewhere = os.path.join(os.path.dirname(data), "caches")
    status, text, err = train(out, *args, "--cache", elsewhere, "--cache-size", "1")
    check("--cache puts it elsewhere", status == 0 and [n for n in os.listdir(elsewhere) if n.startswith("set-")],
          (text, err))
    status, text, err = train(out, *args, "--cache", elsewhere + "2", "--cache-size", "0.0001")
    check("--cache-size is a limit, and nothing is left", status == 1 and "--cache-size" in err
          and os.listdir(elsewhere + "2") == [n for n in os.listdir(elsewhere + "2") if n.endswith(".lock")],
          (status, err))


def test_unreadable(data, out):
    with open(os.path.join(data, "red", "a.avi"), "wb") as f:
        f.write(b"no video")
    launch("audiotestsrc num-buffers=1 ! avimux ! filesink", os.path.join(data, "red", "b.avi"))
    args = ["-d", data, "--sample-rate", "7.5"]
    status, _, err = train(out, *args)
    check("too many unreadable videos fail", status == 1 and "2 of 7" in err and "--max-unreadable" in err, err)
    check("each is named", "a.avi" in err and "b.avi: has no video" in err, err)
    status, _, err = train(out, *args, "--max-unreadable", "0")
    check("it ends at the first that is too many", status == 1 and "a.avi" in err and "b.avi" not in err
          and "1 of 7" in err and "1 were not tried" in err, err)
    status, text, err = train(out, *args, "--max-unreadable", "2")
    check("as many as are allowed are left out and counted", status == 0 and "5 clips" in text and "a.avi" in err
          and "2 of 7 videos cannot be read and are left out" in err, (text, err))
    status, text, err = train(out, *args, "--max-unreadable", "2")
    check("counted again from the cache", status == 0 and "2 of 7" in err, err)
    status, text, err = train(out, *args, "--max-unreadable", "1")
    check("the limit holds for the cache too", status == 1 and "2 of 7" in err, err)
    for name in ("a", "b"):
        os.unlink(os.path.join(data, "red", name + ".avi"))


def test_interrupt(folder, out):
    """Ctrl-C while videos are decoded leaves nothing half done."""
    data = os.path.join(folder, "long")
    make_video(os.path.join(data, "x", "a.avi"), "ball", 3000, 30, 320, 240)
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([TOOL, "train", *NETWORK, "-d", data, "-o", out], stderr=subprocess.PIPE, text=True) as job:
            while job.poll() is None and not glob.glob(data + ".cache.partial-*/frames.bin"):
                time.sleep(0.01)
            job.send_signal(number)
            _, err = job.communicate(timeout=60)
        check(f"interrupted by {number.name}", job.returncode == -number and not glob.glob(data + ".cache.partial-*")
              and not os.path.exists(data + ".cache"), (job.returncode, os.listdir(folder), err))


def test_whole(folder, out):
    """Pictures are no videos; of a file that was cut off, what is there is kept."""
    data = os.path.join(folder, "cut")
    for label in ("x", "y"):
        make_video(os.path.join(data, label, "a.mkv"), "ball", 90, encode="jpegenc ! matroskamux")
    os.truncate(os.path.join(data, "y", "a.mkv"), os.path.getsize(os.path.join(data, "y", "a.mkv")) // 2)
    for name, encode in (("a.png", "pngenc"), ("b.jpg", "jpegenc")):
        make_video(os.path.join(data, "x", name), "smpte", 1, encode=encode)
    for rate in ("7.5", "0"):
        status, _, err = train(out, "-d", data, "--max-unreadable", "2", "--sample-rate", rate)
        videos = index(data + ".cache")["videos"]
        check(f"pictures are refused at rate {rate}", status == 0 and "a.png: is a picture" in err
              and "b.jpg: is a picture" in err and [v["name"] for v in videos] == ["x/a.mkv", "y/a.mkv"], (err, videos))
        check("a video that was cut off is told", videos[0]["frames"] == 90 and 30 < videos[1]["frames"] < 60
              and "y/a.mkv: the video ends after" in err and f"{videos[1]['frames']} frames" in err, (err, videos))


def test_table(folder, data, out):
    table = os.path.join(data, "table.csv")
    make_video(os.path.join(folder, 'a, "b".avi'), "ball", 45)
    os.rename(os.path.join(folder, 'a, "b".avi'), os.path.join(data, 'a, "b".avi'))

    def write(text):
        with open(table, "w", encoding="utf-8") as f:
            f.write(text)

    write('path,label,start,end\nred/0.avi,10\n"a, ""b"".avi",9,1.0,2.0\n\n"a, ""b"".avi",10,2\nblue/deep/0.mkv,9,,0.5\n')
    status, text, err = train(out, "-d", table, "--sample-rate", "0")
    check("a table", status == 0 and "2 classes, 4 clips" in text, (text, err))
    meta = index(table + ".cache")
    check("numbers as labels, in their order", meta["labels"] == ["9", "10"], meta)
    check("parts of videos", [v["frames"] for v in meta["videos"]] == [20, 15, 15, 15]
          and meta["videos"][1]["name"] == 'a, "b".avi#t=1.0,2.0', meta)
    status, text, err = train(out, "-d", table, "--val-share", "0.5", "--sample-rate", "0")
    check("parts of one video are on one side", status == 0 and ("2 clips" in text or "3 clips" in text), (text, err))
    write("path,label\nred/0.avi,x\n" + Path(data, "red", "2.avi").as_uri() + ",y\n")
    status, text, err = train(out, "-d", table, "--sample-rate", "0")
    check("a file's URI", status == 0 and "2 clips" in text, (text, err))
    for header in ('"path","label"', "Path,Label", "path, label", " PATH ,label,Start,End", "\ufeffpath,label\r"):
        write(header + "\nred/0.avi,x\nred/2.avi,y\n")
        status, text, err = train(out, "-d", table, "--sample-rate", "0")
        check(f"a header: {header!r}", status == 0 and "2 classes, 2 clips" in text, (text, err))
    for text, expected in (("red/0.avi\n", ":1:"), ("red/0.avi,x\nred/0.avi,x,5,3\n", ":2:"),
                           ("red/0.avi,x\nred/0.avi,x,1.5,0\n", ":2:"), ("red/0.avi,x,0,0\n", ":1:"),
                           ("red/0.avi,x\nfile:///a%00b.avi,x\n", ":2:"),
                           ('"red/0.avi,x\n', "quote"), ("red/0.avi,\n", "no label"), ("path,label\n", "no lines")):
        write(text)
        status, _, err = train(out, "-d", table, "--sample-rate", "0")
        check(f"a wrong line is named: {text[:20]!r}", status == 1 and "table.csv" in err and expected in err, err)
    write("red/0.avi,x\nblue/deep/0.mkv,x,100\nnone.avi,y\n")
    status, text, err = train(out, "-d", table, "--max-unreadable", "2", "--arch", "mobilenet", "-b", "1")
    check("a start after the end, a file that is not there", "after its start" in err and "none.avi: is not there" in err,
          (status, err))


def frames_of(cache, video):
    with open(os.path.join(cache, "frames.bin"), "rb") as f:
        size = video["width"] * video["height"] * 3
        f.seek(video["offset"])
        return [f.read(size) for _ in range(video["frames"])]


def count_decoded(log):
    """How many frames came to the element after the decoder."""
    with open(log, encoding="utf-8", errors="replace") as f:
        return sum("entry:sink" in line and "calling chain" in line for line in f)


def test_seek(folder, out):
    """Parts of long videos are sought: the same frames as of the whole, and few others are decoded."""
    parts = [(12.8, 13.3), (20.01, 21), (3.34, 4.7), (0.5, 1), (29.5, None)]
    for name, encode in (("mjpeg.avi", "jpegenc ! avimux"), ("vp8.webm", "vp8enc keyframe-max-dist=70 deadline=1 ! webmmux"),
                         ("theora.ogv", "theoraenc keyframe-force=64 keyframe-freq=64 ! oggmux")):
        make_video(os.path.join(folder, name), "ball", 900, 30, 80, 60, encode)
        for rate in ("5.1" if "theora" in name else "7.5", "0"):
            table = os.path.join(folder, f"{name}-{rate}.csv")
            caches = []
            for lines in ([(None, None)], parts):
                with open(table, "w", encoding="utf-8") as f:
                    f.writelines(f"{name},{'xy'[i % 2]},{a or ''},{b or ''}\n" for i, (a, b) in enumerate(lines))
                log = os.path.join(folder, "log")
                status, _, err = train(out, "-d", table, "--sample-rate", rate,
                                       env={"GST_DEBUG": "GST_SCHEDULING:6", "GST_DEBUG_FILE": log})
                caches.append([frames_of(table + ".cache", v) for v in index(table + ".cache")["videos"]])
            step = 30 if rate == "0" else 2 * float(rate)
            expected = [[f for i, f in enumerate(caches[0][0]) if (a or 0) <= i / step + 2e-3 and i / step + 2e-3 < (b or 99)]
                        for a, b in parts]
            check(f"{name}: the same frames at rate {rate}", status == 0 and caches[1] == expected,
                  (err, [len(c) for c in caches[1]], [len(c) for c in expected]))
            n = count_decoded(log)
            check(f"{name}: few are decoded", 0 < n < 900, n)


def without_videoflip(folder):
    """An environment in which that element is missing."""
    text = subprocess.run(["gst-inspect-1.0", "videoflip"], capture_output=True, text=True, check=True,
                          env=without_plugin()).stdout
    plugin = re.search(r"Filename\s+(\S+)", text).group(1)
    plugins = os.path.join(folder, "plugins")
    os.makedirs(plugins)
    for name in os.listdir(os.path.dirname(plugin)):
        if name != os.path.basename(plugin):
            os.symlink(os.path.join(os.path.dirname(plugin), name), os.path.join(plugins, name))
    return {"GST_PLUGIN_SYSTEM_PATH_1_0": plugins, "GST_REGISTRY_1_0": os.path.join(folder, "registry.bin")}


def test_turned(folder, out):
    """A video that a phone took upright: stored lying, with a tag that says so."""
    data = os.path.join(folder, "turned")
    make_video(os.path.join(data, "x", "a.mov"), "smpte", encode="jpegenc ! qtmux")
    turn(os.path.join(data, "x", "a.mov"))
    make_video(os.path.join(data, "y", "b.avi"), "ball")
    status, _, err = train(out, "-d", data)
    video = index(data + ".cache")["videos"][0]
    frame = frames_of(data + ".cache", video)[7]
    top, bottom = frame[3 * video["width"] - 3:][:3], frame[-3:]
    check("it is turned by its tag", status == 0 and (video["width"], video["height"], video["frames"]) == (55, 73, 30)
          and min(top) > 150 and max(bottom[:2]) < 60 < bottom[2], (err, video, list(top), list(bottom)))
    shutil.rmtree(data + ".cache")
    status, _, err = train(out, "-d", data, env=without_videoflip(folder))
    video = index(data + ".cache")["videos"][0]
    check("without videoflip it is not, which is told", status == 0 and (video["width"], video["height"]) == (73, 55)
          and "videoflip is missing" in err, (err, video))


def test_val_share(data, out):
    status, text, err = train(out, "-d", data)
    check("videos of different rates need --sample-rate", status == 1 and f"{data}: " in err and "from 15 to 30" in err
          and "--sample-rate" in err and not os.path.exists(out), (status, err))
    status, text, err = train(out, "-d", data, "--val-share", "0.4", "--sample-rate", "7.5")
    check("--val-share", status == 0 and "3 clips" in text and "validation" in text, (text, err))
    plain = os.path.join(os.path.dirname(data), "plain")
    os.makedirs(os.path.join(plain, "x"))
    status, _, err = train(out, "-d", plain)
    check("a folder that is no data set is explained", status == 1 and "for each class" in err, err)
    shutil.copytree(data + ".cache", os.path.join(data, "..", "other.cache"))
    os.rename(data, os.path.join(os.path.dirname(data), "other"))
    meta = os.path.join(os.path.dirname(data), "other.cache", "cache.json")
    with open(meta, encoding="utf-8") as f:
        text = f.read()
    with open(meta, "w", encoding="utf-8") as f:
        f.write(text.replace("3dcnn.sources", "precious"))
    status, _, err = train(out, "-d", os.path.join(os.path.dirname(data), "other"))
    check("another's cache is not replaced", status == 1 and "something else" in err, err)


def test_two(folder):
    data = os.path.join(folder, "twice")
    make_folder(data)
    jobs = [subprocess.Popen([TOOL, "train", *NETWORK, "-d", data, "--sample-rate", "0", "-o", os.path.join(folder, f"two-{i}")],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for i in range(3)]
    results = [(job.communicate(timeout=300), job.returncode) for job in jobs]
    check("three at the same time share a cache", all(code == 0 for _, code in results), results)


with tempfile.TemporaryDirectory() as tmp:
    DATA, OUT = test_folder(tmp)
    test_changes(DATA, OUT)
    test_unreadable(DATA, OUT)
    test_interrupt(tmp, OUT)
    test_whole(tmp, OUT)
    test_table(tmp, DATA, OUT)
    test_seek(tmp, OUT)
    test_turned(tmp, OUT)
    test_val_share(DATA, OUT)
    test_two(tmp)
finish()
