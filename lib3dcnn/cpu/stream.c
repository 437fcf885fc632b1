/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs the first steps of a plan slice by slice, as frames arrive (slices.h). Slices of a step lie in
 * a ring: that of time t of the clip that begins at frame f is slot f / scale + t of phase f modulo scale,
 * modulo as many slots as a clip has slices. So the slices of one clip never share a slot, and a
 * shared slice is found where an earlier clip has left it. A key in each slot tells what lies there.
 */

#include "lib3dcnn/cpu/stream.h"

static void
stream_reset (gpointer data)
{
  Stream *stream = data;

  for (int k = 0; k < stream->s->slices->n_steps * stream->s->max_slots; k++)
    stream->keys[k] = (Key){ -1, -1 };
  cnn3d_stream_forget_groups (stream);
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
  g_free (stream->places);
  g_free (stream->first_slices);
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
    engine->slices = cnn3d_cpu_slices_new (engine);
  s = engine->slices;
  if (s == NULL)
    return NULL;
  stream = g_new0 (Stream, 1);
  stream->engine = engine;
  stream->s = s;
  n_keys = (gsize) s->slices->n_steps * (gsize) s->max_slots;
  stream->keys = g_new (Key, n_keys);
  stream->work = g_new (Work, s->max_work);
  if (!engine->steps[0].in_lines)
    stream->stem_taps = g_new (int32_t, engine->steps[0].step->out.t * engine->steps[0].tiles[0].n_taps);
  stream->places = g_new (int, s->n_frames + s->n_groups);
  stream->first_slices = g_new (gint64, s->n_groups);
  for (int slot = 0; slot < s->n_frames + s->n_groups; slot++)
    stream->places[slot] = slot;
  /* From the system, zeroed: slots that no clip comes to use then take no memory. */
  room = cnn3d_huge_pages (s->memory_floats * sizeof (float));
  stream->block = g_malloc0 (room + CNN3D_HUGE_PAGE);
  stream->memory = (float *) cnn3d_huge_pages ((guintptr) stream->block);
  cnn3d_want_huge_pages (stream->memory, room);
  stream_reset (stream);
  return stream;
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
      int slot = cnn3d_stream_frame_slot (stream, frame);
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

  stream->n_work = 0;
  if (s->n_groups > 0)
    cnn3d_stream_list_groups (stream);
  for (int i = s->n_groups > 0 ? 1 : 0; i < s->slices->n_steps; i++) {
    const Cnn3dStepSlices *slices = &s->slices->steps[i];

    /* Slices that are computed together read much in common, and chains compute that once. */
    if (i > 0 && stream->n_frames - stream->clip < s->slices->early)
      break;
    for (int t = 0; slices->role == CNN3D_SLICES_KEPT && t < slices->n; t++) {
      if (slices->last_frame[t] >= stream->n_frames - stream->clip || cnn3d_stream_has (stream, i, t))
        continue;
      *cnn3d_stream_slot_key (stream, i, t) = cnn3d_stream_key (stream, i, t);
      if (i == 0 && !stream->engine->steps[0].in_lines)
        make_stem_taps (stream, t, stream->stem_taps + stream->n_work * stream->engine->steps[0].tiles[0].n_taps);
      stream->work[stream->n_work++] = (Work){ .step = i, .t = t };
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
  gboolean stem = step->kind == CNN3D_STEP_STEM, kept = cnn3d_stream_keeps (stream->s, work->step);
  gsize floats = cnn3d_stream_slice_floats (engine, work->step);
  gsize slice = (gsize) cnn3d_stream_slot (stream, work->step, work->t) * floats;
  /* Input and residual have the same scale as the output, and so the same slot. */
  float *in = cnn3d_stream_phase (stream, work->step) + slice;
  float *out = kept ? in : engine->arena + (gsize) work->t * floats;

  for (int n; first < end; first += n) {
    n = stem ? 1 : cnn3d_next_chunk (end - first);
    if (cpu->in_bf16) {
      convolve_in_bf16 (stream, work, thread, in + (gsize) first * CNN3D_BLOCK,
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
      args.x = in + place;
      args.out = out + place;
      if (step->residual != NULL) {
        args.residual = in + place;
        memcpy (args.residual_offsets, tile->residual_offsets, sizeof args.residual_offsets);
      }
      cnn3d_cpu_conv_of (engine, tile) (&args, tile->halves, n);
    }
  }
}

/* Rows [first, end) of one slice of the stem, or of a group of slices; if they are joined for a pool, of the pool. */
static void
run_stem (const Stream *stream, const Work *work, int thread, int first, int end)
{
  if (stream->s->n_groups > 0)
    cnn3d_stream_run_group (stream, work, thread, first, end);
  else if (stream->engine->steps[0].in_lines)
    cnn3d_stream_run_lines (stream, work, thread, first, end);
  else
    convolve (stream, work, thread, first, end);
}

/* Where row `first` of a block of one slice goes. */
static float *
rows_out (const Stream *stream, const Work *work, int block, int first)
{
  const Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *step = engine->steps[work->step].step;

  if (!cnn3d_stream_keeps (stream->s, work->step))
    return cnn3d_cpu_output_row (engine, step, block, work->t, first);
  return cnn3d_stream_phase (stream, work->step) + cnn3d_stream_block_offset (engine, stream->s, work->step, block)
      + (gsize) cnn3d_stream_slot (stream, work->step, work->t) * cnn3d_stream_slice_floats (engine, work->step)
      + (gsize) first * step->out.w * CNN3D_BLOCK;
}

/* Units [first, end) of one slice of a depthwise convolution or pool: rows, of all blocks. */
static void
run_rows (const Stream *stream, const Work *work, int thread, int first, int end)
{
  Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *step = engine->steps[work->step].step;
  gboolean half = engine->steps[work->step].in_half;

  for (int b = 0; b < step->n_blocks; b += half ? 2 : 1) {
    const Cnn3dBlockRef *in = &step->blocks[b];
    const Ring *ring = &stream->s->rings[in->buffer];
    Cnn3dRow row = {
      .in = cnn3d_stream_phase (stream, in->buffer) + cnn3d_stream_block_offset (engine, stream->s, in->buffer, in->block),
      .in_frame = cnn3d_stream_slice_floats (engine, in->buffer),
      .in_frames = ring->n_slots,
      .in_start = cnn3d_stream_slot (stream, in->buffer, 0),
      .in_scale = ring->step,
      .in_places = in->buffer == 0 ? stream->places : NULL,
      .joined = engine->steps[in->buffer].joins || cnn3d_stream_pools_stem (engine, in->buffer),
      .joined_rows = cnn3d_stream_pools_stem (engine, in->buffer),
      .joined_frames = engine->steps[in->buffer].joins,
      .out = rows_out (stream, work, b, first),
    };

    if (half && b + 1 < step->n_blocks)
      row.second = rows_out (stream, work, b + 1, first);
    cnn3d_cpu_run_rows (engine, &engine->steps[work->step], thread, b, work->t, first, end - first, &row);
  }
}

/* Likewise of n slices that follow each other, of what the step before would have passed. */
static void
run_chain (const Stream *stream, const Work *work, int n, int thread)
{
  Cnn3dEngine *engine = stream->engine;
  const Cnn3dCpuSlices *s = stream->s;
  int i = work->step;
  Cnn3dChainSlices slices = { .first = work->t, .n = n, .tiles = s->tiles[i - 1], .blocks = s->blocks[i - 1],
    .in = cnn3d_stream_phase (stream, i - 1), .in_frame = cnn3d_stream_slice_floats (engine, i - 1),
    .in_start = cnn3d_stream_slot (stream, i - 1, 0), .in_frames = s->rings[i - 1].n_slots,
    .out = cnn3d_stream_phase (stream, i) + s->rings[i].first, .out_block = cnn3d_stream_ring_floats (engine, s, i),
    .out_frame = cnn3d_stream_slice_floats (engine, i),
    .out_start = cnn3d_stream_slot (stream, i, 0), .out_frames = s->rings[i].n_slots };

  cnn3d_cpu_run_chain_slices (engine, (gsize) i - 1, thread, &slices);
}

/*
 * What threads take of a slice: rows, if the stem is joined for a pool, of that; of a pointwise convolution so many
 * positions, and what is left with the last of them, as a few alone would read all weights again.
 */
static int
units_of (const Stream *stream, int i)
{
  const Cnn3dStep *step = stream->engine->steps[i].step;

  if (step->kind == CNN3D_STEP_POINTWISE)
    return MAX (step->out.h * step->out.w / CNN3D_UNIT, 1);
  return cnn3d_stream_pools_stem (stream->engine, i) ? stream->engine->steps[i + 1].step->out.h : step->out.h;
}

/* One thread's share of n slices of the same step. */
static void
run_work (const Stream *stream, const Work *work, int n, int thread)
{
  const Cnn3dStep *step = stream->engine->steps[work->step].step;
  int positions = step->out.h * step->out.w, units = units_of (stream, work->step);
  int most = step->kind == CNN3D_STEP_POINTWISE && stream->engine->n_threads > 1 ? CNN3D_CHUNK / CNN3D_UNIT : units;
  int first, count;
  Cnn3dDeal deal;

  if (work->step > 0 && stream->s->slices->steps[work->step - 1].role == CNN3D_SLICES_PASSED) {
    for (; n > 0; work += count, n -= count) {
      for (count = 1; count < n && work[count].t == work->t + count; count++)
        ;
      run_chain (stream, work, count, thread);
    }
    return;
  }
  deal = cnn3d_cpu_deal (stream->engine, thread, n * units, NULL);
  while ((count = cnn3d_deal_take (&deal, 1, most, &first)) > 0)
    for (int end = first + count; first < end; first += units - first % units) {
      const Work *slice = &work[first / units];
      int from = first % units, to = MIN (units, from + end - first);

      if (step->kind == CNN3D_STEP_STEM)
        run_stem (stream, slice, thread, from, to);
      else if (step->kind == CNN3D_STEP_POINTWISE)
        convolve (stream, slice, thread, from * CNN3D_UNIT, to < units ? to * CNN3D_UNIT : positions);
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
      + (gsize) ((stream->n_frames - 1) % stream->s->n_frames) * stream->s->frame_floats;
  int n_threads = stream->engine->n_threads;

  if (stream->s->n_groups > 0) {
    if (thread == 0)
      cnn3d_stream_load_frame (stream, frame);
    return;
  }
  if (stream->engine->steps[0].in_lines) {
    cnn3d_stream_load_lines (stream, thread, frame);
    return;
  }
  for (int h = (int) cnn3d_share (step->in.h, thread, n_threads);
      h < cnn3d_share (step->in.h, thread + 1, n_threads); h++)
    cnn3d_cpu_load_row (stream->engine, stream->frame, (gsize) step->in.h * step->in.w, h,
        frame + ((gsize) (h + step->pad.h) * padded.w + step->pad.w), (gsize) padded.h * padded.w);
}

/* A thread's share of bringing all slices of a kept step to where whole steps read them. */
static void
copy_slices (const Stream *stream, int i, int thread)
{
  const Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *step = engine->steps[i].step;
  gsize floats = cnn3d_stream_slice_floats (engine, i);
  Cnn3dDeal deal = cnn3d_cpu_deal (engine, thread, step->n_blocks * step->out.t, NULL);

  for (int k; cnn3d_deal_take (&deal, 1, 1, &k) > 0;) {
    int block = k / step->out.t, t = k % step->out.t;

    memcpy (cnn3d_cpu_output_row (engine, step, block, t, 0),
        cnn3d_stream_phase (stream, i) + cnn3d_stream_block_offset (engine, stream->s, i, block)
            + (gsize) cnn3d_stream_slot (stream, i, t) * floats,
        floats * sizeof (float));
  }
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
    if (slices->steps[i].role == CNN3D_SLICES_PASSED
        || (slices->steps[i].role == CNN3D_SLICES_KEPT && !slices->steps[i].copied))
      continue;
    cnn3d_workers_barrier (engine->workers);
    if (slices->steps[i].copied) {
      copy_slices (stream, i, thread);
    } else if (slices->steps[i].role == CNN3D_SLICES_LAST) {
      for (int t = 0; t < cpu->step->out.t; t++)
        run_work (stream, &(Work){ .step = i, .t = t }, 1, thread);
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
    /* Groups of the stem may read what the one before has left. */
    for (n = 1; i + n < stream->n_work && stream->work[i + n].step == stream->work[i].step
        && (stream->work[i].step > 0 || stream->s->n_groups == 0); n++)
      ;
    cnn3d_workers_barrier (stream->engine->workers);
    run_work (stream, stream->work + i, n, thread);
  }
  if (stream->finish)
    finish_clip (stream, thread);
  cnn3d_bf16_release (stream->engine);
}

static void
stream_push (gpointer data, const Cnn3dClip *frame, gint64 clip, int stride)
{
  Stream *stream = data;

  stream->n_frames++;
  stream->clip = clip;
  stream->stride = stride;
  stream->frame = frame;
  stream->planes = frame->planes != NULL;
  stream->finish = FALSE;
  list_work (stream);
  cnn3d_cpu_run_on_threads (stream->engine, run_stream, stream);
}

static void
stream_run (gpointer data, float *logits, float *features)
{
  Stream *stream = data;

  stream->clip = stream->n_frames - stream->s->n_frames;
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
