/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A run of neighbouring outputs stays in registers over the (up to nine) input rows; each input
 * is loaded once a row and meets all three weights of the row.
 */

#include "lib3dcnn/cpu/kernels.h"
#include "lib3dcnn/cpu/vector.h"

/*
 * Outputs [first, first + n) of the lanes from `lane` on. left and right say whether the run
 * touches that border, so that the inner runs have no tests.
 */
INLINE void
depthwise_run (const Cnn3dDepthwiseArgs *a, int lane, int first, const int n, const int stride,
    const int left, const int right)
{
  V acc[CNN3D_DEPTHWISE_RUN], low = splat (a->low), high = splat (a->high);
  int start = first * stride - 1; /* column of the first tap */

  UNROLL for (int i = 0; i < n; i++)
    acc[i] = load (a->bias + lane);

  for (int r = 0; r < a->n_rows; r++) {
    const float *x = a->rows[r] + (intptr_t) start * CNN3D_BLOCK + lane;
    const float *w = a->weights[r] + lane;
    V w0 = load (w), w1 = load (w + CNN3D_BLOCK), w2 = load (w + 2 * CNN3D_BLOCK);

    /* Column c of the run's input is tap 0, 1 or 2 of the outputs that it touches. */
    UNROLL for (int c = 0; c < (n - 1) * stride + 3; c++) {
      V v;

      if (left && c == 0)
        continue;
      if (right && c == (n - 1) * stride + 2 && start + c >= a->width_in)
        continue;
      v = pin (load (x + c * CNN3D_BLOCK));
      if (c % stride == 0 && c / stride < n)
        acc[c / stride] += v * w0;
      if ((c + stride - 1) % stride == 0 && c >= 1 && (c - 1) / stride < n)
        acc[(c - 1) / stride] += v * w1;
      if ((c + 2 * stride - 2) % stride == 0 && c >= 2 && (c - 2) / stride < n)
        acc[(c - 2) / stride] += v * w2;
    }
  }

  UNROLL for (int i = 0; i < n; i++)
    store (a->out + (intptr_t) (first + i) * CNN3D_BLOCK + lane, vclamp (acc[i], low, high));
}

INLINE void
depthwise_edges (const Cnn3dDepthwiseArgs *a, int lane, int first, const int n, const int stride)
{
  int left = first == 0, right = first + n == a->width_out;

  if (left && right)
    depthwise_run (a, lane, first, n, stride, 1, 1);
  else if (left)
    depthwise_run (a, lane, first, n, stride, 1, 0);
  else if (right)
    depthwise_run (a, lane, first, n, stride, 0, 1);
  else
    depthwise_run (a, lane, first, n, stride, 0, 0);
}

INLINE void
depthwise_row (const Cnn3dDepthwiseArgs *a, const int stride)
{
  for (int lane = 0; lane < CNN3D_BLOCK; lane += CNN3D_VW) {
    int first = 0, left = a->width_out;

    for (; left >= CNN3D_DEPTHWISE_RUN; first += CNN3D_DEPTHWISE_RUN, left -= CNN3D_DEPTHWISE_RUN)
      depthwise_edges (a, lane, first, CNN3D_DEPTHWISE_RUN, stride);
#if CNN3D_DEPTHWISE_RUN > 7
    for (; left >= 7; first += 7, left -= 7)
      depthwise_edges (a, lane, first, 7, stride);
#endif
    for (; left >= 4; first += 4, left -= 4)
      depthwise_edges (a, lane, first, 4, stride);
    for (; left >= 1; first++, left--)
      depthwise_edges (a, lane, first, 1, stride);
  }
}

static void
depthwise_s1 (const Cnn3dDepthwiseArgs *a)
{
  depthwise_row (a, 1);
}

static void
depthwise_s2 (const Cnn3dDepthwiseArgs *a)
{
  depthwise_row (a, 2);
}
