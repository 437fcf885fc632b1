/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Kernels of a stem that a pool follows: lines word by word, sums against double precision, the pool bit by bit. */

#include "tests/kernels/bf16-test.h"

#include <math.h>
#include <string.h>

/* The word of line `line` for an output that its first or second word is of, or -1 if it is zero: a pixel's column and byte. */
static bool
place_of (int line, int output, int second, int *column, int *byte)
{
  *byte = line < 3 ? line : 2 * (line - 3) + second;
  *column = line < 3 ? 2 * output - 1 + second : 2 * output + 1;
  return *byte < 3;
}

void
lines_case (const Cnn3dBf16 *table, int parts, int width)
{
  int outputs = (width + 1) / 2, pitch = CNN3D_LINE_WORDS (outputs), words = CNN3D_LINES * pitch;
  bool packed = parts == 1 && random_int (0, 1), empty = random_int (0, 9) == 0;
  Cnn3dBf16Colors colors;
  Cnn3dBf16LinesArgs a = { .colors = &colors, .width = empty ? 0 : width, .outputs = outputs,
    .part = words + random_int (0, 3) };
  uint8_t *rgb;
  float *planes[3];

  case_begin ("%d parts, width %d, %s%s", parts, width, packed ? "packed" : "planes", empty ? ", empty" : "");
  rgb = guarded_bytes ((size_t) (3 * width));
  random_colors (&colors);
  for (int i = 0; i < 3 * width; i++)
    rgb[i] = (uint8_t) random_int (0, 255);
  for (int c = 0; c < 3; c++) {
    a.planes[c] = planes[c] = guarded ((size_t) width);
    for (int i = 0; i < width; i++)
      planes[c][i] = random_value (false);
  }
  a.rgb = packed && !empty ? rgb : NULL;
  a.out = guarded_words ((size_t) ((parts - 1) * a.part + words));
  case_freeze ();
  for (int part = 0; part < parts; part++)
    case_scratch_bytes (a.out + part * a.part, (size_t) words * 2);

  table->lines (&a, parts);
  for (int part = 0; part < parts; part++)
    for (int line = 0; line < CNN3D_LINES; line++)
      for (int i = 0; i < 2 * outputs; i++) {
        uint16_t word = a.out[part * a.part + line * pitch + i];
        int column, byte;
        float f;

        if (!place_of (line, i / 2, i % 2, &column, &byte)) {
          case_require (word == 0, "part %d, line %d, word %d is %04x", part, line, i, word);
          continue;
        }
        if (column < 0 || column >= a.width) {
          case_require (word == colors.border[part][byte], "part %d, line %d, word %d is %04x, no border", part, line, i, word);
          continue;
        }
        f = a.rgb ? (float) (rgb[3 * column + byte] - colors.offset[byte])
                  : fmaf (planes[byte][column], colors.scale[byte], colors.rest[byte]);
        case_require (is_part (word, f, part), "part %d, line %d, word %d is %04x", part, line, i, word);
      }
  case_end ();
}

void
stem_case (const Cnn3dBf16 *table, bool exact, int parts, int channels, int outputs)
{
  int rows = cnn3d_stem_rows (channels), pitch = CNN3D_LINE_WORDS (outputs), words = 3 * CNN3D_LINES * pitch;
  Cnn3dBf16StemArgs a = { .outputs = outputs, .channels = channels,
    .part = parts == 1 || random_int (0, 2) == 0 ? 0 : words + 32 * random_int (0, 1),
    .begun = random_int (0, 1) ? random_int (0, outputs) : 0 };
  size_t n_weights = (size_t) (3 * parts * rows * CNN3D_STEM_WORDS);
  int x_parts = a.part ? parts : 1;
  uint16_t *lines[3], *weights;
  float *begin;

  case_begin ("%d parts%s, %d channels, %d outputs", parts, a.part ? " of both" : "", channels, outputs);
  for (int f = 0; f < 3; f++) {
    a.lines[f] = lines[f] = guarded_words ((size_t) ((x_parts - 1) * a.part + words));
    for (int part = 0; part < x_parts; part++)
      for (int i = 0; i < words; i++)
        lines[f][part * a.part + i] = random_word (exact, part);
  }
  a.weights = weights = guarded_words (n_weights);
  for (size_t i = 0; i < n_weights; i++)
    weights[i] = i % CNN3D_STEM_WORDS < 6 * CNN3D_LINES
        ? random_word (exact, (int) (i / (size_t) (rows * CNN3D_STEM_WORDS)) % parts) : 0;
  a.out = guarded ((size_t) (rows * pitch / 2));
  a.begin = begin = guarded ((size_t) (rows * pitch / 2));
  random_fill (begin, (size_t) (rows * pitch / 2), exact);
  case_freeze ();
  case_scratch (a.out, (size_t) (rows * pitch / 2));

  table->stem (&a, parts);
  for (int c = 0; c < channels; c++)
    for (int x = 0; x < outputs; x++) {
      double sum = x / 16 * 16 < a.begun ? begin[c * pitch / 2 + x] : 0, sum_abs = fabs (sum);
      int terms = 0;

      for (int f = 0; f < 3; f++)
        for (int k = 0; k < 6 * CNN3D_LINES; k++)
          for (int i = 0; i < x_parts; i++)
            for (int n = 0; n < parts - i; n++) {
              double product = word_to_float (lines[f][i * a.part + k / 2 * pitch + 2 * x + k % 2]);

              product *= word_to_float (weights[((f * parts + n) * rows + c) * CNN3D_STEM_WORDS + k]);
              sum += product;
              sum_abs += fabs (product);
              terms++;
            }
      case_require (fabs (a.out[c * pitch / 2 + x] - sum) <= error_bound (exact, terms, sum_abs),
          "channel %d, output %d is %g, not %g", c, x, (double) a.out[c * pitch / 2 + x], sum);
    }
  case_end ();
}

/* Column and byte of the kernel, of nine in a row, that a word of a row's lines meets. */
static int
weight_of_word (int word)
{
  int column, byte;

  return place_of (word / 2, 0, word % 2, &column, &byte) ? 3 * (column + 1) + byte : -1;
}

/*
 * A word is off by 2^-9 of a float at most, so that of three parts nothing is left, and products that are left out are below
 * 2^-26. Of pixels' bytes the first part has all. The rest is that of sums in single precision.
 */
void
exact_stem_case (const Cnn3dBf16 *table, int channels, int width)
{
  enum { PARTS = CNN3D_EXACT_PARTS };
  static float weights[CNN3D_STEM_CHANNELS][3][3][9];
  int outputs = (width + 1) / 2, rows = cnn3d_stem_rows (channels), pitch = CNN3D_LINE_WORDS (outputs);
  int words = CNN3D_LINES * pitch;
  bool packed = random_int (0, 1);
  Cnn3dBf16Colors colors = { .scale = { 1, 1, 1 } };
  Cnn3dBf16StemArgs a = { .outputs = outputs, .channels = channels, .part = packed ? 0 : 3 * words };
  static float x[3][3][3][160];
  uint8_t *rgb;
  uint16_t *lines[3], *packed_weights;

  case_begin ("%d channels, width %d, %s", channels, width, packed ? "bytes" : "floats");
  rgb = guarded_bytes ((size_t) (3 * width));
  a.weights = packed_weights = guarded_words ((size_t) (3 * PARTS * rows * CNN3D_STEM_WORDS));
  for (int f = 0; f < 3; f++) {
    a.lines[f] = lines[f] = guarded_words ((size_t) (3 * words * (packed ? 1 : PARTS)));
    for (int r = 0; r < 3; r++) {
      Cnn3dBf16LinesArgs l = { .colors = &colors, .width = width, .outputs = outputs, .out = lines[f] + r * words,
        .part = a.part };

      for (int i = 0; i < 3 * width; i++) {
        rgb[i] = (uint8_t) random_int (0, 255);
        x[f][r][i % 3][i / 3] = packed ? (float) rgb[i] : random_value (false);
      }
      for (int c = 0; c < 3; c++)
        l.planes[c] = x[f][r][c];
      l.rgb = packed ? rgb : NULL;
      table->lines (&l, packed ? 1 : PARTS);
    }
    for (int c = 0; c < channels; c++)
      for (int i = 0; i < 6 * CNN3D_LINES; i++) {
        int row = i / (2 * CNN3D_LINES), k = weight_of_word (i % (2 * CNN3D_LINES));
        float w = k < 0 ? 0 : (weights[c][f][row][k] = random_value (false));

        for (int part = 0; part < PARTS; part++) {
          uint16_t *to = packed_weights + ((f * PARTS + part) * rows + c) * CNN3D_STEM_WORDS + i;

          *to = nearest_word (w);
          w -= word_to_float (*to);
        }
      }
  }
  a.out = guarded ((size_t) (rows * pitch / 2));
  case_freeze ();
  case_scratch (a.out, (size_t) (rows * pitch / 2));

  table->stem (&a, PARTS);
  for (int c = 0; c < channels; c++)
    for (int o = 0; o < outputs; o++) {
      double sum = 0, sum_abs = 0;

      for (int f = 0; f < 3; f++)
        for (int r = 0; r < 3; r++)
          for (int k = 0; k < 9; k++) {
            int column = 2 * o - 1 + k / 3;
            double product = column < 0 || column >= width ? 0 : (double) weights[c][f][r][k] * x[f][r][k % 3][column];

            sum += product;
            sum_abs += fabs (product);
          }
      case_require (fabs (a.out[c * pitch / 2 + o] - sum) <= 0x1p-25 * sum_abs + error_bound (false, 6 * 81, sum_abs),
          "channel %d, output %d is %g, not %g", c, o, (double) a.out[c * pitch / 2 + o], sum);
    }
  case_end ();
}

/* The largest of what the window of output o meets of a channel's rows. */
static float
largest_of (const Cnn3dBf16JoinArgs *a, int c, int o)
{
  float largest = -INFINITY;

  for (int x = 2 * o - 1; x <= 2 * o + 1; x++)
    for (int r = 0; r < 3 && x >= 0 && x < a->width; r++)
      largest = fmaxf (largest, a->rows[r][c * CNN3D_LINE_FLOATS (a->width) + x]);
  return largest;
}

void
join_case (const Cnn3dBf16 *table, int channels, int width)
{
  int outputs = (width + 1) / 2, floats = channels * CNN3D_LINE_FLOATS (width), pitch = CNN3D_KEPT_FLOATS (outputs);
  int kept = channels * pitch, twice = random_int (0, 2);
  bool has_before = random_int (0, 1), pools = channels <= 16 && random_int (0, 3) > 0;
  bool has_after = !pools || random_int (0, 1), in_place = has_before && has_after && random_int (0, 1);
  Cnn3dBf16JoinArgs a = { .channels = channels, .width = width, .outputs = outputs };
  float *rows[3], *before = NULL, *bias, old[CNN3D_STEM_CHANNELS * CNN3D_KEPT_FLOATS (75)];

  case_begin ("%d channels, width %d%s%s%s", channels, width, pools ? ", pool" : "", has_before ? ", before" : "",
      has_after ? ", after" : "");
  random_bounds (&a.low, &a.high);
  for (int r = 0; r < 3; r++) {
    a.rows[r] = rows[r] = r > 0 && r == twice ? rows[0] : guarded ((size_t) floats);
    /* Past the width there is anything that is no NaN. */
    random_fill (rows[r], (size_t) floats, false);
  }
  a.bias = bias = guarded ((size_t) channels);
  random_fill (bias, (size_t) channels, false);
  if (has_before) {
    a.before = before = guarded ((size_t) kept);
    random_fill (before, (size_t) kept, false);
    memcpy (old, before, (size_t) kept * sizeof *old);
  }
  if (has_after)
    a.after = in_place ? before : guarded ((size_t) kept);
  if (pools)
    a.out = guarded ((size_t) (outputs * CNN3D_BLOCK));
  case_freeze ();
  if (has_after)
    case_scratch (a.after, (size_t) kept);
  for (int c = 0; c < channels; c++)
    for (int o = 0; o < outputs; o++) {
      float v = largest_of (&a, c, o), all = has_before ? fmaxf (v, old[c * pitch + o]) : v;

      if (has_after)
        case_expect (a.after + c * pitch + o, pools ? v : all, 0);
      if (pools)
        case_expect (a.out + o * CNN3D_BLOCK + c, fminf (a.high, fmaxf (a.low, all + bias[c])), 0);
    }
  for (int o = 0; o < outputs && pools; o++)
    for (int c = channels; c < CNN3D_BLOCK; c++)
      case_expect (a.out + o * CNN3D_BLOCK + c, 0, 0);
  table->join (&a);
  case_end ();
}

void
blocks_case (const Cnn3dBf16 *table, int half, int channels, int outputs)
{
  int pitch = CNN3D_LINE_FLOATS (outputs), lanes = half ? 2 * CNN3D_BLOCK : CNN3D_BLOCK;
  Cnn3dBf16BlocksArgs a = { .half = half, .channels = channels, .outputs = outputs };
  float *sums, *bias;

  case_begin ("%d channels, %d outputs%s", channels, outputs, half ? ", halves" : "");
  random_bounds (&a.low, &a.high);
  a.sums = sums = guarded ((size_t) (channels * pitch));
  random_fill (sums, (size_t) (channels * pitch), false);
  sums[random_int (0, channels - 1) * pitch + random_int (0, outputs - 1)] = random_int (0, 1) ? 1e6f : -1e6f;
  a.bias = bias = guarded ((size_t) channels);
  random_fill (bias, (size_t) channels, false);
  a.out = guarded ((size_t) (outputs * CNN3D_BLOCK));
  case_freeze ();
  if (half)
    case_scratch (a.out, (size_t) (outputs * CNN3D_BLOCK));
  for (int x = 0; x < outputs; x++)
    for (int c = 0; c < CNN3D_BLOCK && !half; c++)
      case_expect (a.out + x * CNN3D_BLOCK + c,
          c < channels ? fminf (a.high, fmaxf (a.low, sums[c * pitch + x] + bias[c])) : 0, 0);
  table->blocks (&a);
  for (int x = 0; x < outputs && half; x++)
    for (int c = 0; c < lanes; c++) {
      float found = half_to_float (((const uint16_t *) a.out)[x * lanes + c]), wanted = 0;

      if (c < channels)
        wanted = nearest_half (fminf (a.high, fmaxf (a.low, sums[c * pitch + x] + bias[c])));
      case_require (found == wanted, "output %d, channel %d is %g, not %g", x, c, (double) found, (double) wanted);
    }
  case_end ();
}
