/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/synth/picture.h"

#include <math.h>

#define SMALLEST 8 /* the smaller side of the last level, at least */

Picture *
picture_new (const guint8 *rgb, int width, int height, gsize stride)
{
  Picture *picture = g_new0 (Picture, 1);
  guint32 *to = g_new (guint32, (gsize) width * height);

  picture->pixels[0] = to;
  for (int y = 0; y < height; y++, rgb += stride)
    for (int x = 0; x < width; x++)
      *to++ = rgb[3 * x] | (guint32) rgb[3 * x + 1] << 8 | (guint32) rgb[3 * x + 2] << 16;
  picture->width[0] = width;
  picture->height[0] = height;

  for (picture->n_levels = 1; picture->n_levels < PICTURE_MAX_LEVELS; picture->n_levels++) {
    int level = picture->n_levels, w = picture->width[level - 1], h = picture->height[level - 1];
    const guint32 *from = picture->pixels[level - 1];

    if (MIN (w, h) / 2 < SMALLEST)
      break;
    picture->width[level] = w / 2;
    picture->height[level] = h / 2;
    to = picture->pixels[level] = g_new (guint32, (gsize) (w / 2) * (h / 2));
    for (int y = 0; y < h / 2; y++, from += 2 * w)
      for (int x = 0; x < w / 2; x++) {
        guint32 a = from[2 * x], b = from[2 * x + 1], c = from[w + 2 * x], d = from[w + 2 * x + 1];
        guint32 rb = (a & 0xff00ff) + (b & 0xff00ff) + (c & 0xff00ff) + (d & 0xff00ff) + 0x020002;
        guint32 g = (a >> 8 & 0xff) + (b >> 8 & 0xff) + (c >> 8 & 0xff) + (d >> 8 & 0xff) + 2;

        *to++ = (rb >> 2 & 0xff00ff) | (g >> 2) << 8;
      }
  }
  return picture;
}

void
picture_free (Picture *picture)
{
  for (int i = 0; i < picture->n_levels; i++)
    g_free (picture->pixels[i]);
  g_free (picture);
}

/* Bilinear, from one level. Positions have 16 bits of fraction, of which 4 are used. */
static void
add_level (
    const Picture *picture, int level, const PictureRow *row, float weight, int n, float *out)
{
  const guint32 *pixels = picture->pixels[level];
  gint64 width = picture->width[level], height = picture->height[level];
  gint64 max_x = ((width - 1) << 16) - 1, max_y = ((height - 1) << 16) - 1;
  double f = 65536.0 / (1 << level), shift = 32768.0 * (1.0 / (1 << level) - 1);
  /* Centres of pixels lie at halves: those of level 0 at x are at (x + 0.5) / 2^level - 0.5. */
  gint64 x = (gint64) (row->x * f + shift), y = (gint64) (row->y * f + shift);
  gint64 dx = (gint64) (row->dx * f), dy = (gint64) (row->dy * f);

  weight /= 256;
  for (int i = 0; i < n; i++, x += dx, y += dy, out += 3) {
    gint64 cx = CLAMP (x, 0, max_x), cy = CLAMP (y, 0, max_y);
    const guint32 *p = pixels + (cy >> 16) * width + (cx >> 16);
    guint32 u = (guint32) cx >> 12 & 15, v = (guint32) cy >> 12 & 15;
    guint32 w11 = u * v, w10 = u * 16 - w11, w01 = v * 16 - w11, w00 = 256 - w11 - w10 - w01;
    guint32 a = p[0], b = p[1], c = p[width], d = p[width + 1];
    guint32 r = (a & 0xff) * w00 + (b & 0xff) * w10 + (c & 0xff) * w01 + (d & 0xff) * w11;
    guint32 g = (a >> 8 & 0xff) * w00 + (b >> 8 & 0xff) * w10 + (c >> 8 & 0xff) * w01
                + (d >> 8 & 0xff) * w11;
    guint32 bl = (a >> 16) * w00 + (b >> 16) * w10 + (c >> 16) * w01 + (d >> 16) * w11;

    out[0] += weight * (float) r;
    out[1] += weight * (float) g;
    out[2] += weight * (float) bl;
  }
}

void
picture_add_row (
    const Picture *picture, const PictureRow *row, double scale, float weight, int n, float *out)
{
  double level = CLAMP (log2 (MAX (scale, 1e-3)), 0, picture->n_levels - 1);
  int below = MIN ((int) level, picture->n_levels - 1);
  double fraction = level - below;

  /* Between two levels both are read, so that sharpness changes smoothly in a zoom. */
  if (fraction < 0.95)
    add_level (picture, below, row, weight * (float) (fraction > 0.05 ? 1 - fraction : 1), n, out);
  if (fraction > 0.05)
    add_level (picture, below + 1, row, weight * (float) (fraction < 0.95 ? fraction : 1), n, out);
}
