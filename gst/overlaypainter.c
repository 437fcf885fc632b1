/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/overlaypainter.h"

#include <math.h>
#include <pango/pangocairo.h>

/* Lengths in units of the font's size. */
#define PANEL_WIDTH 17.5        /* or more, for labels that are longer */
#define LABEL_WIDTH 6           /* at least, or else there are no scores */
#define PADDING 0.45
#define ROW_PADDING 0.16        /* above and below a text */
#define ROW_INDENT 0.45
#define ROW_SPACING 0.22
#define COLUMN_SPACING 0.6
#define RADIUS 0.4

/* A panel's rows after the first are for comparison. */
#define FAINT 0.88
#define FAINT_BAR 0.55

/* Of the width that there is, for labels that want more than PANEL_WIDTH. */
#define WIDEST 0.5

struct _GstOverlayPainter
{
  PangoContext *context;
  PangoLayout *layout;
  GstOverlayStyle style;
  PangoFontDescription *normal, *bold;
  gdouble panel_width;          /* of the last one; it does not shrink again */
};

/* A picture that is being painted, in units of the picture's height. */
typedef struct
{
  GstBuffer *pixels;
  GstMapInfo map;
  gint width, height;
  cairo_surface_t *surface;
  cairo_t *cr;
} Canvas;

GstOverlayPainter *
gst_overlay_painter_new (void)
{
  GstOverlayPainter *painter = g_new0 (GstOverlayPainter, 1);
  /* Pango's default font map belongs to one thread, and streaming threads
   * change. */
  PangoFontMap *fonts = pango_cairo_font_map_new ();
  cairo_font_options_t *options = cairo_font_options_create ();

  painter->context = pango_font_map_create_context (fonts);
  g_object_unref (fonts);
  /* What lies below the text is not known, so there are no coloured edges. */
  cairo_font_options_set_antialias (options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style (options, CAIRO_HINT_STYLE_SLIGHT);
  pango_cairo_context_set_font_options (painter->context, options);
  cairo_font_options_destroy (options);
  painter->layout = pango_layout_new (painter->context);
  pango_layout_set_single_paragraph_mode (painter->layout, TRUE);
  painter->style.aspect = 1;
  return painter;
}

void
gst_overlay_painter_free (GstOverlayPainter * painter)
{
  g_clear_pointer (&painter->normal, pango_font_description_free);
  g_clear_pointer (&painter->bold, pango_font_description_free);
  g_object_unref (painter->layout);
  g_object_unref (painter->context);
  g_free (painter);
}

void
gst_overlay_painter_set_style (GstOverlayPainter * painter,
    const GstOverlayStyle * style)
{
  painter->style = *style;
  g_clear_pointer (&painter->normal, pango_font_description_free);
  g_clear_pointer (&painter->bold, pango_font_description_free);
  painter->normal = pango_font_description_from_string (style->font ?
      style->font : "");
  if (pango_font_description_get_family (painter->normal) == NULL)
    pango_font_description_set_family (painter->normal, "Sans");
  pango_font_description_set_absolute_size (painter->normal,
      style->text_height * PANGO_SCALE);
  painter->bold = pango_font_description_copy (painter->normal);
  pango_font_description_set_weight (painter->bold, MAX (PANGO_WEIGHT_BOLD,
          pango_font_description_get_weight (painter->normal)));
  painter->style.font = NULL;
  painter->panel_width = 0;
}

/* A length in pixels of the picture's height, at least one. */
static gdouble
scale (GstOverlayPainter * painter, gdouble ems)
{
  return MAX (1, round (ems * painter->style.text_height));
}

static gint
even (gdouble x)
{
  return ((gint) ceil (x) + 1) & ~1;
}

/* From pixels of the picture to units of its height. */
static gdouble
usable (GstOverlayPainter * painter, gint max_width)
{
  return (max_width & ~1) * painter->style.aspect;
}

/* Begins a canvas of a size in units of the picture's height. */
static void
canvas_begin (GstOverlayPainter * painter, Canvas * canvas, gdouble width,
    gdouble height)
{
  canvas->width = even (width / painter->style.aspect - 0.01);
  canvas->height = even (height);
  canvas->pixels = gst_buffer_new_allocate (NULL,
      (gsize) canvas->width * canvas->height * 4, NULL);
  gst_buffer_add_video_meta (canvas->pixels, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, canvas->width, canvas->height);
  gst_buffer_memset (canvas->pixels, 0, 0, -1);
  gst_buffer_map (canvas->pixels, &canvas->map, GST_MAP_READWRITE);
  canvas->surface = cairo_image_surface_create_for_data (canvas->map.data,
      CAIRO_FORMAT_ARGB32, canvas->width, canvas->height, canvas->width * 4);
  canvas->cr = cairo_create (canvas->surface);
  cairo_scale (canvas->cr, 1 / painter->style.aspect, 1);
}

static GstVideoOverlayRectangle *
canvas_finish (Canvas * canvas)
{
  GstVideoOverlayRectangle *rectangle;

  cairo_destroy (canvas->cr);
  cairo_surface_finish (canvas->surface);
  cairo_surface_destroy (canvas->surface);
  gst_buffer_unmap (canvas->pixels, &canvas->map);
  rectangle = gst_video_overlay_rectangle_new_raw (canvas->pixels, 0, 0,
      canvas->width, canvas->height,
      GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  gst_buffer_unref (canvas->pixels);
  return rectangle;
}

static void
set_color (cairo_t * cr, guint32 argb, gdouble strength)
{
  cairo_set_source_rgba (cr, (argb >> 16 & 0xff) / 255.0,
      (argb >> 8 & 0xff) / 255.0, (argb & 0xff) / 255.0,
      (argb >> 24) / 255.0 * strength);
}

/* Black or white, whichever reads better on a colour. */
static guint32
contrast (guint32 argb)
{
  guint luma = 299 * (argb >> 16 & 0xff) + 587 * (argb >> 8 & 0xff)
      + 114 * (argb & 0xff);

  return luma > 140000 ? 0xff000000 : 0xffffffff;
}

static void
add_rounded (cairo_t * cr, gdouble x, gdouble y, gdouble w, gdouble h,
    gdouble r)
{
  r = MIN (r, MIN (w, h) / 2);
  cairo_new_sub_path (cr);
  cairo_arc (cr, x + w - r, y + r, r, -G_PI_2, 0);
  cairo_arc (cr, x + w - r, y + h - r, r, 0, G_PI_2);
  cairo_arc (cr, x + r, y + h - r, r, G_PI_2, G_PI);
  cairo_arc (cr, x + r, y + r, r, G_PI, 3 * G_PI_2);
  cairo_close_path (cr);
}

static gdouble
line_height (GstOverlayPainter * painter)
{
  PangoFontMetrics *metrics = pango_context_get_metrics (painter->context,
      painter->bold, NULL);
  gdouble height = (pango_font_metrics_get_ascent (metrics)
      + pango_font_metrics_get_descent (metrics)) / (gdouble) PANGO_SCALE;

  pango_font_metrics_unref (metrics);
  return ceil (height);
}

/* Sets the layout to a text; max_width < 0 is as wide as it likes. Returns its
 * width. */
static gdouble
set_text (GstOverlayPainter * painter, const gchar * text, gboolean bold,
    gdouble max_width)
{
  g_autofree gchar *valid = g_utf8_make_valid (text ? text : "", -1);
  gint width;

  pango_layout_set_font_description (painter->layout,
      bold ? painter->bold : painter->normal);
  pango_layout_set_ellipsize (painter->layout,
      max_width < 0 ? PANGO_ELLIPSIZE_NONE : PANGO_ELLIPSIZE_END);
  pango_layout_set_width (painter->layout,
      max_width < 0 ? -1 : (gint) (max_width * PANGO_SCALE));
  pango_layout_set_text (painter->layout, valid, -1);
  pango_layout_get_size (painter->layout, &width, NULL);
  return ceil (width / (gdouble) PANGO_SCALE);
}

/* Draws the layout's text in the middle of a row of this height. */
static void
draw_text (GstOverlayPainter * painter, cairo_t * cr, gdouble x, gdouble y,
    gdouble height, guint32 color, gdouble strength, gboolean outlined)
{
  PangoRectangle extents;

  pango_layout_get_extents (painter->layout, NULL, &extents);
  /* Scripts with taller lines than the row's stay in its middle. */
  y = round (y + (height - extents.height / (gdouble) PANGO_SCALE) / 2);
  if (outlined) {
    cairo_move_to (cr, x, y);
    pango_cairo_layout_path (cr, painter->layout);
    set_color (cr, contrast (color), 0.8 * strength);
    cairo_set_line_width (cr, MAX (1.2, 0.14 * painter->style.text_height));
    cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke (cr);
  }
  cairo_move_to (cr, x, y);
  set_color (cr, color, strength);
  pango_cairo_show_layout (cr, painter->layout);
}

static gchar *
format_score (gdouble score)
{
  return g_strdup_printf ("%.0f%%", CLAMP (score, 0, 1) * 100);
}

/* A score, which ends at right. */
static void
draw_text_right (GstOverlayPainter * painter, cairo_t * cr, const gchar * text,
    gboolean bold, gdouble right, gdouble y, gdouble height, gdouble strength,
    gboolean outlined)
{
  gdouble width = set_text (painter, text, bold, -1);

  draw_text (painter, cr, right - width, y, height, painter->style.color,
      strength, outlined);
}

/* score_width: of its column; 0: there is none */
static void
draw_row (GstOverlayPainter * painter, cairo_t * cr, const GstOverlayRow * row,
    gboolean is_first, gdouble x, gdouble y, gdouble w, gdouble h,
    gdouble score_width)
{
  const GstOverlayStyle *style = &painter->style;
  gboolean outlined = style->background >> 24 < 0x50;
  gdouble strength = is_first || outlined ? 1 : FAINT;
  gdouble radius = scale (painter, RADIUS), indent = scale (painter, ROW_INDENT);
  g_autofree gchar *score = format_score (row->score);
  gdouble filled, width = w - 2 * indent;

  /* The way that the bar could go, and how far it goes. */
  cairo_save (cr);
  add_rounded (cr, x, y, w, h, radius);
  cairo_clip (cr);
  set_color (cr, (style->color & 0xffffff) | 0x1c000000, 1);
  cairo_paint (cr);
  filled = round (w * CLAMP (row->score, 0, 1));
  cairo_rectangle (cr, x, y, filled, h);
  set_color (cr, style->bar, is_first ? 1 : FAINT_BAR);
  cairo_fill (cr);
  cairo_restore (cr);

  if (score_width > 0) {
    draw_text_right (painter, cr, score, is_first, x + w - indent, y, h,
        strength, outlined);
    width -= score_width + scale (painter, COLUMN_SPACING);
  }
  set_text (painter, row->label, is_first, MAX (0, width));
  draw_text (painter, cr, x + indent, y, h, style->color, strength,
      outlined);
}

static gdouble
widest_label (GstOverlayPainter * painter, const GstOverlayRow * rows,
    guint n_rows)
{
  gdouble widest = 0;

  for (guint i = 0; i < n_rows; i++)
    widest = MAX (widest, set_text (painter, rows[i].label, i == 0, -1));
  return widest;
}

/* So much of what is usable do a panel and an action take at most. */
static gdouble
widest_plate (GstOverlayPainter * painter, gint max_width)
{
  gdouble room = usable (painter, max_width);

  return MIN (room, MAX (round (PANEL_WIDTH * painter->style.text_height),
          round (WIDEST * room)));
}

GstVideoOverlayRectangle *
gst_overlay_painter_draw_classes (GstOverlayPainter * painter,
    const GstOverlayRow * rows, guint n_rows, gint max_width, gint max_height)
{
  gdouble em = painter->style.text_height;
  gdouble padding = scale (painter, PADDING);
  gdouble frame = 2 * (padding + scale (painter, ROW_INDENT));
  gdouble row = line_height (painter) + 2 * scale (painter, ROW_PADDING);
  gdouble step = row + scale (painter, ROW_SPACING);
  gdouble widest = widest_plate (painter, max_width);
  gdouble height, width, label_width, score_width;
  Canvas canvas;

  while (n_rows > 0
      && even (2 * padding + n_rows * step - (step - row)) > max_height)
    n_rows--;
  if (n_rows == 0)
    return NULL;
  height = 2 * padding + n_rows * step - (step - row);
  score_width = set_text (painter, "100%", TRUE, -1);
  label_width = widest_label (painter, rows, n_rows);
  width = frame + label_width + scale (painter, COLUMN_SPACING) + score_width;
  width = MAX (MIN (MAX (width, round (PANEL_WIDTH * em)), widest),
      MIN (painter->panel_width, widest));
  painter->panel_width = width;
  /* The label is what matters, and there is the bar. */
  if (width - frame - scale (painter, COLUMN_SPACING) - score_width
      < MIN (label_width, LABEL_WIDTH * em))
    score_width = 0;

  canvas_begin (painter, &canvas, width, height);
  width = canvas.width * painter->style.aspect;
  add_rounded (canvas.cr, 0, 0, width, canvas.height,
      padding + scale (painter, RADIUS));
  set_color (canvas.cr, painter->style.background, 1);
  cairo_fill (canvas.cr);
  for (guint i = 0; i < n_rows; i++)
    draw_row (painter, canvas.cr, &rows[i], i == 0, padding,
        padding + i * step, width - 2 * padding, row, score_width);
  return canvas_finish (&canvas);
}

/* A text on a rounded plate, with room for a mark before and a text after it. */
static GstVideoOverlayRectangle *
draw_plate (GstOverlayPainter * painter, const gchar * label,
    const gchar * after, guint32 color, gdouble radius, gdouble mark,
    gboolean is_full, gint max_width, gint max_height)
{
  gdouble indent = scale (painter, ROW_INDENT + (mark > 0 ? 0.2 : 0));
  gdouble height = line_height (painter) + 2 * scale (painter,
      mark > 0 ? 2 * ROW_PADDING : ROW_PADDING);
  gdouble before = mark > 0 ? mark + scale (painter, 0.45) : 0;
  gdouble after_width = set_text (painter, after, FALSE, -1)
      + scale (painter, COLUMN_SPACING);
  gdouble room = usable (painter, max_width) - 2 * indent - before;
  guint32 text_color = contrast (color);
  gdouble width;
  Canvas canvas;

  if (even (height) > max_height)
    return NULL;
  /* The label is what matters. */
  if (room - after_width < MIN (set_text (painter, label, TRUE, -1),
          LABEL_WIDTH * painter->style.text_height))
    after_width = 0;
  room -= after_width;
  if (room < painter->style.text_height)
    return NULL;
  width = MIN (set_text (painter, label, TRUE, -1), room);
  room = width;
  width += 2 * indent + before + after_width;

  canvas_begin (painter, &canvas, width, height);
  width = canvas.width * painter->style.aspect;
  height = canvas.height;
  add_rounded (canvas.cr, 0, 0, width, height, radius);
  set_color (canvas.cr, color, is_full ? 1 : 0.75);
  cairo_fill (canvas.cr);
  if (mark > 0) {
    gdouble r = mark / 2, line = MAX (1, mark / 5);

    set_color (canvas.cr, text_color, 1);
    cairo_arc (canvas.cr, indent + r, height / 2, is_full ? r : r - line / 2, 0,
        2 * G_PI);
    cairo_set_line_width (canvas.cr, line);
    if (is_full)
      cairo_fill (canvas.cr);
    else
      cairo_stroke (canvas.cr);
  }
  set_text (painter, label, TRUE, room);
  draw_text (painter, canvas.cr, indent + before, 0, height, text_color, 1,
      FALSE);
  if (after_width > 0) {
    gdouble w = set_text (painter, after, FALSE, -1);

    draw_text (painter, canvas.cr, width - indent - w, 0, height, text_color,
        0.85, FALSE);
  }
  return canvas_finish (&canvas);
}

GstVideoOverlayRectangle *
gst_overlay_painter_draw_event (GstOverlayPainter * painter,
    const gchar * label, const gchar * time, gboolean active, gint max_width,
    gint max_height)
{
  max_width = MIN (max_width,
      (gint) (widest_plate (painter, max_width) / painter->style.aspect));
  return draw_plate (painter, label, time, painter->style.event, G_MAXINT,
      scale (painter, 0.5), active, max_width, max_height);
}

GstVideoOverlayRectangle *
gst_overlay_painter_draw_tag (GstOverlayPainter * painter,
    const GstOverlayRow * row, gint max_width, gint max_height)
{
  g_autofree gchar *score = format_score (row->score);

  return draw_plate (painter, row->label, score, painter->style.bar,
      scale (painter, 0.2), 0, TRUE, max_width, max_height);
}

GstVideoOverlayRectangle *
gst_overlay_painter_draw_side (GstOverlayPainter * painter, gint width,
    gint height)
{
  Canvas canvas;

  /* One scaled pixel would do, but not every sink scales. */
  canvas_begin (painter, &canvas, width * painter->style.aspect, height);
  set_color (canvas.cr, painter->style.bar, 1);
  cairo_paint (canvas.cr);
  return canvas_finish (&canvas);
}
