/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/options.h"

#include <math.h>
#include <string.h>

#include "tools/parallel.h"
#include "tools/train/drawing.h"
#include "tools/train/flips.h"

/* Four steps from the whole frame to half of it. */
static const double paper_scales[] = { 1, 0.8408964152537145, 0.7071067811865476, 0.5946035575013605, 0.5 };

void
train_options_init (TrainOptions *o)
{
  *o = (TrainOptions){ .epochs = 60, .batch = 32, .patience = 10, .load_threads = 1, .seed = 1,
    .rate = 0.1, .factor = 0.1, .momentum = 0.9, .dampening = NOT_GIVEN, .beta2 = 0.999, .weight_decay = 1e-3, .dropout = NOT_GIVEN,
    .head_scale = 1, .flip = 0.5, .minutes = 5, .sample_rate = NOT_GIVEN, .cache_size = 20, .max_unreadable = -1 };
}

void
train_options_clear (TrainOptions *o)
{
  char **texts[] = { &o->data, &o->val, &o->output, &o->checkpoint, &o->log, &o->plot, &o->cache, &o->optimizer,
    &o->schedule, &o->steps, &o->flip_labels, &o->no_flip_labels, &o->scales, &o->position, &o->name, &o->licence, &o->source };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_clear_pointer (texts[i], g_free);
}

GOptionEntry *
train_options_entries (TrainOptions *o, const GOptionEntry *more)
{
  const GOptionEntry entries[] = {
    { "data", 'd', 0, G_OPTION_ARG_FILENAME, &o->data, "What is learned (needed)", "DATA" },
    { "val", 'v', 0, G_OPTION_ARG_FILENAME, &o->val, "What the best epoch is chosen by", "DATA" },
    { "val-share", 0, 0, G_OPTION_ARG_DOUBLE, &o->val_share,
        "Part of the videos that is kept for validation, in place of VAL (0)", "PART" },
    DATA_ENTRIES (o),
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output, "The model to write (needed)", "FILE" },
    { "resume", 'r', 0, G_OPTION_ARG_NONE, &o->resume, "Go on from the checkpoint, if there is one", NULL },
    { "checkpoint", 0, 0, G_OPTION_ARG_FILENAME, &o->checkpoint, "Checkpoint (OUTPUT.checkpoint)", "FILE" },
    { "checkpoint-minutes", 0, 0, G_OPTION_ARG_DOUBLE, &o->minutes,
        "Minutes from checkpoint to checkpoint; there is one after each epoch too (5)", "N" },
    { "log", 0, 0, G_OPTION_ARG_FILENAME, &o->log, "Table of epochs (OUTPUT.csv)", "FILE" },
    { "plot", 0, 0, G_OPTION_ARG_FILENAME, &o->plot, "Drawing of loss and accuracy, .svg or .png (OUTPUT.svg)", "FILE" },
    { "epochs", 'e', 0, G_OPTION_ARG_INT, &o->epochs, "Passes over the data (60)", "N" },
    { "batch", 'b', 0, G_OPTION_ARG_INT, &o->batch, "Clips in a batch (32)", "N" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &o->rate, "Learning rate, at its highest (0.1)", "R" },
    { "schedule", 0, 0, G_OPTION_ARG_STRING, &o->schedule, "plateau, steps or cosine (plateau)", "KIND" },
    { "patience", 0, 0, G_OPTION_ARG_INT, &o->patience,
        "Of plateau: epochs without improvement after which the rate falls (10)", "N" },
    { "steps", 0, 0, G_OPTION_ARG_STRING, &o->steps, "Of steps: epochs at which the rate falls", "N,..." },
    { "factor", 0, 0, G_OPTION_ARG_DOUBLE, &o->factor, "Of plateau and steps: by how much (0.1)", "F" },
    { "warmup", 0, 0, G_OPTION_ARG_DOUBLE, &o->warmup, "Epochs in which the rate rises, step by step (0)", "N" },
    { "optimizer", 0, 0, G_OPTION_ARG_STRING, &o->optimizer, "sgd or adamw (sgd)", "KIND" },
    { "momentum", 0, 0, G_OPTION_ARG_DOUBLE, &o->momentum, "Momentum; of adamw: beta 1 (0.9)", "M" },
    { "beta2", 0, 0, G_OPTION_ARG_DOUBLE, &o->beta2, "Of adamw (0.999)", "B" },
    { "dampening", 0, 0, G_OPTION_ARG_DOUBLE, &o->dampening, "Dampening (0.9; 0 with Nesterov's momentum)", "D" },
    { "nesterov", 0, 0, G_OPTION_ARG_NONE, &o->nesterov, "Nesterov's momentum", NULL },
    { "weight-decay", 0, 0, G_OPTION_ARG_DOUBLE, &o->weight_decay, "Weight decay (0.001)", "W" },
    { "clip-norm", 0, 0, G_OPTION_ARG_DOUBLE, &o->clip_norm, "Largest norm of the gradient (0: any)", "N" },
    { "dropout", 0, 0, G_OPTION_ARG_DOUBLE, &o->dropout, "Dropout before the last layer (the network's)", "P" },
    { "head-scale", 0, 0, G_OPTION_ARG_DOUBLE, &o->head_scale, "Multiplies a fresh last layer's weights and bias (1)", "S" },
    { "head-bias", 0, 0, G_OPTION_ARG_DOUBLE, &o->head_bias, "Then added to its bias; 1 suits squeezenet (0)", "B" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &o->seed, "Of weights, order, augmentation, dropout (1)", "N" },
    { "threads", 't', 0, G_OPTION_ARG_INT, &o->threads, "Threads that compute (0: one for each CPU)", "N" },
    { "double", 0, 0, G_OPTION_ARG_NONE, &o->double_precision,
        "Compute in double precision, which is some ten times slower: to compare trainings", NULL },
    { "load-threads", 0, 0, G_OPTION_ARG_INT, &o->load_threads, "Threads that prepare clips (1)", "N" },
    { "no-flip", 0, 0, G_OPTION_ARG_NONE, &o->no_flip, "Do not mirror clips", NULL },
    { "flip", 0, 0, G_OPTION_ARG_DOUBLE, &o->flip, "Probability that a clip is mirrored (0.5)", "P" },
    { "flip-labels", 0, 0, G_OPTION_ARG_STRING, &o->flip_labels,
        "Words of labels that change places in the mirror, or @FILE with a pair a line", "A=B,..." },
    { "no-flip-labels", 0, 0, G_OPTION_ARG_STRING, &o->no_flip_labels,
        "Labels whose clips are not mirrored, or @FILE with one a line", "A,..." },
    { "crop-scales", 0, 0, G_OPTION_ARG_STRING, &o->scales,
        "Sides of crops, 'paper' (1 to 1/2 in five steps) or 'none' (paper)", "S,..." },
    { "crop-position", 0, 0, G_OPTION_ARG_STRING, &o->position, "corners, random or centre (corners)", "P" },
    { "brightness", 0, 0, G_OPTION_ARG_DOUBLE, &o->brightness, "Largest change of brightness, 0 to 1 (0)", "B" },
    { "contrast", 0, 0, G_OPTION_ARG_DOUBLE, &o->contrast, "Largest change of contrast, 0 to 1 (0)", "C" },
    { "sample-rate", 0, 0, G_OPTION_ARG_DOUBLE, &o->sample_rate,
        "Frames per second to take of videos; 0: all (the data's or the model's)", "RATE" },
    { "name", 0, 0, G_OPTION_ARG_STRING, &o->name, "Name of the model, for its card", "TEXT" },
    { "licence", 0, 0, G_OPTION_ARG_STRING, &o->licence, "Licence of the weights, for its card", "TEXT" },
    { "source", 0, 0, G_OPTION_ARG_STRING, &o->source, "Where the weights come from, for its card", "TEXT" },
  };
  GArray *all = g_array_new (TRUE, TRUE, sizeof (GOptionEntry));

  g_array_append_vals (all, entries, G_N_ELEMENTS (entries));
  for (; more->long_name != NULL; more++)
    g_array_append_val (all, *more);
  return (GOptionEntry *) (gpointer) g_array_free (all, FALSE);
}

/* Numbers separated by commas; -1 with an error if it is anything else. */
static int
parse_numbers (const char *text, const char *option, double *out, int max, GError **error)
{
  g_auto (GStrv) words = g_strsplit (text, ",", -1);
  int n = (int) g_strv_length (words);

  for (int i = 0; i < n && i < max; i++) {
    char *end;

    out[i] = g_ascii_strtod (words[i], &end);
    if (end == words[i] || *end != '\0' || !isfinite (out[i]) || out[i] <= 0
        || (i > 0 && strcmp (option, "--steps") == 0 && out[i] <= out[i - 1])) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "%s takes numbers above 0, separated by commas%s, not '%s'", option,
          strcmp (option, "--steps") == 0 ? ", in ascending order" : "", text);
      return -1;
    }
  }
  if (n < 1 || n > max) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s takes 1 to %d numbers", option, max);
    return -1;
  }
  return n;
}

/* Which of the words a text is; the first for NULL, -1 with an error for any other. */
static int
parse_choice (const char *text, const char *option, const char *const *words, GError **error)
{
  g_autofree char *all = NULL;

  if (text == NULL)
    return 0;
  for (int i = 0; words[i] != NULL; i++)
    if (strcmp (text, words[i]) == 0)
      return i;
  all = g_strjoinv (" or ", (char **) words);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s is %s, not '%s'", option, all, text);
  return -1;
}

gboolean
train_options_schedule (const TrainOptions *o, Cnn3dSchedule *schedule, GError **error)
{
  static const char *const kinds[] = { "plateau", "steps", "cosine", NULL };
  int kind = parse_choice (o->schedule, "--schedule", kinds, error);

  if (kind < 0)
    return FALSE;
  *schedule = (Cnn3dSchedule){ .kind = (Cnn3dScheduleKind) kind, .rate = o->rate, .factor = o->factor,
    .patience = o->patience, .epochs = o->epochs, .warmup = o->warmup };
  if (schedule->kind != CNN3D_SCHEDULE_STEPS)
    return TRUE;
  if (o->steps == NULL) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--schedule steps needs --steps");
    return FALSE;
  }
  schedule->n_steps = parse_numbers (o->steps, "--steps", schedule->steps, CNN3D_SCHEDULE_MAX_STEPS, error);
  return schedule->n_steps > 0;
}

/* Where crops lie, and how large they are. */
static gboolean
parse_crops (const TrainOptions *o, Cnn3dLoaderOptions *loader, GError **error)
{
  static const char *const positions[] = { "corners", "random", "centre", NULL };
  int position = parse_choice (o->position, "--crop-position", positions, error);

  if (position < 0)
    return FALSE;
  loader->position = (Cnn3dCropPosition) position;
  if (o->scales == NULL || strcmp (o->scales, "paper") == 0) {
    loader->n_scales = G_N_ELEMENTS (paper_scales);
    memcpy (loader->scales, paper_scales, sizeof paper_scales);
  } else if (strcmp (o->scales, "none") != 0) {
    loader->n_scales = parse_numbers (o->scales, "--crop-scales", loader->scales, CNN3D_MAX_CROP_SCALES, error);
    if (loader->n_scales < 0)
      return FALSE;
    for (int i = 0; i < loader->n_scales; i++)
      if (loader->scales[i] > 1) {
        g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
            "--crop-scales takes parts of the frame, up to 1, not %g", loader->scales[i]);
        return FALSE;
      }
  }
  return TRUE;
}

gboolean
train_options_loader (const TrainOptions *o, const char *const *labels, Cnn3dLoaderOptions *loader,
    GError **error)
{
  *loader = (Cnn3dLoaderOptions){ .seed = (guint64) o->seed, .batch = o->batch, .threads = o->load_threads,
    .labels = labels, .training = TRUE, .flip = o->no_flip ? 0 : o->flip, .brightness = o->brightness,
    .contrast = o->contrast, .rank = parallel_rank (), .ranks = parallel_ranks () };
  if (!parse_crops (o, loader, error))
    return FALSE;
  loader->flip_labels = flips_parse (labels, o->flip_labels, o->no_flip_labels, error);
  return loader->flip_labels != NULL;
}

gboolean
train_options_check_range (const char *name, double value, double min, double max)
{
  if (value >= min && value <= max)
    return TRUE;
  tool_complain ("--%s takes %g to %g, not %g", name, min, max, value);
  return FALSE;
}

gboolean
train_options_check_data (double cache_size, int max_unreadable)
{
  return train_options_check_range ("cache-size", cache_size, 1e-6, 1e6)
      && train_options_check_range ("max-unreadable", max_unreadable, -1, 1e9);
}

static gboolean
check_ranges (const TrainOptions *o)
{
  const struct {
    const char *name;
    double value, min, max;
  } ranges[] = {
    { "epochs", o->epochs, 1, 1e6 }, { "batch", o->batch, 1, 4096 }, { "patience", o->patience, 1, 1e6 },
    { "threads", o->threads, 0, 256 }, { "load-threads", o->load_threads, 1, 64 },
    { "rate", o->rate, 1e-9, 1e3 }, { "factor", o->factor, 1e-6, 1 }, { "warmup", o->warmup, 0, 1e6 },
    { "momentum", o->momentum, 0, 1 }, { "dampening", o->dampening, 0, 1 },
    { "beta2", o->beta2, 1e-6, 0.999999 },
    { "weight-decay", o->weight_decay, 0, 10 }, { "clip-norm", o->clip_norm, 0, 1e9 },
    { "dropout", o->dropout, 0, 0.999 }, { "flip", o->flip, 0, 1 }, { "brightness", o->brightness, 0, 1 },
    { "head-scale", o->head_scale, 1e-6, 1e3 }, { "head-bias", o->head_bias, -1e3, 1e3 },
    { "contrast", o->contrast, 0, 1 }, { "checkpoint-minutes", o->minutes, 0, 1e6 },
    { "sample-rate", o->sample_rate, 0, 1000 },
    { "val-share", o->val_share, 0, 0.9 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (ranges); i++)
    if (ranges[i].value != NOT_GIVEN
        && !train_options_check_range (ranges[i].name, ranges[i].value, ranges[i].min, ranges[i].max))
      return FALSE;
  return train_options_check_data (o->cache_size, o->max_unreadable);
}

/* Options that say nothing, or the opposite of each other, together. */
static gboolean
check_together (const TrainOptions *o)
{
  const char *wrong = NULL;

  if (o->val != NULL && o->val_share > 0)
    wrong = "--val and --val-share exclude each other";
  else if (o->no_flip && (o->flip_labels != NULL || o->no_flip_labels != NULL))
    wrong = o->flip_labels ? "--no-flip and --flip-labels exclude each other" : "--no-flip goes without --no-flip-labels";
  else if (o->nesterov && o->dampening != NOT_GIVEN && o->dampening != 0)
    wrong = "--nesterov goes without --dampening";
  else if (o->steps != NULL && g_strcmp0 (o->schedule, "steps") != 0)
    wrong = "--steps is for --schedule steps";
  else if (o->warmup > o->epochs)
    wrong = "--warmup takes no more than the --epochs that there are";
  if (wrong == NULL)
    return TRUE;
  tool_complain ("%s", wrong);
  return FALSE;
}

/* The words that stand for something: schedule, crops, optimizer. */
static gboolean
check_words (const TrainOptions *o)
{
  static const char *const optimizers[] = { "sgd", "adamw", NULL };
  g_autoptr (GError) error = NULL;
  Cnn3dLoaderOptions loader;
  Cnn3dSchedule schedule;

  if (parse_choice (o->optimizer, "--optimizer", optimizers, &error) >= 0
      && train_options_schedule (o, &schedule, &error) && parse_crops (o, &loader, &error))
    return TRUE;
  tool_complain ("%s", error->message);
  return FALSE;
}

gboolean
train_options_check (const TrainOptions *o)
{
  if (o->data == NULL || o->output == NULL) {
    tool_complain ("%s is needed", o->data == NULL ? "--data DATA" : "--output FILE");
    return FALSE;
  }
  if (o->plot != NULL && !drawing_check_name ("--plot", o->plot, FALSE))
    return FALSE;
  return check_ranges (o) && check_words (o) && check_together (o);
}

DataOptions
train_options_data (const TrainOptions *o, int size, double rate)
{
  return (DataOptions){ .cache_folder = o->cache, .cache_size = o->cache_size,
    .max_unreadable = o->max_unreadable, .strict = o->max_unreadable >= 0,
    .rate = o->sample_rate == NOT_GIVEN ? rate : o->sample_rate, .size = size };
}

/* In the library's options, zero means the default and a negative number zero. */
static double
for_library (double value)
{
  return value == NOT_GIVEN ? 0 : value == 0 ? -1 : value;
}

Cnn3dTrainOptions
train_options_trainer (const TrainOptions *o)
{
  return (Cnn3dTrainOptions){ .seed = (guint64) o->seed, .threads = parallel_threads (o->threads),
    .double_precision = o->double_precision, .dropout = for_library (o->dropout),
    .head_scale = o->head_scale, .head_bias = o->head_bias, .momentum = for_library (o->momentum),
    .dampening = for_library (o->dampening), .weight_decay = for_library (o->weight_decay),
    .nesterov = o->nesterov, .clip_norm = o->clip_norm, .beta2 = o->beta2,
    .optimizer = g_strcmp0 (o->optimizer, "adamw") == 0 ? CNN3D_OPTIMIZER_ADAMW : CNN3D_OPTIMIZER_SGD };
}

static void
add_number (GString *s, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (value != NOT_GIVEN)
    g_string_append_printf (s, " %s=%s", key, g_ascii_formatd (text, sizeof text, "%.15g", value));
}

static void
add_text (GString *s, const char *key, const char *value)
{
  g_autofree char *escaped = value ? g_uri_escape_string (value, ",=@/", TRUE) : NULL;

  if (value != NULL)
    g_string_append_printf (s, " %s=%s", key, escaped);
}

char *
train_options_describe (const TrainOptions *o, const Cnn3dConfig *config, Cnn3dCache *data)
{
  g_autofree char *labels = g_strjoinv (",", (char **) cnn3d_cache_get_labels (data));
  GString *s = g_string_new (cnn3d_arch_get_name (config->arch));

  add_number (s, "width", config->width);
  add_number (s, "groups", config->groups);
  add_number (s, "version", config->version);
  add_number (s, "classes", config->classes);
  add_number (s, "frames", config->frames);
  add_number (s, "size", config->size);
  add_text (s, "labels", labels);
  add_number (s, "videos", cnn3d_cache_get_n_videos (data));
  if (o->val_share > 0)
    add_number (s, "val-share", o->val_share);
  add_number (s, "batch", o->batch);
  add_number (s, "rate", o->rate);
  add_text (s, "schedule", o->schedule);
  if (o->schedule != NULL && strcmp (o->schedule, "cosine") == 0)
    add_number (s, "epochs", o->epochs);
  add_number (s, "patience", o->patience);
  add_text (s, "steps", o->steps);
  add_number (s, "factor", o->factor);
  add_number (s, "warmup", o->warmup);
  add_text (s, "optimizer", o->optimizer);
  add_number (s, "momentum", o->momentum);
  add_number (s, "beta2", o->beta2);
  add_number (s, "dampening", o->dampening);
  add_number (s, "nesterov", o->nesterov);
  add_number (s, "weight-decay", o->weight_decay);
  add_number (s, "clip-norm", o->clip_norm);
  add_number (s, "dropout", o->dropout);
  if (o->head_scale != 1)
    add_number (s, "head-scale", o->head_scale);
  if (o->head_bias != 0)
    add_number (s, "head-bias", o->head_bias);
  add_number (s, "seed", o->seed);
  add_number (s, "flip", o->no_flip ? 0 : o->flip);
  add_text (s, "flip-labels", o->flip_labels);
  add_text (s, "no-flip-labels", o->no_flip_labels);
  add_text (s, "crop-scales", o->scales);
  add_text (s, "crop-position", o->position);
  add_number (s, "brightness", o->brightness);
  add_number (s, "contrast", o->contrast);
  add_number (s, "sample-rate", o->sample_rate);
  if (o->double_precision)
    add_text (s, "precision", "double");
  return g_string_free (s, FALSE);
}
