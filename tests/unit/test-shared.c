/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The authors' published Jester checkpoint on six webcam clips, whose logits PyTorch gave, in each precision
 * that this CPU has. Neither may
 * be part of this project; they are looked for in $CNN3D_SHARED or in shared/ next to the sources.
 */

#include <json-glib/json-glib.h>
#include <math.h>

#include "lib3dcnn/3dcnn.h"
#include "lib3dcnn/model-private.h"

static const struct {
  Cnn3dBackend backend;
  Cnn3dPrecision precision;
  double tolerance; /* of the largest logit */
} ways[] = {
  { CNN3D_BACKEND_REFERENCE, CNN3D_PRECISION_FP32, 1e-4 },
  { CNN3D_BACKEND_CPU, CNN3D_PRECISION_FP32, 1e-4 },
  { CNN3D_BACKEND_CPU, CNN3D_PRECISION_BF16X3, 1e-4 },
  { CNN3D_BACKEND_CPU, CNN3D_PRECISION_BF16, CNN3D_BF16_TOLERANCE },
};

/* Clips whose best class was another than PyTorch's. */
static int n_others[G_N_ELEMENTS (ways)];

static guint
best_of (const float *logits)
{
  guint best = 0;

  for (guint c = 1; c < 27; c++)
    best = logits[c] > logits[best] ? c : best;
  return best;
}

static void
check_clip (Cnn3dModel *model, const char *base)
{
  g_autofree char *frames = g_strdup_printf ("%s.rgb16x112x112x3.u8", base);
  g_autofree char *json = g_strdup_printf ("%s.json", base), *rgb = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  JsonArray *expected;
  gsize size;

  g_assert_true (g_file_get_contents (frames, &rgb, &size, &error));
  g_assert_cmpuint (size, ==, 16 * 112 * 112 * 3);
  g_assert_true (json_parser_load_from_file (parser, json, &error));
  expected =
      json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "logits");

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    Cnn3dSessionOptions options = { .backend = ways[i].backend, .precision = ways[i].precision };
    g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, &error);
    double worst = 0, largest = 0;
    float logits[27], wanted[27];

    if (session == NULL && ways[i].precision != CNN3D_PRECISION_FP32) {
      g_test_message ("not tried: %s", error->message);
      g_clear_error (&error);
      continue;
    }
    g_assert_no_error (error);
    g_assert_true (cnn3d_session_run_rgb (session, (const guint8 *) rgb, 1, logits, &error));
    for (guint c = 0; c < 27; c++) {
      double e = json_array_get_double_element (expected, c);
      largest = MAX (largest, fabs (e));
      worst = MAX (worst, fabs (e - logits[c]));
      wanted[c] = (float) e;
    }
    g_test_message ("%s: %.1e of the largest logit", cnn3d_session_describe (session), worst / largest);
    g_assert_cmpfloat (worst, <=, ways[i].tolerance * largest);
    n_others[i] += best_of (logits) != best_of (wanted);
  }
}

static void
test_checkpoint (void)
{
  const char *shared = g_getenv ("CNN3D_SHARED") ? g_getenv ("CNN3D_SHARED") : g_getenv ("CNN3D_SHARED_DEFAULT");
  g_autofree char *path = g_build_filename (shared ? shared : "", "checkpoints",
      "jester_shufflenet_0.5x_G3_RGB_16_best.pth", NULL);
  g_autofree char *clips = g_build_filename (shared ? shared : "", "clips", NULL);
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;
  const char *file;
  int n = 0;

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("the published checkpoint is not there (set CNN3D_SHARED)");
    return;
  }
  model = cnn3d_model_load (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_model_get_config (model)->arch, ==, CNN3D_ARCH_SHUFFLENET);
  g_assert_cmpfloat (cnn3d_model_get_config (model)->width, ==, 0.5);
  g_assert_cmpint (cnn3d_model_get_config (model)->groups, ==, 3);
  g_assert_cmpint (cnn3d_model_get_config (model)->classes, ==, 27);

  dir = g_dir_open (clips, 0, &error);
  g_assert_no_error (error);
  while ((file = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (file, ".json")) {
      g_autofree char *base = g_strdup_printf ("%s/%.*s", clips, (int) strlen (file) - 5, file);
      check_clip (model, base);
      n++;
    }
  g_assert_cmpint (n, ==, 6);
  /* The two best classes of one clip are 0.1 % of the largest logit apart, which is less than bf16's error. */
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    g_assert_cmpint (n_others[i], <=, ways[i].precision == CNN3D_PRECISION_BF16 ? 1 : 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shared/jester", test_checkpoint);
  return g_test_run ();
}
