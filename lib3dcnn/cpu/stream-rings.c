/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a stream keeps of which steps, and where. */

#include "lib3dcnn/cpu/lines.h"
#include "lib3dcnn/cpu/stream.h"

/*
 * Floats between the blocks of a ring. Without, they would be a multiple of 4 KB apart for most networks, so that the same
 * position of all blocks would share one set of the first cache.
 */
#define RING_GAP (17 * CNN3D_BLOCK)

static gboolean
able (int i, gpointer data)
{
  Cnn3dEngine *engine = data;
  const Cnn3dStep *step = engine->steps[i].step;

  if (engine->steps[i].temporal)
    return cnn3d_stream_groups_stem (engine);
  return step->kind != CNN3D_STEP_CONV && step->kind != CNN3D_STEP_LINEAR
      && !cnn3d_gemm_wanted (engine, step);
}

gboolean
cnn3d_stream_keeps (const Cnn3dCpuSlices *s, int i)
{
  return s->slices->steps[i].role == CNN3D_SLICES_KEPT;
}

gboolean
cnn3d_stream_pools_stem (const Cnn3dEngine *engine, int i)
{
  return engine->steps[i].in_lines && cnn3d_lines_pool (engine);
}

gsize
cnn3d_stream_slice_floats (const Cnn3dEngine *engine, int i)
{
  const Cnn3dCpuStep *cpu = &engine->steps[i];

  if (cnn3d_stream_pools_stem (engine, i))
    cpu++;
  return (gsize) cpu->step->out.h * (gsize) (cpu->joins ? cpu[1].step->out.w : cpu->step->out.w) * CNN3D_BLOCK;
}

gsize
cnn3d_stream_ring_floats (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, int i)
{
  int slots = s->rings[i].n_slots + (i == 0 ? cnn3d_stream_more_slots (engine, s) : 0);

  return (gsize) slots * cnn3d_stream_slice_floats (engine, i) + RING_GAP;
}

/* Whether a ring has halves, two blocks together as in a chain's. */
gboolean
cnn3d_stream_is_half (const Cnn3dEngine *engine, int i)
{
  return (guint) i + 1 < engine->plan->steps->len && engine->steps[i + 1].in_half;
}

gsize
cnn3d_stream_block_offset (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, int buffer, int block)
{
  int place = cnn3d_stream_is_half (engine, buffer) ? block / 2 : block;

  return s->rings[buffer].first + (gsize) place * cnn3d_stream_ring_floats (engine, s, buffer);
}

/* Where a tile in rings leaves its outputs of a ring. */
static void
place_outputs (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, int i, Cnn3dTile *tile)
{
  tile->to_half = cnn3d_stream_is_half (engine, i);
  for (int h = 0; h < tile->halves; h++)
    tile->out_offsets[h] = (int32_t) (s->rings[i].first * (tile->to_half ? 2 : 1))
        + cnn3d_half_offset (tile->first_half + h, cnn3d_stream_ring_floats (engine, s, i), tile->to_half);
}

/* Where in the rings an input of a step lies that is at `offset` in the arena. */
static int32_t
ring_tap (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, const Cnn3dStep *step, int32_t offset)
{
  const Cnn3dLane *lane = step->inputs;

  while (cnn3d_lane_offset (engine, lane) != (gsize) offset)
    lane++;
  g_assert (lane < step->inputs + step->channels_in);
  return (int32_t) (cnn3d_stream_block_offset (engine, s, lane->buffer, lane->lane / CNN3D_BLOCK)
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
  if (cpu->bf16 != NULL)
    s->blocks[i] = ring_blocks (engine, s, cpu);
  for (int k = 0; k < cpu->n_tiles; k++) {
    Cnn3dTile *tile = &s->tiles[i][k];

    if (cnn3d_stream_keeps (s, i))
      place_outputs (engine, s, i, tile);
    for (int h = 0; h < tile->halves && step->residual != NULL; h++) {
      int half = tile->first_half + h;
      const Cnn3dBlockRef *residual = &step->residual[half / 2];

      tile->residual_offsets[h] = (int32_t) cnn3d_stream_block_offset (engine, s, residual->buffer, residual->block)
          + half % 2 * CNN3D_HALF;
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

/*
 * What begins a chain as a pointwise convolution is computed where the next step's slices read it rather than kept, as it
 * would leave the caches on the way: that of a MobileNetV2 is six times as wide as what it reads. Of three of its slices, one
 * comes again.
 */
static void
pass_chains (const Cnn3dEngine *engine, Cnn3dCpuSlices *s)
{
  for (int i = 1; i + 1 < s->slices->n_steps; i++) {
    const Cnn3dCpuStep *cpu = &engine->steps[i];

    if (cnn3d_stream_keeps (s, i) && cnn3d_stream_keeps (s, i + 1) && cpu->step->chain > 1
        && cpu->step->kind == CNN3D_STEP_POINTWISE)
      s->slices->steps[i].role = CNN3D_SLICES_PASSED;
  }
}

/* The rings of all steps of one scale but the first, in each phase one after the other. */
static void
lay_out_scale (const Cnn3dEngine *engine, Cnn3dCpuSlices *s, int scale)
{
  gsize begin = s->memory_floats;

  for (int i = 1; i < s->slices->n_steps; i++) {
    const Cnn3dStep *step = engine->steps[i].step;
    Ring *ring = &s->rings[i];

    if (s->slices->steps[i].scale != scale)
      continue;
    *ring = (Ring){ .first = s->memory_floats, .n_phases = scale, .n_slots = (s->n_frames + scale - 1) / scale, .step = 1 };
    if (!cnn3d_stream_keeps (s, i))
      continue;
    g_assert (step->out.t <= ring->n_slots);
    s->max_slots = MAX (s->max_slots, ring->n_slots * scale);
    s->memory_floats += (gsize) (cnn3d_stream_is_half (engine, i) ? (step->n_blocks + 1) / 2 : step->n_blocks)
        * cnn3d_stream_ring_floats (engine, s, i);
    s->max_work += step->out.t;
  }
  for (int i = 1; i < s->slices->n_steps; i++)
    if (s->slices->steps[i].scale == scale)
      s->rings[i].phase = s->memory_floats - begin;
  s->memory_floats = begin + (gsize) scale * (s->memory_floats - begin);
}

static void
lay_out (const Cnn3dEngine *engine, Cnn3dCpuSlices *s)
{
  const Cnn3dStep *stem = engine->steps[0].step;
  int n = s->slices->n_steps;

  s->rings = g_new0 (Ring, n);
  s->max_slots = s->n_frames;
  s->rings[0] = (Ring){ .n_phases = 1, .n_slots = s->n_frames, .step = s->slices->steps[0].scale };
  s->memory_floats = (gsize) (cnn3d_stream_is_half (engine, 0) ? (stem->n_blocks + 1) / 2 : stem->n_blocks)
      * cnn3d_stream_ring_floats (engine, s, 0);
  s->max_work = stem->out.t;
  for (int i = 1; i < n; i++)
    if (s->rings[i].n_phases == 0)
      lay_out_scale (engine, s, s->slices->steps[i].scale);
  s->frames = s->memory_floats;
  /* Rows stay aligned as they are in the session's own input. */
  s->frame_floats = engine->steps[0].in_lines ? cnn3d_stream_lines_floats (engine)
      : s->n_groups > 0                      ? 3 * (gsize) stem->in.h * stem->in.w
      : 3 * (gsize) cnn3d_padded_extent (stem).h * (gsize) cnn3d_padded_extent (stem).w;
  s->memory_floats += s->frame_floats * ((gsize) s->n_frames + (s->n_groups == 0));
  s->sums = s->memory_floats;
  s->memory_floats += s->sums_floats;
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

Cnn3dCpuSlices *
cnn3d_cpu_slices_new (Cnn3dEngine *engine)
{
  Cnn3dCpuSlices *s = g_new0 (Cnn3dCpuSlices, 1);
  gboolean temporal = engine->steps[0].temporal;
  gsize n_taps = 0;
  int32_t *taps;

  s->slices = cnn3d_slices_new (engine->plan, able, engine, temporal ? CNN3D_POINT_FRAMES : 1);
  s->n_frames = engine->steps[0].step->in.t;
  if (temporal && cnn3d_stream_keeps (s, 0))
    cnn3d_stream_lay_out_groups (engine, s);
  pass_chains (engine, s);
  s->tiles = g_new0 (Cnn3dTile *, s->slices->n_steps);
  s->blocks = g_new0 (gint32 *, s->slices->n_steps);
  lay_out (engine, s);
  /* Tiles count halves. */
  if (s->slices->n_kept == 0 || s->memory_floats > G_MAXINT32 / 2) {
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
