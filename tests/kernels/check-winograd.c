/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernels of Winograd's minimal filtering, against naive sums with its matrices. */

#include "tests/kernels/check.h"

#include <math.h>

#define MAX_POSITIONS 60
#define MAX_TAPS 60

/* F(4, 3) at 0, 1, -1, 2, -2 and infinity. */
static const double b4[6][6] = { { 4, 0, -5, 0, 1, 0 }, { 0, -4, -4, 1, 1, 0 },
  { 0, 4, -4, -1, 1, 0 }, { 0, -2, -1, 2, 1, 0 }, { 0, 2, -1, -2, 1, 0 }, { 0, 4, 0, -5, 0, 1 } };
static const double a4[4][6] = { { 1, 1, 1, 1, 1, 0 }, { 0, 1, -1, 2, -2, 0 },
  { 0, 1, 1, 4, 4, 0 }, { 0, 1, -1, 8, -8, 1 } };

/* F(2, 3) at 0, 1, -1 and infinity. */
static const double b2[4][4] = { { 1, 0, -1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, 1, 0, -1 } };
static const double a2[2][4] = { { 1, 1, 1, 0 }, { 0, 1, -1, -1 } };

static double
b_of (int m, int i, int k)
{
  return m == 4 ? b4[i][k] : m == 2 ? b2[i][k] : 1;
}

static double
a_of (int m, int i, int k)
{
  return m == 4 ? a4[i][k] : m == 2 ? a2[i][k] : 1;
}

/* The largest of positions 2 o - 1 to 2 o + 1. */
static double
join (const double *row, int o)
{
  double largest = -INFINITY;

  for (int p = o > 0 ? 2 * o - 1 : 0; p <= 2 * o + 1; p++)
    largest = fmax (largest, row[p]);
  return largest;
}

/* Outputs of lane i for a pool: which frames the first and the last of each is of, where -1 is what the call before has left. */
static void
expect_joined (const Cnn3dTemporalArgs *a, int i, int positions, double sums[][MAX_POSITIONS], double bounds[][MAX_POSITIONS])
{
  static const int frames[5][2] = { { -1, 1 }, { 1, 3 }, { 3, 3 }, { 1, 1 }, { 1, 2 } };
  const float *out[5] = { a->out[0], a->out[1], a->out[2], a->rest[0], a->rest[1] };

  for (int k = 0; k < 5; k++)
    for (int o = 0; o < positions / 2 && out[k] != NULL; o++) {
      const int place = a->out_offsets[i / 8] + i % 8 + o * CNN3D_BLOCK;
      double largest = frames[k][0] < 0 ? a->out[2][place] : -INFINITY, bound = 0;

      for (int t = frames[k][0] < 0 ? 0 : frames[k][0]; t <= frames[k][1]; t++) {
        largest = fmax (largest, join (sums[t], o));
        bound = fmax (bound, join (bounds[t], o));
      }
      expect (out[k] + place, largest, a->low, a->high, bound);
    }
}

/* Sums of lane i without one of the points. */
static void
expect_sums (const Cnn3dTemporalArgs *a, int which, int i, int p, const double *products, const double *products_abs,
    double bias, int n_taps, bool exact)
{
  double sum = bias, sum_abs = fabs (bias);

  for (int j = 1; j < CNN3D_POINTS - 1; j++) {
    sum += a4[which ? CNN3D_POINT_FRAMES - 1 : 0][j] * products[j];
    sum_abs += fabs (a4[which ? CNN3D_POINT_FRAMES - 1 : 0][j]) * products_abs[j];
  }
  expect (a->sums[which] + a->sums_offsets[i / 8] + i % 8 + p * CNN3D_BLOCK, sum, -INFINITY, INFINITY,
      error_bound (exact, n_taps + 4, sum_abs));
}

/* Whether frames are joined for a pool, which have no bounds then. Says which. */
static const char *
random_end (Cnn3dTemporalArgs *a, int positions)
{
  const char *then = random_bounds (&a->low, &a->high);

  a->joins = positions % 2 == 0 && random_int (0, 1);
  if (!a->joins)
    return then;
  a->low = -INFINITY;
  a->high = INFINITY;
  return "joined";
}

/* The planes of some points, of which all that no tap meets stays poison; and weights, each `copies` times. */
static void
fill_points (float *x, int32_t *taps, float *weights, const Cnn3dTemporalArgs *a, int points, int reach, int step,
    int positions, int lanes, int copies, bool exact)
{
  int n = points * a->n_taps * lanes * copies;

  random_fill (weights, (size_t) n, exact);
  for (int i = 0; i < n; i++)
    weights[i] = weights[i / copies * copies];
  for (int k = 0; k < a->n_taps; k++) {
    taps[k] = k == 0 ? reach : k == 1 ? 0 : random_int (0, reach);
    for (int j = 0; j < points; j++)
      for (int p = 0; p < positions; p++)
        x[j * a->point_floats + taps[k] + p * step] = random_value (exact);
  }
}

static void
temporal_case (const Kernel *kernel, bool exact, int halves, int positions)
{
  static int32_t taps[MAX_TAPS];
  int n_taps = random_int (0, MAX_TAPS), lanes = halves * CNN3D_HALF, step = kernel->param;
  int copies = cnn3d_temporal_copies (kernel->table, halves);
  int blocks = halves + random_int (0, 1), reach = random_int (0, 2 * MAX_POSITIONS);
  int point_floats = reach + (positions - 1) * step + 1 + random_int (0, 9);
  size_t out_floats = (size_t) (blocks * positions * CNN3D_BLOCK);
  float *x, *weights, *bias;
  Cnn3dTemporalArgs a = { .taps = taps, .n_taps = n_taps, .point_floats = point_floats };
  const char *then = random_end (&a, positions);

  case_begin ("%d halves, %d positions, %d taps, %s", halves, positions, n_taps, then);
  x = guarded ((size_t) (CNN3D_POINTS * point_floats));
  weights = guarded ((size_t) (CNN3D_POINTS * n_taps * lanes * copies));
  bias = guarded ((size_t) lanes);
  for (int t = 0; t < CNN3D_POINT_FRAMES; t++)
    a.out[t] = guarded (out_floats);
  for (int k = 0; k < 2; k++) {
    a.sums[k] = random_int (0, 1) ? guarded (out_floats) : NULL;
    a.rest[k] = a.joins && random_int (0, 1) ? guarded (out_floats) : NULL;
  }
  random_fill (bias, (size_t) lanes, exact);
  fill_points (x, taps, weights, &a, CNN3D_POINTS, reach, step, positions, lanes, copies, exact);
  place_halves (kernel->table->align_halves, a.out_offsets, halves, blocks, positions);
  place_halves (kernel->table->align_halves, a.sums_offsets, halves, blocks, positions);
  /* What the call before has left. */
  for (int i = 0; a.joins && i < lanes; i++)
    for (int o = 0; o < positions / 2; o++)
      a.out[2][a.out_offsets[i / 8] + i % 8 + o * CNN3D_BLOCK] = random_value (exact);
  case_freeze ();

  for (int i = 0; i < lanes; i++) {
    double sums[CNN3D_POINT_FRAMES][MAX_POSITIONS], bounds[CNN3D_POINT_FRAMES][MAX_POSITIONS];

    for (int p = 0; p < positions; p++) {
      double products[CNN3D_POINTS] = { 0 }, products_abs[CNN3D_POINTS] = { 0 };

      for (int j = 0; j < CNN3D_POINTS; j++)
        for (int k = 0; k < n_taps; k++) {
          double product = (double) x[j * point_floats + taps[k] + p * step]
              * weights[((j * n_taps + k) * lanes + i) * copies];
          products[j] += product;
          products_abs[j] += fabs (product);
        }
      for (int k = 0; k < 2; k++)
        if (a.sums[k] != NULL)
          expect_sums (&a, k, i, p, products, products_abs, bias[i], n_taps, exact);
      for (int t = 0; t < CNN3D_POINT_FRAMES; t++) {
        double sum = bias[i], sum_abs = fabs (bias[i]);

        for (int j = 0; j < CNN3D_POINTS; j++) {
          sum += a4[t][j] * products[j];
          sum_abs += fabs (a4[t][j]) * products_abs[j];
        }
        sums[t][p] = sum;
        /* The bias goes through the sums and differences of the points 1 and -1. */
        bounds[t][p] = error_bound (exact, n_taps + 4, sum_abs);
      }
    }
    if (a.joins)
      expect_joined (&a, i, positions, sums, bounds);
    else
      for (int t = 0; t < CNN3D_POINT_FRAMES; t++)
        for (int p = 0; p < positions; p++)
          expect (a.out[t] + a.out_offsets[i / 8] + i % 8 + p * CNN3D_BLOCK, sums[t][p], a.low, a.high, bounds[t][p]);
  }

  a.x = x;
  a.weights = weights;
  a.bias = bias;
  ((Cnn3dTemporalFunc *) kernel->func) (&a, halves, positions);
  case_end ();
}

void
check_Temporal (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < (rounds + 1) / 2 && !guard_failed (); round++)
    for (int halves = 1; halves <= kernel->table->max_halves; halves++)
      for (int positions = 1; positions <= MAX_POSITIONS && !guard_failed (); positions++)
        temporal_case (kernel, exact, halves, positions);
}

/* One frame of a row, from sums without one of the points and the products of that. */
static void
edge_case (const Kernel *kernel, bool exact, int halves, int positions)
{
  static int32_t taps[MAX_TAPS];
  int n_taps = random_int (0, MAX_TAPS), lanes = halves * CNN3D_HALF, step = kernel->param;
  int copies = cnn3d_temporal_copies (kernel->table, halves);
  int blocks = halves + random_int (0, 1), reach = random_int (0, 2 * MAX_POSITIONS);
  size_t out_floats = (size_t) (blocks * positions * CNN3D_BLOCK);
  float *x, *weights, *rest = NULL;
  Cnn3dTemporalEdgeArgs a = { .taps = taps, .n_taps = n_taps };
  const char *then = random_end (&a, positions);

  case_begin ("%d halves, %d positions, %d taps, %s", halves, positions, n_taps, then);
  a.x = x = guarded ((size_t) (reach + (positions - 1) * step + 1));
  a.weights = weights = guarded ((size_t) (n_taps * lanes * copies));
  a.out[0] = guarded (out_floats);
  a.sums[0] = guarded (out_floats);
  fill_points (x, taps, weights, &a, 1, reach, step, positions, lanes, copies, exact);
  place_halves (kernel->table->align_halves, a.out_offsets, halves, blocks, positions);
  place_halves (kernel->table->align_halves, a.sums_offsets, halves, blocks, positions);
  random_fill (a.sums[0], out_floats, exact);
  if (a.joins) {
    a.rest[0] = rest = guarded (out_floats);
    random_fill (rest, out_floats, exact);
    a.out[2] = random_int (0, 1) ? guarded (out_floats) : NULL;
  }
  case_freeze ();

  for (int i = 0; i < lanes; i++) {
    const int place = a.out_offsets[i / 8] + i % 8;
    double row[MAX_POSITIONS], bounds[MAX_POSITIONS];

    for (int p = 0; p < positions; p++) {
      double sum = a.sums[0][a.sums_offsets[i / 8] + i % 8 + p * CNN3D_BLOCK], sum_abs = fabs (sum);

      for (int k = 0; k < n_taps; k++) {
        double product = (double) x[taps[k] + p * step] * weights[(k * lanes + i) * copies];

        sum += product;
        sum_abs += fabs (product);
      }
      row[p] = sum;
      bounds[p] = error_bound (exact, n_taps + 1, sum_abs);
      if (!a.joins)
        expect (a.out[0] + place + p * CNN3D_BLOCK, sum, a.low, a.high, bounds[p]);
    }
    for (int o = 0; a.joins && o < positions / 2; o++) {
      expect (a.out[0] + place + o * CNN3D_BLOCK, fmax (join (row, o), rest[place + o * CNN3D_BLOCK]), a.low, a.high,
          join (bounds, o));
      if (a.out[2] != NULL)
        expect (a.out[2] + place + o * CNN3D_BLOCK, join (row, o), a.low, a.high, join (bounds, o));
    }
  }

  ((Cnn3dTemporalEdgeFunc *) kernel->func) (&a, halves, positions);
  case_end ();
}

void
check_TemporalEdge (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < rounds && !guard_failed (); round++)
    for (int halves = 1; halves <= kernel->table->max_halves; halves++)
      for (int positions = 1; positions <= MAX_POSITIONS && !guard_failed (); positions++)
        edge_case (kernel, exact, halves, positions);
}

static void
temporal_input_case (const Kernel *kernel, bool exact, int width, bool edge)
{
  int n_lines = random_int (1, 3), n = n_lines * width;
  Cnn3dTemporalInputArgs a = { .n_lines = n_lines, .width = width, .point_floats = n + random_int (0, 20) };

  case_begin ("%d lines of %d", n_lines, width);
  /* The first row of the matrix meets every second of six rows, and so does the last. */
  scatter_rows (a.rows, edge ? 3 : CNN3D_POINTS, n, exact, POISON);
  a.out = guarded ((size_t) (edge ? n : CNN3D_POINTS * a.point_floats));
  case_freeze ();

  for (int j = 0; j < (edge ? 1 : CNN3D_POINTS); j++)
    for (int i = 0; i < n; i++) {
      const float *line = a.out + j * a.point_floats + i / width * width;
      double sum = 0, sum_abs = 0;

      for (int k = 0; k < CNN3D_POINTS; k += edge ? 2 : 1) {
        sum += b4[j][k] * a.rows[edge ? k / 2 : k][i];
        sum_abs += fabs (b4[j][k] * a.rows[edge ? k / 2 : k][i]);
      }
      case_expect (line + i % width % 2 * width / 2 + i % width / 2, sum + 0.0, error_bound (exact, 6, sum_abs));
    }

  ((Cnn3dTemporalInputFunc *) kernel->func) (&a);
  case_end ();
}

void
check_TemporalInput (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < rounds && !guard_failed (); round++)
    for (int width = 2; width <= 2 * MAX_POSITIONS && !guard_failed (); width += 2)
      temporal_input_case (kernel, exact, width, false);
}

void
check_TemporalInputEdge (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < rounds && !guard_failed (); round++)
    for (int width = 2; width <= 2 * MAX_POSITIONS && !guard_failed (); width += 2)
      temporal_input_case (kernel, exact, width, true);
}

/* Sums over up to 216 points are slow in double: a few tiles of each size are enough. */
static const int tiles[][2] = { { 1, 2 }, { 1, 4 }, { 2, 2 }, { 2, 4 }, { 4, 2 }, { 4, 4 } };

static int
points_of (int m)
{
  return m == 1 ? 1 : m + 2;
}

static void
winograd_input_case (const Kernel *kernel, bool exact, int mt, int m)
{
  int pt = points_of (mt), p = points_of (m), n = pt * p * p, row = (p + random_int (0, 3)) * CNN3D_BLOCK;
  int frame = (p + random_int (0, 2)) * row, point = (1 + random_int (0, 3)) * CNN3D_BLOCK;
  float *x;
  Cnn3dWinogradInputArgs a = { .row = row, .frame = frame, .point = point };

  case_begin ("%d x %d x %d outputs", mt, m, m);
  a.x = x = guarded ((size_t) ((pt - 1) * frame + (p - 1) * row + p * CNN3D_BLOCK));
  a.out = guarded ((size_t) ((n - 1) * point + CNN3D_BLOCK));
  for (int k = 0; k < n; k++)
    random_fill (x + k / (p * p) * frame + k / p % p * row + k % p * CNN3D_BLOCK, CNN3D_BLOCK, exact);
  case_freeze ();

  for (int i = 0; i < n; i++)
    for (int lane = 0; lane < CNN3D_BLOCK; lane++) {
      double sum = 0, sum_abs = 0;

      for (int k = 0; k < n; k++) {
        double v = b_of (mt, i / (p * p), k / (p * p)) * b_of (m, i / p % p, k / p % p)
            * b_of (m, i % p, k % p) * x[k / (p * p) * frame + k / p % p * row + k % p * CNN3D_BLOCK + lane];

        sum += v;
        sum_abs += fabs (v);
      }
      case_expect (a.out + i * point + lane, sum + 0.0, error_bound (exact, 12, sum_abs));
    }

  ((Cnn3dWinogradInputFunc *) kernel->func) (&a, mt, m);
  case_end ();
}

static void
winograd_output_case (const Kernel *kernel, bool exact, int mt, int m)
{
  int pt = points_of (mt), p = points_of (m), n = pt * p * p, row = (m + random_int (0, 3)) * CNN3D_BLOCK;
  int frame = (m + random_int (0, 2)) * row, point = (1 + random_int (0, 3)) * CNN3D_BLOCK;
  size_t out_floats = (size_t) ((mt - 1) * frame + (m - 1) * row + m * CNN3D_BLOCK);
  Cnn3dWinogradOutputArgs a = { .row = row, .frame = frame, .point = point,
    .frames = random_int (1, mt), .rows = random_int (1, m), .columns = random_int (1, m) };
  const char *activation = random_bounds (&a.low, &a.high);
  bool add = random_int (0, 1), in_place = add && random_int (0, 1);
  float *products, *bias, *residual = NULL;

  case_begin ("%d x %d x %d of %d x %d x %d outputs, %s, %sresidual%s", a.frames, a.rows, a.columns, mt, m,
      m, activation, add ? "" : "no ", in_place ? " in place" : "");
  a.products = products = guarded ((size_t) ((n - 1) * point + CNN3D_BLOCK));
  a.bias = bias = guarded (CNN3D_BLOCK);
  a.out = guarded (out_floats);
  for (int k = 0; k < n; k++)
    random_fill (products + k * point, CNN3D_BLOCK, exact);
  random_fill (bias, CNN3D_BLOCK, exact);
  if (add) {
    a.residual = residual = in_place ? a.out : guarded (out_floats);
    for (int t = 0; t < a.frames; t++)
      for (int h = 0; h < a.rows; h++)
        random_fill (residual + t * frame + h * row, (size_t) (a.columns * CNN3D_BLOCK), exact);
  }
  case_freeze ();

  for (int t = 0; t < a.frames; t++)
    for (int h = 0; h < a.rows; h++)
      for (int i = 0; i < a.columns * CNN3D_BLOCK; i++) {
        int place = t * frame + h * row + i;
        double sum = bias[i % CNN3D_BLOCK], sum_abs = fabs (sum);

        for (int k = 0; k < n; k++) {
          double v = a_of (mt, t, k / (p * p)) * a_of (m, h, k / p % p) * a_of (m, i / CNN3D_BLOCK, k % p)
              * products[k * point + i % CNN3D_BLOCK];

          sum += v;
          sum_abs += fabs (v);
        }
        if (add) {
          sum += residual[place];
          sum_abs += fabs (residual[place]);
        }
        expect (a.out + place, sum, a.low, a.high, error_bound (exact, 16, sum_abs));
      }

  ((Cnn3dWinogradOutputFunc *) kernel->func) (&a, mt, m);
  case_end ();
}

void
check_WinogradInput (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < 5 * rounds; round++)
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles && !guard_failed (); i++)
      winograd_input_case (kernel, exact, tiles[i][0], tiles[i][1]);
}

void
check_WinogradOutput (const Kernel *kernel, bool exact)
{
  for (int round = 0; round < 15 * rounds; round++)
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles && !guard_failed (); i++)
      winograd_output_case (kernel, exact, tiles[i][0], tiles[i][1]);
}
