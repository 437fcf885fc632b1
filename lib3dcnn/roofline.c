/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/roofline-private.h"

/*
 * From NVIDIA's data sheets. A multiply-add is two of their FLOPs. Orin is the Jetson AGX Orin 64 GB,
 * whose 170 sparse INT8 TOPS of tensor cores are 42.5 dense half TFLOPS; the 4090's rate is the one
 * with sums in float, half of the one with sums in half; H100 is the SXM5 module.
 */
static const Cnn3dRooflineDevice devices[CNN3D_N_ROOFLINE_DEVICES] = {
  { "T4", 320e9, 65e12 / 2, 8.1e12 / 2 },
  { "Orin", 204.8e9, 42.5e12 / 2, 5.3e12 / 2 },
  { "RTX 4090", 1008e9, 165.2e12 / 2, 82.6e12 / 2 },
  { "H100", 3352e9, 989.4e12 / 2, 66.9e12 / 2 },
};

const Cnn3dRooflineDevice *
cnn3d_roofline_get_device (int i)
{
  g_return_val_if_fail (i >= 0 && i < CNN3D_N_ROOFLINE_DEVICES, NULL);

  return &devices[i];
}

static void
add_launch (Cnn3dRoofline *r, gint64 bytes, gint64 dense_macs, gint64 other_macs, gboolean half)
{
  r->launches++;
  r->bytes += bytes;
  r->dense_macs += dense_macs;
  r->other_macs += other_macs;
  for (int i = 0; i < CNN3D_N_ROOFLINE_DEVICES; i++) {
    double dense_rate = half ? devices[i].tensor_rate : devices[i].single_rate;
    double memory = (double) bytes / devices[i].bandwidth;
    double compute =
        (double) dense_macs / dense_rate + (double) other_macs / devices[i].single_rate;

    r->times[i].memory += memory;
    r->times[i].compute += compute;
    r->times[i].both += MAX (memory, compute);
  }
}

static void
add_step (Cnn3dRoofline *r, const Cnn3dGpuPlan *plan, const Cnn3dGpuStep *step, int clips, gboolean half)
{
  gint64 size = half ? 2 : 4, x_lanes = cnn3d_gpu_plan_buffer (plan, step->x)->lanes;
  gint64 y_lanes = cnn3d_gpu_plan_buffer (plan, step->y)->lanes;
  gint64 in = clips * cnn3d_extent_count (step->in), out = clips * cnn3d_extent_count (step->out);
  gint64 taps = cnn3d_extent_count (step->kernel), weights = 0, dense = 0, other = 0;
  gint64 bytes = size * (in * x_lanes + out * y_lanes * (step->z >= 0 ? 2 : 1));

  switch (step->kind) {
    case CNN3D_GPU_CONV:
      weights = size * (x_lanes * taps + 1) * y_lanes;
      dense = out * x_lanes * taps * y_lanes;
      break;
    case CNN3D_GPU_DEPTHWISE:
      weights = (gint64) sizeof (float) * (taps + 1) * y_lanes;
      other = out * taps * y_lanes;
      break;
    case CNN3D_GPU_COPY:
      bytes = 2 * size * out * step->n_lanes;
      break;
    default:
      break;
  }
  r->weight_bytes += weights;
  r->macs += clips * step->macs;
  add_launch (r, bytes + weights, dense, other, half);
}

void
cnn3d_roofline_of_plan (const Cnn3dGpuPlan *plan, int clips, gboolean half, Cnn3dRoofline *roofline)
{
  const Cnn3dGpuBuffer *clip = cnn3d_gpu_plan_buffer (plan, 0);
  gint64 positions = clips * cnn3d_extent_count (clip->extent);

  *roofline = (Cnn3dRoofline){ 0 };
  /* Frames of 3 bytes to the first buffer. */
  add_launch (roofline, positions * (3 + clip->lanes * (half ? 2 : 4)), 0, 0, half);
  for (guint i = 0; i < plan->steps->len; i++)
    add_step (roofline, plan, cnn3d_gpu_plan_step (plan, (int) i), clips, half);
}

gboolean
cnn3d_config_get_roofline (const Cnn3dConfig *config, int clips, gboolean half,
    Cnn3dRoofline *roofline, GError **error)
{
  Cnn3dConfig filled;
  g_autoptr (Cnn3dGraph) graph = NULL;
  g_autoptr (Cnn3dGpuPlan) plan = NULL;

  g_return_val_if_fail (config != NULL && roofline != NULL && clips > 0, FALSE);

  filled = *config;
  cnn3d_config_fill (&filled);
  graph = cnn3d_graph_new (&filled, error);
  if (graph == NULL)
    return FALSE;
  plan = cnn3d_gpu_plan_new (graph);
  cnn3d_roofline_of_plan (plan, clips, half, roofline);
  return TRUE;
}
