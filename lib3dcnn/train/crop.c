/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/train/crop.h"

#include <math.h>
#include <string.h>

/* For each output position, which inputs it is made of, and by which weights: n of them. */
typedef struct {
  int n;
  int *first;     /* [size] */
  float *weights; /* [size][n] */
} Taps;

struct _Cnn3dCropper {
  int size;
  Cnn3dBox box;
  gboolean mirrored;
  Taps x, y;
  float *rows;    /* [y.n][3][size]: rows of the box, scaled in x; row r is in place r % y.n */
};

Cnn3dCropper *
cnn3d_cropper_new (int size)
{
  Cnn3dCropper *cropper = g_new0 (Cnn3dCropper, 1);

  cropper->size = size;
  cropper->x.first = g_new (int, size);
  cropper->y.first = g_new (int, size);
  return cropper;
}

void
cnn3d_cropper_free (Cnn3dCropper *cropper)
{
  if (cropper == NULL)
    return;
  g_free (cropper->x.first);
  g_free (cropper->x.weights);
  g_free (cropper->y.first);
  g_free (cropper->y.weights);
  g_free (cropper->rows);
  g_free (cropper);
}

/*
 * A triangle over the inputs, as wide as two pixels of the larger grid: linear interpolation when
 * growing, an average without aliasing when shrinking.
 */
static void
make_taps (Taps *taps, int from, int to)
{
  double step = (double) from / to, reach = MAX (step, 1);

  taps->n = from == to ? 1 : MIN ((int) ceil (2 * reach), from);
  taps->weights = g_renew (float, taps->weights, (gsize) to * taps->n);
  for (int i = 0; i < to; i++) {
    double centre = (i + 0.5) * step - 0.5, sum = 0;
    int first = from == to ? i : (int) ceil (centre - reach);
    float *w = taps->weights + (gsize) i * taps->n;

    first = CLAMP (first, 0, from - taps->n);
    taps->first[i] = first;
    for (int k = 0; k < taps->n; k++)
      sum += MAX (1 - fabs (first + k - centre) / reach, 0);
    for (int k = 0; k < taps->n; k++)
      w[k] = (float) (MAX (1 - fabs (first + k - centre) / reach, 0) / sum);
  }
}

static void
mirror (Taps *taps, int to)
{
  for (int i = 0, k = to - 1; i < k; i++, k--) {
    int first = taps->first[i];

    taps->first[i] = taps->first[k];
    taps->first[k] = first;
    for (int t = 0; t < taps->n; t++) {
      float w = taps->weights[i * taps->n + t];

      taps->weights[i * taps->n + t] = taps->weights[k * taps->n + t];
      taps->weights[k * taps->n + t] = w;
    }
  }
}

void
cnn3d_cropper_set_box (Cnn3dCropper *cropper, const Cnn3dBox *box, gboolean mirrored)
{
  if (box->w != cropper->box.w || mirrored != cropper->mirrored) {
    make_taps (&cropper->x, box->w, cropper->size);
    if (mirrored)
      mirror (&cropper->x, cropper->size);
  }
  if (box->h != cropper->box.h) {
    make_taps (&cropper->y, box->h, cropper->size);
    cropper->rows = g_renew (float, cropper->rows, (gsize) cropper->y.n * 3 * cropper->size);
  }
  cropper->box = *box;
  cropper->mirrored = mirrored;
}

static void
scale_row (const Taps *taps, const guint8 *rgb, int size, float *restrict row)
{
  if (taps->n == 1) {
    for (int x = 0; x < size; x++) {
      const guint8 *p = rgb + 3 * taps->first[x];

      row[x] = p[0];
      row[size + x] = p[1];
      row[2 * size + x] = p[2];
    }
    return;
  }
  for (int x = 0; x < size; x++) {
    const guint8 *p = rgb + 3 * taps->first[x];
    const float *w = taps->weights + (gsize) x * taps->n;
    float r = 0, g = 0, b = 0;

    for (int k = 0; k < taps->n; k++, p += 3) {
      r += w[k] * p[0];
      g += w[k] * p[1];
      b += w[k] * p[2];
    }
    row[x] = r;
    row[size + x] = g;
    row[2 * size + x] = b;
  }
}

/* A box of the square's size is copied: from a table, as there are but 256 values. */
static void
copy_box (const Cnn3dCropper *c, const guint8 *rgb, int width, const int channel[3], const float scale[3],
    const float offset[3], float *out, gsize plane)
{
  float table[3][256];

  for (int p = 0; p < 3; p++)
    for (int v = 0; v < 256; v++)
      table[p][v] = offset[p] + scale[p] * (float) v;
  for (int y = 0; y < c->size; y++) {
    const guint8 *row = rgb + 3 * ((gsize) (c->box.y + y) * width + c->box.x);
    int step = c->mirrored ? -3 : 3;

    for (int p = 0; p < 3; p++) {
      const guint8 *from = row + channel[p] + (c->mirrored ? 3 * (c->size - 1) : 0);
      float *restrict to = out + p * plane + (gsize) y * c->size;

      for (int x = 0; x < c->size; x++)
        to[x] = table[p][from[x * step]];
    }
  }
}

static void
weigh_rows (const Cnn3dCropper *c, int y, int channel, float scale, float offset, float *restrict out)
{
  const float *weights = c->y.weights + (gsize) y * c->y.n;

  for (int x = 0; x < c->size; x++)
    out[x] = offset;
  for (int k = 0; k < c->y.n; k++) {
    const float *row = c->rows + ((gsize) ((c->y.first[y] + k) % c->y.n) * 3 + channel) * c->size;
    float w = weights[k] * scale;

    for (int x = 0; x < c->size; x++)
      out[x] += w * row[x];
  }
}

void
cnn3d_cropper_run (Cnn3dCropper *c, const guint8 *rgb, int width, const int channel[3],
    const float scale[3], const float offset[3], float *out, gsize plane)
{
  int done = 0; /* rows of the box that are scaled */

  if (c->x.n == 1 && c->y.n == 1 && c->box.w == c->size && c->box.h == c->size) {
    copy_box (c, rgb, width, channel, scale, offset, out, plane);
    return;
  }
  for (int y = 0; y < c->size; y++) {
    for (; done < c->y.first[y] + c->y.n; done++)
      scale_row (&c->x, rgb + 3 * ((gsize) (c->box.y + done) * width + c->box.x), c->size,
          c->rows + (gsize) (done % c->y.n) * 3 * c->size);
    for (int p = 0; p < 3; p++)
      weigh_rows (c, y, channel[p], scale[p], offset[p], out + p * plane + (gsize) y * c->size);
  }
}
