/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Windows of convolutions laid out as rows of a matrix, a row for each tap of the kernel. */

#include "lib3dcnn/train/dense.h"

#include <math.h>

static inline Cnn3dExtent
position (gint64 p, Cnn3dExtent e)
{
  return (Cnn3dExtent){ (int) (p / (e.h * e.w)), (int) (p / e.w % e.h), (int) (p % e.w) };
}

/*
 * What one tap of a window meets at the chunk's positions of `out`, zero outside of `in`; shift is
 * the tap minus the padding.
 */
static void
unfold_row (const Cnn3dTrainChunk *c, const Real *x, const Cnn3dAffine *f, Cnn3dExtent in, Cnn3dExtent out,
    Cnn3dExtent s, Cnn3dExtent shift, Real *row)
{
  gint64 p = c->first, end = c->first + c->positions;
  gsize n = (gsize) c->n;

  while (p < end) {
    Cnn3dExtent o = position (p, out);
    int run = (int) MIN (out.w - o.w, end - p);
    int t = o.t * s.t + shift.t, h = o.h * s.h + shift.h;
    /* Positions [low, high) of the row have their input inside. */
    int low = shift.w < 0 ? (-shift.w + s.w - 1) / s.w : 0;
    int high = in.w - 1 - shift.w < 0 ? 0 : (in.w - 1 - shift.w) / s.w + 1;

    low = CLAMP (low, o.w, o.w + run);
    high = CLAMP (high, low, o.w + run);
    if (t < 0 || h < 0 || t >= in.t || h >= in.h)
      high = low = o.w;
    memset (row, 0, sizeof (Real) * n * (gsize) (low - o.w));
    if (high > low) {
      const Real *from = x
          + ((gsize) (t * in.h + h) * (gsize) in.w + (gsize) (low * s.w + shift.w)) * n;
      Real *to = row + n * (gsize) (low - o.w);

      if (s.w == 1)
        c->tape->kernels->affine (to, from, n * (gsize) (high - low), f);
      else
        c->tape->kernels->gather (to, from, high - low, n * (gsize) s.w, c->n, f);
    }
    memset (row + n * (gsize) (high - o.w), 0, sizeof (Real) * n * (gsize) (o.w + run - high));
    row += n * (gsize) run;
    p += run;
  }
}

/* The chunk's inputs of a group as [in * taps][columns]. */
void
cnn3d_train_read_input (const Cnn3dTrainChunk *c, int group, Real *a)
{
  const Cnn3dTrainDense *d = &c->step->dense;
  const Cnn3dNode *node = c->step->node;
  Cnn3dExtent k = node->kernel, tap;

  for (int i = 0; i < d->in; i++) {
    const Cnn3dTrainLane *lane = &c->step->lanes[0][group * d->in + i];
    const Real *x = lane_data (c->tape, lane);
    Cnn3dAffine f = cnn3d_train_lane_read (c->tape, lane);

    if (d->taps == 1) {
      c->tape->kernels->affine (a, x + c->first * c->n, (gsize) c->columns, &f);
      chunk_zero_tail (c, a);
      a += c->ld;
      continue;
    }
    for (tap.t = 0; tap.t < k.t; tap.t++)
      for (tap.h = 0; tap.h < k.h; tap.h++)
        for (tap.w = 0; tap.w < k.w; tap.w++) {
          Cnn3dExtent shift = { tap.t - node->pad.t, tap.h - node->pad.h, tap.w - node->pad.w };

          unfold_row (c, x, &f, c->step->in.e, node->shape.e, node->stride, shift, a);
          chunk_zero_tail (c, a);
          a += c->ld;
        }
  }
}

/* The gradients that one tap brings to the chunk's positions of the input, at any stride. */
static void
gather_row (const Cnn3dTrainChunk *c, const Real *g, Cnn3dExtent tap, Real *row)
{
  const Cnn3dNode *node = c->step->node;
  Cnn3dExtent in = c->step->in.e, out = node->shape.e, s = node->stride;
  gsize bytes = sizeof (Real) * (gsize) c->n;

  for (int p = 0; p < c->positions; p++, row += c->n) {
    Cnn3dExtent i = position (c->first + p, in);
    int t = i.t + node->pad.t - tap.t, h = i.h + node->pad.h - tap.h;
    int w = i.w + node->pad.w - tap.w;

    if (t < 0 || h < 0 || w < 0 || t % s.t != 0 || h % s.h != 0 || w % s.w != 0
        || t / s.t >= out.t || h / s.h >= out.h || w / s.w >= out.w)
      memset (row, 0, bytes);
    else
      memcpy (row, g + (gsize) ((t / s.t * out.h + h / s.h) * out.w + w / s.w) * (gsize) c->n, bytes);
  }
}

/* The chunk's gradients of a kernel's outputs as its inputs see them: [out * taps][columns]. */
void
cnn3d_train_gather_gradient (const Cnn3dTrainChunk *c, int group, Real *z)
{
  static const Cnn3dAffine plain = { 0, 1, 0, -INFINITY, INFINITY };
  const Cnn3dNode *node = c->step->node;
  Cnn3dExtent k = node->kernel, tap;
  gboolean dense = cnn3d_extent_count (node->stride) == 1;

  for (int o = 0; o < c->step->dense.out; o++) {
    const Real *g = c->buffer->g + (gsize) (group * c->step->dense.out + o) * c->buffer->stride;

    for (tap.t = 0; tap.t < k.t; tap.t++)
      for (tap.h = 0; tap.h < k.h; tap.h++)
        for (tap.w = 0; tap.w < k.w; tap.w++, z += c->ld) {
          Cnn3dExtent shift = { node->pad.t - tap.t, node->pad.h - tap.h, node->pad.w - tap.w };

          if (dense)
            unfold_row (c, g, &plain, node->shape.e, c->step->in.e, node->stride, shift, z);
          else
            gather_row (c, g, tap, z);
          chunk_zero_tail (c, z);
        }
  }
}
