/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * CUDA and cuDNN, loaded when they are first asked for. Nothing of them is linked: on a machine
 * without them, a session with this backend fails with the reason, and all else works.
 */

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "lib3dcnn/error.h"

G_BEGIN_DECLS

typedef struct {
#define STATUS(library, type, name, parameters, arguments) type (*name) parameters;
#define PLAIN(library, type, name, parameters) type (*name) parameters;
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
} Cnn3dCuda;

/* What stands between the loader and the system, for tests: dlopen of a name or a path, dlclose, and dlsym. Where a library is
 * there but does not open, *broken is set to why, if it was NULL. */
typedef struct {
  void *(*open) (const char *name, char **broken);
  void (*close) (void *library);
  void *(*symbol) (void *library, const char *name);
  char *(*folder) (void *symbol); /* of the library that a symbol is of; or NULL */
} Cnn3dCudaSystem;

/* A folder in which the libraries are looked for before anywhere else. */
#define CNN3D_CUDA_PATH_ENV "CNN3D_CUDA_PATH"

/* cuDNN plans that need no handle exist from here on. */
#define CNN3D_CUDNN_VERSION 90800
/* The runtime knows libraries of kernels from here on. */
#define CNN3D_CUDART_VERSION 12080

/*
 * The table, loaded once for the process; libraries stay loaded. Probes libcuda, libcudart and the
 * number of devices (older runtimes if the first does not fit the driver), libcudnn and its version, and libcublasLt, in this order. NULL with CNN3D_ERROR_BACKEND: the message
 * says what is missing, which version is needed, and what to do. *absent (may be NULL): TRUE if there
 * is no sign of an NVIDIA GPU, so that running elsewhere is no surprise.
 */
const Cnn3dCuda *cnn3d_cuda_load (gboolean *absent, GError **error);

/* For tests: takes this table instead of loading one; NULL to load again. */
void cnn3d_cuda_replace (const Cnn3dCuda *cuda);
/* For tests of each way to fail: loads from another system; NULL for the real one. */
void cnn3d_cuda_replace_system (const Cnn3dCudaSystem *system);

/* Sets error to "WHAT: CUDA's reason", and for what this process will not recover from to that as well; returns FALSE.
 * CUDA has forgotten the error then, so that nobody takes it for a later one. */
gboolean cnn3d_cuda_fail (const Cnn3dCuda *cuda, const char *what, cudaError_t code, GError **error);
gboolean cnn3d_cudnn_fail (const Cnn3dCuda *cuda, const char *what, cudnnStatus_t status,
    GError **error);

/* For calls in a function that returns gboolean and has cuda and error at hand. */
#define CNN3D_CUDA_TRY(what, call, ...)                                                            \
  G_STMT_START                                                                                     \
  {                                                                                                \
    cudaError_t code_ = cuda->call (__VA_ARGS__);                                                  \
    if (code_ != cudaSuccess)                                                                      \
      return cnn3d_cuda_fail (cuda, what, code_, error);                                           \
  }                                                                                                \
  G_STMT_END

#define CNN3D_CUDNN_TRY(what, call, ...)                                                           \
  G_STMT_START                                                                                     \
  {                                                                                                \
    cudnnStatus_t status_ = cuda->call (__VA_ARGS__);                                              \
    if (status_ != CUDNN_STATUS_SUCCESS)                                                           \
      return cnn3d_cudnn_fail (cuda, what, status_, error);                                        \
  }                                                                                                \
  G_STMT_END

G_END_DECLS
