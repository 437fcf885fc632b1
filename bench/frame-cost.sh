#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Instructions for each sampled frame that videoclassify3d takes outside of the network, next to those of
# `videoscale ! videoconvert` to the same size at the same rate, counted by callgrind: 1280x720 I420 at 30
# frames a second, sampled at 7.5. Runs with 60 frames (15 sampled) and with one are subtracted, and what
# the source itself takes.
#
#     meson devenv -C build ../bench/frame-cost.sh
set -eu
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
caps=video/x-raw,format=I420,width=1280,height=720,framerate=30/1

# Instructions of a pipeline after a source of $1 frames. The CPU's AVX-512 is hidden from valgrind.
count() {
  n=$1
  shift
  CNN3D_CPU_ISA=avx2 valgrind --tool=callgrind --callgrind-out-file="$out/callgrind" \
    gst-launch-1.0 -q videotestsrc pattern=black num-buffers="$n" ! "$caps" "$@" 2>&1 \
    | sed -n 's/.*Collected : //p'
}
per_frame() {
  many=$(count 60 "$@")
  one=$(count 1 "$@")
  echo $(((many - one - source) / 14))
}

gst-inspect-1.0 videoclassify3d >/dev/null # fills the registry
source=$(($(count 60 ! fakesink) - $(count 1 ! fakesink)))
echo "videoclassify3d: $(per_frame ! videoclassify3d threads=1 on-eos=drop ! fakesink)"
echo "videoscale ! videoconvert: $(per_frame ! videorate ! video/x-raw,framerate=15/2 ! videoscale \
  ! videoconvert ! video/x-raw,format=RGB,width=112,height=112 ! fakesink)"
