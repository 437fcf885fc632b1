/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Compares every network of the paper with the figures that the authors' PyTorch definitions give
 * for the same weights (made by a hash of their names): state dict, complexity, module outputs on
 * the reference backend, and the logits on the backend, and in the precision, that the arguments name. With amx
 * as a third, products are by AMX' tiles, and of auto the stem's: the CPU's, or else emulated.
 */

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>

#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/reference.h"
#include "lib3dcnn/session.h"
#ifdef CNN3D_HAVE_BF16
#include "tests/kernels/amx-emulated.h"
#endif

static Cnn3dBackend backend;
static Cnn3dPrecision precision;
static gboolean emulated; /* which is slow */

typedef struct {
  JsonParser *parser;
  JsonObject *root;
  Cnn3dConfig config;
} Golden;

static void
golden_load (Golden *g, const char *path)
{
  g_autoptr (GError) error = NULL;

  g->parser = json_parser_new ();
  json_parser_load_from_file (g->parser, path, &error);
  g_assert_no_error (error);
  g->root = json_node_get_object (json_parser_get_root (g->parser));
  g->config = (Cnn3dConfig){ .width = json_object_get_double_member (g->root, "width"),
    .classes = (int) json_object_get_int_member (g->root, "classes"),
    .frames = (int) json_object_get_int_member (g->root, "frames"),
    .size = (int) json_object_get_int_member (g->root, "size") };
  if (!json_object_get_null_member (g->root, "groups"))
    g->config.groups = (int) json_object_get_int_member (g->root, "groups");
  cnn3d_arch_from_name (json_object_get_string_member (g->root, "model"), &g->config.arch, &error);
  g_assert_no_error (error);
}

static void
check_complexity (const Golden *g)
{
  g_autoptr (GError) error = NULL;
  Cnn3dComplexity c;

  cnn3d_config_get_complexity (&g->config, &c, &error);
  g_assert_no_error (error);
  g_assert_cmpint (c.parameters, ==, json_object_get_int_member (g->root, "params"));
  g_assert_cmpint (c.macs, ==, json_object_get_int_member (g->root, "macs"));
}

static void
check_state (const Golden *g, Cnn3dModel *model)
{
  JsonArray *state = json_object_get_array_member (g->root, "state");

  g_assert_cmpuint (json_array_get_length (state), ==, model->graph->params->len);
  for (guint i = 0; i < model->graph->params->len; i++) {
    const Cnn3dParam *param = cnn3d_graph_param (model->graph, (int) i);
    JsonArray *entry = json_array_get_array_element (state, i);
    JsonArray *dims = json_array_get_array_element (entry, 1);

    g_assert_cmpstr (param->name, ==, json_array_get_string_element (entry, 0));
    g_assert_cmpuint (json_array_get_length (dims), ==, param->n_dims);
    for (int d = 0; d < param->n_dims; d++)
      g_assert_cmpint (json_array_get_int_element (dims, d), ==, param->dims[d]);
  }
}

static int
find_module (Cnn3dModel *model, const char *module)
{
  for (int i = (int) model->graph->nodes->len - 1; i >= 0; i--)
    if (g_strcmp0 (cnn3d_graph_node (model->graph, i)->module, module) == 0)
      return i;
  return -1;
}

/* Mean, deviation and first values of each published module that is a node here. */
static void
check_stages (const Golden *g, Cnn3dModel *model, double **values)
{
  JsonArray *stages = json_object_get_array_member (g->root, "stages");
  int checked = 0;

  for (guint i = 0; i < json_array_get_length (stages); i++) {
    JsonObject *stage = json_array_get_object_element (stages, i);
    JsonArray *first = json_object_get_array_member (stage, "first");
    int n = find_module (model, json_object_get_string_member (stage, "module"));
    gint64 count;
    double mean = 0, std = 0, tolerance;

    if (n < 0)
      continue;
    checked++;
    count = cnn3d_shape_count (&cnn3d_graph_node (model->graph, n)->shape);
    for (gint64 k = 0; k < count; k++)
      mean += values[n][k] / (double) count;
    for (gint64 k = 0; k < count; k++)
      std += (values[n][k] - mean) * (values[n][k] - mean) / (double) count;
    std = sqrt (std);
    tolerance = 1e-4 * json_object_get_double_member (stage, "std");
    g_assert_cmpfloat_with_epsilon (mean, json_object_get_double_member (stage, "mean"), tolerance);
    /* The golden deviation may have count - 1 below the line. */
    g_assert_cmpfloat_with_epsilon (std, json_object_get_double_member (stage, "std"), tolerance * 10);
    for (guint k = 0; k < json_array_get_length (first); k++)
      g_assert_cmpfloat_with_epsilon (values[n][k], json_array_get_double_element (first, k), tolerance);
  }
  g_assert_cmpint (checked, >=, 10);
}

static void
check_logits (const Golden *g, const float *logits)
{
  JsonArray *expected = json_object_get_array_member (g->root, "logits");
  double largest = 0, worst = 0;

  g_assert_cmpuint (json_array_get_length (expected), ==, g->config.classes);
  for (int c = 0; c < g->config.classes; c++) {
    double e = json_array_get_double_element (expected, c);
    largest = MAX (largest, fabs (e));
    g_assert_true (isfinite (logits[c]));
    worst = MAX (worst, fabs (e - logits[c]));
  }
  g_test_message ("largest logit %g, worst difference %.2e of it", largest, worst / largest);
  g_assert_cmpfloat (worst, <=,
      (precision == CNN3D_PRECISION_BF16 ? CNN3D_BF16_TOLERANCE : CNN3D_TOLERANCE) * largest);
}

static void
test_golden (gconstpointer data)
{
  const char *path = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;
  g_autofree float *clip = NULL, *logits = NULL;
  const char *seed;
  Golden g;

  golden_load (&g, path);
  seed = json_object_get_string_member (g.root, "seed");
  model = cnn3d_model_new_synthetic (&g.config, seed, &error);
  g_assert_no_error (error);
  check_complexity (&g);
  check_state (&g, model);

  clip = g_new (float, 3 * g.config.frames * g.config.size * g.config.size);
  logits = g_new (float, g.config.classes);
  cnn3d_hash_clip (&g.config, seed, clip);

  if (backend == CNN3D_BACKEND_REFERENCE) {
    double **values = cnn3d_reference_compute (model, clip);

    check_stages (&g, model, values);
    for (int c = 0; c < g.config.classes; c++)
      logits[c] = (float) values[model->graph->nodes->len - 1][c];
    cnn3d_reference_free (model, values);
    check_logits (&g, logits);
  } else {
    for (int threads = 1; threads <= (emulated ? 1 : 3); threads++) {
      Cnn3dSessionOptions options = { .backend = backend, .threads = threads, .precision = precision };
      g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, &error);

      g_assert_no_error (error);
      g_test_message ("%s", cnn3d_session_describe (session));
      for (int again = 0; again < 2; again++) {
        memset (logits, 0, (gsize) g.config.classes * sizeof (float));
        cnn3d_session_run (session, clip, 1, logits, &error);
        g_assert_no_error (error);
        check_logits (&g, logits);
      }
    }
  }
  g_object_unref (g.parser);
}

static gboolean
in_bf16 (void)
{
  return precision == CNN3D_PRECISION_BF16 || precision == CNN3D_PRECISION_BF16X3;
}

/* The CPU's own, where it has them. */
static void
use_amx (const Cnn3dBf16 *chosen)
{
  if (strcmp (chosen->isa, "amx") == 0)
    return;
#ifdef CNN3D_HAVE_BF16
  static Cnn3dBf16 kernels;

  emulated = TRUE;
  amx_emulated_init (&kernels);
  kernels.isa = "emulated AMX";
  cnn3d_bf16_override (&kernels);
#endif
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  const Cnn3dBf16 *bf16 = NULL;
  const char *folder, *file;

  g_test_init (&argc, &argv, NULL);
  if (argc < 2 || !cnn3d_backend_from_name (argv[1], &backend, &error))
    g_error ("usage: test-golden BACKEND [PRECISION [amx]]: %s",
        error ? error->message : "no backend given");
  if (argc > 2)
    cnn3d_precision_from_name (argv[2], &precision, &error);
  g_assert_no_error (error);
  if ((in_bf16 () || argc > 3) && (bf16 = cnn3d_bf16_choose (argv[2], &error)) == NULL) {
    printf ("1..0 # SKIP %s\n", error->message);
    return 0;
  }
  if (argc > 3 && bf16 != NULL)
    use_amx (bf16);

  folder = g_test_get_dir (G_TEST_DIST);
  dir = g_dir_open (folder, 0, &error);
  g_assert_no_error (error);
  while ((file = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (file, ".json")) {
      g_autofree char *name = g_strndup (file, strlen (file) - strlen (".json"));
      g_autofree char *test = g_strdup_printf ("/golden/%s", name);
      char *path = g_build_filename (folder, file, NULL);

      g_ptr_array_add (paths, path);
      /* One width of each architecture, where another configuration of CI has run all. */
      if (g_getenv ("CNN3D_TEST_QUICK") == NULL || g_str_has_suffix (name, "-1.0x"))
        g_test_add_data_func (test, path, test_golden);
    }
  g_assert_cmpuint (paths->len, ==, 17);
  return g_test_run ();
}
