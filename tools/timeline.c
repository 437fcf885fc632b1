/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/timeline.h"

#include <string.h>

/* Clips that follow each other leave less than this between them, in seconds. */
#define MAX_GAP 1.0

void
timeline_add (GArray *entries, double start, double end, const char *label, double score)
{
  TimelineEntry entry = { start, end, label, score };

  if (entries->len > 0) {
    TimelineEntry *last = &g_array_index (entries, TimelineEntry, entries->len - 1);

    if (strcmp (last->label, label) == 0 && start - last->end < MAX_GAP) {
      last->end = MAX (last->end, end);
      last->score = MAX (last->score, score);
      return;
    }
    /* Overlapping clips: the newer one takes over in the middle. */
    if (last->end > start)
      last->end = entry.start = (last->end + start) / 2;
  }
  g_array_append_val (entries, entry);
}

/* "01:02:03,456"; WebVTT has a point for the comma. */
static void
append_time (GString *s, double seconds, char point)
{
  gint64 ms = (gint64) (seconds * 1000 + 0.5);

  g_string_append_printf (s, "%02d:%02d:%02d%c%03d", (int) (ms / 3600000), (int) (ms / 60000 % 60),
      (int) (ms / 1000 % 60), point, (int) (ms % 1000));
}

static void
append_csv_text (GString *s, const char *text)
{
  g_string_append_c (s, '"');
  for (; *text != '\0'; text++) {
    if (*text == '"')
      g_string_append_c (s, '"');
    g_string_append_c (s, *text);
  }
  g_string_append_c (s, '"');
}

/* What WebVTT gives a meaning to; it knows no other names of characters than theirs. */
static void
append_vtt_text (GString *s, const char *text)
{
  for (; *text != '\0'; text++)
    if (*text == '&')
      g_string_append (s, "&amp;");
    else if (*text == '<')
      g_string_append (s, "&lt;");
    else if (*text == '>')
      g_string_append (s, "&gt;");
    else
      g_string_append_c (s, *text);
}

static void
append_cue (GString *s, const TimelineEntry *e, guint number, char point)
{
  if (point == ',')
    g_string_append_printf (s, "%u\n", number);
  append_time (s, e->start, point);
  g_string_append (s, " --> ");
  append_time (s, e->end, point);
  g_string_append_c (s, '\n');
  /* A label is plain text, but cues know markup. */
  if (point == '.')
    append_vtt_text (s, e->label);
  else
    g_string_append (s, e->label);
  g_string_append (s, "\n\n");
}

static void
append_csv_row (GString *s, const TimelineEntry *e)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  const double values[] = { e->start, e->end };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    g_string_append_printf (s, "%s,", g_ascii_formatd (number, sizeof number, "%.3f", values[i]));
  append_csv_text (s, e->label);
  g_string_append_printf (s, ",%s\n", g_ascii_formatd (number, sizeof number, "%.4f", e->score));
}

static const char *const endings[N_TIMELINES] = { "srt", "vtt", "csv" };

char *
timeline_path (const char *video, Timeline format)
{
  const char *dot = strrchr (video, '.'), *slash = strrchr (video, G_DIR_SEPARATOR);
  gsize stem = dot != NULL && (slash == NULL || dot > slash + 1) ? (gsize) (dot - video) : strlen (video);

  return g_strdup_printf ("%.*s.%s", (int) stem, video, endings[format]);
}

gboolean
timeline_write (const GArray *entries, Timeline format, const char *video, GError **error)
{
  static const char *const heads[N_TIMELINES] = { "", "WEBVTT\n\n", "start,end,label,score\n" };
  g_autoptr (GString) s = g_string_new (heads[format]);
  g_autofree char *path = timeline_path (video, format);

  for (guint i = 0; i < entries->len; i++) {
    const TimelineEntry *e = &g_array_index (entries, TimelineEntry, i);

    if (format == TIMELINE_CSV)
      append_csv_row (s, e);
    else
      append_cue (s, e, i + 1, format == TIMELINE_SRT ? ',' : '.');
  }
  return g_file_set_contents (path, s->str, (gssize) s->len, error);
}
