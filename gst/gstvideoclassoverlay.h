/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_TYPE_VIDEO_CLASS_OVERLAY (gst_video_class_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstVideoClassOverlay, gst_video_class_overlay, GST,
    VIDEO_CLASS_OVERLAY, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (videoclassoverlay);

G_END_DECLS
