/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* videoclassjson: which lines, and where they go. */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
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
  g_assert_cmpint (json_object_get_int_member (o, "height"), ==, 4);
  o = line (lines, 1, "object");
  g_assert_cmpstr (json_object_get_string_member (o, "label"), ==, "runs");
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
check_error (const gchar * location, gint code)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=20 "
      "! video/x-raw,width=64,height=48,framerate=30/1 ! videoclassify3d "
      "sample-rate=30 ! videoclassjson location=%s ! fakesink", location);
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
  if (code == GST_RESOURCE_ERROR_OPEN_WRITE)
    g_assert_nonnull (strstr (error->message, location));
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
test_errors (void)
{
  check_error ("/nonexistent/lines.jsonl", GST_RESOURCE_ERROR_OPEN_WRITE);
  if (g_access ("/dev/full", W_OK) == 0)
    check_error ("/dev/full", GST_RESOURCE_ERROR_NO_SPACE_LEFT);
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
  g_test_add_func ("/json/short", test_short);
  g_test_add_func ("/json/append", test_append);
  g_test_add_func ("/json/pipe", test_pipe);
  g_test_add_func ("/json/errors", test_errors);
  status = g_test_run ();
  g_remove (path);
  g_free (path);
  return status;
}
