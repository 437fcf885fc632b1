/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/overlayscene.h"

#include "gst/labelledobjects.h"
#include "gst/overlaypainter.h"
#include "gst/videoclassify/gstvideoclassifymeta.h"

/* Text that is smaller cannot be read. */
#define MIN_TEXT_HEIGHT 10.0
/* Of the room that there is: larger text leaves none for the other things, be it
 * the action or a few letters of a label. */
#define MAX_TEXT_HEIGHT (1 / 5.6)
#define MAX_TEXT_WIDTH (1 / 10.0)
/* The painter wants some room. */
#define MIN_PICTURE 16
/* Tags of objects that are kept. */
#define MAX_TAGS 64

struct _GstOverlayScene
{
  GstOverlaySettings settings;
  GstVideoInfo info;
  GstOverlayPainter *painter;

  GstVideoClassifyResult *result;       /* that the panel is of */
  GstVideoOverlayRectangle *panel;
  gchar *event_label;           /* of the action that is shown, or NULL */
  GstClockTime event_start, event_seen;
  guint64 event_seconds;        /* as painted */
  gboolean event_active;
  GstVideoOverlayRectangle *event;
  GHashTable *tags;             /* text -> rectangle */
  GstVideoOverlayComposition *composition;      /* of panel and event */
};

static void
clear_rectangle (GstVideoOverlayRectangle ** rectangle)
{
  g_clear_pointer (rectangle, gst_video_overlay_rectangle_unref);
}

static void
forget_event (GstOverlayScene * self)
{
  g_clear_pointer (&self->event_label, g_free);
  clear_rectangle (&self->event);
}

/* What is painted does not hold any more. */
static void
forget_paintings (GstOverlayScene * self)
{
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  clear_rectangle (&self->panel);
  clear_rectangle (&self->event);
  g_hash_table_remove_all (self->tags);
  g_clear_pointer (&self->composition, gst_video_overlay_composition_unref);
}

static gint
margin (GstOverlayScene * self, gint pad)
{
  gint automatic = MIN (GST_VIDEO_INFO_HEIGHT (&self->info),
      GST_VIDEO_INFO_WIDTH (&self->info) * 3 / 4) / 40;

  return pad >= 0 ? pad : MAX (2, automatic);
}

static void
largest_size (GstOverlayScene * self, gint * width, gint * height)
{
  *width = MAX (MIN_PICTURE, GST_VIDEO_INFO_WIDTH (&self->info)
      - 2 * margin (self, self->settings.xpad));
  *height = MAX (MIN_PICTURE, GST_VIDEO_INFO_HEIGHT (&self->info)
      - 2 * margin (self, self->settings.ypad));
}

/* By the height, but a portrait is too narrow for that. */
static gdouble
text_height (GstOverlayScene * self, gdouble aspect)
{
  gdouble picture = MIN (GST_VIDEO_INFO_HEIGHT (&self->info),
      0.75 * GST_VIDEO_INFO_WIDTH (&self->info) * aspect);
  gint width, height;
  gdouble most;

  largest_size (self, &width, &height);
  most = MIN (MAX_TEXT_HEIGHT * height, MAX_TEXT_WIDTH * width * aspect);
  return CLAMP (picture * self->settings.size, MIN_TEXT_HEIGHT,
      CLAMP (most, MIN_TEXT_HEIGHT, 1000));
}

/* For a new size of the picture or of the text, or other colours. */
static void
set_style (GstOverlayScene * self)
{
  const GstOverlaySettings *s = &self->settings;
  GstOverlayStyle style = {.font = s->font,.aspect = 1,.color = s->color,
    .background = s->background,.bar = s->bar,.event = s->event
  };

  if (GST_VIDEO_INFO_PAR_N (&self->info) > 0
      && GST_VIDEO_INFO_PAR_D (&self->info) > 0)
    style.aspect = CLAMP (GST_VIDEO_INFO_PAR_N (&self->info)
        / (gdouble) GST_VIDEO_INFO_PAR_D (&self->info), 0.1, 10);
  style.text_height = text_height (self, style.aspect);
  gst_overlay_painter_set_style (self->painter, &style);
  forget_paintings (self);
}

static void
paint_panel (GstOverlayScene * self, GstVideoClassifyResult * result)
{
  GstOverlayRow rows[GST_OVERLAY_MAX_TOP_K];
  const GstVideoClassifyClass *c;
  gint width, height;
  guint n = 0;

  g_clear_pointer (&self->composition, gst_video_overlay_composition_unref);
  g_clear_pointer (&self->result, gst_video_classify_result_unref);
  clear_rectangle (&self->panel);
  if (result == NULL)
    return;
  self->result = gst_video_classify_result_ref (result);
  for (; n < self->settings.top_k; n++) {
    c = gst_video_classify_result_get_class (result, n);
    if (c == NULL || c->score < self->settings.threshold)
      break;
    rows[n] = (GstOverlayRow) {
    c->label, c->score};
  }
  largest_size (self, &width, &height);
  self->panel = gst_overlay_painter_draw_classes (self->painter, rows, n, width,
      MAX (MIN_PICTURE, height / 2));
  /* On the smallest pictures, one class may take more. */
  if (self->panel == NULL)
    self->panel = gst_overlay_painter_draw_classes (self->painter, rows,
        MIN (n, 1), width, height);
}

/* Which action is shown: the one that is going on, or for a while the last one. */
static void
follow_event (GstOverlayScene * self,
    const GstVideoClassifyEvent * event, GstClockTime now)
{
  GstClockTime hold = self->settings.hold * GST_MSECOND;

  if (event != NULL) {
    if (self->event_label == NULL || self->event_start != event->start
        || g_strcmp0 (self->event_label, event->label) != 0
        || !self->event_active)
      forget_event (self);
    if (self->event_label == NULL)
      self->event_label = g_strdup (event->label ? event->label : "");
    self->event_start = event->start;
    self->event_seen = now;
    self->event_active = TRUE;
  } else if (self->event_label != NULL) {
    if (self->event_active)
      clear_rectangle (&self->event);
    self->event_active = FALSE;
    if (hold == 0 || now < self->event_seen || now - self->event_seen >= hold)
      forget_event (self);
  }
}

static void
paint_event (GstOverlayScene * self, GstClockTime now)
{
  GstClockTime until = self->event_active ? now : self->event_seen;
  guint64 seconds = until > self->event_start
      ? (until - self->event_start) / GST_SECOND : 0;
  g_autofree gchar *time = NULL;
  gint width, height;

  if (self->event != NULL && seconds == self->event_seconds)
    return;
  clear_rectangle (&self->event);
  time = seconds < 60 ? g_strdup_printf ("%u s", (guint) seconds)
      : g_strdup_printf ("%" G_GUINT64_FORMAT ":%02u", seconds / 60,
      (guint) (seconds % 60));
  largest_size (self, &width, &height);
  self->event = gst_overlay_painter_draw_event (self->painter,
      self->event_label, time, self->event_active, width,
      MAX (MIN_PICTURE, height * 2 / 5));
  self->event_seconds = seconds;
}

/* Puts a rectangle at the position that was asked for, `off` pixels from where
 * the column of rectangles of this height begins. */
static void
place (GstOverlayScene * self, GstVideoOverlayRectangle ** rectangle,
    gint off, gint column_height)
{
  guint w, h;
  gint x, y, width = GST_VIDEO_INFO_WIDTH (&self->info);
  gint height = GST_VIDEO_INFO_HEIGHT (&self->info);
  gint column = self->settings.position % 3, row = self->settings.position / 3;

  gst_video_overlay_rectangle_get_render_rectangle (*rectangle, &x, &y, &w, &h);
  x = column == 0 ? margin (self, self->settings.xpad)
      : column == 1 ? (width - (gint) w) / 2
      : width - margin (self, self->settings.xpad) - (gint) w;
  y = row == 0 ? margin (self, self->settings.ypad)
      : row == 1 ? (height - column_height) / 2
      : height - margin (self, self->settings.ypad) - column_height;
  /* It may be part of a composition that is still in use. */
  *rectangle = (GstVideoOverlayRectangle *)
      gst_mini_object_make_writable (GST_MINI_OBJECT_CAST (*rectangle));
  /* On even lines and columns no chroma is shared with pixels beside. */
  gst_video_overlay_rectangle_set_render_rectangle (*rectangle,
      CLAMP (x, 0, MAX (0, width - (gint) w)) & ~1,
      CLAMP (y + off, 0, MAX (0, height - (gint) h)) & ~1, w, h);
}

static gint
rectangle_height (GstVideoOverlayRectangle * rectangle)
{
  guint w, h;
  gint x, y;

  if (rectangle == NULL)
    return 0;
  gst_video_overlay_rectangle_get_render_rectangle (rectangle, &x, &y, &w, &h);
  return h;
}

/* The panel keeps its place when an action comes and goes. */
static void
compose (GstOverlayScene * self)
{
  gint panel = rectangle_height (self->panel);
  gint event = rectangle_height (self->event);
  gint gap = panel > 0 && event > 0 ? MAX (2, panel / 16) & ~1 : 0;
  gboolean at_bottom = self->settings.position >= GST_OVERLAY_POSITION_BOTTOM_LEFT;
  gint total = at_bottom ? panel + gap + event : panel;

  self->composition = gst_video_overlay_composition_new (NULL);
  if (self->panel != NULL) {
    place (self, &self->panel, at_bottom ? gap + event : 0, total);
    gst_video_overlay_composition_add_rectangle (self->composition,
        self->panel);
  }
  if (self->event != NULL) {
    place (self, &self->event, at_bottom ? 0 : panel + gap,
        panel > 0 ? total : event);
    gst_video_overlay_composition_add_rectangle (self->composition,
        self->event);
  }
}

static GstVideoOverlayRectangle *
find_tag (GstOverlayScene * self, const GstLabelledObject * object)
{
  /* Scores that are printed alike share a tag. */
  g_autofree gchar *key = g_strdup_printf ("%.2f %s", object->score,
      object->label);
  GstVideoOverlayRectangle *tag = g_hash_table_lookup (self->tags, key);
  GstOverlayRow row = { object->label, object->score };

  if (tag != NULL)
    return tag;
  tag = gst_overlay_painter_draw_tag (self->painter, &row,
      MAX (MIN_PICTURE, GST_VIDEO_INFO_WIDTH (&self->info)),
      MAX (MIN_PICTURE, GST_VIDEO_INFO_HEIGHT (&self->info)));
  if (tag == NULL)
    return NULL;
  if (g_hash_table_size (self->tags) >= MAX_TAGS)
    g_hash_table_remove_all (self->tags);
  g_hash_table_insert (self->tags, g_steal_pointer (&key), tag);
  return tag;
}

static void
add_side (GstOverlayScene * self, GstVideoOverlayComposition * composition,
    gint x, gint y, gint w, gint h)
{
  GstVideoOverlayRectangle *side;

  if (w < 2 || h < 2)
    return;
  side = gst_overlay_painter_draw_side (self->painter, w, h);
  gst_video_overlay_rectangle_set_render_rectangle (side, x, y, w, h);
  gst_video_overlay_composition_add_rectangle (composition, side);
  gst_video_overlay_rectangle_unref (side);
}

/* A frame round the object, and its label above it, or in it at the top. */
static void
add_object (GstOverlayScene * self,
    GstVideoOverlayComposition * composition, const GstLabelledObject * object)
{
  gint width = GST_VIDEO_INFO_WIDTH (&self->info) & ~1;
  gint height = GST_VIDEO_INFO_HEIGHT (&self->info) & ~1;
  gint line = MAX (2, height / 180) & ~1, tag_x, tag_y;
  gint x = CLAMP (object->x, 0, width) & ~1;
  gint y = CLAMP (object->y, 0, height) & ~1;
  gint right = CLAMP ((gint64) object->x + object->w, 0, width) & ~1;
  gint bottom = CLAMP ((gint64) object->y + object->h, 0, height) & ~1;
  GstVideoOverlayRectangle *tag;
  guint w, h;

  if (right - x < 2 * line || bottom - y < 2 * line)
    return;
  add_side (self, composition, x, y, right - x, line);
  add_side (self, composition, x, bottom - line, right - x, line);
  add_side (self, composition, x, y + line, line, bottom - y - 2 * line);
  add_side (self, composition, right - line, y + line, line,
      bottom - y - 2 * line);

  tag = find_tag (self, object);
  if (tag == NULL)
    return;
  tag = gst_video_overlay_rectangle_copy (tag);
  gst_video_overlay_rectangle_get_render_rectangle (tag, &tag_x, &tag_y, &w,
      &h);
  tag_x = MAX (0, MIN (x, width - (gint) w)) & ~1;
  tag_y = y >= (gint) h ? y - (gint) h : y + line;
  gst_video_overlay_rectangle_set_render_rectangle (tag, tag_x, tag_y, w, h);
  gst_video_overlay_composition_add_rectangle (composition, tag);
  gst_video_overlay_rectangle_unref (tag);
}

GstVideoOverlayComposition *
gst_overlay_scene_compose (GstOverlayScene * self, GstBuffer * buffer)
{
  GstVideoClassifyMeta *meta = gst_buffer_get_video_classify_meta (buffer,
      self->settings.model_name);
  g_autoptr (GArray) objects = gst_labelled_objects_find (buffer,
      self->settings.model_name);
  GstVideoOverlayRectangle *event = self->event;
  GstVideoOverlayComposition *composition;

  if (GST_VIDEO_INFO_WIDTH (&self->info) < MIN_PICTURE
      || GST_VIDEO_INFO_HEIGHT (&self->info) < MIN_PICTURE)
    return NULL;
  if ((meta ? meta->result : NULL) != self->result)
    paint_panel (self, meta ? meta->result : NULL);
  if (GST_BUFFER_PTS_IS_VALID (buffer)) {
    follow_event (self, meta ? gst_video_classify_result_get_event
        (meta->result) : NULL, GST_BUFFER_PTS (buffer));
    if (self->event_label != NULL)
      paint_event (self, GST_BUFFER_PTS (buffer));
  }
  if (event != self->event)
    g_clear_pointer (&self->composition, gst_video_overlay_composition_unref);
  if (self->composition == NULL && (self->panel || self->event))
    compose (self);
  if (objects->len == 0)
    return self->composition ?
        gst_video_overlay_composition_ref (self->composition) : NULL;

  composition = gst_video_overlay_composition_new (NULL);
  for (guint i = 0; i < objects->len; i++)
    add_object (self, composition, &g_array_index (objects, GstLabelledObject,
            i));
  /* Above all objects. */
  if (self->panel != NULL)
    gst_video_overlay_composition_add_rectangle (composition, self->panel);
  if (self->event != NULL)
    gst_video_overlay_composition_add_rectangle (composition, self->event);
  return composition;
}

GstOverlayScene *
gst_overlay_scene_new (void)
{
  GstOverlayScene *self = g_new0 (GstOverlayScene, 1);

  self->painter = gst_overlay_painter_new ();
  self->tags = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
      (GDestroyNotify) gst_video_overlay_rectangle_unref);
  gst_video_info_init (&self->info);
  gst_overlay_settings_init (&self->settings);
  return self;
}

void
gst_overlay_scene_free (GstOverlayScene * self)
{
  gst_overlay_scene_reset (self);
  g_hash_table_unref (self->tags);
  gst_overlay_painter_free (self->painter);
  gst_overlay_settings_clear (&self->settings);
  g_free (self);
}

void
gst_overlay_scene_set_info (GstOverlayScene * self, const GstVideoInfo * info)
{
  self->info = *info;
  set_style (self);
}

void
gst_overlay_scene_take_settings (GstOverlayScene * self,
    GstOverlaySettings * settings)
{
  gst_overlay_settings_clear (&self->settings);
  self->settings = *settings;
  set_style (self);
}

void
gst_overlay_scene_reset (GstOverlayScene * self)
{
  forget_event (self);
  forget_paintings (self);
}
