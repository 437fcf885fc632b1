/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pictures as PNG, drawn by Cairo with Pango's letters. */

#include <pango/pangocairo.h>

#include "lib3dcnn/3dcnn.h"
#include "tools/train/drawing.h"

const gboolean drawing_writes_png = TRUE;

static void
draw_text (cairo_t *cairo, const Shape *s)
{
  g_autoptr (PangoLayout) layout = pango_cairo_create_layout (cairo);
  PangoFontDescription *font = pango_font_description_from_string ("sans-serif");
  int width;

  pango_font_description_set_absolute_size (font, s->height * PANGO_SCALE);
  pango_layout_set_font_description (layout, font);
  pango_font_description_free (font);
  pango_layout_set_text (layout, s->text, -1);
  pango_layout_get_size (layout, &width, NULL);
  cairo_translate (cairo, s->x, s->y);
  if (s->anchor == DRAWING_VERTICAL)
    cairo_rotate (cairo, -G_PI / 2);
  cairo_move_to (cairo,
      s->anchor == DRAWING_MIDDLE    ? -width / 2.0 / PANGO_SCALE
          : s->anchor == DRAWING_END ? -(double) width / PANGO_SCALE
                                     : 0,
      -(double) pango_layout_get_baseline (layout) / PANGO_SCALE);
  pango_cairo_show_layout (cairo, layout);
}

static void
draw (cairo_t *cairo, const Shape *s)
{
  double red = (s->colour >> 16) / 255.0, green = (s->colour >> 8 & 255) / 255.0, blue = (s->colour & 255) / 255.0;

  cairo_save (cairo);
  cairo_new_path (cairo); /* a text leaves its place */
  cairo_set_source_rgba (cairo, red, green, blue, s->kind == DRAWING_BOX ? s->opacity : 1);
  switch (s->kind) {
    case DRAWING_BOX:
      cairo_rectangle (cairo, s->x, s->y, s->width, s->height);
      cairo_fill (cairo);
      break;
    case DRAWING_LINE:
    case DRAWING_CURVE:
      cairo_set_line_width (cairo, s->width);
      for (guint i = 0; i + 1 < s->points->len; i += 2)
        cairo_line_to (cairo, g_array_index (s->points, double, i), g_array_index (s->points, double, i + 1));
      cairo_stroke (cairo);
      break;
    case DRAWING_DOT:
      cairo_arc (cairo, s->x, s->y, s->width / 2, 0, 2 * G_PI);
      cairo_fill (cairo);
      break;
    case DRAWING_TEXT:
      draw_text (cairo, s);
      break;
  }
  cairo_restore (cairo);
}

static cairo_status_t
collect (void *closure, const unsigned char *data, unsigned int length)
{
  g_byte_array_append (closure, data, length);
  return CAIRO_STATUS_SUCCESS;
}

gboolean
drawing_write_png (const Drawing *p, const char *path, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, p->width, p->height);
  cairo_t *cairo = cairo_create (surface);
  cairo_status_t status;

  for (guint i = 0; i < p->shapes->len; i++)
    draw (cairo, &g_array_index (p->shapes, Shape, i));
  status = cairo_status (cairo);
  if (status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_write_to_png_stream (surface, collect, bytes);
  cairo_destroy (cairo);
  cairo_surface_destroy (surface);
  if (status != CAIRO_STATUS_SUCCESS) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%s: %s", path, cairo_status_to_string (status));
    return FALSE;
  }
  return g_file_set_contents (path, (const char *) bytes->data, (gssize) bytes->len, error);
}
