/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compiled once for each ISA, with CNN3D_ISA, and the compiler's flags for it, set by meson. */

#if defined CNN3D_TRAIN_DOUBLE
#define CNN3D_VW 2
#define GEMM_ROWS 4
#define GEMM_VECTORS 2
#define DOTS_M 3
#define DOTS_N 4
#elif defined __AVX512F__
#define CNN3D_VW 16
#define GEMM_ROWS 8
#define GEMM_VECTORS 3
#define DOTS_M 4
#define DOTS_N 6
#elif defined __AVX2__
#define CNN3D_VW 8
#define GEMM_ROWS 4
#define GEMM_VECTORS 3
#define DOTS_M 3
#define DOTS_N 4
#elif defined __ARM_NEON
#define CNN3D_VW 4
#define GEMM_ROWS 8
#define GEMM_VECTORS 3
#define DOTS_M 4
#define DOTS_N 6
#else
#define CNN3D_VW 4
#define GEMM_ROWS 4
#define GEMM_VECTORS 2
#define DOTS_M 3
#define DOTS_N 4
#endif

#include "lib3dcnn/train/kernels.h"
#ifdef CNN3D_TRAIN_DOUBLE
#include "lib3dcnn/train/vector-double.h"
#else
#include "lib3dcnn/cpu/vector.h"
#endif

/* Halves are added until one is left. */
INLINE Real
sum_lanes (V v)
{
#if CNN3D_VW >= 8 && defined __AVX__
#if CNN3D_VW == 16
  __m256 w = _mm256_add_ps (_mm512_castps512_ps256 ((__m512) v),
      _mm512_extractf32x8_ps ((__m512) v, 1));
#else
  __m256 w = (__m256) v;
#endif
  __m128 x = _mm_add_ps (_mm256_castps256_ps128 (w), _mm256_extractf128_ps (w, 1));
  x = _mm_add_ps (x, _mm_movehl_ps (x, x));
  return _mm_cvtss_f32 (_mm_add_ss (x, _mm_movehdup_ps (x)));
#else
  Real f[CNN3D_VW];

  store (f, v);
  for (int n = CNN3D_VW / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++)
      f[i] += f[i + n];
  return f[0];
#endif
}

#include "lib3dcnn/train/gemm_tmpl.h"
#include "lib3dcnn/train/pool_tmpl.h"
#include "lib3dcnn/train/rows_tmpl.h"

#define T V
#define ZERO splat (0)
#define GET load
#define PUT store
#define SUFFIX v
#include "lib3dcnn/train/window_tmpl.h"
#undef T
#undef ZERO
#undef GET
#undef PUT
#undef SUFFIX

#define T Real
#define ZERO 0
#define GET(p) (*(p))
#define PUT(p, x) (*(p) = (x))
#define SUFFIX s
#include "lib3dcnn/train/window_tmpl.h"

/* Vectors of clips first, then single ones; stride is a constant in each call. */
#define FOR_LANES(name, n, ...)                                                                    \
  int first = 0;                                                                                   \
  for (; first + CNN3D_VW <= n; first += CNN3D_VW)                                                 \
    name##_v (__VA_ARGS__);                                                                        \
  for (; first < n; first++)                                                                       \
    name##_s (__VA_ARGS__)

static void
depthwise (const Cnn3dTrainRow *row, Real *out)
{
  if (row->stride == 1) {
    FOR_LANES (depthwise_lanes, row->lanes, row, 1, first, out);
  } else {
    FOR_LANES (depthwise_lanes, row->lanes, row, 2, first, out);
  }
}

static void
depthwise_spread (const Cnn3dTrainRow *row, Real *out)
{
  FOR_LANES (spread_lanes, row->lanes, row, first, out);
}

static void
depthwise_grad (const Cnn3dTrainRow *row, const Real *g, Real *sums)
{
  if (row->stride == 1) {
    FOR_LANES (grad_lanes, row->lanes, row, 1, first, g, sums);
  } else {
    FOR_LANES (grad_lanes, row->lanes, row, 2, first, g, sums);
  }
}

#define STRING(x) STRING_ (x)
#define STRING_(x) #x
#define JOIN(a, b) JOIN_ (a, b)
#define JOIN_(a, b) a##b

void
JOIN (cnn3d_train_kernels_init_, CNN3D_ISA) (Cnn3dTrainKernels *kernels)
{
  *kernels = (Cnn3dTrainKernels){
    .isa = STRING (CNN3D_ISA),
    .tile_rows = GEMM_ROWS,
#define CNN3D_TRAIN_KERNEL(type, name) .name = name,
#include "lib3dcnn/train/kernels.inc"
#undef CNN3D_TRAIN_KERNEL
  };
}
