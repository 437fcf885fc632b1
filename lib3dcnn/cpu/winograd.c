/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packs weights for Winograd's minimal filtering: the transform G of temporal_tmpl.h, in double. */

#include "lib3dcnn/cpu/engine.h"

void
cnn3d_winograd_f4 (const double *g, double *points)
{
  points[0] = g[0] / 4;
  points[1] = -(g[0] + g[1] + g[2]) / 6;
  points[2] = -(g[0] - g[1] + g[2]) / 6;
  points[3] = (g[0] + 2 * g[1] + 4 * g[2]) / 24;
  points[4] = (g[0] - 2 * g[1] + 4 * g[2]) / 24;
  points[5] = g[2];
}

void
cnn3d_winograd_pack_temporal (const Cnn3dStep *step, const Cnn3dFolded *folded, Cnn3dTile *tile,
    int32_t *taps, float *weights)
{
  const int *channel = step->lane_channel + tile->first_half * CNN3D_HALF;
  int lanes = tile->halves * CNN3D_HALF, width = cnn3d_padded_extent (step).w;
  int area = step->kernel.h * step->kernel.w, volume = area * step->kernel.t;

  tile->taps = taps;
  tile->weights = weights;
  for (int c = 0; c < step->channels_in; c++)
    for (int k = 0; k < area; k++) {
      /* Rows of the channels take turns in the transformed input. */
      *taps++ = (k / step->kernel.w * step->channels_in + c) * width + k % step->kernel.w;
      for (int i = 0; i < lanes; i++) {
        double points[CNN3D_POINTS] = { 0 };

        if (channel[i] >= 0) {
          const float *w = folded->weights + (gsize) channel[i] * folded->inputs + c * volume + k;
          cnn3d_winograd_f4 ((double[]){ w[0], w[area], w[2 * area] }, points);
        }
        for (int j = 0; j < CNN3D_POINTS; j++)
          weights[(j * tile->n_taps + c * area + k) * lanes + i] = (float) points[j];
      }
    }
}
