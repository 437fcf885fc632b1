/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Separable: first over the rows into one line, then along the line. */

#include "lib3dcnn/cpu/kernels.h"
#include "lib3dcnn/cpu/vector.h"

INLINE V
pool_join (V a, V b, const int max)
{
  return max ? vmax (a, b) : a + b;
}

INLINE void
pool_row (const Cnn3dPoolArgs *a, const int max)
{
  V low = splat (a->low), high = splat (a->high), scale = splat (a->scale);
  intptr_t n = (intptr_t) a->width_in * CNN3D_BLOCK;

  for (intptr_t i = 0; i < n; i += CNN3D_VW) {
    V v = load (a->rows[0] + i);
    for (int r = 1; r < a->n_rows; r++)
      v = pool_join (v, load (a->rows[r] + i), max);
    store (a->line + i, v);
  }

  for (int o = 0; o < a->width_out; o++) {
    int first = o * a->stride - a->pad, end = first + a->kernel;

    first = first < 0 ? 0 : first;
    end = end > a->width_in ? a->width_in : end;
    for (int lane = 0; lane < CNN3D_BLOCK; lane += CNN3D_VW) {
      const float *x = a->line + lane;
      V v = load (x + (intptr_t) first * CNN3D_BLOCK);

      for (int i = first + 1; i < end; i++)
        v = pool_join (v, load (x + (intptr_t) i * CNN3D_BLOCK), max);
      store (a->out + (intptr_t) o * CNN3D_BLOCK + lane, vclamp (max ? v : v * scale, low, high));
    }
  }
}

static void
pool_max (const Cnn3dPoolArgs *a)
{
  pool_row (a, 1);
}

static void
pool_average (const Cnn3dPoolArgs *a)
{
  pool_row (a, 0);
}
