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

/* n vectors of the line, from float i on. */
INLINE void
pool_line (const Cnn3dPoolArgs *a, intptr_t i, const int n, const int max)
{
  V v[4];

  UNROLL for (int k = 0; k < n; k++)
    v[k] = load (a->rows[0] + i + k * CNN3D_VW);
  for (int r = 1; r < a->n_rows; r++) {
    const float *x = a->rows[r] + i;

    UNROLL for (int k = 0; k < n; k++)
      v[k] = pool_join (v[k], load (x + k * CNN3D_VW), max);
  }
  UNROLL for (int k = 0; k < n; k++)
    store (a->line + i + k * CNN3D_VW, v[k]);
}

INLINE void
pool_row (const Cnn3dPoolArgs *a, const int max)
{
  V low = splat (a->low), high = splat (a->high), scale = splat (a->scale);
  intptr_t n = (intptr_t) a->width_in * CNN3D_BLOCK, i = 0;

  for (; i + 4 * CNN3D_VW <= n; i += 4 * CNN3D_VW)
    pool_line (a, i, 4, max);
  for (; i < n; i += CNN3D_VW)
    pool_line (a, i, 1, max);

  for (int o = 0; o < a->width_out; o++) {
    int first = o * a->stride - a->pad, end = first + a->kernel;

    first = first < 0 ? 0 : first;
    end = end > a->width_in ? a->width_in : end;
    for (int lane = 0; lane < CNN3D_BLOCK; lane += CNN3D_VW) {
      const float *x = a->line + lane;
      V v = load (x + (intptr_t) first * CNN3D_BLOCK);

      for (int k = first + 1; k < end; k++)
        v = pool_join (v, load (x + (intptr_t) k * CNN3D_BLOCK), max);
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
