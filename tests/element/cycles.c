/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Takes a pipeline from NULL to PLAYING and back, some times to its end. */

#include <gst/gst.h>

int
main (int argc, char **argv)
{
  gint n = argc > 1 ? (gint) g_ascii_strtoll (argv[1], NULL, 10) : 100;
  GstElementFactory *overlay;
  GstElement *pipeline;
  GString *launch;
  GstBus *bus;

  gst_init (&argc, &argv);
  launch = g_string_new ("videotestsrc num-buffers=70 ! "
      "video/x-raw,width=64,height=48,framerate=30/1 ! videoclassify3d "
      "events=once threads=2 ! ");
  /* It is left out where Pango is missing. */
  overlay = gst_element_factory_find ("videoclassoverlay");
  if (overlay != NULL) {
    g_string_append (launch, "videoclassoverlay ! ");
    gst_object_unref (overlay);
  }
  g_string_append (launch, "videoclassjson location=/dev/null ! tee ! "
      "videoclasstext ! fakesink");
  pipeline = gst_parse_launch (launch->str, NULL);
  g_string_free (launch, TRUE);
  g_assert_nonnull (pipeline);
  bus = gst_element_get_bus (pipeline);
  for (gint i = 0; i < n; i++) {
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    if (i % 4 == 0) {
      GstMessage *message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
          GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

      g_assert_nonnull (message);
      g_assert_true (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
      gst_message_unref (message);
    }
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  gst_deinit ();
  return 0;
}
