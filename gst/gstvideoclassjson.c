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
 * several elements can append to one file. Buffers pass untouched.
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
#include <fcntl.h>
#include <glib/gstdio.h>
#include <gst/video/video.h>
#include <unistd.h>

#include "gst/jsonlines.h"
#include "gst/jsonsettings.h"

/* Objects whose labels are remembered. */
#define MAX_OBJECTS 1024

struct _GstVideoClassJson
{
  GstBaseTransform parent;

  GstJsonSettings settings;     /* guarded by the object lock */

  /* Of the streaming thread. */
  int out;
  gboolean owns_out;
  GstVideoClassifyResult *result;       /* the newest */
  GstVideoClassifyResult *action;       /* that goes on, its newest */
  GHashTable *objects;          /* id -> label */
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

/* Takes the line. */
static gboolean
write_line (GstVideoClassJson * self, gchar * line)
{
  int error = gst_json_lines_write (self->out, line);

  g_free (line);
  if (error == 0)
    return TRUE;
  if (error == ENOSPC)
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT, (NULL), (NULL));
  else if (self->owns_out)
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("%s: %s", self->settings.location, g_strerror (error)), (NULL));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("File descriptor %d: %s", self->out, g_strerror (error)), (NULL));
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
  for (guint i = 0; i < objects->len; i++) {
    GstLabelledObject *object = &g_array_index (objects, GstLabelledObject, i);
    gpointer id = GINT_TO_POINTER ((gint) object->id);

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
  if (meta != NULL)
    ok = take_result (self, &s, meta->result);
  ok = ok && take_objects (self, &s, buffer);
  gst_json_settings_clear (&s);
  return ok ? GST_FLOW_OK : GST_FLOW_ERROR;
}

static void
forget (GstVideoClassJson * self)
{
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  g_clear_pointer (&self->action, gst_video_classify_result_unref);
  g_hash_table_remove_all (self->objects);
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
          gst_structure_get_string (summary, "model")) != 0)
    return TRUE;
  gst_structure_get (summary, "result", GST_TYPE_VIDEO_CLASSIFY_RESULT, &last,
      NULL);
  if (last != NULL)
    ok = take_result (self, s, last);
  ok = ok && end_action (self, s);
  if (ok && (s->lines & GST_JSON_LINES_SUMMARY))
    ok = write_line (self, gst_json_lines_summary (&config, summary,
            s->top_k));
  return ok;
}

static gboolean
gst_video_class_json_sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (trans);
  GstJsonSettings s;

  take_settings (self, &s);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_FLUSH_STOP:
      forget (self);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (gst_event_has_name (event, "videoclassify3d-summary"))
        take_summary (self, &s, gst_event_get_structure (event));
      break;
    case GST_EVENT_EOS:
      end_action (self, &s);
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
  int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  const GstJsonSettings *s = &self->settings;   /* these are set in READY */

  self->owns_out = s->location != NULL && *s->location != '\0';
  if (!self->owns_out) {
    self->out = s->fd >= 0 ? s->fd : STDOUT_FILENO;
    return TRUE;
  }
  self->out = g_open (s->location, s->append ? flags : flags | O_TRUNC,
      0666);
  if (self->out >= 0)
    return TRUE;
  GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE,
      ("%s: %s", self->settings.location, g_strerror (errno)), (NULL));
  return FALSE;
}

static gboolean
gst_video_class_json_stop (GstBaseTransform * trans)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (trans);

  forget (self);
  if (self->owns_out && close (self->out) != 0)
    GST_ELEMENT_WARNING (self, RESOURCE, CLOSE,
        ("%s: %s", self->settings.location, g_strerror (errno)), (NULL));
  self->owns_out = FALSE;
  return TRUE;
}

static void
gst_video_class_json_finalize (GObject * object)
{
  GstVideoClassJson *self = GST_VIDEO_CLASS_JSON (object);

  gst_json_settings_clear (&self->settings);
  g_hash_table_unref (self->objects);
  G_OBJECT_CLASS (gst_video_class_json_parent_class)->finalize (object);
}

static void
gst_video_class_json_init (GstVideoClassJson * self)
{
  gst_json_settings_init (&self->settings);
  self->objects = g_hash_table_new_full (NULL, NULL, NULL, g_free);
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
