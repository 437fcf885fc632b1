/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/card.h"
#include "lib3dcnn/io/labels-resource.h"
#include "lib3dcnn/labels-private.h"

#include <gio/gio.h>
#include <math.h>

G_DEFINE_BOXED_TYPE (Cnn3dCard, cnn3d_card, cnn3d_card_copy, cnn3d_card_free)

/* The authors' training loaders: see models/README.md. */
static const struct {
  const char *name, *title, *labels;
  double sample_rate;
  Cnn3dChannelOrder channel_order;
} presets[] = {
  /*
   * Trained on every second frame of 12 fps video; on webcam clips of other frame rates the
   * published network is right more often at 7.5 frames a second than at 6.
   */
  { "jester", "Jester gestures", "jester", 7.5, CNN3D_CHANNEL_ORDER_RGB },
  /* Its loader handed OpenCV's frames on unconverted. */
  { "kinetics-600", "Kinetics-600 actions", "kinetics-600", 25, CNN3D_CHANNEL_ORDER_BGR },
  { "ucf101", "UCF-101 actions", "ucf101", 25, CNN3D_CHANNEL_ORDER_RGB },
};

Cnn3dCard *
cnn3d_card_new (void)
{
  Cnn3dCard *card = g_new0 (Cnn3dCard, 1);
  const float mean[3] = { 114.7748f, 107.7354f, 99.4750f };

  for (int p = 0; p < 3; p++) {
    card->mean[p] = mean[p];
    card->std[p] = 1;
  }
  return card;
}

Cnn3dCard *
cnn3d_card_copy (const Cnn3dCard *card)
{
  Cnn3dCard *copy;

  g_return_val_if_fail (card != NULL, NULL);
  copy = g_memdup2 (card, sizeof *card);
  copy->name = g_strdup (card->name);
  copy->labels = g_strdupv (card->labels);
  copy->licence = g_strdup (card->licence);
  copy->source = g_strdup (card->source);
  copy->training = g_strdup (card->training);
  copy->unknown = card->unknown ? cnn3d_unknown_copy (card->unknown) : NULL;
  return copy;
}

void
cnn3d_card_free (Cnn3dCard *card)
{
  if (card == NULL)
    return;
  g_free (card->name);
  g_strfreev (card->labels);
  g_free (card->licence);
  g_free (card->source);
  g_free (card->training);
  cnn3d_unknown_free (card->unknown);
  g_free (card);
}

Cnn3dCard *
cnn3d_card_new_preset (const char *preset, GError **error)
{
  g_return_val_if_fail (preset != NULL, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (presets); i++) {
    g_autoptr (Cnn3dCard) card = NULL;
    g_autoptr (GBytes) text = NULL;
    g_autofree char *path = NULL;

    if (strcmp (preset, presets[i].name) != 0)
      continue;
    card = cnn3d_card_new ();
    path = g_strdup_printf ("/3dcnn/labels/%s.txt", presets[i].labels);
    text = g_resource_lookup_data (cnn3d_labels_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, error);
    if (text == NULL)
      return NULL;
    card->labels =
        cnn3d_labels_parse (g_bytes_get_data (text, NULL), g_bytes_get_size (text), path, error);
    if (card->labels == NULL)
      return NULL;
    card->name = g_strdup (presets[i].title);
    card->sample_rate = presets[i].sample_rate;
    card->channel_order = presets[i].channel_order;
    card->source = g_strdup ("https://github.com/okankop/Efficient-3DCNNs");
    return g_steal_pointer (&card);
  }
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_NOT_FOUND,
      "no preset is called '%s'; there are jester, kinetics-600 and ucf101", preset);
  return NULL;
}

void
cnn3d_card_scores (const Cnn3dCard *card, const float *logits, int n, float *scores)
{
  double sum = 0;
  float largest;

  g_return_if_fail (logits != NULL && scores != NULL && n >= 1);

  if (card != NULL && card->score == CNN3D_SCORE_SIGMOID) {
    for (int i = 0; i < n; i++)
      scores[i] = (float) (1 / (1 + exp (-logits[i])));
    return;
  }
  largest = logits[0];
  for (int i = 1; i < n; i++)
    largest = MAX (largest, logits[i]);
  for (int i = 0; i < n; i++)
    sum += scores[i] = expf (logits[i] - largest);
  for (int i = 0; i < n; i++)
    scores[i] = (float) (scores[i] / sum);
}
