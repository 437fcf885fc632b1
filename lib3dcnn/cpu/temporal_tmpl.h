/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The stem as Winograd's minimal filtering F(4, 3) over frames (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", 2016): six products make four frames, where sums over three taps
 * need twelve. Within a frame the convolution stays as it is, as its stride is 2.
 *
 * The points are 0, 1, -1, 2, -2 and infinity:
 *
 *   y = A' [(G g) * (B' d)]
 *
 *        | 4  0 -5  0  1  0 |       |  1/4    0     0  |       | 1  1  1  1  1  0 |
 *        | 0 -4 -4  1  1  0 |       | -1/6  -1/6  -1/6 |  A' = | 0  1 -1  2 -2  0 |
 *   B' = | 0  4 -4 -1  1  0 |   G = | -1/6   1/6  -1/6 |       | 0  1  1  4  4  0 |
 *        | 0 -2 -1  2  1  0 |       |  1/24  1/12  1/6 |       | 0  1 -1  8 -8  1 |
 *        | 0  2 -1 -2  1  0 |       |  1/24 -1/12  1/6 |
 *        | 0  4  0 -5  0  1 |       |   0     0     1  |
 *
 * B' is applied to rows of the input once for all channels of the output; G when weights are packed
 * (winograd.h); A' to the products, which are kept in the first cache.
 */

#include <math.h>

#include "lib3dcnn/cpu/conv_tmpl.h"

#define TEMPORAL_BLOCKS ((CNN3D_TILE_HALVES + 1) / 2)

typedef float TemporalProducts[CNN3D_POINTS][TEMPORAL_BLOCKS][CNN3D_TILE_POSITIONS][CNN3D_BLOCK];

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
    c.x = a->x + k * a->point_floats + position * 2;
    c.weights = a->weights + k * a->n_taps * halves * CNN3D_HALF;
    /* The column of A' for the point 1 has a one in each row: what is added there is in each frame. */
    c.bias = k == 1 ? a->bias : zero;
    c.out = m[k][0][0];
    conv_tile (&c, 0, halves, np, 2, 0, NULL);
  }
}

#define TEMPORAL_FRAMES(T, LOAD, STORE, CLAMP)                                                     \
  {                                                                                                \
    T m0 = LOAD (0), m1 = LOAD (1), m2 = LOAD (2), m3 = LOAD (3), m4 = LOAD (4), m5 = LOAD (5);    \
    T s1 = m1 + m2, d1 = m1 - m2, s2 = m3 + m4, d2 = m3 - m4;                                      \
    STORE (0, CLAMP (m0 + s1 + s2));                                                               \
    STORE (1, CLAMP (d1 + 2 * d2));                                                                \
    STORE (2, CLAMP (s1 + 4 * s2));                                                                \
    STORE (3, CLAMP (m5 + d1 + 8 * d2));                                                           \
  }

/* From products to frames, for n positions from `position` on. clamps: whether the bounds are any. */
INLINE void
temporal_frames (const Cnn3dTemporalArgs *a, const TemporalProducts m, const int halves, int position,
    int n, const int clamps)
{
  V low = splat (a->low), high = splat (a->high);

#define LOAD(k) load (&m[k][v * CNN3D_VW / CNN3D_BLOCK][p][v * CNN3D_VW % CNN3D_BLOCK])
#define STORE(t, value) store (a->out[t] + offset + p * CNN3D_BLOCK, value)
#define CLAMP(value) (clamps ? vclamp (value, low, high) : (value))
  for (int v = 0; v < FULL (halves); v++) {
    intptr_t offset = a->out_offsets[HALF_OF (v)] + IN_HALF (v) + (intptr_t) position * CNN3D_BLOCK;
    for (int p = 0; p < n; p++)
      TEMPORAL_FRAMES (V, LOAD, STORE, CLAMP)
  }
#undef LOAD
#undef STORE
#undef CLAMP
#if CNN3D_VW == 16
  if (TAIL (halves)) {
    intptr_t offset = a->out_offsets[halves - 1] + (intptr_t) position * CNN3D_BLOCK;
    __m256 low_half = _mm256_set1_ps (a->low), high_half = _mm256_set1_ps (a->high);

#define LOAD(k) (*(const HU *) m[k][halves / 2][p])
#define STORE(t, value) (*(HU *) (a->out[t] + offset + p * CNN3D_BLOCK) = value)
#define CLAMP(value) (clamps ? (H) _mm256_min_ps (high_half, _mm256_max_ps (low_half, (__m256) (value))) : (value))
    for (int p = 0; p < n; p++)
      TEMPORAL_FRAMES (H, LOAD, STORE, CLAMP)
#undef LOAD
#undef STORE
#undef CLAMP
  }
#endif
}

INLINE void
temporal_tile (const Cnn3dTemporalArgs *a, const int halves, const int np, int position)
{
  TemporalProducts m;

  temporal_products (a, m, halves, np, position);
  if (a->low == -INFINITY && a->high == INFINITY)
    temporal_frames (a, m, halves, position, np, 0);
  else
    temporal_frames (a, m, halves, position, np, 1);
}

/* The last tile begins earlier where the positions do not fill it. Rows of 56 are 7 or 4 tiles. */
INLINE void
temporal_run (const Cnn3dTemporalArgs *a, const int halves, int positions)
{
#if CNN3D_VW == 16
  const int np = halves == 3 || halves > 4 ? 8 : 14;
#else
  const int np = tile_positions (halves);
#endif

  for (int p = 0; p < positions && positions < np; p++)
    temporal_tile (a, halves, 1, p);
  for (int p = 0; p < positions && positions >= np; p += np)
    temporal_tile (a, halves, np, p + np <= positions ? p : positions - np);
}

#define TEMPORAL_CASE(n)                                                                           \
  case n:                                                                                          \
    if (n <= CNN3D_TILE_HALVES)                                                                    \
      temporal_run (a, n <= CNN3D_TILE_HALVES ? n : 1, positions);                                 \
    break;

static void
temporal (const Cnn3dTemporalArgs *a, int halves, int positions)
{
  switch (halves) {
    TEMPORAL_CASE (1)
    TEMPORAL_CASE (2)
    TEMPORAL_CASE (3)
    TEMPORAL_CASE (4)
    TEMPORAL_CASE (5)
    TEMPORAL_CASE (6)
  }
}

/* B' on rows of six frames. */
static void
temporal_input (const Cnn3dTemporalInputArgs *a)
{
  const float *x0 = a->rows[0], *x1 = a->rows[1], *x2 = a->rows[2];
  const float *x3 = a->rows[3], *x4 = a->rows[4], *x5 = a->rows[5];
  intptr_t next = a->point_floats;

#define POINTS(T, LOAD, STORE)                                                                     \
  {                                                                                                \
    T d0 = LOAD (x0), d1 = LOAD (x1), d2 = LOAD (x2), d3 = LOAD (x3), d4 = LOAD (x4);              \
    T s = d4 - 4 * d2, d = d3 - 4 * d1, e = d4 - d2, f = 2 * (d3 - d1);                            \
    STORE (0, 4 * d0 - 5 * d2 + d4);                                                               \
    STORE (1, s + d);                                                                              \
    STORE (2, s - d);                                                                              \
    STORE (3, e + f);                                                                              \
    STORE (4, e - f);                                                                              \
    STORE (5, 4 * d1 - 5 * d3 + LOAD (x5));                                                        \
  }
#define LOAD(x) load (x + i)
#define STORE(k, value) store (a->out + (k) * next + i, value)
  int i = 0;
  for (; i + CNN3D_VW <= a->width; i += CNN3D_VW)
    POINTS (V, LOAD, STORE)
#undef LOAD
#undef STORE
  if (i < a->width) {
    float in[CNN3D_POINTS][CNN3D_VW] = { { 0 } }, out[CNN3D_POINTS][CNN3D_VW];
    int n = a->width - i;

    for (int k = 0; k < CNN3D_POINTS; k++)
      for (int j = 0; j < n; j++)
        in[k][j] = a->rows[k][i + j];
    x0 = in[0], x1 = in[1], x2 = in[2], x3 = in[3], x4 = in[4], x5 = in[5];
#define LOAD(x) load (x)
#define STORE(k, value) store (out[k], value)
    POINTS (V, LOAD, STORE)
#undef LOAD
#undef STORE
    for (int k = 0; k < CNN3D_POINTS; k++)
      for (int j = 0; j < n; j++)
        a->out[k * next + i + j] = out[k][j];
  }
#undef POINTS
}
