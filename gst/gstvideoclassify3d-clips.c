/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The clips of videoclassify3d: from frames to the engine, and what is made of
 * the scores that come back. */

#include "gst/gstvideoclassify3d-private.h"

#include <string.h>

#include "gst/classifyobjects.h"

GST_DEBUG_CATEGORY_EXTERN (gst_video_classify_3d_debug);
#define GST_CAT_DEFAULT gst_video_classify_3d_debug

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
  if (self->result != NULL && GST_CLOCK_TIME_IS_VALID (self->last_pts))
    age = self->last_pts
        - MIN (gst_video_classify_result_get_clip_end (self->result),
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

static gboolean
settings_are_async (GstVideoClassify3D * self,
    const GstClassifySettings * settings)
{
  return settings->mode == GST_CLASSIFY_MODE_ASYNC
      || (settings->mode == GST_CLASSIFY_MODE_AUTO && self->is_live);
}

gboolean
gst_video_classify_3d_is_async (GstVideoClassify3D * self)
{
  gboolean async;

  GST_OBJECT_LOCK (self);
  async = settings_are_async (self, &self->settings);
  GST_OBJECT_UNLOCK (self);
  return async;
}

static void
post_structure (GstVideoClassify3D * self, GstStructure * s)
{
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), s));
}

static void
post_event (GstVideoClassify3D * self, GstStructure * event)
{
  g_signal_emit (self,
      gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_EVENT], 0, event);
  post_structure (self, event);
}

static void
post_result (GstVideoClassify3D * self, GstVideoClassifyResult * result,
    gint64 object)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime end = gst_video_classify_result_get_clip_end (result);
  GstStructure *s = gst_classify_output_describe (result);

  gst_structure_set (s, "clip-start", G_TYPE_UINT64,
      gst_video_classify_result_get_clip_start (result),
      "clip-end", G_TYPE_UINT64, end, "running-time", G_TYPE_UINT64,
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, end), NULL);
  if (object >= 0)
    gst_structure_set (s, "object", G_TYPE_UINT64, (guint64) object, NULL);
  g_signal_emit (self,
      gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_RESULT], 0, result);
  post_structure (self, s);
}

/* How long buffers may be held up, if it is more than was said. */
static gboolean
update_latency (GstVideoClassify3D * self, gint64 us)
{
  GstClockTime latency = us * GST_USECOND;

  if (latency <= self->latency)
    return FALSE;
  /* With room to spare, so that it is not said anew with every clip. */
  self->latency = latency + latency / 2;
  return TRUE;
}

/* What belongs to the clips of a number: those of the picture (0), or of an
 * object, which may be gone. Called with the lock held. */
static gboolean
find_stream (GstVideoClassify3D * self, guint stream,
    GstClassifyOutput ** output, GstVideoClassifyResult *** newest,
    gint64 * object)
{
  GstClassifyTrack *track;

  if (stream == 0) {
    *output = self->output;
    *newest = &self->result;
    *object = -1;
    return TRUE;
  }
  track = self->tracks ? gst_classify_tracks_find (self->tracks, stream) : NULL;
  if (track == NULL)
    return FALSE;
  *output = track->output;
  *newest = &track->result;
  *object = track->id;
  return TRUE;
}

void
gst_video_classify_3d_clip_done (gpointer data, const GstClassifyJob * job)
{
  GstVideoClassify3D *self = data;
  g_autoptr (GstVideoClassifyResult) result = NULL;
  GstStructure *events[2];
  GstClassifySettings settings;
  guint n_events = 0;
  gboolean latency_changed = FALSE;
  GstVideoClassifyResult **newest;
  GstClassifyOutput *output;
  gint64 object;

  GST_OBJECT_LOCK (self);
  settings = self->settings;    /* its strings are not used */
  GST_OBJECT_UNLOCK (self);

  g_mutex_lock (&self->lock);
  if (job->epoch != self->epoch || !find_stream (self, job->stream, &output,
          &newest, &object)) {
    g_mutex_unlock (&self->lock);
    return;
  }
  self->stats.durations[self->stats.n_durations++ % N_DURATIONS] =
      (job->done - job->submitted) / 1000.0f;
  if (job->error != NULL) {
    self->failed = TRUE;
  } else {
    self->stats.done++;
    latency_changed = update_latency (self, job->done - job->submitted);
    result = gst_classify_output_process (output, &settings, job->logits,
        job->start, job->end, events, &n_events);
    g_clear_pointer (newest, gst_video_classify_result_unref);
    *newest = gst_video_classify_result_ref (result);
  }
  g_mutex_unlock (&self->lock);

  if (job->error != NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, FAILED, ("%s", job->error->message),
        (NULL));
    return;
  }
  post_result (self, result, object);
  for (guint i = 0; i < n_events; i++) {
    if (object >= 0)
      gst_structure_set (events[i], "object", G_TYPE_UINT64, (guint64) object,
          NULL);
    post_event (self, events[i]);
  }
  if (latency_changed && !settings_are_async (self, &settings))
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
}

/* Time ran backwards: as the camera saw it, the last frame came first. */
static void
reverse_clip (GstVideoClassify3D * self, gint64 * start, gint64 * end)
{
  gint frames = cnn3d_model_get_config (self->network)->frames;
  gsize size = self->frame_size;
  g_autofree guint8 *frame = g_malloc (size);
  gint64 first = *start;

  for (gint i = 0; i < frames / 2; i++) {
    guint8 *a = self->clip + i * size;
    guint8 *b = self->clip + (frames - 1 - i) * size;

    memcpy (frame, a, size);
    memcpy (a, b, size);
    memcpy (b, frame, size);
  }
  *start = -*end;
  *end = -first;
}

static void
post_skipped (GstVideoClassify3D * self, GstClockTime end, guint64 done,
    guint64 skipped)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), self->is_live,
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, end),
      gst_segment_to_stream_time (segment, GST_FORMAT_TIME, end), end,
      GST_CLOCK_TIME_NONE);

  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, done, skipped);
  gst_element_post_message (GST_ELEMENT (self), message);
}

/* Hands the newest clip of a window to the engine. */
static void
submit_clip (GstVideoClassify3D * self, GstClipWindow * window, guint stream,
    gboolean wait)
{
  guint64 done, skipped;
  gint64 start, end;
  guint epoch, dropped;

  gst_clip_window_copy (window, self->clip, &start, &end);
  if (GST_BASE_TRANSFORM (self)->segment.rate < 0)
    reverse_clip (self, &start, &end);
  g_mutex_lock (&self->lock);
  self->stats.due++;
  epoch = self->epoch;
  g_mutex_unlock (&self->lock);

  dropped = gst_classify_client_submit (self->client, self->clip, start, end,
      epoch, stream, wait);
  if (dropped == 0)
    return;
  g_mutex_lock (&self->lock);
  self->stats.skipped += dropped;
  done = self->stats.done;
  skipped = self->stats.skipped;
  g_mutex_unlock (&self->lock);
  post_skipped (self, end, done, skipped);
}

static gint64
window_time (GstVideoClassify3D * self, GstClockTime pts)
{
  return GST_BASE_TRANSFORM (self)->segment.rate < 0 ? -(gint64) pts
      : (gint64) pts;
}

/* An object that is new gets clips of its own. */
static void
prepare_track (GstVideoClassify3D * self, GstClassifyTrack * track)
{
  const Cnn3dConfig *config = cnn3d_model_get_config (self->network);
  gchar *idle_labels, *model_name;

  if (track->window != NULL)
    return;
  GST_OBJECT_LOCK (self);
  idle_labels = g_strdup (self->settings.idle_labels);
  GST_OBJECT_UNLOCK (self);
  model_name = g_strdup (gst_classify_output_get_model_name (self->output));
  track->window = gst_clip_window_new (config->frames, self->clip_stride,
      self->rate, self->frame_size);
  gst_clip_window_set_frame_duration (track->window, self->frame_duration);
  track->output = gst_classify_output_new (self->network, model_name,
      idle_labels);
  g_free (idle_labels);
  g_free (model_name);
}

/* One object's share of a frame. Tracks are changed by the streaming thread
 * alone, with the lock held where the engine's thread looks at them. */
static gboolean
take_object (GstVideoClassify3D * self, GstBuffer * buffer, GstClockTime pts,
    const GstClassifyObject * object, gboolean * submitted)
{
  GstVideoRectangle crop;
  GstClassifyTrack *track;
  guint8 *rgb;

  g_mutex_lock (&self->lock);
  track = gst_classify_tracks_see (self->tracks, object->id, object->x,
      object->y, object->w, object->h, pts);
  prepare_track (self, track);
  g_mutex_unlock (&self->lock);

  rgb = gst_clip_window_wants (track->window, window_time (self, pts));
  if (rgb == NULL)
    return TRUE;
  crop = gst_classify_track_get_crop (track,
      GST_VIDEO_INFO_WIDTH (&self->info), GST_VIDEO_INFO_HEIGHT (&self->info));
  if (track->scaler == NULL
      || !gst_frame_scaler_has_crop (track->scaler, &crop)) {
    g_clear_pointer (&track->scaler, gst_frame_scaler_free);
    track->scaler = gst_frame_scaler_new_crop (&self->info,
        cnn3d_model_get_config (self->network)->size, &crop);
  }
  if (track->scaler == NULL
      || !gst_frame_scaler_run (track->scaler, buffer, rgb))
    return FALSE;
  if (gst_clip_window_commit (track->window)) {
    submit_clip (self, track->window, track->stream, FALSE);
    *submitted = TRUE;
  }
  return TRUE;
}

static gboolean
take_objects (GstVideoClassify3D * self, GstBuffer * buffer, GstClockTime pts)
{
  g_autoptr (GArray) objects = gst_classify_objects_find (buffer);
  gboolean ok = TRUE, submitted = FALSE;

  for (guint i = 0; ok && i < objects->len; i++)
    ok = take_object (self, buffer, pts, &g_array_index (objects,
            GstClassifyObject, i), &submitted);
  /* Those that are ready at the same time ran as one batch. */
  if (submitted && !gst_video_classify_3d_is_async (self))
    gst_classify_client_drain (self->client);
  g_mutex_lock (&self->lock);
  gst_classify_tracks_expire (self->tracks, pts);
  g_mutex_unlock (&self->lock);
  return ok;
}

gboolean
gst_video_classify_3d_take_frame (GstVideoClassify3D * self,
    GstBuffer * buffer, GstClockTime pts)
{
  guint8 *rgb;

  if (self->tracks != NULL)
    return take_objects (self, buffer, pts);
  rgb = gst_clip_window_wants (self->window, window_time (self, pts));
  if (rgb == NULL)
    return TRUE;
  if (!gst_frame_scaler_run (self->scaler, buffer, rgb))
    return FALSE;
  if (gst_clip_window_commit (self->window))
    submit_clip (self, self->window, 0,
        !gst_video_classify_3d_is_async (self));
  return TRUE;
}

static void
attach_to_objects (GstVideoClassify3D * self, GstBuffer * buffer)
{
  g_autoptr (GArray) objects = gst_classify_objects_find (buffer);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < objects->len; i++) {
    GstClassifyObject *object = &g_array_index (objects, GstClassifyObject, i);
    GstClassifyTrack *track = gst_classify_tracks_look (self->tracks,
        object->id);

    if (track != NULL && track->result != NULL)
      gst_classify_object_attach (object, buffer, track->result);
  }
  g_mutex_unlock (&self->lock);
}

void
gst_video_classify_3d_attach (GstVideoClassify3D * self, GstBuffer * buffer,
    GstClockTime pts)
{
  g_autoptr (GstVideoClassifyResult) result = NULL;
  GstVideoClassifyMeta *meta;
  GstClockTime end;

  g_mutex_lock (&self->lock);
  self->stats.frames++;
  self->last_pts = pts;
  if (self->result != NULL)
    result = gst_video_classify_result_ref (self->result);
  g_mutex_unlock (&self->lock);
  if (self->tracks != NULL)
    attach_to_objects (self, buffer);
  if (result == NULL)
    return;

  meta = gst_buffer_add_video_classify_meta (buffer, result);
  end = gst_video_classify_result_get_clip_end (result);
  meta->age = pts > end ? pts - end : 0;
  gst_classify_object_attach (NULL, buffer, result);
}

/* What elements downstream could not learn from buffers: the summary, and the
 * result of a clip that was padded, which comes after the last buffer. */
static void
push_summary (GstVideoClassify3D * self, const GstStructure * summary,
    GstVideoClassifyResult * last)
{
  GstStructure *s = gst_structure_copy (summary);

  if (last != NULL)
    gst_structure_set (s, "result", GST_TYPE_VIDEO_CLASSIFY_RESULT, last, NULL);
  gst_pad_push_event (GST_BASE_TRANSFORM_SRC_PAD (self),
      gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, s));
}

void
gst_video_classify_3d_finish (GstVideoClassify3D * self)
{
  g_autoptr (GstVideoClassifyResult) last = NULL;
  GstStructure *event, *summary;
  gboolean is_padded = FALSE;
  GstClassifyOnEos on_eos;
  guint top_k;

  GST_OBJECT_LOCK (self);
  on_eos = self->settings.on_eos;
  top_k = self->settings.top_k;
  GST_OBJECT_UNLOCK (self);

  /* By default a video shorter than a clip still gets its answer. */
  if (on_eos == GST_CLASSIFY_ON_EOS_AUTO)
    on_eos = gst_clip_window_had_clip (self->window) ?
        GST_CLASSIFY_ON_EOS_DROP : GST_CLASSIFY_ON_EOS_PAD;
  gst_classify_client_drain (self->client);
  if (on_eos == GST_CLASSIFY_ON_EOS_PAD && gst_clip_window_pad (self->window)) {
    submit_clip (self, self->window, 0, TRUE);
    is_padded = TRUE;
  }
  g_mutex_lock (&self->lock);
  if (is_padded && self->result != NULL)
    last = gst_video_classify_result_ref (self->result);
  event = gst_classify_output_finish (self->output);
  summary = gst_classify_output_summary (self->output, top_k);
  g_mutex_unlock (&self->lock);
  if (event != NULL)
    post_event (self, event);
  if (summary != NULL) {
    push_summary (self, summary, last);
    post_structure (self, summary);
  }
}

