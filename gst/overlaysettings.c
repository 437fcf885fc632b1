/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/overlaysettings.h"

#define DEFAULT_FONT "Sans"
#define DEFAULT_POSITION GST_OVERLAY_POSITION_TOP_LEFT
#define DEFAULT_SIZE 0.03
#define DEFAULT_COLOR 0xffffffff
#define DEFAULT_BACKGROUND_COLOR 0xb0101419
#define DEFAULT_BAR_COLOR 0xf01e78d2
#define DEFAULT_EVENT_COLOR 0xf0ffb300
#define DEFAULT_TOP_K 3
#define DEFAULT_HOLD 1000

enum
{
  PROP_FONT_DESC = 1,
  PROP_POSITION,
  PROP_SIZE,
  PROP_COLOR,
  PROP_BACKGROUND_COLOR,
  PROP_BAR_COLOR,
  PROP_EVENT_COLOR,
  PROP_XPAD,
  PROP_YPAD,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_EVENT_HOLD,
  PROP_MODEL_NAME,
};

static GType
position_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const GEnumValue values[] = {
      {GST_OVERLAY_POSITION_TOP_LEFT, "Top left", "top-left"},
      {GST_OVERLAY_POSITION_TOP, "Top, in the middle", "top"},
      {GST_OVERLAY_POSITION_TOP_RIGHT, "Top right", "top-right"},
      {GST_OVERLAY_POSITION_LEFT, "Left, half way down", "left"},
      {GST_OVERLAY_POSITION_CENTER, "In the middle of the picture", "center"},
      {GST_OVERLAY_POSITION_RIGHT, "Right, half way down", "right"},
      {GST_OVERLAY_POSITION_BOTTOM_LEFT, "Bottom left", "bottom-left"},
      {GST_OVERLAY_POSITION_BOTTOM, "Bottom, in the middle", "bottom"},
      {GST_OVERLAY_POSITION_BOTTOM_RIGHT, "Bottom right", "bottom-right"},
      {0, NULL, NULL},
    };
    GType t = g_enum_register_static ("GstVideoClassOverlayPosition", values);

    g_once_init_leave (&type, t);
  }
  return type;
}

void
gst_overlay_settings_init (GstOverlaySettings * s)
{
  *s = (GstOverlaySettings) {
    .font = g_strdup (DEFAULT_FONT),
    .position = DEFAULT_POSITION,
    .size = DEFAULT_SIZE,
    .color = DEFAULT_COLOR,
    .background = DEFAULT_BACKGROUND_COLOR,
    .bar = DEFAULT_BAR_COLOR,
    .event = DEFAULT_EVENT_COLOR,
    .xpad = -1,
    .ypad = -1,
    .top_k = DEFAULT_TOP_K,
    .hold = DEFAULT_HOLD,
  };
}

void
gst_overlay_settings_copy (GstOverlaySettings * to,
    const GstOverlaySettings * from)
{
  *to = *from;
  to->font = g_strdup (from->font);
  to->model_name = g_strdup (from->model_name);
}

void
gst_overlay_settings_clear (GstOverlaySettings * s)
{
  g_clear_pointer (&s->font, g_free);
  g_clear_pointer (&s->model_name, g_free);
}

gboolean
gst_overlay_settings_set (GstOverlaySettings * s, guint id,
    const GValue * value)
{
  switch (id) {
    case PROP_FONT_DESC:
      g_free (s->font);
      s->font = g_value_dup_string (value);
      break;
    case PROP_POSITION:
      s->position = g_value_get_enum (value);
      break;
    case PROP_SIZE:
      s->size = g_value_get_double (value);
      break;
    case PROP_COLOR:
      s->color = g_value_get_uint (value);
      break;
    case PROP_BACKGROUND_COLOR:
      s->background = g_value_get_uint (value);
      break;
    case PROP_BAR_COLOR:
      s->bar = g_value_get_uint (value);
      break;
    case PROP_EVENT_COLOR:
      s->event = g_value_get_uint (value);
      break;
    case PROP_XPAD:
      s->xpad = g_value_get_int (value);
      break;
    case PROP_YPAD:
      s->ypad = g_value_get_int (value);
      break;
    case PROP_TOP_K:
      s->top_k = g_value_get_uint (value);
      break;
    case PROP_THRESHOLD:
      s->threshold = g_value_get_double (value);
      break;
    case PROP_EVENT_HOLD:
      s->hold = g_value_get_uint (value);
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
gst_overlay_settings_get (const GstOverlaySettings * s, guint id,
    GValue * value)
{
  switch (id) {
    case PROP_FONT_DESC:
      g_value_set_string (value, s->font);
      break;
    case PROP_POSITION:
      g_value_set_enum (value, s->position);
      break;
    case PROP_SIZE:
      g_value_set_double (value, s->size);
      break;
    case PROP_COLOR:
      g_value_set_uint (value, s->color);
      break;
    case PROP_BACKGROUND_COLOR:
      g_value_set_uint (value, s->background);
      break;
    case PROP_BAR_COLOR:
      g_value_set_uint (value, s->bar);
      break;
    case PROP_EVENT_COLOR:
      g_value_set_uint (value, s->event);
      break;
    case PROP_XPAD:
      g_value_set_int (value, s->xpad);
      break;
    case PROP_YPAD:
      g_value_set_int (value, s->ypad);
      break;
    case PROP_TOP_K:
      g_value_set_uint (value, s->top_k);
      break;
    case PROP_THRESHOLD:
      g_value_set_double (value, s->threshold);
      break;
    case PROP_EVENT_HOLD:
      g_value_set_uint (value, s->hold);
      break;
    case PROP_MODEL_NAME:
      g_value_set_string (value, s->model_name);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS \
    | GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE)

static void
install_color (GObjectClass * klass, guint id, const gchar * name,
    const gchar * nick, const gchar * blurb, guint value)
{
  g_object_class_install_property (klass, id,
      g_param_spec_uint (name, nick, blurb, 0, G_MAXUINT, value, FLAGS));
}

static void
install_colors (GObjectClass * klass)
{
  /**
   * GstVideoClassOverlay:color:
   *
   * Since: 0.1
   */
  install_color (klass, PROP_COLOR, "color", "Colour of the text",
      "Colour of the text of classes, 0xAARRGGBB", DEFAULT_COLOR);
  /**
   * GstVideoClassOverlay:background-color:
   *
   * On a background that is almost transparent, the text gets an outline.
   *
   * Since: 0.1
   */
  install_color (klass, PROP_BACKGROUND_COLOR, "background-color",
      "Colour of the background", "Colour of the panel, 0xAARRGGBB",
      DEFAULT_BACKGROUND_COLOR);
  /**
   * GstVideoClassOverlay:bar-color:
   *
   * Since: 0.1
   */
  install_color (klass, PROP_BAR_COLOR, "bar-color", "Colour of the bars",
      "Colour of the bars and of the frames of objects, 0xAARRGGBB",
      DEFAULT_BAR_COLOR);
  /**
   * GstVideoClassOverlay:event-color:
   *
   * Its text is black or white, whichever reads better.
   *
   * Since: 0.1
   */
  install_color (klass, PROP_EVENT_COLOR, "event-color",
      "Colour of actions", "Colour of the action that is going on, 0xAARRGGBB",
      DEFAULT_EVENT_COLOR);
}

static void
install_layout (GObjectClass * klass)
{
  /**
   * GstVideoClassOverlay:font-desc:
   *
   * For example "Noto Sans Condensed". The size is that of
   * #GstVideoClassOverlay:size.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_FONT_DESC,
      g_param_spec_string ("font-desc", "Font",
          "Pango's description of the font, without a size", DEFAULT_FONT,
          FLAGS));
  /**
   * GstVideoClassOverlay:position:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_POSITION,
      g_param_spec_enum ("position", "Position", "Where on the picture to draw",
          position_get_type (), DEFAULT_POSITION, FLAGS));
  /**
   * GstVideoClassOverlay:size:
   *
   * The text is never smaller than 10 pixels. The height of a picture that is
   * narrower than 4:3 counts as that of a 4:3 picture of its width.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_SIZE,
      g_param_spec_double ("size", "Size",
          "Size of the text as a part of the picture's height", 0.005, 0.5,
          DEFAULT_SIZE, FLAGS));
  /**
   * GstVideoClassOverlay:xpad:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_XPAD,
      g_param_spec_int ("xpad", "Horizontal margin",
          "Pixels to the left or right edge (-1 = by the picture's height)", -1,
          G_MAXINT16, -1, FLAGS));
  /**
   * GstVideoClassOverlay:ypad:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_YPAD,
      g_param_spec_int ("ypad", "Vertical margin",
          "Pixels to the top or bottom edge (-1 = by the picture's height)", -1,
          G_MAXINT16, -1, FLAGS));
}

void
gst_overlay_settings_install (GObjectClass * klass)
{
  install_layout (klass);
  install_colors (klass);
  /**
   * GstVideoClassOverlay:top-k:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Classes",
          "Classes to show at most (0 = no panel)", 0, GST_OVERLAY_MAX_TOP_K,
          DEFAULT_TOP_K, FLAGS));
  /**
   * GstVideoClassOverlay:threshold:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Score that a class must reach to be shown", 0, 1, 0, FLAGS));
  /**
   * GstVideoClassOverlay:event-hold:
   *
   * An action may be over as soon as it is recognised. Later than the picture
   * at which it ended, it is shown as ended.
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_EVENT_HOLD,
      g_param_spec_uint ("event-hold", "Hold of actions",
          "Milliseconds for which an action is shown after its end", 0,
          G_MAXUINT, DEFAULT_HOLD, FLAGS));
  /**
   * GstVideoClassOverlay:model-name:
   *
   * Since: 0.1
   */
  g_object_class_install_property (klass, PROP_MODEL_NAME,
      g_param_spec_string ("model-name", "Model's name",
          "Show results of this model (NULL = of the first one)", NULL, FLAGS));
  gst_type_mark_as_plugin_api (position_get_type (), 0);
}
