/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options that train and finetune share. */

#include "tools/tool.h"
#include "tools/train/data.h"

G_BEGIN_DECLS

/* Stands for a number that was not given; NaN may be given, and is refused. */
#define NOT_GIVEN (-G_MAXDOUBLE)

typedef struct {
  char *data, *val, *output, *checkpoint, *log, *plot, *cache;
  char *optimizer, *schedule, *steps, *flip_labels, *no_flip_labels, *scales, *position;
  char *name, *licence, *source;
  int epochs, batch, patience, threads, load_threads, seed, max_unreadable;
  double rate, factor, warmup, momentum, dampening, beta2, weight_decay, clip_norm, dropout, head_scale, head_bias;
  double flip, brightness, contrast, minutes, sample_rate, cache_size, val_share;
  gboolean nesterov, no_flip, resume, double_precision;
} TrainOptions;

void train_options_init (TrainOptions *o);
void train_options_clear (TrainOptions *o);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TrainOptions, train_options_clear)

/* The options, followed by `more`, as an array that ends with an empty entry. */
GOptionEntry *train_options_entries (TrainOptions *o, const GOptionEntry *more);

/* Says what is wrong with a number, if anything is; FALSE then. */
gboolean train_options_check_range (const char *name, double value, double min, double max);
/* The same of what data.h has options for. */
gboolean train_options_check_data (double cache_size, int max_unreadable);
/* Says what is wrong with options; FALSE if anything is. Only what depends on the data's labels is left. */
gboolean train_options_check (const TrainOptions *o);

/* What the options mean. FALSE with an error if one cannot be understood. */
gboolean train_options_schedule (const TrainOptions *o, Cnn3dSchedule *schedule, GError **error);
/* flip_labels of the result is to be freed. */
gboolean train_options_loader (const TrainOptions *o, const char *const *labels,
    Cnn3dLoaderOptions *loader, GError **error);
/* How videos are decoded for a network of this size and, unless there is an option, this rate. */
DataOptions train_options_data (const TrainOptions *o, int size, double rate);
Cnn3dTrainOptions train_options_trainer (const TrainOptions *o);

/* All that the numbers of a training depend on, for its checkpoints. */
char *train_options_describe (const TrainOptions *o, const Cnn3dConfig *config, Cnn3dCache *data);

G_END_DECLS
