/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From floats to rows of words (bf16.h), by AVX-512 with BF16 and BW. */

#include "lib3dcnn/cpu/bf16.h"

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

/* The words nearest to what hi leaves of 32 floats. */
INLINE __m512i
round_rest (__m512 low, __m512 high, __m512i hi)
{
  return round_words (_mm512_sub_ps (low, words_to_floats (_mm512_castsi512_si256 (hi))),
      _mm512_sub_ps (high, words_to_floats (_mm512_extracti64x4_epi64 (hi, 1))));
}

/* Two blocks of 16 channels at a position to 32 words. */
INLINE void
convert (const float *a, __mmask16 lanes_a, const float *b, __mmask16 lanes_b, uint16_t *out,
    intptr_t part, const int parts)
{
  __m512 low = _mm512_maskz_loadu_ps (lanes_a, a), high = _mm512_maskz_loadu_ps (lanes_b, b);
  __m512i hi = round_words (low, high);

  _mm512_storeu_si512 (out, hi);
  if (parts == 2)
    _mm512_storeu_si512 (out + part, round_rest (low, high, hi));
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
  if (parts == 1)
    rows (a, positions, 1);
  else
    rows (a, positions, 2);
}

/* Where word i of 96 comes from: plane i % 3 of pixel i / 3. */
#define PIXEL_PLANE(i, plane) ((i) % 3 == (plane))
#define PIXEL(i) (uint16_t) ((i) / 3 + ((i) % 3 == 1 ? 32 : 0))
#define PIXELS(v) PIXELS8 (v), PIXELS8 ((v) + 8), PIXELS8 ((v) + 16), PIXELS8 ((v) + 24)
#define PIXELS8(i)                                                                                 \
  PIXEL (i), PIXEL ((i) + 1), PIXEL ((i) + 2), PIXEL ((i) + 3), PIXEL ((i) + 4), PIXEL ((i) + 5),    \
      PIXEL ((i) + 6), PIXEL ((i) + 7)

/* 32 pixels of three planes to 96 words, the planes' words taking turns. */
INLINE void
interleave (const __m512i plane[3], uint16_t *out)
{
  static const uint16_t pixel[3][32] = { { PIXELS (0) }, { PIXELS (32) }, { PIXELS (64) } };
  /* Of words 0, 32 and 64 on, those of the last plane. */
  static const uint32_t last[3] = { 0x24924924, 0x49249249, 0x92492492 };

  for (int v = 0; v < 3; v++) {
    __m512i index = _mm512_loadu_si512 (pixel[v]);
    __m512i two = _mm512_permutex2var_epi16 (plane[0], index, plane[1]);

    _mm512_storeu_si512 (out + 32 * v, _mm512_mask_permutexvar_epi16 (two, last[v], index, plane[2]));
  }
}

INLINE __m512
scale_pixels (const Cnn3dBf16PixelsArgs *a, int plane, int x, __mmask16 lanes)
{
  return _mm512_fmadd_ps (_mm512_maskz_loadu_ps (lanes, a->planes[plane] + x), _mm512_set1_ps (a->colors->scale[plane]),
      _mm512_set1_ps (a->colors->rest[plane]));
}

INLINE void
pixels (const Cnn3dBf16PixelsArgs *a, const int parts)
{
  uint16_t *out = a->out;

  for (int x = 0; x < a->width; x += 32, out += 96) {
    int n = a->width - x < 32 ? a->width - x : 32;
    __mmask16 first = n < 16 ? (1u << n) - 1 : 0xffff, second = n < 16 ? 0 : (1u << (n - 16)) - 1;
    __m512i hi[3], lo[3];

    for (int p = 0; p < 3; p++) {
      __m512 low = scale_pixels (a, p, x, first), high = scale_pixels (a, p, x + 16, second);

      hi[p] = round_words (low, high);
      if (parts == 2)
        lo[p] = round_rest (low, high, hi[p]);
    }
    interleave (hi, out);
    if (parts == 2)
      interleave (lo, out + a->part);
  }
}

void
cnn3d_bf16_pixels (const Cnn3dBf16PixelsArgs *a, int parts)
{
  if (parts == 1)
    pixels (a, 1);
  else
    pixels (a, 2);
}

void
cnn3d_bf16_packed (const Cnn3dBf16PackedArgs *a)
{
  const Cnn3dBf16Colors *colors = a->colors;
  uint16_t *out = a->out;

  for (int i = 0; i < 3 * a->total; i += CNN3D_COLOR_WORDS)
    for (int k = 0; k < CNN3D_COLOR_WORDS; k += 32)
      _mm512_storeu_si512 (out + i + k, _mm512_loadu_si512 (colors->border[0] + k));
  out += 3 * a->left;
  for (int i = 0, left = 3 * a->width; left > 0; i += 32, left -= 32) {
    __mmask32 words = left < 32 ? (1u << left) - 1 : ~0u;
    __m512i x = _mm512_sub_epi16 (_mm512_cvtepu8_epi16 (_mm256_maskz_loadu_epi8 (words, a->rgb + i)),
        _mm512_loadu_si512 (colors->offset + i % CNN3D_COLOR_WORDS));
    __m512 low = _mm512_cvtepi32_ps (_mm512_cvtepi16_epi32 (_mm512_castsi512_si256 (x)));
    __m512 high = _mm512_cvtepi32_ps (_mm512_cvtepi16_epi32 (_mm512_extracti64x4_epi64 (x, 1)));

    _mm512_mask_storeu_epi16 (out + i, words, round_words (low, high));
  }
}

INLINE void
store_pixels (uint16_t *out, const uint16_t *row)
{
  _mm256_storeu_si256 ((__m256i *) out, _mm256_loadu_si256 ((const __m256i *) row));
}

INLINE void
band (const Cnn3dBf16BandArgs *a, const int part)
{
  const uint16_t *top = a->rows[0] + part * a->row_part, *middle = a->rows[1] + part * a->row_part;
  const uint16_t *bottom = a->rows[2] + part * a->row_part;
  uint16_t *out = a->out + part * a->part, *end = out + (intptr_t) a->width * CNN3D_BAND_STEP;
  intptr_t step = 3 * a->stride;

  for (; out < end; out += CNN3D_BAND_STEP, top += step, middle += step, bottom += step) {
    /* Nine words of a row, and more, which the next row overwrites; the last ones of the middle with those of the bottom. */
    store_pixels (out, top);
    store_pixels (out + 9, middle);
    _mm256_storeu_si256 ((__m256i *) (out + 16),
        _mm256_mask_loadu_epi16 (_mm256_maskz_loadu_epi16 (0x07fc, bottom - 2), 0x0003, middle + 7));
  }
}

void
cnn3d_bf16_band (const Cnn3dBf16BandArgs *a, int parts)
{
  for (int part = 0; part < parts; part++)
    band (a, part);
}
