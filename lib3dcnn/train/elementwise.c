/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The input, additions and dropout. */

#include "lib3dcnn/train/random.h"
#include "lib3dcnn/train/tape.h"

/* Positions that are transposed at a time: a cache line of each clip. */
#define BLOCK 16

/* [clip][channel][position] to [channel][position][clip]. */
void
cnn3d_train_input_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  gint64 positions = cnn3d_extent_count (buffer->e);
  gint64 blocks = (positions + BLOCK - 1) / BLOCK;
  gint64 first = tape_share (blocks, thread, tape->n_threads) * BLOCK;
  gint64 end = MIN (tape_share (blocks, thread + 1, tape->n_threads) * BLOCK, positions);
  int n = tape->n;

  for (int c = 0; c < buffer->channels; c++) {
    Real *y = buffer->x + (gsize) c * buffer->stride;
    const float *x = tape->clips + c * positions;

    for (gint64 p = first; p < end; p += BLOCK)
      for (int i = 0; i < n; i++) {
        const float *from = x + (gint64) i * buffer->channels * positions;
        for (gint64 q = p; q < MIN (p + BLOCK, end); q++)
          y[q * n + i] = from[q];
      }
  }
}

void
cnn3d_train_add_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  gsize n = (gsize) cnn3d_extent_count (buffer->e) * (gsize) tape->n;
  int first = (int) tape_share (buffer->channels, thread, tape->n_threads);
  int end = (int) tape_share (buffer->channels, thread + 1, tape->n_threads);
  Real line[CNN3D_TRAIN_RUN];

  for (int c = first; c < end; c++) {
    Real *y = buffer->x + (gsize) c * buffer->stride;
    const Real *a = lane_data (tape, &step->lanes[0][c]), *b = lane_data (tape, &step->lanes[1][c]);
    Cnn3dAffine fa = cnn3d_train_lane_read (tape, &step->lanes[0][c]);
    Cnn3dAffine fb = cnn3d_train_lane_read (tape, &step->lanes[1][c]);

    for (gsize i = 0; i < n; i += CNN3D_TRAIN_RUN) {
      gsize count = MIN (n - i, CNN3D_TRAIN_RUN);

      tape->kernels->affine (y + i, a + i, count, &fa);
      tape->kernels->affine (line, b + i, count, &fb);
      for (gsize j = 0; j < count; j++)
        y[i + j] += line[j];
    }
  }
}

void
cnn3d_train_add_backward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  gsize n = (gsize) cnn3d_extent_count (buffer->e) * (gsize) tape->n;
  int first = (int) tape_share (buffer->channels, thread, tape->n_threads);
  int end = (int) tape_share (buffer->channels, thread + 1, tape->n_threads);

  for (int c = first; c < end; c++)
    for (int k = 0; k < 2; k++)
      if (tape_buffer (tape, step->lanes[k][c].buffer)->needs_grad)
        cnn3d_train_lane_add (tape, &step->lanes[k][c], 0, buffer->g + (gsize) c * buffer->stride, n);
}

/* What channel c, position p of clip i is multiplied by: 0, or 1 / (1 - p). */
static Real
keep (const Cnn3dTape *tape, const Cnn3dTrainStep *step, int c, gint64 p, int i)
{
  double drop = tape->dropout < 0 ? step->node->p : tape->dropout;
  gint64 positions = cnn3d_extent_count (step->in.e);
  gint64 clip = (gint64) tape->rank * tape->n + i;
  guint64 index = (guint64) ((clip * step->in.c + c) * positions + p);

  if (!tape->training || drop <= 0)
    return 1;
  return cnn3d_random_uniform (tape->seed + (guint64) step->buffer, index) < drop
      ? 0
      : (Real) (1 / (1 - drop));
}

static void
drop (const Cnn3dTape *tape, const Cnn3dTrainStep *step, int c, Real *x)
{
  for (gint64 p = 0; p < cnn3d_extent_count (step->in.e); p++)
    for (int i = 0; i < tape->n; i++)
      *x++ *= keep (tape, step, c, p, i);
}

static void
read_features (const Cnn3dTape *tape, const Cnn3dTrainStep *step, int c, Real *y)
{
  gint64 positions = cnn3d_extent_count (step->in.e);

  for (gint64 p = 0; p < positions; p++)
    for (int i = 0; i < tape->n; i++)
      *y++ = tape->features[((gint64) i * step->in.c + c) * positions + p];
}

void
cnn3d_train_dropout_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  gsize n = (gsize) cnn3d_extent_count (buffer->e) * (gsize) tape->n;
  int first = (int) tape_share (buffer->channels, thread, tape->n_threads);
  int end = (int) tape_share (buffer->channels, thread + 1, tape->n_threads);

  for (int c = first; c < end; c++) {
    Cnn3dAffine f = cnn3d_train_lane_read (tape, &step->lanes[0][c]);
    Real *y = buffer->x + (gsize) c * buffer->stride;

    if (tape->features != NULL)
      read_features (tape, step, c, y);
    else
      tape->kernels->affine (y, lane_data (tape, &step->lanes[0][c]), n, &f);
    drop (tape, step, c, y);
  }
}

void
cnn3d_train_dropout_backward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  gsize n = (gsize) cnn3d_extent_count (buffer->e) * (gsize) tape->n;
  int first = (int) tape_share (buffer->channels, thread, tape->n_threads);
  int end = (int) tape_share (buffer->channels, thread + 1, tape->n_threads);

  for (int c = first; c < end; c++) {
    Real *g = buffer->g + (gsize) c * buffer->stride;

    if (!tape_buffer (tape, step->lanes[0][c].buffer)->needs_grad)
      continue;
    drop (tape, step, c, g);
    cnn3d_train_lane_add (tape, &step->lanes[0][c], 0, g, n);
  }
}
