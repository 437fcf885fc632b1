/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tools/train/setup.h"

static Cnn3dCard *
make_card (const TrainOptions *o, Cnn3dCache *data, double rate)
{
  Cnn3dCard *card = cnn3d_card_new ();

  card->labels = g_strdupv ((char **) cnn3d_cache_get_labels (data));
  card->sample_rate = rate;
  setup_card_texts (o, card);
  return card;
}

static int
train (const TrainOptions *o, Cnn3dConfig *config)
{
  g_auto (FileLock) lock = { 0 };
  g_autoptr (Cnn3dCache) cache = NULL, val_cache = NULL;
  g_autoptr (Cnn3dCard) card = NULL;
  g_autoptr (Cnn3dTrainer) trainer = NULL;
  g_autoptr (Cnn3dLoader) data = NULL, val = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree int *flips = NULL;
  Cnn3dTrainOptions trainer_options = train_options_trainer (o);
  Cnn3dLoaderOptions loader_options;
  Run run = { 0 };
  double rate;

  if (!setup_files (o, TRUE, &lock, &error) || !setup_data (o, config->size, 0, &cache, &val_cache, &error))
    return tool_fail (error);
  if (!setup_sample_rate (o, 0, cache, &rate, &error))
    return tool_fail (error);
  card = make_card (o, cache, rate);
  config->classes = (int) g_strv_length (card->labels);
  if (!train_options_schedule (o, &run.schedule, &error)
      || !train_options_loader (o, (const char *const *) card->labels, &loader_options, &error)) {
    tool_fail (error);
    return EXIT_USAGE;
  }
  flips = (int *) loader_options.flip_labels;
  setup_note_flips (o, (const char *const *) card->labels);
  loader_options.sample_rate = card->sample_rate;
  trainer = cnn3d_trainer_new (config, &trainer_options, &error);
  if (trainer == NULL)
    return tool_fail (error);
  *config = *cnn3d_trainer_get_config (trainer);
  data = cnn3d_loader_new (cache, config, card, &loader_options, &error);
  if (data == NULL
      || (val_cache != NULL && !setup_check_labels (o->val ? o->val : o->data, val_cache, card->labels, &error))
      || (val_cache != NULL && (val = setup_plain_loader (o, val_cache, config, card, &error)) == NULL))
    return tool_fail (error);

  run.trainer = trainer;
  run.data = data;
  run.val = val;
  run.card = card;
  return setup_run (o, &run, &(SetupData){ cache, val_cache, flips }, "");
}

/* Whether there is such a network. An option of another architecture has to have a value that it takes, too. */
static gboolean
check_network (const char *arch, Cnn3dConfig *config, GError **error)
{
  Cnn3dConfig filled;

  if (!cnn3d_arch_from_name (arch, &config->arch, error))
    return FALSE;
  if (config->groups < 0 || config->groups > 8) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--groups takes 1, 2, 3, 4 or 8, not %d",
        config->groups);
    return FALSE;
  }
  if (config->version != 0 && config->version != 10 && config->version != 11) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--version takes 10 or 11, not %d", config->version);
    return FALSE;
  }
  filled = *config;
  return cnn3d_config_check (&filled, error);
}

int
cmd_train (int argc, char **argv)
{
  g_auto (TrainOptions) o = { 0 };
  g_autofree char *arch = NULL;
  g_autofree GOptionEntry *entries = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dConfig config = { 0 };
  const GOptionEntry more[] = {
    { "arch", 'a', 0, G_OPTION_ARG_STRING, &arch, "Architecture (needed)", "ARCH" },
    { "width", 'w', 0, G_OPTION_ARG_DOUBLE, &config.width, "Channel multiplier (1.0)", "WIDTH" },
    { "groups", 'g', 0, G_OPTION_ARG_INT, &config.groups, "Groups, of shufflenet (3)", "N" },
    { "version", 0, 0, G_OPTION_ARG_INT, &config.version, "Of squeezenet: 10 or 11 (11)", "N" },
    { "frames", 0, 0, G_OPTION_ARG_INT, &config.frames, "Frames in a clip (16)", "N" },
    { "size", 's', 0, G_OPTION_ARG_INT, &config.size, "Height and width of a frame (112)", "N" },
    { NULL },
  };

  train_options_init (&o);
  entries = train_options_entries (&o, more);
  if (!tool_parse (&argc, &argv, entries, "",
          "Trains a network from nothing. DATA is a cache, as 3dcnn synth writes them; a folder with a folder\n"
          "of videos for each class; or a CSV file with lines of path,label[,start,end]. Videos are decoded\n"
          "once, into a cache next to DATA.\n\n"
          "Example:\n  3dcnn train --arch shufflenet --width 0.5 --data train.cache --val val.cache \\\n"
          "    --schedule cosine --warmup 1 -o gestures.safetensors\n",
          0, 0)
      || !train_options_check (&o))
    return EXIT_USAGE;
  if (arch == NULL) {
    tool_complain ("--arch ARCH is needed");
    return EXIT_USAGE;
  }
  if (!check_network (arch, &config, &error)) {
    tool_fail (error);
    return EXIT_USAGE;
  }
  return train (&o, &config);
}
