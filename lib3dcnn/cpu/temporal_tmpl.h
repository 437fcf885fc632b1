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

/* Products of the first `points` points, for np positions from `position` on. */
INLINE void
temporal_products (const Cnn3dTemporalArgs *a, TemporalProducts m, const int halves, const int np,
    int position, const int points)
{
  static const float zero[CNN3D_MAX_HALVES * CNN3D_HALF];
  Cnn3dConvArgs c = { .taps = a->taps, .n_taps = a->n_taps };

  UNROLL for (int h = 0; h < halves; h++)
    c.out_offsets[h] = h / 2 * CNN3D_TILE_POSITIONS * CNN3D_BLOCK + h % 2 * CNN3D_HALF;
  for (int k = 0; k < points; k++) {
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

/* Where vector v of a row of frames begins, or of one that a pool's joins, and of sums. */
INLINE intptr_t
temporal_offset (const int32_t *offsets, int v, int position)
{
  return offsets[HALF_OF (v)] + IN_HALF (v) + (intptr_t) position * CNN3D_BLOCK;
}

/* What a->sums wants, of n positions from `position` on. */
INLINE void
temporal_sums (const Cnn3dTemporalArgs *a, const TemporalProducts m, const int halves, int position, int n)
{
  for (int v = 0; v < FULL (halves); v++) {
    intptr_t offset = temporal_offset (a->sums_offsets, v, position);

    for (int p = 0; p < n; p++, offset += CNN3D_BLOCK) {
      V d[CNN3D_POINTS];

      UNROLL for (int k = 1; k < CNN3D_POINTS - 1; k++)
        d[k] = load (&m[k][v * CNN3D_VW / CNN3D_BLOCK][p][v * CNN3D_VW % CNN3D_BLOCK]);
      if (a->sums[0])
        store (a->sums[0] + offset, first_output (d, 1));
      if (a->sums[1])
        store (a->sums[1] + offset, last_output (d, 1));
    }
  }
}

/* From products to frames, for n positions from `position` on. */
INLINE void
temporal_frames (const Cnn3dTemporalArgs *a, const TemporalProducts m, const int halves, int position, int n)
{
  for (int v = 0; v < FULL (halves); v++) {
    intptr_t offset = temporal_offset (a->out_offsets, v, position);

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
    intptr_t offset = temporal_offset (a->out_offsets, v, position / 2);

    for (int p = 0; p < n; p += 2, offset += CNN3D_BLOCK) {
      V y[CNN3D_POINTS], z[CNN3D_POINTS];

      temporal_outputs (m, v, p, y);
      temporal_outputs (m, v, p + 1, z);
      UNROLL for (int t = 0; t < CNN3D_POINT_FRAMES; t++) {
        y[t] = vmax (vmax (load (before[v][t]), y[t]), z[t]);
        store (before[v][t], z[t]);
      }
      if (a->rest[0])
        store (a->rest[0] + offset, y[1]);
      if (a->rest[1])
        store (a->rest[1] + offset, vmax (y[1], y[2]));
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

  temporal_products (a, m, halves, np, position, CNN3D_POINTS);
  if (a->sums[0] || a->sums[1])
    temporal_sums (a, m, halves, position, np);
  if (a->joins)
    temporal_joined (a, m, halves, position, np, before);
  else
    temporal_frames (a, m, halves, position, np);
}

/* Of one frame, from what was kept of its sum. */
INLINE void
temporal_edge_tile (const Cnn3dTemporalArgs *a, const int halves, const int np, int position, TemporalBefore before)
{
  const int joined = a->joins;
  TemporalProducts m;

  temporal_products (a, m, halves, np, position, 1);
  for (int v = 0; v < FULL (halves); v++) {
    const float *sums = a->sums[0] + temporal_offset (a->sums_offsets, v, position);
    intptr_t offset = temporal_offset (a->out_offsets, v, joined ? position / 2 : position);

    for (int p = 0; p < np; p++) {
      V y = load (&m[0][v * CNN3D_VW / CNN3D_BLOCK][p][v * CNN3D_VW % CNN3D_BLOCK]) + load (sums + p * CNN3D_BLOCK);

      if (!joined) {
        clamp_all (&y, 1, a->low, a->high);
        store (a->out[0] + offset + p * CNN3D_BLOCK, y);
      } else if (p % 2 == 0) {
        store (before[v][0], vmax (load (before[v][0]), y));
      } else {
        V z = vmax (load (before[v][0]), y);

        store (a->out[0] + offset, vmax (load (a->rest[0] + offset), z));
        if (a->out[2])
          store (a->out[2] + offset, z);
        store (before[v][0], y);
        offset += CNN3D_BLOCK;
      }
    }
  }
}

/* Rows of 56 are 7 or 4 tiles. edge: one frame rather than four. */
INLINE void
temporal_run (const Cnn3dTemporalArgs *a, const int halves, int positions, const int edge)
{
  void (*const tile) (const Cnn3dTemporalArgs *, const int, const int, int, TemporalBefore)
      = edge ? temporal_edge_tile : temporal_tile;
#if CNN3D_VW == 16
  const int np = halves > 4 ? 8 : 14;
#else
  const int np = tile_positions (halves) / 2 * 2;
#endif
  TemporalBefore before;
  int p = 0;

  temporal_begin (before);
  for (; p + np <= positions; p += np)
    tile (a, halves, np, p, before);
  for (; p + 4 <= positions; p += 4)
    tile (a, halves, 4, p, before);
  for (; p + 2 <= positions; p += 2)
    tile (a, halves, 2, p, before);
  if (p < positions)
    tile (a, halves, 1, p, before);
}

INLINE void
temporal_halves (const Cnn3dTemporalArgs *a, int halves, int positions, const int edge)
{
#if CNN3D_VW == 16
  if (halves == 4)
    temporal_run (a, 4, positions, edge);
  else if (halves == 6)
    temporal_run (a, 6, positions, edge);
  else
    temporal_pairs (a, halves, positions, edge);
#else
  if (halves == 1)
    temporal_run (a, 1, positions, edge);
  else if (halves == 2)
    temporal_run (a, 2, positions, edge);
#if CNN3D_TILE_HALVES > 2
  else
    temporal_run (a, 3, positions, edge);
#endif
#endif
}

static void
temporal (const Cnn3dTemporalArgs *a, int halves, int positions)
{
  temporal_halves (a, halves, positions, 0);
}

static void
temporal_edge (const Cnn3dTemporalEdgeArgs *a, int halves, int positions)
{
  temporal_halves (a, halves, positions, 1);
}

#define EDGE_ROWS 3

/*
 * B' on two vectors of each line from column i on, to halves of those that are even and odd; or of its rows the first or
 * the last on as many lines as that meets.
 */
INLINE void
temporal_columns (const float *const *lines, intptr_t i, float *even, float *odd, intptr_t next, const int edge)
{
  const int n = edge ? EDGE_ROWS : CNN3D_POINTS, n_out = edge ? 1 : n;
  V a[CNN3D_POINTS], b[CNN3D_POINTS];

  UNROLL for (int k = 0; k < n; k++) {
    a[k] = load (lines[k] + i);
    b[k] = load (lines[k] + i + CNN3D_VW);
  }
  if (edge) {
    a[0] = edge_point (a[0], a[1], a[2]);
    b[0] = edge_point (b[0], b[1], b[2]);
  } else {
    input_axis (a, 1, CNN3D_POINT_FRAMES);
    input_axis (b, 1, CNN3D_POINT_FRAMES);
  }
  UNROLL for (int k = 0; k < n_out; k++) {
    store (even + k * next, EVEN (a[k], b[k]));
    store (odd + k * next, ODD (a[k], b[k]));
  }
}

INLINE void
temporal_line (const float *const *lines, intptr_t first, int width, float *out, intptr_t next, const int edge)
{
  float *odd = out + width / 2;
  int i = 0, n;

  for (; i + 2 * CNN3D_VW <= width; i += 2 * CNN3D_VW)
    temporal_columns (lines, first + i, out + i / 2, odd + i / 2, next, edge);
  n = width - i;
  if (n > 0) {
    float in[CNN3D_POINTS][2 * CNN3D_VW] = { { 0 } }, to[CNN3D_POINTS][2][CNN3D_VW];
    const float *rest[CNN3D_POINTS];

    for (int k = 0; k < (edge ? EDGE_ROWS : CNN3D_POINTS); k++) {
      memcpy (in[k], lines[k] + first + i, (size_t) n * sizeof (float));
      rest[k] = in[k];
    }
    temporal_columns (rest, 0, to[0][0], to[0][1], 2 * CNN3D_VW, edge);
    for (int k = 0; k < (edge ? 1 : CNN3D_POINTS); k++) {
      memcpy (out + k * next + i / 2, to[k][0], (size_t) (n / 2) * sizeof (float));
      memcpy (odd + k * next + i / 2, to[k][1], (size_t) (n / 2) * sizeof (float));
    }
  }
}

INLINE void
temporal_lines (const Cnn3dTemporalInputArgs *a, const int edge)
{
  const int n = edge ? EDGE_ROWS : CNN3D_POINTS;
  const float *lines[CNN3D_POINTS];

  /* One by one, as they have just been stored: a load of two would have to wait for the first cache. */
  UNROLL for (int k = 0; k < n; k++) {
    lines[k] = a->rows[k];
    __asm__ ("" : "+r"(lines[k]));
  }
  for (int y = 0; y < a->n_lines; y++)
    temporal_line (lines, y * (intptr_t) a->width, a->width, a->out + y * (intptr_t) a->width, a->point_floats, edge);
}

static void
temporal_input (const Cnn3dTemporalInputArgs *a)
{
  temporal_lines (a, 0);
}

static void
temporal_input_edge (const Cnn3dTemporalInputEdgeArgs *a)
{
  temporal_lines (a, 1);
}
