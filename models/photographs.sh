#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Gathers the photographs that the bundled models were trained over: wallpapers of Debian packages, and the
# sample pictures of OpenCV and scikit-image. Nothing is installed.
#   models/photographs.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
to=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

packages="gnome-backgrounds mate-backgrounds plasma-workspace-wallpapers ukui-wallpapers lomiri-wallpapers
  lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 sway-backgrounds opencv-doc python3-skimage"
for p in $packages; do
  apt-get download -q "$p" >/dev/null 2>&1 || { echo "$p is not in this Debian; passed over" >&2; continue; }
  mkdir "$p"
  dpkg -x "$p"_*.deb "$p"
  # Plasma keeps one wallpaper in several sizes in a folder: the largest is taken.
  find "$p" -type f -size +60k \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' \) \
    ! -path '*/html/*' ! -path '*/opencv4/*' ! -iname '*screenshot*' -printf '%s %h %p\n' | sort -k2,2 -k1,1nr |
    while read -r size folder path; do
      case "$folder" in
        */contents/images*)
          name=${folder%/contents/*}
          name=$(basename "$name")
          [ ! -e "$to/$p-$name.done" ] || continue
          touch "$to/$p-$name.done"
          cp "$path" "$to/$p-$name.${path##*.}" ;;
        *) cp "$path" "$to/$p-$(basename "$path")" ;;
      esac
    done
  rm -rf "$p"
done
rm -f "$to"/*.done
ls "$to" | wc -l
