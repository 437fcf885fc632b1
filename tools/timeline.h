/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Side-car files of a video: when which class was seen. */

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  double start, end; /* seconds */
  const char *label; /* borrowed */
  double score;      /* the highest */
} TimelineEntry;

typedef enum {
  TIMELINE_SRT,
  TIMELINE_VTT,
  TIMELINE_CSV,
  N_TIMELINES,
} Timeline;

/*
 * Adds a clip's best class to entries (TimelineEntry); one that goes on from the entry before makes
 * it longer.
 */
void timeline_add (GArray *entries, double start, double end, const char *label, double score);

/* VIDEO.srt, .vtt or .csv, where VIDEO has lost its own ending. */
char *timeline_path (const char *video, Timeline format);

/* Writes VIDEO.srt, .vtt or .csv next to the video; returns FALSE with an error that names it. */
gboolean timeline_write (const GArray *entries, Timeline format, const char *video, GError **error);

G_END_DECLS
