/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines of words of a row of pixels, and what sums become: the pool's outputs, or blocks (bf16.h). By AVX-512 with BF16 and BW. */

#include "lib3dcnn/cpu/bf16.h"
#include "lib3dcnn/cpu/bf16-words.h"

#include <math.h>

#ifdef __clang__
#define UNROLL _Pragma ("clang loop unroll(full)")
#else
#define UNROLL _Pragma ("GCC unroll 16")
#endif

#define COLUMNS 32 /* that are brought in line at a time */

INLINE __mmask32
first_columns (int n)
{
  return n >= COLUMNS ? ~0u : n <= 0 ? 0 : (1u << n) - 1;
}

/* 16 packed pixels, the n first of which are there, four to a quarter. */
INLINE __m512i
load_packed (const uint8_t *rgb, int n)
{
  const __m512i quarters = _mm512_setr_epi32 (0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0);
  __mmask64 bytes = n >= 16 ? ((__mmask64) 1 << 48) - 1 : n <= 0 ? 0 : ((__mmask64) 1 << 3 * n) - 1;

  return _mm512_permutexvar_epi32 (quarters, _mm512_maskz_loadu_epi8 (bytes, rgb));
}

/* Byte c of 16 such pixels, in units of words. */
INLINE __m512
pick_byte (__m512i pixels, int c, __m512i offset)
{
  const __m128i pick = _mm_setr_epi8 (0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
  __m512i bytes = _mm512_shuffle_epi8 (pixels,
      _mm512_broadcast_i32x4 (_mm_add_epi8 (pick, _mm_setr_epi8 ((char) c, 0, 0, 0, (char) c, 0, 0, 0, (char) c, 0, 0, 0,
          (char) c, 0, 0, 0))));

  return _mm512_cvtepi32_ps (_mm512_sub_epi32 (bytes, offset));
}

/* Of a plane, 16 pixels, the n first of which are there. */
INLINE __m512
load_plane (const Cnn3dBf16LinesArgs *a, int c, int x, int n)
{
  __mmask16 lanes = (__mmask16) first_columns (n);

  return _mm512_fmadd_ps (_mm512_maskz_loadu_ps (lanes, a->planes[c] + x), _mm512_set1_ps (a->colors->scale[c]),
      _mm512_set1_ps (a->colors->rest[c]));
}

/* The words of columns [x, x + 32) in their places. The kernel's first column is the one before the first pixel. */
INLINE void
store_lines (const Cnn3dBf16LinesArgs *a, const __m512i words[3], int x, uint16_t *out)
{
  const __m512i odd = _mm512_set1_epi32 ((int) 0xffff0000);
  const int pitch = CNN3D_LINE_WORDS (a->outputs);
  __mmask32 room = x + COLUMNS < pitch ? ~0u : ~0u >> 1;

  for (int c = 0; c < 3; c++)
    _mm512_mask_storeu_epi16 (out + c * pitch + 1 + x, room, words[c]);
  /* Every second column: (first & ~odd) of the one, (second & odd) of the other. */
  _mm512_storeu_si512 (out + 3 * pitch + x,
      _mm512_ternarylogic_epi32 (odd, words[1], _mm512_srli_epi32 (words[0], 16), 0xea));
  _mm512_storeu_si512 (out + 4 * pitch + x, _mm512_srli_epi32 (words[2], 16));
}

/* What is the same for all columns of a row. */
typedef struct {
  __m512i offset[3], border[CNN3D_MAX_PARTS][3];
} Colors;

/* The lines of columns [x, x + 32), of which n are pixels. */
INLINE void
columns (const Cnn3dBf16LinesArgs *a, const Colors *colors, int x, int n, const int packed, const int parts)
{
  __m512i first = _mm512_setzero_si512 (), second = first, words[CNN3D_MAX_PARTS][3];

  if (packed) {
    first = load_packed (a->rgb + 3 * x, n);
    second = load_packed (a->rgb + 3 * x + 48, n - 16);
  }
  for (int c = 0; c < 3; c++) {
    __m512 low = packed ? pick_byte (first, c, colors->offset[c]) : load_plane (a, c, x, n);
    __m512 high = packed ? pick_byte (second, c, colors->offset[c]) : load_plane (a, c, x + 16, n - 16);

    UNROLL for (int k = 0; k < parts; k++) {
      words[k][c] = round_words (low, high);
      if (k + 1 < parts)
        subtract_words (&low, &high, words[k][c]);
      if (n < COLUMNS)
        words[k][c] = _mm512_mask_blend_epi16 (first_columns (n), colors->border[k][c], words[k][c]);
    }
  }
  UNROLL for (int k = 0; k < parts; k++)
    store_lines (a, words[k], x, a->out + k * a->part);
}

INLINE void
lines (const Cnn3dBf16LinesArgs *a, const int packed, const int parts)
{
  Colors colors;
  int x = 0;

  for (int c = 0; c < 3; c++) {
    colors.offset[c] = _mm512_set1_epi32 (a->colors->offset[c]);
    for (int part = 0; part < parts; part++) {
      colors.border[part][c] = _mm512_set1_epi16 ((short) a->colors->border[part][c]);
      a->out[part * a->part + c * CNN3D_LINE_WORDS (a->outputs)] = a->colors->border[part][c];
    }
  }
  for (; x + COLUMNS <= a->width; x += COLUMNS)
    columns (a, &colors, x, COLUMNS, packed, parts);
  for (; x < 2 * a->outputs; x += COLUMNS)
    columns (a, &colors, x, a->width - x, packed, parts);
}

/* Where there are no pixels. Loads with all lanes masked would do, but take as long as a fault where there is no memory. */
static void
border (const Cnn3dBf16LinesArgs *a, int parts)
{
  for (int part = 0; part < parts; part++) {
    const uint16_t *words = a->colors->border[part];
    const uint32_t pairs[CNN3D_LINES] = { words[0] * 0x10001u, words[1] * 0x10001u, words[2] * 0x10001u,
      words[0] | (uint32_t) words[1] << 16, words[2] };
    uint16_t *out = a->out + part * a->part;

    for (int k = 0; k < CNN3D_LINES; k++)
      for (int i = 0; i < CNN3D_LINE_WORDS (a->outputs); i += 32, out += 32)
        _mm512_storeu_si512 (out, _mm512_set1_epi32 ((int) pairs[k]));
  }
}

void
cnn3d_bf16_lines (const Cnn3dBf16LinesArgs *a, int parts)
{
  if (a->width == 0)
    border (a, parts);
  else if (a->rgb != NULL)
    lines (a, 1, 1);
  else if (parts == 1)
    lines (a, 0, 1);
  else if (parts == 2)
    lines (a, 0, 2);
  else
    lines (a, 0, 3);
}

/* The largest of 16 columns' rows, of the columns that are there. */
INLINE __m512
join_rows (const float *const rows[3], intptr_t i, __mmask16 there, const int all)
{
  __m512 v = _mm512_max_ps (_mm512_max_ps (_mm512_loadu_ps (rows[0] + i), _mm512_loadu_ps (rows[1] + i)),
      _mm512_loadu_ps (rows[2] + i));

  return all ? v : _mm512_mask_blend_ps (there, _mm512_set1_ps (-INFINITY), v);
}

/* Of 32 columns from i on, for every second the largest of it and its neighbours. odd: odd columns, of the 32 before. */
INLINE __m512
join_columns (const float *const rows[3], intptr_t i, __mmask32 there, float odd[16], const int all)
{
  const __m512i evens = _mm512_setr_epi32 (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odds = _mm512_add_epi32 (evens, _mm512_set1_epi32 (1));
  __m512 low = join_rows (rows, i, (__mmask16) there, all), before = _mm512_load_ps (odd);
  /* Past the last vector there may be no memory. */
  __m512 high = all || there >> 16 ? join_rows (rows, i + 16, (__mmask16) (there >> 16), all) : _mm512_set1_ps (-INFINITY);
  __m512 after = _mm512_permutex2var_ps (low, odds, high);

  _mm512_store_ps (odd, after);
  before = _mm512_castsi512_ps (_mm512_alignr_epi32 (_mm512_castps_si512 (after), _mm512_castps_si512 (before), 15));
  return _mm512_max_ps (_mm512_max_ps (_mm512_permutex2var_ps (low, evens, high), after), before);
}

/* 16 rows of 16 to 16 columns. */
INLINE void
transpose (__m512 r[16])
{
  __m512 t[16];

  UNROLL for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps (r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps (r[i], r[i + 1]);
  }
  UNROLL for (int i = 0; i < 16; i += 4)
    UNROLL for (int k = 0; k < 2; k++) {
      __m512d a = _mm512_castps_pd (t[i + k]), b = _mm512_castps_pd (t[i + 2 + k]);

      r[i + 2 * k] = _mm512_castpd_ps (_mm512_unpacklo_pd (a, b));
      r[i + 2 * k + 1] = _mm512_castpd_ps (_mm512_unpackhi_pd (a, b));
    }
  /* Of quarters, now those of four rows each. */
  UNROLL for (int k = 0; k < 4; k++) {
    __m512 even[2], odd[2];

    UNROLL for (int h = 0; h < 2; h++) {
      even[h] = _mm512_shuffle_f32x4 (r[8 * h + k], r[8 * h + 4 + k], 0x88);
      odd[h] = _mm512_shuffle_f32x4 (r[8 * h + k], r[8 * h + 4 + k], 0xdd);
    }
    t[k] = _mm512_shuffle_f32x4 (even[0], even[1], 0x88);
    t[4 + k] = _mm512_shuffle_f32x4 (odd[0], odd[1], 0x88);
    t[8 + k] = _mm512_shuffle_f32x4 (even[0], even[1], 0xdd);
    t[12 + k] = _mm512_shuffle_f32x4 (odd[0], odd[1], 0xdd);
  }
  UNROLL for (int i = 0; i < 16; i++)
    r[i] = t[i];
}

INLINE void
store_block (const Cnn3dBf16JoinArgs *a, float joined[16][16], int x)
{
  int n = a->outputs - x < 16 ? a->outputs - x : 16;
  __m512 r[16];

  UNROLL for (int c = 0; c < 16; c++)
    r[c] = c < a->channels ? _mm512_load_ps (joined[c]) : _mm512_setzero_ps ();
  transpose (r);
  UNROLL for (int i = 0; i < 16; i++)
    if (i < n)
      _mm512_storeu_ps (a->out + (x + i) * CNN3D_BLOCK, r[i]);
}

/* 16 outputs of all channels, from x on. */
INLINE void
join_outputs (const Cnn3dBf16JoinArgs *args, int x, float odd[][16], const int pools, const int all)
{
  /* Else it is loaded again for each channel, as stores might change it. */
  const Cnn3dBf16JoinArgs copy = *args, *a = &copy;
  const intptr_t pitch = CNN3D_LINE_FLOATS (a->width), kept_pitch = CNN3D_KEPT_FLOATS (a->outputs);
  const __mmask32 there = first_columns (a->width - 2 * x);
  const __m512 low = _mm512_set1_ps (a->low), high = _mm512_set1_ps (a->high);
  _Alignas (64) float joined[16][16];

  for (int c = 0; c < a->channels; c++) {
    __m512 v = join_columns (a->rows, c * pitch + 2 * x, there, odd[c], all), largest = v;

    if (a->before)
      largest = _mm512_max_ps (v, _mm512_loadu_ps (a->before + c * kept_pitch + x));
    if (a->after)
      _mm512_storeu_ps (a->after + c * kept_pitch + x, pools ? v : largest);
    if (pools)
      _mm512_store_ps (joined[c],
          _mm512_min_ps (high, _mm512_max_ps (low, _mm512_add_ps (largest, _mm512_set1_ps (a->bias[c])))));
  }
  if (pools)
    store_block (a, joined, x);
}

INLINE void
join (const Cnn3dBf16JoinArgs *a, const int pools)
{
  _Alignas (64) float odd[CNN3D_STEM_CHANNELS][16];
  int x = 0;

  for (int c = 0; c < a->channels; c++)
    _mm512_store_ps (odd[c], _mm512_set1_ps (-INFINITY));
  for (; 2 * x + COLUMNS <= a->width; x += COLUMNS / 2)
    join_outputs (a, x, odd, pools, 1);
  for (; x < a->outputs; x += COLUMNS / 2)
    join_outputs (a, x, odd, pools, 0);
}

void
cnn3d_bf16_join (const Cnn3dBf16JoinArgs *a)
{
  if (a->out == NULL)
    join (a, 0);
  else
    join (a, 1);
}

/* Sums of 16 outputs of a channel, finished; zero past the channels, how many of which may be known. */
INLINE __m512
finish_channel (const Cnn3dBf16BlocksArgs *a, int c, int x, __m512 low, __m512 high, const int known)
{
  const float *sums = a->sums + c * CNN3D_LINE_FLOATS (a->outputs) + x;

  if (c >= (known > 0 ? known : a->channels))
    return _mm512_setzero_ps ();
  /* The sum is the second operand, so that a NaN stays one. */
  return _mm512_min_ps (high, _mm512_max_ps (low, _mm512_add_ps (_mm512_loadu_ps (sums), _mm512_set1_ps (a->bias[c]))));
}

INLINE __m512i
widen_halves (__m512 v)
{
  return _mm512_cvtepu16_epi32 (_mm512_cvtps_ph (v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

INLINE void
blocks (const Cnn3dBf16BlocksArgs *a, const int half, const int known)
{
  /* Nothing becomes infinite. */
  const __m512 low = _mm512_set1_ps (half && a->low < -CNN3D_LARGEST_HALF ? -CNN3D_LARGEST_HALF : a->low);
  const __m512 high = _mm512_set1_ps (half && a->high > CNN3D_LARGEST_HALF ? CNN3D_LARGEST_HALF : a->high);

  for (int x = 0; x < a->outputs; x += 16) {
    int n = a->outputs - x < 16 ? a->outputs - x : 16;
    float *out = a->out + x * CNN3D_BLOCK;
    __m512 r[16];

    /* In halves, a lane is two channels, which stay neighbours. */
    UNROLL for (int c = 0; c < 16; c++)
      r[c] = half ? _mm512_castsi512_ps (_mm512_or_si512 (widen_halves (finish_channel (a, 2 * c, x, low, high, known)),
                        _mm512_slli_epi32 (widen_halves (finish_channel (a, 2 * c + 1, x, low, high, known)), 16)))
                  : finish_channel (a, c, x, low, high, known);
    transpose (r);
    UNROLL for (int i = 0; i < 16; i++)
      if (i < n)
        _mm512_storeu_ps (out + i * CNN3D_BLOCK, r[i]);
  }
}

void
cnn3d_bf16_blocks (const Cnn3dBf16BlocksArgs *a)
{
  if (a->half && a->channels == 2 * CNN3D_BLOCK)
    blocks (a, 1, 2 * CNN3D_BLOCK);
  else if (a->half && a->channels == CNN3D_BLOCK)
    blocks (a, 1, CNN3D_BLOCK);
  else if (a->half)
    blocks (a, 1, 0);
  else if (a->channels == CNN3D_BLOCK)
    blocks (a, 0, CNN3D_BLOCK);
  else
    blocks (a, 0, 0);
}
