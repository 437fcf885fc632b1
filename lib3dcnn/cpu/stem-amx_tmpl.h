/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A stem on lines (bf16.h) by AMX tiles: weights of a frame, channels by 15 pairs, times 15 lines by 16 outputs. Channels are
 * what a tile may have less rows of than 16, which then take less time; so two tiles share them evenly.
 */

/* Tiles 0 to 3 are sums, [outputs][channels]; 4 and 5 weights, 6 and 7 lines. */
static void
configure_stem (int rows)
{
  TileConfig config = { .palette = 1 };

  if (configured == STEM_TILES + rows)
    return;
  for (int i = 0; i < 6; i++) {
    config.rows[i] = (uint8_t) rows;
    config.bytes[i] = i < 4 ? 64 : 3 * CNN3D_LINES * 4;
  }
  for (int i = 6; i < 8; i++) {
    config.rows[i] = 3 * CNN3D_LINES;
    config.bytes[i] = 64;
  }
  load_config (&config, STEM_TILES + rows);
}

INLINE void
load_lines (const uint16_t *lines, intptr_t pitch, const int which)
{
  _tile_loadd (6, lines, pitch);
  if (which == BOTH)
    _tile_loadd (7, lines + 32, pitch);
}

INLINE void
load_channels (const uint16_t *weights, int rows)
{
  _tile_loadd (4, weights, CNN3D_STEM_WORDS * sizeof (uint16_t));
  _tile_loadd (5, weights + rows * CNN3D_STEM_WORDS, CNN3D_STEM_WORDS * sizeof (uint16_t));
}

INLINE void
multiply_lines (const int which)
{
  _tile_dpbf16ps (0, 4, 6);
  _tile_dpbf16ps (1, 5, 6);
  if (which == BOTH) {
    _tile_dpbf16ps (2, 4, 7);
    _tile_dpbf16ps (3, 5, 7);
  }
}

/* 16 outputs from x on, or 32. */
INLINE void
stem_outputs (const Cnn3dBf16StemArgs *a, int rows, int x, const int which, const int parts)
{
  const intptr_t pitch = CNN3D_LINE_WORDS (a->outputs) * (intptr_t) sizeof (uint16_t);
  const intptr_t out_pitch = CNN3D_LINE_FLOATS (a->outputs);
  const uint16_t *w = a->weights;
  float *out = a->out + x;

  _tile_zero (0);
  _tile_zero (1);
  if (which == BOTH) {
    _tile_zero (2);
    _tile_zero (3);
  }
  for (int f = 0; f < 3; f++, w += parts * 2 * rows * CNN3D_STEM_WORDS) {
    const uint16_t *lines = a->lines[f] + 2 * x;

    load_channels (w, rows);
    if (parts == 2 && a->part != 0) {
      load_lines (lines + a->part, pitch, which);
      multiply_lines (which);
    }
    load_lines (lines, pitch, which);
    multiply_lines (which);
    if (parts == 2) {
      load_channels (w + 2 * rows * CNN3D_STEM_WORDS, rows);
      multiply_lines (which);
    }
  }
  _tile_stored (0, out, out_pitch * 4);
  _tile_stored (1, out + rows * out_pitch, out_pitch * 4);
  if (which == BOTH) {
    _tile_stored (2, out + 16, out_pitch * 4);
    _tile_stored (3, out + rows * out_pitch + 16, out_pitch * 4);
  }
}

INLINE void
stem_row (const Cnn3dBf16StemArgs *a, const int parts)
{
  int rows = cnn3d_stem_rows (a->channels) / 2, x = 0;

  configure_stem (rows);
  for (; x + 16 < a->outputs; x += 32)
    stem_outputs (a, rows, x, BOTH, parts);
  if (x < a->outputs)
    stem_outputs (a, rows, x, FIRST, parts);
}

static void
stem (const Cnn3dBf16StemArgs *a, int parts)
{
  if (parts == 1)
    stem_row (a, 1);
  else
    stem_row (a, 2);
}
