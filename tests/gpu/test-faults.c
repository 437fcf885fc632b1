/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each call of CUDA and cuDNN in a session's life fails once: while it is made, while clips run, when it ends. So it does
 * for good, at some calls of its making and at each of its runs. Either there is an error with a reason, or the session goes on without what failed and
 * gives the same logits. Nothing is leaked. With `auto`, no clip is lost: the CPU takes over.
 *
 * The networks are the beginnings of each architecture. What is made is only checked, not computed, unless
 * it is put together in a way that has not been computed before.
 */

#include <glib/gstdio.h>
#include <math.h>

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cudnn/devices.h"
#include "lib3dcnn/cudnn/plancache.h"
#include "tests/gpu/faults.h"
#include "tests/gpu/short-model.h"

/* More than a batch. */
#define CLIPS 3

typedef enum {
  WHOLE_LIFE, /* calls are counted from the creation of the session on */
  RUN,        /* from the first run on */
} Part;

typedef struct {
  int faults, failed, fell_back, went_on, missed;
} Outcome;

static struct {
  Cnn3dModel *model;
  guint8 rgb[CLIPS * SHORT_FRAMES * SHORT_SIZE * SHORT_SIZE * 3];
  float expected[CLIPS * SHORT_CLASSES];
  GHashTable *computed; /* what has given the right logits: DoubleCounts.computed */
  int batch;
  int run_calls; /* of a session without faults, from its creation to its end */
  char *plans, *plans_path; /* the cache, as each session is to find it, or NULL */
} subject;

static char *cache;

static void
empty_cache (void)
{
  GDir *folder = g_dir_open (cache, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *path = g_build_filename (cache, name, NULL);
    g_unlink (path);
  }
  if (folder != NULL)
    g_dir_close (folder);
}

static gboolean
begin (Cnn3dArch arch, int batch)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = 1 };
  g_autoptr (Cnn3dSession) cpu = NULL;
  g_autoptr (GError) error = NULL;

  if (!faults_install ())
    return FALSE;
  double_settings = (DoubleSettings){ .count = 1, .device = "h100", .capability = 90 };
  faults = (Faults){ .at = -1 };
  empty_cache ();
  subject.model = short_model_new (arch);
  subject.computed = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  subject.batch = batch;
  subject.run_calls = 0;
  for (gsize i = 0; i < sizeof subject.rgb; i++)
    subject.rgb[i] = (guint8) (i * 2654435761u >> 24);
  cpu = cnn3d_session_new (subject.model, &options, &error);
  g_assert_no_error (error);
  g_assert_true (cnn3d_session_run_rgb (cpu, subject.rgb, CLIPS, subject.expected, &error));
  return TRUE;
}

static void
end (void)
{
  g_clear_pointer (&subject.model, cnn3d_model_unref);
  g_clear_pointer (&subject.computed, g_hash_table_unref);
  g_clear_pointer (&subject.plans, g_free);
  g_clear_pointer (&subject.plans_path, g_free);
  cnn3d_cuda_replace (NULL);
}

static void
check_logits (const float *logits, double tolerance)
{
  double largest = 0;

  for (int i = 0; i < CLIPS * SHORT_CLASSES; i++)
    largest = MAX (largest, fabs (subject.expected[i]));
  for (int i = 0; i < CLIPS * SHORT_CLASSES; i++)
    g_assert_cmpfloat (fabs ((double) logits[i] - subject.expected[i]), <=, tolerance * largest);
}

static gboolean
run_clips (Cnn3dSession *session, gboolean dry, float *logits, GError **error)
{
  gboolean ok;

  double_counts = (DoubleCounts){ 0 };
  double_dry = dry;
  ok = cnn3d_session_run_rgb (session, subject.rgb, CLIPS, logits, error);
  double_dry = FALSE;
  return ok;
}

static void
check_failure (Cnn3dBackend backend, const GError *error)
{
  g_assert_cmpint (backend, ==, CNN3D_BACKEND_CUDNN);
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_assert_true (faults.hit);
}

/* What goes on in spite of a fault has to give the right logits: computed, unless that has been done. */
static void
check_computed (Cnn3dSession *session)
{
  float logits[CLIPS * SHORT_CLASSES];
  gint64 key = (gint64) double_counts.computed;
  int calls = faults.calls;

  if (g_hash_table_contains (subject.computed, &key))
    return;
  g_assert_true (run_clips (session, FALSE, logits, NULL));
  check_logits (logits, 2e-2);
  g_hash_table_add (subject.computed, g_memdup2 (&key, sizeof key));
  faults.calls = calls;
}

static void
run_session (Cnn3dSession *session, Cnn3dBackend backend, gboolean dry, Outcome *outcome)
{
  g_autoptr (GError) error = NULL;
  float logits[CLIPS * SHORT_CLASSES];

  if (!run_clips (session, dry, logits, &error)) {
    check_failure (backend, error);
    outcome->failed++;
    /* Once the fault is over, the session works again. */
    if (!faults.lost) {
      g_assert_true (run_clips (session, dry, logits, NULL));
      if (dry)
        check_computed (session);
      else
        check_logits (logits, 2e-2);
    }
  } else if (cnn3d_session_get_backend (session) == CNN3D_BACKEND_CPU) {
    g_assert_cmpint (backend, ==, CNN3D_BACKEND_AUTO);
    g_assert_nonnull (cnn3d_session_get_fallback (session));
    check_logits (logits, 1e-4);
    outcome->fell_back++;
  } else if (dry) {
    check_computed (session);
  } else {
    check_logits (logits, 2e-2);
  }
}

/* Keeps what is cached by the first session; others may not have been told the versions, and have a file of their own. */
static void
keep_plans (void)
{
  GDir *dir = g_dir_open (cache, 0, NULL);
  const char *name = g_dir_read_name (dir);

  if (subject.plans == NULL && name != NULL) {
    subject.plans_path = g_build_filename (cache, name, NULL);
    g_assert_true (g_file_get_contents (subject.plans_path, &subject.plans, NULL, NULL));
    g_assert_null (g_dir_read_name (dir));
  }
  g_dir_close (dir);
}

/* A session whose cached plans have failed drops them. */
static void
restore_plans (void)
{
  g_autofree char *text = NULL;

  if (subject.plans == NULL
      || (g_file_get_contents (subject.plans_path, &text, NULL, NULL) && strcmp (text, subject.plans) == 0))
    return;
  g_assert_true (g_file_set_contents (subject.plans_path, subject.plans, -1, NULL));
}

/* A session from its creation to its end, with a fault as it is set. */
static void
live (Cnn3dBackend backend, Part part, Outcome *outcome)
{
  Cnn3dSessionOptions options = { .backend = backend, .threads = 1, .batch = subject.batch };
  g_autoptr (GError) error = NULL;
  Cnn3dSession *session;
  int at = faults.at, failed = outcome->failed, fell_back = outcome->fell_back;
  /* What fails when the session ends has no say in its results. */
  gboolean dry = part == WHOLE_LIFE || (subject.run_calls > 0 && at >= subject.run_calls);

  if (part == RUN)
    faults.at = -1;
  restore_plans ();
  faults.calls = 0;
  faults.hit = FALSE;
  double_counts = (DoubleCounts){ 0 };
  double_dry = TRUE;
  session = cnn3d_session_new (subject.model, &options, &error);
  double_dry = FALSE;
  if (part == RUN) {
    g_assert_no_error (error);
    faults.calls = 0;
    faults.at = at;
  }
  if (session != NULL) {
    run_session (session, backend, dry, outcome);
    if (at < 0)
      subject.run_calls = faults.calls;
    cnn3d_session_unref (session);
  } else {
    check_failure (backend, error);
    outcome->failed++;
  }
  outcome->faults++;
  if (outcome->failed == failed && outcome->fell_back == fell_back)
    *(faults.hit ? &outcome->went_on : &outcome->missed) += 1;
  /* Whoever uses CUDA next is not to take an error of ours for one of his. */
  if (!faults.lost)
    g_assert_cmpint (double_table ()->cudaGetLastError (), ==, cudaSuccess);
  double_last_error = cudaSuccess;
  double_check_clean ();
}

/* The number of calls in a life without faults. */
static int
count_calls (Part part)
{
  Outcome ignored = { 0 };

  faults = (Faults){ .at = -1 };
  live (CNN3D_BACKEND_CUDNN, part, &ignored);
  g_assert_false (faults.hit);
  return faults.calls;
}

static void
report (const char *what, const Outcome *o)
{
  g_test_message ("%s: %d faults: %d errors, %d fell back to the CPU, %d went on", what, o->faults,
      o->failed, o->fell_back, o->went_on);
  g_assert_cmpint (o->faults, >, 0);
  g_assert_cmpint (o->missed, ==, 0);
}

/* Each call from the creation of a session to its end; lost: all after it fail as well. */
static Outcome
try_all (Cnn3dBackend backend, Part part, gboolean lost, int step)
{
  Outcome outcome = { 0 };
  int calls = count_calls (part);

  keep_plans ();
  for (int at = 0; at < calls; at += step) {
    faults = (Faults){ .at = at, .lost = lost };
    live (backend, part, &outcome);
  }
  return outcome;
}

/* Each call fails alone; where all after it fail as well, and with a fallback, which differ in what follows, each seventh. */
#define VARIANTS 7

/* With plans that have been timed before, for one clip and for a batch. */
static void
test_life (gconstpointer arch)
{
  Outcome outcome;

  if (!begin (GPOINTER_TO_INT (arch), 2))
    return;
  count_calls (WHOLE_LIFE);
  outcome = try_all (CNN3D_BACKEND_CUDNN, WHOLE_LIFE, FALSE, faults_step ());
  report ("once", &outcome);
  outcome = try_all (CNN3D_BACKEND_CUDNN, WHOLE_LIFE, TRUE, VARIANTS * faults_step ());
  report ("for good", &outcome);
  for (int lost = FALSE; lost <= TRUE; lost++) {
    outcome = try_all (CNN3D_BACKEND_AUTO, WHOLE_LIFE, lost, VARIANTS * faults_step ());
    report (lost ? "for good, auto" : "once, auto", &outcome);
    g_assert_cmpint (outcome.failed, ==, 0);
  }
  end ();
}

/* Plans are timed. */
static void
test_timing (gconstpointer arch)
{
  Outcome outcome;

  if (!begin (GPOINTER_TO_INT (arch), 1))
    return;
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  outcome = try_all (CNN3D_BACKEND_CUDNN, WHOLE_LIFE, FALSE, faults_step ());
  report ("once", &outcome);
  outcome = try_all (CNN3D_BACKEND_CUDNN, WHOLE_LIFE, TRUE, VARIANTS * faults_step ());
  report ("for good", &outcome);
  g_setenv (CNN3D_PLAN_CACHE_ENV, cache, TRUE);
  end ();
}

/* Clips are computed. */
static void
try_runs (gboolean lost)
{
  Outcome insisting = try_all (CNN3D_BACKEND_CUDNN, RUN, lost, faults_step () > 1 ? 3 : 1);
  Outcome automatic = try_all (CNN3D_BACKEND_AUTO, RUN, lost, faults_step () > 1 ? 3 : 1);

  report (lost ? "for good" : "once", &insisting);
  report (lost ? "for good, auto" : "once, auto", &automatic);
  g_assert_cmpint (automatic.failed, ==, 0);
  g_assert_cmpint (insisting.failed, ==, automatic.fell_back);
  g_assert_cmpint (insisting.failed, >, 5);
}

static void
test_run (gconstpointer arch)
{
  if (!begin (GPOINTER_TO_INT (arch), 2))
    return;
  count_calls (WHOLE_LIFE);
  for (int eager = FALSE; eager <= TRUE; eager++) {
    double_settings.no_capture = eager;
    subject.run_calls = 0;
    try_runs (FALSE);
    try_runs (TRUE);
  }
  end ();
}

/* Compares layers with the reference backend, or times them; returns how many, or -1. */
static int
look (Cnn3dSession *session, const float *clip, gboolean compare)
{
  g_autoptr (GError) error = NULL;
  Cnn3dLayerCheck checks[32];
  Cnn3dLayer layers[32];
  int n;

  if (!compare) {
    n = cnn3d_session_profile (session, clip, layers, 32, NULL);
    return n > 0 ? n : -1;
  }
  n = cnn3d_session_check_layers (session, clip, checks, 32, &error);
  g_assert_cmpint (n, !=, 0);
  g_assert_true ((n < 0) == (error != NULL));
  for (int i = 0; i < n && !double_dry; i++)
    g_assert_cmpfloat (checks[i].error, <=, checks[i].tolerance);
  return n;
}

/* Each call of looking into a session fails in turn; returns the number of layers. */
static int
fail_looking (Cnn3dSession *session, const float *clip, gboolean compare)
{
  int n, calls, n_failed = 0;

  faults = (Faults){ .at = -1 };
  n = look (session, clip, compare);
  calls = faults.calls;
  double_dry = TRUE;
  for (int at = 0; at < calls; at++) {
    faults = (Faults){ .at = at };
    n_failed += look (session, clip, compare) < 0;
    g_assert_true (faults.hit);
  }
  double_dry = FALSE;
  faults = (Faults){ .at = -1 };
  g_test_message ("%s: %d calls, %d failures", compare ? "compared" : "timed", calls, n_failed);
  g_assert_cmpint (n_failed, >, calls / 2);
  return n;
}

/* Layers are compared with the reference backend, and timed. */
static void
test_layers (gconstpointer arch)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1 };
  float clip[3 * SHORT_FRAMES * SHORT_SIZE * SHORT_SIZE];
  Cnn3dSession *session;
  int n;

  if (!begin (GPOINTER_TO_INT (arch), 1))
    return;
  cnn3d_model_normalize (subject.model, subject.rgb, clip);
  session = cnn3d_session_new (subject.model, &options, NULL);
  g_assert_nonnull (session);
  n = fail_looking (session, clip, TRUE);
  g_assert_cmpint (fail_looking (session, clip, FALSE), ==, n);
  g_assert_cmpint (n, >, 0);
  cnn3d_session_unref (session);
  double_check_clean ();
  end ();
}

static char *
get_reason (const char *function, int at, gboolean lost, cudaError_t code)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1 };
  g_autoptr (GError) error = NULL;

  faults = (Faults){ .function = function, .at = at, .lost = lost, .code = code };
  double_dry = TRUE;
  g_assert_null (cnn3d_session_new (subject.model, &options, &error));
  double_dry = FALSE;
  g_assert_true (faults.hit);
  faults = (Faults){ .at = -1 };
  double_last_error = cudaSuccess;
  double_check_clean ();
  g_test_message ("%s", error->message);
  return g_strdup (error->message);
}

/* What has happened on the device is told, wherever it comes to light. */
static void
test_reasons (void)
{
  static const char *const in_timing[] = { "cudaEventSynchronize", "cudnnBackendExecute", "cudaEventElapsedTime" };

  if (!begin (CNN3D_ARCH_MOBILENET, 1))
    return;
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (in_timing); i++) {
    g_autofree char *reason = get_reason (in_timing[i], 3, TRUE, cudaErrorLaunchFailure);

    g_assert_nonnull (strstr (reason, "CUDA error 719"));
    g_assert_nonnull (strstr (reason, "must be started anew"));
  }
  {
    g_autofree char *memory = get_reason ("cudaMalloc", 1, FALSE, cudaErrorMemoryAllocation);
    g_autofree char *lost = get_reason ("cudaStreamSynchronize", 0, TRUE, cudaErrorIllegalAddress);

    g_assert_nonnull (strstr (memory, "CUDA error 2)"));
    g_assert_null (strstr (memory, "anew"));
    g_assert_nonnull (strstr (lost, "CUDA error 700"));
    g_assert_nonnull (strstr (lost, "must be started anew"));
  }
  g_setenv (CNN3D_PLAN_CACHE_ENV, cache, TRUE);
  end ();
}

/* Looking for GPUs. */
static void
test_devices (void)
{
  int calls = 1;

  if (!faults_install ())
    return;
  double_settings = (DoubleSettings){ .count = 2, .device = "h100", .capability = 90 };
  for (int at = -1; at < calls; at++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) devices = NULL;
    g_autofree char *versions = NULL;

    faults = (Faults){ .at = at };
    devices = cnn3d_device_list (&versions, &error);
    if (at < 0)
      calls = faults.calls;
    else
      g_assert_true (faults.hit);
    /* Versions are only told. */
    g_assert_true (devices != NULL ? versions != NULL : error != NULL);
    if (devices == NULL)
      g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  }
  g_assert_cmpint (calls, >, 10);
  faults = (Faults){ .at = -1 };
  cnn3d_cuda_replace (NULL);
}

static void
add (const char *what, Cnn3dArch arch, GTestDataFunc test)
{
  g_autofree char *path = g_strdup_printf ("/gpu/faults/%s/%s", cnn3d_arch_get_name (arch), what);

  g_test_add_data_func (path, GINT_TO_POINTER (arch), test);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  /* So that not every session times its plans. */
  cache = g_dir_make_tmp ("cnn3d-faults-XXXXXX", NULL);
  g_setenv (CNN3D_PLAN_CACHE_ENV, cache, TRUE);
  for (int arch = 0; arch < CNN3D_N_ARCHS; arch++) {
    add ("life", arch, test_life);
    add ("timing", arch, test_timing);
    add ("run", arch, test_run);
    add ("layers", arch, test_layers);
  }
  g_test_add_func ("/gpu/faults/reasons", test_reasons);
  g_test_add_func ("/gpu/faults/devices", test_devices);
  status = g_test_run ();
  empty_cache ();
  g_rmdir (cache);
  g_free (cache);
  return status;
}
