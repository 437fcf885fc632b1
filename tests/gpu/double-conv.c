/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/double.h"

#include "lib3dcnn/cudnn/half.h"

static float *
to_floats (const void *data, gsize n, gboolean half)
{
  float *floats = g_new (float, n);

  if (half)
    for (gsize i = 0; i < n; i++)
      floats[i] = cnn3d_half_to_float (((const guint16 *) data)[i]);
  else
    memcpy (floats, data, n * sizeof *floats);
  return floats;
}

/* [k][tap][c] -> [tap][c][k], so that the innermost loop is a vector's. */
static float *
transpose (const float *w, int k, int taps, int c)
{
  float *t = g_new (float, (gsize) k * taps * c);

  for (int i = 0; i < k; i++)
    for (int j = 0; j < taps * c; j++)
      t[j * k + i] = w[i * taps * c + j];
  return t;
}

static void
add_row (float *restrict sums, const float *restrict w, float x, int k)
{
  for (int i = 0; i < k; i++)
    sums[i] += w[i] * x;
}

static void
position (const DoubleConv *conv, const float *x, const float *w, const int o[3], float *sums)
{
  int tap = 0;

  for (int t = 0; t < conv->kernel[0]; t++)
    for (int h = 0; h < conv->kernel[1]; h++)
      for (int v = 0; v < conv->kernel[2]; v++, tap++) {
        int at = o[0] * conv->stride[0] + t - conv->pad[0], ah = o[1] * conv->stride[1] + h - conv->pad[1];
        int av = o[2] * conv->stride[2] + v - conv->pad[2];
        const float *row;

        if (at < 0 || ah < 0 || av < 0 || at >= conv->in[0] || ah >= conv->in[1] || av >= conv->in[2])
          continue;
        row = x + (gsize) ((at * conv->in[1] + ah) * conv->in[2] + av) * conv->c;
        for (int c = 0; c < conv->c; c++)
          if (row[c] != 0) /* so NaN is not left out */
            add_row (sums, w + (gsize) (tap * conv->c + c) * conv->k, row[c], conv->k);
      }
}

void
double_conv (const DoubleConv *conv)
{
  int taps = conv->kernel[0] * conv->kernel[1] * conv->kernel[2];
  gsize in = (gsize) conv->in[0] * conv->in[1] * conv->in[2] * conv->c;
  gsize positions = (gsize) conv->out[0] * conv->out[1] * conv->out[2];
  g_autofree float *flat = to_floats (conv->w, (gsize) conv->k * taps * conv->c, conv->half);
  g_autofree float *w = transpose (flat, conv->k, taps, conv->c);
  g_autofree float *bias = conv->bias ? to_floats (conv->bias, conv->k, conv->half) : NULL;
  g_autofree float *x = to_floats (conv->x, in * conv->n, conv->half);
  g_autofree float *z = conv->z ? to_floats (conv->z, positions * conv->k * conv->n, conv->half) : NULL;
  g_autofree float *sums = g_new (float, conv->k);

  for (int n = 0; n < conv->n; n++)
    for (gsize p = 0; p < positions; p++) {
      int o[3] = { (int) (p / conv->out[2] / conv->out[1]), (int) (p / conv->out[2] % conv->out[1]),
        (int) (p % conv->out[2]) };
      gsize at = ((gsize) n * positions + p) * conv->k;

      memset (sums, 0, conv->k * sizeof *sums);
      position (conv, x + (gsize) n * in, w, o, sums);
      for (int k = 0; k < conv->k; k++) {
        float v = sums[k] + (z ? z[at + k] : 0) + (bias ? bias[k] : 0);

        /* NaN stays, so that it is seen. */
        if (conv->relu && v < 0)
          v = 0;
        if (conv->half)
          ((guint16 *) conv->y)[at + k] = cnn3d_half_from_float (v);
        else
          ((float *) conv->y)[at + k] = v;
      }
    }
}
