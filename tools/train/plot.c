/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/plot.h"

#include <math.h>
#include <string.h>


/* Places in the picture, in pixels. */
#define WIDTH 800
#define HEIGHT 560
#define LEFT 64
#define RIGHT (WIDTH - 24)
#define PANEL 200 /* height of each of the two */
#define MAX_TICKS 8

/* Columns of the table that are drawn. */
enum { EPOCH, RATE, LOSS, ACCURACY, VAL_LOSS, VAL_ACCURACY, N_COLUMNS };

typedef struct {
  double values[N_COLUMNS]; /* NAN: there is none */
} Row;

typedef struct {
  int top;                  /* of the panel */
  double x_min, x_max, y_max;
} Panel;

static GArray *
read_table (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  GArray *rows;

  if (!g_file_get_contents (path, &text, NULL, error))
    return NULL;
  rows = g_array_new (FALSE, FALSE, sizeof (Row));
  lines = g_strsplit (text, "\n", -1);
  for (int i = 1; lines[0] != NULL && lines[i] != NULL; i++) {
    g_auto (GStrv) fields = g_strsplit (lines[i], ",", -1);
    Row row;

    if (g_strv_length (fields) < N_COLUMNS)
      continue;
    for (int c = 0; c < N_COLUMNS; c++)
      row.values[c] = *fields[c] == '\0' ? NAN : g_ascii_strtod (fields[c], NULL);
    g_array_append_val (rows, row);
  }
  return rows;
}

/* The distance of ticks, so that there are few of them at round numbers. */
static double
tick_step (double range)
{
  double step = pow (10, floor (log10 (range / MAX_TICKS)));

  for (int i = 0; range / step > MAX_TICKS; i++)
    step *= i % 3 == 1 ? 2.5 : 2;
  return step;
}

static double
place_x (const Panel *p, double x)
{
  return p->x_max > p->x_min ? LEFT + (x - p->x_min) / (p->x_max - p->x_min) * (RIGHT - LEFT) : (LEFT + RIGHT) / 2;
}

static double
place_y (const Panel *p, double y)
{
  return p->top + PANEL * (1 - MIN (y / p->y_max, 1));
}

/* Numbers with a point in any locale. */
static void
add_number (GString *svg, const char *format, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (svg, g_ascii_formatd (text, sizeof text, format, value));
}

static void
add_text (GString *svg, double x, double y, const char *anchor, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  g_string_append (svg, "<text x=\"");
  add_number (svg, "%.1f", x);
  g_string_append (svg, "\" y=\"");
  add_number (svg, "%.1f", y);
  g_string_append_printf (svg, "\" text-anchor=\"%s\">%s</text>\n", anchor, escaped);
}

static void
add_line (GString *svg, double x1, double y1, double x2, double y2)
{
  const char *names[] = { "x1", "y1", "x2", "y2" };
  const double values[] = { x1, y1, x2, y2 };

  g_string_append (svg, "<line stroke=\"#ddd\"");
  for (int i = 0; i < 4; i++) {
    g_string_append_printf (svg, " %s=\"", names[i]);
    add_number (svg, "%.1f", values[i]);
    g_string_append_c (svg, '"');
  }
  g_string_append (svg, "/>\n");
}

/* The frame, ticks, numbers and names of a panel. */
static void
add_axes (GString *svg, const Panel *p, const char *name, double scale)
{
  double x_step = MAX (tick_step (MAX (p->x_max - p->x_min, 1)), 1), y_step = tick_step (p->y_max);
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  for (int i = 0; i * y_step <= p->y_max * (1 + 1e-9); i++) {
    double y = place_y (p, i * y_step);

    add_line (svg, LEFT, y, RIGHT, y);
    add_text (svg, LEFT - 6, y + 4, "end", g_ascii_formatd (text, sizeof text, "%.4g", i * y_step * scale));
  }
  for (double x = ceil (p->x_min / x_step) * x_step; x <= p->x_max; x += x_step) {
    add_line (svg, place_x (p, x), p->top, place_x (p, x), p->top + PANEL);
    add_text (svg, place_x (p, x), p->top + PANEL + 16, "middle", g_ascii_formatd (text, sizeof text, "%.0f", x));
  }
  add_text (svg, LEFT, p->top - 8, "start", name);
}

/* One curve; NANs leave it out. */
static void
add_curve (GString *svg, const Panel *p, const GArray *rows, int column, const char *colour)
{
  g_autoptr (GString) points = g_string_new (NULL);

  for (guint i = 0; i < rows->len; i++) {
    const double *values = g_array_index (rows, Row, i).values;

    if (!isfinite (values[column]))
      continue;
    g_string_append_c (points, ' ');
    add_number (points, "%.1f", place_x (p, values[EPOCH]));
    g_string_append_c (points, ',');
    add_number (points, "%.1f", place_y (p, values[column]));
  }
  if (points->len > 0)
    g_string_append_printf (svg, "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"%s\" points=\"%s\"/>\n",
        colour, points->str + 1);
}

/* The top of the loss: a first epoch, or a validation that has gone astray, must not flatten the rest. */
static double
loss_top (const GArray *rows)
{
  double top = 0, most = 0;

  for (guint i = 0; i < rows->len; i++) {
    const double *values = g_array_index (rows, Row, i).values;

    top = MAX (top, values[LOSS]);
    if (isfinite (values[VAL_LOSS]))
      most = MAX (most, values[VAL_LOSS]);
  }
  top = MAX (top, MIN (most, 2 * top));
  return top > 0 && isfinite (top) ? top * 1.05 : 1;
}

gboolean
plot_write (const char *path, const char *table, const char *title, GError **error)
{
  static const char *const train_colour = "#1f77b4", *const val_colour = "#d62728";
  g_autoptr (GArray) rows = read_table (table, error);
  g_autoptr (GString) svg = g_string_new (NULL);
  Panel loss = { .top = 64 }, accuracy = { .top = 324, .y_max = 1 };

  if (rows == NULL)
    return FALSE;
  if (rows->len > 0) {
    loss.x_min = accuracy.x_min = g_array_index (rows, Row, 0).values[EPOCH];
    loss.x_max = accuracy.x_max = g_array_index (rows, Row, rows->len - 1).values[EPOCH];
  }
  loss.y_max = loss_top (rows);
  g_string_append_printf (svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", WIDTH, HEIGHT, WIDTH, HEIGHT);
  add_text (svg, LEFT, 24, "start", title);
  g_string_append_printf (svg, "<g fill=\"%s\">\n", train_colour);
  add_text (svg, RIGHT - 90, 24, "end", "training");
  g_string_append_printf (svg, "</g>\n<g fill=\"%s\">\n", val_colour);
  add_text (svg, RIGHT, 24, "end", "validation");
  g_string_append (svg, "</g>\n");
  add_axes (svg, &loss, "loss", 1);
  add_curve (svg, &loss, rows, LOSS, train_colour);
  add_curve (svg, &loss, rows, VAL_LOSS, val_colour);
  add_axes (svg, &accuracy, "accuracy, %", 100);
  add_curve (svg, &accuracy, rows, ACCURACY, train_colour);
  add_curve (svg, &accuracy, rows, VAL_ACCURACY, val_colour);
  add_text (svg, (LEFT + RIGHT) / 2, HEIGHT - 6, "middle", "epoch");
  g_string_append (svg, "</svg>\n");
  return g_file_set_contents (path, svg->str, (gssize) svg->len, error);
}
