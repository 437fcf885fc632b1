/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/session-private.h"

#include <sched.h>

struct _Cnn3dSession {
  gatomicrefcount ref_count;
  Cnn3dModel *model;
  Cnn3dBackend backend;
  const Cnn3dBackendClass *klass;
  gpointer engine;
  char *description;
};

G_DEFINE_BOXED_TYPE (Cnn3dSession, cnn3d_session, cnn3d_session_ref, cnn3d_session_unref)

static const struct {
  const char *name;
  const Cnn3dBackendClass *klass;
} backends[] = {
  [CNN3D_BACKEND_AUTO] = { "auto", &cnn3d_cpu_backend },
  [CNN3D_BACKEND_CPU] = { "cpu", &cnn3d_cpu_backend },
  [CNN3D_BACKEND_REFERENCE] = { "reference", &cnn3d_reference_backend },
};

/* More threads than this gain nothing on networks of this size. */
#define MAX_DEFAULT_THREADS 16
#define MAX_THREADS 256

/* Clips are handed to the backend in groups, so that no run has to allocate. */
#define MAX_GROUP 16

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
      "no backend is called '%s'; there are auto, cpu and reference", name);
  return FALSE;
}

const char *
cnn3d_backend_get_name (Cnn3dBackend backend)
{
  g_return_val_if_fail ((guint) backend < G_N_ELEMENTS (backends), NULL);
  return backends[backend].name;
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

Cnn3dSession *
cnn3d_session_new (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error)
{
  Cnn3dSessionOptions o = { 0 };
  Cnn3dSession *session;
  gpointer engine;

  g_return_val_if_fail (model != NULL, NULL);

  if (options != NULL)
    o = *options;
  g_return_val_if_fail ((guint) o.backend < G_N_ELEMENTS (backends), NULL);
  if (o.threads < 0 || o.threads > MAX_THREADS) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
        "the number of threads must be 0 (automatic) to %d, not %d", MAX_THREADS, o.threads);
    return NULL;
  }
  if (o.threads == 0)
    o.threads = cnn3d_default_threads ();
  if (o.backend == CNN3D_BACKEND_AUTO)
    o.backend = CNN3D_BACKEND_CPU;

  engine = backends[o.backend].klass->create (model, &o, error);
  if (engine == NULL)
    return NULL;

  session = g_new0 (Cnn3dSession, 1);
  g_atomic_ref_count_init (&session->ref_count);
  session->model = cnn3d_model_ref (model);
  session->backend = o.backend;
  session->klass = backends[o.backend].klass;
  session->engine = engine;
  session->description = session->klass->describe (engine);
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
  g_free (session);
}

static gboolean
run (Cnn3dSession *session, const float *planes, const guint8 *rgb, int n, float *logits,
    GError **error)
{
  const Cnn3dConfig *config = &session->model->config;
  gsize step = (gsize) 3 * config->frames * config->size * config->size;
  Cnn3dClip clips[MAX_GROUP];

  for (int first = 0; first < n; first += MAX_GROUP) {
    int count = MIN (n - first, MAX_GROUP);

    for (int i = 0; i < count; i++) {
      gsize offset = step * (gsize) (first + i);
      clips[i] = (Cnn3dClip){ planes ? planes + offset : NULL, rgb ? rgb + offset : NULL };
    }
    if (!session->klass->run (session->engine, clips, count,
            logits + (gsize) first * config->classes, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
cnn3d_session_run (Cnn3dSession *session, const float *clips, int n, float *logits, GError **error)
{
  g_return_val_if_fail (session != NULL && clips != NULL && n >= 1 && logits != NULL, FALSE);
  return run (session, clips, NULL, n, logits, error);
}

gboolean
cnn3d_session_run_rgb (Cnn3dSession *session, const guint8 *rgb, int n, float *logits,
    GError **error)
{
  g_return_val_if_fail (session != NULL && rgb != NULL && n >= 1 && logits != NULL, FALSE);
  return run (session, NULL, rgb, n, logits, error);
}

int
cnn3d_session_profile (Cnn3dSession *session, const float *clip, Cnn3dLayer *layers, int max,
    double *peak)
{
  g_return_val_if_fail (session != NULL && clip != NULL && (layers != NULL || max == 0), 0);

  if (session->klass->profile == NULL)
    return 0;
  return session->klass->profile (session->engine, clip, layers, max, peak);
}

const Cnn3dStreamClass *
cnn3d_session_get_stream_class (Cnn3dSession *session, gpointer *engine)
{
  *engine = session->engine;
  return session->klass->stream;
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

const char *
cnn3d_session_describe (Cnn3dSession *session)
{
  g_return_val_if_fail (session != NULL, NULL);
  return session->description;
}
