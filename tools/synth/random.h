/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A stream of random numbers of its own for each clip, so that clips can be made in any order. */

#include <math.h>

#include "lib3dcnn/train/random.h"

typedef struct {
  guint64 seed, drawn;
} Random;

static inline double
random_uniform (Random *r, double low, double high)
{
  return low + (high - low) * cnn3d_random_uniform (r->seed, r->drawn++);
}

/* Spread evenly over the logarithm: as many slow motions as fast ones. */
static inline double
random_log_uniform (Random *r, double low, double high)
{
  return exp (random_uniform (r, log (low), log (high)));
}

static inline gboolean
random_chance (Random *r, double probability)
{
  return random_uniform (r, 0, 1) < probability;
}

/* From 0 to n - 1. */
static inline int
random_pick (Random *r, int n)
{
  return (int) random_uniform (r, 0, n);
}

static inline double
random_sign (Random *r)
{
  return random_chance (r, 0.5) ? 1 : -1;
}

/* Close enough to a normal distribution, and never far out. */
static inline double
random_normal (Random *r)
{
  return 1.732 * (random_uniform (r, -1, 1) + random_uniform (r, -1, 1) + random_uniform (r, -1, 1));
}
