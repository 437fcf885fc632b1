/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A stem by Winograd's filtering as a chain's producer: four frames at a time (temporal_tmpl.h). Rows of its input are
 * transformed as they are met.
 */

#include "lib3dcnn/cpu/chain.h"

#include <math.h>

/* What lies beside the pixels of all lines, which stays as it is while rows are loaded. */
void
cnn3d_chain_clear_borders (const Chain *c, const Room *room)
{
  const Cnn3dStep *step = c->producer->step;
  int pitch = cnn3d_winograd_pitch (step), right = CNN3D_STEM_LEFT + step->in.w;

  for (float *line = room->held; line < room->points; line += pitch) {
    memset (line, 0, CNN3D_STEM_LEFT * sizeof (float));
    memset (line + right, 0, (gsize) (pitch - right) * sizeof (float));
  }
}

/* A row of a frame of the stem's padded input, both counted from the border on; but for what is beside the pixels. */
static void
load_row (Cnn3dEngine *engine, const Cnn3dStep *step, int frame, int row, float *out)
{
  gsize pitch = (gsize) cnn3d_winograd_pitch (step);
  int t = frame - step->pad.t, h = row - step->pad.h;

  if (t < 0 || t >= step->in.t || h < 0 || h >= step->in.h) {
    memset (out, 0, (gsize) step->channels_in * pitch * sizeof (float));
    return;
  }
  cnn3d_cpu_load_row (engine, &engine->clip, (gsize) cnn3d_extent_count (step->in), t * step->in.h + h,
      out + CNN3D_STEM_LEFT, pitch);
}

/* A row of a stem's padded input, of frames t to t + 5, to its place in all points. first: of the strip's rows. */
static void
transform_row (Cnn3dEngine *engine, const Chain *c, const Room *room, int t, int first, int row)
{
  const Cnn3dStep *step = c->producer->step;
  int slots = step->kernel.h;
  Cnn3dTemporalInputArgs args = { .out = room->points + (gsize) (row % slots) * c->row_floats,
    .point_floats = (intptr_t) c->row_floats * slots, .n_lines = step->channels_in,
    .width = cnn3d_winograd_pitch (step) };

  for (int k = 0; k < CNN3D_POINTS; k++) {
    int frame = t + k, turn = frame / CNN3D_POINT_FRAMES % 2, i = frame % CNN3D_POINT_FRAMES;
    float *out = i < CNN3D_HELD
        ? room->held + (turn * CNN3D_HELD + i) * c->held_floats + (gsize) (row - first) * c->row_floats
        : room->rows + (i - CNN3D_HELD) * c->row_floats;

    if (t == 0 || k >= CNN3D_HELD)
      load_row (engine, step, frame, row, out);
    args.rows[k] = out;
  }
  engine->kernels->temporal_input (&args);
}

/* Of a group whose halves have four blocks at most. */
#define MAX_TILES 8

/* What is the same for all rows of a tile. Kernels that read at once what has just been copied would have to wait. */
static void
init_temporal (Cnn3dTemporalArgs *args, const Chain *c, const Room *room, const Cnn3dTile *tile, int first_half)
{
  const Cnn3dTile moved = moved_tile (tile, first_half, c->in_block, FALSE);

  args->n_taps = tile->n_taps;
  args->weights = tile->weights;
  args->bias = tile->bias;
  args->low = c->producer->low;
  args->high = c->producer->high;
  args->joins = c->producer->joins;
  args->sums[0] = args->sums[1] = args->rest[0] = args->rest[1] = NULL;
  args->point_floats = (intptr_t) c->row_floats * c->producer->step->kernel.h;
  args->x = room->points;
  memcpy (args->out_offsets, moved.out_offsets, sizeof args->out_offsets);
}

/* Row y of the last frame of a call, which the next call joins with its first ones. */
static float *
last_frame (const Chain *c, const Room *room, int y)
{
  return room->ring + (gsize) c->n_frames * c->in_frame + (gsize) (y * c->width) * CNN3D_BLOCK;
}

/* Before the first call there is nothing. */
void
cnn3d_chain_clear_last_frames (const Chain *c, const Room *room, int n_blocks)
{
  for (int b = 0; b < n_blocks; b++) {
    float *last = last_frame (c, room, 0) + b * c->in_block;

    for (gsize i = 0; i < c->in_frame; i++)
      last[i] = -INFINITY;
  }
}

/* Four frames, which are what is in the ring from t on, row by row, so that what a row needs is in the first cache. */
void
cnn3d_chain_produce_temporal (Cnn3dEngine *engine, const Chain *c, const Room *room, int first_tile, int end_tile, int t,
    int y0, int y1, int place)
{
  const Cnn3dStep *step = c->producer->step;
  const Cnn3dTile *tiles = c->producer->tiles + first_tile;
  int n_tiles = end_tile - first_tile, first = y0 * step->stride.h, row = first;
  Cnn3dTemporalArgs args[MAX_TILES];

  g_assert (n_tiles <= MAX_TILES);
  for (int i = 0; i < n_tiles; i++)
    init_temporal (&args[i], c, room, &tiles[i], tiles[0].first_half);
  for (int y = y0; y < y1; y++) {
    for (; row < y * step->stride.h + step->kernel.h; row++)
      transform_row (engine, c, room, t / c->step_frames * CNN3D_POINT_FRAMES, first, row);
    for (int i = 0; i < n_tiles; i++) {
      args[i].taps = tiles[i].taps + y * step->stride.h % step->kernel.h * tiles[i].n_taps;
      for (int k = 0; k < c->step_frames; k++)
        args[i].out[k] = ring_row (c, room, t + k, y - y0 + place);
      if (c->producer->joins)
        args[i].out[2] = last_frame (c, room, y - y0 + place);
      engine->kernels->temporal (&args[i], tiles[i].halves, step->out.w);
    }
  }
}
