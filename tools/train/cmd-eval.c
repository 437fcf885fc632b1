/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/parallel.h"
#include "tools/progress.h"
#include "tools/session-options.h"
#include "tools/tool.h"
#include "tools/train/confusion.h"
#include "tools/train/data.h"
#include "tools/train/drawing.h"
#include "tools/train/files.h"
#include "tools/train/options.h"
#include "tools/train/run.h"
#include "tools/train/setup.h"

/* Answers to clips or to videos. */
typedef struct {
  gint64 n, top1, top5;           /* by scores, of those that show a class */
  gint64 rejected, accepted_top1; /* of these: said to show no class, and right among the others */
  gint64 others, others_rejected; /* those that show no class */
} Tally;

typedef struct {
  Cnn3dModel *model;
  Cnn3dCache *cache;
  int classes;
  double *sums; /* [video][class]: scores of its clips, added up */
  int *clips;   /* of each video */
  int *targets; /* of each video; classes: it shows none of them */
  const Cnn3dUnknown *unknown; /* or NULL */
  int *rejected;               /* clips of each video that show no class by it */
  Tally clip, video;
} Eval;

/* How many classes are above the target; it takes the last place among equals. */
static int
rank_of (const double *scores, int classes, int target)
{
  int above = 0;

  for (int c = 0; c < classes; c++)
    above += c != target && !(scores[c] < scores[target]);
  return above;
}

static void
tally_add (Tally *tally, const double *scores, int classes, int target, gboolean rejected)
{
  int rank;

  if (target == classes) {
    tally->others++;
    tally->others_rejected += rejected;
    return;
  }
  rank = rank_of (scores, classes, target);
  tally->n++;
  tally->top1 += rank < 1;
  tally->top5 += rank < 5;
  tally->rejected += rejected;
  tally->accepted_top1 += rank < 1 && !rejected;
}

static int
best_of (const double *scores, int classes)
{
  int best = 0;

  for (int c = 1; c < classes; c++)
    best = scores[c] > scores[best] ? c : best;
  return best;
}

/* A video shows no class if more than half of its clips do not. */
static gboolean
is_rejected (const Eval *e, int v)
{
  return 2 * e->rejected[v] > e->clips[v];
}

static int
answer_of (const Eval *e, int v)
{
  return is_rejected (e, v) ? e->classes : best_of (e->sums + (gsize) v * e->classes, e->classes);
}

static const char *
label_of (const Eval *e, int c)
{
  return c == e->classes ? e->unknown->label : cnn3d_model_get_label (e->model, c);
}

static double
part (gint64 some, gint64 all)
{
  return all > 0 ? (double) some / (double) all : 0;
}

/* Of all clips, of which the first of several processes sees its part. */
static void
show_progress (const Eval *e, Cnn3dLoader *loader, int batch, double seconds)
{
  const Tally *t = &e->clip;
  gint64 n = (t->n + t->others) * parallel_ranks ();
  double done = (batch + 1.0) / cnn3d_loader_get_n_batches (loader);
  g_autofree char *left = progress_time (seconds / done - seconds);
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT " clips  accuracy %.2f %%  %.1f clips/s  %s left", n,
      100 * part (t->top1, t->n), (double) n / MAX (seconds, 1e-6), left);

  if (parallel_rank () == 0)
    progress_tell ("eval", done, text);
}

/* Runs this process' part of all clips of all videos, as many at a time as the loader gives. */
static gboolean
run_clips (Eval *e, Cnn3dSession *session, Cnn3dLoader *loader, GError **error)
{
  const Cnn3dCard *card = cnn3d_model_get_card (e->model);
  gsize n_features = (gsize) cnn3d_model_get_n_features (e->model);
  g_autofree float *logits = NULL, *features = NULL, *scores = g_new (float, e->classes);
  g_autofree double *clip = g_new (double, e->classes);
  gint64 begin = g_get_monotonic_time ();

  for (int b = 0; b < cnn3d_loader_get_n_batches (loader); b++) {
    Cnn3dLoaderBatch batch;

    if (!cnn3d_loader_next (loader, &batch, error))
      return FALSE;
    logits = g_renew (float, logits, (gsize) MAX (batch.n, 1) * e->classes);
    if (cnn3d_unknown_needs_features (e->unknown))
      features = g_renew (float, features, (gsize) MAX (batch.n, 1) * n_features);
    if (batch.n > 0 && !cnn3d_session_run_features (session, batch.clips, batch.n, logits, features, error))
      return FALSE;
    for (int i = 0; i < batch.n; i++) {
      int v = batch.videos[i];
      gboolean rejected = cnn3d_unknown_judge (e->unknown, logits + (gsize) i * e->classes,
          e->classes, features ? features + (gsize) i * n_features : NULL);

      cnn3d_card_scores (card, logits + (gsize) i * e->classes, e->classes, scores);
      for (int c = 0; c < e->classes; c++) {
        clip[c] = scores[c];
        e->sums[(gsize) v * e->classes + c] += scores[c];
      }
      e->clips[v]++;
      e->rejected[v] += rejected;
      e->targets[v] = batch.targets[i];
      tally_add (&e->clip, clip, e->classes, batch.targets[i], rejected);
    }
    show_progress (e, loader, b, (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC);
  }
  return TRUE;
}

/* Adds up what several processes have found. */
static void
add_up (Eval *e)
{
  int n = cnn3d_cache_get_n_videos (e->cache);
  Tally *t = &e->clip;
  gint64 *const counters[] = { &t->n, &t->top1, &t->top5, &t->rejected, &t->accepted_top1, &t->others,
    &t->others_rejected };
  double tally[G_N_ELEMENTS (counters)];
  g_autofree double *counts = g_new (double, 3 * (gsize) n);

  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    tally[i] = (double) *counters[i];

  for (int v = 0; v < n; v++) {
    counts[3 * v] = e->clips[v];
    counts[3 * v + 1] = (double) e->clips[v] * e->targets[v]; /* the same for all clips of a video */
    counts[3 * v + 2] = e->rejected[v];
  }
  parallel_sum (tally, G_N_ELEMENTS (tally), NULL);
  parallel_sum (e->sums, (gsize) n * e->classes, NULL);
  parallel_sum (counts, 3 * (gsize) n, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    *counters[i] = (gint64) tally[i];
  for (int v = 0; v < n; v++) {
    e->clips[v] = (int) counts[3 * v];
    e->targets[v] = (int) (counts[3 * v + 1] / MAX (counts[3 * v], 1));
    e->rejected[v] = (int) counts[3 * v + 2];
  }
}

static gboolean
write_scores (const Eval *e, const char *path, GError **error)
{
  JsonBuilder *builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_array (builder);
  for (int v = 0; v < cnn3d_cache_get_n_videos (e->cache); v++) {
    const double *sums = e->sums + (gsize) v * e->classes;
    Cnn3dCacheVideo video;

    cnn3d_cache_get_video (e->cache, v, &video);
    json_builder_begin_object (builder);
    tool_json_string (builder, "video", video.name);
    tool_json_string (builder, "truth", label_of (e, e->targets[v]));
    tool_json_string (builder, "answer", label_of (e, answer_of (e, v)));
    tool_json_int (builder, "clips", e->clips[v]);
    if (e->unknown != NULL)
      tool_json_int (builder, "rejected", e->rejected[v]);
    json_builder_set_member_name (builder, "labels");
    json_builder_begin_array (builder);
    for (int c = 0; c < e->classes; c++)
      json_builder_add_string_value (builder, label_of (e, c));
    json_builder_end_array (builder);
    json_builder_set_member_name (builder, "scores");
    json_builder_begin_array (builder);
    for (int c = 0; c < e->classes; c++)
      json_builder_add_double_value (builder, sums[c] / e->clips[v]);
    json_builder_end_array (builder);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  g_object_unref (builder);
  text = json_to_string (root, FALSE);
  return g_file_set_contents (path, text, -1, error);
}

static void
print_tally (const char *what, const Tally *t, gboolean rejects)
{
  printf ("%s: top-1 %.2f %%, top-5 %.2f %% of %" G_GINT64_FORMAT "\n", what, 100 * part (t->top1, t->n),
      100 * part (t->top5, t->n), t->n);
  if (rejects)
    printf ("        rejected %.2f %%, top-1 of those accepted %.2f %%\n", 100 * part (t->rejected, t->n),
        100 * part (t->accepted_top1, t->n - t->rejected));
  if (t->others > 0)
    printf ("        rejected %.2f %% of %" G_GINT64_FORMAT " of no class\n",
        100 * part (t->others_rejected, t->others), t->others);
}

static void
json_tally (JsonBuilder *builder, const char *what, const Tally *t, gboolean rejects)
{
  json_builder_set_member_name (builder, what);
  json_builder_begin_object (builder);
  tool_json_int (builder, "n", t->n);
  tool_json_double (builder, "top1", part (t->top1, t->n));
  tool_json_double (builder, "top5", part (t->top5, t->n));
  if (rejects) {
    tool_json_double (builder, "rejected", part (t->rejected, t->n));
    tool_json_double (builder, "top1_accepted", part (t->accepted_top1, t->n - t->rejected));
    json_builder_set_member_name (builder, "unknown");
    json_builder_begin_object (builder);
    tool_json_int (builder, "n", t->others);
    tool_json_double (builder, "rejected", part (t->others_rejected, t->others));
    json_builder_end_object (builder);
  }
  json_builder_end_object (builder);
}

/* Per class, as text or as JSON; and the two tallies before it. */
static void
print_results (const Eval *e, const Confusion *table, gboolean json)
{
  JsonBuilder *builder = json ? json_builder_new () : NULL;

  if (json) {
    json_builder_begin_object (builder);
    json_tally (builder, "clips", &e->clip, e->unknown != NULL);
    json_tally (builder, "videos", &e->video, e->unknown != NULL);
    json_builder_set_member_name (builder, "classes");
    json_builder_begin_array (builder);
  } else {
    print_tally ("clips ", &e->clip, e->unknown != NULL);
    print_tally ("videos", &e->video, e->unknown != NULL);
  }
  for (int c = 0; c < table->classes; c++) {
    gint64 total = 0, right = table->counts[(gsize) c * table->classes + c];

    for (int k = 0; k < table->classes; k++)
      total += table->counts[(gsize) c * table->classes + k];
    if (total == 0)
      continue;
    if (!json) {
      printf ("  %6.2f %%  %s (%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT ")\n",
          100.0 * (double) right / (double) total, table->labels[c], right, total);
      continue;
    }
    json_builder_begin_object (builder);
    tool_json_string (builder, "label", table->labels[c]);
    tool_json_int (builder, "n", total);
    tool_json_double (builder, "top1", (double) right / (double) total);
    json_builder_end_object (builder);
  }
  if (json) {
    json_builder_end_array (builder);
    json_builder_end_object (builder);
    tool_print_json (builder);
  }
}

static int
finish (Eval *e, const char *const *tables, const char *scores_file, gboolean json)
{
  int answers = e->classes + (e->unknown != NULL);
  g_autofree const char **labels = g_new0 (const char *, answers + 1);
  g_autofree gint64 *counts = g_new0 (gint64, (gsize) answers * answers);
  Confusion table = { answers, labels, counts };
  g_autoptr (GError) error = NULL;

  for (int c = 0; c < answers; c++)
    labels[c] = label_of (e, c);
  for (int v = 0; v < cnn3d_cache_get_n_videos (e->cache); v++) {
    const double *sums = e->sums + (gsize) v * e->classes;

    if (e->clips[v] == 0)
      continue;
    tally_add (&e->video, sums, e->classes, e->targets[v], is_rejected (e, v));
    counts[(gsize) e->targets[v] * answers + answer_of (e, v)]++;
  }
  print_results (e, &table, json);
  for (; tables != NULL && *tables != NULL; tables++)
    if (!confusion_write (&table, *tables, &error))
      return tool_fail (error);
  if (scores_file != NULL && !write_scores (e, scores_file, &error))
    return tool_fail (error);
  return EXIT_OK;
}

/* Opens the data, decoded by one process if they have to be. */
static Cnn3dCache *
open_data (const char *path, const DataOptions *options, GError **error)
{
  g_autoptr (Cnn3dCache) cache = parallel_rank () == 0 ? data_open (path, options, error) : NULL;

  if (!parallel_agree (error))
    return NULL;
  if (cache == NULL)
    cache = data_open (path, options, error);
  return parallel_agree (error) && share_compare_data (path, cache, NULL, error) ? g_steal_pointer (&cache) : NULL;
}

/* Whether the first process, which writes all files, can. */
static gboolean
check_files (const char *const *tables, const char *scores, GError **error)
{
  gboolean ok = parallel_rank () > 0 || files_check (scores, error);

  for (; ok && parallel_rank () == 0 && tables != NULL && *tables != NULL; tables++)
    ok = files_check (*tables, error);
  return parallel_agree (error);
}

static int
evaluate (Eval *e, Cnn3dSession *session, Cnn3dLoader *loader, const char *const *tables, const char *scores,
    gboolean json)
{
  g_autoptr (GError) error = NULL;

  run_clips (e, session, loader, &error);
  progress_clear ();
  if (!parallel_agree (&error))
    return tool_fail (error);
  tool_session_warn (session);
  add_up (e);
  return parallel_rank () == 0 ? finish (e, tables, scores, json) : EXIT_OK;
}

/* Options by which videos are decoded. */
typedef struct {
  char *cache;
  double cache_size;
  int max_unreadable;
} Videos;

static void
videos_clear (Videos *videos)
{
  g_free (videos->cache);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Videos, videos_clear)

int
cmd_eval (int argc, char **argv)
{
  g_autofree char *data = NULL, *scores = NULL;
  g_auto (GStrv) tables = NULL, labels = NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (ToolSession) where = { 0 };
  g_auto (Videos) videos = { NULL, 20, -1 };
  double rate = NOT_GIVEN;
  int batch = 16;
  gboolean json = FALSE;
  Cnn3dSessionOptions o = { .floats = TRUE };
  const GOptionEntry entries[] = {
    { "data", 'd', 0, G_OPTION_ARG_FILENAME, &data, "What the model is tried on (needed)", "DATA" },
    { "confusion", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &tables,
        "Write the confusion matrix of videos, as .csv, .svg or .png; may be repeated",
        "FILE" },
    { "scores", 's', 0, G_OPTION_ARG_FILENAME, &scores, "Write each video's scores as JSON",
        "FILE" },
    { "sample-rate", 'r', 0, G_OPTION_ARG_DOUBLE, &rate,
        "Frames per second to take; 0: all (the model's)", "RATE" },
    { "batch", 0, 0, G_OPTION_ARG_INT, &batch, "Clips at a time (16)", "N" },
    DATA_ENTRIES (&videos),
    TOOL_SESSION_ENTRIES_WITH (where, 0),
    { "threads", 't', 0, G_OPTION_ARG_INT, &o.threads, "Threads (0: one for each CPU)", "N" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { NULL },
  };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dCache) cache = NULL;
  g_autoptr (Cnn3dLoader) loader = NULL;
  g_autoptr (Cnn3dSession) session = NULL;
  g_autoptr (GError) error = NULL;
  const Cnn3dCard *card;
  const Cnn3dConfig *config;
  Cnn3dLoaderOptions loading = { 0 };
  DataOptions decoding = { 0 };
  int n, status;
  Eval e = { 0 };

  if (!tool_parse (&argc, &argv, entries, "MODEL",
          "Tries a model on labelled videos: DATA is a folder with a folder for each class, a "
          "table of\n"
          "path,label[,start,end], or a cache. A video's scores are the means over its clips, "
          "which follow\n"
          "one another; a shorter video is repeated. If the model can tell that a clip shows none of "
          "its classes, DATA\n"
          "may have such videos, under the name that it has for them (unknown).\n\n"
          "Example:\n  3dcnn eval gestures.safetensors --data videos --confusion confusion.svg\n",
          1, 1))
    return EXIT_USAGE;
  if (data == NULL || batch < 1 || batch > 1024) {
    tool_complain (
        data == NULL ? "eval needs --data DATA" : "--batch takes 1 to 1024, not %d", batch);
    return EXIT_USAGE;
  }
  for (char **table = tables; table != NULL && *table != NULL; table++)
    if (!drawing_check_name ("--confusion", *table, TRUE))
      return EXIT_USAGE;
  if ((rate != NOT_GIVEN && !train_options_check_range ("sample-rate", rate, 0, 1000))
      || !train_options_check_range ("threads", o.threads, 0, 256)
      || !train_options_check_data (videos.cache_size, videos.max_unreadable) || !tool_session_options (&where, &o))
    return EXIT_USAGE;
  model = tool_load (argv[1], NULL, &error);
  if (model == NULL)
    return tool_fail (error);
  o.batch = batch;
  card = cnn3d_model_get_card (model);
  config = cnn3d_model_get_config (model);
  if (card->labels == NULL) {
    tool_complain (
        "%s: has no labels to compare with; 3dcnn import --labels gives it some", argv[1]);
    return EXIT_FAILED;
  }
  decoding = (DataOptions){ .cache_folder = videos.cache,
    .cache_size = videos.cache_size,
    .max_unreadable = videos.max_unreadable,
    .strict = videos.max_unreadable >= 0,
    .rate = rate == NOT_GIVEN ? card->sample_rate : rate,
    .size = config->size };
  /* What shows no class has the number after the last one. */
  for (char **label = card->labels; *label != NULL; label++)
    g_strv_builder_add (builder, *label);
  if (card->unknown != NULL)
    g_strv_builder_add (builder, card->unknown->label);
  labels = g_strv_builder_end (builder);
  o.threads = parallel_threads (o.threads);
  loading = (Cnn3dLoaderOptions){ .batch = (batch + parallel_ranks () - 1) / parallel_ranks () * parallel_ranks (),
    .rank = parallel_rank (),
    .ranks = parallel_ranks (),
    .labels = (const char *const *) labels,
    .sample_rate = decoding.rate,
    .stride = config->frames };
  if (!check_files ((const char *const *) tables, scores, &error)
      || (cache = open_data (data, &decoding, &error)) == NULL
      || !setup_check_labels (data, cache, labels, &error)
      || (loader = cnn3d_loader_new (cache, config, card, &loading, &error)) == NULL
      || (session = cnn3d_session_new (model, &o, &error)) == NULL)
    return tool_fail (error);

  n = cnn3d_cache_get_n_videos (cache);
  e = (Eval){ .model = model,
    .cache = cache,
    .classes = config->classes,
    .sums = g_new0 (double, (gsize) n * config->classes),
    .clips = g_new0 (int, n),
    .targets = g_new0 (int, n),
    .unknown = card->unknown,
    .rejected = g_new0 (int, n) };
  status = evaluate (&e, session, loader, (const char *const *) tables, scores, json);
  g_free (e.sums);
  g_free (e.clips);
  g_free (e.targets);
  g_free (e.rejected);
  return status;
}
