/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Element-wise passes over rows; loops that the compiler vectorises. */

static void
affine (Real *restrict y, const Real *restrict x, size_t n, const Cnn3dAffine *f)
{
  Real mean = f->mean, scale = f->scale, shift = f->shift, low = f->low, high = f->high;
  size_t i = 0;

  for (; i + CNN3D_VW <= n; i += CNN3D_VW)
    store (y + i, vclamp ((load (x + i) - mean) * scale + shift, splat (low), splat (high)));
  for (; i < n; i++) {
    Real v = (x[i] - mean) * scale + shift;
    v = v < low ? low : v;
    y[i] = v > high ? high : v;
  }
}

static void
gather (Real *restrict y, const Real *restrict x, int count, size_t step, int n,
    const Cnn3dAffine *f)
{
  V mean = splat (f->mean), scale = splat (f->scale), shift = splat (f->shift);
  V low = splat (f->low), high = splat (f->high);

  if (n % CNN3D_VW != 0) {
    for (int i = 0; i < count; i++)
      affine (y + (size_t) i * n, x + i * step, n, f);
    return;
  }
  for (int i = 0; i < count; i++, x += step, y += n)
    for (int j = 0; j < n; j += CNN3D_VW)
      store (y + j, vclamp ((load (x + j) - mean) * scale + shift, low, high));
}

static void
backward (Real *dx, const Real *g, const Real *restrict x, size_t n, const Cnn3dGradAffine *f)
{
  Real alpha = f->alpha, beta = f->beta, gamma = f->gamma, mean = f->mean;
  size_t i = 0;

  for (; i + CNN3D_VW <= n; i += CNN3D_VW)
    store (dx + i, load (g + i) * alpha + ((load (x + i) - mean) * beta + gamma));
  for (; i < n; i++)
    dx[i] = g[i] * alpha + ((x[i] - mean) * beta + gamma);
}

static void
mask (Real *restrict g, const Real *restrict d, const Real *restrict x, size_t n,
    const Cnn3dAffine *f, int add)
{
  Real mean = f->mean, scale = f->scale, shift = f->shift, low = f->low, high = f->high;

  if (add)
    for (size_t i = 0; i < n; i++) {
      Real v = (x[i] - mean) * scale + shift;
      Real old = g[i], more = d[i];
      g[i] = old + (((v > low) & (v < high)) ? more : 0);
    }
  else
    for (size_t i = 0; i < n; i++) {
      Real v = (x[i] - mean) * scale + shift;
      Real more = d[i];
      g[i] = ((v > low) & (v < high)) ? more : 0;
    }
}

static void
moments (const Real *x, size_t n, double *mean, double *m2)
{
  V a = splat (0), b = splat (0);
  double sum = 0, squares = 0;
  size_t i = 0;
  Real m;

  for (; i + 2 * CNN3D_VW <= n; i += 2 * CNN3D_VW) {
    a += load (x + i);
    b += load (x + i + CNN3D_VW);
  }
  sum = sum_lanes (a + b);
  for (; i < n; i++)
    sum += x[i];
  m = (Real) (sum / (double) n);

  /* About m, which is not exactly the mean. */
  a = b = splat (0);
  sum = 0;
  {
    V da = splat (0), db = splat (0);

    for (i = 0; i + 2 * CNN3D_VW <= n; i += 2 * CNN3D_VW) {
      V u = load (x + i) - m, v = load (x + i + CNN3D_VW) - m;
      a += u * u;
      b += v * v;
      da += u;
      db += v;
    }
    squares = sum_lanes (a + b);
    sum = sum_lanes (da + db);
  }
  for (; i < n; i++) {
    squares += (double) (x[i] - m) * (x[i] - m);
    sum += x[i] - m;
  }
  *mean = m + sum / (double) n;
  *m2 = squares - sum * sum / (double) n;
}

static void
grad_sums (const Real *g, const Real *x, size_t n, Real mean, double *sum_g, double *sum_gx)
{
  V a = splat (0), b = splat (0), c = splat (0), d = splat (0);
  size_t i = 0;

  for (; i + 2 * CNN3D_VW <= n; i += 2 * CNN3D_VW) {
    V u = load (g + i), v = load (g + i + CNN3D_VW);
    a += u;
    b += v;
    c += u * (load (x + i) - mean);
    d += v * (load (x + i + CNN3D_VW) - mean);
  }
  *sum_g += sum_lanes (a + b);
  *sum_gx += sum_lanes (c + d);
  for (; i < n; i++) {
    *sum_g += g[i];
    *sum_gx += (double) g[i] * (x[i] - mean);
  }
}
