/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sums and copies: one pack for each thread, nothing but memory. */

#include "lib3dcnn/cudnn/device.cuh"

namespace cnn3d {

template <typename T>
__device__ __forceinline__ void
add (const Cnn3dAddArgs &a)
{
  constexpr int V = Pack<T>::n;
  unsigned number = thread_number ();
  int64_t first = (int64_t) number * V;
  int lane = split (&number, a.c / V) * V;
  float v[V], z[V];

  if (number >= a.positions)
    return;
  Pack<T>::unpack (load_raw (static_cast<const T *> (a.x) + first), v);
  if (a.z != nullptr) {
    Pack<T>::unpack (load_raw (static_cast<const T *> (a.z) + first), z);
    CNN3D_UNROLL
    for (int i = 0; i < V; i++)
      v[i] += z[i];
  }
  if (a.bias != nullptr) {
    load_floats (a.bias + lane, z);
    CNN3D_UNROLL
    for (int i = 0; i < V; i++)
      v[i] += z[i];
  }
  CNN3D_UNROLL
  for (int i = 0; i < V; i++)
    v[i] = bound (v[i], a.low, a.high);
  store_raw (static_cast<T *> (a.y) + first, v);
}

/* n lanes of a list from `first` on, or as they lie. */
template <int V>
__device__ __forceinline__ void
read_lanes (const int32_t *list, int first, int n, int (&lane)[V])
{
  CNN3D_UNROLL
  for (int i = 0; i < V; i++)
    lane[i] = list == nullptr ? first + i : i < n ? list[first + i] : 0;
}

/* Whether they are one whole pack. */
template <int V>
__device__ __forceinline__ bool
is_pack (const int (&lane)[V], int n)
{
  bool whole = n == V && lane[0] % V == 0;

  CNN3D_UNROLL
  for (int i = 1; i < V; i++)
    whole = whole && lane[i] == lane[0] + i;
  return whole;
}

/* Most lists are runs of channels, and most of a run are whole packs: found out here, lane by lane. */
template <typename T>
__device__ __forceinline__ void
copy (const Cnn3dCopyArgs &a)
{
  constexpr int V = Pack<T>::n;
  unsigned number = thread_number ();
  int first = split (&number, (a.c + V - 1) / V) * V, n = a.c - first;
  const T *x = static_cast<const T *> (a.x) + (int64_t) number * a.x_pitch;
  T *y = static_cast<T *> (a.y) + (int64_t) number * a.y_pitch;
  int from[V], to[V];
  float v[V];

  if (number >= a.positions)
    return;
  n = n < V ? n : V;
  read_lanes (a.from, first, n, from);
  read_lanes (a.to, first, n, to);

  if (is_pack (from, n)) {
    Pack<T>::unpack (load_raw (x + from[0]), v);
  } else {
    CNN3D_UNROLL
    for (int i = 0; i < V; i++)
      v[i] = i < n && from[i] >= 0 ? to_float (x[from[i]]) : 0.f;
  }
  CNN3D_UNROLL
  for (int i = 0; i < V; i++)
    v[i] = bound_above (v[i], a.load_high);
  if (is_pack (to, n)) {
    store_raw (y + to[0], v);
  } else {
    CNN3D_UNROLL
    for (int i = 0; i < V; i++)
      if (i < n)
        from_float (&y[to[i]], v[i]);
  }
}

} // namespace cnn3d
