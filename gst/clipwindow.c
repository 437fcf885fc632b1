/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/clipwindow.h"

#include <math.h>
#include <string.h>

/* Timestamps are rounded, to milliseconds by some containers. */
#define TOLERANCE GST_MSECOND

struct _GstClipWindow
{
  guint frames, stride;
  gdouble period;               /* nanoseconds */
  gsize frame_size;
  GstClockTime frame_duration;

  gboolean started;
  gint64 origin;                /* of the grid */
  gint64 offset;                /* of the origin from the first frame */
  gint64 last_time;             /* of the last frame, taken or not */
  guint64 n_points;             /* of the grid that have their frame */
  gint64 base;                  /* position of the grid's first point */
  guint64 next_due;             /* number of points that completes a clip */
  gboolean had_clip;

  guint64 pending;              /* point that the frame being written is for */
  gint64 pending_time;
  /* Rings of frames; a point's place is its number modulo frames. */
  guint8 *pixels;
  gint64 *times;
};

GstClipWindow *
gst_clip_window_new (guint frames, guint stride, gdouble rate, gsize frame_size)
{
  GstClipWindow *window = g_new0 (GstClipWindow, 1);

  window->frames = frames;
  window->stride = stride > 0 ? stride : frames;
  window->period = GST_SECOND / rate;
  window->frame_size = frame_size;
  window->frame_duration = GST_CLOCK_TIME_NONE;
  window->pixels = g_malloc0 (frames * frame_size);
  window->times = g_new0 (gint64, frames);
  gst_clip_window_reset (window);
  return window;
}

void
gst_clip_window_free (GstClipWindow * window)
{
  g_free (window->pixels);
  g_free (window->times);
  g_free (window);
}

void
gst_clip_window_reset (GstClipWindow * window)
{
  window->started = FALSE;
  window->offset = 0;
  if (window->n_points > 0)
    window->base += window->n_points + 2 * window->frames;
  window->n_points = 0;
  window->next_due = window->frames;
  window->had_clip = FALSE;
}

void
gst_clip_window_centre (GstClipWindow * window, GstClockTime duration)
{
  gdouble rest = duration / window->period - window->frames;

  if (window->started || rest <= 0)
    return;
  window->offset = (gint64) (fmod (rest, window->stride) / 2 * window->period);
  /* What the first frame shows would be left out, though it lasts longer. */
  if (GST_CLOCK_TIME_IS_VALID (window->frame_duration)
      && window->frame_duration > window->period
      && window->frame_duration > (GstClockTime) window->offset)
    window->offset = 0;
}

void
gst_clip_window_set_frame_duration (GstClipWindow * window,
    GstClockTime duration)
{
  window->frame_duration = duration;
}

static guint8 *
slot (GstClipWindow * window, guint64 point)
{
  return window->pixels + (point % window->frames) * window->frame_size;
}

/* Points that no frame came near repeat the one before. */
static void
repeat_frame (GstClipWindow * window)
{
  guint64 point = window->n_points++;

  memcpy (slot (window, point), slot (window, point - 1), window->frame_size);
  window->times[point % window->frames] =
      window->times[(point - 1) % window->frames];
}

/* Whether a clip has become complete. */
static gboolean
check_due (GstClipWindow * window)
{
  if (window->n_points < window->next_due)
    return FALSE;
  while (window->next_due <= window->n_points)
    window->next_due += window->stride;
  window->had_clip = TRUE;
  return TRUE;
}

/* A frame that is not the nearest to any point is not taken: so a frame
 * counts from half of its duration before its timestamp on. */
static gdouble
half_frame (GstClipWindow * window, gint64 time)
{
  gdouble duration;

  if (GST_CLOCK_TIME_IS_VALID (window->frame_duration))
    duration = window->frame_duration;
  else
    duration = window->started ? time - window->last_time : 0;
  return MIN (duration, window->period) / 2 + TOLERANCE;
}

/* The last point that a frame of a time may be for. */
static gint64
find_point (GstClipWindow * window, gint64 time)
{
  return (gint64) floor ((time - window->origin + half_frame (window, time))
      / window->period);
}

/* Of a source slower than a frame a clip, each frame is longer than a clip. */
static gboolean
is_jump (GstClipWindow * window, gint64 time)
{
  gdouble step = time - window->last_time;
  gdouble max_step = window->period * window->frames;

  if (GST_CLOCK_TIME_IS_VALID (window->frame_duration))
    max_step = MAX (max_step, 2.0 * window->frame_duration);
  return window->started && (step < -window->period || step > max_step);
}

guint8 *
gst_clip_window_wants (GstClipWindow * window, gint64 time)
{
  gint64 last;

  if (is_jump (window, time))
    gst_clip_window_reset (window);
  if (!window->started) {
    window->started = TRUE;
    window->origin = time + window->offset;
    window->last_time = time;
  }
  last = find_point (window, time);
  window->last_time = MAX (window->last_time, time);
  if (last < (gint64) window->n_points)
    return NULL;
  if (window->n_points == 0) {
    /* There is nothing yet that earlier points could repeat. */
    window->origin += (gint64) (last * window->period);
    last = 0;
  }
  window->pending = last;
  window->pending_time = time;
  while (window->n_points < window->pending)
    repeat_frame (window);
  return slot (window, window->pending);
}

gboolean
gst_clip_window_commit (GstClipWindow * window)
{
  window->times[window->pending % window->frames] = window->pending_time;
  window->n_points = window->pending + 1;
  return check_due (window);
}

gboolean
gst_clip_window_advance (GstClipWindow * window, gint64 time)
{
  gint64 last;

  if (is_jump (window, time))
    gst_clip_window_reset (window);
  if (!window->started || window->n_points == 0 || time < window->last_time)
    return FALSE;
  last = find_point (window, time);
  while ((gint64) window->n_points < last) {
    repeat_frame (window);
    if (check_due (window))
      return TRUE;
  }
  window->last_time = time;
  return FALSE;
}

/* How many of the points are of no clip that was complete. Negative between
 * clips that are further apart than they are long. */
static gint64
count_new (GstClipWindow * window)
{
  guint64 begin = window->next_due - window->frames;

  if (window->had_clip && window->stride < window->frames)
    begin = window->next_due - window->stride;
  return (gint64) window->n_points - (gint64) begin;
}

gboolean
gst_clip_window_is_between_clips (GstClipWindow * window)
{
  return count_new (window) <= 0;
}

gboolean
gst_clip_window_pad (GstClipWindow * window)
{
  guint64 begin = window->next_due - window->frames;
  gint64 n = (gint64) window->n_points - (gint64) begin;

  if (count_new (window) <= 0)
    return FALSE;
  while (window->n_points < window->next_due) {
    guint64 from = begin + (window->n_points - begin) % n;

    memcpy (slot (window, window->n_points), slot (window, from),
        window->frame_size);
    window->times[window->n_points % window->frames] =
        window->times[from % window->frames];
    window->n_points++;
  }
  return check_due (window);
}

void
gst_clip_window_copy (GstClipWindow * window, guint8 * clip, gint64 * start,
    gint64 * end)
{
  guint64 first = window->n_points - window->frames;

  g_return_if_fail (window->n_points >= window->frames);

  *start = *end = window->times[first % window->frames];
  for (guint i = 0; i < window->frames; i++) {
    gint64 time = window->times[(first + i) % window->frames];

    memcpy (clip + i * window->frame_size, slot (window, first + i),
        window->frame_size);
    *start = MIN (*start, time);
    *end = MAX (*end, time);
  }
}

gint64
gst_clip_window_get_position (GstClipWindow * window)
{
  return window->base + window->n_points;
}

const guint8 *
gst_clip_window_get_frame (GstClipWindow * window, gint64 position)
{
  gint64 point = position - window->base, n = window->n_points;

  if (point < 0 || point >= n || point < n - window->frames)
    return NULL;
  return slot (window, point);
}
