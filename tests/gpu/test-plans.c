/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The real cuDNN finalizes a plan for every convolution of all 17 networks, on seven generations of
 * devices, in half and in single precision: precompiled, fused, with little workspace, on tensor cores
 * in half precision. What it chooses is kept in plans.txt; CNN3D_UPDATE=1 writes the file anew.
 */

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cudnn/convplan.h"
#include "lib3dcnn/cudnn/devices.h"
#include "lib3dcnn/cudnn/lower.h"
#include "tests/gpu/networks.h"
#include "tests/gpu/real.h"

static Cnn3dCuda cuda;
static GPtrArray *keys;   /* Cnn3dConvKey, distinct, of one clip */
static GString *report[7];
/* Lines of some convolutions, as of all of them the plans take long to make. */
#define CANDIDATES_STEP 12
static GString *candidates[7]; /* for each device, a line for each key */

/* The distinct convolutions of all networks. */
static void
collect_keys (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  keys = g_ptr_array_new_with_free_func (g_free);
  for (int half = 1; half >= 0; half--)
    for (int i = 0; i < N_NETWORKS; i++) {
      Cnn3dConfig config = networks[i].config;
      g_autoptr (Cnn3dGraph) graph = NULL;
      g_autoptr (Cnn3dGpuPlan) plan = NULL;

      cnn3d_config_fill (&config);
      graph = cnn3d_graph_new (&config, NULL);
      plan = cnn3d_gpu_plan_new (graph);
      for (guint s = 0; s < plan->steps->len; s++) {
        const Cnn3dGpuStep *step = cnn3d_gpu_plan_step (plan, (int) s);
        Cnn3dConvKey key;

        if (step->kind != CNN3D_GPU_CONV)
          continue;
        cnn3d_conv_key_init (&key, plan, step, half, 1);
        if (g_hash_table_add (seen, cnn3d_conv_key_string (&key)))
          g_ptr_array_add (keys, g_memdup2 (&key, sizeof key));
      }
    }
}

/* Skips devices about which an old cuDNN must not be asked. */
static gboolean
is_known (int d)
{
  if (!real_cudnn_load (&cuda))
    return FALSE;
  if (real_capabilities[d] < 10 * CNN3D_BLACKWELL_MAJOR || cuda.cudnnGetVersion () >= CNN3D_CUDNN_BLACKWELL_VERSION)
    return TRUE;
  g_test_skip ("this cuDNN is too old for the device");
  return FALSE;
}

/* What the plan says of itself that shows the fusion: its kernel ends in bias and activation. cuDNN 9.8 does not tell. */
static gboolean
is_fused (const Cnn3dConvPlan *plan)
{
  g_autofree char *json = NULL;
  gint64 n = 0;
  cudnnStatus_t status = cuda.cudnnBackendGetAttribute (plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
      CUDNN_TYPE_CHAR, 0, &n, NULL);

  if (status != CUDNN_STATUS_SUCCESS && cuda.cudnnGetVersion () < 90900)
    return TRUE;
  g_assert_cmpint (status, ==, CUDNN_STATUS_SUCCESS);
  json = g_malloc0 ((gsize) n + 1);
  g_assert_cmpint (cuda.cudnnBackendGetAttribute (plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                       CUDNN_TYPE_CHAR, n, &n, json), ==, 0);
  return strstr (json, "\"finalizeMode\":\"CONV_ADD_BIAS_ACT\"") != NULL;
}

/* Batches need the same, as the backend makes them; what is chosen for them is not kept. */
static void
test_batch (gconstpointer data)
{
  int d = GPOINTER_TO_INT (data);
  gboolean quick = g_getenv ("CNN3D_TEST_QUICK") != NULL;
  g_autoptr (GError) error = NULL;
  cudnnBackendDescriptor_t device;

  if (!is_known (d))
    return;
  device = real_cudnn_device (&cuda, real_devices[d]);
  for (int n = quick ? 8 : 2; n <= CNN3D_MAX_GROUP; n *= 2)
    for (guint i = 0; i < keys->len; i += quick ? 7 : 1) {
      Cnn3dConvKey key = *(const Cnn3dConvKey *) keys->pdata[i];
      Cnn3dConvFilter filter = { FALSE, (gint64) n * CNN3D_MAX_WORKSPACE, 1 };
      GArray *plans;

      key.n = n;
      plans = cnn3d_conv_plans (&cuda, device, &key, &filter, &error);
      g_assert_no_error (error);
      g_assert_true (g_array_index (plans, Cnn3dConvPlan, 0).tensor_core == key.half);
      g_assert_true (is_fused (&g_array_index (plans, Cnn3dConvPlan, 0)));
      cnn3d_conv_plans_free (&cuda, plans);
    }
  cuda.cudnnBackendDestroyDescriptor (device);
}

static void
test_device (gconstpointer data)
{
  int d = GPOINTER_TO_INT (data);
  g_autoptr (GError) error = NULL;
  Cnn3dConvFilter filter = { FALSE, CNN3D_MAX_WORKSPACE, 1 };
  cudnnBackendDescriptor_t device;
  gint64 largest[2] = { 0, 0 };

  if (!is_known (d))
    return;
  device = real_cudnn_device (&cuda, real_devices[d]);
  report[d] = g_string_new (NULL);
  for (guint i = 0; i < keys->len; i++) {
    const Cnn3dConvKey *key = keys->pdata[i];
    g_autofree char *name = cnn3d_conv_key_string (key);
    GArray *plans = cnn3d_conv_plans (&cuda, device, key, &filter, &error);
    const Cnn3dConvPlan *plan;

    if (plans == NULL)
      g_error ("%s on %s: %s", name, real_devices[d], error->message);
    g_assert_cmpuint (plans->len, ==, 1);
    plan = &g_array_index (plans, Cnn3dConvPlan, 0);
    g_assert_false (plan->runtime_compiled);
    g_assert_cmpint (plan->workspace, <=, CNN3D_MAX_WORKSPACE);
    if (plan->tensor_core != key->half)
      g_error ("%s on %s: engine %d %s tensor cores", name, real_devices[d], plan->engine,
          plan->tensor_core ? "uses (TF32)" : "has no");
    g_assert_true (is_fused (plan));
    g_string_append_printf (report[d], "%d%s%s/%d\n", plan->engine, plan->tensor_core ? "T" : "", is_fused (plan) ? "F" : "",
        (int) ((plan->workspace + 1023) / 1024));
    largest[key->half] = MAX (largest[key->half], plan->workspace);
    cnn3d_conv_plans_free (&cuda, plans);
  }
  cuda.cudnnBackendDestroyDescriptor (device);
  g_test_message ("%u convolutions; most workspace %d KB in half, %d KB in single precision", keys->len,
      (int) (largest[1] / 1024), (int) (largest[0] / 1024));
}

/* Of some convolutions, all the plans that are timed: each is as good as the one that heuristics put first. */
static void
test_candidates (gconstpointer data)
{
  int d = GPOINTER_TO_INT (data);
  Cnn3dConvFilter filter = { FALSE, CNN3D_MAX_WORKSPACE, 8 };
  g_autoptr (GError) error = NULL;
  cudnnBackendDescriptor_t device;

  if (!is_known (d))
    return;
  device = real_cudnn_device (&cuda, real_devices[d]);
  candidates[d] = g_string_new (NULL);
  for (guint i = 0; i < keys->len; i += CANDIDATES_STEP) {
    const Cnn3dConvKey *key = keys->pdata[i];
    GArray *plans = cnn3d_conv_plans (&cuda, device, key, &filter, &error);

    g_assert_no_error (error);
    for (guint k = 0; k < plans->len; k++) {
      const Cnn3dConvPlan *plan = &g_array_index (plans, Cnn3dConvPlan, k);

      g_assert_false (plan->runtime_compiled);
      g_assert_cmpint (plan->workspace, <=, CNN3D_MAX_WORKSPACE);
      g_assert_true (key->half || !plan->tensor_core);
      g_assert_true (is_fused (plan));
      g_string_append_printf (candidates[d], "%s%d", k > 0 ? "," : "", plan->engine);
    }
    g_string_append_c (candidates[d], '\n');
    cnn3d_conv_plans_free (&cuda, plans);
  }
  cuda.cudnnBackendDestroyDescriptor (device);
}

/* The number of plans on tensor cores for some convolutions in single precision. */
static int
count_tf32 (cudnnBackendDescriptor_t device, gboolean allow)
{
  Cnn3dConvFilter filter = { allow, CNN3D_MAX_WORKSPACE, 8 };
  int n = 0;

  for (guint i = keys->len / 2; i < keys->len; i += 20) {
    const Cnn3dConvKey *key = keys->pdata[i];
    g_autoptr (GError) error = NULL;
    GArray *plans;

    if (key->half)
      continue;
    plans = cnn3d_conv_plans (&cuda, device, key, &filter, &error);
    g_assert_no_error (error);
    for (guint k = 0; k < plans->len; k++)
      n += g_array_index (plans, Cnn3dConvPlan, k).tensor_core;
    cnn3d_conv_plans_free (&cuda, plans);
  }
  return n;
}

/* TF32 is there only if it is allowed, and only from Ampere on. */
static void
test_tf32 (void)
{
  for (int d = 0; real_devices[d] != NULL; d++) {
    cudnnBackendDescriptor_t device;
    int n;

    if (!real_cudnn_load (&cuda))
      return;
    device = real_cudnn_device (&cuda, real_devices[d]);
    n = count_tf32 (device, TRUE);
    g_test_message ("%s: %d plans of TF32", real_devices[d], n);
    g_assert_true ((n > 0) == (real_capabilities[d] >= 80));
    g_assert_cmpint (count_tf32 (device, FALSE), ==, 0);
    cuda.cudnnBackendDestroyDescriptor (device);
  }
}

/* One line for each step-th convolution: its key, then the line of each device. */
static void
append_lines (GString *text, GString *const *of_devices, guint step)
{
  char **lines[7];

  for (int d = 0; real_devices[d] != NULL; d++)
    lines[d] = g_strsplit (of_devices[d]->str, "\n", -1);
  for (guint i = 0; i < keys->len; i += step) {
    g_autofree char *name = cnn3d_conv_key_string (keys->pdata[i]);

    g_string_append_printf (text, "%s:", name);
    for (int d = 0; real_devices[d] != NULL; d++)
      g_string_append_printf (text, " %s", lines[d][i / step]);
    g_string_append_c (text, '\n');
  }
  for (int d = 0; real_devices[d] != NULL; d++)
    g_strfreev (lines[d]);
}

/* What each device chose, and what it chose from. */
static char *
format_report (void)
{
  GString *text = g_string_new ("# Chosen for each convolution: engine, T = tensor cores, F = one kernel with what"
                                " follows, / KB of workspace.\n#");

  for (int d = 0; real_devices[d] != NULL; d++)
    g_string_append_printf (text, " %s", real_devices[d]);
  g_string_append_printf (text, "; cuDNN %d\n", (int) cuda.cudnnGetVersion ());
  append_lines (text, report, 1);
  g_string_append (text, "# Of some: the engines that a device times to choose from.\n");
  append_lines (text, candidates, CANDIDATES_STEP);
  return g_string_free (text, FALSE);
}

static void
test_golden (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "plans.txt", NULL);
  g_autofree char *actual = NULL, *expected = NULL, *version = NULL;
  g_autoptr (GError) error = NULL;

  for (int d = 0; real_devices[d] != NULL; d++)
    if (report[d] == NULL || candidates[d] == NULL) {
      g_test_skip ("no plans were made");
      return;
    }
  actual = format_report ();
  if (g_getenv ("CNN3D_UPDATE") != NULL) {
    g_file_set_contents (path, actual, -1, &error);
    g_assert_no_error (error);
  }
  g_file_get_contents (path, &expected, NULL, &error);
  g_assert_no_error (error);
  version = g_strdup_printf ("; cuDNN %d\n", (int) cuda.cudnnGetVersion ());
  if (strstr (expected, version) == NULL) {
    g_test_skip ("plans.txt is of another version of cuDNN; only what must hold was tested");
    return;
  }
  if (strcmp (actual, expected) != 0) {
    g_autofree char *other = g_strconcat (g_get_tmp_dir (), "/plans.txt", NULL);
    g_file_set_contents (other, actual, -1, NULL);
    g_error ("cuDNN chose otherwise than in plans.txt: see %s", other);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  collect_keys ();
  for (int d = 0; real_devices[d] != NULL; d++) {
    g_autofree char *name = g_strdup_printf ("/gpu/plans/%s-sm%d", real_devices[d], real_capabilities[d]);
    g_autofree char *batch = g_strconcat (name, "-batch", NULL);
    g_test_add_data_func (name, GINT_TO_POINTER (d), test_device);
    g_test_add_data_func (batch, GINT_TO_POINTER (d), test_batch);
  }
  for (int d = 0; real_devices[d] != NULL; d++) {
    g_autofree char *name = g_strdup_printf ("/gpu/plans/%s-candidates", real_devices[d]);
    g_test_add_data_func (name, GINT_TO_POINTER (d), test_candidates);
  }
  g_test_add_func ("/gpu/plans/golden", test_golden);
  g_test_add_func ("/gpu/plans/tf32", test_tf32);
  return g_test_run ();
}
