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
 * The newest result is attached to each buffer that passes.
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
 * (timestamps) and `early` (boolean: reported before its end).
 *
 * At EOS, a message named `videoclassify3d-summary` has the mean of the scores
 * of all clips (`label` to `indices` as above) and the number of `clips`. A video
 * shorter than one clip is repeated to the length of a clip, and its result
 * posted as a message.
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

#include "gst/gstvideoclassify3d.h"

#include <string.h>

#include "gst/classifyengine.h"
#include "gst/classifyoutput.h"
#include "gst/classifysettings.h"
#include "gst/clipwindow.h"
#include "gst/framescaler.h"
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

GST_DEBUG_CATEGORY_STATIC (video_classify_3d_debug);
#define GST_CAT_DEFAULT video_classify_3d_debug

/* Used if neither the property nor the model card gives a rate. */
#define FALLBACK_RATE 7.5

/* Durations that the percentiles of the statistics are taken from. */
#define N_DURATIONS 128

enum
{
  PROP_0,
  PROP_STATS,
};

enum
{
  SIGNAL_RESULT,
  SIGNAL_EVENT,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

typedef struct
{
  guint64 frames, due, done, skipped;
  guint n_durations;
  gfloat durations[N_DURATIONS];        /* ms, ring */
} Stats;

struct _GstVideoClassify3D
{
  GstBaseTransform parent;

  GstClassifySettings settings; /* guarded by the object lock */

  /* From start to stop; used by the streaming thread. */
  GstClassifyEngine *engine;
  GstClassifyClient *client;
  Cnn3dModel *network;          /* the engine's */
  GstClipWindow *window;
  guint8 *clip;                 /* frames x size x size x 3 */
  gsize frame_size;
  GstFrameScaler *scaler;       /* from caps on */
  GstClockTime frame_duration;
  gboolean is_first;            /* no buffer has come yet */
  gboolean is_live;
  GstClockTime next_pts;        /* if a buffer has none */

  /* Shared with the engine's thread. */
  GMutex lock;
  guint epoch;                  /* changes when the stream is forgotten */
  GstClassifyOutput *output;
  GstVideoClassifyResult *result;       /* of the newest clip */
  gboolean failed;
  Stats stats;
  GstClockTime last_pts;
  GstClockTime latency;         /* of the slowest clip, reported in sync mode */
};

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

static int
compare_floats (gconstpointer a, gconstpointer b)
{
  gfloat x = *(const gfloat *) a, y = *(const gfloat *) b;

  return x < y ? -1 : x > y;
}

static GstStructure *
make_stats (GstVideoClassify3D * self)
{
  gfloat sorted[N_DURATIONS], p50 = 0, p95 = 0;
  GstClockTime age = GST_CLOCK_TIME_NONE;
  Stats stats;
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

static void
gst_video_classify_3d_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (object);
  gboolean known;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, make_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  known = gst_classify_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* Forgets the stream: what comes next has nothing to do with what was. Results
 * of clips that are in work are dropped when they come. */
static void
reset_stream (GstVideoClassify3D * self)
{
  if (self->client != NULL)
    gst_classify_client_flush (self->client);
  if (self->window != NULL)
    gst_clip_window_reset (self->window);
  g_mutex_lock (&self->lock);
  self->epoch++;
  if (self->output != NULL)
    gst_classify_output_reset (self->output);
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  self->failed = FALSE;
  self->last_pts = GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&self->lock);
  self->next_pts = GST_CLOCK_TIME_NONE;
  self->is_first = TRUE;
}

static gboolean
gst_video_classify_3d_stop (GstBaseTransform * trans)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);

  reset_stream (self);
  g_clear_pointer (&self->client, gst_classify_client_free);
  g_clear_pointer (&self->engine, gst_classify_engine_unref);
  self->network = NULL;
  g_clear_pointer (&self->output, gst_classify_output_free);
  g_clear_pointer (&self->scaler, gst_frame_scaler_free);
  g_clear_pointer (&self->window, gst_clip_window_free);
  g_clear_pointer (&self->clip, g_free);
  return TRUE;
}

static gboolean
settings_are_async (GstVideoClassify3D * self,
    const GstClassifySettings * settings)
{
  return settings->mode == GST_CLASSIFY_MODE_ASYNC
      || (settings->mode == GST_CLASSIFY_MODE_AUTO && self->is_live);
}

static gboolean
is_async (GstVideoClassify3D * self)
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
  g_signal_emit (self, signals[SIGNAL_EVENT], 0, event);
  post_structure (self, event);
}

static void
post_result (GstVideoClassify3D * self, GstVideoClassifyResult * result)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime end = gst_video_classify_result_get_clip_end (result);
  GstStructure *s = gst_classify_output_describe (result);

  gst_structure_set (s, "clip-start", G_TYPE_UINT64,
      gst_video_classify_result_get_clip_start (result),
      "clip-end", G_TYPE_UINT64, end, "running-time", G_TYPE_UINT64,
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, end), NULL);
  g_signal_emit (self, signals[SIGNAL_RESULT], 0, result);
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

/* On the engine's thread. */
static void
on_clip_done (gpointer data, const GstClassifyJob * job)
{
  GstVideoClassify3D *self = data;
  g_autoptr (GstVideoClassifyResult) result = NULL;
  GstStructure *events[2];
  GstClassifySettings settings;
  guint n_events = 0;
  gboolean latency_changed = FALSE;

  GST_OBJECT_LOCK (self);
  settings = self->settings;    /* its strings are not used */
  GST_OBJECT_UNLOCK (self);

  g_mutex_lock (&self->lock);
  if (job->epoch != self->epoch) {
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
    result = gst_classify_output_process (self->output, &settings, job->logits,
        job->start, job->end, events, &n_events);
    g_clear_pointer (&self->result, gst_video_classify_result_unref);
    self->result = gst_video_classify_result_ref (result);
  }
  g_mutex_unlock (&self->lock);

  if (job->error != NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, FAILED, ("%s", job->error->message),
        (NULL));
    return;
  }
  post_result (self, result);
  for (guint i = 0; i < n_events; i++)
    post_event (self, events[i]);
  if (latency_changed && !settings_are_async (self, &settings))
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
}

static void
post_load_error (GstVideoClassify3D * self, const GError * error)
{
  if (g_error_matches (error, CNN3D_ERROR, CNN3D_ERROR_NOT_FOUND))
    GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND, ("%s", error->message),
        ("set the property model-file to use other weights"));
  else if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND, ("%s", error->message),
        (NULL));
  else if (g_error_matches (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND))
    GST_ELEMENT_ERROR (self, RESOURCE, FAILED, ("%s", error->message), (NULL));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, READ, ("%s", error->message), (NULL));
}

/* The file's name without its ending: what the model is called in results. */
static gchar *
make_model_name (const gchar * path)
{
  gchar *name = g_path_get_basename (path);
  gchar *dot = strrchr (name, '.');

  if (dot != NULL && dot > name)
    *dot = '\0';
  return name;
}

static gboolean
load (GstVideoClassify3D * self, const GstClassifySettings * s, GError ** error)
{
  g_autofree gchar *path = g_strdup (s->model_file);
  g_autofree gchar *name = NULL;
  GstClassifyEngineConfig config = {.labels_file = s->labels_file,
    .backend = s->backend,.threads = s->threads
  };

  if (path == NULL || *path == '\0') {
    g_free (path);
    path = cnn3d_model_find (cnn3d_arch_get_name (s->model), error);
    if (path == NULL)
      return FALSE;
  }
  config.model_file = path;
  self->engine = gst_classify_engine_get (&config, error);
  if (self->engine == NULL)
    return FALSE;
  self->client = gst_classify_client_new (self->engine, on_clip_done, self);
  self->network = gst_classify_engine_get_model (self->engine);
  name = make_model_name (path);
  self->output = gst_classify_output_new (self->network, name, s->idle_labels);
  GST_INFO_OBJECT (self, "loaded %s on %s", path,
      gst_classify_engine_describe (self->engine));
  return TRUE;
}

static gdouble
find_rate (GstVideoClassify3D * self, const GstClassifySettings * s)
{
  gdouble rate = s->sample_rate;

  if (rate <= 0)
    rate = cnn3d_model_get_card (self->network)->sample_rate;
  if (rate <= 0) {
    rate = FALLBACK_RATE;
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("The model does not say at which rate frames are to be taken; "
            "taking %g a second", rate), ("set the property sample-rate"));
  }
  return rate;
}

static gboolean
gst_video_classify_3d_start (GstBaseTransform * trans)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  g_autoptr (GError) error = NULL;
  const Cnn3dConfig *config;
  GstClassifySettings s;
  gboolean loaded;

  GST_OBJECT_LOCK (self);
  gst_classify_settings_copy (&s, &self->settings);
  GST_OBJECT_UNLOCK (self);

  loaded = load (self, &s, &error);
  if (loaded) {
    config = cnn3d_model_get_config (self->network);
    self->frame_size = (gsize) config->size * config->size * 3;
    self->window = gst_clip_window_new (config->frames, s.clip_stride,
        find_rate (self, &s), self->frame_size);
    self->clip = g_malloc (self->frame_size * config->frames);
    self->latency = 0;
    memset (&self->stats, 0, sizeof self->stats);
    reset_stream (self);
  } else {
    post_load_error (self, error);
    gst_video_classify_3d_stop (trans);
  }
  gst_classify_settings_clear (&s);
  return loaded;
}

static gboolean
gst_video_classify_3d_set_caps (GstBaseTransform * trans, GstCaps * incaps,
    GstCaps * outcaps)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, incaps)) {
    GST_ERROR_OBJECT (self, "invalid caps %" GST_PTR_FORMAT, incaps);
    return FALSE;
  }
  g_clear_pointer (&self->scaler, gst_frame_scaler_free);
  self->scaler =
      gst_frame_scaler_new (&info, cnn3d_model_get_config (self->network)->size,
      cnn3d_model_get_card (self->network)->resize);
  if (self->scaler == NULL) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("Frames of this format cannot be converted."), ("caps %"
            GST_PTR_FORMAT, incaps));
    return FALSE;
  }
  self->frame_duration = GST_CLOCK_TIME_NONE;
  if (GST_VIDEO_INFO_FPS_N (&info) > 0)
    self->frame_duration = gst_util_uint64_scale (GST_SECOND,
        GST_VIDEO_INFO_FPS_D (&info), GST_VIDEO_INFO_FPS_N (&info));
  gst_clip_window_set_frame_duration (self->window, self->frame_duration);
  /* A clip of pictures of different crops would be of no use. */
  reset_stream (self);
  return TRUE;
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

/* Hands the newest clip to the engine. */
static void
submit_clip (GstVideoClassify3D * self)
{
  gboolean async = is_async (self);
  guint64 done, skipped;
  gint64 start, end;
  guint epoch, dropped;

  gst_clip_window_copy (self->window, self->clip, &start, &end);
  if (GST_BASE_TRANSFORM (self)->segment.rate < 0)
    reverse_clip (self, &start, &end);
  g_mutex_lock (&self->lock);
  self->stats.due++;
  epoch = self->epoch;
  g_mutex_unlock (&self->lock);

  dropped = gst_classify_client_submit (self->client, self->clip, start, end,
      epoch, 0, !async);
  if (dropped == 0)
    return;
  g_mutex_lock (&self->lock);
  self->stats.skipped += dropped;
  done = self->stats.done;
  skipped = self->stats.skipped;
  g_mutex_unlock (&self->lock);
  post_skipped (self, end, done, skipped);
}

static void
attach (GstVideoClassify3D * self, GstBuffer * buffer, GstClockTime pts)
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
  if (result == NULL)
    return;

  meta = gst_buffer_add_video_classify_meta (buffer, result);
  end = gst_video_classify_result_get_clip_end (result);
  meta->age = pts > end ? pts - end : 0;
#ifdef HAVE_GST_ANALYTICS
  {
    guint n = gst_video_classify_result_get_n_classes (result);
    g_autofree gfloat *scores = g_new (gfloat, n);
    g_autofree GQuark *quarks = g_new (GQuark, n);
    GstAnalyticsClsMtd mtd;

    if (n == 0)
      return;
    for (guint i = 0; i < n; i++) {
      const GstVideoClassifyClass *c =
          gst_video_classify_result_get_class (result, i);

      scores[i] = c->score;
      /* Labels are of a fixed list, so that quarks do not grow in number. */
      quarks[i] = g_quark_from_string (c->label);
    }
    gst_analytics_relation_meta_add_cls_mtd
        (gst_buffer_add_analytics_relation_meta (buffer), n, scores, quarks,
        &mtd);
  }
#endif
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
  self->next_pts = pts + duration;
  return pts;
}

static void
find_live (GstVideoClassify3D * self)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();

  self->is_live = FALSE;
  if (gst_pad_peer_query (GST_BASE_TRANSFORM (self)->sinkpad, query))
    gst_query_parse_latency (query, &self->is_live, NULL, NULL);
}

/* Of a stream whose length is known, as that of a file is, clips are taken from
 * the middle: what fills no clip is then left out at both ends alike. */
static void
centre_clips (GstVideoClassify3D * self, GstClockTime pts)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  GstClockTime end = trans->segment.stop;
  gint64 duration;

  if (trans->segment.rate < 0 || self->is_live)
    return;
  if (!GST_CLOCK_TIME_IS_VALID (end) && gst_pad_peer_query_duration
      (trans->sinkpad, GST_FORMAT_TIME, &duration) && duration > 0)
    end = gst_segment_position_from_stream_time (&trans->segment,
        GST_FORMAT_TIME, duration);
  if (GST_CLOCK_TIME_IS_VALID (end) && end > pts)
    gst_clip_window_centre (self->window, end - pts);
}

static GstFlowReturn
gst_video_classify_3d_transform_ip (GstBaseTransform * trans,
    GstBuffer * buffer)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  GstClockTime pts;
  guint8 *rgb;

  if (GST_BUFFER_IS_DISCONT (buffer) && !GST_BUFFER_FLAG_IS_SET (buffer,
          GST_BUFFER_FLAG_RESYNC)
      && GST_CLOCK_TIME_IS_VALID (self->next_pts)
      && !GST_BUFFER_PTS_IS_VALID (buffer))
    reset_stream (self);

  pts = find_pts (self, buffer);
  if (self->is_first) {
    self->is_first = FALSE;
    find_live (self);
    centre_clips (self, pts);
  }
  rgb = gst_clip_window_wants (self->window,
      trans->segment.rate < 0 ? -(gint64) pts : (gint64) pts);
  if (rgb != NULL) {
    if (!gst_frame_scaler_run (self->scaler, buffer, rgb)) {
      GST_ELEMENT_ERROR (self, STREAM, FORMAT,
          ("The frame at %" GST_TIME_FORMAT " cannot be read.",
              GST_TIME_ARGS (pts)), ("buffer %" GST_PTR_FORMAT, buffer));
      return GST_FLOW_ERROR;
    }
    if (gst_clip_window_commit (self->window))
      submit_clip (self);
  }
  attach (self, buffer, pts);
  return self->failed ? GST_FLOW_ERROR : GST_FLOW_OK;
}

/* What is due at the end is posted before EOS is forwarded. */
static void
finish_stream (GstVideoClassify3D * self)
{
  GstStructure *event, *summary;
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
    submit_clip (self);
    gst_classify_client_drain (self->client);
  }
  g_mutex_lock (&self->lock);
  event = gst_classify_output_finish (self->output);
  summary = gst_classify_output_summary (self->output, top_k);
  g_mutex_unlock (&self->lock);
  if (event != NULL)
    post_event (self, event);
  if (summary != NULL)
    post_structure (self, summary);
}

static gboolean
gst_video_classify_3d_sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_FLUSH_STOP:
      reset_stream (self);
      break;
    case GST_EVENT_SEGMENT:{
      const GstSegment *segment;

      gst_event_parse_segment (event, &segment);
      /* The same segment again, as for a changed stop, goes on. */
      if (segment->format != trans->segment.format
          || segment->rate != trans->segment.rate
          || segment->start != trans->segment.start
          || segment->base != trans->segment.base)
        reset_stream (self);
      break;
    }
    case GST_EVENT_GAP:{
      GstClockTime pts, duration;

      gst_event_parse_gap (event, &pts, &duration);
      if (GST_CLOCK_TIME_IS_VALID (pts))
        self->next_pts =
            pts + (GST_CLOCK_TIME_IS_VALID (duration) ? duration : 0);
      break;
    }
    case GST_EVENT_EOS:
      if (self->window != NULL)
        finish_stream (self);
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
      && GST_QUERY_TYPE (query) == GST_QUERY_LATENCY && !is_async (self)) {
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
  G_OBJECT_CLASS (gst_video_classify_3d_parent_class)->finalize (object);
}

static void
gst_video_classify_3d_init (GstVideoClassify3D * self)
{
  gst_classify_settings_init (&self->settings);
  g_mutex_init (&self->lock);
  self->next_pts = GST_CLOCK_TIME_NONE;
  self->last_pts = GST_CLOCK_TIME_NONE;
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
   * Emitted on the thread that classifies.
   *
   * Since: 0.1
   */
  signals[SIGNAL_RESULT] = g_signal_new ("result", G_TYPE_FROM_CLASS (klass),
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
  signals[SIGNAL_EVENT] = g_signal_new ("event", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
      GST_TYPE_STRUCTURE);
}

static void
gst_video_classify_3d_class_init (GstVideoClassify3DClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (video_classify_3d_debug, "videoclassify3d", 0,
      "classification of video clips");

  object_class->set_property = gst_video_classify_3d_set_property;
  object_class->get_property = gst_video_classify_3d_get_property;
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
