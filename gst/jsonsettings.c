/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/jsonsettings.h"

enum
{
  PROP_LOCATION = 1,
  PROP_FD,
  PROP_APPEND,
  PROP_LINES,
  PROP_SOURCE,
  PROP_UTC,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_MODEL_NAME,
};

static GType
lines_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const GFlagsValue values[] = {
      {GST_JSON_LINES_RESULTS, "The classes of each clip", "results"},
      {GST_JSON_LINES_EVENTS, "The beginning and the end of each action", "events"},
      {GST_JSON_LINES_OBJECTS, "Each object whose label changes", "objects"},
      {GST_JSON_LINES_SUMMARY, "The classes of the whole stream", "summary"},
      {0, NULL, NULL},
    };

    g_once_init_leave (&type,
        g_flags_register_static ("GstVideoClassJsonLines", values));
  }
  return type;
}

void
gst_json_settings_init (GstJsonSettings * s)
{
  *s = (GstJsonSettings) {
    .fd = -1,
    .lines = GST_JSON_LINES_ALL,
  };
}

void
gst_json_settings_copy (GstJsonSettings * to, const GstJsonSettings * from)
{
  *to = *from;
  to->location = g_strdup (from->location);
  to->source = g_strdup (from->source);
  to->model_name = g_strdup (from->model_name);
}

void
gst_json_settings_clear (GstJsonSettings * s)
{
  g_clear_pointer (&s->location, g_free);
  g_clear_pointer (&s->source, g_free);
  g_clear_pointer (&s->model_name, g_free);
}

gboolean
gst_json_settings_set (GstJsonSettings * s, guint id, const GValue * value)
{
  switch (id) {
    case PROP_LOCATION:
      g_free (s->location);
      s->location = g_value_dup_string (value);
      break;
    case PROP_FD:
      s->fd = g_value_get_int (value);
      break;
    case PROP_APPEND:
      s->append = g_value_get_boolean (value);
      break;
    case PROP_LINES:
      s->lines = g_value_get_flags (value);
      break;
    case PROP_SOURCE:
      g_free (s->source);
      s->source = g_value_dup_string (value);
      break;
    case PROP_UTC:
      s->utc = g_value_get_boolean (value);
      break;
    case PROP_TOP_K:
      s->top_k = g_value_get_uint (value);
      break;
    case PROP_THRESHOLD:
      s->threshold = g_value_get_double (value);
      break;
    case PROP_MODEL_NAME:
      g_free (s->model_name);
      s->model_name = g_value_dup_string (value);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

gboolean
gst_json_settings_get (const GstJsonSettings * s, guint id, GValue * value)
{
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string (value, s->location);
      break;
    case PROP_FD:
      g_value_set_int (value, s->fd);
      break;
    case PROP_APPEND:
      g_value_set_boolean (value, s->append);
      break;
    case PROP_LINES:
      g_value_set_flags (value, s->lines);
      break;
    case PROP_SOURCE:
      g_value_set_string (value, s->source);
      break;
    case PROP_UTC:
      g_value_set_boolean (value, s->utc);
      break;
    case PROP_TOP_K:
      g_value_set_uint (value, s->top_k);
      break;
    case PROP_THRESHOLD:
      g_value_set_double (value, s->threshold);
      break;
    case PROP_MODEL_NAME:
      g_value_set_string (value, s->model_name);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)

static void
install_output (GObjectClass * klass)
{
  /**
   * GstVideoClassJson:location:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "File to write to (NULL = fd, or the standard output)", NULL,
          FLAGS | GST_PARAM_MUTABLE_READY));
  /**
   * GstVideoClassJson:fd:
   *
   * It is not closed.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_FD,
      g_param_spec_int ("fd", "File descriptor",
          "File descriptor to write to without a location (-1 = the standard "
          "output)", -1, G_MAXINT, -1, FLAGS | GST_PARAM_MUTABLE_READY));
  /**
   * GstVideoClassJson:append:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_APPEND,
      g_param_spec_boolean ("append", "Append",
          "Append to the file, in place of writing it anew", FALSE,
          FLAGS | GST_PARAM_MUTABLE_READY));
}

static void
install_lines (GObjectClass * klass)
{
  const GParamFlags flags = FLAGS | GST_PARAM_MUTABLE_PLAYING;

  /**
   * GstVideoClassJson:lines:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_LINES,
      g_param_spec_flags ("lines", "Lines", "What lines are written of",
          lines_get_type (), GST_JSON_LINES_ALL, flags));
  gst_type_mark_as_plugin_api (lines_get_type (), 0);
  /**
   * GstVideoClassJson:source:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_SOURCE,
      g_param_spec_string ("source", "Source",
          "Written as `source` to each line, to tell streams apart", NULL,
          flags));
  /**
   * GstVideoClassJson:utc:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_UTC,
      g_param_spec_boolean ("utc", "UTC",
          "Whether each line says when it was written, as `utc`", FALSE,
          flags));
  /**
   * GstVideoClassJson:top-k:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Classes",
          "Classes in a line at most (0 = all that the result has)", 0,
          G_MAXINT, 0, flags));
  /**
   * GstVideoClassJson:threshold:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Score that a class must reach to be written", 0, 1, 0, flags));
  /**
   * GstVideoClassJson:model-name:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL_NAME,
      g_param_spec_string ("model-name", "Model's name",
          "Write results of this model (NULL = of the first one)", NULL,
          flags));
}

void
gst_json_settings_install (GObjectClass * klass)
{
  install_output (klass);
  install_lines (klass);
}
