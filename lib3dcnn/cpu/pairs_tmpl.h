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
 * Products of all points, of `halves` halves from `first` on of those of the call, for np positions (an even
 * number, or one) from `position` on.
 */
INLINE void
pair_products (const Cnn3dTemporalArgs *a, PairProducts m, int all_halves, int first, const int halves,
    const int np, int position)
{
  const int n = (np + 1) / 2;
  const float *w = a->weights + first * CNN3D_VW;

  for (int k = 0; k < CNN3D_POINTS; k++) {
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

/* One or two halves of a block, of a pair, to each of its positions. */
INLINE void
store_pair (float *out, V half, V next, const int both, const int np)
{
  V first = EVEN (half, next), second = ODD (half, next);

  if (both) {
    store (out, first);
    if (np > 1)
      store (out + CNN3D_BLOCK, second);
  } else {
    _mm256_storeu_ps (out, _mm512_castps512_ps256 ((__m512) first));
    if (np > 1)
      _mm256_storeu_ps (out + CNN3D_BLOCK, _mm512_castps512_ps256 ((__m512) second));
  }
}

/* From products to frames. clamps: whether the bounds are any. */
INLINE void
pair_frames (const Cnn3dTemporalArgs *a, const PairProducts m, int first, const int halves, const int np,
    int position, const int clamps)
{
  V low = splat (a->low), high = splat (a->high);

  /* Of three halves, the first two are of one block, as calls of more than one begin with a block. */
  UNROLL for (int h = 0; h < halves; h += 2) {
    const int both = h + 1 < halves;
    intptr_t offset = a->out_offsets[first + h] + (intptr_t) position * CNN3D_BLOCK;

    for (int i = 0; i < (np + 1) / 2; i++) {
      V y[2][CNN3D_POINTS];

      UNROLL for (int v = 0; v <= both; v++) {
        UNROLL for (int k = 0; k < CNN3D_POINTS; k++)
          y[v][k] = load (m[k][i * halves + h + v]);
        output_axis (y[v], 1, CNN3D_POINT_FRAMES);
        UNROLL for (int t = 0; clamps && t < CNN3D_POINT_FRAMES; t++)
          y[v][t] = vclamp (y[v][t], low, high);
      }
      UNROLL for (int t = 0; t < CNN3D_POINT_FRAMES; t++)
        store_pair (a->out[t] + offset + i * 2 * CNN3D_BLOCK, y[0][t], y[both][t], both, np);
    }
  }
}

INLINE void
pair_tile (const Cnn3dTemporalArgs *a, int all_halves, int first, const int halves, const int np, int position)
{
  PairProducts m;

  pair_products (a, m, all_halves, first, halves, np, position);
  if (a->low == -INFINITY && a->high == INFINITY)
    pair_frames (a, m, first, halves, np, position, 0);
  else
    pair_frames (a, m, first, halves, np, position, 1);
}

/* The last tile begins earlier where the positions do not fill it. Rows of 56 are two or four tiles. */
INLINE void
pair_run (const Cnn3dTemporalArgs *a, int all_halves, int first, const int halves, int positions)
{
  const int np = halves == PAIR_HALVES ? PAIR_POSITIONS / 2 : PAIR_POSITIONS;

  for (int p = 0; p < positions && positions >= np; p += np)
    pair_tile (a, all_halves, first, halves, np, p + np <= positions ? p : positions - np);
  for (int p = 0; p < positions && positions < np && positions > 1; p += 2)
    pair_tile (a, all_halves, first, halves, 2, p + 2 <= positions ? p : positions - 2);
  if (positions == 1)
    pair_tile (a, all_halves, first, halves, 1, 0);
}

/* For numbers of halves that whole blocks would not fill, and for one block, whose loads they would double. */
static void
temporal_pairs (const Cnn3dTemporalArgs *a, int halves, int positions)
{
  int first = 0;

  for (; halves - first == 2 || halves - first > PAIR_HALVES; first += 2)
    pair_run (a, halves, first, 2, positions);
  if (halves - first == 1)
    pair_run (a, halves, first, 1, positions);
  else if (halves - first == PAIR_HALVES)
    pair_run (a, halves, first, PAIR_HALVES, positions);
}
