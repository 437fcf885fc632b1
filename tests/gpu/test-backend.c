/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The cudnn backend from end to end without a GPU: its own code, the real cuDNN's descriptors and plans, our
 * kernels on the CPU; against the CPU backend.
 */

#include <glib/gstdio.h>
#include <math.h>

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cudnn/plancache.h"
#include "tests/gpu/faults.h"
#include "tests/gpu/networks.h"
#include "tests/gpu/short-model.h"

typedef struct {
  const char *name;
  Cnn3dConfig config;
  Cnn3dPrecision precision;
  double tolerance; /* of the largest logit */
  int batch, clips;
  gboolean rgb;
  DoubleSettings settings;
  gboolean allow_tf32;
} Case;

#define H100 .device = "h100", .capability = 90, .count = 1
#define T4 .device = "t4", .capability = 75, .count = 2
#define BLACKWELL .device = "rtx5090", .capability = 120, .count = 1

static const Case cases[] = {
  { "mobilenet-half", { CNN3D_ARCH_MOBILENET, 0.5, .classes = 27, .frames = 8, .size = 48 },
      CNN3D_PRECISION_AUTO, 2e-2, 1, 1, TRUE, { H100 } },
  { "mobilenet-float", { CNN3D_ARCH_MOBILENET, 0.5, .classes = 27, .frames = 8, .size = 48 },
      CNN3D_PRECISION_FP32, 1e-4, 1, 1, FALSE, { T4, .order = 1 } },
  { "mobilenetv2-half", { CNN3D_ARCH_MOBILENETV2, 0.45, .classes = 7, .frames = 16, .size = 40 },
      CNN3D_PRECISION_FP16, 2e-2, 4, 3, FALSE, { BLACKWELL, .order = 1 } },
  { "mobilenetv2-float", { CNN3D_ARCH_MOBILENETV2, 0.45, .classes = 7, .frames = 16, .size = 40 },
      CNN3D_PRECISION_FP32, 1e-4, 4, 16, TRUE, { H100 } },
  { "shufflenet-half", { CNN3D_ARCH_SHUFFLENET, 0.5, .classes = 27, .frames = 16, .size = 48 },
      CNN3D_PRECISION_FP16, 2e-2, 2, 5, TRUE, { T4 } },
  { "shufflenet-float", { CNN3D_ARCH_SHUFFLENET, 0.5, .classes = 27, .frames = 16, .size = 48 },
      CNN3D_PRECISION_FP32, 1e-4, 1, 3, FALSE, { BLACKWELL } },
  { "shufflenet-reversed", { CNN3D_ARCH_SHUFFLENET, 0.25, .classes = 5, .frames = 16, .size = 32 },
      CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100, .order = 1 } },
  { "shufflenetv2-half", { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 600, .frames = 16, .size = 48 },
      CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100, .order = 1 } },
  { "shufflenetv2-float", { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 600, .frames = 16, .size = 48 },
      CNN3D_PRECISION_FP32, 1e-4, 3, 4, TRUE, { T4 } },
  { "squeezenet-half", { CNN3D_ARCH_SQUEEZENET, .classes = 11, .frames = 8, .size = 48 },
      CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { T4 } },
  { "squeezenet-float", { CNN3D_ARCH_SQUEEZENET, .classes = 11, .frames = 8, .size = 48 },
      CNN3D_PRECISION_FP32, 1e-4, 2, 3, FALSE, { H100, .order = 1 } },
  /* Where cuDNN fuses nothing, a kernel of ours does what follows the convolution. */
  { "unfused-shufflenet", { CNN3D_ARCH_SHUFFLENET, 0.5, .classes = 27, .frames = 16, .size = 32 },
      CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100, .no_fusion = TRUE } },
  { "unfused-mobilenetv2", { CNN3D_ARCH_MOBILENETV2, 0.2, .classes = 7, .frames = 16, .size = 32 },
      CNN3D_PRECISION_FP32, 1e-4, 1, 2, TRUE, { T4, .no_fusion = TRUE } },
  { "eager", { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 5, .frames = 16, .size = 32 },
      CNN3D_PRECISION_FP16, 2e-2, 2, 3, TRUE, { H100, .no_capture = TRUE } },
  /* Its own kernels and plans, whose products the double does not round. */
  { "tf32", { CNN3D_ARCH_MOBILENETV2, 0.2, .classes = 5, .frames = 16, .size = 32 },
      CNN3D_PRECISION_FP32, 1e-4, 1, 1, TRUE, { H100, .numerical_note = 1 + CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS }, TRUE },
  /* Where cuDNN has no heuristics but those of last resort, or not these. */
  { "no-mode-a", { CNN3D_ARCH_MOBILENET, 0.5, .classes = 5, .frames = 8, .size = 32 },
      CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100, .refused_modes = 1 } },
  { "no-fallback-mode", { CNN3D_ARCH_MOBILENET, 0.5, .classes = 5, .frames = 8, .size = 32 },
      CNN3D_PRECISION_FP32, 1e-4, 1, 1, TRUE, { T4, .refused_modes = 2 } },
  /* As published, at the paper's input. */
  { "mobilenet-1.0x", { CNN3D_ARCH_MOBILENET, 1.0 }, CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100 } },
  { "mobilenetv2-1.0x", { CNN3D_ARCH_MOBILENETV2, 1.0 }, CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100 } },
  { "shufflenet-1.0x", { CNN3D_ARCH_SHUFFLENET, 1.0 }, CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100 } },
  { "shufflenetv2-1.0x", { CNN3D_ARCH_SHUFFLENETV2, 1.0 }, CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100 } },
  { "squeezenet-1.0x", { CNN3D_ARCH_SQUEEZENET }, CNN3D_PRECISION_FP16, 2e-2, 1, 1, TRUE, { H100 } },
  { "shufflenet-1.0x-float", { CNN3D_ARCH_SHUFFLENET, 1.0 }, CNN3D_PRECISION_FP32, 1e-4, 1, 1, TRUE, { T4 } },
};

static guint8 *
make_clips (const Cnn3dConfig *config, int n)
{
  gsize bytes = (gsize) config->frames * config->size * config->size * 3 * n;
  guint8 *rgb = g_malloc (bytes);
  guint64 hash = cnn3d_hash_name ("", "clips");

  for (gsize i = 0; i < bytes; i++)
    rgb[i] = (guint8) (256 * cnn3d_hash_uniform (hash, i));
  return rgb;
}

static void
run (Cnn3dSession *session, Cnn3dModel *model, const guint8 *rgb, int n, gboolean as_rgb, float *logits,
    float *features)
{
  const Cnn3dConfig *config = &model->config;
  gsize step = (gsize) config->frames * config->size * config->size * 3;
  g_autofree float *planes = NULL;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  if (as_rgb) {
    ok = cnn3d_session_run_rgb_features (session, rgb, n, logits, features, &error);
  } else {
    planes = g_new (float, step * n);
    for (int i = 0; i < n; i++)
      cnn3d_model_normalize (model, rgb + step * i, planes + step * i);
    ok = cnn3d_session_run_features (session, planes, n, logits, features, &error);
  }
  g_assert_no_error (error);
  g_assert_true (ok);
}

/* The largest difference, in units of the largest value. */
static double
compare (const float *x, const float *expected, int n)
{
  double worst = 0, largest = 0;

  for (int i = 0; i < n; i++) {
    g_assert_true (isfinite (x[i]));
    worst = MAX (worst, fabs ((double) x[i] - expected[i]));
    largest = MAX (largest, fabs (expected[i]));
  }
  g_assert_cmpfloat (largest, >, 0);
  return worst / largest;
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dSession) gpu = NULL, cpu = NULL;
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .precision = c->precision,
    .batch = c->batch, .allow_tf32 = c->allow_tf32 };
  Cnn3dSessionOptions cpu_options = { .backend = CNN3D_BACKEND_CPU, .threads = 1 };
  g_autofree guint8 *rgb = NULL;
  g_autofree float *logits = NULL, *expected = NULL, *features = NULL, *expected_features = NULL;
  int n, n_features;

  if (!double_install ())
    return;
  double_settings = c->settings;
  model = cnn3d_model_new_synthetic (&c->config, "gpu", &error);
  g_assert_no_error (error);
  model->card->std[1] = 2;
  model->card->channel_order = CNN3D_CHANNEL_ORDER_BGR;
  n = model->config.classes * c->clips;
  rgb = make_clips (&model->config, c->clips);
  logits = g_new (float, n);
  expected = g_new (float, n);
  n_features = cnn3d_model_get_n_features (model) * c->clips;
  features = g_new (float, n_features);
  expected_features = g_new (float, n_features);
  gpu = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (strstr (cnn3d_session_describe (gpu), "TF32") != NULL, ==, c->allow_tf32);
  cpu = cnn3d_session_new (model, &cpu_options, &error);
  g_assert_no_error (error);
  run (cpu, model, rgb, c->clips, TRUE, expected, expected_features);

  /* Once with features, once without, which must not matter. */
  for (int round = 0; round < (c->config.frames > 0 ? 2 : 1); round++) {
    double worst, worst_feature = 0;

    double_counts = (DoubleCounts){ 0 };
    run (gpu, model, rgb, c->clips, c->rgb, logits, round == 0 ? features : NULL);
    worst = compare (logits, expected, n);
    if (round == 0)
      worst_feature = compare (features, expected_features, n_features);
    g_test_message ("%s: off by %.1e of the largest logit, %.1e of the largest feature",
        cnn3d_session_describe (gpu), worst, worst_feature);
    g_assert_cmpfloat (worst, <=, c->tolerance);
    g_assert_cmpfloat (worst_feature, <=, c->tolerance);
    /* Waited for once, whatever the number of clips. */
    g_assert_cmpint (double_counts.syncs, ==, 1);
    if (c->settings.no_capture)
      g_assert_cmpint (double_counts.graphs, ==, 0);
    else
      g_assert_cmpint (double_counts.kernels, ==, double_counts.graphs);
  }
  g_clear_pointer (&gpu, cnn3d_session_unref);
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* Clips up to the batch run as one: in the smallest recorded program that holds them, with the logits that each
 * has by itself. */
static void
test_batches (gconstpointer data)
{
  int batch = GPOINTER_TO_INT (data), largest = batch > 0 ? batch : 8;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (Cnn3dSession) session = NULL;
  g_autofree guint8 *rgb = NULL;
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = batch };
  float alone[CNN3D_MAX_GROUP * SHORT_CLASSES], together[CNN3D_MAX_GROUP * SHORT_CLASSES];
  gsize step;

  if (!double_install ())
    return;
  double_settings = (DoubleSettings){ H100 };
  model = short_model_new (CNN3D_ARCH_MOBILENET);
  rgb = make_clips (&model->config, CNN3D_MAX_GROUP);
  step = (gsize) 3 * model->config.frames * model->config.size * model->config.size;
  session = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  for (int i = 0; i < CNN3D_MAX_GROUP; i++)
    run (session, model, rgb + i * step, 1, TRUE, alone + i * SHORT_CLASSES, NULL);
  for (int n = 1; n <= CNN3D_MAX_GROUP; n++) {
    double_counts = (DoubleCounts){ 0 };
    run (session, model, rgb, n, TRUE, together, NULL);
    g_assert_cmpint (double_counts.graphs, ==, (n + largest - 1) / largest);
    g_assert_cmpint (double_counts.syncs, ==, 1);
    g_assert_cmpmem (together, (gsize) n * SHORT_CLASSES * sizeof (float), alone,
        (gsize) n * SHORT_CLASSES * sizeof (float));
  }
  g_clear_pointer (&session, cnn3d_session_unref);
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* Launches of a forward pass: one brings the clip into its layout, all others are recorded. */
static void
test_launches (void)
{
  for (int i = 0; i < N_NETWORKS; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&networks[i].config, "gpu", &error);
    g_autoptr (Cnn3dSession) session = NULL;
    Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1 };

    if (!double_install ())
      return;
    double_settings = (DoubleSettings){ H100 };
    double_dry = TRUE;
    session = cnn3d_session_new (model, &options, &error);
    double_dry = FALSE;
    g_assert_no_error (error);
    g_test_message ("%s: %d launches", networks[i].name, double_counts.recorded + 1);
    g_assert_cmpint (double_counts.recorded + 1, <=, networks[i].launches);
    g_clear_pointer (&session, cnn3d_session_unref);
    double_check_clean ();
    cnn3d_cuda_replace (NULL);
  }
}

/* Without any heuristics there are no kernels, and it is said why. */
static void
test_no_heuristics (void)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1 };
  g_autoptr (Cnn3dModel) model = short_model_new (CNN3D_ARCH_MOBILENET);
  g_autoptr (GError) error = NULL;

  if (!double_install ())
    return;
  double_settings = (DoubleSettings){ H100, .refused_modes = 3 };
  g_assert_null (cnn3d_session_new (model, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_assert_nonnull (strstr (error->message, "has no kernel"));
  g_assert_nonnull (strstr (error->message, "CUDNN_STATUS_NOT_SUPPORTED"));
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* Kernels that are not wanted, even where there are no others; of those that round what they read, in single precision. */
static void
test_unwanted (void)
{
  static const struct {
    int note; /* -1: none, but compiled at run time */
    Cnn3dPrecision precision;
    gboolean taken;
  } notes[] = {
    { -1, CNN3D_PRECISION_FP16, FALSE }, { -1, CNN3D_PRECISION_FP32, FALSE },
    { CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, CNN3D_PRECISION_FP32, FALSE },
    { CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, CNN3D_PRECISION_FP16, TRUE },
    { CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CNN3D_PRECISION_FP32, FALSE },
    { CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CNN3D_PRECISION_FP16, TRUE },
    { CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, CNN3D_PRECISION_FP16, FALSE },
    { CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CNN3D_PRECISION_FP16, FALSE },
    { CUDNN_NUMERICAL_NOTE_FFT, CNN3D_PRECISION_FP32, FALSE },
    { CUDNN_NUMERICAL_NOTE_WINOGRAD, CNN3D_PRECISION_FP16, FALSE },
    { CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4, CNN3D_PRECISION_FP16, FALSE },
    { CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6, CNN3D_PRECISION_FP16, FALSE },
    { CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13, CNN3D_PRECISION_FP16, FALSE },
  };
  g_autoptr (Cnn3dModel) model = short_model_new (CNN3D_ARCH_MOBILENET);

  if (!double_install ())
    return;
  double_dry = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (notes); i++) {
    Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1, .precision = notes[i].precision };
    g_autoptr (GError) error = NULL;
    Cnn3dSession *session;

    double_settings = (DoubleSettings){ H100, .numerical_note = notes[i].note + 1, .runtime_compiled = notes[i].note < 0 };
    session = cnn3d_session_new (model, &options, &error);
    g_test_message ("note %d: %s", notes[i].note, error != NULL ? error->message : "taken");
    g_assert_true ((session != NULL) == notes[i].taken);
    if (session == NULL)
      g_assert_nonnull (strstr (error->message, "has no kernel"));
    else
      cnn3d_session_unref (session);
    double_check_clean ();
  }
  double_dry = FALSE;
  cnn3d_cuda_replace (NULL);
}

/* What auto is on a device. */
static void
test_auto_precision (void)
{
  static const struct {
    const char *device;
    int capability;
    Cnn3dPrecision wanted, actual;
  } choices[] = {
    { "t4", 75, CNN3D_PRECISION_AUTO, CNN3D_PRECISION_FP16 },
    { "gtx1660ti", 75, CNN3D_PRECISION_AUTO, CNN3D_PRECISION_FP32 },
    { "gtx1660ti", 75, CNN3D_PRECISION_FP16, CNN3D_PRECISION_FP16 },
    { "h100", 90, CNN3D_PRECISION_AUTO, CNN3D_PRECISION_FP16 },
    { "h100", 90, CNN3D_PRECISION_FP32, CNN3D_PRECISION_FP32 },
  };
  g_autoptr (Cnn3dModel) model = short_model_new (CNN3D_ARCH_MOBILENET);

  for (guint i = 0; i < G_N_ELEMENTS (choices); i++) {
    Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1, .precision = choices[i].wanted };
    g_autoptr (GError) error = NULL;
    Cnn3dSession *session;
    gboolean half = choices[i].actual == CNN3D_PRECISION_FP16;

    if (!double_install ())
      return;
    double_settings = (DoubleSettings){ .device = choices[i].device, .capability = choices[i].capability, .count = 1 };
    double_dry = TRUE;
    session = cnn3d_session_new (model, &options, &error);
    double_dry = FALSE;
    g_assert_no_error (error);
    g_test_message ("%s", cnn3d_session_describe (session));
    g_assert_cmpint (cnn3d_session_get_precision (session), ==, choices[i].actual);
    g_assert_nonnull (strstr (cnn3d_session_describe (session), half ? ", fp16" : ", fp32"));
    cnn3d_session_unref (session);
    double_check_clean ();
  }
  cnn3d_cuda_replace (NULL);
}

/* With positive weights in its last layer, larger by a factor than those below 0.5. */
static Cnn3dModel *
model_with_weight (float factor)
{
  Cnn3dModel *model = short_model_new (CNN3D_ARCH_MOBILENET);
  int last = (int) model->graph->params->len - 2; /* before the bias */
  float *weights = (float *) model->params[last]; /* its own */
  gint64 n = cnn3d_param_count (cnn3d_graph_param (model->graph, last));

  for (gint64 i = 0; i < n; i++)
    weights[i] = fabsf (weights[i]) * factor;
  return model;
}

/* Weights that no half can hold: an error, or single precision, or the CPU. */
static void
test_large_weights (void)
{
  g_autoptr (Cnn3dModel) model = model_with_weight (1e6f);
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1, .precision = CNN3D_PRECISION_FP16 };
  g_autoptr (GError) error = NULL;
  Cnn3dSession *session;

  if (!double_install ())
    return;
  double_settings = (DoubleSettings){ H100 };
  double_dry = TRUE;
  g_assert_null (cnn3d_session_new (model, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "precision=fp32"));
  g_clear_error (&error);

  options.precision = CNN3D_PRECISION_AUTO;
  session = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_session_get_precision (session), ==, CNN3D_PRECISION_FP32);
  g_assert_cmpint (cnn3d_session_get_backend (session), ==, CNN3D_BACKEND_CUDNN);
  cnn3d_session_unref (session);

  options.precision = CNN3D_PRECISION_FP16;
  options.backend = CNN3D_BACKEND_AUTO;
  session = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_session_get_backend (session), ==, CNN3D_BACKEND_CPU);
  g_assert_nonnull (strstr (cnn3d_session_get_fallback (session), "precision=fp32"));
  cnn3d_session_unref (session);
  double_dry = FALSE;
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* Logits that no half can hold, of weights that are none too large. */
static void
test_large_activations (void)
{
  g_autoptr (Cnn3dModel) model = model_with_weight (1e5f);
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .batch = 1 };
  Cnn3dSessionOptions cpu_options = { .backend = CNN3D_BACKEND_CPU, .threads = 1 };
  g_autofree guint8 *rgb = make_clips (&model->config, 2);
  g_autoptr (Cnn3dSession) cpu = cnn3d_session_new (model, &cpu_options, NULL);
  g_autoptr (GError) error = NULL;
  float logits[2 * SHORT_CLASSES], expected[2 * SHORT_CLASSES];
  Cnn3dSession *session;

  if (!double_install ())
    return;
  double_settings = (DoubleSettings){ H100 };
  run (cpu, model, rgb, 2, TRUE, expected, NULL);
  session = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (cnn3d_session_get_precision (session), ==, CNN3D_PRECISION_FP16);
  g_assert_false (cnn3d_session_run_rgb (session, rgb, 2, logits, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "precision=fp32"));
  g_clear_error (&error);
  cnn3d_session_unref (session);

  /* No clip is lost. */
  options.backend = CNN3D_BACKEND_AUTO;
  session = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  run (session, model, rgb, 2, TRUE, logits, NULL);
  g_assert_cmpint (cnn3d_session_get_backend (session), ==, CNN3D_BACKEND_CPU);
  g_assert_nonnull (strstr (cnn3d_session_get_fallback (session), "not finite"));
  g_assert_cmpfloat (compare (logits, expected, 2 * SHORT_CLASSES), <=, 1e-5);
  cnn3d_session_unref (session);

  options = (Cnn3dSessionOptions){ .backend = CNN3D_BACKEND_CUDNN, .batch = 1, .precision = CNN3D_PRECISION_FP32 };
  session = cnn3d_session_new (model, &options, &error);
  run (session, model, rgb, 2, TRUE, logits, NULL);
  g_assert_cmpfloat (compare (logits, expected, 2 * SHORT_CLASSES), <=, 1e-4);
  cnn3d_session_unref (session);
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* What a thread of its own does with a session on the second device; its own current one stays the first. */
typedef struct {
  const Cnn3dSessionOptions *options;
  Cnn3dModel *model;
  Cnn3dSession *session;
  const guint8 *rgb;
  float logits[SHORT_CLASSES];
} Worker;

/* A thread that does not use CUDA still does not, and nothing is spent on the first device. */
static void
check_current (void)
{
  g_assert_cmpint (double_pushed_contexts (), ==, 0);
  g_assert_true (double_has_context (1));
  g_assert_false (double_has_context (0));
}

static gpointer
worker_create (gpointer data)
{
  Worker *w = data;
  g_autoptr (GError) error = NULL;

  w->session = cnn3d_session_new (w->model, w->options, &error);
  g_assert_no_error (error);
  check_current ();
  return NULL;
}

static gpointer
worker_run (gpointer data)
{
  Worker *w = data;
  g_autoptr (GError) error = NULL;

  g_assert_true (cnn3d_session_run_rgb (w->session, w->rgb, 1, w->logits, &error));
  g_assert_no_error (error);
  check_current ();
  return NULL;
}

static gpointer
worker_inspect (gpointer data)
{
  Worker *w = data;
  const Cnn3dConfig *c = &w->model->config;
  g_autofree float *clip = g_new (float, (gsize) 3 * c->frames * c->size * c->size);
  g_autoptr (GError) error = NULL;
  Cnn3dLayerCheck checks[32];
  Cnn3dLayer layers[32];
  int n;

  cnn3d_model_normalize (w->model, w->rgb, clip);
  n = cnn3d_session_check_layers (w->session, clip, checks, 32, &error);
  g_assert_no_error (error);
  g_assert_cmpint (n, >, 0);
  check_current ();
  g_assert_cmpint (cnn3d_session_profile (w->session, clip, layers, 32, NULL), ==, n);
  g_assert_cmpint (cnn3d_session_profile_rgb (w->session, w->rgb, layers, 32, NULL), ==, n);
  check_current ();
  return NULL;
}

static gpointer
worker_destroy (gpointer data)
{
  cnn3d_session_unref (((Worker *) data)->session);
  check_current ();
  return NULL;
}

static gpointer
worker_fail (gpointer data)
{
  Worker *w = data;

  g_assert_null (cnn3d_session_new (w->model, w->options, NULL));
  check_current ();
  return NULL;
}

/* Each part of a session's life in a thread that CUDA knows nothing of, on a device that is not its first. */
static void
test_threads (gconstpointer eager)
{
  static const struct {
    const char *name;
    GThreadFunc work;
  } parts[] = {
    { "create", worker_create }, { "run", worker_run }, { "inspect", worker_inspect },
    { "run again", worker_run }, { "destroy", worker_destroy },
  };
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .device = "1", .batch = 1 };
  Cnn3dSessionOptions cpu_options = { .backend = CNN3D_BACKEND_CPU, .threads = 1 };
  g_autoptr (Cnn3dModel) model = short_model_new (CNN3D_ARCH_SHUFFLENET);
  g_autofree guint8 *rgb = make_clips (&model->config, 1);
  g_autoptr (Cnn3dSession) cpu = cnn3d_session_new (model, &cpu_options, NULL);
  Worker worker = { &options, model, NULL, rgb, { 0 } };
  float expected[SHORT_CLASSES];

  if (!double_install ())
    return;
  double_settings = (DoubleSettings){ T4, .no_capture = GPOINTER_TO_INT (eager) };
  run (cpu, model, rgb, 1, TRUE, expected, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    g_thread_join (g_thread_new (parts[i].name, parts[i].work, &worker));
  g_assert_cmpfloat (compare (worker.logits, expected, SHORT_CLASSES), <=, 2e-2);
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

/* Also where a session cannot be made. */
static void
test_failing_thread (void)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .device = "1" };
  g_autoptr (Cnn3dModel) model = short_model_new (CNN3D_ARCH_MOBILENET);
  Worker worker = { &options, model, NULL, NULL, { 0 } };

  if (!faults_install ())
    return;
  double_settings = (DoubleSettings){ T4 };
  faults = (Faults){ .function = "cudaLibraryLoadData" };
  g_thread_join (g_thread_new ("fail", worker_fail, &worker));
  g_assert_true (faults.hit);
  faults = (Faults){ .at = -1 };
  double_check_clean ();
  cnn3d_cuda_replace (NULL);
}

int
main (int argc, char **argv)
{
  /* Nothing is to be left in the user's cache. */
  g_setenv (CNN3D_PLAN_CACHE_ENV, "", TRUE);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strdup_printf ("/gpu/backend/%s", cases[i].name);
    g_test_add_data_func (name, &cases[i], test_case);
  }
  g_test_add_data_func ("/gpu/backend/batches/default", GINT_TO_POINTER (0), test_batches);
  g_test_add_data_func ("/gpu/backend/batches/6", GINT_TO_POINTER (6), test_batches);
  g_test_add_data_func ("/gpu/backend/batches/16", GINT_TO_POINTER (16), test_batches);
  g_test_add_data_func ("/gpu/backend/threads/recorded", GINT_TO_POINTER (FALSE), test_threads);
  g_test_add_data_func ("/gpu/backend/threads/eager", GINT_TO_POINTER (TRUE), test_threads);
  g_test_add_func ("/gpu/backend/threads/failing", test_failing_thread);
  g_test_add_func ("/gpu/backend/unwanted-kernels", test_unwanted);
  g_test_add_func ("/gpu/backend/auto-precision", test_auto_precision);
  g_test_add_func ("/gpu/backend/large-weights", test_large_weights);
  g_test_add_func ("/gpu/backend/large-activations", test_large_activations);
  g_test_add_func ("/gpu/backend/no-heuristics", test_no_heuristics);
  g_test_add_func ("/gpu/backend/launches", test_launches);
  return g_test_run ();
}
