/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Clips to what the stem reads. A position may have 3 lanes, so threads take packs of the whole
 * tensor, in which positions begin anywhere: stores are whole lines for any pitch. Loads are
 * single elements that the first cache has after the first of them.
 */

#include "lib3dcnn/cudnn/device.cuh"

namespace cnn3d {

#define CNN3D_INPUT_CHANNELS 3

/* element (position, lane < 3) gives the values. */
template <typename T, typename Element>
__device__ __forceinline__ void
fill (void *y, int64_t positions, int pitch, const Element &element)
{
  constexpr int V = Pack<T>::n;
  unsigned number = thread_number ();
  int64_t first = (int64_t) number * V, total = positions * pitch;
  T *to = static_cast<T *> (y) + first;
  float v[V];

  if (first >= total)
    return;
  /* number * V may not fit in 32 bits, its position does. */
  int64_t position = first / pitch;
  int lane = (int) (first - position * pitch);
  CNN3D_UNROLL
  for (int i = 0; i < V; i++) {
    v[i] = position < positions && lane < CNN3D_INPUT_CHANNELS ? element (position, lane) : 0.f;
    if (++lane == pitch) {
      lane = 0;
      position++;
    }
  }
  if (total - first >= V) {
    store_raw (to, v);
    return;
  }
  CNN3D_UNROLL
  for (int i = 0; i < V; i++)
    if (i < total - first)
      from_float (&to[i], v[i]);
}

template <typename T>
__device__ __forceinline__ void
frames (const Cnn3dFramesArgs &a)
{
  fill<T> (a.y, a.positions, a.pitch, [&] (int64_t position, int lane) {
    int byte = lane == 0 ? a.order[0] : lane == 1 ? a.order[1] : a.order[2];
    float scale = lane == 0 ? a.scale[0] : lane == 1 ? a.scale[1] : a.scale[2];
    float shift = lane == 0 ? a.shift[0] : lane == 1 ? a.shift[1] : a.shift[2];

    return (float) a.x[position * CNN3D_INPUT_CHANNELS + byte] * scale + shift;
  });
}

template <typename T>
__device__ __forceinline__ void
planes (const Cnn3dPlanesArgs &a)
{
  fill<T> (a.y, a.n * a.positions, a.pitch, [&] (int64_t position, int lane) {
    int64_t n = position / a.positions, p = position - n * a.positions;

    return a.x[(n * CNN3D_INPUT_CHANNELS + lane) * a.positions + p];
  });
}

} // namespace cnn3d
