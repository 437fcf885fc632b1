/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every kernel of training on every ISA of this CPU, against plain sums in double, with random
 * shapes. What lies round inputs is NaN, what lies round outputs must not change.
 */

#include <glib.h>
#include <math.h>

#include "lib3dcnn/train/kernels.h"

#define ROUNDS 200
#define GUARD 48

static const struct {
  const char *name;
  void (*init) (Cnn3dTrainKernels *kernels);
} isas[] = {
#define CNN3D_ISA_ENTRY(name, supported) { #name, cnn3d_train_kernels_init_##name },
#include "lib3dcnn/cpu/isas.inc"
#undef CNN3D_ISA_ENTRY
};

static gboolean
is_supported (guint i)
{
  gboolean supported[] = {
#define CNN3D_ISA_ENTRY(name, supported) supported,
#include "lib3dcnn/cpu/isas.inc"
#undef CNN3D_ISA_ENTRY
  };

  return supported[i];
}

/* An array in the middle of NaNs. */
typedef struct {
  float *all, *x;
  gsize n;
} Array;

static Array
array_new (gsize n, gboolean filled)
{
  Array a = { g_aligned_alloc (n + 2 * GUARD, sizeof (float), 64), NULL, n };

  for (gsize i = 0; i < n + 2 * GUARD; i++)
    a.all[i] = NAN;
  a.x = a.all + GUARD;
  for (gsize i = 0; filled && i < n; i++)
    a.x[i] = (float) g_test_rand_double_range (-1, 1);
  return a;
}

static void
array_free (Array *a)
{
  for (gsize i = 0; i < GUARD; i++)
    g_assert_true (isnan (a->all[i]) && isnan (a->x[a->n + i]));
  g_aligned_free (a->all);
}

static int
any (int low, int high)
{
  return g_test_rand_int_range (low, high + 1);
}

static void
near (double got, double expected, double scale)
{
  if (!(fabs (got - expected) <= 2e-6 * (scale + 1)))
    g_error ("%g is not %g", got, expected);
}

static void
check_products (const Cnn3dTrainKernels *k)
{
  int rows = any (1, k->tile_rows), depth = any (1, 40), cols = 16 * any (1, 9), m = any (1, 20);
  gsize ld = (gsize) cols + 16 * (gsize) any (0, 2);
  Array a = array_new ((gsize) (rows * depth), TRUE), b = array_new (ld * (gsize) depth, TRUE);
  Array bias = array_new ((gsize) rows, TRUE), c = array_new (ld * (gsize) rows, TRUE);
  Array z = array_new (ld * (gsize) m, TRUE), d = array_new ((gsize) (m * depth), TRUE);
  g_autofree float *before = g_memdup2 (d.x, (gsize) (m * depth) * sizeof (float));
  gboolean biased = any (0, 1);

  k->gemm (a.x, biased ? bias.x : NULL, rows, depth, b.x, ld, c.x, ld, cols);
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < cols; j++) {
      double sum = biased ? bias.x[r] : 0;
      for (int i = 0; i < depth; i++)
        sum += (double) a.x[i * rows + r] * b.x[(gsize) i * ld + (gsize) j];
      near (c.x[(gsize) r * ld + (gsize) j], sum, depth);
    }
  k->dots (d.x, (gsize) depth, z.x, ld, m, b.x, ld, depth, cols);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < depth; j++) {
      double sum = before[i * depth + j];
      for (int l = 0; l < cols; l++)
        sum += (double) z.x[(gsize) i * ld + (gsize) l] * b.x[(gsize) j * ld + (gsize) l];
      near (d.x[i * depth + j], sum, cols);
    }
  array_free (&a);
  array_free (&b);
  array_free (&bias);
  array_free (&c);
  array_free (&z);
  array_free (&d);
}

/* Rows of columns that lie anywhere, also on one another. */
static void
check_windows (const Cnn3dTrainKernels *k)
{
  int rows = any (1, k->tile_rows), depth = any (1, 40), cols = 16 * any (1, 9), m = any (1, 20);
  int height = any (1, 4);
  gsize step = (gsize) cols + 16 * (gsize) any (0, 2), ld = (gsize) (cols * height) + 16;
  Array a = array_new ((gsize) (rows * depth), TRUE), bias = array_new ((gsize) rows, TRUE);
  Array b = array_new (step * (gsize) height + 100, TRUE), c = array_new (ld * (gsize) rows, TRUE);
  Array z = array_new (ld * (gsize) m, TRUE), d = array_new ((gsize) (m * depth), TRUE);
  g_autofree float *before = g_memdup2 (d.x, (gsize) (m * depth) * sizeof (float));
  g_autofree float *outside = g_memdup2 (c.x, ld * (gsize) rows * sizeof (float));
  g_autofree ptrdiff_t *at = g_new (ptrdiff_t, depth);
  gboolean biased = any (0, 1);

  for (int i = 0; i < depth; i++)
    at[i] = any (0, 100);
  k->window_gemm (a.x, biased ? bias.x : NULL, rows, depth, b.x, at, c.x, ld, cols);
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < (int) ld; j++) {
      double sum = biased ? bias.x[r] : 0;
      for (int i = 0; j < cols && i < depth; i++)
        sum += (double) a.x[i * rows + r] * b.x[at[i] + j];
      near (c.x[(gsize) r * ld + (gsize) j], j < cols ? sum : outside[(gsize) r * ld + (gsize) j], depth);
    }
  k->window_dots (d.x, (gsize) depth, z.x, ld, m, b.x, step, at, depth, cols, height);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < depth; j++) {
      double sum = before[i * depth + j];
      for (int l = 0; l < cols * height; l++)
        sum += (double) z.x[(gsize) i * ld + (gsize) l]
            * b.x[at[j] + (ptrdiff_t) step * (l / cols) + l % cols];
      near (d.x[i * depth + j], sum, cols * height);
    }
  array_free (&a);
  array_free (&b);
  array_free (&bias);
  array_free (&c);
  array_free (&z);
  array_free (&d);
}

static double
affine_of (const Cnn3dAffine *f, double x, gboolean *inside)
{
  double y = (x - f->mean) * f->scale + f->shift;

  *inside = y > f->low && y < f->high;
  return CLAMP (y, f->low, f->high);
}

static void
check_rows (const Cnn3dTrainKernels *k)
{
  gsize n = (gsize) any (1, 100);
  int count = any (1, 4), lanes = any (1, 40), add = any (0, 1);
  gsize step = (gsize) lanes * (gsize) any (1, 3);
  Cnn3dAffine f = { 0.1f, 1.5f, -0.2f, any (0, 1) ? -INFINITY : 0, any (0, 1) ? INFINITY : 0.5f };
  Cnn3dGradAffine h = { 1.25f, 0.5f, 0.25f, 0.1f };
  Array x = array_new (n, TRUE), y = array_new (n, FALSE), g = array_new (n, TRUE);
  Array runs = array_new (step * (gsize) count, TRUE);
  Array gathered = array_new ((gsize) (lanes * count), FALSE);
  g_autofree float *before = g_memdup2 (g.x, n * sizeof (float));
  double mean, m2, sum = 0, squares = 0, sum_g = 0, sum_gx = 0, expect_g = 0, expect_gx = 0;
  gboolean inside;

  k->affine (y.x, x.x, n, &f);
  for (gsize i = 0; i < n; i++)
    near (y.x[i], affine_of (&f, x.x[i], &inside), 1);
  k->gather (gathered.x, runs.x, count, step, lanes, &f);
  for (int i = 0; i < count * lanes; i++)
    near (gathered.x[i], affine_of (&f, runs.x[(gsize) (i / lanes) * step + (gsize) (i % lanes)], &inside), 1);

  k->mask (g.x, y.x, x.x, n, &f, add);
  for (gsize i = 0; i < n; i++) {
    affine_of (&f, x.x[i], &inside);
    near (g.x[i], (add ? before[i] : 0) + (inside ? y.x[i] : 0), 1);
  }
  k->grad_sums (g.x, x.x, n, 0.1f, &sum_g, &sum_gx);
  for (gsize i = 0; i < n; i++) {
    expect_g += g.x[i];
    expect_gx += g.x[i] * ((double) x.x[i] - 0.1);
  }
  near (sum_g, expect_g, (double) n);
  near (sum_gx, expect_gx, (double) n);

  k->moments (x.x, n, &mean, &m2);
  for (gsize i = 0; i < n; i++)
    sum += x.x[i];
  for (gsize i = 0; i < n; i++)
    squares += (x.x[i] - sum / (double) n) * (x.x[i] - sum / (double) n);
  near (mean, sum / (double) n, 1);
  near (m2, squares, (double) n);

  memcpy (before, g.x, n * sizeof (float));
  k->backward (g.x, g.x, x.x, n, &h);
  for (gsize i = 0; i < n; i++)
    near (g.x[i], before[i] * 1.25 + (x.x[i] - 0.1) * 0.5 + 0.25, 1);
  array_free (&x);
  array_free (&y);
  array_free (&g);
  array_free (&runs);
  array_free (&gathered);
}

typedef struct {
  Array in[3], out;
  const float *rows[3];
  float weights[9];
  int taps[3];
  Cnn3dTrainRow row;
} Window;

static void
window_init (Window *w, int width, int kernel, int stride, int pad)
{
  int out = (width + 2 * pad - kernel) / stride + 1;

  w->row = (Cnn3dTrainRow){ .count = any (1, 3), .rows = w->rows, .weights = w->weights,
    .taps = w->taps, .width_in = width, .width_out = out, .kernel = kernel, .stride = stride,
    .pad = pad, .lanes = any (1, 36), .scale = 0.125f };
  for (int i = 0; i < 9; i++)
    w->weights[i] = (float) g_test_rand_double_range (-1, 1);
  for (int r = 0; r < w->row.count; r++) {
    w->in[r] = array_new ((gsize) (width * w->row.lanes), TRUE);
    w->rows[r] = w->in[r].x;
    w->taps[r] = r * kernel;
  }
  w->out = array_new ((gsize) (out * w->row.lanes), FALSE);
}

static void
window_clear (Window *w)
{
  for (int r = 0; r < w->row.count; r++)
    array_free (&w->in[r]);
  array_free (&w->out);
}

static void
check_depthwise (const Cnn3dTrainKernels *k)
{
  int stride = any (1, 2);
  Window w;
  Cnn3dTrainRow *row = &w.row;
  float sums[3][3][16] = { { { 0 } } };
  Array back;

  window_init (&w, any (1, 14), 3, stride, 1);
  back = array_new ((gsize) (row->width_in * row->lanes), FALSE);
  k->depthwise (row, w.out.x);
  for (int o = 0; o < row->width_out; o++)
    for (int l = 0; l < row->lanes; l++) {
      double sum = 0;
      for (int r = 0; r < row->count; r++)
        for (int t = 0; t < 3; t++) {
          int i = o * stride + t - 1;
          if (i >= 0 && i < row->width_in)
            sum += (double) w.weights[r * 3 + t] * w.rows[r][i * row->lanes + l];
        }
      near (w.out.x[o * row->lanes + l], sum, 9);
    }

  k->depthwise_grad (row, w.out.x, sums[0][0]);
  for (int r = 0; r < row->count; r++)
    for (int t = 0; t < 3; t++) {
      double sum = 0, got = 0;
      for (int o = 0; o < row->width_out; o++)
        for (int l = 0; l < row->lanes; l++) {
          int i = o * stride + t - 1;
          if (i >= 0 && i < row->width_in)
            sum += (double) w.out.x[o * row->lanes + l] * w.rows[r][i * row->lanes + l];
        }
      for (int l = 0; l < 16; l++)
        got += sums[r][t][l];
      near (got, sum, row->width_out * row->lanes);
    }

  if (stride == 2) {
    Window s;
    int width = row->width_in;

    window_init (&s, row->width_out, 1, 1, 0);
    s.row.width_in = width;
    s.row.width_out = row->width_out;
    array_free (&back);
    back = array_new ((gsize) (width * s.row.lanes), FALSE);
    k->depthwise_spread (&s.row, back.x);
    for (int i = 0; i < width; i++)
      for (int l = 0; l < s.row.lanes; l++) {
        double sum = 0;
        for (int r = 0; r < s.row.count; r++)
          for (int t = 0; t < 3; t++)
            if ((i + 1 - t) % 2 == 0 && i + 1 - t >= 0 && (i + 1 - t) / 2 < s.row.width_out)
              sum += (double) s.weights[r * 3 + t] * s.rows[r][(i + 1 - t) / 2 * s.row.lanes + l];
        near (back.x[i * s.row.lanes + l], sum, 9);
      }
    window_clear (&s);
  }
  array_free (&back);
  window_clear (&w);
}

static void
check_pools (const Cnn3dTrainKernels *k)
{
  int kernel = any (1, 4), pad = any (0, kernel / 2);
  gboolean max = any (0, 1);
  Window w;
  Cnn3dTrainRow *row = &w.row;
  g_autofree int32_t *taps = NULL;
  double given = 0, taken = 0;

  window_init (&w, any (kernel, 12), kernel, any (1, 3), pad);
  taps = g_new0 (int32_t, row->width_out * row->lanes);
  (max ? k->maxpool : k->avgpool) (row, w.out.x, taps);
  for (int o = 0; o < row->width_out; o++)
    for (int l = 0; l < row->lanes; l++) {
      double best = -INFINITY, sum = 0;
      int tap = -1;

      for (int r = 0; r < row->count; r++)
        for (int t = 0; t < kernel; t++) {
          int i = o * row->stride + t - pad;
          double x;

          if (i < 0 || i >= row->width_in)
            continue;
          x = w.rows[r][i * row->lanes + l];
          sum += x;
          if (x > best) {
            best = x;
            tap = r * kernel + t;
          }
        }
      near (w.out.x[o * row->lanes + l], max ? best : sum * 0.125, 12);
      if (max)
        g_assert_cmpint (taps[o * row->lanes + l], ==, tap);
    }
  /* Gradients: what is given out is taken in, and where it belongs. */
  if (max) {
    for (int r = 0; r < row->count; r++)
      memset (w.in[r].x, 0, w.in[r].n * sizeof (float));
    k->maxpool_grad (row, w.out.x, taps);
    for (gsize i = 0; i < w.out.n; i++)
      given += w.out.x[i];
    for (int r = 0; r < row->count; r++)
      for (gsize i = 0; i < w.in[r].n; i++)
        taken += w.in[r].x[i];
    near (taken, given, (double) w.out.n);
  } else {
    /* The transpose: <pool (x), g> = <x, pool' (g)>. */
    Array g = array_new (w.out.n, TRUE);
    float *kept[3] = { NULL };

    for (gsize i = 0; i < w.out.n; i++)
      given += (double) w.out.x[i] * g.x[i];
    for (int r = 0; r < row->count; r++) {
      float *x = g_memdup2 (w.in[r].x, w.in[r].n * sizeof (float));
      memset (w.in[r].x, 0, w.in[r].n * sizeof (float));
      kept[r] = x;
    }
    k->avgpool_grad (row, g.x, NULL);
    for (int r = 0; r < row->count; r++)
      for (gsize i = 0; i < w.in[r].n; i++)
        taken += (double) kept[r][i] * w.in[r].x[i];
    near (taken, given, (double) w.out.n);
    for (int r = 0; r < 3; r++)
      g_free (kept[r]);
    array_free (&g);
  }
  window_clear (&w);
}

static void
test_kernels (gconstpointer data)
{
  guint isa = GPOINTER_TO_UINT (data);
  Cnn3dTrainKernels kernels;

  if (!is_supported (isa)) {
    g_test_skip ("this CPU does not have it");
    return;
  }
  isas[isa].init (&kernels);
  g_assert_cmpstr (kernels.isa, ==, isas[isa].name);
  for (int i = 0; i < ROUNDS; i++) {
    check_products (&kernels);
    check_windows (&kernels);
    check_rows (&kernels);
    check_depthwise (&kernels);
    check_pools (&kernels);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (isas); i++) {
    g_autofree char *name = g_strdup_printf ("/train/kernels/%s", isas[i].name);
    g_test_add_data_func (name, GUINT_TO_POINTER (i), test_kernels);
  }
  return g_test_run ();
}
