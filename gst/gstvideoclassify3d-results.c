/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What comes of the clips of videoclassify3d: metadata, messages, signals,
 * statistics. */

#include "gst/gstvideoclassify3d-private.h"

#include <stdlib.h>
#include <string.h>

#include "gst/classifyobjects.h"

static int
compare_floats (gconstpointer a, gconstpointer b)
{
  gfloat x = *(const gfloat *) a, y = *(const gfloat *) b;

  return x < y ? -1 : x > y;
}

GstStructure *
gst_video_classify_3d_make_stats (GstVideoClassify3D * self)
{
  gfloat sorted[N_DURATIONS], p50 = 0, p95 = 0;
  GstClockTime age = GST_CLOCK_TIME_NONE;
  GstVideoClassify3DStats stats;
  guint n;

  g_mutex_lock (&self->lock);
  stats = self->stats;
  if (self->picture.result != NULL && GST_CLOCK_TIME_IS_VALID (self->last_pts))
    age = self->last_pts
        - MIN (gst_video_classify_result_get_clip_end (self->picture.result),
        self->last_pts);
  g_mutex_unlock (&self->lock);

  n = MIN (stats.n_durations, N_DURATIONS);
  memcpy (sorted, stats.durations, n * sizeof (gfloat));
  qsort (sorted, n, sizeof (gfloat), compare_floats);
  if (n > 0) {
    p50 = sorted[n / 2];
    p95 = sorted[n * 95 / 100];
  }
  return gst_structure_new ("videoclassify3d-stats",
      "frames", G_TYPE_UINT64, stats.frames,
      "clips-due", G_TYPE_UINT64, stats.due,
      "clips-done", G_TYPE_UINT64, stats.done,
      "clips-skipped", G_TYPE_UINT64, stats.skipped,
      "ms-p50", G_TYPE_DOUBLE, (gdouble) p50,
      "ms-p95", G_TYPE_DOUBLE, (gdouble) p95,
      "age", G_TYPE_UINT64, (guint64) age, NULL);
}

void
gst_video_classify_3d_post (GstVideoClassify3D * self, GstStructure * s)
{
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), s));
}

void
gst_video_classify_3d_set_subject (GstStructure * s,
    const GstClassifySubject * subject)
{
  if (subject->kind == GST_CLASSIFY_PICTURE)
    return;
  gst_structure_set (s, "object", G_TYPE_UINT64, subject->id,
      "object-kind", G_TYPE_STRING,
      subject->kind == GST_CLASSIFY_REGION ? "region" : "tracking", NULL);
}

GstClockTime
gst_video_classify_3d_running_time (const GstSegment * segment,
    GstClockTime time)
{
  return segment->format == GST_FORMAT_TIME ? gst_segment_to_running_time
      (segment, GST_FORMAT_TIME, time) : GST_CLOCK_TIME_NONE;
}

void
gst_video_classify_3d_post_event (GstVideoClassify3D * self,
    GstStructure * event, const GstClassifySubject * subject)
{
  guint64 end = GST_CLOCK_TIME_NONE;

  if (event == NULL)
    return;
  gst_structure_get_uint64 (event, "end", &end);
  g_mutex_lock (&self->lock);
  end = gst_video_classify_3d_running_time (&self->segment, end);
  g_mutex_unlock (&self->lock);
  gst_structure_set (event, "running-time", G_TYPE_UINT64, end, NULL);
  gst_video_classify_3d_set_subject (event, subject);
  g_signal_emit (self,
      gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_EVENT], 0, event);
  gst_video_classify_3d_post (self, event);
}

void
gst_video_classify_3d_post_result (GstVideoClassify3D * self,
    GstVideoClassifyResult * result, GstClockTime running_time,
    const GstClassifySubject * subject)
{
  GstStructure *s = gst_classify_output_describe (result);

  gst_structure_set (s, "clip-start", G_TYPE_UINT64,
      gst_video_classify_result_get_clip_start (result),
      "clip-end", G_TYPE_UINT64,
      gst_video_classify_result_get_clip_end (result),
      "running-time", G_TYPE_UINT64, running_time, NULL);
  gst_video_classify_3d_set_subject (s, subject);
  g_signal_emit (self,
      gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_RESULT], 0, result);
  gst_video_classify_3d_post (self, s);
}

void
gst_video_classify_3d_post_skipped (GstVideoClassify3D * self,
    GstClockTime end, guint64 done, guint64 skipped)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self),
      gst_video_classify_3d_get_mode (self) == GST_CLASSIFY_MODE_ASYNC,
      gst_video_classify_3d_running_time (segment, end),
      segment->format == GST_FORMAT_TIME ? gst_segment_to_stream_time (segment,
          GST_FORMAT_TIME, end) : GST_CLOCK_TIME_NONE, end,
      GST_CLOCK_TIME_NONE);

  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, done, skipped);
  gst_element_post_message (GST_ELEMENT (self), message);
}

static GstClockTime
find_age (const GstVideoClassifyResult * result, GstClockTime pts)
{
  GstClockTime end = gst_video_classify_result_get_clip_end (result);

  return pts > end ? pts - end : 0;
}

static void
attach_to_objects (GstVideoClassify3D * self, GstBuffer * buffer,
    GstClockTime pts)
{
  guint n_nameless;
  g_autoptr (GArray) objects = gst_classify_objects_find (buffer, &n_nameless);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < objects->len; i++) {
    GstClassifyObject *object = &g_array_index (objects, GstClassifyObject, i);
    GstClassifyTrack *track = gst_classify_tracks_look (self->tracks,
        &object->subject);

    if (track != NULL && track->lane.result != NULL)
      gst_classify_object_attach (object, buffer, track->lane.result,
          find_age (track->lane.result, pts));
  }
  g_mutex_unlock (&self->lock);
}

gboolean
gst_video_classify_3d_attach (GstVideoClassify3D * self, GstBuffer * buffer,
    GstClockTime pts)
{
  g_autoptr (GstVideoClassifyResult) result = NULL;
  GstVideoClassifyMeta *meta;
  GList *pending;
  gboolean ok;

  g_mutex_lock (&self->lock);
  self->stats.frames++;
  self->last_pts = pts;
  ok = !self->failed;
  if (self->picture.result != NULL)
    result = gst_video_classify_result_ref (self->picture.result);
  pending = gst_classify_lane_take_pending (&self->picture);
  g_mutex_unlock (&self->lock);
  /* Those before the newest are not seen on buffers. */
  g_list_free_full (pending, (GDestroyNotify) gst_video_classify_result_unref);
  if (self->tracks != NULL)
    attach_to_objects (self, buffer, pts);
  if (result == NULL)
    return ok;

  meta = gst_buffer_add_video_classify_meta (buffer, result);
  meta->age = find_age (result, pts);
  gst_classify_object_attach (NULL, buffer, result, meta->age);
  return ok;
}
