/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Convolutions as products of matrices, a chunk of positions at a time: the chunk's inputs are read
 * through their lanes into a matrix [in * taps][columns] that stays in the second cache, and so do
 * the results. Larger kernels than 1x1x1 unfold the input there. Linear layers are convolutions of
 * one position.
 *
 * Threads share out the positions; each has a gradient of the weights of its own, and they are
 * added in the order of threads.
 */

#include "lib3dcnn/train/dense.h"

/* Floats of a chunk's matrices: most of a second cache. */
#define CHUNK_FLOATS (160 * 1024)
#define MAX_COLUMNS 1536

int
cnn3d_train_tiles (const Cnn3dTape *tape, int rows)
{
  return (rows + tape->kernels->tile_rows - 1) / tape->kernels->tile_rows;
}

static int
gcd (int a, int b)
{
  return b == 0 ? a : gcd (b, a % b);
}

/* Positions of a chunk; chunks begin at whole vectors so that threads do not overrun each other. */
static int
chunk_positions (const Cnn3dTape *tape, int rows)
{
  int n = tape->n, unit = CNN3D_TRAIN_ALIGN / gcd (n, CNN3D_TRAIN_ALIGN);
  int columns = CLAMP (CHUNK_FLOATS / rows, 96, MAX_COLUMNS);

  return MAX (columns / n / unit, 1) * unit;
}

static void
chunk_range (const Cnn3dTape *tape, Cnn3dExtent e, int thread, gint64 *first, gint64 *end)
{
  gint64 total = cnn3d_extent_count (e);
  int unit = CNN3D_TRAIN_ALIGN / gcd (tape->n, CNN3D_TRAIN_ALIGN);
  gint64 units = (total + unit - 1) / unit;

  *first = MIN (tape_share (units, thread, tape->n_threads) * unit, total);
  *end = MIN (tape_share (units, thread + 1, tape->n_threads) * unit, total);
}

void
cnn3d_train_chunk_set (Cnn3dTrainChunk *c, gint64 first, gint64 positions)
{
  c->first = first;
  c->positions = (int) positions;
  c->columns = c->positions * c->n;
  c->padded = (c->columns + CNN3D_TRAIN_ALIGN - 1) / CNN3D_TRAIN_ALIGN * CNN3D_TRAIN_ALIGN;
  c->ld = (gsize) (c->padded / CNN3D_TRAIN_ALIGN | 1) * CNN3D_TRAIN_ALIGN;
}

/* What a thread needs for both matrices of a chunk. */
static gsize
chunk_floats (const Cnn3dTape *tape, int rows)
{
  gsize columns = (gsize) chunk_positions (tape, rows) * (gsize) tape->n;

  return (columns + 2 * CNN3D_TRAIN_ALIGN) * (gsize) rows;
}

void
cnn3d_train_dense_init (Cnn3dTape *tape, Cnn3dTrainStep *step)
{
  Cnn3dTrainDense *d = &step->dense;
  const Cnn3dNode *node = step->node;
  gsize weights;

  d->in = step->in.c / node->groups;
  d->out = node->shape.c / node->groups;
  d->taps = (int) cnn3d_extent_count (node->kernel);
  weights = (gsize) node->shape.c * (gsize) (d->in * d->taps);
  tape->max_weights = MAX (tape->max_weights, weights);
  if (d->forward == NULL)
    d->forward = g_aligned_alloc0 (weights, sizeof (Real), 64);
  if (d->transposed == NULL && step->wants_input)
    d->transposed = g_aligned_alloc0 (weights, sizeof (Real), 64);
  d->scratch = MAX (chunk_floats (tape, (d->in * d->taps + d->out)),
      chunk_floats (tape, (d->in + d->out * d->taps)));
  if (cnn3d_train_window_fits (tape, step))
    d->scratch = cnn3d_train_window_scratch (tape, step);
  tape->scratch_floats = MAX (tape->scratch_floats, d->scratch);
}

/* w[row][k] from at: row stride and k stride; packed as [tile][k][rows of the tile]. */
static void
pack_tiles (const Cnn3dTape *tape, Real *to, int rows, int k, const Real *w, gsize row_stride,
    gsize k_stride)
{
  int tiles = cnn3d_train_tiles (tape, rows);

  for (int t = 0; t < tiles; t++) {
    int first = rows * t / tiles, end = rows * (t + 1) / tiles;

    for (int i = 0; i < k; i++)
      for (int r = first; r < end; r++)
        *to++ = w[(gsize) r * row_stride + (gsize) i * k_stride];
  }
}

void
cnn3d_train_pack_weights (const Cnn3dTape *tape, const Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainDense *d = &step->dense;
  int groups = step->node->groups, k = d->in * d->taps;
  const Real *w = tape->params[step->node->param];
  int first = (int) tape_share (groups, thread, tape->n_threads);
  int end = (int) tape_share (groups, thread + 1, tape->n_threads);

  for (int g = first; g < end; g++) {
    gsize at = (gsize) g * (gsize) (d->out * k);

    pack_tiles (tape, d->forward + at, d->out, k, w + at, (gsize) k, 1);
    if (d->transposed == NULL)
      continue;
    if (d->taps == 1) {
      pack_tiles (tape, d->transposed + at, d->in, d->out, w + at, 1, (gsize) k);
    } else {
      /* Rows are inputs; k runs over outputs and taps, as unfold.c lays them out. */
      int tiles = cnn3d_train_tiles (tape, d->in);
      Real *to = d->transposed + at;

      for (int t = 0; t < tiles; t++)
        for (int o = 0; o < d->out; o++)
          for (int tap = 0; tap < d->taps; tap++)
            for (int i = d->in * t / tiles; i < d->in * (t + 1) / tiles; i++)
              *to++ = w[at + ((gsize) o * (gsize) d->in + (gsize) i) * (gsize) d->taps + (gsize) tap];
    }
  }
}

/* Calls gemm for all tiles of a product of a group. */
static void
multiply (const Cnn3dTrainChunk *c, const Real *a, const Real *bias, int rows, int k, const Real *b, Real *out,
    gsize ldc)
{
  const Cnn3dTape *tape = c->tape;
  int tiles = cnn3d_train_tiles (tape, rows);

  for (int t = 0; t < tiles; t++) {
    int first = rows * t / tiles, end = rows * (t + 1) / tiles;

    tape->kernels->gemm (a, bias ? bias + first : NULL, end - first, k, b, c->ld,
        out + (gsize) first * ldc, ldc, c->padded);
    a += (gsize) (end - first) * (gsize) k;
  }
}

void
cnn3d_train_read_gradient (const Cnn3dTrainChunk *c, int group, Real *z)
{
  int out = c->step->dense.out;

  for (int o = 0; o < out; o++, z += c->ld) {
    int channel = group * out + o;
    gsize at = (gsize) channel * c->buffer->stride + (gsize) c->first * (gsize) c->n;

    if (c->buffer->norm >= 0)
      c->tape->kernels->backward (z, c->buffer->g + at, c->buffer->x + at, (gsize) c->columns,
          &c->buffer->grad_affine[channel]);
    else
      memcpy (z, c->buffer->g + at, sizeof (Real) * (gsize) c->columns);
    chunk_zero_tail (c, z);
  }
}

void
cnn3d_train_dense_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainDense *d = &step->dense;
  const Cnn3dNode *node = step->node;
  Cnn3dTrainChunk c = { .tape = tape, .step = step, .buffer = tape_buffer (tape, step->buffer), .n = tape->n };
  int k = d->in * d->taps, size = chunk_positions (tape, k + d->out);
  const Real *bias = node->n_params > 1 ? tape->params[node->param + 1] : NULL;
  gboolean stats = tape->training && c.buffer->norm >= 0;
  Real *a = tape->scratch[thread];
  gint64 first, end;

  if (cnn3d_train_window_fits (tape, step)) {
    cnn3d_train_window_forward (tape, step, thread);
    return;
  }
  cnn3d_train_pack_weights (tape, step, thread);
  cnn3d_workers_barrier (tape->workers);
  chunk_range (tape, node->shape.e, thread, &first, &end);
  for (; first < end; first += size) {
    cnn3d_train_chunk_set (&c, first, MIN (end - first, size));
    for (int g = 0; g < node->groups; g++) {
      Real *out = c.buffer->x + (gsize) (g * d->out) * c.buffer->stride + first * c.n;

      cnn3d_train_read_input (&c, g, a);
      multiply (&c, d->forward + (gsize) g * (gsize) (d->out * k), bias ? bias + g * d->out : NULL,
          d->out, k, a, out, c.buffer->stride);
      for (int o = 0; stats && o < d->out; o++)
        tape_add_stats (tape, thread, g * d->out + o, out + (gsize) o * c.buffer->stride,
            (gsize) c.columns);
    }
  }
}

void
cnn3d_train_give_input (const Cnn3dTrainChunk *c, int group, const Real *d)
{
  int in = c->step->dense.in;

  for (int i = 0; i < in; i++) {
    const Cnn3dTrainLane *lane = &c->step->lanes[0][group * in + i];

    if (tape_buffer (c->tape, lane->buffer)->needs_grad)
      cnn3d_train_lane_add (c->tape, lane, (gsize) c->first * (gsize) c->n, d + (gsize) i * c->ld,
          (gsize) c->columns);
  }
}

/* Kernels larger than 1x1x1: the gradient replaces g, as it is unfolded many times. */
static void
settle_gradient (const Cnn3dTrainChunk *c, int thread)
{
  const Cnn3dTape *tape = c->tape;
  Cnn3dTrainBuffer *buffer = tape_buffer (tape, c->step->buffer);
  gsize n = (gsize) cnn3d_extent_count (buffer->e) * (gsize) c->n;
  int first = (int) tape_share (buffer->channels, thread, tape->n_threads);
  int end = (int) tape_share (buffer->channels, thread + 1, tape->n_threads);

  for (int o = first; o < end && buffer->norm >= 0; o++) {
    Real *g = buffer->g + (gsize) o * buffer->stride;
    tape->kernels->backward (g, g, buffer->x + (gsize) o * buffer->stride, n, &buffer->grad_affine[o]);
    buffer->grad_affine[o] = (Cnn3dGradAffine){ 1, 0, 0, 0 };
  }
  cnn3d_workers_barrier (tape->workers);
}

static void
backward_input (Cnn3dTrainChunk *c, int thread)
{
  const Cnn3dTrainDense *d = &c->step->dense;
  int k = d->out * d->taps, size = chunk_positions (c->tape, k + d->in);
  Real *z = c->tape->scratch[thread], *out;
  gint64 first, end;

  chunk_range (c->tape, c->step->in.e, thread, &first, &end);
  for (; first < end; first += size) {
    cnn3d_train_chunk_set (c, first, MIN (end - first, size));
    out = z + (gsize) k * c->ld;
    for (int g = 0; g < c->step->node->groups; g++) {
      cnn3d_train_gather_gradient (c, g, z);
      multiply (c, d->transposed + (gsize) g * (gsize) (d->in * k), NULL, d->in, k, z, out, c->ld);
      cnn3d_train_give_input (c, g, out);
    }
  }
}

void
cnn3d_train_add_row_sums (const Cnn3dTrainChunk *c, int group, const Real *z, Real *bias)
{
  for (int o = 0; o < c->step->dense.out; o++) {
    double sum = 0, squares = 0;
    c->tape->kernels->grad_sums (z + (gsize) o * c->ld, z + (gsize) o * c->ld, (gsize) c->columns, 0,
        &sum, &squares);
    bias[group * c->step->dense.out + o] += (Real) sum;
  }
}

/* Adds the threads' gradients of a parameter. */
static void
reduce (const Cnn3dTape *tape, Real *grad, gsize n, gsize offset, int thread)
{
  gsize first = (gsize) tape_share ((gint64) n, thread, tape->n_threads);
  gsize end = (gsize) tape_share ((gint64) n, thread + 1, tape->n_threads);

  for (gsize i = first; i < end; i++) {
    Real sum = 0;
    for (int t = 0; t < tape->n_threads; t++)
      sum += tape->scratch[t][offset + i];
    grad[i] = sum;
  }
}

void
cnn3d_train_reduce_weights (const Cnn3dTape *tape, const Cnn3dTrainStep *step, int thread)
{
  const Cnn3dNode *node = step->node;
  gsize weights = (gsize) node->shape.c * (gsize) (step->dense.in * step->dense.taps);

  reduce (tape, tape->grads[node->param], weights, tape->scratch_floats, thread);
  if (node->n_params > 1)
    reduce (tape, tape->grads[node->param + 1], (gsize) node->shape.c,
        tape->scratch_floats + weights, thread);
}

void
cnn3d_train_dense_backward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainDense *d = &step->dense;
  const Cnn3dNode *node = step->node;
  Cnn3dTrainChunk c = { .tape = tape, .step = step, .buffer = tape_buffer (tape, step->buffer), .n = tape->n };
  int k = d->in * d->taps, size = chunk_positions (tape, k + d->out);
  gsize weights = (gsize) node->shape.c * (gsize) k;
  gboolean both = step->wants_input && d->taps == 1;
  Real *a = tape->scratch[thread], *z, *dw = a + tape->scratch_floats, *db = dw + weights;
  gint64 first, end;

  if (cnn3d_train_window_fits (tape, step)) {
    cnn3d_train_window_backward (tape, step, thread);
    return;
  }
  if (step->wants_input && d->taps > 1)
    settle_gradient (&c, thread);
  chunk_range (tape, node->shape.e, thread, &first, &end);
  memset (dw, 0, sizeof (Real) * (weights + (gsize) node->shape.c));
  for (; first < end; first += size) {
    cnn3d_train_chunk_set (&c, first, MIN (end - first, size));
    z = a + (gsize) k * c.ld;
    for (int g = 0; g < node->groups; g++) {
      gsize at = (gsize) g * (gsize) (d->out * k);

      cnn3d_train_read_gradient (&c, g, z);
      if (step->trained) {
        cnn3d_train_read_input (&c, g, a);
        tape->kernels->dots (dw + at, (gsize) k, z, c.ld, d->out, a, c.ld, k, c.padded);
        if (node->n_params > 1)
          cnn3d_train_add_row_sums (&c, g, z, db);
      }
      if (both) {
        multiply (&c, d->transposed + at, NULL, d->in, d->out, z, a, c.ld);
        cnn3d_train_give_input (&c, g, a);
      }
    }
  }
  cnn3d_workers_barrier (tape->workers);
  if (step->trained)
    cnn3d_train_reduce_weights (tape, step, thread);
  if (step->wants_input && d->taps > 1) {
    cnn3d_workers_barrier (tape->workers);
    backward_input (&c, thread);
  }
}
