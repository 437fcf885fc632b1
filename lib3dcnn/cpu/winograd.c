/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Packs weights for Winograd's minimal filtering: the transforms G of axis_tmpl.h, in double.
 */

#include "lib3dcnn/cpu/engine.h"

static void
transform_f4 (const double *g, double *points)
{
  points[0] = g[0] / 4;
  points[1] = -(g[0] + g[1] + g[2]) / 6;
  points[2] = -(g[0] - g[1] + g[2]) / 6;
  points[3] = (g[0] + 2 * g[1] + 4 * g[2]) / 24;
  points[4] = (g[0] - 2 * g[1] + 4 * g[2]) / 24;
  points[5] = g[2];
}

static void
transform_f2 (const double *g, double *points)
{
  points[0] = g[0];
  points[1] = (g[0] + g[1] + g[2]) / 2;
  points[2] = (g[0] - g[1] + g[2]) / 2;
  points[3] = g[2];
}

static void
transform (int m, const double *g, double *points)
{
  if (m == 4)
    transform_f4 (g, points);
  else
    transform_f2 (g, points);
}

int
cnn3d_winograd_points (int mt, int m)
{
  return (mt + 2) * (m + 2) * (m + 2);
}

/* 27 taps to the points of a tile: along frames, rows, columns. */
static void
transform_volume (int mt, int m, const float *w, double *points)
{
  int pt = mt + 2, p = m + 2;
  double frames[6][9], rows[6][6][3], g[3], d[6];

  for (int k = 0; k < 9; k++) {
    transform (mt, (double[]){ w[k], w[9 + k], w[18 + k] }, d);
    for (int t = 0; t < pt; t++)
      frames[t][k] = d[t];
  }
  for (int t = 0; t < pt; t++)
    for (int c = 0; c < 3; c++) {
      for (int k = 0; k < 3; k++)
        g[k] = frames[t][k * 3 + c];
      transform (m, g, d);
      for (int h = 0; h < p; h++)
        rows[t][h][c] = d[h];
    }
  for (int t = 0; t < pt; t++)
    for (int h = 0; h < p; h++)
      transform (m, rows[t][h], points + (t * p + h) * p);
}

void
cnn3d_winograd_pack_dense (const Cnn3dCpuStep *s, const Cnn3dFolded *folded, Cnn3dTile *tile,
    int32_t *taps, float *weights)
{
  const int *channel = s->step->lane_channel + tile->first_half * CNN3D_HALF;
  int lanes = tile->halves * CNN3D_HALF, n = cnn3d_winograd_points (s->winograd_frames, s->winograd_size);
  double points[216];

  tile->taps = taps;
  tile->weights = weights;
  for (int c = 0; c < s->step->channels_in; c++) {
    taps[c] = cnn3d_winograd_tap (s, c);
    for (int i = 0; i < lanes; i++) {
      transform_volume (s->winograd_frames, s->winograd_size,
          folded->weights + (gsize) channel[i] * folded->inputs + c * 27, points);
      for (int k = 0; k < n; k++)
        weights[((gsize) k * tile->n_taps + c) * lanes + i] = (float) points[k];
    }
  }
}

void
cnn3d_winograd_pack_temporal (const Cnn3dEngine *engine, const Cnn3dStep *step,
    const Cnn3dFolded *folded, Cnn3dTile *tile, int32_t *taps, float *weights)
{
  const int *channel = step->lane_channel + tile->first_half * CNN3D_HALF;
  int lanes = tile->halves * CNN3D_HALF, width = cnn3d_winograd_pitch (step);
  int area = step->kernel.h * step->kernel.w, volume = area * step->kernel.t;
  int copies = cnn3d_temporal_copies (engine->kernels, tile->halves);

  tile->taps = taps;
  tile->weights = weights;
  for (int c = 0; c < step->channels_in; c++)
    for (int k = 0; k < area; k++) {
      int column = CNN3D_STEM_LEFT - step->pad.w + k % step->kernel.w, row = k / step->kernel.w;

      /* Rows take turns in as many places as the kernel has rows; those of the channels lie next to each other. */
      for (int first = 0; first < step->kernel.h; first++)
        taps[first * tile->n_taps + c * area + k] = ((first + row) % step->kernel.h * step->channels_in + c) * width
            + column % 2 * width / 2 + column / 2;
      for (int i = 0; i < lanes; i++) {
        double points[CNN3D_POINTS] = { 0 };

        if (channel[i] >= 0) {
          const float *w = folded->weights + (gsize) channel[i] * folded->inputs + c * volume + k;
          transform_f4 ((double[]){ w[0], w[area], w[2 * area] }, points);
        }
        for (int j = 0; j < CNN3D_POINTS; j++)
          for (int copy = 0; copy < copies; copy++)
            weights[((j * tile->n_taps + c * area + k) * lanes + i) * copies + copy] = (float) points[j];
      }
    }
}
