/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Products of matrices whose rows are long: a tile of results stays in registers. */

/*
 * VECTORS of columns at a time; rows is a constant once inlined. Row i of b is at b + at[i] if there
 * is a table, else at b + i * ldb.
 */
INLINE void
gemm_panel (const Real *a, const Real *bias, int rows, int vectors, int k, const Real *b,
    size_t ldb, const ptrdiff_t *at, Real *c, size_t ldc)
{
  V sum[CNN3D_TRAIN_MAX_ROWS][GEMM_VECTORS];

  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int v = 0; v < vectors; v++)
      sum[r][v] = splat (bias ? bias[r] : 0);
  for (int i = 0; i < k; i++) {
    const Real *row = at ? b + at[i] : b;
    V x[GEMM_VECTORS];

    UNROLL for (int v = 0; v < vectors; v++)
      x[v] = load (row + v * CNN3D_VW);
    UNROLL for (int r = 0; r < rows; r++) {
      V w = splat (a[r]);
      UNROLL for (int v = 0; v < vectors; v++)
        sum[r][v] += w * x[v];
    }
    a += rows;
    b += ldb;
  }
  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int v = 0; v < vectors; v++)
      store (c + r * ldc + v * CNN3D_VW, sum[r][v]);
}

INLINE void
gemm_rows (const Real *a, const Real *bias, int rows, int k, const Real *b, size_t ldb,
    const ptrdiff_t *at, Real *c, size_t ldc, int cols)
{
  int j = 0;

  for (; j + GEMM_VECTORS * CNN3D_VW <= cols; j += GEMM_VECTORS * CNN3D_VW)
    gemm_panel (a, bias, rows, GEMM_VECTORS, k, b + j, ldb, at, c + j, ldc);
  for (; j < cols; j += CNN3D_VW)
    gemm_panel (a, bias, rows, 1, k, b + j, ldb, at, c + j, ldc);
}

#if GEMM_ROWS > 4
#define FOR_ROWS(ROWS) ROWS (1) ROWS (2) ROWS (3) ROWS (4) ROWS (5) ROWS (6) ROWS (7) ROWS (8)
#else
#define FOR_ROWS(ROWS) ROWS (1) ROWS (2) ROWS (3) ROWS (4)
#endif

static void
gemm (const Real *a, const Real *bias, int rows, int k, const Real *b, size_t ldb, Real *c,
    size_t ldc, int cols)
{
  switch (rows) {
#define ROWS(r)                                                                                    \
  case r:                                                                                          \
    gemm_rows (a, bias, r, k, b, ldb, NULL, c, ldc, cols);                                         \
    break;
    FOR_ROWS (ROWS)
#undef ROWS
  }
}

static void
window_gemm (const Real *a, const Real *bias, int rows, int k, const Real *b, const ptrdiff_t *at,
    Real *c, size_t ldc, int cols)
{
  switch (rows) {
#define ROWS(r)                                                                                    \
  case r:                                                                                          \
    gemm_rows (a, bias, r, k, b, 0, at, c, ldc, cols);                                             \
    break;
    FOR_ROWS (ROWS)
#undef ROWS
  }
}

/* Both operands' rows of columns, of which there are `height`, lie a_step and b_step apart. */
typedef struct {
  int cols, height;
  size_t a_step, b_step;
} DotsShape;

INLINE void
dots_tile (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t ldb,
    const ptrdiff_t *at, int n, DotsShape shape)
{
  V sum[DOTS_M][DOTS_N];
  const Real *rows[DOTS_N];

  UNROLL for (int i = 0; i < m; i++)
    UNROLL for (int j = 0; j < n; j++)
      sum[i][j] = splat (0);
  UNROLL for (int j = 0; j < n; j++)
    rows[j] = at ? b + at[j] : b + j * ldb;
  for (int y = 0; y < shape.height; y++) {
    for (int l = 0; l < shape.cols; l += CNN3D_VW) {
      V x[DOTS_M];

      UNROLL for (int i = 0; i < m; i++)
        x[i] = load (a + i * lda + l);
      UNROLL for (int j = 0; j < n; j++) {
        V z = load (rows[j] + l);
        UNROLL for (int i = 0; i < m; i++)
          sum[i][j] += x[i] * z;
      }
    }
    a += shape.a_step;
    UNROLL for (int j = 0; j < n; j++)
      rows[j] += shape.b_step;
  }
  UNROLL for (int i = 0; i < m; i++)
    UNROLL for (int j = 0; j < n; j++)
      c[i * ldc + j] += sum_lanes (sum[i][j]);
}

INLINE void
dots_rows (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t ldb,
    const ptrdiff_t *at, int n, DotsShape shape)
{
  int j = 0;

  for (; j + DOTS_N <= n; j += DOTS_N)
    dots_tile (c + j, ldc, a, lda, m, b + j * ldb, ldb, at ? at + j : NULL, DOTS_N, shape);
  switch (n - j) {
#define REST(r)                                                                                    \
  case r:                                                                                          \
    dots_tile (c + j, ldc, a, lda, m, b + j * ldb, ldb, at ? at + j : NULL, r, shape);             \
    break;
    REST (1)
    REST (2)
    REST (3)
#if DOTS_N > 4
    REST (4)
    REST (5)
#endif
#undef REST
  }
}

INLINE void
dots_all (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t ldb,
    const ptrdiff_t *at, int n, DotsShape shape)
{
  int i = 0;

  for (; i + DOTS_M <= m; i += DOTS_M)
    dots_rows (c + i * ldc, ldc, a + i * lda, lda, DOTS_M, b, ldb, at, n, shape);
  switch (m - i) {
#define REST(r)                                                                                    \
  case r:                                                                                          \
    dots_rows (c + i * ldc, ldc, a + i * lda, lda, r, b, ldb, at, n, shape);                       \
    break;
    REST (1)
    REST (2)
#if DOTS_M > 3
    REST (3)
#endif
#undef REST
  }
}

static void
dots (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t ldb, int n,
    int cols)
{
  dots_all (c, ldc, a, lda, m, b, ldb, NULL, n, (DotsShape){ cols, 1, 0, 0 });
}

static void
window_dots (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t b_step,
    const ptrdiff_t *at, int n, int cols, int height)
{
  dots_all (c, ldc, a, lda, m, b, 0, at, n, (DotsShape){ cols, height, (size_t) cols, b_step });
}
