#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds in build-test/ (or $BUILD) and runs every test; needs nothing but Debian 12 or 13.
# Further arguments go to `meson setup`, those in $TEST_ARGS to `meson test`. The last line counts what passed, failed and was skipped.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build-test}

[ -n "${NO_SETUP:-}" ] || tools/setup.sh --tests
[ -f "$build/build.ninja" ] || meson setup "$build" -Dwerror=true "$@"
ninja -C "$build"
status=0
# One more than CPUs: many tests wait, for other programs and for the clock.
export MESON_TESTTHREADS="${MESON_TESTTHREADS:-$(($(nproc) + 1))}"
meson test -C "$build" --no-rebuild --print-errorlogs ${TEST_ARGS:-} || status=$?
python3 tools/count-tests.py "$build" || status=$?
exit $status
