/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Units that threads deal out: each is taken once, and those of a thread that is late are taken by others. */

#include <string.h>

#include "lib3dcnn/cpu/deal.h"

#define MAX_THREADS 5
#define DEALS 60
#define MAX_UNITS 300

typedef struct {
  int total, least, most, split[MAX_THREADS + 1];
  gboolean has_split, has_barrier;
  atomic_int taken[MAX_UNITS];
} Deal;

typedef struct {
  Cnn3dWorkers *workers;
  int n;
  Deal deals[DEALS];
  guint32 seed;
} Run;

static void
take_all (const Run *run, Deal *d, int thread, GRand *rand)
{
  Cnn3dDeal deal = cnn3d_deal (run->workers, thread, run->n, d->total, d->has_split ? d->split : NULL);
  int own_first = d->has_split ? d->split[thread] : (int) cnn3d_share (d->total, thread, run->n);
  int own_end = d->has_split ? d->split[thread + 1] : (int) cnn3d_share (d->total, thread + 1, run->n), n;

  g_assert_cmpint (cnn3d_deal_end (&deal), ==, own_end);
  for (int first; (n = cnn3d_deal_take (&deal, d->least, d->most, &first)) > 0;) {
    g_assert_cmpint (n, <=, d->most);
    g_assert_true (first >= 0 && first + n <= d->total);
    g_assert_true (deal.own == (first >= own_first && first + n <= own_end));
    for (int i = first; i < first + n; i++)
      atomic_fetch_add (&d->taken[i], 1);
    if (g_rand_int_range (rand, 0, 30) == 0)
      g_usleep ((gulong) g_rand_int_range (rand, 0, 200));
  }
}

static void
run_deals (gpointer data, int thread)
{
  Run *run = data;
  g_autoptr (GRand) rand = g_rand_new_with_seed (run->seed + (guint32) thread);

  for (int i = 0; i < DEALS; i++) {
    take_all (run, &run->deals[i], thread, rand);
    if (run->deals[i].has_barrier)
      cnn3d_workers_barrier (run->workers);
  }
}

static void
make_deal (Deal *d, int n)
{
  memset (d, 0, sizeof *d);
  d->total = g_test_rand_int_range (0, g_test_rand_bit () ? 8 : MAX_UNITS + 1);
  d->least = g_test_rand_int_range (1, 5);
  d->most = d->least + g_test_rand_int_range (0, 40);
  d->has_split = g_test_rand_bit ();
  d->has_barrier = g_test_rand_bit ();
  /* Any borders, empty shares among them. */
  d->split[n] = d->total;
  for (int i = n - 1; i > 0; i--)
    d->split[i] = g_test_rand_int_range (0, d->split[i + 1] + 1);
}

static void
test_once (void)
{
  for (int n = 1; n <= MAX_THREADS; n++) {
    Cnn3dWorkers *workers = cnn3d_workers_new (MAX_THREADS, NULL);
    g_autofree Run *run = g_new0 (Run, 1);

    *run = (Run){ .workers = n > 1 ? workers : NULL };
    for (int again = 0; again < 20; again++) {
      /* Fewer threads than before in some runs. */
      run->n = n > 1 ? g_test_rand_int_range (2, n + 1) : 1;
      run->seed = (guint32) g_test_rand_int ();
      for (int i = 0; i < DEALS; i++)
        make_deal (&run->deals[i], run->n);
      cnn3d_workers_run_on (workers, run->n, run_deals, run);
      for (int i = 0; i < DEALS; i++)
        for (int k = 0; k < run->deals[i].total; k++)
          g_assert_cmpint (run->deals[i].taken[k], ==, 1);
    }
    cnn3d_workers_free (workers);
  }
}

/* The second thread is late: before it takes anything, or with its first units. */
#define UNITS 200
#define LEAST 2
#define MOST 10

typedef struct {
  Cnn3dWorkers *workers;
  gboolean before;
  atomic_int others, own;
} Late;

static void
run_late (gpointer data, int thread)
{
  Late *late = data;
  gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;
  int wanted = late->before ? UNITS - LEAST : UNITS - LEAST - MOST, first, n;
  Cnn3dDeal deal;

  if (thread == 1 && late->before)
    while (atomic_load (&late->others) < wanted && g_get_monotonic_time () < end)
      g_usleep (100);
  deal = cnn3d_deal (late->workers, thread, 2, UNITS, NULL);
  while ((n = cnn3d_deal_take (&deal, LEAST, MOST, &first)) > 0) {
    atomic_fetch_add (thread == 0 ? &late->others : &late->own, n);
    if (thread == 1 && !late->before)
      while (atomic_load (&late->others) < wanted && g_get_monotonic_time () < end)
        g_usleep (100);
  }
}

static void
test_late (void)
{
  Cnn3dWorkers *workers = cnn3d_workers_new (2, NULL);

  for (int i = 0; i < 10; i++) {
    Late late = { .workers = workers, .before = i % 2 };

    cnn3d_workers_run_on (workers, 2, run_late, &late);
    g_assert_cmpint (late.others, >=, late.before ? UNITS - LEAST : UNITS - LEAST - MOST);
    g_assert_cmpint (late.others + late.own, ==, UNITS);
  }
  cnn3d_workers_free (workers);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/deal/once", test_once);
  g_test_add_func ("/deal/late", test_late);
  return g_test_run ();
}
