#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Subtitles of videoclasstext through upstream's encoders and muxers, as FFmpeg's parsers read them; they
and the lines of videoclassjson are what 3dcnn classify writes.

    test-subtitles.py GST-LAUNCH 3DCNN|"" FFPROBE|""
"""
import json
import os
import subprocess
import sys
import tempfile

LAUNCH, TOOL, FFPROBE = sys.argv[1:4]
VIDEO = "videotestsrc num-buffers=64 pattern={} ! video/x-raw,width=320,height=240,framerate=30/1 ! queue ! c. "
QUEUE = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"
EXPECTED = [(0.0, 2.0), (2.133, 4.133), (4.267, 6.267)]
LABELS = ["pan left", "static", "pan right"]
count = failures = 0


def check(name, condition, detail=""):
    global count, failures
    count += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {count} {name}")
    if not condition:
        print(f"# {detail!r}")


def launch(pipeline):
    subprocess.run([LAUNCH, "-q", *pipeline.split()], check=True, timeout=120)


def probe(path):
    """Start and end of each subtitle packet, in seconds, by FFmpeg."""
    p = subprocess.run([FFPROBE, "-v", "error", "-select_streams", "s", "-show_entries",
                        "packet=pts_time,duration_time", "-of", "csv=p=0", path],
                       capture_output=True, text=True, check=False)
    if p.returncode or p.stderr:
        return p.stderr
    lines = [line.split(",")[:2] for line in p.stdout.split()]
    return [(float(start), float(start) + float(length)) for start, length in lines]


def close(found, expected):
    return isinstance(found, list) and len(found) == len(expected) and all(
        abs(a - b) <= 0.002 for f, e in zip(found, expected) for a, b in zip(f, e))


def srt(path):
    def seconds(text):
        h, m, s = text.replace(",", ".").split(":")
        return int(h) * 3600 + int(m) * 60 + float(s)
    with open(path, encoding="utf-8") as f:
        cues = [cue.split("\n") for cue in f.read().strip().split("\n\n")]
    return [tuple(seconds(t) for t in cue[1].split(" --> ")) for cue in cues], [cue[2] for cue in cues]


def check_long_clips(path):
    """Clips of half a minute: they begin long before their results come."""
    slow = VIDEO.replace("=64", "=130").replace("30/1", "2/1")
    launch(f"concat name=c ! videoconvert ! jpegenc ! avimux ! filesink location={path('slow.avi')} "
           + "".join(slow.format(pattern) for pattern in ("smpte horizontal-speed=-2", "circular", "smpte")))
    launch(f"filesrc location={path('slow.avi')} ! decodebin ! videoconvert ! videoclassify3d sample-rate=0.5 "
           f"! videoclasstext ! srtenc ! filesink location={path('long.srt')}")
    subprocess.run([TOOL, "classify", "shufflenet", path("slow.avi"), "--srt", "--sample-rate", "0.5"], check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    found, expected = srt(path("long.srt")), srt(path("slow.srt"))
    check("the same with clips of half a minute", len(expected[0]) >= 3 and close(found[0], expected[0])
          and found[1] == expected[1], (found, expected))


def main():
    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            return os.path.join(folder, name)
        source = f"filesrc location={path('pan.avi')} ! decodebin ! videoconvert ! videoclassify3d "
        launch("concat name=c ! videoconvert ! jpegenc ! avimux ! filesink location=" + path("pan.avi") + " "
               + VIDEO.format("smpte horizontal-speed=-2") + VIDEO.format("circular")
               + VIDEO.format("smpte horizontal-speed=2"))
        launch(f"{source} ! videoclasstext ! srtenc ! filesink location={path('own.srt')}")
        launch(f"{source} ! videoclasstext ! text/x-raw,format=pango-markup ! webvttenc "
               f"! filesink location={path('own.vtt')}")
        launch(f"{source} ! tee name=t t. ! {QUEUE} ! jpegenc ! matroskamux name=m "
               f"! filesink location={path('own.mkv')} t. ! queue ! videoclasstext ! m.")
        times, labels = srt(path("own.srt"))
        check("SRT by srtenc", close(times, EXPECTED) and labels == LABELS, (times, labels))
        with open(path("own.vtt"), encoding="utf-8") as f:
            check("WebVTT by webvttenc", f.read().startswith("WEBVTT\n\n"))
        if TOOL:
            subprocess.run([TOOL, "classify", "shufflenet", path("pan.avi"), "--srt", "--vtt"], check=True,
                           stdout=subprocess.DEVNULL, timeout=120)
            offline, offline_labels = srt(path("pan.srt"))
            check("the same as by 3dcnn classify", close(times, offline) and labels == offline_labels,
                  (times, offline))
            out = subprocess.run([TOOL, "classify", "shufflenet", path("pan.avi"), "--json"], check=True,
                                 capture_output=True, timeout=120).stdout
            launch(f"{source} ! videoclassjson lines=results location={path('own.jsonl')} ! fakesink")
            with open(path("own.jsonl"), encoding="utf-8") as f:
                lines = [json.loads(line) for line in f]
            clips = json.loads(out)[0]["clips"]
            check("JSON lines are what 3dcnn classify says", len(lines) == len(clips) and all(
                a[key] == b[key] for a, b in zip(lines, clips) for key in ("start", "end", "classes")),
                (lines, clips))
            check_long_clips(path)
        if FFPROBE:
            for name in ["own.srt", "own.vtt", "own.mkv"] + (["pan.srt", "pan.vtt"] if TOOL else []):
                found = probe(path(name))
                check(f"FFmpeg reads {name}", close(found, EXPECTED), found)
    print(f"1..{count}")
    return 1 if failures else 0


sys.exit(main())
