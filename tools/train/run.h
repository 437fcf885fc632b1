/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A training from its first to its last epoch, with checkpoints. Processes that mpirun started each train
 * with their part of every batch, and hold the same weights after it; the first alone reads and writes files.
 */

#include "tools/train/describe.h"

G_BEGIN_DECLS

typedef struct {
  Cnn3dTrainer *trainer;
  Cnn3dLoader *data, *val; /* val may be NULL */
  const Cnn3dCard *card;   /* of the model that is written */
  Cnn3dSchedule schedule;
  int epochs;
  double minutes;          /* between checkpoints */
  const char *output;      /* the model */
  gboolean half;           /* its weights in float16 */
  gsize real_size;         /* of the trainer's numbers, in bytes */
  const char *checkpoint, *log, *plot;
  const char *title;       /* of the plot */
  const Training *training; /* for the card */
  const char *settings;    /* all that numbers depend on, as "key=value" words; compared on --resume */
  gboolean resume;
  double val_seconds;      /* that a validation takes, as far as is known; 0 at first */
} Run;

/* Where a training is: with the trainer's arrays, all of a checkpoint. */
typedef struct {
  int epoch, batch;        /* that come next, from 0 */
  double loss_sum;         /* of this epoch's batches */
  gint64 correct, seen;
  Cnn3dScheduleState plateau;
  double best;             /* validation accuracy, in clips of one */
  int best_epoch;          /* from 1; 0: none yet */
  double seconds;          /* of training, over all runs */
  double clips_per_second; /* of the last batches */
} RunState;

/* FALSE with an error if a checkpoint is there, which a new training would replace. */
gboolean run_check_checkpoint (const char *path, GError **error);

/* Trains. Returns an exit code; says on stderr what went wrong. */
int run_training (Run *run);

/* share.c: all processes call these. */

/* Whether to go on; FALSE with *error unset: a process was interrupted. A process that has an error stops all. */
gboolean share_go_on (gboolean interrupted, GError **error);
/* Gives all processes what the first one has: the state, and the trainer's arrays and steps. */
void share_state (Run *run, RunState *state);
/* Whether all have the same data: val may be NULL. */
gboolean share_compare_data (const char *path, Cnn3dCache *data, Cnn3dCache *val, GError **error);

/* A checksum of the names, labels and lengths of the videos; one process does for this. */
char *share_get_sum (Cnn3dCache *cache);

/* checkpoint.c */
gboolean checkpoint_save (const Run *run, const RunState *state, GError **error);
gboolean checkpoint_load (const Run *run, RunState *state, GError **error);

G_END_DECLS
