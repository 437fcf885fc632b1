/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/last-layer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/progress.h"
#include "tools/train/interrupt.h"

#define LINES 10 /* that tell of progress */

/* What the last layer sees of clips, one after another. */
typedef struct {
  gsize width;     /* floats of a clip */
  GArray *values;  /* float */
  GArray *targets; /* int */
} Features;

/* The last layer itself: weights [class][channel] and a bias for each class. */
typedef struct {
  int classes;
  gsize channels, positions; /* features are [channel][position] */
  gboolean relu;             /* before the mean over positions */
  float *weights, *bias;     /* the trainer's; bias may be NULL */
  gsize n_weights;
} Layer;

static void
features_init (Features *f, Cnn3dTrainer *trainer)
{
  f->width = cnn3d_trainer_get_n_features (trainer);
  f->values = g_array_new (FALSE, FALSE, sizeof (float));
  f->targets = g_array_new (FALSE, FALSE, sizeof (int));
}

static void
features_clear (Features *f)
{
  g_clear_pointer (&f->values, g_array_unref);
  g_clear_pointer (&f->targets, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Features, features_clear)

static const float *
features_get (const Features *f, guint i)
{
  return (const float *)(gpointer)f->values->data + i * f->width;
}

/* Clips whose features are there, of how many, and since when. */
typedef struct {
  gint64 done, all, begin;
} Pace;

static void
show_pace (const Pace *pace)
{
  double seconds = (double)(g_get_monotonic_time () - pace->begin) / G_USEC_PER_SEC;
  double speed = (double)pace->done / MAX (seconds, 1e-6);
  g_autofree char *left = progress_time ((double)(pace->all - pace->done) / speed);
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT " clips  %.1f clips/s  %s left", pace->done,
      speed, left);

  progress_tell ("features", (double)pace->done / (double)pace->all, text);
}

/* Appends the features of an epoch's clips, as many times. FALSE with *error unset: interrupted. */
static gboolean
add_features (Features *f, Cnn3dTrainer *trainer, Cnn3dLoader *loader, int times, Pace *pace,
    GError **error)
{
  g_autofree float *values = NULL;

  for (int b = 0; b < times * cnn3d_loader_get_n_batches (loader); b++) {
    Cnn3dLoaderBatch batch;
    gsize n;

    if (interrupt_seen () || !cnn3d_loader_next (loader, &batch, error))
      return FALSE;
    n = (gsize)batch.n * f->width;
    /* GArray counts in guint. */
    if (f->values->len + n > G_MAXUINT / sizeof (float)) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
          "the features of so many clips do not fit in 4 GiB; fewer --views or --portion complete "
          "may do");
      return FALSE;
    }
    values = g_renew (float, values, n);
    if (!cnn3d_trainer_compute_features (trainer, batch.clips, batch.n, values, error))
      return FALSE;
    g_array_append_vals (f->values, values, (guint)n);
    g_array_append_vals (f->targets, batch.targets, (guint)batch.n);
    pace->done += batch.n;
    show_pace (pace);
  }
  return TRUE;
}

static Layer
get_layer (Cnn3dTrainer *trainer)
{
  const Cnn3dConfig *config = cnn3d_trainer_get_config (trainer);
  Layer layer = { .classes = config->classes, .relu = config->arch == CNN3D_ARCH_SQUEEZENET };

  for (int i = 0; i < cnn3d_trainer_get_n_params (trainer); i++) {
    Cnn3dTrainerParam param;

    cnn3d_trainer_get_param (trainer, i, &param);
    if (strcmp (param.name, "classifier.1.weight") == 0) {
      layer.weights = param.value;
      layer.n_weights = (gsize)param.count;
    } else if (strcmp (param.name, "classifier.1.bias") == 0) {
      layer.bias = param.value;
    }
  }
  layer.channels = layer.n_weights / (gsize)layer.classes;
  layer.positions = cnn3d_trainer_get_n_features (trainer) / layer.channels;
  return layer;
}

static double
get_logit (const Layer *layer, const float *features, int c)
{
  const float *w = layer->weights + (gsize)c * layer->channels;
  double mean = 0;

  for (gsize p = 0; p < layer->positions; p++) {
    double sum = layer->bias ? layer->bias[c] : 0;

    for (gsize k = 0; k < layer->channels; k++)
      sum += (double)w[k] * features[k * layer->positions + p];
    mean += layer->relu ? MAX (sum, 0) : sum;
  }
  return mean / (double)layer->positions;
}

/* Loss and accuracy without dropout. */
static void
judge (const Layer *layer, const Features *f, double *loss, double *accuracy)
{
  g_autofree double *logits = g_new (double, layer->classes);
  double sum = 0;
  int correct = 0;

  for (guint i = 0; i < f->targets->len; i++) {
    int target = g_array_index (f->targets, int, i), best = 0;
    double exps = 0;

    for (int c = 0; c < layer->classes; c++) {
      logits[c] = get_logit (layer, features_get (f, i), c);
      best = logits[c] > logits[best] ? c : best;
    }
    for (int c = 0; c < layer->classes; c++)
      exps += exp (logits[c] - logits[best]);
    sum += log (exps) + logits[best] - logits[target];
    correct += best == target;
  }
  *loss = sum / f->targets->len;
  *accuracy = (double)correct / f->targets->len;
}

static void
shuffle (guint *order, guint n, GRand *rand)
{
  for (guint i = n; i > 1; i--) {
    guint j = (guint)g_rand_int_range (rand, 0, (gint32)i), other = order[j];

    order[j] = order[i - 1];
    order[i - 1] = other;
  }
}

/* The last batch may be smaller. Sets what training tells of the line. FALSE with *error unset: interrupted. */
static gboolean
train_epoch (const LastLayer *l, const Features *f, const guint *order, int epoch,
    Cnn3dScheduleState *plateau, LogLine *line, GError **error)
{
  int all = (int)f->targets->len, n_batches = (all + l->batch - 1) / l->batch;
  g_autofree float *values = g_new (float, (gsize)MIN (l->batch, all) * f->width);
  g_autofree int *targets = g_new (int, MIN (l->batch, all));
  Cnn3dSchedule schedule = l->schedule;
  gint64 begin = g_get_monotonic_time ();
  int correct = 0;

  schedule.batches = n_batches;
  *line = (LogLine){ .epoch = epoch + 1, .val_loss = NAN, .val_accuracy = NAN };
  for (int b = 0; b < n_batches && !interrupt_seen (); b++) {
    double rate = cnn3d_schedule_get_rate (&schedule, plateau, epoch + (double)b / n_batches);
    int first = b * l->batch, n = MIN (l->batch, all - first);
    Cnn3dTrainResult result;

    for (int i = 0; i < n; i++) {
      guint from = order[first + i];

      memcpy (values + (gsize)i * f->width, features_get (f, from), f->width * sizeof (float));
      targets[i] = g_array_index (f->targets, int, from);
    }
    if (!cnn3d_trainer_step_features (l->trainer, values, targets, n, rate, &result, error))
      return FALSE;
    if (!isfinite (result.loss) || !isfinite (result.gradient_norm)) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
          "epoch %d: the loss has grown beyond all numbers; a lower --rate may help", epoch + 1);
      return FALSE;
    }
    line->rate = rate;
    line->loss += result.loss * n / all;
    correct += result.correct;
  }
  line->accuracy = (double)correct / all;
  line->clips_per_second = (double)all * G_USEC_PER_SEC / (double)MAX (g_get_monotonic_time () - begin, 1);
  return !interrupt_seen ();
}

/* The line of an epoch, for people. */
static void
print_line (const LogLine *line, int epochs)
{
  progress_clear ();
  printf ("epoch %d/%d: loss %.4f, accuracy %.2f %%", line->epoch, epochs, line->loss, 100 * line->accuracy);
  if (!isnan (line->val_loss))
    printf (", validation loss %.4f, accuracy %.2f %%", line->val_loss, 100 * line->val_accuracy);
  putchar ('\n');
  fflush (stdout);
}

static void
show_fit (const LogLine *line, int epochs, double seconds)
{
  g_autofree char *left = progress_time (seconds * (epochs - line->epoch) / line->epoch);
  g_autofree char *text = g_strdup_printf ("loss %.4f  accuracy %.2f %%  %.1f clips/s  %s left", line->loss,
      100 * line->accuracy, line->clips_per_second, left);
  g_autofree char *what = g_strdup_printf ("epoch %d/%d", line->epoch, epochs);

  progress_tell (what, (double)line->epoch / epochs, text);
}

/* The weights of the best epoch so far. */
typedef struct {
  int epoch; /* from 1; 0: none */
  double accuracy, loss;
  float *weights, *bias;
} Best;

static void
keep_best (Best *best, const Layer *layer, int epoch, double loss, double accuracy)
{
  if (best->epoch > 0 &&
      (accuracy < best->accuracy || (accuracy == best->accuracy && !(loss < best->loss))))
    return;
  *best = (Best){ epoch, accuracy, loss, best->weights, best->bias };
  memcpy (best->weights, layer->weights, layer->n_weights * sizeof (float));
  if (layer->bias != NULL)
    memcpy (best->bias, layer->bias, (gsize)layer->classes * sizeof (float));
}

static void
restore_best (const Best *best, const Layer *layer)
{
  memcpy (layer->weights, best->weights, layer->n_weights * sizeof (float));
  if (layer->bias != NULL)
    memcpy (layer->bias, best->bias, (gsize)layer->classes * sizeof (float));
}

/* begin: when training began, with its features. */
static gboolean
fit (const LastLayer *l, const Features *data, const Features *val, gint64 begin, GError **error)
{
  const Layer layer = get_layer (l->trainer);
  g_autofree guint *order = g_new (guint, data->targets->len);
  g_autofree float *weights = g_new (float, layer.n_weights), *bias = g_new (float, layer.classes);
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32)l->seed);
  Cnn3dScheduleState plateau = { 0 };
  Best best = { .weights = weights, .bias = bias };
  gint64 fit_begin = g_get_monotonic_time ();
  double loss, accuracy;

  for (guint i = 0; i < data->targets->len; i++)
    order[i] = i;
  for (int e = 0; e < l->epochs; e++) {
    LogLine line;
    gint64 now;

    shuffle (order, data->targets->len, rand);
    if (!train_epoch (l, data, order, e, &plateau, &line, error))
      return FALSE;
    if (val->targets->len > 0) {
      judge (&layer, val, &line.val_loss, &line.val_accuracy);
      keep_best (&best, &layer, e + 1, line.val_loss, line.val_accuracy);
    }
    cnn3d_schedule_report (&l->schedule, &plateau, val->targets->len > 0 ? line.val_loss : line.loss);
    now = g_get_monotonic_time ();
    line.seconds = (double)(now - begin) / G_USEC_PER_SEC;
    g_array_append_val (l->lines, line);
    if ((e + 1) * LINES / l->epochs > e * LINES / l->epochs)
      print_line (&line, l->epochs);
    else
      show_fit (&line, l->epochs, (double)(now - fit_begin) / G_USEC_PER_SEC);
  }
  progress_clear ();
  if (best.epoch > 0)
    restore_best (&best, &layer);
  *l->best = g_array_index (l->lines, LogLine, best.epoch > 0 ? best.epoch - 1 : l->epochs - 1);
  judge (&layer, data, &loss, &accuracy);
  printf ("training accuracy %.2f %%, of %u clips\n", 100 * accuracy, data->targets->len);
  if (best.epoch > 0)
    printf ("validation accuracy %.2f %%, of %u clips, of epoch %d\n", 100 * best.accuracy,
        val->targets->len, best.epoch);
  return TRUE;
}

gboolean
last_layer_train (const LastLayer *l, GError **error)
{
  g_auto (Features) data = { 0 }, val = { 0 };
  Pace pace = { .begin = g_get_monotonic_time () };
  gint64 middle;

  pace.all = cnn3d_loader_get_n_clips (l->plain) + (l->changed ? l->views * cnn3d_loader_get_n_clips (l->changed) : 0)
      + (l->val ? cnn3d_loader_get_n_clips (l->val) : 0);

  features_init (&data, l->trainer);
  features_init (&val, l->trainer);
  if (!add_features (&data, l->trainer, l->plain, 1, &pace, error) ||
      (l->changed != NULL && !add_features (&data, l->trainer, l->changed, l->views, &pace, error)) ||
      (l->val != NULL && !add_features (&val, l->trainer, l->val, 1, &pace, error))) {
    progress_clear ();
    return FALSE;
  }
  progress_clear ();
  middle = g_get_monotonic_time ();
  printf ("features of %u clips in %.1f s\n", data.targets->len + val.targets->len,
      (double)(middle - pace.begin) / G_USEC_PER_SEC);
  fflush (stdout);
  if (!fit (l, &data, &val, pace.begin, error)) {
    progress_clear ();
    return FALSE;
  }
  printf ("fitted in %.1f s\n", (double)(g_get_monotonic_time () - middle) / G_USEC_PER_SEC);
  return TRUE;
}
