/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Products of matrices whose rows are long: a tile of results stays in registers. */

/* VECTORS of columns at a time; rows is a constant once inlined. */
INLINE void
gemm_panel (const Real *a, const Real *bias, int rows, int vectors, int k, const Real *b,
    size_t ldb, Real *c, size_t ldc)
{
  V sum[CNN3D_TRAIN_MAX_ROWS][GEMM_VECTORS];

  UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int v = 0; v < vectors; v++)
      sum[r][v] = splat (bias ? bias[r] : 0);
  for (int i = 0; i < k; i++) {
    V x[GEMM_VECTORS];

    UNROLL for (int v = 0; v < vectors; v++)
      x[v] = load (b + v * CNN3D_VW);
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
gemm_rows (const Real *a, const Real *bias, int rows, int k, const Real *b, size_t ldb, Real *c,
    size_t ldc, int cols)
{
  int j = 0;

  for (; j + GEMM_VECTORS * CNN3D_VW <= cols; j += GEMM_VECTORS * CNN3D_VW)
    gemm_panel (a, bias, rows, GEMM_VECTORS, k, b + j, ldb, c + j, ldc);
  for (; j < cols; j += CNN3D_VW)
    gemm_panel (a, bias, rows, 1, k, b + j, ldb, c + j, ldc);
}

static void
gemm (const Real *a, const Real *bias, int rows, int k, const Real *b, size_t ldb, Real *c,
    size_t ldc, int cols)
{
  switch (rows) {
#define ROWS(r)                                                                                    \
  case r:                                                                                          \
    gemm_rows (a, bias, r, k, b, ldb, c, ldc, cols);                                               \
    break;
    ROWS (1)
    ROWS (2)
    ROWS (3)
    ROWS (4)
#if GEMM_ROWS > 4
    ROWS (5)
    ROWS (6)
    ROWS (7)
    ROWS (8)
#endif
#undef ROWS
  }
}

INLINE void
dots_tile (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t ldb,
    int n, int cols)
{
  V sum[DOTS_M][DOTS_N];

  UNROLL for (int i = 0; i < m; i++)
    UNROLL for (int j = 0; j < n; j++)
      sum[i][j] = splat (0);
  for (int l = 0; l < cols; l += CNN3D_VW) {
    V x[DOTS_M];

    UNROLL for (int i = 0; i < m; i++)
      x[i] = load (a + i * lda + l);
    UNROLL for (int j = 0; j < n; j++) {
      V y = load (b + j * ldb + l);
      UNROLL for (int i = 0; i < m; i++)
        sum[i][j] += x[i] * y;
    }
  }
  UNROLL for (int i = 0; i < m; i++)
    UNROLL for (int j = 0; j < n; j++)
      c[i * ldc + j] += sum_lanes (sum[i][j]);
}

INLINE void
dots_rows (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t ldb,
    int n, int cols)
{
  int j = 0;

  for (; j + DOTS_N <= n; j += DOTS_N)
    dots_tile (c + j, ldc, a, lda, m, b + j * ldb, ldb, DOTS_N, cols);
  switch (n - j) {
#define REST(r)                                                                                    \
  case r:                                                                                          \
    dots_tile (c + j, ldc, a, lda, m, b + j * ldb, ldb, r, cols);                                  \
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

static void
dots (Real *c, size_t ldc, const Real *a, size_t lda, int m, const Real *b, size_t ldb, int n,
    int cols)
{
  int i = 0;

  for (; i + DOTS_M <= m; i += DOTS_M)
    dots_rows (c + i * ldc, ldc, a + i * lda, lda, DOTS_M, b, ldb, n, cols);
  switch (m - i) {
#define REST(r)                                                                                    \
  case r:                                                                                          \
    dots_rows (c + i * ldc, ldc, a + i * lda, lda, r, b, ldb, n, cols);                            \
    break;
    REST (1)
    REST (2)
#if DOTS_M > 3
    REST (3)
#endif
#undef REST
  }
}
