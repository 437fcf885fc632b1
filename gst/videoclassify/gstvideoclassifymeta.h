/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_VIDEO_CLASSIFY_API __attribute__ ((visibility ("default")))

/**
 * GstVideoClassifyResult:
 *
 * What a network said of one clip: the best classes with their scores, best
 * first, and which part of the video they are about. Immutable and
 * reference-counted, so that all buffers of a clip share one.
 *
 * Since: 0.1
 */
typedef struct _GstVideoClassifyResult GstVideoClassifyResult;

/**
 * GstVideoClassifyClass:
 * @index: number of the class in the model, from 0
 * @score: in [0, 1]
 * @label: (transfer none): its label
 *
 * Since: 0.1
 */
typedef struct
{
  gint index;
  gdouble score;
  const gchar *label;
} GstVideoClassifyClass;

/**
 * GstVideoClassifyEvent:
 * @index: number of the class in the model, from 0
 * @score: the highest so far, in [0, 1]
 * @label: (transfer none): its label
 * @start: timestamp (PTS) of the first frame of its first clip
 * @peak: timestamp of the middle of the clip with the highest score
 * @end: timestamp of the last frame of its last clip so far
 *
 * An action that is going on.
 *
 * Since: 0.1
 */
typedef struct
{
  gint index;
  gdouble score;
  const gchar *label;
  GstClockTime start, peak, end;
} GstVideoClassifyEvent;

#define GST_TYPE_VIDEO_CLASSIFY_RESULT (gst_video_classify_result_get_type ())
GST_VIDEO_CLASSIFY_API
GType gst_video_classify_result_get_type (void);

/**
 * gst_video_classify_result_new:
 * @model: name of the model
 * @clip_start: timestamp of the clip's first frame
 * @clip_end: timestamp of the clip's last frame
 * @classes: (array length=n_classes): the best classes, best first; labels
 *   are copied
 *
 * Timestamps are those of the buffers (PTS), in nanoseconds.
 *
 * Returns: (transfer full): a new result
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
GstVideoClassifyResult *gst_video_classify_result_new (const gchar * model,
    GstClockTime clip_start, GstClockTime clip_end,
    const GstVideoClassifyClass * classes, guint n_classes);

/**
 * gst_video_classify_result_new_with_event:
 * @model: name of the model
 * @clip_start: timestamp of the clip's first frame
 * @clip_end: timestamp of the clip's last frame
 * @classes: (array length=n_classes): the best classes, best first; labels
 *   are copied
 * @event: (nullable): the action that is going on at the end of the clip, or
 *   %NULL; copied with its label
 *
 * Returns: (transfer full): a new result
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
GstVideoClassifyResult *gst_video_classify_result_new_with_event (const gchar *
    model, GstClockTime clip_start, GstClockTime clip_end,
    const GstVideoClassifyClass * classes, guint n_classes,
    const GstVideoClassifyEvent * event);

/**
 * gst_video_classify_result_new_for_object:
 * @result: a result
 * @object: number of the object that it is about, as its tracker gave it
 *
 * Returns: (transfer full): a copy of @result, which is about the object
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
GstVideoClassifyResult *gst_video_classify_result_new_for_object (const
    GstVideoClassifyResult * result, guint64 object);

GST_VIDEO_CLASSIFY_API
GstVideoClassifyResult *gst_video_classify_result_ref (GstVideoClassifyResult *
    result);
GST_VIDEO_CLASSIFY_API
void gst_video_classify_result_unref (GstVideoClassifyResult * result);

/**
 * gst_video_classify_result_get_model:
 *
 * Returns: (transfer none): name of the model
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
const gchar *gst_video_classify_result_get_model (const GstVideoClassifyResult *
    result);

/**
 * gst_video_classify_result_get_clip_start:
 *
 * Returns: timestamp (PTS) of the clip's first frame
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
GstClockTime gst_video_classify_result_get_clip_start (const
    GstVideoClassifyResult * result);

/**
 * gst_video_classify_result_get_clip_end:
 *
 * Returns: timestamp (PTS) of the clip's last frame
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
GstClockTime gst_video_classify_result_get_clip_end (const
    GstVideoClassifyResult * result);

/**
 * gst_video_classify_result_get_n_classes:
 *
 * Returns: number of classes, which may be 0 if no score reached the
 *   element's threshold
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
guint gst_video_classify_result_get_n_classes (const GstVideoClassifyResult *
    result);

/**
 * gst_video_classify_result_get_class:
 * @i: place in the order of scores; 0 is the best
 *
 * Returns: (transfer none) (nullable): the class, valid as long as @result;
 *   %NULL if there are not as many
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
const GstVideoClassifyClass *gst_video_classify_result_get_class (const
    GstVideoClassifyResult * result, guint i);

/**
 * gst_video_classify_result_get_event:
 *
 * Returns: (transfer none) (nullable): the action that is going on at the end of
 *   the clip, valid as long as @result; %NULL if there is none, or if the
 *   element's property `events` is none. It is the same action as in the result
 *   before if its start is the same.
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
const GstVideoClassifyEvent *gst_video_classify_result_get_event (const
    GstVideoClassifyResult * result);

/**
 * gst_video_classify_result_get_object:
 * @object: (out) (optional): number of the object that the result is about, as
 *   its tracker gave it
 *
 * Returns: whether it is about an object, with the element's property `roi`
 *   meta; otherwise it is about the whole picture
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
gboolean gst_video_classify_result_get_object (const GstVideoClassifyResult *
    result, guint64 * object);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstVideoClassifyResult,
    gst_video_classify_result_unref)

/**
 * GstVideoClassifyMeta:
 * @meta: parent
 * @result: (transfer none): the newest result when the buffer passed
 * @age: how long after the clip's last frame the buffer's timestamp is
 *
 * A classification result on a buffer. It has no tags, so that it survives
 * conversion and scaling. A buffer may have several, from different models. On
 * GStreamer 1.24 and later it can be serialised with its buffer.
 *
 * Since: 0.1
 */
typedef struct
{
  GstMeta meta;
  GstVideoClassifyResult *result;
  GstClockTime age;
} GstVideoClassifyMeta;

#define GST_VIDEO_CLASSIFY_META_API_TYPE \
  (gst_video_classify_meta_api_get_type ())
#define GST_VIDEO_CLASSIFY_META_INFO (gst_video_classify_meta_get_info ())

GST_VIDEO_CLASSIFY_API
GType gst_video_classify_meta_api_get_type (void);
GST_VIDEO_CLASSIFY_API
const GstMetaInfo *gst_video_classify_meta_get_info (void);

/**
 * gst_buffer_add_video_classify_meta:
 * @buffer: a writable buffer
 * @result: (transfer none): a result; the meta takes a reference
 *
 * Returns: (transfer none): the buffer's new meta
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
GstVideoClassifyMeta *gst_buffer_add_video_classify_meta (GstBuffer * buffer,
    GstVideoClassifyResult * result);

/**
 * gst_buffer_get_video_classify_meta:
 * @model: (nullable): name of a model, or %NULL for any
 *
 * Returns: (transfer none) (nullable): the buffer's meta of that model
 *
 * Since: 0.1
 */
GST_VIDEO_CLASSIFY_API
GstVideoClassifyMeta *gst_buffer_get_video_classify_meta (GstBuffer * buffer,
    const gchar * model);

G_END_DECLS
