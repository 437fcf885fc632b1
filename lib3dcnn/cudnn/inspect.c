/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layer by layer: how long each takes, and how exact it is. */

#include "lib3dcnn/cudnn/engine.h"

#include <math.h>

#include "lib3dcnn/cudnn/half.h"
#include "lib3dcnn/reference.h"

/* Of the largest value of a layer. */
#define TOLERANCE_HALF 2e-2
#define TOLERANCE_TF32 5e-3
#define TOLERANCE_FLOAT 1e-4

static const char *
kind_of (const Cnn3dGpuEngine *engine, const Cnn3dGpuStep *step)
{
  switch (step->kind) {
    case CNN3D_GPU_CONV:
      if (step->x == 0)
        return "stem";
      if (cnn3d_extent_count (step->kernel) > 1)
        return "conv";
      return cnn3d_graph_node (engine->model->graph, step->parts[0].node)->op == CNN3D_OP_LINEAR
          ? "linear" : "pointwise";
    case CNN3D_GPU_DEPTHWISE:
      return "depthwise";
    case CNN3D_GPU_MAXPOOL:
      return "maxpool";
    case CNN3D_GPU_COPY:
      return "copy";
    default:
      return "avgpool";
  }
}

/* A step has several modules if it stands for several convolutions; the last one names it. What the network has no
 * name for, as pools, is called by its kind. */
static const char *
name_of (const Cnn3dGpuEngine *engine, const Cnn3dGpuStep *step)
{
  const char *name = step->module;

  if (name == NULL)
    name = cnn3d_graph_node (engine->model->graph, step->value)->module;
  return name != NULL ? name : kind_of (engine, step);
}

/* cuDNN's number of the engine that was chosen, and what it needs. */
static void
describe_conv (const Cnn3dConvPlan *plan, char *detail, gsize size)
{
  g_snprintf (detail, size, "engine %d%s, %d KB of workspace%s", plan->engine,
      plan->tensor_core ? " (tensor cores)" : "", (int) ((plan->workspace + 1023) / 1024),
      plan->fused ? "" : ", not fused");
}

/* A step to be timed. */
typedef struct {
  Cnn3dGpuProgram *program;
  guint i;
} Timed;

static gboolean
launch_timed (Cnn3dGpuEngine *engine, gpointer data, GError **error)
{
  const Timed *t = data;

  return cnn3d_gpu_launch_step (engine, t->program, t->i, error);
}

/* Each several times in its place: what it reads is there, and what it writes is nobody else's. */
static gboolean
time_steps (Cnn3dGpuEngine *engine, const Cnn3dClip *clip, Cnn3dLayer *layers, int max, GError **error)
{
  Timed timed = { &engine->programs[0], 0 };

  if (!cnn3d_gpu_load_clips (engine, timed.program, &engine->slots[0], clip, 1, error))
    return FALSE;
  for (; timed.i < engine->plan->steps->len && (int) timed.i < max; timed.i++) {
    const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) timed.i);
    Cnn3dLayer *layer = &layers[timed.i];
    float ms = 0;

    if (!cnn3d_gpu_time (engine, launch_timed, &timed, &ms, error))
      return FALSE;
    *layer = (Cnn3dLayer){ .name = name_of (engine, step), .macs = step->macs,
      .seconds = (double) ms * 1e-3 };
    g_strlcpy (layer->kind, kind_of (engine, step), sizeof layer->kind);
  }
  return TRUE;
}

int
cnn3d_gpu_profile (gpointer data, const Cnn3dClip *clip, Cnn3dLayer *layers, int max, double *peak)
{
  Cnn3dGpuEngine *engine = data;
  gboolean ok;

  if (!cnn3d_gpu_enter (engine, NULL))
    return 0;
  ok = time_steps (engine, clip, layers, max, NULL);
  cnn3d_gpu_stopwatch_clear (engine);
  cnn3d_gpu_leave (engine);
  if (peak != NULL)
    *peak = 0;
  return ok ? (int) engine->plan->steps->len : 0;
}

/* Compares what a step has stored, as it lies in host, with the graph's value. */
static double
compare (const Cnn3dGpuEngine *engine, const Cnn3dGpuStep *step, const void *host,
    const double *expected)
{
  const Cnn3dNode *node = cnn3d_graph_node (engine->model->graph, step->value);
  const Cnn3dGpuBuffer *y = cnn3d_gpu_plan_buffer (engine->plan, step->y);
  gint64 positions = cnn3d_extent_count (node->shape.e);
  double worst = 0, largest = 0;

  for (int c = 0; c < node->shape.c; c++)
    for (gint64 i = 0; i < positions; i++) {
      gint64 at = i * y->lanes + step->lanes[c];
      double v = engine->half ? cnn3d_half_to_float (((const guint16 *) host)[at])
                              : ((const float *) host)[at];
      double e = expected[c * positions + i];

      if (y->clamp)
        v = MIN (v, 6);
      if (!isfinite (v))
        return INFINITY;
      worst = MAX (worst, fabs (v - e));
      largest = MAX (largest, fabs (e));
    }
  return largest > 0 ? worst / largest : worst > 0 ? INFINITY : 0;
}

static gsize
output_bytes (const Cnn3dGpuEngine *engine, const Cnn3dGpuStep *step)
{
  const Cnn3dGpuBuffer *y = cnn3d_gpu_plan_buffer (engine->plan, step->y);

  return (gsize) cnn3d_extent_count (y->extent) * (gsize) y->lanes * engine->size;
}

/* What each of the first n steps stores; host is pinned and has room for the largest. */
static gboolean
run_steps (Cnn3dGpuEngine *engine, const float *clip, guint8 *host, GPtrArray *outputs, guint n, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  Cnn3dGpuProgram *program = &engine->programs[0];
  Cnn3dClip input = { .planes = clip };

  if (!cnn3d_gpu_load_clips (engine, program, &engine->slots[0], &input, 1, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) i);
    gsize bytes = output_bytes (engine, step);

    if (!cnn3d_gpu_launch_step (engine, program, i, error))
      return FALSE;
    CNN3D_CUDA_TRY ("copying a layer from the GPU", cudaMemcpyAsync, host, program->buffers[step->y], bytes,
        cudaMemcpyDeviceToHost, engine->stream);
    CNN3D_CUDA_TRY ("waiting for the GPU", cudaStreamSynchronize, engine->stream);
    g_ptr_array_add (outputs, g_memdup2 (host, bytes));
  }
  return TRUE;
}

static void
compare_steps (const Cnn3dGpuEngine *engine, const float *clip, const GPtrArray *outputs, Cnn3dLayerCheck *checks)
{
  double **expected = cnn3d_reference_compute (engine->model, clip);

  for (guint i = 0; i < outputs->len; i++) {
    const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) i);
    Cnn3dLayerCheck *check = &checks[i];

    *check = (Cnn3dLayerCheck){ .name = name_of (engine, step),
      .error = compare (engine, step, outputs->pdata[i], expected[step->value]),
      .tolerance = engine->half ? TOLERANCE_HALF : engine->allow_tf32 ? TOLERANCE_TF32 : TOLERANCE_FLOAT };
    g_strlcpy (check->kind, kind_of (engine, step), sizeof check->kind);
    if (step->kind == CNN3D_GPU_CONV)
      describe_conv (&engine->programs[0].launches[i].conv, check->detail, sizeof check->detail);
  }
  cnn3d_reference_free (engine->model, expected);
}

/* The reference, which takes seconds, is computed last: a GPU that fails is told at once. */
static gboolean
check_layers (Cnn3dGpuEngine *engine, const float *clip, Cnn3dLayerCheck *checks, int max, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  guint n = MIN (engine->plan->steps->len, (guint) max);
  g_autoptr (GPtrArray) outputs = g_ptr_array_new_with_free_func (g_free);
  void *host = NULL;
  gsize bytes = 0;
  gboolean ok;

  for (guint i = 0; i < n; i++)
    bytes = MAX (bytes, output_bytes (engine, cnn3d_gpu_plan_step (engine->plan, (int) i)));
  CNN3D_CUDA_TRY ("memory for layers", cudaHostAlloc, &host, bytes, cudaHostAllocDefault);
  ok = run_steps (engine, clip, host, outputs, n, error);
  /* A copy may still be on its way if something has failed. */
  cuda->cudaStreamSynchronize (engine->stream);
  cuda->cudaFreeHost (host);
  if (ok)
    compare_steps (engine, clip, outputs, checks);
  return ok;
}

int
cnn3d_gpu_check (gpointer data, const float *clip, Cnn3dLayerCheck *checks, int max, GError **error)
{
  Cnn3dGpuEngine *engine = data;
  gboolean ok;

  if (!cnn3d_gpu_enter (engine, error))
    return -1;
  ok = check_layers (engine, clip, checks, max, error);
  cnn3d_gpu_leave (engine);
  return ok ? (int) engine->plan->steps->len : -1;
}
