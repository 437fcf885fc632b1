/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all kernels share. A thread works on a pack of 16 bytes, the widest load there is: 8 halfs or 4
 * floats, side by side in channels. Neighbouring threads take neighbouring packs, so that a warp
 * reads and writes whole cache lines.
 *
 * Kernels stay within what tests/gpu/emulation.h can run on a CPU: no return before a barrier, no
 * inline PTX, no intrinsics of part of a warp, nothing asynchronous, CNN3D_SHARED for shared memory.
 */

#include "lib3dcnn/cudnn/kernels-args.h"

#ifndef CNN3D_EMULATION
#include <cuda_fp16.h>
#define CNN3D_SHARED(type, name, n) __shared__ type name[n]
#define CNN3D_GLOBAL extern "C" __global__
#define CNN3D_CONSTANT __grid_constant__ /* arguments are read where the driver put them */
#define CNN3D_UNROLL _Pragma ("unroll")
#define CNN3D_UNROLL_BY_4 _Pragma ("unroll 4")
#define CNN3D_NO_UNROLL _Pragma ("unroll 1")
#endif

namespace cnn3d {

typedef __half half_t;

template <typename T> struct Pack;

template <> struct Pack<half_t> {
  static constexpr int n = 8;

  static __device__ __forceinline__ void
  unpack (const uint4 &raw, float (&v)[n])
  {
    __half2 pairs[n / 2];

    __builtin_memcpy (static_cast<void *> (pairs), &raw, sizeof raw);
    CNN3D_UNROLL
    for (int i = 0; i < n / 2; i++) {
      float2 pair = __half22float2 (pairs[i]);
      v[2 * i] = pair.x;
      v[2 * i + 1] = pair.y;
    }
  }

  static __device__ __forceinline__ uint4
  pack (const float (&v)[n])
  {
    __half2 pairs[n / 2];
    uint4 raw;

    CNN3D_UNROLL
    for (int i = 0; i < n / 2; i++)
      pairs[i] = __floats2half2_rn (v[2 * i], v[2 * i + 1]);
    __builtin_memcpy (&raw, pairs, sizeof raw);
    return raw;
  }
};

template <> struct Pack<float> {
  static constexpr int n = 4;

  static __device__ __forceinline__ void
  unpack (const uint4 &raw, float (&v)[n])
  {
    __builtin_memcpy (v, &raw, sizeof raw);
  }

  static __device__ __forceinline__ uint4
  pack (const float (&v)[n])
  {
    uint4 raw;

    __builtin_memcpy (&raw, v, sizeof raw);
    return raw;
  }
};

__device__ __forceinline__ float
to_float (half_t v)
{
  return __half2float (v);
}

__device__ __forceinline__ float
to_float (float v)
{
  return v;
}

__device__ __forceinline__ void
from_float (half_t *to, float v)
{
  *to = __float2half_rn (v);
}

__device__ __forceinline__ void
from_float (float *to, float v)
{
  *to = v;
}

template <typename T>
__device__ __forceinline__ uint4
load_raw (const T *p)
{
  return *reinterpret_cast<const uint4 *> (p);
}

template <typename T>
__device__ __forceinline__ void
store_raw (T *p, const float (&v)[Pack<T>::n])
{
  *reinterpret_cast<uint4 *> (p) = Pack<T>::pack (v);
}

/* n floats of a table, aligned to 16 bytes. */
template <int n>
__device__ __forceinline__ void
load_floats (const float *p, float (&v)[n])
{
  CNN3D_UNROLL
  for (int i = 0; i < n; i += 4) {
    float4 quad = *reinterpret_cast<const float4 *> (p + i);
    v[i] = quad.x;
    v[i + 1] = quad.y;
    v[i + 2] = quad.z;
    v[i + 3] = quad.w;
  }
}

/* fminf() and fmaxf() would turn NaN into a bound. */
__device__ __forceinline__ float
bound_above (float v, float high)
{
  return v > high ? high : v;
}

__device__ __forceinline__ float
bound (float v, float low, float high)
{
  return bound_above (v < low ? low : v, high);
}

/* The lanes of a pack by a list, of which negative ones are 0. */
template <typename T>
struct Lanes {
  int lane[Pack<T>::n];

  __device__ __forceinline__ void
  read (const int32_t *index, int first)
  {
    CNN3D_UNROLL
    for (int i = 0; i < Pack<T>::n; i++)
      lane[i] = index[first + i];
  }

  __device__ __forceinline__ uint4
  load_raw (const T *position) const
  {
    T v[Pack<T>::n];
    uint4 raw;

    CNN3D_UNROLL
    for (int i = 0; i < Pack<T>::n; i++) {
      if (lane[i] >= 0)
        v[i] = position[lane[i]];
      else
        from_float (&v[i], 0.f);
    }
    __builtin_memcpy (&raw, v, sizeof raw);
    return raw;
  }
};

/*
 * A grid has one dimension and less than 2^32 threads (64 GB in packs), so that taking a number apart
 * stays in 32 bits: divisions by what is not a constant are the dearest part of the small kernels.
 */
__device__ __forceinline__ unsigned
thread_number ()
{
  return blockIdx.x * blockDim.x + threadIdx.x;
}

/* Splits off the innermost part of a number: returns number % n and divides the number. */
__device__ __forceinline__ int
split (unsigned *number, int n)
{
  unsigned quotient = *number / (unsigned) n, rest = *number - quotient * (unsigned) n;

  *number = quotient;
  return (int) rest;
}

} // namespace cnn3d
