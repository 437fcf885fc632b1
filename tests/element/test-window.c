/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which frames are taken: the clip window by itself, with one byte a frame. */

#include <gst/gst.h>

#include "gst/clipwindow.h"

static guint8 clip[16];
static gint64 start, end;

/* Offers frame `number` at a time; returns whether it completed a clip. */
static gboolean
offer (GstClipWindow * window, guint8 number, gint64 time, guint * taken)
{
  guint8 *pixels = gst_clip_window_wants (window, time);

  if (pixels == NULL)
    return FALSE;
  *pixels = number;
  if (taken)
    (*taken)++;
  return gst_clip_window_commit (window);
}

/* Frames at fps, sampled at 7.5 a second: the first clip's are these. */
static void
check_rate (gdouble fps, const guint8 expected[16])
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 7.5, 1);
  gint64 frame = GST_SECOND / fps;
  guint8 n = 0;

  gst_clip_window_set_frame_duration (window, frame);
  while (!offer (window, n, n * frame, NULL))
    n++;
  gst_clip_window_copy (window, clip, &start, &end);
  g_assert_cmpmem (clip, 16, expected, 16);
  g_assert_cmpint (start, ==, 0);
  g_assert_cmpint (end, ==, expected[15] * frame);
}

static void
test_rates (void)
{
  static const guint8 of_30[] = { 0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44,
    48, 52, 56, 60
  };
  static const guint8 of_15[] = { 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
    26, 28, 30
  };
  static const guint8 of_25[] = { 0, 3, 7, 10, 13, 17, 20, 23, 27, 30, 33, 37,
    40, 43, 47, 50
  };
  static const guint8 of_7_5[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
    14, 15
  };

  check_rate (30, of_30);
  check_rate (15, of_15);
  check_rate (25, of_25);
  check_rate (7.5, of_7_5);
}

/* A source slower than the grid: its frames are repeated. */
static void
test_slow_source (void)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 8, 1);
  guint8 n = 0;

  gst_clip_window_set_frame_duration (window, GST_SECOND / 4);
  while (!offer (window, n, n * (GST_SECOND / 4), NULL))
    n++;
  gst_clip_window_copy (window, clip, &start, &end);
  for (guint i = 1; i < 16; i++)
    g_assert_true (clip[i] == clip[i - 1] || clip[i] == clip[i - 1] + 1);
  g_assert_cmpuint (clip[15], ==, 8);
}

/* Timestamps that jitter by up to a third of a frame change nothing. */
static void
test_jitter (void)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 7.5, 1);
  gint64 frame = GST_SECOND / 30;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint8 n = 0;

  gst_clip_window_set_frame_duration (window, frame);
  while (!offer (window, n, n == 0 ? 0 : n * frame + g_rand_int_range (rand,
                  -frame / 3, frame / 3), NULL))
    n++;
  gst_clip_window_copy (window, clip, &start, &end);
  for (guint i = 0; i < 16; i++)
    g_assert_cmpuint (clip[i], ==, i * 4);
}

static void
check_stride (guint stride)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, stride, 10, 1);
  guint clips = 0;

  for (guint n = 0; n < 100; n++) {
    if (!offer (window, n, n * GST_SECOND / 10, NULL))
      continue;
    gst_clip_window_copy (window, clip, &start, &end);
    g_assert_cmpuint (clip[0], ==, clips * stride);
    g_assert_cmpuint (clip[15], ==, clips * stride + 15);
    clips++;
  }
  g_assert_cmpuint (clips, ==, (100 - 16) / stride + 1);
}

static void
test_strides (void)
{
  check_stride (1);
  check_stride (8);
  check_stride (16);
  check_stride (30);
}

static void
test_jumps (void)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 10, 1);
  guint n;

  for (n = 0; n < 10; n++)
    g_assert_false (offer (window, n, n * GST_SECOND / 10, NULL));
  /* Back: a clip takes 16 frames again. */
  for (n = 0; n < 15; n++)
    g_assert_false (offer (window, n, n * GST_SECOND / 10, NULL));
  g_assert_true (offer (window, n, n * GST_SECOND / 10, NULL));
  /* And so it does after a gap longer than a clip. */
  for (n = 0; n < 15; n++)
    g_assert_false (offer (window, n, (100 + n) * GST_SECOND / 10, NULL));
  g_assert_true (offer (window, n, (100 + n) * GST_SECOND / 10, NULL));
}

/* The same timestamp twice counts once. */
static void
test_repeated_time (void)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 10, 1);
  guint taken = 0;

  gst_clip_window_set_frame_duration (window, GST_SECOND / 10);
  for (guint n = 0; n < 8; n++) {
    offer (window, n, n * GST_SECOND / 10, &taken);
    offer (window, n, n * GST_SECOND / 10, &taken);
  }
  g_assert_cmpuint (taken, ==, 8);
}

static void
test_padding (void)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 10, 1);

  g_assert_false (gst_clip_window_pad (window));
  for (guint n = 0; n < 5; n++)
    offer (window, n, n * GST_SECOND / 10, NULL);
  g_assert_true (gst_clip_window_pad (window));
  gst_clip_window_copy (window, clip, &start, &end);
  for (guint i = 0; i < 16; i++)
    g_assert_cmpuint (clip[i], ==, i % 5);
  /* That clip is complete; there is nothing more to pad. */
  g_assert_false (gst_clip_window_pad (window));
}

/* 20 frames hold one clip; two are left out before it, two after. */
static void
test_centre (void)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 10, 1);
  guint n = 0;

  gst_clip_window_set_frame_duration (window, GST_SECOND / 10);
  gst_clip_window_centre (window, 2 * GST_SECOND);
  while (!offer (window, n, n * GST_SECOND / 10, NULL))
    n++;
  gst_clip_window_copy (window, clip, &start, &end);
  g_assert_cmpuint (clip[0], ==, 2);
  g_assert_cmpuint (clip[15], ==, 17);
}

/* A source of a frame in 2.5 seconds, with clips of 1.6: it goes on, and its first
 * frame is not left out. */
static void
test_very_slow (void)
{
  g_autoptr (GstClipWindow) window = gst_clip_window_new (16, 16, 10, 1);
  const gint64 frame = 5 * GST_SECOND / 2;
  guint taken = 0;

  gst_clip_window_set_frame_duration (window, frame);
  gst_clip_window_centre (window, 6 * frame);
  for (guint n = 0; n < 6; n++) {
    g_assert_cmpint (offer (window, n, n * frame, &taken), ==, n > 0);
    if (n == 0)
      continue;
    gst_clip_window_copy (window, clip, &start, &end);
    g_assert_cmpuint (clip[0], ==, n - 1);
    g_assert_cmpint (start, ==, (n - 1) * frame);
    g_assert_cmpint (end, ==, n * frame);
  }
  g_assert_cmpuint (taken, ==, 6);
  /* Two frames that are missing are a jump. */
  g_assert_false (offer (window, 8, 8 * frame, &taken));
  g_assert_false (gst_clip_window_is_between_clips (window));
  g_assert_true (gst_clip_window_pad (window));
  gst_clip_window_copy (window, clip, &start, &end);
  g_assert_cmpint (start, ==, 8 * frame);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/window/rates", test_rates);
  g_test_add_func ("/window/slow-source", test_slow_source);
  g_test_add_func ("/window/jitter", test_jitter);
  g_test_add_func ("/window/strides", test_strides);
  g_test_add_func ("/window/jumps", test_jumps);
  g_test_add_func ("/window/repeated-time", test_repeated_time);
  g_test_add_func ("/window/padding", test_padding);
  g_test_add_func ("/window/centre", test_centre);
  g_test_add_func ("/window/very-slow", test_very_slow);
  return g_test_run ();
}
