/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_TYPE_VIDEO_CLASS_TEXT (gst_video_class_text_get_type ())
G_DECLARE_FINAL_TYPE (GstVideoClassText, gst_video_class_text, GST,
    VIDEO_CLASS_TEXT, GstElement)

GST_ELEMENT_REGISTER_DECLARE (videoclasstext);

G_END_DECLS
