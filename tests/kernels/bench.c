/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Kernels on layers of the paper's networks, cut into calls as the backend does. */

#include "tests/kernels/kernels-test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 96 /* positions that are run through all tiles, as in steps.c */

typedef struct {
  const char *network;
  int step; /* of which kernel */
  int in, out, kernel;
  int t, h, w; /* of the output */
} ConvLayer;

static const ConvLayer conv_layers[] = {
  { "MobileNetV1 1.0x", PARAM_conv_planar, 3, 32, 3, 16, 56, 56 },
  { "SqueezeNet", PARAM_conv_planar, 3, 64, 3, 16, 56, 56 },
  { "ShuffleNetV1", PARAM_conv_planar, 3, 24, 3, 16, 56, 56 },
  { "ShuffleNetV1 0.5x", PARAM_conv_planar, 3, 12, 3, 16, 56, 56 },
  { "MobileNetV2 1.0x", PARAM_conv_blocked, 16, 96, 1, 16, 56, 56 },
  { "MobileNetV2 1.0x", PARAM_conv_blocked, 144, 24, 1, 8, 28, 28 },
  { "MobileNetV2 0.2x", PARAM_conv_blocked, 12, 4, 1, 8, 28, 28 },
  { "MobileNetV1 1.0x", PARAM_conv_blocked, 32, 64, 1, 8, 28, 28 },
  { "MobileNetV1 1.0x", PARAM_conv_blocked, 128, 128, 1, 4, 14, 14 },
  { "MobileNetV1 1.0x", PARAM_conv_blocked, 256, 256, 1, 2, 7, 7 },
  { "MobileNetV1 1.0x", PARAM_conv_blocked, 512, 512, 1, 1, 4, 4 },
  { "MobileNetV1 1.0x", PARAM_conv_blocked, 1024, 600, 1, 1, 1, 1 },
  { "ShuffleNetV1 1.0x", PARAM_conv_blocked, 20, 80, 1, 4, 14, 14 }, /* one of three groups */
  { "ShuffleNetV2 1.0x", PARAM_conv_blocked, 58, 58, 1, 4, 14, 14 },
  { "ShuffleNetV1 1.0x", PARAM_conv_blocked, 80, 20, 1, 4, 14, 14 },
  { "SqueezeNet", PARAM_conv_blocked, 128, 16, 1, 8, 28, 28 },
  { "MobileNetV2 1.0x", PARAM_conv_paired, 144, 24, 1, 8, 28, 28 },
  { "MobileNetV2 0.2x", PARAM_conv_paired, 12, 4, 1, 8, 28, 28 },
  { "ShuffleNetV1 1.0x", PARAM_conv_paired, 80, 20, 1, 4, 14, 14 },
  { "SqueezeNet", PARAM_conv_paired, 128, 16, 1, 8, 28, 28 },
  { "SqueezeNet", PARAM_conv_blocked, 16, 64, 3, 8, 28, 28 },
  { "SqueezeNet", PARAM_conv_blocked, 48, 192, 3, 2, 7, 7 },
};

typedef struct {
  int halves;
  const float *weights;
  int32_t offsets[CNN3D_MAX_HALVES];
} Tile;

typedef struct {
  const Kernel *kernel;
  const ConvLayer *layer;
  int padded_h, padded_w, stride;
  int n_taps, n_tiles;
  int32_t *taps;
  float *x, *weights, *bias, *out;
  Tile tiles[128];
} ConvBench;

float *
bench_alloc (size_t floats)
{
  size_t bytes = (floats * sizeof (float) + 63) / 64 * 64;
  float *p = aligned_alloc (64, bytes);

  if (p == NULL)
    abort ();
  for (size_t i = 0; i < bytes / sizeof (float); i++)
    p[i] = (float) (i % 13) - 6;
  return p;
}

/* Rows of a padded input, or (1x1x1) all positions as one. */
static void
conv_rows (const ConvBench *b, const Tile *tile, int first, int n)
{
  const ConvLayer *l = b->layer;
  Cnn3dConvArgs a = { .x = b->x, .taps = b->taps, .n_taps = b->n_taps, .weights = tile->weights,
    .bias = b->bias, .out = b->out, .low = 0, .high = 6 };
  Cnn3dConvFunc *func = (Cnn3dConvFunc *) b->kernel->func;

  memcpy (a.out_offsets, tile->offsets, sizeof a.out_offsets);
  if (l->kernel == 1) {
    a.x += first * CNN3D_BLOCK;
    a.out += first * CNN3D_BLOCK;
    func (&a, tile->halves, n);
    return;
  }
  for (int row = first / l->w; row < (first + n) / l->w; row++) {
    int t = row / l->h, h = row % l->h * b->stride;

    a.x = b->x + (ptrdiff_t) (t * b->padded_h + h) * b->padded_w * (l->step / b->stride);
    a.out = b->out + row * l->w * CNN3D_BLOCK;
    func (&a, tile->halves, l->w);
  }
}

static void
run_conv (void *data)
{
  const ConvBench *b = data;
  int positions = b->layer->t * b->layer->h * b->layer->w;
  int chunk = b->layer->kernel == 1 ? CHUNK : CHUNK / b->layer->w * b->layer->w;

  for (int first = 0; first < positions; first += chunk)
    for (int i = 0; i < b->n_tiles; i++)
      conv_rows (b, &b->tiles[i], first, positions - first < chunk ? positions - first : chunk);
}

static void
bench_layer (const Kernel *kernel, const ConvLayer *l)
{
  ConvBench b = { .kernel = kernel, .layer = l, .stride = l->step == PARAM_conv_planar ? 2 : 1 };
  int pad = l->kernel - 1, volume = l->kernel * l->kernel * l->kernel;
  int positions = l->t * l->h * l->w;
  int n_halves = (l->out + CNN3D_HALF - 1) / CNN3D_HALF, lanes = n_halves * CNN3D_HALF, plane;
  size_t floats;
  char shape[64];

  b.padded_h = b.stride * l->h + pad;
  b.padded_w = b.stride * l->w + pad;
  plane = (l->t + pad) * b.padded_h * b.padded_w;
  floats = b.stride == 2 ? (size_t) (l->in * plane) : (size_t) ((l->in + 15) / 16 * plane * 16);
  b.x = bench_alloc (floats);
  b.out = bench_alloc ((size_t) ((l->out + 15) / 16 * 16 * positions));
  b.weights = bench_alloc ((size_t) (l->in * volume * lanes));
  b.bias = bench_alloc ((size_t) lanes);
  b.taps = malloc ((size_t) (l->in * volume) * sizeof (int32_t));

  for (int c = 0; c < l->in; c += l->step == PARAM_conv_paired ? 2 : 1)
    for (int k = 0; k < volume; k++) {
      int kt = k / (l->kernel * l->kernel), kh = k / l->kernel % l->kernel, kw = k % l->kernel;
      int place = (kt * b.padded_h + kh) * b.padded_w + kw;
      b.taps[b.n_taps++] =
          b.stride == 2 ? c * plane + place : (c / 16 * plane + place) * 16 + c % 16;
    }
  for (int half = 0; half < n_halves;) {
    Tile *tile = &b.tiles[b.n_tiles++];
    int left = n_halves - half;
    int max = l->step == PARAM_conv_paired ? kernel->table->paired_halves : kernel->table->max_halves;

    tile->halves = left < max ? left : max;
    tile->weights = b.weights + half * CNN3D_HALF * l->in * volume;
    for (int h = 0; h < tile->halves; h++)
      tile->offsets[h] =
          (half + h) / 2 * positions * CNN3D_BLOCK + (half + h) % 2 * CNN3D_HALF;
    half += tile->halves;
  }

  snprintf (shape, sizeof shape, "%s %d>%d k%d %dx%dx%d", l->network, l->in, l->out, l->kernel,
      l->t, l->h, l->w);
  bench_run (kernel, shape, 2.0 * l->in * volume * l->out * positions,
      4.0 * ((double) floats + (double) l->out * positions + (double) l->in * volume * l->out),
      run_conv, &b);
  free (b.x);
  free (b.out);
  free (b.weights);
  free (b.bias);
  free (b.taps);
}

void
bench_Conv (const Kernel *kernel)
{
  for (size_t i = 0; i < sizeof conv_layers / sizeof *conv_layers; i++)
    if (conv_layers[i].step == kernel->param)
      bench_layer (kernel, &conv_layers[i]);
}

/* Depthwise convolutions and pools: blocks of channels, t, h and w of the input. */
typedef struct {
  const char *network;
  int blocks, t, h, w;
} PlaneLayer;

typedef struct {
  const Kernel *kernel;
  const PlaneLayer *layer;
  int stride, out_t, out_h, out_w;
  float *x, *out, *weights, *line;
} PlaneBench;

static const PlaneLayer plane_layers[] = {
  { "MobileNetV2 1.0x", 2, 16, 56, 56 },
  { "MobileNetV1 1.0x", 8, 8, 28, 28 },
  { "MobileNetV1 1.0x", 16, 4, 14, 14 },
  { "MobileNetV1 1.0x", 32, 2, 7, 7 },
  { "MobileNetV1 1.0x", 64, 1, 4, 4 },
};

static int
input_rows (const PlaneBench *b, int block, int t, int h, const float **rows, int *taps)
{
  const PlaneLayer *l = b->layer;
  int n = 0;

  for (int k = 0; k < 9; k++) {
    int it = t * b->stride + k / 3 - 1, ih = h * b->stride + k % 3 - 1;

    if (it < 0 || ih < 0 || it >= l->t || ih >= l->h)
      continue;
    taps[n] = k;
    rows[n++] = b->x + (ptrdiff_t) ((block * l->t + it) * l->h + ih) * l->w * CNN3D_BLOCK;
  }
  return n;
}

static float *
output_row (const PlaneBench *b, int block, int t, int h)
{
  return b->out + (ptrdiff_t) ((block * b->out_t + t) * b->out_h + h) * b->out_w * CNN3D_BLOCK;
}

#define FOR_ROWS(b)                                                                                \
  for (int block = 0; block < (b)->layer->blocks; block++)                                         \
    for (int t = 0; t < (b)->out_t; t++)                                                           \
      for (int h = 0; h < (b)->out_h; h++)

static void
run_depthwise (void *data)
{
  const PlaneBench *b = data;

  FOR_ROWS (b)
  {
    int taps[9];
    Cnn3dDepthwiseArgs a = { .bias = b->weights, .out = output_row (b, block, t, h),
      .n_out = 1, .width_in = b->layer->w, .width_out = b->out_w, .low = 0, .high = 6 };

    a.n_rows = input_rows (b, block, t, h, a.rows, taps);
    for (int r = 0; r < a.n_rows; r++)
      a.weights[r] = b->weights + (block * 27 + taps[r] * 3) * CNN3D_BLOCK;
    ((Cnn3dDepthwiseFunc *) b->kernel->func) (&a);
  }
}

static void
run_pool (void *data)
{
  const PlaneBench *b = data;

  FOR_ROWS (b)
  {
    const float *rows[9];
    int taps[9];
    Cnn3dPoolArgs a = { .rows = rows, .n_rows = input_rows (b, block, t, h, rows, taps),
      .width_in = b->layer->w, .width_out = b->out_w, .kernel = 3, .stride = 2, .pad = 1,
      .scale = 1.0f / 27, .line = b->line, .out = output_row (b, block, t, h), .low = 0,
      .high = 6 };

    ((Cnn3dPoolFunc *) b->kernel->func) (&a);
  }
}

/* Taps of a window of three that lie inside, over all outputs along one axis. */
static int
taps_inside (int size, int stride)
{
  int n = 0;

  for (int o = 0; o < (size - 1) / stride + 1; o++)
    n += 3 - (o == 0) - (o * stride + 1 >= size);
  return n;
}

/* flops: for each tap. */
static void
bench_planes (const Kernel *kernel, int stride, double flops, void (*run) (void *data))
{
  for (size_t i = 0; i < sizeof plane_layers / sizeof *plane_layers; i++) {
    const PlaneLayer *l = &plane_layers[i];
    PlaneBench b = { .kernel = kernel, .layer = l, .stride = stride,
      .out_t = (l->t - 1) / stride + 1, .out_h = (l->h - 1) / stride + 1,
      .out_w = (l->w - 1) / stride + 1 };
    size_t in = (size_t) (l->blocks * l->t * l->h * l->w * CNN3D_BLOCK);
    double flops_all;
    size_t out = (size_t) (l->blocks * b.out_t * b.out_h * b.out_w * CNN3D_BLOCK);
    char shape[64];

    b.x = bench_alloc (in);
    b.out = bench_alloc (out);
    b.weights = bench_alloc ((size_t) (l->blocks * 27 * CNN3D_BLOCK));
    b.line = bench_alloc ((size_t) (l->w * CNN3D_BLOCK));
    snprintf (shape, sizeof shape, "%s %d %dx%dx%d", l->network, l->blocks * CNN3D_BLOCK, l->t,
        l->h, l->w);
    flops_all = flops * l->blocks * CNN3D_BLOCK * taps_inside (l->t, stride)
        * taps_inside (l->h, stride) * taps_inside (l->w, stride);
    bench_run (kernel, shape, flops_all, 4.0 * (double) (in + out), run, &b);
    free (b.x);
    free (b.out);
    free (b.weights);
    free (b.line);
  }
}

void
bench_Depthwise (const Kernel *kernel)
{
  bench_planes (kernel, kernel->param, 2, run_depthwise);
}

void
bench_Pool (const Kernel *kernel)
{
  bench_planes (kernel, 2, 1, run_pool);
}

typedef struct {
  const Kernel *kernel;
  Cnn3dPixelArgs args;
} PixelBench;

static void
run_pixels (void *data)
{
  const PixelBench *b = data;
  Cnn3dPixelArgs a = b->args;

  for (int h = 0; h < 112; h++, a.rgb += 3 * 112)
    ((Cnn3dPixelFunc *) b->kernel->func) (&a);
}

void
bench_Pixel (const Kernel *kernel)
{
  float *rgb = bench_alloc (112 * 112 * 3 / 4), *planes = bench_alloc (3 * 112);
  const float mean[] = { 114, 107, 99 }, scale[] = { 1, 1, 1 };
  PixelBench b = { kernel, { .rgb = (uint8_t *) rgb, .width = 112, .mean = mean, .scale = scale,
                               .planes = { planes, planes + 112, planes + 224 } } };

  bench_run (kernel, "a frame of 112x112", 2 * 3 * 112 * 112, 112 * 112 * 3 * 5.0, run_pixels,
      &b);
  free (rgb);
  free (planes);
}
