/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Register tiles: `halves` x 8 output channels by NP positions stay in registers over all taps; a
 * tap costs one load for each vector of weights and one broadcast for each position.
 */

#include "lib3dcnn/cpu/kernels.h"
#include "lib3dcnn/cpu/vector.h"

#if CNN3D_VW == 16
#define FULL(halves) ((halves) / 2) /* whole vectors */
#define TAIL(halves) ((halves) % 2) /* and one of half the width */
#else
#define FULL(halves) ((halves) * CNN3D_HALF / CNN3D_VW)
#define TAIL(halves) 0
#endif
#define MAX_FULL FULL (CNN3D_TILE_HALVES)

/* The place of vector v among the offsets of the halves, and its offset inside of its half. */
#define HALF_OF(v) ((v) * CNN3D_VW / CNN3D_HALF)
#define IN_HALF(v) ((v) * CNN3D_VW % CNN3D_HALF)

/*
 * The weights of the next call, as far as they are not on their way yet. With few positions,
 * weights are used up sooner than memory gives them unless they are asked for early: each tile of
 * positions asks for its part of the next ones.
 */
typedef struct {
  const float *weights;
  int step; /* floats for each tap of a tile */
} Ahead;

#define NEAR_TAPS 16

/*
 * Taps that are taken at a time: loads of two wait less for each other, where vectors of sums leave registers for their
 * weights.
 */
#if CNN3D_VW == 16
#define TAPS_AT_ONCE 2
#define SUMS_FOR_TWO 26
#else
#define TAPS_AT_ONCE 1
#define SUMS_FOR_TWO 0
#endif

/* Tiles whose weights the first cache keeps from one to the next: there is nothing to wait for. */
#define FEW_TAPS 64

/* At a tap, whose weights are `lanes` floats from w on. */
INLINE void
ask_ahead (Ahead *ahead, const float *w, const int lanes)
{
  /*
   * Into the second cache, as the first is full of the present ones. Half of the lines are enough: their neighbours
   * come along, and these do not take up what the first cache has to wait for lines with.
   */
  __builtin_prefetch (ahead->weights, 0, 2);
  ahead->weights += ahead->step;
  /*
   * And into the first, as sums that wait for their weights keep later loads from being begun. Tiles of one vector are
   * busy with loads already.
   */
  UNROLL for (int i = 0; i < MAX_FULL; i++)
    if (lanes >= 2 * CNN3D_VW && i * 16 < lanes)
      __builtin_prefetch (w + NEAR_TAPS * lanes + i * 16, 0, 3);
}

/* Vector v of np positions. The sums are clamped if clamp is set, and stored as they are if not. */
INLINE void
conv_store (const Cnn3dConvArgs *a, intptr_t position, const int v, const int np, const int clamp, V *sums)
{
  float *out = a->out + a->out_offsets[HALF_OF (v)] + IN_HALF (v) + position * CNN3D_BLOCK;

  if (a->residual) {
    const float *r = a->residual + a->residual_offsets[HALF_OF (v)] + IN_HALF (v) + position * CNN3D_BLOCK;
    UNROLL for (int p = 0; p < np; p++)
      sums[p] += load (r + p * CNN3D_BLOCK);
  }
  if (clamp)
    clamp_all (sums, np, a->low, a->high);
  UNROLL for (int p = 0; p < np; p++)
    store (out + p * CNN3D_BLOCK, sums[p]);
}

#if CNN3D_VW == 16
/* Likewise the last of an odd number of halves. */
INLINE void
conv_store_tail (const Cnn3dConvArgs *a, intptr_t position, const int halves, const int np, const int clamp, H *sums)
{
  __m256 low = _mm256_set1_ps (a->low), high = _mm256_set1_ps (a->high);
  float *out = a->out + a->out_offsets[halves - 1] + position * CNN3D_BLOCK;

  if (a->residual) {
    const float *r = a->residual + a->residual_offsets[halves - 1] + position * CNN3D_BLOCK;
    UNROLL for (int p = 0; p < np; p++)
      sums[p] += *(const HU *) (r + p * CNN3D_BLOCK);
  }
  UNROLL for (int p = 0; p < np; p++)
    *(HU *) (out + p * CNN3D_BLOCK) = clamp ? (H) _mm256_min_ps (high, _mm256_max_ps (low, (__m256) sums[p])) : sums[p];
}
#endif

/* What a tile's sums are in: whole vectors of each position, and what is left of an odd number of halves. */
typedef struct {
  V full[MAX_FULL + 1][CNN3D_TILE_POSITIONS];
#if CNN3D_VW == 16
  H tail[CNN3D_TILE_POSITIONS];
#endif
} ConvSums;

/* Adds the products of n taps. ahead may be NULL. */
INLINE void
conv_taps (ConvSums *sums, const float *x, const int32_t *taps, const float *w, const int halves, const int np,
    const int step, const int n, Ahead *ahead)
{
  const int nv = FULL (halves), lanes = halves * CNN3D_HALF;
  V wv[TAPS_AT_ONCE][MAX_FULL + 1];
  const float *xk[TAPS_AT_ONCE];

  UNROLL for (int k = 0; k < n; k++) {
    xk[k] = x + taps[k];
    UNROLL for (int v = 0; v < nv; v++)
      wv[k][v] = pin (load (w + k * lanes + v * CNN3D_VW));
    if (ahead)
      ask_ahead (ahead, w + k * lanes, lanes);
  }
  UNROLL for (int p = 0; p < np; p++)
    UNROLL for (int k = 0; k < n; k++) {
      const float *xp = xk[k] + p * step;
      /* A tail alone can take the broadcast from memory; else the vectors share one. */
      V b = nv > 0 ? splat (*xp) : (V){ 0 };

      UNROLL for (int v = 0; v < nv; v++)
        sums->full[v][p] += wv[k][v] * b;
#if CNN3D_VW == 16
      if (TAIL (halves))
        sums->tail[p] += *(const HU *) (w + k * lanes + nv * 16) * (nv > 0 ? LOW_HALF (b) : (H) _mm256_set1_ps (*xp));
#endif
    }
}

/* clamp as of conv_store(); ahead may be NULL. */
INLINE void
conv_tile (const Cnn3dConvArgs *a, intptr_t position, const int halves, const int np, const int step,
    const int clamp, Ahead *ahead)
{
  const int nv = FULL (halves), lanes = halves * CNN3D_HALF, two = np * (nv + TAIL (halves)) <= SUMS_FOR_TWO;
  const float *x = a->x + position * step, *w = a->weights;
  const int32_t *taps = a->taps, *end = taps + a->n_taps;
  Ahead next = ahead ? *ahead : (Ahead){ 0 };
  ConvSums sums;

  UNROLL for (int v = 0; v < nv; v++)
    UNROLL for (int p = 0; p < np; p++)
      sums.full[v][p] = load (a->bias + v * CNN3D_VW);
#if CNN3D_VW == 16
  if (TAIL (halves))
    UNROLL for (int p = 0; p < np; p++)
      sums.tail[p] = *(const HU *) (a->bias + nv * 16);
#endif

  for (; two && end - taps >= TAPS_AT_ONCE; taps += TAPS_AT_ONCE, w += TAPS_AT_ONCE * lanes)
    conv_taps (&sums, x, taps, w, halves, np, step, TAPS_AT_ONCE, ahead ? &next : NULL);
  for (; taps < end; taps++, w += lanes)
    conv_taps (&sums, x, taps, w, halves, np, step, 1, ahead ? &next : NULL);

  if (ahead)
    *ahead = next;
  UNROLL for (int v = 0; v < nv; v++)
    conv_store (a, position, v, np, clamp, sums.full[v]);
#if CNN3D_VW == 16
  if (TAIL (halves))
    conv_store_tail (a, position, halves, np, clamp, sums.tail);
#endif
}

/* Positions of a full tile: as many as leave registers for the weights and a broadcast. */
INLINE int
tile_positions (const int halves)
{
#if CNN3D_VW == 16
  return halves > 4 ? 8 : 12;
#elif CNN3D_VW == 8
  return halves == 1 ? 8 : halves == 2 ? 6 : 4;
#elif defined __ARM_NEON
  return 12 / halves;
#else
  return halves == 1 ? 5 : 2;
#endif
}
