/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Depthwise convolution: 27 multiply-adds for each element read, so memory decides as long as the
 * first cache does not. A thread computes a run of outputs along the width: 4 outputs of stride 1
 * read 6 columns where they would read 12 one by one, and a weight is loaded once for all 4. Longer
 * runs would save little more, and one clip has few threads as it is (a 2x7x7x512 layer: 1792).
 *
 * The weights come through the first cache and not through shared memory: they outlive a block there,
 * and a block as small as these nets need would load as many bytes of weights as of activations.
 */

#include "lib3dcnn/cudnn/device.cuh"

namespace cnn3d {

/* What a run reads of some rows of a plane, from row h and column w on. */
template <typename T, int ROWS, int COLUMNS, typename Load>
__device__ __forceinline__ void
load_rows (const Cnn3dDepthwiseArgs &a, int64_t plane, int h, int w, bool inside, const Load &load,
    uint4 (&raw)[ROWS][COLUMNS])
{
  CNN3D_UNROLL
  for (int y = 0; y < ROWS; y++) {
    bool row = inside && (unsigned) (h + y) < (unsigned) a.in.h;
    int64_t first = (plane + h + y) * a.in.w + w;

    CNN3D_UNROLL
    for (int x = 0; x < COLUMNS; x++) {
      raw[y][x] = make_uint4 (0, 0, 0, 0);
      if (row && (unsigned) (w + x) < (unsigned) a.in.w)
        raw[y][x] = load (static_cast<const T *> (a.x) + (first + x) * a.x_pitch);
    }
  }
}

/* ROWS are loaded before the first of them is used. */
template <typename T, int STRIDE, int RUN, int ROWS, typename Load>
__device__ __forceinline__ void
depthwise_run (const Cnn3dDepthwiseArgs &a, unsigned number, int lane, const Load &load)
{
  constexpr int V = Pack<T>::n, COLUMNS = (RUN - 1) * STRIDE + 3;
  int w = split (&number, (a.out.w + RUN - 1) / RUN) * RUN;
  int h = split (&number, a.out.h), t = split (&number, a.out.t), n = (int) number;
  float sum[RUN][V];

  load_floats (a.bias + lane, sum[0]);
  CNN3D_UNROLL
  for (int r = 1; r < RUN; r++)
    CNN3D_UNROLL
    for (int i = 0; i < V; i++)
      sum[r][i] = sum[0][i];

  CNN3D_NO_UNROLL
  for (int row = 0; row < 9; row += ROWS) {
    int z = row / 3, first = row % 3, in_t = t * a.stride.t - 1 + z;
    uint4 raw[ROWS][COLUMNS];

    load_rows<T> (a, ((int64_t) n * a.in.t + in_t) * a.in.h, h * a.stride.h - 1 + first,
        w * STRIDE - 1, (unsigned) in_t < (unsigned) a.in.t, load, raw);
    CNN3D_UNROLL
    for (int y = 0; y < ROWS; y++) {
      float weight[3][V];

      CNN3D_UNROLL
      for (int k = 0; k < 3; k++)
        load_floats (a.weights + (int64_t) ((row + y) * 3 + k) * a.c + lane, weight[k]);
      CNN3D_UNROLL
      for (int x = 0; x < COLUMNS; x++) {
        float v[V];

        Pack<T>::unpack (raw[y][x], v);
        CNN3D_UNROLL
        for (int i = 0; i < V; i++)
          v[i] = bound_above (v[i], a.load_high);
        CNN3D_UNROLL
        for (int k = 0; k < 3; k++) {
          if (x < k || (x - k) % STRIDE != 0 || (x - k) / STRIDE >= RUN)
            continue;
          CNN3D_UNROLL
          for (int i = 0; i < V; i++)
            sum[(x - k) / STRIDE][i] += v[i] * weight[k][i];
        }
      }
    }
  }

  T *y = static_cast<T *> (a.y)
      + ((((int64_t) n * a.out.t + t) * a.out.h + h) * a.out.w + w) * a.y_pitch + lane;
  CNN3D_UNROLL
  for (int r = 0; r < RUN; r++) {
    CNN3D_UNROLL
    for (int i = 0; i < V; i++)
      sum[r][i] = bound (sum[r][i], a.low, a.high);
    if (w + r < a.out.w)
      store_raw (y + (int64_t) r * a.y_pitch, sum[r]);
  }
}

template <typename T, int STRIDE, int RUN, bool INDEX>
__device__ __forceinline__ void
depthwise (const Cnn3dDepthwiseArgs &a)
{
  unsigned number = thread_number ();
  unsigned n_runs = (unsigned) (a.n * a.out.t * a.out.h) * (unsigned) ((a.out.w + RUN - 1) / RUN);
  int lane = split (&number, a.c / Pack<T>::n) * Pack<T>::n;

  if (number >= n_runs)
    return;
  if (INDEX) {
    Lanes<T> lanes;

    lanes.read (a.index, lane);
    /* One row at a time: single loads in flight for three of them do not fit in the registers. */
    depthwise_run<T, STRIDE, RUN, 1> (a, number, lane,
        [&] (const T *position) { return lanes.load_raw (position); });
  } else {
    /* A whole plane: with one clip, latency is what these layers wait for. */
    depthwise_run<T, STRIDE, RUN, 3> (a, number, lane,
        [&] (const T *position) { return load_raw (position + lane); });
  }
}

template <typename T>
__device__ __forceinline__ void
depthwise_s1 (const Cnn3dDepthwiseArgs &a)
{
  depthwise<T, 1, CNN3D_DEPTHWISE_RUN_S1, false> (a);
}

template <typename T>
__device__ __forceinline__ void
depthwise_s2 (const Cnn3dDepthwiseArgs &a)
{
  depthwise<T, 2, CNN3D_DEPTHWISE_RUN_S2, false> (a);
}

template <typename T>
__device__ __forceinline__ void
depthwise_index_s1 (const Cnn3dDepthwiseArgs &a)
{
  depthwise<T, 1, CNN3D_DEPTHWISE_RUN_S1, true> (a);
}

template <typename T>
__device__ __forceinline__ void
depthwise_index_s2 (const Cnn3dDepthwiseArgs &a)
{
  depthwise<T, 2, CNN3D_DEPTHWISE_RUN_S2, true> (a);
}

} // namespace cnn3d
