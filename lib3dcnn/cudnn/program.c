/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/engine.h"

#include <math.h>

static Cnn3dSize3
size3 (Cnn3dExtent e)
{
  return (Cnn3dSize3){ e.t, e.h, e.w };
}

static float
low_of (Cnn3dActivation activation)
{
  return activation == CNN3D_ACTIVATION_NONE ? -INFINITY : 0;
}

static float
high_of (Cnn3dActivation activation)
{
  return activation == CNN3D_ACTIVATION_RELU6 ? 6 : INFINITY;
}

static Cnn3dConvPointers
conv_pointers (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, guint i)
{
  const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) i);

  return (Cnn3dConvPointers){ .x = program->buffers[step->x], .w = engine->params[i].weights,
    .y = program->buffers[step->y], .z = step->z >= 0 ? program->buffers[step->z] : NULL,
    .bias = engine->params[i].bias };
}

/*
 * The convolution with all that follows it. Where cuDNN has no kernel for that, the convolution alone,
 * and a kernel of ours for the rest.
 */
static gboolean
init_conv (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, guint i, GError **error)
{
  const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) i);
  Cnn3dGpuLaunch *launch = &program->launches[i];
  Cnn3dConvPointers pointers = conv_pointers (engine, program, i);
  g_autoptr (GError) unfused = NULL;
  Cnn3dConvKey key;

  cnn3d_conv_key_init (&key, engine->plan, step, engine->half, program->batch);
  launch->conv.fused = TRUE;
  if (cnn3d_gpu_choose_plan (engine, &key, &pointers, &launch->conv, &unfused))
    return TRUE;
  launch->conv.fused = FALSE;
  key.z = key.bias = key.relu = FALSE;
  if (!cnn3d_gpu_choose_plan (engine, &key, &pointers, &launch->conv, error))
    return FALSE;
  launch->kernel.used = TRUE;
  launch->kernel.args.add = (Cnn3dAddArgs){ .x = pointers.y, .z = pointers.z, .y = pointers.y,
    .bias = engine->params[i].bias_float, .c = key.k,
    .positions = program->batch * cnn3d_extent_count (step->out), .low = low_of (step->activation),
    .high = INFINITY };
  launch->kernel.shape = cnn3d_shape_add (&launch->kernel.args.add, engine->half);
  return TRUE;
}

static void
init_kernel (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, guint i)
{
  const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) i);
  const Cnn3dGpuParams *params = &engine->params[i];
  Cnn3dGpuKernelLaunch *launch = &program->launches[i].kernel;
  Cnn3dGpuArgs *args = &launch->args;
  const void *x = program->buffers[step->x];
  void *y = program->buffers[step->y];
  int n = program->batch, x_pitch = cnn3d_gpu_plan_buffer (engine->plan, step->x)->lanes;
  int y_pitch = cnn3d_gpu_plan_buffer (engine->plan, step->y)->lanes;
  float low = low_of (step->activation), high = high_of (step->activation);
  float load_high = step->clamp ? 6 : INFINITY;

  launch->used = TRUE;
  switch (step->kind) {
    case CNN3D_GPU_DEPTHWISE:
      args->depthwise = (Cnn3dDepthwiseArgs){ .x = x, .y = y, .bias = params->bias_float,
        .weights = (const float *) (gpointer) params->weights, .index = params->from, .n = n,
        .c = y_pitch, .x_pitch = x_pitch, .y_pitch = y_pitch, .in = size3 (step->in),
        .out = size3 (step->out), .stride = size3 (step->stride), .load_high = load_high,
        .low = low, .high = high };
      launch->shape = cnn3d_shape_depthwise (&args->depthwise, engine->half);
      break;
    case CNN3D_GPU_MAXPOOL:
    case CNN3D_GPU_AVGPOOL:
      args->pool = (Cnn3dPoolArgs){ .x = x, .y = y, .index = params->from, .n = n, .c = y_pitch,
        .x_pitch = x_pitch, .y_pitch = y_pitch, .in = size3 (step->in), .out = size3 (step->out),
        .kernel = size3 (step->kernel), .stride = size3 (step->stride), .pad = size3 (step->pad),
        .load_high = load_high, .low = low, .high = high };
      launch->shape = step->kind == CNN3D_GPU_MAXPOOL
          ? cnn3d_shape_maxpool (&args->pool, engine->half)
          : cnn3d_shape_avgpool (&args->pool, engine->half);
      break;
    case CNN3D_GPU_GLOBALPOOL:
      args->globalpool = (Cnn3dGlobalPoolArgs){ .x = x, .y = y, .n = n, .c = y_pitch,
        .pitch = x_pitch, .positions = cnn3d_extent_count (step->in), .load_high = load_high };
      launch->shape = cnn3d_shape_globalpool (&args->globalpool, engine->half);
      break;
    case CNN3D_GPU_COPY:
      args->copy = (Cnn3dCopyArgs){ .x = x, .y = y, .from = params->from, .to = params->to,
        .positions = n * cnn3d_extent_count (step->out), .c = step->n_lanes, .x_pitch = x_pitch,
        .y_pitch = y_pitch, .load_high = load_high };
      launch->shape = cnn3d_shape_copy (&args->copy, engine->half);
      break;
    case CNN3D_GPU_CONV:
      g_assert_not_reached ();
  }
}

gboolean
cnn3d_gpu_program_init (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, GError **error)
{
  guint n = engine->plan->steps->len;

  program->launches = g_new0 (Cnn3dGpuLaunch, n);
  program->buffers = g_new (guint8 *, engine->plan->buffers->len);
  cnn3d_gpu_plan_place (engine->plan, program->batch, engine->size);
  for (guint i = 0; i < engine->plan->buffers->len; i++)
    program->buffers[i] = engine->arena + cnn3d_gpu_plan_buffer (engine->plan, (int) i)->offset;

  for (guint i = 0; i < n; i++) {
    const Cnn3dGpuKernelLaunch *kernel = &program->launches[i].kernel;

    if (cnn3d_gpu_plan_step (engine->plan, (int) i)->kind != CNN3D_GPU_CONV)
      init_kernel (engine, program, i);
    else if (!init_conv (engine, program, i, error))
      return FALSE;
    if (kernel->used && kernel->shape.grid[0] == 0) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%d clips of %d frames of %d pixels are more"
          " than one launch on a GPU can hold", program->batch, engine->model->config.frames,
          engine->model->config.size);
      return FALSE;
    }
    engine->workspace_bytes =
        MAX (engine->workspace_bytes, (gsize) program->launches[i].conv.workspace);
  }
  return TRUE;
}

gboolean
cnn3d_gpu_program_bind (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, GError **error)
{
  for (guint i = 0; i < engine->plan->steps->len; i++) {
    const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (engine->plan, (int) i);
    Cnn3dGpuLaunch *launch = &program->launches[i];
    Cnn3dConvPointers pointers;
    Cnn3dConvKey key;

    if (step->kind != CNN3D_GPU_CONV)
      continue;
    pointers = conv_pointers (engine, program, i);
    cnn3d_conv_key_init (&key, engine->plan, step, engine->half, program->batch);
    if (!launch->conv.fused)
      key.z = key.bias = key.relu = FALSE;
    launch->pack = cnn3d_gpu_pack (engine->cuda, &key, &pointers, engine->workspace, error);
    if (launch->pack == NULL)
      return FALSE;
  }
  return TRUE;
}

void
cnn3d_gpu_program_clear (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program)
{
  const Cnn3dCuda *cuda = engine->cuda;

  if (program->graph != NULL)
    cuda->cudaGraphExecDestroy (program->graph);
  for (guint i = 0; program->launches != NULL && i < engine->plan->steps->len; i++) {
    if (program->launches[i].pack != NULL)
      cuda->cudnnBackendDestroyDescriptor (program->launches[i].pack);
    cnn3d_conv_plan_clear (cuda, &program->launches[i].conv);
  }
  g_free (program->launches);
  g_free (program->buffers);
  memset (program, 0, sizeof *program);
}
