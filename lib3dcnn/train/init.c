/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/train/init.h"
#include "lib3dcnn/train/random.h"

#include <math.h>

static void
fill (float *x, gint64 n, float value)
{
  for (gint64 i = 0; i < n; i++)
    x[i] = value;
}

static void
fill_uniform (float *x, gint64 n, double bound, guint64 seed)
{
  for (gint64 i = 0; i < n; i++)
    x[i] = (float) ((2 * cnn3d_random_uniform (seed, (guint64) i) - 1) * bound);
}

/* Box and Muller. */
static void
fill_normal (float *x, gint64 n, double deviation, guint64 seed)
{
  for (gint64 i = 0; i < n; i++) {
    double u = 1 - cnn3d_random_uniform (seed, (guint64) (2 * i));
    double v = cnn3d_random_uniform (seed, (guint64) (2 * i + 1));
    x[i] = (float) (sqrt (-2 * log (u)) * cos (2 * G_PI * v) * deviation);
  }
}

void
cnn3d_train_init_node (const Cnn3dGraph *graph, const Cnn3dNode *node, guint64 seed,
    float *const *values)
{
  const Cnn3dParam *weight = cnn3d_graph_param (graph, node->param);
  gint64 n = cnn3d_param_count (weight), fan_in = n / weight->dims[0];
  Cnn3dArch arch = graph->config.arch;
  guint64 stream = cnn3d_random_bits (seed, (guint64) node->param);
  double bound = 1 / sqrt ((double) fan_in);

  if (node->op == CNN3D_OP_BATCHNORM) {
    fill (values[0], n, 1);
    fill (values[1], n, 0);
    fill (values[2], n, 0);
    fill (values[3], n, 1);
    return;
  }
  if (node->op == CNN3D_OP_LINEAR && arch == CNN3D_ARCH_MOBILENETV2) {
    fill_normal (values[0], n, 0.01, stream);
    fill (values[1], weight->dims[0], 0);
    return;
  }
  /* Kaiming's fan-out and MobileNetV2's n are both output channels times the kernel's volume. */
  if (arch == CNN3D_ARCH_SQUEEZENET || arch == CNN3D_ARCH_MOBILENETV2)
    fill_normal (values[0], n,
        sqrt (2 / (double) (weight->dims[0] * cnn3d_extent_count (node->kernel))), stream);
  else
    fill_uniform (values[0], n, bound, stream);
  if (node->n_params > 1)
    fill_uniform (values[1], weight->dims[0], bound, cnn3d_random_bits (stream, 1));
}
