/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What checks of our CUDA kernels share: see test-gpu-kernels.c. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "lib3dcnn/cudnn/kernels-shape.h"

typedef struct {
  char *memory, *expected;
  size_t bytes;
} Tensor;

/* Of the case at hand. */
extern int is_half, exact;

int random_int (int low, int high); /* inclusive */
float random_value (void);
/* n lanes from `low` up to below `from`. */
int32_t *random_lanes (int n, int from, int low);

/* Memory of a case, all NaN, gone with the case. */
void *allocate (size_t bytes);
void *tensor (size_t elements);
float *table (int n); /* of random values */

/* Random values for the first c elements of each position; at times a few are NaN. */
void fill (void *p, int64_t positions, int c, int pitch);
float get (const void *p, int64_t i);
void put (void *p, int64_t i, float v);

/* In a check: describe, fill, run, expect every element that is an output. */
void describe (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
void run (Cnn3dLaunchShape shape, const void *args);
/* Element i of y is v: terms summands of the magnitude sum bound the error. NaN has to stay NaN. */
void expect (void *y, int64_t i, double v, int terms, double sum);

void check_frames (void);
void check_planes (void);
void check_depthwise (void);
void check_maxpool (void);
void check_avgpool (void);
void check_globalpool (void);
void check_add (void);
void check_copy (void);
