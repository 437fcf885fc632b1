/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What cpu/vector.h has for float, for the double precision that tests compare with. */

#include <string.h>

#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 32")

typedef double V __attribute__ ((vector_size (CNN3D_VW * 8)));
typedef double VU __attribute__ ((vector_size (CNN3D_VW * 8), aligned (8), may_alias));

INLINE V
load (const double *p)
{
  return *(const VU *) p;
}

INLINE void
store (double *p, V v)
{
  *(VU *) p = v;
}

INLINE V
splat (double f)
{
  return (V){ f, f };
}

INLINE V
vclamp (V v, V low, V high)
{
  for (int i = 0; i < CNN3D_VW; i++)
    v[i] = v[i] < low[i] ? low[i] : v[i] > high[i] ? high[i] : v[i];
  return v;
}
