/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

static void
set_text (char **to, const char *text)
{
  g_free (*to);
  *to = g_strdup (text);
}

int
cmd_import (int argc, char **argv)
{
  g_autofree char *output = NULL, *preset = NULL, *labels = NULL, *arch = NULL;
  g_autofree char *name = NULL, *licence = NULL, *source = NULL, *order = NULL;
  Cnn3dLoadOptions o = { 0 };
  double rate = 0;
  gboolean half = FALSE;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The file to write (needed)", "FILE" },
    { "preset", 'p', 0, G_OPTION_ARG_STRING, &preset,
        "Fill in the card of published weights: jester, kinetics-600 or ucf101", "PRESET" },
    { "labels", 'l', 0, G_OPTION_ARG_FILENAME, &labels, "Text file with one label a line", "FILE" },
    { "sample-rate", 'r', 0, G_OPTION_ARG_DOUBLE, &rate,
        "Frames per second that the network was trained on", "RATE" },
    { "channel-order", 0, 0, G_OPTION_ARG_STRING, &order, "Planes of the input: rgb or bgr", "ORDER" },
    { "name", 'n', 0, G_OPTION_ARG_STRING, &name, "Name of the model", "TEXT" },
    { "licence", 0, 0, G_OPTION_ARG_STRING, &licence, "Licence of the weights", "TEXT" },
    { "source", 0, 0, G_OPTION_ARG_STRING, &source, "Where the weights come from", "TEXT" },
    { "arch", 'a', 0, G_OPTION_ARG_STRING, &arch, "Architecture, if it cannot be inferred", "ARCH" },
    { "width", 'w', 0, G_OPTION_ARG_DOUBLE, &o.width, "Width, if it cannot be inferred", "WIDTH" },
    { "groups", 'g', 0, G_OPTION_ARG_INT, &o.groups, "Groups, if they cannot be inferred", "N" },
    { "size", 's', 0, G_OPTION_ARG_INT, &o.size, "Height and width of a frame (112)", "N" },
    { "half", 0, 0, G_OPTION_ARG_NONE, &half, "Store weights as float16", NULL },
    { "frames", 't', 0, G_OPTION_ARG_INT, &o.frames, "Frames in a clip (16)", "N" },
    { NULL },
  };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dModel) described = NULL;
  g_autoptr (Cnn3dCard) card = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *network = NULL, *path = NULL;

  if (!tool_parse (&argc, &argv, entries, "CHECKPOINT",
          "Reads a checkpoint (PyTorch's .pth, old or new, or a safetensors file) and writes a model\n"
          "file with a model card, so that nothing has to be told or guessed when it is used.\n\n"
          "Example:\n  3dcnn import jester_best.pth -o jester.safetensors --preset jester\n",
          1, 1))
    return EXIT_USAGE;
  if (output == NULL) {
    tool_complain ("import needs --output FILE");
    return EXIT_USAGE;
  }
  if (rate < 0 || rate > 1000) {
    tool_complain ("--sample-rate must be from 0 to 1000 frames per second, not %g", rate);
    return EXIT_USAGE;
  }
  if (order != NULL && strcmp (order, "rgb") != 0 && strcmp (order, "bgr") != 0) {
    tool_complain ("--channel-order is rgb or bgr, not '%s'", order);
    return EXIT_USAGE;
  }
  o.preset = preset;
  o.labels_file = labels;
  o.arch = arch;
  path = tool_find (argv[1], &error);
  model = path ? cnn3d_model_load (path, &o, &error) : NULL;
  if (model == NULL)
    return tool_fail (error);

  card = cnn3d_card_copy (cnn3d_model_get_card (model));
  if (rate > 0)
    card->sample_rate = rate;
  if (order != NULL)
    card->channel_order = order[0] == 'r' ? CNN3D_CHANNEL_ORDER_RGB : CNN3D_CHANNEL_ORDER_BGR;
  if (name != NULL)
    set_text (&card->name, name);
  if (licence != NULL)
    set_text (&card->licence, licence);
  if (source != NULL)
    set_text (&card->source, source);
  described = cnn3d_model_with_card (model, card);
  if (half) {
    Cnn3dModel *rounded = cnn3d_model_to_half (described);

    cnn3d_model_unref (described);
    described = rounded;
  }
  if (!cnn3d_model_save (described, output, &error))
    return tool_fail (error);
  network = cnn3d_config_describe (cnn3d_model_get_config (model));
  printf ("%s: %s, %d classes\n", output, network, cnn3d_model_get_config (model)->classes);
  if (card->labels == NULL)
    tool_complain ("note: the model has no labels; --labels or --preset gives them");
  if (card->sample_rate == 0)
    tool_complain ("note: the sampling rate is unknown; --sample-rate or --preset gives it");
  return EXIT_OK;
}
