/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/short-model.h"

#include "lib3dcnn/arch/arch.h"

static const struct {
  double width;
  int frames;
  const char *last; /* the module that is kept last */
} beginnings[CNN3D_N_ARCHS] = {
  [CNN3D_ARCH_MOBILENET] = { 0.25, 4, "features.2" },     /* both strides of depthwise convolutions */
  [CNN3D_ARCH_MOBILENETV2] = { 0.25, 4, "features.3" },   /* with an expansion and without, and with a residual */
  [CNN3D_ARCH_SHUFFLENET] = { 0.25, 16, "layer1.1" },     /* with a concatenation, and with a sum */
  [CNN3D_ARCH_SHUFFLENETV2] = { 0.25, 16, "features.1" }, /* with two branches, and with a slice */
  [CNN3D_ARCH_SQUEEZENET] = { 1, 4, "features.5" },       /* without and with a bypass */
};

/* Drops what comes after a node. */
static void
cut (Cnn3dGraph *graph, int last)
{
  int n_params = 0;

  g_array_set_size (graph->nodes, (guint) last + 1);
  for (int i = 0; i <= last; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, i);

    n_params = MAX (n_params, node->param + node->n_params);
  }
  g_array_set_size (graph->params, (guint) n_params);
}

static int
find_last (const Cnn3dGraph *graph, const char *module)
{
  for (int i = (int) graph->nodes->len - 1; i > 0; i--)
    if (g_strcmp0 (cnn3d_graph_node (graph, i)->module, module) == 0)
      return i;
  g_error ("there is no module %s", module);
}

Cnn3dModel *
short_model_new (Cnn3dArch arch)
{
  Cnn3dConfig config = { arch, beginnings[arch].width, .classes = SHORT_CLASSES,
    .frames = beginnings[arch].frames, .size = SHORT_SIZE };
  g_autoptr (Cnn3dModel) whole = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dModel *model;
  Cnn3dGraph *graph;
  Cnn3dBuilder builder;
  int last, n_kept;

  cnn3d_config_fill (&config);
  whole = cnn3d_model_new_synthetic (&config, "gpu", &error);
  g_assert_no_error (error);
  graph = cnn3d_graph_new (&config, &error);
  g_assert_no_error (error);
  last = find_last (graph, beginnings[arch].last);
  cut (graph, last);
  n_kept = (int) graph->params->len;
  builder = (Cnn3dBuilder){ graph, &error };
  cnn3d_build_classifier (&builder, last, &config);
  g_assert_no_error (error);

  model = cnn3d_model_new_empty (graph, cnn3d_card_new ());
  for (int i = 0; i < (int) graph->params->len; i++) {
    const Cnn3dParam *param = cnn3d_graph_param (graph, i);
    gint64 n = cnn3d_param_count (param);
    float *values = cnn3d_model_own_param (model, i);

    if (i < n_kept)
      memcpy (values, whole->params[i], (gsize) n * sizeof *values);
    else
      for (gint64 k = 0; k < n; k++)
        values[k] = (float) cnn3d_hash_uniform (cnn3d_hash_name ("gpu", param->name), (guint64) k) - 0.5f;
  }
  return model;
}
