/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a chain strip by strip. Of a strip, the producer's output is kept for as many frames as the
 * next step's window spans, in a ring in the second cache, and for some of its channel blocks at a
 * time. Rows at a strip's border are computed by both strips; that is less than what it costs to
 * write the whole output to memory and to read it back. Threads have strips of their own.
 */

#include "lib3dcnn/cpu/engine.h"

/* What a ring may take of the second cache, of which weights, input and output need some too. */
#define RING_BYTES (512 * 1024)

typedef struct {
  const Cnn3dCpuStep *producer, *middle, *last; /* last may be NULL */
  int n_frames;   /* in the ring */
  int n_blocks;   /* in the ring, at most */
  int rows;       /* outputs of middle in a strip, at most */
  int ring_rows;  /* that they need */
  gsize in_frame, in_block; /* floats */
} Chain;

/* Tiles from `first` on that belong to a ring of at most max blocks (one group at least). */
static int
end_of_group (const Cnn3dCpuStep *s, int first, int max)
{
  int end = 0, begin = s->tiles[first].first_half;

  for (int i = first; i < s->n_tiles; i++) {
    int next = i + 1 < s->n_tiles ? s->tiles[i + 1].first_half : s->step->n_blocks * 2;

    if (end > 0 && next - begin > max * 2)
      break;
    if (next % 2 == 0)
      end = i + 1;
  }
  return end;
}

static int
blocks_of_group (const Cnn3dCpuStep *s, int first, int end)
{
  int next = end < s->n_tiles ? s->tiles[end].first_half : s->step->n_blocks * 2;

  return (next - s->tiles[first].first_half) / 2;
}

static void
chain_init (Chain *c, const Cnn3dEngine *engine, gsize index)
{
  const Cnn3dCpuStep *s = &engine->steps[index];
  const Cnn3dStep *middle = s[1].step;
  int row_bytes = s->step->out.w * CNN3D_BLOCK * (int) sizeof (float), end;

  *c = (Chain){ .producer = s, .middle = s + 1, .last = s->step->chain > 2 ? s + 2 : NULL,
    .n_frames = MIN (middle->kernel.t, middle->in.t) };
  /* At most three blocks, which is one tile of the widest vectors: so strips have many rows. */
  for (int first = 0; first < s->n_tiles; first = end) {
    end = end_of_group (s, first, 3);
    c->n_blocks = MAX (c->n_blocks, blocks_of_group (s, first, end));
  }
  c->rows = RING_BYTES / (row_bytes * c->n_frames * c->n_blocks);
  c->rows = CLAMP ((c->rows - middle->kernel.h) / middle->stride.h + 1, 1, middle->out.h);
  c->ring_rows = (c->rows - 1) * middle->stride.h + middle->kernel.h;
  c->in_frame = (gsize) c->ring_rows * s->step->out.w * CNN3D_BLOCK;
  c->in_block = c->in_frame * c->n_frames;
}

gsize
cnn3d_cpu_chain_floats (const Cnn3dEngine *engine, gsize i)
{
  Chain c;

  chain_init (&c, engine, i);
  return c.in_block * c.n_blocks;
}

/* Rows [y0, y1) of frame t of the producer into the ring, where row y0 is the first. */
static void
produce (Cnn3dEngine *engine, const Chain *c, float *ring, int first_tile, int end_tile, int t, int y0,
    int y1)
{
  const Cnn3dStep *step = c->producer->step;
  int first_half = c->producer->tiles[first_tile].first_half, w = step->out.w;
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  gboolean stem = step->kind == CNN3D_STEP_STEM;
  /* The stem reads padded planes, a row a call; a pointwise convolution reads all rows at once. */
  int rows_a_call = stem ? 1 : y1 - y0;

  for (int i = first_tile; i < end_tile; i++) {
    const Cnn3dTile *tile = &c->producer->tiles[i];
    Cnn3dConvArgs args = { .taps = tile->taps, .n_taps = tile->n_taps, .weights = tile->weights,
      .bias = tile->bias, .low = c->producer->low, .high = c->producer->high };

    for (int h = 0; h < tile->halves; h++) {
      int half = tile->first_half + h - first_half;
      args.out_offsets[h] = (int32_t) (half / 2 * c->in_block) + half % 2 * CNN3D_HALF;
    }
    for (int y = y0; y < y1; y += rows_a_call) {
      args.out = ring + (t % c->n_frames) * c->in_frame + (gsize) (y - y0) * w * CNN3D_BLOCK;
      if (stem) {
        args.x = engine->padded
            + ((gsize) t * step->stride.t * padded.h + (gsize) y * step->stride.h) * padded.w;
        engine->kernels->conv_planar (&args, tile->halves, w);
      } else {
        args.x = engine->arena + ((gsize) t * step->out.h + y) * w * CNN3D_BLOCK;
        engine->kernels->conv_blocked (&args, tile->halves, rows_a_call * w);
      }
    }
  }
}

/* Outputs [y0, y1) of the middle step, of all frames, for the channels of some of the tiles. */
static void
run_group (Cnn3dEngine *engine, const Chain *c, float *ring, int thread, int first_tile, int end_tile,
    int y0, int y1)
{
  const Cnn3dStep *middle = c->middle->step;
  int in0 = MAX (y0 * middle->stride.h - middle->pad.h, 0), done = 0;
  int in1 = MIN ((y1 - 1) * middle->stride.h - middle->pad.h + middle->kernel.h, middle->in.h);
  int first_block = c->producer->tiles[first_tile].first_half / 2;

  for (int t = 0; t < middle->out.t; t++) {
    int needed = MIN (t * middle->stride.t - middle->pad.t + middle->kernel.t, middle->in.t);

    for (; done < needed; done++)
      produce (engine, c, ring, first_tile, end_tile, done, in0, in1);
    for (int b = 0; b < blocks_of_group (c->producer, first_tile, end_tile); b++)
      for (int y = y0; y < y1; y++) {
        Cnn3dRow row = { .in = ring + b * c->in_block, .in_frame = c->in_frame,
          .in_frames = c->n_frames, .in_first_row = in0,
          .out = cnn3d_cpu_output_row (engine, middle, first_block + b, t, y) };

        g_assert (middle->blocks[first_block + b].block == first_block + b);
        cnn3d_cpu_run_row (engine, c->middle, thread, first_block + b, t, y, &row);
      }
  }
}

void
cnn3d_cpu_run_chain (Cnn3dEngine *engine, gsize index, int thread)
{
  float *ring = engine->rings + (gsize) thread * engine->ring_floats;
  const Cnn3dStep *middle;
  int first, end, group;
  Chain c;

  chain_init (&c, engine, index);
  middle = c.middle->step;
  first = (int) cnn3d_share (middle->out.h, thread, engine->n_threads);
  end = (int) cnn3d_share (middle->out.h, thread + 1, engine->n_threads);

  for (int y0 = first; y0 < end; y0 += c.rows) {
    int y1 = MIN (y0 + c.rows, end);

    for (int tile = 0; tile < c.producer->n_tiles; tile = group) {
      group = end_of_group (c.producer, tile, 3);
      run_group (engine, &c, ring, thread, tile, group, y0, y1);
    }
    for (int t = 0; c.last != NULL && t < middle->out.t; t++) {
      gint64 row = (gint64) t * middle->out.h;
      cnn3d_cpu_run_positions (engine, c.last, (row + y0) * middle->out.w, (row + y1) * middle->out.w,
          0, c.last->n_tiles);
    }
  }
}
