/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The stem by Winograd's minimal filtering F(4, 3) over frames (axis_tmpl.h). Within a frame the convolution
 * stays as it is, as its stride is 2.
 *
 * B' is applied to lines of the input once for all channels of the output; it parts even columns from odd
 * ones, so that what a tap meets at neighbouring positions are neighbours. A' is applied to the products,
 * which are kept in the first cache.
 */

#include <math.h>

#include "lib3dcnn/cpu/axis_tmpl.h"
#include "lib3dcnn/cpu/conv_tmpl.h"

/* The position before the next tile's, of all blocks and frames, for a pool. */
typedef float TemporalBefore[(CNN3D_TILE_HALVES * CNN3D_HALF + CNN3D_VW - 1) / CNN3D_VW][CNN3D_POINT_FRAMES][CNN3D_VW];

INLINE void
temporal_begin (TemporalBefore before)
{
  for (size_t i = 0; i < sizeof (TemporalBefore) / sizeof (float); i += CNN3D_VW)
    store (before[0][0] + i, splat (-INFINITY));
}

#if CNN3D_VW == 16
#include "lib3dcnn/cpu/pairs_tmpl.h"
#endif

typedef float TemporalProducts[CNN3D_POINTS][(CNN3D_TILE_HALVES + 1) / 2][CNN3D_TILE_POSITIONS][CNN3D_BLOCK];

/* Products of all points, for np positions from `position` on. */
INLINE void
temporal_products (const Cnn3dTemporalArgs *a, TemporalProducts m, const int halves, const int np,
    int position)
{
  static const float zero[CNN3D_MAX_HALVES * CNN3D_HALF];
  Cnn3dConvArgs c = { .taps = a->taps, .n_taps = a->n_taps };

  UNROLL for (int h = 0; h < halves; h++)
    c.out_offsets[h] = h / 2 * CNN3D_TILE_POSITIONS * CNN3D_BLOCK + h % 2 * CNN3D_HALF;
  for (int k = 0; k < CNN3D_POINTS; k++) {
    c.x = a->x + k * a->point_floats + position;
    c.weights = a->weights + k * a->n_taps * halves * CNN3D_HALF;
    /* The column of A' for the point 1 has a one in each row: what is added there is in each frame. */
    c.bias = k == 1 ? a->bias : zero;
    c.out = m[k][0][0];
    conv_tile (&c, 0, halves, np, 1, 0, NULL);
  }
}

/* Vector v of all frames at position p of a tile. */
INLINE void
temporal_outputs (const TemporalProducts m, int v, int p, V *y)
{
  UNROLL for (int k = 0; k < CNN3D_POINTS; k++)
    y[k] = load (&m[k][v * CNN3D_VW / CNN3D_BLOCK][p][v * CNN3D_VW % CNN3D_BLOCK]);
  output_axis (y, 1, CNN3D_POINT_FRAMES);
}

/* From products to frames, for n positions from `position` on. */
INLINE void
temporal_frames (const Cnn3dTemporalArgs *a, const TemporalProducts m, const int halves, int position, int n)
{
  for (int v = 0; v < FULL (halves); v++) {
    intptr_t offset = a->out_offsets[HALF_OF (v)] + IN_HALF (v) + (intptr_t) position * CNN3D_BLOCK;

    for (int p = 0; p < n; p++) {
      V y[CNN3D_POINTS];

      temporal_outputs (m, v, p, y);
      clamp_all (y, CNN3D_POINT_FRAMES, a->low, a->high);
      UNROLL for (int t = 0; t < CNN3D_POINT_FRAMES; t++)
        store (a->out[t] + offset + p * CNN3D_BLOCK, y[t]);
    }
  }
}

/* Likewise for an even number of positions, for a pool. */
INLINE void
temporal_joined (const Cnn3dTemporalArgs *a, const TemporalProducts m, const int halves, int position, int n,
    TemporalBefore before)
{
  for (int v = 0; v < FULL (halves); v++) {
    intptr_t offset = a->out_offsets[HALF_OF (v)] + IN_HALF (v) + (intptr_t) position / 2 * CNN3D_BLOCK;

    for (int p = 0; p < n; p += 2, offset += CNN3D_BLOCK) {
      V y[CNN3D_POINTS], z[CNN3D_POINTS];

      temporal_outputs (m, v, p, y);
      temporal_outputs (m, v, p + 1, z);
      UNROLL for (int t = 0; t < CNN3D_POINT_FRAMES; t++) {
        y[t] = vmax (vmax (load (before[v][t]), y[t]), z[t]);
        store (before[v][t], z[t]);
      }
      store (a->out[0] + offset, vmax (vmax (load (a->out[2] + offset), y[0]), y[1]));
      store (a->out[1] + offset, vmax (vmax (y[1], y[2]), y[3]));
      store (a->out[2] + offset, y[3]);
    }
  }
}

INLINE void
temporal_tile (const Cnn3dTemporalArgs *a, const int halves, const int np, int position, TemporalBefore before)
{
  TemporalProducts m;

  temporal_products (a, m, halves, np, position);
  if (a->joins)
    temporal_joined (a, m, halves, position, np, before);
  else
    temporal_frames (a, m, halves, position, np);
}

/* Rows of 56 are 7 or 4 tiles. */
INLINE void
temporal_run (const Cnn3dTemporalArgs *a, const int halves, int positions)
{
#if CNN3D_VW == 16
  const int np = halves > 4 ? 8 : 14;
#else
  const int np = tile_positions (halves) / 2 * 2;
#endif
  TemporalBefore before;
  int p = 0;

  temporal_begin (before);
  for (; p + np <= positions; p += np)
    temporal_tile (a, halves, np, p, before);
  for (; p + 4 <= positions; p += 4)
    temporal_tile (a, halves, 4, p, before);
  for (; p + 2 <= positions; p += 2)
    temporal_tile (a, halves, 2, p, before);
  if (p < positions)
    temporal_tile (a, halves, 1, p, before);
}

static void
temporal (const Cnn3dTemporalArgs *a, int halves, int positions)
{
#if CNN3D_VW == 16
  if (halves == 4)
    temporal_run (a, 4, positions);
  else if (halves == 6)
    temporal_run (a, 6, positions);
  else
    temporal_pairs (a, halves, positions);
#else
  if (halves == 1)
    temporal_run (a, 1, positions);
  else if (halves == 2)
    temporal_run (a, 2, positions);
#if CNN3D_TILE_HALVES > 2
  else
    temporal_run (a, 3, positions);
#endif
#endif
}

/* B' on two vectors of each line from column i on, to halves of those that are even and odd. */
INLINE void
temporal_columns (const float *const *lines, intptr_t i, float *even, float *odd, intptr_t next)
{
  V a[CNN3D_POINTS], b[CNN3D_POINTS];

  UNROLL for (int k = 0; k < CNN3D_POINTS; k++) {
    a[k] = load (lines[k] + i);
    b[k] = load (lines[k] + i + CNN3D_VW);
  }
  input_axis (a, 1, CNN3D_POINT_FRAMES);
  input_axis (b, 1, CNN3D_POINT_FRAMES);
  UNROLL for (int k = 0; k < CNN3D_POINTS; k++) {
    store (even + k * next, EVEN (a[k], b[k]));
    store (odd + k * next, ODD (a[k], b[k]));
  }
}

INLINE void
temporal_line (const float *const *lines, intptr_t first, int width, float *out, intptr_t next)
{
  float *odd = out + width / 2;
  int i = 0, n;

  for (; i + 2 * CNN3D_VW <= width; i += 2 * CNN3D_VW)
    temporal_columns (lines, first + i, out + i / 2, odd + i / 2, next);
  n = width - i;
  if (n > 0) {
    float in[CNN3D_POINTS][2 * CNN3D_VW] = { { 0 } }, to[CNN3D_POINTS][2][CNN3D_VW];
    const float *rest[CNN3D_POINTS];

    for (int k = 0; k < CNN3D_POINTS; k++) {
      memcpy (in[k], lines[k] + first + i, (size_t) n * sizeof (float));
      rest[k] = in[k];
    }
    temporal_columns (rest, 0, to[0][0], to[0][1], 2 * CNN3D_VW);
    for (int k = 0; k < CNN3D_POINTS; k++) {
      memcpy (out + k * next + i / 2, to[k][0], (size_t) (n / 2) * sizeof (float));
      memcpy (odd + k * next + i / 2, to[k][1], (size_t) (n / 2) * sizeof (float));
    }
  }
}

static void
temporal_input (const Cnn3dTemporalInputArgs *a)
{
  const float *lines[CNN3D_POINTS];

  /* One by one, as they have just been stored: a load of two would have to wait for the first cache. */
  UNROLL for (int k = 0; k < CNN3D_POINTS; k++) {
    lines[k] = a->rows[k];
    __asm__ ("" : "+r"(lines[k]));
  }
  for (int y = 0; y < a->n_lines; y++)
    temporal_line (lines, y * (intptr_t) a->width, a->width, a->out + y * (intptr_t) a->width, a->point_floats);
}
