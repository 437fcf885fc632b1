/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A picture that can be read at any position and scale. */

#include <glib.h>

G_BEGIN_DECLS

#define PICTURE_MAX_LEVELS 8

/* Level 0 is the picture, each further one half as large: 0x00BBGGRR, rows without padding. */
typedef struct {
  int n_levels;
  int width[PICTURE_MAX_LEVELS], height[PICTURE_MAX_LEVELS];
  guint32 *pixels[PICTURE_MAX_LEVELS];
} Picture;

/* Of width x height RGB pixels, rows stride bytes apart, copied. */
Picture *picture_new (const guint8 *rgb, int width, int height, gsize stride);
void picture_free (Picture *picture);

/* Where n positions of a row lie in the picture, in pixels of level 0. */
typedef struct {
  double x, y;   /* of the first */
  double dx, dy; /* to the next */
} PictureRow;

/*
 * Adds n pixels to out (R, G, B floats, 0 to 255), times weight. scale is the distance of neighbours,
 * in pixels of level 0, times the blur that is wanted; positions outside take the border's pixel.
 */
void picture_add_row (const Picture *picture, const PictureRow *row, double scale, float weight, int n,
    float *out);

G_END_DECLS
