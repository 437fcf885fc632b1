/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Objects that are followed through a video, each with clips of its own from a
 * square crop that moves smoothly with it. Where objects and their identities
 * come from is up to an element upstream (a detector and tracker).
 */

#include "gst/classifylane.h"

G_BEGIN_DECLS

typedef struct
{
  GstClassifyLane lane;         /* its subject is the object; without a network at first */
  gdouble x, y, side;           /* centre and size of the crop, in pixels */
  GstClockTime last_seen;
} GstClassifyTrack;

typedef struct _GstClassifyTracks GstClassifyTracks;

GstClassifyTracks *gst_classify_tracks_new (void);
void gst_classify_tracks_free (GstClassifyTracks * tracks);
/* Forgets all objects. */
void gst_classify_tracks_reset (GstClassifyTracks * tracks);

/**
 * gst_classify_tracks_see:
 * @x: of the object's box, in pixels, as are @y, @w and @h
 *
 * Returns: (transfer none): the object's track with its crop moved; its lane
 *   has no network if it is new
 */
GstClassifyTrack *gst_classify_tracks_see (GstClassifyTracks * tracks,
    const GstClassifySubject * object, gdouble x, gdouble y, gdouble w, gdouble h, GstClockTime time);
/* By number of its clips; %NULL if it has expired. */
GstClassifyTrack *gst_classify_tracks_find (GstClassifyTracks * tracks,
    guint stream);
/* %NULL if it is not known. */
GstClassifyTrack *gst_classify_tracks_look (GstClassifyTracks * tracks,
    const GstClassifySubject * object);
/* Calls a function for each object. */
void gst_classify_tracks_foreach (GstClassifyTracks * tracks,
    void (*func) (GstClassifyTrack * track, gpointer data), gpointer data);
/* One object that was not seen for a while at a time; %NULL if there is none. */
GstClassifyTrack *gst_classify_tracks_find_expired (GstClassifyTracks * tracks,
    GstClockTime now);
/* Forgets one object. */
void gst_classify_tracks_remove (GstClassifyTracks * tracks,
    GstClassifyTrack * track);
/* The crop, within a picture of width x height. */
GstVideoRectangle gst_classify_track_get_crop (const GstClassifyTrack * track,
    gint width, gint height);

G_END_DECLS
