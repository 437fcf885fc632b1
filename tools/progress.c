/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MOST 30 /* characters of the bar */
#define LEAST 5
#define COLUMNS 80

/* Microseconds from one bar, or line, to the next. */
#define BAR_INTERVAL (G_USEC_PER_SEC / 10)
#define LINE_INTERVAL (30 * G_USEC_PER_SEC)

static gint64 drawn; /* when; 0 if there is no bar */
static gint64 told;  /* when the last line was; 0: it is not known since when there is something to tell */
static char *last;   /* what the bar is of */
static guint number, all = 1;

void
progress_count (guint i, guint n)
{
  number = i;
  all = n;
}

static int
get_columns (void)
{
  struct winsize size;

  return ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS;
}

static void
draw (const char *what, double part, const char *text)
{
  /* A line that is as long as the terminal is wide would begin another one. */
  g_autofree char *count = all > 1 ? g_strdup_printf ("%u/%u ", number, all) : g_strdup ("");
  int columns = get_columns () - 1;
  int used = (int) (g_utf8_strlen (count, -1) + g_utf8_strlen (what, -1) + g_utf8_strlen (text, -1)) + 4;
  int width = CLAMP (columns - used, LEAST, MOST), filled = (int) (CLAMP (part, 0, 1) * width);
  g_autofree char *line = g_strdup_printf ("%s%s [%.*s%*s] %s", count, what, filled, "##############################",
      width - filled, "", text);
  g_autofree char *fits = g_utf8_strlen (line, -1) > columns ? g_utf8_substring (line, 0, columns) : g_strdup (line);

  fprintf (stderr, "\r\033[K%s", fits);
  fflush (stderr);
}

void
progress_bar (const char *what, double part, const char *text)
{
  gint64 now = g_get_monotonic_time ();

  if (!isatty (STDERR_FILENO) || (drawn != 0 && now - drawn < BAR_INTERVAL && g_strcmp0 (what, last) == 0))
    return;
  drawn = now;
  g_free (last);
  last = g_strdup (what);
  draw (what, part, text);
}

void
progress_tell (const char *what, double part, const char *text)
{
  gint64 now = g_get_monotonic_time ();

  if (isatty (STDERR_FILENO)) {
    progress_bar (what, part, text);
    return;
  }
  if (told == 0)
    told = now; /* the first line comes after an interval, when there is something to tell */
  if (now - told < LINE_INTERVAL)
    return;
  told = now;
  fprintf (stderr, "%s %.0f %%  %s\n", what, 100 * part, text);
  fflush (stderr);
}

char *
progress_time (double seconds)
{
  int s = (int) MIN (seconds + 0.5, 1e8);

  return g_strdup_printf ("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
}

void
progress_clear (void)
{
  if (drawn != 0) {
    fputs ("\r\033[K", stderr);
    fflush (stderr);
  }
  drawn = 0;
  g_clear_pointer (&last, g_free);
}
