/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/setup.h"

#include <stdio.h>

#include "tools/parallel.h"
#include "tools/train/flips.h"

static gboolean
check_files (const TrainOptions *o, gboolean by_epochs, FileLock *lock, GError **error)
{
  g_autofree char *checkpoint = setup_path (o->checkpoint, o->output, ".checkpoint");
  g_autofree char *log = setup_path (o->log, o->output, ".csv"), *plot = setup_path (o->plot, o->output, ".svg");

  if (!files_check (o->output, error) || !files_check (log, error) || !files_check (plot, error)
      || !files_lock (o->output, lock, error))
    return FALSE;
  return !by_epochs || (files_check (checkpoint, error) && (o->resume || run_check_checkpoint (checkpoint, error)));
}

gboolean
setup_files (const TrainOptions *o, gboolean by_epochs, FileLock *lock, GError **error)
{
  if (parallel_rank () == 0)
    check_files (o, by_epochs, lock, error);
  return parallel_agree (error);
}

/* A class without a clip cannot be learned, and one class alone is nothing to tell apart. */
static gboolean
check_classes (Cnn3dCache *cache, const char *path, GError **error)
{
  const char *const *labels = cnn3d_cache_get_labels (cache);
  guint n = g_strv_length ((char **)labels);
  g_autofree int *clips = g_new0 (int, n);

  for (int i = 0; i < cnn3d_cache_get_n_videos (cache); i++) {
    Cnn3dCacheVideo video;

    cnn3d_cache_get_video (cache, i, &video);
    clips[video.label]++;
  }
  for (guint c = 0; c < n; c++)
    if (clips[c] == 0) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
          "%s: class '%s' has no clip that can be read, and cannot be learned", path, labels[c]);
      return FALSE;
    }
  if (n >= 2)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG, "%s: has one class only, '%s'; there is nothing to tell apart",
      path, n > 0 ? labels[0] : "");
  return FALSE;
}

static gboolean
open_data (const TrainOptions *o, int size, double rate, Cnn3dCache **data, Cnn3dCache **val,
    GError **error)
{
  DataOptions options = train_options_data (o, size, rate);
  g_autoptr (Cnn3dCache) all = data_open (o->data, &options, error);

  if (all == NULL || !check_classes (all, o->data, error))
    return FALSE;
  if (o->val_share > 0)
    return data_split (all, o->val_share, (guint64)o->seed, data, val, error);
  *data = g_steal_pointer (&all);
  return o->val == NULL || (*val = data_open (o->val, &options, error)) != NULL;
}

gboolean
setup_data (const TrainOptions *o, int size, double rate, Cnn3dCache **data, Cnn3dCache **val,
    GError **error)
{
  gboolean first = parallel_rank () == 0;

  /* What is to be decoded, one process decodes; the others find it done, or have a disk of their own. */
  if (first)
    open_data (o, size, rate, data, val, error);
  if (!parallel_agree (error))
    return FALSE;
  if (!first)
    open_data (o, size, rate, data, val, error);
  return parallel_agree (error) && share_compare_data (o->data, *data, *val, error);
}

gboolean
setup_sample_rate (const TrainOptions *o, double base, Cnn3dCache *cache, double *rate, GError **error)
{
  Cnn3dCacheVideo video;
  double least = G_MAXDOUBLE, most = 0;

  *rate = o->sample_rate == NOT_GIVEN ? base : o->sample_rate;
  if (o->sample_rate != NOT_GIVEN || base > 0)
    return TRUE;
  for (int i = 0; i < cnn3d_cache_get_n_videos (cache); i++) {
    cnn3d_cache_get_video (cache, i, &video);
    least = MIN (least, video.rate);
    most = MAX (most, video.rate);
  }
  *rate = most;
  if (least < most)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
        "%s: its videos have from %g to %g frames a second; --sample-rate RATE says how many of them clips take",
        o->data, least, most);
  return least >= most;
}

gboolean
setup_check_labels (const char *path, Cnn3dCache *cache, char *const *labels, GError **error)
{
  for (const char *const *label = cnn3d_cache_get_labels (cache); *label != NULL; label++) {
    g_autofree char *all = NULL;

    if (g_strv_contains ((const char *const *) labels, *label))
      continue;
    all = g_strjoinv ("', '", (char **) labels);
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "%s: its label '%s' is none of the network's: '%s'", path,
        *label, all);
    return FALSE;
  }
  return TRUE;
}

void
setup_note_flips (const TrainOptions *o, const char *const *labels)
{
  const char *label = flips_find_sided (labels);

  if (label == NULL || o->no_flip || o->flip == 0 || o->flip_labels != NULL || o->no_flip_labels != NULL)
    return;
  tool_complain ("note: clips are mirrored, also those of '%s'; --flip-labels left=right, --no-flip-labels or --no-flip"
      " says what labels are in the mirror", label);
}

Cnn3dLoader *
setup_plain_loader (const TrainOptions *o, Cnn3dCache *cache, const Cnn3dConfig *config,
    const Cnn3dCard *card, GError **error)
{
  const Cnn3dLoaderOptions options = { .batch = o->batch,
    .threads = o->load_threads,
    .labels = (const char *const *)card->labels,
    .sample_rate = card->sample_rate,
    .rank = parallel_rank (),
    .ranks = parallel_ranks () };

  return cnn3d_loader_new (cache, config, card, &options, error);
}

static void
set_text (char **to, const char *text)
{
  if (text == NULL)
    return;
  g_free (*to);
  *to = g_strdup (text);
}

void
setup_card_texts (const TrainOptions *o, Cnn3dCard *card)
{
  set_text (&card->name, o->name);
  set_text (&card->licence, o->licence);
  set_text (&card->source, o->source);
}

char *
setup_path (const char *path, const char *output, const char *ending)
{
  return path ? g_strdup (path) : g_strconcat (output, ending, NULL);
}

/* Which videos there are and what becomes of their labels in the mirror, as sums: with what options say it is all. */
static char *
describe_data (const SetupData *data)
{
  g_autofree char *videos = share_get_sum (data->cache), *val = data->val ? share_get_sum (data->val) : NULL;
  g_autofree char *mirrored = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *)data->flips,
      g_strv_length ((char **)cnn3d_cache_get_labels (data->cache)) * sizeof *data->flips);

  return g_strdup_printf (" data=%s val=%s mirrored=%s", videos, val ? val : "none", mirrored);
}

int
setup_run (const TrainOptions *o, Run *run, const SetupData *data, const char *more)
{
  const Cnn3dConfig *config = cnn3d_trainer_get_config (run->trainer);
  g_autofree char *described = train_options_describe (o, config, data->cache), *sums = describe_data (data),
                  *settings = g_strconcat (described, sums, more, NULL),
                  *told = g_strconcat (described, more, NULL);
  g_autofree char *checkpoint = setup_path (o->checkpoint, o->output, ".checkpoint");
  g_autofree char *log = setup_path (o->log, o->output, ".csv"),
                  *plot = setup_path (o->plot, o->output, ".svg");
  g_autofree char *network = cnn3d_config_describe (config);
  const Training training = { .command = *more ? "finetune" : "train", .options = o, .settings = told,
    .videos = cnn3d_cache_get_n_videos (data->cache), .labels = config->classes,
    .clips = cnn3d_loader_get_n_used (run->data),
    .val_clips = run->val ? cnn3d_loader_get_n_clips (run->val) : 0 };
  gint64 n_clips = cnn3d_loader_get_n_clips (run->data), n_used = cnn3d_loader_get_n_used (run->data);

  printf ("%s, %d classes, ", network, config->classes);
  if (n_used < n_clips)
    printf ("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " clips an epoch", n_used, n_clips);
  else
    printf ("%" G_GINT64_FORMAT " clips", n_clips);
  if (parallel_ranks () > 1)
    printf (", %d processes", parallel_ranks ());
  putchar ('\n');
  fflush (stdout);
  run->real_size = o->double_precision ? sizeof (double) : sizeof (float);
  if (parallel_ranks () > 1) {
    g_autoptr (GError) error = NULL;

    if (!parallel_alike (settings, "options", &error))
      return tool_fail (error);
    cnn3d_trainer_set_reduce (run->trainer, parallel_sum, NULL, parallel_rank ());
  }
  run->epochs = o->epochs;
  run->minutes = o->minutes;
  run->output = o->output;
  run->checkpoint = checkpoint;
  run->log = log;
  run->plot = plot;
  run->title = o->name ? o->name : network;
  run->settings = settings;
  run->training = &training;
  run->resume = o->resume;
  return run_training (run);
}
