/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/synth/scenes.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

#include "tools/tool.h"

#define LONGEST_SIDE 1280  /* pictures are scaled down to it */
#define LONGEST_VIDEO_SIDE 640
#define MOST_FRAMES 300    /* of a video */
#define THUMB 8            /* side of the thumbnails that are compared */
#define ALIKE 0.9          /* their correlation, from which pictures show the same */

static const char *const picture_names[] = { ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", NULL };
static const char *const video_names[] = { ".avi", ".mp4", ".mkv", ".webm", ".mov", ".ogv", ".mpg", NULL };

static gboolean
has_name (const char *path, const char *const *names)
{
  g_autofree char *lower = g_ascii_strdown (path, -1);

  for (; *names != NULL; names++)
    if (g_str_has_suffix (lower, *names))
      return TRUE;
  return FALSE;
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static gboolean
list_folder (GPtrArray *paths, const char *folder, const char *const *names, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  const char *name;

  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    /* A link to a folder may lead back up. */
    if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
      if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK) && !list_folder (paths, path, names, error))
        return FALSE;
    } else if (has_name (path, names)) {
      g_ptr_array_add (paths, g_steal_pointer (&path));
    }
  }
  return TRUE;
}

static void
take_sample (Scene *scene, GstSample *sample)
{
  GstVideoInfo info;
  GstVideoFrame frame;

  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample))
      || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
    return;
  if (MIN (info.width, info.height) >= 64)
    g_ptr_array_add (scene->pictures,
        picture_new (GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), info.width, info.height,
            (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0)));
  gst_video_frame_unmap (&frame);
}

/* Decodes a file: a picture, or a video at a rate. Returns NULL with an error. */
static Scene *
load_scene (const char *path, gboolean video, double rate, GError **error)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstElement) source = NULL, filter = NULL, sink = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstMessage) message = NULL;
  Scene *scene;
  int side = video ? LONGEST_VIDEO_SIDE : LONGEST_SIDE;

  pipeline = gst_parse_launch (video
      ? "filesrc name=source ! decodebin ! videorate ! videoconvert ! videoscale method=lanczos"
        " ! capsfilter name=filter ! appsink name=sink sync=false"
      : "filesrc name=source ! decodebin ! videoconvert ! videoscale method=lanczos"
        " ! capsfilter name=filter ! appsink name=sink sync=false", error);
  if (pipeline == NULL)
    return NULL;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  filter = gst_bin_get_by_name (GST_BIN (pipeline), "filter");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB", "width", GST_TYPE_INT_RANGE, 1,
      side, "height", GST_TYPE_INT_RANGE, 1, side, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
  if (video) {
    int n, d;

    gst_util_double_to_fraction (rate, &n, &d);
    gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, n, d, NULL);
  }
  g_object_set (source, "location", path, NULL);
  g_object_set (filter, "caps", caps, NULL);

  scene = scene_new (base);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  /* After an error a sink may wait for ever, so that is looked for as well. */
  while (scene->pictures->len < (video ? MOST_FRAMES : 1) && message == NULL) {
    g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 50 * GST_MSECOND);

    if (sample != NULL)
      take_sample (scene, sample);
    else if (gst_app_sink_is_eos (GST_APP_SINK (sink)))
      break;
    else
      message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (scene->pictures->len > 0)
    return scene;
  scene_free (scene);
  if (message != NULL) {
    g_autoptr (GError) reason = NULL;

    gst_message_parse_error (message, &reason, NULL);
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: %s", path, reason->message);
  } else {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: is smaller than 64 x 64, or empty", path);
  }
  return NULL;
}

gboolean
scenes_add_folder (GPtrArray *scenes, const char *folder, gboolean videos, double rate, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  if (!list_folder (paths, folder, videos ? video_names : picture_names, error))
    return FALSE;
  g_ptr_array_sort (paths, compare_paths);
  for (guint i = 0; i < paths->len; i++) {
    g_autoptr (GError) reason = NULL;
    Scene *scene = load_scene (g_ptr_array_index (paths, i), videos, rate, &reason);

    if (scene != NULL)
      g_ptr_array_add (scenes, scene);
    else
      tool_complain ("%s; passed over", reason->message);
  }
  return TRUE;
}

/* The middle square in THUMB x THUMB pixels of grey, with a mean of 0 and a length of 1. */
static void
make_thumbnail (const Scene *scene, float *thumb)
{
  const Picture *picture = g_ptr_array_index (scene->pictures, 0);
  double side = MIN (picture->width[0], picture->height[0]), step = side / THUMB;
  float sum = 0, length = 0;

  for (int y = 0; y < THUMB; y++) {
    PictureRow row = { 0.5 * (picture->width[0] - side + step), 0.5 * (picture->height[0] - side) + (y + 0.5) * step,
      step, 0 };
    float rgb[3 * THUMB] = { 0 };

    picture_add_row (picture, &row, step, 1, THUMB, rgb);
    for (int x = 0; x < THUMB; x++)
      sum += thumb[THUMB * y + x] = rgb[3 * x] + rgb[3 * x + 1] + rgb[3 * x + 2];
  }
  for (int i = 0; i < THUMB * THUMB; i++) {
    thumb[i] -= sum / (THUMB * THUMB);
    length += thumb[i] * thumb[i];
  }
  for (int i = 0; i < THUMB * THUMB; i++)
    thumb[i] /= sqrtf (length + 1);
}

void
scenes_group (GPtrArray *scenes)
{
  g_autofree float *thumbs = g_new (float, (gsize) scenes->len * THUMB * THUMB);

  for (guint i = 0; i < scenes->len; i++) {
    Scene *scene = g_ptr_array_index (scenes, i);
    const float *a = thumbs + (gsize) i * THUMB * THUMB;

    make_thumbnail (scene, thumbs + (gsize) i * THUMB * THUMB);
    for (guint k = 0; k < i; k++) {
      const float *b = thumbs + (gsize) k * THUMB * THUMB;
      float same = 0;

      for (int j = 0; j < THUMB * THUMB; j++)
        same += a[j] * b[j];
      if (fabsf (same) > ALIKE) { /* below zero: one is the other's negative */
        const Scene *twin = g_ptr_array_index (scenes, k);

        g_free (scene->group);
        scene->group = g_strdup (twin->group);
        break;
      }
    }
  }
}
