#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# run-neon.sh SOURCE_ROOT BUILD_DIR [FLAG...]
#
# Compiles the kernel test for aarch64, statically, with the kernels' flags, and runs it under
# qemu-aarch64. Exits with 77 (skipped) if there is no cross compiler or no emulator.
set -e
source=$1 build=$2
shift 2
cc=${AARCH64_CC:-aarch64-linux-gnu-gcc}
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)

if ! command -v "$cc" >/dev/null; then
  echo "skipped: no $cc"
  exit 77
fi
if [ -z "$qemu" ]; then
  echo "skipped: no qemu-aarch64"
  exit 77
fi

mkdir -p "$build"
cd "$build"
common="-std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers"
for file in lib3dcnn/cpu/kernels_tmpl tests/kernels/peak_tmpl; do
  "$cc" $common "$@" -I"$source" -DCNN3D_ISA=neon -c "$source/$file.c" -o "${file##*/}.o"
done
"$cc" $common -O2 -static -I"$source" kernels_tmpl.o peak_tmpl.o \
  "$source"/tests/kernels/test-kernels.c "$source"/tests/kernels/guard.c "$source"/tests/kernels/random.c \
  "$source"/tests/kernels/check*.c "$source"/tests/kernels/bench*.c -lm -o test-kernels-neon
exec "$qemu" ./test-kernels-neon neon --rounds 1
