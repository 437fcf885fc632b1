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
void log_print (const LogLine *line, int epochs, gboolean best);

typedef struct {
  int epoch, epochs;       /* this one from 1 */
  double part;             /* of the epoch, 0 to 1 */
  double loss, accuracy, rate, clips_per_second, seconds_left;
} Progress;

/* Shows progress: a line that stays in place on a terminal, else a line now and then. */
void log_progress (const Progress *progress);
/* Removes the line, so that other text may follow. */
void log_clear (void);

G_END_DECLS
