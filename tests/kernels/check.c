/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each family against naive sums in double precision, on every tail that its kernels have. */

#include "tests/kernels/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_POSITIONS 40
#define MAX_TAPS 200
#define MAX_WIDTH 72

void
random_fill (float *p, size_t n, bool exact)
{
  for (size_t i = 0; i < n; i++)
    p[i] = random_value (exact);
}

static void
shuffle (int *p, int n)
{
  for (int i = n - 1; i > 0; i--) {
    int k = random_int (0, i), t = p[i];
    p[i] = p[k];
    p[k] = t;
  }
}

const char *
random_bounds (float *low, float *high)
{
  static const char *const names[] = { "no activation", "ReLU", "ReLU6" };
  int kind = random_int (0, 2);

  *low = kind == 0 ? -INFINITY : 0;
  *high = kind == 2 ? 6 : INFINITY;
  return names[kind];
}

static double
clamp (double v, double low, double high)
{
  return v < low ? low : v > high ? high : v;
}

void
expect (const float *out, double v, float low, float high, double error)
{
  /* -0 would be no difference worth a failure, and ReLU may give either. */
  case_expect (out, clamp (v, low, high) + 0.0, error);
}

void
place_halves (int align, int32_t *offsets, int halves, int blocks, int positions)
{
  int order[2 * (CNN3D_MAX_HALVES + 1)], places = 2 * blocks / align;

  for (int i = 0; i < places; i++)
    order[i] = i;
  shuffle (order, places);
  for (int h = 0; h < halves; h++) {
    int place = order[h / align] * align + h % align;

    if (align == 2 && halves == 1)
      place += random_int (0, 1);
    offsets[h] = place / 2 * positions * CNN3D_BLOCK + place % 2 * CNN3D_HALF;
  }
}

/* That a tap has. */
static int
conv_inputs (const Kernel *kernel)
{
  return kernel->param < 0 ? 2 : 1;
}

static void
conv_case (const Kernel *kernel, bool exact, int halves, int positions)
{
  static int32_t taps[MAX_TAPS + 1];
  int n_taps = random_int (0, 3) == 0 ? random_int (0, 4) : random_int (0, MAX_TAPS);
  int lanes = halves * CNN3D_HALF, blocks = halves + random_int (0, 1), step = abs (kernel->param);
  int inputs = conv_inputs (kernel);
  int reach = random_int (0, 2 * MAX_POSITIONS * CNN3D_BLOCK), span = (positions - 1) * step + inputs;
  size_t out_floats = (size_t) (blocks * positions * CNN3D_BLOCK);
  float *x, *weights, *bias, *out, *residual = NULL;
  Cnn3dConvArgs a = { .taps = taps, .n_taps = n_taps };
  const char *activation = random_bounds (&a.low, &a.high);
  bool add = random_int (0, 1), in_place = add && random_int (0, 1);

  case_begin ("%d halves, %d positions, %d taps, %s, %sresidual%s", halves, positions, n_taps,
      activation, add ? "" : "no ", in_place ? " in place" : "");
  x = guarded ((size_t) (reach + span));
  weights = guarded ((size_t) (n_taps * lanes * inputs));
  bias = guarded ((size_t) lanes);
  out = guarded (out_floats);
  random_fill (weights, (size_t) (n_taps * lanes * inputs), exact);
  random_fill (bias, (size_t) lanes, exact);

  /* All of the input that no tap meets stays poison; the first two taps reach both of its ends. */
  for (int k = 0; k < n_taps; k++) {
    taps[k] = k == 0 ? reach : k == 1 ? 0 : random_int (0, reach);
    for (int p = 0; p < positions; p++)
      for (int c = 0; c < inputs; c++)
        x[taps[k] + p * step + c] = random_value (exact);
  }
  place_halves (kernel->table->align_halves, a.out_offsets, halves, blocks, positions);
  if (add) {
    residual = in_place ? out : guarded (out_floats);
    place_halves (kernel->table->align_halves, a.residual_offsets, halves, blocks, positions);
    if (in_place)
      memcpy (a.residual_offsets, a.out_offsets, sizeof a.residual_offsets);
    for (int p = 0; p < positions; p++)
      for (int i = 0; i < lanes; i++)
        residual[a.residual_offsets[i / 8] + i % 8 + p * CNN3D_BLOCK] = random_value (exact);
  }
  case_freeze ();

  for (int p = 0; p < positions; p++)
    for (int i = 0; i < lanes; i++) {
      double sum = bias[i], sum_abs = fabs (bias[i]);

      for (int k = 0; k < n_taps * inputs; k++) {
        double product = (double) x[taps[k / inputs] + p * step + k % inputs]
            * weights[(k / inputs * lanes + i) * inputs + k % inputs];
        sum += product;
        sum_abs += fabs (product);
      }
      if (add) {
        double r = residual[a.residual_offsets[i / 8] + i % 8 + p * CNN3D_BLOCK];
        sum += r;
        sum_abs += fabs (r);
      }
      expect (out + a.out_offsets[i / 8] + i % 8 + p * CNN3D_BLOCK, sum, a.low, a.high,
          error_bound (exact, n_taps * inputs, sum_abs));
    }

  a.x = x;
  a.weights = weights;
  a.bias = bias;
  a.out = out;
  a.residual = residual;
  ((Cnn3dConvFunc *) kernel->func) (&a, halves, positions);
  case_end ();
}

static int
conv_halves (const Kernel *kernel)
{
  return kernel->param < 0 ? kernel->table->paired_halves : kernel->table->max_halves;
}

void
check_Conv (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < rounds && !guard_failed (); round++)
    for (int halves = 1; halves <= conv_halves (kernel); halves++)
      for (int positions = 1; positions <= MAX_POSITIONS && !guard_failed (); positions++)
        conv_case (kernel, exact, halves, positions);
}

void
scatter_rows (const float **rows, int n, int row_floats, bool exact, uint32_t poison)
{
  int order[MAX_ROWS], gap = random_int (1, 40);
  size_t size = (size_t) (n * (row_floats + gap) - gap);
  float *region = guarded (size);

  fill (region, size, poison);
  for (int r = 0; r < n; r++)
    order[r] = r;
  shuffle (order, n);
  for (int r = 0; r < n; r++) {
    float *row = region + order[r] * (row_floats + gap);

    random_fill (row, (size_t) row_floats, exact);
    rows[r] = row;
  }
}

static void
depthwise_case (const Kernel *kernel, bool exact, int n_rows, int width)
{
  int stride = kernel->param, n_out = random_int (1, 3), gap = random_int (0, 2) * CNN3D_BLOCK;
  int step = width * CNN3D_BLOCK + gap;
  Cnn3dDepthwiseArgs a = { .n_rows = n_rows, .width_in = width,
    .width_out = (width - 1) / stride + 1, .n_out = n_out, .in_step = step };
  const char *activation = random_bounds (&a.low, &a.high);
  float *bias;

  case_begin ("%d rows, %d outputs, width %d, %s", n_rows, n_out, width, activation);
  scatter_rows (a.rows, n_rows, n_out * step - gap, exact, POISON);
  for (int r = 0; r < n_rows; r++)
    for (int y = 1; y < n_out; y++)
      fill ((float *) a.rows[r] + y * step - gap, (size_t) gap, POISON);
  scatter_rows (a.weights, n_rows, 3 * CNN3D_BLOCK, exact, POISON);
  bias = guarded (CNN3D_BLOCK);
  random_fill (bias, CNN3D_BLOCK, exact);
  a.bias = bias;
  a.out = guarded ((size_t) (n_out * a.width_out * CNN3D_BLOCK));
  case_freeze ();

  for (int o = 0; o < n_out * a.width_out; o++)
    for (int lane = 0; lane < CNN3D_BLOCK; lane++) {
      double sum = bias[lane], sum_abs = fabs (bias[lane]);

      for (int r = 0; r < n_rows; r++)
        for (int k = 0; k < 3; k++) {
          int y = o / a.width_out, i = o % a.width_out * stride + k - 1;
          double product;

          if (i < 0 || i >= width)
            continue;
          product = a.rows[r][y * step + i * CNN3D_BLOCK + lane];
          product *= a.weights[r][k * CNN3D_BLOCK + lane];
          sum += product;
          sum_abs += fabs (product);
        }
      expect (a.out + o * CNN3D_BLOCK + lane, sum, a.low, a.high,
          error_bound (exact, 3 * n_rows, sum_abs));
    }

  ((Cnn3dDepthwiseFunc *) kernel->func) (&a);
  case_end ();
}

void
check_Depthwise (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < (rounds + 1) / 2 && !guard_failed (); round++)
    for (int n_rows = 1; n_rows <= 9; n_rows++)
      for (int width = 1; width <= MAX_WIDTH && !guard_failed (); width++)
        depthwise_case (kernel, exact, n_rows, width);
}

static void
pool_case (const Kernel *kernel, bool exact, int width)
{
  const float *rows[MAX_ROWS];
  bool max = kernel->param == PARAM_pool_max, global = random_int (0, 3) == 0;
  int size = global ? width : random_int (1, width < 9 ? width : 9);
  Cnn3dPoolArgs a = { .rows = rows, .width_in = width, .kernel = size, .stride = size == 1 ? 1 : random_int (1, 4),
    .pad = random_int (0, (size - 1) / 2), .n_rows = random_int (1, random_int (1, MAX_ROWS)) };
  const char *activation = random_bounds (&a.low, &a.high);
  uint32_t infinity = 0x7f800000;

  a.width_out = (width + 2 * a.pad - size) / a.stride + 1;
  a.scale = exact ? 1.0f / (float) (1 << random_int (0, 4)) : 1.0f / (float) (size * a.n_rows);
  case_begin ("%d rows, width %d, kernel %d, stride %d, pad %d, %s", a.n_rows, width, size,
      a.stride, a.pad, activation);
  /* A maximum may lose a NaN, but not the infinity. */
  scatter_rows (rows, a.n_rows, width * CNN3D_BLOCK, exact, max ? infinity : POISON);
  a.line = guarded ((size_t) (width * CNN3D_BLOCK));
  a.out = guarded ((size_t) (a.width_out * CNN3D_BLOCK));
  case_freeze ();
  case_scratch (a.line, (size_t) (width * CNN3D_BLOCK));

  for (int o = 0; o < a.width_out; o++)
    for (int lane = 0; lane < CNN3D_BLOCK; lane++) {
      double best = -INFINITY, sum = 0, sum_abs = 0, error = 0;

      for (int r = 0; r < a.n_rows; r++)
        for (int i = o * a.stride - a.pad; i < o * a.stride - a.pad + size; i++) {
          double v;

          if (i < 0 || i >= width)
            continue;
          v = rows[r][i * CNN3D_BLOCK + lane];
          best = v > best ? v : best;
          sum += v;
          sum_abs += fabs (v);
        }
      if (!max)
        error = error_bound (exact, a.n_rows * size, sum_abs * a.scale);
      expect (a.out + o * CNN3D_BLOCK + lane, max ? best : sum * a.scale, a.low, a.high, error);
    }

  ((Cnn3dPoolFunc *) kernel->func) (&a);
  case_end ();
}

void
check_Pool (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < 2 * rounds && !guard_failed (); round++)
    for (int width = 1; width <= MAX_WIDTH && !guard_failed (); width++)
      pool_case (kernel, exact, width);
}

static void
pixel_case (const Kernel *kernel, bool exact, int width)
{
  float mean[3], scale[3];
  Cnn3dPixelArgs a = { .width = width, .mean = mean, .scale = scale };
  uint8_t *rgb;

  case_begin ("width %d", width);
  a.rgb = rgb = guarded_bytes ((size_t) (3 * width));
  for (int i = 0; i < 3 * width; i++)
    rgb[i] = (uint8_t) random_int (0, 255);
  for (int p = 0; p < 3; p++) {
    mean[p] = exact ? (float) random_int (0, 255) : 114 + random_value (false);
    scale[p] = 1.0f / (exact ? (float) (1 << random_int (0, 8)) : 57 + random_value (false));
    a.planes[p] = guarded ((size_t) width);
  }
  case_freeze ();

  for (int p = 0; p < 3; p++)
    for (int i = 0; i < width; i++) {
      double x = rgb[3 * i + p];
      case_expect (a.planes[p] + i, (x - mean[p]) * scale[p],
          error_bound (exact, 0, (x + mean[p]) * scale[p]));
    }

  ((Cnn3dPixelFunc *) kernel->func) (&a);
  case_end ();
}

void
check_Pixel (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < rounds && !guard_failed (); round++)
    for (int width = 1; width <= 3 * MAX_WIDTH && !guard_failed (); width++)
      pixel_case (kernel, exact, width);
}
