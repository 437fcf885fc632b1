/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Chooses by timestamp which frames of a video make up its clips, and keeps
 * them. It knows nothing of elements, threads or formats.
 *
 * Frames are wanted at the points of a grid, one sampling period apart,
 * from the first frame on. A point gets the frame nearest to it; where the
 * source is slower than the grid, the frame before is repeated.
 */

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstClipWindow GstClipWindow;

/**
 * gst_clip_window_new:
 * @frames: frames in a clip
 * @stride: sampled frames from the start of one clip to that of the next
 * @rate: sampled frames per second
 * @frame_size: bytes of a frame
 */
GstClipWindow *gst_clip_window_new (guint frames, guint stride, gdouble rate,
    gsize frame_size);
void gst_clip_window_free (GstClipWindow * window);

/* Drops all frames; the next one begins a new grid. */
void gst_clip_window_reset (GstClipWindow * window);

/* How long a frame of the source is; %GST_CLOCK_TIME_NONE if unknown. */
void gst_clip_window_set_frame_duration (GstClipWindow * window,
    GstClockTime duration);

/**
 * gst_clip_window_centre:
 * @duration: of the video from the next frame on, in nanoseconds
 *
 * Puts the grid that begins with the next frame so far behind it that what
 * fills no clip is left out at both ends alike, not only at the end.
 */
void gst_clip_window_centre (GstClipWindow * window, GstClockTime duration);

/**
 * gst_clip_window_wants:
 * @time: timestamp of a frame. A jump back by more than a sampling period, or
 *   forth by more than a clip, begins anew
 *
 * Returns: (nullable): where the pixels of this frame are to be written, after
 *   which gst_clip_window_commit() is to be called; %NULL if the frame falls
 *   between the points of the grid
 */
guint8 *gst_clip_window_wants (GstClipWindow * window, gint64 time);

/* The pixels of the frame are there. Returns whether a clip is complete. */
gboolean gst_clip_window_commit (GstClipWindow * window);

/**
 * gst_clip_window_advance:
 * @time: up to which nothing has come
 *
 * Lets time pass without frames: points before @time repeat the frame before.
 *
 * Returns: whether a clip is complete; then it is to be called again
 */
gboolean gst_clip_window_advance (GstClipWindow * window, gint64 time);

/* Whether a frame now would be the first that its clip does not share with the
 * clip before: that is where one network can take over from another. */
gboolean gst_clip_window_is_between_clips (GstClipWindow * window);

/*
 * Fills up the clip that is part-filled by repeating its frames from the first
 * on, as the paper does with short videos. Returns FALSE if there is no such
 * clip, or if all its frames were in the clip before.
 */
gboolean gst_clip_window_pad (GstClipWindow * window);

/**
 * gst_clip_window_copy:
 * @clip: (out caller-allocates): frames of the newest clip, in order of time
 * @start: (out): timestamp of its first frame
 * @end: (out): timestamp of its last frame
 */
void gst_clip_window_copy (GstClipWindow * window, guint8 * clip,
    gint64 * start, gint64 * end);

/**
 * gst_clip_window_get_position:
 *
 * Returns: how many points have had their frame. Goes on counting when the
 *   window begins anew, with a gap of more than a clip
 */
gint64 gst_clip_window_get_position (GstClipWindow * window);

/**
 * gst_clip_window_get_frame:
 * @position: from the current position minus the frames of a clip on
 *
 * Returns: (nullable): the frame of a point; %NULL if it is not kept
 */
const guint8 *gst_clip_window_get_frame (GstClipWindow * window,
    gint64 position);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstClipWindow, gst_clip_window_free)

G_END_DECLS
