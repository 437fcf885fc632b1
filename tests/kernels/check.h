/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the checks of all families make their cases from (check.c). */

#include "tests/kernels/kernels-test.h"

void random_fill (float *p, size_t n, bool exact);
/* Bounds of one of the activations, and its name. */
const char *random_bounds (float *low, float *high);
/* Expects v between the bounds; an error of v is none beyond them. */
void expect (const float *out, double v, float low, float high, double error);
/*
 * Gives each half a place in a buffer of blocks: pairs that share a block where the kernel takes
 * them so, any half of any block elsewhere.
 */
void place_halves (int align, int32_t *offsets, int halves, int blocks, int positions);
/* Rows of one buffer in any order, with poison before, between and after them. */
#define MAX_ROWS 64
void scatter_rows (const float **rows, int n, int row_floats, bool exact, uint32_t poison);
