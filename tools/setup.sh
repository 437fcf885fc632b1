#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what it takes to build, run and test on Debian 12 or 13. Does nothing if all is there.
set -eu

packages="
  build-essential meson ninja-build pkg-config
  libglib2.0-dev libjson-glib-dev libzip-dev libopenblas-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev
  libpango1.0-dev libcairo2-dev fonts-dejavu-core
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav gstreamer1.0-tools
  python3
"
# What only tests and builds with all options use.
if [ "${1:-}" = --tests ]; then
  packages="$packages gobject-introspection libgirepository1.0-dev python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 python3-gi-cairo python3-paho-mqtt libopenmpi-dev openmpi-bin gstreamer1.0-x gstreamer1.0-plugins-bad ffmpeg valgrind clang libclang-rt-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
fi

missing=
for p in $packages; do
  # Debian 12 names the sanitizers' runtime after its version of clang.
  if [ "$p" = libclang-rt-dev ] && ! apt-cache show "$p" >/dev/null 2>&1; then
    p=libclang-rt-14-dev
  fi
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "This is not Debian; please install the equivalents of:$missing" >&2
  exit 1
fi
run=
[ "$(id -u)" = 0 ] || run=sudo
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -qq
$run apt-get install -y -qq --no-install-recommends $missing >/dev/null
