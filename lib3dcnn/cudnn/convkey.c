/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/convplan.h"


void
cnn3d_conv_key_init (Cnn3dConvKey *key, const Cnn3dGpuPlan *plan, const Cnn3dGpuStep *step,
    gboolean half, int n)
{
  *key = (Cnn3dConvKey){ .half = half, .n = n, .c = cnn3d_gpu_plan_buffer (plan, step->x)->lanes,
    .k = cnn3d_gpu_plan_buffer (plan, step->y)->lanes, .in = step->in, .out = step->out,
    .kernel = step->kernel, .stride = step->stride, .pad = step->pad, .z = step->z >= 0,
    .relu = step->activation != CNN3D_ACTIVATION_NONE, .bias = TRUE };
}

char *
cnn3d_conv_key_string (const Cnn3dConvKey *key)
{
  g_autoptr (GString) s = g_string_new (NULL);

  g_string_append_printf (s, "%s n%d %d>%d %dx%dx%d k%dx%dx%d s%dx%dx%d p%dx%dx%d%s%s%s",
      key->half ? "half" : "float", key->n, key->c, key->k, key->in.t, key->in.h, key->in.w,
      key->kernel.t, key->kernel.h, key->kernel.w, key->stride.t, key->stride.h, key->stride.w,
      key->pad.t, key->pad.h, key->pad.w, key->z ? " +z" : "", key->bias ? " +b" : "",
      key->relu ? " relu" : "");
  return g_string_free (g_steal_pointer (&s), FALSE);
}
