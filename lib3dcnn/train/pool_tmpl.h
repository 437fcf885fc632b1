/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows of pools. The loops over lanes are left to the compiler. */

static void
maxpool (const Cnn3dTrainRow *row, Real *out, int32_t *taps)
{
  int n = row->lanes;

  for (int o = 0; o < row->width_out; o++) {
    Real *restrict y = out + (size_t) o * n;
    int32_t *restrict best = taps + (size_t) o * n;

    for (int l = 0; l < n; l++) {
      y[l] = -(Real) __builtin_inf ();
      best[l] = -1;
    }
    for (int r = 0; r < row->count; r++)
      for (int k = 0; k < row->kernel; k++) {
        int i = o * row->stride + k - row->pad, tap = row->taps[r] + k;
        const Real *restrict x = row->rows[r] + (ptrdiff_t) i * n;

        if (i < 0 || i >= row->width_in)
          continue;
        for (int l = 0; l < n; l++) {
          Real v = x[l], m = y[l];
          int32_t t = best[l];
          y[l] = v > m ? v : m;
          best[l] = v > m ? tap : t;
        }
      }
  }
}

static void
maxpool_grad (const Cnn3dTrainRow *row, const Real *g, const int32_t *taps)
{
  int n = row->lanes;

  for (int o = 0; o < row->width_out; o++) {
    const Real *restrict from = g + (size_t) o * n;
    const int32_t *restrict best = taps + (size_t) o * n;

    for (int r = 0; r < row->count; r++)
      for (int k = 0; k < row->kernel; k++) {
        int i = o * row->stride + k - row->pad, tap = row->taps[r] + k;
        Real *restrict to = (Real *) row->rows[r] + (ptrdiff_t) i * n;

        if (i < 0 || i >= row->width_in)
          continue;
        for (int l = 0; l < n; l++) {
          Real v = from[l], old = to[l];
          to[l] = old + (best[l] == tap ? v : 0);
        }
      }
  }
}

static void
avgpool (const Cnn3dTrainRow *row, Real *out, int32_t *taps)
{
  int n = row->lanes;

  (void) taps;
  for (int o = 0; o < row->width_out; o++) {
    Real *restrict y = out + (size_t) o * n;

    for (int l = 0; l < n; l++)
      y[l] = 0;
    for (int r = 0; r < row->count; r++)
      for (int k = 0; k < row->kernel; k++) {
        int i = o * row->stride + k - row->pad;
        const Real *restrict x = row->rows[r] + (ptrdiff_t) i * n;

        if (i < 0 || i >= row->width_in)
          continue;
        for (int l = 0; l < n; l++)
          y[l] += x[l];
      }
    for (int l = 0; l < n; l++)
      y[l] *= row->scale;
  }
}

static void
avgpool_grad (const Cnn3dTrainRow *row, const Real *g, const int32_t *taps)
{
  int n = row->lanes;

  (void) taps;
  for (int o = 0; o < row->width_out; o++) {
    const Real *restrict from = g + (size_t) o * n;

    for (int r = 0; r < row->count; r++)
      for (int k = 0; k < row->kernel; k++) {
        int i = o * row->stride + k - row->pad;
        Real *restrict to = (Real *) row->rows[r] + (ptrdiff_t) i * n;

        if (i < 0 || i >= row->width_in)
          continue;
        for (int l = 0; l < n; l++)
          to[l] += from[l] * row->scale;
      }
  }
}
