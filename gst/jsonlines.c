/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/jsonlines.h"

#include <json-glib/json-glib.h>

/* Labels come from files, and JSON is UTF-8. */
static void
add_string (JsonBuilder * b, const gchar * name, const gchar * value)
{
  g_autofree gchar *valid = g_utf8_make_valid (value ? value : "", -1);

  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, valid);
}

static void
add_int (JsonBuilder * b, const gchar * name, gint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, value);
}

static void
add_double (JsonBuilder * b, const gchar * name, gdouble value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_double_value (b, value);
}

/* Seconds, or null where the stream has no such time. */
static void
add_time (JsonBuilder * b, const GstJsonLinesConfig * config,
    const gchar * name, GstClockTime pts)
{
  guint64 time = pts;

  if (config->segment != NULL && config->segment->format == GST_FORMAT_TIME)
    time = gst_segment_to_stream_time (config->segment, GST_FORMAT_TIME, pts);
  json_builder_set_member_name (b, name);
  if (GST_CLOCK_TIME_IS_VALID (time))
    json_builder_add_double_value (b, time / (gdouble) GST_SECOND);
  else
    json_builder_add_null_value (b);
}

static JsonBuilder *
begin (const GstJsonLinesConfig * config, const gchar * type)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  add_string (b, "type", type);
  if (config->source != NULL)
    add_string (b, "source", config->source);
  if (config->utc) {
    g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
    g_autofree gchar *seconds = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
    g_autofree gchar *text = g_strdup_printf ("%s.%03dZ", seconds,
        g_date_time_get_microsecond (now) / 1000);

    add_string (b, "utc", text);
  }
  return b;
}

static gchar *
finish (JsonBuilder * b)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  JsonNode *root;
  gchar *line;

  json_builder_end_object (b);
  root = json_builder_get_root (b);
  json_generator_set_root (generator, root);
  line = json_generator_to_data (generator, NULL);
  json_node_unref (root);
  g_object_unref (b);
  return line;
}

static void
add_class (JsonBuilder * b, const gchar * label, gint index, gdouble score)
{
  json_builder_begin_object (b);
  add_string (b, "label", label);
  add_int (b, "index", index);
  add_double (b, "score", score);
  json_builder_end_object (b);
}

gchar *
gst_json_lines_result (const GstJsonLinesConfig * config, GstClockTime time,
    const GstVideoClassifyResult * result, guint top_k, gdouble threshold)
{
  JsonBuilder *b = begin (config, "result");
  const GstVideoClassifyClass *c;

  add_string (b, "model", gst_video_classify_result_get_model (result));
  add_time (b, config, "time", time);
  add_time (b, config, "start",
      gst_video_classify_result_get_clip_start (result));
  add_time (b, config, "end", gst_video_classify_result_get_clip_end (result));
  json_builder_set_member_name (b, "classes");
  json_builder_begin_array (b);
  for (guint i = 0; top_k == 0 || i < top_k; i++) {
    c = gst_video_classify_result_get_class (result, i);
    if (c == NULL || c->score < threshold)
      break;
    add_class (b, c->label, c->index, c->score);
  }
  json_builder_end_array (b);
  return finish (b);
}

gchar *
gst_json_lines_event (const GstJsonLinesConfig * config, GstClockTime time,
    const gchar * model, const GstVideoClassifyEvent * event,
    gboolean has_ended)
{
  JsonBuilder *b = begin (config, has_ended ? "event-end" : "event-start");

  add_string (b, "model", model);
  add_time (b, config, "time", time);
  add_string (b, "label", event->label);
  add_int (b, "index", event->index);
  add_double (b, "score", event->score);
  add_time (b, config, "start", event->start);
  if (has_ended) {
    add_time (b, config, "peak", event->peak);
    add_time (b, config, "end", event->end);
  }
  return finish (b);
}

gchar *
gst_json_lines_object (const GstJsonLinesConfig * config, GstClockTime time,
    const GstLabelledObject * object)
{
  JsonBuilder *b = begin (config, "object");

  add_time (b, config, "time", time);
  add_int (b, "object", object->id);
  add_string (b, "kind", object->is_tracked ? "tracking" : "region");
  add_string (b, "label", object->label);
  add_double (b, "score", object->score);
  add_int (b, "x", object->x);
  add_int (b, "y", object->y);
  add_int (b, "width", object->w);
  add_int (b, "height", object->h);
  return finish (b);
}

static const GValue *
nth (const GstStructure * s, const gchar * field, guint i)
{
  const GValue *array = gst_structure_get_value (s, field);

  return array != NULL && GST_VALUE_HOLDS_ARRAY (array)
      && i < gst_value_array_get_size (array)
      ? gst_value_array_get_value (array, i) : NULL;
}

gchar *
gst_json_lines_summary (const GstJsonLinesConfig * config,
    const GstStructure * s, guint top_k, gdouble threshold)
{
  JsonBuilder *b = begin (config, "summary");
  guint64 clips = 0, object;

  gst_structure_get_uint64 (s, "clips", &clips);
  add_string (b, "model", gst_structure_get_string (s, "model"));
  if (gst_structure_get_uint64 (s, "object", &object)) {
    add_int (b, "object", object);
    add_string (b, "kind", gst_structure_get_string (s, "object-kind"));
  }
  add_int (b, "clips", clips);
  json_builder_set_member_name (b, "classes");
  json_builder_begin_array (b);
  for (guint i = 0; top_k == 0 || i < top_k; i++) {
    const GValue *label = nth (s, "labels", i), *score = nth (s, "scores", i);
    const GValue *index = nth (s, "indices", i);

    if (label == NULL || score == NULL || index == NULL
        || g_value_get_double (score) < threshold)
      break;
    add_class (b, g_value_get_string (label), g_value_get_int (index),
        g_value_get_double (score));
  }
  json_builder_end_array (b);
  return finish (b);
}
