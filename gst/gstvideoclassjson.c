/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-videoclassjson
 * @title: videoclassjson
 * @short_description: writes what videoclassify3d found as lines of JSON
 *
 * Writes a line of JSON for each clip, for the beginning and the end of each
 * action (#GstVideoClassify3D:events once), for each object whose label changes
 * (#GstVideoClassify3D:roi meta) and for the whole stream at its end, to a file,
 * a file descriptor or the standard output. Each line is written at once, and by
 * one call of `write()`, so that what reads along never sees half of it, and
 * several elements can append to one file. Buffers pass untouched. A pipe that
 * nobody reads holds up a file, but not a live stream, whose lines are left out
 * then.
 *
 * doc/videoclassjson.md has the schema.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 -q v4l2src ! videoconvert ! videoclassify3d clip-stride=4 events=once ! videoclassjson utc=true ! fakesink
 * ]| What a camera sees, on the standard output.
 * |[
 * gst-launch-1.0 filesrc location=holiday.mp4 ! decodebin ! videoconvert ! videoclassify3d ! videoclassjson location=holiday.jsonl ! fakesink
 * ]| A file.
 *
 * Since: 0.1
 */

#include "gst/gstvideoclassjson.h"

#include <errno.h>
#include <gst/video/video.h>

#include "gst/jsonlines.h"
#include "gst/jsonoutput.h"
#include "gst/jsonsettings.h"

/* Objects whose labels are remembered. */
#define MAX_OBJECTS 1024
/* How long a live stream waits for who reads the lines: less than a frame. */
#define PATIENCE (20 * GST_MSECOND)
/* Warnings of lines that are left out do not come more often. */
#define WARNING_PERIOD (10 * G_USEC_PER_SEC)

struct _GstVideoClassJson
{
  GstBaseTransform parent;

  GstJsonSettings settings;     /* guarded by the object lock */
  gboolean is_stopping;         /* so is this: a flush does not end that */
  GstPoll *poll;                /* set to be flushing, it ends each wait */

  /* Of the streaming thread. */
  GstJsonOutput *out;
  GstFlowReturn failure;        /* why the last line was not written */
  gboolean knows_live, is_live;
  guint64 dropped, dropped_before;      /* lines, and those warned of */
  gint64 warned;                /* when; 0: never */
  GstVideoClassifyResult *result;       /* the newest */
  GstVideoClassifyResult *action;       /* that goes on, its newest */
  GHashTable *objects;          /* id, and of which kind -> label */
  gboolean has_summary;
  gboolean has_match, has_other;        /* for the model's name that is asked for */
  GstClockTime time;            /* of the newest buffer */
};

G_DEFINE_TYPE (GstVideoClassJson, gst_video_class_json,
    GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE (videoclassjson, "videoclassjson", GST_RANK_NONE,
    GST_TYPE_VIDEO_CLASS_JSON);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

static void
gst_video_class_json_set_property (GObject * object, guint id,
    const GValue * value, GParamSpec * pspec)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_json_settings_set (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_video_class_json_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_json_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* As they are for the time of a buffer or an event; to be cleared. */
static void
take_settings (GstVideoClassJson * self, GstJsonSettings * s)
{
  GST_OBJECT_LOCK (self);
  gst_json_settings_copy (s, &self->settings);
  GST_OBJECT_UNLOCK (self);
}

static GstJsonLinesConfig
make_config (GstVideoClassJson * self, const GstJsonSettings * s)
{
  return (GstJsonLinesConfig) {
  s->source, s->utc, &GST_BASE_TRANSFORM (self)->segment};
}

static gboolean
is_live (GstVideoClassJson * self)
{
  g_autoptr (GstQuery) query = NULL;

  if (self->knows_live)
    return self->is_live;
  query = gst_query_new_latency ();
  self->is_live = FALSE;
  if (gst_pad_peer_query (GST_BASE_TRANSFORM (self)->sinkpad, query))
    gst_query_parse_latency (query, &self->is_live, NULL, NULL);
  self->knows_live = TRUE;
  return self->is_live;
}

/* Unless it was just said. */
static void
warn_of_dropped (GstVideoClassJson * self, gint64 period)
{
  gint64 now = g_get_monotonic_time ();

  if (self->dropped == self->dropped_before
      || (self->warned != 0 && now - self->warned < period))
    return;
  self->warned = now;
  self->dropped_before = self->dropped;
  GST_ELEMENT_WARNING (self, RESOURCE, WRITE,
      ("%s: nobody reads in time; lines left out so far: %" G_GUINT64_FORMAT,
          gst_json_output_get_name (self->out), self->dropped), (NULL));
}

static void
post_write_error (GstVideoClassJson * self, int error)
{
  const gchar *name = gst_json_output_get_name (self->out);

  if (error == ENOSPC)
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
        ("%s: %s", name, g_strerror (error)), (NULL));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("%s: %s", name, g_strerror (error)), (NULL));
}

/* Takes the line. Returns FALSE if buffers shall not go on, see failure. */
static gboolean
write_line (GstVideoClassJson * self, gchar * line)
{
  int error = 0;

  /* After an error nothing more, not even the summary at EOS. */
  if (self->failure != GST_FLOW_ERROR)
    error = gst_json_output_write (self->out, line, self->poll,
        is_live (self) ? PATIENCE : GST_CLOCK_TIME_NONE);
  g_free (line);
  if (error == 0)
    return self->failure != GST_FLOW_ERROR;
  if (error == EAGAIN) {
    self->dropped++;
    warn_of_dropped (self, WARNING_PERIOD);
    return TRUE;
  }
  self->failure = error == EBUSY ? GST_FLOW_FLUSHING : GST_FLOW_ERROR;
  if (error != EBUSY)
    post_write_error (self, error);
  return FALSE;
}

static gboolean
end_action (GstVideoClassJson * self, const GstJsonSettings * s)
{
  const GstJsonLinesConfig config = make_config (self, s);
  g_autoptr (GstVideoClassifyResult) action =
      g_steal_pointer (&self->action);

  if (action == NULL || !(s->lines & GST_JSON_LINES_EVENTS))
    return TRUE;
  return write_line (self, gst_json_lines_event (&config, self->time,
          gst_video_classify_result_get_model (action),
          gst_video_classify_result_get_event (action), TRUE));
}

static gboolean
follow_action (GstVideoClassJson * self, const GstJsonSettings * s,
    GstVideoClassifyResult * result)
{
  const GstJsonLinesConfig config = make_config (self, s);
  const GstVideoClassifyEvent *now =
      gst_video_classify_result_get_event (result);
  const GstVideoClassifyEvent *before = self->action ?
      gst_video_classify_result_get_event (self->action) : NULL;
  gboolean goes_on = now != NULL && before != NULL
      && now->start == before->start && now->index == before->index, ok = TRUE;

  if (!goes_on)
    ok = end_action (self, s);
  g_clear_pointer (&self->action, gst_video_classify_result_unref);
  if (now == NULL)
    return ok;
  self->action = gst_video_classify_result_ref (result);
  if (ok && !goes_on && (s->lines & GST_JSON_LINES_EVENTS))
    ok = write_line (self, gst_json_lines_event (&config, self->time,
            gst_video_classify_result_get_model (result), now, FALSE));
  return ok;
}

static gboolean
take_result (GstVideoClassJson * self, const GstJsonSettings * s,
    GstVideoClassifyResult * result)
{
  const GstJsonLinesConfig config = make_config (self, s);
  if (result == self->result)
    return TRUE;
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  self->result = gst_video_classify_result_ref (result);
  if ((s->lines & GST_JSON_LINES_RESULTS)
      && !write_line (self, gst_json_lines_result (&config, self->time,
              result, s->top_k, s->threshold)))
    return FALSE;
  return follow_action (self, s, result);
}

static gboolean
take_objects (GstVideoClassJson * self, const GstJsonSettings * s, GstBuffer * buffer)
{
  const GstJsonLinesConfig config = make_config (self, s);
  g_autoptr (GArray) objects = NULL;

  if (!(s->lines & GST_JSON_LINES_OBJECTS))
    return TRUE;
  objects = gst_labelled_objects_find (buffer, s->model_name);
  self->has_match |= objects->len > 0;
  for (guint i = 0; i < objects->len; i++) {
    GstLabelledObject *object = &g_array_index (objects, GstLabelledObject, i);
    gpointer id = GSIZE_TO_POINTER ((gsize) object->id * 2
        + object->is_tracked);

    if (object->score < s->threshold
        || g_strcmp0 (g_hash_table_lookup (self->objects, id),
            object->label) == 0)
      continue;
    if (g_hash_table_size (self->objects) >= MAX_OBJECTS)
      g_hash_table_remove_all (self->objects);
    g_hash_table_insert (self->objects, id, g_strdup (object->label));
    if (!write_line (self, gst_json_lines_object (&config, self->time,
                object)))
      return FALSE;
  }
  return TRUE;
}

/* Whether there is anything of another model, as long as there is nothing of the
 * one that is asked for. */
static void
look_for_others (GstVideoClassJson * self, const GstJsonSettings * s,
    GstBuffer * buffer)
{
  g_autoptr (GArray) objects = NULL;

  if (s->model_name == NULL || self->has_match || self->has_other)
    return;
  objects = gst_labelled_objects_find (buffer, NULL);
  self->has_other = objects->len > 0
      || gst_buffer_get_video_classify_meta (buffer, NULL) != NULL;
}

/* At EOS: a name with a typing error writes an empty file. */
static void
warn_of_name (GstVideoClassJson * self, const GstJsonSettings * s)
{
  if (s->model_name == NULL || self->has_match || !self->has_other)
    return;
  GST_ELEMENT_WARNING (self, RESOURCE, NOT_FOUND,
      ("model-name=%s: all results were of other models", s->model_name),
      (NULL));
}

static GstFlowReturn
gst_video_class_json_transform_ip (GstBaseTransform * trans,
    GstBuffer * buffer)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (trans);
  GstVideoClassifyMeta *meta;
  gboolean ok = TRUE;
  GstJsonSettings s;

  take_settings (self, &s);
  self->time = GST_BUFFER_PTS (buffer);
  meta = gst_buffer_get_video_classify_meta (buffer, s.model_name);
  if (meta != NULL) {
    self->has_match = TRUE;
    ok = take_result (self, &s, meta->result);
  }
  ok = ok && take_objects (self, &s, buffer);
  look_for_others (self, &s, buffer);
  gst_json_settings_clear (&s);
  return ok ? GST_FLOW_OK : self->failure;
}

static void
forget (GstVideoClassJson * self)
{
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  g_clear_pointer (&self->action, gst_video_classify_result_unref);
  g_hash_table_remove_all (self->objects);
  self->has_summary = self->has_match = self->has_other = FALSE;
  self->time = GST_CLOCK_TIME_NONE;
}

/* At the end of the stream: what no buffer carries. */
static gboolean
take_summary (GstVideoClassJson * self, const GstJsonSettings * s,
    const GstStructure * summary)
{
  const GstJsonLinesConfig config = make_config (self, s);
  g_autoptr (GstVideoClassifyResult) last = NULL;
  gboolean ok = TRUE;

  if (s->model_name != NULL && g_strcmp0 (s->model_name,
          gst_structure_get_string (summary, "model")) != 0) {
    self->has_other = TRUE;
    return TRUE;
  }
  /* The first classifier's comes first, and its results are those written. */
  if (s->model_name == NULL && self->has_summary)
    return TRUE;
  self->has_match = TRUE;
  /* There is one for each object. */
  if (gst_structure_has_field (summary, "object"))
    return !(s->lines & GST_JSON_LINES_SUMMARY) || write_line (self,
        gst_json_lines_summary (&config, summary, s->top_k, s->threshold));
  self->has_summary = TRUE;
  gst_structure_get (summary, "result", GST_TYPE_VIDEO_CLASSIFY_RESULT, &last,
      NULL);
  if (last != NULL)
    ok = take_result (self, s, last);
  ok = ok && end_action (self, s);
  if (ok && (s->lines & GST_JSON_LINES_SUMMARY))
    ok = write_line (self, gst_json_lines_summary (&config, summary,
            s->top_k, s->threshold));
  return ok;
}

/* One that came after the last buffer. */
static void
take_late_result (GstVideoClassJson * self, const GstJsonSettings * s,
    const GstStructure * structure)
{
  g_autoptr (GstVideoClassifyResult) result = NULL;

  gst_structure_get (structure, "result", GST_TYPE_VIDEO_CLASSIFY_RESULT,
      &result, NULL);
  if (result == NULL)
    return;
  if (s->model_name == NULL ? self->has_summary : g_strcmp0 (s->model_name,
          gst_video_classify_result_get_model (result)) != 0) {
    self->has_other = TRUE;
    return;
  }
  self->has_match = TRUE;
  take_result (self, s, result);
}

/* Waits are allowed again, unless the element is about to stop. */
static void
end_flushing (GstVideoClassJson * self)
{
  GST_OBJECT_LOCK (self);
  if (!self->is_stopping)
    gst_poll_set_flushing (self->poll, FALSE);
  GST_OBJECT_UNLOCK (self);
}

static void
set_stopping (GstVideoClassJson * self, gboolean is_stopping)
{
  GST_OBJECT_LOCK (self);
  self->is_stopping = is_stopping;
  gst_poll_set_flushing (self->poll, is_stopping);
  GST_OBJECT_UNLOCK (self);
}

static gboolean
gst_video_class_json_sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (trans);
  GstJsonSettings s;

  take_settings (self, &s);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      gst_poll_set_flushing (self->poll, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      end_flushing (self);
      forget (self);
      break;
    case GST_EVENT_STREAM_START:
      forget (self);
      self->knows_live = FALSE;
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (gst_event_has_name (event, "videoclassify3d-summary"))
        take_summary (self, &s, gst_event_get_structure (event));
      else if (gst_event_has_name (event, "videoclassify3d-result"))
        take_late_result (self, &s, gst_event_get_structure (event));
      break;
    case GST_EVENT_EOS:
      end_action (self, &s);
      warn_of_dropped (self, 0);
      warn_of_name (self, &s);
      self->has_summary = FALSE;
      break;
    default:
      break;
  }
  gst_json_settings_clear (&s);
  return
      GST_BASE_TRANSFORM_CLASS (gst_video_class_json_parent_class)->sink_event
      (trans, event);
}

static gboolean
gst_video_class_json_start (GstBaseTransform * trans)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (trans);
  const GstJsonSettings *s = &self->settings;   /* these are set in READY */
  g_autoptr (GError) error = NULL;

  self->out = s->location != NULL && *s->location != '\0' ?
      gst_json_output_new_file (s->location, s->append, &error)
      : gst_json_output_new_fd (s->fd, &error);
  if (self->out == NULL) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE, ("%s", error->message),
        (NULL));
    return FALSE;
  }
  self->failure = GST_FLOW_OK;
  self->knows_live = FALSE;
  self->dropped = self->dropped_before = 0;
  self->warned = 0;
  set_stopping (self, FALSE);
  return TRUE;
}

static gboolean
gst_video_class_json_stop (GstBaseTransform * trans)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (trans);
  g_autofree gchar *name = NULL;
  int error;

  forget (self);
  if (self->out == NULL)
    return TRUE;
  name = g_strdup (gst_json_output_get_name (self->out));
  warn_of_dropped (self, 0);
  error = gst_json_output_free (g_steal_pointer (&self->out));
  if (error != 0)
    GST_ELEMENT_WARNING (self, RESOURCE, CLOSE,
        ("%s: %s", name, g_strerror (error)), (NULL));
  return TRUE;
}

static GstStateChangeReturn
gst_video_class_json_change_state (GstElement * element,
    GstStateChange transition)
{
  /* The streaming thread may wait for a reader, and pads for the thread. */
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    set_stopping (GST_VIDEO_CLASS_JSON (element), TRUE);
  return GST_ELEMENT_CLASS (gst_video_class_json_parent_class)->change_state
      (element, transition);
}

static void
gst_video_class_json_finalize (GObject * object)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (object);

  gst_json_settings_clear (&self->settings);
  g_hash_table_unref (self->objects);
  gst_poll_free (self->poll);
  G_OBJECT_CLASS (gst_video_class_json_parent_class)->finalize (object);
}

static void
gst_video_class_json_init (GstVideoClassJson * self)
{
  gst_json_settings_init (&self->settings);
  self->objects = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->poll = gst_poll_new (TRUE);
  self->time = GST_CLOCK_TIME_NONE;
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
  gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self), TRUE);
}

static void
gst_video_class_json_class_init (GstVideoClassJsonClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  object_class->set_property = gst_video_class_json_set_property;
  object_class->get_property = gst_video_class_json_get_property;
  object_class->finalize = gst_video_class_json_finalize;
  element_class->change_state = gst_video_class_json_change_state;
  gst_json_settings_install (object_class);

  gst_element_class_set_static_metadata (element_class,
      "Video class writer", "Filter/Analyzer/Video",
      "Writes the classes and actions that videoclassify3d found as JSON",
      "The lib3dcnn maintainers");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);

  trans_class->start = gst_video_class_json_start;
  trans_class->stop = gst_video_class_json_stop;
  trans_class->transform_ip = gst_video_class_json_transform_ip;
  trans_class->sink_event = gst_video_class_json_sink_event;
}
