/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/drawing.h"

#include <string.h>

#include "tools/tool.h"

#define PEN 1.5
#define DOT 5

/* Of letters of a sans-serif font, as parts of their height. */
#define CAPITAL 0.76
#define SMALL 0.62
#define WIDE 1.1

static void
clear_shape (gpointer data)
{
  Shape *s = data;

  g_free (s->text);
  g_clear_pointer (&s->points, g_array_unref);
}

Drawing *
drawing_new (int width, int height)
{
  Drawing *p = g_new (Drawing, 1);

  *p = (Drawing){ width, height, g_array_new (FALSE, TRUE, sizeof (Shape)) };
  g_array_set_clear_func (p->shapes, clear_shape);
  drawing_box (p, 0, 0, width, height, 0xffffff, 1);
  return p;
}

void
drawing_free (Drawing *p)
{
  g_array_unref (p->shapes);
  g_free (p);
}

static void
add (Drawing *p, Shape shape)
{
  g_array_append_val (p->shapes, shape);
}

void
drawing_box (Drawing *p, double x, double y, double width, double height, guint32 colour, double opacity)
{
  add (p, (Shape){ .kind = DRAWING_BOX, .colour = colour, .opacity = opacity, .x = x, .y = y, .width = width,
      .height = height });
}

void
drawing_line (Drawing *p, double x1, double y1, double x2, double y2, guint32 colour)
{
  const double points[] = { x1, y1, x2, y2 };
  GArray *array = g_array_new (FALSE, FALSE, sizeof (double));

  g_array_append_vals (array, points, G_N_ELEMENTS (points));
  add (p, (Shape){ .kind = DRAWING_LINE, .colour = colour, .width = 1, .points = array });
}

void
drawing_curve (Drawing *p, GArray *points, guint32 colour)
{
  add (p, (Shape){ .kind = DRAWING_CURVE, .colour = colour, .width = PEN, .points = points });
  for (guint i = 0; i + 1 < points->len; i += 2)
    add (p, (Shape){ .kind = DRAWING_DOT, .colour = colour, .width = DOT, .x = g_array_index (points, double, i),
        .y = g_array_index (points, double, i + 1) });
}

void
drawing_text (Drawing *p, double x, double y, double height, DrawingAnchor anchor, guint32 colour, const char *text)
{
  add (p, (Shape){ .kind = DRAWING_TEXT, .colour = colour, .x = x, .y = y, .height = height, .anchor = anchor,
      .text = g_utf8_make_valid (text, -1) });
}

static double
letter_width (gunichar c)
{
  return g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? WIDE : g_unichar_isupper (c) ? CAPITAL : SMALL;
}

double
drawing_text_width (const char *text, double height)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  double width = 0;

  for (const char *c = valid; *c != '\0'; c = g_utf8_next_char (c))
    width += letter_width (g_utf8_get_char (c)) * height;
  return width;
}

char *
drawing_shorten (const char *text, double height, double width)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  const char *end = valid;
  double used = height; /* of the ellipsis */

  if (drawing_text_width (valid, height) <= width)
    return g_steal_pointer (&valid);
  for (; *end != '\0'; end = g_utf8_next_char (end)) {
    used += letter_width (g_utf8_get_char (end)) * height;
    if (used > width)
      break;
  }
  return g_strdup_printf ("%.*s\u2026", (int) (end - valid), valid);
}

gboolean
drawing_has_ending (const char *path, const char *ending)
{
  gsize n = strlen (path), k = strlen (ending);

  return n >= k && g_ascii_strcasecmp (path + n - k, ending) == 0;
}

gboolean
drawing_check_name (const char *option, const char *path, gboolean table)
{
  gboolean png = drawing_has_ending (path, ".png");

  if (drawing_has_ending (path, ".svg") || (png && drawing_writes_png) || (table && drawing_has_ending (path, ".csv")))
    return TRUE;
  if (png)
    tool_complain ("%s %s: PNG takes a build with Pango and Cairo, which this is not; .svg does without", option, path);
  else
    tool_complain ("%s writes files ending in %s.svg or .png, not '%s'", option, table ? ".csv, " : "", path);
  return FALSE;
}

/* ' name="value"', with a point in any locale. */
static void
add_number (GString *svg, const char *name, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (svg, " %s=\"%s\"", name, g_ascii_formatd (text, sizeof text, "%.6g", value));
}

static void
add_curve (GString *svg, const Shape *s)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (svg, "<polyline fill=\"none\" stroke=\"#%06x\"", s->colour);
  add_number (svg, "stroke-width", s->width);
  g_string_append (svg, " points=\"");
  for (guint i = 0; i < s->points->len; i++) {
    if (i > 0)
      g_string_append_c (svg, i % 2 ? ',' : ' ');
    g_string_append (svg, g_ascii_formatd (text, sizeof text, "%.1f", g_array_index (s->points, double, i)));
  }
  g_string_append (svg, "\"/>\n");
}

static void
add_line (GString *svg, const Shape *s)
{
  static const char *const names[] = { "x1", "y1", "x2", "y2" };

  g_string_append_printf (svg, "<line stroke=\"#%06x\"", s->colour);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    add_number (svg, names[i], g_array_index (s->points, double, i));
  g_string_append (svg, "/>\n");
}

static void
add_text (GString *svg, const Shape *s)
{
  static const char *const anchors[] = { "start", "middle", "end", "start" };
  g_autofree char *escaped = g_markup_escape_text (s->text, -1);

  g_string_append_printf (svg, "<text fill=\"#%06x\" text-anchor=\"%s\"", s->colour, anchors[s->anchor]);
  add_number (svg, "font-size", s->height);
  if (s->anchor == DRAWING_VERTICAL) {
    char x[G_ASCII_DTOSTR_BUF_SIZE], y[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf (svg, " transform=\"translate(%s,%s) rotate(-90)\"",
        g_ascii_formatd (x, sizeof x, "%.1f", s->x), g_ascii_formatd (y, sizeof y, "%.1f", s->y));
  } else {
    add_number (svg, "x", s->x);
    add_number (svg, "y", s->y);
  }
  g_string_append_printf (svg, ">%s</text>\n", escaped);
}

static void
add_box (GString *svg, const Shape *s)
{
  g_string_append_printf (svg, "<rect fill=\"#%06x\"", s->colour);
  if (s->opacity < 1)
    add_number (svg, "fill-opacity", s->opacity);
  add_number (svg, "x", s->x);
  add_number (svg, "y", s->y);
  add_number (svg, "width", s->width);
  add_number (svg, "height", s->height);
  g_string_append (svg, "/>\n");
}

static void
add_dot (GString *svg, const Shape *s)
{
  g_string_append_printf (svg, "<circle fill=\"#%06x\"", s->colour);
  add_number (svg, "cx", s->x);
  add_number (svg, "cy", s->y);
  add_number (svg, "r", s->width / 2);
  g_string_append (svg, "/>\n");
}

static gboolean
write_svg (const Drawing *p, const char *path, GError **error)
{
  static void (*const adders[]) (GString *, const Shape *) = { [DRAWING_BOX] = add_box, [DRAWING_LINE] = add_line,
    [DRAWING_CURVE] = add_curve, [DRAWING_DOT] = add_dot, [DRAWING_TEXT] = add_text };
  g_autoptr (GString) svg = g_string_new (NULL);

  g_string_append_printf (svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
      " font-family=\"sans-serif\">\n", p->width, p->height, p->width, p->height);
  for (guint i = 0; i < p->shapes->len; i++) {
    const Shape *s = &g_array_index (p->shapes, Shape, i);

    adders[s->kind](svg, s);
  }
  g_string_append (svg, "</svg>\n");
  /* The message of GLib names the file. */
  return g_file_set_contents (path, svg->str, (gssize) svg->len, error);
}

gboolean
drawing_write (const Drawing *p, const char *path, GError **error)
{
  return drawing_has_ending (path, ".png") ? drawing_write_png (p, path, error) : write_svg (p, path, error);
}
