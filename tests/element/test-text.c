/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* videoclasstext: which texts, when, and what is said between them. */

#include <string.h>

#include "tests/element/common.h"

/* Frames from one result to the next. */
#define STEP 10

static GstVideoClassifyResult *
result_new (const gchar * label, gdouble score, GstClockTime start,
    GstClockTime end, GstClockTime event)
{
  const GstVideoClassifyClass classes[] = {
    {4, score, label}, {1, 0.1, "second"}
  };
  const GstVideoClassifyEvent e = { 4, score, label, event, event, end };

  return gst_video_classify_result_new_with_event ("m", start, end, classes, 2,
      GST_CLOCK_TIME_IS_VALID (event) ? &e : NULL);
}

static void
push_frame (GstHarness * h, guint number, GstVideoClassifyResult * result)
{
  GstBuffer *buffer = frame_new (number * FRAME);

  if (result != NULL)
    gst_buffer_add_video_classify_meta (buffer, result);
  g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
}

/* A result for every STEP frames: a letter is a label, a point none. Where the
 * letter is a capital, an action goes on, from where it began. The clip of a
 * result ends with its first frame, and took as many frames. */
static void
push_results (GstHarness * h, const gchar * labels)
{
  GstClockTime event = GST_CLOCK_TIME_NONE;

  for (guint i = 0; labels[i] != '\0'; i++) {
    const gchar label[] = { labels[i], '\0' };
    GstClockTime end = (i * STEP + STEP) * FRAME, start = end - STEP * FRAME;
    g_autoptr (GstVideoClassifyResult) result = NULL;

    if (!g_ascii_isupper (labels[i]))
      event = GST_CLOCK_TIME_NONE;
    else if (!GST_CLOCK_TIME_IS_VALID (event) || labels[i - 1] != labels[i])
      event = start;
    result = result_new (label, labels[i] == '.' ? 0.2 : 0.75, start, end,
        event);
    for (guint f = 0; f < STEP; f++)
      push_frame (h, (i + 1) * STEP + f, result);
  }
}

/* The texts so far, as "text start-end, ..." in frames. */
static gchar *
pull_texts (GstHarness * h)
{
  GString *found = g_string_new (NULL);
  GstBuffer *buffer;

  while ((buffer = gst_harness_try_pull (h))) {
    GstClockTime end = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
    GstMapInfo map;

    gst_buffer_map (buffer, &map, GST_MAP_READ);
    g_string_append_printf (found, "%s%.*s %.1f-%.1f", found->len ? ", " : "",
        (gint) map.size, map.data, GST_BUFFER_PTS (buffer) / (gdouble) FRAME,
        end / (gdouble) FRAME);
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  return g_string_free (found, FALSE);
}

static void
check (const gchar * properties, const gchar * labels, const gchar * before,
    const gchar * at_eos)
{
  GstHarness *h = companion_new ("videoclasstext", properties);
  g_autofree gchar *texts = NULL, *rest = NULL;

  push_results (h, labels);
  texts = pull_texts (h);
  g_assert_cmpstr (texts, ==, before);
  gst_harness_push_event (h, gst_event_new_eos ());
  rest = pull_texts (h);
  g_assert_cmpstr (rest, ==, at_eos);
  gst_harness_teardown (h);
}

/* A label that is gone for less than a second goes on, as in the files that
 * 3dcnn classify writes. */
static void
test_clips (void)
{
  check ("", "aab", "a 0.0-20.0", "b 20.0-30.0");
  check ("", "", "", "");
  check ("", "...", "", "");
  check ("", "a.a", "", "a 0.0-30.0");
  check ("", "a....a", "a 0.0-10.0", "a 50.0-60.0");
  check ("threshold=0.8", "aab", "", "");
  check ("threshold=0.1", ".", "", ". 0.0-10.0");
}

static void
test_changes (void)
{
  check ("timing=changes", "aab", "a 10.0-30.0", "b 30.0-40.0");
  check ("timing=changes", "a.a", "a 10.0-20.0", "a 30.0-40.0");
}

static void
test_buffers (void)
{
  GstHarness *h = companion_new ("videoclasstext", "timing=buffers");
  g_autoptr (GstVideoClassifyResult) result = result_new ("x", 0.9, 0, 0, 0);
  g_autofree gchar *texts = NULL;

  push_frame (h, 0, NULL);
  push_frame (h, 1, result);
  push_frame (h, 2, result);
  texts = pull_texts (h);
  g_assert_cmpstr (texts, ==, "x 1.0-2.0, x 2.0-3.0");
  gst_harness_teardown (h);
}

/* Each action is a text; the same one twice is two. */
static void
test_events (void)
{
  check ("content=events", "aAAaB", "A 10.0-30.0", "B 40.0-50.0");
  check ("content=events", "AaA", "A 0.0-10.0", "A 20.0-30.0");
  check ("content=events", "aaa", "", "");
  check ("content=events timing=changes", "aAAaB", "A 20.0-40.0",
      "B 50.0-60.0");
}

static void
test_max_duration (void)
{
  g_autofree gchar *properties = g_strdup_printf ("max-duration=%"
      G_GUINT64_FORMAT, (guint64) 15 * FRAME);

  check (properties, "aaa", "a 0.0-15.0", "a 15.0-30.0");
}

static void
test_template (void)
{
  check ("template=\"{label}: {percent} %, {score} {index} {model} {other}\"",
      "a", "", "a: 75 %, 0.75 4 m {other} 0.0-10.0");
  check ("top-k=2 threshold=0", "a", "", "a\nsecond 0.0-10.0");
}

static void
test_labels (void)
{
  GstHarness *h = companion_new ("videoclasstext", "timing=buffers");
  g_autoptr (GstVideoClassifyResult) result = result_new ("a\nb\x01 \xff<&>",
      0.9, 0, 0, 0);
  g_autofree gchar *texts = NULL, *escaped = NULL;

  push_frame (h, 0, result);
  texts = pull_texts (h);
  g_assert_cmpstr (texts, ==, "a b  \xef\xbf\xbd<&> 0.0-1.0");
  gst_harness_teardown (h);

  h = gst_harness_new_parse ("videoclasstext timing=buffers ! "
      "capsfilter caps=text/x-raw,format=pango-markup");
  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1");
  push_frame (h, 0, result);
  escaped = pull_texts (h);
  g_assert_cmpstr (escaped, ==,
      "a b  \xef\xbf\xbd&lt;&amp;&gt; 0.0-1.0");
  gst_harness_teardown (h);
}

/* Texts and gaps follow each other without holes, as muxers want it. */
static void
check_contiguous (const gchar * properties, guint min_gaps)
{
  GstHarness *h = companion_new ("videoclasstext", properties);
  GstClockTime position = 0, start, duration;
  guint gaps = 0;
  GstEvent *event;
  GstBuffer *buffer;
  GArray *pieces = g_array_new (FALSE, FALSE, 2 * sizeof (GstClockTime));

  push_frame (h, 0, NULL);
  push_results (h, "..a.......bb.");
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((event = gst_harness_try_pull_event (h))) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_GAP) {
      gst_event_parse_gap (event, &start, &duration);
      g_array_append_vals (pieces, (GstClockTime[]) {
          start, start + duration}, 1);
      gaps++;
    }
    gst_event_unref (event);
  }
  g_assert_cmpuint (gaps, >=, min_gaps);
  while ((buffer = gst_harness_try_pull (h))) {
    g_array_append_vals (pieces, (GstClockTime[]) {
        GST_BUFFER_PTS (buffer),
            GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer)}, 1);
    gst_buffer_unref (buffer);
  }
  for (guint found = 0; found < pieces->len; found++) {
    guint i;

    for (i = 0; i < pieces->len; i++) {
      GstClockTime *piece = (GstClockTime *) pieces->data + 2 * i;

      if (piece[0] == position) {
        position = piece[1];
        break;
      }
    }
    g_assert_cmpuint (i, <, pieces->len);
  }
  g_assert_cmpuint (position, >=, 110 * FRAME);
  g_array_unref (pieces);
  gst_harness_teardown (h);
}

static void
test_gaps (void)
{
  check_contiguous ("", 2);
  check_contiguous ("timing=changes", 60);
  check_contiguous ("timing=buffers", 60);
}

static void
push_segment (GstHarness * h, GstClockTime start)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = start;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
}

/* After a flush, nothing of what was is left; a new segment closes it. */
static void
test_interrupts (void)
{
  GstHarness *h = companion_new ("videoclasstext", "");
  g_autofree gchar *flushed = NULL, *closed = NULL, *same = NULL;

  push_results (h, "a");
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  push_segment (h, 0);
  flushed = pull_texts (h);
  g_assert_cmpstr (flushed, ==, "");
  push_results (h, "b");
  push_segment (h, 0);
  same = pull_texts (h);
  g_assert_cmpstr (same, ==, "");
  push_segment (h, GST_SECOND);
  closed = pull_texts (h);
  g_assert_cmpstr (closed, ==, "b 0.0-10.0");
  gst_harness_teardown (h);
}

static void
test_stream (void)
{
  GstHarness *h = companion_new ("videoclasstext", "");
  gboolean has_start = FALSE, has_tags = FALSE, has_caps = FALSE;
  GstEvent *event;

  gst_harness_push_event (h, gst_event_new_tag (gst_tag_list_new
          (GST_TAG_VIDEO_CODEC, "VP8", NULL)));
  push_results (h, "a");
  while ((event = gst_harness_try_pull_event (h))) {
    GstStreamFlags flags;
    GstCaps *caps;

    switch (GST_EVENT_TYPE (event)) {
      case GST_EVENT_STREAM_START:
        gst_event_parse_stream_flags (event, &flags);
        has_start = (flags & GST_STREAM_FLAG_SPARSE) != 0;
        break;
      case GST_EVENT_CAPS:
        gst_event_parse_caps (event, &caps);
        has_caps = gst_structure_has_name (gst_caps_get_structure (caps, 0),
            "text/x-raw");
        break;
      case GST_EVENT_TAG:
        has_tags = TRUE;
        break;
      default:
        break;
    }
    gst_event_unref (event);
  }
  g_assert_true (has_start);
  g_assert_true (has_caps);
  g_assert_false (has_tags);
  gst_harness_teardown (h);
}

#define SOURCE "videotestsrc num-buffers=%u pattern=smpte horizontal-speed=-2 " \
  "! video/x-raw,width=320,height=240,framerate=30/1 ! videoclassify3d "

static GstPadProbeReturn
count_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer n)
{
  (*(guint *) n)++;
  return GST_PAD_PROBE_OK;
}

/* Runs to the end; returns the number of buffers that came to element s. */
static guint
run_counting (guint frames, const gchar * rest)
{
  g_autofree gchar *launch = g_strdup_printf (SOURCE "%s", frames, rest);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, &error);
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  guint n = 0;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_buffer, &n, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return n;
}

static void
test_pipelines (void)
{
  g_assert_cmpuint (run_counting (70, "! videoclasstext ! fakesink name=s"), ==,
      1);
  /* A video that is shorter than a clip. */
  g_assert_cmpuint (run_counting (20, "! videoclasstext ! fakesink name=s"), ==,
      1);
  /* A result that comes after the last buffer. */
  g_assert_cmpuint (run_counting (61, "mode=async ! videoclasstext "
          "! fakesink name=s"), ==, 1);
  g_assert_cmpuint (run_counting (61, "mode=queue ! videoclasstext "
          "! fakesink name=s"), ==, 1);
  /* A muxer that waits for both streams, with queues that are long enough, and
   * with those of a second. */
  g_assert_cmpuint (run_counting (130, "! tee name=t t. ! queue max-size-time=0 "
          "max-size-bytes=0 max-size-buffers=0 ! jpegenc ! matroskamux name=m "
          "! fakesink t. ! queue ! videoclasstext ! identity name=s ! m."), ==,
      1);
  g_assert_cmpuint (run_counting (130, "! tee name=t t. ! queue ! jpegenc "
          "! matroskamux name=m ! fakesink t. ! queue ! videoclasstext "
          "timing=changes max-duration=500000000 ! identity name=s ! m."), ==,
      5);
}

/* Every frame comes out, with its text, through queues of default size. */
static void
test_textoverlay (void)
{
  g_autoptr (GstElementFactory) factory =
      gst_element_factory_find ("textoverlay");

  if (factory == NULL) {
    g_test_skip ("textoverlay is not there");
    return;
  }
  g_assert_cmpuint (run_counting (130, "! tee name=t t. ! queue "
          "! textoverlay name=o ! fakesink name=s t. ! queue "
          "! videoclasstext timing=buffers ! o.text_sink"), ==, 130);
}

/* Time begins again within a segment, as where files are put in a row. */
static void
test_jump_back (void)
{
  GstHarness *h = companion_new ("videoclasstext", "");
  g_autofree gchar *texts = NULL;

  for (guint begin = 1500; begin != 0; begin = begin == 1500 ? 1 : 0) {
    g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9,
        begin * FRAME, (begin + STEP) * FRAME, GST_CLOCK_TIME_NONE);

    for (guint i = 0; i < STEP; i++)
      push_frame (h, begin + i, NULL);
    for (guint i = 0; i < STEP; i++)
      push_frame (h, begin + STEP + i, result);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  texts = pull_texts (h);
  g_assert_cmpstr (texts, ==, "a 1500.0-1510.0, a 1.0-11.0");
  gst_harness_teardown (h);
}

/* A result that comes with its clip's last frame, half a minute after the clip's
 * first. */
static void
check_long_clip (GstEvent * announced)
{
  GstHarness *h = companion_new ("videoclasstext", "");
  const guint length = 40 * FPS;
  g_autoptr (GstVideoClassifyResult) result = result_new ("a", 0.9, 0,
      length * FRAME, GST_CLOCK_TIME_NONE);
  g_autoptr (GstVideoClassifyResult) next = result_new ("b", 0.9,
      length * FRAME, 2 * length * FRAME, GST_CLOCK_TIME_NONE);
  g_autofree gchar *texts = NULL;

  if (announced != NULL)
    gst_harness_push_event (h, announced);
  for (guint i = 0; i < length; i += 10)
    push_frame (h, i, NULL);
  for (guint i = length; i < 2 * length; i += 10)
    push_frame (h, i, result);
  push_frame (h, 2 * length, next);
  gst_harness_push_event (h, gst_event_new_eos ());
  texts = pull_texts (h);
  /* Of the first, what was too old is lost if nobody said how long it would be. */
  g_assert_cmpstr (texts, ==, announced ? "a 0.0-1200.0, b 1200.0-2400.0"
      : "a 590.0-1200.0, b 1200.0-2400.0");
  gst_harness_teardown (h);
}

static void
test_long_clips (void)
{
  check_long_clip (gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
          gst_structure_new ("videoclassify3d-clips", "clip-duration",
              G_TYPE_UINT64, 41 * GST_SECOND, NULL)));
  check_long_clip (NULL);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/clips", test_clips);
  g_test_add_func ("/text/changes", test_changes);
  g_test_add_func ("/text/buffers", test_buffers);
  g_test_add_func ("/text/events", test_events);
  g_test_add_func ("/text/max-duration", test_max_duration);
  g_test_add_func ("/text/template", test_template);
  g_test_add_func ("/text/labels", test_labels);
  g_test_add_func ("/text/gaps", test_gaps);
  g_test_add_func ("/text/interrupts", test_interrupts);
  g_test_add_func ("/text/stream", test_stream);
  g_test_add_func ("/text/pipelines", test_pipelines);
  g_test_add_func ("/text/long-clips", test_long_clips);
  g_test_add_func ("/text/textoverlay", test_textoverlay);
  g_test_add_func ("/text/jump-back", test_jump_back);
  return g_test_run ();
}
