/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Winograd's minimal filtering F(m, 3) along one axis (Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", 2016): m + 2 products make m outputs, where sums over three taps need 3 m.
 *
 *   y = A' [(G g) * (B' d)]
 *
 * m = 4, points 0, 1, -1, 2, -2 and infinity:
 *
 *        | 4  0 -5  0  1  0 |       |  1/4    0     0  |       | 1  1  1  1  1  0 |
 *        | 0 -4 -4  1  1  0 |       | -1/6  -1/6  -1/6 |  A' = | 0  1 -1  2 -2  0 |
 *   B' = | 0  4 -4 -1  1  0 |   G = | -1/6   1/6  -1/6 |       | 0  1  1  4  4  0 |
 *        | 0 -2 -1  2  1  0 |       |  1/24  1/12  1/6 |       | 0  1 -1  8 -8  1 |
 *        | 0  2 -1 -2  1  0 |       |  1/24 -1/12  1/6 |
 *        | 0  4  0 -5  0  1 |       |   0     0     1  |
 *
 * m = 2, points 0, 1, -1 and infinity:
 *
 *        | 1  0 -1  0 |        |  1    0    0  |
 *   B' = | 0  1  1  0 |    G = | 1/2  1/2  1/2 |    A' = | 1  1  1  0 |
 *        | 0 -1  1  0 |        | 1/2 -1/2  1/2 |         | 0  1 -1 -1 |
 *        | 0  1  0 -1 |        |  0    0    1  |
 *
 * G is applied when weights are packed (winograd.c).
 */

#include "lib3dcnn/cpu/vector.h"

/*
 * A row of B' for m = 4: the first on d0, d2 and d4, the last on d1, d3 and d5. Products by powers of two are exact: it does
 * not matter which of them compilers fuse with a sum, so that all kernels compute the same.
 */
INLINE V
edge_point (V a, V b, V c)
{
  return 4 * (a - b) + (c - b);
}

/* B' on values that lie `step` apart. */
INLINE void
input_axis (V *d, const int step, const int m)
{
  if (m == 2) {
    V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];

    d[0] = d0 - d2;
    d[step] = d1 + d2;
    d[2 * step] = d2 - d1;
    d[3 * step] = d1 - d3;
  } else if (m == 4) {
    V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
    V s = d4 - 4 * d2, t = d3 - 4 * d1, e = d4 - d2, f = 2 * (d3 - d1);

    d[0] = edge_point (d0, d2, d4);
    d[step] = s + t;
    d[2 * step] = s - t;
    d[3 * step] = e + f;
    d[4 * step] = e - f;
    d[5 * step] = edge_point (d1, d3, d[5 * step]);
  }
}

/* The first and the last of four outputs, but for what the first point alone has of the one and the last of the other. */
INLINE V
first_output (const V *d, const int step)
{
  return (d[step] + d[2 * step]) + (d[3 * step] + d[4 * step]);
}

INLINE V
last_output (const V *d, const int step)
{
  return (d[step] - d[2 * step]) + 8 * (d[3 * step] - d[4 * step]);
}

/* A': the first m values become outputs. */
INLINE void
output_axis (V *d, const int step, const int m)
{
  if (m == 2) {
    V d1 = d[step], d2 = d[2 * step];

    d[0] += d1 + d2;
    d[step] = d1 - d2 - d[3 * step];
  } else if (m == 4) {
    V s1 = d[step] + d[2 * step], d1 = d[step] - d[2 * step];
    V s2 = d[3 * step] + d[4 * step], d2 = d[3 * step] - d[4 * step];
    V first = first_output (d, step), last = last_output (d, step);

    d[0] += first;
    d[step] = d1 + 2 * d2;
    d[2 * step] = s1 + 4 * s2;
    d[3 * step] = last + d[5 * step];
  }
}
