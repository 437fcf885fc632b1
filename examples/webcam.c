/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Labels on the picture of the first camera.
 *
 *     webcam [--camera=/dev/video1] [VIDEO] [PROPERTY=VALUE...]
 *
 * Without a camera that opens it plays the video; without that, a test picture that pans to the left. With
 * --test there is no window, and it ends after some labels.
 */

#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

#define TEST_PICTURE \
  "videotestsrc is-live=true pattern=smpte horizontal-speed=-2 ! video/x-raw,width=640,height=480,framerate=30/1"

/* Source elements of all cameras, or of the device that was asked for. */
static GPtrArray *
find_cameras (const char *device)
{
  g_autoptr (GstDeviceMonitor) monitor = gst_device_monitor_new ();
  GPtrArray *cameras = g_ptr_array_new_with_free_func (gst_object_unref);
  GstElement *source = device != NULL ? gst_element_factory_make ("v4l2src", "camera") : NULL;
  GList *devices;

  if (source != NULL) {
    g_object_set (source, "device", device, NULL);
    g_ptr_array_add (cameras, gst_object_ref_sink (source));
  }
  gst_device_monitor_add_filter (monitor, "Video/Source", NULL);
  if (device != NULL || !gst_device_monitor_start (monitor))
    return cameras;
  devices = gst_device_monitor_get_devices (monitor);
  for (GList *l = devices; l != NULL; l = l->next)
    if ((source = gst_device_create_element (l->data, "camera")) != NULL)
      g_ptr_array_add (cameras, gst_object_ref_sink (source));
  g_list_free_full (devices, gst_object_unref);
  gst_device_monitor_stop (monitor);
  return cameras;
}

static GstElement *
make_pipeline (GstElement *camera, const char *video, const char *properties, gboolean test, GError **error)
{
  g_autofree char *source = camera != NULL ? g_strdup ("identity name=in")
      : video != NULL ? g_strdup_printf ("filesrc location=\"%s\" ! decodebin", video)
                      : g_strdup (TEST_PICTURE);
  /* The camera's own formats, compressed ones too, are decoded. */
  g_autofree char *launch = g_strdup_printf ("%s ! %s videoconvert ! videoclassify3d clip-stride=4 %s "
      "! videoclassoverlay ! videoconvert ! %s", source, camera != NULL ? "decodebin !" : "",
      properties, test ? "fakesink sync=true" : "autovideosink");
  GstElement *pipeline = gst_parse_launch (launch, error);

  if (camera != NULL && pipeline != NULL) {
    g_autoptr (GstElement) in = gst_bin_get_by_name (GST_BIN (pipeline), "in");

    gst_bin_add (GST_BIN (pipeline), camera);
    gst_element_link (camera, in);
  }
  return pipeline;
}

static void
print_label (const GstStructure *s)
{
  const char *label = gst_structure_get_string (s, "label");
  double score = 0;

  gst_structure_get_double (s, "score", &score);
  printf ("%s %.2f\n", label != NULL ? label : "-", score);
  fflush (stdout);
}

/* Plays to the end, or to the third label of a test. */
static gboolean
play (GstElement *pipeline, gboolean test, int *labels)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gboolean done = FALSE, ok = TRUE;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!done) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      g_autoptr (GError) error = NULL;

      gst_message_parse_error (message, &error, NULL);
      fprintf (stderr, "%s\n", error->message);
      ok = FALSE;
    } else if (gst_message_has_name (message, "videoclassify3d")) {
      print_label (gst_message_get_structure (message));
      ++*labels;
    }
    done = GST_MESSAGE_TYPE (message) != GST_MESSAGE_ELEMENT || (test && *labels == 3);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autoptr (GString) properties = g_string_new (NULL);
  g_autoptr (GPtrArray) cameras = NULL;
  const char *video = NULL, *device = NULL;
  gboolean test = FALSE, ok = FALSE;
  int labels = 0;

  gst_init (&argc, &argv);
  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--test") == 0)
      test = TRUE;
    else if (g_str_has_prefix (argv[i], "--camera="))
      device = argv[i] + strlen ("--camera=");
    else if (strchr (argv[i], '=') != NULL)
      g_string_append_printf (properties, " %s", argv[i]);
    else
      video = argv[i];
  }
  cameras = find_cameras (device);
  if (test && device == NULL)
    g_ptr_array_set_size (cameras, 0);
  /* A camera that is there may be in use, or be no camera. After them comes the video, or the test picture. */
  for (guint i = 0; i <= cameras->len && !ok && labels == 0; i++) {
    g_autoptr (GError) error = NULL;
    GstElement *camera = i < cameras->len ? cameras->pdata[i] : NULL;
    g_autoptr (GstElement) pipeline = make_pipeline (camera, video, properties->str, test, &error);

    if (error != NULL) {
      fprintf (stderr, "%s\n", error->message);
      return 1;
    }
    ok = play (pipeline, test, &labels);
  }
  return ok && (!test || labels == 3) ? 0 : 1;
}
