/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/kernels/kernels-test.h"

static uint64_t state;

void
random_start (uint64_t seed)
{
  state = seed;
}

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

float
random_value (bool exact)
{
  if (exact)
    return (float) random_int (-8, 8);
  return (float) ((double) (next_random () >> 40) * 0x1p-23 - 1) * (float) (1 << random_int (0, 4));
}
