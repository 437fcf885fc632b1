/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * test-gpu-kernels [--seed N] [--rounds N] [--kernel NAME]
 *
 * Our CUDA kernels, run on the CPU, against plain loops in double precision: random shapes with every
 * tail, for halfs and floats, with threads in several orders. What lies around inputs, and between their
 * slices, is NaN; what lies around outputs has to stay as it is. Under AddressSanitizer there is
 * nothing around: each tensor ends where its memory does.
 */

#include "tests/gpu/kernels-test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib3dcnn/cudnn/half.h"
#include "tests/gpu/emulate.h"

int is_half, exact;
static unsigned int order;
static uint64_t state;
static char description[512];
static int failed;
static Tensor tensors[16];
static int n_tensors;

/* SplitMix64. */
static uint64_t
next_random (void)
{
  uint64_t z = state += 0x9E3779B97F4A7C15;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

int
random_int (int low, int high)
{
  return low + (int) (next_random () % (uint64_t) (high - low + 1));
}

/* Small integers, of which every sum is exact in a half, or reals. */
float
random_value (void)
{
  float v = exact ? (float) random_int (-4, 4) : (float) random_int (-4000, 4000) * 0x1p-9f;

  return is_half ? cnn3d_half_to_float (cnn3d_half_from_float (v)) : v;
}

int32_t *
random_lanes (int n, int from, int low)
{
  int32_t *lanes = allocate (sizeof *lanes * (size_t) n);

  for (int i = 0; i < n; i++)
    lanes[i] = random_int (low, from - 1);
  return lanes;
}

#if defined(__SANITIZE_ADDRESS__)
#define GUARD_BYTES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GUARD_BYTES 0
#endif
#endif
#ifndef GUARD_BYTES
#define GUARD_BYTES 512
#endif

/* Aligned to 16 bytes, between guards, all NaN. */
void *
allocate (size_t bytes)
{
  Tensor *t = &tensors[n_tensors++];

  t->bytes = bytes;
  t->memory = aligned_alloc (16, (bytes + 2 * GUARD_BYTES + 15) / 16 * 16);
  if (GUARD_BYTES == 0) {
    free (t->memory);
    if (posix_memalign ((void **) &t->memory, 16, bytes) != 0)
      abort ();
  }
  t->expected = malloc (bytes + 2 * GUARD_BYTES);
  memset (t->memory, 0xff, bytes + 2 * GUARD_BYTES);
  return t->memory + GUARD_BYTES;
}

void *
tensor (size_t elements)
{
  return allocate (elements * (is_half ? 2 : 4));
}

float *
table (int n)
{
  float *p = allocate (sizeof *p * (size_t) n);

  for (int i = 0; i < n; i++)
    p[i] = random_value ();
  return p;
}

void
fill (void *p, int64_t positions, int c, int pitch)
{
  int nan = random_int (0, 3) == 0;

  for (int64_t i = 0; i < positions; i++)
    for (int k = 0; k < c; k++)
      put (p, i * pitch + k, nan && random_int (0, 300) == 0 ? NAN : random_value ());
}

float
get (const void *p, int64_t i)
{
  return is_half ? cnn3d_half_to_float (((const uint16_t *) p)[i]) : ((const float *) p)[i];
}

void
put (void *p, int64_t i, float v)
{
  if (is_half)
    ((uint16_t *) p)[i] = cnn3d_half_from_float (v);
  else
    ((float *) p)[i] = v;
}

void
describe (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vsnprintf (description, sizeof description, format, args);
  va_end (args);
}

static void
fail (const char *format, ...)
{
  va_list args;

  if (!failed) {
    printf ("# %s, order %u: ", description, order);
    va_start (args, format);
    vprintf (format, args);
    va_end (args);
    printf ("\n");
  }
  failed = 1;
}

/* Runs the kernel and remembers what memory was before. */
void
run (Cnn3dLaunchShape shape, const void *args)
{
  const char *name = cnn3d_cuda_kernel_name (shape.kernel, is_half);

  for (int i = 0; i < n_tensors; i++)
    memcpy (tensors[i].expected, tensors[i].memory, tensors[i].bytes + 2 * GUARD_BYTES);
  if (cnn3d_emulate_args_size (name) != cnn3d_cuda_kernel_args_size (shape.kernel))
    fail ("the size of the arguments");
  if (cnn3d_emulate (name, shape.grid, shape.block, shape.shared, args, order) != 0)
    fail ("%s: %s", name, cnn3d_emulate_error ());
}

/* Element i of y has to have become v, but for rounding; sum is that of the terms' magnitudes. */
void
expect (void *y, int64_t i, double v, int terms, double sum)
{
  double got = get (y, i), want = is_half ? cnn3d_half_to_float (cnn3d_half_from_float ((float) v)) : (float) v;
  double error = exact ? 0 : (terms + 8) * 0x1p-24 * sum + (is_half ? 0x1p-10 * fabs (v) + 0x1p-24 : 0);

  if (isnan (want) ? !isnan (got) : !(fabs (got - want) <= error))
    fail ("element %lld is %.9g and not %.9g +- %.2g", (long long) i, got, want, error);
  /* Accounted for. */
  for (int k = 0; k < n_tensors; k++) {
    char *first = tensors[k].memory + GUARD_BYTES;
    size_t size = is_half ? 2 : 4, at = (size_t) ((char *) y - first) + (size_t) i * size;

    if ((char *) y >= first && (char *) y < first + tensors[k].bytes)
      memcpy (tensors[k].expected + GUARD_BYTES + at, first + at, size);
  }
}

/* Nothing else may have been written. */
static void
finish (void)
{
  for (int i = 0; i < n_tensors; i++) {
    Tensor *t = &tensors[i];

    for (size_t k = 0; k < t->bytes + 2 * GUARD_BYTES; k++)
      if (t->memory[k] != t->expected[k]) {
        fail ("buffer %d: byte %lld of %zu was written", i, (long long) k - GUARD_BYTES, t->bytes);
        break;
      }
    free (t->memory);
    free (t->expected);
  }
  n_tensors = 0;
}

static const struct {
  const char *name;
  void (*check) (void);
} checks[] = {
  { "frames", check_frames },
  { "planes", check_planes },
  { "depthwise", check_depthwise },
  { "maxpool", check_maxpool },
  { "avgpool", check_avgpool },
  { "globalpool", check_globalpool },
  { "add", check_add },
  { "copy", check_copy },
};

#define N_CHECKS ((int) (sizeof checks / sizeof *checks))

/* Wrong launches have to be refused. */
static int
check_refusals (void)
{
  unsigned int one[3] = { 1, 1, 1 }, block[3] = { 256, 1, 1 }, wrong[3] = { 128, 1, 1 };
  unsigned int none[3] = { 0, 1, 1 };
  Cnn3dAddArgs args = { .positions = 0, .c = 8 };
  Cnn3dAddArgs huge = { .positions = 1LL << 33, .c = 8 };

  return cnn3d_emulate ("cnn3d_add_half", one, block, 0, &args, 0) == 0
      && cnn3d_emulate ("cnn3d_none_half", one, block, 0, &args, 0) == -1
      && cnn3d_emulate ("cnn3d_add_half", one, wrong, 0, &args, 0) == -1
      && cnn3d_emulate ("cnn3d_add_half", none, block, 0, &args, 0) == -1
      && cnn3d_emulate ("cnn3d_add_half", one, block, 16, &args, 0) == -1
      && cnn3d_emulate_args_size ("cnn3d_none_half") == 0
      && cnn3d_shape_add (&huge, 1).grid[0] == 0 && cnn3d_shape_add (&args, 1).grid[0] == 0;
}

int
main (int argc, char **argv)
{
  uint64_t seed = 1;
  int rounds = 60, n_tests = 0, n_failed = 0;
  const char *only = NULL;

  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp (argv[i], "--seed") == 0)
      seed = strtoull (argv[i + 1], NULL, 0);
    else if (strcmp (argv[i], "--rounds") == 0)
      rounds = atoi (argv[i + 1]);
    else if (strcmp (argv[i], "--kernel") == 0)
      only = argv[i + 1];
  }

  for (int i = 0; i < N_CHECKS * 4; i++) {
    const char *name = checks[i / 4].name;

    if (only != NULL && strcmp (only, name) != 0)
      continue;
    is_half = i % 2;
    exact = i / 2 % 2;
    failed = 0;
    for (int round = 0; round < rounds && !failed; round++) {
      state = seed + (uint64_t) (round * N_CHECKS * 4 + i) * 0x100000001b3;
      order = round % 3 == 2 ? 2 + (unsigned int) random_int (0, 999) : (unsigned int) (round % 3);
      checks[i / 4].check ();
      finish ();
    }
    if (failed) {
      n_failed++;
      printf ("# again: test-gpu-kernels --kernel %s --seed %llu --rounds %d\n", name,
          (unsigned long long) seed, rounds);
    }
    printf ("%sok %d - %s/%s/%s\n", failed ? "not " : "", ++n_tests, name, is_half ? "half" : "float",
        exact ? "exact" : "real");
  }
  if (only == NULL) {
    int right = check_refusals ();

    n_failed += !right;
    printf ("%sok %d - refusals\n", right ? "" : "not ", ++n_tests);
  }
  printf ("1..%d\n", n_tests);
  return n_failed > 0 || n_tests == 0;
}
