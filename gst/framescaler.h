/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Brings frames of any raw video format to a network's input: square RGB. */

#include <gst/video/video.h>

#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

typedef struct _GstFrameScaler GstFrameScaler;

/**
 * gst_frame_scaler_new:
 * @info: of the video
 * @size: height and width of the output, in pixels
 * @resize: whether to crop or to stretch what is not square
 *
 * Returns: (nullable): %NULL if the video cannot be converted
 */
GstFrameScaler *gst_frame_scaler_new (const GstVideoInfo * info, guint size,
    Cnn3dResize resize);
/**
 * gst_frame_scaler_new_crop:
 * @crop: the part of the picture that is used
 *
 * Like gst_frame_scaler_new(), of a part of the picture.
 */
GstFrameScaler *gst_frame_scaler_new_crop (const GstVideoInfo * info,
    guint size, const GstVideoRectangle * crop);
/* Whether the scaler is for this part of the picture. */
gboolean gst_frame_scaler_has_crop (const GstFrameScaler * scaler,
    const GstVideoRectangle * crop);
void gst_frame_scaler_free (GstFrameScaler * scaler);

/* Writes size x size x 3 bytes. Returns FALSE if the buffer cannot be mapped. */
gboolean gst_frame_scaler_run (GstFrameScaler * scaler, GstBuffer * buffer,
    guint8 * rgb);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstFrameScaler, gst_frame_scaler_free)

G_END_DECLS
