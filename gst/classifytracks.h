/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Objects that are followed through a video, each with clips of its own from a
 * square crop that moves smoothly with it. Where objects and their identities
 * come from is up to an element upstream (a detector and tracker).
 */

#include "gst/classifyoutput.h"
#include "gst/clipwindow.h"
#include "gst/framescaler.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 id;                   /* of the object, given by the tracker */
  guint stream;                 /* number of its clips in the engine, above 0 */
  GstClipWindow *window;
  GstFrameScaler *scaler;
  GstClassifyOutput *output;
  GstVideoClassifyResult *result;       /* the newest */
  gdouble x, y, side;           /* centre and size of the crop, in pixels */
  GstClockTime last_seen;
} GstClassifyTrack;

typedef struct _GstClassifyTracks GstClassifyTracks;

GstClassifyTracks *gst_classify_tracks_new (void);
void gst_classify_tracks_free (GstClassifyTracks * tracks);
void gst_classify_tracks_reset (GstClassifyTracks * tracks);

/**
 * gst_classify_tracks_see:
 * @x: of the object's box, in pixels, as are @y, @w and @h
 *
 * Returns: (transfer none): the object's track with its crop moved; its window
 *   and output are %NULL if it is new
 */
GstClassifyTrack *gst_classify_tracks_see (GstClassifyTracks * tracks,
    guint64 id, gdouble x, gdouble y, gdouble w, gdouble h, GstClockTime time);
/* By number of its clips; %NULL if it has expired. */
GstClassifyTrack *gst_classify_tracks_find (GstClassifyTracks * tracks,
    guint stream);
/* By the object's id; %NULL if it is not known. */
GstClassifyTrack *gst_classify_tracks_look (GstClassifyTracks * tracks,
    guint64 id);
/* Forgets objects that were not seen for a while. */
void gst_classify_tracks_expire (GstClassifyTracks * tracks, GstClockTime now);
/* The crop, within a picture of width x height. */
GstVideoRectangle gst_classify_track_get_crop (const GstClassifyTrack * track,
    gint width, gint height);

G_END_DECLS
