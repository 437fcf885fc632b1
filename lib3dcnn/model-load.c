/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/card-json.h"
#include "lib3dcnn/io/infer.h"
#include "lib3dcnn/io/unknown.h"
#include "lib3dcnn/labels.h"
#include "lib3dcnn/model-private.h"

/* What the options say wins over what the file says. */
static gboolean
override_config (Cnn3dConfig *config, const Cnn3dLoadOptions *o, GError **error)
{
  if (o->arch != NULL && !cnn3d_arch_from_name (o->arch, &config->arch, error))
    return FALSE;
  if (o->width != 0)
    config->width = o->width;
  if (o->groups != 0)
    config->groups = o->groups;
  if (o->frames != 0)
    config->frames = o->frames;
  if (o->size != 0)
    config->size = o->size;
  return TRUE;
}

static gboolean
find_config (const Cnn3dState *state, const Cnn3dLoadOptions *o, Cnn3dConfig *config, Cnn3dCard *card,
    const char *file, GError **error)
{
  if (cnn3d_card_is_in (state->metadata)) {
    if (!cnn3d_card_read (state->metadata, config, card, file, error)
        || !override_config (config, o, error))
      return FALSE;
    cnn3d_config_fill (config);
    return TRUE;
  }
  return override_config (config, o, error)
      && cnn3d_infer_config (state, o->arch != NULL, config, file, error);
}

/* PyTorch counts batches in a tensor of its own, which means nothing here. */
static gboolean
is_counter (const Cnn3dTensor *tensor)
{
  return g_str_has_suffix (tensor->name, ".num_batches_tracked");
}

static gboolean
check_tensors (const Cnn3dState *state, const Cnn3dGraph *graph, const Cnn3dUnknown *unknown,
    const char *file, GError **error)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  Cnn3dParam more[CNN3D_UNKNOWN_PARAMS];
  float *values[CNN3D_UNKNOWN_PARAMS];

  for (guint i = 0; i < graph->params->len; i++) {
    const Cnn3dParam *param = cnn3d_graph_param (graph, (int) i);

    if (!cnn3d_check_param (state, param, file, error))
      return FALSE;
    g_hash_table_add (known, param->name);
  }
  for (int i = cnn3d_unknown_get_params (unknown, more, values); i > 0; i--)
    g_hash_table_add (known, more[i - 1].name);
  for (guint i = 0; i < state->tensors->len; i++) {
    const Cnn3dTensor *tensor = state->tensors->pdata[i];

    if (!is_counter (tensor) && !g_hash_table_contains (known, tensor->name)) {
      g_autofree char *network = cnn3d_config_describe (&graph->config);
      g_autofree char *shape = cnn3d_tensor_describe (tensor);

      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "%s: tensor '%s' %s has no place in %s",
          file, tensor->name, shape, network);
      return FALSE;
    }
  }
  return TRUE;
}

static void
take_params (Cnn3dModel *model)
{
  for (guint i = 0; i < model->graph->params->len; i++) {
    const Cnn3dTensor *tensor =
        cnn3d_state_get (model->state, cnn3d_graph_param (model->graph, (int) i)->name);

    model->params[i] = cnn3d_tensor_peek (tensor);
    if (model->params[i] == NULL)
      cnn3d_tensor_convert (tensor, cnn3d_model_own_param (model, (int) i));
  }
}

/* The card of a preset or the file, with the labels of the options. */
static gboolean
complete_card (Cnn3dCard **card, const Cnn3dLoadOptions *o, int classes, const char *file,
    GError **error)
{
  const char *source = file;

  if (o->preset != NULL) {
    Cnn3dCard *of_preset = cnn3d_card_new_preset (o->preset, error);

    if (of_preset == NULL)
      return FALSE;
    /* It is of the weights, not of the data set. */
    of_preset->unknown = g_steal_pointer (&(*card)->unknown);
    cnn3d_card_free (*card);
    *card = of_preset;
    source = o->preset;
  }
  if (o->labels_file != NULL) {
    char **labels = cnn3d_labels_load (o->labels_file, error);

    if (labels == NULL)
      return FALSE;
    g_strfreev ((*card)->labels);
    (*card)->labels = labels;
    source = o->labels_file;
    if ((*card)->unknown != NULL
        && g_strv_contains ((const char *const *) labels, (*card)->unknown->label)) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
          "%s: has the label '%s', by which %s calls clips of no class", source, (*card)->unknown->label, file);
      return FALSE;
    }
  }
  if ((*card)->labels != NULL && (int) g_strv_length ((*card)->labels) != classes) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "%s: has %u labels, but %s has %d classes",
        source, g_strv_length ((*card)->labels), file, classes);
    return FALSE;
  }
  return TRUE;
}

Cnn3dModel *
cnn3d_model_load_bytes (GBytes *bytes, const char *name, const Cnn3dLoadOptions *options,
    GError **error)
{
  static const Cnn3dLoadOptions none;
  const Cnn3dLoadOptions *o = options ? options : &none;
  const char *file = name ? name : "model";
  g_autoptr (Cnn3dState) state = NULL;
  g_autoptr (Cnn3dGraph) graph = NULL;
  g_autoptr (Cnn3dCard) card = cnn3d_card_new ();
  g_autoptr (Cnn3dModel) model = NULL;
  Cnn3dConfig config = { 0 };

  g_return_val_if_fail (bytes != NULL, NULL);

  state = cnn3d_state_read (bytes, file, error);
  if (state == NULL || !find_config (state, o, &config, card, file, error))
    return NULL;
  graph = cnn3d_graph_new (&config, error);
  if (graph == NULL) {
    g_prefix_error (error, "%s: ", file);
    return NULL;
  }
  if (!cnn3d_unknown_read (card->unknown, state, graph, file, error)
      || !check_tensors (state, graph, card->unknown, file, error)
      || !complete_card (&card, o, config.classes, file, error))
    return NULL;

  model = cnn3d_model_new_empty (g_steal_pointer (&graph), g_steal_pointer (&card));
  model->state = g_steal_pointer (&state);
  take_params (model);
  /* A self-check is for the geometry that it was made with. */
  if (o->frames == 0 && o->size == 0
      && !cnn3d_card_read_check (model->state->metadata, model, file, error))
    return NULL;
  return g_steal_pointer (&model);
}

Cnn3dModel *
cnn3d_model_load (const char *path, const Cnn3dLoadOptions *options, GError **error)
{
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_return_val_if_fail (path != NULL, NULL);

  /* Mapping one would say that only. */
  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ISDIR, "%s: is a folder, not a model file", path);
    return NULL;
  }
  file = g_mapped_file_new (path, FALSE, error);
  if (file == NULL)
    return NULL;
  bytes = g_mapped_file_get_bytes (file);
  return cnn3d_model_load_bytes (bytes, path, options, error);
}
