/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* videoclassjson: which lines, and where they go. */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/element/common.h"

/* Where the tests write to. */
static gchar *path;

/* With an action that began in `event` seconds, or without one. */
static GstBuffer *
frame_with (guint number, const gchar * label, gint event)
{
  const GstVideoClassifyClass classes[] = { {4, 0.75, label}, {1, 0.125, "b"} };
  const GstVideoClassifyEvent e = { 4, 0.75, label,
    MAX (event, 0) * GST_SECOND, 2 * GST_SECOND, 3 * GST_SECOND
  };
  g_autoptr (GstVideoClassifyResult) result =
      gst_video_classify_result_new_with_event ("m", GST_SECOND, 3 * GST_SECOND,
      classes, 2, event >= 0 ? &e : NULL);
  GstBuffer *buffer = frame_new (number * FRAME);

  gst_buffer_add_video_classify_meta (buffer, result);
  return buffer;
}

static void
push (GstHarness * h, GstBuffer * buffer)
{
  GstBuffer *out = gst_harness_push_and_pull (h, gst_buffer_ref (buffer));

  /* It is the same one. */
  g_assert_true (out == buffer);
  gst_buffer_unref (out);
  gst_buffer_unref (buffer);
}

/* The lines that were written, parsed. */
static GPtrArray *
read_lines (void)
{
  GPtrArray *lines =
      g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);
  g_autofree gchar *text = NULL;
  g_auto (GStrv) split = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (*text == '\0' || g_str_has_suffix (text, "\n"));
  split = g_strsplit (text, "\n", -1);
  for (guint i = 0; split[i] != NULL && *split[i] != '\0'; i++) {
    JsonNode *node = json_from_string (split[i], &error);

    g_assert_no_error (error);
    g_assert_true (JSON_NODE_HOLDS_OBJECT (node));
    g_ptr_array_add (lines, node);
  }
  return lines;
}

static JsonObject *
line (GPtrArray * lines, guint i, const gchar * type)
{
  JsonObject *object;

  g_assert_cmpuint (i, <, lines->len);
  object = json_node_get_object (lines->pdata[i]);
  g_assert_cmpstr (json_object_get_string_member (object, "type"), ==, type);
  return object;
}

static void
test_result (void)
{
  g_autofree gchar *properties = g_strdup_printf ("location=%s source=cam",
      path);
  GstHarness *h = companion_new ("videoclassjson", properties);
  g_autoptr (GPtrArray) lines = NULL;
  GstBuffer *buffer = frame_with (90, "a \"quoted\"\n\xff label", -1);
  JsonObject *o, *c;

  push (h, gst_buffer_ref (buffer));
  push (h, buffer);
  push (h, frame_new (92 * FRAME));
  /* It is there while the stream goes on. */
  lines = read_lines ();
  g_assert_cmpuint (lines->len, ==, 1);
  o = line (lines, 0, "result");
  g_assert_cmpstr (json_object_get_string_member (o, "source"), ==, "cam");
  g_assert_cmpstr (json_object_get_string_member (o, "model"), ==, "m");
  g_assert_cmpfloat (json_object_get_double_member (o, "start"), ==, 1);
  g_assert_cmpfloat (json_object_get_double_member (o, "end"), ==, 3);
  g_assert_false (json_object_has_member (o, "utc"));
  c = json_array_get_object_element (json_object_get_array_member (o,
          "classes"), 0);
  g_assert_cmpstr (json_object_get_string_member (c, "label"), ==,
      "a \"quoted\"\n\xef\xbf\xbd label");
  g_assert_cmpint (json_object_get_int_member (c, "index"), ==, 4);
  g_assert_cmpfloat (json_object_get_double_member (c, "score"), ==, 0.75);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (o,
              "classes")), ==, 2);
  gst_harness_teardown (h);
}

/* Begins and ends once each; the next one ends it; EOS ends it. */
static void
test_events (void)
{
  g_autofree gchar *properties = g_strdup_printf ("location=%s lines=events "
      "utc=true", path);
  static const gchar *const types[] = { "event-start", "event-end",
    "event-start", "event-end", "event-start", "event-end"
  };
  static const gdouble starts[] = { 0, 0, 1, 1, 2, 2 };
  GstHarness *h = companion_new ("videoclassjson", properties);
  g_autoptr (GPtrArray) lines = NULL;
  JsonObject *o;

  push (h, frame_with (0, "a", 0));
  push (h, frame_with (1, "a", 0));
  push (h, frame_with (2, "a", -1));
  push (h, frame_with (3, "a", 1));
  push (h, frame_with (4, "a", 2));
  gst_harness_push_event (h, gst_event_new_eos ());
  lines = read_lines ();
  g_assert_cmpuint (lines->len, ==, G_N_ELEMENTS (types));
  for (guint i = 0; i < lines->len; i++) {
    o = line (lines, i, types[i]);
    g_assert_cmpfloat (json_object_get_double_member (o, "start"), ==,
        starts[i]);
    g_assert_cmpint (json_object_has_member (o, "end"), ==, i % 2);
    g_assert_cmpuint (strlen (json_object_get_string_member (o, "utc")), ==,
        strlen ("2019-04-04T12:00:00.000Z"));
  }
  gst_harness_teardown (h);
}

static void
test_objects (void)
{
  static const gchar *const labels[] = { "walks", "walks", "runs" };
  g_autofree gchar *properties = g_strdup_printf ("location=%s", path);
  GstHarness *h = companion_new ("videoclassjson", properties);
  g_autoptr (GPtrArray) lines = NULL;
  JsonObject *o;

  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);
    GstVideoRegionOfInterestMeta *region =
        gst_buffer_add_video_region_of_interest_meta (buffer, "person", 1, 2, 3,
        4);

    region->id = 7;
    gst_video_region_of_interest_meta_add_param (region,
        gst_structure_new ("videoclassify3d", "label", G_TYPE_STRING,
            labels[i], "score", G_TYPE_DOUBLE, 0.5, NULL));
    push (h, buffer);
  }
  lines = read_lines ();
  g_assert_cmpuint (lines->len, ==, 2);
  o = line (lines, 0, "object");
  g_assert_cmpint (json_object_get_int_member (o, "object"), ==, 7);
  g_assert_cmpstr (json_object_get_string_member (o, "kind"), ==, "region");
  g_assert_cmpint (json_object_get_int_member (o, "height"), ==, 4);
  o = line (lines, 1, "object");
  g_assert_cmpstr (json_object_get_string_member (o, "label"), ==, "runs");
  gst_harness_teardown (h);
}

/* Each object has a summary, and so may the picture. */
static void
test_object_summaries (void)
{
  g_autofree gchar *properties = g_strdup_printf ("location=%s", path);
  GstHarness *h = companion_new ("videoclassjson", properties);
  g_autoptr (GPtrArray) lines = NULL;

  push (h, frame_new (0));
  for (guint64 object = 1; object <= 3; object++) {
    GstStructure *s = gst_structure_from_string ("videoclassify3d-summary, "
        "model=m, clips=(guint64)2, labels=(string)<a>, scores=(double)<0.75>, "
        "indices=(int)<0>", NULL);

    if (object < 3)
      gst_structure_set (s, "object", G_TYPE_UINT64, object, "object-kind",
          G_TYPE_STRING, "tracking", NULL);
    gst_harness_push_event (h, gst_event_new_custom
        (GST_EVENT_CUSTOM_DOWNSTREAM, s));
  }
  lines = read_lines ();
  g_assert_cmpuint (lines->len, ==, 3);
  for (guint i = 0; i < 2; i++) {
    JsonObject *o = line (lines, i, "summary");

    g_assert_cmpint (json_object_get_int_member (o, "object"), ==, i + 1);
    g_assert_cmpstr (json_object_get_string_member (o, "kind"), ==, "tracking");
  }
  g_assert_false (json_object_has_member (line (lines, 2, "summary"),
          "object"));
  gst_harness_teardown (h);
}

/* A video that is shorter than a clip: result and summary. */
static void
test_short (void)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=20 "
      "! video/x-raw,width=64,height=48,framerate=30/1 ! videoclassify3d "
      "! videoclassjson location=%s top-k=1 ! fakesink", path);
  g_autoptr (GPtrArray) found = run_pipeline (launch, "videoclassify3d");
  g_autoptr (GPtrArray) lines = read_lines ();
  JsonObject *o, *c;
  gdouble score;

  g_assert_cmpuint (found->len, ==, 1);
  g_assert_cmpuint (lines->len, ==, 2);
  o = line (lines, 0, "result");
  c = json_array_get_object_element (json_object_get_array_member (o,
          "classes"), 0);
  gst_structure_get_double (found->pdata[0], "score", &score);
  g_assert_cmpfloat (json_object_get_double_member (c, "score"), ==, score);
  o = line (lines, 1, "summary");
  g_assert_cmpint (json_object_get_int_member (o, "clips"), ==, 1);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (o,
              "classes")), ==, 1);
}

/* The last result comes after the last buffer, unless buffers wait for it. */
static void
test_modes (void)
{
  static const gchar *const modes[] = { "sync", "async", "queue" };
  static const gchar *const types[] = { "result", "event-start", "event-end",
    "summary"
  };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++) {
    g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=61 "
        "pattern=smpte horizontal-speed=-2 ! video/x-raw,width=320,height=240,"
        "framerate=30/1 ! videoclassify3d mode=%s events=once "
        "! videoclassjson location=%s ! fakesink", modes[i], path);
    g_autoptr (GPtrArray) found = run_pipeline (launch, "videoclassify3d");
    g_autoptr (GPtrArray) lines = read_lines ();

    g_assert_cmpuint (found->len, ==, 1);
    g_assert_cmpuint (lines->len, ==, G_N_ELEMENTS (types));
    for (guint k = 0; k < lines->len; k++)
      line (lines, k, types[k]);
  }
}

static void
push_summary (GstHarness * h, const gchar * model)
{
  GstStructure *s = gst_structure_from_string ("videoclassify3d-summary, "
      "clips=(guint64)2, labels=(string)<a, b>, scores=(double)<0.75, 0.25>, "
      "indices=(int)<0, 1>", NULL);

  gst_structure_set (s, "model", G_TYPE_STRING, model, NULL);
  gst_harness_push_event (h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
          s));
}

static void
test_threshold (void)
{
  g_autofree gchar *properties = g_strdup_printf ("location=%s threshold=0.5",
      path);
  GstHarness *h = companion_new ("videoclassjson", properties);
  g_autoptr (GPtrArray) lines = NULL;
  static const gchar *const types[] = { "result", "summary" };

  push (h, frame_with (0, "a", -1));
  push_summary (h, "m");
  lines = read_lines ();
  g_assert_cmpuint (lines->len, ==, 2);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpuint (json_array_get_length (json_object_get_array_member (line
                (lines, i, types[i]), "classes")), ==, 1);
  gst_harness_teardown (h);
}

/* Of two classifiers in a row the first, whose summary comes first; or the one
 * that is asked for. */
static void
test_two_models (void)
{
  static const gchar *const names[] = { "", "model-name=n" };

  for (guint i = 0; i < 2; i++) {
    g_autofree gchar *properties = g_strdup_printf ("location=%s %s", path,
        names[i]);
    const gchar *name = i ? "n" : "m";
    GstHarness *h = companion_new ("videoclassjson", properties);
    g_autoptr (GstBus) bus = harness_bus (h);
    g_autoptr (GPtrArray) lines = NULL;
    static const GstVideoClassifyClass c = { 0, 1, "a" };
    g_autoptr (GstVideoClassifyResult) other =
        gst_video_classify_result_new ("n", 0, GST_SECOND, &c, 1);
    GstBuffer *buffer = frame_with (0, "a", -1);

    gst_buffer_add_video_classify_meta (buffer, other);
    push (h, buffer);
    push_summary (h, "m");
    push_summary (h, "n");
    gst_harness_push_event (h, gst_event_new_eos ());
    lines = read_lines ();
    g_assert_cmpuint (lines->len, ==, 2);
    g_assert_cmpstr (json_object_get_string_member (line (lines, 0, "result"),
            "model"), ==, name);
    g_assert_cmpstr (json_object_get_string_member (line (lines, 1, "summary"),
            "model"), ==, name);
    g_assert_false (gst_bus_have_pending (bus));
    gst_harness_teardown (h);
  }
}

/* One that matches nothing is warned of, but not where there is nothing. */
static void
test_wrong_name (void)
{
  for (gint i = 0; i < 2; i++) {
    g_autofree gchar *properties = g_strdup_printf ("location=%s "
        "model-name=typo", path);
    GstHarness *h = companion_new ("videoclassjson", properties);
    g_autoptr (GstBus) bus = harness_bus (h);
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;

    push (h, i ? frame_with (0, "a", -1) : frame_new (0));
    gst_harness_push_event (h, gst_event_new_eos ());
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
    g_assert_cmpint (message != NULL, ==, i);
    if (message == NULL) {
      gst_harness_teardown (h);
      continue;
    }
    gst_message_parse_warning (message, &error, NULL);
    g_assert_nonnull (strstr (error->message, "model-name=typo"));
    gst_harness_teardown (h);
  }
}

static void
write_one (const gchar * more)
{
  g_autofree gchar *properties = g_strdup_printf ("location=%s %s", path, more);
  GstHarness *h = companion_new ("videoclassjson", properties);

  push (h, frame_with (0, "a", -1));
  gst_harness_teardown (h);
}

static void
test_append (void)
{
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GPtrArray) lines = NULL;

    write_one (i == 1 ? "append=true" : "");
    lines = read_lines ();
    g_assert_cmpuint (lines->len, ==, i == 1 ? 2 : 1);
  }
}

static gpointer
drain (gpointer fd)
{
  GString *all = g_string_new (NULL);
  gchar some[512];
  gssize n;

  /* Slower than the writer, so that the pipe fills. */
  while ((n = read (GPOINTER_TO_INT (fd), some, sizeof some)) > 0) {
    g_string_append_len (all, some, n);
    g_usleep (20);
  }
  return g_string_free (all, FALSE);
}

/* Several writers of one pipe, which does not block and fills up. */
static void
test_pipe (void)
{
  GThread *thread;
  GstHarness *h[2];
  g_autofree gchar *all = NULL, *properties = NULL;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  fcntl (fds[1], F_SETFL, O_NONBLOCK);
  properties = g_strdup_printf ("fd=%d", fds[1]);
  thread = g_thread_new ("reader", drain, GINT_TO_POINTER (fds[0]));
  for (guint i = 0; i < 2; i++)
    h[i] = companion_new ("videoclassjson", properties);
  for (guint i = 0; i < 400; i++)
    push (h[i % 2], frame_with (i, "a label of some length", -1));
  for (guint i = 0; i < 2; i++)
    gst_harness_teardown (h[i]);
  /* It was not closed with the elements. */
  g_assert_cmpint (fcntl (fds[1], F_GETFL), !=, -1);
  close (fds[1]);
  all = g_thread_join (thread);
  close (fds[0]);
  g_assert_true (g_file_set_contents (path, all, -1, NULL));
  {
    g_autoptr (GPtrArray) lines = read_lines ();

    g_assert_cmpuint (lines->len, ==, 400);
  }
}

static void
check_error (const gchar * property, const gchar * name, gint code)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=20 "
      "! video/x-raw,width=64,height=48,framerate=30/1 ! videoclassify3d "
      "sample-rate=30 ! videoclassjson %s ! fakesink", property);
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 30 * GST_SECOND,
      GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, code);
  g_assert_true (g_str_has_prefix (error->message, name));
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
test_errors (void)
{
  check_error ("location=/nonexistent/lines.jsonl", "/nonexistent/lines.jsonl: ",
      GST_RESOURCE_ERROR_OPEN_WRITE);
  if (g_access ("/dev/full", W_OK) == 0)
    check_error ("location=/dev/full", "/dev/full: ",
        GST_RESOURCE_ERROR_NO_SPACE_LEFT);
  /* Before there is a line. */
  check_error ("lines=0 fd=777", "file descriptor 777: ",
      GST_RESOURCE_ERROR_OPEN_WRITE);
}

/* So that nothing more goes into a pipe, which then blocks again. */
static void
fill (int fd)
{
  static const gchar zeros[4096];
  int flags = fcntl (fd, F_GETFL);

  fcntl (fd, F_SETFL, flags | O_NONBLOCK);
  for (gsize n = sizeof zeros; n > 0;)
    if (write (fd, zeros, n) < 0)
      n /= 2;
  fcntl (fd, F_SETFL, flags);
}

/* Gives each frame a result of its own. */
static GstPadProbeReturn
add_result (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  static const GstVideoClassifyClass c = { 0, 1, "a" };
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  g_autoptr (GstVideoClassifyResult) result =
      gst_video_classify_result_new ("m", 0, GST_SECOND, &c, 1);

  gst_buffer_add_video_classify_meta (buffer, result);
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

static GstElement *
play (const gchar * source, const gchar * properties)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc %s "
      "! video/x-raw,width=64,height=48,framerate=100/1 "
      "! videoclassjson name=json %s ! fakesink async=false", source,
      properties);
  GstElement *pipeline = gst_parse_launch (launch, NULL);
  g_autoptr (GstElement) json = gst_bin_get_by_name (GST_BIN (pipeline),
      "json");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (json, "sink");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, add_result, NULL, NULL);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), !=,
      GST_STATE_CHANGE_FAILURE);
  return pipeline;
}

/* Of this type within `wait`; its text is to be freed. NULL: none came. */
static gchar *
wait_for (GstElement * pipeline, GstMessageType type, GstClockTime wait)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, wait,
      type);
  g_autoptr (GError) error = NULL;

  if (message == NULL)
    return NULL;
  if (type == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, NULL);
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  return g_strdup (error ? error->message : "");
}

static void
stop_soon (GstElement * pipeline)
{
  gint64 begin = g_get_monotonic_time ();

  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, G_USEC_PER_SEC);
  gst_object_unref (pipeline);
}

/* A file waits for who reads, and can be flushed and stopped meanwhile; what is
 * live goes on without those lines, and says so. */
static void
check_unread (const gchar * properties, const gchar * name)
{
  GstElement *pipeline = play ("num-buffers=3", properties);
  g_autofree gchar *warning = NULL, *end = NULL;
  g_autoptr (GstElement) json = gst_bin_get_by_name (GST_BIN (pipeline),
      "json");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (json, "sink");

  end = wait_for (pipeline, GST_MESSAGE_EOS, GST_SECOND / 3);
  g_assert_null (end);
  gst_pad_send_event (pad, gst_event_new_flush_start ());
  /* Waits for the streaming thread. */
  gst_pad_send_event (pad, gst_event_new_flush_stop (TRUE));
  stop_soon (pipeline);
  stop_soon (play ("num-buffers=3", properties));

  pipeline = play ("is-live=true num-buffers=30", properties);
  warning = wait_for (pipeline, GST_MESSAGE_WARNING, 10 * GST_SECOND);
  g_assert_nonnull (strstr (warning, name));
  g_free (warning);
  warning = wait_for (pipeline, GST_MESSAGE_WARNING, 10 * GST_SECOND);
  g_assert_nonnull (warning);
  g_assert_true (g_str_has_suffix (warning, ": 30"));
  end = wait_for (pipeline, GST_MESSAGE_EOS, 10 * GST_SECOND);
  g_assert_nonnull (end);
  stop_soon (pipeline);
}

static void
test_unread_pipe (void)
{
  g_autofree gchar *properties = NULL, *name = NULL;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  fill (fds[1]);
  properties = g_strdup_printf ("fd=%d", fds[1]);
  name = g_strdup_printf ("file descriptor %d:", fds[1]);
  check_unread (properties, name);
  /* Others who have it may want to wait. */
  g_assert_cmpint (fcntl (fds[1], F_GETFL) & O_NONBLOCK, ==, 0);
  close (fds[0]);
  close (fds[1]);
}

static void
test_unread_socket (void)
{
  g_autofree gchar *properties = NULL;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
  fill (fds[1]);
  properties = g_strdup_printf ("fd=%d", fds[1]);
  check_unread (properties, "file descriptor");
  close (fds[0]);
  close (fds[1]);
}

/* A FIFO waits for its reader as a full pipe does, and the state does not. */
static void
test_unread_fifo (void)
{
  g_autofree gchar *fifo = g_strdup_printf ("%s.fifo", path);
  g_autofree gchar *properties = g_strdup_printf ("location=%s", fifo);
  g_autofree gchar *end = NULL;
  GstElement *pipeline;
  gchar some[16];
  int fd;

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  check_unread (properties, fifo);
  pipeline = play ("num-buffers=3", properties);
  fd = open (fifo, O_RDONLY);
  g_assert_cmpint (read (fd, some, sizeof some), ==, sizeof some);
  g_assert_cmpint (memcmp (some, "{\"type\":\"result\"", 16), ==, 0);
  end = wait_for (pipeline, GST_MESSAGE_EOS, 10 * GST_SECOND);
  g_assert_nonnull (end);
  stop_soon (pipeline);
  close (fd);
  g_remove (fifo);
}

/* An error, and not the end of the process. */
static void
test_reader_gone (void)
{
  g_autofree gchar *properties = NULL, *name = NULL, *error = NULL;
  GstElement *pipeline;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  properties = g_strdup_printf ("fd=%d", fds[1]);
  name = g_strdup_printf ("file descriptor %d: Broken pipe", fds[1]);
  close (fds[0]);
  pipeline = play ("num-buffers=3", properties);
  error = wait_for (pipeline, GST_MESSAGE_ERROR, 10 * GST_SECOND);
  g_assert_cmpstr (error, ==, name);
  stop_soon (pipeline);
  close (fds[1]);
}

int
main (int argc, char **argv)
{
  gint status, fd;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fd = g_file_open_tmp ("videoclassjson-XXXXXX", &path, NULL);
  g_assert_cmpint (fd, >=, 0);
  close (fd);
  g_test_add_func ("/json/result", test_result);
  g_test_add_func ("/json/events", test_events);
  g_test_add_func ("/json/objects", test_objects);
  g_test_add_func ("/json/object-summaries", test_object_summaries);
  g_test_add_func ("/json/short", test_short);
  g_test_add_func ("/json/threshold", test_threshold);
  g_test_add_func ("/json/two-models", test_two_models);
  g_test_add_func ("/json/wrong-name", test_wrong_name);
  g_test_add_func ("/json/modes", test_modes);
  g_test_add_func ("/json/append", test_append);
  g_test_add_func ("/json/pipe", test_pipe);
  g_test_add_func ("/json/errors", test_errors);
  g_test_add_func ("/json/unread-pipe", test_unread_pipe);
  g_test_add_func ("/json/unread-socket", test_unread_socket);
  g_test_add_func ("/json/unread-fifo", test_unread_fifo);
  g_test_add_func ("/json/reader-gone", test_reader_gone);
  status = g_test_run ();
  g_remove (path);
  g_free (path);
  return status;
}
