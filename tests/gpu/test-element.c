/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A pipeline on a GPU of which each call fails in turn, once or for good, while it runs and when it
 * stops. With backend=cudnn it ends with an error that has a reason, or goes on; with auto it goes on, on the CPU if
 * need be, with one warning, and neither a frame nor a clip is lost. Nothing is leaked.
 */

#include <gst/gst.h>

#include "gst/gstvideoclassify3d.h"
#include "tests/gpu/faults.h"
#include "tests/gpu/tiny-model.h"

#define FRAMES 26

static char *model_file;
static int n_clips; /* without a fault */

typedef struct {
  int frames, clips, warnings;
  char *warning, *error; /* texts, or NULL */
} Outcome;

static void
outcome_clear (Outcome *o)
{
  g_free (o->warning);
  g_free (o->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static GstPadProbeReturn
count_frame (GstPad *pad, GstPadProbeInfo *info, gpointer frames)
{
  ++*(int *) frames;
  return GST_PAD_PROBE_OK;
}

/* Returns whether it was the last one. */
static gboolean
take_message (Outcome *o, GstMessage *message)
{
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      o->clips += gst_message_has_name (message, "videoclassify3d");
      return FALSE;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      o->warnings++;
      g_free (o->warning);
      o->warning = g_strdup (error->message);
      return FALSE;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      if (o->error == NULL)
        o->error = g_strdup (error->message);
      return TRUE;
    default:
      return TRUE;
  }
}

static void
play (const char *properties, Outcome *o)
{
  g_autofree char *launch = g_strdup_printf ("videotestsrc num-buffers=%d"
      " ! video/x-raw,format=GRAY8,width=32,height=32,framerate=30/1"
      " ! videoclassify3d name=c sample-rate=30 threads=1 model-file=%s %s ! fakesink name=sink",
      FRAMES, model_file, properties);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (launch, &error);
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstBus) bus = NULL;
  gboolean done = FALSE;

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_frame, &o->frames, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!done) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_EOS
        | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT);

    g_assert_nonnull (message);
    done = take_message (o, message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* Plays with a fault at one call; *failed and *fell_back are counted. */
static void
check (gboolean automatic, const char *properties, int *failed, int *fell_back)
{
  g_autofree char *all = g_strdup_printf ("backend=%s %s", automatic ? "auto" : "cudnn", properties);
  g_auto (Outcome) o = { 0 };

  faults.calls = 0;
  faults.hit = FALSE;
  /* What is computed on the GPU is the concern of other tests. */
  double_dry = TRUE;
  play (all, &o);
  double_dry = FALSE;
  double_check_clean ();
  g_assert_cmpint (o.warnings, <=, 1);
  if (o.error != NULL) {
    g_assert_false (automatic);
    g_assert_nonnull (strstr (o.error, ": "));
    ++*failed;
    return;
  }
  g_assert_cmpint (o.frames, ==, FRAMES);
  if (faults.at < 0)
    n_clips = o.clips;
  g_assert_cmpint (o.clips, ==, n_clips);
  if (o.warnings > 0) {
    g_assert_true (automatic);
    g_assert_true (g_str_has_prefix (o.warning, "Running on the CPU: "));
    ++*fell_back;
  }
}

static gboolean
begin (void)
{
  if (!faults_install ())
    return FALSE;
  double_settings = (DoubleSettings){ .count = 1, .device = "h100", .capability = 90 };
  double_counts = (DoubleCounts){ 0 };
  faults = (Faults){ .at = -1 };
  return TRUE;
}

/* The first call of the work that comes after a session has been made, and the number of calls in all. */
static void
count_calls (const char *properties, int *first, int *all)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .threads = 1 };
  g_autoptr (Cnn3dModel) model = cnn3d_model_load (model_file, NULL, NULL);
  g_autoptr (Cnn3dSession) session = NULL;
  int ignored = 0;

  /* Has plans timed. */
  check (FALSE, properties, &ignored, &ignored);
  check (FALSE, properties, &ignored, &ignored);
  *all = faults.calls;
  faults.calls = 0;
  double_dry = TRUE;
  session = cnn3d_session_new (model, &options, NULL);
  *first = faults.calls;
  g_clear_pointer (&session, cnn3d_session_unref);
  double_check_clean ();
}

/* Every call from the first clip to the end. */
static void
test_run (gconstpointer data)
{
  const char *properties = data;
  int first, all;

  if (!begin ())
    return;
  count_calls (properties, &first, &all);
  g_assert_cmpint (first, <, all);
  for (int lost = FALSE; lost <= TRUE; lost++) {
    int failed = 0, fell_back = 0, ignored = 0;

    for (int at = first; at < all; at += faults_step ()) {
      faults = (Faults){ .at = at, .lost = lost };
      check (FALSE, properties, &failed, &ignored);
      g_assert_true (faults.hit);
      faults = (Faults){ .at = at, .lost = lost };
      check (TRUE, properties, &ignored, &fell_back);
      g_assert_true (faults.hit);
    }
    g_test_message ("%s: %d calls: %d errors; auto: %d fell back to the CPU", lost ? "for good" : "once",
        all - first, failed, fell_back);
    g_assert_cmpint (failed, >, 5 * n_clips / faults_step ());
    g_assert_cmpint (failed, ==, fell_back);
    g_assert_cmpint (ignored, ==, 0);
  }
  cnn3d_cuda_replace (NULL);
}

/* How often a function is called while a session is made, of which plans have been timed. */
static int
count_function (const char *function)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .threads = 1 };
  g_autoptr (Cnn3dModel) model = cnn3d_model_load (model_file, NULL, NULL);
  Cnn3dSession *session;

  faults = (Faults){ .function = function, .at = -1 };
  double_dry = TRUE;
  session = cnn3d_session_new (model, &options, NULL);
  double_dry = FALSE;
  g_assert_nonnull (session);
  cnn3d_session_unref (session);
  double_check_clean ();
  return faults.calls;
}

/* Calls of each function while the session is made, from the first to the last: an error, or the CPU from the
 * beginning. */
static void
test_start (void)
{
  int failed = 0, fell_back = 0, ignored = 0;

  if (!begin ())
    return;
  check (FALSE, "", &ignored, &ignored);
  g_assert_cmpint (n_clips, ==, FRAMES / TINY_FRAMES);
  for (int f = 0; faults_functions[f] != NULL; f++) {
    int calls = MAX (count_function (faults_functions[f]), 1);

    /* Three of them, or as many as there are. */
    for (int at = 0; at < calls; at += at + 1 == calls ? 1 : MAX ((calls - 1 + (at > 0)) / 2, 1)) {
      for (int automatic = FALSE; automatic <= TRUE; automatic++) {
        faults = (Faults){ .function = faults_functions[f], .at = at, .lost = TRUE };
        /* Where it is not called, or fails when all is done, nothing happens. */
        check (automatic, "", automatic ? &ignored : &failed, automatic ? &fell_back : &ignored);
      }
    }
  }
  g_test_message ("%d errors; auto: %d fell back to the CPU", failed, fell_back);
  g_assert_cmpint (failed, >, 50);
  g_assert_cmpint (failed, ==, fell_back);
  g_assert_cmpint (ignored, ==, 0);
  cnn3d_cuda_replace (NULL);
}

int
main (int argc, char **argv)
{
  int status;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (videoclassify3d, NULL));
  model_file = tiny_model_write ();
  g_test_add_data_func ("/gpu/element/run", "", test_run);
  g_test_add_data_func ("/gpu/element/run-overlapping", "clip-stride=2 on-eos=drop", test_run);
  g_test_add_func ("/gpu/element/start", test_start);
  status = g_test_run ();
  tiny_model_remove (model_file);
  return status;
}
