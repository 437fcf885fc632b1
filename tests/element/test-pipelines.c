/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* videoclassify3d in pipelines: formats, files, errors, restarts. */

#include <glib/gstdio.h>
#include <malloc.h>

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
  check_error ("model-file=/tmp", GST_RESOURCE_ERROR_READ, "/tmp: is a folder");
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

/* A live stream of 30 fps, and what came out of it. */
#define LIVE_STREAM "videotestsrc is-live=true num-buffers=%u " \
  "! video/x-raw,width=64,height=48,framerate=30/1 " \
  "! videoclassify3d name=classify-%u mode=async %s " \
  "! fakesink name=sink-%u sync=false signal-handoffs=true "

typedef struct
{
  GstElement *classify;
  guint n_buffers, n_results;
  GstClockTime last;
  guint64 due;                  /* at the end */
  guint64 most_pending;         /* clips in work and waiting, at any buffer */
  gsize settled;                /* memory, once everything was allocated */
} Live;

static void
get_clips (Live * live, guint64 * frames, guint64 * due, guint64 * done,
    guint64 * skipped)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (live->classify, "stats", &stats, NULL);
  g_assert_true (gst_structure_get (stats, "frames", G_TYPE_UINT64, frames,
          "clips-due", G_TYPE_UINT64, due, "clips-done", G_TYPE_UINT64, done,
          "clips-skipped", G_TYPE_UINT64, skipped, NULL));
}

static void
on_live_buffer (GstElement * sink, GstBuffer * buffer, GstPad * pad,
    Live * live)
{
  guint64 frames, due, done, skipped;

  /* The source numbers its buffers: all are here, each in its place. */
  g_assert_cmpuint (GST_BUFFER_OFFSET (buffer), ==, live->n_buffers);
  if (live->n_buffers++ > 0)
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), >, live->last);
  live->last = GST_BUFFER_PTS (buffer);
  get_clips (live, &frames, &due, &done, &skipped);
  live->most_pending = MAX (live->most_pending, due - done - skipped);
  if (live->n_buffers == 2 * FPS)
    live->settled = mallinfo2 ().uordblks;
}

/* Threads of this process by their name. */
static guint
count_threads (const gchar * name)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  const gchar *task;
  guint n = 0;

  while (dir != NULL && (task = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename ("/proc/self/task", task, "comm",
        NULL);
    g_autofree gchar *comm = NULL;

    n += g_file_get_contents (path, &comm, NULL, NULL)
        && g_strcmp0 (g_strchomp (comm), name) == 0;
  }
  return n;
}

/* Runs n streams to their end. Every buffer comes out, and every clip is done, with a
 * message, or was skipped. Returns how many networks there were. */
static guint
run_live (Live * live, guint n, guint n_buffers, const gchar * properties)
{
  g_autoptr (GString) launch = g_string_new (NULL);
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;
  gboolean ended = FALSE;
  guint engines = 0;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (launch, LIVE_STREAM, n_buffers, i, properties, i);
  pipeline = gst_parse_launch (launch->str, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < n; i++) {
    g_autofree gchar *name = g_strdup_printf ("classify-%u", i);
    g_autofree gchar *sink_name = g_strdup_printf ("sink-%u", i);
    g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline),
        sink_name);

    live[i].classify = gst_bin_get_by_name (GST_BIN (pipeline), name);
    g_signal_connect (sink, "handoff", G_CALLBACK (on_live_buffer), &live[i]);
  }
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!ended) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus,
        120 * GST_SECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);

    g_assert_nonnull (message);
    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
    ended = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    /* Each network is run by a thread of its own. */
    engines = MAX (engines, count_threads ("videoclassify3d"));
    for (guint i = 0; i < n; i++)
      live[i].n_results += gst_message_has_name (message, "videoclassify3d")
          && GST_MESSAGE_SRC (message) == GST_OBJECT (live[i].classify);
  }
  for (guint i = 0; i < n; i++) {
    guint64 frames, done, skipped;

    get_clips (&live[i], &frames, &live[i].due, &done, &skipped);
    g_assert_cmpuint (live[i].n_buffers, ==, n_buffers);
    g_assert_cmpuint (frames, ==, n_buffers);
    g_assert_cmpuint (done + skipped, ==, live[i].due);
    g_assert_cmpuint (live[i].n_results, ==, done);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  for (guint i = 0; i < n; i++)
    gst_object_unref (live[i].classify);
  return engines;
}

/* Many streams share one network, and none of them waits for the others. */
static void
test_sixteen_streams (void)
{
  Live live[16] = { 0 };

  g_assert_cmpuint (run_live (live, G_N_ELEMENTS (live), 3 * FPS,
          "clip-stride=2 backend=cpu threads=2"), ==, 1);
  /* The first clip ends with buffer 60, and another one every 8 after that. */
  for (guint i = 0; i < G_N_ELEMENTS (live); i++)
    g_assert_cmpuint (live[i].due, ==, 4);
}

/* A network that takes far longer than a clip's stride: clips are skipped and counted,
 * buffers are not, and nothing piles up. */
static void
test_slow_network (void)
{
  Live live[2] = { 0 };
  gsize after;

  g_setenv ("GST_VIDEO_CLASSIFY_3D_SLOW_MS", "150", TRUE);
  run_live (live, G_N_ELEMENTS (live), 5 * FPS,
      "sample-rate=30 clip-stride=1 backend=cpu threads=1 events=once");
  after = mallinfo2 ().uordblks;
  g_unsetenv ("GST_VIDEO_CLASSIFY_3D_SLOW_MS");
  for (guint i = 0; i < G_N_ELEMENTS (live); i++) {
    g_test_message ("%u results, at most %u clips pending", live[i].n_results,
        (guint) live[i].most_pending);
    g_assert_cmpuint (live[i].due, ==, 5 * FPS - 15);
    g_assert_cmpuint (live[i].n_results, >, 0);
    g_assert_cmpuint (live[i].n_results, <, live[i].due);
    /* One in work and the newest. */
    g_assert_cmpuint (live[i].most_pending, <=, 2);
    /* Less than two clips of 600 kB in three seconds, of 180 that were due. */
    g_assert_cmpuint (after, <, live[i].settled + (1 << 20));
  }
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
  g_test_add_func ("/pipelines/slow-network", test_slow_network);
  return g_test_run ();
}
