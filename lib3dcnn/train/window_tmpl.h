/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Rows of depthwise convolutions on lanes [first, first + LANES) of the clips. Included twice: for
 * vectors, and for the single clips that are left over.
 */

#define NAME(x) NAME_ (x, SUFFIX)
#define NAME_(x, s) NAME__ (x, s)
#define NAME__(x, s) x##_##s

INLINE void
NAME (depthwise_one) (const Cnn3dTrainRow *row, int first, int o, Real *out)
{
  T sum = ZERO;

  for (int r = 0; r < row->count; r++)
    for (int k = 0; k < 3; k++) {
      int i = o * row->stride + k - 1;
      if (i >= 0 && i < row->width_in)
        sum += row->weights[r * 3 + k] * GET (row->rows[r] + (size_t) i * row->lanes + first);
    }
  PUT (out + (size_t) o * row->lanes + first, sum);
}

/* Four outputs whose inputs are all inside. */
INLINE void
NAME (depthwise_four) (const Cnn3dTrainRow *row, int stride, int first, int o, Real *out)
{
  T sum[4] = { ZERO, ZERO, ZERO, ZERO };
  size_t lanes = (size_t) row->lanes;

  for (int r = 0; r < row->count; r++) {
    const Real *x = row->rows[r] + (size_t) (o * stride - 1) * lanes + first;
    const Real *w = row->weights + r * 3;
    T in[9];

    UNROLL for (int i = 0; i < 3 * stride + 3; i++)
      in[i] = GET (x + i * lanes);
    UNROLL for (int k = 0; k < 3; k++)
      UNROLL for (int i = 0; i < 4; i++)
        sum[i] += w[k] * in[i * stride + k];
  }
  UNROLL for (int i = 0; i < 4; i++)
    PUT (out + (o + i) * lanes + first, sum[i]);
}

INLINE void
NAME (depthwise_lanes) (const Cnn3dTrainRow *row, int stride, int first, Real *out)
{
  int o = 1;

  NAME (depthwise_one) (row, first, 0, out);
  for (; (o + 3) * stride + 1 < row->width_in && o + 4 <= row->width_out; o += 4)
    NAME (depthwise_four) (row, stride, first, o, out);
  for (; o < row->width_out; o++)
    NAME (depthwise_one) (row, first, o, out);
}

/* Input i meets output i / 2 by the centre if even, else (i - 1) / 2 and (i + 1) / 2. */
INLINE void
NAME (spread_lanes) (const Cnn3dTrainRow *row, int first, Real *out)
{
  size_t lanes = (size_t) row->lanes;

  for (int o = 0; 2 * o < row->width_in; o++) {
    T even = ZERO, odd = ZERO;

    for (int r = 0; r < row->count; r++) {
      const Real *w = row->weights + r * 3, *x = row->rows[r] + first + o * lanes;
      T here = GET (x);

      even += w[1] * here;
      odd += w[2] * here;
      if (o + 1 < row->width_out)
        odd += w[0] * GET (x + lanes);
    }
    PUT (out + 2 * o * lanes + first, even);
    if (2 * o + 1 < row->width_in)
      PUT (out + (2 * o + 1) * lanes + first, odd);
  }
}

INLINE void
NAME (grad_lanes) (const Cnn3dTrainRow *row, int stride, int first, const Real *g, Real *sums)
{
  size_t lanes = (size_t) row->lanes;
  /* Outputs whose third tap is inside; the first tap of output 0 is not. */
  int inside = (row->width_in - 2) / stride + 1;

  inside = row->width_in < 2 ? 0 : inside < row->width_out ? inside : row->width_out;
  for (int r = 0; r < row->count; r++) {
    const Real *x = row->rows[r] + first;
    T a = GET (sums), b = GET (sums + 16), c = GET (sums + 32);

    for (int o = 0; o < row->width_out; o++) {
      T here = GET (g + o * lanes + first);
      const Real *p = x + (size_t) o * stride * lanes;

      if (o > 0)
        a += here * GET (p - lanes);
      b += here * GET (p);
      if (o < inside)
        c += here * GET (p + lanes);
    }
    PUT (sums, a);
    PUT (sums + 16, b);
    PUT (sums + 32, c);
    sums += 48;
  }
}

#undef NAME
#undef NAME_
#undef NAME__
