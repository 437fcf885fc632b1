/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/infer.h"

#include <math.h>

/* A parameter that only this architecture has. The first match counts. */
static const struct {
  const char *param;
  Cnn3dArch arch;
} signatures[] = {
  { "features.1.conv.0.weight", CNN3D_ARCH_MOBILENETV2 },
  { "features.1.conv1.weight", CNN3D_ARCH_MOBILENET },
  { "layer1.0.conv1.weight", CNN3D_ARCH_SHUFFLENET },
  { "features.0.banch2.0.weight", CNN3D_ARCH_SHUFFLENETV2 },
  { "features.4.squeeze.weight", CNN3D_ARCH_SQUEEZENET },
};

/* The classifier of every architecture. */
#define CLASSIFIER "classifier.1.weight"

/* Several widths may give the same channels; of these, the first here is what was surely meant. */
static const double usual_widths[] = { 1.0, 0.5, 2.0, 1.5, 0.25, 0.75, 0.7, 0.45, 0.2, 1.25 };

gboolean
cnn3d_check_param (const Cnn3dState *state, const Cnn3dParam *param, const char *file, GError **error)
{
  const Cnn3dTensor *tensor = cnn3d_state_get (state, param->name);
  g_autoptr (GString) expected = g_string_new ("[");
  g_autofree char *found = NULL;
  gboolean same;

  for (int d = 0; d < param->n_dims; d++)
    g_string_append_printf (expected, "%s%d", d > 0 ? ", " : "", param->dims[d]);
  g_string_append_c (expected, ']');
  if (tensor == NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "%s: tensor '%s' %s is missing", file,
        param->name, expected->str);
    return FALSE;
  }
  same = tensor->n_dims == param->n_dims;
  for (int d = 0; d < param->n_dims && same; d++)
    same = tensor->dims[d] == param->dims[d];
  found = cnn3d_tensor_describe (tensor);
  if (!same) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
        "%s: tensor '%s' should have the shape %s, and has %s", file, param->name, expected->str, found);
    return FALSE;
  }
  if (tensor->dtype == CNN3D_DTYPE_OTHER) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
        "%s: tensor '%s' holds integers where floating-point numbers should be", file, param->name);
    return FALSE;
  }
  return TRUE;
}

/* Parameters that are not there in the right shape; G_MAXINT if the network does not exist. */
static int
count_mismatches (const Cnn3dState *state, const Cnn3dConfig *config)
{
  Cnn3dConfig filled = *config;
  g_autoptr (Cnn3dGraph) graph = NULL;
  int n = 0;

  cnn3d_config_fill (&filled);
  graph = cnn3d_graph_new (&filled, NULL);
  if (graph == NULL)
    return G_MAXINT;
  for (guint i = 0; i < graph->params->len; i++) {
    const Cnn3dParam *param = cnn3d_graph_param (graph, (int) i);
    const Cnn3dTensor *tensor = cnn3d_state_get (state, param->name);
    gboolean same = tensor != NULL && tensor->n_dims == param->n_dims;

    for (int d = 0; d < param->n_dims && same; d++)
      same = tensor->dims[d] == param->dims[d];
    n += !same;
  }
  return n;
}

typedef struct {
  const Cnn3dState *state;
  Cnn3dConfig best;
  int mismatches;
} Search;

static void
try_config (Search *search, Cnn3dConfig config)
{
  int n;

  if (search->mismatches == 0)
    return;
  n = count_mismatches (search->state, &config);
  if (n < search->mismatches) {
    search->mismatches = n;
    search->best = config;
  }
}

static gint64
dim_of (const Cnn3dState *state, const char *name, int dim)
{
  const Cnn3dTensor *tensor = cnn3d_state_get (state, name);

  return tensor != NULL && dim < tensor->n_dims ? tensor->dims[dim] : 0;
}

/* Tries the widths for which some layer has as many channels as in the state. */
static void
try_widths (Search *search, Cnn3dConfig config, int channels, gint64 found)
{
  if (config.width != 0) {
    try_config (search, config);
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (usual_widths); i++) {
    config.width = usual_widths[i];
    if ((int) (channels * config.width) == found)
      try_config (search, config);
  }
  for (int hundredths = 1; hundredths <= 800; hundredths++) {
    config.width = hundredths / 100.0;
    if ((int) (channels * config.width) == found)
      try_config (search, config);
  }
  /* Neither is it a multiple of 0.01: the middle of the range that gives these channels. */
  config.width = ((double) found + 0.5) / channels;
  try_config (search, config);
}

static void
try_arch (Search *search, Cnn3dConfig config)
{
  static const int groups[] = { 3, 1, 2, 4, 8 };
  /* Output channels of the last stage for these groups (Table 4). */
  static const int stage4[] = { 960, 567, 800, 1088, 1536 };
  static const double table6[] = { 1.0, 0.25, 0.5, 1.5, 2.0 };
  const Cnn3dState *state = search->state;

  switch (config.arch) {
    case CNN3D_ARCH_SHUFFLENET:
      for (guint i = 0; i < G_N_ELEMENTS (groups); i++) {
        Cnn3dConfig c = config;

        if (config.groups != 0 && config.groups != groups[i])
          continue;
        c.groups = groups[i];
        try_widths (search, c, stage4[i], dim_of (state, CLASSIFIER, 1));
      }
      break;
    case CNN3D_ARCH_SHUFFLENETV2:
      for (guint i = 0; i < G_N_ELEMENTS (table6); i++) {
        Cnn3dConfig c = config;

        if (config.width == 0)
          c.width = table6[i];
        try_config (search, c);
      }
      break;
    case CNN3D_ARCH_MOBILENET:
      try_widths (search, config, 1024, dim_of (state, CLASSIFIER, 1));
      break;
    case CNN3D_ARCH_MOBILENETV2:
      try_widths (search, config, 320, dim_of (state, "features.18.0.weight", 1));
      break;
    case CNN3D_ARCH_SQUEEZENET:
      for (int version = 11; version >= 10; version--) {
        Cnn3dConfig c = config;

        if (config.version == 0)
          c.version = version;
        try_config (search, c);
      }
      break;
  }
}

gboolean
cnn3d_infer_config (const Cnn3dState *state, gboolean arch_given, Cnn3dConfig *config,
    const char *file, GError **error)
{
  Search search = { state, *config, G_MAXINT };
  gint64 classes = dim_of (state, CLASSIFIER, 0);

  for (guint i = 0; i < G_N_ELEMENTS (signatures) && !arch_given; i++)
    if (cnn3d_state_get (state, signatures[i].param) != NULL) {
      config->arch = signatures[i].arch;
      arch_given = TRUE;
    }
  if (!arch_given) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
        "%s: has %u tensors, whose names are those of no network known here", file, state->tensors->len);
    return FALSE;
  }
  if (classes < 1 || classes > G_MAXINT) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
        "%s: tensor '" CLASSIFIER "' is missing, from which the number of classes is taken", file);
    return FALSE;
  }
  config->classes = (int) classes;
  try_arch (&search, *config);
  /* Nothing comes near: the comparison with the usual network tells what is wrong. */
  if (search.mismatches < G_MAXINT)
    *config = search.best;
  cnn3d_config_fill (config);
  return TRUE;
}
