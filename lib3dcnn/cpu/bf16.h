/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Kernels that multiply in bfloat16 and add up in single precision. A word is the upper half of a float.
 * With one part a number is the nearest word. With two parts (bf16x3) it is hi, the nearest word, and lo,
 * the word nearest to the rest: 16 bits of mantissa. Products are then hi hi + hi lo + lo hi. Stems may have three
 * parts, hi, mid and lo, which have all 24 bits of a float; three of the nine products are below what a sum keeps, and left out.
 * Numbers of 8 bits are hi alone, whose products with three parts are exact.
 *
 * Words are rounded to nearest even, denormals are zero, and sums are rounded to nearest even: the
 * instructions' fixed behaviour (Intel SDM: VCVTNE2PS2BF16, VDPBF16PS, TDPBF16PS). No GLib in here.
 */

#include "lib3dcnn/cpu/kernels.h"

#define CNN3D_MAX_PARTS 3
#define CNN3D_EXACT_PARTS 3 /* have all bits of a float */

/* Words that the kernels of rows write at a time: a row has a multiple of it. */
#define CNN3D_ROW_WORDS 32

/* Lanes of a tap's weights: whole vectors, as rows of AMX's tiles had better not lie across two cache lines. */
static inline int
cnn3d_bf16_lanes (int halves)
{
  return (halves + 1) / 2 * 2 * CNN3D_HALF;
}

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
  const uint16_t *weights; /* [n_taps][parts][unit / 2][cnn3d_bf16_lanes (halves)][2] */
  const float *bias;       /* [cnn3d_bf16_lanes (halves)], of which those past the halves mean nothing */
  float *out;
  const float *residual; /* or NULL; as Cnn3dConvArgs.residual */
  int32_t out_offsets[CNN3D_MAX_HALVES];
  int32_t residual_offsets[CNN3D_MAX_HALVES];
  float low, high;
  int half;   /* out is in half precision: 32 lanes of two blocks a position; offsets in these */
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
  int split; /* of one block and one part: hi and, in the place of a second block, lo */
  uint16_t *natural; /* with gathers: room for a row in natural order, of whole groups; for each part */
  uint16_t *out;
  intptr_t part, step; /* words from hi to lo, and from one position to the next */
} Cnn3dBf16RowsArgs;

/*
 * What a stem reads of pixels: their bytes less a whole number near the mean, which bfloat16 has all bits of, so that of
 * bytes there is no lo. A normalised x, (byte - mean) / deviation, is x * scale + rest in these units. By byte of a pixel.
 */
typedef struct {
  float scale[3], rest[3];
  int16_t offset[3];
  uint16_t border[CNN3D_MAX_PARTS][3]; /* a normalised zero: what is beside the pixels */
} Cnn3dBf16Colors;

/*
 * Lines: what a 3x3x3 stem reads. Of a row of pixels there are five, of a pair of words for each output: for each byte of a
 * pixel what the first two columns of the kernel meet, and of what the third one meets the first two bytes, and the last one
 * and zero. They are little else than the row's planes; the 15 lines of three rows are, as they lie, a tile of AMX for 16
 * outputs. Sums come out channel by channel, [channel][output], which a pool can join as well, so that only what is left of
 * them has to be turned into blocks.
 */
#define CNN3D_LINES 5
#define CNN3D_LINE_FLOATS(outputs) (((outputs) / 16 + 1) * 16) /* also of a channel's sums */
#define CNN3D_LINE_WORDS(outputs) (2 * CNN3D_LINE_FLOATS (outputs))
typedef struct {
  const uint8_t *rgb;      /* a row of packed pixels, of one part; NULL: of planes, in the order of their bytes */
  const float *planes[3];
  const Cnn3dBf16Colors *colors;
  int width;   /* of the row; 0: all is border, of which there is a column on both sides */
  int outputs; /* at a stride of 2 */
  uint16_t *out; /* [CNN3D_LINES][CNN3D_LINE_WORDS (outputs)] */
  intptr_t part; /* words from one part to the next of out */
} Cnn3dBf16LinesArgs;

/*
 * Sums of a row of some channels, without bias, and what they begin with. A channel's weights are 15 pairs, as lines are, and a
 * pair that is not read.
 */
#define CNN3D_STEM_CHANNELS 32
#define CNN3D_STEM_WORDS 32
typedef struct {
  const uint16_t *lines[3]; /* of three frames: those of the first of three rows of pixels, which follow each other */
  intptr_t part;            /* words from one part to the next of lines; 0: hi is all that there is */
  int outputs, channels;    /* channels: CNN3D_STEM_CHANNELS at most */
  const uint16_t *weights;  /* [3][parts][cnn3d_stem_rows (channels)][CNN3D_STEM_WORDS] */
  const float *begin;       /* as out; but only the first `begun` outputs, in vectors of 16, begin with it, others with zero */
  int begun;
  float *out;               /* [cnn3d_stem_rows (channels)][CNN3D_LINE_FLOATS (outputs)] */
} Cnn3dBf16StemArgs;

static inline int
cnn3d_stem_rows (int channels)
{
  return (channels + 3) / 4 * 4;
}

/*
 * Three such rows of a frame, or twice the same, for a pool of three frames, rows and columns at a stride of two: with what
 * frames before have left, the largest for each output, with bias and bounds; of one block. Without `out`, what is to be left
 * for the next frame: the largest of all; with it, that of this frame alone.
 */
#define CNN3D_KEPT_FLOATS(outputs) (((outputs) + 15) / 16 * 16)
typedef struct {
  const float *rows[3];
  const float *before; /* [channels][CNN3D_KEPT_FLOATS (outputs)], or NULL */
  float *after;        /* likewise; may be before */
  int channels;        /* 16 at most, and CNN3D_STEM_CHANNELS without `out` */
  int width, outputs;  /* of the rows, and of the pool */
  const float *bias;
  float low, high;
  float *out; /* [outputs][16], zero past the channels */
} Cnn3dBf16JoinArgs;

/* Such a row into a block, where no pool follows, with bias and bounds; or into two in halves (Cnn3dBf16ConvArgs.half). */
typedef struct {
  const float *sums; /* [channels][CNN3D_LINE_FLOATS (outputs)] */
  int channels, outputs; /* channels: 16 at most, in halves 32 */
  const float *bias;
  float low, high;
  int half;
  float *out; /* [outputs][16], in halves [outputs][32]; zero past the channels */
} Cnn3dBf16BlocksArgs;

/*
 * Output rows of two blocks of a depthwise convolution in half precision. Where `of` speaks of a block's 16 floats there are
 * both blocks' 32 halves, in rows, weights and bias.
 */
#define CNN3D_LARGEST_HALF 65504.0f
typedef struct {
  Cnn3dDepthwiseArgs of;
  uint16_t low, high; /* in place of those of `of` */
  float *second;      /* outputs are floats: where the second block's go, or NULL if there is none */
  int words;          /* outputs are bfloat16, [width_out][32], zero in lanes that are not wanted */
  uint32_t lanes;     /* that are */
} Cnn3dHalfArgs;

/*
 * Likewise of one block in single precision, whose outputs are words: hi at `out`, 16 of each 32 words, and lo. Two blocks of a
 * row share it; `alone`, the other 16 words become zero.
 */
typedef struct {
  Cnn3dDepthwiseArgs of;
  intptr_t part; /* words from hi to lo */
  int alone;
} Cnn3dBf16DepthwiseArgs;

/* parts is 1 or 2; of lines and stems 3 as well. */
typedef void Cnn3dBf16ConvFunc (const Cnn3dBf16ConvArgs *args, int halves, int positions, int parts);
typedef void Cnn3dBf16RowsFunc (const Cnn3dBf16RowsArgs *args, int positions, int parts);
typedef void Cnn3dBf16LinesFunc (const Cnn3dBf16LinesArgs *args, int parts);
typedef void Cnn3dBf16StemFunc (const Cnn3dBf16StemArgs *args, int parts);
typedef void Cnn3dBf16JoinFunc (const Cnn3dBf16JoinArgs *args);
typedef void Cnn3dBf16BlocksFunc (const Cnn3dBf16BlocksArgs *args);
typedef void Cnn3dHalfFunc (const Cnn3dHalfArgs *args, int stride);
typedef void Cnn3dBf16DepthwiseFunc (const Cnn3dBf16DepthwiseArgs *args, int stride);

typedef struct {
  const char *isa;
  int unit; /* words of a tap */
  int max_halves, align_halves; /* as of Cnn3dKernels, for conv */
  int tiles; /* whether products are so fast that dense 3x3x3 convolutions gain, and stems of more than one part */
  Cnn3dBf16ConvFunc *conv;
  void (*release) (void); /* a thread calls it when it is done with conv; or NULL */
  Cnn3dBf16RowsFunc *rows;
  Cnn3dBf16LinesFunc *lines;
  Cnn3dBf16StemFunc *stem;
  Cnn3dBf16JoinFunc *join;
  Cnn3dBf16BlocksFunc *blocks;
  Cnn3dHalfFunc *depthwise; /* then conv can leave halves for it; or NULL */
  Cnn3dBf16DepthwiseFunc *depthwise_words;
} Cnn3dBf16;

/* bf16-rows.c */
Cnn3dBf16RowsFunc cnn3d_bf16_rows;

/* bf16-lines.c */
Cnn3dBf16LinesFunc cnn3d_bf16_lines;
Cnn3dBf16JoinFunc cnn3d_bf16_join;
Cnn3dBf16BlocksFunc cnn3d_bf16_blocks;

/* bf16-depthwise.c */
Cnn3dBf16DepthwiseFunc cnn3d_bf16_depthwise;

/* bf16-half.c */
Cnn3dHalfFunc cnn3d_half_depthwise;

/*
 * amx.c: asks the system for tiles, for all threads of the process. 0, or an errno: ENODEV if the CPU has no
 * AMX-BF16, ENOSYS if the system does not keep tiles, or why it does not let this process have them.
 */
int cnn3d_amx_request (void);
/* Whether the CPU has AVX512-FP16, next to what cnn3d_bf16_init_amx() needs. */
int cnn3d_has_fp16 (void);

void cnn3d_bf16_init_avx512bf16 (Cnn3dBf16 *kernels);
void cnn3d_bf16_init_amx (Cnn3dBf16 *kernels);
