/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifytracks.h"

/* An object that was not seen for so long is another one when it comes back. */
#define EXPIRE_AFTER (2 * GST_SECOND)
/* Room around the box, as people's arms leave it. */
#define MARGIN 1.25
/* How much of a new position counts: detectors' boxes jitter. */
#define SMOOTHING 0.3
/* Crops move by so many pixels at a time, so that their scaler can stay. */
#define GRID 4

struct _GstClassifyTracks
{
  GHashTable *by_id;            /* id -> track, owned */
  guint next_stream;
};

static void
track_free (gpointer data)
{
  GstClassifyTrack *track = data;

  gst_classify_lane_clear (&track->lane);
  g_free (track);
}

GstClassifyTracks *
gst_classify_tracks_new (void)
{
  GstClassifyTracks *tracks = g_new0 (GstClassifyTracks, 1);

  tracks->by_id = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
      track_free);
  tracks->next_stream = 1;
  return tracks;
}

void
gst_classify_tracks_free (GstClassifyTracks * tracks)
{
  g_hash_table_unref (tracks->by_id);
  g_free (tracks);
}

void
gst_classify_tracks_reset (GstClassifyTracks * tracks)
{
  g_hash_table_remove_all (tracks->by_id);
}

GstClassifyTrack *
gst_classify_tracks_see (GstClassifyTracks * tracks, guint64 id, gdouble x,
    gdouble y, gdouble w, gdouble h, GstClockTime time)
{
  GstClassifyTrack *track = g_hash_table_lookup (tracks->by_id, &id);
  gdouble side = MAX (w, h) * MARGIN;

  x += w / 2;
  y += h / 2;
  if (track == NULL) {
    track = g_new0 (GstClassifyTrack, 1);
    track->id = id;
    track->lane.number = tracks->next_stream++;
    track->lane.object = id;
    track->x = x;
    track->y = y;
    track->side = side;
    g_hash_table_insert (tracks->by_id, &track->id, track);
  } else {
    track->x += SMOOTHING * (x - track->x);
    track->y += SMOOTHING * (y - track->y);
    track->side += SMOOTHING * (side - track->side);
  }
  track->last_seen = time;
  return track;
}

GstClassifyTrack *
gst_classify_tracks_find (GstClassifyTracks * tracks, guint stream)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, tracks->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((GstClassifyTrack *) value)->lane.number == stream)
      return value;
  return NULL;
}

void
gst_classify_tracks_foreach (GstClassifyTracks * tracks,
    void (*func) (GstClassifyTrack * track, gpointer data), gpointer data)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, tracks->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    func (value, data);
}

GstClassifyTrack *
gst_classify_tracks_find_expired (GstClassifyTracks * tracks, GstClockTime now)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, tracks->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    GstClassifyTrack *track = value;

    if (now > track->last_seen && now - track->last_seen > EXPIRE_AFTER)
      return track;
  }
  return NULL;
}

void
gst_classify_tracks_remove (GstClassifyTracks * tracks,
    GstClassifyTrack * track)
{
  g_hash_table_remove (tracks->by_id, &track->id);
}

GstClassifyTrack *
gst_classify_tracks_look (GstClassifyTracks * tracks, guint64 id)
{
  return g_hash_table_lookup (tracks->by_id, &id);
}

static gint
snap (gdouble v)
{
  return (gint) (v / GRID + 0.5) * GRID;
}

GstVideoRectangle
gst_classify_track_get_crop (const GstClassifyTrack * track, gint width,
    gint height)
{
  gint side = CLAMP (snap (track->side), MIN (16, MIN (width, height)),
      MIN (width, height));
  GstVideoRectangle crop = { 0, 0, side, side };

  crop.x = CLAMP (snap (track->x - side / 2.0), 0, width - side);
  crop.y = CLAMP (snap (track->y - side / 2.0), 0, height - side);
  return crop;
}
