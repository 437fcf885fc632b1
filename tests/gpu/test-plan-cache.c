/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The cache of the plans that were timed: sessions on doubles of CUDA, and the file by itself. */

#include <glib/gstdio.h>

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cudnn/plancache.h"
#include "tests/gpu/faults.h"
#include "tests/gpu/short-model.h"

#define H100 .device = "h100", .capability = 90, .count = 1

static int
count_timed (Cnn3dModel *model)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSession) session = NULL;

  double_counts = (DoubleCounts){ 0 };
  session = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  /* One run, before it is recorded. */
  g_assert_cmpint (double_counts.convs, >=, 15);
  return double_counts.timings;
}

static void
remove_files (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  g_dir_close (dir);
}

/* Plans are timed once for a device; a cache that is damaged or of another device is not used. */
static void
test_cache (void)
{
  static const Cnn3dConfig config = { CNN3D_ARCH_MOBILENET, 0.1, .classes = 3, .frames = 4, .size = 32 };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "gpu", &error);
  g_autofree char *folder = NULL, *path = NULL;
  const char *name;
  GDir *dir;
  int first, convs = 15, rounds = 5;

  if (!faults_install ())
    return;
  faults = (Faults){ .at = -1 };
  double_settings = (DoubleSettings){ H100 };
  folder = g_dir_make_tmp ("cnn3d-plans-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv (CNN3D_PLAN_CACHE_ENV, folder, TRUE);
  first = count_timed (model);
  g_assert_cmpint (first, >, 2 * rounds * convs);
  /* The host launches each plan once; in all other rounds the device has a graph of several, without the host. */
  g_assert_cmpint (double_counts.convs, ==, first / rounds + convs);
  g_assert_cmpint (double_counts.graphs, ==, first / rounds * (rounds - 1));
  g_assert_cmpint (count_timed (model), ==, 0);
  g_assert_cmpint (double_counts.convs, ==, convs);
  g_assert_cmpint (double_counts.queries, ==, convs);

  /* Of as many multiprocessors only, as slices of a GPU have fewer of them. */
  double_settings.multiprocessors = 66;
  g_assert_cmpint (count_timed (model), ==, first);
  g_assert_cmpint (count_timed (model), ==, 0);
  double_settings.multiprocessors = 0;

  /* What does not run any more is timed anew, once. */
  faults = (Faults){ .function = "cudnnBackendExecute" };
  g_assert_cmpint (count_timed (model), ==, first);
  g_assert_true (faults.hit);
  faults = (Faults){ .at = -1 };
  g_assert_cmpint (count_timed (model), ==, 0);

  remove_files (folder);
  g_assert_cmpint (count_timed (model), ==, first);
  dir = g_dir_open (folder, 0, &error);
  g_assert_no_error (error);
  name = g_dir_read_name (dir);
  g_assert_nonnull (name);
  path = g_build_filename (folder, name, NULL);
  g_assert_null (g_dir_read_name (dir));
  g_dir_close (dir);
  g_file_set_contents (path, "[plans]\nidentity=another device\n", -1, NULL);
  g_assert_cmpint (count_timed (model), ==, first);
  g_file_set_contents (path, "\001\002 no key file", -1, NULL);
  g_assert_cmpint (count_timed (model), ==, first);
  g_assert_cmpint (count_timed (model), ==, 0);

  remove_files (folder);
  g_rmdir (folder);
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* What is timed is kept from then on, and not only when the session ends. */
static void
test_cache_early (void)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1 };
  g_autoptr (Cnn3dModel) model = short_model_new (CNN3D_ARCH_MOBILENET);
  g_autofree char *folder = g_dir_make_tmp ("cnn3d-plans-XXXXXX", NULL);
  Cnn3dSession *first, *second;

  if (!double_install ())
    return;
  double_settings = (DoubleSettings){ H100 };
  g_setenv (CNN3D_PLAN_CACHE_ENV, folder, TRUE);
  first = cnn3d_session_new (model, &options, NULL);
  g_assert_cmpint (double_counts.timings, >, 0);
  double_counts = (DoubleCounts){ 0 };
  second = cnn3d_session_new (model, &options, NULL);
  g_assert_cmpint (double_counts.timings, ==, 0);
  cnn3d_session_unref (first);
  cnn3d_session_unref (second);
  remove_files (folder);
  g_rmdir (folder);
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* What a session in single precision keeps, in a cache that is new or has what others kept. */
static GKeyFile *
plans_of (Cnn3dModel *model, const char *folder, gboolean allow_tf32)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1, .precision = CNN3D_PRECISION_FP32,
    .allow_tf32 = allow_tf32 };
  g_autoptr (GError) error = NULL;
  GKeyFile *file = g_key_file_new ();
  GDir *dir;

  double_counts = (DoubleCounts){ 0 };
  cnn3d_session_unref (cnn3d_session_new (model, &options, &error));
  g_assert_no_error (error);
  dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_assert_true (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL));
  }
  g_dir_close (dir);
  return file;
}

/* The fastest is chosen, which here is the first, or the last one of some; and TF32's do not serve without it. */
static void
test_choice (void)
{
  static const Cnn3dConfig config = { CNN3D_ARCH_MOBILENET, 0.1, .classes = 3, .frames = 4, .size = 32 };
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "gpu", NULL);
  g_autofree char *folder = g_dir_make_tmp ("cnn3d-plans-XXXXXX", NULL);
  g_autoptr (GKeyFile) first = NULL, last = NULL, tf32 = NULL;
  g_auto (GStrv) names = NULL;
  gsize n, n_other = 0;

  if (!double_install ())
    return;
  double_settings = (DoubleSettings){ H100 };
  double_dry = TRUE;
  g_setenv (CNN3D_PLAN_CACHE_ENV, folder, TRUE);
  first = plans_of (model, folder, FALSE);
  remove_files (folder);
  double_settings.faster_later = TRUE;
  last = plans_of (model, folder, FALSE);
  names = g_key_file_get_keys (first, "plans", &n, NULL);
  g_assert_cmpuint (n, >, 10);
  for (gsize i = 0; i < n; i++) {
    g_autofree int *a = g_key_file_get_integer_list (first, "plans", names[i], NULL, NULL);
    g_autofree int *b = g_key_file_get_integer_list (last, "plans", names[i], NULL, NULL);

    if (strcmp (names[i], "identity") == 0)
      continue;
    g_assert_cmpint (a[0], <=, b[0]);
    n_other += a[0] < b[0];
  }
  g_assert_cmpuint (n_other, >=, n - 3);

  tf32 = plans_of (model, folder, TRUE);
  g_assert_cmpint (double_counts.timings, >, 0);
  g_key_file_unref (plans_of (model, folder, TRUE));
  g_assert_cmpint (double_counts.timings, ==, 0);
  remove_files (folder);
  g_rmdir (folder);
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  double_dry = FALSE;
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

#define WRITERS 8
#define PLANS 20

static gpointer
write_plans (gpointer number)
{
  for (int i = 0; i < PLANS; i++) {
    Cnn3dPlanCache *cache = cnn3d_plan_cache_new ("a device", FALSE);
    g_autofree char *key = g_strdup_printf ("writer %d > plan %d", GPOINTER_TO_INT (number), i);

    cnn3d_plan_cache_set (cache, key, i, GPOINTER_TO_INT (number));
    cnn3d_plan_cache_save (cache);
    cnn3d_plan_cache_free (cache);
  }
  return NULL;
}

/* Those who write at once keep what all others have written; what was dropped does not come back. */
static void
test_cache_writers (void)
{
  g_autofree char *folder = g_dir_make_tmp ("cnn3d-plans-XXXXXX", NULL);
  GThread *threads[WRITERS];
  Cnn3dPlanCache *cache, *other;
  int index, engine;

  g_setenv (CNN3D_PLAN_CACHE_ENV, folder, TRUE);
  for (int i = 0; i < WRITERS; i++)
    threads[i] = g_thread_new ("writer", write_plans, GINT_TO_POINTER (i));
  for (int i = 0; i < WRITERS; i++)
    g_thread_join (threads[i]);
  cache = cnn3d_plan_cache_new ("a device", FALSE);
  for (int i = 0; i < WRITERS * PLANS; i++) {
    g_autofree char *key = g_strdup_printf ("writer %d > plan %d", i / PLANS, i % PLANS);

    g_assert_true (cnn3d_plan_cache_get (cache, key, &index, &engine));
    g_assert_true (index == i % PLANS && engine == i / PLANS);
  }

  other = cnn3d_plan_cache_new ("a device", FALSE);
  cnn3d_plan_cache_set (other, "new", 1, 2);
  cnn3d_plan_cache_save (other);
  g_assert_false (cnn3d_plan_cache_forget (other));
  cnn3d_plan_cache_free (other);
  g_assert_true (cnn3d_plan_cache_forget (cache));
  cnn3d_plan_cache_save (cache);
  g_assert_true (cnn3d_plan_cache_get (cache, "new", &index, &engine));
  cnn3d_plan_cache_free (cache);
  cache = cnn3d_plan_cache_new ("a device", FALSE);
  g_assert_true (cnn3d_plan_cache_get (cache, "new", &index, &engine));
  g_assert_false (cnn3d_plan_cache_get (cache, "writer 0 > plan 0", &index, &engine));
  cnn3d_plan_cache_free (cache);

  remove_files (folder);
  g_rmdir (folder);
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
}

static void
test_driver_release (void)
{
  static const struct {
    const char *text, *release;
  } drivers[] = {
    { "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
      "GCC version:  gcc version 12.3.0 (Ubuntu)\n", "535.104.05" },
    { "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (user@host)\n",
      "580.65.06" },
    { "NVRM version: something else\nGCC version: 12.3.0\n", NULL },
    { "", NULL },
  };
  g_autofree char *folder = g_dir_make_tmp ("cnn3d-driver-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "version", NULL);

  g_assert_null (cnn3d_driver_release (path));
  for (guint i = 0; i < G_N_ELEMENTS (drivers); i++) {
    g_autofree char *release = NULL;

    g_assert_true (g_file_set_contents (path, drivers[i].text, -1, NULL));
    release = cnn3d_driver_release (path);
    g_assert_cmpstr (release, ==, drivers[i].release);
  }
  remove_files (folder);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  /* Nothing is to be left in the user's cache. */
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gpu/plan-cache/sessions", test_cache);
  g_test_add_func ("/gpu/plan-cache/early", test_cache_early);
  g_test_add_func ("/gpu/plan-cache/choice", test_choice);
  g_test_add_func ("/gpu/plan-cache/writers", test_cache_writers);
  g_test_add_func ("/gpu/plan-cache/driver-release", test_driver_release);
  return g_test_run ();
}
