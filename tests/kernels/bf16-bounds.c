/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How far products in bfloat16 are from those of the floats they stand for. */

#include "tests/kernels/bf16-test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHANNELS (16 * MAX_BLOCKS)
#define MAX_LANES (CNN3D_MAX_HALVES * CNN3D_HALF)

/*
 * A word is off by 2^-8 of a float at most, and so is hi + lo by 2^-16. With one part, a product has both
 * factors' errors. With two it has both, and lo lo which is left out. The rest is that of sums in single precision,
 * of which there are three times as many.
 */
static double
bound (int parts, int terms, double sum_abs)
{
  if (parts == 1)
    return (0x1p-7 + 0x1p-16) * sum_abs + error_bound (false, terms, 1.01 * sum_abs);
  return (3 * 0x1p-16 + 0x1p-22) * sum_abs + error_bound (false, 3 * terms, 1.01 * sum_abs);
}

static void
pack (const Cnn3dBf16 *table, int parts, int channels, int halves, const float *from, uint16_t *to)
{
  int unit = table->unit, lanes = halves * CNN3D_HALF, row = cnn3d_bf16_lanes (halves);

  for (int w = 0; w < (channels + unit - 1) / unit * unit; w++)
    for (int lane = 0; lane < lanes; lane++)
      for (int part = 0; part < parts; part++) {
        float f = w < channels ? from[w * lanes + lane] : 0;

        if (part == 1)
          f -= word_to_float (nearest_word (f));
        to[(((w / unit * parts + part) * unit / 2 + w % unit / 2) * row + lane) * 2 + w % 2] = nearest_word (f);
      }
}

void
product_case (const Cnn3dBf16 *table, int parts, int halves, int positions)
{
  static float weights[MAX_CHANNELS * MAX_LANES];
  static uint16_t words[2 * (MAX_CHANNELS + 32) * MAX_LANES], rows[2 * 128 * (MAX_CHANNELS + 32)];
  static int32_t taps[MAX_CHANNELS], blocks[MAX_BLOCKS];
  static uint16_t wanted[MAX_BLOCKS];
  int channels = random_int (1, MAX_CHANNELS), n_blocks = (channels + 15) / 16, lanes = halves * CNN3D_HALF;
  int step = (n_blocks + 1) / 2 * CNN3D_ROW_WORDS;
  Cnn3dBf16RowsArgs r = { .blocks = blocks, .lanes = wanted, .n_blocks = n_blocks, .out = rows,
    .step = step, .part = step * positions };
  Cnn3dBf16ConvArgs a = { .x = rows, .part = r.part, .step = step, .taps = taps, .weights = words,
    .n_taps = (channels + table->unit - 1) / table->unit, .low = -INFINITY, .high = INFINITY };
  float *x, *bias;

  case_begin ("%d parts, %d halves, %d positions, %d channels", parts, halves, positions, channels);
  x = guarded ((size_t) (n_blocks * positions * CNN3D_BLOCK));
  r.x = x;
  a.bias = bias = guarded ((size_t) cnn3d_bf16_lanes (halves));
  a.out = guarded ((size_t) ((halves + 1) / 2 * positions * CNN3D_BLOCK));
  for (int b = 0; b < n_blocks; b++) {
    blocks[b] = b * positions * CNN3D_BLOCK;
    wanted[b] = (uint16_t) (channels - b * 16 >= 16 ? 0xffff : (1 << (channels - b * 16)) - 1);
  }
  random_fill (x, (size_t) (n_blocks * positions * CNN3D_BLOCK), false);
  random_fill (bias, (size_t) lanes, false);
  random_fill (weights, (size_t) (channels * lanes), false);
  pack (table, parts, channels, halves, weights, words);
  for (int k = 0; k < a.n_taps; k++)
    taps[k] = k * table->unit;
  for (int h = 0; h < halves; h++)
    a.out_offsets[h] = h / 2 * positions * CNN3D_BLOCK + h % 2 * CNN3D_HALF;
  case_freeze ();

  for (int p = 0; p < positions; p++)
    for (int lane = 0; lane < lanes; lane++) {
      double sum = bias[lane], sum_abs = fabs (sum);

      for (int c = 0; c < channels; c++) {
        double product = (double) x[blocks[c / 16] + p * 16 + c % 16] * weights[c * lanes + lane];

        sum += product;
        sum_abs += fabs (product);
      }
      case_expect (a.out + a.out_offsets[lane / 8] + p * 16 + lane % 8, sum, bound (parts, channels, sum_abs));
    }
  table->rows (&r, positions, parts);
  table->conv (&a, halves, positions, parts);
  case_end ();
}

/* All but infinities and NaNs. */
static void
fill_words (uint16_t *words, size_t n)
{
  for (size_t i = 0; i < n; i++)
    words[i] = (uint16_t) (random_int (0, 0x7eff) | random_int (0, 1) << 15);
}

static void
require_same (const float *a, const float *b, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    bool nan = a[i] != a[i] && b[i] != b[i];

    case_require (nan || memcmp (&a[i], &b[i], sizeof (float)) == 0, "output %zu is %a and %a", i, a[i], b[i]);
  }
}

void
same_case (const Cnn3dBf16 *first, const Cnn3dBf16 *second, int parts, int halves, int positions)
{
  enum { MAX_TAPS = 6 };
  static uint16_t x[2 * 128 * 64], weights[2 * MAX_TAPS * 32 * MAX_LANES];
  static float out[2][MAX_LANES * 128];
  float bias[MAX_LANES];
  int32_t taps[MAX_TAPS];
  Cnn3dBf16ConvArgs a = { .x = x, .weights = weights, .bias = bias, .taps = taps, .step = 64,
    .part = 128 * 64, .n_taps = random_int (1, MAX_TAPS), .low = -INFINITY, .high = INFINITY };

  case_begin ("%d parts, %d halves, %d positions, %d taps", parts, halves, positions, a.n_taps);
  fill_words (x, sizeof x / sizeof *x);
  fill_words (weights, sizeof weights / sizeof *weights);
  random_fill (bias, MAX_LANES, false);
  for (int k = 0; k < a.n_taps; k++)
    taps[k] = random_int (0, 32);
  for (int h = 0; h < halves; h++)
    a.out_offsets[h] = h / 2 * 128 * 16 + h % 2 * 8;
  memset (out, 0, sizeof out);
  case_freeze ();
  for (int i = 0; i < 2; i++) {
    a.out = out[i];
    (i == 0 ? first : second)->conv (&a, halves, positions, parts);
  }
  require_same (out[0], out[1], sizeof out[0] / sizeof *out[0]);
  case_end ();
}

void
same_stem_case (const Cnn3dBf16 *first, const Cnn3dBf16 *second, int parts, int channels, int outputs)
{
  enum { MOST = 100 };
  static uint16_t lines[CNN3D_MAX_PARTS * 3 * CNN3D_LINES * CNN3D_LINE_WORDS (MOST)];
  static uint16_t weights[3 * CNN3D_MAX_PARTS * CNN3D_STEM_CHANNELS * CNN3D_STEM_WORDS];
  static float out[2][CNN3D_STEM_CHANNELS * CNN3D_LINE_FLOATS (MOST)];
  static float begin[CNN3D_STEM_CHANNELS * CNN3D_LINE_FLOATS (MOST)];
  Cnn3dBf16StemArgs a = { .outputs = outputs, .channels = channels, .weights = weights, .begin = begin,
    .begun = random_int (0, outputs) };

  case_begin ("%d parts, %d channels, %d outputs", parts, channels, outputs);
  random_fill (begin, sizeof begin / sizeof *begin, false);
  fill_words (lines, sizeof lines / sizeof *lines);
  fill_words (weights, sizeof weights / sizeof *weights);
  for (int f = 0; f < 3; f++)
    a.lines[f] = lines;
  a.part = parts > 1 && random_int (0, 1) ? 3 * CNN3D_LINES * CNN3D_LINE_WORDS (MOST) : 0;
  memset (out, 0, sizeof out);
  case_freeze ();
  for (int i = 0; i < 2; i++) {
    a.out = out[i];
    (i == 0 ? first : second)->stem (&a, parts);
  }
  require_same (out[0], out[1], sizeof out[0] / sizeof *out[0]);
  case_end ();
}
