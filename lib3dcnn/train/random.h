/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random numbers by SplitMix64 of a seed and an index: the same in any order and on any thread. */

#include <glib.h>

static inline guint64
cnn3d_random_bits (guint64 seed, guint64 index)
{
  guint64 z = seed * 0xD1342543DE82EF95 + (index + 1) * 0x9E3779B97F4A7C15;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

/* In [0, 1). */
static inline double
cnn3d_random_uniform (guint64 seed, guint64 index)
{
  return (double) (cnn3d_random_bits (seed, index) >> 11) * 0x1p-53;
}
