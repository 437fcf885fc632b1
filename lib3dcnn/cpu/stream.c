/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs the first steps of a plan slice by slice, as frames arrive (slices.h). Slices of a step lie in
 * a ring with a slot for each frame of a clip: that of time t of the clip that begins at frame f is
 * slot (f + t * scale) modulo frames. So the slices of one clip never share a slot, and a
 * shared slice is found where an earlier clip has left it. A key in each slot tells what lies there.
 */

#include "lib3dcnn/cpu/engine.h"
#include "lib3dcnn/slices.h"

/* What a slot holds: the slice at frame `time`, of the clip that begins at frame `clip` or shared. */
typedef struct {
  gint64 time, clip;
} Key;

#define SHARED -1

typedef struct {
  int step, t;
} Work;

/* What all streams of an engine have in common. */
struct _Cnn3dCpuSlices {
  Cnn3dSlices *slices;
  int n_slots;
  gsize *rings;       /* for each kept step, where its ring begins; [block][slot][h][w][16] */
  gsize memory_floats; /* rings and, after them, frames */
  gsize frames, frame_floats; /* planes of n_slots frames, padded, and an empty one */
  Cnn3dTile **tiles;  /* for each convolution that is not WHOLE: taps and offsets in rings */
  gint32 **blocks;    /* and for those in bfloat16, where the blocks of their input are */
  int32_t *taps;
  int max_work;
};

typedef struct {
  Cnn3dEngine *engine;
  const Cnn3dCpuSlices *s;
  gpointer block; /* what was allocated for memory */
  float *memory;
  Key *keys; /* [step][slot] */
  Work *work;
  int n_work;
  int32_t *stem_taps; /* for each slice of the stem that is computed */
  gint64 n_frames; /* pushed since the start */
  gint64 clip;     /* the first frame of the clip that is worked on */
  gboolean finish; /* whether it is complete and wanted */
  const Cnn3dClip *frame; /* that is being pushed */
} Stream;

static gboolean
able (int i, gpointer data)
{
  Cnn3dEngine *engine = data;
  const Cnn3dStep *step = engine->steps[i].step;

  return step->kind != CNN3D_STEP_CONV && step->kind != CNN3D_STEP_LINEAR
      && !engine->steps[i].temporal && (i > 0 || !engine->steps[i].in_bf16)
      && !cnn3d_gemm_wanted (engine, step);
}

static gboolean
is_kept (const Cnn3dCpuSlices *s, int i)
{
  return s->slices->steps[i].role == CNN3D_SLICES_KEPT;
}

/* Floats of a slice of one block of a step's output. */
static gsize
slice_floats (const Cnn3dStep *step)
{
  return (gsize) step->out.h * (gsize) step->out.w * CNN3D_BLOCK;
}

static gsize
block_offset (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, int buffer, int block)
{
  return s->rings[buffer] + (gsize) block * (gsize) s->n_slots * slice_floats (engine->steps[buffer].step);
}

/* Where in the rings an input of a step lies that is at `offset` in the arena. */
static int32_t
ring_tap (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, const Cnn3dStep *step, int32_t offset)
{
  const Cnn3dLane *lane = step->inputs;

  while (cnn3d_lane_offset (engine, lane) != (gsize) offset)
    lane++;
  g_assert (lane < step->inputs + step->channels_in);
  return (int32_t) (block_offset (engine, s, lane->buffer, lane->lane / CNN3D_BLOCK)
      + (gsize) (lane->lane % CNN3D_BLOCK));
}

/* The same for the blocks that a step in bfloat16 reads. */
static gint32 *
ring_blocks (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, const Cnn3dCpuStep *cpu)
{
  gint32 *blocks = g_new (gint32, cpu->bf16->n_blocks);

  for (int i = 0; i < cpu->bf16->n_blocks; i++) {
    int lane = __builtin_ctz (cpu->bf16->lanes[i]);

    blocks[i] = ring_tap (engine, s, cpu->step, cpu->bf16->blocks[i] + lane) - lane;
  }
  return blocks;
}

/* The tiles of a step, with weights as they are and everything else in rings. Returns the next taps. */
static int32_t *
make_tiles (const Cnn3dEngine *engine, Cnn3dCpuSlices *s, int i, int32_t *taps)
{
  const Cnn3dCpuStep *cpu = &engine->steps[i];
  const Cnn3dStep *step = cpu->step;

  s->tiles[i] = g_memdup2 (cpu->tiles, (gsize) cpu->n_tiles * sizeof (Cnn3dTile));
  if (cpu->in_bf16)
    s->blocks[i] = ring_blocks (engine, s, cpu);
  for (int k = 0; k < cpu->n_tiles; k++) {
    Cnn3dTile *tile = &s->tiles[i][k];

    for (int h = 0; h < tile->halves; h++) {
      int lane = (tile->first_half + h) * CNN3D_HALF;
      int32_t in_block = lane % CNN3D_BLOCK;

      lane /= CNN3D_BLOCK;
      if (is_kept (s, i))
        tile->out_offsets[h] = (int32_t) block_offset (engine, s, i, lane) + in_block;
      if (step->residual != NULL)
        tile->residual_offsets[h] = (int32_t) block_offset (engine, s, step->residual[lane].buffer,
            step->residual[lane].block) + in_block;
    }
    /* Those of the stem are made for each slice; in bfloat16 they are places in a row of words. */
    if (step->kind == CNN3D_STEP_STEM || cpu->in_bf16)
      continue;
    for (int n = 0; n < tile->n_taps; n++)
      taps[n] = ring_tap (engine, s, step, tile->taps[n]);
    tile->taps = taps;
    taps += tile->n_taps;
  }
  return taps;
}

static void
lay_out (const Cnn3dEngine *engine, Cnn3dCpuSlices *s)
{
  const Cnn3dStep *stem = engine->steps[0].step;
  int n = s->slices->n_steps;

  s->rings = g_new0 (gsize, n);
  for (int i = 0; i < n; i++) {
    const Cnn3dStep *step = engine->steps[i].step;

    if (!is_kept (s, i))
      continue;
    s->rings[i] = s->memory_floats;
    s->memory_floats += (gsize) step->n_blocks * (gsize) s->n_slots * slice_floats (step);
    s->max_work += step->out.t;
  }
  s->frames = s->memory_floats;
  /* Rows stay aligned as they are in the session's own input. */
  s->frame_floats = 3 * (gsize) cnn3d_padded_extent (stem).h * (gsize) cnn3d_padded_extent (stem).w;
  s->memory_floats += s->frame_floats * ((gsize) s->n_slots + 1);
}

void
cnn3d_cpu_slices_free (Cnn3dCpuSlices *s)
{
  if (s == NULL)
    return;
  for (int i = 0; i < s->slices->n_steps; i++)
    g_free (s->tiles[i]);
  for (int i = 0; i < s->slices->n_steps; i++)
    g_free (s->blocks[i]);
  g_free (s->tiles);
  g_free (s->blocks);
  g_free (s->taps);
  g_free (s->rings);
  cnn3d_slices_free (s->slices);
  g_free (s);
}

/* NULL if there is nothing to keep. */
static Cnn3dCpuSlices *
slices_new (Cnn3dEngine *engine)
{
  Cnn3dCpuSlices *s = g_new0 (Cnn3dCpuSlices, 1);
  gsize n_taps = 0;
  int32_t *taps;

  s->slices = cnn3d_slices_new (engine->plan, able, engine);
  s->n_slots = engine->steps[0].step->in.t;
  s->tiles = g_new0 (Cnn3dTile *, s->slices->n_steps);
  s->blocks = g_new0 (gint32 *, s->slices->n_steps);
  lay_out (engine, s);
  if (s->slices->n_kept == 0 || s->memory_floats > G_MAXINT32) {
    cnn3d_cpu_slices_free (s);
    return NULL;
  }
  for (int i = 1; i < s->slices->n_steps; i++)
    for (int k = 0; k < engine->steps[i].n_tiles && s->slices->steps[i].role != CNN3D_SLICES_WHOLE; k++)
      n_taps += (gsize) engine->steps[i].tiles[k].n_taps;
  taps = s->taps = g_new (int32_t, n_taps);
  for (int i = 0; i < s->slices->n_steps; i++)
    if (s->slices->steps[i].role != CNN3D_SLICES_WHOLE && engine->steps[i].n_tiles > 0)
      taps = make_tiles (engine, s, i, taps);
  return s;
}

static void
stream_reset (gpointer data)
{
  Stream *stream = data;

  for (int k = 0; k < stream->s->slices->n_steps * stream->s->n_slots; k++)
    stream->keys[k] = (Key){ -1, SHARED };
  stream->n_frames = 0;
}

static void
stream_free (gpointer data)
{
  Stream *stream = data;

  g_free (stream->block);
  g_free (stream->keys);
  g_free (stream->work);
  g_free (stream->stem_taps);
  g_free (stream);
}

static gpointer
stream_new (gpointer data)
{
  Cnn3dEngine *engine = data;
  const Cnn3dCpuSlices *s;
  Stream *stream;
  gsize n_keys, room;

  if (engine->slices == NULL)
    engine->slices = slices_new (engine);
  s = engine->slices;
  if (s == NULL)
    return NULL;
  stream = g_new0 (Stream, 1);
  stream->engine = engine;
  stream->s = s;
  n_keys = (gsize) s->slices->n_steps * (gsize) s->n_slots;
  stream->keys = g_new (Key, n_keys);
  stream->work = g_new (Work, s->max_work);
  stream->stem_taps = g_new (int32_t, engine->steps[0].step->out.t * engine->steps[0].tiles[0].n_taps);
  /* From the system, zeroed: slots that no clip comes to use then take no memory. */
  room = cnn3d_huge_pages (s->memory_floats * sizeof (float));
  stream->block = g_malloc0 (room + CNN3D_HUGE_PAGE);
  stream->memory = (float *) cnn3d_huge_pages ((guintptr) stream->block);
  cnn3d_want_huge_pages (stream->memory, room);
  stream_reset (stream);
  return stream;
}

static int
slot_of (const Stream *stream, int step, int t)
{
  return (int) ((stream->clip + t * stream->s->slices->steps[step].scale) % stream->s->n_slots);
}

/* The taps of slice t of the stem: frames lie in any order, and an empty one stands for the border. */
static void
make_stem_taps (Stream *stream, int t, int32_t *taps)
{
  const Cnn3dCpuSlices *s = stream->s;
  const Cnn3dStep *step = stream->engine->steps[0].step;
  Cnn3dExtent padded = cnn3d_padded_extent (step);

  for (int c = 0; c < 3; c++)
    for (int kt = 0; kt < step->kernel.t; kt++) {
      int frame = t * step->stride.t - step->pad.t + kt;
      int slot = frame < 0 || frame >= step->in.t ? s->n_slots
                                                  : (int) ((stream->clip + frame) % s->n_slots);
      gsize plane = s->frames + (gsize) slot * s->frame_floats + (gsize) c * padded.h * padded.w;

      for (int kh = 0; kh < step->kernel.h; kh++)
        for (int kw = 0; kw < step->kernel.w; kw++)
          *taps++ = (int32_t) plane + kh * padded.w + kw;
    }
}

/* Lists what can be computed of the clip from the frames that are there, and is not. */
static void
list_work (Stream *stream)
{
  const Cnn3dCpuSlices *s = stream->s;
  int n_taps = stream->engine->steps[0].tiles[0].n_taps;

  stream->n_work = 0;
  for (int i = 0; i < s->slices->n_steps; i++) {
    const Cnn3dStepSlices *slices = &s->slices->steps[i];

    for (int t = 0; slices->role == CNN3D_SLICES_KEPT && t < stream->engine->steps[i].step->out.t; t++) {
      gboolean shared = t >= slices->first && t < slices->end;
      Key want = { stream->clip + t * slices->scale, shared ? SHARED : stream->clip };
      Key *key = &stream->keys[i * s->n_slots + slot_of (stream, i, t)];

      if (slices->last_frame[t] >= stream->n_frames - stream->clip
          || (key->time == want.time && key->clip == want.clip))
        continue;
      *key = want;
      if (i == 0)
        make_stem_taps (stream, t, stream->stem_taps + stream->n_work * n_taps);
      stream->work[stream->n_work++] = (Work){ i, t };
    }
  }
}

/* n positions of a slice of a pointwise convolution, in bfloat16: from and residual in rings. */
static void
convolve_in_bf16 (const Stream *stream, const Work *work, int thread, const float *from, float *out,
    int n)
{
  const Cnn3dEngine *engine = stream->engine;
  const Cnn3dCpuStep *cpu = &engine->steps[work->step];
  const gint32 *blocks = stream->s->blocks[work->step];
  Cnn3dWords words = cnn3d_bf16_convert (engine, cpu, from, blocks, n, thread);

  for (int k = 0; k < cpu->n_tiles; k++)
    cnn3d_bf16_multiply (engine, cpu, &stream->s->tiles[work->step][k], &words, out,
        cpu->step->residual ? from : NULL, n);
}

/* Units [first, end) of one slice: rows of the stem, positions of pointwise convolutions. */
static void
convolve (const Stream *stream, const Work *work, int thread, int first, int end)
{
  Cnn3dEngine *engine = stream->engine;
  const Cnn3dCpuStep *cpu = &engine->steps[work->step];
  const Cnn3dStep *step = cpu->step;
  gboolean stem = step->kind == CNN3D_STEP_STEM, kept = is_kept (stream->s, work->step);
  gsize slice = (gsize) slot_of (stream, work->step, work->t) * slice_floats (step);
  float *out = kept ? stream->memory + slice : engine->arena + (gsize) work->t * slice_floats (step);
  int chunk = stem ? 1 : CNN3D_CHUNK, n;

  for (; first < end; first += n) {
    n = MIN (end - first, chunk);
    if (cpu->in_bf16) {
      convolve_in_bf16 (stream, work, thread, stream->memory + slice + (gsize) first * CNN3D_BLOCK,
          out + (gsize) first * CNN3D_BLOCK, n);
      continue;
    }
    for (int k = 0; k < cpu->n_tiles; k++) {
      const Cnn3dTile *tile = &stream->s->tiles[work->step][k];
      gsize place = (gsize) first * CNN3D_BLOCK;
      Cnn3dConvArgs args;

      cnn3d_cpu_init_conv (&args, cpu, tile);
      if (stem) {
        args.taps = stream->stem_taps + (work - stream->work) * tile->n_taps;
        args.x = stream->memory + (gsize) first * step->stride.h * cnn3d_padded_extent (step).w;
        args.out = out + place * step->out.w;
        engine->kernels->conv_planar (&args, tile->halves, step->out.w);
        continue;
      }
      args.x = stream->memory + slice + place;
      args.out = out + place;
      if (step->residual != NULL) {
        args.residual = stream->memory + slice + place;
        memcpy (args.residual_offsets, tile->residual_offsets, sizeof args.residual_offsets);
      }
      cnn3d_cpu_conv_of (engine, tile) (&args, tile->halves, n);
    }
  }
}

/* Units [first, end) of one slice of a depthwise convolution or pool: rows, of all blocks. */
static void
run_rows (const Stream *stream, const Work *work, int thread, int first, int end)
{
  Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *step = engine->steps[work->step].step;
  int n_slots = stream->s->n_slots;

  for (int b = 0; b < step->n_blocks; b++) {
    const Cnn3dBlockRef *in = &step->blocks[b];
    Cnn3dRow row = {
      .in = stream->memory + block_offset (engine, stream->s, in->buffer, in->block),
      .in_frame = slice_floats (engine->steps[in->buffer].step),
      .in_frames = n_slots,
      .in_start = (int) (stream->clip % n_slots),
      .in_scale = stream->s->slices->steps[in->buffer].scale,
      .out = is_kept (stream->s, work->step)
          ? stream->memory + block_offset (engine, stream->s, work->step, b)
              + (gsize) slot_of (stream, work->step, work->t) * slice_floats (step)
              + (gsize) first * step->out.w * CNN3D_BLOCK
          : cnn3d_cpu_output_row (engine, step, b, work->t, first),
    };

    cnn3d_cpu_run_rows (engine, &engine->steps[work->step], thread, b, work->t, first, end - first, &row);
  }
}

/* One thread's share of n slices of the same step. */
static void
run_work (const Stream *stream, const Work *work, int n, int thread)
{
  const Cnn3dStep *step = stream->engine->steps[work->step].step;
  gboolean pointwise = step->kind == CNN3D_STEP_POINTWISE;
  int units = pointwise ? step->out.h * step->out.w : step->out.h, first, count;
  Cnn3dDeal deal = cnn3d_cpu_deal (stream->engine, thread, n * units, NULL);

  while ((count = cnn3d_deal_take (&deal, pointwise ? CNN3D_UNIT : 1, pointwise ? CNN3D_CHUNK : units, &first)) > 0)
    for (int end = first + count; first < end; first += units - first % units) {
      const Work *slice = &work[first / units];
      int from = first % units, to = MIN (units, from + end - first);

      if (pointwise || step->kind == CNN3D_STEP_STEM)
        convolve (stream, slice, thread, from, to);
      else
        run_rows (stream, slice, thread, from, to);
    }
}

static void
load_frame (const Stream *stream, int thread)
{
  const Cnn3dStep *step = stream->engine->steps[0].step;
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  float *frame = stream->memory + stream->s->frames
      + (gsize) ((stream->n_frames - 1) % stream->s->n_slots) * stream->s->frame_floats;
  int n_threads = stream->engine->n_threads;

  for (int h = (int) cnn3d_share (step->in.h, thread, n_threads);
      h < cnn3d_share (step->in.h, thread + 1, n_threads); h++)
    cnn3d_cpu_load_row (stream->engine, stream->frame, (gsize) step->in.h * step->in.w, h,
        frame + ((gsize) (h + step->pad.h) * padded.w + step->pad.w), (gsize) padded.h * padded.w);
}

/* The steps that read no frames any more, in their order. */
static void
finish_clip (Stream *stream, int thread)
{
  Cnn3dEngine *engine = stream->engine;
  const Cnn3dSlices *slices = stream->s->slices;
  int next;

  for (int i = 0; i < slices->n_steps; i = next) {
    const Cnn3dCpuStep *cpu = &engine->steps[i];

    next = i + 1;
    if (slices->steps[i].role == CNN3D_SLICES_KEPT)
      continue;
    cnn3d_workers_barrier (engine->workers);
    if (slices->steps[i].role == CNN3D_SLICES_LAST) {
      for (int t = 0; t < cpu->step->out.t; t++)
        run_work (stream, &(Work){ i, t }, 1, thread);
    } else {
      next = i + cpu->step->chain;
      cpu->run (engine, (gsize) i, thread);
    }
  }
}

static void
run_stream (gpointer data, int thread)
{
  Stream *stream = data;
  int n;

  if (stream->frame != NULL)
    load_frame (stream, thread);
  for (int i = 0; i < stream->n_work; i += n) {
    for (n = 1; i + n < stream->n_work && stream->work[i + n].step == stream->work[i].step; n++)
      ;
    cnn3d_workers_barrier (stream->engine->workers);
    run_work (stream, stream->work + i, n, thread);
  }
  if (stream->finish)
    finish_clip (stream, thread);
  cnn3d_bf16_release (stream->engine);
}

static void
stream_push (gpointer data, const Cnn3dClip *frame, gint64 clip)
{
  Stream *stream = data;

  stream->n_frames++;
  stream->clip = clip;
  stream->frame = frame;
  stream->finish = FALSE;
  list_work (stream);
  cnn3d_cpu_run_on_threads (stream->engine, run_stream, stream);
}

static void
stream_run (gpointer data, float *logits, float *features)
{
  Stream *stream = data;

  stream->clip = stream->n_frames - stream->s->n_slots;
  stream->frame = NULL;
  stream->finish = TRUE;
  list_work (stream);
  cnn3d_cpu_run_on_threads (stream->engine, run_stream, stream);
  cnn3d_cpu_read_results (stream->engine, logits, features);
}

const Cnn3dStreamClass cnn3d_cpu_stream = {
  .create = stream_new,
  .reset = stream_reset,
  .push = stream_push,
  .run = stream_run,
  .destroy = stream_free,
};
