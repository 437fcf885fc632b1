/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a model's card says of its training. No times and no paths: the same training says the same. */

#include "tools/train/options.h"

G_BEGIN_DECLS

typedef struct {
  const char *command;       /* "train" or "finetune" */
  const TrainOptions *options;
  const char *settings;      /* as of train_options_describe() */
  int videos, labels;
  gint64 clips, val_clips;   /* of an epoch; val_clips 0: there is no validation */
} Training;

/* JSON. epochs: done so far; best_epoch: that of the weights; val_accuracy: its, from 0 to 1. */
char *training_describe (const Training *training, int epochs, int best_epoch, double val_accuracy);

G_END_DECLS
