/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The precisions bf16x3 and bf16 of the CPU backend, and auto, whose stem is by AMX, by the kernels that this CPU has and by
 * AMX' with emulated tiles: networks of odd sizes against the reference, streams, batches; and what is said where a precision
 * is not to be had.
 */

#include <math.h>
#include <stdlib.h>

#include "lib3dcnn/cpu/engine.h"
#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/model-private.h"
#include "lib3dcnn/stream.h"
#ifdef CNN3D_HAVE_BF16
#include "tests/kernels/amx-emulated.h"
#endif

static const Cnn3dConfig configs[] = {
  { CNN3D_ARCH_MOBILENET, 0.3, .classes = 7, .frames = 8, .size = 64 },
  { CNN3D_ARCH_MOBILENET, 0.75, .classes = 27, .frames = 9, .size = 113 },
  { CNN3D_ARCH_MOBILENET, 0.05, .classes = 1, .frames = 1, .size = 33 },
  { CNN3D_ARCH_MOBILENETV2, 0.3, .classes = 27, .frames = 16, .size = 113 },
  { CNN3D_ARCH_MOBILENETV2, 0.75, .classes = 7, .frames = 8, .size = 80 },
  { CNN3D_ARCH_SHUFFLENET, 0.3, .groups = 1, .classes = 7, .frames = 16, .size = 80 },
  { CNN3D_ARCH_SHUFFLENET, 0.6, .groups = 2, .classes = 27, .frames = 16, .size = 64 },
  { CNN3D_ARCH_SHUFFLENET, 1.0, .groups = 3, .classes = 7, .frames = 16, .size = 112 },
  { CNN3D_ARCH_SHUFFLENET, 1.0, .groups = 8, .classes = 27, .frames = 16, .size = 80 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 7, .frames = 8, .size = 112 },
  { CNN3D_ARCH_SHUFFLENETV2, 1.5, .classes = 7, .frames = 3, .size = 127 },
  { CNN3D_ARCH_SQUEEZENET, .version = 10, .classes = 7, .frames = 8, .size = 64 },
  { CNN3D_ARCH_SQUEEZENET, .version = 11, .classes = 27, .frames = 16, .size = 113 },
};

static const Cnn3dPrecision both[] = { CNN3D_PRECISION_BF16X3, CNN3D_PRECISION_BF16 };
static const Cnn3dPrecision all[] = { CNN3D_PRECISION_AUTO, CNN3D_PRECISION_BF16X3, CNN3D_PRECISION_BF16 };

/* Of the largest logit. auto is to be as exact as fp32. */
#define EXACT_TOLERANCE 1e-5
static double
tolerance (Cnn3dPrecision precision)
{
  return precision == CNN3D_PRECISION_AUTO ? EXACT_TOLERANCE
      : precision == CNN3D_PRECISION_BF16X3 ? CNN3D_TOLERANCE : CNN3D_BF16_TOLERANCE;
}

/* The kernels of this CPU, 0, and AMX' emulated, 1, which want a CPU that have_bf16(); FALSE if there are none. */
static gboolean
use_kernels (int i)
{
#ifdef CNN3D_HAVE_BF16
  static Cnn3dBf16 emulated;

  if (i == 1 && emulated.conv == NULL) {
    amx_emulated_init (&emulated);
    emulated.isa = "emulated";
  }
  cnn3d_bf16_override (i == 1 ? &emulated : NULL);
#endif
  return i <= 1;
}

static gboolean
have_bf16 (void)
{
  return cnn3d_bf16_choose ("bf16", NULL) != NULL;
}

static Cnn3dSession *
new_session (Cnn3dModel *model, Cnn3dSessionOptions options)
{
  g_autoptr (GError) error = NULL;
  Cnn3dSession *session = cnn3d_session_new (model, &options, &error);

  g_assert_no_error (error);
  return session;
}

static float *
run (Cnn3dModel *model, Cnn3dSessionOptions options, const float *clips, int n)
{
  g_autoptr (Cnn3dSession) session = new_session (model, options);
  g_autoptr (GError) error = NULL;
  float *logits = g_new0 (float, n * cnn3d_model_get_config (model)->classes);

  cnn3d_session_run (session, clips, n, logits, &error);
  g_assert_no_error (error);
  return logits;
}

static double
compare (const float *logits, const float *expected, int n)
{
  double largest = 0, worst = 0;

  for (int c = 0; c < n; c++) {
    g_assert_true (isfinite (logits[c]));
    largest = MAX (largest, fabs (expected[c]));
    worst = MAX (worst, fabs ((double) logits[c] - expected[c]));
  }
  /* SqueezeNet's logits have been through a ReLU: all may be zero. */
  return largest > 0 ? worst / largest : worst;
}

static float *
hash_clip (const Cnn3dConfig *config, const char *seed)
{
  float *clip = g_new (float, 3 * config->frames * config->size * config->size);

  cnn3d_hash_clip (config, seed, clip);
  return clip;
}

/* Both ways to compute the stem; any number of threads gives the same bits. */
static void
test_odd (gconstpointer data)
{
  const Cnn3dConfig *config = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (config, "odd", &error);
  g_autofree float *clip = hash_clip (config, "odd"), *expected = NULL;
  gsize bytes = (gsize) config->classes * sizeof (float);
  int further = g_getenv ("CNN3D_TEST_QUICK") != NULL ? 2 : 1;

  if (!have_bf16 ()) {
    g_test_skip ("this CPU has no AVX512_BF16");
    return;
  }
  g_assert_no_error (error);
  expected = run (model, (Cnn3dSessionOptions){ .backend = CNN3D_BACKEND_REFERENCE }, clip, 1);
  for (int kernels = 0; use_kernels (kernels); kernels++)
    for (guint p = 0; p < G_N_ELEMENTS (all); p++)
      for (int direct = further == 1 ? 0 : (int) (p + (guint) kernels) % 2; direct < 2; direct += further) {
        g_autofree float *one = NULL;

        for (int threads = 1; threads <= (kernels == 0 ? 3 : 2); threads += further) {
          g_autofree float *logits = run (model, (Cnn3dSessionOptions){ .backend = CNN3D_BACKEND_CPU,
              .threads = threads, .precision = all[p], .direct_stem = direct }, clip, 1);
          double difference = compare (logits, expected, config->classes);

          if (threads == 1)
            g_test_message ("%s, kernels %d: %.1e of the largest logit", cnn3d_precision_get_name (all[p]),
                kernels, difference);
          g_assert_cmpfloat (difference, <=, tolerance (all[p]));
          if (one == NULL)
            one = g_steal_pointer (&logits);
          else
            g_assert_cmpmem (logits, bytes, one, bytes);
        }
      }
  use_kernels (0);
}

#define CLIPS 3

static void
check_batch (const Cnn3dConfig *config, Cnn3dModel *model, Cnn3dPrecision precision)
{
  gsize n = (gsize) (3 * config->frames * config->size * config->size), classes = (gsize) config->classes;
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = 2, .precision = precision };
  g_autofree float *clips = g_new (float, CLIPS * n), *together = NULL;

  for (int i = 0; i < CLIPS; i++)
    cnn3d_hash_clip (config, i == 0 ? "a" : i == 1 ? "b" : "c", clips + (gsize) i * n);
  options.batch = CLIPS;
  together = run (model, options, clips, CLIPS);
  options.batch = 1;
  for (gsize i = 0; i < CLIPS; i++) {
    g_autofree float *alone = run (model, options, clips + i * n, 1);
    g_assert_cmpmem (alone, classes * sizeof (float), together + i * classes, classes * sizeof (float));
  }
}

/* A stream gives the bits of a run from scratch. */
static void
check_stream (const Cnn3dConfig *config, Cnn3dModel *model, Cnn3dPrecision precision, int stride)
{
  g_autoptr (Cnn3dSession) session = new_session (model, (Cnn3dSessionOptions){
      .backend = CNN3D_BACKEND_CPU, .threads = 2, .precision = precision,
      .direct_stem = cnn3d_stream_wants_direct_stem (stride) });
  g_autoptr (Cnn3dStream) stream = cnn3d_stream_new (session, stride);
  int n_frames = config->frames + 7, n_clips = 0;
  gsize frame = (gsize) 3 * config->size * config->size, classes = (gsize) config->classes;
  g_autofree guint8 *rgb = g_malloc (frame * (gsize) n_frames);
  g_autofree float *expected = g_new (float, classes), *logits = g_new (float, classes);

  for (gsize i = 0; i < frame * (gsize) n_frames; i++)
    rgb[i] = (guint8) (i * 2654435761u >> 24);
  for (int i = 0; i < n_frames; i++) {
    cnn3d_stream_push_rgb (stream, rgb + (gsize) i * frame);
    if (!cnn3d_stream_is_due (stream))
      continue;
    g_assert_true (cnn3d_stream_run (stream, logits, NULL));
    g_assert_true (cnn3d_session_run_rgb (session, rgb + (gsize) (i + 1 - config->frames) * frame, 1, expected,
        NULL));
    g_assert_cmpmem (logits, classes * sizeof (float), expected, classes * sizeof (float));
    n_clips++;
  }
  g_assert_cmpint (n_clips, ==, 7 / stride + 1);
}

/* Likewise of frames that are floats, which with more than one part have a rest that bytes have not. */
static void
check_stream_of_planes (const Cnn3dConfig *config, Cnn3dModel *model, Cnn3dPrecision precision)
{
  g_autoptr (Cnn3dSession) session = new_session (model,
      (Cnn3dSessionOptions){ .backend = CNN3D_BACKEND_CPU, .threads = 2, .precision = precision });
  g_autoptr (Cnn3dStream) stream = cnn3d_stream_new (session, 4);
  gsize plane = (gsize) config->size * (gsize) config->size, n_frames = (gsize) config->frames + 4;
  gsize classes = (gsize) config->classes, frames = (gsize) config->frames;
  g_autofree float *pushed = g_new (float, 3 * plane * n_frames), *clip = g_new (float, 3 * plane * frames);
  g_autofree float *logits = g_new (float, classes), *expected = g_new (float, classes);

  for (gsize i = 0; i < 3 * plane * n_frames; i++)
    pushed[i] = (float) ((i * 2654435761u & 0xffffffff) >> 8) * 0x1p-22f - 2;
  for (gsize i = 0; i < n_frames; i++) {
    cnn3d_stream_push (stream, pushed + 3 * plane * i);
    if (!cnn3d_stream_is_due (stream))
      continue;
    for (gsize p = 0; p < 3; p++)
      for (gsize t = 0; t < frames; t++)
        memcpy (clip + (p * frames + t) * plane, pushed + 3 * plane * (i + 1 - frames + t) + p * plane, plane * sizeof *clip);
    g_assert_true (cnn3d_stream_run (stream, logits, NULL));
    g_assert_true (cnn3d_session_run (session, clip, 1, expected, NULL));
    g_assert_cmpmem (logits, classes * sizeof (float), expected, classes * sizeof (float));
  }
}

/*
 * Packed pixels give the bits of the planes that they stand for; in bfloat16 the stem turns them into words by itself. Of
 * more than one part, planes have a rest that bytes have not. Where pixels are a level from the mean, what the border is off by
 * would be seen.
 */
static void
check_rgb (const Cnn3dConfig *config, Cnn3dModel *model, Cnn3dPrecision precision, Cnn3dChannelOrder order, gboolean faint)
{
  gsize plane = (gsize) (config->frames * config->size * config->size), classes = (gsize) config->classes;
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = 2, .precision = precision };
  g_autoptr (Cnn3dCard) card = cnn3d_card_copy (cnn3d_model_get_card (model));
  g_autoptr (Cnn3dModel) other = NULL;
  g_autoptr (Cnn3dSession) session = NULL;
  g_autofree guint8 *rgb = g_malloc (3 * plane);
  g_autofree float *planes = g_new (float, 3 * plane), *expected = NULL, *logits = g_new (float, classes);

  card->channel_order = order;
  for (int p = 0; p < 3; p++) {
    gsize channel = (gsize) (order == CNN3D_CHANNEL_ORDER_RGB ? p : 2 - p);
    float scale;

    /* With the largest part that bfloat16 rounds away of what is beside whole numbers. */
    card->mean[p] = 99 + 257.5f / 512 + 11 * (float) p;
    card->std[p] = (40 + 7 * (float) p) * (faint ? 0x1p-10f : 1);
    for (gsize i = 0; i < plane; i++) {
      gsize byte = (i * 3 + channel) * 2654435761u >> 24;

      rgb[3 * i + channel] = (guint8) (faint ? (gsize) card->mean[p] + byte % 2 : byte);
    }
    scale = 1 / card->std[p];
    for (gsize i = 0; i < plane; i++)
      planes[(gsize) p * plane + i] = ((float) rgb[3 * i + channel] - card->mean[p]) * scale;
  }
  other = cnn3d_model_with_card (model, card);
  session = new_session (other, options);
  expected = run (other, options, planes, 1);
  g_assert_true (cnn3d_session_run_rgb (session, rgb, 1, logits, NULL));
  if (precision == CNN3D_PRECISION_FP32 || precision == CNN3D_PRECISION_BF16)
    g_assert_cmpmem (logits, classes * sizeof (float), expected, classes * sizeof (float));
  g_test_message ("%s, bytes: %.1e", cnn3d_precision_get_name (precision), compare (logits, expected, (int) classes));
  g_assert_cmpfloat (compare (logits, expected, (int) classes), <, faint ? 1.2e-6 : EXACT_TOLERANCE);
}

static void
test_uses (gconstpointer data)
{
  const Cnn3dConfig *config = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (config, "uses", &error);

  g_assert_no_error (error);
  check_rgb (config, model, CNN3D_PRECISION_FP32, CNN3D_CHANNEL_ORDER_RGB, FALSE);
  check_rgb (config, model, CNN3D_PRECISION_FP32, CNN3D_CHANNEL_ORDER_BGR, FALSE);
  if (!have_bf16 ()) {
    g_test_skip ("this CPU has no AVX512_BF16");
    return;
  }
  for (int kernels = 0; use_kernels (kernels); kernels++)
    for (guint p = 0; p < G_N_ELEMENTS (all); p++) {
      check_batch (config, model, all[p]);
      for (int stride = g_getenv ("CNN3D_TEST_QUICK") != NULL ? 4 : 1; stride <= 4; stride *= 2)
        check_stream (config, model, all[p], stride);
      check_stream_of_planes (config, model, all[p]);
      check_rgb (config, model, all[p], CNN3D_CHANNEL_ORDER_RGB, FALSE);
      check_rgb (config, model, all[p], CNN3D_CHANNEL_ORDER_BGR, FALSE);
      if (all[p] == CNN3D_PRECISION_AUTO)
        check_rgb (config, model, all[p], CNN3D_CHANNEL_ORDER_BGR, TRUE);
    }
  use_kernels (0);
}

static Cnn3dModel *
small_model (void)
{
  Cnn3dConfig config = { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 5, .frames = 4, .size = 32 };
  g_autoptr (GError) error = NULL;
  Cnn3dModel *model = cnn3d_model_new_synthetic (&config, "small", &error);

  g_assert_no_error (error);
  return model;
}

static void
expect_error (Cnn3dBackend backend, Cnn3dPrecision precision, const char *a, const char *b)
{
  g_autoptr (Cnn3dModel) model = small_model ();
  Cnn3dSessionOptions options = { .backend = backend, .precision = precision };
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSession) session = cnn3d_session_new (model, &options, &error);

  g_assert_null (session);
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, cnn3d_precision_get_name (precision)));
  g_assert_nonnull (strstr (error->message, a));
  g_assert_nonnull (strstr (error->message, b));
}

/* A message names the precision, the backend, and what there is or what is missing. */
static void
test_errors (void)
{
  Cnn3dPrecision precision;
  g_autoptr (GError) error = NULL;

  expect_error (CNN3D_BACKEND_CPU, CNN3D_PRECISION_FP16, "cpu backend", "fp32, bf16x3, bf16");
  expect_error (CNN3D_BACKEND_REFERENCE, CNN3D_PRECISION_BF16, "reference backend", "has fp32");
  expect_error (CNN3D_BACKEND_CUDNN, CNN3D_PRECISION_BF16X3, "cudnn backend", "fp32, fp16");
  g_assert_false (cnn3d_precision_from_name ("int8", &precision, &error));
  g_assert_nonnull (strstr (error->message, "'int8'"));
  g_assert_nonnull (strstr (error->message, "bf16x3"));

  /* As on a CPU without: the ISA is masked. */
  for (int i = 0; cnn3d_isa_get (i) != NULL; i++)
    for (guint p = 0; p < G_N_ELEMENTS (both); p++) {
      setenv (CNN3D_ISA_ENV, cnn3d_isa_get (i)->isa, TRUE);
#ifdef CNN3D_HAVE_BF16
      expect_error (CNN3D_BACKEND_CPU, both[p], "cpu backend", "AMX-BF16");
#else
      expect_error (CNN3D_BACKEND_CPU, both[p], "cpu backend", "fp32 only");
#endif
    }
  unsetenv (CNN3D_ISA_ENV);
}

static void
test_names (void)
{
  for (int p = CNN3D_PRECISION_AUTO; p <= CNN3D_PRECISION_BF16; p++) {
    Cnn3dPrecision found;

    g_assert_true (cnn3d_precision_from_name (cnn3d_precision_get_name ((Cnn3dPrecision) p), &found, NULL));
    g_assert_cmpint (found, ==, p);
  }
}

/* auto is fp32 on the CPU, with a stem by AMX if there is AMX and a stem that gains by it. */
static void
test_auto (void)
{
  const Cnn3dConfig large = { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 5, .frames = 8, .size = 112 };
  g_autoptr (Cnn3dModel) small = small_model (), model = NULL;
  g_autoptr (GError) error = NULL;

  model = cnn3d_model_new_synthetic (&large, "large", &error);
  g_assert_no_error (error);
  for (int i = 0; i < 2 * 3; i++) {
    Cnn3dModel *m = i % 2 ? model : small;
    g_autofree float *clip = hash_clip (cnn3d_model_get_config (m), "auto");
    Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU };
    g_autofree float *automatic = NULL, *fp32 = NULL;
    g_autoptr (Cnn3dSession) session = NULL;
    gboolean stem;

    use_kernels (i / 2 == 1 && have_bf16 ());
    if (i / 2 == 2)
      setenv (CNN3D_ISA_ENV, cnn3d_isa_get (0)->isa, TRUE);
    session = new_session (m, options);
    stem = strstr (cnn3d_session_describe (session), "stem by ") != NULL;
    automatic = run (m, options, clip, 1);
    options.precision = CNN3D_PRECISION_FP32;
    fp32 = run (m, options, clip, 1);
    g_assert_cmpint (cnn3d_session_get_precision (session), ==, CNN3D_PRECISION_FP32);
    if (i == 2 * 1 + 1)
      g_assert_true (stem == have_bf16 ());
    else if (i != 1)
      g_assert_false (stem);
    if (stem)
      g_assert_cmpfloat (compare (automatic, fp32, 5), <=, EXACT_TOLERANCE);
    g_assert_true ((memcmp (automatic, fp32, 5 * sizeof (float)) != 0) == stem);
    /* Floats that are announced are fp32. */
    options.precision = CNN3D_PRECISION_AUTO;
    options.floats = TRUE;
    g_free (automatic);
    automatic = run (m, options, clip, 1);
    g_assert_cmpmem (automatic, 5 * sizeof (float), fp32, 5 * sizeof (float));
    unsetenv (CNN3D_ISA_ENV);
    use_kernels (0);
  }
}

/* Of backend auto, bf16 is the CPU's. */
static void
test_backend_auto (void)
{
  g_autoptr (Cnn3dModel) model = small_model ();
  g_autofree float *clip = hash_clip (cnn3d_model_get_config (model), "auto");
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .precision = CNN3D_PRECISION_FP32 };
  g_autofree float *fp32 = NULL, *bf16 = NULL;

  if (!have_bf16 ())
    return;
  fp32 = run (model, options, clip, 1);
  options.precision = CNN3D_PRECISION_BF16;
  bf16 = run (model, options, clip, 1);
  g_assert_cmpint (memcmp (bf16, fp32, 5 * sizeof (float)), !=, 0);
  options.backend = CNN3D_BACKEND_AUTO;
  {
    g_autoptr (Cnn3dSession) session = new_session (model, options);

    g_assert_cmpint (cnn3d_session_get_backend (session), ==, CNN3D_BACKEND_CPU);
    g_assert_nonnull (strstr (cnn3d_session_describe (session), "bf16 by "));
    g_assert_null (cnn3d_session_get_fallback (session));
  }
}

/* Against rounding in double precision: all halves, what is between them, denormals, and more than the largest. */
static void
test_halves (void)
{
  for (guint32 bits = 0; bits < 0x48000000; bits += 0x3ff) {
    float f;
    double unit, want;
    int exponent;
    guint16 half, positive;

    memcpy (&f, &bits, sizeof f);
    frexp (f, &exponent);
    unit = ldexp (1, MAX (exponent - 11, -24));
    want = MIN (nearbyint (f / unit) * unit, CNN3D_LARGEST_HALF);
    half = cnn3d_half_round (-f);
    positive = cnn3d_half_round (f);
    g_assert_cmpint (half, ==, positive | 0x8000);
    if (positive < 1024)
      g_assert_cmpfloat (ldexp (positive, -24), ==, want);
    else
      g_assert_cmpfloat (ldexp (1024 + positive % 1024, positive / 1024 - 25), ==, want);
  }
}

int
main (int argc, char **argv)
{
  /* Builds that repeat what another one has tested in full take every second network. */
  guint step = g_getenv ("CNN3D_TEST_QUICK") != NULL ? 2 : 1;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/precision/errors", test_errors);
  g_test_add_func ("/precision/names", test_names);
  g_test_add_func ("/precision/halves", test_halves);
  g_test_add_func ("/precision/auto", test_auto);
  g_test_add_func ("/precision/backend-auto", test_backend_auto);
  for (guint i = 0; i < G_N_ELEMENTS (configs); i += step) {
    const Cnn3dConfig *c = &configs[i];
    g_autofree char *name = g_strdup_printf ("%s-%.2f-g%d-%dx%d", cnn3d_arch_get_name (c->arch), c->width,
        c->groups + c->version, c->frames, c->size);
    g_autofree char *odd = g_strconcat ("/precision/odd/", name, NULL);
    g_autofree char *uses = g_strconcat ("/precision/uses/", name, NULL);

    g_test_add_data_func (odd, c, test_odd);
    if (c->size <= 80 || c->arch == CNN3D_ARCH_SHUFFLENETV2)
      g_test_add_data_func (uses, c, test_uses);
  }
  return g_test_run ();
}
