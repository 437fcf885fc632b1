/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Products in bfloat16 by VDPBF16PS (AVX512_BF16). As in conv_tmpl.h, output channels by positions stay
 * in registers over all taps; a tap is a pair of words, broadcast for each position.
 */

#include "lib3dcnn/cpu/bf16.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__ ((always_inline))
#ifdef __clang__
#define UNROLL _Pragma ("clang loop unroll(full)")
#else
#define UNROLL _Pragma ("GCC unroll 32")
#endif

#define MAX_POSITIONS 12

INLINE __m512
multiply (__m512 sum, __m512i a, __m512i b)
{
  return _mm512_dpbf16_ps (sum, (__m512bh) a, (__m512bh) b);
}

INLINE __m256
multiply_half (__m256 sum, __m256i a, __m256i b)
{
  return _mm256_dpbf16_ps (sum, (__m256bh) a, (__m256bh) b);
}

INLINE __m512i
pair (const uint16_t *x)
{
  int32_t words;

  memcpy (&words, x, sizeof words);
  return _mm512_set1_epi32 (words);
}

/* v between the bounds: it is the second operand, so that a NaN stays one. */
INLINE __m512
clamp (__m512 v, __m512 low, __m512 high)
{
  return _mm512_min_ps (high, _mm512_max_ps (low, v));
}

INLINE void
store_tile (const Cnn3dBf16ConvArgs *a, intptr_t position, __m512 acc[][MAX_POSITIONS],
    const __m256 *tail, const int halves, const int np)
{
  const __m512 low = _mm512_set1_ps (a->low), high = _mm512_set1_ps (a->high);

  UNROLL for (int v = 0; v < halves / 2; v++) {
    float *out = a->out + a->out_offsets[2 * v] + position * CNN3D_BLOCK;

    if (a->residual) {
      const float *r = a->residual + a->residual_offsets[2 * v] + position * CNN3D_BLOCK;
      UNROLL for (int p = 0; p < np; p++)
        acc[v][p] = _mm512_add_ps (acc[v][p], _mm512_loadu_ps (r + p * CNN3D_BLOCK));
    }
    UNROLL for (int p = 0; p < np; p++)
      _mm512_storeu_ps (out + p * CNN3D_BLOCK, clamp (acc[v][p], low, high));
  }
  if (halves % 2) {
    float *out = a->out + a->out_offsets[halves - 1] + position * CNN3D_BLOCK;
    const float *r =
        a->residual ? a->residual + a->residual_offsets[halves - 1] + position * CNN3D_BLOCK : NULL;

    UNROLL for (int p = 0; p < np; p++) {
      __m256 v = tail[p];

      if (r)
        v = _mm256_add_ps (v, _mm256_loadu_ps (r + p * CNN3D_BLOCK));
      _mm256_storeu_ps (out + p * CNN3D_BLOCK, _mm256_min_ps (_mm512_castps512_ps256 (high),
          _mm256_max_ps (_mm512_castps512_ps256 (low), v)));
    }
  }
}

INLINE void
conv_tile (const Cnn3dBf16ConvArgs *a, intptr_t position, const int halves, const int np,
    const int parts)
{
  const int nv = halves / 2, lanes = cnn3d_bf16_lanes (halves);
  const uint16_t *x = a->x + position * a->step, *w = a->weights;
  const intptr_t step = a->step, part = a->part;
  const int32_t *taps = a->taps, *end = taps + a->n_taps;
  __m512 acc[CNN3D_MAX_HALVES / 2 + 1][MAX_POSITIONS];
  __m256 tail[MAX_POSITIONS];

  UNROLL for (int v = 0; v < nv; v++)
    UNROLL for (int p = 0; p < np; p++)
      acc[v][p] = _mm512_loadu_ps (a->bias + v * 16);
  if (halves % 2)
    UNROLL for (int p = 0; p < np; p++)
      tail[p] = _mm256_loadu_ps (a->bias + nv * 16);

  for (; taps < end; taps++, w += parts * lanes * 2) {
    const uint16_t *xk = x + *taps;
    __m512i hi[CNN3D_MAX_HALVES / 2 + 1], lo[CNN3D_MAX_HALVES / 2 + 1];
    __m256i tail_hi = _mm256_setzero_si256 (), tail_lo = tail_hi;

    UNROLL for (int v = 0; v < nv; v++) {
      hi[v] = _mm512_loadu_si512 (w + v * 32);
      if (parts == 2)
        lo[v] = _mm512_loadu_si512 (w + lanes * 2 + v * 32);
    }
    if (halves % 2) {
      tail_hi = _mm256_loadu_si256 ((const __m256i *) (w + nv * 32));
      if (parts == 2)
        tail_lo = _mm256_loadu_si256 ((const __m256i *) (w + lanes * 2 + nv * 32));
    }
    UNROLL for (int p = 0; p < np; p++) {
      __m512i b = pair (xk + p * step), c;

      UNROLL for (int v = 0; v < nv; v++)
        acc[v][p] = multiply (acc[v][p], hi[v], b);
      if (halves % 2)
        tail[p] = multiply_half (tail[p], tail_hi, _mm512_castsi512_si256 (b));
      if (parts == 1)
        continue;
      c = pair (xk + p * step + part);
      UNROLL for (int v = 0; v < nv; v++) {
        acc[v][p] = multiply (acc[v][p], lo[v], b);
        acc[v][p] = multiply (acc[v][p], hi[v], c);
      }
      if (halves % 2) {
        tail[p] = multiply_half (tail[p], tail_lo, _mm512_castsi512_si256 (b));
        tail[p] = multiply_half (tail[p], tail_hi, _mm512_castsi512_si256 (c));
      }
    }
  }
  store_tile (a, position, acc, tail, halves, np);
}

/* Positions that leave registers for the weights and a broadcast. */
INLINE int
tile_positions (const int halves, const int parts)
{
  return halves == 3 ? 8 : halves > 4 ? (parts == 1 ? 8 : 7) : 12;
}

/* Fewer positions, down to one: powers of two, as there need not be a tile for each number. */
INLINE void
conv_rest (const Cnn3dBf16ConvArgs *a, intptr_t position, int n, const int halves, const int parts)
{
  if (tile_positions (halves, parts) > 8 && n & 8) {
    conv_tile (a, position, halves, 8, parts);
    position += 8;
  }
  if (n & 4) {
    conv_tile (a, position, halves, 4, parts);
    position += 4;
  }
  if (n & 2) {
    conv_tile (a, position, halves, 2, parts);
    position += 2;
  }
  if (n & 1)
    conv_tile (a, position, halves, 1, parts);
}

INLINE void
conv_run (const Cnn3dBf16ConvArgs *a, const int halves, int positions, const int parts)
{
  const int np = tile_positions (halves, parts);
  intptr_t p = 0;

  for (; p + np <= positions; p += np)
    conv_tile (a, p, halves, np, parts);
  conv_rest (a, p, positions - (int) p, halves, parts);
}

#define HALVES_CASE(n)                                                                             \
  case n:                                                                                          \
    if (parts == 1)                                                                                \
      conv_run (a, n, positions, 1);                                                               \
    else                                                                                           \
      conv_run (a, n, positions, 2);                                                               \
    break;

static void
conv (const Cnn3dBf16ConvArgs *a, int halves, int positions, int parts)
{
  switch (halves) {
    HALVES_CASE (1)
    HALVES_CASE (2)
    HALVES_CASE (3)
    HALVES_CASE (4)
    HALVES_CASE (5)
    HALVES_CASE (6)
  }
}

/* Halves of vectors of outputs, and channels, whose sums stay in registers. */
#define STEM_HALVES 8
#define STEM_LANES 4

/* The words of n halves of outputs, the last of which may be a half alone. */
INLINE void
load_line (const uint16_t *from, const int n, __m512i words[])
{
  UNROLL for (int v = 0; v < n / 2; v++)
    words[v] = _mm512_loadu_si512 (from + v * 32);
  if (n % 2)
    words[n / 2] = _mm512_castsi256_si512 (_mm256_loadu_si256 ((const __m256i *) (from + n / 2 * 32)));
}

INLINE void
multiply_line (__m512 acc[], const __m512i words[], __m512i weight, const int n)
{
  UNROLL for (int v = 0; v < n / 2; v++)
    acc[v] = multiply (acc[v], words[v], weight);
  if (n % 2)
    acc[n / 2] = _mm512_castps256_ps512 (multiply_half (_mm512_castps512_ps256 (acc[n / 2]),
        _mm512_castsi512_si256 (words[n / 2]), _mm512_castsi512_si256 (weight)));
}

/* n halves of outputs from x on. */
INLINE void
stem_tile (const Cnn3dBf16StemArgs *a, int channel, int x, const int n, const int parts)
{
  const int pitch = CNN3D_LINE_WORDS (a->outputs), part_words = cnn3d_stem_rows (a->channels) * CNN3D_STEM_WORDS;
  __m512 acc[STEM_LANES][STEM_HALVES / 2];

  UNROLL for (int c = 0; c < STEM_LANES; c++)
    UNROLL for (int v = 0; v < (n + 1) / 2; v++)
      acc[c][v] = x + v * 16 < a->begun ? _mm512_loadu_ps (a->begin + (channel + c) * (pitch / 2) + x + v * 16)
                                        : _mm512_setzero_ps ();
  for (int k = 0; k < 3 * 3 * CNN3D_LINES; k++) {
    const int frame = k / (3 * CNN3D_LINES), line = k % (3 * CNN3D_LINES);
    const uint16_t *from = a->lines[frame] + line * pitch + 2 * x;
    const uint16_t *w = a->weights + frame * parts * part_words + channel * CNN3D_STEM_WORDS + 2 * line;
    __m512i words[STEM_HALVES / 2];

    UNROLL for (int i = 0; i < parts; i++) {
      if (i > 0 && a->part == 0)
        break;
      load_line (from + i * a->part, n, words);
      UNROLL for (int c = 0; c < STEM_LANES; c++)
        UNROLL for (int j = 0; j < parts - i; j++)
          multiply_line (acc[c], words, pair (w + j * part_words + c * CNN3D_STEM_WORDS), n);
    }
  }
  UNROLL for (int c = 0; c < STEM_LANES; c++) {
    float *out = a->out + (channel + c) * (pitch / 2) + x;

    UNROLL for (int v = 0; v < n / 2; v++)
      _mm512_storeu_ps (out + v * 16, acc[c][v]);
    if (n % 2)
      _mm256_storeu_ps (out + n / 2 * 16, _mm512_castps512_ps256 (acc[c][n / 2]));
  }
}

#define STEM_CASE(n)                                                                               \
  case n:                                                                                          \
    for (int c = 0; c < a->channels; c += STEM_LANES)                                              \
      stem_tile (a, c, x, n, parts);                                                               \
    break;

INLINE void
stem_row (const Cnn3dBf16StemArgs *a, const int parts)
{
  for (int x = 0; x < a->outputs; x += 8 * STEM_HALVES) {
    int halves = (a->outputs - x + 7) / 8;

    switch (halves < STEM_HALVES ? halves : STEM_HALVES) {
      STEM_CASE (1)
      STEM_CASE (2)
      STEM_CASE (3)
      STEM_CASE (4)
      STEM_CASE (5)
      STEM_CASE (6)
      STEM_CASE (7)
      STEM_CASE (STEM_HALVES)
    }
  }
}

static void
stem (const Cnn3dBf16StemArgs *a, int parts)
{
  if (parts == 1)
    stem_row (a, 1);
  else if (parts == 2)
    stem_row (a, 2);
  else
    stem_row (a, 3);
}

void
cnn3d_bf16_init_avx512bf16 (Cnn3dBf16 *kernels)
{
  *kernels = (Cnn3dBf16){ .isa = "avx512bf16", .unit = 2, .max_halves = 6, .align_halves = 2,
    .conv = conv, .rows = cnn3d_bf16_rows, .lines = cnn3d_bf16_lines, .stem = stem,
    .join = cnn3d_bf16_join, .blocks = cnn3d_bf16_blocks,
    .depthwise_words = cnn3d_bf16_depthwise };
}
