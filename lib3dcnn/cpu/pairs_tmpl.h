/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The stem (temporal_tmpl.h) on vectors of 16, two neighbouring positions in each: lane 2 c + i is channel c
 * at position i. One load brings the inputs of both, each weight is packed twice, and 24 channels
 * (ShuffleNet) take three vectors for two positions, where blocks take two for each.
 */

#include <math.h>

#include "lib3dcnn/cpu/axis_tmpl.h"
#include "lib3dcnn/cpu/kernels.h"

#define PAIR_HALVES 3     /* of a tile, at most */
#define PAIR_POSITIONS 28 /* likewise; with three halves 14 */

typedef float PairProducts[CNN3D_POINTS][PAIR_POSITIONS][CNN3D_VW]; /* of pair i, half h at i * halves + h */

/* The inputs of two positions in turns, or one position's in all lanes. */
INLINE V
load_pair (const float *x, const int np)
{
  double pair;

  if (np == 1)
    return splat (*x);
  memcpy (&pair, x, sizeof pair);
  return (V) _mm512_set1_pd (pair);
}

INLINE V
load_twice (const float *p)
{
  const __m512i twice = _mm512_set_epi32 (7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);

  return (V) _mm512_permutexvar_ps (twice, _mm512_castps256_ps512 (_mm256_loadu_ps (p)));
}

/*
 * Products of the first `points` points, of `halves` halves from `first` on of those of the call, for np positions (an even
 * number, or one) from `position` on.
 */
INLINE void
pair_products (const Cnn3dTemporalArgs *a, PairProducts m, int all_halves, int first, const int halves,
    const int np, int position, const int points)
{
  const int n = (np + 1) / 2;
  const float *w = a->weights + first * CNN3D_VW;

  for (int k = 0; k < points; k++) {
    const float *x = a->x + k * a->point_floats + position;
    V acc[PAIR_HALVES][PAIR_POSITIONS / 2];

    /* The column of A' for the point 1 has a one in each row: what is added there is in each frame. */
    UNROLL for (int h = 0; h < halves; h++) {
      V bias = k == 1 ? load_twice (a->bias + (first + h) * CNN3D_HALF) : splat (0);
      UNROLL for (int i = 0; i < n; i++)
        acc[h][i] = bias;
    }
    for (const int32_t *tap = a->taps, *end = tap + a->n_taps; tap < end; tap++, w += all_halves * CNN3D_VW) {
      const float *xk = x + *tap;
      V wv[PAIR_HALVES];

      /* Else an address is computed for each load. */
      __asm__ ("" : "+r"(xk));
      UNROLL for (int h = 0; h < halves; h++)
        wv[h] = load (w + h * CNN3D_VW);
      UNROLL for (int i = 0; i < n; i++) {
        V b = load_pair (xk + 2 * i, np);
        UNROLL for (int h = 0; h < halves; h++)
          acc[h][i] += wv[h] * b;
      }
    }
    UNROLL for (int h = 0; h < halves; h++)
      UNROLL for (int i = 0; i < n; i++)
        store (m[k][i * halves + h], acc[h][i]);
  }
}

/* One or two halves. */
INLINE void
store_block (float *out, V v, const int both)
{
  if (both)
    store (out, v);
  else
    _mm256_storeu_ps (out, _mm512_castps512_ps256 ((__m512) v));
}

INLINE V
load_block (const float *p, const int both)
{
  return both ? load (p) : (V) _mm512_castps256_ps512 (_mm256_loadu_ps (p));
}

/* Frames of one or two halves of a block, from the products of pair i. */
INLINE void
pair_outputs (const PairProducts m, int i, const int halves, const int h, V y[2][CNN3D_POINTS])
{
  UNROLL for (int v = 0; v < 2; v++) {
    if (h + v >= halves)
      continue;
    UNROLL for (int k = 0; k < CNN3D_POINTS; k++)
      y[v][k] = load (m[k][i * halves + h + v]);
    output_axis (y[v], 1, CNN3D_POINT_FRAMES);
  }
}

/* The same vectors of two positions in turns, from their halves' own places, and there. */
INLINE void
store_pair (float *out, V a, V b, const int both, const int np)
{
  store_block (out, EVEN (a, b), both);
  if (np > 1)
    store_block (out + CNN3D_BLOCK, ODD (a, b), both);
}

/* What a->sums wants. */
INLINE void
pair_sums (const Cnn3dTemporalArgs *a, const PairProducts m, int first, const int halves, const int np, int position)
{
  UNROLL for (int h = 0; h < PAIR_HALVES; h += 2) {
    const int both = h + 1 < halves;

    for (int i = 0; i < (np + 1) / 2 && h < halves; i++) {
      intptr_t offset = a->sums_offsets[first + h] + (intptr_t) (position + 2 * i) * CNN3D_BLOCK;
      V d[2][CNN3D_POINTS];

      UNROLL for (int v = 0; v <= both; v++)
        UNROLL for (int k = 1; k < CNN3D_POINTS - 1; k++)
          d[v][k] = load (m[k][i * halves + h + v]);
      if (a->sums[0])
        store_pair (a->sums[0] + offset, first_output (d[0], 1), first_output (d[both], 1), both, np);
      if (a->sums[1])
        store_pair (a->sums[1] + offset, last_output (d[0], 1), last_output (d[both], 1), both, np);
    }
  }
}

/*
 * From products to frames. Of three halves, the first two are of one block, as calls of more than one half begin with
 * a block.
 */
INLINE void
pair_frames (const Cnn3dTemporalArgs *a, const PairProducts m, int first, const int halves, const int np,
    int position)
{
  UNROLL for (int h = 0; h < PAIR_HALVES; h += 2) {
    const int both = h + 1 < halves;

    for (int i = 0; i < (np + 1) / 2 && h < halves; i++) {
      intptr_t offset = a->out_offsets[first + h] + (intptr_t) (position + 2 * i) * CNN3D_BLOCK;
      V y[2][CNN3D_POINTS];

      pair_outputs (m, i, halves, h, y);
      UNROLL for (int v = 0; v <= both; v++)
        clamp_all (y[v], CNN3D_POINT_FRAMES, a->low, a->high);
      UNROLL for (int t = 0; t < CNN3D_POINT_FRAMES; t++)
        store_pair (a->out[t] + offset, y[0][t], y[both][t], both, np);
    }
  }
}

/* Likewise for a pool. */
INLINE void
pair_joined (const Cnn3dTemporalArgs *a, const PairProducts m, int first, const int halves, const int np,
    int position, TemporalBefore before)
{
  UNROLL for (int h = 0; h < PAIR_HALVES; h += 2) {
    const int both = h + 1 < halves;

    for (int i = 0; i < np / 2 && h < halves; i++) {
      intptr_t offset = a->out_offsets[first + h] + (intptr_t) (position / 2 + i) * CNN3D_BLOCK;
      V y[2][CNN3D_POINTS], z[CNN3D_POINT_FRAMES];

      pair_outputs (m, i, halves, h, y);
      UNROLL for (int t = 0; t < CNN3D_POINT_FRAMES; t++) {
        V last = ODD (y[0][t], y[both][t]);

        z[t] = vmax (vmax (load (before[h / 2][t]), EVEN (y[0][t], y[both][t])), last);
        store (before[h / 2][t], last);
      }
      if (a->rest[0])
        store_block (a->rest[0] + offset, z[1], both);
      if (a->rest[1])
        store_block (a->rest[1] + offset, vmax (z[1], z[2]), both);
      store_block (a->out[0] + offset, vmax (vmax (load_block (a->out[2] + offset, both), z[0]), z[1]), both);
      store_block (a->out[1] + offset, vmax (vmax (z[1], z[2]), z[3]), both);
      store_block (a->out[2] + offset, z[3], both);
    }
  }
}

INLINE void
pair_tile (const Cnn3dTemporalArgs *a, int all_halves, int first, const int halves, const int np, int position,
    TemporalBefore before)
{
  PairProducts m;

  pair_products (a, m, all_halves, first, halves, np, position, CNN3D_POINTS);
  if (a->sums[0] || a->sums[1])
    pair_sums (a, m, first, halves, np, position);
  if (a->joins)
    pair_joined (a, m, first, halves, np, position, before);
  else
    pair_frames (a, m, first, halves, np, position);
}

/* Of one frame, from what was kept of its sum. */
INLINE void
pair_edge_tile (const Cnn3dTemporalArgs *a, int all_halves, int first, const int halves, const int np, int position,
    TemporalBefore before)
{
  PairProducts m;

  pair_products (a, m, all_halves, first, halves, np, position, 1);
  UNROLL for (int h = 0; h < PAIR_HALVES; h += 2) {
    const int both = h + 1 < halves;

    for (int i = 0; i < (np + 1) / 2 && h < halves; i++) {
      const float *sums = a->sums[0] + a->sums_offsets[first + h] + (position + 2 * i) * CNN3D_BLOCK;
      V p[2] = { load (m[0][i * halves + h]), load (m[0][i * halves + h + both]) };
      V y[2] = { EVEN (p[0], p[1]) + load_block (sums, both) };
      float *out = a->out[0] + a->out_offsets[first + h];

      if (np > 1)
        y[1] = ODD (p[0], p[1]) + load_block (sums + CNN3D_BLOCK, both);
      if (a->joins) {
        intptr_t offset = (intptr_t) (position / 2 + i) * CNN3D_BLOCK;
        V z = vmax (vmax (load (before[h / 2][0]), y[0]), y[1]);

        store (before[h / 2][0], y[1]);
        store_block (out + offset, vmax (load_block (a->rest[0] + a->out_offsets[first + h] + offset, both), z), both);
        if (a->out[2])
          store_block (a->out[2] + a->out_offsets[first + h] + offset, z, both);
        continue;
      }
      clamp_all (y, 2, a->low, a->high);
      store_block (out + (position + 2 * i) * CNN3D_BLOCK, y[0], both);
      if (np > 1)
        store_block (out + (position + 2 * i + 1) * CNN3D_BLOCK, y[1], both);
    }
  }
}

/* Rows of 56 are two or four tiles. */
INLINE void
pair_run (const Cnn3dTemporalArgs *a, int all_halves, int first, const int halves, int positions, const int edge)
{
  void (*const tile) (const Cnn3dTemporalArgs *, int, int, const int, const int, int, TemporalBefore)
      = edge ? pair_edge_tile : pair_tile;
  const int np = halves == PAIR_HALVES ? PAIR_POSITIONS / 2 : PAIR_POSITIONS;
  TemporalBefore before;
  int p = 0;

  temporal_begin (before);
  for (; p + np <= positions; p += np)
    tile (a, all_halves, first, halves, np, p, before);
  for (; p + 4 <= positions; p += 4)
    tile (a, all_halves, first, halves, 4, p, before);
  for (; p + 2 <= positions; p += 2)
    tile (a, all_halves, first, halves, 2, p, before);
  if (p < positions)
    tile (a, all_halves, first, halves, 1, p, before);
}

/* For numbers of halves that whole blocks would not fill, and for one block, whose loads they would double. */
INLINE void
temporal_pairs (const Cnn3dTemporalArgs *a, int halves, int positions, const int edge)
{
  int first = 0;

  for (; halves - first == 2 || halves - first > PAIR_HALVES; first += 2)
    pair_run (a, halves, first, 2, positions, edge);
  if (halves - first == 1)
    pair_run (a, halves, first, 1, positions, edge);
  else if (halves - first == PAIR_HALVES)
    pair_run (a, halves, first, PAIR_HALVES, positions, edge);
}
