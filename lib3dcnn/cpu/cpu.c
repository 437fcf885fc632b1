/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cpu/engine.h"

#include <math.h>
#include <sys/mman.h>
#include <time.h>

static void
destroy (gpointer data)
{
  Cnn3dEngine *engine = data;

  cnn3d_workers_free (engine->workers);
  for (guint i = 0; engine->steps != NULL && i < engine->plan->steps->len; i++) {
    g_free (engine->steps[i].tiles);
    g_free (engine->steps[i].tile_split);
  }
  cnn3d_cpu_slices_free (engine->slices);
  g_free (engine->steps);
  cnn3d_plan_free (engine->plan);
  g_aligned_free (engine->memory);
  g_aligned_free (engine->weights);
  g_free (engine->taps);
  g_free (engine->rows);
  g_free (engine);
}

/* Of all CPUs that matter here. */
#define HUGE_PAGE ((gsize) 2 << 20)

float *
cnn3d_cpu_alloc (gsize n)
{
  gsize bytes = MAX (n, 1) * sizeof (float);
  float *p;

  if (bytes < HUGE_PAGE)
    return g_aligned_alloc0 (bytes, 1, 64);
  p = g_aligned_alloc (bytes, 1, HUGE_PAGE);
#ifdef MADV_HUGEPAGE
  /* A hint: prefetchers stop at the end of a page, and weights are read once a run. */
  madvise (p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  memset (p, 0, bytes);
  return p;
}

/*
 * All that runs write to, as one piece of memory. Zero, as some steps never write lanes that hold no
 * channel.
 */
static void
alloc_memory (Cnn3dEngine *engine)
{
  gsize n_threads = (gsize) engine->n_threads, total = 0;
  struct {
    float **p;
    gsize n;
  } parts[] = { { &engine->padded, engine->padded_floats }, { &engine->arena, engine->plan->arena },
    { &engine->scratch, engine->scratch_floats }, { &engine->lines, engine->line_floats * n_threads },
    { &engine->gemm, engine->gemm_floats * n_threads }, { &engine->rings, engine->ring_floats * n_threads } };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    total += parts[i].n = (parts[i].n + CNN3D_BLOCK - 1) / CNN3D_BLOCK * CNN3D_BLOCK;
  engine->memory = cnn3d_cpu_alloc (total);
  total = 0;
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    *parts[i].p = engine->memory + total;
    total += parts[i].n;
  }
}

static void
init_step (Cnn3dEngine *engine, guint i, const Cnn3dSessionOptions *options)
{
  Cnn3dCpuStep *s = &engine->steps[i];
  const Cnn3dStep *step = s->step = cnn3d_plan_step (engine->plan, (int) i);

  s->low = step->activation == CNN3D_ACTIVATION_NONE ? -INFINITY : 0;
  s->high = step->activation == CNN3D_ACTIVATION_RELU6 ? 6 : INFINITY;

  switch (step->kind) {
    case CNN3D_STEP_STEM:
      g_assert (i == 0 && step->stride.w == 2);
      s->run = cnn3d_cpu_run_stem;
      /* Pays where the output has many frames, and chains alone know what to do with four at a time. */
      s->temporal = !options->direct_stem && step->chain > 1 && step->kernel.t == 3
          && step->stride.t == 1 && step->pad.t == 1 && step->out.t >= CNN3D_POINT_FRAMES;
      engine->padded_floats = 3 * (gsize) cnn3d_extent_count (cnn3d_padded_extent (step));
      break;
    case CNN3D_STEP_CONV: {
      gsize blocks = (gsize) (step->channels_in + CNN3D_BLOCK - 1) / CNN3D_BLOCK;
      /* Its input is one buffer in natural order: it comes from a squeeze layer. */
      g_assert (step->stride.w == 1);
      for (int c = 0; c < step->channels_in; c++)
        g_assert (step->inputs[c].lane % CNN3D_BLOCK == c % CNN3D_BLOCK);
      if (cnn3d_winograd_fits (step)) {
        s->run = cnn3d_cpu_run_winograd;
        cnn3d_winograd_init (s);
        break;
      }
      s->run = cnn3d_cpu_run_conv;
      engine->scratch_floats = MAX (engine->scratch_floats,
          blocks * (gsize) cnn3d_extent_count (cnn3d_padded_extent (step)) * CNN3D_BLOCK);
      break;
    }
    case CNN3D_STEP_POINTWISE:
    case CNN3D_STEP_LINEAR:
      s->run = cnn3d_cpu_run_pointwise;
      if (cnn3d_gemm_wanted (engine, step)) {
        s->run = cnn3d_cpu_run_gemm;
        engine->gemm_floats = MAX (engine->gemm_floats, cnn3d_gemm_scratch (step));
      }
      break;
    case CNN3D_STEP_DEPTHWISE:
      s->run = cnn3d_cpu_run_blocks;
      break;
    case CNN3D_STEP_MAXPOOL:
    case CNN3D_STEP_AVGPOOL:
      s->run = cnn3d_cpu_run_blocks;
      engine->line_floats = MAX (engine->line_floats, (gsize) step->in.w * CNN3D_BLOCK);
      engine->n_rows = MAX (engine->n_rows, (gsize) step->kernel.t * step->kernel.h);
      break;
  }
}

static gpointer
create (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  const Cnn3dKernels *kernels = cnn3d_isa_choose (error);
  Cnn3dEngine *engine;
  guint n;

  if (kernels == NULL)
    return NULL;
  engine = g_new0 (Cnn3dEngine, 1);
  engine->model = model;
  engine->kernels = kernels;
  engine->n_threads = options->threads;
  engine->plan = cnn3d_plan_new (model->graph);
  n = engine->plan->steps->len;
  if (engine->plan->arena > G_MAXINT32) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "clips of %d frames of %d pixels need %.1f GB for activations, more than the CPU backend"
        " addresses (8 GB)",
        model->config.frames, model->config.size, (double) engine->plan->arena * 4e-9);
    destroy (engine);
    return NULL;
  }
  engine->use_gemm = cnn3d_gemm_init (kernels);
  engine->steps = g_new0 (Cnn3dCpuStep, n);
  for (guint i = 0; i < n; i++)
    init_step (engine, i, options);
  cnn3d_cpu_pack (engine);
  for (guint i = 0; i < n; i++) {
    gsize shared, of_thread;

    if (engine->steps[i].winograd_frames == 0)
      continue;
    cnn3d_winograd_room (&engine->steps[i], &shared, &of_thread);
    engine->scratch_floats = MAX (engine->scratch_floats, shared);
    engine->ring_floats = MAX (engine->ring_floats, of_thread);
  }
  for (guint i = 0; i < n; i++)
    if (engine->steps[i].step->chain > 1) {
      engine->steps[i].run = cnn3d_cpu_run_chain;
      engine->ring_floats = MAX (engine->ring_floats, cnn3d_cpu_chain_floats (engine, i));
    }
  alloc_memory (engine);
  engine->rows = g_new (const float *, engine->n_rows * (gsize) engine->n_threads);
  engine->workers = cnn3d_workers_new (engine->n_threads, error);
  if (engine->workers == NULL) {
    destroy (engine);
    return NULL;
  }
  return engine;
}

/* Some milliseconds. */
#define PEAK_ROUNDS 2000000

static gint64
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (gint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
run_clip (gpointer data, int thread)
{
  Cnn3dEngine *engine = data;

  cnn3d_cpu_load_clip (engine, thread);
  for (guint i = 0; i < engine->plan->steps->len; i += (guint) engine->steps[i].step->chain) {
    cnn3d_workers_barrier (engine->workers);
    if (engine->times != NULL && thread == 0)
      engine->times[i] = now ();
    engine->steps[i].run (engine, i, thread);
  }
}

static void
run_peak (gpointer data, int thread)
{
  Cnn3dEngine *engine = data;
  float sink[16] = { 1e-3f };

  engine->kernels->peak (sink, PEAK_ROUNDS);
  /* The sum is never this; so the loop cannot be left out. */
  if (sink[1] == 12345.0f)
    engine->arena[0] = sink[1];
}

static double
measure_peak (Cnn3dEngine *engine)
{
  double best = 0;

  for (int i = 0; i < 5; i++) {
    gint64 begin = now ();

    cnn3d_workers_run (engine->workers, run_peak, engine);
    best = MAX (best, (double) PEAK_ROUNDS * CNN3D_PEAK_CHAINS * engine->kernels->vector_width
        * engine->n_threads / (double) (now () - begin) * 1e9);
  }
  return best;
}

static int
profile (gpointer data, const float *clip, Cnn3dLayer *layers, int max, double *peak)
{
  static const char *const kinds[] = { "stem", "conv", "pointwise", "depthwise", "maxpool", "avgpool",
    "linear" };
  Cnn3dEngine *engine = data;
  guint n = engine->plan->steps->len, next;
  g_autofree gint64 *times = g_new0 (gint64, n + 1);
  int count = 0;

  engine->clip = (Cnn3dClip){ .planes = clip };
  engine->times = times;
  cnn3d_workers_run (engine->workers, run_clip, engine);
  times[n] = now ();
  engine->times = NULL;
  for (guint i = 0; i < n; i = next, count++) {
    Cnn3dLayer layer = { .name = engine->steps[i].step->module };

    next = i + (guint) engine->steps[i].step->chain;
    for (guint k = i; k < next; k++) {
      if (k > i)
        g_strlcat (layer.kind, "+", sizeof layer.kind);
      g_strlcat (layer.kind, kinds[engine->steps[k].step->kind], sizeof layer.kind);
      layer.macs += engine->steps[k].step->macs;
    }
    layer.seconds = (double) (times[next] - times[i]) * 1e-9;
    if (count < max)
      layers[count] = layer;
  }
  if (peak != NULL)
    *peak = measure_peak (engine);
  return count;
}

void
cnn3d_cpu_read_logits (const Cnn3dEngine *engine, float *logits)
{
  for (int c = 0; c < engine->model->config.classes; c++)
    logits[c] = engine->arena[cnn3d_lane_offset (engine, &engine->plan->outputs[c])];
}

static gboolean
run (gpointer data, const Cnn3dClip *clips, int n, float *logits, GError **error)
{
  Cnn3dEngine *engine = data;

  for (int i = 0; i < n; i++) {
    engine->clip = clips[i];
    cnn3d_workers_run (engine->workers, run_clip, engine);
    cnn3d_cpu_read_logits (engine, logits + i * engine->model->config.classes);
  }
  return TRUE;
}

static char *
describe (gpointer data)
{
  const Cnn3dEngine *engine = data;

  return g_strdup_printf ("cpu (%s%s), %d thread%s", engine->kernels->isa,
      engine->use_gemm ? " and OpenBLAS" : "", engine->n_threads, engine->n_threads == 1 ? "" : "s");
}

const Cnn3dBackendClass cnn3d_cpu_backend = {
  .create = create,
  .run = run,
  .destroy = destroy,
  .describe = describe,
  .profile = profile,
  .stream = &cnn3d_cpu_stream,
};
