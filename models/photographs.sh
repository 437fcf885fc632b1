#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Gathers the photographs that the bundled models were trained over: wallpapers of Debian packages, and the
# sample pictures of OpenCV and scikit-image. Nothing is installed. FOLDER is there when it is complete.
#   models/photographs.sh FOLDER
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
[ ! -e "$1" ] || { echo "$1: is there already" >&2; exit 1; }
least=100 # pictures; fewer make a worse model

mkdir -p "$(dirname "$1")"
final=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
to=$final.partial
work=$(mktemp -d)
trap 'rm -rf "$work" "$to"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf "$to"
mkdir "$to"
cd "$work"
# Lists that are old name packages that are gone.
[ "$(id -u)" != 0 ] || apt-get update -qq

packages="gnome-backgrounds mate-backgrounds plasma-workspace-wallpapers ukui-wallpapers lomiri-wallpapers
  lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 sway-backgrounds opencv-doc python3-skimage"
for p in $packages; do
  [ -n "$(apt-cache madison "$p")" ] || { echo "$p is not in this Debian; passed over" >&2; continue; }
  apt-get download -q "$p" >log 2>&1 || {
    cat log >&2
    echo "$p cannot be downloaded; 'apt-get update' may help" >&2
    exit 1
  }
  mkdir "$p"
  dpkg -x "$p"_*.deb "$p"
  # Plasma keeps one wallpaper in several sizes in a folder: the largest is taken.
  find "$p" -type f -size +60k \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' -o -iname '*.webp' \) \
    ! -path '*/html/*' ! -path '*/opencv4/*' ! -iname '*screenshot*' -printf '%s %h %p\n' | sort -k2,2 -k1,1nr |
    while read -r _ folder path; do
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
n=$(ls "$to" | wc -l)
if [ "$n" -lt $least ]; then
  echo "$n photographs are too few, it takes $least; 'apt-get update' may help, or another release of Debian" >&2
  exit 1
fi
mv "$to" "$final"
echo "$n photographs"
