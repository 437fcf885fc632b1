/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/kernels-shape.h"

#include <stddef.h>

static const struct {
  const char *name[2]; /* of floats, of halfs */
  unsigned int args_size, block;
} kernels[] = {
#define CNN3D_CUDA_KERNEL(id, name, args, block, blocks)                                           \
  { { "cnn3d_" #name "_float", "cnn3d_" #name "_half" }, sizeof (args), block },
#include "lib3dcnn/cudnn/kernels.inc"
#undef CNN3D_CUDA_KERNEL
};

const char *
cnn3d_cuda_kernel_name (Cnn3dCudaKernel kernel, int half)
{
  return kernels[kernel].name[half != 0];
}

unsigned int
cnn3d_cuda_kernel_args_size (Cnn3dCudaKernel kernel)
{
  return kernels[kernel].args_size;
}

/* Elements in 16 bytes, which a thread works on. */
static int64_t
pack (int half)
{
  return half ? 8 : 4;
}

static int64_t
ceil_divide (int64_t a, int64_t b)
{
  return (a + b - 1) / b;
}

static int64_t
count (Cnn3dSize3 size)
{
  return (int64_t) size.t * size.h * size.w;
}

static Cnn3dLaunchShape
shape_of_blocks (Cnn3dCudaKernel kernel, int64_t blocks)
{
  Cnn3dLaunchShape shape = { kernel, { 0, 1, 1 }, { kernels[kernel].block, 1, 1 }, 0 };

  /* Kernels number their threads in 32 bits. */
  if (blocks > 0 && blocks < (1LL << 32) / shape.block[0])
    shape.grid[0] = (unsigned int) blocks;
  return shape;
}

static Cnn3dLaunchShape
shape_of_threads (Cnn3dCudaKernel kernel, int64_t threads)
{
  return shape_of_blocks (kernel, ceil_divide (threads, kernels[kernel].block));
}

Cnn3dLaunchShape
cnn3d_shape_frames (const Cnn3dFramesArgs *args, int half)
{
  return shape_of_threads (CNN3D_CUDA_FRAMES,
      ceil_divide (args->positions * args->pitch, pack (half)));
}

Cnn3dLaunchShape
cnn3d_shape_planes (const Cnn3dPlanesArgs *args, int half)
{
  return shape_of_threads (CNN3D_CUDA_PLANES,
      ceil_divide (args->n * args->positions * args->pitch, pack (half)));
}

Cnn3dLaunchShape
cnn3d_shape_depthwise (const Cnn3dDepthwiseArgs *args, int half)
{
  static const Cnn3dCudaKernel by_stride[2][2] = {
    { CNN3D_CUDA_DEPTHWISE_S1, CNN3D_CUDA_DEPTHWISE_S2 },
    { CNN3D_CUDA_DEPTHWISE_INDEX_S1, CNN3D_CUDA_DEPTHWISE_INDEX_S2 },
  };
  int run = args->stride.w == 2 ? CNN3D_DEPTHWISE_RUN_S2 : CNN3D_DEPTHWISE_RUN_S1;
  int64_t rows = (int64_t) args->n * args->out.t * args->out.h;

  return shape_of_threads (by_stride[args->index != NULL][args->stride.w == 2],
      args->c / pack (half) * ceil_divide (args->out.w, run) * rows);
}

static Cnn3dLaunchShape
shape_pool (Cnn3dCudaKernel kernel, const Cnn3dPoolArgs *args, int half)
{
  return shape_of_threads (kernel, args->n * count (args->out) * (args->c / pack (half)));
}

Cnn3dLaunchShape
cnn3d_shape_maxpool (const Cnn3dPoolArgs *args, int half)
{
  Cnn3dSize3 k = args->kernel;
  int known = k.t == 3 && k.h == 3 && k.w == 3;

  return shape_pool (known ? CNN3D_CUDA_MAXPOOL_333 : CNN3D_CUDA_MAXPOOL, args, half);
}

Cnn3dLaunchShape
cnn3d_shape_avgpool (const Cnn3dPoolArgs *args, int half)
{
  Cnn3dSize3 k = args->kernel;
  int known = k.t == 2 && k.h == 3 && k.w == 3;

  return shape_pool (known ? CNN3D_CUDA_AVGPOOL_233 : CNN3D_CUDA_AVGPOOL, args, half);
}

Cnn3dLaunchShape
cnn3d_shape_globalpool (const Cnn3dGlobalPoolArgs *args, int half)
{
  return shape_of_blocks (CNN3D_CUDA_GLOBALPOOL,
      args->n * ceil_divide (args->c / pack (half), CNN3D_GLOBALPOOL_PACKS));
}

Cnn3dLaunchShape
cnn3d_shape_add (const Cnn3dAddArgs *args, int half)
{
  return shape_of_threads (CNN3D_CUDA_ADD, args->positions * (args->c / pack (half)));
}

Cnn3dLaunchShape
cnn3d_shape_copy (const Cnn3dCopyArgs *args, int half)
{
  return shape_of_threads (CNN3D_CUDA_COPY, args->positions * ceil_divide (args->c, pack (half)));
}
