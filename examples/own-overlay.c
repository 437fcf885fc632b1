/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An overlay of one's own: reads the results on buffers and draws with Cairo; here, a gauge for the
 * score of the best class.
 *
 *     own-overlay VIDEO        (--test makes a video, and shows nothing)
 */

#include <cairo.h>
#include <gst/gst.h>
#include <gst/videoclassify/gstvideoclassifymeta.h>
#include <stdio.h>
#include <string.h>

/* What is on the picture that is drawn next, and what was drawn. Both callbacks run in the streaming thread. */
typedef struct {
  GstVideoClassifyResult *result;
  int drawn, pans;
} Overlay;

/* Before cairooverlay gets the buffer. */
static GstPadProbeReturn
on_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Overlay *overlay = user_data;
  GstVideoClassifyMeta *meta =
      gst_buffer_get_video_classify_meta (GST_PAD_PROBE_INFO_BUFFER (info), NULL);

  g_clear_pointer (&overlay->result, gst_video_classify_result_unref);
  if (meta != NULL)
    overlay->result = gst_video_classify_result_ref (meta->result);
  return GST_PAD_PROBE_OK;
}

static void
on_draw (GstElement *element, cairo_t *cr, guint64 timestamp, guint64 duration, Overlay *overlay)
{
  const GstVideoClassifyClass *best =
      overlay->result ? gst_video_classify_result_get_class (overlay->result, 0) : NULL;

  if (best == NULL)
    return;
  overlay->drawn++;
  overlay->pans += strcmp (best->label, "pan left") == 0;
  cairo_set_line_width (cr, 10);
  cairo_set_source_rgba (cr, 0, 0, 0, 0.6);
  cairo_arc (cr, 50, 50, 30, 0, 2 * G_PI);
  cairo_stroke (cr);
  cairo_set_source_rgb (cr, 0.2, 0.9, 0.4);
  cairo_arc (cr, 50, 50, 30, -G_PI / 2, -G_PI / 2 + 2 * G_PI * best->score);
  cairo_stroke (cr);
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_set_font_size (cr, 20);
  cairo_move_to (cr, 95, 57);
  cairo_show_text (cr, best->label);
}

/* Returns whether it got to the end. */
static gboolean
run (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    return TRUE;
  gst_message_parse_error (message, &error, NULL);
  fprintf (stderr, "%s\n", error->message);
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_autofree char *source = NULL, *launch = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL, draw = NULL;
  g_autoptr (GstPad) pad = NULL;
  Overlay overlay = { NULL };
  gboolean test, ended;

  gst_init (&argc, &argv);
  if (argc != 2) {
    fprintf (stderr, "usage: own-overlay VIDEO\n");
    return 1;
  }
  test = strcmp (argv[1], "--test") == 0;
  source = test ? g_strdup ("videotestsrc num-buffers=70 pattern=smpte horizontal-speed=-2 "
                            "! video/x-raw,width=320,height=240,framerate=30/1")
                : g_strdup_printf ("filesrc location=\"%s\" ! decodebin", argv[1]);
  launch = g_strdup_printf ("%s ! videoconvert ! videoclassify3d ! videoconvert "
                            "! cairooverlay name=draw ! videoconvert ! %s",
      source, test ? "fakesink" : "autovideosink");
  pipeline = gst_parse_launch (launch, &error);
  if (error != NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  draw = gst_bin_get_by_name (GST_BIN (pipeline), "draw");
  pad = gst_element_get_static_pad (draw, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, &overlay, NULL);
  g_signal_connect (draw, "draw", G_CALLBACK (on_draw), &overlay);
  ended = run (pipeline);
  g_clear_pointer (&overlay.result, gst_video_classify_result_unref);
  if (test && (overlay.drawn != 7 || overlay.pans != 7)) {
    fprintf (stderr, "expected a pan left on the last 7 frames, drew %d of %d\n", overlay.pans,
        overlay.drawn);
    return 1;
  }
  return ended ? 0 : 1;
}
