/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Rows of a chain's rings in bfloat16. Of a stem, the strip's bands (bf16.h) of as many frames as the kernel spans are
 * kept, as the next frame needs all of them but one. For a depthwise convolution in half precision the rows are halves.
 */

#include "lib3dcnn/cpu/chain.h"

/* Taps of a stem: three frames of 27 words, two a tap at least. */
#define MAX_TAPS (3 * 14)
#define MAX_TILES 8

/* Where the bands of a frame, which is counted from the border on, are in the room. */
static gssize
frame_words (const Chain *c, int frame)
{
  return (gssize) c->bands_part / 3 * (frame % 3);
}

/* How far the bands of a frame are. */
typedef struct {
  int frame, row;
} Loaded;

static void
load_bands (const Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int y0, int y, int y1,
    Loaded *loaded)
{
  const Cnn3dStep *step = c->producer->step;

  cnn3d_bf16_load_bands (engine, step, thread, &engine->clip, step->in.t, loaded->frame, y, y1, &loaded->row,
      room->bands + frame_words (c, loaded->frame) + (gssize) (y - y0) * step->out.w * CNN3D_BAND_STEP,
      (gssize) c->bands_part);
}

static void
produce_stem (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int first_tile, int end_tile, int t,
    int y0, int y1, int place)
{
  const Cnn3dStep *step = c->producer->step;
  int first_half = c->producer->tiles[first_tile].first_half, pitch = step->out.w * CNN3D_BAND_STEP;
  int n_taps = c->producer->tiles[first_tile].n_taps, a_frame = n_taps / 3;
  Loaded loaded = { t * step->stride.t, 0 };
  int end = loaded.frame + 3;
  int32_t taps[MAX_TAPS];
  Cnn3dTile tiles[MAX_TILES];

  g_assert (n_taps <= MAX_TAPS);
  for (int i = 0; i < n_taps; i++)
    taps[i] = c->producer->tiles[first_tile].taps[i % a_frame]
        + (int32_t) frame_words (c, t * step->stride.t + i / a_frame);
  g_assert (end_tile - first_tile <= MAX_TILES);
  for (int k = first_tile; k < end_tile; k++) {
    tiles[k - first_tile] = moved_tile (&c->producer->tiles[k], first_half, c->in_block, c->half);
    tiles[k - first_tile].taps = taps;
  }
  /* Frames that the output's frame before this one has left; the last, row by row, is read while it is in the first cache. */
  if (t > 0)
    loaded.frame = MAX (loaded.frame, end - step->stride.t);
  for (; loaded.frame < end - 1; loaded = (Loaded){ loaded.frame + 1, 0 })
    load_bands (engine, c, room, thread, y0, y0, y1, &loaded);

  /* A row's bands are made before the products of the row before it, which else would wait for them to reach the cache. */
  load_bands (engine, c, room, thread, y0, y0, y0 + 1, &loaded);
  for (int y = y0; y < y1; y++, place++) {
    float *out = ring_row (c, room, t, place);
    Cnn3dWords words = { room->bands + (gsize) ((y - y0) * pitch),
      cnn3d_bf16_part_of (engine, &engine->clip, (gssize) c->bands_part), CNN3D_BAND_STEP };

    if (y + 1 < y1)
      load_bands (engine, c, room, thread, y0, y + 1, y + 2, &loaded);
    for (int k = 0; k < end_tile - first_tile; k++)
      cnn3d_bf16_multiply (engine, c->producer, &tiles[k], &words, out, NULL, step->out.w);
  }
}

/* A chunk of positions through all tiles. */
static void
produce_pointwise (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int first_tile, int end_tile,
    int t, int y0, int y1, int place)
{
  const Cnn3dStep *step = c->producer->step;
  int first_half = c->producer->tiles[first_tile].first_half, n = (y1 - y0) * step->out.w, count;
  const float *in = chain_input (engine, c, t) + (gsize) (y0 * step->out.w) * CNN3D_BLOCK;
  const gint32 *blocks = c->slices != NULL ? c->slices->blocks : NULL;
  Cnn3dTile *tiles = g_newa (Cnn3dTile, end_tile - first_tile);

  for (int k = first_tile; k < end_tile; k++)
    tiles[k - first_tile] = moved_tile (&c->producer->tiles[k], first_half, c->in_block, c->half);
  for (int i = 0; i < n; i += count) {
    float *out = ring_row (c, room, t, place) + (gsize) i * CNN3D_BLOCK;
    Cnn3dWords words;

    count = cnn3d_next_chunk (n - i);
    words = cnn3d_bf16_convert (engine, c->producer, in + (gsize) i * CNN3D_BLOCK, blocks, count, thread);
    for (int k = 0; k < end_tile - first_tile; k++)
      cnn3d_bf16_multiply (engine, c->producer, &tiles[k], &words, out, NULL, count);
  }
}

void
cnn3d_bf16_produce (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int first_tile, int end_tile,
    int t, int y0, int y1, int place)
{
  if (c->producer->step->kind == CNN3D_STEP_STEM)
    produce_stem (engine, c, room, thread, first_tile, end_tile, t, y0, y1, place);
  else
    produce_pointwise (engine, c, room, thread, first_tile, end_tile, t, y0, y1, place);
}
