/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Training of the last layer on features that are computed once. */

#include "lib3dcnn/3dcnn.h"
#include "tools/train/log.h"

G_BEGIN_DECLS

typedef struct {
  Cnn3dTrainer *trainer; /* of the last layer */
  Cnn3dLoader *plain;    /* the middle of each video */
  Cnn3dLoader *changed;  /* clips of it that are shifted, cropped, mirrored; NULL with no views */
  Cnn3dLoader *val;      /* may be NULL */
  int views;             /* clips from changed, for each video */
  int epochs, batch;
  guint64 seed; /* of the order */
  Cnn3dSchedule schedule;
  GArray *lines; /* of LogLine; one for each epoch is appended */
  LogLine *best; /* becomes that of the weights */
} LastLayer;

/* Trains, prints how well, and leaves the best epoch's weights in the trainer (without val, the
 * last one's). FALSE with *error unset: interrupted. */
gboolean last_layer_train (const LastLayer *l, GError **error);

G_END_DECLS
