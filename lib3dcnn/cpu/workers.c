/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cpu/workers.h"

#include "lib3dcnn/cpu/affinity.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Nanoseconds that a wait spins before it sleeps: the least between runs. Within a run threads drift apart by a part of
 * a step, and to be woken can take as long as a step. So each wait there that would have been spared a sleep adds to
 * the next ones' patience, up to the most; one that takes long, as it does when the other thread has lost its CPU,
 * ends it, since spinning then takes from that thread.
 */
#define LEAST_PATIENCE 20000
#define MOST_PATIENCE 320000
/* Spins between looks at the clock. */
#define SPINS 50

/* Threads of a run, as part of the number that starts it. */
#define THREADS_MASK 511u

/* A number that changes; waiting for that spins, then sleeps. */
typedef struct {
  _Alignas (64) atomic_uint value;
  atomic_uint sleepers;
} Event;

/* Where a thread of a run is. */
typedef struct {
  _Alignas (64) atomic_int cpu; /* after its last barrier, or ASLEEP */
  Cnn3dAffinity affinity;       /* but for the caller's, which is not ours to move */
} Place;

#define ASLEEP -1

struct _Cnn3dWorkers {
  int n_threads;
  unsigned n_cpus;
  GThread **threads; /* n_threads - 1 */
  Place *places;     /* n_threads */
  Cnn3dHand *hands;  /* n_threads */
  int n_active;      /* of the run, the caller included */
  Event start, barrier;
  _Alignas (64) atomic_uint arrived;
  atomic_int patience; /* at the barrier */
  atomic_bool quit;
  Cnn3dWorkersFunc *func;
  gpointer data;
};

typedef struct {
  Cnn3dWorkers *workers;
  int thread;
} Start;

/* The number of this thread; every caller's is 0. */
static _Thread_local int own_number;

static inline void
relax (void)
{
#if defined __x86_64__ || defined __i386__
  __builtin_ia32_pause ();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

gint64
cnn3d_nanoseconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (gint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

static gboolean
spin (Event *event, unsigned old)
{
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit (&event->value, memory_order_acquire) != old)
      return TRUE;
    relax ();
  }
  return FALSE;
}

static void
set_place (Cnn3dWorkers *workers, int cpu)
{
  atomic_store_explicit (&workers->places[own_number].cpu, cpu, memory_order_relaxed);
}

static int
get_place (Cnn3dWorkers *workers, int thread)
{
  return atomic_load_explicit (&workers->places[thread].cpu, memory_order_relaxed);
}

/* Threads of a run that are on one CPU, where a wait that spins keeps the other from what it waits for: the one that is
 * ours to move goes elsewhere. What was woken and did not run yet may be behind this one, and is let past it. */
static void
part (Cnn3dWorkers *workers, unsigned n, gboolean first)
{
  gboolean yields = FALSE;
  int cpu;

  if (n > workers->n_cpus)
    return;
  cpu = sched_getcpu ();
  for (int i = 0; i < (int) n; i++) {
    int place = get_place (workers, i);

    if (place == cpu && i != own_number)
      cnn3d_affinity_avoid (&workers->places[i > 0 ? i : own_number].affinity, cpu);
    yields |= place == ASLEEP;
  }
  if (yields && first)
    sched_yield ();
}

/* Returns how long the wait took. n is how many threads the run has, or 0 between runs. */
static gint64
event_wait (Cnn3dWorkers *workers, Event *event, unsigned old, int patience, unsigned n)
{
  gint64 begin;

  if (spin (event, old))
    return 0;
  begin = cnn3d_nanoseconds ();
  for (gboolean first = TRUE; cnn3d_nanoseconds () - begin < patience; first = FALSE) {
    if (n > 0)
      part (workers, n, first);
    if (spin (event, old))
      return cnn3d_nanoseconds () - begin;
  }
  set_place (workers, ASLEEP);
  atomic_fetch_add (&event->sleepers, 1);
  while (atomic_load (&event->value) == old)
    syscall (SYS_futex, &event->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
  atomic_fetch_sub (&event->sleepers, 1);
  return cnn3d_nanoseconds () - begin;
}

static void
event_set (Event *event, unsigned value)
{
  atomic_store (&event->value, value);
  /* Both are sequentially consistent: a sleeper is seen here, or sees the new value. */
  if (atomic_load (&event->sleepers) > 0)
    syscall (SYS_futex, &event->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void
meet (Cnn3dWorkers *workers)
{
  unsigned old, n;
  int patience;
  gint64 waited;

  /* Read before it is said that this thread is here: after that, the next run may have begun. */
  n = (unsigned) workers->n_active;
  old = atomic_load (&workers->barrier.value);
  if (atomic_fetch_add (&workers->arrived, 1) + 1 == n) {
    atomic_store (&workers->arrived, 0);
    event_set (&workers->barrier, old + 1);
    return;
  }
  patience = atomic_load_explicit (&workers->patience, memory_order_relaxed);
  waited = event_wait (workers, &workers->barrier, old, patience, n);
  if (waited > patience) {
    if (waited < 2 * MOST_PATIENCE && n <= workers->n_cpus)
      patience = MIN (patience + LEAST_PATIENCE / 2, MOST_PATIENCE);
    else
      patience = LEAST_PATIENCE;
    atomic_store_explicit (&workers->patience, patience, memory_order_relaxed);
  }
}

void
cnn3d_workers_barrier (Cnn3dWorkers *workers)
{
  if (workers == NULL || workers->n_active == 1)
    return;
  meet (workers);
  set_place (workers, sched_getcpu ());
}

/* At the beginning of a run: some of the other threads go where the caller is not, unless it sleeps already. */
static void
keep_clear (Cnn3dWorkers *workers, int first, int end)
{
  int cpu = get_place (workers, 0);

  if (cpu == ASLEEP || (unsigned) workers->n_active > workers->n_cpus)
    return;
  for (int i = first; i < end; i++)
    cnn3d_affinity_avoid (&workers->places[i].affinity, cpu);
}

static gpointer
work (gpointer data)
{
  Start start = *(Start *) data;
  Cnn3dWorkers *workers = start.workers;
  unsigned seen = 0;

  g_free (data);
  own_number = start.thread;
  cnn3d_affinity_init (&workers->places[own_number].affinity);
  for (;;) {
    event_wait (workers, &workers->start, seen, LEAST_PATIENCE, 0);
    seen = atomic_load (&workers->start.value);
    if (atomic_load (&workers->quit))
      return NULL;
    /* Those that take part are waited for, so none of them can miss a run. */
    if ((unsigned) start.thread >= (seen & THREADS_MASK))
      continue;
    set_place (workers, sched_getcpu ());
    keep_clear (workers, own_number, own_number + 1);
    workers->func (workers->data, start.thread);
    cnn3d_workers_barrier (workers);
  }
}

Cnn3dWorkers *
cnn3d_workers_new (int n_threads, GError **error)
{
  gsize size = (sizeof (Cnn3dWorkers) + 63) / 64 * 64;
  Cnn3dWorkers *workers = g_aligned_alloc0 (1, size, 64);

  workers->threads = g_new0 (GThread *, n_threads);
  workers->places = g_aligned_alloc0 (n_threads, sizeof (Place), 64);
  workers->hands = g_aligned_alloc0 (n_threads, sizeof (Cnn3dHand), 64);
  for (int i = 0; i < n_threads; i++)
    atomic_init (&workers->places[i].cpu, ASLEEP);
  workers->n_threads = workers->n_active = 1;
  workers->n_cpus = g_get_num_processors ();
  atomic_init (&workers->patience, LEAST_PATIENCE);
  for (int i = 1; i < n_threads; i++) {
    Start *start = g_new (Start, 1);

    *start = (Start){ workers, i };
    workers->threads[i - 1] = g_thread_try_new ("3dcnn", work, start, error);
    if (workers->threads[i - 1] == NULL) {
      g_free (start);
      cnn3d_workers_free (workers);
      return NULL;
    }
    workers->n_threads++;
  }
  return workers;
}

void
cnn3d_workers_free (Cnn3dWorkers *workers)
{
  if (workers == NULL)
    return;
  atomic_store (&workers->quit, TRUE);
  event_set (&workers->start, ~atomic_load (&workers->start.value));
  for (int i = 0; i < workers->n_threads - 1; i++)
    g_thread_join (workers->threads[i]);
  g_free (workers->threads);
  g_aligned_free (workers->places);
  g_aligned_free (workers->hands);
  g_aligned_free (workers);
}

void
cnn3d_workers_run_on (Cnn3dWorkers *workers, int n, Cnn3dWorkersFunc *func, gpointer data)
{
  workers->n_active = n;
  if (n > 1) {
    unsigned runs = atomic_load (&workers->start.value) / (THREADS_MASK + 1);

    workers->func = func;
    workers->data = data;
    for (int i = 0; i < n; i++) {
      atomic_store_explicit (&workers->hands[i].units, 0, memory_order_relaxed);
      workers->hands[i].number = 0;
    }
    set_place (workers, sched_getcpu ());
    keep_clear (workers, 1, n);
    event_set (&workers->start, (runs + 1) * (THREADS_MASK + 1) + (unsigned) n);
  }
  func (data, 0);
  cnn3d_workers_barrier (workers);
}

Cnn3dHand *
cnn3d_workers_get_hands (Cnn3dWorkers *workers)
{
  return workers->hands;
}

void
cnn3d_workers_run (Cnn3dWorkers *workers, Cnn3dWorkersFunc *func, gpointer data)
{
  cnn3d_workers_run_on (workers, workers->n_threads, func, data);
}
