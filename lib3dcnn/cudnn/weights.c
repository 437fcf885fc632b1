/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/weights.h"

#include "lib3dcnn/fold.h"

/* The tap of the step's kernel for one of the part's, which lies in its middle. */
static gsize
tap_of (Cnn3dExtent kernel, Cnn3dExtent part, int i)
{
  int w = i % part.w, h = i / part.w % part.h, t = i / part.w / part.h;

  t += (kernel.t - part.t) / 2;
  h += (kernel.h - part.h) / 2;
  w += (kernel.w - part.w) / 2;
  return (gsize) ((t * kernel.h + h) * kernel.w + w);
}

static void
fill_part (Cnn3dGpuWeights *w, const Cnn3dModel *model, const Cnn3dGpuStep *step,
    const Cnn3dGpuPart *part, gsize x_lanes, gsize y_lanes)
{
  const Cnn3dNode *node = cnn3d_graph_node (model->graph, part->node);
  Cnn3dStep published = { .node = part->node, .batchnorm = part->batchnorm,
    .channels_out = node->shape.c };
  g_autoptr (Cnn3dFolded) folded = cnn3d_fold (model, &published);
  gsize taps = (gsize) cnn3d_extent_count (step->kernel);
  int part_taps = (int) cnn3d_extent_count (node->kernel);
  int in_group = folded->inputs / part_taps, out_group = node->shape.c / node->groups;

  for (int c = 0; c < node->shape.c; c++) {
    gsize to = (gsize) part->to[c];

    w->bias[to] = folded->bias[c];
    for (int i = 0; i < in_group; i++) {
      gsize from = (gsize) part->from[c / out_group * in_group + i];

      for (int k = 0; k < part_taps; k++) {
        gsize tap = tap_of (step->kernel, node->kernel, k);
        gsize place = step->kind == CNN3D_GPU_CONV ? (to * taps + tap) * x_lanes + from
                                                   : tap * y_lanes + to;

        w->weights[place] = folded->weights[(c * in_group + i) * part_taps + k];
      }
    }
  }
}

Cnn3dGpuWeights *
cnn3d_gpu_weights_new (const Cnn3dModel *model, const Cnn3dGpuPlan *plan, const Cnn3dGpuStep *step)
{
  Cnn3dGpuWeights *w = g_new0 (Cnn3dGpuWeights, 1);
  gsize x_lanes = (gsize) cnn3d_gpu_plan_buffer (plan, step->x)->lanes;
  gsize y_lanes = (gsize) cnn3d_gpu_plan_buffer (plan, step->y)->lanes;

  w->n = (gsize) cnn3d_extent_count (step->kernel) * y_lanes
      * (step->kind == CNN3D_GPU_CONV ? x_lanes : 1);
  w->weights = g_new0 (float, w->n);
  w->bias = g_new0 (float, y_lanes);
  for (int p = 0; p < step->n_parts; p++)
    fill_part (w, model, step, &step->parts[p], x_lanes, y_lanes);
  return w;
}

void
cnn3d_gpu_weights_free (Cnn3dGpuWeights *weights)
{
  if (weights == NULL)
    return;
  g_free (weights->weights);
  g_free (weights->bias);
  g_free (weights);
}
