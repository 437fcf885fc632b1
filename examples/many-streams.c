/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Several live streams in one process: the elements share one network, and none waits for another. Each is a
 * pipeline of its own, so that the others go on when one fails or ends.
 *
 *     many-streams URI...
 *
 * With --test, four test pictures stand in for cameras, and a fifth that fails.
 */

#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

#define TEST_PICTURE \
  "videotestsrc is-live=true num-buffers=80 pattern=smpte horizontal-speed=%d " \
  "! video/x-raw,width=320,height=240,framerate=30/1 %s"
#define N_TESTS 5

typedef struct {
  GMainLoop *loop;
  int playing, failed, results;
} Streams;

static GstElement *
make_pipeline (const char *uri, int number, GError **error)
{
  g_autofree char *test = g_strdup_printf (TEST_PICTURE, number % 2 ? 2 : -2,
      number == N_TESTS - 1 ? "! identity error-after=20" : "");
  g_autofree char *launch = g_strdup_printf ("%s ! videoclassify3d mode=async clip-stride=8 name=camera-%d "
      "! fakesink sync=true", uri != NULL ? "uridecodebin name=source" : test, number);
  GstElement *pipeline = gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);

  if (uri != NULL && pipeline != NULL)
    gst_child_proxy_set (GST_CHILD_PROXY (pipeline), "source::uri", uri, NULL);
  return pipeline;
}

/* Whatever its errors are, a stream ends once. */
static gboolean
end_stream (Streams *streams, gboolean failed)
{
  streams->failed += failed;
  if (--streams->playing == 0)
    g_main_loop_quit (streams->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  g_autoptr (GError) error = NULL;
  Streams *streams = data;

  if (gst_message_has_name (message, "videoclassify3d")) {
    const GstStructure *s = gst_message_get_structure (message);
    double score = 0;

    gst_structure_get_double (s, "score", &score);
    printf ("%s: %s %.2f\n", GST_MESSAGE_SRC_NAME (message), gst_structure_get_string (s, "label"), score);
    fflush (stdout);
    streams->results++;
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    fprintf (stderr, "%s: %s\n", GST_MESSAGE_SRC_NAME (message), error->message);
    return end_stream (streams, TRUE);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
    return end_stream (streams, FALSE);
  }
  return G_SOURCE_CONTINUE;
}

static void
stop (gpointer pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

int
main (int argc, char **argv)
{
  gboolean test = argc > 1 && strcmp (argv[1], "--test") == 0;
  g_autoptr (GPtrArray) pipelines = g_ptr_array_new_with_free_func (stop);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Streams streams = { .loop = loop };

  gst_init (&argc, &argv);
  if (argc < 2) {
    fprintf (stderr, "usage: many-streams URI...\n");
    return 2;
  }
  for (int i = 0; i < (test ? N_TESTS : argc - 1); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GstBus) bus = NULL;
    GstElement *pipeline = make_pipeline (test ? NULL : argv[i + 1], i, &error);

    if (pipeline == NULL) {
      fprintf (stderr, "%s\n", error->message);
      return 1;
    }
    bus = gst_element_get_bus (pipeline);
    gst_bus_add_watch (bus, on_message, &streams);
    g_ptr_array_add (pipelines, pipeline);
    streams.playing++;
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
  }
  g_main_loop_run (loop);
  if (test)
    return streams.failed == 1 && streams.results >= N_TESTS - 1 ? 0 : 1;
  return streams.failed > 0 ? 1 : 0;
}
