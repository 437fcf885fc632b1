/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Kernels that multiply in bfloat16 and add up in single precision. A word is the upper half of a float.
 * With one part a number is the nearest word. With two parts (bf16x3) it is hi, the nearest word, and lo,
 * the word nearest to the rest: 16 bits of mantissa. Products are then hi hi + hi lo + lo hi.
 *
 * Words are rounded to nearest even, denormals are zero, and sums are rounded to nearest even: the
 * instructions' fixed behaviour (Intel SDM: VCVTNE2PS2BF16, VDPBF16PS, TDPBF16PS). No GLib in here.
 */

#include "lib3dcnn/cpu/kernels.h"

#define CNN3D_MAX_PARTS 2

/* Words that the kernels of rows write at a time: a row has a multiple of it. */
#define CNN3D_ROW_WORDS 32

/*
 * As Cnn3dConvArgs, but a tap is `unit` words that lie one after the other (Cnn3dBf16.unit). In weights,
 * the two words that meet a pair of words of x are neighbours.
 */
typedef struct {
  const uint16_t *x;
  intptr_t part;       /* words from hi to lo of x; of two parts */
  intptr_t step;       /* words from one position to the next */
  const int32_t *taps; /* words from x */
  int n_taps;
  const uint16_t *weights; /* [n_taps][parts][unit / 2][halves * 8][2] */
  const float *bias;       /* [halves * 8] */
  float *out;
  const float *residual; /* or NULL */
  int32_t out_offsets[CNN3D_MAX_HALVES];
  int32_t residual_offsets[CNN3D_MAX_HALVES];
  float low, high;
} Cnn3dBf16ConvArgs;

/*
 * Of a vector of 32 words of a row, those that come from one group of 64 words in natural order. Groups
 * of the same vector follow each other.
 */
typedef struct {
  uint16_t index[32]; /* in the group */
  uint32_t mask;      /* the words that come from it */
  int16_t vector, group;
} Cnn3dBf16Gather;

/*
 * Rows of words, one for each position, from blocks of 16 channels. In natural order they are the lanes
 * of the blocks one after the other; lanes that are not wanted are zero, whatever they hold.
 */
typedef struct {
  const float *x;
  const int32_t *blocks;  /* floats from x to each */
  const uint16_t *lanes;  /* of each block: a bit for each lane that is wanted */
  int n_blocks;
  const Cnn3dBf16Gather *gathers; /* rows are these; natural order if there are none */
  int n_gathers;
  uint16_t *natural; /* with gathers: room for a row in natural order, of whole groups; for each part */
  uint16_t *out;
  intptr_t part, step; /* words from hi to lo, and from one position to the next */
} Cnn3dBf16RowsArgs;

/*
 * A band: what the kernels' rows of a 3x3x3 stem see of one frame, as [width][3 rows][3 planes]. So the
 * 27 words that an output needs lie one after the other.
 */
#define CNN3D_BAND_WORDS 9
typedef struct {
  const float *rows[3][3]; /* [row][plane], each of width floats */
  int width;
  uint16_t *room; /* 3 * cnn3d_band_room (width) words, for each part */
  uint16_t *out;  /* width * 9 words */
  intptr_t part;  /* words from hi to lo of out */
} Cnn3dBf16BandArgs;

/* Words that a row of pixels takes in room: whole vectors, and what is read past the last pixel. */
static inline int
cnn3d_band_room (int width)
{
  return (width + 31) / 32 * 96 + 32;
}

/* parts is 1 or 2. */
typedef void Cnn3dBf16ConvFunc (const Cnn3dBf16ConvArgs *args, int halves, int positions, int parts);
typedef void Cnn3dBf16RowsFunc (const Cnn3dBf16RowsArgs *args, int positions, int parts);
typedef void Cnn3dBf16BandFunc (const Cnn3dBf16BandArgs *args, int parts);

typedef struct {
  const char *isa;
  int unit; /* words of a tap */
  int max_halves, align_halves; /* as of Cnn3dKernels, for conv */
  Cnn3dBf16ConvFunc *conv;
  Cnn3dBf16RowsFunc *rows;
  Cnn3dBf16BandFunc *band;
} Cnn3dBf16;

/* bf16-rows.c */
Cnn3dBf16RowsFunc cnn3d_bf16_rows;
Cnn3dBf16BandFunc cnn3d_bf16_band;

/*
 * amx.c: asks the system for tiles, for all threads of the process. 0, or an errno: ENODEV if the CPU has no
 * AMX-BF16, ENOSYS if the system does not keep tiles, or why it does not let this process have them.
 */
int cnn3d_amx_request (void);

void cnn3d_bf16_init_avx512bf16 (Cnn3dBf16 *kernels);
void cnn3d_bf16_init_amx (Cnn3dBf16 *kernels);
