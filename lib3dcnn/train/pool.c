/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pools, channel by channel like depthwise convolutions. */

#include "lib3dcnn/train/tape.h"

/* Rows of the input that row (t, h) of the output meets, and the number of each one's first tap. */
static int
meet_rows (const Cnn3dTrainStep *step, int n, const Real *volume, int t, int h, const Real **rows,
    int *taps)
{
  const Cnn3dNode *node = step->node;
  Cnn3dExtent in = step->in.e, k = node->kernel, s = node->stride;
  int count = 0;

  for (int kt = 0; kt < k.t; kt++)
    for (int kh = 0; kh < k.h; kh++) {
      int it = t * s.t + kt - node->pad.t, ih = h * s.h + kh - node->pad.h;

      if (it < 0 || ih < 0 || it >= in.t || ih >= in.h)
        continue;
      rows[count] = volume + (gsize) (it * in.h + ih) * (gsize) (in.w * n);
      taps[count++] = (kt * k.h + kh) * k.w;
    }
  return count;
}

static Cnn3dTrainRow
row_of (const Cnn3dTape *tape, const Cnn3dTrainStep *step, const Real **rows, int *taps)
{
  const Cnn3dNode *node = step->node;

  return (Cnn3dTrainRow){ .rows = rows, .taps = taps, .width_in = step->in.e.w,
    .width_out = node->shape.e.w, .kernel = node->kernel.w, .stride = node->stride.w,
    .pad = node->pad.w, .lanes = tape->n,
    .scale = (Real) (1.0 / (double) cnn3d_extent_count (node->kernel)) };
}

void
cnn3d_train_pool_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dNode *node = step->node;
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  gboolean max = node->op == CNN3D_OP_MAXPOOL;
  Cnn3dExtent out = node->shape.e;
  int first = (int) tape_share (node->shape.c, thread, tape->n_threads);
  int end = (int) tape_share (node->shape.c, thread + 1, tape->n_threads);
  gsize n = (gsize) tape->n, floats = (gsize) out.w * n;
  g_autofree const Real **rows = g_new (const Real *, node->kernel.t * node->kernel.h);
  g_autofree int *taps = g_new (int, node->kernel.t * node->kernel.h);
  Real *volume = tape->scratch[thread];
  /* Where the greatest inputs are is only wanted by the backward pass. */
  int32_t *unused = (int32_t *) (volume + (gsize) cnn3d_extent_count (step->in.e) * n);
  Cnn3dTrainRow row = row_of (tape, step, rows, taps);

  for (int c = first; c < end; c++) {
    const Cnn3dTrainLane *lane = &step->lanes[0][c];
    Cnn3dAffine f = cnn3d_train_lane_read (tape, lane);
    gsize at = (gsize) c * buffer->stride;

    tape->kernels->affine (volume, lane_data (tape, lane), (gsize) cnn3d_extent_count (step->in.e) * n,
        &f);
    for (int t = 0; t < out.t; t++)
      for (int h = 0; h < out.h; h++, at += floats) {
        row.count = meet_rows (step, tape->n, volume, t, h, rows, taps);
        if (max)
          tape->kernels->maxpool (&row, buffer->x + at, tape->training ? step->taps + at : unused);
        else
          tape->kernels->avgpool (&row, buffer->x + at, NULL);
      }
  }
}

void
cnn3d_train_pool_backward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dNode *node = step->node;
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  Cnn3dExtent out = node->shape.e;
  int first = (int) tape_share (node->shape.c, thread, tape->n_threads);
  int end = (int) tape_share (node->shape.c, thread + 1, tape->n_threads);
  gsize n = (gsize) tape->n, floats = (gsize) out.w * n;
  gsize in_floats = (gsize) cnn3d_extent_count (step->in.e) * n;
  g_autofree const Real **rows = g_new (const Real *, node->kernel.t * node->kernel.h);
  g_autofree int *taps = g_new (int, node->kernel.t * node->kernel.h);
  Real *volume = tape->scratch[thread];
  Cnn3dTrainRow row = row_of (tape, step, rows, taps);

  for (int c = first; c < end; c++) {
    const Cnn3dTrainLane *lane = &step->lanes[0][c];
    gsize at = (gsize) c * buffer->stride;

    if (!tape_buffer (tape, lane->buffer)->needs_grad)
      continue;
    memset (volume, 0, sizeof (Real) * in_floats);
    for (int t = 0; t < out.t; t++)
      for (int h = 0; h < out.h; h++, at += floats) {
        row.count = meet_rows (step, tape->n, volume, t, h, rows, taps);
        if (node->op == CNN3D_OP_MAXPOOL)
          tape->kernels->maxpool_grad (&row, buffer->g + at, step->taps + at);
        else
          tape->kernels->avgpool_grad (&row, buffer->g + at, NULL);
      }
    cnn3d_train_lane_add (tape, lane, 0, volume, in_floats);
  }
}
