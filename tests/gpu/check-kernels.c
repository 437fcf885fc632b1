/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One check for each family of kernels: random arguments, and the same in plain loops. */

#include "tests/gpu/kernels-test.h"

#include <stdlib.h>
#include <string.h>

static double
clamp (double v, float low, float high)
{
  return v < low ? low : v > high ? high : v;
}

static void
random_clamp (float *low, float *high)
{
  int kind = random_int (0, 2);

  *low = kind == 0 ? -INFINITY : 0;
  *high = kind == 2 ? 6 : INFINITY;
}

static float
random_high (void)
{
  return random_int (0, 1) ? 2 : INFINITY;
}

static int64_t
count (Cnn3dSize3 size)
{
  return (int64_t) size.t * size.h * size.w;
}

/* A multiple of 8, at times a wider one than c. */
static int
random_pitch (int c)
{
  return c + 8 * (random_int (0, 1) ? random_int (1, 3) : 0);
}

void
check_frames (void)
{
  static const int orders[2][3] = { { 0, 1, 2 }, { 2, 1, 0 } };
  static const int pitches[] = { 3, 4, 8, 5, 16 };
  Cnn3dFramesArgs a = { .positions = random_int (1, 700), .pitch = pitches[random_int (0, 4)] };
  uint8_t *x = allocate ((size_t) a.positions * 3);
  const int *order = orders[random_int (0, 1)];

  memcpy (a.order, order, sizeof a.order);
  for (int64_t i = 0; i < 3 * a.positions; i++)
    x[i] = (uint8_t) random_int (0, 255);
  for (int k = 0; k < 3; k++) {
    a.scale[k] = exact ? (float) random_int (1, 2) : (float) random_int (1, 100) * 0x1p-6f;
    a.shift[k] = random_value ();
  }
  a.x = x;
  a.y = tensor ((size_t) (a.positions * a.pitch));
  describe ("frames: %lld positions, pitch %d, order %d %d %d", (long long) a.positions, a.pitch,
      order[0], order[1], order[2]);
  run (cnn3d_shape_frames (&a, is_half), &a);
  for (int64_t p = 0; p < a.positions; p++)
    for (int k = 0; k < a.pitch; k++) {
      double v = k < 3 ? (double) x[3 * p + order[k]] * a.scale[k] : 0, s = k < 3 ? a.shift[k] : 0;
      expect (a.y, p * a.pitch + k, v + s, 2, v + fabs (s));
    }
}

void
check_planes (void)
{
  static const int pitches[] = { 3, 4, 8, 7, 24 };
  Cnn3dPlanesArgs a = { .n = random_int (1, 3), .positions = random_int (1, 300),
    .pitch = pitches[random_int (0, 4)] };
  float *x = table ((int) (a.n * 3 * a.positions));

  a.x = x;
  a.y = tensor ((size_t) (a.n * a.positions * a.pitch));
  describe ("planes: %d clips of %lld, pitch %d", a.n, (long long) a.positions, a.pitch);
  run (cnn3d_shape_planes (&a, is_half), &a);
  for (int n = 0; n < a.n; n++)
    for (int64_t p = 0; p < a.positions; p++)
      for (int k = 0; k < a.pitch; k++) {
        double v = k < 3 ? x[(n * 3 + k) * a.positions + p] : 0;
        expect (a.y, (n * a.positions + p) * a.pitch + k, v, 0, 0);
      }
}

/* Lane k of a position of x, through the list if there is one. */
static double
lane (const void *x, int64_t position, int pitch, const int32_t *index, int k, float high)
{
  if (index != NULL && index[k] < 0)
    return 0;
  return clamp (get (x, position * pitch + (index != NULL ? index[k] : k)), -INFINITY, high);
}

/* The position of x under a tap of the window at position p of y, or -1: outside. */
static int64_t
tapped (Cnn3dSize3 in, Cnn3dSize3 out, Cnn3dSize3 kernel, Cnn3dSize3 stride, Cnn3dSize3 pad, int64_t p,
    int tap)
{
  int t = (int) (p / out.w / out.h % out.t) * stride.t - pad.t + tap / (kernel.h * kernel.w);
  int h = (int) (p / out.w % out.h) * stride.h - pad.h + tap / kernel.w % kernel.h;
  int w = (int) (p % out.w) * stride.w - pad.w + tap % kernel.w;

  if (t < 0 || h < 0 || w < 0 || t >= in.t || h >= in.h || w >= in.w)
    return -1;
  return ((p / count (out) * in.t + t) * in.h + h) * in.w + w;
}

void
check_depthwise (void)
{
  Cnn3dDepthwiseArgs a = { .n = random_int (1, 2), .c = 8 * random_int (1, 6) };
  int x_c = random_int (0, 1) ? a.c : 8 * random_int (1, 8), list = x_c != a.c || random_int (0, 2) == 0;
  float *weights = table (27 * a.c), *bias = table (a.c);
  void *x;

  a.in = (Cnn3dSize3){ random_int (1, 4), random_int (1, 7), random_int (1, 12) };
  a.stride = (Cnn3dSize3){ random_int (1, 2), random_int (1, 2), random_int (1, 2) };
  a.out = (Cnn3dSize3){ (a.in.t - 1) / a.stride.t + 1, (a.in.h - 1) / a.stride.h + 1,
    (a.in.w - 1) / a.stride.w + 1 };
  a.x_pitch = random_pitch (x_c);
  a.y_pitch = random_pitch (a.c);
  a.load_high = random_high ();
  random_clamp (&a.low, &a.high);
  a.index = list ? random_lanes (a.c, x_c, -1) : NULL;
  x = tensor ((size_t) (a.n * count (a.in) * a.x_pitch));
  fill (x, a.n * count (a.in), x_c, a.x_pitch);
  a.x = x;
  a.y = tensor ((size_t) (a.n * count (a.out) * a.y_pitch));
  a.weights = weights;
  a.bias = bias;
  describe ("depthwise: %d x %d of %d lanes%s, %dx%dx%d by %dx%dx%d, pitches %d %d", a.n, a.c, x_c,
      list ? " in a list" : "", a.in.t, a.in.h, a.in.w, a.stride.t, a.stride.h, a.stride.w,
      a.x_pitch, a.y_pitch);
  run (cnn3d_shape_depthwise (&a, is_half), &a);

  for (int64_t p = 0; p < a.n * count (a.out); p++)
    for (int k = 0; k < a.c; k++) {
      double sum = bias[k], magnitude = fabs (bias[k]);

      for (int tap = 0; tap < 27; tap++) {
        int64_t position = tapped (a.in, a.out, (Cnn3dSize3){ 3, 3, 3 }, a.stride,
            (Cnn3dSize3){ 1, 1, 1 }, p, tap);
        double v;

        if (position < 0)
          continue;
        v = weights[tap * a.c + k] * lane (x, position, a.x_pitch, a.index, k, a.load_high);
        sum += v;
        magnitude += fabs (v);
      }
      expect (a.y, p * a.y_pitch + k, clamp (sum, a.low, a.high), 28, magnitude);
    }
}

static int
random_out (int in, int *kernel, int stride, int *pad)
{
  *pad = random_int (0, (*kernel - 1) / 2);
  if (in + 2 * *pad < *kernel)
    *kernel = in + 2 * *pad;
  return (in + 2 * *pad - *kernel) / stride + 1;
}

static void
check_pool (int average)
{
  Cnn3dPoolArgs a = { .n = random_int (1, 2), .c = 8 * random_int (1, 5) };
  int x_c = random_int (0, 1) ? a.c : 8 * random_int (1, 6), list = x_c != a.c || random_int (0, 2) == 0;
  int volume;
  void *x;

  a.in = (Cnn3dSize3){ random_int (1, 5), random_int (3, 9), random_int (3, 9) };
  a.kernel = random_int (0, 2) ? (Cnn3dSize3){ average ? 2 : 3, 3, 3 }
                               : (Cnn3dSize3){ random_int (1, 3), random_int (1, 4), random_int (1, 4) };
  a.stride = (Cnn3dSize3){ random_int (1, 2), random_int (1, 2), random_int (1, 2) };
  a.out.t = random_out (a.in.t, &a.kernel.t, a.stride.t, &a.pad.t);
  a.out.h = random_out (a.in.h, &a.kernel.h, a.stride.h, &a.pad.h);
  a.out.w = random_out (a.in.w, &a.kernel.w, a.stride.w, &a.pad.w);
  a.x_pitch = random_pitch (x_c);
  a.y_pitch = random_pitch (a.c);
  a.load_high = random_high ();
  random_clamp (&a.low, &a.high);
  a.index = list ? random_lanes (a.c, x_c, -1) : NULL;
  x = tensor ((size_t) (a.n * count (a.in) * a.x_pitch));
  fill (x, a.n * count (a.in), x_c, a.x_pitch);
  a.x = x;
  a.y = tensor ((size_t) (a.n * count (a.out) * a.y_pitch));
  describe ("pool: %d x %d of %d lanes%s, %dx%dx%d, kernel %dx%dx%d by %dx%dx%d, padding %d %d %d", a.n,
      a.c, x_c, list ? " in a list" : "", a.in.t, a.in.h, a.in.w, a.kernel.t, a.kernel.h, a.kernel.w,
      a.stride.t, a.stride.h, a.stride.w, a.pad.t, a.pad.h, a.pad.w);
  run (average ? cnn3d_shape_avgpool (&a, is_half) : cnn3d_shape_maxpool (&a, is_half), &a);

  volume = (int) count (a.kernel);
  for (int64_t p = 0; p < a.n * count (a.out); p++)
    for (int k = 0; k < a.c; k++) {
      double best = -INFINITY, sum = 0, magnitude = 0, result;

      for (int tap = 0; tap < volume; tap++) {
        int64_t position = tapped (a.in, a.out, a.kernel, a.stride, a.pad, p, tap);
        double v;

        if (position < 0)
          continue;
        v = lane (x, position, a.x_pitch, a.index, k, a.load_high);
        best = best >= v || isnan (best) ? best : v;
        sum += v;
        magnitude += fabs (v);
      }
      /* A quotient is rounded, too, and is exact only as a float. */
      result = average ? (exact ? (double) ((float) sum / (float) volume) : sum / volume) : best;
      expect (a.y, p * a.y_pitch + k, clamp (result, a.low, a.high), average ? volume : 0,
          average ? magnitude / volume : 0);
    }
}

void
check_maxpool (void)
{
  check_pool (0);
}

void
check_avgpool (void)
{
  check_pool (1);
}

void
check_globalpool (void)
{
  Cnn3dGlobalPoolArgs a = { .n = random_int (1, 3), .c = 8 * random_int (1, 40),
    .positions = random_int (1, 40) };
  void *x;

  a.pitch = random_pitch (a.c);
  a.load_high = random_high ();
  x = tensor ((size_t) (a.n * a.positions * a.pitch));
  fill (x, a.n * a.positions, a.c, a.pitch);
  a.x = x;
  a.y = tensor ((size_t) (a.n * a.c));
  describe ("globalpool: %d x %lld x %d, pitch %d", a.n, (long long) a.positions, a.c, a.pitch);
  run (cnn3d_shape_globalpool (&a, is_half), &a);
  for (int n = 0; n < a.n; n++)
    for (int k = 0; k < a.c; k++) {
      double sum = 0, magnitude = 0;

      for (int64_t p = 0; p < a.positions; p++) {
        double v = lane (x, n * a.positions + p, a.pitch, NULL, k, a.load_high);
        sum += v;
        magnitude += fabs (v);
      }
      expect (a.y, n * a.c + k,
          exact ? (double) ((float) sum / (float) a.positions) : sum / (double) a.positions,
          (int) a.positions, magnitude / (double) a.positions);
    }
}

void
check_add (void)
{
  Cnn3dAddArgs a = { .positions = random_int (1, 300), .c = 8 * random_int (1, 9) };
  size_t n = (size_t) (a.positions * a.c);
  void *x = tensor (n), *z = tensor (n);
  float *bias = random_int (0, 1) ? table (a.c) : NULL;
  int use_z = random_int (0, 3) > 0, in_place = random_int (0, 2);
  double *sums = malloc (n * sizeof *sums), *magnitudes = malloc (n * sizeof *magnitudes);

  fill (x, a.positions, a.c, a.c);
  fill (z, a.positions, a.c, a.c);
  random_clamp (&a.low, &a.high);
  a.x = x;
  a.z = use_z ? z : NULL;
  a.bias = bias;
  a.y = in_place == 0 ? x : in_place == 1 && use_z ? z : tensor (n);
  for (size_t i = 0; i < n; i++) {
    double b = bias != NULL ? bias[i % (size_t) a.c] : 0, v = get (x, (int64_t) i);
    double w = use_z ? get (z, (int64_t) i) : 0;

    sums[i] = v + w + b;
    magnitudes[i] = fabs (v) + fabs (w) + fabs (b);
  }
  describe ("add: %lld x %d%s%s%s", (long long) a.positions, a.c, use_z ? ", z" : "",
      bias != NULL ? ", bias" : "", in_place < 2 ? ", in place" : "");
  run (cnn3d_shape_add (&a, is_half), &a);
  for (size_t i = 0; i < n; i++)
    expect (a.y, (int64_t) i, clamp (sums[i], a.low, a.high), 2, magnitudes[i]);
  free (sums);
  free (magnitudes);
}

/* Some of n lanes, each once: runs of neighbours, as lists of channels are, or any order. */
static int32_t *
distinct_lanes (int c, int n)
{
  int32_t *lanes = allocate (sizeof *lanes * (size_t) c), all[128];
  int first = random_int (0, n - c);

  for (int i = 0; i < n; i++)
    all[i] = i;
  if (random_int (0, 1))
    for (int i = n - 1; i > 0; i--) {
      int k = random_int (0, i);
      int32_t t = all[i];
      all[i] = all[k];
      all[k] = t;
    }
  memcpy (lanes, all + first, sizeof *lanes * (size_t) c);
  return lanes;
}

void
check_copy (void)
{
  Cnn3dCopyArgs a = { .positions = random_int (1, 200), .c = random_int (1, 60) };
  int x_c = (a.c + 7) / 8 * 8 + 8 * random_int (0, 2), y_c = (a.c + 7) / 8 * 8 + 8 * random_int (0, 2);
  int blocks = random_int (0, 3) == 0;
  int32_t *from = NULL, *to = NULL;
  void *x;

  if (random_int (0, 2))
    from = blocks ? random_lanes (a.c, x_c, -1) : distinct_lanes (a.c, x_c);
  if (random_int (0, 2))
    to = distinct_lanes (a.c, y_c);
  a.x_pitch = random_pitch (x_c);
  a.y_pitch = random_pitch (y_c);
  a.load_high = random_high ();
  x = tensor ((size_t) (a.positions * a.x_pitch));
  fill (x, a.positions, x_c, a.x_pitch);
  a.x = x;
  a.y = tensor ((size_t) (a.positions * a.y_pitch));
  a.from = from;
  a.to = to;
  describe ("copy: %lld x %d of %d to %d lanes%s%s, pitches %d %d", (long long) a.positions, a.c, x_c, y_c,
      from != NULL ? ", from a list" : "", to != NULL ? ", to a list" : "", a.x_pitch, a.y_pitch);
  run (cnn3d_shape_copy (&a, is_half), &a);
  for (int64_t p = 0; p < a.positions; p++)
    for (int i = 0; i < a.c; i++)
      expect (a.y, p * a.y_pitch + (to != NULL ? to[i] : i),
          lane (x, p, a.x_pitch, from, i, a.load_high), 0, 0);
}
