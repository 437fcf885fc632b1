/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Products in bfloat16 by AMX tiles. A tile of x is 16 positions by a tap of 32 words, as they lie; one of
 * weights is a tap by 16 output channels; their product is 16 positions by 16 channels of the output, which is how
 * these lie as well. Two by two of them are computed at a time.
 *
 * To configure tiles takes as long as ten products. So they are the same for any number of channels, and stay as they are
 * from call to call, until the thread releases them, for the kernel to have nothing to save.
 */

#include "lib3dcnn/cpu/bf16.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__ ((always_inline))

#ifdef __clang__
#define UNROLL_SOME _Pragma ("clang loop unroll_count(4)")
#else
#define UNROLL_SOME _Pragma ("GCC unroll 4")
#endif

#define UNIT 32
#define ROWS 16 /* of a tile */
#define MAX_HALVES 4

/* Tiles 0 to 3 are sums, [2][2]; 4 and 5 positions, 6 and 7 weights. The intrinsics take literals only. */

/* As LDTILECFG reads it. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16]; /* of a row */
  uint8_t rows[16];
} TileConfig;

_Static_assert (sizeof (TileConfig) == 64, "the size that LDTILECFG reads");

/* What this thread's tiles are for: rows of two tiles of positions, or of a stem's channels. */
static _Thread_local int configured;
enum { NO_TILES, SECOND_ROW = ROWS + 1, STEM_TILES = SECOND_ROW * SECOND_ROW };

INLINE void
load_config (const TileConfig *config, int what)
{
  configured = what;
  /* gcc's intrinsic does not say that all of it is read. */
  __asm__ volatile("" : : "r"(config) : "memory");
  _tile_loadconfig (config);
}

/* Two tiles of positions, or one. Of channels there are always 16, as weights have them, whether a tile wants all or not. */
static void
configure (int first, int second)
{
  TileConfig config = { .palette = 1 };
  int what = first + second * SECOND_ROW;

  if (configured == what)
    return;
  for (int m = 0; m < 2; m++) {
    int rows = m == 0 ? first : second;

    config.rows[2 * m] = config.rows[2 * m + 1] = config.rows[4 + m] = (uint8_t) rows;
    config.bytes[2 * m] = config.bytes[2 * m + 1] = config.bytes[4 + m] = rows > 0 ? UNIT * sizeof (uint16_t) : 0;
    config.rows[6 + m] = UNIT / 2;
    config.bytes[6 + m] = UNIT * sizeof (uint16_t);
  }
  load_config (&config, what);
}

/* One tile of positions, or, with both, the one that follows it as well. */
INLINE void
load_positions (const uint16_t *x, intptr_t step, const int both)
{
  intptr_t stride = step * (intptr_t) sizeof (uint16_t);

  _tile_loadd (4, x, stride);
  if (both)
    _tile_loadd (5, x + ROWS * step, stride);
}

INLINE void
load_weights (const uint16_t *w, intptr_t lanes, const int nv)
{
  intptr_t stride = lanes * 2 * (intptr_t) sizeof (uint16_t);

  _tile_loadd (6, w, stride);
  if (nv == 2)
    _tile_loadd (7, w + 32, stride);
}

INLINE void
multiply (const int both, const int nv)
{
  _tile_dpbf16ps (0, 4, 6);
  if (nv == 2)
    _tile_dpbf16ps (1, 4, 7);
  if (both)
    _tile_dpbf16ps (2, 5, 6);
  if (both && nv == 2)
    _tile_dpbf16ps (3, 5, 7);
}

INLINE void
load_bias (const float *bias, const int both, const int nv)
{
  /* The same row again and again. */
  _tile_loadd (0, bias, 0);
  if (nv == 2)
    _tile_loadd (1, bias + CNN3D_BLOCK, 0);
  if (both)
    _tile_loadd (2, bias, 0);
  if (both && nv == 2)
    _tile_loadd (3, bias + CNN3D_BLOCK, 0);
}

/* Of two blocks; the second tile `tile` floats behind the first. */
INLINE void
store_sums (float *low, float *high, intptr_t tile, const int both, const int nv)
{
  _tile_stored (0, low, 64);
  if (nv == 2)
    _tile_stored (1, high, 64);
  if (both)
    _tile_stored (2, low + tile, 64);
  if (both && nv == 2)
    _tile_stored (3, high + tile, 64);
}

INLINE void
compute_sums (const Cnn3dBf16ConvArgs *a, int halves, intptr_t position, const int both, const int nv, const int parts)
{
  const intptr_t lanes = cnn3d_bf16_lanes (halves), step = a->step, tap_words = UNIT * lanes;
  const uint16_t *x = a->x + position * step, *w = a->weights;

  load_bias (a->bias, both, nv);
  for (int k = 0; k < a->n_taps; k++, w += parts * tap_words) {
    load_weights (w, lanes, nv);
    if (parts == 2) {
      load_positions (x + a->taps[k] + a->part, step, both);
      multiply (both, nv);
    }
    load_positions (x + a->taps[k], step, both);
    multiply (both, nv);
    if (parts == 2) {
      load_weights (w + tap_words, lanes, nv);
      multiply (both, nv);
    }
  }
}

/* Residual and activation of n positions, from what a tile of sums was stored to. */
static void
finish (const Cnn3dBf16ConvArgs *a, int halves, int v, intptr_t position, int n, const float *sums)
{
  __mmask16 lanes = halves - 2 * v >= 2 ? 0xffff : 0xff;
  __m512 low = _mm512_set1_ps (a->low), high = _mm512_set1_ps (a->high);
  float *out = a->out + a->out_offsets[2 * v] + position * CNN3D_BLOCK;
  const float *r =
      a->residual ? a->residual + a->residual_offsets[2 * v] + position * CNN3D_BLOCK : NULL;

  UNROLL_SOME for (int p = 0; p < n; p++) {
    __m512 s = _mm512_load_ps (sums + p * CNN3D_BLOCK);

    if (r)
      s = _mm512_add_ps (s, _mm512_maskz_loadu_ps (lanes, r + p * CNN3D_BLOCK));
    /* The sum is the second operand, so that a NaN stays one. */
    _mm512_mask_storeu_ps (out + p * CNN3D_BLOCK, lanes, _mm512_min_ps (high, _mm512_max_ps (low, s)));
  }
}

INLINE __m256i
round_to_half (__m512 low, __m512 high, const float *sums)
{
  __m512 s = _mm512_min_ps (high, _mm512_max_ps (low, _mm512_load_ps (sums)));

  return _mm512_cvtps_ph (s, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* Likewise in half precision, without residual, of all blocks; nothing becomes infinite. */
static void
finish_in_half (const Cnn3dBf16ConvArgs *a, int halves, int nv, intptr_t position, int n, const float *first,
    const float *second)
{
  __m512 low = _mm512_set1_ps (a->low > -CNN3D_LARGEST_HALF ? a->low : -CNN3D_LARGEST_HALF);
  __m512 high = _mm512_set1_ps (a->high < CNN3D_LARGEST_HALF ? a->high : CNN3D_LARGEST_HALF);
  uint16_t *out = (uint16_t *) a->out + position * 2 * CNN3D_BLOCK;

  if (halves == 4 && a->out_offsets[2] == a->out_offsets[0] + CNN3D_BLOCK) {
    out += a->out_offsets[0];
    UNROLL_SOME for (int p = 0; p < n; p++)
      _mm512_storeu_si512 (out + p * 2 * CNN3D_BLOCK,
          _mm512_inserti64x4 (_mm512_castsi256_si512 (round_to_half (low, high, first + p * CNN3D_BLOCK)),
              round_to_half (low, high, second + p * CNN3D_BLOCK), 1));
    return;
  }
  for (int v = 0; v < nv; v++) {
    __mmask16 lanes = halves - 2 * v >= 2 ? 0xffff : 0xff;

    UNROLL_SOME for (int p = 0; p < n; p++)
      _mm256_mask_storeu_epi16 (out + a->out_offsets[2 * v] + p * 2 * CNN3D_BLOCK, lanes,
          round_to_half (low, high, (v == 0 ? first : second) + p * CNN3D_BLOCK));
  }
}

/* Whether sums are the output, in all lanes of their vectors. */
INLINE int
is_plain (const Cnn3dBf16ConvArgs *a, int halves)
{
  return a->residual == NULL && a->low == -INFINITY && a->high == INFINITY && halves % 2 == 0 && !a->half;
}

/* The sums of n positions, which are more than a tile with both; of the first `skip`, less than a tile, outputs are there. */
INLINE void
finish_sums (const Cnn3dBf16ConvArgs *a, int halves, intptr_t position, int n, int skip, const int both, const int nv)
{
  _Alignas (64) float sums[4][ROWS * CNN3D_BLOCK];
  int first = (both ? ROWS : n) - skip, place = skip * CNN3D_BLOCK;

  if (is_plain (a, halves)) {
    float *out = a->out + position * CNN3D_BLOCK;

    store_sums (out + a->out_offsets[0], out + a->out_offsets[2 * (nv - 1)], ROWS * CNN3D_BLOCK, both, nv);
    return;
  }
  store_sums (sums[0], sums[1], 2 * ROWS * CNN3D_BLOCK, both, nv);
  if (a->half) {
    finish_in_half (a, halves, nv, position + skip, first, sums[0] + place, sums[1] + place);
    if (both)
      finish_in_half (a, halves, nv, position + ROWS, n - ROWS, sums[2], sums[3]);
    return;
  }
  for (int v = 0; v < nv; v++)
    finish (a, halves, v, position + skip, first, sums[v] + place);
  for (int v = 0; v < nv && both; v++)
    finish (a, halves, v, position + ROWS, n - ROWS, sums[2 + v]);
}

/*
 * All tiles are of a size, as they take long to configure: the last ones begin with positions again that others have, and
 * whose outputs stay as they are, for they may have had a residual in their place.
 */
INLINE void
conv_run (const Cnn3dBf16ConvArgs *a, int halves, int positions, const int nv, const int parts)
{
  int blocks = (positions + 2 * ROWS - 1) / (2 * ROWS), n = (positions + blocks - 1) / blocks;

  configure (n < ROWS ? n : ROWS, n > ROWS ? n - ROWS : 0);
  for (int p = 0; p < positions; p += n) {
    int skip = p + n > positions ? p + n - positions : 0;

    if (n > ROWS) {
      compute_sums (a, halves, p - skip, 1, nv, parts);
      finish_sums (a, halves, p - skip, n, skip, 1, nv);
    } else {
      compute_sums (a, halves, p - skip, 0, nv, parts);
      finish_sums (a, halves, p - skip, n, skip, 0, nv);
    }
  }
}

static void
conv (const Cnn3dBf16ConvArgs *a, int halves, int positions, int parts)
{
  if (halves > 2 && parts == 2)
    conv_run (a, halves, positions, 2, 2);
  else if (halves > 2)
    conv_run (a, halves, positions, 2, 1);
  else if (parts == 2)
    conv_run (a, halves, positions, 1, 2);
  else
    conv_run (a, halves, positions, 1, 1);
}

#include "lib3dcnn/cpu/stem-amx_tmpl.h"

static void
release (void)
{
  if (configured != NO_TILES)
    _tile_release ();
  configured = NO_TILES;
}

void
cnn3d_bf16_init_amx (Cnn3dBf16 *kernels)
{
  *kernels = (Cnn3dBf16){ .isa = "amx", .unit = UNIT, .max_halves = MAX_HALVES, .align_halves = 2, .tiles = 1,
    .conv = conv, .release = release, .rows = cnn3d_bf16_rows, .lines = cnn3d_bf16_lines, .stem = stem,
    .join = cnn3d_bf16_join, .blocks = cnn3d_bf16_blocks,
    .depthwise_words = cnn3d_bf16_depthwise };
}
