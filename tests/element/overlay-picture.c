/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One frame with videoclassoverlay's drawing, as PNG: the pictures in doc/images.
 *
 *     overlay-picture WIDTH HEIGHT FILE [PROPERTIES] [--objects] [--hard]
 *
 * The scene is painted here; results are made up. --hard has labels that are
 * long, or in other scripts.
 */

#include <gst/video/video.h>
#include <math.h>
#include <string.h>

#include "gst/videoclassify/gstvideoclassifymeta.h"

static gboolean objects, hard;

static GstVideoClassifyResult *
make_result (void)
{
  static const GstVideoClassifyClass gestures[] = {
    {1, 0.87, "Swiping Left"}, {2, 0.08, "Sliding Two Fingers Left"},
    {3, 0.03, "Pulling Hand In"}, {4, 0.01, "Thumb Up"}
  };
  static const GstVideoClassifyClass difficult[] = {
    {1, 0.61, "playing some rather uncommon musical instrument outdoors"},
    {2, 0.22, "الجري في الحديقة"}, {3, 1.0, "Öl & Fäßchen <rollen>"},
    {4, 0.0, "broken \xff bytes"}
  };
  const GstVideoClassifyClass *classes = hard ? difficult : gestures;
  const GstVideoClassifyEvent event = { 1, classes[0].score, classes[0].label,
    GST_SECOND, 2 * GST_SECOND, 3 * GST_SECOND
  };

  return gst_video_classify_result_new_with_event ("gestures", GST_SECOND,
      3 * GST_SECOND, classes, 4, &event);
}

#define HILLS 4

/* Where they begin, of a column. */
static void
find_tops (gdouble u, gdouble * tops)
{
  for (gint hill = 0; hill < HILLS; hill++)
    tops[hill] = 0.52 + 0.11 * hill + 0.05 * sin (u * (2.3 + hill) + hill * 2)
        + 0.02 * sin (u * (7.1 - hill) + hill);
}

/* A sunny morning in the hills. */
static void
paint (guint8 * pixel, gint height, gint x, gint y, const gdouble * tops)
{
  static const guint8 sky[2][3] = { {66, 128, 190}, {250, 226, 196} };
  gdouble u = (gdouble) x / height, v = (gdouble) y / height;
  gdouble sun = hypot (u - 1.02, v - 0.36);
  /* In steps, which PNG packs better. */
  gdouble glow = round (exp (-sun * 7) * 20) / 25;

  for (guint c = 0; c < 3; c++) {
    gdouble value = sky[0][c] + (sky[1][c] - sky[0][c]) * MIN (1, v * 1.5);

    value += (255 - value) * glow;
    if (sun < 0.055)
      value = c == 2 ? 225 : 250;
    for (gint hill = 0; hill < HILLS; hill++) {
      static const guint8 far[3] = { 150, 168, 178 }, near[3] = { 34, 70, 52 };

      if (v > tops[hill])
        value = far[c] + (near[c] - far[c]) * hill / 3;
    }
    pixel[c] = CLAMP (value, 0, 255);
  }
}

static GstPadProbeReturn
on_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  g_autoptr (GstVideoClassifyResult) result = make_result ();
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstVideoFrame frame;
  GstVideoInfo video;

  info->data = buffer;
  g_assert_true (gst_video_info_from_caps (&video, caps));
  g_assert_true (gst_video_frame_map (&frame, &video, buffer, GST_MAP_WRITE));
  for (gint x = 0; x < GST_VIDEO_INFO_WIDTH (&video); x++) {
    gdouble tops[HILLS];

    find_tops (x / (gdouble) GST_VIDEO_INFO_HEIGHT (&video), tops);
    for (gint y = 0; y < GST_VIDEO_INFO_HEIGHT (&video); y++)
      paint ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0)
          + y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0) + 3 * x,
          GST_VIDEO_INFO_HEIGHT (&video), x, y, tops);
  }
  gst_video_frame_unmap (&frame);

  GST_BUFFER_PTS (buffer) = 4 * GST_SECOND;
  gst_buffer_add_video_classify_meta (buffer, result);
  for (guint i = 0; objects && i < 2; i++) {
    gint h = GST_VIDEO_INFO_HEIGHT (&video);
    GstVideoRegionOfInterestMeta *region =
        gst_buffer_add_video_region_of_interest_meta (buffer, "person",
        h * (55 + 45 * i) / 100, h * (50 + 5 * i) / 100, h / 4, h * 2 / 5);

    region->id = i;
    gst_video_region_of_interest_meta_add_param (region,
        gst_structure_new ("videoclassify3d", "label", G_TYPE_STRING,
            i ? "waving" : "walking", "score", G_TYPE_DOUBLE, 0.9 - 0.2 * i,
            NULL));
  }
  return GST_PAD_PROBE_OK;
}

int
main (int argc, char **argv)
{
  g_autoptr (GString) properties = g_string_new (NULL);
  g_autofree gchar *launch = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL, overlay = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GstPad) pad = NULL;
  gint level = 1;               /* the best takes most of a minute for 4K */

  gst_init (&argc, &argv);
  if (argc < 4) {
    g_printerr ("usage: overlay-picture WIDTH HEIGHT FILE [PROPERTIES]\n");
    return 2;
  }
  for (gint i = 4; i < argc; i++) {
    if (strcmp (argv[i], "--small") == 0)
      level = 9;
    else if (strcmp (argv[i], "--objects") == 0)
      objects = TRUE;
    else if (strcmp (argv[i], "--hard") == 0)
      hard = TRUE;
    else
      g_string_append_printf (properties, " %s", argv[i]);
  }
  launch = g_strdup_printf ("videotestsrc num-buffers=1 ! video/x-raw,"
      "format=RGB,width=%s,height=%s ! videoclassoverlay name=o %s "
      "! pngenc compression-level=%d ! filesink location=\"%s\"", argv[1],
      argv[2], properties->str, level, argv[3]);
  pipeline = gst_parse_launch (launch, &error);
  if (error != NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  overlay = gst_bin_get_by_name (GST_BIN (pipeline), "o");
  pad = gst_element_get_static_pad (overlay, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, NULL, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 120 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (message == NULL || GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_printerr ("no picture\n");
    return 1;
  }
  return 0;
}
