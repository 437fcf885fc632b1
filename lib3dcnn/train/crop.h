/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cuts a box out of RGB frames, scales it to a square and normalises it. */

#include <glib.h>

typedef struct {
  int x, y, w, h;
} Cnn3dBox;

typedef struct _Cnn3dCropper Cnn3dCropper;

/* For squares of size pixels. */
Cnn3dCropper *cnn3d_cropper_new (int size);
void cnn3d_cropper_free (Cnn3dCropper *cropper);

/* Sets what is cut, and whether it is mirrored. */
void cnn3d_cropper_set_box (Cnn3dCropper *cropper, const Cnn3dBox *box, gboolean mirrored);

/*
 * Crops one frame of `width` pixels in a row. Plane p of out begins p * plane floats from it, and gets
 * channel[p] of the pixels, times scale[p], plus offset[p].
 */
void cnn3d_cropper_run (Cnn3dCropper *cropper, const guint8 *rgb, int width, const int channel[3],
    const float scale[3], const float offset[3], float *out, gsize plane);
