/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/session-private.h"

#include <sched.h>

struct _Cnn3dSession {
  gatomicrefcount ref_count;
  Cnn3dModel *model;
  Cnn3dBackend backend;
  Cnn3dPrecision precision;
  const Cnn3dBackendClass *klass;
  gpointer engine;
  char *description;
  /* Of AUTO: what it takes to go on elsewhere, and why that was done. */
  gboolean automatic;
  int threads;
  gboolean direct_stem, floats;
  char *fallback;
  char *old_description; /* somebody may still read it */
};

G_DEFINE_BOXED_TYPE (Cnn3dSession, cnn3d_session, cnn3d_session_ref, cnn3d_session_unref)

static const char *const precisions[] = {
  [CNN3D_PRECISION_AUTO] = "auto",
  [CNN3D_PRECISION_FP32] = "fp32",
  [CNN3D_PRECISION_FP16] = "fp16",
  [CNN3D_PRECISION_BF16X3] = "bf16x3",
  [CNN3D_PRECISION_BF16] = "bf16",
};

#define HAS(precision) (1u << CNN3D_PRECISION_##precision)

static const struct {
  const char *name;
  const Cnn3dBackendClass *klass;
  guint precisions; /* besides auto */
} backends[] = {
  [CNN3D_BACKEND_AUTO] = { "auto", &cnn3d_cpu_backend,
      HAS (FP32) | HAS (FP16) | HAS (BF16X3) | HAS (BF16) },
  [CNN3D_BACKEND_CPU] = { "cpu", &cnn3d_cpu_backend, HAS (FP32) | HAS (BF16X3) | HAS (BF16) },
  [CNN3D_BACKEND_REFERENCE] = { "reference", &cnn3d_reference_backend, HAS (FP32) },
  [CNN3D_BACKEND_CUDNN] = { "cudnn", &cnn3d_cudnn_backend, HAS (FP32) | HAS (FP16) },
};

/* More threads than this gain nothing on networks of this size. */
#define MAX_DEFAULT_THREADS 16
#define MAX_THREADS 256

gboolean
cnn3d_backend_from_name (const char *name, Cnn3dBackend *backend, GError **error)
{
  g_return_val_if_fail (name != NULL && backend != NULL, FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    if (strcmp (name, backends[i].name) == 0) {
      *backend = i;
      return TRUE;
    }
  }
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
      "no backend is called '%s'; there are auto, cpu, reference and cudnn", name);
  return FALSE;
}

const char *
cnn3d_backend_get_name (Cnn3dBackend backend)
{
  g_return_val_if_fail ((guint) backend < G_N_ELEMENTS (backends), NULL);
  return backends[backend].name;
}

gboolean
cnn3d_precision_from_name (const char *name, Cnn3dPrecision *precision, GError **error)
{
  g_return_val_if_fail (name != NULL && precision != NULL, FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++) {
    if (strcmp (name, precisions[i]) == 0) {
      *precision = i;
      return TRUE;
    }
  }
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
      "no precision is called '%s'; there are auto, fp32, fp16, bf16x3 and bf16", name);
  return FALSE;
}

const char *
cnn3d_precision_get_name (Cnn3dPrecision precision)
{
  g_return_val_if_fail ((guint) precision < G_N_ELEMENTS (precisions), NULL);
  return precisions[precision];
}

int
cnn3d_default_threads (void)
{
  cpu_set_t set;
  int n = 1;

  if (sched_getaffinity (0, sizeof set, &set) == 0)
    n = CPU_COUNT (&set);
  return CLAMP (n, 1, MAX_DEFAULT_THREADS);
}

/* What AUTO is; and fp16, which the CPU backend only sees if it stands in for a GPU. */
static Cnn3dPrecision
actual_precision (Cnn3dBackend backend, gpointer engine, Cnn3dPrecision wanted)
{
  if (wanted == CNN3D_PRECISION_AUTO)
    return backends[backend].klass->precision != NULL ? backends[backend].klass->precision (engine)
                                                      : CNN3D_PRECISION_FP32;
  return backends[backend].precisions >> wanted & 1 ? wanted : CNN3D_PRECISION_FP32;
}

/* The GPU if there is one that works; *fallback: why the one that is there does not. */
static gpointer
create_automatic (Cnn3dModel *model, Cnn3dSessionOptions *o, char **fallback, GError **error)
{
  g_autoptr (GError) reason = NULL;
  gpointer engine;

  o->backend = CNN3D_BACKEND_CUDNN;
  engine = backends[o->backend].klass->create (model, o, &reason);
  if (engine != NULL)
    return engine;
  if (!cnn3d_cudnn_absent ())
    *fallback = g_strdup (reason->message);
  o->backend = CNN3D_BACKEND_CPU;
  return backends[o->backend].klass->create (model, o, error);
}

/* What a backend has, for people. */
static char *
list_precisions (Cnn3dBackend backend)
{
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++)
    if (backends[backend].precisions >> i & 1)
      g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", precisions[i]);
  return g_string_free (list, FALSE);
}

static gboolean
check_precision (const Cnn3dSessionOptions *o, GError **error)
{
  g_autofree char *list = NULL;

  if (o->precision == CNN3D_PRECISION_AUTO || backends[o->backend].precisions >> o->precision & 1)
    return TRUE;
  list = list_precisions (o->backend);
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
      "precision %s: the %s backend does not have it (it has %s)", precisions[o->precision],
      backends[o->backend].name, list);
  return FALSE;
}

static gboolean
check_options (const Cnn3dSessionOptions *o, GError **error)
{
  if (o->threads < 0 || o->threads > MAX_THREADS)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "the number of threads must be 0 (automatic) to %d, not %d", MAX_THREADS, o->threads);
  else if (o->batch < 0)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "the batch must be 0 (automatic) or above, not %d", o->batch);
  else
    return check_precision (o, error);
  return FALSE;
}

Cnn3dSession *
cnn3d_session_new (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  Cnn3dSessionOptions o = { 0 };
  Cnn3dSession *session;
  gpointer engine;
  gboolean automatic;
  char *fallback = NULL;

  g_return_val_if_fail (model != NULL, NULL);

  if (options != NULL)
    o = *options;
  g_return_val_if_fail ((guint) o.backend < G_N_ELEMENTS (backends), NULL);
  g_return_val_if_fail ((guint) o.precision < G_N_ELEMENTS (precisions), NULL);
  if (!check_options (&o, error))
    return NULL;
  if (o.threads == 0)
    o.threads = cnn3d_default_threads ();
  /* What only the CPU has. */
  if (o.backend == CNN3D_BACKEND_AUTO && o.precision != CNN3D_PRECISION_AUTO
      && !(backends[CNN3D_BACKEND_CUDNN].precisions >> o.precision & 1))
    o.backend = CNN3D_BACKEND_CPU;
  automatic = o.backend == CNN3D_BACKEND_AUTO;
  if (automatic)
    engine = create_automatic (model, &o, &fallback, error);
  else
    engine = backends[o.backend].klass->create (model, &o, error);
  if (engine == NULL) {
    g_free (fallback);
    return NULL;
  }

  session = g_new0 (Cnn3dSession, 1);
  g_atomic_ref_count_init (&session->ref_count);
  session->model = cnn3d_model_ref (model);
  session->backend = o.backend;
  session->precision = actual_precision (o.backend, engine, o.precision);
  session->klass = backends[o.backend].klass;
  session->engine = engine;
  session->description = session->klass->describe (engine);
  session->automatic = automatic;
  session->threads = o.threads;
  session->direct_stem = o.direct_stem;
  session->floats = o.floats;
  session->fallback = fallback;
  return session;
}

Cnn3dSession *
cnn3d_session_ref (Cnn3dSession *session)
{
  g_return_val_if_fail (session != NULL, NULL);
  g_atomic_ref_count_inc (&session->ref_count);
  return session;
}

void
cnn3d_session_unref (Cnn3dSession *session)
{
  g_return_if_fail (session != NULL);
  if (!g_atomic_ref_count_dec (&session->ref_count))
    return;
  session->klass->destroy (session->engine);
  cnn3d_model_unref (session->model);
  g_free (session->description);
  g_free (session->old_description);
  g_free (session->fallback);
  g_free (session);
}

/* Goes on on the CPU after the GPU has failed; FALSE, and reason stays, if that is not wanted or fails. */
static gboolean
fall_back (Cnn3dSession *session, const GError *reason)
{
  Cnn3dSessionOptions o = { .backend = CNN3D_BACKEND_CPU, .threads = session->threads,
    .direct_stem = session->direct_stem, .floats = session->floats };
  gpointer engine;

  if (!session->automatic || session->backend != CNN3D_BACKEND_CUDNN)
    return FALSE;
  engine = backends[o.backend].klass->create (session->model, &o, NULL);
  if (engine == NULL)
    return FALSE;
  session->klass->destroy (session->engine);
  session->engine = engine;
  session->backend = o.backend;
  session->precision = CNN3D_PRECISION_FP32;
  session->klass = backends[o.backend].klass;
  session->fallback = g_strdup (reason->message);
  session->old_description = session->description;
  session->description = session->klass->describe (engine);
  return TRUE;
}

static gboolean
run (Cnn3dSession *session, const float *planes, const guint8 *rgb, int n, float *logits,
    float *features, GError **error)
{
  const Cnn3dConfig *config = &session->model->config;
  gsize step = (gsize) 3 * config->frames * config->size * config->size;
  Cnn3dClip clips[CNN3D_MAX_GROUP];

  for (int first = 0; first < n; first += CNN3D_MAX_GROUP) {
    int count = MIN (n - first, CNN3D_MAX_GROUP);
    float *to = logits + (gsize) first * config->classes, *features_to = NULL;
    GError *failure = NULL;

    if (features != NULL)
      features_to = features + (gsize) first * (gsize) cnn3d_model_get_n_features (session->model);
    for (int i = 0; i < count; i++) {
      gsize offset = step * (gsize) (first + i);
      clips[i] = (Cnn3dClip){ planes ? planes + offset : NULL, rgb ? rgb + offset : NULL };
    }
    if (session->klass->run (session->engine, clips, count, to, features_to, &failure))
      continue;
    if (!fall_back (session, failure)) {
      g_propagate_error (error, failure);
      return FALSE;
    }
    g_clear_error (&failure);
    if (!session->klass->run (session->engine, clips, count, to, features_to, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
cnn3d_session_run (Cnn3dSession *session, const float *clips, int n, float *logits, GError **error)
{
  g_return_val_if_fail (session != NULL && clips != NULL && n >= 1 && logits != NULL, FALSE);
  return run (session, clips, NULL, n, logits, NULL, error);
}

gboolean
cnn3d_session_run_rgb (Cnn3dSession *session, const guint8 *rgb, int n, float *logits,
    GError **error)
{
  g_return_val_if_fail (session != NULL && rgb != NULL && n >= 1 && logits != NULL, FALSE);
  return run (session, NULL, rgb, n, logits, NULL, error);
}

gboolean
cnn3d_session_run_features (Cnn3dSession *session, const float *clips, int n, float *logits,
    float *features, GError **error)
{
  g_return_val_if_fail (session != NULL && clips != NULL && n >= 1 && logits != NULL, FALSE);
  return run (session, clips, NULL, n, logits, features, error);
}

gboolean
cnn3d_session_run_rgb_features (Cnn3dSession *session, const guint8 *rgb, int n, float *logits,
    float *features, GError **error)
{
  g_return_val_if_fail (session != NULL && rgb != NULL && n >= 1 && logits != NULL, FALSE);
  return run (session, NULL, rgb, n, logits, features, error);
}

static int
profile (Cnn3dSession *session, const Cnn3dClip *clip, Cnn3dLayer *layers, int max, double *peak)
{
  if (session->klass->profile == NULL)
    return 0;
  return session->klass->profile (session->engine, clip, layers, max, peak);
}

int
cnn3d_session_profile (Cnn3dSession *session, const float *clip, Cnn3dLayer *layers, int max,
    double *peak)
{
  g_return_val_if_fail (session != NULL && clip != NULL && (layers != NULL || max == 0), 0);

  return profile (session, &(Cnn3dClip){ .planes = clip }, layers, max, peak);
}

int
cnn3d_session_profile_rgb (Cnn3dSession *session, const guint8 *rgb, Cnn3dLayer *layers, int max, double *peak)
{
  g_return_val_if_fail (session != NULL && rgb != NULL && (layers != NULL || max == 0), 0);

  return profile (session, &(Cnn3dClip){ .rgb = rgb }, layers, max, peak);
}

const Cnn3dStreamClass *
cnn3d_session_get_stream_class (Cnn3dSession *session, gpointer *engine)
{
  *engine = session->engine;
  return session->klass->stream;
}

int
cnn3d_session_check_layers (Cnn3dSession *session, const float *clip, Cnn3dLayerCheck *checks,
    int max, GError **error)
{
  g_return_val_if_fail (session != NULL && clip != NULL && (checks != NULL || max == 0), -1);

  if (session->klass->check == NULL)
    return 0;
  return session->klass->check (session->engine, clip, checks, max, error);
}

Cnn3dModel *
cnn3d_session_get_model (Cnn3dSession *session)
{
  g_return_val_if_fail (session != NULL, NULL);
  return session->model;
}

Cnn3dBackend
cnn3d_session_get_backend (Cnn3dSession *session)
{
  g_return_val_if_fail (session != NULL, CNN3D_BACKEND_AUTO);
  return session->backend;
}

Cnn3dPrecision
cnn3d_session_get_precision (Cnn3dSession *session)
{
  g_return_val_if_fail (session != NULL, CNN3D_PRECISION_AUTO);
  return session->precision;
}

const char *
cnn3d_session_get_fallback (Cnn3dSession *session)
{
  g_return_val_if_fail (session != NULL, NULL);
  return session->fallback;
}

const char *
cnn3d_session_describe (Cnn3dSession *session)
{
  g_return_val_if_fail (session != NULL, NULL);
  return session->description;
}
