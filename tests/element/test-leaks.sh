#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# 100 times NULL to PLAYING and back under GStreamer's leaks tracer, and 10 times under valgrind.
set -u
cycles=$(realpath "$1")
echo 1..2
GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1 "$cycles" 100 >leaks.log 2>&1 || status=$?
if [ "${status:-0}" != 0 ] || grep -q 'object-alive, type-name=(string)[A-Z]' leaks.log; then
  echo "not ok 1 leaks tracer"
  grep 'object-alive, type-name=(string)[A-Z]' leaks.log | head -5 | sed 's/^/# /'
else
  echo "ok 1 leaks tracer"
fi
if [ "$2" != none ] || ! command -v valgrind >/dev/null; then
  echo "ok 2 valgrind # SKIP valgrind is not there, or the build has a sanitizer"
elif CNN3D_CPU_ISA=avx2 G_SLICE=always-malloc valgrind --quiet --leak-check=full \
  --errors-for-leak-kinds=definite --show-leak-kinds=definite --error-exitcode=9 \
  --suppressions="$(dirname "$0")/valgrind.supp" "$cycles" 10 >valgrind.log 2>&1; then
  echo "ok 2 valgrind"
else
  echo "not ok 2 valgrind"
  head -40 valgrind.log | sed 's/^/# /'
fi
