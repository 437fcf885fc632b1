#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what it takes to build and test the cuDNN backend into a folder, from the wheels that NVIDIA
# publishes on PyPI: nvcc, headers, the CUDA runtime and cuDNN; about 1.6 GB. Does nothing if a toolkit
# with cuDNN is installed, unless --wheels says to install all the same. No GPU and no driver are needed.
#
#     tools/setup-cuda.sh [--wheels] FOLDER
#     meson setup build -Dcudnn_dir=FOLDER
#
# Exit status: 0 there is one now (its folder is printed last), 1 there is none and none could be installed.
set -eu

installed=/usr/local/cuda
if [ "${1:-}" = --wheels ]; then
  installed=
  shift
fi
if [ $# -ne 1 ]; then
  echo "Usage: $0 [--wheels] FOLDER" >&2
  exit 2
fi
folder=$(realpath -m "$1")

complete() {
  [ -f "$1/include/cudnn.h" ] && [ -f "$1/include/cuda_runtime_api.h" ] && [ -x "$1/bin/nvcc" ]
}
for found in $installed "$folder"; do
  if complete "$found"; then
    echo "$found"
    exit 0
  fi
done
if [ "$(uname -m)" != x86_64 ] && [ "$(uname -m)" != aarch64 ]; then
  echo "There are no wheels of CUDA for $(uname -m)." >&2
  exit 1
fi
if ! command -v python3 >/dev/null || ! python3 -m venv --help >/dev/null 2>&1; then
  echo "This needs python3 with venv (Debian: python3-venv)." >&2
  exit 1
fi

mkdir -p "$folder"
if ! { python3 -m venv "$folder/venv" \
    && "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
      nvidia-cuda-nvcc==13.0.* nvidia-cuda-crt==13.0.* nvidia-nvvm==13.0.* nvidia-cuda-runtime==13.0.* \
      nvidia-cuda-nvrtc==13.0.* nvidia-cuda-cccl==13.0.* nvidia-cublas==13.* nvidia-cudnn-cu13==9.19.*; }; then
  echo "The wheels of CUDA could not be installed." >&2
  exit 1
fi

# The wheels lie side by side; a toolkit is one folder.
packages=$(echo "$folder"/venv/lib/python3*/site-packages/nvidia)
for source in "$packages"/cu13 "$packages"/cudnn; do
  [ -d "$source" ] || continue
  for part in "$source"/*; do
    name=$(basename "$part")
    mkdir -p "$folder/$name"
    cp -rlf "$part"/. "$folder/$name/"
  done
done
chmod +x "$folder"/bin/* "$folder"/nvvm/bin/* 2>/dev/null || true
if ! complete "$folder"; then
  echo "The wheels of CUDA lack something: see $folder" >&2
  exit 1
fi
echo "$folder"
