/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Models that are changed while frames pass. Each test makes its models: small
 * networks with weights from a hash, told apart by their labels. */

#include <glib/gstdio.h>

#include "lib3dcnn/3dcnn.h"
#include "tests/element/common.h"

static gchar *folder;

/* Writes a model whose labels are NAME-0, NAME-1, ... Returns its path. */
static gchar *
make_model (const gchar * name, gint classes, gint frames, gint size,
    gdouble rate)
{
  Cnn3dConfig config = { CNN3D_ARCH_SHUFFLENETV2, 0.25, 0, 0, classes, frames,
    size
  };
  g_autofree gchar *file = g_strdup_printf ("%s.safetensors", name);
  g_autoptr (Cnn3dModel) model = NULL, labelled = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dCard *card = cnn3d_card_new ();
  gchar *path = g_build_filename (folder, file, NULL);

  model = cnn3d_model_new_synthetic (&config, name, &error);
  g_assert_no_error (error);
  card->labels = g_new0 (gchar *, classes + 1);
  for (gint i = 0; i < classes; i++)
    card->labels[i] = g_strdup_printf ("%s-%d", name, i);
  card->sample_rate = rate;
  labelled = cnn3d_model_with_card (model, card);
  cnn3d_model_save (labelled, path, &error);
  g_assert_no_error (error);
  cnn3d_card_free (card);
  return path;
}

/* Two that take the same frames, and one that takes others. */
static gchar *one, *two, *other;

static void
make_models (void)
{
  one = make_model ("one", 5, 8, 32, 15);
  two = make_model ("two", 9, 8, 32, 15);
  other = make_model ("other", 3, 16, 64, 30);
}

static void
remove_models (void)
{
  g_remove (one);
  g_remove (two);
  g_remove (other);
  g_free (one);
  g_free (two);
  g_free (other);
}

typedef struct
{
  GstHarness *h;
  GstElement *element;
  GstBus *bus;
  guint frame;                  /* number of the next */
  GString *labels;              /* models of the clips, and '>' for a change */
  guint warnings;
  gchar *warning;               /* the last */
  gint64 last_end;
  gboolean overlap;             /* clips may overlap, or come late */
  gdouble rate;                 /* of the last change */
} Swap;

static void
swap_init (Swap * swap, const gchar * properties)
{
  g_autofree gchar *p = g_strdup_printf ("%s model-file=%s", properties, one);

  *swap = (Swap) { harness_new (p) };
  swap->element = gst_harness_find_element (swap->h, "videoclassify3d");
  swap->bus = harness_bus (swap->h);
  swap->labels = g_string_new (NULL);
  swap->last_end = -1;
}

static void
swap_clear (Swap * swap)
{
  gst_element_set_bus (swap->h->element, NULL);
  gst_object_unref (swap->element);
  gst_object_unref (swap->bus);
  gst_harness_teardown (swap->h);
  g_string_free (swap->labels, TRUE);
  g_free (swap->warning);
}

/* A clip: its label is of its model, and it does not overlap the one before. */
static void
note_result (Swap * swap, const GstStructure * s)
{
  const gchar *label = gst_structure_get_string (s, "label");
  const gchar *model = gst_structure_get_string (s, "model");
  guint64 start, end;

  g_assert_true (g_str_has_prefix (label, model));
  gst_structure_get_uint64 (s, "clip-start", &start);
  gst_structure_get_uint64 (s, "clip-end", &end);
  if (!swap->overlap)
    g_assert_cmpint (start, >, swap->last_end);
  swap->last_end = end;
  g_string_append_printf (swap->labels, "%.1s", model);
}

static void
read_bus (Swap * swap)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (swap->bus, GST_MESSAGE_ELEMENT
              | GST_MESSAGE_WARNING | GST_MESSAGE_ERROR))) {
    const GstStructure *s = gst_message_get_structure (message);

    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
      g_autoptr (GError) error = NULL;

      gst_message_parse_warning (message, &error, NULL);
      g_free (swap->warning);
      swap->warning = g_strdup (error->message);
      swap->warnings++;
    } else if (gst_structure_has_name (s, "videoclassify3d-model")) {
      gst_structure_get_double (s, "sample-rate", &swap->rate);
      g_string_append_c (swap->labels, '>');
    } else if (gst_structure_has_name (s, "videoclassify3d")) {
      note_result (swap, s);
    }
    gst_message_unref (message);
  }
}

/* Every frame that goes in comes out, with its own timestamp. */
static void
push (Swap * swap, guint n)
{
  while (n-- > 0) {
    GstBuffer *out = gst_harness_push_and_pull (swap->h,
        frame_new (swap->frame * FRAME));

    g_assert_cmpuint (GST_BUFFER_PTS (out), ==, swap->frame * FRAME);
    gst_buffer_unref (out);
    swap->frame++;
  }
  read_bus (swap);
}

/* Pushes frames until text is in swap->labels, or there is a warning. */
static void
push_until (Swap * swap, const gchar * text, guint warnings)
{
  for (guint i = 0; i < 20000; i++) {
    if (text ? strstr (swap->labels->str, text) != NULL
        : swap->warnings >= warnings)
      return;
    push (swap, 1);
    g_usleep (500);
  }
  g_error ("the model did not change: %s", swap->labels->str);
}

/* 8 frames at 15 a second are every second of 15. A model that takes the same
 * frames goes on where the other stopped: not a sampled frame is lost. */
static void
test_same_frames (void)
{
  Swap swap;
  guint clips;

  swap_init (&swap, "mode=sync");
  push (&swap, 16);
  g_assert_cmpstr (swap.labels->str, ==, "o");
  g_object_set (swap.element, "model-file", two, NULL);
  push_until (&swap, ">", 0);
  push (&swap, 64);
  g_assert_true (g_regex_match_simple ("^o+>t+$", swap.labels->str, 0, 0));
  /* As many clips as there would be of one model. */
  clips = swap.labels->len - 1;
  g_assert_cmpuint (clips, ==, (swap.frame + 1) / 16);
  swap_clear (&swap);
}

/* Overlapping clips: the new model's first clip has frames from before. */
static void
test_overlap (void)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 due, done;
  Swap swap;

  swap_init (&swap, "mode=sync clip-stride=1");
  for (guint i = 0; i < 40; i++)
    gst_buffer_unref (gst_harness_push_and_pull (swap.h,
            frame_new (swap.frame++ * FRAME)));
  g_object_set (swap.element, "model-file", two, NULL);
  for (guint i = 0; i < 4000; i++) {
    GstBuffer *out = gst_harness_push_and_pull (swap.h,
        frame_new (swap.frame++ * FRAME));
    gboolean is_new = gst_buffer_get_video_classify_meta (out, "two") != NULL;

    gst_buffer_unref (out);
    if (is_new)
      break;
    g_usleep (500);
  }
  g_object_get (swap.element, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "clips-due", &due);
  gst_structure_get_uint64 (stats, "clips-done", &done);
  /* Every second frame from the 15th on ends a clip. */
  g_assert_cmpuint (due, ==, (swap.frame - 15) / 2 + 1);
  g_assert_cmpuint (done, ==, due);
  swap_clear (&swap);
}

/* Size, length and rate change with the model. */
static void
test_other_frames (void)
{
  Swap swap;

  swap_init (&swap, "mode=sync");
  push (&swap, 20);
  g_object_set (swap.element, "model-file", other, NULL);
  push_until (&swap, ">", 0);
  g_assert_cmpfloat (swap.rate, ==, 30);
  g_string_truncate (swap.labels, 0);
  push (&swap, 16 * 3 + 2);
  g_assert_cmpstr (swap.labels->str, ==, "ooo");
  g_object_set (swap.element, "model-file", two, NULL);
  push_until (&swap, ">", 0);
  push_until (&swap, "tt", 0);
  swap_clear (&swap);
}

static void
test_labels (void)
{
  g_autofree gchar *path = g_build_filename (folder, "labels.txt", NULL);
  Swap swap;

  g_assert_true (g_file_set_contents (path,
          "two a\ntwo b\ntwo c\ntwo d\ntwo e\ntwo f\ntwo g\ntwo h\ntwo i\n", -1,
          NULL));
  swap_init (&swap, "mode=sync");
  push (&swap, 16);
  /* Nine labels would not fit the old model: both change together. */
  g_object_set (swap.element, "labels-file", path, "model-file", two, NULL);
  push_until (&swap, ">t", 0);
  g_assert_cmpuint (swap.warnings, ==, 0);
  swap_clear (&swap);
  g_remove (path);
}

/* A file that is no model: a warning names it, and the old model stays. */
static void
test_bad_file (void)
{
  g_autofree gchar *bad = g_build_filename (folder, "bad.pth", NULL);
  g_autofree gchar *used = NULL;
  Swap swap;

  g_assert_true (g_file_set_contents (bad, "not a model", -1, NULL));
  swap_init (&swap, "mode=sync");
  push (&swap, 20);
  g_object_set (swap.element, "model-file", bad, NULL);
  push_until (&swap, NULL, 1);
  g_assert_nonnull (strstr (swap.warning, "bad.pth"));
  g_object_get (swap.element, "model-file", &used, NULL);
  g_assert_cmpstr (used, ==, one);
  g_object_set (swap.element, "model-file", "/nonexistent/model.pth", NULL);
  push_until (&swap, NULL, 2);
  g_assert_nonnull (strstr (swap.warning, "/nonexistent/model.pth"));
  push (&swap, 64);
  g_assert_null (strchr (swap.labels->str, '>'));
  g_assert_cmpuint (swap.labels->len, ==, (swap.frame + 1) / 16);
  /* And a good one is still welcome. */
  g_object_set (swap.element, "model-file", two, NULL);
  push_until (&swap, ">t", 0);
  swap_clear (&swap);
  g_remove (bad);
}

/* Faster than they can be loaded: the last one stays. */
static void
test_many (void)
{
  Swap swap;

  swap_init (&swap, "mode=async");
  /* Of several models, each has its own thread. */
  swap.overlap = TRUE;
  for (guint i = 0; i < 60; i++) {
    g_object_set (swap.element, "model-file", i % 3 == 0 ? one : i % 3 == 1 ?
        other : two, NULL);
    push (&swap, 3);
  }
  g_object_set (swap.element, "model-file", other, NULL);
  push (&swap, 1);
  g_string_truncate (swap.labels, 0);
  g_object_set (swap.element, "model-file", two, NULL);
  push_until (&swap, "tttt", 0);
  g_assert_cmpuint (swap.warnings, ==, 0);
  swap_clear (&swap);
}

/* The element stops while a model is loading, and starts with the new one. */
static void
test_stop (void)
{
  Swap swap;

  swap_init (&swap, "mode=sync");
  push (&swap, 16);
  g_object_set (swap.element, "model-file", two, NULL);
  gst_element_set_state (swap.element, GST_STATE_NULL);
  g_object_set (swap.element, "model-file", one, NULL);
  g_object_set (swap.element, "model-file", two, NULL);
  swap_clear (&swap);
}

/* What holds up the thread that classifies. */
typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean closed, waiting;
} Gate;

static void
wait_at_gate (GstElement * element, GstVideoClassifyResult * result,
    Gate * gate)
{
  g_mutex_lock (&gate->lock);
  gate->waiting = TRUE;
  g_cond_broadcast (&gate->cond);
  while (gate->closed)
    g_cond_wait (&gate->cond, &gate->lock);
  gate->waiting = FALSE;
  g_mutex_unlock (&gate->lock);
}

/* Frames pass, and the model changes, while the old one is stuck in a clip; the
 * old one's clips are all reported, as its own. */
static void
test_stuck (void)
{
  Gate gate = {.closed = TRUE };
  gulong handler;
  Swap swap;

  g_mutex_init (&gate.lock);
  g_cond_init (&gate.cond);
  swap_init (&swap, "mode=async");
  swap.overlap = TRUE;
  handler = g_signal_connect (swap.element, "result",
      G_CALLBACK (wait_at_gate), &gate);
  push (&swap, 16);
  g_mutex_lock (&gate.lock);
  while (!gate.waiting)
    g_cond_wait (&gate.cond, &gate.lock);
  g_mutex_unlock (&gate.lock);
  push (&swap, 16);             /* a second clip of the old model waits */
  g_object_set (swap.element, "model-file", two, NULL);
  push_until (&swap, ">", 0);
  push (&swap, 64);
  g_mutex_lock (&gate.lock);
  gate.closed = FALSE;
  g_cond_broadcast (&gate.cond);
  g_mutex_unlock (&gate.lock);
  push_until (&swap, "t", 0);
  gst_harness_push_event (swap.h, gst_event_new_eos ());
  g_signal_handler_disconnect (swap.element, handler);
  swap_clear (&swap);
  g_mutex_clear (&gate.lock);
  g_cond_clear (&gate.cond);
}

/* Objects change to the new model, each between its own clips. */
static void
test_objects (void)
{
  GString *seen = g_string_new (NULL);
  GstMessage *message;
  gboolean changed = FALSE;
  Swap swap;

  swap_init (&swap, "mode=sync roi=meta");
  for (guint i = 0; i < 8000; i++) {
    GstBuffer *buffer = frame_new (i * FRAME);

    for (gint id = 1; id <= 2; id++)
      if (id == 1 || i >= 7)
        gst_buffer_add_video_region_of_interest_meta (buffer, "person", 5 * id,
            5, 20, 20)->id = id;
    gst_buffer_unref (gst_harness_push_and_pull (swap.h, buffer));
    if (i == 20)
      g_object_set (swap.element, "model-file", two, NULL);
    while ((message = gst_bus_pop_filtered (swap.bus, GST_MESSAGE_ELEMENT))) {
      const GstStructure *s = gst_message_get_structure (message);
      guint64 object;

      if (gst_structure_get_uint64 (s, "object", &object)) {
        g_assert_true (g_str_has_prefix (gst_structure_get_string (s, "label"),
                gst_structure_get_string (s, "model")));
        changed |= strcmp (gst_structure_get_string (s, "model"), "two") == 0;
        if (object == 2)
          g_string_append_printf (seen, "%.1s", gst_structure_get_string (s,
                  "model"));
      }
      gst_message_unref (message);
    }
    if (changed && g_str_has_suffix (seen->str, "tt"))
      break;
    g_usleep (500);
  }
  g_assert_true (g_regex_match_simple ("^o+t+$", seen->str, 0, 0));
  g_string_free (seen, TRUE);
  swap_clear (&swap);
}

int
main (int argc, char **argv)
{
  gint status;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("videoclassify3d-XXXXXX", NULL);
  make_models ();
  g_test_add_func ("/swap/same-frames", test_same_frames);
  g_test_add_func ("/swap/overlap", test_overlap);
  g_test_add_func ("/swap/other-frames", test_other_frames);
  g_test_add_func ("/swap/labels", test_labels);
  g_test_add_func ("/swap/bad-file", test_bad_file);
  g_test_add_func ("/swap/many", test_many);
  g_test_add_func ("/swap/stop", test_stop);
  g_test_add_func ("/swap/stuck", test_stuck);
  g_test_add_func ("/swap/objects", test_objects);
  status = g_test_run ();
  remove_models ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
