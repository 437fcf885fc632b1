/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From floats to rows of words (bf16.h), by AVX-512 with BF16 and BW. */

#include "lib3dcnn/cpu/bf16.h"
#include "lib3dcnn/cpu/bf16-words.h"

/* Two blocks of 16 channels at a position to 32 words. */
INLINE void
convert (const float *a, __mmask16 lanes_a, const float *b, __mmask16 lanes_b, uint16_t *out,
    intptr_t part, const int parts)
{
  __m512 low = _mm512_maskz_loadu_ps (lanes_a, a), high = _mm512_maskz_loadu_ps (lanes_b, b);
  __m512i hi = round_words (low, high);

  _mm512_storeu_si512 (out, hi);
  if (parts == 2) {
    subtract_words (&low, &high, hi);
    _mm512_storeu_si512 (out + part, round_words (low, high));
  }
}

/* Words 32 i to 32 i + 31 of the natural order; one block may be the last. */
INLINE void
convert_blocks (const Cnn3dBf16RowsArgs *a, int i, int positions, const float *x, uint16_t *out,
    intptr_t part, intptr_t step, const int parts)
{
  int two = 2 * i + 1 < a->n_blocks;
  const float *low = x + a->blocks[2 * i], *high = two ? x + a->blocks[2 * i + 1] : low;
  __mmask16 lanes_low = a->lanes[2 * i], lanes_high = two ? a->lanes[2 * i + 1] : 0;

  for (int p = 0; p < positions; p++, low += CNN3D_BLOCK, high += CNN3D_BLOCK, out += step)
    convert (low, lanes_low, high, lanes_high, out + 32 * i, part, parts);
}

/* A block of 16 channels at a position to 16 words and what these leave. */
static void
split_block (const Cnn3dBf16RowsArgs *a, int positions)
{
  const float *x = a->x + a->blocks[0];
  uint16_t *out = a->out;

  for (int p = 0; p < positions; p++, x += CNN3D_BLOCK, out += a->step) {
    __m256i hi, lo;

    split_words (_mm512_maskz_loadu_ps (a->lanes[0], x), &hi, &lo);
    _mm512_storeu_si512 (out, _mm512_inserti64x4 (_mm512_castsi256_si512 (hi), lo, 1));
  }
}

INLINE void
gather (const Cnn3dBf16RowsArgs *a, const uint16_t *natural, uint16_t *out)
{
  __m512i v = _mm512_setzero_si512 ();

  for (int i = 0; i < a->n_gathers; i++) {
    const Cnn3dBf16Gather *g = &a->gathers[i];
    const uint16_t *group = natural + 64 * g->group;

    v = _mm512_or_si512 (v, _mm512_maskz_permutex2var_epi16 (g->mask, _mm512_loadu_si512 (group),
        _mm512_loadu_si512 (g->index), _mm512_loadu_si512 (group + 32)));
    if (i + 1 < a->n_gathers && g[1].vector == g->vector)
      continue;
    _mm512_storeu_si512 (out + 32 * g->vector, v);
    v = _mm512_setzero_si512 ();
  }
}

INLINE void
rows (const Cnn3dBf16RowsArgs *a, int positions, const int parts)
{
  int pairs = (a->n_blocks + 1) / 2;
  intptr_t part = (pairs + 1) / 2 * 64;

  if (a->n_gathers == 0) {
    for (int i = 0; i < pairs; i++)
      convert_blocks (a, i, positions, a->x, a->out, a->part, a->step, parts);
    return;
  }
  for (int p = 0; p < positions; p++) {
    for (int i = 0; i < pairs; i++)
      convert_blocks (a, i, 1, a->x + (intptr_t) p * CNN3D_BLOCK, a->natural, part, 0, parts);
    gather (a, a->natural, a->out + p * a->step);
    if (parts == 2)
      gather (a, a->natural + part, a->out + p * a->step + a->part);
  }
}

void
cnn3d_bf16_rows (const Cnn3dBf16RowsArgs *a, int positions, int parts)
{
  if (a->split)
    split_block (a, positions);
  else if (parts == 1)
    rows (a, positions, 1);
  else
    rows (a, positions, 2);
}
