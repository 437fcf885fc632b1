/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/textsettings.h"

#include <string.h>

#define DEFAULT_CONTENT GST_TEXT_CONTENT_RESULTS
#define DEFAULT_TIMING GST_TEXT_TIMING_CLIPS
#define DEFAULT_TEMPLATE "{label}"
#define DEFAULT_THRESHOLD 0.5
#define DEFAULT_TOP_K 1

enum
{
  PROP_CONTENT = 1,
  PROP_TIMING,
  PROP_TEMPLATE,
  PROP_THRESHOLD,
  PROP_TOP_K,
  PROP_MAX_DURATION,
  PROP_MODEL_NAME,
};

static GType
content_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const GEnumValue values[] = {
      {GST_TEXT_CONTENT_RESULTS, "The best classes", "results"},
      {GST_TEXT_CONTENT_EVENTS, "Actions, each once", "events"},
      {0, NULL, NULL},
    };

    g_once_init_leave (&type,
        g_enum_register_static ("GstVideoClassTextContent", values));
  }
  return type;
}

static GType
timing_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const GEnumValue values[] = {
      {GST_TEXT_TIMING_CLIPS, "A text lasts as long as its clips, for files",
          "clips"},
      {GST_TEXT_TIMING_CHANGES,
          "A text lasts as long as the buffers that carry it", "changes"},
      {GST_TEXT_TIMING_BUFFERS,
          "A text for each buffer, at once, for textoverlay", "buffers"},
      {0, NULL, NULL},
    };

    g_once_init_leave (&type,
        g_enum_register_static ("GstVideoClassTextTiming", values));
  }
  return type;
}

void
gst_text_settings_init (GstTextSettings * s)
{
  *s = (GstTextSettings) {
    .content = DEFAULT_CONTENT,
    .timing = DEFAULT_TIMING,
    .template = g_strdup (DEFAULT_TEMPLATE),
    .threshold = DEFAULT_THRESHOLD,
    .top_k = DEFAULT_TOP_K,
  };
}

void
gst_text_settings_clear (GstTextSettings * s)
{
  g_clear_pointer (&s->template, g_free);
  g_clear_pointer (&s->model_name, g_free);
}

gboolean
gst_text_settings_set (GstTextSettings * s, guint id, const GValue * value)
{
  switch (id) {
    case PROP_CONTENT:
      s->content = g_value_get_enum (value);
      break;
    case PROP_TIMING:
      s->timing = g_value_get_enum (value);
      break;
    case PROP_TEMPLATE:
      g_free (s->template);
      s->template = g_value_dup_string (value);
      break;
    case PROP_THRESHOLD:
      s->threshold = g_value_get_double (value);
      break;
    case PROP_TOP_K:
      s->top_k = g_value_get_uint (value);
      break;
    case PROP_MAX_DURATION:
      s->max_duration = g_value_get_uint64 (value);
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
gst_text_settings_get (const GstTextSettings * s, guint id, GValue * value)
{
  switch (id) {
    case PROP_CONTENT:
      g_value_set_enum (value, s->content);
      break;
    case PROP_TIMING:
      g_value_set_enum (value, s->timing);
      break;
    case PROP_TEMPLATE:
      g_value_set_string (value, s->template);
      break;
    case PROP_THRESHOLD:
      g_value_set_double (value, s->threshold);
      break;
    case PROP_TOP_K:
      g_value_set_uint (value, s->top_k);
      break;
    case PROP_MAX_DURATION:
      g_value_set_uint64 (value, s->max_duration);
      break;
    case PROP_MODEL_NAME:
      g_value_set_string (value, s->model_name);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

/* Labels come from files: a text is valid, and one line. */
static void
append_line (GString * text, const gchar * line)
{
  g_autofree gchar *valid = g_utf8_make_valid (line ? line : "", -1);

  for (gchar * c = valid; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  g_string_append (text, valid);
}

/* Appends the value of a field that the template begins with, and returns what
 * follows it, or NULL. */
static const gchar *
fill_field (GString * text, const gchar * template,
    const GstVideoClassifyClass * c, const gchar * model)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  if (g_str_has_prefix (template, "{label}")) {
    append_line (text, c->label);
  } else if (g_str_has_prefix (template, "{score}")) {
    g_string_append (text, g_ascii_formatd (number, sizeof number, "%.2f",
            c->score));
  } else if (g_str_has_prefix (template, "{percent}")) {
    g_string_append_printf (text, "%.0f", c->score * 100);
  } else if (g_str_has_prefix (template, "{index}")) {
    g_string_append_printf (text, "%d", c->index);
  } else if (g_str_has_prefix (template, "{model}")) {
    append_line (text, model);
  } else {
    return NULL;
  }
  return strchr (template, '}') + 1;
}

static gchar *
fill (const gchar * template, const GstVideoClassifyClass * c,
    const gchar * model)
{
  GString *text = g_string_new (NULL);

  if (template == NULL)
    template = DEFAULT_TEMPLATE;
  while (*template != '\0') {
    const gchar *next = fill_field (text, template, c, model);

    if (next == NULL)
      g_string_append_c (text, *template++);
    else
      template = next;
  }
  return g_string_free (text, FALSE);
}

gboolean
gst_text_settings_describe (const GstTextSettings * s,
    const GstVideoClassifyResult * result, gchar ** key, gchar ** text,
    gdouble * score)
{
  const GstVideoClassifyEvent *e = gst_video_classify_result_get_event (result);
  g_autoptr (GString) keys = NULL, texts = NULL;
  const GstVideoClassifyClass *c;

  if (s->content == GST_TEXT_CONTENT_EVENTS) {
    GstVideoClassifyClass action;

    if (e == NULL)
      return FALSE;
    action = (GstVideoClassifyClass) {
    e->index, e->score, e->label};
    *key = g_strdup_printf ("%" G_GUINT64_FORMAT " %s", e->start, e->label);
    *text = fill (s->template, &action,
        gst_video_classify_result_get_model (result));
    *score = e->score;
    return TRUE;
  }
  keys = g_string_new (NULL);
  texts = g_string_new (NULL);
  for (guint i = 0; i < s->top_k; i++) {
    g_autofree gchar *line = NULL;

    c = gst_video_classify_result_get_class (result, i);
    if (c == NULL || c->score < s->threshold)
      break;
    if (i == 0)
      *score = c->score;
    line = fill (s->template, c,
        gst_video_classify_result_get_model (result));
    g_string_append_printf (keys, "%s\n", c->label);
    g_string_append_printf (texts, "%s%s", i > 0 ? "\n" : "", line);
  }
  if (texts->len == 0)
    return FALSE;
  *key = g_string_free (g_steal_pointer (&keys), FALSE);
  *text = g_string_free (g_steal_pointer (&texts), FALSE);
  return TRUE;
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING)

static void
install_timing (GObjectClass * klass)
{
  /**
   * GstVideoClassText:timing:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_TIMING,
      g_param_spec_enum ("timing", "Timing", "How long a text lasts",
          timing_get_type (), DEFAULT_TIMING, FLAGS));
  gst_type_mark_as_plugin_api (timing_get_type (), 0);
  /**
   * GstVideoClassText:max-duration:
   *
   * For muxers that wait for all of their streams, and players that do not look
   * ahead.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MAX_DURATION,
      g_param_spec_uint64 ("max-duration", "Longest duration",
          "Nanoseconds after which a text is cut and begins anew (0 = never)",
          0, G_MAXINT64, 0, FLAGS));
}

void
gst_text_settings_install (GObjectClass * klass)
{
  /**
   * GstVideoClassText:content:
   *
   * Actions need #GstVideoClassify3D:events once upstream.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_CONTENT,
      g_param_spec_enum ("content", "Content", "What the texts say",
          content_get_type (), DEFAULT_CONTENT, FLAGS));
  gst_type_mark_as_plugin_api (content_get_type (), 0);
  install_timing (klass);
  /**
   * GstVideoClassText:template:
   *
   * `{label}`, `{score}` (0.87), `{percent}` (87), `{index}` and `{model}` are
   * replaced; anything else stays as it is.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_TEMPLATE,
      g_param_spec_string ("template", "Template",
          "A line of text, with {label}, {score}, {percent}, {index}, {model}",
          DEFAULT_TEMPLATE, FLAGS));
  /**
   * GstVideoClassText:threshold:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Score that a class must reach to be shown", 0, 1,
          DEFAULT_THRESHOLD, FLAGS));
  /**
   * GstVideoClassText:top-k:
   *
   * With more than one, a text has a line for each, and begins anew if their
   * order changes.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Classes", "Classes in a text at most", 1,
          1000, DEFAULT_TOP_K, FLAGS));
  /**
   * GstVideoClassText:model-name:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL_NAME,
      g_param_spec_string ("model-name", "Model's name",
          "Show results of this model (NULL = of the first one)", NULL, FLAGS));
}
