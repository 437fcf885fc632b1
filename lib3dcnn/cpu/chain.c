/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a chain strip by strip. Of a strip, the producer's output is kept for as many frames as the
 * next step's window spans, in a ring in the second cache, and for some of its channel blocks at a
 * time. The last rows of a strip's frames, which the next strip needs as well, are kept aside. What the
 * last step reads is written over and over in the same place, so that it never leaves the cache.
 * Threads have strips of their own (deal.h), and compute the rows at their common border both.
 */

#include "lib3dcnn/cpu/chain.h"
#include "lib3dcnn/cpu/lines.h"

/* What a ring may take of the second cache, of which weights, input and output need some too. */
#define RING_BYTES (640 * 1024)

int
cnn3d_cpu_end_of_group (const Cnn3dCpuStep *s, int first, int max, int together)
{
  int end = 0, begin = s->tiles[first].first_half;

  for (int i = first; i < s->n_tiles; i++) {
    int next = i + 1 < s->n_tiles ? s->tiles[i + 1].first_half : s->step->n_blocks * 2;

    if (end > 0 && next - begin > max * 2)
      break;
    if (next % (2 * together) == 0 || i + 1 == s->n_tiles)
      end = i + 1;
  }
  return end;
}

int
cnn3d_cpu_blocks_of_group (const Cnn3dCpuStep *s, int first, int end)
{
  int next = end < s->n_tiles ? s->tiles[end].first_half : s->step->n_blocks * 2;

  return (next - s->tiles[first].first_half) / 2;
}

/* Where halves of two blocks lie together, pairs of these. */
static int
places (const Chain *c, int blocks)
{
  return c->half ? (blocks + 1) / 2 : blocks;
}

/* Whether last reads the words of all blocks of middle, in their order. */
static gboolean
reads_words (const Chain *c, const Cnn3dEngine *engine)
{
  const Cnn3dBf16Rows *rows = c->last != NULL ? c->last->bf16 : NULL;

  return rows != NULL && (c->half || (engine->parts == 2 && c->middle->step->kind == CNN3D_STEP_DEPTHWISE && !rows->split))
      && rows->n_gathers == 0 && rows->n_blocks == c->middle->step->n_blocks;
}

static int
end_of_group (const Chain *c, int first)
{
  return cnn3d_cpu_end_of_group (c->producer, first, c->max_blocks, c->half ? 2 : 1);
}

/* Whether the stem and the pool that follows are computed together, so that there is no ring. */
static gboolean
pools_lines (const Chain *c, const Cnn3dEngine *engine)
{
  return c->producer->in_lines && cnn3d_lines_pool (engine);
}

static void
chain_init (Chain *c, const Cnn3dEngine *engine, gsize index)
{
  const Cnn3dCpuStep *s = &engine->steps[index];
  const Cnn3dStep *middle = s[1].step;
  int row_bytes, end;

  *c = (Chain){ .producer = s, .middle = s + 1, .last = s->step->chain > 2 ? s + 2 : NULL,
    .frames = middle->in.t, .stride_t = middle->stride.t, .pad_t = middle->pad.t, .kernel_t = middle->kernel.t,
    .step_frames = s->temporal ? CNN3D_POINT_FRAMES : 1,
    .overlap = MAX (middle->kernel.h - middle->stride.h, 0), .width = s->joins ? middle->out.w : middle->in.w,
    .half = s[1].in_half };
  c->words = reads_words (c, engine);
  if (s->joins) {
    c->frames = middle->out.t;
    c->stride_t = c->kernel_t = 1;
    c->pad_t = 0;
    c->step_frames /= 2;
  }
  c->n_frames = MIN (c->kernel_t + c->step_frames - 1, (c->frames + c->step_frames - 1) / c->step_frames * c->step_frames);
  /*
   * Few blocks, so that strips have many rows; but what the input is turned into, by a stem or in bfloat16, is for all of
   * them.
   */
  c->max_blocks = s->temporal ? 4 : s->in_bf16 ? 9 : 3;
  c->n_blocks = s->in_lines ? places (c, s->step->n_blocks) : 0;
  for (int first = 0; first < s->n_tiles; first = end) {
    end = end_of_group (c, first);
    c->n_blocks = MAX (c->n_blocks, places (c, cnn3d_cpu_blocks_of_group (s, first, end)));
  }
  row_bytes = c->width * CNN3D_BLOCK * (int) sizeof (float) * (c->n_frames + s->joins) * c->n_blocks;
  if (s->temporal) {
    c->row_floats = (gsize) (s->step->channels_in * cnn3d_winograd_pitch (s->step));
    row_bytes += 2 * CNN3D_HELD * s->step->stride.h * (int) (c->row_floats * sizeof (float));
  }
  if (s->in_lines)
    row_bytes = (pools_lines (c, engine) ? 0 : row_bytes) + (int) cnn3d_chain_lines_bytes (engine);
  c->rows = RING_BYTES / row_bytes;
  c->rows = CLAMP ((c->rows - middle->kernel.h) / middle->stride.h + 1, 1, middle->out.h);
  c->ring_rows = (c->rows - 1) * middle->stride.h + middle->kernel.h;
  c->in_frame = (gsize) (c->ring_rows * c->width) * CNN3D_BLOCK;
  c->in_block = c->in_frame * (gsize) (c->n_frames + s->joins);
  if (c->last != NULL) {
    c->out_frames = c->n_blocks < places (c, s->step->n_blocks) ? middle->out.t : 1;
    c->out_frame = (gsize) (c->rows * middle->out.w) * CNN3D_BLOCK;
    c->out_block = c->out_frame * (gsize) c->out_frames;
  }
  c->held_floats = (gsize) ((c->ring_rows - 1) * s->step->stride.h + s->step->kernel.h) * c->row_floats;
}

/* Where a block of middle's outputs of a strip of frame t lies until last has read it, if outputs are floats. */
static float *
waiting_outputs (const Chain *c, const Room *room, int block, int t)
{
  return room->out + block * c->out_block + (gsize) (t % c->out_frames) * c->out_frame;
}

static gsize
kept_rows_floats (const Chain *c)
{
  return (gsize) (c->overlap * c->width) * CNN3D_BLOCK;
}

/* Floats of a thread's room; divides it if room is not NULL. */
static gsize
divide_room (const Chain *c, const Cnn3dEngine *engine, float *from, Room *room)
{
  const Cnn3dStep *step = c->producer->step;
  gsize ring = c->in_block * c->n_blocks;
  gsize kept = kept_rows_floats (c) * step->n_blocks * step->out.t;
  gsize out = c->out_block * (gsize) ((c->middle->step->n_blocks + 1) / 2 * 2);
  gsize held = 2 * CNN3D_HELD * c->held_floats, rows = 2 * c->row_floats;
  gsize points = CNN3D_POINTS * (gsize) step->kernel.h * c->row_floats;
  gsize before_lines = ring + kept + out + held + rows + points;

  if (pools_lines (c, engine)) {
    if (room != NULL)
      *room = (Room){ .out = from };
    return out + cnn3d_chain_lines_room (c, engine, from + out, room);
  }
  if (room != NULL) {
    *room = (Room){ .ring = from, .kept = from + ring, .out = from + ring + kept };
    room->held = room->out + out;
    room->rows = room->held + held;
    room->points = room->rows + rows;
  }
  return before_lines + (c->producer->in_lines ? cnn3d_chain_lines_room (c, engine, from + before_lines, room) : 0);
}

void
cnn3d_cpu_place_chain (Cnn3dEngine *engine, gsize i)
{
  Cnn3dBuffer *buffer = cnn3d_plan_buffer (engine->plan, engine->steps[i + 1].step->buffer);
  const Cnn3dBf16Rows *rows = engine->steps[i + 2].bf16;
  Chain c;

  chain_init (&c, engine, i);
  /* Blocks of an input in bfloat16 have been listed already, as tiles are cut by them. */
  for (int k = 0; rows != NULL && k < rows->n_blocks; k++)
    rows->blocks[k] = (gint32) ((gsize) (rows->blocks[k] - (gint32) buffer->offset)
        / ((gsize) buffer->positions * CNN3D_BLOCK) * c.out_block);
  buffer->offset = 0;
  buffer->positions = (gint64) c.out_block / CNN3D_BLOCK;
}

gsize
cnn3d_cpu_chain_floats (const Cnn3dEngine *engine, gsize i)
{
  Chain c;

  chain_init (&c, engine, i);
  return (divide_room (&c, engine, NULL, NULL) + CNN3D_BLOCK - 1) / CNN3D_BLOCK * CNN3D_BLOCK;
}

/* Row y of frame t of the middle step's output. */
static float *
output_row (const Cnn3dEngine *engine, const Chain *c, int block, int t, int y)
{
  const Cnn3dStep *middle = c->middle->step;
  const Cnn3dChainSlices *s = c->slices;

  if (s != NULL)
    return s->out + (gsize) block * s->out_block + (gsize) ((s->out_start + t) % s->out_frames) * s->out_frame
        + (gsize) (y * middle->out.w) * CNN3D_BLOCK;
  return cnn3d_cpu_output_row (engine, middle, block, t, y);
}

/* Rows [y0, y1) of frame t, or of the four frames from t on, into the ring from its row `place` on. */
static void
produce (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int first_tile,
    int end_tile, int t, int y0, int y1, int place)
{
  const Cnn3dStep *step = c->producer->step;
  int first_half, w = step->out.w;
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  gboolean stem = step->kind == CNN3D_STEP_STEM;
  /* The stem reads padded planes, a row a call; a pointwise convolution reads all rows at once. */
  int rows_a_call = stem ? 1 : y1 - y0;

  if (c->producer->in_lines) {
    cnn3d_chain_produce_lines (engine, c, room, t, y0, y1, place);
    return;
  }
  if (c->producer->in_bf16) {
    cnn3d_bf16_produce (engine, c, room, thread, first_tile, end_tile, t, y0, y1, place);
    return;
  }
  if (c->producer->temporal) {
    cnn3d_chain_produce_temporal (engine, c, room, first_tile, end_tile, t, y0, y1, place);
    return;
  }
  first_half = c->producer->tiles[first_tile].first_half;
  for (int i = first_tile; i < end_tile; i++) {
    const Cnn3dTile *tiles = c->slices != NULL ? c->slices->tiles : c->producer->tiles;
    const Cnn3dTile moved = moved_tile (&tiles[i], first_half, c->in_block, FALSE), *tile = &moved;

    for (int y = y0; y < y1; y += rows_a_call) {
      Cnn3dConvArgs args;

      cnn3d_cpu_init_conv (&args, c->producer, tile);
      args.out = ring_row (c, room, t, y - y0 + place);
      if (stem) {
        args.x = engine->padded
            + ((gsize) t * step->stride.t * padded.h + (gsize) y * step->stride.h) * padded.w;
        engine->kernels->conv_planar (&args, tile->halves, w);
      } else {
        args.x = chain_input (engine, c, t) + (gsize) (y * w) * CNN3D_BLOCK;
        cnn3d_cpu_conv_of (engine, tile) (&args, tile->halves, rows_a_call * w);
      }
    }
  }
}

/* Rows of a block that the strip below needs as well, of frame t. */
static float *
kept_rows (const Chain *c, const Room *room, int block, int t)
{
  return room->kept + ((gsize) places (c, block) * c->producer->step->out.t + t) * kept_rows_floats (c);
}

/*
 * Keeps the last of `rows` rows of frames [first, end), before others come in their place in the ring; the first `known` of
 * them are not there, but where they have been kept.
 */
static void
keep_rows (const Chain *c, const Room *room, int first_block, int n_blocks, int first, int end, int rows, int known)
{
  gsize row = (gsize) c->width * CNN3D_BLOCK;

  for (int b = 0; b < places (c, n_blocks); b++)
    for (int t = first; t < end; t++) {
      float *kept = kept_rows (c, room, first_block, t) + b * kept_rows_floats (c) * c->producer->step->out.t;

      for (int i = 0, from = rows - c->overlap; i < c->overlap; i++, from++)
        memmove (kept + i * row, from < known ? kept + from * row : ring_row (c, room, t, from) + b * c->in_block,
            row * sizeof (float));
    }
}

/* Where the outputs of a strip of frame t go, whose first row is y0. */
static float *
middle_outputs (const Cnn3dEngine *engine, const Chain *c, const Room *room, int block, int t, int y0)
{
  if (c->last == NULL)
    return output_row (engine, c, block, t, y0);
  if (c->words && !c->half)
    return waiting_outputs (c, room, block / 2 * 2, t) + block % 2 * CNN3D_HALF;
  return waiting_outputs (c, room, c->words ? block / 2 : block, t);
}

static void
run_last (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int t, int y0, int y1)
{
  const Cnn3dStep *middle = c->middle->step;
  const float *from = waiting_outputs (c, room, 0, t);
  gint64 first = ((gint64) t * middle->out.h + y0) * middle->out.w, end = first + (gint64) (y1 - y0) * middle->out.w;

  if (c->words)
    cnn3d_bf16_run_words (engine, c->last, (const guint16 *) from, (c->half ? 2 : 4) * (gssize) c->out_block,
        2 * (gssize) c->out_block, first, end);
  else
    cnn3d_cpu_run_positions (engine, c->last, thread, from, first, end, 0, c->last->n_tiles);
}

/*
 * Outputs [y0, y1) of the middle step, of all frames, for the channels of some of the tiles; with the last of these,
 * those of the last step. below: whether the strip above was this thread's last, above: whether the one below may be its next.
 */
static void
run_group (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int first_tile,
    int end_tile, int y0, int y1, gboolean below, gboolean above)
{
  const Cnn3dStep *middle = c->middle->step;
  int first = c->slices != NULL ? c->slices->first : 0, end = c->slices != NULL ? first + c->slices->n : middle->out.t;
  int in0 = MAX (y0 * middle->stride.h - middle->pad.h, 0), done = MAX (first * c->stride_t - c->pad_t, 0);
  int in1 = MIN ((y1 - 1) * middle->stride.h - middle->pad.h + middle->kernel.h, middle->in.h);
  /* A stem on lines has no tiles, and all blocks at once. */
  int first_block = c->producer->in_lines ? 0 : c->producer->tiles[first_tile].first_half / 2;
  int n_blocks = c->producer->in_lines ? c->producer->step->n_blocks
                                       : cnn3d_cpu_blocks_of_group (c->producer, first_tile, end_tile);
  int known = below ? c->overlap : 0, begin = done;

  if (c->producer->joins)
    cnn3d_chain_clear_last_frames (c, room, n_blocks);
  for (int t = first; t < end; t++) {
    int needed = MIN (t * c->stride_t - c->pad_t + c->kernel_t, c->frames);

    for (; done < needed; done += c->step_frames) {
      if (above)
        keep_rows (c, room, first_block, n_blocks, MAX (begin, done - c->n_frames), done - c->n_frames + c->step_frames,
            in1 - in0, known);
      produce (engine, c, room, thread, first_tile, end_tile, done, in0 + known, in1, known);
    }
    for (int b = 0; b < n_blocks; b += c->half ? 2 : 1) {
      int block = first_block + b;
      Cnn3dRow row = { .in = room->ring + places (c, b) * c->in_block, .in_frame = c->in_frame,
        .in_frames = c->n_frames, .in_scale = 1, .in_first_row = in0, .joined = c->producer->joins,
        .joined_frames = c->producer->joins, .words = c->words, .part = 2 * (gssize) c->out_block,
        .kept_end = in0 + known, .kept = kept_rows (c, room, block, 0), .kept_frame = kept_rows_floats (c),
        .out = middle_outputs (engine, c, room, block, t, y0) };

      g_assert (middle->blocks[block].block == block);
      if (c->half && !c->words && b + 1 < n_blocks)
        row.second = middle_outputs (engine, c, room, block + 1, t, y0);
      cnn3d_cpu_run_rows (engine, c->middle, thread, block, t, y0, y1 - y0, &row);
    }
    /* With the last channels a frame is complete, and still in the second cache. */
    if (c->last != NULL && end_tile == c->producer->n_tiles)
      run_last (engine, c, room, thread, t, y0, y1);
  }
  if (above)
    keep_rows (c, room, first_block, n_blocks, MAX (begin, done - c->n_frames), MIN (done, c->frames), in1 - in0, known);
}

/* Likewise of a stem and a pool that are computed together, which keep nothing for the strip below. */
static void
run_lines (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int y0, int y1)
{
  const Cnn3dStep *pool = c->middle->step;
  gsize block = (gsize) cnn3d_plan_buffer (engine->plan, pool->buffer)->positions * CNN3D_BLOCK;

  for (int t = 0; t < pool->out.t; t++) {
    cnn3d_chain_pool_lines (engine, c, room, t, y0, y1, middle_outputs (engine, c, room, 0, t, y0), block);
    if (c->last != NULL)
      run_last (engine, c, room, thread, t, y0, y1);
  }
}

static void
run_strips (Cnn3dEngine *engine, const Chain *c, int thread)
{
  const Cnn3dStep *middle = c->middle->step;
  int group, least, before = -1;
  Cnn3dDeal deal;
  Room room;

  divide_room (c, engine, engine->rings + (gsize) thread * engine->ring_floats, &room);
  if (c->producer->temporal)
    cnn3d_chain_clear_borders (c, &room);

  /* Rows that another thread takes cost it the overlap as well: one row of a stem that a pool follows, else two of three. */
  least = c->producer->step->kind == CNN3D_STEP_STEM ? 1 : (c->rows + 1) / 2;
  deal = cnn3d_cpu_deal (engine, thread, middle->out.h, NULL);
  for (int y0, n; (n = cnn3d_deal_take (&deal, least, c->rows, &y0)) > 0;) {
    int y1 = y0 + n;
    gboolean below = deal.own && y0 == before, above = deal.own && y1 < cnn3d_deal_end (&deal);

    if (pools_lines (c, engine))
      run_lines (engine, c, &room, thread, y0, y1);
    else if (c->producer->in_lines)
      run_group (engine, c, &room, thread, 0, 0, y0, y1, below, above);
    for (int tile = 0; tile < c->producer->n_tiles; tile = group) {
      group = end_of_group (c, tile);
      run_group (engine, c, &room, thread, tile, group, y0, y1, below, above);
    }
    before = deal.own ? y1 : -1;
  }
}

void
cnn3d_cpu_run_chain (Cnn3dEngine *engine, gsize index, int thread)
{
  Chain c;

  chain_init (&c, engine, index);
  run_strips (engine, &c, thread);
}

void
cnn3d_cpu_run_chain_slices (Cnn3dEngine *engine, gsize index, int thread, const Cnn3dChainSlices *slices)
{
  Chain c;

  chain_init (&c, engine, index);
  c.slices = slices;
  c.last = NULL;
  c.words = FALSE;
  run_strips (engine, &c, thread);
}
