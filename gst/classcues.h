/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From results to cues, the texts of subtitles: what goes on makes a cue longer,
 * what is new begins one. The rules are those of `3dcnn classify --srt`. Cues
 * come out in order of time and never overlap. Knows nothing of elements.
 */

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct
{
  GstClockTime start, end;
  gchar *key;                   /* what has the same key goes on */
  gchar *text;
  gdouble score;
} GstClassCue;

typedef struct
{
  GstClassCue open;             /* if its key is not NULL */
  GstClockTime position;        /* nothing more comes before this, or NONE */
  GstClockTime max_gap;         /* what is interrupted by less goes on */
  GstClockTime max_duration;    /* longer cues are cut, 0 = never */
  void (*emit) (const GstClassCue * cue, gpointer data);
  gpointer data;
} GstClassCues;

/* Forgets the stream. */
void gst_class_cues_reset (GstClassCues * cues);

/**
 * gst_class_cues_add:
 * @text: shown from @start to @end, if it has the highest score of its cue
 *
 * Start times may not decrease, apart from what is cut off here.
 */
void gst_class_cues_add (GstClassCues * cues, GstClockTime start,
    GstClockTime end, const gchar * key, const gchar * text, gdouble score);

/* What comes does not begin before @time. Returns FALSE if there is an open cue,
 * so that nothing can be said of what comes after its start; else moves the
 * position. */
gboolean gst_class_cues_advance (GstClassCues * cues, GstClockTime time);

/* Emits the cue that is open, if any. */
void gst_class_cues_finish (GstClassCues * cues);

G_END_DECLS
