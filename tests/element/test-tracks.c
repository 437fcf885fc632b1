/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects that are followed: where their crops lie, and when they are forgotten. */

#include "gst/classifytracks.h"

#define WIDTH 640
#define HEIGHT 480

static GstClassifyTrack *
look (GstClassifyTracks * tracks, GstClassifyKind kind, guint64 id)
{
  return gst_classify_tracks_look (tracks, &(GstClassifySubject) { kind, id });
}

static GstVideoRectangle
see (GstClassifyTracks * tracks, guint64 id, gdouble x, gdouble y, gdouble w,
    gdouble h, GstClockTime time)
{
  GstClassifyTrack *track = gst_classify_tracks_see (tracks,
      &(GstClassifySubject) { GST_CLASSIFY_REGION, id }, x, y, w, h, time);
  GstVideoRectangle crop = gst_classify_track_get_crop (track, WIDTH, HEIGHT);

  /* Always a square within the picture. */
  g_assert_cmpint (crop.w, ==, crop.h);
  g_assert_cmpint (crop.w, >, 0);
  g_assert_cmpint (crop.x, >=, 0);
  g_assert_cmpint (crop.y, >=, 0);
  g_assert_cmpint (crop.x + crop.w, <=, WIDTH);
  g_assert_cmpint (crop.y + crop.h, <=, HEIGHT);
  return crop;
}

/* A box that jumps by 100 pixels: the crop follows, in steps that get smaller. */
static void
test_smooth (void)
{
  GstClassifyTracks *tracks = gst_classify_tracks_new ();
  GstVideoRectangle crop = see (tracks, 7, 100, 100, 80, 100, 0), next;
  gint step, last_step = WIDTH;

  for (guint i = 0; i < 30; i++) {
    next = see (tracks, 7, 200, 100, 80, 100, i);
    step = next.x - crop.x;
    g_assert_cmpint (step, >=, 0);
    g_assert_cmpint (step, <=, 32);
    g_assert_cmpint (step, <=, last_step + 4);  /* positions are rounded to 4 */
    last_step = step;
    crop = next;
  }
  /* It has arrived, with the object in its middle. */
  g_assert_cmpint (ABS (crop.x + crop.w / 2 - 240), <=, 4);
  g_assert_cmpint (ABS (crop.y + crop.h / 2 - 150), <=, 4);
  g_assert_cmpint (crop.w, >=, 100);
  gst_classify_tracks_free (tracks);
}

/* A detector's box that trembles moves the crop little, and seldom. */
static void
test_jitter (void)
{
  GstClassifyTracks *tracks = gst_classify_tracks_new ();
  GstVideoRectangle crop = see (tracks, 7, 300, 200, 60, 90, 0), first = crop;
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  guint moved = 0;

  for (guint i = 0; i < 200; i++) {
    GstVideoRectangle next = see (tracks, 7,
        300 + g_rand_int_range (rand, -2, 3),
        200 + g_rand_int_range (rand, -2, 3), 60, 90, i);

    moved += next.x != crop.x || next.y != crop.y;
    g_assert_cmpint (ABS (next.x - first.x), <=, 4);
    g_assert_cmpint (ABS (next.y - first.y), <=, 4);
    crop = next;
  }
  g_assert_cmpuint (moved, <, 100);
  gst_classify_tracks_free (tracks);
}

static void
test_borders (void)
{
  GstClassifyTracks *tracks = gst_classify_tracks_new ();

  see (tracks, 1, -50, -80, 100, 100, 0);
  see (tracks, 2, 630, 470, 40, 40, 0);
  see (tracks, 3, -100, -100, 2000, 2000, 0);
  see (tracks, 4, 10, 10, 0.5, 0.5, 0);
  gst_classify_tracks_free (tracks);
}

static void
count (GstClassifyTrack * track, gpointer data)
{
  (*(guint *) data)++;
}

static void
test_expiry (void)
{
  GstClassifyTracks *tracks = gst_classify_tracks_new ();
  GstClassifyTrack *track;
  guint n = 0, number;

  see (tracks, 1, 10, 10, 50, 50, 0);
  see (tracks, 2, 10, 10, 50, 50, GST_SECOND);
  number = look (tracks, GST_CLASSIFY_REGION, 1)->lane.number;
  g_assert_true (gst_classify_tracks_find (tracks, number) ==
      look (tracks, GST_CLASSIFY_REGION, 1));
  g_assert_null (gst_classify_tracks_find_expired (tracks, 2 * GST_SECOND));
  track = gst_classify_tracks_find_expired (tracks, 2 * GST_SECOND + 1);
  g_assert_nonnull (track);
  g_assert_cmpuint (track->lane.subject.id, ==, 1);
  gst_classify_tracks_remove (tracks, track);
  g_assert_null (gst_classify_tracks_find_expired (tracks, 2 * GST_SECOND + 1));
  g_assert_null (look (tracks, GST_CLASSIFY_REGION, 1));
  gst_classify_tracks_foreach (tracks, count, &n);
  g_assert_cmpuint (n, ==, 1);
  /* It comes back as another: late results of the old one do not find it. */
  see (tracks, 1, 10, 10, 50, 50, 3 * GST_SECOND);
  g_assert_null (gst_classify_tracks_find (tracks, number));
  gst_classify_tracks_free (tracks);
}

/* A region and what GstAnalytics tracks may have the same number. */
static void
test_kinds (void)
{
  GstClassifyTracks *tracks = gst_classify_tracks_new ();
  GstClassifySubject tracked = { GST_CLASSIFY_TRACKED, 1 };

  see (tracks, 1, 10, 10, 50, 50, 0);
  g_assert_null (look (tracks, GST_CLASSIFY_TRACKED, 1));
  gst_classify_tracks_see (tracks, &tracked, 300, 10, 50, 50, 0);
  g_assert_true (look (tracks, GST_CLASSIFY_TRACKED, 1) !=
      look (tracks, GST_CLASSIFY_REGION, 1));
  gst_classify_tracks_remove (tracks, look (tracks, GST_CLASSIFY_REGION, 1));
  g_assert_nonnull (look (tracks, GST_CLASSIFY_TRACKED, 1));
  gst_classify_tracks_free (tracks);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tracks/smooth", test_smooth);
  g_test_add_func ("/tracks/jitter", test_jitter);
  g_test_add_func ("/tracks/borders", test_borders);
  g_test_add_func ("/tracks/expiry", test_expiry);
  g_test_add_func ("/tracks/kinds", test_kinds);
  return g_test_run ();
}
