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

/* n vectors of the rows, from float i on: to the line, or to the output if that is all. */
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
  UNROLL for (int k = 0; k < n; k++) {
    if (a->kernel == 1)
      store (a->out + i + k * CNN3D_VW, vclamp (max ? v[k] : v[k] * splat (a->scale), splat (a->low), splat (a->high)));
    else
      store (a->line + i + k * CNN3D_VW, v[k]);
  }
}

/* Outputs [o, end) of a line. width: of the kernel inside of the border. */
INLINE void
pool_outputs (const Cnn3dPoolArgs *a, const float *line, int o, int end, int first, const int width, const int max)
{
  V low = splat (a->low), high = splat (a->high), scale = splat (a->scale);

  for (; o < end; o++, first += a->stride)
    for (int lane = 0; lane < CNN3D_BLOCK; lane += CNN3D_VW) {
      const float *x = line + (intptr_t) first * CNN3D_BLOCK + lane;
      V v = load (x);

      for (int k = 1; k < width; k++)
        v = pool_join (v, load (x + (intptr_t) k * CNN3D_BLOCK), max);
      store (a->out + (intptr_t) o * CNN3D_BLOCK + lane, vclamp (max ? v : v * scale, low, high));
    }
}

INLINE void
pool_row (const Cnn3dPoolArgs *a, const int max)
{
  intptr_t n = (intptr_t) a->width_in * CNN3D_BLOCK, i = 0;
  const float *line = a->n_rows == 1 ? a->rows[0] : a->line;
  int o = 0, first = -a->pad;

  if (a->n_rows == 1 && a->kernel > 1)
    i = n;
  for (; i + 4 * CNN3D_VW <= n; i += 4 * CNN3D_VW)
    pool_line (a, i, 4, max);
  for (; i < n; i += CNN3D_VW)
    pool_line (a, i, 1, max);

  while (a->kernel > 1 && o < a->width_out) {
    int begin = first < 0 ? 0 : first, left = a->width_in - first, end = o + 1;

    if (first >= 0 && a->kernel == 3 && left >= 3) {
      end = o + (left - 3) / a->stride + 1;
      end = end < a->width_out ? end : a->width_out;
      pool_outputs (a, line, o, end, first, 3, max);
    } else {
      pool_outputs (a, line, o, end, begin, (left < a->kernel ? a->width_in : first + a->kernel) - begin, max);
    }
    first += (end - o) * a->stride;
    o = end;
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
