/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The engine of videoclassify3d: clips that overlap are run incrementally, with
 * the bytes of runs from scratch, whatever was announced and whatever was not;
 * features too, as the model's card needs them.
 */

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "gst/classifyengine.h"

#define FRAMES 16
#define N_POSITIONS 72

/* The bundled network with a rule for unknown clips. */
static gchar *model_file;

typedef struct
{
  GstClassifyEngineConfig config;
  GstClassifyEngine *engine;
  gsize frame_size;
  gint classes, n_features;
  guint8 *video;
  Cnn3dSession *sessions[2];    /* from scratch; at TRUE with a direct stem */
  gboolean direct;              /* which has the same kernels */
  gfloat *expected, *features;
  guint n_done, n_wrong;
} Test;

/* Compares a clip with a run from scratch; on the engine's thread. */
static void
on_done (gpointer data, const GstClassifyJob * job)
{
  Test *t = data;

  g_assert_no_error (job->error);
  g_assert_nonnull (job->features);
  cnn3d_session_run_rgb_features (t->sessions[t->direct], job->rgb, 1,
      t->expected, t->features, NULL);
  t->n_done++;
  t->n_wrong += memcmp (job->logits, t->expected,
      t->classes * sizeof (gfloat)) != 0
      || memcmp (job->features, t->features,
      t->n_features * sizeof (gfloat)) != 0;
}

static void
set_up (Test * t, gconstpointer data)
{
  Cnn3dSessionOptions options = {.threads = 1 };
  Cnn3dModel *model;

  t->config = (GstClassifyEngineConfig) {.model_file = model_file,.threads = 2,
    .clip_stride = GPOINTER_TO_UINT (data)
  };
  t->engine = gst_classify_engine_get (&t->config, NULL);
  g_assert_nonnull (t->engine);
  model = gst_classify_engine_get_model (t->engine);
  t->classes = cnn3d_model_get_config (model)->classes;
  t->frame_size = (gsize) 3 * cnn3d_model_get_config (model)->size
      * cnn3d_model_get_config (model)->size;
  t->video = g_malloc (N_POSITIONS * t->frame_size);
  for (gsize i = 0; i < N_POSITIONS * t->frame_size; i++)
    t->video[i] = (guint8) (i * 2654435761u >> 24);
  t->expected = g_new (gfloat, t->classes);
  t->n_features = cnn3d_model_get_n_features (model);
  t->features = g_new (gfloat, t->n_features);
  for (guint i = 0; i < G_N_ELEMENTS (t->sessions); i++) {
    options.direct_stem = i;
    t->sessions[i] = cnn3d_session_new (model, &options, NULL);
  }
}

static void
tear_down (Test * t, gconstpointer data)
{
  gst_classify_engine_unref (t->engine);
  for (guint i = 0; i < G_N_ELEMENTS (t->sessions); i++)
    cnn3d_session_unref (t->sessions[i]);
  g_free (t->video);
  g_free (t->expected);
  g_free (t->features);
}

/* A video with gaps and cuts, of which some frames are announced. */
static void
play (Test * t, guint clip_stride, gint announced_percent, gboolean wait)
{
  GstClassifyClient *client = gst_classify_client_new (t->engine, clip_stride,
      on_done, NULL, t);
  gint64 position = 0, begin = 0;
  guint due = FRAMES, submitted = 0, dropped = 0;

  t->direct = clip_stride > 0
      && cnn3d_stream_wants_direct_stem (clip_stride);
  t->n_done = t->n_wrong = 0;
  g_assert_true (gst_classify_client_wants_frames (client) == (clip_stride > 0
          && clip_stride <= FRAMES / 2));
  for (; position < N_POSITIONS; position++) {
    GstClassifyJob *job;

    if (g_random_int_range (0, 40) == 0) {
      /* As a window does that begins anew. */
      position = begin = position + 2 * FRAMES;
      due = FRAMES;
      if (position >= N_POSITIONS)
        break;
    }
    if (g_random_int_range (0, 100) < announced_percent)
      gst_classify_client_announce (client,
          t->video + position * t->frame_size, position);
    if (position + 1 - begin < due)
      continue;
    due += MAX (clip_stride, 1);
    job = gst_classify_client_begin (client);
    memcpy (job->rgb, t->video + (position + 1 - FRAMES) * t->frame_size,
        FRAMES * t->frame_size);
    job->position = g_random_int_range (0, 8) ? position + 1 - FRAMES : -1;
    dropped += gst_classify_client_submit (client, job,
        wait ? GST_CLASSIFY_SUBMIT_DONE : GST_CLASSIFY_SUBMIT_NEWEST);
    submitted++;
  }
  gst_classify_client_drain (client);
  g_assert_cmpuint (t->n_done + dropped, ==, submitted);
  if (wait)
    g_assert_cmpuint (dropped, ==, 0);
  g_assert_cmpuint (t->n_wrong, ==, 0);
  gst_classify_client_free (client);
}

static void
test_equal (Test * t, gconstpointer data)
{
  static const gint percents[] = { 100, 70, 0 };

  for (guint i = 0; i < G_N_ELEMENTS (percents); i++)
    for (gint wait = FALSE; wait <= TRUE; wait++)
      play (t, t->config.clip_stride, percents[i], wait);
}

/* The elements of a process have one engine, with clips near and far. */
static void
test_shared (Test * t, gconstpointer data)
{
  GstClassifyEngineConfig far = t->config;
  GstClassifyEngine *engine;
  g_autofree gchar *path = g_strdup (model_file);

  far.model_file = path;
  far.clip_stride = 0;
  engine = gst_classify_engine_get (&far, NULL);
  g_assert_true (engine == t->engine);
  play (t, 0, 100, TRUE);
  play (t, t->config.clip_stride, 100, TRUE);
  play (t, 8, 100, TRUE);
  gst_classify_engine_unref (engine);
}

static void
make_model (void)
{
  g_autofree gchar *path = cnn3d_model_find ("shufflenet", NULL);
  g_autoptr (Cnn3dModel) model = NULL, ruled = NULL;
  g_autoptr (Cnn3dCard) card = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dUnknown *u;

  g_assert_nonnull (path);
  model = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);
  card = cnn3d_card_copy (cnn3d_model_get_card (model));
  u = card->unknown = g_new0 (Cnn3dUnknown, 1);
  *u = (Cnn3dUnknown) { CNN3D_UNKNOWN_DISTANCE, g_strdup ("unknown"), 1,
    cnn3d_model_get_config (model)->classes,
    cnn3d_model_get_n_features (model)
  };
  u->means = g_new0 (gfloat, u->n_classes * u->n_features);
  u->variances = g_new (gfloat, u->n_features);
  for (gint k = 0; k < u->n_features; k++)
    u->variances[k] = 1;
  ruled = cnn3d_model_with_card (model, card);
  model_file = g_build_filename (g_get_tmp_dir (), "3dcnn-engine-XXXXXX", NULL);
  g_close (g_mkstemp (model_file), NULL);
  cnn3d_model_save (ruled, model_file, &error);
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  static const guint strides[] = { 1, 2, 4, 8 };
  int status;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  make_model ();
  for (guint i = 0; i < G_N_ELEMENTS (strides); i++) {
    g_autofree gchar *name = g_strdup_printf ("/engine/equal/%u", strides[i]);
    g_test_add (name, Test, GUINT_TO_POINTER (strides[i]), set_up, test_equal,
        tear_down);
  }
  g_test_add ("/engine/shared", Test, GUINT_TO_POINTER (5), set_up, test_shared,
      tear_down);
  status = g_test_run ();
  g_remove (model_file);
  g_free (model_file);
  return status;
}
