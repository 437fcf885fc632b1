/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/engine.h"

#include "lib3dcnn/cudnn/fatbin.h"

/* Clips that run together unless the options say otherwise. */
#define DEFAULT_BATCH 8

static void
destroy (gpointer data)
{
  Cnn3dGpuEngine *engine = data;
  const Cnn3dCuda *cuda = engine->cuda;
  /* Whether this works does not matter, as all is freed anyway. */
  gboolean entered = engine->device != NULL && cnn3d_gpu_enter (engine, NULL);

  /* Nothing may be in use any more. */
  if (engine->upload != NULL)
    cuda->cudaStreamSynchronize (engine->upload);
  if (engine->stream != NULL)
    cuda->cudaStreamSynchronize (engine->stream);
  cnn3d_gpu_stopwatch_clear (engine);
  for (int i = 0; i < engine->n_programs; i++)
    cnn3d_gpu_program_clear (engine, &engine->programs[i]);
  for (int i = 0; i < CNN3D_GPU_SLOTS; i++) {
    Cnn3dGpuSlot *slot = &engine->slots[i];

    if (slot->uploaded != NULL)
      cuda->cudaEventDestroy (slot->uploaded);
    if (slot->done != NULL)
      cuda->cudaEventDestroy (slot->done);
    if (slot->host != NULL)
      cuda->cudaFreeHost (slot->host);
    if (slot->device != NULL)
      cuda->cudaFree (slot->device);
  }
  if (engine->logits != NULL)
    cuda->cudaFreeHost (engine->logits);
  if (engine->features != NULL)
    cuda->cudaFreeHost (engine->features);
  if (engine->workspace != NULL)
    cuda->cudaFree (engine->workspace);
  if (engine->arena != NULL)
    cuda->cudaFree (engine->arena);
  if (engine->param_memory != NULL)
    cuda->cudaFree (engine->param_memory);
  if (engine->library != NULL)
    cuda->cudaLibraryUnload (engine->library);
  if (engine->properties != NULL)
    cuda->cudnnBackendDestroyDescriptor (engine->properties);
  if (engine->handle != NULL)
    cuda->cudnnDestroy (engine->handle);
  if (engine->upload != NULL)
    cuda->cudaStreamDestroy (engine->upload);
  if (engine->stream != NULL)
    cuda->cudaStreamDestroy (engine->stream);
  if (entered)
    cnn3d_gpu_leave (engine);
  cnn3d_plan_cache_free (engine->cache);
  cnn3d_gpu_plan_free (engine->plan);
  cnn3d_device_free (engine->device);
  g_free (engine->params);
  g_free (engine->eager);
  g_free (engine);
}

static gboolean
load_kernels (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;

  CNN3D_CUDA_TRY ("loading lib3dcnn's CUDA kernels (if the driver is older than the toolkit that compiled them, update it"
                  " or compile them by an older one: see doc/gpu.md)", cudaLibraryLoadData, &engine->library,
      cnn3d_fatbin, NULL, NULL, 0, NULL, NULL, 0);
  for (int i = 0; i < CNN3D_N_CUDA_KERNELS; i++)
    CNN3D_CUDA_TRY (cnn3d_cuda_kernel_name (i, engine->half), cudaLibraryGetKernel,
        &engine->kernels[i], engine->library, cnn3d_cuda_kernel_name (i, engine->half));
  return TRUE;
}

static gboolean
open_device (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;

  CNN3D_CUDA_TRY ("starting CUDA on the GPU", cudaStreamCreateWithFlags, &engine->stream,
      cudaStreamNonBlocking);
  CNN3D_CUDA_TRY ("starting CUDA on the GPU", cudaStreamCreateWithFlags, &engine->upload,
      cudaStreamNonBlocking);
  CNN3D_CUDNN_TRY ("starting cuDNN (cudnnCreate)", cudnnCreate, &engine->handle);
  CNN3D_CUDNN_TRY ("starting cuDNN", cudnnSetStream, engine->handle, engine->stream);
  return cnn3d_device_descriptor (cuda, engine->device->index, &engine->properties, error)
      && load_kernels (engine, error);
}

static gboolean
allocate (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  gsize clip = cnn3d_gpu_clip_positions (engine) * 3 * sizeof (float) * (gsize) engine->batch;

  /* Programs run one after the other, in one arena. */
  for (int i = 0; i < engine->n_programs; i++) {
    gsize bytes = cnn3d_gpu_plan_place (engine->plan, engine->programs[i].batch, engine->size);
    engine->arena_bytes = MAX (engine->arena_bytes, bytes);
  }
  CNN3D_CUDA_TRY ("memory for activations on the GPU", cudaMalloc, (void **) &engine->arena,
      engine->arena_bytes);
  CNN3D_CUDA_TRY ("memory for logits", cudaHostAlloc, (void **) &engine->logits,
      (gsize) CNN3D_MAX_GROUP * (gsize) cnn3d_gpu_logit_lanes (engine) * engine->size, cudaHostAllocDefault);
  CNN3D_CUDA_TRY ("memory for features", cudaHostAlloc, (void **) &engine->features,
      (gsize) CNN3D_MAX_GROUP * cnn3d_gpu_feature_bytes (engine), cudaHostAllocDefault);
  for (int i = 0; i < CNN3D_GPU_SLOTS; i++) {
    Cnn3dGpuSlot *slot = &engine->slots[i];

    CNN3D_CUDA_TRY ("memory for clips", cudaHostAlloc, (void **) &slot->host, clip, cudaHostAllocDefault);
    CNN3D_CUDA_TRY ("memory for clips on the GPU", cudaMalloc, (void **) &slot->device, clip);
    CNN3D_CUDA_TRY ("events", cudaEventCreateWithFlags, &slot->uploaded, cudaEventDisableTiming);
    CNN3D_CUDA_TRY ("events", cudaEventCreateWithFlags, &slot->done, cudaEventDisableTiming);
  }
  return TRUE;
}

/* Runs each program once, on a clip of zeros, which loads all kernels; then records it. */
static gboolean
warm_up (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;

  for (int i = 0; i < engine->n_programs; i++) {
    CNN3D_CUDA_TRY ("clearing memory on the GPU", cudaMemsetAsync, engine->arena, 0,
        engine->arena_bytes, engine->stream);
    if (!cnn3d_gpu_launch_steps (engine, &engine->programs[i], error))
      return FALSE;
    CNN3D_CUDA_TRY ("a first run on the GPU", cudaStreamSynchronize, engine->stream);
    cnn3d_gpu_capture (engine, &engine->programs[i]);
  }
  return TRUE;
}

static gboolean
build (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;

  if (!open_device (engine, error) || !cnn3d_gpu_upload_params (engine, error) || !allocate (engine, error))
    return FALSE;
  /* Plans are timed with the real buffers, whose content does not matter but should be finite. */
  CNN3D_CUDA_TRY ("clearing memory on the GPU", cudaMemsetAsync, engine->arena, 0,
      engine->arena_bytes, engine->stream);
  for (int i = 0; i < engine->n_programs; i++)
    if (!cnn3d_gpu_program_init (engine, &engine->programs[i], error))
      return FALSE;
  cnn3d_gpu_stopwatch_clear (engine);
  if (engine->workspace_bytes > 0)
    CNN3D_CUDA_TRY ("workspace on the GPU", cudaMalloc, (void **) &engine->workspace,
        engine->workspace_bytes);
  for (int i = 0; i < engine->n_programs; i++)
    if (!cnn3d_gpu_program_bind (engine, &engine->programs[i], error))
      return FALSE;
  engine->plans_made = TRUE;
  if (!warm_up (engine, error))
    return FALSE;
  cnn3d_plan_cache_save (engine->cache);
  return TRUE;
}

/* Sizes of which one is always more than half full. */
static void
choose_batches (Cnn3dGpuEngine *engine)
{
  for (int n = 1; n < engine->batch; n *= 2)
    engine->programs[engine->n_programs++].batch = n;
  engine->programs[engine->n_programs++].batch = engine->batch;
}

/* All that makes plans faster or slower. */
static char *
make_identity (const Cnn3dGpuEngine *engine)
{
  g_autofree char *versions = cnn3d_cuda_versions (engine->cuda);
  g_autofree char *release = cnn3d_driver_release (CNN3D_DRIVER_VERSION_FILE);

  return g_strdup_printf ("%s, capability %d.%d, %d multiprocessors, driver %s, %s", engine->device->name,
      engine->device->major, engine->device->minor, engine->device->multiprocessors,
      release != NULL ? release : "unknown", versions);
}

static gboolean
build_on_device (Cnn3dGpuEngine *engine, GError **error)
{
  gboolean built;

  if (!cnn3d_gpu_enter (engine, error))
    return FALSE;
  built = build (engine, error);
  cnn3d_gpu_leave (engine);
  return built;
}

/* What the next attempt to make a session does otherwise. */
typedef struct {
  gboolean anew;   /* times all plans, as one of the cache does not run any more */
  gboolean single; /* computes in single precision, as halfs cannot hold the weights */
} Attempt;

/* Halfs are faster by tensor cores. Of Turing, TU116 and TU117 have none, and can be told by their names only. */
static gboolean
prefers_half (const Cnn3dDevice *device)
{
  static const char *const without[] = { "GTX 16", "MX450", "MX550", " T400", " T500", " T550", " T600", " T1000",
    " T1200", " T2000" };
  int capability = 10 * device->major + device->minor;

  for (guint i = 0; capability == 75 && i < G_N_ELEMENTS (without); i++)
    if (strstr (device->name, without[i]) != NULL)
      return FALSE;
  return capability >= 70;
}

static gpointer
try_create (const Cnn3dCuda *cuda, Cnn3dModel *model, const Cnn3dSessionOptions *options, Attempt *attempt,
    GError **error)
{
  Cnn3dGpuEngine *engine = g_new0 (Cnn3dGpuEngine, 1);
  g_autofree char *identity = NULL;

  engine->cuda = cuda;
  engine->model = model;
  engine->device = cnn3d_cuda_find_device (cuda, options->device, error);
  if (engine->device == NULL) {
    destroy (engine);
    return NULL;
  }
  engine->half = options->precision == CNN3D_PRECISION_FP16
      || (options->precision == CNN3D_PRECISION_AUTO && !attempt->single && prefers_half (engine->device));
  engine->allow_tf32 = options->allow_tf32;
  engine->size = engine->half ? 2 : 4;
  engine->batch = options->batch > 0 ? MIN (options->batch, CNN3D_MAX_GROUP) : DEFAULT_BATCH;
  choose_batches (engine);
  engine->plan = cnn3d_gpu_plan_new (model->graph);
  identity = make_identity (engine);
  engine->cache = cnn3d_plan_cache_new (identity, attempt->anew);
  if (build_on_device (engine, error))
    return engine;
  if (engine->plans_made && cnn3d_plan_cache_forget (engine->cache)) {
    /* Also for sessions to come, as this process may not be able to use the device any more. */
    cnn3d_plan_cache_save (engine->cache);
    attempt->anew = TRUE;
  }
  if (engine->overflow && options->precision == CNN3D_PRECISION_AUTO)
    attempt->single = TRUE;
  destroy (engine);
  return NULL;
}

static gpointer
create (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  const Cnn3dCuda *cuda = cnn3d_cuda_load (NULL, error);
  g_autoptr (GError) reason = NULL;
  Attempt attempt = { FALSE, FALSE }, last;
  gpointer engine;

  if (cuda == NULL)
    return NULL;
  do {
    g_clear_error (&reason);
    last = attempt;
    engine = try_create (cuda, model, options, &attempt, &reason);
  } while (engine == NULL && (attempt.anew != last.anew || attempt.single != last.single));
  if (engine == NULL)
    g_propagate_error (error, g_steal_pointer (&reason));
  return engine;
}

static char *
describe (gpointer data)
{
  const Cnn3dGpuEngine *engine = data;

  return g_strdup_printf ("cudnn (device %d, %s, %s%s%s)", engine->device->index, engine->device->name,
      engine->half ? "fp16" : engine->allow_tf32 ? "fp32 with TF32" : "fp32",
      engine->eager != NULL ? ", without CUDA graphs: " : "", engine->eager != NULL ? engine->eager : "");
}

static Cnn3dPrecision
get_precision (gpointer data)
{
  return ((const Cnn3dGpuEngine *) data)->half ? CNN3D_PRECISION_FP16 : CNN3D_PRECISION_FP32;
}

gboolean
cnn3d_cudnn_absent (void)
{
  gboolean absent = FALSE;

  return cnn3d_cuda_load (&absent, NULL) == NULL && absent;
}

const Cnn3dBackendClass cnn3d_cudnn_backend = {
  .create = create,
  .run = cnn3d_gpu_run,
  .destroy = destroy,
  .describe = describe,
  .precision = get_precision,
  .profile = cnn3d_gpu_profile,
  .check = cnn3d_gpu_check,
};
