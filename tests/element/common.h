/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of videoclassify3d share: a bundled network, raw frames, and
 * the messages of a pipeline. */

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "gst/videoclassify/gstvideoclassifymeta.h"

#define FPS 30
#define FRAME (GST_SECOND / FPS)
/* Frames of a 30 fps stream from the first to the last of a clip at 7.5. */
#define CLIP_FRAMES (15 * 4 + 1)

static inline GstHarness *
harness_new (const gchar * properties)
{
  g_autofree gchar *launch =
      g_strdup_printf ("videoclassify3d threads=1 %s", properties);
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1");
  return h;
}

/* An element that works on what videoclassify3d leaves on frames like those of
 * frame_new(). */
static inline GstHarness *
companion_new (const gchar * element, const gchar * properties)
{
  g_autofree gchar *launch = g_strdup_printf ("%s %s", element, properties);
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_src_caps_str (h,
      "video/x-raw,format=GRAY8,width=64,height=48,framerate=30/1");
  return h;
}

/* A bus of the harness' element, to be unreffed. */
static inline GstBus *
harness_bus (GstHarness * h)
{
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (h->element, bus);
  return bus;
}

static inline GstBuffer *
frame_new (GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 64 * 48, NULL);

  gst_buffer_memset (buffer, 0, (guint8) (pts / FRAME * 3), 64 * 48);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = FRAME;
  return buffer;
}

/* Pushes n frames from number `first` on; returns how many came out with a
 * result attached. */
static inline guint
push_frames (GstHarness * h, guint first, guint n)
{
  guint with_meta = 0;

  for (guint i = 0; i < n; i++) {
    GstBuffer *out = gst_harness_push_and_pull (h,
        frame_new ((first + i) * FRAME));

    g_assert_nonnull (out);
    with_meta += gst_buffer_get_video_classify_meta (out, NULL) != NULL;
    gst_buffer_unref (out);
  }
  return with_meta;
}

/* Element messages of a name that wait on a bus. */
static inline guint
count_messages (GstBus * bus, const gchar * name)
{
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    n += gst_message_has_name (message, name);
    gst_message_unref (message);
  }
  return n;
}

/* Runs a pipeline to its end; returns an array of the structures of the element
 * messages of a name, to be freed. Fails on errors. */
static inline GPtrArray *
run_pipeline (const gchar * launch, const gchar * name)
{
  GPtrArray *found =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, &error);
  g_autoptr (GstBus) bus = NULL;
  gboolean done = FALSE;

  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!done) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus,
        120 * GST_SECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    g_assert_nonnull (message);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, NULL);
      g_assert_no_error (error);
    }
    if (gst_message_has_name (message, name))
      g_ptr_array_add (found,
          gst_structure_copy (gst_message_get_structure (message)));
    done = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return found;
}
