/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/session-options.h"

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

double
bench_median (double *values, int n)
{
  qsort (values, (gsize) n, sizeof *values, compare_doubles);
  return values[n / 2];
}

void
bench_fill (guint8 *bytes, gsize n)
{
  for (gsize i = 0; i < n; i++)
    bytes[i] = (guint8) (i * 2654435761u >> 24);
}

/* A session's description but for the number of threads, which the table has. */
static char *
place (Cnn3dSession *session)
{
  g_autoptr (GRegex) threads = g_regex_new (", [0-9]+ threads?", 0, 0, NULL);

  return g_regex_replace_literal (threads, cnn3d_session_describe (session), -1, 0, "", 0, NULL);
}

void
bench_describe (const Bench *bench, Cnn3dSession *session, void (*head) (void))
{
  static char *said;
  g_autofree char *now = place (session);

  tool_session_warn (session);
  if (bench->json != NULL) {
    tool_json_string (bench->json, "backend", cnn3d_session_describe (session));
    tool_json_string (bench->json, "fallback", cnn3d_session_get_fallback (session));
  } else if (g_strcmp0 (now, said) != 0) {
    printf ("%s\n", now);
    head ();
    g_free (said);
    said = g_steal_pointer (&now);
  }
}

static void
print_head (void)
{
  printf ("%-34s %7s %8s %8s %8s %9s %9s\n", "network", "threads", "ms", "p10", "p90", "clips/s", "GFLOP/s");
}

/* The most memory that the process has had, in MB; 0 where the system does not tell. */
static double
bench_peak_mb (void)
{
  g_autofree char *status = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return 0;
  line = strstr (status, "VmHWM:");
  return line != NULL ? g_ascii_strtod (line + strlen ("VmHWM:"), NULL) / 1024 : 0;
}

static gboolean
bench_model (const Bench *bench, Cnn3dModel *model, int threads, GError **error)
{
  const Cnn3dConfig *config = cnn3d_model_get_config (model);
  Cnn3dSessionOptions options = bench->session;
  gsize n = (gsize) bench->batch * 3 * config->frames * config->size * config->size;
  g_autofree guint8 *rgb = g_malloc (n);
  g_autofree float *logits = g_new (float, bench->batch * config->classes);
  g_autofree double *ms = g_new (double, bench->runs);
  g_autofree char *network = cnn3d_config_describe (config);
  g_autoptr (Cnn3dSession) session = NULL;
  Cnn3dComplexity c;
  gint64 begin = g_get_monotonic_time ();
  double setup, first = 0, median, low, high;

  options.threads = threads;
  options.batch = bench->batch;
  session = cnn3d_session_new (model, &options, error);
  if (session == NULL || !cnn3d_config_get_complexity (config, &c, error))
    return FALSE;
  setup = (double) (g_get_monotonic_time () - begin) * 1e-3;
  bench_fill (rgb, n);

  /* The first two runs bring pages and caches into their usual state. */
  for (int i = -2; i < bench->runs; i++) {
    begin = g_get_monotonic_time ();
    if (!cnn3d_session_run_rgb (session, rgb, bench->batch, logits, error))
      return FALSE;
    if (i == -2)
      first = (double) (g_get_monotonic_time () - begin) * 1e-3;
    if (i >= 0)
      ms[i] = (double) (g_get_monotonic_time () - begin) * 1e-3;
  }
  median = bench_median (ms, bench->runs);
  low = ms[bench->runs / 10];
  high = ms[bench->runs - 1 - bench->runs / 10];

  if (bench->json != NULL) {
    json_builder_begin_object (bench->json);
    tool_json_string (bench->json, "network", network);
    bench_describe (bench, session, print_head);
    tool_json_int (bench->json, "threads", threads);
    tool_json_int (bench->json, "batch", bench->batch);
    tool_json_double (bench->json, "median_ms", median);
    tool_json_double (bench->json, "p10_ms", low);
    tool_json_double (bench->json, "p90_ms", high);
    tool_json_double (bench->json, "load_ms", bench->load_ms);
    tool_json_double (bench->json, "setup_ms", setup);
    tool_json_double (bench->json, "first_ms", first);
    tool_json_double (bench->json, "peak_mb", bench_peak_mb ());
    json_builder_set_member_name (bench->json, "runs_ms");
    json_builder_begin_array (bench->json);
    for (int i = 0; i < bench->runs; i++)
      json_builder_add_double_value (bench->json, ms[i]);
    json_builder_end_array (bench->json);
    tool_json_double (bench->json, "clips_per_second", 1e3 * bench->batch / median);
    tool_json_double (bench->json, "gflops", 2e-6 * (double) c.macs * bench->batch / median);
    json_builder_end_object (bench->json);
  } else {
    bench_describe (bench, session, print_head);
    printf ("%-34s %7d %8.2f %8.2f %8.2f %9.1f %9.1f\n", network, threads, median, low, high,
        1e3 * bench->batch / median, 2e-6 * (double) c.macs * bench->batch / median);
    fflush (stdout);
  }
  return TRUE;
}

enum { MAX_LAYERS = 256 };

/* The peak of a machine that does other things as well shows only once in a while. */
#define PEAK_RUNS 8

/* Medians over runs for each layer by itself; returns the number of layers. */
static int
profile (const Bench *bench, Cnn3dSession *session, Cnn3dLayer *layers, double *peak)
{
  const Cnn3dConfig *config = cnn3d_model_get_config (cnn3d_session_get_model (session));
  gsize bytes = (gsize) 3 * config->frames * config->size * config->size;
  g_autofree guint8 *rgb = g_malloc (bytes);
  g_autofree double *seconds = g_new0 (double, (gsize) bench->runs * MAX_LAYERS);
  int n = 0;

  *peak = 0;
  bench_fill (rgb, bytes);
  for (int r = 0; r < bench->runs; r++) {
    double p = 0;

    n = cnn3d_session_profile_rgb (session, rgb, layers, MAX_LAYERS, r < PEAK_RUNS ? &p : NULL);
    n = MIN (n, MAX_LAYERS);
    *peak = MAX (*peak, p);
    for (int i = 0; i < n; i++)
      seconds[i * bench->runs + r] = layers[i].seconds;
  }
  for (int i = 0; i < n; i++) {
    layers[i].seconds = bench_median (seconds + i * bench->runs, bench->runs);
  }
  return n;
}

static double
sum_seconds (const Cnn3dLayer *layers, int n)
{
  double sum = 0;

  for (int i = 0; i < n; i++)
    sum += layers[i].seconds;
  return sum;
}

static void
print_layers (const Cnn3dLayer *layers, int n, double peak)
{
  double total = sum_seconds (layers, n);

  printf ("%-26s %-28s %8s %7s %9s%s\n", "layer", "kind", "us", "% time", "GFLOP/s",
      peak > 0 ? "  % peak" : "");
  for (int i = 0; i < n; i++) {
    printf ("%-26s %-28s %8.1f %7.1f %9.1f", layers[i].name ? layers[i].name : "",
        layers[i].kind, 1e6 * layers[i].seconds, 100 * layers[i].seconds / total,
        2e-9 * (double) layers[i].macs / layers[i].seconds);
    if (peak > 0)
      printf (" %7.1f", 100 * (double) layers[i].macs / layers[i].seconds / peak);
    putchar ('\n');
  }
  printf ("%-26s %-28s %8.1f\n\n", "", "all", 1e6 * total);
}

static void
json_layers (JsonBuilder *b, const Cnn3dLayer *layers, int n, double peak)
{
  if (peak > 0)
    tool_json_double (b, "peak_gflops", 2e-9 * peak);
  tool_json_double (b, "total_ms", 1e3 * sum_seconds (layers, n));
  json_builder_set_member_name (b, "layers");
  json_builder_begin_array (b);
  for (int i = 0; i < n; i++) {
    json_builder_begin_object (b);
    tool_json_string (b, "name", layers[i].name);
    tool_json_string (b, "kind", layers[i].kind);
    tool_json_int (b, "macs", layers[i].macs);
    tool_json_double (b, "us", 1e6 * layers[i].seconds);
    tool_json_double (b, "gflops", 2e-9 * (double) layers[i].macs / layers[i].seconds);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static gboolean
bench_layers (const Bench *bench, Cnn3dModel *model, int threads, GError **error)
{
  Cnn3dSessionOptions options = bench->session;
  g_autoptr (Cnn3dSession) session = NULL;
  g_autofree char *network = cnn3d_config_describe (cnn3d_model_get_config (model));
  Cnn3dLayer layers[MAX_LAYERS];
  double peak;
  int n;

  options.threads = threads;
  session = cnn3d_session_new (model, &options, error);
  if (session == NULL)
    return FALSE;
  n = profile (bench, session, layers, &peak);
  if (n == 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "the backend %s does not profile its layers",
        cnn3d_backend_get_name (cnn3d_session_get_backend (session)));
    return FALSE;
  }
  if (bench->json != NULL) {
    json_builder_begin_object (bench->json);
    tool_json_string (bench->json, "network", network);
    bench_describe (bench, session, NULL);
    tool_json_int (bench->json, "threads", threads);
    json_layers (bench->json, layers, n, peak);
    json_builder_end_object (bench->json);
  } else {
    tool_session_warn (session);
    printf ("%s, %s", network, cnn3d_session_describe (session));
    if (peak > 0)
      printf (", peak %.0f GFLOP/s", 2e-9 * peak);
    putchar ('\n');
    print_layers (layers, n, peak);
    fflush (stdout);
  }
  return TRUE;
}

static gboolean
bench_threads (const Bench *bench, Cnn3dModel *model, const int *threads, GError **error)
{
  gboolean ok = TRUE;

  for (int i = 0; ok && threads[i] != 0; i++)
    ok = bench->layers       ? bench_layers (bench, model, threads[i], error)
        : bench->stride > 0 ? bench_stream (bench, model, threads[i], error)
                            : bench_model (bench, model, threads[i], error);
  return ok;
}

static gboolean
bench_config (const Bench *bench, const Cnn3dConfig *config, const int *threads, GError **error)
{
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (config, "", error);

  return model != NULL && bench_threads (bench, model, threads, error);
}

int
cmd_bench (int argc, char **argv)
{
  g_autofree char *arch = NULL, *threads_text = NULL;
  g_auto (ToolSession) where = { 0 };
  g_autofree int *threads = NULL;
  gboolean all = FALSE, json = FALSE, ok = TRUE;
  Cnn3dConfig config = { 0 };
  Bench bench = { .runs = 30, .batch = 1 };
  const GOptionEntry entries[] = {
    { "all", 0, 0, G_OPTION_ARG_NONE, &all, "The 17 networks of the paper's Table 8", NULL },
    { "arch", 'a', 0, G_OPTION_ARG_STRING, &arch, "An architecture, in place of models", "ARCH" },
    { "width", 'w', 0, G_OPTION_ARG_DOUBLE, &config.width, "Its width (1.0)", "WIDTH" },
    { "groups", 'g', 0, G_OPTION_ARG_INT, &config.groups, "Groups, of shufflenet (3)", "N" },
    { "version", 0, 0, G_OPTION_ARG_INT, &config.version, "Version, of squeezenet: 10 or 11 (11)", "N" },
    { "threads", 't', 0, G_OPTION_ARG_STRING, &threads_text, "Numbers of threads, such as 1,2 (1)", "N,..." },
    { "batch", 'n', 0, G_OPTION_ARG_INT, &bench.batch, "Clips in a run (1)", "N" },
    { "runs", 'r', 0, G_OPTION_ARG_INT, &bench.runs, "Runs to take the median of (30)", "N" },
    TOOL_SESSION_ENTRIES (where),
    { "layers", 'l', 0, G_OPTION_ARG_NONE, &bench.layers,
        "Print the time of each layer, and its share of the measured FMA peak", NULL },
    { "stream", 's', 0, G_OPTION_ARG_INT, &bench.stride,
        "Clips that overlap, a stride of N frames apart: incrementally and from scratch", "N" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { NULL },
  };
  g_autoptr (GError) error = NULL;

  if (!tool_parse (&argc, &argv, entries, "[MODEL...]",
          "Measures runs from bytes to logits: median, 10th and 90th percentile.\n\n"
          "Examples:\n  3dcnn bench --all --threads 1,2\n  3dcnn bench shufflenet --batch 8\n"
          "  3dcnn bench --arch mobilenetv2 --layers\n"
          "  3dcnn bench --arch shufflenet --stream 8\n", 0, -1))
    return EXIT_USAGE;
  if (all + (arch != NULL) + (argc > 1) != 1) {
    tool_complain ("bench takes models, --arch or --all");
    return EXIT_USAGE;
  }
  if (bench.runs < 1 || bench.runs > 1000000 || bench.batch < 1 || bench.batch > 4096) {
    tool_complain ("--runs and --batch must be at least 1, and --batch at most 4096");
    return EXIT_USAGE;
  }
  if (bench.stride < 0 || bench.stride > 10000 || (bench.stride > 0 && (bench.batch != 1 || bench.layers))) {
    tool_complain ("--stream takes a stride of 1 to 10000 frames, and neither --batch nor --layers");
    return EXIT_USAGE;
  }
  if (bench.layers && bench.batch != 1) {
    tool_complain ("--layers times a single clip, so it takes no --batch");
    return EXIT_USAGE;
  }
  if (arch == NULL && (config.width != 0 || config.groups != 0 || config.version != 0)) {
    tool_complain ("--width, --groups and --version go with --arch");
    return EXIT_USAGE;
  }
  threads = tool_parse_integers (threads_text ? threads_text : "1", "--threads", &error);
  if (threads == NULL) {
    tool_complain ("%s", error->message);
    return EXIT_USAGE;
  }
  if (!tool_session_options (&where, &bench.session))
    return EXIT_USAGE;

  if (json) {
    bench.json = json_builder_new ();
    json_builder_begin_array (bench.json);
  }
  if (arch != NULL)
    ok = cnn3d_arch_from_name (arch, &config.arch, &error)
        && bench_config (&bench, &config, threads, &error);
  for (guint i = 0; all && ok && i < TOOL_N_TABLE8; i++)
    ok = bench_config (&bench, &tool_table8[i], threads, &error);
  for (int i = 1; ok && i < argc; i++) {
    gint64 begin = g_get_monotonic_time ();
    g_autoptr (Cnn3dModel) model = tool_load (argv[i], NULL, &error);

    bench.load_ms = (double) (g_get_monotonic_time () - begin) * 1e-3;
    ok = model != NULL && bench_threads (&bench, model, threads, &error);
  }
  if (json) {
    json_builder_end_array (bench.json);
    tool_print_json (bench.json);
  }
  return ok ? EXIT_OK : tool_fail (error);
}
