/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/progress.h"

#include <stdio.h>
#include <unistd.h>

#define WIDTH 30
#define NAME_CHARACTERS 30
#define INTERVAL (G_USEC_PER_SEC / 10)

static gint64 drawn; /* when; 0 if there is no bar */
static guint number, all = 1;

void
progress_count (guint i, guint n)
{
  number = i;
  all = n;
}

void
progress_show (GstElement *pipeline, const char *path)
{
  gint64 now = g_get_monotonic_time (), position = 0, duration = 0;
  g_autofree char *base = NULL, *name = NULL;
  int filled;

  if (!isatty (STDERR_FILENO) || (drawn != 0 && now - drawn < INTERVAL))
    return;
  drawn = now;
  base = g_filename_display_basename (path);
  name = g_utf8_strlen (base, -1) > NAME_CHARACTERS ? g_utf8_substring (base, 0, NAME_CHARACTERS)
                                                    : g_strdup (base);
  gst_element_query_position (pipeline, GST_FORMAT_TIME, &position);
  gst_element_query_duration (pipeline, GST_FORMAT_TIME, &duration);
  filled = duration > 0 ? (int) (CLAMP (position, 0, duration) * WIDTH / duration) : 0;
  fputs ("\r\033[K", stderr);
  if (all > 1)
    fprintf (stderr, "%u/%u ", number, all);
  fprintf (stderr, "%s [%.*s%*s] %.1f s", name, filled, "##############################",
      WIDTH - filled, "", (double) MAX (position, 0) / GST_SECOND);
}

void
progress_clear (void)
{
  if (drawn != 0)
    fputs ("\r\033[K", stderr);
  drawn = 0;
}
