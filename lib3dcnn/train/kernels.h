/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernels of training, compiled once for each ISA like those of cpu/kernels.h. No GLib here.
 *
 * Activations lie as [channel][position][clip]: the clips of a batch are the innermost dimension.
 * A row of a channel is contiguous for every product of matrices, and every window operation works
 * on vectors of clips whatever its stride and borders are.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib3dcnn/train/real.h"

/* Rows of matrices that are written by vectors may be overrun up to the next multiple of this. */
#define CNN3D_TRAIN_ALIGN 16
#define CNN3D_TRAIN_MAX_ROWS 8

/* y = clamp ((x - mean) * scale + shift, low, high): BatchNorm and activation, done when read. */
typedef struct {
  Real mean, scale, shift, low, high;
} Cnn3dAffine;

/* BatchNorm's gradient for its input: alpha g + beta (x - mean) + gamma. */
typedef struct {
  Real alpha, beta, gamma, mean;
} Cnn3dGradAffine;

/* A row of a window operation: `count` rows of input meet one row of output. */
typedef struct {
  int count;
  const Real *const *rows;
  const Real *weights; /* depthwise: [count][3] */
  const int *taps;      /* pools: the number of each row's first tap */
  int width_in, width_out, kernel, stride, pad;
  int lanes;    /* clips */
  Real scale;  /* of an average */
} Cnn3dTrainRow;

/*
 * c[r][j] = bias[r] + sum over i < k of a[i * rows + r] * b[i * ldb + j]. cols is a multiple of
 * CNN3D_TRAIN_ALIGN; bias may be NULL.
 */
typedef void Cnn3dTrainGemmFunc (const Real *a, const Real *bias, int rows, int k, const Real *b,
    size_t ldb, Real *c, size_t ldc, int cols);
/* c[i][j] += sum over l of a[i][l] * b[j][l]. cols is a multiple of CNN3D_TRAIN_ALIGN. */
typedef void Cnn3dTrainDotsFunc (Real *c, size_t ldc, const Real *a, size_t lda, int m,
    const Real *b, size_t ldb, int n, int cols);
/* gemm with row i of b at b + at[i]: windows that are read where they lie. */
typedef void Cnn3dTrainWindowGemmFunc (const Real *a, const Real *bias, int rows, int k,
    const Real *b, const ptrdiff_t *at, Real *c, size_t ldc, int cols);
/*
 * c[i][j] += sum over y < height, l < cols of a[i * lda + y * cols + l] * b[at[j] + y * b_step + l].
 */
typedef void Cnn3dTrainWindowDotsFunc (Real *c, size_t ldc, const Real *a, size_t lda, int m,
    const Real *b, size_t b_step, const ptrdiff_t *at, int n, int cols, int height);
typedef void Cnn3dTrainAffineFunc (Real *y, const Real *x, size_t n, const Cnn3dAffine *f);
/* The same for count runs of n, which are step apart in x and contiguous in y. */
typedef void Cnn3dTrainGatherFunc (Real *y, const Real *x, int count, size_t step, int n,
    const Cnn3dAffine *f);
typedef void Cnn3dTrainBackwardFunc (Real *dx, const Real *g, const Real *x, size_t n,
    const Cnn3dGradAffine *f);
/* g (+)= d where low < y < high. */
typedef void Cnn3dTrainMaskFunc (Real *g, const Real *d, const Real *x, size_t n,
    const Cnn3dAffine *f, int add);
/* Mean and sum of squared differences from it, of some thousand values at most. */
typedef void Cnn3dTrainMomentsFunc (const Real *x, size_t n, double *mean, double *m2);
/* Adds sum (g) and sum (g * (x - mean)), of some thousand values at most. */
typedef void Cnn3dTrainGradSumsFunc (const Real *g, const Real *x, size_t n, Real mean,
    double *sum_g, double *sum_gx);
/*
 * depthwise: out[o] = sum of weights[r][k] * rows[r][o * stride + k - 1]. depthwise_spread is its
 * transpose at stride 2: width_in is the width of out, rows are width_out wide.
 */
typedef void Cnn3dTrainRowFunc (const Cnn3dTrainRow *row, Real *out);
/* sums[r][k][lane % 16] += g[o][lane] * rows[r][o * stride + k - 1][lane]. */
typedef void Cnn3dTrainRowGradFunc (const Cnn3dTrainRow *row, const Real *g, Real *sums);
typedef void Cnn3dTrainPoolFunc (const Cnn3dTrainRow *row, Real *out, int32_t *taps);
/* Adds to the rows, which are written here. */
typedef void Cnn3dTrainPoolGradFunc (const Cnn3dTrainRow *row, const Real *g, const int32_t *taps);

typedef struct {
  const char *isa;
  int tile_rows; /* most rows of a gemm */
#define CNN3D_TRAIN_KERNEL(type, name) Cnn3dTrain##type##Func *name;
#include "lib3dcnn/train/kernels.inc"
#undef CNN3D_TRAIN_KERNEL
} Cnn3dTrainKernels;

/* Each fills the table with the kernels of its ISA; the last one is for double precision. */
void cnn3d_train_kernels_init_baseline (Cnn3dTrainKernels *kernels);
void cnn3d_train_kernels_init_neon (Cnn3dTrainKernels *kernels);
void cnn3d_train_kernels_init_avx2 (Cnn3dTrainKernels *kernels);
void cnn3d_train_kernels_init_avx512 (Cnn3dTrainKernels *kernels);
void cnn3d_train_kernels_init_double (Cnn3dTrainKernels *kernels);
