/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mode=queue: every clip is classified, as with sync, but no buffer waits for it. */

#include "tests/element/common.h"

/* At clip-stride=4, each 16 frames. */
#define N_CLIPS 6
#define N_FRAMES (CLIP_FRAMES + 16 * (N_CLIPS - 1))

/* Holds the engine's thread when the first result is there. */
typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean open, reached;
} Gate;

static void
on_result (GstElement * element, GstVideoClassifyResult * result, Gate * gate)
{
  g_mutex_lock (&gate->lock);
  gate->reached = TRUE;
  g_cond_broadcast (&gate->cond);
  while (!gate->open)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);
}

static GstHarness *
gate_new (Gate * gate, const gchar * properties)
{
  GstHarness *h = harness_new (properties);
  GstElement *element = gst_harness_find_element (h, "videoclassify3d");

  *gate = (Gate) { 0 };
  g_mutex_init (&gate->lock);
  g_cond_init (&gate->cond);
  g_signal_connect (element, "result", G_CALLBACK (on_result), gate);
  gst_object_unref (element);
  return h;
}

static void
gate_await (Gate * gate)
{
  g_mutex_lock (&gate->lock);
  while (!gate->reached)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);
}

static gpointer
gate_open (gpointer data)
{
  Gate *gate = data;

  g_mutex_lock (&gate->lock);
  gate->open = TRUE;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
  return NULL;
}

static guint64
get_stat (GstHarness * h, const gchar * name)
{
  GstElement *element = gst_harness_find_element (h, "videoclassify3d");
  g_autoptr (GstStructure) stats = NULL;
  guint64 value = 0;

  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  gst_object_unref (element);
  return value;
}

/* All that was posted for a stream, up to its end. */
static gchar *
describe_stream (const gchar * properties)
{
  GstHarness *h = harness_new (properties);
  g_autoptr (GstBus) bus = harness_bus (h);
  GString *text = g_string_new (NULL);
  GstMessage *message;

  push_frames (h, 0, 200);
  push_frames (h, 1000, 100);
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    g_autofree gchar *s = gst_structure_to_string (gst_message_get_structure
        (message));

    g_string_append_printf (text, "%s\n", s);
    gst_message_unref (message);
  }
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
  return g_string_free (text, FALSE);
}

/* Results, actions and summary are those of sync mode, to the byte and in the same order. */
static void
test_agree (void)
{
  g_autofree gchar *sync = describe_stream ("mode=sync clip-stride=5 top-k=0 "
      "smoothing=ewma events=once event-threshold=0.1 idle-labels=nothing");
  g_autofree gchar *queue = describe_stream ("mode=queue clip-stride=5 top-k=0 "
      "smoothing=ewma events=once event-threshold=0.1 idle-labels=nothing");

  g_assert_nonnull (strstr (sync, "videoclassify3d-event"));
  g_assert_nonnull (strstr (sync, "videoclassify3d-summary"));
  g_assert_cmpstr (sync, ==, queue);
}

/* Buffers go on while the first clip is in work. */
static void
test_ahead (void)
{
  Gate gate;
  GstHarness *h = gate_new (&gate, "mode=queue clip-stride=4");
  g_autoptr (GstBus) bus = harness_bus (h);

  push_frames (h, 0, N_FRAMES);
  g_assert_cmpuint (get_stat (h, "clips-due"), ==, N_CLIPS);
  g_assert_cmpuint (get_stat (h, "clips-done"), <=, 1);
  g_assert_cmpuint (gst_harness_query_latency (h), ==, 0);
  gate_open (&gate);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, N_CLIPS);
  g_assert_cmpuint (get_stat (h, "clips-skipped"), ==, 0);
  gst_harness_teardown (h);
}

typedef void Interrupt (GstHarness * h);

/* Clips that wait, when something drops the one that is being filled. */
static void
check_interrupt (Interrupt * interrupt, guint expected)
{
  Gate gate;
  GstHarness *h = gate_new (&gate, "mode=queue clip-stride=4");
  g_autoptr (GstBus) bus = harness_bus (h);
  GThread *opener;

  push_frames (h, 0, N_FRAMES);
  gate_await (&gate);
  opener = g_thread_new ("opener", gate_open, &gate);
  interrupt (h);
  g_thread_join (opener);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (get_stat (h, "clips-due"), ==, N_CLIPS);
  g_assert_cmpuint (get_stat (h, "clips-done"), ==, expected);
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, expected);
  g_assert_cmpuint (get_stat (h, "clips-done") + get_stat (h, "clips-skipped"),
      ==, N_CLIPS);
  gst_harness_teardown (h);
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
jump (GstHarness * h)
{
  push_frames (h, 10000, 1);
}

/* None of them is lost. */
static void
test_interrupts (void)
{
  check_interrupt (new_segment, N_CLIPS);
  check_interrupt (new_stream, N_CLIPS);
  check_interrupt (new_caps, N_CLIPS);
  check_interrupt (jump, N_CLIPS);
}

/* What has come down since: clips of results that no buffer carries, in order. */
static guint
count_late_results (GstHarness * h, gboolean * has_summary)
{
  GstClockTime last = 0;
  GstEvent *event;
  guint n = 0;

  *has_summary = FALSE;
  while ((event = gst_harness_try_pull_event (h))) {
    g_autoptr (GstVideoClassifyResult) result = NULL;

    if (gst_event_has_name (event, "videoclassify3d-result")) {
      g_assert_false (*has_summary);
      gst_structure_get (gst_event_get_structure (event), "result",
          GST_TYPE_VIDEO_CLASSIFY_RESULT, &result, NULL);
      g_assert_cmpuint (gst_video_classify_result_get_clip_end (result), >,
          last);
      last = gst_video_classify_result_get_clip_end (result);
      n++;
    }
    *has_summary |= gst_event_has_name (event, "videoclassify3d-summary");
    gst_event_unref (event);
  }
  return n;
}

static void
end (GstHarness * h)
{
  gst_harness_push_event (h, gst_event_new_eos ());
}

/* Results that come after the last buffer go downstream, each once. */
static void
test_late_results (void)
{
  static Interrupt *const ends[] = { end, new_segment, new_stream, new_caps,
    jump
  };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
    Gate gate;
    GstHarness *h = gate_new (&gate, "mode=queue clip-stride=4");
    gboolean has_summary;

    push_frames (h, 0, CLIP_FRAMES);
    gate_await (&gate);
    /* These carry the first. */
    push_frames (h, CLIP_FRAMES, N_FRAMES - CLIP_FRAMES);
    g_assert_cmpuint (count_late_results (h, &has_summary), ==, 0);
    gate_open (&gate);
    ends[i] (h);
    g_assert_cmpuint (count_late_results (h, &has_summary), ==, N_CLIPS - 1);
    g_assert_cmpint (has_summary, ==, i == 0);
    if (i > 0)
      end (h);
    g_assert_cmpuint (count_late_results (h, &has_summary), ==, 0);
    gst_harness_teardown (h);
  }
}

/* But by a flush, which is there to be quick. */
static void
test_flush (void)
{
  Gate gate;
  GstHarness *h = gate_new (&gate, "mode=queue clip-stride=4");
  GstSegment segment;

  push_frames (h, 0, CLIP_FRAMES);
  gate_await (&gate);
  push_frames (h, CLIP_FRAMES, N_FRAMES - CLIP_FRAMES);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  g_assert_cmpuint (get_stat (h, "clips-skipped"), ==, N_CLIPS - 1);
  gate_open (&gate);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  gst_harness_push_event (h, gst_event_new_eos ());
  gst_harness_teardown (h);
}

/* Objects' clips as well. */
static void
test_regions (void)
{
  Gate gate;
  GstHarness *h = gate_new (&gate, "mode=queue roi=meta");
  g_autoptr (GstBus) bus = harness_bus (h);

  for (guint i = 0; i < CLIP_FRAMES + 5; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);

    for (gint id = 1; id <= 3; id++)
      gst_buffer_add_video_region_of_interest_meta (buffer, "person", 10 * id,
          5, 20, 30)->id = id;
    gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  }
  g_assert_cmpuint (get_stat (h, "clips-due"), ==, 3);
  g_assert_cmpuint (get_stat (h, "clips-done"), <=, 1);
  gate_open (&gate);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (count_messages (bus, "videoclassify3d"), ==, 3);
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/queue/agree", test_agree);
  g_test_add_func ("/queue/ahead", test_ahead);
  g_test_add_func ("/queue/interrupts", test_interrupts);
  g_test_add_func ("/queue/late-results", test_late_results);
  g_test_add_func ("/queue/flush", test_flush);
  g_test_add_func ("/queue/regions", test_regions);
  return g_test_run ();
}
