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
 * trained for (#GstVideoClassify3D:sample-rate). A clip is classified when its
 * last frame has arrived. Where the length of the stream is known, as that of
 * a file is, the clips are taken from its middle, so that what fills no clip is
 * left out at both ends alike. The result is attached to that frame's buffer and to
 * all after it, until the next one: as #GstVideoClassifyMeta, and as
 * GstAnalytics classification where GStreamer has it (1.24 or later). It is
 * also posted as an element message named `videoclassify3d` with these fields:
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
 * A video shorter than one clip is repeated to the length of a clip at its end,
 * and its result posted as a message.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 -m v4l2src ! videoclassify3d model=shufflenet ! videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */

#include "gst/gstvideoclassify3d.h"

#include "gst/clipwindow.h"
#include "gst/framescaler.h"
#include "gst/videoclassify/gstvideoclassifymeta.h"
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

GST_DEBUG_CATEGORY_STATIC (video_classify_3d_debug);
#define GST_CAT_DEFAULT video_classify_3d_debug

/* Used if neither the property nor the model card gives a rate. */
#define FALLBACK_RATE 7.5
#define MAX_TOP_K 100000

#define DEFAULT_MODEL CNN3D_ARCH_SHUFFLENET
#define DEFAULT_BACKEND CNN3D_BACKEND_AUTO
#define DEFAULT_TOP_K 3

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_MODEL_FILE,
  PROP_LABELS_FILE,
  PROP_BACKEND,
  PROP_THREADS,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_SAMPLE_RATE,
  PROP_CLIP_STRIDE,
};

typedef struct
{
  Cnn3dArch model;
  gchar *model_file;
  gchar *labels_file;
  Cnn3dBackend backend;
  guint threads;
  guint top_k;
  gdouble threshold;
  gdouble sample_rate;
  guint clip_stride;
} Settings;

struct _GstVideoClassify3D
{
  GstBaseTransform parent;

  Settings settings;            /* guarded by the object lock */

  /* From start to stop. */
  Cnn3dModel *network;
  Cnn3dSession *session;
  gchar *network_name;
  guint8 *clip;                 /* frames x size x size x 3 */
  gfloat *scores;
  gint *order;                  /* classes by score */
  GQuark *quarks;               /* of the labels */
  GstClipWindow *window;

  /* From caps on. */
  GstFrameScaler *scaler;
  GstClockTime frame_duration;

  /* Of the stream. */
  gboolean is_first;            /* no buffer has come yet */
  GstClockTime next_pts;        /* if a buffer has none */
  GstVideoClassifyResult *result;       /* of the newest clip */
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

#define GST_TYPE_VIDEO_CLASSIFY_3D_MODEL (model_get_type ())
static GType
model_get_type (void)
{
  static gsize type = 0;
  static GEnumValue values[CNN3D_N_ARCHS + 1];

  if (g_once_init_enter (&type)) {
    for (guint i = 0; i < CNN3D_N_ARCHS; i++)
      values[i] = (GEnumValue) {
      i, cnn3d_arch_get_title (i), cnn3d_arch_get_name (i)};
    g_once_init_leave (&type,
        g_enum_register_static ("GstVideoClassify3DModel", values));
  }
  return type;
}

#define GST_TYPE_VIDEO_CLASSIFY_3D_BACKEND (backend_get_type ())
static GType
backend_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {CNN3D_BACKEND_AUTO, "The fastest that is available", "auto"},
    {CNN3D_BACKEND_CPU, "Vector kernels of the CPU", "cpu"},
    {CNN3D_BACKEND_REFERENCE, "Slow loops in double precision", "reference"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstVideoClassify3DBackend", values));
  return type;
}

static void
gst_video_classify_3d_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (object);
  Settings *s = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      s->model = g_value_get_enum (value);
      break;
    case PROP_MODEL_FILE:
      g_free (s->model_file);
      s->model_file = g_value_dup_string (value);
      break;
    case PROP_LABELS_FILE:
      g_free (s->labels_file);
      s->labels_file = g_value_dup_string (value);
      break;
    case PROP_BACKEND:
      s->backend = g_value_get_enum (value);
      break;
    case PROP_THREADS:
      s->threads = g_value_get_uint (value);
      break;
    case PROP_TOP_K:
      s->top_k = g_value_get_uint (value);
      break;
    case PROP_THRESHOLD:
      s->threshold = g_value_get_double (value);
      break;
    case PROP_SAMPLE_RATE:
      s->sample_rate = g_value_get_double (value);
      break;
    case PROP_CLIP_STRIDE:
      s->clip_stride = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_video_classify_3d_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (object);
  Settings *s = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      g_value_set_enum (value, s->model);
      break;
    case PROP_MODEL_FILE:
      g_value_set_string (value, s->model_file);
      break;
    case PROP_LABELS_FILE:
      g_value_set_string (value, s->labels_file);
      break;
    case PROP_BACKEND:
      g_value_set_enum (value, s->backend);
      break;
    case PROP_THREADS:
      g_value_set_uint (value, s->threads);
      break;
    case PROP_TOP_K:
      g_value_set_uint (value, s->top_k);
      break;
    case PROP_THRESHOLD:
      g_value_set_double (value, s->threshold);
      break;
    case PROP_SAMPLE_RATE:
      g_value_set_double (value, s->sample_rate);
      break;
    case PROP_CLIP_STRIDE:
      g_value_set_uint (value, s->clip_stride);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

/* Forgets the stream: what comes next has nothing to do with what was. */
static void
reset_stream (GstVideoClassify3D * self)
{
  if (self->window != NULL)
    gst_clip_window_reset (self->window);
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  self->next_pts = GST_CLOCK_TIME_NONE;
  self->is_first = TRUE;
}

static gboolean
gst_video_classify_3d_stop (GstBaseTransform * trans)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);

  reset_stream (self);
  g_clear_pointer (&self->scaler, gst_frame_scaler_free);
  g_clear_pointer (&self->window, gst_clip_window_free);
  g_clear_pointer (&self->session, cnn3d_session_unref);
  g_clear_pointer (&self->network, cnn3d_model_unref);
  g_clear_pointer (&self->network_name, g_free);
  g_clear_pointer (&self->clip, g_free);
  g_clear_pointer (&self->scores, g_free);
  g_clear_pointer (&self->order, g_free);
  g_clear_pointer (&self->quarks, g_free);
  return TRUE;
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

static gboolean
load (GstVideoClassify3D * self, const Settings * s, GError ** error)
{
  Cnn3dLoadOptions load_options = {.labels_file = s->labels_file };
  Cnn3dSessionOptions session_options = {.backend = s->backend,
    .threads = s->threads
  };
  g_autofree gchar *path = g_strdup (s->model_file);

  if (path == NULL || *path == '\0') {
    g_free (path);
    path = cnn3d_model_find (cnn3d_arch_get_name (s->model), error);
    if (path == NULL)
      return FALSE;
  }
  self->network = cnn3d_model_load (path, &load_options, error);
  if (self->network == NULL)
    return FALSE;
  self->session = cnn3d_session_new (self->network, &session_options, error);
  if (self->session == NULL)
    return FALSE;
  self->network_name = g_path_get_basename (path);
  if (strrchr (self->network_name, '.') > self->network_name)
    *strrchr (self->network_name, '.') = '\0';
  GST_INFO_OBJECT (self, "loaded %s on %s", path,
      cnn3d_session_describe (self->session));
  return TRUE;
}

static gboolean
gst_video_classify_3d_start (GstBaseTransform * trans)
{
  GstVideoClassify3D *self = GST_VIDEO_CLASSIFY_3D (trans);
  g_autoptr (GError) error = NULL;
  const Cnn3dConfig *config;
  const Cnn3dCard *card;
  gsize frame_size;
  gdouble rate;
  Settings s;
  gboolean loaded;

  GST_OBJECT_LOCK (self);
  s = self->settings;
  s.model_file = g_strdup (s.model_file);
  s.labels_file = g_strdup (s.labels_file);
  GST_OBJECT_UNLOCK (self);

  loaded = load (self, &s, &error);
  g_free (s.model_file);
  g_free (s.labels_file);
  if (!loaded) {
    post_load_error (self, error);
    gst_video_classify_3d_stop (trans);
    return FALSE;
  }

  config = cnn3d_model_get_config (self->network);
  card = cnn3d_model_get_card (self->network);
  rate = s.sample_rate > 0 ? s.sample_rate : card->sample_rate;
  if (rate <= 0) {
    rate = FALLBACK_RATE;
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("The model '%s' does not say at which rate frames are to be taken; "
            "taking %g a second", self->network_name, rate),
        ("set the property sample-rate"));
  }
  frame_size = (gsize) config->size * config->size * 3;
  self->window = gst_clip_window_new (config->frames, s.clip_stride, rate,
      frame_size);
  self->clip = g_malloc (frame_size * config->frames);
  self->scores = g_new (gfloat, config->classes);
  self->order = g_new (gint, config->classes);
  self->quarks = g_new (GQuark, config->classes);
  for (gint c = 0; c < config->classes; c++)
    self->quarks[c] =
        g_quark_from_string (cnn3d_model_get_label (self->network, c));
  reset_stream (self);
  return TRUE;
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

static gint
compare_scores (gconstpointer a, gconstpointer b, gpointer data)
{
  const gfloat *scores = data;
  gint c = *(const gint *) a, d = *(const gint *) b;

  if (scores[c] != scores[d])
    return scores[c] < scores[d] ? 1 : -1;
  return c - d;
}

static GstMessage *
make_message (GstVideoClassify3D * self, const GstVideoClassifyResult * result)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime end = gst_video_classify_result_get_clip_end (result);
  GValue labels = G_VALUE_INIT, scores = G_VALUE_INIT, indices = G_VALUE_INIT;
  const GstVideoClassifyClass *c;
  GstStructure *s;

  g_value_init (&labels, GST_TYPE_ARRAY);
  g_value_init (&scores, GST_TYPE_ARRAY);
  g_value_init (&indices, GST_TYPE_ARRAY);
  s = gst_structure_new ("videoclassify3d",
      "model", G_TYPE_STRING, gst_video_classify_result_get_model (result),
      "clip-start", G_TYPE_UINT64,
      gst_video_classify_result_get_clip_start (result),
      "clip-end", G_TYPE_UINT64, end, "running-time", G_TYPE_UINT64,
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, end), NULL);
  for (guint i = 0; (c = gst_video_classify_result_get_class (result, i)); i++) {
    GValue v = G_VALUE_INIT;

    if (i == 0)
      gst_structure_set (s, "label", G_TYPE_STRING, c->label,
          "score", G_TYPE_DOUBLE, c->score, NULL);
    g_value_init (&v, G_TYPE_STRING);
    g_value_set_string (&v, c->label);
    gst_value_array_append_and_take_value (&labels, &v);
    g_value_init (&v, G_TYPE_DOUBLE);
    g_value_set_double (&v, c->score);
    gst_value_array_append_and_take_value (&scores, &v);
    g_value_init (&v, G_TYPE_INT);
    g_value_set_int (&v, c->index);
    gst_value_array_append_and_take_value (&indices, &v);
  }
  gst_structure_take_value (s, "labels", &labels);
  gst_structure_take_value (s, "scores", &scores);
  gst_structure_take_value (s, "indices", &indices);
  return gst_message_new_element (GST_OBJECT (self), s);
}

/* Classifies the newest clip, keeps the result and posts it. */
static gboolean
classify (GstVideoClassify3D * self)
{
  guint classes = cnn3d_model_get_config (self->network)->classes, n = 0;
  gboolean reverse = GST_BASE_TRANSFORM (self)->segment.rate < 0;
  g_autofree GstVideoClassifyClass *best = NULL;
  g_autoptr (GError) error = NULL;
  gint64 start, end;
  gdouble threshold;
  guint top_k;

  GST_OBJECT_LOCK (self);
  threshold = self->settings.threshold;
  top_k = self->settings.top_k;
  GST_OBJECT_UNLOCK (self);

  gst_clip_window_copy (self->window, self->clip, &start, &end);
  if (reverse) {
    gsize frame = (gsize) cnn3d_model_get_config (self->network)->size
        * cnn3d_model_get_config (self->network)->size * 3;
    gint frames = cnn3d_model_get_config (self->network)->frames;
    g_autofree guint8 *tmp = g_malloc (frame);
    gint64 t = start;

    /* Time ran backwards: as the camera saw it, the last frame came first. */
    for (gint i = 0; i < frames / 2; i++) {
      guint8 *a = self->clip + i * frame;
      guint8 *b = self->clip + (frames - 1 - i) * frame;

      memcpy (tmp, a, frame);
      memcpy (a, b, frame);
      memcpy (b, tmp, frame);
    }
    start = -end;
    end = -t;
  }
  if (!cnn3d_session_run_rgb (self->session, self->clip, 1, self->scores,
          &error)) {
    GST_ELEMENT_ERROR (self, LIBRARY, FAILED, ("%s", error->message), (NULL));
    return FALSE;
  }
  cnn3d_card_scores (cnn3d_model_get_card (self->network), self->scores,
      classes, self->scores);
  for (guint c = 0; c < classes; c++)
    self->order[c] = c;
  g_qsort_with_data (self->order, classes, sizeof (gint), compare_scores,
      self->scores);

  if (top_k == 0 || top_k > classes)
    top_k = classes;
  best = g_new (GstVideoClassifyClass, top_k);
  while (n < top_k && self->scores[self->order[n]] >= threshold) {
    best[n].index = self->order[n];
    best[n].score = self->scores[self->order[n]];
    best[n].label = g_quark_to_string (self->quarks[self->order[n]]);
    n++;
  }
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  self->result = gst_video_classify_result_new (self->network_name, start, end,
      best, n);
  GST_DEBUG_OBJECT (self, "clip %" GST_TIME_FORMAT " to %" GST_TIME_FORMAT
      ": %s", GST_TIME_ARGS (start), GST_TIME_ARGS (end),
      n > 0 ? best[0].label : "nothing reaches the threshold");
  gst_element_post_message (GST_ELEMENT (self), make_message (self,
          self->result));
  return TRUE;
}

static void
attach (GstVideoClassify3D * self, GstBuffer * buffer)
{
  gst_buffer_add_video_classify_meta (buffer, self->result);
#ifdef HAVE_GST_ANALYTICS
  {
    guint n = gst_video_classify_result_get_n_classes (self->result);
    g_autofree gfloat *scores = g_new (gfloat, n);
    g_autofree GQuark *quarks = g_new (GQuark, n);
    GstAnalyticsRelationMeta *relations;
    GstAnalyticsClsMtd mtd;

    if (n == 0)
      return;
    for (guint i = 0; i < n; i++) {
      const GstVideoClassifyClass *c =
          gst_video_classify_result_get_class (self->result, i);

      scores[i] = c->score;
      quarks[i] = self->quarks[c->index];
    }
    relations = gst_buffer_add_analytics_relation_meta (buffer);
    gst_analytics_relation_meta_add_cls_mtd (relations, n, scores, quarks,
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

/* Of a stream whose length is known, as that of a file is, clips are taken from
 * the middle: what fills no clip is then left out at both ends alike. */
static void
centre_clips (GstVideoClassify3D * self, GstClockTime pts)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  GstClockTime end = trans->segment.stop;
  gint64 duration;

  self->is_first = FALSE;
  if (trans->segment.rate < 0)
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
  if (self->is_first)
    centre_clips (self, pts);
  rgb = gst_clip_window_wants (self->window,
      trans->segment.rate < 0 ? -(gint64) pts : (gint64) pts);
  if (rgb != NULL) {
    if (!gst_frame_scaler_run (self->scaler, buffer, rgb)) {
      GST_ELEMENT_ERROR (self, STREAM, FORMAT,
          ("The frame at %" GST_TIME_FORMAT " cannot be read.",
              GST_TIME_ARGS (pts)), ("buffer %" GST_PTR_FORMAT, buffer));
      return GST_FLOW_ERROR;
    }
    if (gst_clip_window_commit (self->window) && !classify (self))
      return GST_FLOW_ERROR;
  }
  if (self->result != NULL)
    attach (self, buffer);
  return GST_FLOW_OK;
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
      /* A video shorter than a clip still gets its answer. */
      if (self->window != NULL && !gst_clip_window_had_clip (self->window)
          && gst_clip_window_pad (self->window))
        classify (self);
      break;
    default:
      break;
  }
  return
      GST_BASE_TRANSFORM_CLASS (gst_video_classify_3d_parent_class)->sink_event
      (trans, event);
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

  g_free (self->settings.model_file);
  g_free (self->settings.labels_file);
  G_OBJECT_CLASS (gst_video_classify_3d_parent_class)->finalize (object);
}

static void
gst_video_classify_3d_init (GstVideoClassify3D * self)
{
  self->settings.model = DEFAULT_MODEL;
  self->settings.backend = DEFAULT_BACKEND;
  self->settings.top_k = DEFAULT_TOP_K;
  self->next_pts = GST_CLOCK_TIME_NONE;
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
  /* In passthrough mode no metadata could be added. */
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), FALSE);
}

static void
install_properties (GObjectClass * klass)
{
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_PLAYING;

  /**
   * GstVideoClassify3D:model:
   *
   * The bundled model to use, if #GstVideoClassify3D:model-file is not set.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_enum ("model", "Model", "Bundled model to use",
          GST_TYPE_VIDEO_CLASSIFY_3D_MODEL, DEFAULT_MODEL, ready));
  /**
   * GstVideoClassify3D:model-file:
   *
   * A model file: safetensors, or a PyTorch checkpoint as published.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL_FILE,
      g_param_spec_string ("model-file", "Model file",
          "Model file to use in place of a bundled model "
          "(.safetensors, or a PyTorch .pth)", NULL, ready));
  /**
   * GstVideoClassify3D:labels-file:
   *
   * A text file with a label a line, which replaces the model's labels.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_LABELS_FILE,
      g_param_spec_string ("labels-file", "Labels file",
          "Text file with one label a line, in place of the model's labels",
          NULL, ready));
  /**
   * GstVideoClassify3D:backend:
   *
   * What runs the network.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_BACKEND,
      g_param_spec_enum ("backend", "Backend", "What runs the network",
          GST_TYPE_VIDEO_CLASSIFY_3D_BACKEND, DEFAULT_BACKEND, ready));
  /**
   * GstVideoClassify3D:threads:
   *
   * Threads that the network runs on.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that the network runs on (0 = one for each CPU)",
          0, 256, 0, ready));
  /**
   * GstVideoClassify3D:top-k:
   *
   * How many classes a result has at most.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Top k",
          "Best classes in a result (0 = all)", 0, MAX_TOP_K, DEFAULT_TOP_K,
          playing));
  /**
   * GstVideoClassify3D:threshold:
   *
   * The score that a class must reach to be part of a result.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Score that a class must reach to be part of a result",
          0, 1, 0, playing));
  /**
   * GstVideoClassify3D:sample-rate:
   *
   * How many frames a second are taken from the video.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_SAMPLE_RATE,
      g_param_spec_double ("sample-rate", "Sample rate",
          "Frames per second to take from the video (0 = the model's)",
          0, 1000, 0, ready));
  /**
   * GstVideoClassify3D:clip-stride:
   *
   * After how many sampled frames the next clip begins.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_CLIP_STRIDE,
      g_param_spec_uint ("clip-stride", "Clip stride",
          "Sampled frames from the start of one clip to that of the next "
          "(0 = the clip's length)", 0, 100000, 0, ready));
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
  install_properties (object_class);

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
  trans_class->propose_allocation = gst_video_classify_3d_propose_allocation;

  gst_type_mark_as_plugin_api (GST_TYPE_VIDEO_CLASSIFY_3D_MODEL, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_VIDEO_CLASSIFY_3D_BACKEND, 0);
}
