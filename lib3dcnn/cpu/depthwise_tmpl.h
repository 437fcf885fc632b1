/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A run of neighbouring outputs stays in registers over the (up to nine) input rows; each input
 * is loaded once a row and meets all three weights of the row. The three sums of an output must wait for each
 * other: long runs are in parts that take turns, so that there is something to do meanwhile.
 */

#include "lib3dcnn/cpu/kernels.h"
#include "lib3dcnn/cpu/vector.h"

#define PARTS 4

/* Where a kernel makes something else of them, it says what. */
#ifndef STORE_OUTPUT
#define STORE_OUTPUT(a, place, v) store ((a)->out + (place), v)
#endif

/*
 * Outputs [first, first + n) of output row y, of the lanes from `lane` on. left and right say whether the run
 * touches that border, so that the inner runs have no tests.
 */
INLINE void
depthwise_run (const Cnn3dDepthwiseArgs *a, int y, int lane, int first, const int n, const int stride,
    const int left, const int right)
{
  intptr_t in = y * a->in_step + lane, out = ((intptr_t) y * a->width_out + first) * CNN3D_BLOCK + lane;
  V acc[CNN3D_DEPTHWISE_RUN];
  int start = first * stride - 1; /* column of the first tap */
  /* Whether the last tap meets the border. */
  const int beyond = right && start + (n - 1) * stride + 2 >= a->width_in;
  const int m = n < 3 * PARTS ? n : (n + PARTS - 1) / PARTS; /* outputs of a part */

  UNROLL for (int i = 0; i < n; i++)
    acc[i] = load (a->bias + lane);

  for (int r = 0; r < a->n_rows; r++) {
    const float *x = a->rows[r] + (intptr_t) start * CNN3D_BLOCK + in;
    V w[3];

    /* Else each column's address is kept, in memory for want of registers. */
    __asm__ ("" : "+r"(x));
    UNROLL for (int k = 0; k < 3; k++)
      w[k] = load (a->weights[r] + lane + k * CNN3D_BLOCK);

    /* Column c of a part's input is tap 0, 1 or 2 of the outputs that it touches. */
    UNROLL for (int c = 0; c < (m - 1) * stride + 3; c++) {
      V v[PARTS];

      UNROLL for (int part = 0; part < PARTS; part++) {
        const int from = part * m, end = from + m < n ? m : n - from, column = from * stride + c;

        v[part] = splat (0);
        if (c >= (end - 1) * stride + 3 || from >= n || (left && column == 0))
          continue;
        if (right && column == (n - 1) * stride + 2 && beyond)
          continue;
        v[part] = pin (load (x + column * CNN3D_BLOCK));
      }
      UNROLL for (int k = 0; k < 3; k++)
        UNROLL for (int part = 0; part < PARTS; part++) {
          const int from = part * m, i = from + (c - k) / stride;

          if (c < k || (c - k) % stride != 0 || i >= from + m || i >= n || (left && from * stride + c == 0))
            continue;
          if (right && k == 2 && i == n - 1 && beyond)
            continue;
          acc[i] += v[part] * w[k];
        }
    }
  }

  clamp_all (acc, n, a->low, a->high);
  UNROLL for (int i = 0; i < n; i++)
    STORE_OUTPUT (a, out + i * CNN3D_BLOCK, acc[i]);
}

/* Of a whole block: where that is two vectors, they are in the same lines of the cache. */
INLINE void
depthwise_edges (const Cnn3dDepthwiseArgs *a, int y, int first, const int n, const int stride)
{
  int left = first == 0, right = first + n == a->width_out;

  for (int lane = 0; lane < CNN3D_BLOCK; lane += CNN3D_VW) {
    if (left && right)
      depthwise_run (a, y, lane, first, n, stride, 1, 1);
    else if (left)
      depthwise_run (a, y, lane, first, n, stride, 1, 0);
    else if (right)
      depthwise_run (a, y, lane, first, n, stride, 0, 1);
    else
      depthwise_run (a, y, lane, first, n, stride, 0, 0);
  }
}

INLINE void
depthwise_row (const Cnn3dDepthwiseArgs *a, int y, const int stride)
{
  int first = 0, left = a->width_out;

  for (; left >= CNN3D_DEPTHWISE_RUN; first += CNN3D_DEPTHWISE_RUN, left -= CNN3D_DEPTHWISE_RUN)
    depthwise_edges (a, y, first, CNN3D_DEPTHWISE_RUN, stride);
#if CNN3D_DEPTHWISE_RUN > 7
  for (; left >= 7; first += 7, left -= 7)
    depthwise_edges (a, y, first, 7, stride);
#endif
  for (; left >= 4; first += 4, left -= 4)
    depthwise_edges (a, y, first, 4, stride);
  for (; left >= 1; first++, left--)
    depthwise_edges (a, y, first, 1, stride);
}

static void
depthwise_s1 (const Cnn3dDepthwiseArgs *a)
{
  for (int y = 0; y < a->n_out; y++)
    depthwise_row (a, y, 1);
}

static void
depthwise_s2 (const Cnn3dDepthwiseArgs *a)
{
  for (int y = 0; y < a->n_out; y++)
    depthwise_row (a, y, 2);
}
