/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/plot.h"

#include <math.h>
#include <string.h>

#include "tools/train/drawing.h"

/* Places in the picture, in pixels. */
#define WIDTH 800
#define HEIGHT 560
#define LEFT 64
#define RIGHT (WIDTH - 24)
#define LEGEND (RIGHT - 160) /* where it begins */
#define PANEL 200 /* height of each of the two */
#define MAX_TICKS 8
#define LETTERS 12
#define BLACK 0x000000
#define GREY 0xdddddd

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

/* The frame, ticks, numbers and names of a panel. */
static void
add_axes (Drawing *picture, const Panel *p, const char *name, double scale)
{
  double x_step = MAX (tick_step (MAX (p->x_max - p->x_min, 1)), 1), y_step = tick_step (p->y_max);
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  for (int i = 0; i * y_step <= p->y_max * (1 + 1e-9); i++) {
    double y = place_y (p, i * y_step);

    drawing_line (picture, LEFT, y, RIGHT, y, GREY);
    drawing_text (picture, LEFT - 6, y + 4, LETTERS, DRAWING_END, BLACK,
        g_ascii_formatd (text, sizeof text, "%.4g", i * y_step * scale));
  }
  for (double x = ceil (p->x_min / x_step) * x_step; x <= p->x_max; x += x_step) {
    drawing_line (picture, place_x (p, x), p->top, place_x (p, x), p->top + PANEL, GREY);
    drawing_text (picture, place_x (p, x), p->top + PANEL + 16, LETTERS, DRAWING_MIDDLE, BLACK,
        g_ascii_formatd (text, sizeof text, "%.0f", x));
  }
  drawing_text (picture, LEFT, p->top - 8, LETTERS, DRAWING_START, BLACK, name);
}

/* One curve; NANs leave it out. */
static void
add_curve (Drawing *picture, const Panel *p, const GArray *rows, int column, guint32 colour)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < rows->len; i++) {
    const double *values = g_array_index (rows, Row, i).values;
    const double point[] = { place_x (p, values[EPOCH]), place_y (p, values[column]) };

    if (isfinite (values[column]))
      g_array_append_vals (points, point, 2);
  }
  if (points->len > 0)
    drawing_curve (picture, points, colour);
  else
    g_array_unref (points);
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
  const guint32 train_colour = 0x1f77b4, val_colour = 0xd62728;
  g_autoptr (GArray) rows = read_table (table, error);
  g_autoptr (Drawing) picture = drawing_new (WIDTH, HEIGHT);
  g_autofree char *short_title = drawing_shorten (title, LETTERS, LEGEND - LEFT);
  Panel loss = { .top = 64 }, accuracy = { .top = 324, .y_max = 1 };

  if (rows == NULL)
    return FALSE;
  if (rows->len > 0) {
    loss.x_min = accuracy.x_min = g_array_index (rows, Row, 0).values[EPOCH];
    loss.x_max = accuracy.x_max = g_array_index (rows, Row, rows->len - 1).values[EPOCH];
  }
  loss.y_max = loss_top (rows);
  drawing_text (picture, LEFT, 24, LETTERS, DRAWING_START, BLACK, short_title);
  drawing_text (picture, RIGHT - 90, 24, LETTERS, DRAWING_END, train_colour, "training");
  drawing_text (picture, RIGHT, 24, LETTERS, DRAWING_END, val_colour, "validation");
  add_axes (picture, &loss, "loss", 1);
  add_curve (picture, &loss, rows, LOSS, train_colour);
  add_curve (picture, &loss, rows, VAL_LOSS, val_colour);
  add_axes (picture, &accuracy, "accuracy, %", 100);
  add_curve (picture, &accuracy, rows, ACCURACY, train_colour);
  add_curve (picture, &accuracy, rows, VAL_ACCURACY, val_colour);
  drawing_text (picture, (LEFT + RIGHT) / 2, HEIGHT - 6, LETTERS, DRAWING_MIDDLE, BLACK, "epoch");
  return drawing_write (picture, path, error);
}
