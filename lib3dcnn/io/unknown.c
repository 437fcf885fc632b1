/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/unknown.h"

#include <math.h>

#include "lib3dcnn/io/infer.h"

#define MEANS "unknown.means"
#define VARIANCES "unknown.variances"

static int
count_features (const Cnn3dGraph *graph)
{
  return cnn3d_graph_node (graph, cnn3d_graph_get_features (graph))->shape.c;
}

gboolean
cnn3d_unknown_fits (const Cnn3dUnknown *unknown, const Cnn3dGraph *graph)
{
  return !cnn3d_unknown_needs_features (unknown)
      || (unknown->n_classes == graph->config.classes && unknown->n_features == count_features (graph));
}

int
cnn3d_unknown_get_params (const Cnn3dUnknown *unknown, Cnn3dParam params[CNN3D_UNKNOWN_PARAMS],
    float *values[CNN3D_UNKNOWN_PARAMS])
{
  if (!cnn3d_unknown_needs_features (unknown))
    return 0;
  params[0] = (Cnn3dParam){ .name = (char *) MEANS, .n_dims = 2,
    .dims = { unknown->n_classes, unknown->n_features } };
  params[1] = (Cnn3dParam){ .name = (char *) VARIANCES, .n_dims = 1, .dims = { unknown->n_features } };
  values[0] = unknown->means;
  values[1] = unknown->variances;
  return CNN3D_UNKNOWN_PARAMS;
}

static gboolean
check_values (const float *values, gint64 n, float above, const char *name, const char *expected,
    const char *file, GError **error)
{
  for (gint64 i = 0; i < n; i++)
    if (!isfinite (values[i]) || !(values[i] > above)) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
          "%s: tensor '%s' has the value %g, and should have %s", file, name, (double) values[i], expected);
      return FALSE;
    }
  return TRUE;
}

gboolean
cnn3d_unknown_read (Cnn3dUnknown *unknown, const Cnn3dState *state, const Cnn3dGraph *graph,
    const char *file, GError **error)
{
  Cnn3dParam params[CNN3D_UNKNOWN_PARAMS];
  float *values[CNN3D_UNKNOWN_PARAMS];
  int n;

  if (!cnn3d_unknown_needs_features (unknown))
    return TRUE;
  unknown->n_classes = graph->config.classes;
  unknown->n_features = count_features (graph);
  n = cnn3d_unknown_get_params (unknown, params, values);
  for (int i = 0; i < n; i++)
    if (!cnn3d_check_param (state, &params[i], file, error)) {
      /* So that it has what it says. */
      unknown->n_classes = unknown->n_features = 0;
      return FALSE;
    }
  unknown->means = g_new (float, cnn3d_param_count (&params[0]));
  unknown->variances = g_new (float, cnn3d_param_count (&params[1]));
  cnn3d_tensor_convert (cnn3d_state_get (state, MEANS), unknown->means);
  cnn3d_tensor_convert (cnn3d_state_get (state, VARIANCES), unknown->variances);
  return check_values (unknown->means, cnn3d_param_count (&params[0]), -INFINITY, MEANS,
             "finite numbers", file, error)
      && check_values (unknown->variances, cnn3d_param_count (&params[1]), 0, VARIANCES,
          "numbers above zero", file, error);
}
