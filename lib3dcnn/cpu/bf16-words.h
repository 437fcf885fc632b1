/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Floats to words and back, for kernels by AVX-512 with BF16. */

#include <immintrin.h>

#define INLINE static inline __attribute__ ((always_inline))

/* The words nearest to 32 floats. */
INLINE __m512i
round_words (__m512 low, __m512 high)
{
  return (__m512i) _mm512_cvtne2ps_pbh (high, low);
}

INLINE __m512
words_to_floats (__m256i words)
{
  return _mm512_castsi512_ps (_mm512_slli_epi32 (_mm512_cvtepu16_epi32 (words), 16));
}

/* The words nearest to 16 floats, and to what these leave. */
INLINE void
split_words (__m512 v, __m256i *hi, __m256i *lo)
{
  *hi = (__m256i) _mm512_cvtneps_pbh (v);
  *lo = (__m256i) _mm512_cvtneps_pbh (_mm512_sub_ps (v, words_to_floats (*hi)));
}

/* What words leave of 32 floats. */
INLINE void
subtract_words (__m512 *low, __m512 *high, __m512i words)
{
  *low = _mm512_sub_ps (*low, words_to_floats (_mm512_castsi512_si256 (words)));
  *high = _mm512_sub_ps (*high, words_to_floats (_mm512_extracti64x4_epi64 (words, 1)));
}
