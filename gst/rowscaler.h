/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reduces the height of pictures whose components are bytes, in any layout: rows
 * are averaged, whatever their bytes mean. It comes before GstVideoConverter,
 * which then converts and scales a few rows in place of all of them.
 */

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct _GstRowScaler GstRowScaler;

/**
 * gst_row_scaler_new:
 * @info: of the pictures
 * @y: first row that is used
 * @height: number of rows that are used
 * @out_height: rows of the result
 *
 * Returns: (nullable): %NULL if it can do nothing for this format or these
 *   heights
 */
GstRowScaler *gst_row_scaler_new (const GstVideoInfo * info, gint y,
    gint height, gint out_height);
void gst_row_scaler_free (GstRowScaler * scaler);

/* What the result is: of the same width, and of a format whose chroma has all
 * rows. */
const GstVideoInfo *gst_row_scaler_get_info (GstRowScaler * scaler);

/**
 * gst_row_scaler_run:
 * @frame: a picture
 * @out: to be written, of gst_row_scaler_get_info()
 */
void gst_row_scaler_run (GstRowScaler * scaler, const GstVideoFrame * frame,
    GstVideoFrame * out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstRowScaler, gst_row_scaler_free)

G_END_DECLS
