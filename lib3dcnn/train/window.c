/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Convolutions of larger kernels at stride 1, if the clips fill whole vectors. The input, read
 * through its lanes, or the gradient of the output is written once into a volume with borders of
 * zeros. There a row of windows' values at one tap is a run of memory, wherever the row is, so
 * products read the volume by a table of offsets and nothing is unfolded: that takes a write and a
 * read for each tap.
 *
 * Threads share out the channels when volumes are filled, and rows of positions in products.
 */

#include "lib3dcnn/train/dense.h"

/* Columns of a product, so that what its taps read stays in the second cache over all tiles. */
#define PANEL_COLUMNS 96
/* Columns over which a gradient of the weights is summed in registers. */
#define SUM_COLUMNS 1536

gboolean
cnn3d_train_window_fits (const Cnn3dTape *tape, const Cnn3dTrainStep *step)
{
  const Cnn3dNode *node = step->node;
  Cnn3dExtent k = node->kernel, pad = node->pad, out = node->shape.e;

  return node->op == CNN3D_OP_CONV && !step_is_depthwise (step)
      && cnn3d_extent_count (node->stride) == 1 && cnn3d_extent_count (k) > 1
      && pad.t < k.t && pad.h < k.h && pad.w < k.w && tape->n % CNN3D_TRAIN_ALIGN == 0
      && out.t * out.h >= tape->n_threads;
}

/* The volume that windows of kernel k at positions of e read, and where taps lie in it. */
static void
window_set (Cnn3dTrainWindow *w, Cnn3dExtent e, Cnn3dExtent k, int channels, int n,
    gboolean flipped)
{
  int taps = (int) cnn3d_extent_count (k);
  Cnn3dExtent tap;
  ptrdiff_t *at;

  w->e = (Cnn3dExtent){ e.t + k.t - 1, e.h + k.h - 1, e.w + k.w - 1 };
  /* An odd number of cache lines, as in place.c. */
  w->stride = (gsize) (cnn3d_extent_count (w->e) * n / CNN3D_TRAIN_ALIGN | 1) * CNN3D_TRAIN_ALIGN;
  g_free (w->at);
  at = w->at = g_new (ptrdiff_t, channels * taps);
  for (int c = 0; c < channels; c++)
    for (tap.t = 0; tap.t < k.t; tap.t++)
      for (tap.h = 0; tap.h < k.h; tap.h++)
        for (tap.w = 0; tap.w < k.w; tap.w++) {
          ptrdiff_t place = ((ptrdiff_t) tap.t * w->e.h + tap.h) * w->e.w + tap.w;
          ptrdiff_t last = ((ptrdiff_t) (k.t - 1) * w->e.h + k.h - 1) * w->e.w + k.w - 1;

          *at++ = c * (ptrdiff_t) w->stride + (flipped ? last - place : place) * n;
        }
}

gsize
cnn3d_train_window_init (const Cnn3dTape *tape, Cnn3dTrainStep *step)
{
  Cnn3dTrainDense *d = &step->dense;
  const Cnn3dNode *node = step->node;
  gsize in, out;

  window_set (&d->input, node->shape.e, node->kernel, step->in.c / node->groups, tape->n, FALSE);
  window_set (&d->gradient, step->in.e, node->kernel, node->shape.c / node->groups, tape->n, TRUE);
  in = d->input.stride * (gsize) step->in.c;
  out = d->gradient.stride * (gsize) node->shape.c;
  return step->wants_input ? MAX (in, out) : in;
}

/* Rows of positions of a plane whose gradients are summed at once. */
static int
rows_at_once (const Cnn3dTape *tape, Cnn3dExtent e)
{
  return CLAMP (SUM_COLUMNS / (e.w * tape->n), 1, e.h);
}

gsize
cnn3d_train_window_scratch (const Cnn3dTape *tape, const Cnn3dTrainStep *step)
{
  Cnn3dExtent out = step->node->shape.e;
  gsize gradient = (gsize) (rows_at_once (tape, out) * out.w * tape->n) + 2 * CNN3D_TRAIN_ALIGN;
  gsize input = (gsize) (step->in.e.w * tape->n) + 2 * CNN3D_TRAIN_ALIGN;

  return MAX (gradient * (gsize) step->dense.out, input * (gsize) step->dense.in);
}

/* Reads a row of a channel into y: of the input, or of the gradient. */
static void
read_row (const Cnn3dTape *tape, const Cnn3dTrainStep *step, gboolean gradient, int channel,
    gsize at, gsize n, Real *y)
{
  if (gradient) {
    const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);

    at += (gsize) channel * buffer->stride;
    tape->kernels->backward (y, buffer->g + at, buffer->x + at, n, &buffer->grad_affine[channel]);
  } else {
    const Cnn3dTrainLane *lane = &step->lanes[0][channel];
    Cnn3dAffine f = cnn3d_train_lane_read (tape, lane);

    tape->kernels->affine (y, lane_data (tape, lane) + at, n, &f);
  }
}

/* Fills this thread's channels of the volume w with values of positions e, after low zeros. */
static void
fill (const Cnn3dTape *tape, const Cnn3dTrainStep *step, gboolean gradient, Cnn3dExtent e,
    Cnn3dExtent low, Real *volume, int thread)
{
  const Cnn3dTrainWindow *w = gradient ? &step->dense.gradient : &step->dense.input;
  int channels = gradient ? step->node->shape.c : step->in.c;
  int first = (int) tape_share (channels, thread, tape->n_threads);
  int end = (int) tape_share (channels, thread + 1, tape->n_threads);
  gsize n = (gsize) tape->n, row = (gsize) w->e.w * n, values = (gsize) e.w * n;

  for (int c = first; c < end; c++) {
    Real *y = volume + (gsize) c * w->stride;

    for (int t = 0; t < w->e.t; t++)
      for (int h = 0; h < w->e.h; h++, y += row) {
        int from_t = t - low.t, from_h = h - low.h;
        gsize before = (gsize) low.w * n;

        if (from_t < 0 || from_h < 0 || from_t >= e.t || from_h >= e.h) {
          memset (y, 0, sizeof (Real) * row);
          continue;
        }
        memset (y, 0, sizeof (Real) * before);
        read_row (tape, step, gradient, c, (gsize) (from_t * e.h + from_h) * values, values,
            y + before);
        memset (y + before + values, 0, sizeof (Real) * (row - before - values));
      }
  }
}

/* A row of positions of all outputs: [rows of the product][columns], ldc apart. */
static void
multiply (const Cnn3dTape *tape, const Real *a, const Real *bias, int rows, int k, const Real *b,
    const ptrdiff_t *at, Real *out, gsize ldc, int columns)
{
  int tiles = cnn3d_train_tiles (tape, rows);

  for (int j = 0; j < columns; j += PANEL_COLUMNS)
    for (int t = 0; t < tiles; t++) {
      int first = rows * t / tiles, end = rows * (t + 1) / tiles;

      tape->kernels->window_gemm (a + (gsize) first * (gsize) k, bias ? bias + first : NULL,
          end - first, k, b + j, at, out + (gsize) first * ldc + j, ldc, MIN (PANEL_COLUMNS, columns - j));
    }
}

/* Where the windows of row r of positions begin, rows of a plane being h. */
static const Real *
row_window (const Real *volume, const Cnn3dTrainWindow *w, int channel, gint64 r, int h, int n)
{
  return volume + (gsize) channel * w->stride
      + (gsize) ((r / h * w->e.h + r % h) * w->e.w) * (gsize) n;
}

void
cnn3d_train_window_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainDense *d = &step->dense;
  const Cnn3dNode *node = step->node;
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  Cnn3dExtent out = node->shape.e;
  const Real *bias = node->n_params > 1 ? tape->params[node->param + 1] : NULL;
  int k = d->in * d->taps, columns = out.w * tape->n;
  gboolean stats = tape->training && buffer->norm >= 0;
  gint64 first = tape_share (out.t * out.h, thread, tape->n_threads);
  gint64 end = tape_share (out.t * out.h, thread + 1, tape->n_threads);

  cnn3d_train_pack_weights (tape, step, thread);
  fill (tape, step, FALSE, step->in.e, node->pad, d->volume[0], thread);
  cnn3d_workers_barrier (tape->workers);
  for (gint64 r = first; r < end; r++)
    for (int g = 0; g < node->groups; g++) {
      Real *y = buffer->x + (gsize) (g * d->out) * buffer->stride + (gsize) r * (gsize) columns;

      multiply (tape, d->forward + (gsize) g * (gsize) (d->out * k),
          bias ? bias + g * d->out : NULL, d->out, k,
          row_window (d->volume[0], &d->input, g * d->in, r, out.h, tape->n), d->input.at,
          y, buffer->stride, columns);
      for (int o = 0; stats && o < d->out; o++)
        for (int i = 0; i < columns; i += CNN3D_TRAIN_RUN)
          tape_add_stats (tape, thread, g * d->out + o, y + (gsize) o * buffer->stride + i,
              (gsize) MIN (columns - i, CNN3D_TRAIN_RUN));
    }
}

static void
weight_gradient (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainDense *d = &step->dense;
  const Cnn3dNode *node = step->node;
  Cnn3dTrainChunk c = { .tape = tape, .step = step, .buffer = tape_buffer (tape, step->buffer),
    .n = tape->n };
  Cnn3dExtent out = node->shape.e;
  int k = d->in * d->taps, columns = out.w * tape->n;
  gsize weights = (gsize) node->shape.c * (gsize) k;
  Real *z = tape->scratch[thread], *dw = z + tape->scratch_floats, *db = dw + weights;
  gint64 r = tape_share (out.t * out.h, thread, tape->n_threads);
  gint64 end = tape_share (out.t * out.h, thread + 1, tape->n_threads), rows;

  memset (dw, 0, sizeof (Real) * (weights + (gsize) node->shape.c));
  for (; r < end; r += rows) {
    rows = MIN (MIN (rows_at_once (tape, out), end - r), out.h - r % out.h);
    cnn3d_train_chunk_set (&c, r * out.w, rows * out.w);
    for (int g = 0; g < node->groups; g++) {
      cnn3d_train_read_gradient (&c, g, z);
      tape->kernels->window_dots (dw + (gsize) (g * d->out) * (gsize) k, (gsize) k, z, c.ld, d->out,
          row_window (d->volume[1], &d->input, g * d->in, r, out.h, tape->n),
          (gsize) (d->input.e.w * tape->n), d->input.at, k, columns, (int) rows);
      if (node->n_params > 1)
        cnn3d_train_add_row_sums (&c, g, z, db);
    }
  }
}

static void
input_gradient (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainDense *d = &step->dense;
  Cnn3dTrainChunk c = { .tape = tape, .step = step, .n = tape->n };
  Cnn3dExtent in = step->in.e;
  int k = d->out * d->taps;
  gint64 first = tape_share (in.t * in.h, thread, tape->n_threads);
  gint64 end = tape_share (in.t * in.h, thread + 1, tape->n_threads);

  for (gint64 r = first; r < end; r++) {
    cnn3d_train_chunk_set (&c, r * in.w, in.w);
    for (int g = 0; g < step->node->groups; g++) {
      multiply (tape, d->transposed + (gsize) g * (gsize) (d->in * k), NULL, d->in, k,
          row_window (d->volume[1], &d->gradient, g * d->out, r, in.h, tape->n), d->gradient.at,
          tape->scratch[thread], c.ld, c.columns);
      cnn3d_train_give_input (&c, g, tape->scratch[thread]);
    }
  }
}

/* Both volumes lie at the same place, one after the other. */
void
cnn3d_train_window_backward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainDense *d = &step->dense;
  const Cnn3dNode *node = step->node;
  Cnn3dExtent k = node->kernel, pad = node->pad;
  Cnn3dExtent low = { k.t - 1 - pad.t, k.h - 1 - pad.h, k.w - 1 - pad.w };

  if (step->trained) {
    fill (tape, step, FALSE, step->in.e, pad, d->volume[1], thread);
    cnn3d_workers_barrier (tape->workers);
    weight_gradient (tape, step, thread);
    cnn3d_workers_barrier (tape->workers);
    cnn3d_train_reduce_weights (tape, step, thread);
  }
  if (step->wants_input) {
    fill (tape, step, TRUE, node->shape.e, low, d->volume[1], thread);
    cnn3d_workers_barrier (tape->workers);
    input_gradient (tape, step, thread);
  }
}
