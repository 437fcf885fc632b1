/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dense 3x3x3 convolutions by Winograd's minimal filtering (winograd_tmpl.h). Tiles of the output are
 * taken some at a time: their inputs are transformed to points, each point is a 1x1x1 convolution from
 * a block of tiles to products, and the products of all points of a tile become outputs.
 *
 * With many tiles, threads share these out. With few they share out channels of the output, as it is
 * weights then that take time, and all points are in memory that they share.
 */

#include "lib3dcnn/cpu/engine.h"

#include <math.h>

/* Tiles at a time: their points stay in the second cache, and weights that are read serve several of the kernels' tiles. */
#define MAX_CHUNK 28
#define LEAST_CHUNK 12

/* Below this many tiles, threads split channels. */
#define SPLIT_TILES 64

typedef struct {
  Cnn3dExtent tiles; /* along each axis */
  int n_tiles, chunk;
  int points;
  Cnn3dExtent padded; /* input: what all tiles read */
  int blocks_in;
} Tiling;

static Tiling
tiling_of (const Cnn3dCpuStep *s)
{
  const Cnn3dStep *step = s->step;
  int mt = s->winograd_frames, m = s->winograd_size;
  Tiling t = { { (step->out.t + mt - 1) / mt, (step->out.h + m - 1) / m, (step->out.w + m - 1) / m } };

  t.n_tiles = (int) cnn3d_extent_count (t.tiles);
  t.chunk = t.n_tiles < SPLIT_TILES ? t.n_tiles : MAX_CHUNK;
  t.points = cnn3d_winograd_points (mt, m);
  t.padded = (Cnn3dExtent){ t.tiles.t * mt + 2, t.tiles.h * m + 2, t.tiles.w * m + 2 };
  t.blocks_in = step->channels_in / CNN3D_BLOCK;
  return t;
}

/* Nothing else has been thought of: all of these convolutions are SqueezeNet's. */
gboolean
cnn3d_winograd_fits (const Cnn3dStep *step)
{
  Cnn3dExtent k = step->kernel, s = step->stride, p = step->pad;

  return step->kind == CNN3D_STEP_CONV && k.t == 3 && k.h == 3 && k.w == 3 && s.t == 1 && s.h == 1
      && s.w == 1 && p.t == 1 && p.h == 1 && p.w == 1 && step->out.t > 1
      && step->channels_in % CNN3D_BLOCK == 0 && step->channels_out == step->n_blocks * CNN3D_BLOCK;
}

void
cnn3d_winograd_init (Cnn3dCpuStep *s)
{
  s->winograd_frames = s->step->out.t >= 3 ? 4 : 2;
  /* With few positions it is the reading of weights that takes time, and larger tiles have more. */
  s->winograd_size = cnn3d_extent_count (s->step->out) >= CNN3D_SPLIT_POSITIONS ? 4 : 2;
}

gboolean
cnn3d_winograd_splits_channels (const Cnn3dCpuStep *s)
{
  return tiling_of (s).n_tiles < SPLIT_TILES;
}

static gsize
points_floats (const Tiling *t)
{
  return (gsize) t->points * t->blocks_in * t->chunk * CNN3D_BLOCK;
}

static gsize
padded_floats (const Tiling *t)
{
  return (gsize) t->blocks_in * (gsize) cnn3d_extent_count (t->padded) * CNN3D_BLOCK;
}

void
cnn3d_winograd_room (const Cnn3dCpuStep *s, gsize *shared, gsize *of_thread)
{
  Tiling t = tiling_of (s);
  int blocks = 0, end;

  for (int first = 0; first < s->n_tiles; first = end) {
    end = cnn3d_cpu_end_of_group (s, first, 1, 1);
    blocks = MAX (blocks, cnn3d_cpu_blocks_of_group (s, first, end));
  }
  *shared = padded_floats (&t);
  *of_thread = (gsize) t.points * blocks * t.chunk * CNN3D_BLOCK;
  *(s->tile_split != NULL ? shared : of_thread) += points_floats (&t);
}

int32_t
cnn3d_winograd_tap (const Cnn3dCpuStep *s, int channel)
{
  return channel / CNN3D_BLOCK * tiling_of (s).chunk * CNN3D_BLOCK + channel % CNN3D_BLOCK;
}

static Cnn3dExtent
tile_place (const Cnn3dCpuStep *s, const Tiling *t, int tile)
{
  return (Cnn3dExtent){ tile / (t->tiles.h * t->tiles.w) * s->winograd_frames,
    tile / t->tiles.w % t->tiles.h * s->winograd_size, tile % t->tiles.w * s->winograd_size };
}

/* Tiles [first, end) of a chunk that begins with `begin`. */
static void
transform_tiles (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Tiling *t, float *points, int begin,
    int first, int end)
{
  for (int block = 0; block < t->blocks_in; block++)
    for (int tile = first; tile < end; tile++) {
      Cnn3dExtent at = tile_place (s, t, tile);
      Cnn3dWinogradInputArgs args = { .row = t->padded.w * CNN3D_BLOCK,
        .frame = (intptr_t) t->padded.h * t->padded.w * CNN3D_BLOCK,
        .out = points + ((gsize) block * t->chunk + (tile - begin)) * CNN3D_BLOCK,
        .point = (intptr_t) t->blocks_in * t->chunk * CNN3D_BLOCK };

      args.x = engine->scratch + (gsize) block * (gsize) cnn3d_extent_count (t->padded) * CNN3D_BLOCK
          + at.t * args.frame + at.h * args.row + at.w * CNN3D_BLOCK;
      engine->kernels->winograd_input (&args, s->winograd_frames, s->winograd_size);
    }
}

static void
multiply (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Tiling *t, const float *points,
    float *products, int first_tile, int end_tile, int n)
{
  static const float zero[CNN3D_MAX_HALVES * CNN3D_HALF];
  int first_half = s->tiles[first_tile].first_half;
  int blocks = cnn3d_cpu_blocks_of_group (s, first_tile, end_tile);

  for (int i = first_tile; i < end_tile; i++) {
    const Cnn3dTile *tile = &s->tiles[i];
    Cnn3dConvArgs args = { .x = points, .taps = tile->taps, .n_taps = tile->n_taps,
      .weights = tile->weights, .bias = zero, .out = products, .low = -INFINITY, .high = INFINITY };

    for (int h = 0; h < tile->halves; h++) {
      int half = tile->first_half + h - first_half;
      args.out_offsets[h] = half / 2 * t->chunk * CNN3D_BLOCK + half % 2 * CNN3D_HALF;
    }
    for (int k = 0; k < t->points; k++) {
      engine->kernels->conv_blocked (&args, tile->halves, n);
      args.x += (gsize) t->blocks_in * t->chunk * CNN3D_BLOCK;
      args.weights += (gsize) tile->n_taps * tile->halves * CNN3D_HALF;
      args.out += (gsize) blocks * t->chunk * CNN3D_BLOCK;
    }
  }
}

static void
finish_tiles (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Tiling *t, const float *products,
    int first_tile, int end_tile, int begin, int n)
{
  const Cnn3dStep *step = s->step;
  int first_block = s->tiles[first_tile].first_half / 2;
  int blocks = cnn3d_cpu_blocks_of_group (s, first_tile, end_tile);

  for (int block = first_block; block < first_block + blocks; block++) {
    Cnn3dLane out = { step->buffer, block * CNN3D_BLOCK };
    Cnn3dWinogradOutputArgs args = { .bias = s->bias + block * CNN3D_BLOCK,
      .point = (intptr_t) blocks * t->chunk * CNN3D_BLOCK, .row = step->out.w * CNN3D_BLOCK,
      .frame = (intptr_t) step->out.h * step->out.w * CNN3D_BLOCK, .low = s->low, .high = s->high };

    for (int i = 0; i < n; i++) {
      Cnn3dExtent at = tile_place (s, t, begin + i);
      gsize place = at.t * args.frame + at.h * args.row + at.w * CNN3D_BLOCK;

      args.products = products + ((gsize) (block - first_block) * t->chunk + i) * CNN3D_BLOCK;
      args.out = engine->arena + cnn3d_lane_offset (engine, &out) + place;
      if (step->residual != NULL) {
        Cnn3dLane residual = { step->residual[block].buffer, step->residual[block].block * CNN3D_BLOCK };
        args.residual = engine->arena + cnn3d_lane_offset (engine, &residual) + place;
      }
      args.frames = MIN (s->winograd_frames, step->out.t - at.t);
      args.rows = MIN (s->winograd_size, step->out.h - at.h);
      args.columns = MIN (s->winograd_size, step->out.w - at.w);
      engine->kernels->winograd_output (&args, s->winograd_frames, s->winograd_size);
    }
  }
}

/* From the points of tiles [begin, begin + n) to outputs of the channels of [first, end). */
static void
run_chunk (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Tiling *t, const float *points,
    float *products, int first, int end, int begin, int n)
{
  int group;

  for (int i = first; i < end; i = group) {
    group = cnn3d_cpu_end_of_group (s, i, 1, 1);
    multiply (engine, s, t, points, products, i, group, n);
    finish_tiles (engine, s, t, products, i, group, begin, n);
  }
}

void
cnn3d_cpu_run_winograd (Cnn3dEngine *engine, gsize index, int thread)
{
  const Cnn3dCpuStep *s = &engine->steps[index];
  Tiling t = tiling_of (s);
  float *room = engine->rings + (gsize) thread * engine->ring_floats;
  Cnn3dDeal deal;
  int n;

  cnn3d_cpu_pad (engine, s->step, t.padded, thread);
  cnn3d_workers_barrier (engine->workers);
  if (s->tile_split != NULL) {
    float *points = engine->scratch + padded_floats (&t);
    int first = (int) cnn3d_share (t.n_tiles, thread, engine->n_threads);

    transform_tiles (engine, s, &t, points, 0, first, (int) cnn3d_share (t.n_tiles, thread + 1, engine->n_threads));
    cnn3d_workers_barrier (engine->workers);
    deal = cnn3d_cpu_deal (engine, thread, s->n_tiles, s->tile_split);
    while ((n = cnn3d_deal_take (&deal, 1, s->n_tiles, &first)) > 0)
      run_chunk (engine, s, &t, points, room, first, first + n, 0, t.n_tiles);
    return;
  }
  deal = cnn3d_cpu_deal (engine, thread, t.n_tiles, NULL);
  for (int first; (n = cnn3d_deal_take (&deal, LEAST_CHUNK, MAX_CHUNK, &first)) > 0;) {
    transform_tiles (engine, s, &t, room, first, first, first + n);
    run_chunk (engine, s, &t, room, room + points_floats (&t), 0, s->n_tiles, first, n);
  }
}
