/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Depthwise convolutions with kernels of 3x3x3, channel by channel: the channel is read through its
 * lane into a volume, whose rows are vectors of clips. Threads share out the channels.
 */

#include "lib3dcnn/train/tape.h"

#define MAX_ROWS 9
#define TAPS 27

/* Rows of the input that row (t, h) of the output meets, and the weights of each. */
static int
meet_rows (const Cnn3dTrainStep *step, int n, const Real *volume, int t, int h, const Real *w,
    const Real **rows, Real *weights)
{
  const Cnn3dNode *node = step->node;
  Cnn3dExtent in = step->in.e;
  int count = 0;

  for (int kt = 0; kt < 3; kt++)
    for (int kh = 0; kh < 3; kh++) {
      int it = t * node->stride.t + kt - 1, ih = h * node->stride.h + kh - 1;

      if (it < 0 || ih < 0 || it >= in.t || ih >= in.h)
        continue;
      rows[count] = volume + (gsize) (it * in.h + ih) * (gsize) (in.w * n);
      memcpy (weights + 3 * count++, w + (kt * 3 + kh) * 3, 3 * sizeof (Real));
    }
  return count;
}

void
cnn3d_train_depthwise_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dNode *node = step->node;
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  Cnn3dExtent in = step->in.e, out = node->shape.e;
  int first = (int) tape_share (node->shape.c, thread, tape->n_threads);
  int end = (int) tape_share (node->shape.c, thread + 1, tape->n_threads);
  gsize n = (gsize) tape->n, row_floats = (gsize) out.w * n;
  Real *volume = tape->scratch[thread], weights[TAPS];
  const Real *rows[MAX_ROWS];
  Cnn3dTrainRow row = { .rows = rows, .weights = weights, .width_in = in.w, .width_out = out.w,
    .stride = node->stride.w, .lanes = tape->n };

  for (int c = first; c < end; c++) {
    const Cnn3dTrainLane *lane = &step->lanes[0][c];
    Cnn3dAffine f = cnn3d_train_lane_read (tape, lane);
    const Real *w = tape->params[node->param] + c * TAPS;
    Real *y = buffer->x + (gsize) c * buffer->stride;

    tape->kernels->affine (volume, lane_data (tape, lane), (gsize) cnn3d_extent_count (in) * n, &f);
    for (int t = 0; t < out.t; t++)
      for (int h = 0; h < out.h; h++, y += row_floats) {
        row.count = meet_rows (step, tape->n, volume, t, h, w, rows, weights);
        tape->kernels->depthwise (&row, y);
        for (gsize i = 0; tape->training && buffer->norm >= 0 && i < row_floats; i += CNN3D_TRAIN_RUN)
          tape_add_stats (tape, thread, c, y + i, MIN (row_floats - i, CNN3D_TRAIN_RUN));
      }
  }
}

/* Sums of all lanes, which go on in double from time to time. */
static void
flush (Real sums[TAPS][16], double *total)
{
  for (int k = 0; k < TAPS; k++)
    for (int l = 0; l < 16; l++) {
      total[k] += sums[k][l];
      sums[k][l] = 0;
    }
}

/* Gradient of the weights: each row of outputs with the rows of inputs that it met. */
static void
weight_gradient (const Cnn3dTape *tape, const Cnn3dTrainStep *step, const Real *volume, const Real *z,
    Real *grad)
{
  Cnn3dExtent in = step->in.e, out = step->node->shape.e, s = step->node->stride;
  Real sums[TAPS][16] __attribute__ ((aligned (64))) = { { 0 } };
  double total[TAPS] = { 0 };
  gsize n = (gsize) tape->n;
  const Real *rows[3];
  Cnn3dTrainRow row = { .rows = rows, .width_in = in.w, .width_out = out.w, .stride = s.w,
    .lanes = tape->n };

  for (int t = 0; t < out.t; t++) {
    for (int h = 0; h < out.h; h++, z += (gsize) out.w * n)
      for (int kt = 0; kt < 3; kt++) {
        int it = t * s.t + kt - 1, ih = h * s.h - 1;
        int low = MAX (0, -ih), high = MIN (3, in.h - ih);

        if (it < 0 || it >= in.t)
          continue;
        for (int kh = low; kh < high; kh++)
          rows[kh - low] = volume + (gsize) (it * in.h + ih + kh) * (gsize) in.w * n;
        row.count = high - low;
        tape->kernels->depthwise_grad (&row, z, sums[(kt * 3 + low) * 3]);
      }
    flush (sums, total);
  }
  for (int k = 0; k < TAPS; k++)
    grad[k] = (Real) total[k];
}

/* Rows of outputs that met row (t, h) of the input; weights are flipped at stride 1. */
static int
met_by_rows (const Cnn3dTrainStep *step, int n, const Real *z, int t, int h, const Real *w,
    const Real **rows, Real *weights)
{
  const Cnn3dNode *node = step->node;
  Cnn3dExtent out = node->shape.e, s = node->stride;
  int count = 0;

  for (int kt = 0; kt < 3; kt++)
    for (int kh = 0; kh < 3; kh++) {
      int ot = t + 1 - kt, oh = h + 1 - kh;
      const Real *from = w + (kt * 3 + kh) * 3;
      Real *to = weights + 3 * count;

      if (ot < 0 || oh < 0 || ot % s.t != 0 || oh % s.h != 0 || ot / s.t >= out.t
          || oh / s.h >= out.h)
        continue;
      rows[count++] = z + (gsize) (ot / s.t * out.h + oh / s.h) * (gsize) (out.w * n);
      for (int k = 0; k < 3; k++)
        to[k] = s.w == 1 ? from[2 - k] : from[k];
    }
  return count;
}

static void
input_gradient (const Cnn3dTape *tape, const Cnn3dTrainStep *step, const Real *z, const Real *w,
    const Cnn3dTrainLane *lane, Real *line)
{
  Cnn3dExtent in = step->in.e, out = step->node->shape.e;
  gsize floats = (gsize) in.w * (gsize) tape->n, at = 0;
  const Real *rows[MAX_ROWS];
  Real weights[TAPS];
  gboolean spread = step->node->stride.w == 2;
  Cnn3dTrainRow row = { .rows = rows, .weights = weights, .stride = step->node->stride.w,
    .width_in = spread ? in.w : out.w, .width_out = spread ? out.w : in.w, .lanes = tape->n };

  for (int t = 0; t < in.t; t++)
    for (int h = 0; h < in.h; h++, at += floats) {
      row.count = met_by_rows (step, tape->n, z, t, h, w, rows, weights);
      if (spread)
        tape->kernels->depthwise_spread (&row, line);
      else
        tape->kernels->depthwise (&row, line);
      cnn3d_train_lane_add (tape, lane, at, line, floats);
    }
}

void
cnn3d_train_depthwise_backward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dNode *node = step->node;
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  int first = (int) tape_share (node->shape.c, thread, tape->n_threads);
  int end = (int) tape_share (node->shape.c, thread + 1, tape->n_threads);
  gsize in_floats = (gsize) cnn3d_extent_count (step->in.e) * (gsize) tape->n;
  gsize out_floats = (gsize) cnn3d_extent_count (node->shape.e) * (gsize) tape->n;
  Real *volume = tape->scratch[thread], *z = volume + in_floats, *line = z + out_floats;

  for (int c = first; c < end; c++) {
    const Cnn3dTrainLane *lane = &step->lanes[0][c];
    gsize at = (gsize) c * buffer->stride;
    Cnn3dAffine f = cnn3d_train_lane_read (tape, lane);

    tape->kernels->backward (z, buffer->g + at, buffer->x + at, out_floats, &buffer->grad_affine[c]);
    if (step->trained) {
      tape->kernels->affine (volume, lane_data (tape, lane), in_floats, &f);
      weight_gradient (tape, step, volume, z, tape->grads[node->param] + c * TAPS);
    }
    if (tape_buffer (tape, lane->buffer)->needs_grad)
      input_gradient (tape, step, z, tape->params[node->param] + c * TAPS, lane, line);
  }
}
