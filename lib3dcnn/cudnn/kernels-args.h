/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The arguments of our own CUDA kernels, in C that host and device share, without GLib or CUDA's
 * headers. Each kernel takes one structure by value; kernels.inc lists them all, kernels-shape.h
 * picks kernel and grid.
 *
 * Activations are [n][t][h][w][c], of halfs or floats. All pointers are of the device and aligned to
 * 16 bytes. c and pitches count elements and are multiples of 8 unless said; a pitch is the way from
 * one position to the next, so a slice of channels is a pointer into a wider tensor.
 *
 * Clamps are two floats: (-INFINITY, INFINITY) for none, (0, INFINITY) for ReLU, (0, 6) for ReLU6.
 * load_high, INFINITY or 6, bounds what is read: cuDNN has no fast convolution that clamps at 6. NaN
 * stays NaN through all of it, so that a test sees memory that nobody wrote. Sums are in float. Every
 * kernel but `copy` writes all c lanes of each position of y.
 */

#include <stdint.h>

typedef struct {
  int t, h, w;
} Cnn3dSize3;

/* Frames of RGB bytes to normalised input: y[k] = x[order[k]] * scale[k] + shift[k], 0 from lane 3 on. */
typedef struct {
  const uint8_t *x;  /* [positions][3] */
  void *y;           /* [positions][pitch] */
  int64_t positions; /* n * t * h * w */
  int pitch;         /* lanes to write: any number from 3 on */
  int order[3];
  float scale[3], shift[3];
} Cnn3dFramesArgs;

/* Planes of floats to lanes; those from 3 on are 0. */
typedef struct {
  const float *x; /* [n][3][positions] */
  void *y;        /* [n][positions][pitch] */
  int n;
  int64_t positions; /* of one clip */
  int pitch;         /* lanes to write: any number from 3 on */
} Cnn3dPlanesArgs;

/*
 * Kernel 3x3x3, padding 1, stride 1 or 2, the same or not in each direction:
 * y[lane] = clamp (bias[lane] + sum over taps of weights[tap][lane] * min (x[index[lane]], load_high)).
 */
typedef struct {
  const void *x;
  void *y;
  const float *weights; /* [27][c]; tap = (kt * 3 + kh) * 3 + kw */
  const float *bias;    /* [c] */
  const int32_t *index; /* [c]: lanes of x, as of a shuffle, -1 for 0; or NULL: as they lie */
  int n, c, x_pitch, y_pitch;
  Cnn3dSize3 in, out, stride;
  float load_high, low, high;
} Cnn3dDepthwiseArgs;

/* Outputs of a thread along the width, by its stride. */
#define CNN3D_DEPTHWISE_RUN_S1 4
#define CNN3D_DEPTHWISE_RUN_S2 2

/*
 * Pools. Padding never is a maximum; in averages it counts: the sum is divided by the whole kernel.
 * Each window has to touch the input.
 */
typedef struct {
  const void *x;
  void *y;
  const int32_t *index; /* [c]: lanes of x, -1 for 0; or NULL: as they lie */
  int n, c, x_pitch, y_pitch;
  Cnn3dSize3 in, out, kernel, stride, pad;
  float load_high, low, high;
} Cnn3dPoolArgs;

#define CNN3D_GLOBALPOOL_PACKS 16 /* of 16 bytes, that a block computes */

/* y[n][lane] = mean over positions of min (x[n][position][lane], load_high). */
typedef struct {
  const void *x;
  void *y; /* [n][c] */
  int n, c, pitch;
  int64_t positions; /* of one clip */
  float load_high;
} Cnn3dGlobalPoolArgs;

/* y = clamp (x + z + bias[lane]). y may be x or z. */
typedef struct {
  const void *x, *z; /* [positions][c]; z may be NULL: 0 */
  const float *bias; /* [c], or NULL: 0 */
  void *y;
  int64_t positions; /* n * t * h * w */
  int c;
  float low, high;
} Cnn3dAddArgs;

/*
 * y[position][to[i]] = min (x[position][from[i]], load_high) for all i < c, any number of lanes; the
 * others of y stay as they are: a concatenation, a slice or a permutation. y must not overlap x.
 */
typedef struct {
  const void *x;
  void *y;
  const int32_t *from, *to; /* [c]; or NULL: as they lie */
  int64_t positions;
  int c, x_pitch, y_pitch;
  float load_high;
} Cnn3dCopyArgs;

/* Each line of kernels.inc is a kernel of halfs and one of floats. */
typedef enum {
#define CNN3D_CUDA_KERNEL(id, name, args, block, blocks) CNN3D_CUDA_##id,
#include "lib3dcnn/cudnn/kernels.inc"
#undef CNN3D_CUDA_KERNEL
  CNN3D_N_CUDA_KERNELS
} Cnn3dCudaKernel;
