/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/synth/output.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <string.h>

#define CLIP_DIGITS 6

struct Output {
  char *folder;
  RenderOptions options;
  double rate;
  Cnn3dCacheWriter *writer; /* NULL: videos */
};

/* Whether a name is that of a clip: 000123.avi. */
static gboolean
is_clip (const char *name)
{
  gsize digits = strspn (name, "0123456789");

  return digits >= CLIP_DIGITS && strcmp (name + digits, ".avi") == 0;
}

/* Calls take for each name in a folder; FALSE as soon as that says so, or the folder cannot be read. */
static gboolean
visit (const char *folder, gboolean (*take) (const char *folder, const char *name))
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (!take (folder, name))
      return FALSE;
  return dir != NULL;
}

static gboolean
check_clip (const char *folder, const char *name)
{
  return is_clip (name);
}

static gboolean
check_class (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_strv_contains (camera_labels, name) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK)
      && visit (path, check_clip);
}

static gboolean
remove_clip (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (is_clip (name))
    g_unlink (path);
  return TRUE;
}

gboolean
output_check_place (const char *folder, gboolean force, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  if (!g_file_test (folder, G_FILE_TEST_EXISTS) || (dir != NULL && g_dir_read_name (dir) == NULL))
    return TRUE;
  if (!visit (folder, check_class))
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST, "%s: is there already, with other things than clips in it", folder);
  else if (!force)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST, "%s: has clips already; --force removes them", folder);
  return *error == NULL;
}

void
output_remove_clips (const char *folder)
{
  for (int i = 0; i < CAMERA_N_MOTIONS; i++) {
    g_autofree char *path = g_build_filename (folder, camera_labels[i], NULL);

    visit (path, remove_clip);
  }
}

Output *
output_new (const char *folder, gboolean videos, const RenderOptions *options, double rate,
    const char *note, GError **error)
{
  Output *output = g_new0 (Output, 1);

  output->folder = g_strdup (folder);
  output->options = *options;
  output->rate = rate;
  if (!videos) {
    output->writer = cnn3d_cache_writer_new (folder, camera_labels, error);
    if (output->writer == NULL) {
      output_free (output);
      return NULL;
    }
    cnn3d_cache_writer_set_note (output->writer, "source", note);
  }
  return output;
}

/* As MJPEG: lossy as real videos are, and every frame can be sought. */
static gboolean
write_video (const Output *o, const char *path, const guint8 *rgb, GError **error)
{
  g_autoptr (GstElement) pipeline =
      gst_parse_launch ("appsrc name=source format=time ! videoconvert ! jpegenc quality=92 ! "
                        "avimux ! filesink name=sink",
          error);
  g_autoptr (GstElement) source = NULL, sink = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) reason = NULL;
  int n, d, size = o->options.size, stride = GST_ROUND_UP_4 (3 * size);

  if (pipeline == NULL)
    return FALSE;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_util_double_to_fraction (o->rate, &n, &d);
  caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB", "width", G_TYPE_INT,
      size, "height", G_TYPE_INT, size, "framerate", GST_TYPE_FRACTION, n, d, NULL);
  g_object_set (source, "caps", caps, NULL);
  g_object_set (sink, "location", path, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (int t = 0; t < o->options.frames; t++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, (gsize) stride * size, NULL);

    for (int y = 0; y < size; y++, rgb += 3 * size)
      gst_buffer_fill (buffer, (gsize) stride * y, rgb, (gsize) 3 * size);
    GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (t, GST_SECOND * d, n);
    GST_BUFFER_DURATION (buffer) = gst_util_uint64_scale (1, GST_SECOND * d, n);
    gst_app_src_push_buffer (GST_APP_SRC (source), buffer);
  }
  gst_app_src_end_of_stream (GST_APP_SRC (source));
  bus = gst_element_get_bus (pipeline);
  message =
      gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    return TRUE;
  gst_message_parse_error (message, &reason, NULL);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s", path, reason->message);
  return FALSE;
}

gboolean
output_add (
    Output *o, int i, CameraMotion motion, const char *scene, const guint8 *rgb, GError **error)
{
  g_autofree char *name = NULL, *folder = NULL;

  if (o->writer != NULL) {
    name = g_strdup_printf ("%d: %s over %s", i, camera_labels[motion], scene);
    return cnn3d_cache_writer_add (o->writer, name, motion, o->options.size, o->options.size,
        o->rate, rgb, o->options.frames, error);
  }
  folder = g_build_filename (o->folder, camera_labels[motion], NULL);
  if (g_mkdir_with_parents (folder, 0777) < 0) {
    g_set_error (error, G_FILE_ERROR, (int) g_file_error_from_errno (errno), "%s: %s", folder,
        g_strerror (errno));
    return FALSE;
  }
  name = g_strdup_printf ("%s/%06d.avi", folder, i);
  return write_video (o, name, rgb, error);
}

gboolean
output_finish (Output *output, GError **error)
{
  return output->writer == NULL || cnn3d_cache_writer_finish (output->writer, error);
}

void
output_free (Output *output)
{
  cnn3d_cache_writer_free (output->writer);
  g_free (output->folder);
  g_free (output);
}
