/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * BatchNorm, with the statistics of the batch in training, and what all lanes share. A channel of one number,
 * of a batch of one clip, has no variance: it is normalised as in an evaluation, and the running averages stay.
 */

#include "lib3dcnn/train/tape.h"

#include <math.h>

#define EPSILON 1e-5
#define MOMENTUM 0.1 /* of the running averages */

Cnn3dAffine
cnn3d_train_lane_read (const Cnn3dTape *tape, const Cnn3dTrainLane *lane)
{
  Cnn3dAffine f = { 0, 1, 0, lane->low, lane->high };

  if (lane->norm) {
    f = tape_buffer (tape, lane->buffer)->affine[lane->channel];
    f.low = lane->low;
    f.high = lane->high;
  }
  return f;
}

void
cnn3d_train_lane_add (const Cnn3dTape *tape, const Cnn3dTrainLane *lane, gsize offset,
    const Real *d, gsize n)
{
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, lane->buffer);
  gsize at = (gsize) lane->channel * buffer->stride + offset;
  Cnn3dAffine f = cnn3d_train_lane_read (tape, lane);

  tape->kernels->mask (buffer->g + at, d, buffer->x + at, n, &f, lane->add);
}

/* Of all threads, in their order. */
static Cnn3dTrainStats
merge_stats (const Cnn3dTape *tape, int channel)
{
  Cnn3dTrainStats all = { 0, 0, 0 };

  for (int t = 0; t < tape->n_threads; t++) {
    const Cnn3dTrainStats *s = &tape->stats[t][channel];
    double count = all.count + s->count, delta = s->mean - all.mean;

    if (s->count == 0)
      continue;
    all.m2 += s->m2 + delta * delta * all.count * s->count / count;
    all.mean += delta * s->count / count;
    all.count = count;
  }
  return all;
}

/* Statistics of the batches of all processes; leaves them with thread 0. */
static void
share_stats (Cnn3dTape *tape, int channels)
{
  double *sums = tape->sums;

  for (int c = 0; c < channels; c++) {
    tape->stats[0][c] = merge_stats (tape, c);
    for (int t = 1; t < tape->n_threads; t++)
      tape->stats[t][c].count = 0;
    sums[c] = tape->stats[0][c].mean * tape->stats[0][c].count;
    sums[channels] = tape->stats[0][c].count;
  }
  tape->reduce (sums, (gsize) channels + 1, tape->reduce_data);
  for (int c = 0; c < channels; c++) {
    Cnn3dTrainStats *s = &tape->stats[0][c];
    double mean = sums[c] / sums[channels];

    sums[c] = s->m2 + s->count * (s->mean - mean) * (s->mean - mean);
    s->count = sums[channels];
    s->mean = mean;
  }
  tape->reduce (sums, (gsize) channels, tape->reduce_data);
  for (int c = 0; c < channels; c++)
    tape->stats[0][c].m2 = sums[c];
}

void
cnn3d_train_norm_forward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  int first = (int) tape_share (buffer->channels, thread, tape->n_threads);
  int end = (int) tape_share (buffer->channels, thread + 1, tape->n_threads);
  Real **params;

  if (buffer->norm < 0)
    return;
  if (tape->reduce != NULL && tape->training && !tape->last_only) {
    if (thread == 0)
      share_stats (tape, buffer->channels);
    cnn3d_workers_barrier (tape->workers);
  }
  params = tape->params + cnn3d_graph_node (tape->graph, buffer->norm)->param;
  for (int c = first; c < end; c++) {
    double mean = params[2][c], var = params[3][c], inv_std;

    if (tape->training && !tape->last_only) {
      Cnn3dTrainStats s = merge_stats (tape, c);

      if (s.count > 1) {
        mean = s.mean;
        var = s.m2 / s.count;
        params[2][c] = (Real) (params[2][c] + MOMENTUM * (mean - params[2][c]));
        params[3][c] = (Real) (params[3][c] + MOMENTUM * (s.m2 / (s.count - 1) - params[3][c]));
      }
    }
    inv_std = 1 / sqrt (var + EPSILON);
    buffer->inv_std[c] = (Real) inv_std;
    buffer->affine[c].mean = (Real) mean;
    buffer->affine[c].scale = (Real) (params[0][c] * inv_std);
    buffer->affine[c].shift = params[1][c];
  }
}

void
cnn3d_train_norm_backward (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread)
{
  Cnn3dTrainBuffer *buffer = tape_buffer (tape, step->buffer);
  gsize n = (gsize) cnn3d_extent_count (buffer->e) * (gsize) tape->n;
  int first = (int) tape_share (buffer->channels, thread, tape->n_threads);
  int end = (int) tape_share (buffer->channels, thread + 1, tape->n_threads);
  int param = buffer->norm < 0 ? 0 : cnn3d_graph_node (tape->graph, buffer->norm)->param;
  double count = (double) n;

  for (int c = first; c < end; c++) {
    Real *g = buffer->g + (gsize) c * buffer->stride;
    const Real *x = buffer->x + (gsize) c * buffer->stride;
    double *sums = tape->sums + 2 * c;

    if (!buffer->written[c])
      memset (g, 0, n * sizeof (Real));
    buffer->written[c] = FALSE;
    if (buffer->norm < 0)
      continue;
    sums[0] = sums[1] = 0;
    for (gsize i = 0; i < n; i += CNN3D_TRAIN_RUN)
      tape->kernels->grad_sums (g + i, x + i, MIN (n - i, CNN3D_TRAIN_RUN), buffer->affine[c].mean,
          &sums[0], &sums[1]);
    sums[1] *= buffer->inv_std[c];
    tape->grads[param][c] = (Real) sums[1];
    tape->grads[param + 1][c] = (Real) sums[0];
  }
  if (buffer->norm < 0)
    return;
  if (tape->reduce != NULL) {
    cnn3d_workers_barrier (tape->workers);
    if (thread == 0) {
      tape->sums[2 * buffer->channels] = count;
      tape->reduce (tape->sums, 2 * (gsize) buffer->channels + 1, tape->reduce_data);
    }
    cnn3d_workers_barrier (tape->workers);
    count = tape->sums[2 * buffer->channels];
  }
  if (count <= 1)
    count = INFINITY; /* statistics that are not the batch's do not pass its gradient on */
  for (int c = first; c < end; c++) {
    double scale = (double) tape->params[param][c] * buffer->inv_std[c];

    buffer->grad_affine[c] = (Cnn3dGradAffine){ .alpha = (Real) scale,
      .beta = (Real) (-scale * buffer->inv_std[c] * tape->sums[2 * c + 1] / count),
      .gamma = (Real) (-scale * tape->sums[2 * c] / count),
      .mean = buffer->affine[c].mean };
  }
}
