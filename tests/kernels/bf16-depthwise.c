/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Depthwise convolutions that leave words of two parts, against sums in double precision. */

#include "tests/kernels/bf16-test.h"

#include <math.h>
#include <string.h>

typedef struct {
  Cnn3dBf16DepthwiseArgs a;
  int stride;
  bool exact;
} Depthwise;

/* Output o of a lane, and by how much it may be off, words apart. */
static double
sum_of (const Depthwise *d, int o, int lane, double *error)
{
  const Cnn3dDepthwiseArgs *a = &d->a.of;
  double sum = a->bias[lane], size = fabs (sum);

  for (int r = 0; r < a->n_rows; r++)
    for (int k = 0; k < 3; k++) {
      int y = o / a->width_out, i = o % a->width_out * d->stride + k - 1;
      double product;

      if (i < 0 || i >= a->width_in)
        continue;
      product = a->rows[r][y * a->in_step + i * CNN3D_BLOCK + lane] * a->weights[r][k * CNN3D_BLOCK + lane];
      sum += product;
      size += fabs (product);
    }
  *error = error_bound (d->exact, 3 * a->n_rows, size);
  return fmin (a->high, fmax (a->low, sum));
}

static void
check_outputs (const Depthwise *d, const uint16_t *out)
{
  const Cnn3dDepthwiseArgs *a = &d->a.of;

  for (int o = 0; o < a->n_out * a->width_out; o++)
    for (int lane = 0; lane < CNN3D_BLOCK; lane++) {
      const uint16_t *hi = out + o * CNN3D_ROW_WORDS + lane, *lo = hi + d->a.part;
      double error, sum = sum_of (d, o, lane, &error), found = word_to_float (*hi) + (double) word_to_float (*lo);

      if (d->exact)
        case_require (is_part (*hi, (float) sum, 0) && is_part (*lo, (float) sum, 1), "output %d of lane %d is %04x %04x, not %g",
            o, lane, *hi, *lo, sum);
      /* What two parts leave. */
      error += fabs (sum) * 0x1p-17;
      case_require (fabs (found - sum) <= error, "output %d of lane %d is %g, not %g", o, lane, found, sum);
      if (d->a.alone)
        case_require (hi[CNN3D_BLOCK] == 0 && lo[CNN3D_BLOCK] == 0, "output %d: a word past the block is not zero", o);
    }
}

void
depthwise_words_case (const Cnn3dBf16 *table, bool exact, int n_rows, int width)
{
  Depthwise d = { .stride = random_int (1, 2), .exact = exact };
  Cnn3dDepthwiseArgs *a = &d.a.of;
  int n_out = random_int (1, 3), row = width * CNN3D_BLOCK, step = row + random_int (0, 2) * CNN3D_BLOCK, rows_words;
  const char *activation = random_bounds (&a->low, &a->high);
  bool second;
  float *bias;
  uint16_t *out;

  a->n_rows = n_rows;
  a->width_in = width;
  a->width_out = (width - 1) / d.stride + 1;
  a->n_out = n_out;
  a->in_step = step;
  d.a.alone = random_int (0, 1);
  second = !d.a.alone && random_int (0, 1);
  rows_words = n_out * a->width_out * CNN3D_ROW_WORDS;
  d.a.part = rows_words + CNN3D_ROW_WORDS * random_int (0, 2);
  case_begin ("%d rows, %d outputs, width %d, stride %d, %s, %s", n_rows, n_out, width, d.stride,
      d.a.alone ? "alone" : second ? "second block" : "first block", activation);

  scatter_rows (a->rows, n_rows, (n_out - 1) * step + row, exact, POISON);
  scatter_rows (a->weights, n_rows, 3 * CNN3D_BLOCK, exact, POISON);
  a->bias = bias = guarded (CNN3D_BLOCK);
  random_fill (bias, CNN3D_BLOCK, exact);
  out = guarded_words ((size_t) (d.a.part + rows_words));
  a->out = (float *) (void *) out + (second ? CNN3D_HALF : 0);
  case_freeze ();
  /* The other block's half of each row stays as it is. */
  for (int part = 0; part < 2; part++)
    for (int o = 0; o < n_out * a->width_out; o++)
      case_scratch_bytes (out + part * d.a.part + o * CNN3D_ROW_WORDS + (second ? CNN3D_BLOCK : 0),
          (d.a.alone ? 2 : 1) * CNN3D_BLOCK * sizeof *out);
  table->depthwise_words (&d.a, d.stride);
  case_end ();
  check_outputs (&d, out + (second ? CNN3D_BLOCK : 0));
}
