/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which kernel computes what its arguments ask for, and its launch. Blocks and grids have one
 * dimension, and no kernel takes dynamic shared memory.
 */

#include "lib3dcnn/cudnn/kernels-args.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  Cnn3dCudaKernel kernel;
  unsigned int grid[3], block[3], shared; /* grid[0] is 0 if it would be larger than CUDA's limit */
} Cnn3dLaunchShape;

/* The symbol in the fatbin. */
const char *cnn3d_cuda_kernel_name (Cnn3dCudaKernel kernel, int half);
unsigned int cnn3d_cuda_kernel_args_size (Cnn3dCudaKernel kernel);

Cnn3dLaunchShape cnn3d_shape_frames (const Cnn3dFramesArgs *args, int half);
Cnn3dLaunchShape cnn3d_shape_planes (const Cnn3dPlanesArgs *args, int half);
Cnn3dLaunchShape cnn3d_shape_depthwise (const Cnn3dDepthwiseArgs *args, int half);
Cnn3dLaunchShape cnn3d_shape_maxpool (const Cnn3dPoolArgs *args, int half);
Cnn3dLaunchShape cnn3d_shape_avgpool (const Cnn3dPoolArgs *args, int half);
Cnn3dLaunchShape cnn3d_shape_globalpool (const Cnn3dGlobalPoolArgs *args, int half);
Cnn3dLaunchShape cnn3d_shape_add (const Cnn3dAddArgs *args, int half);
Cnn3dLaunchShape cnn3d_shape_copy (const Cnn3dCopyArgs *args, int half);

#ifdef __cplusplus
}
#endif
