/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/confusion.h"

#include <string.h>

#define MOST_NUMBERS 40 /* classes up to which cells have room for numbers */

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
append_cell (GString *s, const Confusion *c, int truth, int answer, gint64 total, int cell,
    int left, int top)
{
  gint64 count = count_at (c, truth, answer);
  int percent = total > 0 ? (int) (100 * count / total) : 0, x = left + answer * cell,
      y = top + truth * cell;

  if (count == 0)
    return;
  g_string_append_printf (s,
      "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\" fill-opacity=\"0.%02d\"/>\n",
      x, y, cell - 1, cell - 1, truth == answer ? "#1a7f37" : "#c4401c",
      MIN (15 + percent * 84 / 100, 99));
  if (c->classes <= MOST_NUMBERS)
    g_string_append_printf (s,
        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\"%s>%" G_GINT64_FORMAT "</text>\n",
        x + cell / 2, y + cell / 2 + 4, percent > 55 ? " fill=\"white\"" : "", count);
}

static char *
make_svg (const Confusion *c)
{
  GString *s = g_string_new (NULL);
  int cell = c->classes <= MOST_NUMBERS ? 36 : 10, left = 10, top, right;
  gsize longest = 0;

  for (int k = 0; k < c->classes; k++)
    longest = MAX (longest, (gsize) g_utf8_strlen (c->labels[k], -1));
  left += (int) longest * 7 + 10;
  top = left + 20;
  right = left + c->classes * cell + 10;
  g_string_append_printf (s,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "font-family=\"sans-serif\" font-size=\"%d\">\n<rect width=\"100%%\" height=\"100%%\" "
      "fill=\"white\"/>\n"
      "<text x=\"10\" y=\"18\" font-size=\"12\">rows: true class; columns: answer</text>\n",
      right, top + c->classes * cell + 10, c->classes <= MOST_NUMBERS ? 12 : 9);
  for (int truth = 0; truth < c->classes; truth++) {
    g_autofree char *label = g_markup_escape_text (c->labels[truth], -1);
    int middle = truth * cell + cell / 2 + 4;
    gint64 total = 0;

    for (int k = 0; k < c->classes; k++)
      total += count_at (c, truth, k);
    g_string_append_printf (s,
        "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n"
        "<text transform=\"translate(%d,%d) rotate(-90)\">%s</text>\n",
        left - 8, top + middle, label, left + middle, top - 8, label);
    g_string_append_printf (s,
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#f3f3f0\"/>\n", left,
        top + truth * cell, c->classes * cell - 1, cell - 1);
    for (int k = 0; k < c->classes; k++)
      append_cell (s, c, truth, k, total, cell, left, top);
  }
  g_string_append (s, "</svg>\n");
  return g_string_free (s, FALSE);
}

gboolean
confusion_write (const Confusion *confusion, const char *path, GError **error)
{
  g_autofree char *text =
      g_str_has_suffix (path, ".svg") ? make_svg (confusion) : make_csv (confusion);

  /* The message of GLib names the file. */
  return g_file_set_contents (path, text, -1, error);
}
