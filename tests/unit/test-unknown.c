/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clips of no class: what the rules measure, by hand; how they are fitted; how a model file keeps them. */

#include <glib/gstdio.h>
#include <math.h>

#include "lib3dcnn/3dcnn.h"
#include "lib3dcnn/io/unknown.h"
#include "lib3dcnn/model-private.h"

static char *folder; /* for files that tests write */

#define LEARN CNN3D_UNKNOWN_LEARN
#define JUDGE CNN3D_UNKNOWN_JUDGE
#define BOTH (LEARN | JUDGE)

static void
check_near (double x, double expected)
{
  g_assert_cmpfloat (fabs (x - expected), <=, 1e-5 * MAX (fabs (expected), 1));
}

static void
test_margin (void)
{
  const float logits[] = { logf (3), logf (6), logf (1) };
  Cnn3dUnknown u = { CNN3D_UNKNOWN_MARGIN, (char *) "unknown", 0.29 };
  const float broken[] = { NAN, 1, 0 }, endless[] = { INFINITY, INFINITY, 0 };

  g_assert_false (cnn3d_unknown_needs_features (&u));
  check_near (cnn3d_unknown_measure (&u, logits, 3, NULL), 0.3);
  g_assert_false (cnn3d_unknown_judge (&u, logits, 3, NULL));
  u.threshold = 0.31;
  g_assert_true (cnn3d_unknown_judge (&u, logits, 3, NULL));
  /* One class leads nothing, and two that are equal do not lead. */
  check_near (cnn3d_unknown_measure (&u, logits, 1, NULL), 1);
  check_near (cnn3d_unknown_measure (&u, (float[]){ 7, 7 }, 2, NULL), 0);
  check_near (cnn3d_unknown_measure (&u, (float[]){ -1000, 1000 }, 2, NULL), 1);
  u.threshold = 0;
  g_assert_true (cnn3d_unknown_judge (&u, broken, 3, NULL));
  g_assert_true (cnn3d_unknown_judge (&u, endless, 3, NULL));
  g_assert_false (cnn3d_unknown_judge (NULL, logits, 3, NULL));
  g_assert_false (cnn3d_unknown_needs_features (NULL));
}

static void
test_distance (void)
{
  float means[] = { 0, 0, 10, 20 }, variances[] = { 4, 1 };
  const float features[] = { 6, 4 }, broken[] = { NAN, 0 };
  const float first[] = { 1, 0 }, second[] = { 0, 1 };
  Cnn3dUnknown u = { CNN3D_UNKNOWN_DISTANCE, (char *) "unknown", 4, 2, 2, means, variances };
  g_autoptr (Cnn3dUnknown) copy = cnn3d_unknown_copy (&u);

  g_assert_true (cnn3d_unknown_needs_features (&u));
  /* (36 / 4 + 16) / 2, and (16 / 4 + 256) / 2: from the class with the largest logit. */
  check_near (cnn3d_unknown_measure (&u, first, 2, features), sqrt (12.5));
  check_near (cnn3d_unknown_measure (&u, second, 2, features), sqrt (130));
  g_assert_false (cnn3d_unknown_judge (&u, first, 2, features));
  g_assert_true (cnn3d_unknown_judge (&u, second, 2, features));
  g_assert_true (cnn3d_unknown_judge (&u, first, 2, broken));
  means[2] = 11;
  check_near (cnn3d_unknown_measure (copy, second, 2, features), sqrt (130));
}

/* Two features of two classes with two videos each: variances 1 and 4 about the means (1, 0) and (10, 6). */
static const float by_hand[] = { 0, 0, 2, 0, 10, 4, 10, 8 };

static Cnn3dUnknown *
fit_by_hand (const int *uses, double quantile, int *n_judged)
{
  static const int targets[] = { 0, 0, 1, 1 }, videos[] = { 0, 1, 2, 3 };
  Cnn3dUnknownClips clips = { 4, 2, 2, .features = by_hand, .targets = targets, .videos = videos, .uses = uses };
  g_autoptr (GError) error = NULL;
  Cnn3dUnknown *u = cnn3d_unknown_fit (CNN3D_UNKNOWN_DISTANCE, &clips, quantile, n_judged, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (u->label, ==, "unknown");
  return u;
}

static void
test_fit_distance (void)
{
  static const int both[] = { BOTH, BOTH, BOTH, BOTH }, learn[] = { LEARN, LEARN, LEARN, LEARN };
  /*
   * Leaving out a clip of the first class leaves variances 0 and 8, drawn to 0.4 and 7.6, and its
   * distance of 2 is sqrt (4 / 0.4 / 2); of the second 2 and 0, drawn to 1.9 and 0.1: sqrt (16 / 0.1 / 2).
   */
  static const struct {
    double quantile, squared;
  } cases[] = { { 0.1, 5 }, { 0.4, 5 }, { 0.41, 80 }, { 0.95, 80 }, { 1, 80 } };
  g_autoptr (Cnn3dUnknown) strict = NULL;
  int n;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (Cnn3dUnknown) u = fit_by_hand (both, cases[i].quantile, &n);
    const float means[] = { 1, 0, 10, 6 };

    g_assert_cmpint (n, ==, 4);
    check_near (u->threshold * u->threshold, cases[i].squared);
    for (int k = 0; k < 4; k++)
      check_near (u->means[k], means[k]);
    check_near (u->variances[0], 0.9 * 1 + 0.1 * 2.5);
    check_near (u->variances[1], 0.9 * 4 + 0.1 * 2.5);
  }
  /* Nothing to be judged: by the clips themselves. */
  strict = fit_by_hand (learn, 1, &n);
  g_assert_cmpint (n, ==, 0);
  check_near (strict->threshold * strict->threshold, MAX (1 / 1.15, 4 / 3.85) / 2);
}

/* Clips that are judged only change neither means nor variances; those of one video are left out together. */
static void
test_fit_uses (void)
{
  const float features[] = { 0, 2, 4, 100, 7, 9, 50 };
  const int targets[] = { 0, 0, 0, 0, 1, 1, 1 }, videos[] = { 5, 1, 1, 9, 2, 3, 4 };
  int uses[] = { LEARN, BOTH, LEARN, JUDGE, LEARN, LEARN, JUDGE };
  Cnn3dUnknownClips clips = { 7, 2, 1, .features = features, .targets = targets, .videos = videos, .uses = uses };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dUnknown) u = cnn3d_unknown_fit (CNN3D_UNKNOWN_DISTANCE, &clips, 0.2, NULL, &error);
  g_autoptr (Cnn3dUnknown) most = NULL;
  int n;

  g_assert_no_error (error);
  /* Squares about the means 2 and 8 are 8 and 2, of 5 clips and 2 classes. */
  check_near (u->means[0], 2);
  check_near (u->means[1], 8);
  check_near (u->variances[0], 10.0 / 3);
  /* Without video 1 the first class is at 0, and the variance is that of the second, 2 of 3 clips. */
  check_near (u->threshold, 2 / sqrt (2));
  most = cnn3d_unknown_fit (CNN3D_UNKNOWN_DISTANCE, &clips, 1, &n, &error);
  g_assert_cmpint (n, ==, 3);
  check_near (most->threshold, 98 / sqrt (10.0 / 3));
  /* A class all of whose clips are of one video leaves nothing to judge that by. */
  uses[0] = 0;
  g_clear_pointer (&most, cnn3d_unknown_free);
  most = cnn3d_unknown_fit (CNN3D_UNKNOWN_DISTANCE, &clips, 1, &n, &error);
  g_assert_cmpint (n, ==, 2);
}

static void
test_fit_margin (void)
{
  float logits[20];
  int targets[10] = { 0 }, videos[10] = { 0 }, uses[10];
  Cnn3dUnknownClips clips = { 10, 2, 0, .logits = logits, .targets = targets, .videos = videos, .uses = uses };
  g_autoptr (GError) error = NULL;
  int n;

  /* Margins of 0.0, 0.1, ..., 0.9, of which those of even clips count. */
  for (int i = 0; i < 10; i++) {
    logits[2 * i] = logf ((float) (1 + 0.1 * i));
    logits[2 * i + 1] = logf ((float) (1 - 0.1 * i));
    uses[i] = i % 2 ? LEARN : JUDGE;
  }
  for (int k = 1; k <= 5; k++) {
    g_autoptr (Cnn3dUnknown) u =
        cnn3d_unknown_fit (CNN3D_UNKNOWN_MARGIN, &clips, MIN (k / 6.0, 1), &n, &error);

    g_assert_cmpint (n, ==, 5);
    check_near (u->threshold, 0.2 * (5 - k));
    g_assert_null (u->means);
  }
}

static void
test_fit_errors (void)
{
  float features[] = { 1, 2, 1, 2, 1, 2, 1, 2 };
  static const int targets[] = { 0, 0, 1, 1 }, videos[] = { 0, 1, 2, 3 }, both[] = { BOTH, BOTH, BOTH, BOTH };
  static const int none[] = { BOTH, BOTH, JUDGE, JUDGE }, one[] = { BOTH, JUDGE, JUDGE, BOTH };
  Cnn3dUnknownClips clips = { 4, 2, 2, .features = features, .targets = targets, .videos = videos, .uses = both };
  g_autoptr (GError) error = NULL;

  g_assert_null (cnn3d_unknown_fit (CNN3D_UNKNOWN_DISTANCE, &clips, 0.95, NULL, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "do not differ"));
  g_clear_error (&error);
  features[0] = 3;
  clips.uses = none;
  g_assert_null (cnn3d_unknown_fit (CNN3D_UNKNOWN_DISTANCE, &clips, 0.95, NULL, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "class 1"));
  g_clear_error (&error);
  clips.uses = one;
  g_assert_null (cnn3d_unknown_fit (CNN3D_UNKNOWN_DISTANCE, &clips, 0.95, NULL, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
}

static void
test_names (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dUnknownRule rule;

  for (int i = CNN3D_UNKNOWN_MARGIN; i <= CNN3D_UNKNOWN_DISTANCE; i++) {
    g_assert_true (cnn3d_unknown_rule_from_name (cnn3d_unknown_rule_get_name ((Cnn3dUnknownRule) i), &rule, &error));
    g_assert_cmpint (rule, ==, i);
  }
  g_assert_false (cnn3d_unknown_rule_from_name ("entropy", &rule, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG);
}

/* A tiny network of three classes with a rule; the threshold takes three characters. */
static Cnn3dModel *
make_model (Cnn3dUnknownRule rule)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_MOBILENET, .width = 0.06, .classes = 3, .size = 32 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "unknown", &error);
  g_autoptr (Cnn3dCard) card = cnn3d_card_copy (cnn3d_model_get_card (model));
  int n = cnn3d_model_get_n_features (model);
  Cnn3dUnknown *u = card->unknown = g_new0 (Cnn3dUnknown, 1);

  card->labels = g_strsplit ("a,b,c", ",", -1);
  u->rule = rule;
  u->threshold = rule == CNN3D_UNKNOWN_MARGIN ? 0.5 : 1.5;
  u->label = g_strdup ("none");
  if (rule == CNN3D_UNKNOWN_DISTANCE) {
    u->n_classes = 3;
    u->n_features = n;
    u->means = g_new (float, 3 * n);
    u->variances = g_new (float, n);
    for (int k = 0; k < 3 * n; k++)
      u->means[k] = (float) k - 10.3f;
    for (int k = 0; k < n; k++)
      u->variances[k] = 0.1f + (float) k;
  }
  return cnn3d_model_with_card (model, card);
}

static void
check_same (const Cnn3dUnknown *a, const Cnn3dUnknown *b)
{
  gsize n = (gsize) b->n_features * sizeof (float);

  g_assert_nonnull (a);
  g_assert_cmpint (a->rule, ==, b->rule);
  g_assert_cmpstr (a->label, ==, b->label);
  g_assert_cmpfloat (a->threshold, ==, b->threshold);
  g_assert_cmpint (a->n_classes, ==, b->n_classes);
  g_assert_cmpint (a->n_features, ==, b->n_features);
  g_assert_cmpmem (a->means, (gsize) a->n_classes * n, b->means, (gsize) b->n_classes * n);
  g_assert_cmpmem (a->variances, n, b->variances, n);
}

static void
test_files (gconstpointer data)
{
  Cnn3dUnknownRule rule = (Cnn3dUnknownRule) GPOINTER_TO_INT (data);
  g_autofree char *path = g_build_filename (folder, "rule.safetensors", NULL);
  g_autofree char *without = g_build_filename (folder, "without.safetensors", NULL);
  g_autofree char *labels = g_build_filename (folder, "labels.txt", NULL);
  g_autofree char *onnx = g_build_filename (folder, "rule.onnx", NULL), *content = NULL;
  g_autoptr (Cnn3dModel) model = make_model (rule), loaded = NULL, half = NULL, again = NULL, none = NULL;
  const Cnn3dUnknown *u = cnn3d_model_get_card (model)->unknown;
  g_autoptr (Cnn3dCard) card = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dLoadOptions options = { .labels_file = labels };
  gsize size;

  g_assert_true (cnn3d_model_save (model, path, &error));
  loaded = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);
  check_same (cnn3d_model_get_card (loaded)->unknown, u);
  g_assert_true (cnn3d_model_verify (loaded, &error));
  /* As float16, weights are rounded; means and variances are not. */
  half = cnn3d_model_to_half (loaded);
  g_assert_true (cnn3d_model_save (half, path, &error));
  again = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);
  check_same (cnn3d_model_get_card (again)->unknown, u);
  /* Other labels leave it. */
  g_assert_true (g_file_set_contents (labels, "x\ny\nz\n", -1, &error));
  g_clear_pointer (&again, cnn3d_model_unref);
  again = cnn3d_model_load (path, &options, &error);
  g_assert_no_error (error);
  check_same (cnn3d_model_get_card (again)->unknown, u);
  g_assert_cmpstr (cnn3d_model_get_label (again, 0), ==, "x");
  g_assert_true (g_file_set_contents (labels, "x\nnone\nz\n", -1, &error));
  g_assert_null (cnn3d_model_load (path, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, labels));
  g_assert_nonnull (strstr (error->message, "'none'"));
  g_clear_error (&error);
  /* ONNX has room for the margin; a distance would be of features that it does not give. */
  g_assert_true (cnn3d_model_export_onnx (loaded, onnx, &error));
  g_assert_true (g_file_get_contents (onnx, &content, &size, &error));
  g_assert_true ((memmem (content, size, "3dcnn.unknown", 13) != NULL) == (rule == CNN3D_UNKNOWN_MARGIN));
  /* It can be taken away. */
  card = cnn3d_card_copy (cnn3d_model_get_card (loaded));
  g_clear_pointer (&card->unknown, cnn3d_unknown_free);
  none = cnn3d_model_with_card (loaded, card);
  g_assert_true (cnn3d_model_save (none, without, &error));
  g_clear_pointer (&again, cnn3d_model_unref);
  again = cnn3d_model_load (without, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (cnn3d_model_get_card (again)->unknown);
}

/* What is said of the file after `from` became `to`, which is as long, or after 4 bytes at `place` became value. */
static void
check_refused (Cnn3dUnknownRule rule, const char *from, const char *to, gssize place, float value,
    const char *said, const char *also)
{
  g_autofree char *path = g_build_filename (folder, "hostile.safetensors", NULL);
  g_autoptr (Cnn3dModel) model = make_model (rule), loaded = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *data = NULL;
  gsize size;

  g_assert_true (cnn3d_model_save (model, path, &error));
  g_assert_true (g_file_get_contents (path, &data, &size, &error));
  if (from != NULL) {
    char *at = memmem (data, size, from, strlen (from));

    g_assert_cmpuint (strlen (from), ==, strlen (to));
    g_assert_nonnull (at);
    memcpy (at, to, strlen (to));
  } else {
    memcpy (data + (gssize) size + place, &value, sizeof value);
  }
  g_assert_true (g_file_set_contents (path, data, (gssize) size, &error));
  loaded = cnn3d_model_load (path, NULL, &error);
  g_assert_null (loaded);
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_true (error->domain == CNN3D_ERROR);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, said));
  g_assert_nonnull (strstr (error->message, also));
}

static void
test_hostile (void)
{
  static const char *const thresholds[] = { "nan", "inf", "-.5", "abc", "   ", "0x ", "[1]" };
  const Cnn3dUnknownRule margin = CNN3D_UNKNOWN_MARGIN, distance = CNN3D_UNKNOWN_DISTANCE;

  for (guint i = 0; i < G_N_ELEMENTS (thresholds); i++) {
    g_autofree char *to = g_strdup_printf ("unknown.threshold\":\"%s\"", thresholds[i]);

    check_refused (margin, "unknown.threshold\":\"0.5\"", to, 0, 0, "3dcnn.unknown.threshold", "from 0");
    check_refused (distance, "unknown.threshold\":\"1.5\"", to, 0, 0, "3dcnn.unknown.threshold", "from 0");
  }
  check_refused (margin, "unknown.threshold\":\"0.5\"", "unknown.threshold\":\"1.1\"", 0, 0,
      "3dcnn.unknown.threshold", "from 0 to 1");
  for (int rule = margin; rule <= (int) distance; rule++)
    check_refused ((Cnn3dUnknownRule) rule, "3dcnn.unknown.threshold", "3dcnn.unknown.threshole", 0, 0,
        "3dcnn.unknown.threshold", "a number");
  check_refused (margin, "3dcnn.unknown\":\"margin\"", "3dcnn.unknown\":\"Margin\"", 0, 0, "3dcnn.unknown is 'Margin'",
      "margin or distance");
  check_refused (margin, "3dcnn.unknown\":\"margin\"", "3dcnn.unknown\":[\"marg\"]", 0, 0, "3dcnn.unknown", "text");
  check_refused (margin, "unknown.label\":\"none\"", "unknown.label\":\"\"    ", 0, 0, "unknown.label",
      "none of the labels");
  check_refused (margin, "unknown.label\":\"none\"", "unknown.label\":\"a\"   ", 0, 0, "unknown.label",
      "none of the labels");
  /* Tensors without a rule, a rule without tensors, others of another shape or type. */
  check_refused (distance, "3dcnn.unknown\":\"distance\"", "3dcnn.unknowm\":\"distance\"", 0, 0, "unknown.means",
      "no place");
  check_refused (distance, "\"unknown.means\"", "\"unknown.moans\"", 0, 0, "unknown.means", "missing");
  check_refused (distance, "\"unknown.variances\"", "\"unknown.variancez\"", 0, 0, "unknown.variances", "missing");
  check_refused (distance, "\"unknown.means\":{\"dtype\":\"F32\"", "\"unknown.means\":{\"dtype\":\"I32\"", 0, 0,
      "unknown.means", "");
  check_refused (distance, "\"unknown.means\":{\"dtype\":\"F32\",\"shape\":[3,61]",
      "\"unknown.means\":{\"dtype\":\"F32\",\"shape\":[61,3]", 0, 0, "unknown.means", "[3, 61]");
  /* The last value of the variances, and of the means before them. */
  check_refused (distance, NULL, NULL, -4, NAN, "unknown.variances", "nan");
  check_refused (distance, NULL, NULL, -4, INFINITY, "unknown.variances", "above zero");
  check_refused (distance, NULL, NULL, -4, 0, "unknown.variances", "above zero");
  check_refused (distance, NULL, NULL, -4, -1, "unknown.variances", "-1");
  check_refused (distance, NULL, NULL, -4 * 62, NAN, "unknown.means", "finite");
  check_refused (distance, NULL, NULL, -4 * 62, -INFINITY, "unknown.means", "finite");
}

/* A network that is taught something else has no use for the old rule. */
static void
test_trainer (void)
{
  g_autoptr (Cnn3dModel) base = make_model (CNN3D_UNKNOWN_DISTANCE);
  g_autoptr (GError) error = NULL;
  Cnn3dTrainOptions options = { .portion = CNN3D_TRAIN_LAST_LAYER, .threads = 1 };

  for (int classes = 0; classes < 3; classes += 2) {
    g_autoptr (Cnn3dTrainer) trainer = cnn3d_trainer_new_from_model (base, classes, &options, &error);
    g_autoptr (Cnn3dModel) taught = NULL;

    g_assert_no_error (error);
    taught = cnn3d_trainer_to_model (trainer, NULL);
    g_assert_null (cnn3d_model_get_card (taught)->unknown);
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("3dcnn-unknown-XXXXXX", NULL);
  g_test_add_func ("/unknown/margin", test_margin);
  g_test_add_func ("/unknown/distance", test_distance);
  g_test_add_func ("/unknown/fit/distance", test_fit_distance);
  g_test_add_func ("/unknown/fit/uses", test_fit_uses);
  g_test_add_func ("/unknown/fit/margin", test_fit_margin);
  g_test_add_func ("/unknown/fit/errors", test_fit_errors);
  g_test_add_func ("/unknown/names", test_names);
  g_test_add_data_func ("/unknown/files/margin", GINT_TO_POINTER (CNN3D_UNKNOWN_MARGIN), test_files);
  g_test_add_data_func ("/unknown/files/distance", GINT_TO_POINTER (CNN3D_UNKNOWN_DISTANCE), test_files);
  g_test_add_func ("/unknown/hostile", test_hostile);
  g_test_add_func ("/unknown/trainer", test_trainer);
  status = g_test_run ();
  for (guint i = 0; i < 5; i++) {
    static const char *const files[] = { "rule.safetensors", "without.safetensors", "labels.txt",
      "hostile.safetensors", "rule.onnx" };
    g_autofree char *path = g_build_filename (folder, files[i], NULL);

    g_remove (path);
  }
  g_rmdir (folder);
  g_free (folder);
  return status;
}
