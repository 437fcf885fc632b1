/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Several live streams in one process: the elements share one network, and none waits for another.
 *
 *     many-streams URI...
 *
 * With --test, four test pictures stand in for cameras.
 */

#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

static void
add_stream (GString *launch, const char *uri, int number)
{
  if (uri != NULL)
    g_string_append_printf (launch, "uridecodebin uri=\"%s\"", uri);
  else
    g_string_append_printf (launch,
        "videotestsrc is-live=true num-buffers=80 pattern=smpte horizontal-speed=%d ! "
        "video/x-raw,width=320,height=240,framerate=30/1", number % 2 ? 2 : -2);
  g_string_append_printf (launch,
      " ! videoclassify3d mode=async clip-stride=8 name=camera-%d ! fakesink sync=true ", number);
}

int
main (int argc, char **argv)
{
  gboolean test = argc > 1 && strcmp (argv[1], "--test") == 0;
  g_autoptr (GString) launch = g_string_new (NULL);
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  int results = 0, status = 0;

  gst_init (&argc, &argv);
  if (argc < 2) {
    fprintf (stderr, "usage: many-streams URI...\n");
    return 2;
  }
  for (int i = 0; i < (test ? 4 : argc - 1); i++)
    add_stream (launch, test ? NULL : argv[i + 1], i);
  pipeline = gst_parse_launch (launch->str, &error);
  if (error != NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }

  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (gboolean done = FALSE; !done;) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    if (gst_message_has_name (message, "videoclassify3d")) {
      const GstStructure *s = gst_message_get_structure (message);
      double score = 0;

      gst_structure_get_double (s, "score", &score);
      printf ("%s: %s %.2f\n", GST_MESSAGE_SRC_NAME (message), gst_structure_get_string (s, "label"), score);
      results++;
    } else {
      done = GST_MESSAGE_TYPE (message) != GST_MESSAGE_ELEMENT;
    }
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, NULL);
      fprintf (stderr, "%s: %s\n", GST_MESSAGE_SRC_NAME (message), error->message);
      status = 1;
    }
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return test && results < 4 ? 1 : status;
}
