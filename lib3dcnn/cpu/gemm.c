/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * 1x1x1 convolutions by OpenBLAS, for CPUs that the vector kernels know no ISA of: the channels of
 * some positions are gathered into a matrix, multiplied, and scattered into blocks again. Where
 * there are own kernels, they need neither copy and are faster (README, "Speed").
 *
 * It is loaded on such CPUs only: where it is linked, it starts threads in every process, which spin for the first 30 ms
 * in the way of the first runs.
 */

#include "lib3dcnn/cpu/engine.h"

#ifdef CNN3D_HAVE_OPENBLAS

#include <cblas.h>
#include <dlfcn.h>

/* Positions that are gathered at a time; the two matrices stay in the second cache. */
#define ROWS 64

/* Below this many inputs or outputs of a group, the two copies cost more than OpenBLAS gains. */
#define MIN_SIDE 48

#define LIBRARY "libopenblas.so.0"

static __typeof__ (cblas_sgemm) *sgemm;

/* Threads of its own are ended, and no more are started: a session has threads. If others use it in this process, they
 * lose theirs, as OpenBLAS knows no other way. */
static gpointer
load_once (gpointer data)
{
  void *others = dlopen (LIBRARY, RTLD_NOW | RTLD_NOLOAD);
  void *library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);
  void (*set_num_threads) (int), (*shut_down) (void);

  if (library == NULL) {
    g_debug ("%s", dlerror ());
    return NULL;
  }
  set_num_threads = (void (*) (int)) dlsym (library, "openblas_set_num_threads");
  shut_down = (void (*) (void)) dlsym (library, "blas_thread_shutdown_");
  /* In this order: setting the number starts what was shut down. */
  if (set_num_threads != NULL)
    set_num_threads (1);
  if (others == NULL && shut_down != NULL)
    shut_down ();
  sgemm = (__typeof__ (sgemm)) dlsym (library, "cblas_sgemm");
  return NULL;
}

gboolean
cnn3d_gemm_init (const Cnn3dKernels *kernels)
{
  static GOnce once = G_ONCE_INIT;

  if (cnn3d_isa_get (0) != kernels || !CNN3D_BASELINE_IS_SLOW)
    return FALSE;
  g_once (&once, load_once, NULL);
  return sgemm != NULL;
}

gboolean
cnn3d_gemm_wanted (const Cnn3dEngine *engine, const Cnn3dStep *step)
{
  return engine->use_gemm && step->kind == CNN3D_STEP_POINTWISE && step->chain == 1
      && step->channels_in / step->groups >= MIN_SIDE && step->channels_out / step->groups >= MIN_SIDE;
}

gsize
cnn3d_gemm_scratch (const Cnn3dStep *step)
{
  return ROWS * (gsize) (step->channels_in + step->channels_out);
}

/* Weights as [group][channels of the group's input][of its output], then the bias. */
void
cnn3d_gemm_pack (const Cnn3dStep *step, const Cnn3dFolded *folded, float *weights)
{
  int in = step->channels_in / step->groups, out = step->channels_out / step->groups;

  for (int g = 0; g < step->groups; g++)
    for (int i = 0; i < in; i++)
      for (int o = 0; o < out; o++)
        *weights++ = folded->weights[(gsize) (g * out + o) * in + i];
  memcpy (weights, folded->bias, (gsize) step->channels_out * sizeof (float));
}

static void
gather (const Cnn3dEngine *engine, const Cnn3dStep *step, gint64 first, int n, float *x)
{
  int k = step->channels_in;

  for (int c = 0; c < k; c++) {
    const float *in = engine->arena + cnn3d_lane_offset (engine, &step->inputs[c]) + first * CNN3D_BLOCK;

    for (int p = 0; p < n; p++)
      x[p * k + c] = in[p * CNN3D_BLOCK];
  }
}

static void
scatter (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, gint64 first, int n, const float *y)
{
  const Cnn3dStep *step = s->step;

  for (int lane = 0; lane < step->n_blocks * CNN3D_BLOCK; lane++) {
    int c = step->lane_channel[lane];
    Cnn3dLane to = { step->buffer, lane };
    float *out = engine->arena + cnn3d_lane_offset (engine, &to) + first * CNN3D_BLOCK;
    const float *residual = NULL;

    if (c < 0)
      continue;
    if (step->residual != NULL) {
      const Cnn3dBlockRef *ref = &step->residual[lane / CNN3D_BLOCK];
      Cnn3dLane from = { ref->buffer, ref->block * CNN3D_BLOCK + lane % CNN3D_BLOCK };
      residual = engine->arena + cnn3d_lane_offset (engine, &from) + first * CNN3D_BLOCK;
    }
    for (int p = 0; p < n; p++) {
      float v = y[p * step->channels_out + c] + s->bias[c];
      if (residual != NULL)
        v += residual[p * CNN3D_BLOCK];
      out[p * CNN3D_BLOCK] = CLAMP (v, s->low, s->high);
    }
  }
}

void
cnn3d_cpu_run_gemm (Cnn3dEngine *engine, gsize index, int thread)
{
  const Cnn3dCpuStep *s = &engine->steps[index];
  const Cnn3dStep *step = s->step;
  int in = step->channels_in / step->groups, out = step->channels_out / step->groups;
  gint64 positions = cnn3d_extent_count (step->out);
  /* Whole chunks, so that results do not depend on the number of threads. */
  Cnn3dDeal deal = cnn3d_cpu_deal (engine, thread, (int) ((positions + ROWS - 1) / ROWS), NULL);
  float *x = engine->gemm + (gsize) thread * engine->gemm_floats;
  float *y = x + ROWS * (gsize) step->channels_in;

  for (int chunk; cnn3d_deal_take (&deal, 1, 1, &chunk) > 0;) {
    gint64 first = (gint64) chunk * ROWS;
    int n = (int) MIN (positions - first, ROWS);

    gather (engine, step, first, n, x);
    for (int g = 0; g < step->groups; g++)
      sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, n, out, in, 1, x + g * in,
          step->channels_in, s->weights + (gsize) g * in * out, out, 0, y + g * out,
          step->channels_out);
    scatter (engine, s, first, n, y);
  }
}

#else

gboolean
cnn3d_gemm_init (const Cnn3dKernels *kernels)
{
  return FALSE;
}

gboolean
cnn3d_gemm_wanted (const Cnn3dEngine *engine, const Cnn3dStep *step)
{
  return FALSE;
}

gsize
cnn3d_gemm_scratch (const Cnn3dStep *step)
{
  return 0;
}

void
cnn3d_gemm_pack (const Cnn3dStep *step, const Cnn3dFolded *folded, float *weights)
{
}

void
cnn3d_cpu_run_gemm (Cnn3dEngine *engine, gsize index, int thread)
{
}

#endif
