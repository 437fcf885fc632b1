/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The clips of videoclassify3d: from frames to the engine, and what is made of
 * the scores that come back. */

#include "gst/gstvideoclassify3d-private.h"

#include <string.h>

#include "gst/classifyobjects.h"

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

/* By number; NULL if it was an object's that is gone. Called with the lock
 * held. */
static GstClassifyLane *
find_lane (GstVideoClassify3D * self, guint number)
{
  GstClassifyTrack *track = NULL;

  if (number == 0)
    return &self->picture;
  if (self->tracks != NULL)
    track = gst_classify_tracks_find (self->tracks, number);
  return track ? &track->lane : NULL;
}

/* A clip before may come after, if the model was changed in between. */
static void
set_result (GstClassifyLane * lane, GstVideoClassifyResult * result,
    gint64 submitted)
{
  if (lane->result != NULL && lane->result_submitted > submitted)
    return;
  g_clear_pointer (&lane->result, gst_video_classify_result_unref);
  lane->result = gst_video_classify_result_ref (result);
  lane->result_submitted = submitted;
  if (lane->number == 0)
    g_queue_push_tail (&lane->pending, gst_video_classify_result_ref (result));
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
  GstClassifySubject subject;
  GstClassifyLane *lane;

  GST_OBJECT_LOCK (self);
  settings = self->settings;    /* its strings are not used */
  GST_OBJECT_UNLOCK (self);

  g_mutex_lock (&self->lock);
  lane = job->epoch == self->epoch ? find_lane (self, job->stream) : NULL;
  if (lane == NULL) {
    self->stats.skipped++;      /* what it belongs to is gone */
    g_mutex_unlock (&self->lock);
    return;
  }
  subject = lane->subject;
  self->stats.durations[self->stats.n_durations++ % N_DURATIONS] =
      (job->done - job->submitted) / 1000.0f;
  if (job->error != NULL) {
    self->failed = TRUE;
  } else {
    self->stats.done++;
    latency_changed = update_latency (self, job->done - job->submitted);
    result = gst_classify_output_process (job->owner, &settings, job->logits,
        job->features, job->start, job->end, events, &n_events);
    if (subject.kind != GST_CLASSIFY_PICTURE) {
      GstVideoClassifyResult *own =
          gst_video_classify_result_new_for_object (result, subject.id);

      gst_video_classify_result_unref (result);
      result = own;
    }
    set_result (lane, result, job->submitted);
  }
  g_mutex_unlock (&self->lock);

  gst_video_classify_3d_warn_fallback (self, job->fallback);
  if (job->error != NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, FAILED, ("%s", job->error->message),
        (NULL));
    return;
  }
  gst_video_classify_3d_post_result (self, result, job->running_time, &subject);
  for (guint i = 0; i < n_events; i++)
    gst_video_classify_3d_post_event (self, events[i], &subject);
  if (latency_changed
      && gst_video_classify_3d_get_mode (self) == GST_CLASSIFY_MODE_SYNC)
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
}

/* Time ran backwards: as the camera saw it, the last frame came first. */
static void
reverse_clip (GstClassifyLane * lane, GstClassifyJob * job)
{
  guint frames = lane->network->frames;
  gsize size = lane->network->frame_size;
  g_autofree guint8 *frame = g_malloc (size);
  gint64 first = job->start;

  for (guint i = 0; i < frames / 2; i++) {
    guint8 *a = job->rgb + i * size;
    guint8 *b = job->rgb + (frames - 1 - i) * size;

    memcpy (frame, a, size);
    memcpy (a, b, size);
    memcpy (b, frame, size);
  }
  job->start = -job->end;
  job->end = -first;
}

/* Hands the newest clip of a lane to the engine. */
static void
submit_clip (GstVideoClassify3D * self, GstClassifyLane * lane,
    GstClassifySubmit how)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClassifyJob *job = gst_classify_client_begin (lane->network->client);
  guint64 done, skipped;
  GstClockTime end;

  gst_clip_window_copy (lane->window, job->rgb, &job->start, &job->end);
  if (segment->rate < 0) {
    reverse_clip (lane, job);
  } else if (lane->number == 0) {
    lane->announced = gst_clip_window_get_position (lane->window);
    job->position = lane->announced - lane->network->frames;
  }
  end = job->end;
  job->running_time = gst_video_classify_3d_running_time (segment, end);
  job->stream = lane->number;
  job->owner = gst_classify_output_ref (lane->output);
  lane->n_clips++;
  g_mutex_lock (&self->lock);
  self->stats.due++;
  job->epoch = self->epoch;
  g_mutex_unlock (&self->lock);

  if (gst_classify_client_submit (lane->network->client, job, how) == 0)
    return;
  g_mutex_lock (&self->lock);
  self->stats.skipped++;
  done = self->stats.done;
  skipped = self->stats.skipped;
  g_mutex_unlock (&self->lock);
  gst_video_classify_3d_post_skipped (self, end, done, skipped);
}

/* Lets the engine work ahead on the frames that are new. */
static void
announce_frames (GstVideoClassify3D * self, GstClassifyLane * lane)
{
  gint64 end = gst_clip_window_get_position (lane->window);

  if (lane->number != 0 || GST_BASE_TRANSFORM (self)->segment.rate < 0
      || !gst_classify_client_wants_frames (lane->network->client))
    return;
  lane->announced = MAX (lane->announced, end - lane->network->frames);
  for (; lane->announced < end; lane->announced++) {
    const guint8 *frame = gst_clip_window_get_frame (lane->window,
        lane->announced);

    if (frame != NULL)
      gst_classify_client_announce (lane->network->client, frame,
          lane->announced);
  }
}

/* Reports an action that is going on and was not reported, as it ends here. */
static void
finish_action (GstVideoClassify3D * self, GstClassifyLane * lane)
{
  GstStructure *event = NULL;

  g_mutex_lock (&self->lock);
  if (lane->output != NULL)
    event = gst_classify_output_finish (lane->output);
  g_mutex_unlock (&self->lock);
  gst_video_classify_3d_post_event (self, event, &lane->subject);
}

static void
post_model (GstVideoClassify3D * self)
{
  GstClassifyNetwork *network = self->network;

  gst_video_classify_3d_post (self, gst_structure_new ("videoclassify3d-model",
          "model", G_TYPE_STRING, network->name,
          "model-file", G_TYPE_STRING, network->path,
          "classes", G_TYPE_INT,
          cnn3d_model_get_config (network->model)->classes,
          "sample-rate", G_TYPE_DOUBLE, network->rate, NULL));
}

void
gst_video_classify_3d_announce (GstVideoClassify3D * self)
{
  GstStructure *s = gst_structure_new ("videoclassify3d-clips",
      "clip-duration", G_TYPE_UINT64,
      gst_classify_network_get_clip_duration (self->network), NULL);

  gst_pad_push_event (GST_BASE_TRANSFORM_SRC_PAD (self),
      gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, s));
}

/* The network takes over for the clips to come. */
static void
switch_network (GstVideoClassify3D * self, GstClassifyLane * lane)
{
  gboolean is_first = lane->network == NULL;

  finish_action (self, lane);
  g_mutex_lock (&self->lock);
  gst_classify_lane_set_network (lane, self->network);
  g_mutex_unlock (&self->lock);
  gst_clip_window_set_frame_duration (lane->window, self->frame_duration);
  if (lane->number == 0 && !is_first) {
    gst_video_classify_3d_announce (self);
    post_model (self);
  }
}

static gint64
window_time (GstVideoClassify3D * self, GstClockTime pts)
{
  return GST_BASE_TRANSFORM (self)->segment.rate < 0 ? -(gint64) pts
      : (gint64) pts;
}

/* The scaler of a crop, or of the whole picture. */
static gboolean
prepare_scaler (GstVideoClassify3D * self, GstClassifyLane * lane,
    const GstVideoRectangle * crop)
{
  GstClassifyNetwork *network = lane->network;

  if (lane->scaler != NULL
      && (crop == NULL || gst_frame_scaler_has_crop (lane->scaler, crop)))
    return TRUE;
  g_clear_pointer (&lane->scaler, gst_frame_scaler_free);
  if (crop != NULL)
    lane->scaler = gst_frame_scaler_new_crop (&self->info, network->size, crop);
  else
    lane->scaler = gst_frame_scaler_new (&self->info, network->size,
        cnn3d_model_get_card (network->model)->resize);
  return lane->scaler != NULL;
}

/* A lane's share of a frame: of a crop of it, if there is one. */
static gboolean
take_frame (GstVideoClassify3D * self, GstClassifyLane * lane,
    GstBuffer * buffer, GstClockTime pts, const GstVideoRectangle * crop,
    GstClassifySubmit how, gboolean * submitted)
{
  guint8 *rgb;

  if (lane->network != self->network && (lane->network == NULL
          || gst_classify_lane_is_between_clips (lane)))
    switch_network (self, lane);
  rgb = gst_clip_window_wants (lane->window, window_time (self, pts));
  if (rgb == NULL)
    return TRUE;
  if (!prepare_scaler (self, lane, crop)
      || !gst_frame_scaler_run (lane->scaler, buffer, rgb))
    return FALSE;
  if (gst_clip_window_commit (lane->window)) {
    submit_clip (self, lane, how);
    *submitted = TRUE;
  } else {
    announce_frames (self, lane);
  }
  return TRUE;
}

static gboolean
take_object (GstVideoClassify3D * self, GstBuffer * buffer, GstClockTime pts,
    const GstClassifyObject * object, GstClassifySubmit how, gboolean * submitted)
{
  GstClassifyTrack *track;
  GstVideoRectangle crop;

  g_mutex_lock (&self->lock);
  track = gst_classify_tracks_see (self->tracks, &object->subject, object->x,
      object->y, object->w, object->h, pts);
  g_mutex_unlock (&self->lock);
  crop = gst_classify_track_get_crop (track,
      GST_VIDEO_INFO_WIDTH (&self->info), GST_VIDEO_INFO_HEIGHT (&self->info));
  return take_frame (self, &track->lane, buffer, pts, &crop, how, submitted);
}

static void
expire_tracks (GstVideoClassify3D * self, GstClockTime now)
{
  GstClassifyTrack *track;

  while ((track = gst_classify_tracks_find_expired (self->tracks, now))) {
    finish_action (self, &track->lane);
    g_mutex_lock (&self->lock);
    gst_classify_tracks_remove (self->tracks, track);
    g_mutex_unlock (&self->lock);
  }
}

static void
drain (GstVideoClassify3D * self, GstClassifyLane * lane)
{
  if (lane->network != NULL)
    gst_classify_client_drain (lane->network->client);
}

static void
drain_track (GstClassifyTrack * track, gpointer self)
{
  drain (self, &track->lane);
}

/* Nobody can tell them apart from one buffer to the next. */
static void
warn_of_nameless (GstVideoClassify3D * self, guint n, GstClockTime pts)
{
  if (n == 0 || self->ids_warned)
    return;
  self->ids_warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("%u regions of the frame at %" GST_TIME_FORMAT
          " have the id 0, so they are left out", n, GST_TIME_ARGS (pts)),
      ("roi=meta needs a tracker that gives each region an id of its own"));
}

static gboolean
take_objects (GstVideoClassify3D * self, GstBuffer * buffer, GstClockTime pts)
{
  guint n_nameless;
  g_autoptr (GArray) objects = gst_classify_objects_find (buffer, &n_nameless);
  GstClassifyMode mode = gst_video_classify_3d_get_mode (self);
  gboolean ok = TRUE, submitted = FALSE;

  warn_of_nameless (self, n_nameless, pts);
  for (guint i = 0; ok && i < objects->len; i++)
    ok = take_object (self, buffer, pts, &g_array_index (objects,
            GstClassifyObject, i), mode == GST_CLASSIFY_MODE_ASYNC
        ? GST_CLASSIFY_SUBMIT_NEWEST : GST_CLASSIFY_SUBMIT_ALL, &submitted);
  /* Those that are ready at the same time ran as one batch. */
  if (submitted && mode == GST_CLASSIFY_MODE_SYNC)
    gst_classify_tracks_foreach (self->tracks, drain_track, self);
  expire_tracks (self, pts);
  return ok;
}

/* How the mode wants a clip of the whole picture to be submitted. */
static GstClassifySubmit
find_submit (GstVideoClassify3D * self)
{
  switch (gst_video_classify_3d_get_mode (self)) {
    case GST_CLASSIFY_MODE_ASYNC:
      return GST_CLASSIFY_SUBMIT_NEWEST;
    case GST_CLASSIFY_MODE_QUEUE:
      return GST_CLASSIFY_SUBMIT_ALL;
    default:
      return GST_CLASSIFY_SUBMIT_DONE;
  }
}

gboolean
gst_video_classify_3d_take_frame (GstVideoClassify3D * self,
    GstBuffer * buffer, GstClockTime pts)
{
  gboolean submitted = FALSE;

  if (self->tracks != NULL)
    return take_objects (self, buffer, pts);
  return take_frame (self, &self->picture, buffer, pts, NULL,
      find_submit (self), &submitted);
}

void
gst_video_classify_3d_pass_time (GstVideoClassify3D * self, GstClockTime time)
{
  /* Objects are not known to stay where they are. */
  if (self->tracks != NULL) {
    expire_tracks (self, time);
    return;
  }
  while (gst_clip_window_advance (self->picture.window, window_time (self,
              time)))
    submit_clip (self, &self->picture, find_submit (self));
}

/* Results that no buffer has carried, and none will, go downstream by themselves. */
static void
push_pending (GstVideoClassify3D * self)
{
  GList *pending;

  g_mutex_lock (&self->lock);
  pending = gst_classify_lane_take_pending (&self->picture);
  g_mutex_unlock (&self->lock);
  for (GList * l = pending; l != NULL; l = l->next)
    gst_pad_push_event (GST_BASE_TRANSFORM_SRC_PAD (self),
        gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
            gst_structure_new ("videoclassify3d-result",
                "result", GST_TYPE_VIDEO_CLASSIFY_RESULT, l->data, NULL)));
  g_list_free_full (pending, (GDestroyNotify) gst_video_classify_result_unref);
}

void
gst_video_classify_3d_finish_stream (GstVideoClassify3D * self)
{
  if (gst_video_classify_3d_get_mode (self) == GST_CLASSIFY_MODE_QUEUE) {
    drain (self, &self->picture);
    if (self->tracks != NULL)
      gst_classify_tracks_foreach (self->tracks, drain_track, self);
  }
  push_pending (self);
}

static void
finish_track (GstClassifyTrack * track, gpointer self)
{
  finish_action (self, &track->lane);
}

void
gst_video_classify_3d_interrupt (GstVideoClassify3D * self, gboolean forget)
{
  GstClassifyLane *picture = &self->picture;
  guint dropped = 0;

  if (!forget) {
    gst_video_classify_3d_finish_stream (self);
    finish_action (self, picture);
    if (self->tracks != NULL)
      gst_classify_tracks_foreach (self->tracks, finish_track, self);
  }
  if (picture->network != NULL)
    dropped = gst_classify_client_flush (picture->network->client);
  g_mutex_lock (&self->lock);
  self->epoch++;
  self->stats.skipped += dropped;
  gst_classify_lane_reset (picture, forget);
  if (self->tracks != NULL)
    gst_classify_tracks_reset (self->tracks);
  self->failed = FALSE;
  self->last_pts = GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&self->lock);
  self->next_pts = GST_CLOCK_TIME_NONE;
  self->last_time = GST_CLOCK_TIME_NONE;
  self->is_first = TRUE;
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

/* The end of a lane's clips. */
static void
finish_lane (GstVideoClassify3D * self, GstClassifyLane * lane,
    GstClassifyOnEos on_eos, guint top_k)
{
  g_autoptr (GstVideoClassifyResult) last = NULL;
  gboolean is_padded = FALSE;
  GstStructure *summary;

  if (lane->network == NULL)
    return;
  /* By default a video shorter than a clip still gets its answer. */
  if (on_eos == GST_CLASSIFY_ON_EOS_AUTO)
    on_eos = lane->n_clips > 0 ? GST_CLASSIFY_ON_EOS_DROP
        : GST_CLASSIFY_ON_EOS_PAD;
  drain (self, lane);
  push_pending (self);
  if (on_eos == GST_CLASSIFY_ON_EOS_PAD && gst_clip_window_pad (lane->window)) {
    submit_clip (self, lane, GST_CLASSIFY_SUBMIT_DONE);
    is_padded = TRUE;
  }
  finish_action (self, lane);
  g_mutex_lock (&self->lock);
  if (is_padded && lane->result != NULL)
    last = gst_video_classify_result_ref (lane->result);
  g_list_free_full (gst_classify_lane_take_pending (lane),
      (GDestroyNotify) gst_video_classify_result_unref);
  summary = gst_classify_output_summary (lane->output, top_k);
  g_mutex_unlock (&self->lock);
  if (summary == NULL)
    return;
  gst_video_classify_3d_set_subject (summary, &lane->subject);
  push_summary (self, summary,
      lane->subject.kind == GST_CLASSIFY_PICTURE ? last : NULL);
  gst_video_classify_3d_post (self, summary);
}

typedef struct
{
  GstVideoClassify3D *self;
  GstClassifyOnEos on_eos;
  guint top_k;
} Finish;

static void
finish_track_lane (GstClassifyTrack * track, gpointer data)
{
  Finish *finish = data;

  finish_lane (finish->self, &track->lane, finish->on_eos, finish->top_k);
}

void
gst_video_classify_3d_finish (GstVideoClassify3D * self)
{
  Finish finish = {.self = self };

  GST_OBJECT_LOCK (self);
  finish.on_eos = self->settings.on_eos;
  finish.top_k = self->settings.top_k;
  GST_OBJECT_UNLOCK (self);
  if (self->tracks != NULL)
    gst_classify_tracks_foreach (self->tracks, finish_track_lane, &finish);
  else
    finish_lane (self, &self->picture, finish.on_eos, finish.top_k);
}
