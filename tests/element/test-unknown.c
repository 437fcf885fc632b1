/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Clips of no class. The models are small networks with weights from a hash that
 * measured one picture, an even dark one: bright noise is far from it.
 */

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "lib3dcnn/3dcnn.h"
#include "tests/element/common.h"

/* 8 frames at 15 a second: of 30, the clip is over after 15 frames. */
#define FRAMES 8
#define SIZE 32
#define CLIP 16
#define DARK 40

static gchar *folder;
static gchar *by_distance, *by_margin, *without;

/* A pixel of both kinds of picture. */
static guint8
pixel (gboolean strange, guint i)
{
  return strange ? 128 + (i * 2654435761u >> 25) : DARK;
}

/* Features of a clip of dark frames, whose scaling changes nothing. */
static gfloat *
measure (Cnn3dModel * model)
{
  Cnn3dSessionOptions options = {.backend = CNN3D_BACKEND_CPU,.threads = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, &error);
  gfloat logits[3], *features = g_new (gfloat, cnn3d_model_get_n_features (model));
  gsize n = FRAMES * SIZE * SIZE * 3;
  g_autofree guint8 *rgb = g_malloc (n);

  memset (rgb, DARK, n);
  g_assert_no_error (error);
  cnn3d_session_run_rgb_features (session, rgb, 1, logits, features, &error);
  g_assert_no_error (error);
  return features;
}

static Cnn3dUnknown *
make_rule (Cnn3dModel * model, Cnn3dUnknownRule rule)
{
  Cnn3dUnknown *u = g_new0 (Cnn3dUnknown, 1);
  g_autofree gfloat *features = NULL;
  gint n;

  u->rule = rule;
  u->label = g_strdup ("nothing");
  /* Of the network's margins, all are below it. */
  u->threshold = 0.999;
  if (rule == CNN3D_UNKNOWN_MARGIN)
    return u;
  features = measure (model);
  u->n_classes = 3;
  u->n_features = n = cnn3d_model_get_n_features (model);
  u->means = g_new (gfloat, 3 * n);
  u->variances = g_new (gfloat, n);
  for (gint c = 0; c < 3; c++)
    memcpy (u->means + c * n, features, n * sizeof (gfloat));
  for (gint k = 0; k < n; k++)
    u->variances[k] = 1e-4f + 0.01f * features[k] * features[k];
  u->threshold = 1;
  return u;
}

/* rule: -1 for none. Returns the file's path. */
static gchar *
make_model (const gchar * name, gint rule)
{
  Cnn3dConfig config = { CNN3D_ARCH_SHUFFLENETV2, 0.25, 0, 0, 3, FRAMES, SIZE };
  g_autofree gchar *file = g_strdup_printf ("%s.safetensors", name);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "unknown",
      &error);
  g_autoptr (Cnn3dModel) ruled = NULL;
  g_autoptr (Cnn3dCard) card = cnn3d_card_new ();
  gchar *path = g_build_filename (folder, file, NULL);

  g_assert_no_error (error);
  card->labels = g_strsplit ("a,b,c", ",", -1);
  card->sample_rate = 15;
  if (rule >= 0)
    card->unknown = make_rule (model, (Cnn3dUnknownRule) rule);
  ruled = cnn3d_model_with_card (model, card);
  cnn3d_model_save (ruled, path, &error);
  g_assert_no_error (error);
  return path;
}

typedef struct
{
  GstHarness *h;
  GstElement *element;
  GstBus *bus;
  guint frame;                  /* number of the next */
  GString *labels;              /* first letter of each clip's label, and 'E' for events */
  GstStructure *last;           /* message of the last clip */
} Stream;

static void
stream_init (Stream * s, const gchar * model_file, const gchar * properties)
{
  g_autofree gchar *p = g_strdup_printf ("%s model-file=%s mode=sync",
      properties, model_file);

  *s = (Stream) { harness_new (p) };
  s->element = gst_harness_find_element (s->h, "videoclassify3d");
  s->bus = harness_bus (s->h);
  s->labels = g_string_new (NULL);
}

static void
stream_clear (Stream * s)
{
  gst_element_set_bus (s->h->element, NULL);
  gst_object_unref (s->element);
  gst_object_unref (s->bus);
  gst_harness_teardown (s->h);
  g_string_free (s->labels, TRUE);
  g_clear_pointer (&s->last, gst_structure_free);
}

static void
read_bus (Stream * s)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (s->bus, GST_MESSAGE_ELEMENT))) {
    const GstStructure *m = gst_message_get_structure (message);

    if (gst_structure_has_name (m, "videoclassify3d-event")) {
      g_assert_cmpstr (gst_structure_get_string (m, "label"), !=, "nothing");
      g_string_append_c (s->labels, 'E');
    } else if (gst_structure_has_name (m, "videoclassify3d-model")) {
      g_string_append_c (s->labels, '>');
    } else if (gst_structure_has_name (m, "videoclassify3d")) {
      g_string_append_printf (s->labels, "%.1s",
          gst_structure_get_string (m, "label"));
      g_clear_pointer (&s->last, gst_structure_free);
      s->last = gst_structure_copy (m);
    }
    gst_message_unref (message);
  }
}

/* The buffer that comes out last, to be unreffed. */
static GstBuffer *
play (Stream * s, gboolean strange, guint n)
{
  GstBuffer *out = NULL;

  while (n-- > 0) {
    GstBuffer *frame = frame_new (s->frame++ * FRAME);
    GstMapInfo map;

    gst_buffer_map (frame, &map, GST_MAP_WRITE);
    for (guint i = 0; i < map.size; i++)
      map.data[i] = pixel (strange, i);
    gst_buffer_unmap (frame, &map);
    gst_clear_buffer (&out);
    out = gst_harness_push_and_pull (s->h, frame);
  }
  read_bus (s);
  return out;
}

/* Of the last clip. */
static gdouble
get_score (Stream * s, guint i)
{
  const GValue *scores = gst_structure_get_value (s->last, "scores");

  return g_value_get_double (gst_value_array_get_value (scores, i));
}

static void
check_result (GstBuffer * buffer, gboolean strange)
{
  GstVideoClassifyMeta *meta = gst_buffer_get_video_classify_meta (buffer, NULL);
  const GstVideoClassifyClass *c;
  gdouble before = 2;

  g_assert_nonnull (meta);
  g_assert_cmpuint (gst_video_classify_result_get_n_classes (meta->result), ==,
      3 + strange);
  for (guint i = 0; (c = gst_video_classify_result_get_class (meta->result, i));
      i++) {
    if (strange && i == 0) {
      g_assert_cmpstr (c->label, ==, "nothing");
      g_assert_cmpint (c->index, ==, -1);
      g_assert_cmpfloat (c->score, ==, 1);
      continue;
    }
    g_assert_cmpint (c->index, ==, c->label[0] - 'a');
    g_assert_cmpfloat (c->score, <=, before);
    before = c->score;
  }
  gst_buffer_unref (buffer);
}

/* Clips with and without a class take turns; scores are what they would be. */
static void
test_results (gconstpointer data)
{
  gboolean overlap = GPOINTER_TO_INT (data);
  const gchar *properties = overlap ? "top-k=0 clip-stride=1" : "top-k=0";
  Stream s, plain;

  stream_init (&s, by_distance, properties);
  stream_init (&plain, without, properties);
  for (guint round = 0; round < 4; round++) {
    gboolean strange = round % 2;

    /* So long that the newest clip has one picture only. */
    check_result (play (&s, strange, 4 * CLIP), strange);
    check_result (play (&plain, strange, 4 * CLIP), FALSE);
    for (guint i = 0; i < 3; i++)
      g_assert_cmpfloat (get_score (&s, i + strange), ==, get_score (&plain, i));
  }
  if (!overlap)
    g_assert_cmpint (strspn (plain.labels->str, "abc"), ==, plain.labels->len);
  g_assert_nonnull (strchr (s.labels->str, 'n'));
  stream_clear (&s);
  stream_clear (&plain);
}

/* With top-k=1 there is one answer, as ever; a threshold is for classes. */
static void
test_top (void)
{
  Stream s;
  GstBuffer *buffer;
  GstVideoClassifyMeta *meta;

  stream_init (&s, by_distance, "top-k=1 threshold=1");
  buffer = play (&s, TRUE, 2 * CLIP);
  meta = gst_buffer_get_video_classify_meta (buffer, NULL);
  g_assert_cmpuint (gst_video_classify_result_get_n_classes (meta->result), ==,
      1);
  g_assert_cmpstr (gst_video_classify_result_get_class (meta->result, 0)->label,
      ==, "nothing");
  gst_buffer_unref (buffer);
  stream_clear (&s);
}

/* Nothing is an event in clips of no class, with thresholds under which all else is. */
static void
test_events (gconstpointer data)
{
  const gchar *properties = data;
  Stream s, plain;

  stream_init (&s, by_distance, properties);
  gst_buffer_unref (play (&s, TRUE, 6 * CLIP));
  gst_harness_push_event (s.h, gst_event_new_eos ());
  read_bus (&s);
  g_assert_cmpuint (s.labels->len, >=, 5);
  g_assert_cmpuint (strspn (s.labels->str, "n"), ==, s.labels->len);
  stream_clear (&s);

  stream_init (&plain, without, properties);
  gst_buffer_unref (play (&plain, TRUE, 6 * CLIP));
  g_assert_nonnull (strchr (plain.labels->str, 'E'));
  stream_clear (&plain);

  /* The action ends where clips have no class, and can be reported anew. */
  stream_init (&s, by_distance, properties);
  for (guint round = 0; round < 3; round++) {
    guint events = 0;

    g_string_truncate (s.labels, 0);
    gst_buffer_unref (play (&s, FALSE, 6 * CLIP));
    gst_buffer_unref (play (&s, TRUE, 6 * CLIP));
    for (const gchar * p = s.labels->str; (p = strchr (p, 'E')); p++)
      events++;
    g_assert_cmpuint (events, ==, 1);
  }
  stream_clear (&s);
}

/* A clip of no class among others is outvoted, with smoothing. */
static void
test_smoothing (void)
{
  Stream s;

  stream_init (&s, by_distance, "smoothing=median smoothing-window=5");
  gst_buffer_unref (play (&s, FALSE, 5 * CLIP));
  gst_buffer_unref (play (&s, TRUE, CLIP));
  gst_buffer_unref (play (&s, FALSE, 3 * CLIP));
  g_assert_null (strchr (s.labels->str, 'n'));
  stream_clear (&s);
  stream_init (&s, by_distance, "");
  gst_buffer_unref (play (&s, FALSE, 5 * CLIP));
  gst_buffer_unref (play (&s, TRUE, CLIP));
  gst_buffer_unref (play (&s, FALSE, 3 * CLIP));
  g_assert_nonnull (strchr (s.labels->str, 'n'));
  stream_clear (&s);
}

/* By margin, and the summary: most clips have no class, so the video has none. */
static void
test_margin (void)
{
  const GValue *indices;
  GstMessage *message;
  Stream s;

  stream_init (&s, by_margin, "top-k=2");
  gst_buffer_unref (play (&s, FALSE, 4 * CLIP));
  g_assert_cmpuint (s.labels->len, >=, 3);
  g_assert_cmpuint (strspn (s.labels->str, "n"), ==, s.labels->len);
  gst_harness_push_event (s.h, gst_event_new_eos ());
  while ((message = gst_bus_pop_filtered (s.bus, GST_MESSAGE_ELEMENT))) {
    if (gst_message_has_name (message, "videoclassify3d-summary"))
      break;
    gst_message_unref (message);
  }
  g_assert_nonnull (message);
  g_assert_cmpstr (gst_structure_get_string (gst_message_get_structure (message),
          "label"), ==, "nothing");
  indices = gst_structure_get_value (gst_message_get_structure (message),
      "indices");
  g_assert_cmpuint (gst_value_array_get_size (indices), ==, 2);
  g_assert_cmpint (g_value_get_int (gst_value_array_get_value (indices, 0)), ==,
      -1);
  g_assert_cmpint (g_value_get_int (gst_value_array_get_value (indices, 1)), >=,
      0);
  gst_message_unref (message);
  stream_clear (&s);
}

/* Models with and without a rule take over from each other, of other features too. */
static void
test_swap (void)
{
  gchar **files[] = { &without, &by_margin, &by_distance, &without };
  const gchar *expected[] = { "abc", "n", "n", "abc" };
  Stream s;

  stream_init (&s, by_distance, "");
  gst_buffer_unref (play (&s, TRUE, 2 * CLIP));
  for (guint k = 0; k < G_N_ELEMENTS (files); k++) {
    g_string_truncate (s.labels, 0);
    g_object_set (s.element, "model-file", *files[k], NULL);
    for (guint i = 0; strchr (s.labels->str, '>') == NULL; i++) {
      g_assert_cmpuint (i, <, 20000);
      gst_buffer_unref (play (&s, TRUE, 1));
      g_usleep (500);
    }
    g_string_truncate (s.labels, 0);
    gst_buffer_unref (play (&s, TRUE, 3 * CLIP));
    g_assert_cmpuint (s.labels->len, >=, 2);
    g_assert_cmpuint (strspn (s.labels->str, expected[k]), ==, s.labels->len);
  }
  stream_clear (&s);
}

/* Several streams share an engine, and clips of both kinds run as one batch. */
static void
test_shared (void)
{
  Stream s[3];

  for (guint i = 0; i < 3; i++)
    stream_init (&s[i], by_distance, "top-k=0");
  for (guint round = 0; round < 3 * CLIP; round++)
    for (guint i = 0; i < 3; i++)
      gst_buffer_unref (play (&s[i], i == 1, 1));
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpuint (s[i].labels->len, >=, 2);
    g_assert_cmpuint (strspn (s[i].labels->str, i == 1 ? "n" : "abc"), ==,
        s[i].labels->len);
    stream_clear (&s[i]);
  }
}

/* What elements downstream print. */
static void
test_json (void)
{
  g_autofree gchar *file = g_build_filename (folder, "lines.json", NULL);
  g_autofree gchar *launch = g_strdup_printf ("videotestsrc pattern=white "
      "num-buffers=40 ! video/x-raw,format=GRAY8,width=64,height=48,"
      "framerate=30/1 ! videoclassify3d threads=1 model-file=%s ! "
      "videoclassjson location=%s ! fakesink", by_distance, file);
  g_autoptr (GPtrArray) found = run_pipeline (launch, "videoclassify3d");
  g_autofree gchar *text = NULL;

  g_assert_cmpuint (found->len, >=, 1);
  g_assert_true (g_file_get_contents (file, &text, NULL, NULL));
  g_assert_nonnull (strstr (text,
          "\"classes\":[{\"label\":\"nothing\",\"index\":-1,\"score\":1.0}"));
  g_remove (file);
}

int
main (int argc, char **argv)
{
  gchar **files[] = { &by_distance, &by_margin, &without };
  int status;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("videoclassify3d-unknown-XXXXXX", NULL);
  by_distance = make_model ("distance", CNN3D_UNKNOWN_DISTANCE);
  by_margin = make_model ("margin", CNN3D_UNKNOWN_MARGIN);
  without = make_model ("without", -1);
  g_test_add_data_func ("/unknown/results", GINT_TO_POINTER (FALSE),
      test_results);
  g_test_add_data_func ("/unknown/results/overlap", GINT_TO_POINTER (TRUE),
      test_results);
  g_test_add_func ("/unknown/top", test_top);
  g_test_add_data_func ("/unknown/events", "events=once event-threshold=0 "
      "event-lead=0", test_events);
  g_test_add_data_func ("/unknown/events/hysteresis", "events=once "
      "event-threshold=0 event-hysteresis=1 event-lead=0", test_events);
  g_test_add_data_func ("/unknown/events/smoothing", "events=once "
      "event-threshold=0 event-lead=0 smoothing=ewma smoothing-window=3",
      test_events);
  g_test_add_func ("/unknown/smoothing", test_smoothing);
  g_test_add_func ("/unknown/margin", test_margin);
  g_test_add_func ("/unknown/swap", test_swap);
  g_test_add_func ("/unknown/shared", test_shared);
  g_test_add_func ("/unknown/json", test_json);
  status = g_test_run ();
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_remove (*files[i]);
    g_free (*files[i]);
  }
  g_rmdir (folder);
  g_free (folder);
  return status;
}
