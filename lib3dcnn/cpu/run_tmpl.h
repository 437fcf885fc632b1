/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Runs of positions as tiles (conv_tmpl.h, paired_tmpl.h). */

#include "lib3dcnn/cpu/paired_tmpl.h"

/* paired: of paired_tmpl.h. */
INLINE int
run_positions (const int halves, const int paired)
{
  return paired ? paired_positions (halves) : tile_positions (halves);
}

INLINE void
run_tile (const Cnn3dConvArgs *a, intptr_t position, const int halves, const int np, const int step, const int paired,
    Ahead *ahead)
{
  if (paired)
    paired_tile (a, position, halves, np, ahead);
  else
    conv_tile (a, position, halves, np, step, 1, ahead);
}

#define TILE_CASE(np)                                                                              \
  case np:                                                                                         \
    if (np < run_positions (halves, paired))                                                       \
      run_tile (a, p, halves, np < CNN3D_TILE_POSITIONS ? np : 1, step, paired, ahead);            \
    break;

/* Fewer positions than those of a full tile. */
INLINE void
conv_rest (const Cnn3dConvArgs *a, intptr_t p, const int halves, int positions, const int step, const int paired,
    Ahead *ahead)
{
  switch (positions) {
    TILE_CASE (1)
    TILE_CASE (2)
    TILE_CASE (3)
    TILE_CASE (4)
    TILE_CASE (5)
    TILE_CASE (6)
    TILE_CASE (7)
    TILE_CASE (8)
    TILE_CASE (9)
    TILE_CASE (10)
    TILE_CASE (11)
  }
}

/* How many positions more a tile may have: tile_positions() leaves registers for them. */
#define WIDER (CNN3D_VW == 16 ? 1 : 0)

INLINE void
run_tiles (const Cnn3dConvArgs *a, intptr_t from, intptr_t end, const int halves, const int np, const int step,
    const int paired, Ahead *ahead)
{
  for (; from < end; from += np)
    run_tile (a, from, halves, np, step, paired, ahead);
}

/*
 * Full tiles and a rest, of which each of the last tiles takes a position if there are enough of them. Else a rest of less
 * than half a tile shares with the tile before it: alone, it would have too few sums to hide the latency of additions, and
 * would want weights sooner than the second cache gives them.
 */
INLINE void
conv_run (const Cnn3dConvArgs *a, const int halves, int positions, const int step, const int paired)
{
  const int np = run_positions (halves, paired), lanes = halves * CNN3D_HALF * (1 + paired);
  int rest = positions % np, full = positions - rest, wide = WIDER && rest <= full / np ? rest : 0;
  Ahead next = { a->weights + (intptr_t) a->n_taps * lanes, 0 };
  Ahead *ahead = &next;

  if (wide > 0)
    full -= wide * np;
  else if (rest > 0 && rest < np / 2 && full > 0)
    full -= np;
  /* Wider tiles do not ask: compilers would move their sums about. */
  next.step = wide == 0 ? lanes / ((positions + np - 1) / np) : full > 0 ? lanes / (full / np) : 0;
  if (a->n_taps <= FEW_TAPS)
    run_tiles (a, 0, full, halves, np, step, paired, NULL);
  else
    run_tiles (a, 0, full, halves, np, step, paired, ahead);
  if (wide > 0) {
    run_tiles (a, full, positions, halves, np + WIDER, step, paired, NULL);
    return;
  }
  rest = positions - full;
  if (rest > np) {
    conv_rest (a, full, halves, rest / 2, step, paired, ahead);
    full += rest / 2;
    rest -= rest / 2;
  }
  conv_rest (a, full, halves, rest, step, paired, ahead);
}

#define HALVES_CASE(n)                                                                             \
  case n:                                                                                          \
    if (n <= max)                                                                                  \
      conv_run (a, n <= max ? n : 1, positions, step, paired);                                     \
    break;

#define CONV_KERNEL(name, step_floats, is_paired)                                                  \
  static void name (const Cnn3dConvArgs *a, int halves, int positions)                             \
  {                                                                                                \
    const int step = step_floats, paired = is_paired;                                              \
    const int max = paired ? CNN3D_PAIRED_HALVES : CNN3D_TILE_HALVES;                              \
    switch (halves) {                                                                              \
      HALVES_CASE (1)                                                                              \
      HALVES_CASE (2)                                                                              \
      HALVES_CASE (3)                                                                              \
      HALVES_CASE (4)                                                                              \
      HALVES_CASE (5)                                                                              \
      HALVES_CASE (6)                                                                              \
    }                                                                                              \
  }

CONV_KERNEL (conv_blocked, CNN3D_BLOCK, 0)
CONV_KERNEL (conv_planar, 2, 0)
CONV_KERNEL (conv_paired, CNN3D_BLOCK, 1)
