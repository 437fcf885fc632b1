/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The entries of all kernels: each line of kernels.inc for halfs and for floats. */

#include "lib3dcnn/cudnn/depthwise.cu"
#include "lib3dcnn/cudnn/elementwise.cu"
#include "lib3dcnn/cudnn/input.cu"
#include "lib3dcnn/cudnn/pool.cu"

#define CNN3D_ENTRY(name, type, T, Args, block, blocks)                                            \
  CNN3D_GLOBAL void __launch_bounds__ (block, blocks)                                              \
  cnn3d_##name##_##type (const CNN3D_CONSTANT Args a)                                              \
  {                                                                                                \
    cnn3d::name<T> (a);                                                                            \
  }
#define CNN3D_CUDA_KERNEL(id, name, Args, block, blocks)                                           \
  CNN3D_ENTRY (name, half, cnn3d::half_t, Args, block, blocks)                                     \
  CNN3D_ENTRY (name, float, float, Args, block, blocks)
#include "lib3dcnn/cudnn/kernels.inc"
