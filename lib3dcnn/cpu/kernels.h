/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernels of the CPU backend. They are written once, on vectors of the compiler, and compiled
 * for each ISA; a table holds those of one ISA. No GLib in here.
 *
 * Activations lie in blocks of 16 channels, [block][position][16] (plan.h). Outputs are made in
 * halves of such a block: 8 channels, the finest unit, so that 24 channels cost 24 and not 32.
 */

#include <stdint.h>

#define CNN3D_BLOCK 16
#define CNN3D_HALF 8
#define CNN3D_MAX_HALVES 6

/*
 * A convolution as a product: out[position][channel] = bias[channel]
 *   + sum over taps (x[taps[k] + position * step] * weights[k][channel]) + residual, then clamped.
 * A tap is an input channel of a 1x1x1 convolution, or an input channel at one place of the kernel.
 * The step from one position to the next is 16 (blocked input) or 2 (planar input of the stem).
 * Of a paired one, a tap is two neighbours, x[taps[k]] and x[taps[k] + 1], which have weights next to each other.
 */
typedef struct {
  const float *x;
  const int32_t *taps;
  int n_taps;
  const float *weights; /* [n_taps][halves * 8], or [n_taps][halves * 8][2] */
  const float *bias;    /* [halves * 8] */
  float *out;
  const float *residual;                       /* or NULL; may be the output, in the same places */
  int32_t out_offsets[CNN3D_MAX_HALVES];       /* from out, for each half */
  int32_t residual_offsets[CNN3D_MAX_HALVES];  /* from residual */
  float low, high;                             /* the activation as bounds */
} Cnn3dConvArgs;

/*
 * Four frames of a row of the stem at a time (temporal_tmpl.h). x holds the input planes of the
 * first of six points; a tap is an input channel at one place of the kernel within a frame. The step
 * from one position to the next is 1, as planes have even and odd columns apart.
 */
#define CNN3D_POINTS 6
#define CNN3D_POINT_FRAMES 4
typedef struct {
  const float *x;
  intptr_t point_floats; /* from one point's planes to the next one's */
  const int32_t *taps;
  int n_taps;
  const float *weights; /* [6][n_taps][halves * 8], or each twice (cnn3d_temporal_copies()) */
  const float *bias;    /* [halves * 8] */
  float *out[CNN3D_POINT_FRAMES];
  int32_t out_offsets[CNN3D_MAX_HALVES];
  float low, high;
  /*
   * For a pool of three at stride 2, along rows and frames: output o is the largest of those at positions 2 o - 1 to 2 o + 1,
   * and out[0] that of out[2], which the call before has left, and of the first two frames, out[1] that of the last three.
   * out[2] becomes the last of them. An even number of positions, no bounds.
   */
  int joins;
  /*
   * For streams, or NULL: the first and the last frame but for the products of the first and of the last point, which are
   * all that meets the frames before and after these four; [position][16] at sums_offsets. And with joins, the largest of
   * what out[0] and out[1] have of the other frames of the four.
   */
  float *sums[2], *rest[2];
  int32_t sums_offsets[CNN3D_MAX_HALVES];
} Cnn3dTemporalArgs;

/*
 * One frame of a row, out[0], from sums[0], which a call for four frames has left, and the products of one point, whose
 * planes x and weights are; without bias. With joins, out[0] is the largest of it, joined, and rest[0]; out[2] becomes the
 * frame itself, or is NULL.
 */
typedef Cnn3dTemporalArgs Cnn3dTemporalEdgeArgs;

/*
 * Lines of six frames, n_lines * width floats of each, to those of each of the six points' planes, which have even columns
 * in the first half of a line and odd ones in the second.
 */
typedef struct {
  const float *rows[CNN3D_POINTS];
  int n_lines, width; /* even */
  float *out;
  intptr_t point_floats;
} Cnn3dTemporalInputArgs;

/* Likewise, to the planes of the first or the last point alone: the first three of the rows are what it meets. */
typedef Cnn3dTemporalInputArgs Cnn3dTemporalInputEdgeArgs;

/*
 * A tile of a dense 3x3x3 convolution by Winograd's minimal filtering (winograd_tmpl.h): one block of
 * its input to points, and of the products of all points to mt x m x m outputs. (mt, m): frames, and
 * rows as well as columns; mt is 1, 2 or 4, m is 2 or 4.
 */
typedef struct {
  const float *x;
  intptr_t row, frame; /* floats */
  float *out;
  intptr_t point; /* floats from one point to the next */
} Cnn3dWinogradInputArgs;

typedef struct {
  const float *products;
  intptr_t point;
  const float *bias;     /* [16] */
  const float *residual; /* or NULL; strides of out, which it may be */
  float *out;
  intptr_t row, frame;
  int frames, rows, columns; /* of the tile that lie inside of the output */
  float low, high;
} Cnn3dWinogradOutputArgs;

/* Output rows of one block of a depthwise convolution with a 3x3x3 kernel, one after the other, which meet the same weights. */
typedef struct {
  int n_rows; /* input rows inside of the border, with the weights that meet them */
  const float *rows[9];    /* for the first output row */
  const float *weights[9]; /* [3][16] each */
  const float *bias;       /* [16] */
  float *out;
  int n_out;        /* output rows */
  intptr_t in_step; /* floats from the input of one to that of the next */
  int width_in, width_out;
  float low, high;
} Cnn3dDepthwiseArgs;

/* One output row of one block of a pool. */
typedef struct {
  const float *const *rows; /* input rows inside of the border */
  int n_rows;
  int width_in, width_out, kernel, stride, pad; /* along the row; a kernel of 1 has a stride of 1 */
  float scale; /* of an average */
  float *line; /* room for width_in * 16 */
  float *out;
  float low, high;
} Cnn3dPoolArgs;

/* One row of pixels to a row of each of three planes: (rgb[3 * i + channel] - mean[channel]) * scale[channel]. */
typedef struct {
  const uint8_t *rgb;
  int width;
  const float *mean, *scale; /* [3] */
  float *planes[3];
} Cnn3dPixelArgs;

typedef void Cnn3dPixelFunc (const Cnn3dPixelArgs *args);
typedef void Cnn3dConvFunc (const Cnn3dConvArgs *args, int halves, int positions);
typedef void Cnn3dTemporalFunc (const Cnn3dTemporalArgs *args, int halves, int positions);
typedef void Cnn3dTemporalEdgeFunc (const Cnn3dTemporalEdgeArgs *args, int halves, int positions);
typedef void Cnn3dTemporalInputFunc (const Cnn3dTemporalInputArgs *args);
typedef void Cnn3dTemporalInputEdgeFunc (const Cnn3dTemporalInputEdgeArgs *args);
typedef void Cnn3dWinogradInputFunc (const Cnn3dWinogradInputArgs *args, int mt, int m);
typedef void Cnn3dWinogradOutputFunc (const Cnn3dWinogradOutputArgs *args, int mt, int m);
typedef void Cnn3dDepthwiseFunc (const Cnn3dDepthwiseArgs *args);
typedef void Cnn3dPoolFunc (const Cnn3dPoolArgs *args);

/* n times 12 independent multiply-adds of vectors: what the FMA units can do at most. */
typedef void Cnn3dPeakFunc (float *sink, long n);
#define CNN3D_PEAK_CHAINS 12

typedef struct {
  const char *isa;
  int vector_width; /* floats */
  Cnn3dPeakFunc *peak;
  int max_halves;   /* that a call of conv may be given */
  int paired_halves; /* likewise of conv_paired, which pays with vectors of 16 floats */
  int align_halves; /* a call's first half is a multiple of it, unless it is the only one */
#define CNN3D_KERNEL(family, name) Cnn3d##family##Func *name;
#include "lib3dcnn/cpu/kernels.inc"
#undef CNN3D_KERNEL
} Cnn3dKernels;

/* How often each weight of a tile of `temporal` is packed, next to the other. */
static inline int
cnn3d_temporal_copies (const Cnn3dKernels *kernels, int halves)
{
  return kernels->vector_width > CNN3D_HALF && halves != 4 && halves != 6 ? 2 : 1;
}

/* Each fills the table with the kernels of its ISA; only those that were built are defined. */
void cnn3d_kernels_init_baseline (Cnn3dKernels *kernels);
void cnn3d_kernels_init_neon (Cnn3dKernels *kernels); /* the baseline of aarch64 */
void cnn3d_kernels_init_avx2 (Cnn3dKernels *kernels);
void cnn3d_kernels_init_avx512 (Cnn3dKernels *kernels);
