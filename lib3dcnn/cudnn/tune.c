/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/engine.h"

#include <stdlib.h>

/* Proposals that are timed; the heuristics know well what comes first. */
#define MAX_TRIED 8
/* Launches that are timed together, and how often. */
#define REPEATS 10
#define WARM_UP 1
#define ROUNDS 3

static gboolean
fill_pack (const Cnn3dCuda *cuda, cudnnBackendDescriptor_t pack, const Cnn3dConvKey *key,
    const Cnn3dConvPointers *p, void *workspace, GError **error)
{
  gint64 uids[5] = { CNN3D_UID_X, CNN3D_UID_W, CNN3D_UID_Y }, n = 3;
  void *pointers[5] = { p->x, p->w, p->y };

  if (key->z) {
    uids[n] = CNN3D_UID_Z;
    pointers[n++] = p->z;
  }
  if (key->bias) {
    uids[n] = CNN3D_UID_BIAS;
    pointers[n++] = p->bias;
  }
  CNN3D_CUDNN_TRY ("cudnnBackendSetAttribute", cudnnBackendSetAttribute, pack,
      CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, uids);
  CNN3D_CUDNN_TRY ("cudnnBackendSetAttribute", cudnnBackendSetAttribute, pack,
      CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, pointers);
  CNN3D_CUDNN_TRY ("cudnnBackendSetAttribute", cudnnBackendSetAttribute, pack,
      CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  CNN3D_CUDNN_TRY ("cudnnBackendFinalize", cudnnBackendFinalize, pack);
  return TRUE;
}

cudnnBackendDescriptor_t
cnn3d_gpu_pack (const Cnn3dCuda *cuda, const Cnn3dConvKey *key, const Cnn3dConvPointers *pointers,
    void *workspace, GError **error)
{
  cudnnBackendDescriptor_t pack = NULL;
  cudnnStatus_t status =
      cuda->cudnnBackendCreateDescriptor (CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);

  if (status != CUDNN_STATUS_SUCCESS) {
    cnn3d_cudnn_fail (cuda, "cudnnBackendCreateDescriptor", status, error);
    return NULL;
  }
  if (!fill_pack (cuda, pack, key, pointers, workspace, error)) {
    cuda->cudnnBackendDestroyDescriptor (pack);
    return NULL;
  }
  return pack;
}

void
cnn3d_gpu_stopwatch_clear (Cnn3dGpuEngine *engine)
{
  const Cnn3dCuda *cuda = engine->cuda;
  Cnn3dGpuStopwatch *s = &engine->stopwatch;

  if (s->begin != NULL)
    cuda->cudaEventDestroy (s->begin);
  if (s->end != NULL)
    cuda->cudaEventDestroy (s->end);
  if (s->workspace != NULL)
    cuda->cudaFree (s->workspace);
  *s = (Cnn3dGpuStopwatch){ 0 };
}

static gboolean
make_events (Cnn3dGpuEngine *engine, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  Cnn3dGpuStopwatch *s = &engine->stopwatch;

  if (s->begin == NULL)
    CNN3D_CUDA_TRY ("timing on the GPU", cudaEventCreateWithFlags, &s->begin, cudaEventDefault);
  if (s->end == NULL)
    CNN3D_CUDA_TRY ("timing on the GPU", cudaEventCreateWithFlags, &s->end, cudaEventDefault);
  return TRUE;
}

/* Room for the plans' workspace. */
static gboolean
prepare (Cnn3dGpuEngine *engine, const GArray *plans, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  Cnn3dGpuStopwatch *s = &engine->stopwatch;
  gint64 bytes = 0;

  for (guint i = 0; i < plans->len; i++)
    bytes = MAX (bytes, g_array_index (plans, Cnn3dConvPlan, i).workspace);
  if (bytes <= s->bytes)
    return TRUE;
  if (s->workspace != NULL)
    cuda->cudaFree (s->workspace);
  s->workspace = NULL;
  s->bytes = 0;
  CNN3D_CUDA_TRY ("workspace on the GPU", cudaMalloc, &s->workspace, (gsize) bytes);
  s->bytes = bytes;
  return TRUE;
}

/* A graph's launch if there is one, else `times` of them one by one. */
static gboolean
time_round (Cnn3dGpuEngine *engine, cudaGraphExec_t graph, Cnn3dGpuLaunchFunc launch, gpointer data, int times,
    float *ms, GError **error)
{
  const Cnn3dGpuStopwatch *s = &engine->stopwatch;
  const Cnn3dCuda *cuda = engine->cuda;

  CNN3D_CUDA_TRY ("timing on the GPU", cudaEventRecord, s->begin, engine->stream);
  if (graph != NULL)
    CNN3D_CUDA_TRY ("timing on the GPU", cudaGraphLaunch, graph, engine->stream);
  for (int i = 0; graph == NULL && i < times; i++)
    if (!launch (engine, data, error))
      return FALSE;
  CNN3D_CUDA_TRY ("timing on the GPU", cudaEventRecord, s->end, engine->stream);
  CNN3D_CUDA_TRY ("timing on the GPU", cudaEventSynchronize, s->end);
  CNN3D_CUDA_TRY ("timing on the GPU", cudaEventElapsedTime, ms, s->begin, s->end);
  *ms /= (float) times;
  return TRUE;
}

static int
compare_floats (gconstpointer a, gconstpointer b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

gboolean
cnn3d_gpu_time (Cnn3dGpuEngine *engine, Cnn3dGpuLaunchFunc launch, gpointer data, float *ms, GError **error)
{
  float rounds[WARM_UP + ROUNDS];
  cudaGraphExec_t graph;
  gboolean ok = TRUE;

  /* The first launch loads the kernel, which must not happen while a graph is recorded. */
  if (!make_events (engine, error) || !time_round (engine, NULL, launch, data, 1, ms, error))
    return FALSE;
  graph = cnn3d_gpu_record (engine, launch, data, REPEATS, NULL);
  for (int i = 0; i < WARM_UP + ROUNDS && ok; i++)
    ok = time_round (engine, graph, launch, data, REPEATS, &rounds[i], error);
  if (graph != NULL)
    engine->cuda->cudaGraphExecDestroy (graph);
  if (!ok)
    return FALSE;
  qsort (rounds + WARM_UP, ROUNDS, sizeof *rounds, compare_floats);
  *ms = rounds[WARM_UP + ROUNDS / 2];
  return TRUE;
}

typedef struct {
  const Cnn3dConvPlan *plan;
  cudnnBackendDescriptor_t pack;
} Runner;

static gboolean
launch_runner (Cnn3dGpuEngine *engine, gpointer data, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  const Runner *r = data;

  CNN3D_CUDNN_TRY ("running a convolution", cudnnBackendExecute, engine->handle, r->plan->plan, r->pack);
  return TRUE;
}

/* The index of the fastest plan, or -1 with error set. */
static int
race (Cnn3dGpuEngine *engine, const Cnn3dConvKey *key, const Cnn3dConvPointers *pointers,
    GArray *plans, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  g_autoptr (GError) reason = NULL;
  int fastest = -1;
  float least = 0;

  if (!prepare (engine, plans, error))
    return -1;
  for (guint i = 0; i < plans->len; i++) {
    Cnn3dConvPlan *plan = &g_array_index (plans, Cnn3dConvPlan, i);
    Runner runner = { plan, cnn3d_gpu_pack (cuda, key, pointers, engine->stopwatch.workspace, error) };
    float ms = 0;
    gboolean ran;

    if (runner.pack == NULL)
      return -1;
    /* For one that does not run, another one is taken. */
    ran = cnn3d_gpu_time (engine, launch_runner, &runner, &ms, reason == NULL ? &reason : NULL);
    cuda->cudnnBackendDestroyDescriptor (runner.pack);
    if (ran && (fastest < 0 || ms < least)) {
      fastest = (int) i;
      least = ms;
    }
  }
  if (fastest < 0) {
    g_autofree char *name = cnn3d_conv_key_string (key);
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "none of %u kernels of cuDNN runs the convolution %s on this GPU: %s", plans->len, name, reason->message);
  }
  return fastest;
}

gboolean
cnn3d_gpu_choose_plan (Cnn3dGpuEngine *engine, const Cnn3dConvKey *key,
    const Cnn3dConvPointers *pointers, Cnn3dConvPlan *plan, GError **error)
{
  const Cnn3dCuda *cuda = engine->cuda;
  Cnn3dConvFilter filter = { .allow_tf32 = engine->allow_tf32,
    .workspace = (gint64) CNN3D_MAX_WORKSPACE * key->n, .max_plans = MAX_TRIED };
  g_autofree char *base = cnn3d_conv_key_string (key);
  g_autofree char *name = g_strconcat (base, engine->allow_tf32 ? " tf32" : "", NULL);
  gboolean fused = plan->fused;
  GArray *plans = NULL;
  int index, number, chosen = 0;

  if (cnn3d_plan_cache_get (engine->cache, name, &index, &number))
    plans = cnn3d_conv_plan_at (cuda, engine->properties, key, &filter, index, number, NULL);
  if (plans == NULL) {
    plans = cnn3d_conv_plans (cuda, engine->properties, key, &filter, error);
    if (plans == NULL)
      return FALSE;
    if (plans->len > 1) {
      chosen = race (engine, key, pointers, plans, error);
      if (chosen < 0) {
        cnn3d_conv_plans_free (cuda, plans);
        return FALSE;
      }
    }
    *plan = g_array_index (plans, Cnn3dConvPlan, chosen);
    cnn3d_plan_cache_set (engine->cache, name, plan->index, plan->engine);
  }
  *plan = g_array_index (plans, Cnn3dConvPlan, chosen);
  plan->fused = fused;
  g_array_remove_index (plans, (guint) chosen);
  cnn3d_conv_plans_free (cuda, plans);
  return TRUE;
}
