/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Timestamps and events: gaps, jumps, repeats, variable rates, ends of streams. */

#include <string.h>

#include "tests/element/common.h"

/* Pushes a frame at a time; returns whether a result is attached. */
static gboolean
push_at (GstHarness * h, GstClockTime pts)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new (pts));
  gboolean has_meta = gst_buffer_get_video_classify_meta (out, NULL) != NULL;

  gst_buffer_unref (out);
  return has_meta;
}

static void
push_gap (GstHarness * h, guint first, guint n, GstGapFlags flags)
{
  GstEvent *event = gst_event_new_gap (first * FRAME, n * FRAME);

  if (flags)
    gst_event_set_gap_flags (event, flags);
  gst_harness_push_event (h, event);
}

/* A clip that is due in a gap does not wait for its end: the picture stays. */
static void
test_gap_advances (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, 50);
  push_gap (h, 50, 5, 0);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 0);
  push_gap (h, 55, 10, 0);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 1);
  g_assert_true (push_at (h, 65 * FRAME));
  /* And the grid goes on: the next clip ends one clip later. */
  push_frames (h, 66, 124 - 66);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 0);
  push_frames (h, 124, 1);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 1);
  gst_harness_teardown (h);
}

/* Data that is missing: nothing is made up before the next frame is there. */
static void
test_gap_missing (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, 50);
  push_gap (h, 50, 15, GST_GAP_FLAG_MISSING_DATA);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 0);
  g_assert_true (push_at (h, 65 * FRAME));
  gst_harness_teardown (h);
}

/* A gap longer than a clip: a clip begins after it. */
static void
test_gap_long (void)
{
  GstHarness *h = harness_new ("mode=sync");

  push_frames (h, 0, CLIP_FRAMES - 1);
  push_gap (h, CLIP_FRAMES - 1, 3 * CLIP_FRAMES, 0);
  g_assert_cmpuint (push_frames (h, 4 * CLIP_FRAMES - 1, CLIP_FRAMES - 1), ==,
      0);
  g_assert_cmpuint (push_frames (h, 5 * CLIP_FRAMES - 2, 1), ==, 1);
  gst_harness_teardown (h);
}

static void
test_gap_first (void)
{
  GstHarness *h = harness_new ("mode=sync");

  push_gap (h, 0, 100, 0);
  g_assert_cmpuint (push_frames (h, 100, CLIP_FRAMES), ==, 1);
  gst_harness_teardown (h);
}

/* Timestamps jump, forth or back, with nothing that says so. */
static void
check_jump (guint to)
{
  GstHarness *h = harness_new ("mode=sync");

  push_frames (h, 1000, CLIP_FRAMES + 5);
  g_assert_cmpuint (push_frames (h, to, CLIP_FRAMES - 1), ==, 0);
  g_assert_cmpuint (push_frames (h, to + CLIP_FRAMES - 1, 1), ==, 1);
  gst_harness_teardown (h);
}

static void
test_jumps (void)
{
  check_jump (0);
  check_jump (5000);
}

/* Two frames in the wrong order are no jump. */
static void
test_swapped (void)
{
  GstHarness *h = harness_new ("mode=sync");
  guint with_meta = 0;

  for (guint i = 0; i < CLIP_FRAMES; i++) {
    guint n = i == 30 ? 31 : i == 31 ? 30 : i;

    with_meta += push_at (h, n * FRAME);
  }
  g_assert_cmpuint (with_meta, ==, 1);
  gst_harness_teardown (h);
}

/* Each timestamp twice: a clip still spans as much time. */
static void
test_repeated (void)
{
  GstHarness *h = harness_new ("mode=sync");
  guint with_meta = 0;

  for (guint i = 0; i < 2 * CLIP_FRAMES; i++)
    with_meta += push_at (h, i / 2 * FRAME);
  g_assert_cmpuint (with_meta, ==, 2);
  gst_harness_teardown (h);
}

/* Some frames have no timestamp: they come after the one before. */
static void
test_some_missing (void)
{
  GstHarness *h = harness_new ("mode=sync");
  guint with_meta = 0;

  for (guint i = 0; i < CLIP_FRAMES; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);

    if (i % 3 != 0)
      GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
    buffer = gst_harness_push_and_pull (h, buffer);
    with_meta += gst_buffer_get_video_classify_meta (buffer, NULL) != NULL;
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (with_meta, ==, 1);
  gst_harness_teardown (h);
}

/* No frame rate in caps, and frames at 10 to 50 a second: clips are of time. */
static void
test_variable_rate (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  GstClockTime pts = 0;

  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=64,height=48,framerate=0/1");
  while (pts < 21 * GST_SECOND) {
    GstBuffer *buffer = frame_new (pts);

    GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
    pts += g_rand_int_range (rand, 20, 100) * GST_MSECOND;
  }
  /* A clip is 16 / 7.5 s. */
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 9);
  gst_harness_teardown (h);
}

/* A frame or two that a camera lost, marked as a discontinuity. */
static void
test_small_discont (void)
{
  GstHarness *h = harness_new ("mode=sync");
  GstBuffer *buffer;

  push_frames (h, 0, 30);
  buffer = frame_new (32 * FRAME);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  g_assert_cmpuint (push_frames (h, 33, CLIP_FRAMES - 33), ==, 1);
  gst_harness_teardown (h);
}

/* The summary of a bus, or NULL. */
static GstStructure *
find_summary (GstBus * bus)
{
  GstMessage *message;
  GstStructure *s = NULL;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    if (gst_message_has_name (message, "videoclassify3d-summary")) {
      g_assert_null (s);
      s = gst_structure_copy (gst_message_get_structure (message));
    }
    gst_message_unref (message);
  }
  return s;
}

static guint64
count_clips (GstBus * bus)
{
  g_autoptr (GstStructure) s = find_summary (bus);
  guint64 clips = 0;

  if (s != NULL)
    gst_structure_get_uint64 (s, "clips", &clips);
  return clips;
}

/* New caps drop a part-filled clip, not the summary; a new stream drops both. */
static void
test_summary_scope (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  push_frames (h, 0, CLIP_FRAMES + 10);
  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=48,height=64,framerate=30/1");
  push_frames (h, CLIP_FRAMES + 10, CLIP_FRAMES);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_clips (bus), ==, 2);
  gst_harness_push_event (h, gst_event_new_stream_start ("another"));
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_frames (h, 0, CLIP_FRAMES);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_clips (bus), ==, 1);
  gst_harness_teardown (h);
}

static void
add_scores (const GstStructure * s, gdouble sum[10])
{
  const GValue *scores = gst_structure_get_value (s, "scores");
  const GValue *indices = gst_structure_get_value (s, "indices");

  for (guint i = 0; i < 10; i++)
    sum[g_value_get_int (gst_value_array_get_value (indices, i))] +=
        g_value_get_double (gst_value_array_get_value (scores, i));
}

/* The summary is the mean of the clips' scores. */
static void
test_summary_mean (void)
{
  GstHarness *h = harness_new ("mode=sync clip-stride=2 top-k=0");
  g_autoptr (GstBus) bus = harness_bus (h);
  gdouble sum[10] = { 0 }, mean[10] = { 0 };
  GstMessage *message;
  guint n = 0;

  push_frames (h, 0, CLIP_FRAMES + 5 * 8);
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    if (gst_message_has_name (message, "videoclassify3d")) {
      add_scores (gst_message_get_structure (message), sum);
      n++;
    } else if (gst_message_has_name (message, "videoclassify3d-summary")) {
      add_scores (gst_message_get_structure (message), mean);
    }
    gst_message_unref (message);
  }
  g_assert_cmpuint (n, ==, 6);
  for (guint c = 0; c < 10; c++)
    g_assert_cmpfloat_with_epsilon (mean[c], sum[c] / n, 1e-6);
  gst_harness_teardown (h);
}

/* Padding repeats the part of a clip that there is, and nothing if there is
 * none. */
static void
check_pad (const gchar * properties, guint frames, guint clips)
{
  GstHarness *h = harness_new (properties);
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, frames);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_clips (bus), ==, clips);
  gst_harness_teardown (h);
}

static void
test_pad (void)
{
  check_pad ("mode=sync on-eos=pad", CLIP_FRAMES, 1);
  check_pad ("mode=sync on-eos=pad", CLIP_FRAMES + 3, 1);
  check_pad ("mode=sync on-eos=pad", CLIP_FRAMES + 4, 2);
  check_pad ("mode=sync on-eos=pad clip-stride=4", CLIP_FRAMES + 3, 1);
  check_pad ("mode=sync on-eos=pad clip-stride=4", CLIP_FRAMES + 4, 2);
  check_pad ("mode=sync on-eos=pad clip-stride=30", CLIP_FRAMES + 30, 1);
  check_pad ("mode=sync on-eos=drop", CLIP_FRAMES + 30, 1);
  check_pad ("mode=async on-eos=pad", CLIP_FRAMES + 30, 2);
}

/* Nothing is lost at EOS in async mode: what is due is classified first. */
static void
test_eos_drains (void)
{
  GstHarness *h = harness_new ("mode=async");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, CLIP_FRAMES);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 1);
  gst_harness_teardown (h);
}

static void
push_object (GstHarness * h, guint i, gint id, gint x)
{
  GstBuffer *buffer = frame_new (i * FRAME);

  if (id >= 0)
    gst_buffer_add_video_region_of_interest_meta (buffer, "person", x, 5, 20,
        30)->id = id;
  gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
}

/* An object that was away for longer than two seconds is another one. */
static void
test_object_expires (void)
{
  GstHarness *h = harness_new ("mode=sync roi=meta");
  g_autoptr (GstBus) bus = harness_bus (h);
  guint i;

  for (i = 0; i < CLIP_FRAMES - 1; i++)
    push_object (h, i, 4, 20);
  for (; i < 2 * CLIP_FRAMES + 10; i++)
    push_object (h, i, -1, 0);
  push_object (h, i, 4, 20);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 0);
  gst_harness_teardown (h);
}

/* At the end, each object has its summary; a short one is padded. */
static void
test_object_eos (void)
{
  GstHarness *h = harness_new ("mode=async roi=meta");
  g_autoptr (GstBus) bus = harness_bus (h);
  guint summaries = 0, results = 0, objects = 0;
  GstMessage *message;
  GstEvent *event;

  for (guint i = 0; i < CLIP_FRAMES; i++)
    push_object (h, i, i < CLIP_FRAMES - 10 ? 1 : 2, i % 40);
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    guint64 object;

    g_assert_true (gst_structure_get_uint64 (gst_message_get_structure
            (message), "object", &object));
    summaries += gst_message_has_name (message, "videoclassify3d-summary");
    results += gst_message_has_name (message, "videoclassify3d");
    gst_message_unref (message);
  }
  g_assert_cmpuint (results, ==, 2);
  g_assert_cmpuint (summaries, ==, 2);
  /* Downstream as well, each with its number. */
  while ((event = gst_harness_try_pull_event (h))) {
    guint64 object;

    if (gst_event_has_name (event, "videoclassify3d-summary")) {
      g_assert_true (gst_structure_get_uint64 (gst_event_get_structure (event),
              "object", &object));
      g_assert_false (gst_structure_has_field (gst_event_get_structure (event),
              "result"));
      objects |= 1 << object;
    }
    gst_event_unref (event);
  }
  g_assert_cmpuint (objects, ==, 1 << 1 | 1 << 2);
  gst_harness_teardown (h);
}

/* Buffers of zeros of a format and size, as they are in memory. */
static guint
classify_format (GstVideoFormat format, guint width, guint height,
    GstVideoInterlaceMode mode)
{
  GstHarness *h =
      gst_harness_new_parse ("videoclassify3d mode=sync threads=1 "
      "sample-rate=30");
  g_autoptr (GstBus) bus = harness_bus (h);
  GstVideoInfo info;
  guint n;

  gst_video_info_set_interlaced_format (&info, format, mode, width, height);
  info.fps_n = 30;
  info.fps_d = 1;
  gst_harness_set_src_caps (h, gst_video_info_to_caps (&info));
  for (guint i = 0; i < 16; i++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);

    gst_buffer_memset (buffer, 0, 0x40, info.size);
    GST_BUFFER_PTS (buffer) = i * FRAME;
    buffer = gst_harness_push_and_pull (h, buffer);
    g_assert_nonnull (buffer);
    gst_buffer_unref (buffer);
  }
  n = count_messages (bus, "videoclassify3d");
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
  return n;
}

/* Every raw format that GstVideo knows: tiled ones and those with a palette
 * too. */
static void
test_every_format (void)
{
  guint n_formats;
  const GstVideoFormat *formats = gst_video_formats_raw (&n_formats);

  for (guint i = 0; i < n_formats; i++) {
    g_test_message ("%s", gst_video_format_to_string (formats[i]));
    g_assert_cmpuint (classify_format (formats[i], 256, 240,
            GST_VIDEO_INTERLACE_MODE_PROGRESSIVE), ==, 1);
  }
  g_assert_cmpuint (n_formats, >, 100);
}

static void
test_odd_sizes (void)
{
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_I420,
    GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_RGB,
    GST_VIDEO_FORMAT_I420_10LE
  };
  static const guint sizes[][2] = { {1, 1}, {3, 5}, {17, 1}, {1, 501}, {321, 243},
  {243, 321}, {1921, 3}
  };

  for (guint f = 0; f < G_N_ELEMENTS (formats); f++)
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
      g_assert_cmpuint (classify_format (formats[f], sizes[i][0], sizes[i][1],
              GST_VIDEO_INTERLACE_MODE_PROGRESSIVE), ==, 1);
}

static void
test_interlaced (void)
{
  g_assert_cmpuint (classify_format (GST_VIDEO_FORMAT_I420, 320, 240,
          GST_VIDEO_INTERLACE_MODE_INTERLEAVED), ==, 1);
  g_assert_cmpuint (classify_format (GST_VIDEO_FORMAT_I420_10LE, 321, 243,
          GST_VIDEO_INTERLACE_MODE_MIXED), ==, 1);
  g_assert_cmpuint (classify_format (GST_VIDEO_FORMAT_YUY2, 320, 240,
          GST_VIDEO_INTERLACE_MODE_INTERLEAVED), ==, 1);
}

/* A buffer too small for its caps: the error says which frame it was. */
static void
test_short_buffer (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 10, NULL);

  push_frames (h, 0, 4);
  GST_BUFFER_PTS (buffer) = 4 * FRAME;
  g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_ERROR);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "0:00:00.13"));
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

/* Whatever the bytes of frames are, and with timestamps and flags at random:
 * every frame comes out as it was. */
static void
test_noise (void)
{
  GstHarness *h = harness_new ("mode=sync clip-stride=3 events=once "
      "smoothing=median");
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);

  for (guint i = 0; i < 1000; i++) {
    GstBuffer *buffer = frame_new (i * FRAME), *out;
    GstClockTime pts = GST_CLOCK_TIME_NONE;
    guint8 byte = g_rand_int_range (rand, 0, 256);

    gst_buffer_memset (buffer, g_rand_int_range (rand, 0, 64 * 40), byte, 100);
    if (g_rand_int_range (rand, 0, 10) == 0)
      pts = g_rand_double (rand) < 0.5 ? GST_CLOCK_TIME_NONE
          : (GstClockTime) g_rand_int (rand) << g_rand_int_range (rand, 0, 31);
    else
      pts = i * FRAME;
    GST_BUFFER_PTS (buffer) = pts;
    if (g_rand_int_range (rand, 0, 20) == 0)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    if (g_rand_int_range (rand, 0, 20) == 0)
      GST_BUFFER_DURATION (buffer) = (GstClockTime) g_rand_int (rand) << 30;
    out = gst_harness_push_and_pull (h, gst_buffer_ref (buffer));
    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, pts);
    g_assert_true (gst_buffer_peek_memory (out, 0)
        == gst_buffer_peek_memory (buffer, 0));
    gst_buffer_unref (out);
    gst_buffer_unref (buffer);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  gst_harness_teardown (h);
}

/* A frame in 2.5 seconds, longer than a clip: a clip for each but the first, and
 * one for a single one. */
static void
test_very_slow (void)
{
  for (guint n = 1; n <= 4; n++) {
    g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=%u "
        "! video/x-raw,width=64,height=48,framerate=2/5 "
        "! videoclassify3d mode=sync ! fakesink", n);
    g_autoptr (GPtrArray) found = run_pipeline (launch, "videoclassify3d");

    g_assert_cmpuint (found->len, ==, MAX (n, 2) - 1);
  }
}

/* Frames of this duration, of which each is called a discontinuity, as decoders of
 * files without differences call them. */
static void
check_reverse (GstClockTime duration, guint frames)
{
  GstHarness *h = harness_new ("mode=sync on-eos=drop");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GstMessage) message = NULL;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = 100 * duration;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  for (guint i = 99; i > 99 - frames; i--) {
    GstBuffer *buffer = frame_new (i * duration);

    GST_BUFFER_DURATION (buffer) = duration;
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  }
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  gst_harness_teardown (h);
}

static void
test_reverse_discont (void)
{
  check_reverse (FRAME, CLIP_FRAMES);
  check_reverse (2 * FRAME, 32);
  check_reverse (GST_SECOND / 10, 24);
}

/* As appsrc makes it by default: there is no running time then, but there are
 * clips. */
static void
test_segment_of_bytes (void)
{
  GstHarness *h = harness_new ("mode=sync events=once");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GstMessage) message = NULL;
  GstClockTime time = 0;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_BYTES);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  g_assert_cmpuint (push_frames (h, 0, 2 * CLIP_FRAMES), >, 0);
  gst_harness_push_event (h, gst_event_new_eos ());
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  g_assert_true (gst_structure_get_uint64 (gst_message_get_structure (message),
          "running-time", &time));
  g_assert_false (GST_CLOCK_TIME_IS_VALID (time));
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/time/gap-advances", test_gap_advances);
  g_test_add_func ("/time/gap-missing", test_gap_missing);
  g_test_add_func ("/time/gap-long", test_gap_long);
  g_test_add_func ("/time/gap-first", test_gap_first);
  g_test_add_func ("/time/jumps", test_jumps);
  g_test_add_func ("/time/swapped", test_swapped);
  g_test_add_func ("/time/repeated", test_repeated);
  g_test_add_func ("/time/some-missing", test_some_missing);
  g_test_add_func ("/time/variable-rate", test_variable_rate);
  g_test_add_func ("/time/small-discont", test_small_discont);
  g_test_add_func ("/time/summary-scope", test_summary_scope);
  g_test_add_func ("/time/summary-mean", test_summary_mean);
  g_test_add_func ("/time/pad", test_pad);
  g_test_add_func ("/time/eos-drains", test_eos_drains);
  g_test_add_func ("/time/object-expires", test_object_expires);
  g_test_add_func ("/time/object-eos", test_object_eos);
  g_test_add_func ("/time/short-buffer", test_short_buffer);
  g_test_add_func ("/time/noise", test_noise);
  g_test_add_func ("/time/every-format", test_every_format);
  g_test_add_func ("/time/odd-sizes", test_odd_sizes);
  g_test_add_func ("/time/interlaced", test_interlaced);
  g_test_add_func ("/time/very-slow", test_very_slow);
  g_test_add_func ("/time/reverse-discont", test_reverse_discont);
  g_test_add_func ("/time/segment-of-bytes", test_segment_of_bytes);
  return g_test_run ();
}
