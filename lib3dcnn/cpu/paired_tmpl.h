/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tiles of few output channels. A broadcast of two neighbouring inputs fills a vector with both in turns: lane 2 o + i has
 * the products of output o with input i of all pairs, and neighbours are added up at the end. So 24 outputs take three
 * vectors of 16 lanes for two taps, where single taps would take two for each, of which one is half empty; and a broadcast,
 * which takes as long as the products of a vector, serves two taps.
 */

#include "lib3dcnn/cpu/conv_tmpl.h"

#define PAIRED_VECTORS (CNN3D_PAIRED_HALVES * CNN3D_BLOCK / CNN3D_VW)

INLINE V
splat_pair (const float *p)
{
#if defined __SSE2__
  double pair;

  memcpy (&pair, p, sizeof pair);
#if CNN3D_VW == 16
  return (V) _mm512_set1_pd (pair);
#elif CNN3D_VW == 8
  return (V) _mm256_set1_pd (pair);
#else
  return (V) _mm_set1_pd (pair);
#endif
#else
  return (V){ p[0], p[1], p[0], p[1] };
#endif
}

/* Positions of a full tile: as many as leave registers for the weights and a broadcast. */
INLINE int
paired_positions (const int halves)
{
#if CNN3D_VW == 16
  return halves == 3 ? 8 : 12;
#elif CNN3D_VW == 8
  return halves == 1 ? 6 : 2;
#elif defined __ARM_NEON
  return halves == 1 ? 6 : 2;
#else
  return halves == 1 ? 2 : 1;
#endif
}

/* As conv_taps(). */
INLINE void
paired_taps (V acc[PAIRED_VECTORS + 1][CNN3D_TILE_POSITIONS], const float *x, const int32_t *taps, const float *w,
    const int nv, const int np, const int n, Ahead *ahead)
{
  V wv[TAPS_AT_ONCE][PAIRED_VECTORS];
  const float *xk[TAPS_AT_ONCE];

  UNROLL for (int k = 0; k < n; k++) {
    xk[k] = x + taps[k];
    UNROLL for (int v = 0; v < nv; v++)
      wv[k][v] = load (w + (k * nv + v) * CNN3D_VW);
    if (ahead)
      ask_ahead (ahead, w + k * nv * CNN3D_VW, nv * CNN3D_VW);
  }
  UNROLL for (int p = 0; p < np; p++)
    UNROLL for (int k = 0; k < n; k++) {
      V b = splat_pair (xk[k] + p * CNN3D_BLOCK);
      UNROLL for (int v = 0; v < nv; v++)
        acc[v][p] += wv[k][v] * b;
    }
}

INLINE void
paired_tile (const Cnn3dConvArgs *a, intptr_t position, const int halves, const int np, Ahead *ahead)
{
  const int nv = halves * CNN3D_BLOCK / CNN3D_VW, two = np * nv <= SUMS_FOR_TWO;
  const float *x = a->x + position * CNN3D_BLOCK, *w = a->weights;
  const int32_t *taps = a->taps, *end = taps + a->n_taps;
  Ahead next = ahead ? *ahead : (Ahead){ 0 };
  V acc[PAIRED_VECTORS + 1][CNN3D_TILE_POSITIONS];

  UNROLL for (int v = 0; v < nv; v++)
    UNROLL for (int p = 0; p < np; p++)
      acc[v][p] = splat (0);

  for (; two && end - taps >= TAPS_AT_ONCE; taps += TAPS_AT_ONCE, w += TAPS_AT_ONCE * nv * CNN3D_VW)
    paired_taps (acc, x, taps, w, nv, np, TAPS_AT_ONCE, ahead ? &next : NULL);
  for (; taps < end; taps++, w += nv * CNN3D_VW)
    paired_taps (acc, x, taps, w, nv, np, 1, ahead ? &next : NULL);

  if (ahead)
    *ahead = next;
  UNROLL for (int v = 0; v < FULL (halves); v++) {
    V sums[CNN3D_TILE_POSITIONS];

    UNROLL for (int p = 0; p < np; p++)
      sums[p] = EVEN (acc[2 * v][p], acc[2 * v + 1][p]) + ODD (acc[2 * v][p], acc[2 * v + 1][p])
          + load (a->bias + v * CNN3D_VW);
    conv_store (a, position, v, np, 1, sums);
  }
#if CNN3D_VW == 16
  if (TAIL (halves)) {
    H sums[CNN3D_TILE_POSITIONS];

    UNROLL for (int p = 0; p < np; p++) {
      V last = acc[nv - 1][p];
      sums[p] = LOW_HALF (EVEN (last, last) + ODD (last, last)) + *(const HU *) (a->bias + (halves - 1) * CNN3D_HALF);
    }
    conv_store_tail (a, position, halves, np, 1, sums);
  }
#endif
}
