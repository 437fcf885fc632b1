/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* videoclassify3d in a harness: metadata, messages, events, modes. */

#include "tests/element/common.h"

/* The result rides on the last buffer of its clip and on all after it. */
static void
test_attach (void)
{
  GstHarness *h = harness_new ("mode=sync");

  g_assert_cmpuint (push_frames (h, 0, CLIP_FRAMES - 1), ==, 0);
  g_assert_cmpuint (push_frames (h, CLIP_FRAMES - 1, 10), ==, 10);
  gst_harness_teardown (h);
}

static void
test_meta (void)
{
  GstHarness *h = harness_new ("mode=sync top-k=2");
  const GstVideoClassifyClass *first, *second;
  GstVideoClassifyMeta *meta;
  GstBuffer *out;

  push_frames (h, 0, CLIP_FRAMES + 2);
  out = gst_harness_push_and_pull (h, frame_new ((CLIP_FRAMES + 2) * FRAME));
  meta = gst_buffer_get_video_classify_meta (out, "shufflenet");
  g_assert_nonnull (meta);
  g_assert_null (gst_buffer_get_video_classify_meta (out, "other"));
  g_assert_cmpstr (gst_video_classify_result_get_model (meta->result), ==,
      "shufflenet");
  g_assert_cmpuint (gst_video_classify_result_get_clip_start (meta->result), ==,
      0);
  g_assert_cmpuint (gst_video_classify_result_get_clip_end (meta->result), ==,
      60 * FRAME);
  g_assert_cmpuint (meta->age, ==, 3 * FRAME);
  g_assert_cmpuint (gst_video_classify_result_get_n_classes (meta->result), ==,
      2);
  first = gst_video_classify_result_get_class (meta->result, 0);
  second = gst_video_classify_result_get_class (meta->result, 1);
  g_assert_null (gst_video_classify_result_get_class (meta->result, 2));
  g_assert_cmpfloat (first->score, >=, second->score);
  g_assert_cmpfloat (first->score, <=, 1);
  g_assert_nonnull (first->label);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* Neither pixels nor memory are touched. */
static void
test_in_place (void)
{
  GstHarness *h = harness_new ("mode=sync");
  GstBuffer *in = frame_new (0), *out;
  GstMemory *memory = gst_buffer_peek_memory (in, 0);

  out = gst_harness_push_and_pull (h, in);
  g_assert_true (gst_buffer_peek_memory (out, 0) == memory);
  g_assert_cmpint (gst_buffer_memcmp (out, 0, "\0\0\0\0", 4), ==, 0);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

static void
test_message (void)
{
  GstHarness *h = harness_new ("mode=sync top-k=0");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GstMessage) message = NULL;
  const GstStructure *s;
  guint64 running_time;
  gdouble score;

  push_frames (h, 0, CLIP_FRAMES);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  s = gst_message_get_structure (message);
  g_assert_true (gst_structure_has_name (s, "videoclassify3d"));
  g_assert_true (gst_structure_has_field_typed (s, "clip-start", G_TYPE_UINT64));
  g_assert_true (gst_structure_has_field_typed (s, "clip-end", G_TYPE_UINT64));
  g_assert_true (gst_structure_get_uint64 (s, "running-time", &running_time));
  g_assert_cmpuint (running_time, ==, 60 * FRAME);
  g_assert_true (gst_structure_get_double (s, "score", &score));
  g_assert_nonnull (gst_structure_get_string (s, "label"));
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (s,
              "scores")), ==, 10);
  g_assert_cmpfloat (g_value_get_double (gst_value_array_get_value
          (gst_structure_get_value (s, "scores"), 0)), ==, score);
  gst_harness_teardown (h);
}

static void
test_threshold (void)
{
  GstHarness *h = harness_new ("mode=sync threshold=1.0");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GstMessage) message = NULL;

  push_frames (h, 0, CLIP_FRAMES);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  g_assert_false (gst_structure_has_field (gst_message_get_structure (message),
          "label"));
  gst_harness_teardown (h);
}

static void
test_clip_stride (void)
{
  GstHarness *h = harness_new ("mode=sync clip-stride=4");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, CLIP_FRAMES + 2 * 16);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 3);
  gst_harness_teardown (h);
}

/* Scores of all clips of a video with a jump, in order. */
static GArray *
collect_scores (const gchar * properties, guint clips)
{
  GstHarness *h = harness_new (properties);
  g_autoptr (GstBus) bus = harness_bus (h);
  GArray *all = g_array_new (FALSE, FALSE, sizeof (gdouble));
  guint n = 0;

  for (guint i = 0; i < 220; i++) {
    /* Live pictures come no faster than they are classified. */
    if (i % 4 == 0)
      g_usleep (20000);
    push_frames (h, i < 120 ? i : i + 1000, 1);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  for (; n < clips; n++) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus,
        20 * GST_SECOND, GST_MESSAGE_ELEMENT);
    const GValue *scores;

    g_assert_nonnull (message);
    if (!gst_message_has_name (message, "videoclassify3d"))
      break;
    scores = gst_structure_get_value (gst_message_get_structure (message),
        "scores");
    for (guint k = 0; k < gst_value_array_get_size (scores); k++) {
      gdouble score = g_value_get_double (gst_value_array_get_value (scores,
              k));
      g_array_append_val (all, score);
    }
  }
  gst_harness_teardown (h);
  return all;
}

/* Sampled frames before and after the jump. */
static const guint sampled[2] = { 30, 25 };

#define IN_CLIP 16
#define N_CLASSES 10

/* Clips that overlap are run incrementally: as their frames come, or, if that
 * was too late, all at once. Strides that differ have clips in common. */
static void
check_overlap (guint near, guint far)
{
  g_autofree gchar *near_async =
      g_strdup_printf ("mode=async clip-stride=%u top-k=0", near);
  g_autofree gchar *near_sync =
      g_strdup_printf ("mode=sync clip-stride=%u top-k=0", near);
  g_autofree gchar *far_sync =
      g_strdup_printf ("mode=sync clip-stride=%u top-k=0", far);
  g_autoptr (GArray) live = collect_scores (near_async, 16);
  g_autoptr (GArray) offline = collect_scores (near_sync, 16);
  g_autoptr (GArray) few = collect_scores (far_sync, 16);
  guint n_near = 0, n_far = 0;

  g_test_message ("%u %u %u", live->len, offline->len, few->len);
  if (live->len == offline->len)        /* no clip was left out */
    g_assert_cmpmem (live->data, live->len * sizeof (gdouble), offline->data,
        offline->len * sizeof (gdouble));
  else
    g_test_message ("the machine did not keep up");
  for (guint i = 0; i < G_N_ELEMENTS (sampled); i++) {
    for (guint at = 0; at + IN_CLIP <= sampled[i]; at += far, n_far++)
      g_assert_cmpmem ((gdouble *) few->data + n_far * N_CLASSES,
          N_CLASSES * sizeof (gdouble),
          (gdouble *) offline->data + (n_near + at / near) * N_CLASSES,
          N_CLASSES * sizeof (gdouble));
    n_near += (sampled[i] - IN_CLIP) / near + 1;
  }
  g_assert_cmpuint (offline->len, ==, n_near * N_CLASSES);
  g_assert_cmpuint (few->len, ==, n_far * N_CLASSES);
}

static void
test_overlap (void)
{
  if (g_getenv ("CNN3D_TEST_QUICK") == NULL)
    check_overlap (2, 6);
  check_overlap (4, 8);
}

static void
test_sample_rate (void)
{
  GstHarness *h = harness_new ("mode=sync sample-rate=30");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, 32);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 2);
  gst_harness_teardown (h);
}

/* What drops the clip that is being filled. */
typedef void Interrupt (GstHarness * h);

static void
check_interrupt (Interrupt * interrupt)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, CLIP_FRAMES - 1);
  interrupt (h);
  g_assert_cmpuint (push_frames (h, CLIP_FRAMES, CLIP_FRAMES - 1), ==, 0);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 0);
  g_assert_cmpuint (push_frames (h, 2 * CLIP_FRAMES - 1, 1), ==, 1);
  gst_harness_teardown (h);
}

static void
flush (GstHarness * h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_harness_push_event (h, gst_event_new_segment (&segment));
}

static void
new_segment (GstHarness * h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
}

static void
new_stream (GstHarness * h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_stream_start ("another"));
  gst_harness_push_event (h, gst_event_new_segment (&segment));
}

static void
new_caps (GstHarness * h)
{
  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=48,height=64,framerate=30/1");
}

static void
discontinuity (GstHarness * h)
{
  GstBuffer *buffer = frame_new (90 * GST_SECOND);

  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
}

static void
test_interrupts (void)
{
  check_interrupt (flush);
  check_interrupt (new_segment);
  check_interrupt (new_stream);
  check_interrupt (new_caps);
  check_interrupt (discontinuity);
}

/* The same segment again, as after a change of its stop, drops nothing. */
static void
test_same_segment (void)
{
  GstHarness *h = harness_new ("mode=sync");
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  push_frames (h, 0, CLIP_FRAMES - 1);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  g_assert_cmpuint (push_frames (h, CLIP_FRAMES - 1, 1), ==, 1);
  gst_harness_teardown (h);
}

/* Buffers without timestamps follow each other at the caps' rate. */
static void
test_no_timestamps (void)
{
  GstHarness *h = harness_new ("mode=sync");
  guint with_meta = 0;

  for (guint i = 0; i < CLIP_FRAMES; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);

    GST_BUFFER_PTS (buffer) = GST_BUFFER_DURATION (buffer) =
        GST_CLOCK_TIME_NONE;
    buffer = gst_harness_push_and_pull (h, buffer);
    with_meta += gst_buffer_get_video_classify_meta (buffer, NULL) != NULL;
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (with_meta, ==, 1);
  gst_harness_teardown (h);
}

/* A gap is time that passes: frames before it and after it make up a clip. */
static void
test_gap (void)
{
  GstHarness *h = harness_new ("mode=sync");

  push_frames (h, 0, 30);
  gst_harness_push_event (h, gst_event_new_gap (30 * FRAME, 10 * FRAME));
  g_assert_cmpuint (push_frames (h, 40, CLIP_FRAMES - 41), ==, 0);
  g_assert_cmpuint (push_frames (h, CLIP_FRAMES - 1, 1), ==, 1);
  gst_harness_teardown (h);
}

/* Reverse playback: the clip's times are in order, and so are its frames. */
static void
test_reverse (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GstMessage) message = NULL;
  guint64 start, end;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = 100 * FRAME;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  for (gint i = 99; i > 99 - CLIP_FRAMES; i--)
    gst_buffer_unref (gst_harness_push_and_pull (h, frame_new (i * FRAME)));
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  gst_structure_get_uint64 (gst_message_get_structure (message), "clip-start",
      &start);
  gst_structure_get_uint64 (gst_message_get_structure (message), "clip-end",
      &end);
  g_assert_cmpuint (start, ==, 39 * FRAME);
  g_assert_cmpuint (end, ==, 99 * FRAME);
  gst_harness_teardown (h);
}

static void
check_eos (const gchar * on_eos, guint frames, guint results)
{
  g_autofree gchar *properties = g_strdup_printf ("mode=sync on-eos=%s",
      on_eos);
  GstHarness *h = harness_new (properties);
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, frames);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, results);
  gst_harness_teardown (h);
}

static void
test_eos (void)
{
  check_eos ("auto", 20, 1);
  check_eos ("auto", CLIP_FRAMES + 30, 1);
  check_eos ("drop", 20, 0);
  check_eos ("pad", 20, 1);
  check_eos ("pad", 1, 1);
  check_eos ("pad", 0, 0);
}

static void
test_summary (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, 2 * CLIP_FRAMES + 4);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_messages (bus, "videoclassify3d-summary"), ==, 1);
  gst_harness_teardown (h);
}

static void
test_latency (void)
{
  GstHarness *sync = harness_new ("mode=sync");
  GstHarness *async = harness_new ("mode=async");

  g_assert_cmpuint (gst_harness_query_latency (sync), ==, 0);
  push_frames (sync, 0, CLIP_FRAMES);
  push_frames (async, 0, CLIP_FRAMES);
  g_assert_cmpuint (gst_harness_query_latency (sync), >, 0);
  g_assert_cmpuint (gst_harness_query_latency (async), ==, 0);
  gst_harness_teardown (sync);
  gst_harness_teardown (async);
}

static void
get_stats (GstHarness * h, guint64 * due, guint64 * done, guint64 * skipped)
{
  GstElement *element = gst_harness_find_element (h, "videoclassify3d");
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (element, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "clips-due", due);
  gst_structure_get_uint64 (stats, "clips-done", done);
  gst_structure_get_uint64 (stats, "clips-skipped", skipped);
  gst_object_unref (element);
}

/* With a network that takes far longer than a clip stride, no buffer waits, and
 * every clip that is due is either done or counted as skipped. */
static void
test_never_waits (void)
{
  GstHarness *h;
  guint64 due, done, skipped;
  gint64 begin, slowest = 0;

  g_setenv ("GST_VIDEO_CLASSIFY_3D_SLOW_MS", "150", TRUE);
  h = harness_new ("mode=async clip-stride=1 backend=cpu threads=2");
  for (guint i = 0; i < 200; i++) {
    begin = g_get_monotonic_time ();
    push_frames (h, i, 1);
    slowest = MAX (slowest, g_get_monotonic_time () - begin);
    g_usleep (2000);
  }
  g_test_message ("slowest buffer: %d us", (gint) slowest);
  gst_harness_push_event (h, gst_event_new_eos ());
  get_stats (h, &due, &done, &skipped);
  g_assert_cmpuint (due, ==, (199 - 60) / 4 + 1);
  g_assert_cmpuint (done + skipped, ==, due);
  g_assert_cmpuint (skipped, >, 0);
  g_assert_cmpuint (done, >, 0);
  gst_harness_teardown (h);
  g_unsetenv ("GST_VIDEO_CLASSIFY_3D_SLOW_MS");
}

static void
on_result (GstElement * element, GstVideoClassifyResult * result, guint * n)
{
  g_assert_nonnull (gst_video_classify_result_get_model (result));
  (*n)++;
}

static void
test_signal (void)
{
  GstHarness *h = harness_new ("mode=sync");
  GstElement *element = gst_harness_find_element (h, "videoclassify3d");
  guint n = 0;

  g_signal_connect (element, "result", G_CALLBACK (on_result), &n);
  push_frames (h, 0, CLIP_FRAMES);
  g_assert_cmpuint (n, ==, 1);
  gst_object_unref (element);
  gst_harness_teardown (h);
}

/* An object that a tracker follows gets clips, and results, of its own. */
static void
test_regions (void)
{
  GstHarness *h = harness_new ("mode=sync roi=meta");
  g_autoptr (GstBus) bus = harness_bus (h);
  guint with_result = 0;

  for (guint i = 0; i < CLIP_FRAMES + 5; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);
    GstVideoRegionOfInterestMeta *region;
    GstMeta *meta;
    gpointer state = NULL;

    for (gint id = 1; id <= 2; id++) {
      region = gst_buffer_add_video_region_of_interest_meta (buffer, "person",
          10 * id + i % 7, 5, 20, 30);
      region->id = id;
    }
    buffer = gst_harness_push_and_pull (h, buffer);
    g_assert_null (gst_buffer_get_video_classify_meta (buffer, NULL));
    while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
                GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
      with_result += gst_video_region_of_interest_meta_get_param (
          (GstVideoRegionOfInterestMeta *) meta, "videoclassify3d") != NULL;
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 2);
  g_assert_cmpuint (with_result, ==, 2 * 6);
  gst_harness_teardown (h);
}

/* An event's running time is that of its end, in whatever segment. */
static void
test_event_running_time (void)
{
  GstHarness *h = harness_new ("mode=sync events=once event-threshold=0");
  g_autoptr (GstBus) bus = harness_bus (h);
  GstMessage *message;
  GstSegment segment;
  guint n = 0;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 10 * GST_SECOND;
  segment.base = 3 * GST_SECOND;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_frames (h, 10 * FPS, 2 * CLIP_FRAMES + 10);
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    const GstStructure *s = gst_message_get_structure (message);
    guint64 end, time;

    if (gst_structure_has_name (s, "videoclassify3d-event")) {
      g_assert_true (gst_structure_get_uint64 (s, "end", &end));
      g_assert_true (gst_structure_get_uint64 (s, "running-time", &time));
      g_assert_cmpuint (end, >, 10 * GST_SECOND);
      g_assert_cmpuint (time, ==, end - 7 * GST_SECOND);
      n++;
    }
    gst_message_unref (message);
  }
  g_assert_cmpuint (n, >, 0);
  gst_harness_teardown (h);
}

/* What a region carries is what the message of its clip says, and more. */
static void
check_param (const GstStructure * param, const GstStructure * message,
    GstClockTime pts)
{
  static const gchar *const fields[] = { "model", "label", "score", "labels",
    "scores", "indices", "clip-start", "clip-end"
  };
  const GValue *indices = gst_structure_get_value (message, "indices");
  guint64 age, end;
  gint index;

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    g_assert_cmpint (gst_value_compare (gst_structure_get_value (param,
                fields[i]), gst_structure_get_value (message, fields[i])), ==,
        GST_VALUE_EQUAL);
  g_assert_cmpuint (gst_value_array_get_size (indices), ==, 3);
  g_assert_true (gst_structure_get_int (param, "index", &index));
  g_assert_cmpint (index, ==,
      g_value_get_int (gst_value_array_get_value (indices, 0)));
  g_assert_true (gst_structure_get_uint64 (param, "age", &age));
  g_assert_true (gst_structure_get_uint64 (message, "clip-end", &end));
  g_assert_cmpuint (age, ==, pts - end);
}

static void
on_object_result (GstElement * element, GstVideoClassifyResult * result,
    guint64 * object)
{
  g_assert_true (gst_video_classify_result_get_object (result, object));
}

static void
test_region_result (void)
{
  GstHarness *h = harness_new ("mode=sync roi=meta top-k=3");
  GstElement *element = gst_harness_find_element (h, "videoclassify3d");
  g_autoptr (GstBus) bus = harness_bus (h);
  g_autoptr (GstMessage) message = NULL;
  guint64 object = 0;

  g_signal_connect (element, "result", G_CALLBACK (on_object_result), &object);
  for (guint i = 0; i < CLIP_FRAMES + 5; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);
    GstVideoRegionOfInterestMeta *region;

    gst_buffer_add_video_region_of_interest_meta (buffer, "person", 10, 5, 20,
        30)->id = 17;
    buffer = gst_harness_push_and_pull (h, buffer);
    region = gst_buffer_get_video_region_of_interest_meta_id (buffer, 17);
    if (i == CLIP_FRAMES - 1)
      message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT);
    if (i >= CLIP_FRAMES - 1) {
      g_assert_nonnull (message);
      check_param (gst_video_region_of_interest_meta_get_param (region,
              "videoclassify3d"), gst_message_get_structure (message),
          GST_BUFFER_PTS (buffer));
    }
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (object, ==, 17);
  gst_object_unref (element);
  gst_harness_teardown (h);
}

/* Regions without ids: a single one is followed, several are left out, with one
 * warning. */
static void
test_nameless (void)
{
  for (guint n = 1; n <= 3; n++) {
    GstHarness *h = harness_new ("mode=sync roi=meta");
    g_autoptr (GstBus) bus = harness_bus (h);
    GstMessage *message;
    guint warnings = 0, results = 0;

    for (guint i = 0; i < CLIP_FRAMES + 5; i++) {
      GstBuffer *buffer = frame_new (i * FRAME);

      for (guint k = 0; k < n; k++)
        gst_buffer_add_video_region_of_interest_meta (buffer, "person",
            10 * k, 5, 20, 30);
      /* One with an id is followed in any case. */
      gst_buffer_add_video_region_of_interest_meta (buffer, "person", 40, 5,
          20, 30)->id = 7;
      gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
    }
    while ((message = gst_bus_pop_filtered (bus,
                GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT))) {
      warnings += GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING;
      results += gst_message_has_name (message, "videoclassify3d");
      gst_message_unref (message);
    }
    g_assert_cmpuint (warnings, ==, n > 1);
    g_assert_cmpuint (results, ==, n > 1 ? 1 : 2);
    gst_harness_teardown (h);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/element/attach", test_attach);
  g_test_add_func ("/element/meta", test_meta);
  g_test_add_func ("/element/in-place", test_in_place);
  g_test_add_func ("/element/message", test_message);
  g_test_add_func ("/element/threshold", test_threshold);
  g_test_add_func ("/element/clip-stride", test_clip_stride);
  g_test_add_func ("/element/overlap", test_overlap);
  g_test_add_func ("/element/sample-rate", test_sample_rate);
  g_test_add_func ("/element/interrupts", test_interrupts);
  g_test_add_func ("/element/same-segment", test_same_segment);
  g_test_add_func ("/element/no-timestamps", test_no_timestamps);
  g_test_add_func ("/element/gap", test_gap);
  g_test_add_func ("/element/reverse", test_reverse);
  g_test_add_func ("/element/eos", test_eos);
  g_test_add_func ("/element/summary", test_summary);
  g_test_add_func ("/element/latency", test_latency);
  g_test_add_func ("/element/never-waits", test_never_waits);
  g_test_add_func ("/element/signal", test_signal);
  g_test_add_func ("/element/regions", test_regions);
  g_test_add_func ("/element/event-running-time", test_event_running_time);
  g_test_add_func ("/element/region-result", test_region_result);
  g_test_add_func ("/element/nameless", test_nameless);
  return g_test_run ();
}
