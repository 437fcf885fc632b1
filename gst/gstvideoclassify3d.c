/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-videoclassify3d
 * @title: videoclassify3d
 * @short_description: classifies actions and gestures in video
 *
 * Assembles clips from raw video of any format, classifies them with a 3D
 * convolutional network and attaches the best classes to the buffers. Pixels
 * are not touched and buffers are not copied.
 *
 * Frames are chosen by their timestamps, at the rate that the model was
 * trained for (#GstVideoClassify3D:sample-rate). Where the length of the stream
 * is known, as that of a file is, the clips are taken from its middle, so that
 * what fills no clip is left out at both ends alike.
 *
 * With #GstVideoClassify3D:mode sync, the default for files, every clip is
 * classified; its result is attached to the buffer of its last frame and to all
 * after that, until the next one. With async, the default for live sources,
 * buffers never wait: a clip that is due while others are still in work is
 * classified if it is the newest when its turn comes, and skipped otherwise.
 * The newest result is attached to each buffer that passes. With queue, every
 * clip is classified as well, but buffers go ahead of results: for files of
 * which only the messages matter. Clips that wait run as one batch.
 *
 * Results are attached as #GstVideoClassifyMeta, and as GstAnalytics
 * classification where GStreamer has it (1.24 or later). They are also emitted
 * as the signal #GstVideoClassify3D::result, and posted as element messages
 * named `videoclassify3d` with these fields:
 *
 * * `model` (string)
 * * `clip-start`, `clip-end` (guint64): timestamps of the clip's first and last
 *   frame
 * * `running-time` (guint64): of the clip's last frame
 * * `label` (string), `score` (double): of the best class, if its score reaches
 *   #GstVideoClassify3D:threshold
 * * `labels`, `scores`, `indices` (#GstValueArray): of the
 *   #GstVideoClassify3D:top-k best classes that reach the threshold
 *
 * With #GstVideoClassify3D:events once, each action is reported once, by the
 * signal #GstVideoClassify3D::event and a message named `videoclassify3d-event`
 * with `model`, `label`, `index`, `score` (the highest), `start`, `peak`, `end`
 * (timestamps), `running-time` (guint64, of `end`) and `early` (boolean: reported
 * before its end).
 *
 * At EOS, a message named `videoclassify3d-summary` has the mean of the scores
 * of all clips (`label` to `indices` as above) and the number of `clips`. A video
 * shorter than one clip is repeated to the length of a clip, and its result
 * posted as a message.
 *
 * Results that come after the last buffer, as with async and queue, go
 * downstream as custom events named `videoclassify3d-result`, whose field
 * `result` (#GstVideoClassifyResult) has them, before EOS. How long clips are is
 * said before the first by a sticky custom event named `videoclassify3d-clips`,
 * with `clip-duration` (guint64).
 *
 * Elements with the same model file and options share one network and its
 * threads; clips that several of them have ready run as one batch.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 -m v4l2src ! videoclassify3d model=shufflenet ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */

#include "gst/gstvideoclassify3d-private.h"

#include <string.h>

GST_DEBUG_CATEGORY (gst_video_classify_3d_debug);
#define GST_CAT_DEFAULT gst_video_classify_3d_debug

enum
{
  PROP_0,
  PROP_STATS,
};

guint gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_N_SIGNALS];

G_DEFINE_TYPE (GstVideoClassify3D, gst_video_classify_3d,
    GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE (videoclassify3d, "videoclassify3d",
    GST_RANK_NONE, GST_TYPE_VIDEO_CLASSIFY_3D);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)));

static void
gst_video_classify_3d_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_classify_settings_set (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* Called once for all properties that one call of g_object_set() has set, so
 * that a model and its labels are loaded together. */
static void
gst_video_classify_3d_dispatch_properties_changed (GObject * object,
    guint n_pspecs, GParamSpec ** pspecs)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (object);
  gboolean is_model = FALSE;

  for (guint i = 0; i < n_pspecs; i++)
    is_model |= pspecs[i]->owner_type == GST_TYPE_VIDEO_CLASSIFY_3D
        && gst_classify_settings_is_model (pspecs[i]->param_id);
  if (is_model && !gst_video_classify_3d_is_loader (self))
    gst_video_classify_3d_change_model (self);
  G_OBJECT_CLASS (gst_video_classify_3d_parent_class)->
      dispatch_properties_changed (object, n_pspecs, pspecs);
}

static void
gst_video_classify_3d_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (object);
  gboolean known;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, gst_video_classify_3d_make_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  known = gst_classify_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

GstClassifyMode
gst_video_classify_3d_get_mode (GstVideoClassify3D * self)
{
  GstClassifyMode mode;
  gboolean is_live;

  GST_OBJECT_LOCK (self);
  mode = self->settings.mode;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  is_live = self->is_live;
  g_mutex_unlock (&self->lock);
  if (mode == GST_CLASSIFY_MODE_AUTO)
    mode = is_live ? GST_CLASSIFY_MODE_ASYNC : GST_CLASSIFY_MODE_SYNC;
  return mode;
}

static gboolean
gst_video_classify_3d_stop (GstBaseTransform * trans)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);

  gst_video_classify_3d_interrupt (self, TRUE);
  g_mutex_lock (&self->lock);
  gst_classify_lane_clear (&self->picture);
  g_clear_pointer (&self->tracks, gst_classify_tracks_free);
  g_mutex_unlock (&self->lock);
  gst_video_classify_3d_stop_models (self);
  return TRUE;
}

static gboolean
gst_video_classify_3d_start (GstBaseTransform * trans)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  GstClassifyRoi roi;

  if (!gst_video_classify_3d_start_models (self))
    return FALSE;
  GST_OBJECT_LOCK (self);
  roi = self->settings.roi;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  if (roi == GST_CLASSIFY_ROI_META)
    self->tracks = gst_classify_tracks_new ();
  gst_classify_lane_set_network (&self->picture, self->network);
  self->ids_warned = FALSE;
  self->latency = 0;
  self->is_live = FALSE;
  memset (&self->stats, 0, sizeof self->stats);
  g_mutex_unlock (&self->lock);
  gst_video_classify_3d_interrupt (self, TRUE);
  return TRUE;
}

static gboolean
gst_video_classify_3d_set_caps (GstBaseTransform * trans, GstCaps * incaps,
    GstCaps * outcaps)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  GstClassifyLane *picture = &self->picture;
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, incaps)) {
    GST_ERROR_OBJECT (self, "invalid caps %" GST_PTR_FORMAT, incaps);
    return FALSE;
  }
  self->info = info;
  g_clear_pointer (&picture->scaler, gst_frame_scaler_free);
  picture->scaler = gst_frame_scaler_new (&info, picture->network->size,
      cnn3d_model_get_card (picture->network->model)->resize);
  if (picture->scaler == NULL) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("Frames of this format cannot be converted."), ("caps %"
            GST_PTR_FORMAT, incaps));
    return FALSE;
  }
  self->frame_duration = GST_CLOCK_TIME_NONE;
  if (GST_VIDEO_INFO_FPS_N (&info) > 0)
    self->frame_duration = gst_util_uint64_scale (GST_SECOND,
        GST_VIDEO_INFO_FPS_D (&info), GST_VIDEO_INFO_FPS_N (&info));
  gst_clip_window_set_frame_duration (picture->window, self->frame_duration);
  /* A clip of pictures of different crops would be of no use. */
  gst_video_classify_3d_interrupt (self, FALSE);
  return TRUE;
}

static gboolean
is_reverse (GstVideoClassify3D * self)
{
  return GST_BASE_TRANSFORM (self)->segment.rate < 0;
}

/* The timestamp of a buffer, guessed from the one before if it has none. */
static GstClockTime
find_pts (GstVideoClassify3D * self, GstBuffer * buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer);
  GstClockTime duration = GST_BUFFER_DURATION (buffer);

  if (!GST_CLOCK_TIME_IS_VALID (pts))
    pts = GST_CLOCK_TIME_IS_VALID (self->next_pts) ? self->next_pts : 0;
  if (!GST_CLOCK_TIME_IS_VALID (duration))
    duration = self->frame_duration;
  if (!GST_CLOCK_TIME_IS_VALID (duration))
    duration = GST_SECOND / 30;
  if (is_reverse (self))
    self->next_pts = pts > duration ? pts - duration : 0;
  else
    self->next_pts = pts + duration;
  return pts;
}

static void
find_live (GstVideoClassify3D * self)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  gboolean is_live = FALSE;

  if (gst_pad_peer_query (GST_BASE_TRANSFORM (self)->sinkpad, query))
    gst_query_parse_latency (query, &is_live, NULL, NULL);
  g_mutex_lock (&self->lock);
  self->is_live = is_live;
  g_mutex_unlock (&self->lock);
}

/* Of a stream whose length is known, as that of a file is, clips are taken from
 * the middle: what fills no clip is then left out at both ends alike. */
static void
centre_clips (GstVideoClassify3D * self, GstClockTime pts)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  GstClockTime end = trans->segment.stop;
  gint64 duration;

  if (trans->segment.rate < 0 || trans->segment.format != GST_FORMAT_TIME
      || gst_video_classify_3d_get_mode (self) == GST_CLASSIFY_MODE_ASYNC)
    return;
  if (!GST_CLOCK_TIME_IS_VALID (end) && gst_pad_peer_query_duration
      (trans->sinkpad, GST_FORMAT_TIME, &duration) && duration > 0)
    end = gst_segment_position_from_stream_time (&trans->segment,
        GST_FORMAT_TIME, duration);
  if (GST_CLOCK_TIME_IS_VALID (end) && end > pts)
    gst_clip_window_centre (self->picture.window, end - pts);
}

/* How far the stream goes on from where it was, in its direction. */
static gint64
find_step (GstVideoClassify3D * self, GstClockTime from, GstClockTime pts)
{
  gint64 step = GST_CLOCK_DIFF (from, pts);

  return is_reverse (self) ? -step : step;
}

/* Whether so much is missing between two times that no clip can span them. Of a
 * source that is slower than a frame a clip, each frame is longer than that. */
static gboolean
is_jump (GstVideoClassify3D * self, GstClockTime pts)
{
  gint64 period = GST_SECOND / self->network->rate, step;
  gint64 max_step = gst_classify_network_get_clip_duration (self->network);

  if (GST_CLOCK_TIME_IS_VALID (self->frame_duration))
    max_step = MAX (max_step, 2 * (gint64) self->frame_duration);
  if (!GST_CLOCK_TIME_IS_VALID (self->last_time))
    return FALSE;
  step = find_step (self, self->last_time, pts);
  return step < -period || step > max_step;
}

/* A discontinuity by which frames of the clip are missing. Single lost frames,
 * as of network cameras, do not matter. */
static gboolean
is_discontinuity (GstVideoClassify3D * self, GstBuffer * buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer);

  if (self->is_first || !GST_BUFFER_IS_DISCONT (buffer))
    return FALSE;
  return !GST_CLOCK_TIME_IS_VALID (pts)
      || !GST_CLOCK_TIME_IS_VALID (self->next_pts)
      || ABS (GST_CLOCK_DIFF (pts, self->next_pts)) >
      GST_SECOND / self->network->rate;
}

static GstFlowReturn
gst_video_classify_3d_transform_ip (GstBaseTransform * trans,
    GstBuffer * buffer)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  GstClockTime pts;

  gst_video_classify_3d_take_model (self);
  if (is_discontinuity (self, buffer))
    gst_video_classify_3d_interrupt (self, FALSE);
  pts = find_pts (self, buffer);
  if (is_jump (self, pts)) {
    gst_video_classify_3d_interrupt (self, FALSE);
    pts = find_pts (self, buffer);
  }
  if (!GST_CLOCK_TIME_IS_VALID (self->last_time)
      || find_step (self, self->last_time, pts) > 0)
    self->last_time = pts;
  if (self->is_first) {
    self->is_first = FALSE;
    find_live (self);
    gst_video_classify_3d_announce (self);
    centre_clips (self, pts);
  }
  if (!gst_video_classify_3d_take_frame (self, buffer, pts)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The frame at %" GST_TIME_FORMAT " cannot be read.",
            GST_TIME_ARGS (pts)), ("buffer %" GST_PTR_FORMAT, buffer));
    return GST_FLOW_ERROR;
  }
  return gst_video_classify_3d_attach (self, buffer, pts) ? GST_FLOW_OK
      : GST_FLOW_ERROR;
}

/* The same segment again, as for a changed stop, goes on. */
static gboolean
is_new_segment (GstBaseTransform * trans, GstEvent * event)
{
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  return segment->format != trans->segment.format
      || segment->rate != trans->segment.rate
      || segment->start != trans->segment.start
      || segment->base != trans->segment.base;
}

/* In a gap nothing happens, so the picture stays what it was. If it is data that
 * is missing, or the gap is longer than a clip, nobody knows. */
static void
handle_gap (GstVideoClassify3D * self, GstEvent * event)
{
  GstGapFlags flags = 0;
  GstClockTime begin, duration, end;

  gst_event_parse_gap (event, &begin, &duration);
  gst_event_parse_gap_flags (event, &flags);
  if (!GST_CLOCK_TIME_IS_VALID (begin))
    return;
  end = begin + (GST_CLOCK_TIME_IS_VALID (duration) ? duration : 0);
  /* Backwards, a gap ends where it begins. */
  if (is_reverse (self))
    end = begin;
  if (self->network == NULL || self->is_first) {
    self->next_pts = end;
    return;
  }
  if (is_jump (self, end)) {
    gst_video_classify_3d_interrupt (self, FALSE);
    self->next_pts = end;
    return;
  }
  self->next_pts = end;
  self->last_time = end;
  if (!(flags & GST_GAP_FLAG_MISSING_DATA))
    gst_video_classify_3d_pass_time (self, self->last_time);
}

/* For the thread that classifies. */
static void
take_segment (GstVideoClassify3D * self, GstEvent * event)
{
  g_mutex_lock (&self->lock);
  gst_event_copy_segment (event, &self->segment);
  g_mutex_unlock (&self->lock);
}

static gboolean
gst_video_classify_3d_sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      gst_video_classify_3d_finish_stream (self);
      gst_video_classify_3d_interrupt (self, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_video_classify_3d_interrupt (self, TRUE);
      break;
    case GST_EVENT_SEGMENT:
      if (is_new_segment (trans, event)) {
        gst_video_classify_3d_finish_stream (self);
        gst_video_classify_3d_interrupt (self, TRUE);
      }
      take_segment (self, event);
      break;
    case GST_EVENT_GAP:
      handle_gap (self, event);
      break;
    case GST_EVENT_EOS:
      if (self->network != NULL)
        gst_video_classify_3d_finish (self);
      break;
    default:
      break;
  }
  return
      GST_BASE_TRANSFORM_CLASS (gst_video_classify_3d_parent_class)->sink_event
      (trans, event);
}

/* In sync mode, buffers wait for the classification of the clip they end. */
static gboolean
gst_video_classify_3d_query (GstBaseTransform * trans,
    GstPadDirection direction, GstQuery * query)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  gboolean ok =
      GST_BASE_TRANSFORM_CLASS (gst_video_classify_3d_parent_class)->query
      (trans, direction, query);

  if (ok && direction == GST_PAD_SRC
      && GST_QUERY_TYPE (query) == GST_QUERY_LATENCY
      && gst_video_classify_3d_get_mode (self) == GST_CLASSIFY_MODE_SYNC) {
    GstClockTime min, max, own;
    gboolean live;

    g_mutex_lock (&self->lock);
    own = self->latency;
    g_mutex_unlock (&self->lock);
    gst_query_parse_latency (query, &live, &min, &max);
    min += own;
    if (GST_CLOCK_TIME_IS_VALID (max))
      max += own;
    gst_query_set_latency (query, live, min, max);
  }
  return ok;
}

static gboolean
gst_video_classify_3d_propose_allocation (GstBaseTransform * trans,
    GstQuery * decide_query, GstQuery * query)
{
  /* Strides and offsets of any kind are read, so upstream may choose. */
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return
      GST_BASE_TRANSFORM_CLASS
      (gst_video_classify_3d_parent_class)->propose_allocation (trans,
      decide_query, query);
}

static void
gst_video_classify_3d_finalize (GObject * object)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (object);

  gst_classify_settings_clear (&self->settings);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->models_lock);
  g_cond_clear (&self->loader_work);
  G_OBJECT_CLASS (gst_video_classify_3d_parent_class)->finalize (object);
}

static void
gst_video_classify_3d_init (GstVideoClassify3D * self)
{
  gst_classify_settings_init (&self->settings);
  g_mutex_init (&self->lock);
  g_mutex_init (&self->models_lock);
  g_cond_init (&self->loader_work);
  g_queue_init (&self->retired);
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  self->next_pts = GST_CLOCK_TIME_NONE;
  self->last_pts = GST_CLOCK_TIME_NONE;
  self->last_time = GST_CLOCK_TIME_NONE;
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
  /* In passthrough mode no metadata could be added. */
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), FALSE);
}

static void
install_signals (GObjectClass * klass)
{
  /**
   * GstVideoClassify3D::result:
   * @element: the element
   * @result: (transfer none): what was found in a clip
   *
   * With #GstVideoClassify3D:roi meta, gst_video_classify_result_get_object()
   * says which object it is about. Emitted on the thread that classifies.
   *
   * Since: 0.1
   */
  gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_RESULT] = g_signal_new ("result", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
      GST_TYPE_VIDEO_CLASSIFY_RESULT);
  /**
   * GstVideoClassify3D::event:
   * @element: the element
   * @event: (transfer none): the fields of the message of the same action
   *
   * Emitted on the thread that classifies, or that ends the stream.
   *
   * Since: 0.1
   */
  gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_EVENT] = g_signal_new ("event", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
      GST_TYPE_STRUCTURE);
}

static void
gst_video_classify_3d_class_init (GstVideoClassify3DClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_video_classify_3d_debug, "videoclassify3d", 0,
      "classification of video clips");

  object_class->set_property = gst_video_classify_3d_set_property;
  object_class->get_property = gst_video_classify_3d_get_property;
  object_class->dispatch_properties_changed =
      gst_video_classify_3d_dispatch_properties_changed;
  object_class->finalize = gst_video_classify_3d_finalize;
  gst_classify_settings_install (object_class);
  /**
   * GstVideoClassify3D:stats:
   *
   * What was done so far: `frames`, `clips-due`, `clips-done`, `clips-skipped`
   * (guint64), `ms-p50` and `ms-p95` (double, from a clip's last frame to its
   * result) and `age` of the newest result (guint64, nanoseconds).
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Numbers of frames and clips, and times", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  install_signals (object_class);

  gst_element_class_set_static_metadata (element_class,
      "Video clip classifier", "Filter/Analyzer/Video",
      "Classifies actions and gestures with 3D convolutional networks",
      "The lib3dcnn maintainers");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);

  trans_class->start = gst_video_classify_3d_start;
  trans_class->stop = gst_video_classify_3d_stop;
  trans_class->set_caps = gst_video_classify_3d_set_caps;
  trans_class->transform_ip = gst_video_classify_3d_transform_ip;
  trans_class->sink_event = gst_video_classify_3d_sink_event;
  trans_class->query = gst_video_classify_3d_query;
  trans_class->propose_allocation = gst_video_classify_3d_propose_allocation;
}
