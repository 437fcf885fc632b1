/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Vectors of the ISA that this translation unit is compiled for. CNN3D_ISA names it and
 * CNN3D_VW is the width in floats.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined __SSE2__
#include <immintrin.h>
#elif defined __ARM_NEON
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__ ((always_inline))
#ifdef __clang__
#define UNROLL _Pragma ("clang loop unroll(full)")
#else
#define UNROLL _Pragma ("GCC unroll 32")
#endif

typedef float V __attribute__ ((vector_size (CNN3D_VW * 4)));
typedef float VU __attribute__ ((vector_size (CNN3D_VW * 4), aligned (4), may_alias));

INLINE V
load (const float *p)
{
  return *(const VU *) p;
}

/* Keeps a vector that has been loaded in its register, where compilers would load it again for each use. */
INLINE V
pin (V v)
{
#if defined __SSE2__
  __asm__ ("" : "+v"(v));
#elif defined __ARM_NEON
  __asm__ ("" : "+w"(v));
#endif
  return v;
}

INLINE void
store (float *p, V v)
{
  *(VU *) p = v;
}

INLINE V
splat (float f)
{
#if CNN3D_VW == 16
  return (V) _mm512_set1_ps (f);
#elif CNN3D_VW == 8
  return (V) _mm256_set1_ps (f);
#else
  return (V){ f, f, f, f };
#endif
}

INLINE V
vmax (V a, V b)
{
#if CNN3D_VW == 16
  return (V) _mm512_max_ps ((__m512) a, (__m512) b);
#elif CNN3D_VW == 8
  return (V) _mm256_max_ps ((__m256) a, (__m256) b);
#elif defined __SSE2__
  return (V) _mm_max_ps ((__m128) a, (__m128) b);
#elif defined __ARM_NEON
  return (V) vmaxq_f32 ((float32x4_t) a, (float32x4_t) b);
#else
  typedef int32_t M __attribute__ ((vector_size (CNN3D_VW * 4)));
  M m = a > b;
  return (V) (((M) a & m) | ((M) b & ~m));
#endif
}

INLINE V
vmin (V a, V b)
{
#if CNN3D_VW == 16
  return (V) _mm512_min_ps ((__m512) a, (__m512) b);
#elif CNN3D_VW == 8
  return (V) _mm256_min_ps ((__m256) a, (__m256) b);
#elif defined __SSE2__
  return (V) _mm_min_ps ((__m128) a, (__m128) b);
#elif defined __ARM_NEON
  return (V) vminq_f32 ((float32x4_t) a, (float32x4_t) b);
#else
  typedef int32_t M __attribute__ ((vector_size (CNN3D_VW * 4)));
  M m = a < b;
  return (V) (((M) a & m) | ((M) b & ~m));
#endif
}

/* vmax and vmin return their second operand if one is a NaN: here that is v, and it stays one. */
INLINE V
vclamp (V v, V low, V high)
{
  return vmin (high, vmax (low, v));
}

/* Likewise for n vectors. Most activations have one bound or none, and what is compared takes turns with products. */
INLINE void
clamp_all (V *v, const int n, float low, float high)
{
  if (low > -INFINITY)
    UNROLL for (int i = 0; i < n; i++)
      v[i] = vmax (splat (low), v[i]);
  if (high < INFINITY)
    UNROLL for (int i = 0; i < n; i++)
      v[i] = vmin (splat (high), v[i]);
}

/* Of two vectors that lie after each other, what is in even places, and in odd ones. */
#if CNN3D_VW == 16
#define EVEN(a, b)                                                                                 \
  __builtin_shufflevector (a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(a, b)                                                                                  \
  __builtin_shufflevector (a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif CNN3D_VW == 8
#define EVEN(a, b) __builtin_shufflevector (a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b) __builtin_shufflevector (a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define EVEN(a, b) __builtin_shufflevector (a, b, 0, 2, 4, 6)
#define ODD(a, b) __builtin_shufflevector (a, b, 1, 3, 5, 7)
#endif

#if CNN3D_VW == 16
/* Half a block: the tail of an odd number of halves. */
typedef float H __attribute__ ((vector_size (32)));
typedef float HU __attribute__ ((vector_size (32), aligned (4), may_alias));
#define LOW_HALF(v) ((H) _mm512_castps512_ps256 ((__m512) (v)))
#endif
