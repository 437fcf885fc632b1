/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a session promises: a batch is its clips one by one, sessions share a model, runs allocate
 * nothing.
 */

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/model-private.h"
#include "lib3dcnn/session.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Sanitizers bring their own allocator. */
#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define COUNT_ALLOCATIONS 1
#endif
#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef COUNT_ALLOCATIONS
#endif
#endif

#ifdef COUNT_ALLOCATIONS
static atomic_int n_allocations;

void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *p, size_t size);
void *__libc_memalign (size_t alignment, size_t size);
void __libc_free (void *p);

#define PUBLIC __attribute__ ((visibility ("default")))

PUBLIC void *
malloc (size_t size)
{
  atomic_fetch_add (&n_allocations, 1);
  return __libc_malloc (size);
}

PUBLIC void *
calloc (size_t n, size_t size)
{
  atomic_fetch_add (&n_allocations, 1);
  return __libc_calloc (n, size);
}

PUBLIC void *
realloc (void *p, size_t size)
{
  atomic_fetch_add (&n_allocations, 1);
  return __libc_realloc (p, size);
}

void *memalign (size_t alignment, size_t size);

PUBLIC void *
memalign (size_t alignment, size_t size)
{
  atomic_fetch_add (&n_allocations, 1);
  return __libc_memalign (alignment, size);
}

PUBLIC void *
aligned_alloc (size_t alignment, size_t size)
{
  return memalign (alignment, size);
}

PUBLIC int
posix_memalign (void **p, size_t alignment, size_t size)
{
  *p = memalign (alignment, size);
  return *p != NULL ? 0 : ENOMEM;
}

PUBLIC void
free (void *p)
{
  if (p != NULL)
    atomic_fetch_add (&n_allocations, 1);
  __libc_free (p);
}
#endif

/* More clips than are handed to a backend at a time. */
#define N_CLIPS 19

typedef struct {
  Cnn3dConfig config;
  Cnn3dModel *model;
  gsize clip_floats;
  float *clips;
  guint8 *rgb;
} Fixture;

static const Cnn3dConfig configs[] = {
  { CNN3D_ARCH_MOBILENET, 0.5, .classes = 7, .frames = 8, .size = 48 },
  { CNN3D_ARCH_MOBILENETV2, 0.45, .classes = 7, .frames = 16, .size = 96 },
  { CNN3D_ARCH_SHUFFLENET, 0.5, .classes = 7, .frames = 16, .size = 48 },
  { CNN3D_ARCH_SHUFFLENETV2, 0.25, .classes = 7, .frames = 16, .size = 112 },
  { CNN3D_ARCH_SQUEEZENET, .classes = 7, .frames = 4, .size = 48 },
};

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->config = *(const Cnn3dConfig *) data;
  f->model = cnn3d_model_new_synthetic (&f->config, "sessions", &error);
  g_assert_no_error (error);
  f->clip_floats = (gsize) 3 * f->config.frames * f->config.size * f->config.size;
  f->clips = g_new (float, N_CLIPS * f->clip_floats);
  f->rgb = g_new (guint8, N_CLIPS * f->clip_floats);
  for (int i = 0; i < N_CLIPS; i++) {
    g_autofree char *seed = g_strdup_printf ("clip %d", i);
    guint64 hash = cnn3d_hash_name (seed, "rgb");

    for (gsize k = 0; k < f->clip_floats; k++)
      f->rgb[i * f->clip_floats + k] = (guint8) (cnn3d_hash_uniform (hash, k) * 256);
    cnn3d_model_normalize (f->model, f->rgb + i * f->clip_floats, f->clips + i * f->clip_floats);
  }
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  cnn3d_model_unref (f->model);
  g_free (f->clips);
  g_free (f->rgb);
}

static Cnn3dSession *
new_session_in (Fixture *f, Cnn3dPrecision precision, int threads, int batch)
{
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = threads, .batch = batch, .precision = precision };
  g_autoptr (GError) error = NULL;
  Cnn3dSession *session = cnn3d_session_new (f->model, &options, &error);

  g_assert_no_error (error);
  return session;
}

static Cnn3dSession *
new_session (Fixture *f, int threads, int batch)
{
  return new_session_in (f, CNN3D_PRECISION_AUTO, threads, batch);
}

/* In fp32 bytes give the bits of the floats that they stand for; with auto, a stem by AMX multiplies bytes as they are. */
static void
test_batch (Fixture *f, gconstpointer data)
{
  for (int i = 0; i < 2 * 3; i++) {
    int threads = 1 + i % 3;
    Cnn3dPrecision precision = i < 3 ? CNN3D_PRECISION_FP32 : CNN3D_PRECISION_AUTO;
    /* With room for a clip on each thread, and without. */
    g_autoptr (Cnn3dSession) session = new_session_in (f, precision, threads, threads == 2 ? 1 : 8);
    float batch[N_CLIPS * 7], rgb[N_CLIPS * 7], single[7];

    g_assert_true (cnn3d_session_run (session, f->clips, N_CLIPS, batch, NULL));
    g_assert_true (cnn3d_session_run_rgb (session, f->rgb, N_CLIPS, rgb, NULL));
    for (int k = N_CLIPS - 1; k >= 0; k--) {
      g_assert_true (cnn3d_session_run (session, f->clips + k * f->clip_floats, 1, single, NULL));
      g_assert_cmpmem (single, sizeof single, batch + k * 7, sizeof single);
      if (precision != CNN3D_PRECISION_FP32)
        g_assert_true (cnn3d_session_run_rgb (session, f->rgb + k * f->clip_floats, 1, single, NULL));
      g_assert_cmpmem (single, sizeof single, rgb + k * 7, sizeof single);
    }
    /* Clips differ, and so do their logits. */
    g_assert_cmpint (memcmp (batch, batch + 7, sizeof single), !=, 0);
  }
}

typedef struct {
  Fixture *fixture;
  const float *expected;
} Shared;

static gpointer
run_all (gpointer data)
{
  Shared *shared = data;
  Fixture *f = shared->fixture;
  g_autoptr (Cnn3dSession) session = new_session (f, 2, 1);
  float logits[7];

  for (int i = 0; i < N_CLIPS; i++) {
    g_assert_true (cnn3d_session_run (session, f->clips + i * f->clip_floats, 1, logits, NULL));
    g_assert_cmpmem (logits, sizeof logits, shared->expected + i * 7, sizeof logits);
  }
  return NULL;
}

static void
test_shared (Fixture *f, gconstpointer data)
{
  g_autoptr (Cnn3dSession) session = new_session (f, 2, 1);
  float expected[N_CLIPS * 7];
  Shared shared = { f, expected };
  GThread *threads[4];

  g_assert_true (cnn3d_session_run (session, f->clips, N_CLIPS, expected, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("session", run_all, &shared);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

#ifdef COUNT_ALLOCATIONS
static int
allocations_of_runs (Fixture *f, Cnn3dSession *session)
{
  int before = atomic_load (&n_allocations);
  float logits[N_CLIPS * 7];

  cnn3d_session_run (session, f->clips, N_CLIPS, logits, NULL);
  cnn3d_session_run_rgb (session, f->rgb, 1, logits, NULL);
  return atomic_load (&n_allocations) - before;
}
#endif

static void
test_allocations (Fixture *f, gconstpointer data)
{
#ifdef COUNT_ALLOCATIONS
  for (int i = 0; cnn3d_isa_get (i) != NULL; i++) {
    g_autoptr (Cnn3dSession) one = NULL, three = NULL;

    setenv (CNN3D_ISA_ENV, cnn3d_isa_get (i)->isa, TRUE);
    one = new_session (f, 1, 1);
    /* OpenBLAS has kernels for small matrices that allocate. */
    if (strstr (cnn3d_session_describe (one), "OpenBLAS") != NULL)
      continue;
    g_assert_cmpint (allocations_of_runs (f, one), ==, 0);
    /* A thread that has just been made may still be setting itself up in the first run. */
    three = new_session (f, 3, 8);
    allocations_of_runs (f, three);
    g_assert_cmpint (allocations_of_runs (f, three), ==, 0);
  }
  unsetenv (CNN3D_ISA_ENV);
  /* The count does count. */
  {
    int before = atomic_load (&n_allocations);
    g_free (g_malloc (1000));
    g_assert_cmpint (atomic_load (&n_allocations) - before, ==, 2);
  }
#else
  g_test_skip ("allocations are not counted in this build");
#endif
}

/* A session takes no more threads than there are CPUs, so that more cannot be slower. */
static void
test_cpus (void)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_SHUFFLENETV2, .width = 0.25, .size = 32 };
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = 256 };
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "cpus", NULL);
  g_autofree char *oversubscribe = g_strdup (g_getenv ("CNN3D_CPU_OVERSUBSCRIBE"));
  g_autofree char *some = g_strdup_printf (", %d thread", MIN (cnn3d_default_threads (), 256));
  g_autoptr (Cnn3dSession) session = NULL;

  g_unsetenv ("CNN3D_CPU_OVERSUBSCRIBE");
  session = cnn3d_session_new (model, &options, NULL);
  if (cnn3d_default_threads () < 16) /* the default is bounded */
    g_assert_nonnull (strstr (cnn3d_session_describe (session), some));
  if (oversubscribe != NULL)
    g_setenv ("CNN3D_CPU_OVERSUBSCRIBE", oversubscribe, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sessions/cpus", test_cpus);
  for (guint i = 0; i < G_N_ELEMENTS (configs); i++) {
    const char *arch = cnn3d_arch_get_name (configs[i].arch);
    g_autofree char *batch = g_strdup_printf ("/sessions/batch/%s", arch);
    g_autofree char *shared = g_strdup_printf ("/sessions/shared/%s", arch);
    g_autofree char *allocations = g_strdup_printf ("/sessions/allocations/%s", arch);

    /* MobileNetV2 takes as long as the others together. */
    if (configs[i].arch != CNN3D_ARCH_MOBILENETV2 || g_getenv ("CNN3D_TEST_QUICK") == NULL) {
      g_test_add (batch, Fixture, &configs[i], set_up, test_batch, tear_down);
      g_test_add (shared, Fixture, &configs[i], set_up, test_shared, tear_down);
    }
    g_test_add (allocations, Fixture, &configs[i], set_up, test_allocations, tear_down);
  }
  return g_test_run ();
}
