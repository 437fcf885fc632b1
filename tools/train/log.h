/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a training says: a table on disk, a line for each epoch, progress in between. */

#include "tools/train/run.h"

G_BEGIN_DECLS

/* An epoch's line of the table. Accuracies from 0 to 1; val_* are NAN without validation. */
typedef struct {
  int epoch; /* from 1 */
  double rate, loss, accuracy, val_loss, val_accuracy, clips_per_second, seconds;
} LogLine;

/* Begins the table, with the lines of epochs up to `keep` that are there already. */
gboolean log_begin (const char *path, int keep, GError **error);
gboolean log_add (const char *path, const LogLine *line, GError **error);
/* The whole table at once; lines: of LogLine. */
gboolean log_write (const char *path, const GArray *lines, GError **error);
void log_print (const LogLine *line, int epochs, gboolean best);

typedef struct {
  int epoch, epochs;       /* this one from 1 */
  double part;             /* of the epoch, 0 to 1 */
  double loss, accuracy, clips_per_second, seconds_left;
} Progress;

/* Shows how far an epoch is, and its validation (loss and accuracy are of the clips so far). */
void log_progress (const Progress *progress);
void log_validation (const Progress *progress);

G_END_DECLS
