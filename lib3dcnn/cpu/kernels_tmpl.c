/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compiled once for each ISA, with CNN3D_ISA, and the compiler's flags for it, set by meson. */

#if defined __AVX512F__
#define CNN3D_VW 16
#define CNN3D_TILE_HALVES 6
#define CNN3D_PAIRED_HALVES 3
#define CNN3D_TILE_POSITIONS 14
#define CNN3D_DEPTHWISE_RUN 14
#elif defined __AVX2__
#define CNN3D_VW 8
#define CNN3D_TILE_HALVES 3
#define CNN3D_PAIRED_HALVES 1
#define CNN3D_TILE_POSITIONS 8
#define CNN3D_DEPTHWISE_RUN 7
#elif defined __ARM_NEON
#define CNN3D_VW 4
#define CNN3D_TILE_HALVES 3
#define CNN3D_PAIRED_HALVES 1
#define CNN3D_TILE_POSITIONS 12
#define CNN3D_DEPTHWISE_RUN 14
#else
#define CNN3D_VW 4
#define CNN3D_TILE_HALVES 2
#define CNN3D_PAIRED_HALVES 1
#define CNN3D_TILE_POSITIONS 5
#define CNN3D_DEPTHWISE_RUN 7
#endif

#include "lib3dcnn/cpu/conv_tmpl.h"
#include "lib3dcnn/cpu/depthwise_tmpl.h"
#include "lib3dcnn/cpu/pixel_tmpl.h"
#include "lib3dcnn/cpu/pool_tmpl.h"
#include "lib3dcnn/cpu/run_tmpl.h"
#include "lib3dcnn/cpu/temporal_tmpl.h"
#include "lib3dcnn/cpu/winograd_tmpl.h"

static void
peak (float *sink, long n)
{
  V acc[CNN3D_PEAK_CHAINS], a = splat (0.999f), b = splat (sink[0]);

  for (int i = 0; i < CNN3D_PEAK_CHAINS; i++)
    acc[i] = splat ((float) i);
  for (long k = 0; k < n; k++)
    UNROLL for (int i = 0; i < CNN3D_PEAK_CHAINS; i++)
      acc[i] = acc[i] * a + b;
  for (int i = 0; i < CNN3D_PEAK_CHAINS; i++)
    store (sink, load (sink) + acc[i]);
}

#define STRING(x) STRING_ (x)
#define STRING_(x) #x
#define JOIN(a, b) JOIN_ (a, b)
#define JOIN_(a, b) a##b

void
JOIN (cnn3d_kernels_init_, CNN3D_ISA) (Cnn3dKernels *kernels)
{
  *kernels = (Cnn3dKernels){
    .isa = STRING (CNN3D_ISA),
    .vector_width = CNN3D_VW,
    .peak = peak,
    .max_halves = CNN3D_TILE_HALVES,
    .paired_halves = CNN3D_PAIRED_HALVES,
    .align_halves = CNN3D_VW == 16 ? 2 : 1,
#define CNN3D_KERNEL(family, name) .name = name,
#include "lib3dcnn/cpu/kernels.inc"
#undef CNN3D_KERNEL
  };
}
