/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Depthwise convolutions in single precision whose outputs are the words, hi and lo, that a 1x1x1 convolution reads with
 * bf16x3 (bf16.h).
 */

#define CNN3D_VW 16
#define CNN3D_DEPTHWISE_RUN 14

#include "lib3dcnn/cpu/vector.h"
#include "lib3dcnn/cpu/bf16.h"
#include "lib3dcnn/cpu/bf16-words.h"

/* A block's 16 channels are one half of a row; alone, the other one is zero. */
INLINE void
store_words (const Cnn3dDepthwiseArgs *a, intptr_t place, V v)
{
  const Cnn3dBf16DepthwiseArgs *args = (const Cnn3dBf16DepthwiseArgs *) (const void *) a;
  uint16_t *out = (uint16_t *) a->out + 2 * place;
  __m256i hi, lo;

  split_words ((__m512) v, &hi, &lo);
  if (args->alone) {
    _mm512_storeu_si512 (out, _mm512_zextsi256_si512 (hi));
    _mm512_storeu_si512 (out + args->part, _mm512_zextsi256_si512 (lo));
  } else {
    _mm256_storeu_si256 ((__m256i *) (void *) out, hi);
    _mm256_storeu_si256 ((__m256i *) (void *) (out + args->part), lo);
  }
}

#define STORE_OUTPUT store_words
#include "lib3dcnn/cpu/depthwise_tmpl.h"

void
cnn3d_bf16_depthwise (const Cnn3dBf16DepthwiseArgs *a, int stride)
{
  if (stride == 1)
    depthwise_s1 (&a->of);
  else
    depthwise_s2 (&a->of);
}
