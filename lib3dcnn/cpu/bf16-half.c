/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Depthwise convolutions in half precision, by AVX512-FP16: 32 channels of two blocks in a vector, sums included. As in
 * depthwise_tmpl.h, a run of neighbouring outputs stays in registers over all rows.
 */

#include "lib3dcnn/cpu/bf16.h"

#include <immintrin.h>

#define INLINE static inline __attribute__ ((always_inline))
#ifdef __clang__
#define UNROLL _Pragma ("clang loop unroll(full)")
#else
#define UNROLL _Pragma ("GCC unroll 64")
#endif

#define RUN 14
/* Of a run with a stride of 1, which take turns, as there; with 2 that many loads are not to be had at a time. */
#define PARTS 4

INLINE __m512h
load (const float *x)
{
  return (__m512h) _mm512_loadu_si512 (x);
}

INLINE void
store_outputs (const Cnn3dHalfArgs *a, intptr_t place, __m512h v, const int words)
{
  __m512 low = _mm512_cvtph_ps (_mm512_castsi512_si256 ((__m512i) v));
  __m512 high = _mm512_cvtph_ps (_mm512_extracti64x4_epi64 ((__m512i) v, 1));

  if (words) {
    _mm512_storeu_si512 (a->of.out + place, _mm512_maskz_mov_epi16 (a->lanes, (__m512i) _mm512_cvtne2ps_pbh (high, low)));
    return;
  }
  _mm512_storeu_ps (a->of.out + place, low);
  if (a->second)
    _mm512_storeu_ps (a->second + place, high);
}

INLINE void
run (const Cnn3dHalfArgs *half, int y, int first, const int n, const int stride, const int words)
{
  const Cnn3dDepthwiseArgs *a = &half->of;
  const __m512h low = (__m512h) _mm512_set1_epi16 ((short) half->low), high = (__m512h) _mm512_set1_epi16 ((short) half->high);
  int start = first * stride - 1; /* column of the first tap */
  int left = start < 0, right = start + (n - 1) * stride + 2 >= a->width_in;
  const int parts = stride == 1 ? PARTS : 1, m = n < 3 * parts ? n : (n + parts - 1) / parts; /* outputs of a part */
  __m512h acc[RUN];

  UNROLL for (int i = 0; i < n; i++)
    acc[i] = load (a->bias);
  for (int r = 0; r < a->n_rows; r++) {
    const float *x = a->rows[r] + y * a->in_step + (intptr_t) start * CNN3D_BLOCK;
    __m512h w[3];

    /* Else each column's address is kept, in memory for want of registers. */
    __asm__ ("" : "+r"(x));
    UNROLL for (int k = 0; k < 3; k++)
      w[k] = load (a->weights[r] + k * CNN3D_BLOCK);
    /* Column c of a part's input is tap 0, 1 or 2 of the outputs that it touches; the first and the last may be the border. */
    UNROLL for (int c = 0; c < (m - 1) * stride + 3; c++) {
      __m512h v[PARTS];

      UNROLL for (int part = 0; part < parts; part++) {
        const int from = part * m, end = from + m < n ? m : n - from, column = from * stride + c;

        v[part] = _mm512_setzero_ph ();
        if (from >= n || c >= (end - 1) * stride + 3 || (column == 0 && left) || (column == (n - 1) * stride + 2 && right))
          continue;
        v[part] = load (x + column * CNN3D_BLOCK);
        /* Else it is loaded again for each output that it touches. */
        if (stride == 2)
          __asm__ ("" : "+v"(v[part]));
      }
      UNROLL for (int k = 0; k < 3; k++)
        UNROLL for (int part = 0; part < parts; part++) {
          const int from = part * m, i = from + (c - k) / stride;

          if (c >= k && (c - k) % stride == 0 && i < from + m && i < n)
            acc[i] = _mm512_fmadd_ph (v[part], w[k], acc[i]);
        }
    }
  }
  UNROLL for (int i = 0; i < n; i++)
    store_outputs (half, ((intptr_t) y * a->width_out + first + i) * CNN3D_BLOCK,
        _mm512_min_ph (high, _mm512_max_ph (low, acc[i])), words);
}

INLINE void
rows (const Cnn3dHalfArgs *a, const int stride, const int words)
{
  for (int y = 0; y < a->of.n_out; y++) {
    int first = 0, left = a->of.width_out;

    for (; left >= RUN; first += RUN, left -= RUN)
      run (a, y, first, RUN, stride, words);
    for (; left >= 7; first += 7, left -= 7)
      run (a, y, first, 7, stride, words);
    for (; left >= 1; first++, left--)
      run (a, y, first, 1, stride, words);
  }
}

INLINE void
choose (const Cnn3dHalfArgs *a, const int stride)
{
  if (a->words)
    rows (a, stride, 1);
  else
    rows (a, stride, 0);
}

void
cnn3d_half_depthwise (const Cnn3dHalfArgs *a, int stride)
{
  if (stride == 1)
    choose (a, 1);
  else
    choose (a, 2);
}
