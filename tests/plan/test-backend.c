/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The CPU backend against the reference on networks of odd widths, sizes, lengths and classes; features too. */

#include <math.h>
#include <stdlib.h>

#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/model-private.h"
#include "lib3dcnn/session.h"
#include "lib3dcnn/train.h"

static const Cnn3dConfig configs[] = {
  { CNN3D_ARCH_MOBILENET, 0.3, .classes = 7, .frames = 8, .size = 64 },
  { CNN3D_ARCH_MOBILENET, 0.75, .classes = 27, .frames = 16, .size = 80 },
  { CNN3D_ARCH_MOBILENET, 1.25, .classes = 1, .frames = 9, .size = 113 },
  { CNN3D_ARCH_MOBILENET, 0.05, .classes = 1, .frames = 1, .size = 33 },
  { CNN3D_ARCH_MOBILENETV2, 0.3, .classes = 27, .frames = 32, .size = 113 },
  { CNN3D_ARCH_MOBILENETV2, 0.75, .classes = 7, .frames = 8, .size = 127 },
  { CNN3D_ARCH_MOBILENETV2, 1.25, .classes = 1, .frames = 5, .size = 80 },
  { CNN3D_ARCH_MOBILENETV2, 0.45, .classes = 27, .frames = 16, .size = 160 },
  { CNN3D_ARCH_SHUFFLENET, 0.3, .groups = 1, .classes = 7, .frames = 16, .size = 80 },
  { CNN3D_ARCH_SHUFFLENET, 0.6, .groups = 2, .classes = 27, .frames = 32, .size = 64 },
  { CNN3D_ARCH_SHUFFLENET, 1.25, .groups = 3, .classes = 1, .frames = 16, .size = 113 },
  { CNN3D_ARCH_SHUFFLENET, 0.5, .groups = 3, .classes = 27, .frames = 16, .size = 127 },
  { CNN3D_ARCH_SHUFFLENET, 0.75, .groups = 3, .classes = 7, .frames = 32, .size = 160 },
  { CNN3D_ARCH_SHUFFLENET, 1.0, .groups = 4, .classes = 1, .frames = 16, .size = 80 },
  { CNN3D_ARCH_SHUFFLENET, 1.0, .groups = 8, .classes = 27, .frames = 32, .size = 80 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 7, .frames = 8, .size = 160 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 27, .frames = 10, .size = 64 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 27, .frames = 9, .size = 64 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.5, .classes = 7, .frames = 32, .size = 64 },
  { CNN3D_ARCH_SHUFFLENETV2, 1.0, .classes = 27, .frames = 16, .size = 113 },
  { CNN3D_ARCH_SHUFFLENETV2, 1.5, .classes = 7, .frames = 3, .size = 127 },
  { CNN3D_ARCH_SQUEEZENET, .version = 10, .classes = 7, .frames = 8, .size = 64 },
  { CNN3D_ARCH_SQUEEZENET, .version = 11, .classes = 27, .frames = 8, .size = 113 },
  { CNN3D_ARCH_SQUEEZENET, .version = 11, .classes = 1, .frames = 32, .size = 80 },
};

/* One of each architecture. */
static const Cnn3dConfig networks[] = {
  { CNN3D_ARCH_SHUFFLENET, 0.5, .groups = 3, .classes = 3, .frames = 16, .size = 32 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 3, .frames = 16, .size = 32 },
  { CNN3D_ARCH_MOBILENET, 0.5, .classes = 3, .frames = 16, .size = 32 },
  { CNN3D_ARCH_MOBILENETV2, 0.2, .classes = 3, .frames = 16, .size = 32 },
  { CNN3D_ARCH_SQUEEZENET, .version = 11, .classes = 3, .frames = 32, .size = 80 },
};

/* Logits and, after them, features. */
static float *
run (Cnn3dModel *model, Cnn3dBackend backend, int threads, gboolean direct_stem, const float *clip)
{
  Cnn3dSessionOptions options = { .backend = backend, .threads = threads, .direct_stem = direct_stem };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, &error);
  int classes = cnn3d_model_get_config (model)->classes;
  g_autofree float *alone = g_new (float, classes);
  float *results = g_new (float, classes + cnn3d_model_get_n_features (model));

  g_assert_no_error (error);
  cnn3d_session_run (session, clip, 1, alone, &error);
  g_assert_no_error (error);
  cnn3d_session_run_features (session, clip, 1, results, results + classes, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (alone, (gsize) classes * sizeof (float), results, (gsize) classes * sizeof (float));
  return results;
}

static double
largest (const float *logits, int n)
{
  double l = 0;

  for (int c = 0; c < n; c++)
    l = MAX (l, fabs (logits[c]));
  return l;
}

static double
compare (const float *logits, const float *expected, int n)
{
  double scale = largest (expected, n), worst = 0;

  for (int c = 0; c < n; c++) {
    g_assert_true (isfinite (logits[c]));
    worst = MAX (worst, fabs ((double) logits[c] - expected[c]));
  }
  /* SqueezeNet's logits have been through a ReLU: all may be zero. */
  g_assert_cmpfloat (worst, <=, CNN3D_TOLERANCE * scale);
  return scale > 0 ? worst / scale : 0;
}

static void
test_config (gconstpointer data)
{
  static const int threads[] = { 1, 2, 3, 5 };
  const Cnn3dConfig *config = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (config, "odd", &error);
  g_autofree float *clip = NULL, *expected = NULL;
  guint further = g_getenv ("CNN3D_TEST_QUICK") != NULL ? 2 : 1;
  double worst = 0;

  g_assert_no_error (error);
  clip = g_new (float, 3 * config->frames * config->size * config->size);
  cnn3d_hash_clip (config, "odd", clip);
  expected = run (model, CNN3D_BACKEND_REFERENCE, 1, FALSE, clip);

  for (int i = 0; cnn3d_isa_get (i) != NULL; i++)
    for (guint t = (guint) i % further; t < G_N_ELEMENTS (threads); t += further) {
      g_autofree float *logits = NULL;
      double difference;

      setenv (CNN3D_ISA_ENV, cnn3d_isa_get (i)->isa, TRUE);
      logits = run (model, CNN3D_BACKEND_CPU, threads[t], t % 2, clip);
      difference = compare (logits, expected, config->classes);
      worst = MAX (worst, difference);
      compare (logits + config->classes, expected + config->classes, cnn3d_model_get_n_features (model));
    }
  g_test_message ("worst difference: %.2e of the largest logit (%g)", worst,
      largest (expected, config->classes));
}

/* The trainer keeps what the last layer reads as [channel][position], and shares no code with sessions. */
static void
test_features (gconstpointer data)
{
  Cnn3dTrainOptions options = { .portion = CNN3D_TRAIN_LAST_LAYER, .threads = 1 };
  const Cnn3dConfig *config = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (config, "odd", &error);
  g_autoptr (Cnn3dTrainer) trainer = NULL;
  g_autofree float *clip = NULL, *results = NULL, *features = NULL, *expected = NULL;
  int n, positions;

  g_assert_no_error (error);
  trainer = cnn3d_trainer_new_from_model (model, 2, &options, &error);
  g_assert_no_error (error);
  clip = g_new (float, 3 * config->frames * config->size * config->size);
  cnn3d_hash_clip (config, "odd", clip);
  features = g_new (float, cnn3d_trainer_get_n_features (trainer));
  g_assert_true (cnn3d_trainer_compute_features (trainer, clip, 1, features, &error));
  n = cnn3d_model_get_n_features (model);
  positions = (int) cnn3d_trainer_get_n_features (trainer) / n;
  g_assert_cmpint (positions > 1, ==, config->arch == CNN3D_ARCH_SQUEEZENET);
  expected = g_new0 (float, n);
  for (int i = 0; i < n * positions; i++)
    expected[i / positions] += features[i] / (float) positions;
  for (int b = CNN3D_BACKEND_CPU; b <= CNN3D_BACKEND_REFERENCE; b++) {
    results = (g_free (results), run (model, (Cnn3dBackend) b, 2, FALSE, clip));
    g_assert_cmpfloat (largest (expected, n), >, 0);
    compare (results + config->classes, expected, n);
  }
}

static void
test_unknown_isa (void)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_SHUFFLENETV2, .width = 0.25, .size = 32 };
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "odd", &error);

  setenv (CNN3D_ISA_ENV, "mmx", TRUE);
  g_assert_null (cnn3d_session_new (model, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "mmx"));
  unsetenv (CNN3D_ISA_ENV);
}

/* The option does choose another kernel, and both are right. */
static void
test_direct_stem (void)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_SHUFFLENET, .width = 0.5, .frames = 16, .size = 112 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "odd", &error);
  g_autofree float *clip = g_new (float, 3 * 16 * 112 * 112), *direct = NULL, *filtered = NULL;
  int classes;

  g_assert_no_error (error);
  classes = cnn3d_model_get_config (model)->classes;
  cnn3d_hash_clip (&config, "odd", clip);
  direct = run (model, CNN3D_BACKEND_CPU, 1, TRUE, clip);
  filtered = run (model, CNN3D_BACKEND_CPU, 1, FALSE, clip);
  g_assert_cmpint (memcmp (direct, filtered, (gsize) classes * sizeof (float)), !=, 0);
  g_test_message ("difference: %.2e of the largest logit", compare (filtered, direct, classes));
}

int
main (int argc, char **argv)
{
  /* Builds that repeat what another one has tested in full take every second network. */
  guint step = g_getenv ("CNN3D_TEST_QUICK") != NULL ? 2 : 1;

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (configs); i += step) {
    const Cnn3dConfig *c = &configs[i];
    g_autofree char *name = g_strdup_printf ("/backend/%s-%.2f-g%d-%d-%dx%d-%u",
        cnn3d_arch_get_name (c->arch), c->width, c->groups + c->version, c->classes, c->frames,
        c->size, i);
    g_test_add_data_func (name, c, test_config);
  }
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++) {
    g_autofree char *name = g_strdup_printf ("/backend/features/%s", cnn3d_arch_get_name (networks[i].arch));
    g_test_add_data_func (name, &networks[i], test_features);
  }
  g_test_add_func ("/backend/direct-stem", test_direct_stem);
  g_test_add_func ("/backend/unknown-isa", test_unknown_isa);
  return g_test_run ();
}
