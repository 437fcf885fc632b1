/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/expect-video.h"

#include "lib3dcnn/error.h"

static void
on_no_more_pads (GstElement *decoder, gpointer data)
{
  GstObject *entry = data;
  g_autoptr (GstPad) sink = gst_element_get_static_pad (data, "sink");
  g_autoptr (GError) error = NULL;

  if (gst_pad_is_linked (sink))
    return;
  error = g_error_new_literal (CNN3D_ERROR, CNN3D_ERROR_FORMAT, "has no video that could be decoded");
  gst_element_post_message (data, gst_message_new_error (entry, error, NULL));
}

void
expect_video (GstElement *decoder, GstElement *entry)
{
  g_signal_connect (decoder, "no-more-pads", G_CALLBACK (on_no_more_pads), entry);
}
