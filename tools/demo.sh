#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds, makes a short video in which the camera pans left, stands still and pans right, and
# classifies it with the bundled weights. Needs nothing but Debian 12 or 13.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
video=$build/demo.avi

[ -n "${NO_SETUP:-}" ] || tools/setup.sh
[ -f "$build/build.ninja" ] || meson setup "$build" >/dev/null
ninja -C "$build" >/dev/null

# Each part is a clip long: 16 frames at 7.5 a second, which is 64 at 30.
part() {
  echo "videotestsrc num-buffers=64 pattern=$1 horizontal-speed=$2 \
    ! video/x-raw,width=320,height=240,framerate=30/1 ! queue ! c."
}
# shellcheck disable=SC2046 # the words are elements
gst-launch-1.0 -q concat name=c ! videoconvert ! jpegenc ! avimux ! filesink location="$video" \
  $(part smpte -2) $(part circular 0) $(part smpte 2)

meson devenv -C "$build" 3dcnn classify shufflenet "$(realpath "$video")"
