/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/engine.h"
#include "lib3dcnn/cudnn/half.h"
#include "lib3dcnn/cudnn/weights.h"

#include <math.h>

/* All parameters as they lie on the device, collected on the host first. */
typedef struct {
  GByteArray *bytes;
  gboolean overflow; /* a value has become infinite as a half */
  float value;
} Collection;

/* Returns the place of data plus one, as 0 is "nothing". */
static gsize
append (Collection *c, const void *data, gsize n)
{
  gsize place = (c->bytes->len + CNN3D_GPU_ALIGNMENT - 1) / CNN3D_GPU_ALIGNMENT * CNN3D_GPU_ALIGNMENT;
  gsize old = c->bytes->len;

  g_byte_array_set_size (c->bytes, (guint) (place + n));
  memset (c->bytes->data + old, 0, place - old);
  memcpy (c->bytes->data + place, data, n);
  return place + 1;
}

static gsize
append_elements (Collection *c, const float *values, gsize n, gboolean half)
{
  g_autofree guint16 *halfs = NULL;

  if (!half)
    return append (c, values, n * sizeof (float));
  halfs = g_new (guint16, n);
  for (gsize i = 0; i < n; i++) {
    halfs[i] = cnn3d_half_from_float (values[i]);
    if (!c->overflow && isfinite (values[i]) && (halfs[i] & 0x7fff) == 0x7c00) {
      c->overflow = TRUE;
      c->value = values[i];
    }
  }
  return append (c, halfs, n * sizeof (guint16));
}

static gsize
append_lanes (Collection *c, const int *lanes, int n)
{
  G_STATIC_ASSERT (sizeof (int) == sizeof (gint32));
  return lanes != NULL ? append (c, lanes, (gsize) n * sizeof (gint32)) : 0;
}

gboolean
cnn3d_gpu_upload_params (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  guint n = engine->plan->steps->len;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree gsize (*places)[5] = g_malloc0 (n * sizeof *places);
  Collection c = { .bytes = bytes };

  for (guint i = 0; i < n; i++) {
    const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) i);
    gsize lanes = (gsize) cnn3d_gpu_plan_buffer (engine->plan, step->y)->lanes;

    places[i][3] = append_lanes (&c, step->from, step->n_lanes);
    places[i][4] = append_lanes (&c, step->to, step->n_lanes);
    if (step->n_parts > 0) {
      g_autoptr (Cnn3dGpuWeights) w = cnn3d_gpu_weights_new (engine->model, engine->plan, step);
      gboolean half = engine->half && step->kind == CNN3D_GPU_CONV;

      places[i][0] = append_elements (&c, w->weights, w->n, half);
      places[i][1] = append_elements (&c, w->bias, lanes, half);
      places[i][2] = append_elements (&c, w->bias, lanes, FALSE);
      if (c.overflow) {
        engine->overflow = TRUE;
        g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%s: a weight of %g, BatchNorm included, is more than fp16"
            " can hold (%g): use precision=fp32", step->module != NULL ? step->module : "the network",
            (double) c.value, (double) CNN3D_HALF_MAX);
        return FALSE;
      }
    }
  }

  CNN3D_CUDA_TRY ("memory for weights on the GPU", cudaMalloc, (void **) &engine->param_memory, MAX (bytes->len, 1));
  CNN3D_CUDA_TRY ("copying weights to the GPU", cudaMemcpyAsync, engine->param_memory, bytes->data,
      bytes->len, cudaMemcpyHostToDevice, engine->stream);
  CNN3D_CUDA_TRY ("copying weights to the GPU", cudaStreamSynchronize, engine->stream);

  engine->params = g_new0 (Cnn3dGpuParams, n);
  for (guint i = 0; i < n; i++) {
    guint8 *at[5];

    for (int k = 0; k < 5; k++)
      at[k] = places[i][k] > 0 ? engine->param_memory + places[i][k] - 1 : NULL;
    engine->params[i] = (Cnn3dGpuParams){ .weights = at[0], .bias = at[1],
      .bias_float = (float *) (gpointer) at[2], .from = (gint32 *) (gpointer) at[3],
      .to = (gint32 *) (gpointer) at[4] };
  }
  return TRUE;
}
