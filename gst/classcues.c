/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classcues.h"

static void
clear_open (GstClassCues * cues)
{
  g_clear_pointer (&cues->open.key, g_free);
  g_clear_pointer (&cues->open.text, g_free);
}

void
gst_class_cues_reset (GstClassCues * cues)
{
  clear_open (cues);
  cues->position = GST_CLOCK_TIME_NONE;
}

/* The part of the open cue up to this time. */
static void
emit_until (GstClassCues * cues, GstClockTime end)
{
  GstClassCue cue = cues->open;

  cue.end = MIN (cue.end, end);
  if (cue.end > cue.start)
    cues->emit (&cue, cues->data);
  cues->open.start = cues->position = MAX (cue.end, cue.start);
}

static void
cut (GstClassCues * cues)
{
  if (cues->max_duration == 0)
    return;
  while (cues->open.end - cues->open.start > cues->max_duration)
    emit_until (cues, cues->open.start + cues->max_duration);
}

void
gst_class_cues_finish (GstClassCues * cues)
{
  if (cues->open.key == NULL)
    return;
  emit_until (cues, cues->open.end);
  clear_open (cues);
}

void
gst_class_cues_add (GstClassCues * cues, GstClockTime start, GstClockTime end,
    const gchar * key, const gchar * text, gdouble score)
{
  GstClassCue *open = &cues->open;

  if (open->key != NULL && g_str_equal (open->key, key)
      && start < open->end + cues->max_gap) {
    open->end = MAX (open->end, end);
    if (score > open->score) {
      g_free (open->text);
      open->text = g_strdup (text);
      open->score = score;
    }
    cut (cues);
    return;
  }
  if (open->key != NULL) {
    /* Overlapping clips: the newer one takes over in the middle. */
    if (open->end > start)
      open->end = start = MAX (open->start, start + (open->end - start) / 2);
    gst_class_cues_finish (cues);
  }
  if (GST_CLOCK_TIME_IS_VALID (cues->position))
    start = MAX (start, cues->position);
  if (end <= start)
    return;
  *open = (GstClassCue) {
  start, end, g_strdup (key), g_strdup (text), score};
  cut (cues);
}

gboolean
gst_class_cues_advance (GstClassCues * cues, GstClockTime time)
{
  if (cues->open.key != NULL) {
    if (time < cues->open.end + cues->max_gap)
      return FALSE;
    gst_class_cues_finish (cues);
  }
  if (!GST_CLOCK_TIME_IS_VALID (cues->position) || time > cues->position)
    cues->position = time;
  return TRUE;
}
