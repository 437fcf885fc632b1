/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/confusion.h"

#include <string.h>

#include "tools/train/drawing.h"

#define MOST_NUMBERS 40 /* classes up to which cells have room for numbers */
#define LETTERS 12      /* their height */
#define LONGEST 400     /* that a label may be */

static gint64
count_at (const Confusion *c, int truth, int answer)
{
  return c->counts[(gsize) truth * c->classes + answer];
}

static char *
make_csv (const Confusion *c)
{
  GString *s = g_string_new ("true class");

  for (int pass = -1; pass < c->classes; pass++) {
    if (pass >= 0) {
      g_auto (GStrv) parts = g_strsplit (c->labels[pass], "\"", -1);
      g_autofree char *quoted = g_strjoinv ("\"\"", parts);

      g_string_append_printf (s, "\"%s\"", quoted);
    }
    for (int k = 0; k < c->classes; k++) {
      g_auto (GStrv) parts = g_strsplit (c->labels[k], "\"", -1);
      g_autofree char *quoted = g_strjoinv ("\"\"", parts);

      if (pass < 0)
        g_string_append_printf (s, ",\"%s\"", quoted);
      else
        g_string_append_printf (s, ",%" G_GINT64_FORMAT, count_at (c, pass, k));
    }
    g_string_append_c (s, '\n');
  }
  return g_string_free (s, FALSE);
}

/* Cells are shaded by their share of the row; the diagonal, which is right, in another colour. */
static void
add_cell (Drawing *p, const Confusion *c, int truth, int answer, gint64 total, int cell, int left, int top)
{
  gint64 count = count_at (c, truth, answer);
  double part = total > 0 ? (double) count / (double) total : 0, x = left + answer * cell, y = top + truth * cell;

  if (count == 0)
    return;
  drawing_box (p, x, y, cell - 1, cell - 1, truth == answer ? 0x1a7f37 : 0xc4401c, 0.15 + 0.84 * part);
  if (c->classes <= MOST_NUMBERS) {
    g_autofree char *number = g_strdup_printf ("%" G_GINT64_FORMAT, count);

    drawing_text (p, x + cell / 2, y + cell / 2 + 4, LETTERS, DRAWING_MIDDLE, part > 0.55 ? 0xffffff : 0, number);
  }
}

static Drawing *
draw (const Confusion *c)
{
  gboolean numbers = c->classes <= MOST_NUMBERS;
  int cell = numbers ? 36 : 10, letters = numbers ? LETTERS : 9, left, top;
  double longest = 0;
  g_auto (GStrv) labels = g_new0 (char *, c->classes + 1);
  Drawing *p;

  for (int k = 0; k < c->classes; k++) {
    labels[k] = drawing_shorten (c->labels[k], letters, LONGEST);
    longest = MAX (longest, drawing_text_width (labels[k], letters));
  }
  left = (int) longest + 20;
  top = left + 20;
  p = drawing_new (MAX (left + c->classes * cell + 10, 260), top + c->classes * cell + 10);
  drawing_text (p, 10, 18, LETTERS, DRAWING_START, 0, "rows: true class; columns: answer");
  for (int truth = 0; truth < c->classes; truth++) {
    int middle = truth * cell + cell / 2 + 4;
    gint64 total = 0;

    for (int k = 0; k < c->classes; k++)
      total += count_at (c, truth, k);
    drawing_text (p, left - 8, top + middle, letters, DRAWING_END, 0, labels[truth]);
    drawing_text (p, left + middle, top - 8, letters, DRAWING_VERTICAL, 0, labels[truth]);
    drawing_box (p, left, top + truth * cell, c->classes * cell - 1, cell - 1, 0xf3f3f0, 1);
    for (int k = 0; k < c->classes; k++)
      add_cell (p, c, truth, k, total, cell, left, top);
  }
  return p;
}

gboolean
confusion_write (const Confusion *confusion, const char *path, GError **error)
{
  g_autoptr (Drawing) picture = NULL;
  g_autofree char *table = NULL;

  if (drawing_has_ending (path, ".csv")) {
    table = make_csv (confusion);
    /* The message of GLib names the file. */
    return g_file_set_contents (path, table, -1, error);
  }
  picture = draw (confusion);
  return drawing_write (picture, path, error);
}
