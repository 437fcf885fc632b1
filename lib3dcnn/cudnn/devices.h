/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/cudnn/loader.h"
#include "lib3dcnn/device.h"

G_BEGIN_DECLS

/* The oldest that our kernels are compiled for: Turing. */
#define CNN3D_MIN_CAPABILITY 75
/* From compute capability 10.0 on: cuDNN 9.8 to 9.10 may end the process when they are asked for plans. */
#define CNN3D_BLACKWELL_MAJOR 10
#define CNN3D_CUDNN_BLACKWELL_VERSION 91100

/* The device of this option: NULL or "" (the first usable one), an index, or a UUID or its beginning. */
Cnn3dDevice *cnn3d_cuda_find_device (const Cnn3dCuda *cuda, const char *option, GError **error);
/* "driver 13.0, CUDA 13.0, cuDNN 9.19.0" */
char *cnn3d_cuda_versions (const Cnn3dCuda *cuda);

G_END_DECLS
