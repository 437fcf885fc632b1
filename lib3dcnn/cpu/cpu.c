/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cpu/lines.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* Threads that run networks at this moment, in all sessions of the process. */
static atomic_int busy;

/*
 * As many threads as the CPUs that other sessions leave, and the caller's in any case: sessions that run at
 * the same time would otherwise wait for threads that have no CPU, at every step.
 */
static int
claim_threads (Cnn3dEngine *engine)
{
  int taken = atomic_load (&busy), n;

  do
    n = CLAMP (engine->n_cpus - taken, 1, engine->max_threads);
  while (!atomic_compare_exchange_weak (&busy, &taken, taken + n));
  if (n != engine->n_threads) {
    engine->n_threads = n;
    for (guint i = 0; i < engine->plan->steps->len; i++)
      if (engine->steps[i].splits != NULL)
        engine->steps[i].tile_split = cnn3d_split_for (engine->steps[i].splits, n);
  }
  return n;
}

static void
release_threads (int n)
{
  atomic_fetch_sub (&busy, n);
}

void
cnn3d_cpu_run_on_threads (Cnn3dEngine *engine, Cnn3dWorkersFunc *func, gpointer data)
{
  int n = claim_threads (engine);

  cnn3d_workers_run_on (engine->workers, n, func, data);
  release_threads (n);
}

/* What a lane has of its own. */
static void
free_lane (Cnn3dEngine *lane)
{
  g_free (lane->steps);
  g_aligned_free (lane->memory);
  g_free (lane->rows);
  g_free (lane);
}

static void
destroy (gpointer data)
{
  Cnn3dEngine *engine = data;

  cnn3d_workers_free (engine->workers);
  for (guint i = 0; engine->steps != NULL && i < engine->plan->steps->len; i++) {
    g_free (engine->steps[i].tiles);
    g_free (engine->steps[i].splits);
    cnn3d_bf16_rows_free (engine->steps[i].bf16);
  }
  for (int i = 0; engine->lanes != NULL && i < engine->max_threads; i++)
    free_lane (engine->lanes[i]);
  g_free (engine->lanes);
  cnn3d_cpu_slices_free (engine->slices);
  g_free (engine->steps);
  cnn3d_plan_free (engine->plan);
  g_aligned_free (engine->memory);
  g_aligned_free (engine->weights);
  g_free (engine->taps);
  g_free (engine->rows);
  g_free (engine);
}

/*
 * Prefetchers stop at the end of a page, and weights are read once a run: on pages of 4 KiB they arrive at half the rate. So
 * what is left after whole huge pages has one as well, and what is smaller, if it fills enough of it.
 */
float *
cnn3d_cpu_alloc (gsize n)
{
  gsize bytes = MAX (n, 1) * sizeof (float), room = cnn3d_huge_pages (bytes);
  float *p;

  if (bytes < CNN3D_HUGE_PAGE / 8)
    return g_aligned_alloc0 (bytes, 1, 64);
  p = g_aligned_alloc (room, 1, CNN3D_HUGE_PAGE);
  cnn3d_want_huge_pages (p, room);
  memset (p, 0, n * sizeof (float));
  return p;
}

void
cnn3d_want_huge_pages (gpointer p, gsize bytes)
{
#ifdef MADV_HUGEPAGE
  madvise (p, bytes, MADV_HUGEPAGE); /* a hint */
#endif
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
    { &engine->gemm, engine->gemm_floats * n_threads }, { &engine->rings, engine->ring_floats * n_threads },
    { &engine->words, engine->words_floats },
    { &engine->thread_words, engine->thread_words_floats * n_threads } };

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
init_bf16 (Cnn3dEngine *engine, Cnn3dCpuStep *s, const Cnn3dSessionOptions *options)
{
  gsize shared, of_thread;

  s->in_bf16 = cnn3d_bf16_wanted (engine, s->step);
  if (!s->in_bf16)
    return;
  if (s->step->kind != CNN3D_STEP_STEM)
    s->bf16 = cnn3d_bf16_rows_new (engine, s->step);
  s->in_lines = s->step->kind == CNN3D_STEP_STEM && cnn3d_lines_fit (engine, s->step);
  cnn3d_bf16_room (engine, s, &shared, &of_thread);
  engine->words_floats = MAX (engine->words_floats, shared);
  /* Whole cache lines for each thread. */
  of_thread = (of_thread + CNN3D_BLOCK - 1) / CNN3D_BLOCK * CNN3D_BLOCK;
  engine->thread_words_floats = MAX (engine->thread_words_floats, of_thread);
}

/*
 * The largest of clamped values is the largest clamped, and there are eight times fewer of these: a pool clamps what
 * the stem before it in a chain would have to. In turn, a stem that has two neighbours in its registers joins them, and
 * frames if it has four of them.
 */
static void
share_with_pool (Cnn3dCpuStep *stem, Cnn3dCpuStep *pool)
{
  const Cnn3dStep *step = pool->step;

  pool->low = MAX (stem->low, pool->low);
  pool->high = MIN (stem->high, pool->high);
  stem->low = -INFINITY;
  stem->high = INFINITY;
  stem->joins = stem->temporal && step->kernel.w == 3 && step->stride.w == 2 && step->pad.w == 1 && step->in.w % 2 == 0
      && step->kernel.t == 3 && step->stride.t == 2 && step->pad.t == 1 && step->in.t % 2 == 0;
}

static void
init_step (Cnn3dEngine *engine, guint i, const Cnn3dSessionOptions *options)
{
  Cnn3dCpuStep *s = &engine->steps[i];
  const Cnn3dStep *step = s->step = cnn3d_plan_step (engine->plan, (int) i);

  s->low = step->activation == CNN3D_ACTIVATION_NONE ? -INFINITY : 0;
  s->high = step->activation == CNN3D_ACTIVATION_RELU6 ? 6 : INFINITY;
  init_bf16 (engine, s, options);

  switch (step->kind) {
    case CNN3D_STEP_STEM:
      g_assert (i == 0 && step->stride.w == 2);
      s->run = cnn3d_cpu_run_stem;
      /* Pays where the output has many frames, and chains alone know what to do with four at a time. */
      s->temporal = !options->direct_stem && !s->in_bf16 && step->chain > 1 && step->kernel.t == 3
          && step->stride.t == 1 && step->pad.t == 1 && step->out.t >= CNN3D_POINT_FRAMES;
      if (!s->temporal && !s->in_bf16)
        engine->padded_floats = 3 * (gsize) cnn3d_extent_count (cnn3d_padded_extent (step));
      break;
    case CNN3D_STEP_CONV: {
      gsize blocks = (gsize) (step->channels_in + CNN3D_BLOCK - 1) / CNN3D_BLOCK;
      /* Its input is one buffer in natural order: it comes from a squeeze layer. */
      g_assert (step->stride.w == 1);
      for (int c = 0; c < step->channels_in; c++)
        g_assert (step->inputs[c].lane % CNN3D_BLOCK == c % CNN3D_BLOCK);
      if (!s->in_bf16 && cnn3d_winograd_fits (step)) {
        s->run = cnn3d_cpu_run_winograd;
        cnn3d_winograd_init (s);
        break;
      }
      s->run = cnn3d_cpu_run_conv;
      if (!s->in_bf16)
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
      s->in_half = cnn3d_half_wanted (engine, s);
      s->half_low = cnn3d_half_round (s->low);
      s->half_high = cnn3d_half_round (s->high);
      break;
    case CNN3D_STEP_MAXPOOL:
      if (i == 1 && s[-1].step->kind == CNN3D_STEP_STEM && s[-1].step->chain > 1)
        share_with_pool (s - 1, s);
      G_GNUC_FALLTHROUGH;
    case CNN3D_STEP_AVGPOOL:
      s->run = cnn3d_cpu_run_blocks;
      /* A kernel of one is the rows' own. */
      g_assert (step->kernel.w > 1 || step->in.w == step->out.w);
      engine->line_floats = MAX (engine->line_floats, (gsize) step->in.w * CNN3D_BLOCK);
      engine->n_rows = MAX (engine->n_rows, (gsize) step->kernel.t * step->kernel.h);
      break;
  }
}

/* More threads than CPUs only get into each other's way; tests want them all the same. */
#define OVERSUBSCRIBE_ENV "CNN3D_CPU_OVERSUBSCRIBE"

static int
count_cpus (void)
{
  cpu_set_t set;

  if (g_getenv (OVERSUBSCRIBE_ENV) != NULL || sched_getaffinity (0, sizeof set, &set) != 0)
    return G_MAXINT / 2;
  return MAX (CPU_COUNT (&set), 1);
}

/* An engine with the same weights and memory of its own, that runs on the thread that calls it. */
static Cnn3dEngine *
new_lane (const Cnn3dEngine *engine)
{
  Cnn3dEngine *lane = g_memdup2 (engine, sizeof *engine);
  guint n = engine->plan->steps->len;

  lane->steps = g_memdup2 (engine->steps, n * sizeof *engine->steps);
  for (guint i = 0; i < n; i++)
    if (lane->steps[i].splits != NULL)
      lane->steps[i].tile_split = cnn3d_split_for (lane->steps[i].splits, 1);
  lane->n_threads = lane->max_threads = 1;
  lane->workers = NULL;
  lane->lanes = NULL;
  alloc_memory (lane);
  lane->rows = g_new (const float *, engine->n_rows);
  return lane;
}

static void
init_bytes (Cnn3dPixelBytes *bytes, const Cnn3dCard *card)
{
  for (int c = 0; c < 3; c++) {
    int p = bytes->plane[c] = card->channel_order == CNN3D_CHANNEL_ORDER_RGB ? c : 2 - c;

    bytes->mean[c] = card->mean[p];
    bytes->scale[c] = 1 / card->std[p];
  }
}

/* Which kernels in bfloat16, if any, and of how many parts: with auto those by tiles, for stems, and so with fp16, a GPU's. */
static gboolean
choose_bf16 (const Cnn3dSessionOptions *options, const Cnn3dBf16 **bf16, int *parts, GError **error)
{
  switch (options->precision) {
    case CNN3D_PRECISION_BF16:
    case CNN3D_PRECISION_BF16X3:
      *parts = options->precision == CNN3D_PRECISION_BF16 ? 1 : 2;
      *bf16 = cnn3d_bf16_choose (cnn3d_precision_get_name (options->precision), error);
      return *bf16 != NULL;
    case CNN3D_PRECISION_AUTO:
    case CNN3D_PRECISION_FP16:
      /* A float takes six products where a byte takes three, which is more than fp32 does. */
      if (options->floats)
        return TRUE;
      *parts = CNN3D_EXACT_PARTS;
      *bf16 = cnn3d_bf16_choose ("auto", NULL);
      if (*bf16 != NULL && !(*bf16)->tiles)
        *bf16 = NULL;
      return TRUE;
    case CNN3D_PRECISION_FP32:
      return TRUE;
  }
  g_assert_not_reached ();
}

static gpointer
create (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  const Cnn3dKernels *kernels = cnn3d_isa_choose (error);
  const Cnn3dBf16 *bf16 = NULL;
  Cnn3dEngine *engine;
  int parts = 0;
  guint n;

  if (kernels == NULL)
    return NULL;
  if (!choose_bf16 (options, &bf16, &parts, error))
    return NULL;
  engine = g_new0 (Cnn3dEngine, 1);
  engine->model = model;
  engine->kernels = kernels;
  engine->bf16 = bf16;
  engine->parts = parts;
  engine->n_cpus = count_cpus ();
  engine->n_threads = engine->max_threads = MIN (options->threads, engine->n_cpus);
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
  init_bytes (&engine->bytes, model->card);
  cnn3d_bf16_init_colors (engine);
  engine->use_gemm = cnn3d_gemm_init (kernels);
  engine->steps = g_new0 (Cnn3dCpuStep, n);
  for (guint i = 0; i < n; i++)
    init_step (engine, i, options);
  if (engine->parts == CNN3D_EXACT_PARTS && !engine->steps[0].in_bf16)
    engine->bf16 = NULL;
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
  if (options->batch > 1 && engine->max_threads > 1) {
    engine->lanes = g_new (Cnn3dEngine *, engine->max_threads);
    for (int i = 0; i < engine->max_threads; i++)
      engine->lanes[i] = new_lane (engine);
  }
  return engine;
}

/* Some milliseconds. */
#define PEAK_ROUNDS 2000000

static void
run_clip (gpointer data, int thread)
{
  Cnn3dEngine *engine = data;

  /* Else the chain of the stem loads what it needs. */
  if (engine->padded_floats > 0)
    cnn3d_cpu_load_clip (engine, thread);
  for (guint i = 0; i < engine->plan->steps->len; i += (guint) engine->steps[i].step->chain) {
    cnn3d_workers_barrier (engine->workers);
    if (engine->times != NULL && thread == 0)
      engine->times[i] = cnn3d_nanoseconds ();
    engine->steps[i].run (engine, i, thread);
  }
  cnn3d_bf16_release (engine);
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
    gint64 begin = cnn3d_nanoseconds ();

    cnn3d_cpu_run_on_threads (engine, run_peak, engine);
    best = MAX (best, (double) PEAK_ROUNDS * CNN3D_PEAK_CHAINS * engine->kernels->vector_width
        * engine->n_threads / (double) (cnn3d_nanoseconds () - begin) * 1e9);
  }
  return best;
}

static int
profile (gpointer data, const Cnn3dClip *clip, Cnn3dLayer *layers, int max, double *peak)
{
  static const char *const kinds[] = { "stem", "conv", "pointwise", "depthwise", "maxpool", "avgpool",
    "linear" };
  Cnn3dEngine *engine = data;
  guint n = engine->plan->steps->len, next;
  g_autofree gint64 *times = g_new0 (gint64, n + 1);
  int count = 0;

  engine->clip = *clip;
  engine->times = times;
  cnn3d_cpu_run_on_threads (engine, run_clip, engine);
  times[n] = cnn3d_nanoseconds ();
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

/* The mean over positions, as where there are several the last layer ends in one. */
static void
read_features (const Cnn3dEngine *engine, float *features)
{
  for (int c = 0; c < engine->plan->n_features; c++) {
    const Cnn3dLane *lane = &engine->plan->features[c];
    const float *x = engine->arena + cnn3d_lane_offset (engine, lane);
    gint64 positions = cnn3d_plan_buffer (engine->plan, lane->buffer)->positions;
    double sum = 0;

    for (gint64 p = 0; p < positions; p++)
      sum += (double) x[p * CNN3D_BLOCK];
    features[c] = (float) (sum / (double) positions);
  }
}

void
cnn3d_cpu_read_results (const Cnn3dEngine *engine, float *logits, float *features)
{
  for (int c = 0; c < engine->model->config.classes; c++)
    logits[c] = engine->arena[cnn3d_lane_offset (engine, &engine->plan->outputs[c])];
  if (features != NULL)
    read_features (engine, features);
}

typedef struct {
  Cnn3dEngine *engine;
  const Cnn3dClip *clips;
  int n;
  float *logits, *features; /* features: or NULL */
} Batch;

static void
read_clip (const Batch *batch, const Cnn3dEngine *engine, int i)
{
  cnn3d_cpu_read_results (engine, batch->logits + i * engine->model->config.classes,
      batch->features ? batch->features + i * engine->plan->n_features : NULL);
}

/* Each thread runs whole clips, in memory of its own: there is nothing to wait for. */
static void
run_lane (gpointer data, int thread)
{
  const Batch *batch = data;
  Cnn3dEngine *lane = batch->engine->lanes[thread];

  for (int i = thread; i < batch->n; i += batch->engine->n_threads) {
    lane->clip = batch->clips[i];
    run_clip (lane, 0);
    read_clip (batch, lane, i);
  }
}

/* As many clips as can be shared out evenly go to a thread each; threads share those that are left. */
static gboolean
run (gpointer data, const Cnn3dClip *clips, int n, float *logits, float *features, GError **error)
{
  Cnn3dEngine *engine = data;
  int n_threads = claim_threads (engine);
  Batch batch = { engine, clips, n - n % n_threads, logits, features };

  if (n_threads > 1 && engine->lanes != NULL && batch.n > 0)
    cnn3d_workers_run_on (engine->workers, n_threads, run_lane, &batch);
  else
    batch.n = 0;
  for (int i = batch.n; i < n; i++) {
    engine->clip = clips[i];
    cnn3d_workers_run_on (engine->workers, n_threads, run_clip, engine);
    read_clip (&batch, engine, i);
  }
  release_threads (n_threads);
  return TRUE;
}

static gboolean
uses_halves (const Cnn3dEngine *engine)
{
  for (guint i = 0; i < engine->plan->steps->len; i++)
    if (engine->steps[i].in_half)
      return TRUE;
  return FALSE;
}

static char *
describe (gpointer data)
{
  const Cnn3dEngine *engine = data;

  g_autofree char *bf16 = NULL;

  if (engine->bf16 != NULL && engine->parts == CNN3D_EXACT_PARTS)
    bf16 = g_strdup_printf (", stem by %s", engine->bf16->isa);
  else if (engine->bf16 != NULL)
    bf16 = g_strdup_printf (", %s by %s%s",
        cnn3d_precision_get_name (engine->parts == 2 ? CNN3D_PRECISION_BF16X3 : CNN3D_PRECISION_BF16),
        engine->bf16->isa, uses_halves (engine) ? " and avx512fp16" : "");
  return g_strdup_printf ("cpu (%s%s%s), %d thread%s", engine->kernels->isa,
      engine->use_gemm ? " and OpenBLAS" : "", bf16 ? bf16 : "", engine->max_threads,
      engine->max_threads == 1 ? "" : "s");
}

const Cnn3dBackendClass cnn3d_cpu_backend = {
  .create = create,
  .run = run,
  .destroy = destroy,
  .describe = describe,
  .profile = profile,
  .stream = &cnn3d_cpu_stream,
};
