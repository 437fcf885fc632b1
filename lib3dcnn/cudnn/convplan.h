/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * cuDNN's plans for convolutions: y = relu (conv (x, w) + z + bias), with z and relu if wanted, in
 * channels-last order. The order of the additions is the one that cuDNN has precompiled kernels for.
 */

#include "lib3dcnn/cudnn/loader.h"
#include "lib3dcnn/cudnn/lower.h"

G_BEGIN_DECLS

/* All that a plan depends on, besides the device. */
typedef struct {
  gboolean half;
  int n, c, k; /* clips, lanes of x and of y */
  Cnn3dExtent in, out, kernel, stride, pad;
  gboolean z, relu, bias;
} Cnn3dConvKey;

void cnn3d_conv_key_init (Cnn3dConvKey *key, const Cnn3dGpuPlan *plan, const Cnn3dGpuStep *step,
    gboolean half, int n);
/* Such as "half n1 3>24 16x112x112 k3x3x3 s1x2x2 p1x1x1 +b relu". */
char *cnn3d_conv_key_string (const Cnn3dConvKey *key);

/* Of the tensors, in the variant pack. */
enum { CNN3D_UID_X = 1, CNN3D_UID_W, CNN3D_UID_Y, CNN3D_UID_Z, CNN3D_UID_BIAS, CNN3D_UID_VIRTUAL };

typedef struct {
  cudnnBackendDescriptor_t plan;
  int engine; /* cuDNN's number */
  gboolean tensor_core; /* in single precision, this means TF32 */
  gboolean runtime_compiled;
  gint64 workspace;
  int index; /* among what the heuristics proposed */
  gboolean fused; /* with all that follows; kept by the caller */
} Cnn3dConvPlan;

/* For each clip; what needs more is hardly faster, and memory is shared with others. */
#define CNN3D_MAX_WORKSPACE (4 << 20)

typedef struct {
  gboolean allow_tf32;
  gint64 workspace; /* at most, in bytes */
  int max_plans;    /* to return, at least 1 */
} Cnn3dConvFilter;

/* Fitting plans, the preferred one first; at least one, or NULL with CNN3D_ERROR_BACKEND. */
GArray *cnn3d_conv_plans (const Cnn3dCuda *cuda, cudnnBackendDescriptor_t device,
    const Cnn3dConvKey *key, const Cnn3dConvFilter *filter, GError **error);
/* The plan that was proposed at this index (of a cache), alone in an array. */
GArray *cnn3d_conv_plan_at (const Cnn3dCuda *cuda, cudnnBackendDescriptor_t device,
    const Cnn3dConvKey *key, const Cnn3dConvFilter *filter, int index, int engine, GError **error);
void cnn3d_conv_plan_clear (const Cnn3dCuda *cuda, Cnn3dConvPlan *plan);
void cnn3d_conv_plans_free (const Cnn3dCuda *cuda, GArray *plans);

/* The device as plans want it: of a number. */
gboolean cnn3d_device_descriptor (const Cnn3dCuda *cuda, int device,
    cudnnBackendDescriptor_t *descriptor, GError **error);

G_END_DECLS
