#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes a bundled model from nothing: photographs, clips, training, float16 weights with a card.
#   models/train.sh NAME [FOLDER]     NAME: shufflenet, shufflenetv2, mobilenet, mobilenetv2 or squeezenet
# FOLDER (default: motion-data, 30 GB) keeps photographs, clips and checkpoints; a training that was
# interrupted goes on where it was. $CNN3D is the tool, "3dcnn" if it is not set.
set -eu

name=${1:-}
folder=${2:-motion-data}
tool=${CNN3D:-3dcnn}
models=$(cd "$(dirname "$0")" && pwd)

case $name in
  shufflenet) width=0.5 epochs=6 ;;
  shufflenetv2) width=0.25 epochs=6 ;;
  mobilenet) width=0.5 epochs=6 ;;
  mobilenetv2) width=0.45 epochs=6 ;;
  squeezenet) width=1 epochs=2 ;;
  *) echo "usage: $0 shufflenet|shufflenetv2|mobilenet|mobilenetv2|squeezenet [FOLDER]" >&2; exit 2 ;;
esac

mkdir -p "$folder"
[ -d "$folder/photographs" ] || "$models/photographs.sh" "$folder/photographs"
[ -d "$folder/clips/test" ] || "$tool" synth --images "$folder/photographs" --textures 150 \
  --clips 48000 --test-clips 2000 -o "$folder/clips"

# The rest of a command that trains: learn OUTPUT EPOCHS COMMAND... Clips of the training side choose the best epoch.
learn() {
  output=$1 epochs=$2
  shift 2
  "$tool" "$@" --data "$folder/clips/train" --val-share 0.02 \
    --flip-labels left=right,clockwise=counterclockwise --crop-scales none --dropout 0 \
    --optimizer adamw --weight-decay 0.02 --schedule cosine --epochs "$epochs" --resume -o "$folder/$output.safetensors"
}

if [ "$name" = squeezenet ]; then
  # It needs several times the work of the others, so it learns on frames of 64 x 64 first; and a gentle start.
  gentle="--head-scale 0.1 --head-bias 1"
  small=$folder/$name-64.safetensors
  learn "$name-64" 2 train --arch $name --size 64 --rate 0.001 --warmup 0.05 $gentle
  learn $name "${EPOCHS:-$epochs}" finetune "$small" --portion complete --size 112 --rate 0.0007 --warmup 0.05 $gentle
else
  learn "$name" "${EPOCHS:-$epochs}" train --arch "$name" --width "$width" --rate 0.002 --warmup 0.1
fi
"$tool" import "$folder/$name.safetensors" --half --name "Camera motion" --licence LGPL-2.1-or-later \
  --source "trained for lib3dcnn on synthetic camera motion, models/train.sh" -o "$models/$name.safetensors"
for log in "$name" "$name-64"; do
  [ ! -f "$folder/$log.safetensors.csv" ] || cp "$folder/$log.safetensors.csv" "$models/logs/$log.csv"
done
"$tool" eval "$models/$name.safetensors" --data "$folder/clips/test"
