/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * test-kernels [ISA] [--seed N] [--rounds N] [--kernel NAME] [--exact] [--bench]
 *
 * Tests (TAP), or measures, the kernels of one ISA or of all that this CPU can run. Rounds repeat the shapes (4).
 */

#include "tests/kernels/kernels-test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
#define CNN3D_KERNEL(family, name) KERNEL_##name,
#include "lib3dcnn/cpu/kernels.inc"
#undef CNN3D_KERNEL
  N_KERNELS
};

#define CNN3D_ISA_ENTRY(name, supported)                                                           \
  static int has_##name (void)                                                                     \
  {                                                                                                \
    return supported;                                                                              \
  }
#include "lib3dcnn/cpu/isas.inc"
#undef CNN3D_ISA_ENTRY

static const struct {
  const char *name;
  int (*supported) (void);
  void (*init) (Cnn3dKernels *kernels);
  PeakFunc *peak;
} isas[] = {
#define CNN3D_ISA_ENTRY(name, supported)                                                           \
  { #name, has_##name, cnn3d_kernels_init_##name, peak_##name },
#include "lib3dcnn/cpu/isas.inc"
#undef CNN3D_ISA_ENTRY
};

#define N_ISAS (sizeof isas / sizeof *isas)

int rounds = 4;
static bool exact_only; /* small integers; not real numbers as well */
static const char *only;
static uint64_t seed;
static double peak;
static int n_tests, n_failed;

/* The same numbers for a kernel, whatever is tested before it. */
static void
seed_random (const char *isa, const char *name, bool exact)
{
  uint64_t state = seed + exact;

  for (const char *s = isa; *s != '\0'; s++)
    state = (state ^ (unsigned char) *s) * 0x100000001b3;
  for (const char *s = name; *s != '\0'; s++)
    state = (state ^ (unsigned char) *s) * 0x100000001b3;
  random_start (state);
}

static void
list_kernels (const Cnn3dKernels *table, Kernel *list)
{
#define CNN3D_KERNEL(family, name)                                                                 \
  *list++ = (Kernel){ #name, (KernelFunc *) table->name, table, PARAM_##name, check_##family,      \
    bench_##family };
#include "lib3dcnn/cpu/kernels.inc"
#undef CNN3D_KERNEL
}

static void
test_kernel (const Kernel *kernel, bool exact)
{
  char name[128];

  snprintf (name, sizeof name, "%s/%s/%s", kernel->table->isa, kernel->name,
      exact ? "exact" : "real");
  seed_random (kernel->table->isa, kernel->name, exact);
  guard_start (name, n_tests + 1);
  kernel->check (kernel, exact);
  n_tests++;
  if (guard_failed ()) {
    n_failed++;
    printf ("# again: test-kernels %s --kernel %s --seed %llu --rounds %d\n", kernel->table->isa,
        kernel->name, (unsigned long long) seed, rounds);
  }
  printf ("%sok %d - %s\n", guard_failed () ? "not " : "", n_tests, name);
  fflush (stdout);
}

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static double
measure_peak (PeakFunc *func)
{
  double best = 0;

  for (int i = 0; i < 20; i++) {
    double start = now (), flops = func (500000);
    double rate = flops / (now () - start) * 1e-9;
    if (rate > best)
      best = rate;
  }
  return best;
}

void
bench_run (const Kernel *kernel, const char *shape, double flops, double bytes,
    void (*run) (void *data), void *data)
{
  double best = 1e30;
  long calls = 1;

  run (data);
  for (int i = 0; i < 6;) {
    double start = now (), seconds;

    for (long k = 0; k < calls; k++)
      run (data);
    seconds = now () - start;
    if (seconds < 0.03) {
      calls *= 2;
      continue;
    }
    if (seconds / (double) calls < best)
      best = seconds / (double) calls;
    i++;
  }
  printf ("%-9s %-13s %-34s %9.1f %8.1f %7.1f %6.1f%%\n", kernel->table->isa, kernel->name, shape,
      best * 1e6, flops / best * 1e-9, bytes / best * 1e-9, flops / best * 1e-7 / peak);
}

static void
run_isa (size_t i, bool bench)
{
  Kernel list[N_KERNELS];
  Cnn3dKernels table;

  isas[i].init (&table);
  list_kernels (&table, list);
  if (bench) {
    peak = measure_peak (isas[i].peak);
    printf ("\n%s: %.1f GFLOP/s from registers, one thread\n", isas[i].name, peak);
    printf ("%-9s %-13s %-34s %9s %8s %7s %7s\n", "isa", "kernel", "layer", "us", "GFLOP/s", "GB/s",
        "of peak");
  }
  for (size_t k = 0; k < N_KERNELS; k++) {
    if (only != NULL && strcmp (only, list[k].name) != 0)
      continue;
    if (bench) {
      list[k].bench (&list[k]);
    } else {
      test_kernel (&list[k], true);
      if (!exact_only)
        test_kernel (&list[k], false);
    }
  }
}

static int
usage (void)
{
  fprintf (stderr, "usage: test-kernels [ISA] [--seed N] [--rounds N] [--kernel NAME] [--exact] [--bench]\n"
                   "ISAs:");
  for (size_t i = 0; i < N_ISAS; i++)
    fprintf (stderr, " %s", isas[i].name);
  fprintf (stderr, "\n");
  return 2;
}

int
main (int argc, char **argv)
{
  const char *isa = NULL;
  bool bench = false, found = false;

  seed = (uint64_t) time (NULL);
  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--exact") == 0)
      exact_only = true;
    else if (strcmp (argv[i], "--bench") == 0)
      bench = true;
    else if (strcmp (argv[i], "--seed") == 0 && i + 1 < argc)
      seed = strtoull (argv[++i], NULL, 0);
    else if (strcmp (argv[i], "--rounds") == 0 && i + 1 < argc)
      rounds = atoi (argv[++i]);
    else if (strcmp (argv[i], "--kernel") == 0 && i + 1 < argc)
      only = argv[++i];
    else if (argv[i][0] != '-' && isa == NULL)
      isa = argv[i];
    else
      return usage ();
  }

  if (!bench)
    printf ("# seed %llu\n", (unsigned long long) seed);
  for (size_t i = 0; i < N_ISAS; i++) {
    if (isa != NULL && strcmp (isa, isas[i].name) != 0)
      continue;
    found = true;
    if (isas[i].supported ()) {
      run_isa (i, bench);
    } else if (isa != NULL) {
      printf ("1..0 # SKIP this CPU has no %s\n", isa);
      return 0;
    }
  }
  if (!found)
    return usage ();
  if (!bench)
    printf ("1..%d\n", n_tests);
  if (!bench && n_tests == 0)
    return usage ();
  return n_failed > 0;
}
