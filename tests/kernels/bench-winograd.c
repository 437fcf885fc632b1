/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Winograd's kernels on layers of the paper's networks. FLOPs are those of the direct convolution. */

#include "tests/kernels/kernels-test.h"

#include <stdio.h>
#include <stdlib.h>

#define SIZE 56 /* of the stem's output */
#define PADDED (2 * SIZE + 2)

typedef struct {
  const Kernel *kernel;
  int channels;
  bool edge;
  float *x, *weights, *bias, *out;
  int32_t taps[27];
} TemporalBench;

/* Four frames of the stem, or one at the end of a clip. */
static void
run_temporal (void *data)
{
  const TemporalBench *b = data;
  int n_halves = (b->channels + CNN3D_HALF - 1) / CNN3D_HALF;
  Cnn3dTemporalArgs a = { .point_floats = 3 * PADDED * PADDED, .taps = b->taps, .n_taps = 27,
    .bias = b->bias, .low = 0, .high = 6 };

  for (int y = 0; y < SIZE; y++)
    for (int half = 0, halves; half < n_halves; half += halves) {
      halves = n_halves - half;
      if (halves > b->kernel->table->max_halves)
        halves = b->kernel->table->max_halves;
      a.x = b->x + 2 * y * PADDED;
      a.weights = b->weights + half * CNN3D_HALF * 27 * CNN3D_POINTS * cnn3d_temporal_copies (b->kernel->table, halves);
      for (int h = 0; h < halves; h++)
        a.out_offsets[h] = a.sums_offsets[h] = (half + h) / 2 * SIZE * SIZE * 16 + (half + h) % 2 * CNN3D_HALF;
      for (int t = 0; t < CNN3D_POINT_FRAMES; t++)
        a.out[t] = b->out + ((t * 4 * SIZE) + y) * SIZE * CNN3D_BLOCK;
      if (b->edge)
        a.sums[0] = a.out[1];
      ((Cnn3dTemporalFunc *) b->kernel->func) (&a, halves, SIZE);
    }
}

static void
bench_temporal (const Kernel *kernel, bool edge)
{
  static const struct {
    const char *network;
    int channels;
  } stems[] = { { "MobileNetV1 1.0x", 32 }, { "SqueezeNet", 64 }, { "ShuffleNetV1", 24 },
    { "ShuffleNetV1 0.5x", 12 } };

  for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
    int n = stems[i].channels;
    TemporalBench b = { .kernel = kernel, .channels = n, .edge = edge, .x = bench_alloc (18 * PADDED * PADDED),
      .weights = bench_alloc (64 * 27 * 6 * 2), .bias = bench_alloc (64),
      .out = bench_alloc (16 * SIZE * SIZE * 16) };
    char shape[64];

    for (int k = 0; k < 27; k++)
      b.taps[k] = (k / 9 * PADDED + k / 3 % 3) * PADDED + k % 3 % 2 * PADDED / 2 + k % 3 / 2;
    snprintf (shape, sizeof shape, "%s 3>%d k3 %dx56x56", stems[i].network, n, edge ? 1 : 4);
    if (edge)
      bench_run (kernel, shape, 2.0 * 27 * n * SIZE * SIZE, 4.0 * (3.0 * PADDED * PADDED + 2.0 * n * SIZE * SIZE),
          run_temporal, &b);
    else
      bench_run (kernel, shape, 2.0 * 81 * n * 4 * SIZE * SIZE,
          4.0 * (18.0 * PADDED * PADDED + 4.0 * n * SIZE * SIZE), run_temporal, &b);
    free (b.x);
    free (b.weights);
    free (b.bias);
    free (b.out);
  }
}

void
bench_Temporal (const Kernel *kernel)
{
  bench_temporal (kernel, false);
}

void
bench_TemporalEdge (const Kernel *kernel)
{
  bench_temporal (kernel, true);
}

#define INPUT_LINES 60
#define INPUT_WIDTH 128

static void
run_input (void *data)
{
  const void **b = data;
  const Kernel *kernel = b[0];

  ((Cnn3dTemporalInputFunc *) kernel->func) (b[1]);
}

static void
bench_input (const Kernel *kernel, bool edge)
{
  int n = INPUT_LINES * INPUT_WIDTH;
  float *x = bench_alloc (6 * n), *out = bench_alloc (6 * n);
  Cnn3dTemporalInputArgs args = { .n_lines = INPUT_LINES, .width = INPUT_WIDTH, .out = out, .point_floats = n };
  const void *b[] = { kernel, &args };

  for (int t = 0; t < CNN3D_POINTS; t++)
    args.rows[t] = x + t * n;
  if (edge)
    bench_run (kernel, "60 lines of 128", 4.0 * n, 16.0 * n, run_input, b);
  else
    bench_run (kernel, "60 lines of 128", 22.0 * n, 48.0 * n, run_input, b);
  free (x);
  free (out);
}

void
bench_TemporalInput (const Kernel *kernel)
{
  bench_input (kernel, false);
}

void
bench_TemporalInputEdge (const Kernel *kernel)
{
  bench_input (kernel, true);
}

/* Tiles of a layer, of some blocks, in turn. */
#define N_TILES 12
#define N_BLOCKS 4
#define MAX_POINTS 216

typedef struct {
  const Kernel *kernel;
  int mt, m;
  float *x, *points, *out, *bias;
} TileBench;

static void
run_winograd_input (void *data)
{
  const TileBench *b = data;

  for (int i = 0; i < N_TILES * N_BLOCKS; i++) {
    Cnn3dWinogradInputArgs a = { .x = b->x + (i % N_TILES) * b->m * CNN3D_BLOCK, .row = 64 * CNN3D_BLOCK,
      .frame = 6 * 64 * CNN3D_BLOCK, .out = b->points + i * CNN3D_BLOCK,
      .point = N_TILES * N_BLOCKS * CNN3D_BLOCK };
    ((Cnn3dWinogradInputFunc *) b->kernel->func) (&a, b->mt, b->m);
  }
}

static void
run_winograd_output (void *data)
{
  const TileBench *b = data;

  for (int i = 0; i < N_TILES * N_BLOCKS; i++) {
    Cnn3dWinogradOutputArgs a = { .products = b->points + i * CNN3D_BLOCK,
      .point = N_TILES * N_BLOCKS * CNN3D_BLOCK, .bias = b->bias,
      .out = b->out + (i % N_TILES) * b->m * CNN3D_BLOCK, .row = 64 * CNN3D_BLOCK,
      .frame = 6 * 64 * CNN3D_BLOCK, .frames = b->mt, .rows = b->m, .columns = b->m, .low = 0,
      .high = 6 };
    ((Cnn3dWinogradOutputFunc *) b->kernel->func) (&a, b->mt, b->m);
  }
}

/* No FLOPs: what matters is the time, and the bytes of the points. */
static void
bench_tiles (const Kernel *kernel, void (*run) (void *data))
{
  static const int sizes[][2] = { { 1, 4 }, { 2, 2 }, { 2, 4 }, { 4, 2 }, { 4, 4 } };

  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int mt = sizes[i][0], m = sizes[i][1], n = (mt == 1 ? 1 : mt + 2) * (m + 2) * (m + 2);
    size_t plane = 6 * 6 * 64 * CNN3D_BLOCK;
    TileBench b = { .kernel = kernel, .mt = mt, .m = m, .x = bench_alloc (plane),
      .points = bench_alloc (MAX_POINTS * N_TILES * N_BLOCKS * CNN3D_BLOCK), .out = bench_alloc (plane),
      .bias = bench_alloc (CNN3D_BLOCK) };
    char shape[64];

    snprintf (shape, sizeof shape, "%d tiles of %dx%dx%d, 64", N_TILES, mt, m, m);
    bench_run (kernel, shape, 0, 4.0 * n * N_TILES * N_BLOCKS * CNN3D_BLOCK, run, &b);
    free (b.x);
    free (b.points);
    free (b.out);
    free (b.bias);
  }
}

void
bench_WinogradInput (const Kernel *kernel)
{
  bench_tiles (kernel, run_winograd_input);
}

void
bench_WinogradOutput (const Kernel *kernel)
{
  bench_tiles (kernel, run_winograd_output);
}
