/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tools/parallel.h"
#include "tools/train/interrupt.h"
#include "tools/train/last-layer.h"
#include "tools/train/plot.h"
#include "tools/train/setup.h"
#include "tools/train/unknown.h"

#define NOT_SET G_MININT /* a whole number */

/* What finetune has besides the options of train. */
typedef struct {
  TrainOptions train;
  Cnn3dTrainPortion portion;
  int views, size; /* 0: as of the model */
  gboolean half;
  UnknownOptions unknown;
} Options;

/* Everything that was opened. */
typedef struct {
  Cnn3dCard *card;
  Cnn3dTrainer *trainer;
  Cnn3dCache *cache, *val_cache;
  Cnn3dLoader *data, *val; /* data: changed clips */
  int *flips;
  char *sum; /* of the base's file */
  Cnn3dSchedule schedule;
} Work;

static void
work_clear (Work *w)
{
  g_clear_pointer (&w->data, cnn3d_loader_unref);
  g_clear_pointer (&w->val, cnn3d_loader_unref);
  g_clear_pointer (&w->cache, cnn3d_cache_unref);
  g_clear_pointer (&w->val_cache, cnn3d_cache_unref);
  g_clear_pointer (&w->trainer, cnn3d_trainer_unref);
  g_clear_pointer (&w->card, cnn3d_card_free);
  g_clear_pointer (&w->flips, g_free);
  g_clear_pointer (&w->sum, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

/* The base's card, but for what the new classes change. */
static Cnn3dCard *
make_card (const TrainOptions *o, Cnn3dModel *base, const char *path, Cnn3dCache *data, double rate)
{
  Cnn3dCard *card = cnn3d_card_copy (cnn3d_model_get_card (base));
  g_autofree char *file = g_path_get_basename (path);

  g_strfreev (card->labels);
  card->labels = g_strdupv ((char **)cnn3d_cache_get_labels (data));
  card->sample_rate = rate;
  g_free (card->source);
  card->source = g_strdup_printf ("fine-tuned from %s", card->name ? card->name : file);
  g_clear_pointer (&card->name, g_free);
  g_clear_pointer (&card->training, g_free);
  card->score = CNN3D_SCORE_SOFTMAX; /* as the loss */
  g_clear_pointer (&card->unknown, cnn3d_unknown_free);
  setup_card_texts (o, card);
  return card;
}

/* Writes the model, as float16 if that was asked for, and with a rule for unknown clips. FALSE with *error
 * unset: interrupted. */
static gboolean
save (const Options *o, const UnknownData *data, Cnn3dModel *model, GError **error)
{
  g_autoptr (Cnn3dModel) half = o->half ? cnn3d_model_to_half (model) : cnn3d_model_ref (model);
  g_autoptr (Cnn3dModel) ruled = NULL;

  if (o->unknown.wanted) {
    ruled = unknown_measure (&o->unknown, data, half, error);
    if (ruled == NULL)
      return FALSE;
  }
  return cnn3d_model_save (ruled ? ruled : half, o->train.output, error);
}

/* Puts into the card how the last layer was trained. */
static void
describe (const Options *o, const Work *w, const LogLine *best)
{
  const Cnn3dConfig *config = cnn3d_trainer_get_config (w->trainer);
  int videos = cnn3d_cache_get_n_videos (w->cache);
  g_autofree char *options = train_options_describe (&o->train, config, w->cache),
                  *settings = g_strdup_printf ("%s finetune=last-layer views=%d", options, o->views);
  const Training training = { .command = "finetune",
    .options = &o->train,
    .settings = settings,
    .videos = videos,
    .labels = config->classes,
    .clips = (gint64)videos * (1 + o->views),
    .val_clips = w->val ? cnn3d_loader_get_n_clips (w->val) : 0 };

  g_free (w->card->training);
  w->card->training = training_describe (&training, o->train.epochs, best->epoch, best->val_accuracy);
}

/* The table and the plot of a training of the last layer, once the model is there. */
static gboolean
save_table (const Options *o, const GArray *lines, Cnn3dTrainer *trainer, GError **error)
{
  g_autofree char *log = setup_path (o->train.log, o->train.output, ".csv");
  g_autofree char *plot = setup_path (o->train.plot, o->train.output, ".svg");
  g_autofree char *network = cnn3d_config_describe (cnn3d_trainer_get_config (trainer));

  return log_write (log, lines, error) &&
         plot_write (plot, log, o->train.name ? o->train.name : network, error);
}

/* The exit code of a training of the last layer that came to no end: error is NULL if it was interrupted. */
static int
stop (const GError *error)
{
  if (error != NULL)
    return tool_fail (error);
  tool_complain ("interrupted; nothing is written");
  return EXIT_INTERRUPTED;
}

static int
finetune_last_layer (const Options *o, const Work *w)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;
  LogLine best;
  g_autoptr (GArray) lines = g_array_new (FALSE, FALSE, sizeof (LogLine));
  g_autoptr (Cnn3dLoader) plain = setup_plain_loader (
      &o->train, w->cache, cnn3d_trainer_get_config (w->trainer), w->card, &error);
  const LastLayer last = { .trainer = w->trainer,
    .plain = plain,
    .changed = o->views > 0 ? w->data : NULL,
    .val = w->val,
    .views = o->views,
    .epochs = o->train.epochs,
    .batch = o->train.batch,
    .seed = (guint64)o->train.seed,
    .schedule = w->schedule,
    .lines = lines,
    .best = &best };
  const UnknownData data = { .cache = w->cache,
    .plain = plain,
    .changed = last.changed,
    .views = o->views,
    .val = w->val,
    .threads = o->train.threads };

  if (plain == NULL)
    return tool_fail (error);
  interrupt_catch ();
  if (!last_layer_train (&last, &error))
    return stop (error);
  describe (o, w, &best);
  model = cnn3d_trainer_to_model (w->trainer, w->card);
  if (!save (o, &data, model, &error))
    return stop (error);
  if (!save_table (o, lines, w->trainer, &error))
    return tool_fail (error);
  printf ("%s: written\n", o->train.output);
  return EXIT_OK;
}

/* The rule for unknown clips is measured on the model of the best epoch, once it is there. */
static int
finetune_complete (const Options *o, const Work *w)
{
  Run run = { .trainer = w->trainer,
    .data = w->data,
    .val = w->val,
    .card = w->card,
    .schedule = w->schedule,
    .half = o->half };
  g_autofree char *more = g_strdup_printf (" finetune=complete model=%s", w->sum);
  int status = setup_run (&o->train, &run, &(SetupData){ w->cache, w->val_cache, w->flips }, more);
  UnknownData data = { .cache = w->cache, .val = w->val, .trained = TRUE, .threads = o->train.threads };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dLoader) plain = NULL;
  g_autoptr (Cnn3dModel) model = NULL;

  if (status != EXIT_OK || !o->unknown.wanted)
    return status;
  data.plain = plain = setup_plain_loader (
      &o->train, w->cache, cnn3d_trainer_get_config (w->trainer), w->card, &error);
  if (plain == NULL || (model = cnn3d_model_load (o->train.output, NULL, &error)) == NULL)
    return tool_fail (error);
  if (save (o, &data, model, &error))
    return EXIT_OK;
  if (error != NULL)
    return tool_fail (error);
  tool_complain ("interrupted; %s has no rule for unknown clips yet, --resume measures it", o->train.output);
  return EXIT_INTERRUPTED;
}

/* A checksum of a model's file, by which it is known again; NULL with an error. */
static char *
sum_model (const char *model, GError **error)
{
  g_autofree char *path = tool_find (model, error);
  g_autoptr (GMappedFile) file = path ? g_mapped_file_new (path, FALSE, error) : NULL;
  g_autoptr (GBytes) bytes = file ? g_mapped_file_get_bytes (file) : NULL;

  return bytes ? g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes) : NULL;
}

static int
finetune (const Options *options, const char *path)
{
  const TrainOptions *o = &options->train;
  g_auto (FileLock) lock = { 0 };
  g_auto (Work) w = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) base = tool_load (path, NULL, &error);
  Cnn3dTrainOptions trainer_options = train_options_trainer (o);
  Cnn3dLoaderOptions loader_options;
  const Cnn3dConfig *config;
  double rate;

  if (base == NULL || (w.sum = sum_model (path, &error)) == NULL)
    return tool_fail (error);
  if (!setup_files (o, options->portion == CNN3D_TRAIN_COMPLETE, &lock, &error))
    return tool_fail (error);
  trainer_options.size = options->size ? options->size : cnn3d_model_get_config (base)->size;
  if (!setup_data (o, trainer_options.size, cnn3d_model_get_card (base)->sample_rate, &w.cache,
          &w.val_cache, &error))
    return tool_fail (error);
  if (!setup_sample_rate (o, cnn3d_model_get_card (base)->sample_rate, w.cache, &rate, &error))
    return tool_fail (error);
  w.card = make_card (o, base, path, w.cache, rate);
  if (!unknown_check_label (&options->unknown, w.card, o->data))
    return EXIT_FAILED;
  if (!train_options_schedule (o, &w.schedule, &error) ||
      !train_options_loader (o, (const char *const *)w.card->labels, &loader_options, &error)) {
    tool_fail (error);
    return EXIT_USAGE;
  }
  w.flips = (int *)loader_options.flip_labels;
  setup_note_flips (o, (const char *const *)w.card->labels);
  loader_options.sample_rate = w.card->sample_rate;
  trainer_options.portion = options->portion;
  w.trainer = cnn3d_trainer_new_from_model (
      base, (int)g_strv_length (w.card->labels), &trainer_options, &error);
  if (w.trainer == NULL)
    return tool_fail (error);
  config = cnn3d_trainer_get_config (w.trainer);
  w.data = cnn3d_loader_new (w.cache, config, w.card, &loader_options, &error);
  if (w.val_cache != NULL &&
      !setup_check_labels (o->val ? o->val : o->data, w.val_cache, w.card->labels, &error))
    return tool_fail (error);
  if (w.data == NULL || (w.val_cache != NULL && (w.val = setup_plain_loader (o, w.val_cache, config,
                                                     w.card, &error)) == NULL))
    return tool_fail (error);
  if (options->portion == CNN3D_TRAIN_LAST_LAYER)
    return finetune_last_layer (options, &w);
  return finetune_complete (options, &w);
}

/* FALSE if options for unknown clips are wrong, which is said. */
static gboolean
check_unknown (UnknownOptions *o, const char *rule)
{
  o->wanted = rule != NULL && strcmp (rule, "none") != 0;
  if (!o->wanted && o->quantile != NOT_GIVEN) {
    tool_complain ("--unknown-quantile is for --unknown margin or distance");
    return FALSE;
  }
  if (o->quantile == NOT_GIVEN)
    o->quantile = 0.95;
  if (o->wanted && !cnn3d_unknown_rule_from_name (rule, &o->rule, NULL))
    tool_complain ("--unknown is none, margin or distance, not '%s'", rule);
  else if (!(o->quantile > 0 && o->quantile <= 1))
    tool_complain ("--unknown-quantile takes numbers above 0, up to 1, not %g", o->quantile);
  else if (*o->label == '\0' || !g_utf8_validate (o->label, -1, NULL))
    tool_complain ("--unknown-label takes a name");
  else
    return TRUE;
  return FALSE;
}

/* Defaults that depend on the portion, and what goes with one only. */
static gboolean
complete_options (Options *options, const char *portion)
{
  TrainOptions *o = &options->train;
  gboolean last = portion == NULL || strcmp (portion, "last-layer") == 0;
  const struct {
    const char *name;
    gboolean given;
  } of_complete[] = { { "resume", o->resume }, { "checkpoint", o->checkpoint != NULL },
    { "double", o->double_precision } };

  if (!last && strcmp (portion, "complete") != 0) {
    tool_complain ("--portion is last-layer or complete, not '%s'", portion);
    return FALSE;
  }
  for (guint i = 0; last && i < G_N_ELEMENTS (of_complete); i++)
    if (of_complete[i].given) {
      tool_complain ("--%s is for --portion complete", of_complete[i].name);
      return FALSE;
    }
  if (last && parallel_ranks () > 1) {
    tool_complain ("--portion last-layer, which takes seconds, runs in one process; --portion complete may"
        " run in the %d that mpirun started", parallel_ranks ());
    return FALSE;
  }
  if (options->size != 0 && (options->size < 32 || options->size > 1024)) {
    tool_complain ("--size takes 32 to 1024, not %d", options->size);
    return FALSE;
  }
  if (options->views < 0 || options->views > 1000) {
    tool_complain ("--views takes 0 to 1000, not %d", options->views);
    return FALSE;
  }
  options->portion = last ? CNN3D_TRAIN_LAST_LAYER : CNN3D_TRAIN_COMPLETE;
  if (o->epochs == NOT_SET)
    o->epochs = last ? 200 : 60;
  if (o->rate == NOT_GIVEN)
    o->rate = 0.01;
  if (last && o->optimizer == NULL)
    o->optimizer = g_strdup ("adamw");
  if (last && o->schedule == NULL)
    o->schedule = g_strdup ("cosine");
  return train_options_check (o);
}

int
cmd_finetune (int argc, char **argv)
{
  Options o = { .views = 4, .unknown = { .quantile = NOT_GIVEN } };
  g_autofree char *portion = NULL, *unknown = NULL, *label = NULL;
  g_autofree GOptionEntry *entries = NULL;
  int status = EXIT_USAGE;
  const GOptionEntry more[] = {
    { "portion", 'p', 0, G_OPTION_ARG_STRING, &portion,
        "What is trained: last-layer or complete (last-layer)", "PORTION" },
    { "views", 0, 0, G_OPTION_ARG_INT, &o.views,
        "Of last-layer: shifted, cropped and mirrored clips of each video, besides its middle (4)",
        "N" },
    { "size", 's', 0, G_OPTION_ARG_INT, &o.size, "Height and width of a frame (the model's)", "N" },
    { "half", 0, 0, G_OPTION_ARG_NONE, &o.half, "Store weights as float16", NULL },
    { "unknown", 'u', 0, G_OPTION_ARG_STRING, &unknown,
        "How clips of no class are told: none, margin or distance (none)", "RULE" },
    { "unknown-quantile", 0, 0, G_OPTION_ARG_DOUBLE, &o.unknown.quantile,
        "Part of the clips of the classes that is to be accepted (0.95)", "Q" },
    { "unknown-label", 0, 0, G_OPTION_ARG_STRING, &label, "What clips of no class are called (unknown)",
        "LABEL" },
    { NULL },
  };

  train_options_init (&o.train);
  o.train.epochs = NOT_SET;
  o.train.rate = NOT_GIVEN;
  entries = train_options_entries (&o.train, more);
  if (tool_parse (&argc, &argv, entries, "MODEL",
          "Teaches a model other classes. DATA is as for 3dcnn train. The last layer alone takes "
          "seconds on a\n"
          "handful of videos. Defaults differ from those of train: --rate 0.01; for the last layer "
          "also --epochs 200\n"
          "--optimizer adamw --schedule cosine. --dropout 0.9 helps on small sets.\n\n"
          "Example:\n  3dcnn finetune jester.safetensors --data gestures --val-share 0.2 -o "
          "mine.safetensors\n",
          1, 1)) {
    o.unknown.label = label ? label : "unknown";
    if (check_unknown (&o.unknown, unknown) && complete_options (&o, portion))
      status = finetune (&o, argv[1]);
  }
  train_options_clear (&o.train);
  return status;
}
