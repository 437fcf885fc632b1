/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/progress.h"

#define HEADER "epoch,rate,loss,accuracy,val_loss,val_accuracy,clips_per_second,seconds"

static gboolean
fail (const char *path, GError **error)
{
  int reason = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (reason), "%s: %s", path,
      g_strerror (reason));
  return FALSE;
}

gboolean
log_begin (const char *path, int keep, GError **error)
{
  g_autoptr (GString) text = g_string_new (HEADER "\n");
  g_autofree char *old = NULL;

  if (keep > 0 && g_file_get_contents (path, &old, NULL, NULL)) {
    g_auto (GStrv) lines = g_strsplit (old, "\n", -1);

    for (int i = 1; lines[0] != NULL && lines[i] != NULL; i++)
      if (atoi (lines[i]) >= 1 && atoi (lines[i]) <= keep)
        g_string_append_printf (text, "%s\n", lines[i]);
  }
  return g_file_set_contents (path, text->str, (gssize) text->len, error);
}

static void
append_number (GString *line, double value, int digits)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_c (line, ',');
  if (!isnan (value))
    g_string_append (line, g_ascii_formatd (text, sizeof text, digits == 6 ? "%.6g" : "%.9g", value));
}

static void
append_line (GString *line, const LogLine *l)
{
  /* Losses with the digits of a float, by which trainings can be compared. */
  const struct {
    double value;
    int digits;
  } numbers[] = { { l->rate, 6 }, { l->loss, 9 }, { l->accuracy, 6 }, { l->val_loss, 9 },
    { l->val_accuracy, 6 }, { l->clips_per_second, 6 }, { l->seconds, 6 } };

  g_string_append_printf (line, "%d", l->epoch);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    append_number (line, numbers[i].value, numbers[i].digits);
  g_string_append_c (line, '\n');
}

gboolean
log_add (const char *path, const LogLine *l, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);
  FILE *file = fopen (path, "ae");
  gboolean ok;

  append_line (line, l);
  if (file == NULL)
    return fail (path, error);
  ok = fputs (line->str, file) >= 0 && fflush (file) == 0;
  ok = ok || fail (path, error);
  fclose (file);
  return ok;
}

gboolean
log_write (const char *path, const GArray *lines, GError **error)
{
  g_autoptr (GString) text = g_string_new (HEADER "\n");

  for (guint i = 0; i < lines->len; i++)
    append_line (text, &g_array_index (lines, LogLine, i));
  return g_file_set_contents (path, text->str, (gssize) text->len, error);
}

void
log_print (const LogLine *l, int epochs, gboolean best)
{
  progress_clear ();
  printf ("epoch %d/%d  loss %.4f  accuracy %.2f %%", l->epoch, epochs, l->loss, 100 * l->accuracy);
  if (!isnan (l->val_loss))
    printf ("  validation: loss %.4f  accuracy %.2f %%%s", l->val_loss, 100 * l->val_accuracy,
        best ? " (best)" : "");
  printf ("  rate %.3g  %.1f clips/s\n", l->rate, l->clips_per_second);
  fflush (stdout);
}

static void
show (const char *what, const Progress *p)
{
  g_autofree char *left = progress_time (p->seconds_left);
  g_autofree char *epoch = g_strdup_printf ("epoch %d/%d%s", p->epoch, p->epochs, what);
  g_autofree char *text = g_strdup_printf ("loss %.4f  accuracy %.2f %%  %.1f clips/s  %s left", p->loss,
      100 * p->accuracy, p->clips_per_second, left);

  progress_tell (epoch, p->part, text);
}

void
log_progress (const Progress *p)
{
  show ("", p);
}

void
log_validation (const Progress *p)
{
  show (" validation", p);
}
