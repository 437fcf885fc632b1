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
  GHashTable *by_subject;       /* GstClassifySubject -> track, owned */
  guint next_stream;
};

static void
track_free (gpointer data)
{
  GstClassifyTrack *track = data;

  gst_classify_lane_clear (&track->lane);
  g_free (track);
}

static guint
hash_subject (gconstpointer subject)
{
  const GstClassifySubject *s = subject;

  return g_int64_hash (&s->id) ^ s->kind;
}

static gboolean
equal_subjects (gconstpointer a, gconstpointer b)
{
  const GstClassifySubject *s = a, *t = b;

  return s->kind == t->kind && s->id == t->id;
}

GstClassifyTracks *
gst_classify_tracks_new (void)
{
  GstClassifyTracks *tracks = g_new0 (GstClassifyTracks, 1);

  tracks->by_subject = g_hash_table_new_full (hash_subject, equal_subjects,
      NULL, track_free);
  tracks->next_stream = 1;
  return tracks;
}

void
gst_classify_tracks_free (GstClassifyTracks * tracks)
{
  g_hash_table_unref (tracks->by_subject);
  g_free (tracks);
}

void
gst_classify_tracks_reset (GstClassifyTracks * tracks)
{
  g_hash_table_remove_all (tracks->by_subject);
}

GstClassifyTrack *
gst_classify_tracks_see (GstClassifyTracks * tracks,
    const GstClassifySubject * object, gdouble x, gdouble y, gdouble w,
    gdouble h, GstClockTime time)
{
  GstClassifyTrack *track = g_hash_table_lookup (tracks->by_subject, object);
  gdouble side = MAX (w, h) * MARGIN;

  x += w / 2;
  y += h / 2;
  if (track == NULL) {
    track = g_new0 (GstClassifyTrack, 1);
    track->lane.number = tracks->next_stream++;
    track->lane.subject = *object;
    track->x = x;
    track->y = y;
    track->side = side;
    g_hash_table_insert (tracks->by_subject, &track->lane.subject, track);
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

  g_hash_table_iter_init (&iter, tracks->by_subject);
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

  g_hash_table_iter_init (&iter, tracks->by_subject);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    func (value, data);
}

GstClassifyTrack *
gst_classify_tracks_find_expired (GstClassifyTracks * tracks, GstClockTime now)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, tracks->by_subject);
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
  g_hash_table_remove (tracks->by_subject, &track->lane.subject);
}

GstClassifyTrack *
gst_classify_tracks_look (GstClassifyTracks * tracks,
    const GstClassifySubject * object)
{
  return g_hash_table_lookup (tracks->by_subject, object);
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
