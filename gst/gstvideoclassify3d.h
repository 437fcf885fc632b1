/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_TYPE_VIDEO_CLASSIFY_3D (gst_video_classify_3d_get_type ())
G_DECLARE_FINAL_TYPE (GstVideoClassify3D, gst_video_classify_3d, GST,
    VIDEO_CLASSIFY_3D, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (videoclassify3d);

G_END_DECLS
