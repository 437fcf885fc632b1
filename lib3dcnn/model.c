/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/unknown.h"
#include "lib3dcnn/model-private.h"

#include <math.h>

G_DEFINE_BOXED_TYPE (Cnn3dModel, cnn3d_model, cnn3d_model_ref, cnn3d_model_unref)

Cnn3dModel *
cnn3d_model_new_empty (Cnn3dGraph *graph, Cnn3dCard *card)
{
  Cnn3dModel *model = g_new0 (Cnn3dModel, 1);

  g_atomic_ref_count_init (&model->ref_count);
  model->config = graph->config;
  model->graph = graph;
  model->card = card;
  model->params = g_new0 (const float *, graph->params->len);
  model->owned = g_ptr_array_new_with_free_func (g_free);
  return model;
}

Cnn3dModel *
cnn3d_model_ref (Cnn3dModel *model)
{
  g_return_val_if_fail (model != NULL, NULL);
  g_atomic_ref_count_inc (&model->ref_count);
  return model;
}

void
cnn3d_model_unref (Cnn3dModel *model)
{
  g_return_if_fail (model != NULL);
  if (!g_atomic_ref_count_dec (&model->ref_count))
    return;
  cnn3d_card_free (model->card);
  if (model->shared != NULL) {
    cnn3d_model_unref (model->shared);
  } else {
    cnn3d_graph_free (model->graph);
    g_free (model->params);
    g_ptr_array_unref (model->owned);
    cnn3d_state_free (model->state);
    g_clear_pointer (&model->origin, cnn3d_model_unref);
  }
  g_free (model->check_seed);
  g_free (model->check_logits);
  g_free (model);
}

Cnn3dModel *
cnn3d_model_with_card (Cnn3dModel *model, const Cnn3dCard *card)
{
  Cnn3dModel *copy;

  g_return_val_if_fail (model != NULL && card != NULL, NULL);
  g_return_val_if_fail (card->labels == NULL
      || (int) g_strv_length (card->labels) == model->config.classes, NULL);
  g_return_val_if_fail (cnn3d_unknown_fits (card->unknown, model->graph), NULL);

  copy = g_memdup2 (model, sizeof *model);
  g_atomic_ref_count_init (&copy->ref_count);
  copy->card = cnn3d_card_copy (card);
  copy->shared = cnn3d_model_ref (model);
  copy->check_seed = g_strdup (model->check_seed);
  copy->check_logits = NULL;
  if (model->check_logits != NULL)
    copy->check_logits =
        g_memdup2 (model->check_logits, (gsize) model->config.classes * sizeof (float));
  return copy;
}

float *
cnn3d_model_own_param (Cnn3dModel *model, int param)
{
  gint64 n = cnn3d_param_count (cnn3d_graph_param (model->graph, param));
  float *data = g_new (float, (gsize) n);

  g_ptr_array_add (model->owned, data);
  model->params[param] = data;
  return data;
}

/* FNV-1a of both strings. */
guint64
cnn3d_hash_name (const char *prefix, const char *name)
{
  const char *parts[2] = { prefix, name };
  guint64 h = 0xcbf29ce484222325;

  for (int p = 0; p < 2; p++)
    for (const char *s = parts[p]; *s != '\0'; s++)
      h = (h ^ (guint8) *s) * 0x100000001b3;
  return h;
}

/* SplitMix64, 24 bits of it. */
double
cnn3d_hash_uniform (guint64 name_hash, guint64 i)
{
  guint64 z = name_hash + (i + 1) * 0x9E3779B97F4A7C15;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  z ^= z >> 31;
  return (double) (z >> 40) / 16777216.0;
}

/* The mean that the published models were trained with, in the order of the planes. */
static const double authors_mean[3] = { 114.7748, 107.7354, 99.4750 };

void
cnn3d_hash_clip (const Cnn3dConfig *config, const char *seed, float *clip)
{
  guint64 hash = cnn3d_hash_name (seed, "input");
  gint64 plane = (gint64) config->frames * config->size * config->size;

  for (gint64 i = 0; i < 3 * plane; i++)
    clip[i] = (float) (floor (cnn3d_hash_uniform (hash, (guint64) i) * 256) - authors_mean[i / plane]);
}

static void
hash_param (const Cnn3dParam *param, const char *seed, float *data)
{
  guint64 hash = cnn3d_hash_name (seed, param->name);
  gint64 n = cnn3d_param_count (param);
  double scale = 1, offset = 0; /* value = (u - offset) * scale */

  if (g_str_has_suffix (param->name, ".bias") || g_str_has_suffix (param->name, ".running_mean")) {
    offset = 0.5;
    scale = 0.2;
  } else if (param->n_dims == 1) { /* BatchNorm's weight or running_var */
    offset = -0.5;
  } else {
    offset = 0.5;
    scale = 2 * sqrt (3.0 / (double) (n / param->dims[0]));
  }
  for (gint64 i = 0; i < n; i++)
    data[i] = (float) ((cnn3d_hash_uniform (hash, (guint64) i) - offset) * scale);
}

Cnn3dModel *
cnn3d_model_new_synthetic (const Cnn3dConfig *config, const char *seed, GError **error)
{
  Cnn3dConfig filled;
  Cnn3dGraph *graph;
  Cnn3dModel *model;

  g_return_val_if_fail (config != NULL && seed != NULL, NULL);

  filled = *config;
  cnn3d_config_fill (&filled);
  graph = cnn3d_graph_new (&filled, error);
  if (graph == NULL)
    return NULL;
  model = cnn3d_model_new_empty (graph, cnn3d_card_new ());
  for (guint i = 0; i < graph->params->len; i++)
    hash_param (cnn3d_graph_param (graph, (int) i), seed, cnn3d_model_own_param (model, (int) i));
  return model;
}

const Cnn3dConfig *
cnn3d_model_get_config (Cnn3dModel *model)
{
  g_return_val_if_fail (model != NULL, NULL);
  return &model->config;
}

int
cnn3d_model_get_n_features (Cnn3dModel *model)
{
  g_return_val_if_fail (model != NULL, 0);
  return cnn3d_graph_node (model->graph, cnn3d_graph_get_features (model->graph))->shape.c;
}

const Cnn3dCard *
cnn3d_model_get_card (Cnn3dModel *model)
{
  g_return_val_if_fail (model != NULL, NULL);
  return model->card;
}

const char *
cnn3d_model_get_label (Cnn3dModel *model, int index)
{
  g_return_val_if_fail (model != NULL, NULL);
  g_return_val_if_fail (index >= 0 && index < model->config.classes, NULL);

  if (model->card->labels != NULL)
    return model->card->labels[index];
  /* Interned: there are at most as many as the largest network has classes. */
  {
    g_autofree char *label = g_strdup_printf ("class %d", index);
    return g_intern_string (label);
  }
}

void
cnn3d_model_normalize (Cnn3dModel *model, const guint8 *rgb, float *clip)
{
  const Cnn3dCard *card;
  gsize n;

  g_return_if_fail (model != NULL && rgb != NULL && clip != NULL);

  card = model->card;
  n = (gsize) model->config.frames * model->config.size * model->config.size;
  for (int plane = 0; plane < 3; plane++) {
    int channel = card->channel_order == CNN3D_CHANNEL_ORDER_RGB ? plane : 2 - plane;
    float mean = card->mean[plane], scale = 1 / card->std[plane];

    for (gsize i = 0; i < n; i++)
      clip[plane * n + i] = (rgb[3 * i + channel] - mean) * scale;
  }
}
