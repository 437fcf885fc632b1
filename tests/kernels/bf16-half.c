/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Half precision: depthwise convolutions against sums in double precision, and products that are rounded to halves. */

#include "tests/kernels/bf16-test.h"

#include <math.h>
#include <string.h>

#define LANES (2 * CNN3D_BLOCK)

float
half_to_float (uint16_t half)
{
  int exponent = half >> 10 & 31, mantissa = half & 1023;
  double size = exponent == 0 ? ldexp (mantissa, -24) : ldexp (1024 + mantissa, exponent - 25);

  return (float) (half & 0x8000 ? -size : size);
}

float
nearest_half (float v)
{
  double limited = fmax (-CNN3D_LARGEST_HALF, fmin (CNN3D_LARGEST_HALF, v)), unit;
  int exponent;

  frexp (limited, &exponent);
  unit = ldexp (1, exponent - 11 > -24 ? exponent - 11 : -24);
  return (float) (nearbyint (limited / unit) * unit);
}

/* Of a number that is a half. */
static uint16_t
half_of (float v)
{
  int exponent;
  double mantissa = frexp (fabs (v), &exponent);
  uint16_t sign = signbit (v) ? 0x8000 : 0;

  if (mantissa == 0 || exponent < -13)
    return sign | (uint16_t) ldexp (mantissa, exponent + 24);
  return sign | (uint16_t) (((exponent + 14) << 10) + (int) ldexp (mantissa, 11) - 1024);
}

/* Halves of random values in place of floats. */
static void
fill_halves (float *p, int floats, bool exact)
{
  uint16_t *halves = (uint16_t *) p;

  for (int i = 0; i < 2 * floats; i++)
    halves[i] = half_of (nearest_half (random_value (exact)));
}

typedef struct {
  Cnn3dHalfArgs a;
  int stride;
  bool exact;
} Half;

/* What the outputs see of column i of a row, of a lane of the pair. */
static double
input (const Half *h, int r, int y, int i, int lane)
{
  return half_to_float (((const uint16_t *) (h->a.of.rows[r] + y * h->a.of.in_step + i * CNN3D_BLOCK))[lane]);
}

static double
weight (const float *weights, int lane)
{
  return half_to_float (((const uint16_t *) weights)[lane]);
}

/* Output o of a lane, and by how much it may be off: of sums of halves, each of which is rounded. */
static double
sum_of (const Half *h, int o, int lane, double *error)
{
  const Cnn3dDepthwiseArgs *a = &h->a.of;
  double sum = weight (a->bias, lane), size = fabs (sum);

  for (int r = 0; r < a->n_rows; r++)
    for (int k = 0; k < 3; k++) {
      int y = o / a->width_out, i = o % a->width_out * h->stride + k - 1;
      double product;

      if (i < 0 || i >= a->width_in)
        continue;
      product = input (h, r, y, i, lane) * weight (a->weights[r] + k * CNN3D_BLOCK, lane);
      sum += product;
      size += fabs (product);
    }
  *error = h->exact ? 0 : (3 * a->n_rows + 8) * 0x1p-11 * size;
  return fmin (half_to_float (h->a.high), fmax (half_to_float (h->a.low), sum));
}

static void
check_outputs (const Half *h, bool second)
{
  const Cnn3dDepthwiseArgs *a = &h->a.of;

  for (int o = 0; o < a->n_out * a->width_out; o++)
    for (int lane = 0; lane < (h->a.words || second ? LANES : CNN3D_BLOCK); lane++) {
      double error, sum = sum_of (h, o, lane, &error);
      float found;

      if (h->a.words) {
        found = word_to_float (((const uint16_t *) a->out)[o * LANES + lane]);
        if (!(h->a.lanes >> lane & 1))
          sum = error = 0;
        else
          error += fabs (sum) * 0x1p-8;
      } else {
        found = (lane < CNN3D_BLOCK ? a->out : h->a.second)[o * CNN3D_BLOCK + lane % CNN3D_BLOCK];
      }
      case_require (fabs (found - sum) <= error, "output %d of lane %d is %g, not %g", o, lane, (double) found, sum);
    }
}

void
half_case (const Cnn3dBf16 *table, bool exact, int n_rows, int width)
{
  Half h = { .stride = random_int (1, 2), .exact = exact };
  Cnn3dDepthwiseArgs *a = &h.a.of;
  int n_out = random_int (1, 3), row = width * CNN3D_BLOCK, step = row + random_int (0, 2) * CNN3D_BLOCK;
  int floats = (n_out - 1) * step + row;
  const char *activation = random_bounds (&a->low, &a->high);
  bool second;
  float *bias;

  h.a.words = random_int (0, 1);
  second = h.a.words || random_int (0, 1);
  h.a.lanes = (uint32_t) random_int (0, 0xffff) << 16 | (uint32_t) random_int (0, 0xffff);
  h.a.low = half_of (nearest_half (a->low));
  h.a.high = half_of (nearest_half (a->high));
  *a = (Cnn3dDepthwiseArgs){ .n_rows = n_rows, .width_in = width, .width_out = (width - 1) / h.stride + 1, .n_out = n_out,
    .in_step = step };
  case_begin ("%d rows, %d outputs, width %d, stride %d, %s, %s", n_rows, n_out, width, h.stride,
      h.a.words ? "words" : second ? "two blocks" : "a block", activation);

  scatter_rows (a->rows, n_rows, floats, exact, POISON);
  scatter_rows (a->weights, n_rows, 3 * CNN3D_BLOCK, exact, POISON);
  for (int r = 0; r < n_rows; r++) {
    fill_halves ((float *) a->rows[r], floats, exact);
    fill_halves ((float *) a->weights[r], 3 * CNN3D_BLOCK, exact);
  }
  a->bias = bias = guarded (CNN3D_BLOCK);
  fill_halves (bias, CNN3D_BLOCK, exact);
  a->out = guarded ((size_t) (n_out * a->width_out * CNN3D_BLOCK));
  if (second && !h.a.words)
    h.a.second = guarded ((size_t) (n_out * a->width_out * CNN3D_BLOCK));
  case_freeze ();
  case_scratch (a->out, (size_t) (n_out * a->width_out * CNN3D_BLOCK));
  if (h.a.second != NULL)
    case_scratch (h.a.second, (size_t) (n_out * a->width_out * CNN3D_BLOCK));
  table->depthwise (&h.a, h.stride);
  case_end ();
  check_outputs (&h, second);
}

void
half_conv_case (const Cnn3dBf16 *table, int halves, int positions)
{
  int32_t taps[] = { 0, random_int (0, 64) };
  Cnn3dBf16ConvArgs a = { .n_taps = random_int (1, 2), .taps = taps, .step = random_int (32, 64) };
  int lanes = cnn3d_bf16_lanes (halves), words = (positions - 1) * (int) a.step + 64 + table->unit;
  const char *activation = random_bounds (&a.low, &a.high);
  size_t n_weights = (size_t) (a.n_taps * table->unit * lanes);
  float *bias, *floats, *out;
  uint16_t *x, *weights;

  case_begin ("%d halves, %d positions, %d taps, %s, to halves", halves, positions, a.n_taps, activation);
  a.x = x = (uint16_t *) guarded_bytes (2 * (size_t) words);
  a.weights = weights = (uint16_t *) guarded_bytes (2 * n_weights);
  a.bias = bias = guarded ((size_t) lanes);
  for (int i = 0; i < words; i++)
    x[i] = nearest_word (random_value (false));
  /* Some outputs are larger than any half. */
  for (size_t i = 0; i < n_weights; i++)
    weights[i] = nearest_word (random_value (false) * (random_int (0, 40) == 0 ? 1e5f : 1));
  random_fill (bias, (size_t) lanes, false);
  floats = guarded ((size_t) ((halves + 1) / 2 * positions * CNN3D_BLOCK));
  out = guarded ((size_t) ((halves + 3) / 4 * positions * CNN3D_BLOCK));
  for (int h = 0; h < halves; h++)
    a.out_offsets[h] = h / 2 * positions * CNN3D_BLOCK + h % 2 * CNN3D_HALF;
  a.out = floats;
  table->conv (&a, halves, positions, 1);

  for (int h = 0; h < halves; h++)
    a.out_offsets[h] = h / 4 * positions * LANES + h % 4 * CNN3D_HALF;
  a.out = out;
  a.half = 1;
  case_freeze ();
  for (int p = 0; p < positions; p++)
    for (int h = 0; h < halves; h++)
      case_scratch_bytes ((uint16_t *) out + a.out_offsets[h] + p * LANES, 2 * CNN3D_HALF);
  table->conv (&a, halves, positions, 1);
  case_end ();
  for (int p = 0; p < positions; p++)
    for (int lane = 0; lane < halves * CNN3D_HALF; lane++) {
      int h = lane / CNN3D_HALF, i = lane % CNN3D_HALF;
      float found = half_to_float (((uint16_t *) out)[a.out_offsets[h] + p * LANES + i]);
      float sum = floats[h / 2 * positions * CNN3D_BLOCK + h % 2 * CNN3D_HALF + i + p * CNN3D_BLOCK];

      case_require (found == nearest_half (sum), "position %d of lane %d is %g, not %g", p, lane, (double) found, (double) sum);
    }
}
