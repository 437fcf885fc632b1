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
load_lines (const uint16_t *lines, intptr_t pitch, const int both)
{
  _tile_loadd (6, lines, pitch);
  if (both)
    _tile_loadd (7, lines + 32, pitch);
}

INLINE void
load_channels (const uint16_t *weights, int rows)
{
  _tile_loadd (4, weights, CNN3D_STEM_WORDS * sizeof (uint16_t));
  _tile_loadd (5, weights + rows * CNN3D_STEM_WORDS, CNN3D_STEM_WORDS * sizeof (uint16_t));
}

INLINE void
multiply_lines (const int both)
{
  _tile_dpbf16ps (0, 4, 6);
  _tile_dpbf16ps (1, 5, 6);
  if (both) {
    _tile_dpbf16ps (2, 4, 7);
    _tile_dpbf16ps (3, 5, 7);
  }
}

INLINE void
zero_sums (void)
{
  _tile_zero (0);
  _tile_zero (1);
  _tile_zero (2);
  _tile_zero (3);
}

/* 16 outputs from x on, or 32. */
INLINE void
stem_outputs (const Cnn3dBf16StemArgs *a, int rows, int x, const int both, const int parts)
{
  const intptr_t pitch = CNN3D_LINE_WORDS (a->outputs) * (intptr_t) sizeof (uint16_t);
  const intptr_t out_pitch = CNN3D_LINE_FLOATS (a->outputs);
  const uint16_t *w = a->weights;
  float *out = a->out + x;

  zero_sums ();
  if (x < a->begun) {
    _tile_loadd (0, a->begin + x, out_pitch * 4);
    _tile_loadd (1, a->begin + x + rows * out_pitch, out_pitch * 4);
  }
  if (both && x + 16 < a->begun) {
    _tile_loadd (2, a->begin + x + 16, out_pitch * 4);
    _tile_loadd (3, a->begin + x + rows * out_pitch + 16, out_pitch * 4);
  }
  for (int f = 0; f < 3; f++, w += parts * 2 * rows * CNN3D_STEM_WORDS) {
    const uint16_t *lines = a->lines[f] + 2 * x;

    /* The smallest products first. Of bytes there is hi alone, which is loaded once for all parts of weights. */
    for (int k = parts - 1; k >= 0; k--) {
      load_channels (w + k * 2 * rows * CNN3D_STEM_WORDS, rows);
      for (int i = parts - 1 - k; i > 0; i--)
        if (a->part != 0) {
          load_lines (lines + i * a->part, pitch, both);
          multiply_lines (both);
        }
      if (k == parts - 1 || a->part != 0)
        load_lines (lines, pitch, both);
      multiply_lines (both);
    }
  }
  _tile_stored (0, out, out_pitch * 4);
  _tile_stored (1, out + rows * out_pitch, out_pitch * 4);
  if (both) {
    _tile_stored (2, out + 16, out_pitch * 4);
    _tile_stored (3, out + rows * out_pitch + 16, out_pitch * 4);
  }
}

/* With 16 channels or fewer one tile has all of them, for up to four tiles of outputs. */
#define NARROW 16
#define MAX_TILES 4

INLINE void
load_tile_of_lines (const uint16_t *lines, intptr_t pitch, const int tile)
{
  if (tile % 2 == 0)
    _tile_loadd (6, lines + tile * 32, pitch);
  else
    _tile_loadd (7, lines + tile * 32, pitch);
}

/* n tiles of outputs. */
INLINE void
multiply_narrow (const uint16_t *lines, intptr_t pitch, const int n)
{
  load_tile_of_lines (lines, pitch, 0);
  _tile_dpbf16ps (0, 4, 6);
  if (n > 1) {
    load_tile_of_lines (lines, pitch, 1);
    _tile_dpbf16ps (1, 4, 7);
  }
  if (n > 2) {
    load_tile_of_lines (lines, pitch, 2);
    _tile_dpbf16ps (2, 4, 6);
  }
  if (n > 3) {
    load_tile_of_lines (lines, pitch, 3);
    _tile_dpbf16ps (3, 4, 7);
  }
}

INLINE void
stem_narrow (const Cnn3dBf16StemArgs *a, int rows, int x, const int n, const int parts)
{
  const intptr_t pitch = CNN3D_LINE_WORDS (a->outputs) * (intptr_t) sizeof (uint16_t);
  const intptr_t out_pitch = CNN3D_LINE_FLOATS (a->outputs) * 4;
  const uint16_t *w = a->weights;
  float *out = a->out + x;

  zero_sums ();
  if (x < a->begun)
    _tile_loadd (0, a->begin + x, out_pitch);
  if (n > 1 && x + 16 < a->begun)
    _tile_loadd (1, a->begin + x + 16, out_pitch);
  if (n > 2 && x + 32 < a->begun)
    _tile_loadd (2, a->begin + x + 32, out_pitch);
  if (n > 3 && x + 48 < a->begun)
    _tile_loadd (3, a->begin + x + 48, out_pitch);
  for (int f = 0; f < 3; f++, w += parts * rows * CNN3D_STEM_WORDS) {
    const uint16_t *lines = a->lines[f] + 2 * x;

    for (int k = parts - 1; k >= 0; k--) {
      _tile_loadd (4, w + k * rows * CNN3D_STEM_WORDS, CNN3D_STEM_WORDS * sizeof (uint16_t));
      for (int i = a->part != 0 ? parts - 1 - k : 0; i >= 0; i--)
        multiply_narrow (lines + i * a->part, pitch, n);
    }
  }
  _tile_stored (0, out, out_pitch);
  if (n > 1)
    _tile_stored (1, out + 16, out_pitch);
  if (n > 2)
    _tile_stored (2, out + 32, out_pitch);
  if (n > 3)
    _tile_stored (3, out + 48, out_pitch);
}

INLINE void
stem_row (const Cnn3dBf16StemArgs *a, const int parts)
{
  int rows = cnn3d_stem_rows (a->channels), x = 0;

  if (rows <= NARROW) {
    configure_stem (rows);
    for (; x < a->outputs; x += MAX_TILES * 16)
      switch (a->outputs - x > 48 ? 4 : (a->outputs - x + 15) / 16) {
        case 1:
          stem_narrow (a, rows, x, 1, parts);
          break;
        case 2:
          stem_narrow (a, rows, x, 2, parts);
          break;
        case 3:
          stem_narrow (a, rows, x, 3, parts);
          break;
        default:
          stem_narrow (a, rows, x, MAX_TILES, parts);
      }
    return;
  }
  rows /= 2;
  configure_stem (rows);
  for (; x + 16 < a->outputs; x += 32)
    stem_outputs (a, rows, x, 1, parts);
  if (x < a->outputs)
    stem_outputs (a, rows, x, 0, parts);
}

static void
stem (const Cnn3dBf16StemArgs *a, int parts)
{
  if (parts == 1)
    stem_row (a, 1);
  else if (parts == 2)
    stem_row (a, 2);
  else
    stem_row (a, 3);
}
