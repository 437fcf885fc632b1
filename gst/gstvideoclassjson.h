/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_VIDEO_CLASS_JSON (gst_video_class_json_get_type ())
G_DECLARE_FINAL_TYPE (GstVideoClassJson, gst_video_class_json, GST,
    VIDEO_CLASS_JSON, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (videoclassjson);

G_END_DECLS
