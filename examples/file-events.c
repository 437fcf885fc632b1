/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Prints each action of a video once, when it is seen.
 *
 *     file-events VIDEO [model-file=...]
 *
 * With --test it makes its own video: a test picture that pans left and right.
 */

#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

#define TEST_VIDEO \
  "concat name=c videotestsrc num-buffers=64 pattern=smpte horizontal-speed=-2 " \
  "! video/x-raw,framerate=30/1 ! queue ! c. " \
  "videotestsrc num-buffers=64 pattern=smpte horizontal-speed=2 " \
  "! video/x-raw,framerate=30/1 ! queue ! c. c."

static void
print_event (const GstStructure *s)
{
  guint64 start, end;
  double score;

  gst_structure_get (s, "start", G_TYPE_UINT64, &start, "end", G_TYPE_UINT64, &end, "score",
      G_TYPE_DOUBLE, &score, NULL);
  printf ("%7.2f - %7.2f s  %s (%.2f)\n", (double) start / GST_SECOND, (double) end / GST_SECOND,
      gst_structure_get_string (s, "label"), score);
  fflush (stdout);
}

int
main (int argc, char **argv)
{
  g_autofree char *source = NULL, *launch = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  gboolean test = argc > 1 && strcmp (argv[1], "--test") == 0;
  int events = 0, status = 0;

  gst_init (&argc, &argv);
  if (argc < 2) {
    fprintf (stderr, "usage: file-events VIDEO [PROPERTY=VALUE]\n");
    return 2;
  }
  source = test ? g_strdup (TEST_VIDEO)
                : g_strdup_printf ("filesrc location=\"%s\" ! decodebin", argv[1]);
  launch = g_strdup_printf ("%s ! videoclassify3d events=once clip-stride=8 %s ! fakesink", source,
      argc > 2 ? argv[2] : "");
  pipeline = gst_parse_launch (launch, &error);
  if (error != NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }

  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (gboolean done = FALSE; !done;) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    if (gst_message_has_name (message, "videoclassify3d-event")) {
      print_event (gst_message_get_structure (message));
      events++;
    } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, NULL);
      fprintf (stderr, "%s\n", error->message);
      status = 1;
      done = TRUE;
    } else {
      done = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    }
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return test && events != 2 ? 1 : status;
}
