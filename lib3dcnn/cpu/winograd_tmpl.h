/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Transforms of Winograd's minimal filtering (Lavin and Gray 2016) for dense 3x3x3 convolutions with
 * stride 1, nested over frames, rows and columns. A tile of mt x m x m outputs comes from
 * pt x p x p inputs; between the transforms, each of these points is a 1x1x1 convolution.
 *
 * Along one axis, m is 4 or 2 (axis_tmpl.h), or 1 where only the middle tap meets anything.
 */

#include "lib3dcnn/cpu/axis_tmpl.h"
#include "lib3dcnn/cpu/kernels.h"

#define POINTS_OF(m) ((m) == 1 ? 1 : (m) + 2)
#define MAX_AXIS 6

INLINE void
input_tile (const Cnn3dWinogradInputArgs *args, const int mt, const int m, const int lane)
{
  /* Else it is loaded again for each store, which might change it. */
  const Cnn3dWinogradInputArgs copy = *args, *a = &copy;
  const int pt = POINTS_OF (mt), p = POINTS_OF (m);
  V frames[MAX_AXIS][MAX_AXIS * MAX_AXIS];

  for (int t = 0; t < pt; t++) {
    const float *x = a->x + t * a->frame + lane;
    V d[MAX_AXIS * MAX_AXIS];

    UNROLL for (int h = 0; h < p; h++) {
      UNROLL for (int w = 0; w < p; w++)
        d[h * p + w] = load (x + h * a->row + w * CNN3D_BLOCK);
      input_axis (d + h * p, 1, m);
    }
    UNROLL for (int w = 0; w < p; w++)
      input_axis (d + w, p, m);
    UNROLL for (int k = 0; k < p * p; k++)
      frames[t][k] = d[k];
  }
  for (int k = 0; k < p * p; k++) {
    float *out = a->out + k * a->point + lane;
    V d[MAX_AXIS];

    UNROLL for (int t = 0; t < pt; t++)
      d[t] = frames[t][k];
    input_axis (d, 1, mt);
    UNROLL for (int t = 0; t < pt; t++)
      store (out + t * p * p * a->point, d[t]);
  }
}

/* The outputs of one place of all frames, so many floats from the first. */
INLINE void
store_frames (const Cnn3dWinogradOutputArgs *a, V frames[][MAX_AXIS * MAX_AXIS], const int mt, int place, intptr_t offset, V bias,
    V low, V high)
{
  const int pt = POINTS_OF (mt);
  V d[MAX_AXIS];

  UNROLL for (int t = 0; t < pt; t++)
    d[t] = frames[t][place];
  output_axis (d, 1, mt);
  UNROLL for (int t = 0; t < mt; t++) {
    V v = d[t] + bias;

    if (t >= a->frames)
      break;
    if (a->residual)
      v += load (a->residual + offset + t * a->frame);
    store (a->out + offset + t * a->frame, vclamp (v, low, high));
  }
}

INLINE void
output_tile (const Cnn3dWinogradOutputArgs *args, const int mt, const int m, const int lane)
{
  const Cnn3dWinogradOutputArgs copy = *args, *a = &copy;
  const int pt = POINTS_OF (mt), p = POINTS_OF (m);
  V frames[MAX_AXIS][MAX_AXIS * MAX_AXIS];
  V bias = load (a->bias + lane), low = splat (a->low), high = splat (a->high);

  for (int t = 0; t < pt; t++) {
    const float *x = a->products + t * p * p * a->point + lane;
    V d[MAX_AXIS * MAX_AXIS];

    UNROLL for (int w = 0; w < p; w++) {
      UNROLL for (int h = 0; h < p; h++)
        d[h * p + w] = load (x + (h * p + w) * a->point);
      output_axis (d + w, p, m);
    }
    UNROLL for (int h = 0; h < m; h++) {
      output_axis (d + h * p, 1, m);
      UNROLL for (int w = 0; w < m; w++)
        frames[t][h * m + w] = d[h * p + w];
    }
  }
  for (int h = 0; h < a->rows; h++)
    for (int w = 0; w < a->columns; w++)
      store_frames (a, frames, mt, h * m + w, h * a->row + w * CNN3D_BLOCK + lane, bias, low, high);
}

#define WINOGRAD_CASE(tile, t, n)                                                                  \
  case t * 8 + n:                                                                                  \
    for (int lane = 0; lane < CNN3D_BLOCK; lane += CNN3D_VW)                                       \
      tile (a, t, n, lane);                                                                        \
    break;

#define WINOGRAD_CASES(tile)                                                                       \
  switch (mt * 8 + m) {                                                                            \
    WINOGRAD_CASE (tile, 1, 2)                                                                     \
    WINOGRAD_CASE (tile, 1, 4)                                                                     \
    WINOGRAD_CASE (tile, 2, 2)                                                                     \
    WINOGRAD_CASE (tile, 2, 4)                                                                     \
    WINOGRAD_CASE (tile, 4, 2)                                                                     \
    WINOGRAD_CASE (tile, 4, 4)                                                                     \
  }

static void
winograd_input (const Cnn3dWinogradInputArgs *a, int mt, int m)
{
  WINOGRAD_CASES (input_tile)
}

static void
winograd_output (const Cnn3dWinogradOutputArgs *a, int mt, int m)
{
  WINOGRAD_CASES (output_tile)
}
