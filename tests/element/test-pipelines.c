/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* videoclassify3d in pipelines: formats, files, errors, restarts. */

#include <glib/gstdio.h>

#include "lib3dcnn/3dcnn.h"
#include "tests/element/common.h"

/* 30 fps to the end of a second clip at 7.5. */
#define N_BUFFERS "130"

static void
check_format (const gchar * caps)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers="
      N_BUFFERS " pattern=smpte horizontal-speed=-2 ! %s,framerate=30/1 "
      "! videoclassify3d ! fakesink", caps);
  g_autoptr (GPtrArray) found = run_pipeline (launch, "videoclassify3d");

  g_test_message ("%s: %s", caps,
      gst_structure_get_string (found->pdata[0], "label"));
  g_assert_cmpuint (found->len, ==, 2);
}

static void
test_formats (void)
{
  check_format ("video/x-raw,width=320,height=240");
  check_format ("video/x-raw,format=NV12,width=321,height=243");
  check_format ("video/x-raw,format=GRAY8,width=320,height=240");
  check_format ("video/x-raw,format=I420_10LE,width=320,height=240");
  check_format ("video/x-raw,format=BGRA,width=320,height=240");
  check_format ("video/x-raw,format=v210,width=320,height=240");
  check_format ("video/x-raw,format=AYUV64,width=160,height=120");
  check_format ("video/x-raw,format=I420,width=320,height=240,"
      "interlace-mode=interleaved,field-order=top-field-first");
  check_format ("video/x-raw,width=16,height=400");
}

static void
test_4k (void)
{
  check_format ("video/x-raw,format=I420,width=3840,height=2160");
}

/* Every raw format that GstVideo can write: a clip of a few small frames. */
static void
test_every_format (void)
{
  guint n_formats, tested = 0;
  const GstVideoFormat *formats = gst_video_formats_raw (&n_formats);

  for (guint i = 0; i < n_formats; i++) {
    const GstVideoFormatInfo *info = gst_video_format_get_info (formats[i]);
    g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=17 "
        "! video/x-raw,format=I420,width=66,height=50,framerate=30/1 "
        "! videoconvert ! video/x-raw,format=%s "
        "! videoclassify3d sample-rate=30 ! fakesink",
        gst_video_format_to_string (formats[i]));
    g_autoptr (GPtrArray) found = NULL;

    /* Tiled formats can be read but not written by videoconvert. */
    if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info) || info->pack_func == NULL
        || GST_VIDEO_FORMAT_INFO_IS_TILED (info))
      continue;
    found = run_pipeline (launch, "videoclassify3d");
    g_assert_cmpuint (found->len, ==, 1);
    tested++;
  }
  g_test_message ("%u formats", tested);
  g_assert_cmpuint (tested, >, 60);
}

/* The video of tools/demo.sh, through a file. */
static void
test_file (void)
{
  static const gchar *const expected[] = { "pan left", "static", "pan right" };
  g_autofree gchar *path = g_build_filename (g_get_tmp_dir (),
      "videoclassify3d-test.avi", NULL);
  g_autofree gchar *make = g_strdup_printf ("concat name=c ! videoconvert "
      "! jpegenc ! avimux ! filesink location=%s "
      "videotestsrc num-buffers=64 pattern=smpte horizontal-speed=-2 "
      "! video/x-raw,width=320,height=240,framerate=30/1 ! queue ! c. "
      "videotestsrc num-buffers=64 pattern=circular "
      "! video/x-raw,width=320,height=240,framerate=30/1 ! queue ! c. "
      "videotestsrc num-buffers=64 pattern=smpte horizontal-speed=2 "
      "! video/x-raw,width=320,height=240,framerate=30/1 ! queue ! c.", path);
  g_autofree gchar *play = g_strdup_printf ("filesrc location=%s ! decodebin "
      "! videoconvert ! videoclassify3d ! fakesink", path);
  g_autoptr (GPtrArray) found = NULL, again = NULL;

  g_ptr_array_unref (run_pipeline (make, "nothing"));
  found = run_pipeline (play, "videoclassify3d");
  again = run_pipeline (play, "videoclassify3d");
  g_assert_cmpuint (found->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpstr (gst_structure_get_string (found->pdata[i], "label"), ==,
        expected[i]);
    /* Repeatable to the bit. */
    g_assert_true (gst_structure_is_equal (found->pdata[i], again->pdata[i]));
  }
  g_remove (path);
}

/* Each name of a bundled model works at once, and knows a pan when it sees one. */
static void
test_models (void)
{
  static const gchar *const names[] = { "shufflenet", "shufflenetv2",
    "mobilenet", "mobilenetv2", "squeezenet"
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers="
        N_BUFFERS " pattern=smpte horizontal-speed=2 "
        "! video/x-raw,width=320,height=240,framerate=30/1 "
        "! videoclassify3d model=%s ! fakesink", names[i]);
    g_autoptr (GPtrArray) found = run_pipeline (launch, "videoclassify3d");

    g_assert_cmpuint (found->len, ==, 2);
    for (guint k = 0; k < found->len; k++)
      g_assert_cmpstr (gst_structure_get_string (found->pdata[k], "label"),
          ==, "pan right");
  }
}

static void
on_handoff (GstElement * sink, GstBuffer * buffer, GstPad * pad, guint * n)
{
  *n += gst_buffer_get_video_classify_meta (buffer, "shufflenet") != NULL;
}

/* Metadata survives what pipelines do to buffers. */
static void
test_survival (void)
{
  g_autoptr (GstElement) pipeline = gst_parse_launch ("videotestsrc "
      "num-buffers=70 ! video/x-raw,format=I420,width=320,height=240,"
      "framerate=30/1 ! videoclassify3d ! tee ! queue ! videoconvert "
      "! video/x-raw,format=BGRA ! videoscale ! video/x-raw,width=64,height=64 "
      "! videoflip method=clockwise ! fakesink name=sink signal-handoffs=true",
      NULL);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline),
      "sink");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  guint n = 0;

  g_signal_connect (sink, "handoff", G_CALLBACK (on_handoff), &n);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  /* A clip spans 61 of the 70 frames; of the others, 3 are before it. */
  g_assert_cmpuint (n, ==, 7);
}

/* The element fails to start; the bus says why. */
static void
check_error (const gchar * properties, gint code, const gchar * said)
{
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=3 "
      "! videoclassify3d %s ! fakesink", properties);
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 10 * GST_SECOND,
      GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, &debug);
  g_test_message ("%s", error->message);
  g_assert_error (error, GST_RESOURCE_ERROR, code);
  g_assert_nonnull (strstr (error->message, said));
  g_assert_nonnull (strstr (debug,
          code == GST_RESOURCE_ERROR_FAILED ? "backend" : "labels-file"));
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* A bundled model whose file is not where it should be; an installed one is found all the same. */
static void
check_missing_model (void)
{
  g_autofree gchar *models = g_strdup (g_getenv ("CNN3D_MODEL_PATH"));
  g_autofree gchar *installed = NULL;

  g_setenv ("CNN3D_MODEL_PATH", "/nonexistent", TRUE);
  installed = cnn3d_model_find ("squeezenet", NULL);
  if (installed == NULL)
    check_error ("model=squeezenet", GST_RESOURCE_ERROR_NOT_FOUND,
        "squeezenet");
  g_setenv ("CNN3D_MODEL_PATH", models, TRUE);
}

static void
test_errors (void)
{
  g_autofree gchar *path = g_build_filename (g_get_tmp_dir (),
      "videoclassify3d-damaged.pth", NULL);
  g_autofree gchar *properties = g_strdup_printf ("model-file=%s", path);
  g_autofree gchar *labels = g_strdup_printf ("labels-file=%s", path);

  check_error ("model-file=/nonexistent/model.pth",
      GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/model.pth");
  check_missing_model ();
  check_error ("labels-file=/nonexistent/labels.txt",
      GST_RESOURCE_ERROR_NOT_FOUND, "labels.txt");
  g_assert_true (g_file_set_contents (path, "only\none model\n", -1, NULL));
  check_error (properties, GST_RESOURCE_ERROR_READ, "damaged.pth");
  check_error (labels, GST_RESOURCE_ERROR_READ, "2 labels");
  g_remove (path);
  /* Each is what another backend has. */
  check_error ("backend=cpu precision=fp16", GST_RESOURCE_ERROR_FAILED,
      "precision fp16: the cpu backend");
  check_error ("backend=reference precision=bf16", GST_RESOURCE_ERROR_FAILED,
      "precision bf16: the reference backend");
  check_error ("backend=cudnn precision=bf16x3", GST_RESOURCE_ERROR_FAILED,
      "precision bf16x3: the cudnn backend");
}

static void
test_restarts (void)
{
  g_autoptr (GstElement) pipeline = gst_parse_launch ("videotestsrc "
      "num-buffers=70 ! video/x-raw,width=64,height=48,framerate=30/1 "
      "! videoclassify3d events=once ! fakesink", NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  for (guint i = 0; i < 100; i++) {
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    if (i % 5 == 0) {
      g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus,
          10 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

      g_assert_nonnull (message);
      g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
    }
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
}

/* Many streams share one network, and none of them waits for the others. */
static void
test_sixteen_streams (void)
{
  g_autoptr (GString) launch = g_string_new (NULL);
  g_autoptr (GPtrArray) found = NULL;

  for (guint i = 0; i < 16; i++)
    g_string_append (launch, "videotestsrc is-live=true num-buffers=70 "
        "! video/x-raw,width=64,height=48,framerate=30/1 "
        "! videoclassify3d mode=async ! fakesink sync=false ");
  found = run_pipeline (launch->str, "videoclassify3d");
  g_assert_cmpuint (found->len, ==, 16);
}

/* Pictures with bytes broken at random are still pictures. */
static void
test_break_my_data (void)
{
  g_autoptr (GPtrArray) found =
      run_pipeline ("videotestsrc num-buffers=" N_BUFFERS
      " ! video/x-raw,width=160,height=120,framerate=30/1 "
      "! breakmydata probability=0.2 ! videoclassify3d ! fakesink",
      "videoclassify3d");

  g_assert_cmpuint (found->len, ==, 2);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pipelines/formats", test_formats);
  g_test_add_func ("/pipelines/models", test_models);
  g_test_add_func ("/pipelines/4k", test_4k);
  g_test_add_func ("/pipelines/every-format", test_every_format);
  g_test_add_func ("/pipelines/file", test_file);
  g_test_add_func ("/pipelines/survival", test_survival);
  g_test_add_func ("/pipelines/errors", test_errors);
  g_test_add_func ("/pipelines/break-my-data", test_break_my_data);
  g_test_add_func ("/pipelines/restarts", test_restarts);
  g_test_add_func ("/pipelines/sixteen-streams", test_sixteen_streams);
  return g_test_run ();
}
