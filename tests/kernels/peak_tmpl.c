/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compiled once for each ISA: multiply-adds on registers alone, as fast as the CPU can. */

#if defined __AVX512F__
#define CNN3D_VW 16
#define CHAINS 16
#elif defined __AVX2__
#define CNN3D_VW 8
#define CHAINS 12
#else
#define CNN3D_VW 4
#ifdef __ARM_NEON
#define CHAINS 16
#else
#define CHAINS 10
#endif
#endif

#include "lib3dcnn/cpu/vector.h"
#include "tests/kernels/kernels-test.h"

#define JOIN(a, b) JOIN_ (a, b)
#define JOIN_(a, b) a##b

static volatile float factor = 0.5f, sink;

double
JOIN (peak_, CNN3D_ISA) (long n)
{
  V acc[CHAINS], b = splat (factor), c = splat (factor);
  float sum = 0;

  UNROLL for (int i = 0; i < CHAINS; i++)
    acc[i] = splat ((float) i);
  for (long k = 0; k < n; k++)
    UNROLL for (int i = 0; i < CHAINS; i++)
      acc[i] = acc[i] * b + c;
  UNROLL for (int i = 0; i < CHAINS; i++)
    sum += acc[i][0];
  sink = sum;
  return 2.0 * CNN3D_VW * CHAINS * (double) n;
}
