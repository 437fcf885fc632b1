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
  a.out = guarded_words ((size_t) ((parts == 2 ? a.part : 0) + words));
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
    .part = parts == 1 || random_int (0, 2) == 0 ? 0 : words + 32 * random_int (0, 1) };
  size_t n_weights = (size_t) (3 * parts * rows * CNN3D_STEM_WORDS);
  uint16_t *lines[3], *weights;

  case_begin ("%d parts%s, %d channels, %d outputs", parts, a.part ? " of both" : "", channels, outputs);
  for (int f = 0; f < 3; f++) {
    a.lines[f] = lines[f] = guarded_words ((size_t) (a.part + words));
    for (int part = 0; part < (a.part ? 2 : 1); part++)
      for (int i = 0; i < words; i++)
        lines[f][part * a.part + i] = random_word (exact, part);
  }
  a.weights = weights = guarded_words (n_weights);
  for (size_t i = 0; i < n_weights; i++)
    weights[i] = i % CNN3D_STEM_WORDS < 6 * CNN3D_LINES
        ? random_word (exact, parts == 2 && i / (size_t) (rows * CNN3D_STEM_WORDS) % 2) : 0;
  a.out = guarded ((size_t) (rows * pitch / 2));
  case_freeze ();
  case_scratch (a.out, (size_t) (rows * pitch / 2));

  table->stem (&a, parts);
  for (int c = 0; c < channels; c++)
    for (int x = 0; x < outputs; x++) {
      double sum = 0, sum_abs = 0;
      int terms = 0;

      for (int f = 0; f < 3; f++)
        for (int k = 0; k < 6 * CNN3D_LINES; k++)
          for (int n = 0; n < (parts == 1 ? 1 : 3); n++) {
            /* hi hi, lo hi, hi lo */
            const uint16_t *w = weights + ((f * parts + (n == 2)) * rows + c) * CNN3D_STEM_WORDS + k;
            double product;

            if (n == 1 && a.part == 0)
              continue;
            product = word_to_float (lines[f][(n == 1 ? a.part : 0) + k / 2 * pitch + 2 * x + k % 2]);
            product *= word_to_float (*w);
            sum += product;
            sum_abs += fabs (product);
            terms++;
          }
      case_require (fabs (a.out[c * pitch / 2 + x] - sum) <= error_bound (exact, terms, sum_abs),
          "channel %d, output %d is %g, not %g", c, x, (double) a.out[c * pitch / 2 + x], sum);
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
