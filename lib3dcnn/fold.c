/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/fold.h"

#include <math.h>

#define BATCHNORM_EPSILON 1e-5

Cnn3dFolded *
cnn3d_fold (const Cnn3dModel *model, const Cnn3dStep *step)
{
  const Cnn3dNode *node = cnn3d_graph_node (model->graph, step->node);
  const float *weights = model->params[node->param];
  const float *bias = node->n_params > 1 ? model->params[node->param + 1] : NULL;
  const float *const *bn = NULL;
  gsize n = (gsize) cnn3d_param_count (cnn3d_graph_param (model->graph, node->param));
  Cnn3dFolded *folded = g_new (Cnn3dFolded, 1);

  if (step->batchnorm >= 0)
    bn = model->params + cnn3d_graph_node (model->graph, step->batchnorm)->param;
  folded->inputs = (int) (n / (gsize) step->channels_out);
  folded->weights = g_new (float, n);
  folded->bias = g_new (float, step->channels_out);

  for (int c = 0; c < step->channels_out; c++) {
    double scale = 1, shift = 0;

    if (bn != NULL) {
      scale = bn[0][c] / sqrt (bn[3][c] + BATCHNORM_EPSILON);
      shift = bn[1][c] - bn[2][c] * scale;
    }
    folded->bias[c] = (float) ((bias ? bias[c] : 0) * scale + shift);
    for (int i = 0; i < folded->inputs; i++) {
      gsize k = (gsize) c * (gsize) folded->inputs + (gsize) i;
      folded->weights[k] = (float) (weights[k] * scale);
    }
  }
  return folded;
}

void
cnn3d_folded_free (Cnn3dFolded *folded)
{
  g_free (folded->weights);
  g_free (folded->bias);
  g_free (folded);
}
