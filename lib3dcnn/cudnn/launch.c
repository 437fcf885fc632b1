/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/engine.h"

/*
 * By the driver's stack of contexts: cudaSetDevice() would leave a thread that has not used CUDA with a device of our
 * choice, or cost memory on the first one. The context stays when the session goes, as the runtime's own do: the runtime
 * and cuDNN keep things in it.
 */
gboolean
cnn3d_gpu_enter (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  CUresult result = CUDA_SUCCESS;
  CUdevice device;

  if (engine->context == NULL) {
    result = cuda->cuDeviceGet (&device, engine->device->index);
    if (result == CUDA_SUCCESS)
      result = cuda->cuDevicePrimaryCtxRetain (&engine->context, device);
  }
  if (result == CUDA_SUCCESS)
    result = cuda->cuCtxPushCurrent_v2 (engine->context);
  /* The driver's numbers are the runtime's. */
  return result == CUDA_SUCCESS || cnn3d_cuda_fail (cuda, "using the GPU", (cudaError_t) result, error);
}

void
cnn3d_gpu_leave (Cnn3dGpuEngine *engine)
{
  CUcontext context;

  /* What has failed meanwhile was reported, or did not matter. */
  engine->cuda->cudaGetLastError ();
  engine->cuda->cuCtxPopCurrent_v2 (&context);
}

gboolean
cnn3d_gpu_launch_kernel (Cnn3dGpuEngine *engine, const Cnn3dGpuKernelLaunch *launch, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  const Cnn3dLaunchShape *s = &launch->shape;
  cudaLaunchConfig_t config = { .gridDim = { s->grid[0], s->grid[1], s->grid[2] },
    .blockDim = { s->block[0], s->block[1], s->block[2] }, .dynamicSmemBytes = s->shared,
    .stream = engine->stream };
  Cnn3dGpuArgs args = launch->args;
  void *arguments[1] = { &args };

  CNN3D_CUDA_TRY (cnn3d_cuda_kernel_name (s->kernel, engine->half), cudaLaunchKernelExC, &config,
      (const void *) engine->kernels[s->kernel], arguments);
  return TRUE;
}

gboolean
cnn3d_gpu_launch_step (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, guint i, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  Cnn3dGpuLaunch *launch = &program->launches[i];

  if (launch->pack != NULL)
    CNN3D_CUDNN_TRY ("running a convolution", cudnnBackendExecute, engine->handle,
        launch->conv.plan, launch->pack);
  return !launch->kernel.used || cnn3d_gpu_launch_kernel (engine, &launch->kernel, error);
}

gboolean
cnn3d_gpu_launch_steps (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, GError **error)
{
  for (guint i = 0; i < engine->plan->steps->len; i++)
    if (!cnn3d_gpu_launch_step (engine, program, i, error))
      return FALSE;
  return TRUE;
}

static gboolean
instantiate (Cnn3dGpuEngine *engine, cudaGraph_t graph, cudaGraphExec_t *exec, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;

  CNN3D_CUDA_TRY ("cudaGraphInstantiate", cudaGraphInstantiate, exec, graph, 0);
  return TRUE;
}

static gboolean
capture (Cnn3dGpuEngine *engine, Cnn3dGpuLaunchFunc launch, gpointer data, int times, cudaGraph_t *graph,
    GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  gboolean launched = TRUE;

  /* Other threads may allocate meanwhile. */
  CNN3D_CUDA_TRY ("cudaStreamBeginCapture", cudaStreamBeginCapture, engine->stream,
      cudaStreamCaptureModeThreadLocal);
  for (int i = 0; i < times && launched; i++)
    launched = launch (engine, data, error);
  /* Also after a failure: the stream must not stay in this state. */
  if (!launched) {
    cuda->cudaStreamEndCapture (engine->stream, graph);
    cuda->cudaGetLastError ();
    return FALSE;
  }
  CNN3D_CUDA_TRY ("cudaStreamEndCapture", cudaStreamEndCapture, engine->stream, graph);
  return TRUE;
}

cudaGraphExec_t
cnn3d_gpu_record (Cnn3dGpuEngine *engine, Cnn3dGpuLaunchFunc launch, gpointer data, int times, GError **error)
{
  cudaGraph_t graph = NULL;
  cudaGraphExec_t exec = NULL;

  if (!capture (engine, launch, data, times, &graph, error) || !instantiate (engine, graph, &exec, error))
    exec = NULL;
  if (graph != NULL)
    engine->cuda->cudaGraphDestroy (graph);
  return exec;
}

static gboolean
launch_program (Cnn3dGpuEngine *engine, gpointer program, GError **error)
{
  return cnn3d_gpu_launch_steps (engine, program, error);
}

void
cnn3d_gpu_capture (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program)
{
  g_autoptr (GError) error = NULL;

  program->graph = cnn3d_gpu_record (engine, launch_program, program, 1, &error);
  if (program->graph == NULL) {
    g_free (engine->eager);
    engine->eager = g_strdup (error->message);
  }
}
