/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER "epoch,rate,loss,accuracy,val_loss,val_accuracy,clips_per_second,seconds"

/* Microseconds between lines of progress. */
#define TERMINAL_INTERVAL (G_USEC_PER_SEC / 5)
#define FILE_INTERVAL (60 * G_USEC_PER_SEC)

static gint64 shown; /* when progress was shown last */
static gboolean drawn;

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

gboolean
log_add (const char *path, const LogLine *l, GError **error)
{
  /* Losses with the digits of a float, by which trainings can be compared. */
  const struct {
    double value;
    int digits;
  } numbers[] = { { l->rate, 6 }, { l->loss, 9 }, { l->accuracy, 6 }, { l->val_loss, 9 },
    { l->val_accuracy, 6 }, { l->clips_per_second, 6 }, { l->seconds, 6 } };
  g_autoptr (GString) line = g_string_new (NULL);
  FILE *file = fopen (path, "ae");
  gboolean ok;

  g_string_printf (line, "%d", l->epoch);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    append_number (line, numbers[i].value, numbers[i].digits);
  g_string_append_c (line, '\n');
  if (file == NULL)
    return fail (path, error);
  ok = fputs (line->str, file) >= 0 && fflush (file) == 0;
  ok = ok || fail (path, error);
  fclose (file);
  return ok;
}

void
log_print (const LogLine *l, int epochs, gboolean best)
{
  log_clear ();
  printf ("epoch %d/%d  loss %.4f  accuracy %.2f %%", l->epoch, epochs, l->loss, 100 * l->accuracy);
  if (!isnan (l->val_loss))
    printf ("  validation: loss %.4f  accuracy %.2f %%%s", l->val_loss, 100 * l->val_accuracy,
        best ? " (best)" : "");
  printf ("  rate %.3g  %.1f clips/s\n", l->rate, l->clips_per_second);
  fflush (stdout);
}

void
log_progress (const Progress *p)
{
  gboolean terminal = isatty (STDERR_FILENO);
  gint64 now = g_get_monotonic_time ();
  int left = (int) MIN (p->seconds_left + 0.5, 1e8);

  if (shown == 0 && !terminal)
    shown = now; /* the first line comes after an interval, when there is something to tell */
  if (shown != 0 && now - shown < (terminal ? TERMINAL_INTERVAL : FILE_INTERVAL))
    return;
  shown = now;
  drawn = terminal;
  fprintf (stderr,
      "%sepoch %d/%d %3.0f %%  loss %.4f  accuracy %.2f %%  rate %.3g  %.1f clips/s  %d:%02d:%02d left%s",
      terminal ? "\r\033[K" : "", p->epoch, p->epochs, 100 * p->part, p->loss, 100 * p->accuracy,
      p->rate, p->clips_per_second, left / 3600, left / 60 % 60, left % 60, terminal ? "" : "\n");
  fflush (stderr);
}

void
log_clear (void)
{
  if (drawn)
    fputs ("\r\033[K", stderr);
  drawn = FALSE;
}
