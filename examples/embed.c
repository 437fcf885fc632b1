/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * videoclassify3d inside of an application that has frames of its own: they go in through appsrc, and
 * come out of appsink with results attached.
 */

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/videoclassify/gstvideoclassifymeta.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 160
#define HEIGHT 120
#define FPS 15
#define N_FRAMES 80

/* Coloured tiles that move to the right: the camera pans left. */
static GstBuffer *
make_frame (int number)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT * 3, NULL);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (int k = 0; k < WIDTH * HEIGHT; k++) {
    int i = (k % WIDTH - 2 * number + 1500) / 15, j = k / WIDTH / 15;
    int shade = (31 * i * i + 17 * j * j + 57 * i * j) % 97 * 255 / 96;

    map.data[3 * k] = (guint8) shade;
    map.data[3 * k + 1] = (guint8) (shade + 80);
    map.data[3 * k + 2] = (guint8) (255 - shade);
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (number, GST_SECOND, FPS);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / FPS;
  return buffer;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL, source = NULL, sink = NULL;
  const GstVideoClassifyClass *best = NULL;
  int results = 0, pans = 0;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launch ("appsrc name=source format=time caps=video/x-raw,format=RGB,"
                               "width=" G_STRINGIFY (WIDTH) ",height=" G_STRINGIFY (HEIGHT)
                               ",framerate=" G_STRINGIFY (FPS) "/1 "
                               "! videoclassify3d ! appsink name=sink sync=false", &error);
  if (error != NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);

  for (int i = 0; i < N_FRAMES; i++) {
    g_autoptr (GstSample) sample = NULL;
    GstVideoClassifyMeta *meta;

    gst_app_src_push_buffer (GST_APP_SRC (source), make_frame (i));
    sample = gst_app_sink_pull_sample (GST_APP_SINK (sink));
    if (sample == NULL)
      break;
    meta = gst_buffer_get_video_classify_meta (gst_sample_get_buffer (sample), NULL);
    best = meta ? gst_video_classify_result_get_class (meta->result, 0) : NULL;
    if (best == NULL)
      continue;
    if (results++ == 0)
      printf ("frame %d: %s %.2f\n", i, best->label, best->score);
    pans += strcmp (best->label, "pan left") == 0;
  }
  gst_app_src_end_of_stream (GST_APP_SRC (source));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return results > 0 && pans == results ? 0 : 1;
}
