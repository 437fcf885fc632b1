/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-videoclasstext
 * @title: videoclasstext
 * @short_description: makes subtitles of what videoclassify3d found
 *
 * Takes video with the results of videoclassify3d on its buffers and makes a
 * stream of texts with timestamps and durations of it, one for each change of
 * the label, or one for each action. Pixels are not looked at. It goes on a
 * branch of a `tee`, so that the video can go on beside it.
 *
 * With #GstVideoClassText:timing clips, the default, a text lasts as long as the
 * clips that it is about, as in the files of `3dcnn classify --srt`: that is what
 * subtitles of a file want. It comes out when it has ended, later than its
 * frames; a muxer that waits for all of its streams needs a queue of that
 * length on the others, or #GstVideoClassText:max-duration.
 *
 * With timing changes, a text lasts as long as the buffers that carry the label,
 * and comes out when the label changes. With timing buffers, there is one for
 * each buffer that carries a label, at once, which is what textoverlay wants.
 *
 * Where there is no text, GAP events say so.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=holiday.mp4 ! decodebin ! videoconvert ! videoclassify3d ! videoclasstext ! srtenc ! filesink location=holiday.srt
 * ]| Subtitles in a file.
 * |[
 * gst-launch-1.0 filesrc location=holiday.mp4 ! decodebin ! videoconvert ! videoclassify3d ! tee name=t t. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! x264enc ! matroskamux name=m ! filesink location=holiday.mkv t. ! queue ! videoclasstext ! m.
 * ]| Subtitles in the same file as the video.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! videoclassify3d clip-stride=4 ! tee name=t t. ! queue ! textoverlay name=o ! videoconvert ! autovideosink t. ! queue ! videoclasstext timing=buffers ! o.text_sink
 * ]| On the picture.
 *
 * Since: 0.1
 */

#include "gst/gstvideoclasstext.h"

#include <string.h>

#include "gst/classcues.h"
#include "gst/textsettings.h"
#include "gst/videoclassify/gstvideoclassifymeta.h"

/* A label that is gone for less than this goes on. */
#define MAX_GAP GST_SECOND
/* How long clips are as long as nobody has said so. */
#define DEFAULT_CLIP (2 * GST_SECOND)
/* No result is believed to come later after its clip: a muxer need not wait. */
#define MAX_LATENESS (18 * GST_SECOND)

struct _GstVideoClassText
{
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  GstTextSettings settings;     /* guarded by the object lock */

  /* Of the streaming thread. */
  GstClassCues cues;
  GstSegment segment;
  GstVideoClassifyResult *result;       /* the newest that was seen */
  GstClockTime frame_duration;
  GstClockTime clip;            /* the longest that was seen or announced */
  GstClockTime said;            /* up to which texts and gaps have been sent */
  GstClockTime last_pts;
  gboolean markup, is_discont;
  GstFlowReturn flow;
};

G_DEFINE_TYPE (GstVideoClassText, gst_video_class_text, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (videoclasstext, "videoclasstext", GST_RANK_NONE,
    GST_TYPE_VIDEO_CLASS_TEXT);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("text/x-raw, format = (string) { utf8, pango-markup }"));

static void
gst_video_class_text_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstVideoClassText *self = GST_VIDEO_CLASS_TEXT (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_text_settings_set (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_video_class_text_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstVideoClassText *self = GST_VIDEO_CLASS_TEXT (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_text_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* Within a segment, time may begin again, as where files are put in a row. */
static void
follow_jump_back (GstVideoClassText * self, GstClockTime pts)
{
  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return;
  if (GST_CLOCK_TIME_IS_VALID (self->last_pts) && self->segment.rate > 0
      && pts + MAX_GAP < self->last_pts) {
    gst_class_cues_finish (&self->cues);
    gst_class_cues_reset (&self->cues);
    self->said = pts;
  }
  self->last_pts = pts;
}

/* Says that there is no text up to this time. */
static void
push_gap (GstVideoClassText * self, GstClockTime until)
{
  GstClockTime from = GST_CLOCK_TIME_IS_VALID (self->said) ? self->said
      : self->segment.start;

  if (!GST_CLOCK_TIME_IS_VALID (until) || until <= from)
    return;
  gst_pad_push_event (self->srcpad, gst_event_new_gap (from, until - from));
  self->said = until;
}

/* GstClassCues' emit. */
static void
push_cue (const GstClassCue * cue, gpointer data)
{
  GstVideoClassText *self = data;
  GstBuffer *buffer;
  gchar *text = self->markup ? g_markup_escape_text (cue->text, -1)
      : g_strdup (cue->text);

  push_gap (self, cue->start);
  buffer = gst_buffer_new_wrapped (text, strlen (text));
  GST_BUFFER_PTS (buffer) = cue->start;
  GST_BUFFER_DURATION (buffer) = cue->end - cue->start;
  if (self->is_discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->is_discont = FALSE;
  self->said = cue->end;
  self->flow = gst_pad_push (self->srcpad, buffer);
}

static void
reset (GstVideoClassText * self)
{
  gst_class_cues_reset (&self->cues);
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  self->said = self->last_pts = GST_CLOCK_TIME_NONE;
  self->is_discont = TRUE;
  self->flow = GST_FLOW_OK;
}

/* At a time of the stream: up to when all results must have come. */
static GstClockTime
find_known (GstVideoClassText * self, GstClockTime time)
{
  GstClockTime wait = self->clip + MAX_LATENESS;

  return time > wait ? time - wait : 0;
}

/* Cues of the time that a result is about. */
static void
take_clip (GstVideoClassText * self, const GstVideoClassifyResult * result,
    GstTextContent content, const gchar * key, const gchar * text, gdouble score)
{
  GstClockTime start = gst_video_classify_result_get_clip_start (result);
  GstClockTime end = gst_video_classify_result_get_clip_end (result);
  GstClockTime length = end > start ? end - start : 0;
  const GstVideoClassifyEvent *e = gst_video_classify_result_get_event (result);

  self->clip = MAX (self->clip, length);
  if (key == NULL) {
    if (content == GST_TEXT_CONTENT_EVENTS)
      gst_class_cues_finish (&self->cues);
    if (gst_class_cues_advance (&self->cues, start))
      push_gap (self, self->cues.position);
    return;
  }
  if (content == GST_TEXT_CONTENT_EVENTS && e != NULL) {
    start = e->start;
    end = e->end;
  }
  gst_class_cues_add (&self->cues, start, end, key, text, score);
}

/* Cues of the time of the buffers that a result is on. */
static void
take_buffer (GstVideoClassText * self, GstBuffer * buffer, gboolean at_once,
    const gchar * key, const gchar * text, gdouble score)
{
  GstClockTime start = GST_BUFFER_PTS (buffer);
  GstClockTime duration = GST_BUFFER_DURATION (buffer);

  if (!GST_CLOCK_TIME_IS_VALID (start))
    return;
  if (!GST_CLOCK_TIME_IS_VALID (duration) || duration == 0)
    duration = self->frame_duration;
  if (key == NULL) {
    gst_class_cues_finish (&self->cues);
    gst_class_cues_advance (&self->cues, start + duration);
    push_gap (self, start + duration);
    return;
  }
  gst_class_cues_add (&self->cues, start, start + duration, key, text, score);
  if (at_once)
    gst_class_cues_finish (&self->cues);
}

static GstFlowReturn
gst_video_class_text_chain (GstPad * pad, GstObject * parent,
    GstBuffer * buffer)
{
  GstVideoClassText *self = GST_VIDEO_CLASS_TEXT (parent);
  g_autofree gchar *key = NULL, *text = NULL;
  GstVideoClassifyMeta *meta;
  GstVideoClassifyResult *result;
  gdouble score = 0;
  GstTextTiming timing;
  GstTextContent content;

  follow_jump_back (self, GST_BUFFER_PTS (buffer));
  GST_OBJECT_LOCK (self);
  timing = self->settings.timing;
  content = self->settings.content;
  self->cues.max_duration = self->settings.max_duration;
  meta = gst_buffer_get_video_classify_meta (buffer, self->settings.model_name);
  result = meta ? meta->result : NULL;
  if (result != NULL && (timing != GST_TEXT_TIMING_CLIPS || result != self->result))
    gst_text_settings_describe (&self->settings, result, &key, &text, &score);
  GST_OBJECT_UNLOCK (self);

  if (timing != GST_TEXT_TIMING_CLIPS) {
    take_buffer (self, buffer, timing == GST_TEXT_TIMING_BUFFERS, key, text, score);
  } else if (result != NULL && result != self->result) {
    take_clip (self, result, content, key, text, score);
  } else if (GST_BUFFER_PTS_IS_VALID (buffer)
      && find_known (self, GST_BUFFER_PTS (buffer)) > 0
      && gst_class_cues_advance (&self->cues,
          find_known (self, GST_BUFFER_PTS (buffer)))) {
    push_gap (self, self->cues.position);
  }
  if (result != NULL && result != self->result) {
    g_clear_pointer (&self->result, gst_video_classify_result_unref);
    self->result = gst_video_classify_result_ref (result);
  }
  gst_buffer_unref (buffer);
  return self->flow;
}

static void
set_caps (GstVideoClassText * self)
{
  g_autoptr (GstCaps) caps = gst_pad_get_allowed_caps (self->srcpad);

  if (caps == NULL || gst_caps_is_empty (caps)) {
    gst_clear_caps (&caps);
    caps = gst_pad_get_pad_template_caps (self->srcpad);
  }
  caps = gst_caps_fixate (g_steal_pointer (&caps));
  self->markup = g_strcmp0 (gst_structure_get_string (gst_caps_get_structure
          (caps, 0), "format"), "pango-markup") == 0;
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
}

/* A stream of its own, next to that of the video. */
static gboolean
start_stream (GstVideoClassText * self, GstEvent * event)
{
  g_autofree gchar *id = gst_pad_create_stream_id (self->srcpad,
      GST_ELEMENT (self), "classes");
  GstEvent *start = gst_event_new_stream_start (id);
  guint group;

  if (gst_event_parse_group_id (event, &group))
    gst_event_set_group_id (start, group);
  gst_event_set_stream_flags (start, GST_STREAM_FLAG_SPARSE);
  gst_event_set_seqnum (start, gst_event_get_seqnum (event));
  gst_event_unref (event);
  gst_class_cues_finish (&self->cues);
  reset (self);
  self->clip = DEFAULT_CLIP;
  if (!gst_pad_push_event (self->srcpad, start))
    return FALSE;
  set_caps (self);
  return TRUE;
}

static void
take_segment (GstVideoClassText * self, GstEvent * event)
{
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  if (segment->format == self->segment.format
      && segment->rate == self->segment.rate
      && segment->start == self->segment.start
      && segment->base == self->segment.base) {
    self->segment = *segment;
    return;
  }
  gst_class_cues_finish (&self->cues);
  reset (self);
  self->segment = *segment;
}

static void
take_gap (GstVideoClassText * self, GstEvent * event)
{
  GstClockTime start, duration;
  GstTextTiming timing;

  gst_event_parse_gap (event, &start, &duration);
  if (!GST_CLOCK_TIME_IS_VALID (start))
    return;
  if (GST_CLOCK_TIME_IS_VALID (duration))
    start += duration;
  GST_OBJECT_LOCK (self);
  timing = self->settings.timing;
  GST_OBJECT_UNLOCK (self);
  if (timing == GST_TEXT_TIMING_CLIPS)
    start = find_known (self, start);
  if (gst_class_cues_advance (&self->cues, start))
    push_gap (self, start);
}

/* How long the clips to come are. */
static void
take_clip_duration (GstVideoClassText * self, GstEvent * event)
{
  const GstStructure *s = gst_event_get_structure (event);
  guint64 duration;

  if (gst_structure_has_name (s, "videoclassify3d-clips")
      && gst_structure_get_uint64 (s, "clip-duration", &duration))
    self->clip = MAX (self->clip, duration);
}

/* A result that no buffer has carried: it came after the last one, or the stream
 * was shorter than a clip. */
static void
take_last_result (GstVideoClassText * self, GstEvent * event)
{
  const GstStructure *s = gst_event_get_structure (event);
  g_autoptr (GstVideoClassifyResult) result = NULL;
  g_autofree gchar *key = NULL, *text = NULL;
  GstTextContent content;
  gdouble score = 0;

  if ((!gst_structure_has_name (s, "videoclassify3d-summary")
          && !gst_structure_has_name (s, "videoclassify3d-result"))
      || !gst_structure_get (s, "result", GST_TYPE_VIDEO_CLASSIFY_RESULT,
          &result, NULL) || result == NULL)
    return;
  GST_OBJECT_LOCK (self);
  content = self->settings.content;
  if (self->settings.timing == GST_TEXT_TIMING_CLIPS && (self->settings.model_name == NULL
          || g_strcmp0 (self->settings.model_name,
              gst_video_classify_result_get_model (result)) == 0))
    gst_text_settings_describe (&self->settings, result, &key, &text, &score);
  GST_OBJECT_UNLOCK (self);
  if (key != NULL)
    take_clip (self, result, content, key, text, score);
}

static gboolean
gst_video_class_text_sink_event (GstPad * pad, GstObject * parent,
    GstEvent * event)
{
  GstVideoClassText *self = GST_VIDEO_CLASS_TEXT (parent);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      return start_stream (self, event);
    case GST_EVENT_CAPS:{
      GstVideoInfo info;
      GstCaps *caps;

      gst_event_parse_caps (event, &caps);
      self->frame_duration = GST_SECOND / 30;
      if (gst_video_info_from_caps (&info, caps)
          && GST_VIDEO_INFO_FPS_N (&info) > 0)
        self->frame_duration = gst_util_uint64_scale (GST_SECOND,
            GST_VIDEO_INFO_FPS_D (&info), GST_VIDEO_INFO_FPS_N (&info));
      gst_event_unref (event);
      return TRUE;
    }
    case GST_EVENT_SEGMENT:
      take_segment (self, event);
      break;
    case GST_EVENT_FLUSH_STOP:
      reset (self);
      gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
      break;
    case GST_EVENT_GAP:
      take_gap (self, event);
      gst_event_unref (event);
      return TRUE;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      take_last_result (self, event);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      take_clip_duration (self, event);
      break;
    case GST_EVENT_TAG:
    case GST_EVENT_TOC:
      /* They are about the video. */
      gst_event_unref (event);
      return TRUE;
    case GST_EVENT_EOS:
      gst_class_cues_finish (&self->cues);
      break;
    default:
      break;
  }
  return gst_pad_event_default (pad, parent, event);
}

static gboolean
gst_video_class_text_sink_query (GstPad * pad, GstObject * parent,
    GstQuery * query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return gst_pad_query_default (pad, parent, query);
  /* Pixels are not looked at, so a tee may use what its other branches want. */
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return TRUE;
}

static GstStateChangeReturn
gst_video_class_text_change_state (GstElement * element,
    GstStateChange transition)
{
  GstVideoClassText *self = GST_VIDEO_CLASS_TEXT (element);
  GstStateChangeReturn ret =
      GST_ELEMENT_CLASS (gst_video_class_text_parent_class)->change_state
      (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    reset (self);
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  }
  return ret;
}

static void
gst_video_class_text_finalize (GObject * object)
{
  GstVideoClassText *self = GST_VIDEO_CLASS_TEXT (object);

  reset (self);
  gst_text_settings_clear (&self->settings);
  G_OBJECT_CLASS (gst_video_class_text_parent_class)->finalize (object);
}

static void
gst_video_class_text_init (GstVideoClassText * self)
{
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_video_class_text_chain);
  gst_pad_set_event_function (self->sinkpad, gst_video_class_text_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_video_class_text_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);

  gst_text_settings_init (&self->settings);
  self->cues.emit = push_cue;
  self->cues.data = self;
  self->cues.max_gap = MAX_GAP;
  self->frame_duration = GST_SECOND / 30;
  self->clip = DEFAULT_CLIP;
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  reset (self);
}

static void
gst_video_class_text_class_init (GstVideoClassTextClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_video_class_text_set_property;
  object_class->get_property = gst_video_class_text_get_property;
  object_class->finalize = gst_video_class_text_finalize;
  gst_text_settings_install (object_class);

  gst_element_class_set_static_metadata (element_class,
      "Video class text", "Converter/Video/Subtitle",
      "Makes subtitles of the classes and actions that videoclassify3d found",
      "The lib3dcnn maintainers");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  element_class->change_state = gst_video_class_text_change_state;
}
