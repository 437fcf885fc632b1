/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A live source of 30 frames a second, and a network that is slowed down to a
 * few clips a second: for how long buffers are held up, whether memory grows,
 * and whether all clips are accounted for. A second pipeline without the element
 * shows what the machine itself does to buffers.
 *
 *     soak [SECONDS [MILLISECONDS]]
 *
 * `meson compile -C build soak` makes it; run it in `meson devenv -C build`.
 */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include <gst/gst.h>

#define FPS 30
#define SOURCE "videotestsrc is-live=true num-buffers=%u ! " \
  "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
#define SINK "fakesink name=sink sync=false signal-handoffs=true"

typedef struct
{
  GstElement *pipeline;
  gint64 worst;                 /* ns behind a buffer's time */
  guint n, late;                /* buffers, and those later than a frame */
} Run;

static void
on_handoff (GstElement * sink, GstBuffer * buffer, GstPad * pad, Run * run)
{
  g_autoptr (GstClock) clock = gst_element_get_clock (sink);
  gint64 now = gst_clock_get_time (clock) - gst_element_get_base_time (sink);
  gint64 behind = now - (gint64) GST_BUFFER_PTS (buffer);

  run->worst = MAX (run->worst, behind);
  run->late += behind > GST_SECOND / FPS;
  run->n++;
}

static void
start (Run * run, const gchar * launch)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) sink = NULL;

  run->pipeline = gst_parse_launch (launch, &error);
  if (error != NULL) {
    fprintf (stderr, "%s\n", error->message);
    exit (1);
  }
  sink = gst_bin_get_by_name (GST_BIN (run->pipeline), "sink");
  g_signal_connect (sink, "handoff", G_CALLBACK (on_handoff), run);
  gst_element_set_state (run->pipeline, GST_STATE_PLAYING);
}

static void
finish (Run * run, const gchar * title)
{
  printf ("%s: %u buffers, worst %.1f ms behind, %u later than a frame\n", title,
      run->n, run->worst / 1e6, run->late);
  gst_element_set_state (run->pipeline, GST_STATE_NULL);
  gst_object_unref (run->pipeline);
}

static void
print_memory (guint seconds)
{
  glong size = 0, resident = 0;
  FILE *f = fopen ("/proc/self/statm", "r");

  if (f == NULL || fscanf (f, "%ld %ld", &size, &resident) != 2)
    resident = 0;
  if (f != NULL)
    fclose (f);
  printf ("%4u s: %ld KiB resident, %zu KiB allocated\n", seconds, resident * 4,
      mallinfo2 ().uordblks / 1024);
  fflush (stdout);
}

int
main (int argc, char **argv)
{
  guint seconds = argc > 1 ? strtoul (argv[1], NULL, 10) : 600;
  guint slow = argc > 2 ? strtoul (argv[2], NULL, 10) : 150;
  g_autofree gchar *ms = g_strdup_printf ("%u", slow);
  g_autofree gchar *tested = g_strdup_printf (SOURCE
      "videoclassify3d name=classify mode=async sample-rate=30 clip-stride=1 "
      "threads=1 events=once smoothing=mean ! " SINK, seconds * FPS);
  g_autofree gchar *control = g_strdup_printf (SOURCE SINK, seconds * FPS);
  g_autoptr (GstElement) classify = NULL;
  g_autoptr (GstStructure) stats = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autofree gchar *said = NULL;
  Run with = { 0 }, without = { 0 };
  gint64 begin = g_get_monotonic_time ();
  gboolean done = FALSE;

  g_setenv ("GST_VIDEO_CLASSIFY_3D_SLOW_MS", ms, TRUE);
  gst_init (&argc, &argv);
  start (&with, tested);
  start (&without, control);
  bus = gst_element_get_bus (with.pipeline);
  for (guint next = 5; !done;) {
    GstMessage *message = gst_bus_timed_pop (bus, GST_SECOND);
    guint elapsed = (g_get_monotonic_time () - begin) / G_USEC_PER_SEC;

    if (message != NULL) {
      done = GST_MESSAGE_TYPE (message) & (GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
      gst_message_unref (message);
    }
    if (elapsed >= next) {
      print_memory (elapsed);
      next = elapsed + 60;
    }
  }
  print_memory ((g_get_monotonic_time () - begin) / G_USEC_PER_SEC);
  classify = gst_bin_get_by_name (GST_BIN (with.pipeline), "classify");
  g_object_get (classify, "stats", &stats, NULL);
  said = gst_structure_to_string (stats);
  printf ("%s\n", said);
  finish (&with, "with videoclassify3d");
  finish (&without, "without");
  return 0;
}
