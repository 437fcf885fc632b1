/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The threads of a session: they meet, and share no CPU where there are enough. */

#include <sched.h>
#include <string.h>

#include "lib3dcnn/cpu/affinity.h"
#include "lib3dcnn/cpu/workers.h"
#include "lib3dcnn/session.h"

#define MAX_THREADS 4
#define STEPS 200

typedef struct {
  Cnn3dWorkers *workers;
  int n, done[MAX_THREADS];
  int cpu[MAX_THREADS];
  cpu_set_t allowed[MAX_THREADS];
} Run;

static int
allowed_cpus (void)
{
  cpu_set_t set;

  g_assert_cmpint (sched_getaffinity (0, sizeof set, &set), ==, 0);
  return CPU_COUNT (&set);
}

/* Each step needs what all did in the one before. */
static void
step (gpointer data, int thread)
{
  Run *run = data;

  for (int i = 0; i < STEPS; i++) {
    for (int other = 0; other < run->n; other++)
      g_assert_cmpint (run->done[other], ==, i);
    cnn3d_workers_barrier (run->workers);
    run->done[thread]++;
    if (i % 50 == thread)
      g_usleep (300);
    cnn3d_workers_barrier (run->workers);
  }
  run->cpu[thread] = sched_getcpu ();
  sched_getaffinity (0, sizeof (cpu_set_t), &run->allowed[thread]);
}

static void
test_meet (void)
{
  for (int n = 1; n <= MAX_THREADS; n++) {
    Run run = { cnn3d_workers_new (MAX_THREADS, NULL), n };

    for (int again = 0; again < 3; again++) {
      memset (run.done, 0, sizeof run.done);
      cnn3d_workers_run_on (run.workers, n, step, &run);
      for (int i = 0; i < n; i++)
        g_assert_cmpint (run.done[i], ==, STEPS);
    }
    cnn3d_workers_free (run.workers);
  }
}

/* Wherever the caller is, the other thread keeps off its CPU. */
static void
test_apart (void)
{
  Run run = { cnn3d_workers_new (2, NULL), 2 };
  cpu_set_t before, one;
  int at;

  if (allowed_cpus () < 2) {
    g_test_skip ("there is one CPU only");
    cnn3d_workers_free (run.workers);
    return;
  }
  g_assert_cmpint (sched_getaffinity (0, sizeof before, &before), ==, 0);
  /* The first run may be over before a thread that was just made can be told. */
  cnn3d_workers_run (run.workers, step, &run);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET (cpu, &before))
      continue;
    CPU_ZERO (&one);
    CPU_SET (cpu, &one);
    g_assert_cmpint (sched_setaffinity (0, sizeof one, &one), ==, 0);
    memset (run.done, 0, sizeof run.done);
    cnn3d_workers_run (run.workers, step, &run);
    at = run.cpu[1];
    g_assert_cmpint (run.cpu[0], ==, cpu);
    g_assert_cmpint (at, !=, cpu);
    g_assert_cmpint (CPU_COUNT (&run.allowed[1]), ==, CPU_COUNT (&before) - 1);
    g_assert_false (CPU_ISSET (cpu, &run.allowed[1]));
  }
  /* The caller's is its own affair. */
  g_assert_true (CPU_EQUAL (&run.allowed[0], &one));
  sched_setaffinity (0, sizeof before, &before);
  cnn3d_workers_free (run.workers);
}

static gpointer
sleeper (gpointer data)
{
  Cnn3dAffinity *affinity = data;
  cpu_set_t set, before;

  /* Not known yet: nothing to move. */
  cnn3d_affinity_avoid (affinity, sched_getcpu ());
  sched_getaffinity (0, sizeof before, &before);
  cnn3d_affinity_init (affinity);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET (cpu, &before))
      continue;
    cnn3d_affinity_avoid (affinity, cpu);
    sched_getaffinity (0, sizeof set, &set);
    g_assert_cmpint (CPU_COUNT (&set), ==, MAX (CPU_COUNT (&before) - 1, 1));
    g_assert_true (CPU_ISSET (cpu, &set) == (CPU_COUNT (&before) == 1));
  }
  /* Somebody allows one CPU alone, which is not where it was sent: there it stays. */
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
    if (CPU_ISSET (cpu, &before) && !CPU_ISSET (cpu, &set)) {
      CPU_ZERO (&set);
      CPU_SET (cpu, &set);
      break;
    }
  sched_setaffinity (0, sizeof set, &set);
  for (int cpu = 0; cpu < 4; cpu++) {
    cnn3d_affinity_avoid (affinity, cpu);
    sched_getaffinity (0, sizeof before, &before);
    g_assert_true (CPU_EQUAL (&set, &before));
  }
  return NULL;
}

static void
test_affinity (void)
{
  Cnn3dAffinity affinity = { 0 };

  g_thread_join (g_thread_new ("sleeper", sleeper, &affinity));
}

/* OpenBLAS, where it is used, has no threads, and where it is not, it is not there. */
static void
test_openblas (void)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_MOBILENET, .size = 48 };
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CPU, .threads = 1 };
  g_autoptr (Cnn3dModel) model = cnn3d_model_new_synthetic (&config, "workers", NULL);
  g_autoptr (Cnn3dSession) session = NULL;
  g_autofree char *maps = NULL;
  g_autoptr (GDir) threads = NULL;
  g_autoptr (GError) error = NULL;
  gboolean used;
  int n = 0;

  session = cnn3d_session_new (model, &options, &error);
  g_assert_no_error (error);
  used = strstr (cnn3d_session_describe (session), "OpenBLAS") != NULL;
  g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL);
  g_assert_true ((strstr (maps, "openblas") != NULL) == used);
  threads = g_dir_open ("/proc/self/task", 0, NULL);
  while (g_dir_read_name (threads) != NULL)
    n++;
  g_assert_cmpint (n, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/workers/meet", test_meet);
  g_test_add_func ("/workers/apart", test_apart);
  g_test_add_func ("/workers/affinity", test_affinity);
  g_test_add_func ("/workers/openblas", test_openblas);
  return g_test_run ();
}
