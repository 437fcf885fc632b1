/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cases for the kernels in bfloat16 (test-bf16.c): each is one call, or a few, of random shape. */

#include "lib3dcnn/cpu/bf16.h"
#include "tests/kernels/check.h"

#define MAX_BLOCKS 20

uint16_t nearest_word (float f);
float word_to_float (uint16_t word);

/* bf16-cases.c: guarded memory; small integers or reals, a lo smaller; whether a word is part of a float, if that is no NaN. */
uint16_t *guarded_words (size_t n);
uint16_t random_word (bool exact, int part);
bool is_part (uint16_t word, float f, int part);
/* Of pixels with any means and deviations. */
void random_colors (Cnn3dBf16Colors *colors);
/* Against the same words in double precision. */
void conv_case (const Cnn3dBf16 *table, bool exact, int parts, int halves, int positions);
/* Every word of rows of all kinds of floats. */
void rows_case (const Cnn3dBf16 *table, int parts, int n_blocks, int positions);
void split_case (const Cnn3dBf16 *table, int positions);

/* bf16-lines.c: what a stem that a pool follows reads, its sums, and the pool. */
void lines_case (const Cnn3dBf16 *table, int parts, int width);
void stem_case (const Cnn3dBf16 *table, bool exact, int parts, int channels, int outputs);
void exact_stem_case (const Cnn3dBf16 *table, int channels, int width);
void join_case (const Cnn3dBf16 *table, int channels, int width);
void blocks_case (const Cnn3dBf16 *table, int half, int channels, int outputs);

/* bf16-depthwise.c: depthwise convolutions of a block to words of two parts. */
void depthwise_words_case (const Cnn3dBf16 *table, bool exact, int n_rows, int width);

/* bf16-half.c: the half nearest to v, the largest one at most, as a float; and that of a half. */
float nearest_half (float v);
float half_to_float (uint16_t half);
/* Depthwise convolutions, and products that are left as halves for them. */
void half_case (const Cnn3dBf16 *table, bool exact, int n_rows, int width);
void half_conv_case (const Cnn3dBf16 *table, int halves, int positions);

/* bf16-bounds.c: rows and products of floats against their product, within the bound that is stated there. */
void product_case (const Cnn3dBf16 *table, int parts, int halves, int positions);
/* Two tables' products, bit for bit; words of any size, denormals and overflow included. */
void same_case (const Cnn3dBf16 *a, const Cnn3dBf16 *b, int parts, int halves, int positions);
void same_stem_case (const Cnn3dBf16 *a, const Cnn3dBf16 *b, int parts, int channels, int outputs);
