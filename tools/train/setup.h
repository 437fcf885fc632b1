/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What train and finetune do alike before the first epoch. */

#include "tools/train/files.h"
#include "tools/train/options.h"
#include "tools/train/run.h"

G_BEGIN_DECLS

/* The data, of two classes or more with a clip of each, and what epochs are judged by: *val is NULL
 * if there is none. rate as of train_options_data(). */
gboolean setup_data (const TrainOptions *o, int size, double rate, Cnn3dCache **data,
    Cnn3dCache **val, GError **error);

/*
 * Whether all files can be written, before any work; by_epochs: also a checkpoint, which is not there yet unless
 * --resume says so. No other process may write OUTPUT while the lock is held.
 */
gboolean setup_files (const TrainOptions *o, gboolean by_epochs, FileLock *lock, GError **error);

/*
 * The rate at which clips are taken: that of the option, else the base's (0: it has none), else that of all
 * videos. FALSE with an error if these differ.
 */
gboolean setup_sample_rate (const TrainOptions *o, double base, Cnn3dCache *cache, double *rate, GError **error);

/* Whether the labels of data at path are all among these. FALSE with an error that names both. */
gboolean setup_check_labels (const char *path, Cnn3dCache *cache, char *const *labels, GError **error);

/* Says so if clips are mirrored and a label seems to mean another thing in the mirror. */
void setup_note_flips (const TrainOptions *o, const char *const *labels);

/* Loads the middle of each video, unchanged. */
Cnn3dLoader *setup_plain_loader (const TrainOptions *o, Cnn3dCache *cache,
    const Cnn3dConfig *config, const Cnn3dCard *card, GError **error);

/* Puts what the options say into a card. */
void setup_card_texts (const TrainOptions *o, Cnn3dCard *card);

/* A file's path: path, or output with the ending if that is NULL. */
char *setup_path (const char *path, const char *output, const char *ending);

/* What numbers depend on besides options, for checkpoints. */
typedef struct {
  Cnn3dCache *cache, *val; /* val may be NULL */
  const int *flips;        /* of each label, as of flips_parse() */
} SetupData;

/*
 * Trains by epochs. Of run: trainer, data, val, card and schedule are set. more: further settings
 * on which the numbers depend, "" or " key=value...". Returns an exit code.
 */
int setup_run (const TrainOptions *o, Run *run, const SetupData *data, const char *more);

G_END_DECLS
