/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each call of CUDA and cuDNN fails once, and once for good: a session is not made, or its run fails,
 * with a reason; or it goes on without what failed, and gives the same logits. Nothing is leaked. With
 * `auto`, no clip is lost: the CPU takes over.
 */

#include <glib/gstdio.h>
#include <math.h>

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cudnn/plancache.h"
#include "tests/gpu/faults.h"

static const Cnn3dConfig config = { CNN3D_ARCH_MOBILENET, 0.1, .classes = 5, .frames = 4, .size = 32 };
static Cnn3dModel *model;
static guint8 *rgb;
static char *cache;
static int run_calls; /* of the last session, from its creation to its end */
static float expected[5];

#define CLIPS 3

typedef struct {
  int failed, fell_back, went_on, missed;
} Outcome;

static void
check_logits (const float *logits, double tolerance)
{
  double largest = 0;

  for (int i = 0; i < 5; i++)
    largest = MAX (largest, fabs (expected[i]));
  for (int i = 0; i < 5; i++)
    g_assert_cmpfloat (fabs ((double) logits[i] - expected[i]), <=, tolerance * largest);
}

/* Makes a session and runs clips with faults as they are set. */
static void
attempt (Cnn3dBackend backend, gboolean after_creation, Outcome *outcome)
{
  Cnn3dSessionOptions options = { .backend = backend, .threads = 1, .batch = after_creation ? 2 : 1 };
  g_autoptr (GError) error = NULL;
  Cnn3dSession *session;
  float logits[CLIPS * 5];
  int at = faults.at;
  /* What fails when the session ends has no say in its results. */
  gboolean dry = !after_creation || (run_calls > 0 && faults.at >= run_calls);
  gboolean ok, went_on = FALSE;

  if (after_creation)
    faults.at = -1;
  faults.calls = 0;
  faults.hit = FALSE;
  double_dry = dry;
  session = cnn3d_session_new (model, &options, &error);
  double_dry = FALSE;
  if (after_creation) {
    g_assert_no_error (error);
    faults.calls = 0;
    faults.at = at;
  }
  if (session == NULL) {
    g_assert_cmpint (backend, ==, CNN3D_BACKEND_CUDNN);
    g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
    g_assert_true (faults.hit);
    outcome->failed++;
  } else {
    double_dry = dry;
    ok = cnn3d_session_run_rgb (session, rgb, CLIPS, logits, &error);
    double_dry = FALSE;
    if (!ok) {
      g_assert_cmpint (backend, ==, CNN3D_BACKEND_CUDNN);
      g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
      g_assert_true (faults.hit);
      outcome->failed++;
      /* Once the fault is over, the session works again; or says again that it does not. */
      if (!faults.lost && !dry) {
        g_clear_error (&error);
        g_assert_true (cnn3d_session_run_rgb (session, rgb, CLIPS, logits, &error));
        check_logits (logits, 2e-2);
      }
    } else {
      if (cnn3d_session_get_backend (session) == CNN3D_BACKEND_CPU) {
        g_assert_nonnull (cnn3d_session_get_fallback (session));
        check_logits (logits, 1e-4);
        outcome->fell_back++;
      } else {
        if (!dry)
          check_logits (logits, 2e-2);
        went_on = TRUE;
      }
    }
    if (at < 0)
      run_calls = faults.calls;
    cnn3d_session_unref (session);
    outcome->went_on += went_on && faults.hit;
    outcome->missed += went_on && !faults.hit;
  }
  faults.at = at;
  double_check_clean ();
}

static gboolean
begin (void)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = 1 };
  g_autoptr (GError) error = NULL;

  if (!faults_install ())
    return FALSE;
  double_settings = (DoubleSettings){ .count = 1, .device = "h100", .capability = 90 };
  if (model == NULL) {
    g_autoptr (Cnn3dSession) cpu = NULL;
    gsize bytes = (gsize) config.frames * config.size * config.size * 3;

    model = cnn3d_model_new_synthetic (&config, "gpu", &error);
    g_assert_no_error (error);
    cpu = cnn3d_session_new (model, &options, &error);
    g_assert_no_error (error);
    rgb = g_malloc (CLIPS * bytes);
    for (gsize i = 0; i < bytes; i++)
      for (int c = 0; c < CLIPS; c++)
        rgb[c * bytes + i] = (guint8) (i * 2654435761u >> 24);
    g_assert_true (cnn3d_session_run_rgb (cpu, rgb, 1, expected, &error));
  }
  faults = (Faults){ .at = -1 };
  run_calls = 0;
  return TRUE;
}

/* Has all plans timed, so that no later session does that. */
static gboolean
begin_cached (void)
{
  Outcome ignored = { 0 };

  if (!begin ())
    return FALSE;
  attempt (CNN3D_BACKEND_CUDNN, FALSE, &ignored);
  attempt (CNN3D_BACKEND_CUDNN, TRUE, &ignored);
  run_calls = 0;
  return TRUE;
}

/* The number of calls of a function, or of all with a prefix, while a session is made and run. */
static int
count_calls (const char *function, const char *prefix, gboolean after_creation)
{
  Outcome ignored = { 0 };

  faults = (Faults){ .function = function, .prefix = prefix, .at = -1 };
  attempt (CNN3D_BACKEND_CUDNN, after_creation, &ignored);
  g_assert_false (faults.hit);
  return faults.calls;
}

static void
report (const char *what, int n, const Outcome *o)
{
  g_test_message ("%s: %d faults: %d errors, %d fell back to the CPU, %d went on", what, n, o->failed,
      o->fell_back, o->went_on);
}

/* Each function: the first and the last of its calls, and some between. */
static void
test_functions (gconstpointer data)
{
  gboolean lost = data != NULL;
  Outcome outcome = { 0 };
  int n = 0;

  if (!begin_cached ())
    return;
  for (int f = 0; faults_functions[f] != NULL; f++) {
    const char *name = faults_functions[f];
    int calls = count_calls (name, NULL, FALSE);
    int at[] = { 0, 1, calls / 3, calls / 2, calls - 1 };

    for (guint i = 0; i < G_N_ELEMENTS (at); i++) {
      if (at[i] < 0 || at[i] >= calls || (i > 0 && at[i] <= at[i - 1]))
        continue;
      faults = (Faults){ .function = name, .at = at[i], .lost = lost };
      attempt (CNN3D_BACKEND_CUDNN, FALSE, &outcome);
      n++;
    }
  }
  report (lost ? "every function, for good" : "every function", n, &outcome);
  g_assert_cmpint (outcome.missed, ==, 0);
}

/* Every call of the runtime and of the driver while a session is made. */
static void
test_creation (gconstpointer data)
{
  const char *prefix = data;
  Outcome outcome = { 0 };
  int calls;

  if (!begin_cached ())
    return;
  calls = count_calls (NULL, prefix, FALSE);
  for (int at = 0; at < calls; at++) {
    faults = (Faults){ .prefix = prefix, .at = at };
    attempt (CNN3D_BACKEND_CUDNN, FALSE, &outcome);
  }
  report (prefix, calls, &outcome);
  g_assert_cmpint (outcome.missed, ==, 0);
}

/* Every call while clips run, also until the end of the session. */
static void
test_run (gconstpointer data)
{
  gboolean lost = data != NULL;
  Outcome outcome = { 0 }, automatic = { 0 };
  int calls;

  if (!begin_cached ())
    return;
  calls = count_calls (NULL, NULL, TRUE);
  for (int at = 0; at < calls; at++) {
    gboolean some = at < run_calls || at % 4 == 0;

    /* Of what fails when a session ends, some will do where it has been tried otherwise. */
    if (lost && !some)
      continue;
    faults = (Faults){ .at = at, .lost = lost };
    attempt (CNN3D_BACKEND_CUDNN, TRUE, &outcome);
    if (!some)
      continue;
    faults = (Faults){ .at = at, .lost = lost };
    attempt (CNN3D_BACKEND_AUTO, TRUE, &automatic);
  }
  report (lost ? "runs, for good" : "runs", calls, &outcome);
  report ("auto", calls, &automatic);
  g_assert_cmpint (automatic.failed, ==, 0);
  g_assert_cmpint (outcome.failed, ==, automatic.fell_back);
  g_assert_cmpint (outcome.failed, >, 5);
}

/* Faults while plans are timed: there is no cache. */
static void
test_timing (void)
{
  static const char *const functions[] = { "cudaEventCreateWithFlags", "cudaEventRecord",
    "cudaEventSynchronize", "cudaEventElapsedTime", "cudnnBackendExecute", "cudaMalloc" };
  Outcome outcome = { 0 };
  int n = 0;

  if (!begin ())
    return;
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  for (guint f = 0; f < G_N_ELEMENTS (functions); f++) {
    int calls = count_calls (functions[f], NULL, FALSE);

    for (int k = 0; k < 4; k++, n++) {
      faults = (Faults){ .function = functions[f], .at = MIN (k * calls / 4 + k, calls - 1), .lost = k == 3 };
      attempt (CNN3D_BACKEND_CUDNN, FALSE, &outcome);
    }
  }
  report ("timing", n, &outcome);
  g_assert_cmpint (outcome.missed, ==, 0);
  g_setenv (CNN3D_PLAN_CACHE_ENV, cache, TRUE);
}

/* With `auto`, a fault while the session is made leads to the CPU, with the reason. */
static void
test_auto (void)
{
  static const char *const functions[] = { "cudaSetDevice", "cudnnCreate", "cudaMalloc",
    "cudaLibraryLoadData", "cudaHostAlloc", "cudaStreamSynchronize", "cudnnBackendExecute" };
  Outcome outcome = { 0 };

  if (!begin_cached ())
    return;
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++) {
    faults = (Faults){ .function = functions[i], .at = 0, .lost = TRUE };
    attempt (CNN3D_BACKEND_AUTO, FALSE, &outcome);
  }
  g_assert_cmpint (outcome.fell_back, ==, G_N_ELEMENTS (functions));
}

static void
remove_cache (void)
{
  GDir *folder = g_dir_open (cache, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *path = g_build_filename (cache, name, NULL);
    g_unlink (path);
  }
  if (folder != NULL)
    g_dir_close (folder);
  g_rmdir (cache);
  g_free (cache);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  /* So that not every session times its plans. */
  cache = g_dir_make_tmp ("cnn3d-faults-XXXXXX", NULL);
  g_setenv (CNN3D_PLAN_CACHE_ENV, cache, TRUE);
  g_test_add_data_func ("/gpu/faults/functions", NULL, test_functions);
  g_test_add_data_func ("/gpu/faults/functions-lost", "lost", test_functions);
  g_test_add_data_func ("/gpu/faults/creation-runtime", "cuda", test_creation);
  g_test_add_data_func ("/gpu/faults/creation-driver", "cuD", test_creation);
  g_test_add_data_func ("/gpu/faults/run", NULL, test_run);
  g_test_add_data_func ("/gpu/faults/run-lost", "lost", test_run);
  g_test_add_func ("/gpu/faults/timing", test_timing);
  g_test_add_func ("/gpu/faults/auto", test_auto);
  status = g_test_run ();
  g_clear_pointer (&model, cnn3d_model_unref);
  g_free (rgb);
  remove_cache ();
  return status;
}
