/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What live use asks for: nothing waits, nothing is copied, everything is counted.
 * The thread that classifies is held up at a gate, so that no test depends on how
 * fast the machine is. */

#include <malloc.h>
#include <string.h>

#include "tests/element/common.h"

/* Holds up the thread that classifies, in a handler of the signal of results. */
typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean closed;
  guint waiting, passed;
} Gate;

static void
wait_at_gate (GstElement * element, GstVideoClassifyResult * result,
    Gate * gate)
{
  g_mutex_lock (&gate->lock);
  gate->waiting++;
  g_cond_broadcast (&gate->cond);
  while (gate->closed)
    g_cond_wait (&gate->cond, &gate->lock);
  gate->waiting--;
  gate->passed++;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static void
gate_init (Gate * gate, GstHarness * h)
{
  GstElement *element = gst_harness_find_element (h, "videoclassify3d");

  memset (gate, 0, sizeof *gate);
  g_mutex_init (&gate->lock);
  g_cond_init (&gate->cond);
  gate->closed = TRUE;
  g_signal_connect (element, "result", G_CALLBACK (wait_at_gate), gate);
  gst_object_unref (element);
}

/* Returns when the thread that classifies has arrived. */
static void
gate_await (Gate * gate)
{
  g_mutex_lock (&gate->lock);
  while (gate->waiting == 0)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);
}

static void
gate_open (Gate * gate)
{
  g_mutex_lock (&gate->lock);
  gate->closed = FALSE;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static void
gate_clear (Gate * gate)
{
  g_mutex_clear (&gate->lock);
  g_cond_clear (&gate->cond);
}

typedef struct
{
  guint64 frames, due, done, skipped, age;
  gdouble p50, p95;
} Stats;

static Stats
get_stats (GstHarness * h)
{
  GstElement *element = gst_harness_find_element (h, "videoclassify3d");
  g_autoptr (GstStructure) s = NULL;
  Stats stats;

  g_object_get (element, "stats", &s, NULL);
  gst_object_unref (element);
  g_assert_true (gst_structure_get (s, "frames", G_TYPE_UINT64, &stats.frames,
          "clips-due", G_TYPE_UINT64, &stats.due,
          "clips-done", G_TYPE_UINT64, &stats.done,
          "clips-skipped", G_TYPE_UINT64, &stats.skipped,
          "ms-p50", G_TYPE_DOUBLE, &stats.p50,
          "ms-p95", G_TYPE_DOUBLE, &stats.p95,
          "age", G_TYPE_UINT64, &stats.age, NULL));
  return stats;
}

/* Returns when all clips so far are done or skipped. */
static void
await_clips (GstHarness * h)
{
  Stats stats;

  while (stats = get_stats (h), stats.done + stats.skipped < stats.due)
    g_usleep (1000);
}

/* Ten minutes of video pass while the network is stuck in its first clip. */
static void
test_stuck (void)
{
  const guint n = 10 * 60 * FPS;
  GstHarness *h = harness_new ("mode=async clip-stride=1");
  g_autoptr (GstBus) bus = harness_bus (h);
  gsize before = 0, after;
  Stats stats;
  Gate gate;

  gate_init (&gate, h);
  push_frames (h, 0, CLIP_FRAMES);
  gate_await (&gate);
  for (guint i = CLIP_FRAMES; i < n; i += 100) {
    push_frames (h, i, MIN (100, n - i));
    gst_bus_set_flushing (bus, TRUE);   /* QoS messages would take memory */
    gst_bus_set_flushing (bus, FALSE);
    if (i < n / 4)
      before = mallinfo2 ().uordblks;
  }
  after = mallinfo2 ().uordblks;
  stats = get_stats (h);
  /* One is at the gate, which counts as done, and the newest waits. */
  g_assert_cmpuint (stats.frames, ==, n);
  g_assert_cmpuint (stats.due, ==, (n - CLIP_FRAMES) / 4 + 1);
  g_assert_cmpuint (stats.done, ==, 1);
  g_assert_cmpuint (stats.skipped, ==, stats.due - 2);
  g_assert_cmpuint (after, <, before + 64 * 1024);
  gate_open (&gate);
  await_clips (h);
  stats = get_stats (h);
  g_assert_cmpuint (stats.done, ==, 2);
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
  gate_clear (&gate);
}

/* Each clip that is skipped is reported, with how many were before. */
static void
test_qos_messages (void)
{
  GstHarness *h = harness_new ("mode=async clip-stride=1");
  g_autoptr (GstBus) bus = harness_bus (h);
  guint64 processed, dropped;
  GstMessage *message;
  GstFormat format;
  guint n = 0;
  Gate gate;

  gate_init (&gate, h);
  push_frames (h, 0, CLIP_FRAMES);
  gate_await (&gate);
  push_frames (h, CLIP_FRAMES, 40);
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_QOS))) {
    guint64 running_time, timestamp;
    gboolean live;

    gst_message_parse_qos_stats (message, &format, &processed, &dropped);
    gst_message_parse_qos (message, &live, &running_time, NULL, &timestamp,
        NULL);
    n++;
    g_assert_cmpuint (processed, ==, 1);
    g_assert_cmpuint (dropped, ==, n);
    /* It is the clip that pushed the other out. */
    g_assert_cmpuint (timestamp, ==, (CLIP_FRAMES - 1 + 4 * (n + 1)) * FRAME);
    g_assert_cmpuint (running_time, ==, timestamp);
    gst_message_unref (message);
  }
  g_assert_cmpuint (n, ==, 40 / 4 - 1);
  g_assert_cmpuint (get_stats (h).skipped, ==, n);
  gate_open (&gate);
  await_clips (h);
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
  gate_clear (&gate);
}

/* A result that comes after a flush belongs to a stream that is gone. */
static void
check_late_result (gboolean flush)
{
  GstHarness *h = harness_new ("mode=async clip-stride=4");
  GstSegment segment;
  Stats stats;
  Gate gate;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gate_init (&gate, h);
  push_frames (h, 0, CLIP_FRAMES);
  gate_await (&gate);
  push_frames (h, CLIP_FRAMES, 16);     /* a second clip waits */
  if (flush) {
    gst_harness_push_event (h, gst_event_new_flush_start ());
    gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
    gst_harness_push_event (h, gst_event_new_segment (&segment));
  }
  /* A jump without a flush or a mark has to do the same. */
  g_assert_cmpuint (push_frames (h, 3000, 5), ==, 0);
  gate_open (&gate);
  await_clips (h);
  g_assert_cmpuint (push_frames (h, 3005, 5), ==, 0);
  stats = get_stats (h);
  g_assert_cmpuint (stats.due, ==, 2);
  g_assert_cmpuint (stats.done, ==, 1);
  g_assert_cmpuint (stats.skipped, ==, 1);
  g_assert_cmpuint (stats.age, ==, GST_CLOCK_TIME_NONE);
  gst_harness_teardown (h);
  gate_clear (&gate);
}

static void
test_late_flush (void)
{
  check_late_result (TRUE);
}

static void
test_late_jump (void)
{
  check_late_result (FALSE);
}

static void
test_stats (void)
{
  GstHarness *h = harness_new ("mode=sync");
  Stats stats = get_stats (h);

  g_assert_cmpuint (stats.frames, ==, 0);
  g_assert_cmpuint (stats.age, ==, GST_CLOCK_TIME_NONE);
  push_frames (h, 0, CLIP_FRAMES + 7);
  stats = get_stats (h);
  g_assert_cmpuint (stats.frames, ==, CLIP_FRAMES + 7);
  g_assert_cmpuint (stats.due, ==, 1);
  g_assert_cmpuint (stats.done, ==, 1);
  g_assert_cmpuint (stats.skipped, ==, 0);
  g_assert_cmpuint (stats.age, ==, 7 * FRAME);
  g_assert_cmpfloat (stats.p50, >, 0);
  g_assert_cmpfloat (stats.p95, >=, stats.p50);
  gst_harness_teardown (h);
}

/* Memory that counts how often it is mapped. */
typedef struct
{
  GstAllocator parent;
} CountingAllocator;
typedef struct
{
  GstAllocatorClass parent_class;
} CountingAllocatorClass;

static GType counting_allocator_get_type (void);
G_DEFINE_TYPE (CountingAllocator, counting_allocator, GST_TYPE_ALLOCATOR);

static guint n_maps, n_copies;
static guint8 pixels[64 * 48];

static gpointer
counting_map (GstMemory * memory, gsize size, GstMapFlags flags)
{
  g_assert_cmpint (flags & GST_MAP_WRITE, ==, 0);
  n_maps++;
  return pixels;
}

static void
counting_unmap (GstMemory * memory)
{
}

static GstMemory *
counting_copy (GstMemory * memory, gssize offset, gssize size)
{
  n_copies++;
  return gst_allocator_alloc (NULL, memory->size, NULL);
}

static void
counting_free (GstAllocator * allocator, GstMemory * memory)
{
  g_free (memory);
}

static void
counting_allocator_class_init (CountingAllocatorClass * klass)
{
  GST_ALLOCATOR_CLASS (klass)->free = counting_free;
}

static void
counting_allocator_init (CountingAllocator * self)
{
  GstAllocator *allocator = GST_ALLOCATOR (self);

  allocator->mem_type = "counting";
  allocator->mem_map = counting_map;
  allocator->mem_unmap = counting_unmap;
  allocator->mem_copy = counting_copy;
}

/* Frames that are not due are neither converted nor copied: they are not even
 * mapped. Those that are due are read once. */
static void
test_no_copies (void)
{
  GstAllocator *allocator = g_object_new (counting_allocator_get_type (), NULL);
  GstHarness *h = harness_new ("mode=sync");

  n_maps = n_copies = 0;
  for (guint i = 0; i < CLIP_FRAMES; i++) {
    GstMemory *memory = g_new0 (GstMemory, 1);
    GstBuffer *buffer = gst_buffer_new ();

    gst_memory_init (memory, 0, allocator, NULL, sizeof pixels, 0, 0,
        sizeof pixels);
    gst_buffer_append_memory (buffer, memory);
    GST_BUFFER_PTS (buffer) = i * FRAME;
    buffer = gst_harness_push_and_pull (h, buffer);
    g_assert_true (gst_buffer_peek_memory (buffer, 0) == memory);
    g_assert_cmpuint (n_maps, ==, i / 4 + 1);
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (n_copies, ==, 0);
  gst_harness_teardown (h);
  gst_object_unref (allocator);
}

/* A buffer that a tee shares gets no metadata; its copy does, of the same memory. */
static void
test_shared_buffer (void)
{
  GstHarness *h = harness_new ("mode=sync");
  GstBuffer *in, *out;

  push_frames (h, 0, CLIP_FRAMES);
  in = frame_new (CLIP_FRAMES * FRAME);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  g_assert_nonnull (gst_buffer_get_video_classify_meta (out, NULL));
  g_assert_null (gst_buffer_get_video_classify_meta (in, NULL));
  g_assert_true (gst_buffer_peek_memory (in, 0) ==
      gst_buffer_peek_memory (out, 0));
  gst_buffer_unref (in);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* What 200 frames have attached and what is posted, as text. */
static gchar *
describe_run (const gchar * properties, gboolean with_meta, gboolean wait)
{
  GstHarness *h = harness_new (properties);
  g_autoptr (GstBus) bus = harness_bus (h);
  GString *text = g_string_new (NULL);
  GstMessage *message;

  for (guint i = 0; i < 200; i++) {
    GstBuffer *out = gst_harness_push_and_pull (h, frame_new (i * FRAME));
    GstVideoClassifyMeta *meta = gst_buffer_get_video_classify_meta (out, NULL);
    const GstVideoClassifyClass *c;

    if (wait)
      await_clips (h);
    for (guint k = 0; with_meta && meta && (c =
            gst_video_classify_result_get_class (meta->result, k)); k++)
      g_string_append_printf (text, "%u %" G_GUINT64_FORMAT " %s %.17g\n", i,
          meta->age, c->label, c->score);
    gst_buffer_unref (out);
  }
  /* A clip is counted before its message is posted; that is waited for here. */
  gst_element_set_state (h->element, GST_STATE_NULL);
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

/* Sync mode is repeatable to the byte. */
static void
test_repeatable (void)
{
  const gchar *properties = "mode=sync clip-stride=3 top-k=0 smoothing=ewma "
      "events=once";
  g_autofree gchar *a = describe_run (properties, TRUE, FALSE);
  g_autofree gchar *b = describe_run (properties, TRUE, FALSE);

  g_assert_cmpuint (strlen (a), >, 1000);
  g_assert_cmpstr (a, ==, b);
}

/* Live, where there is time for all clips, each has the scores that it has
 * offline. */
static void
test_agree (void)
{
  g_autofree gchar *sync = describe_run ("mode=sync clip-stride=3 top-k=0",
      FALSE, FALSE);
  g_autofree gchar *async = describe_run ("mode=async clip-stride=3 top-k=0",
      FALSE, TRUE);

  g_assert_cmpuint (strlen (sync), >, 1000);
  g_assert_cmpstr (sync, ==, async);
}

/* Downstream's QoS goes on to the source. */
static void
test_qos_event (void)
{
  GstHarness *h = harness_new ("mode=async");
  GstEvent *event;
  guint n = 0;

  push_frames (h, 0, 5);
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW,
          1.5, 10 * GST_MSECOND, 5 * FRAME));
  while ((event = gst_harness_try_pull_upstream_event (h))) {
    n += GST_EVENT_TYPE (event) == GST_EVENT_QOS;
    gst_event_unref (event);
  }
  g_assert_cmpuint (n, ==, 1);
  gst_harness_teardown (h);
}

/* In sync mode what buffers wait for is part of the latency, on top of that of
 * upstream, and a message says when it has changed. */
static void
test_latency (void)
{
  GstHarness *h = harness_new ("mode=sync");
  g_autoptr (GstBus) bus = harness_bus (h);
  GstMessage *message;
  GstClockTime latency;

  gst_harness_set_upstream_latency (h, 40 * GST_MSECOND);
  g_assert_cmpuint (gst_harness_query_latency (h), ==, 40 * GST_MSECOND);
  push_frames (h, 0, CLIP_FRAMES);
  latency = gst_harness_query_latency (h);
  g_assert_cmpuint (latency, >, 40 * GST_MSECOND);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY);
  g_assert_nonnull (message);
  gst_message_unref (message);
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

/* Threads of this process. */
static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* Sixteen elements have no more threads than one. */
static void
test_threads (void)
{
  GstHarness *h[16];
  guint before = count_threads (), one;

  h[0] = harness_new ("mode=async threads=2");
  push_frames (h[0], 0, CLIP_FRAMES);
  await_clips (h[0]);
  one = count_threads ();
  /* One that hands on clips, and computes with another. */
  g_assert_cmpuint (one - before, <=, 2);
  for (guint i = 1; i < 16; i++) {
    h[i] = harness_new ("mode=async threads=2");
    push_frames (h[i], 0, CLIP_FRAMES);
  }
  for (guint i = 0; i < 16; i++)
    await_clips (h[i]);
  g_assert_cmpuint (count_threads (), ==, one);
  for (guint i = 0; i < 16; i++)
    gst_harness_teardown (h[i]);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/live/stuck", test_stuck);
  g_test_add_func ("/live/qos-messages", test_qos_messages);
  g_test_add_func ("/live/late-flush", test_late_flush);
  g_test_add_func ("/live/late-jump", test_late_jump);
  g_test_add_func ("/live/stats", test_stats);
  g_test_add_func ("/live/no-copies", test_no_copies);
  g_test_add_func ("/live/shared-buffer", test_shared_buffer);
  g_test_add_func ("/live/repeatable", test_repeatable);
  g_test_add_func ("/live/agree", test_agree);
  g_test_add_func ("/live/qos-event", test_qos_event);
  g_test_add_func ("/live/latency", test_latency);
  g_test_add_func ("/live/threads", test_threads);
  return g_test_run ();
}
