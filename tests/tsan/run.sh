#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a test of a build with -Db_sanitize=thread: `meson test --wrapper tests/tsan/run.sh`, which
# runs it in the build's folder. Addresses are not randomized, as older runtimes do not cope with as
# much of it as newer kernels do.
here=$(dirname "$(realpath "$0")")
TSAN_OPTIONS="suppressions=$here/suppressions.txt history_size=4 exitcode=66" \
  LD_PRELOAD="$PWD/tests/tsan/libtsan-sync.so" exec setarch -R "$@"
