/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The property idle-labels: which classes it names, and what is said of others. */

#include <string.h>

#include "gst/idlelabels.h"
#include "tests/element/common.h"

#define N_CLASSES 5

static Cnn3dModel *
make_model (void)
{
  static const gchar *const labels[] = { "No_gesture", "Doing other things",
    "cut, then stir", "Gr\xc3\xbc\xc3\x9f" "e", "a\\b\xff", NULL
  };
  Cnn3dConfig config = { CNN3D_ARCH_SHUFFLENETV2, 0.25, 0, 0, N_CLASSES, 8, 32 };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dCard *card = cnn3d_card_new ();
  Cnn3dModel *labelled;

  model = cnn3d_model_new_synthetic (&config, "idle", &error);
  g_assert_no_error (error);
  card->labels = g_strdupv ((gchar **) labels);
  labelled = cnn3d_model_with_card (model, card);
  cnn3d_card_free (card);
  return labelled;
}

/* Idle classes as a string of 1 and 0, and the names that are none. */
static void
check (Cnn3dModel * model, const gchar * list, const gchar * idle,
    const gchar * unmatched)
{
  gboolean found[N_CLASSES];
  g_autofree gchar *all = gst_idle_labels_find (model, list, found);
  g_autofree gchar *again = gst_idle_labels_find (model, list, NULL);

  g_assert_cmpstr (all, ==, unmatched);
  g_assert_cmpstr (again, ==, unmatched);
  for (guint i = 0; i < N_CLASSES; i++)
    g_assert_cmpint (found[i], ==, idle[i] == '1');
}

static void
test_names (void)
{
  g_autoptr (Cnn3dModel) model = make_model ();

  check (model, NULL, "00000", NULL);
  check (model, "", "00000", NULL);
  check (model, " , ,", "00000", NULL);
  check (model, "No_gesture,Doing other things", "11000", NULL);
  check (model, "no gesture , DOING_other_THINGS", "11000", NULL);
  check (model, "cut\\, then stir,no gesture", "10100", NULL);
  check (model, "cut, then stir", "00000", "\"cut\", \"then stir\"");
  check (model, "GR\xc3\x9cSSE", "00010", NULL);
  check (model, "a\\b\xff", "00001", NULL);
  check (model, "no gesture,no gestures,other", "10000",
      "\"no gestures\", \"other\"");
  check (model, "unknown", "00000", "\"unknown\"");
}

static gchar *
find_warning (const gchar * list)
{
  g_autofree gchar *properties = g_strdup_printf ("idle-labels=\"%s\"", list);
  GstHarness *h = harness_new (properties);
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  /* It is said when the model is loaded. */
  gst_element_set_state (h->element, GST_STATE_NULL);
  gst_element_set_bus (h->element, bus);
  gst_element_set_state (h->element, GST_STATE_PAUSED);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  if (message != NULL)
    gst_message_parse_warning (message, &error, NULL);
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
  return error != NULL ? g_strdup (error->message) : NULL;
}

static void
test_warning (void)
{
  g_autofree gchar *none = find_warning ("Static, pan_left");
  g_autofree gchar *some = find_warning ("static,pan lefft");

  g_assert_cmpstr (none, ==, NULL);
  g_assert_nonnull (some);
  g_assert_nonnull (strstr (some, "idle-labels"));
  g_assert_nonnull (strstr (some, "\"pan lefft\""));
}

/* A class that is idle is no action. */
static void
test_events (void)
{
  static const gchar *const lists[] = { "static", "Static,PAN_left" };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++) {
    g_autofree gchar *launch = g_strdup_printf ("videotestsrc num-buffers=62 "
        "pattern=smpte horizontal-speed=-2 ! video/x-raw,width=320,height=240,"
        "framerate=30/1 ! videoclassify3d events=once idle-labels=\"%s\" "
        "! fakesink", lists[i]);
    g_autoptr (GPtrArray) found = run_pipeline (launch,
        "videoclassify3d-event");

    g_assert_cmpuint (found->len, ==, i == 0);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/idle/names", test_names);
  g_test_add_func ("/idle/warning", test_warning);
  g_test_add_func ("/idle/events", test_events);
  return g_test_run ();
}
