/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The part of CUDA C++ that our kernels are written in, for a host compiler: include this before
 * a .cu file, and its kernels are plain functions that emulation::launch() runs.
 *
 * One block runs at a time and shared memory is static, full of NaNs when a block begins. The threads
 * of a block run on fibers. A fiber goes from thread to thread for as long as none comes to a barrier,
 * so a kernel without one runs as a loop. A thread that does is left on its fiber until all others have
 * come there, and they go on in the same order or, for a seed, in another one. So a missing barrier
 * shows as a NaN, or as a difference between orders; and a barrier that only some threads come to is
 * an error.
 */

#define CNN3D_EMULATION

#include <cuda_fp16.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#undef __global__
#undef __device__
#undef __shared__
#undef __launch_bounds__
#define __global__
#define __device__
#define __launch_bounds__(...)
#define CNN3D_GLOBAL static
#define CNN3D_CONSTANT
#define CNN3D_UNROLL
#define CNN3D_UNROLL_BY_4
#define CNN3D_NO_UNROLL

/* For tests of this header as well: `static` lies in memory that the sanitizers watch. */
#define CNN3D_SHARED(type, name, n)                                                                \
  static type name[n];                                                                             \
  static unsigned long name##_block;                                                               \
  emulation::enter_shared (&name##_block, name, sizeof name)

namespace emulation {

struct Index {
  unsigned int x, y, z;
};

typedef void Body (const void *args);

extern Index thread, block, block_size, grid_size;

/* Poisons shared memory when the first thread of a block declares it. */
void enter_shared (unsigned long *last_block, void *memory, size_t bytes);
void barrier (void);

/* Returns NULL, or what is wrong. order as of cnn3d_emulate(). */
const char *launch (Body *body, const void *args, unsigned int grid, unsigned int threads,
    unsigned int order);

} // namespace emulation

#define threadIdx emulation::thread
#define blockIdx emulation::block
#define blockDim emulation::block_size
#define gridDim emulation::grid_size
#define __syncthreads() emulation::barrier ()
