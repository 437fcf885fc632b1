/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "tools/session-options.h"

enum { MAX_LAYERS = 256, BATCH = 8 };

/* Of logits, against the CPU backend's, in units of the largest. */
#define TOLERANCE_BF16 3e-2
#define TOLERANCE_FP16 2e-2
#define TOLERANCE_FP32 1e-4

typedef struct {
  FILE *report; /* or NULL */
  Cnn3dSessionOptions options;
  int runs; /* to take the best of */
  int passed, failed;
} SelfTest;

/* To stdout and to the report, at once: what is wrong with a driver may end the process. */
G_GNUC_PRINTF (2, 3)
static void
say (SelfTest *t, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  printf ("%s\n", text);
  fflush (stdout);
  if (t->report != NULL) {
    fprintf (t->report, "%s\n", text);
    fflush (t->report);
  }
}

static void
verdict (SelfTest *t, gboolean pass, const char *what, const char *kind, double error, double tolerance,
    double seconds, const char *detail)
{
  g_autofree char *time = seconds > 0 ? g_strdup_printf ("%9.1f us", 1e6 * seconds) : g_strdup ("");

  say (t, "  %s  %-26s %-10s off by %.1e, at most %.0e%s%s%s", pass ? "pass" : "FAIL", what, kind, error,
      tolerance, time, detail[0] != '\0' ? "  " : "", detail);
  if (pass)
    t->passed++;
  else
    t->failed++;
}

static double
difference (const float *logits, const float *expected, int n)
{
  double worst = 0, largest = 0;

  for (int i = 0; i < n; i++) {
    if (!isfinite (logits[i]))
      return INFINITY;
    worst = MAX (worst, fabs ((double) logits[i] - expected[i]));
    largest = MAX (largest, fabs (expected[i]));
  }
  return largest > 0 ? worst / largest : worst > 0 ? INFINITY : 0;
}

static gboolean
check_layers (SelfTest *t, Cnn3dSession *session, const float *clip, GError **error)
{
  Cnn3dLayerCheck checks[MAX_LAYERS];
  Cnn3dLayer layers[MAX_LAYERS];
  int n = cnn3d_session_check_layers (session, clip, checks, MAX_LAYERS, error);
  int n_times = n > 0 ? cnn3d_session_profile (session, clip, layers, MAX_LAYERS, NULL) : 0;

  if (n < 0)
    return FALSE;
  if (n == 0)
    say (t, "  the backend cannot be looked into; only its logits are compared");
  for (int i = 0; i < MIN (n, MAX_LAYERS); i++)
    verdict (t, checks[i].error <= checks[i].tolerance, checks[i].name ? checks[i].name : "",
        checks[i].kind, checks[i].error, checks[i].tolerance, n_times == n ? layers[i].seconds : 0, checks[i].detail);
  return TRUE;
}

/* Whether runs are replays of what was recorded; without it they are right, but slow. */
static void
check_capture (SelfTest *t, Cnn3dSession *session)
{
  gboolean eager = strstr (cnn3d_session_describe (session), "without CUDA graphs") != NULL;

  if (cnn3d_session_get_backend (session) != CNN3D_BACKEND_CUDNN)
    return;
  say (t, "  %s  recorded as CUDA graphs", eager ? "FAIL" : "pass");
  t->passed += !eager;
  t->failed += eager;
}

static gboolean
time_runs (SelfTest *t, Cnn3dSession *session, const guint8 *rgb, float *logits, int batch, GError **error)
{
  gint64 best = G_MAXINT64;

  for (int i = 0; i < t->runs; i++) {
    gint64 begin = g_get_monotonic_time ();

    if (!cnn3d_session_run_rgb (session, rgb, batch, logits, error))
      return FALSE;
    best = MIN (best, g_get_monotonic_time () - begin);
  }
  say (t, "  %d clip%s: %.3f ms, %.0f clips a second (best of %d)", batch, batch == 1 ? "" : "s",
      (double) best * 1e-3, batch * 1e6 / (double) MAX (best, 1), t->runs);
  return TRUE;
}

static gboolean
test_session (SelfTest *t, Cnn3dModel *model, Cnn3dPrecision precision, GError **error)
{
  const Cnn3dConfig *c = cnn3d_model_get_config (model);
  Cnn3dSessionOptions options = t->options, cpu_options = { .backend = CNN3D_BACKEND_CPU };
  gsize bytes = (gsize) 3 * c->frames * c->size * c->size;
  g_autofree guint8 *rgb = g_malloc (BATCH * bytes);
  g_autofree float *clip = g_new (float, bytes), *logits = g_new (float, BATCH * c->classes);
  g_autofree float *expected = g_new (float, BATCH * c->classes);
  g_autoptr (Cnn3dSession) session = NULL, cpu = NULL;
  gint64 begin = g_get_monotonic_time ();
  double tolerance;

  options.precision = precision;
  session = cnn3d_session_new (model, &options, error);
  if (session == NULL)
    return FALSE;
  say (t, "%s, made in %.0f ms", cnn3d_session_describe (session),
      (double) (g_get_monotonic_time () - begin) * 1e-3);
  check_capture (t, session);
  cpu = cnn3d_session_new (model, &cpu_options, error);
  if (cpu == NULL)
    return FALSE;
  for (gsize i = 0; i < BATCH * bytes; i++)
    rgb[i] = (guint8) ((i + 12345) * 2654435761u >> 24);
  cnn3d_model_normalize (model, rgb, clip);

  if (!check_layers (t, session, clip, error)
      || !cnn3d_session_run_rgb (cpu, rgb, BATCH, expected, error))
    return FALSE;
  precision = cnn3d_session_get_precision (session);
  tolerance = precision == CNN3D_PRECISION_BF16 ? TOLERANCE_BF16
      : precision == CNN3D_PRECISION_FP16 || options.allow_tf32 ? TOLERANCE_FP16 : TOLERANCE_FP32;
  /* A GPU has a program for each of these sizes. */
  for (int n = 1; n <= BATCH; n *= 2) {
    g_autofree char *what = g_strdup_printf ("logits of %d clip%s", n, n == 1 ? "" : "s");
    double off;

    if (!cnn3d_session_run_rgb (session, rgb, n, logits, error))
      return FALSE;
    off = difference (logits, expected, n * c->classes);
    verdict (t, off <= tolerance, what, "", off, tolerance, 0, "");
  }
  return time_runs (t, session, rgb, logits, 1, error) && time_runs (t, session, rgb, logits, BATCH, error);
}

/* A failure that ends one test is one more failure, and the next one goes on. */
static void
test_model (SelfTest *t, const char *name, Cnn3dModel *model)
{
  const Cnn3dPrecision both[] = { CNN3D_PRECISION_FP16, CNN3D_PRECISION_FP32 };
  gboolean gpu = t->options.backend == CNN3D_BACKEND_CUDNN;

  for (int i = 0; i < (gpu && t->options.precision == CNN3D_PRECISION_AUTO ? 2 : 1); i++) {
    g_autoptr (GError) error = NULL;
    Cnn3dPrecision precision = gpu && t->options.precision == CNN3D_PRECISION_AUTO
        ? both[i] : t->options.precision;

    say (t, "\n%s", name);
    if (!test_session (t, model, precision, &error)) {
      say (t, "  FAIL  %s", error->message);
      t->failed++;
    }
  }
}

static void
test_named (SelfTest *t, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = tool_load (name, NULL, &error);

  if (model == NULL) {
    say (t, "\n%s\n  FAIL  %s", name, error->message);
    t->failed++;
    return;
  }
  test_model (t, name, model);
}

/* All bundled models, and each architecture with weights of a hash. */
static void
test_all (SelfTest *t)
{
  for (int i = 0; i < CNN3D_N_ARCHS; i++) {
    Cnn3dConfig config = { .arch = (Cnn3dArch) i };
    g_autofree char *path = cnn3d_model_find (cnn3d_arch_get_name (config.arch), NULL);
    g_autofree char *name = g_strdup_printf ("%s 1.0x, weights of a hash", cnn3d_arch_get_title (config.arch));
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "selftest", &error);

    if (path != NULL)
      test_named (t, path);
    g_assert (model != NULL);
    test_model (t, name, model);
  }
}

/* A line of a file that begins so, or its first one, without the beginning; NULL if there is none. */
static char *
find_line (const char *path, const char *beginning)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (int i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], beginning))
      return g_strdup (lines[i] + strlen (beginning));
  return NULL;
}

static void
describe_system (SelfTest *t)
{
  g_autofree char *name = find_line ("/etc/os-release", "PRETTY_NAME=");
  g_autofree char *driver = find_line ("/proc/driver/nvidia/version", "");
  struct utsname kernel;

  if (uname (&kernel) == 0)
    say (t, "system: %s, %s %s %s", name != NULL ? name : "unknown", kernel.sysname, kernel.release, kernel.machine);
  say (t, "driver: %s", driver != NULL ? driver : "none in /proc/driver/nvidia");
}

/* Those of CUDA, cuDNN and this project, and where libraries are looked for. */
static void
describe_environment (SelfTest *t)
{
  g_auto (GStrv) names = g_listenv ();

  for (int i = 0; names[i] != NULL; i++)
    if (g_str_has_prefix (names[i], "CNN3D_") || g_str_has_prefix (names[i], "CUDA_")
        || g_str_has_prefix (names[i], "CUDNN_") || g_str_has_prefix (names[i], "NVIDIA_")
        || strcmp (names[i], "LD_LIBRARY_PATH") == 0 || strcmp (names[i], "LD_PRELOAD") == 0)
      say (t, "environment: %s=%s", names[i], g_getenv (names[i]));
}

/* Where the loader has found CUDA's and cuDNN's. */
static void
describe_libraries (SelfTest *t)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/proc/self/maps", &text, NULL, NULL))
    return;
  lines = g_strsplit (text, "\n", -1);
  for (int i = 0; lines[i] != NULL; i++) {
    const char *path = strchr (lines[i], '/');
    const char *name = path != NULL ? strrchr (path, '/') + 1 : "";

    if ((g_str_has_prefix (name, "libcuda") || g_str_has_prefix (name, "libcudnn") || g_str_has_prefix (name, "libnvrtc"))
        && g_hash_table_add (seen, g_strdup (path)))
      say (t, "library: %s", path);
  }
}

/* FALSE if the backend cannot be used at all, which is said once and not for each model. */
static gboolean
describe_machine (SelfTest *t)
{
  g_autofree char *versions = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) devices = cnn3d_device_list (&versions, &error);

  say (t, "3dcnn " VERSION " selftest");
  describe_system (t);
  describe_environment (t);
  if (devices == NULL) {
    if (t->options.backend != CNN3D_BACKEND_CUDNN)
      return TRUE;
    say (t, "\n  FAIL  %s", error->message);
    t->failed++;
    return FALSE;
  }
  say (t, "%s", versions);
  describe_libraries (t);
  for (guint i = 0; i < devices->len; i++) {
    const Cnn3dDevice *d = devices->pdata[i];
    say (t, "device %d: %s, capability %d.%d, %d multiprocessors", d->index, d->name, d->major, d->minor,
        d->multiprocessors);
  }
  return TRUE;
}

int
cmd_selftest (int argc, char **argv)
{
  g_auto (ToolSession) where = { 0 };
  g_autofree char *report = NULL;
  gboolean only = FALSE;
  SelfTest t = { .runs = 20 };
  const GOptionEntry entries[] = {
    TOOL_SESSION_ENTRIES (where),
    { "runs", 'r', 0, G_OPTION_ARG_INT, &t.runs, "Runs to take the best time of (20)", "N" },
    { "only", 0, 0, G_OPTION_ARG_NONE, &only, "Only the models that are given", NULL },
    { "report", 'o', 0, G_OPTION_ARG_FILENAME, &report, "Also write all of it to a file", "FILE" },
    { NULL },
  };

  if (!tool_parse (&argc, &argv, entries, "[MODEL...]",
          "Compares a backend (cudnn unless --backend says otherwise) with the CPU: every layer, the logits of 1,\n"
          "2, 4 and 8 clips; and measures times. Takes the models that are given, the bundled ones, and each\n"
          "architecture; with --only, those that are given. The report is what to attach to a bug.\n\n"
          "Example:\n  3dcnn selftest --report selftest.txt\n", 0, -1))
    return EXIT_USAGE;
  if (only && argc == 1) {
    tool_complain ("--only: no models are given");
    return EXIT_USAGE;
  }
  if (t.runs < 1 || t.runs > 1000000) {
    tool_complain ("--runs must be at least 1");
    return EXIT_USAGE;
  }
  t.options.backend = CNN3D_BACKEND_CUDNN;
  if (!tool_session_options (&where, &t.options))
    return EXIT_USAGE;
  if (report != NULL && (t.report = fopen (report, "w")) == NULL) {
    tool_complain ("%s: %s", report, g_strerror (errno));
    return EXIT_FAILED;
  }
  if (describe_machine (&t)) {
    for (int i = 1; i < argc; i++)
      test_named (&t, argv[i]);
    if (!only)
      test_all (&t);
  }
  say (&t, "\n%d passed, %d failed", t.passed, t.failed);
  if (t.report != NULL && fclose (t.report) != 0) {
    tool_complain ("%s: %s", report, g_strerror (errno));
    return EXIT_FAILED;
  }
  return t.failed == 0 ? EXIT_OK : EXIT_FAILED;
}
