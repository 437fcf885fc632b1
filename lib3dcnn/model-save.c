/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/card-json.h"
#include "lib3dcnn/io/half.h"
#include "lib3dcnn/io/replace.h"
#include "lib3dcnn/io/safetensors.h"
#include "lib3dcnn/io/unknown.h"
#include "lib3dcnn/session.h"

#include <gio/gio.h>

/* Of self-checks written by this version. */
#define CHECK_SEED "check:"

static gboolean
compute_check (Cnn3dModel *model, float *logits, GError **error)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_REFERENCE };
  g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, error);
  g_autofree float *clip = NULL;

  if (session == NULL)
    return FALSE;
  clip = g_new (float, (gsize) 3 * model->config.frames * model->config.size * model->config.size);
  cnn3d_hash_clip (&model->config, CHECK_SEED, clip);
  return cnn3d_session_run (session, clip, 1, logits, error);
}

/* Everything that the model's file had, then what this model has. */
static GHashTable *
collect_metadata (Cnn3dModel *model, const float *check)
{
  GHashTable *metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  const Cnn3dState *state = model->origin ? model->origin->state : model->state;
  GHashTableIter iter;
  gpointer key, value;

  if (state != NULL) {
    g_hash_table_iter_init (&iter, state->metadata);
    while (g_hash_table_iter_next (&iter, &key, &value))
      g_hash_table_insert (metadata, g_strdup (key), g_strdup (value));
  }
  cnn3d_card_write (metadata, &model->config, model->card);
  cnn3d_card_write_check (metadata, CHECK_SEED, check, model->config.classes);
  return metadata;
}

static gboolean
write_floats (GOutputStream *stream, const float *data, gsize n, GError **error)
{
  g_autofree guint32 *swapped = NULL;

  if (G_BYTE_ORDER != G_LITTLE_ENDIAN) {
    swapped = g_memdup2 (data, n * sizeof *swapped);
    for (gsize k = 0; k < n; k++)
      swapped[k] = GUINT32_TO_LE (swapped[k]);
    data = (const float *) (gconstpointer) swapped;
  }
  return g_output_stream_write_all (stream, data, n * sizeof (float), NULL, NULL, error);
}

static gboolean
write_params (Cnn3dModel *model, GOutputStream *stream, GError **error)
{
  for (guint i = 0; i < model->graph->params->len; i++) {
    gsize n = (gsize) cnn3d_param_count (cnn3d_graph_param (model->graph, (int) i));
    const float *data = model->params[i];

    if (cnn3d_safetensors_is_half (cnn3d_graph_param (model->graph, (int) i), model->half)) {
      g_autofree guint16 *half = g_new (guint16, n);

      for (gsize k = 0; k < n; k++)
        half[k] = GUINT16_TO_LE (cnn3d_half_from_float (data[k]));
      if (!g_output_stream_write_all (stream, half, n * sizeof *half, NULL, NULL, error))
        return FALSE;
      continue;
    }
    if (!write_floats (stream, data, n, error))
      return FALSE;
  }
  return TRUE;
}

Cnn3dModel *
cnn3d_model_to_half (Cnn3dModel *model)
{
  Cnn3dModel *rounded;

  g_return_val_if_fail (model != NULL, NULL);

  /* A graph of this configuration was made before, so it can be made. */
  rounded = cnn3d_model_new_empty (cnn3d_graph_new (&model->config, NULL), cnn3d_card_copy (model->card));
  rounded->half = TRUE;
  rounded->origin = cnn3d_model_ref (model->origin ? model->origin : model);
  for (guint i = 0; i < model->graph->params->len; i++) {
    const Cnn3dParam *param = cnn3d_graph_param (model->graph, (int) i);
    gint64 n = cnn3d_param_count (param);
    float *to = cnn3d_model_own_param (rounded, (int) i);

    for (gint64 k = 0; k < n; k++)
      to[k] = cnn3d_safetensors_is_half (param, TRUE)
          ? cnn3d_half_to_float (cnn3d_half_from_float (model->params[i][k])) : model->params[i][k];
  }
  return rounded;
}

gboolean
cnn3d_model_save (Cnn3dModel *model, const char *path, GError **error)
{
  g_autoptr (GOutputStream) stream = NULL;
  g_autoptr (GHashTable) metadata = NULL;
  g_autofree float *check = NULL;
  Cnn3dParam more[CNN3D_UNKNOWN_PARAMS];
  float *values[CNN3D_UNKNOWN_PARAMS];
  GMemoryOutputStream *memory;
  GString *header;
  gboolean ok;
  int n;

  g_return_val_if_fail (model != NULL && path != NULL, FALSE);

  check = g_new (float, model->config.classes);
  if (!compute_check (model, check, error))
    return FALSE;
  metadata = collect_metadata (model, check);
  n = cnn3d_unknown_get_params (model->card->unknown, more, values);
  header = cnn3d_safetensors_header (metadata, model->graph, model->half, more, n);

  stream = g_memory_output_stream_new_resizable ();
  ok = g_output_stream_write_all (stream, header->str, header->len, NULL, NULL, error)
      && write_params (model, stream, error);
  for (int i = 0; ok && i < n; i++)
    ok = write_floats (stream, values[i], (gsize) cnn3d_param_count (&more[i]), error);
  g_string_free (header, TRUE);
  if (!ok) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  memory = G_MEMORY_OUTPUT_STREAM (stream);
  return cnn3d_replace_file (path, g_memory_output_stream_get_data (memory),
      g_memory_output_stream_get_data_size (memory), error);
}
