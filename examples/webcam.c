/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Labels on the picture of the first camera.
 *
 *     webcam [VIDEO] [PROPERTY=VALUE...]
 *
 * Without a camera it plays the video; without that, a test picture that pans to the left. With --test
 * there is no window, and it ends after some labels.
 */

#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

#define TEST_PICTURE \
  "videotestsrc is-live=true pattern=smpte horizontal-speed=-2 ! video/x-raw,width=640,height=480,framerate=30/1"

/* The source element of the first camera, or NULL. */
static GstElement *
find_camera (void)
{
  g_autoptr (GstDeviceMonitor) monitor = gst_device_monitor_new ();
  GstElement *source = NULL;
  GList *devices;

  gst_device_monitor_add_filter (monitor, "Video/Source", NULL);
  if (!gst_device_monitor_start (monitor))
    return NULL;
  devices = gst_device_monitor_get_devices (monitor);
  if (devices != NULL) {
    g_autofree char *name = gst_device_get_display_name (devices->data);

    printf ("camera: %s\n", name);
    source = gst_device_create_element (devices->data, "camera");
  }
  g_list_free_full (devices, gst_object_unref);
  gst_device_monitor_stop (monitor);
  return source;
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
  } else if (camera != NULL) {
    gst_object_unref (gst_object_ref_sink (camera));
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

int
main (int argc, char **argv)
{
  g_autoptr (GString) properties = g_string_new (NULL);
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  const char *video = NULL;
  gboolean test = FALSE, done = FALSE;
  int labels = 0, status = 0;

  gst_init (&argc, &argv);
  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--test") == 0)
      test = TRUE;
    else if (strchr (argv[i], '=') != NULL)
      g_string_append_printf (properties, " %s", argv[i]);
    else
      video = argv[i];
  }
  pipeline = make_pipeline (test ? NULL : find_camera (), video, properties->str, test, &error);
  if (error != NULL) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!done) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, NULL);
      fprintf (stderr, "%s\n", error->message);
      status = 1;
    } else if (gst_message_has_name (message, "videoclassify3d")) {
      print_label (gst_message_get_structure (message));
      labels++;
    }
    done = GST_MESSAGE_TYPE (message) != GST_MESSAGE_ELEMENT || (test && labels == 3);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return test && labels < 3 ? 1 : status;
}
