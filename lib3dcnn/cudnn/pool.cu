/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Pools. A thread makes one pack of one output: next to the input's 8 packs for each of the output's,
 * what neighbouring windows share comes from the first cache.
 */

#include "lib3dcnn/cudnn/device.cuh"

namespace cnn3d {

/* The greatest value, or NaN. */
struct Maximum {
  static __device__ __forceinline__ float
  first ()
  {
    return -INFINITY;
  }

  static __device__ __forceinline__ float
  join (float a, float v)
  {
    return a >= v ? a : a == a ? v : a;
  }

  static __device__ __forceinline__ float
  last (float a, float volume)
  {
    return a;
  }
};

struct Average {
  static __device__ __forceinline__ float
  first ()
  {
    return 0;
  }

  static __device__ __forceinline__ float
  join (float a, float v)
  {
    return a + v;
  }

  static __device__ __forceinline__ float
  last (float a, float volume)
  {
    return a / volume;
  }
};

/*
 * Joins H x W positions of a plane, from (h, w) on, to sum. All are loaded before the first is used.
 * Positions outside load what is at `plane`, in place of a branch, and do not count.
 */
template <typename T, typename Op, int H, int W, typename Load>
__device__ __forceinline__ void
join_positions (const Cnn3dPoolArgs &a, const T *plane, int h, int w, const Load &load,
    float (&sum)[Pack<T>::n])
{
  uint4 raw[H][W];

  CNN3D_UNROLL
  for (int r = 0; r < H; r++) {
    CNN3D_UNROLL
    for (int q = 0; q < W; q++) {
      bool inside = (unsigned) (h + r) < (unsigned) a.in.h && (unsigned) (w + q) < (unsigned) a.in.w;

      raw[r][q] = load (plane + (inside ? (int64_t) ((h + r) * a.in.w + w + q) * a.x_pitch : 0));
    }
  }
  CNN3D_UNROLL
  for (int r = 0; r < H; r++) {
    CNN3D_UNROLL
    for (int q = 0; q < W; q++) {
      bool inside = (unsigned) (h + r) < (unsigned) a.in.h && (unsigned) (w + q) < (unsigned) a.in.w;
      float v[Pack<T>::n];

      Pack<T>::unpack (raw[r][q], v);
      CNN3D_UNROLL
      for (int i = 0; i < Pack<T>::n; i++)
        sum[i] = inside ? Op::join (sum[i], bound_above (v[i], a.load_high)) : sum[i];
    }
  }
}

/* H x W: the kernel's height and width if they are known, or 0. */
template <typename T, typename Op, int H, int W, typename Load>
__device__ __forceinline__ void
pool_window (const Cnn3dPoolArgs &a, int n, int t, int h, int w, const Load &load,
    float (&sum)[Pack<T>::n])
{
  CNN3D_NO_UNROLL
  for (int z = 0; z < a.kernel.t; z++) {
    const T *plane = static_cast<const T *> (a.x)
        + ((int64_t) n * a.in.t + t + z) * a.in.h * a.in.w * a.x_pitch;

    if ((unsigned) (t + z) >= (unsigned) a.in.t)
      continue;
    if constexpr (H > 0) {
      join_positions<T, Op, H, W> (a, plane, h, w, load, sum);
    } else {
      CNN3D_NO_UNROLL
      for (int r = 0; r < a.kernel.h; r++) {
        CNN3D_NO_UNROLL
        for (int q = 0; q < a.kernel.w; q++)
          join_positions<T, Op, 1, 1> (a, plane, h + r, w + q, load, sum);
      }
    }
  }
}

template <typename T, typename Op, int H, int W>
__device__ __forceinline__ void
pool (const Cnn3dPoolArgs &a)
{
  constexpr int V = Pack<T>::n;
  unsigned number = thread_number ();
  int lane = split (&number, a.c / V) * V;
  int x = split (&number, a.out.w), y = split (&number, a.out.h), z = split (&number, a.out.t);
  int n = (int) number;
  int t = z * a.stride.t - a.pad.t, h = y * a.stride.h - a.pad.h, w = x * a.stride.w - a.pad.w;
  float sum[V];

  if (n >= a.n)
    return;
  CNN3D_UNROLL
  for (int i = 0; i < V; i++)
    sum[i] = Op::first ();
  if (a.index != nullptr) {
    Lanes<T> lanes;

    lanes.read (a.index, lane);
    /* Position by position: the loads of single lanes for a whole plane do not fit in the registers. */
    pool_window<T, Op, 0, 0> (a, n, t, h, w,
        [&] (const T *position) { return lanes.load_raw (position); }, sum);
  } else {
    pool_window<T, Op, H, W> (a, n, t, h, w,
        [&] (const T *position) { return load_raw (position + lane); }, sum);
  }

  CNN3D_UNROLL
  for (int i = 0; i < V; i++)
    sum[i] = bound (Op::last (sum[i], (float) (a.kernel.t * a.kernel.h * a.kernel.w)), a.low, a.high);
  store_raw (static_cast<T *> (a.y)
          + ((((int64_t) n * a.out.t + z) * a.out.h + y) * a.out.w + x) * a.y_pitch + lane, sum);
}

template <typename T>
__device__ __forceinline__ void
maxpool_333 (const Cnn3dPoolArgs &a)
{
  pool<T, Maximum, 3, 3> (a);
}

template <typename T>
__device__ __forceinline__ void
maxpool (const Cnn3dPoolArgs &a)
{
  pool<T, Maximum, 0, 0> (a);
}

template <typename T>
__device__ __forceinline__ void
avgpool_233 (const Cnn3dPoolArgs &a)
{
  pool<T, Average, 3, 3> (a);
}

template <typename T>
__device__ __forceinline__ void
avgpool (const Cnn3dPoolArgs &a)
{
  pool<T, Average, 0, 0> (a);
}

/*
 * A block computes 16 packs of one clip. Its threads are 16 packs x 8 rows, each of which adds up
 * every eighth position; then the rows are added through shared memory, in one order whatever ran first.
 */
template <typename T>
__device__ __forceinline__ void
globalpool (const Cnn3dGlobalPoolArgs &a)
{
  constexpr int V = Pack<T>::n, PACKS = CNN3D_GLOBALPOOL_PACKS, ROWS = 8;
  CNN3D_SHARED (float, part, ROWS * PACKS * V);
  int groups = (a.c / V + PACKS - 1) / PACKS;
  int n = (int) blockIdx.x / groups, group = (int) blockIdx.x % groups * PACKS * V;
  int pack = (int) threadIdx.x % PACKS, row = (int) threadIdx.x / PACKS;
  int lane = group + pack * V;
  float sum[V] = { 0 };

  if (lane < a.c) {
    const T *x = static_cast<const T *> (a.x) + n * a.positions * a.pitch + lane;

    CNN3D_UNROLL_BY_4
    for (int64_t p = row; p < a.positions; p += ROWS) {
      float v[V];

      Pack<T>::unpack (load_raw (x + p * a.pitch), v);
      CNN3D_UNROLL
      for (int i = 0; i < V; i++)
        sum[i] += bound_above (v[i], a.load_high);
    }
  }
  CNN3D_UNROLL
  for (int i = 0; i < V; i++)
    part[(row * V + i) * PACKS + pack] = sum[i];
  __syncthreads ();

  /* Written lane by lane; the transposed place in `part` keeps the sums above free of conflicts. */
  for (int c = (int) threadIdx.x; c < PACKS * V; c += ROWS * PACKS) {
    float total = 0;

    CNN3D_UNROLL
    for (int r = 0; r < ROWS; r++)
      total += part[(r * V + c % V) * PACKS + c / V];
    if (group + c < a.c)
      from_float (static_cast<T *> (a.y) + (int64_t) n * a.c + group + c, total / (float) a.positions);
  }
}

} // namespace cnn3d
