/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of a chain's rings in bfloat16, of a pointwise convolution. For a depthwise one in half precision they are halves. */

#include "lib3dcnn/cpu/chain.h"

/* A chunk of positions through all tiles. */
void
cnn3d_bf16_produce (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int first_tile, int end_tile,
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
