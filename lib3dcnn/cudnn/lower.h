/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The graph lowered to what a GPU launches: a list of steps on buffers in channels-last order,
 * [n][t][h][w][lane]. Knows nothing of CUDA, so it is the same, and tested, everywhere.
 *
 * A channel of a value is a lane of a buffer; lanes are padded with zeros to a multiple of 8. A
 * convolution takes its input's lanes in any order and writes its output's in any order, since its
 * weights are made to fit: so channel shuffles and slices cost nothing, and a grouped 1x1x1 convolution
 * is a dense one with zeros. All channels of a value lie in one buffer. Concatenations are made so:
 *
 * - of two convolutions of the same input (SqueezeNet's expansions): one convolution, the smaller
 *   kernel in the middle of the larger;
 * - of a convolution and what was computed before it (ShuffleNetV1's pooled shortcut, ShuffleNetV2's
 *   first branch): both are written over all lanes, with zeros in the other's, and the
 *   convolution adds the other one as it adds any residual;
 * - of a slice that passes a unit untouched (ShuffleNetV2): the new channels are copied over
 *   those that are not needed any more.
 */

#include "lib3dcnn/plan.h"

G_BEGIN_DECLS

typedef enum {
  CNN3D_GPU_CONV, /* by cuDNN */
  CNN3D_GPU_DEPTHWISE,
  CNN3D_GPU_MAXPOOL,
  CNN3D_GPU_AVGPOOL,
  CNN3D_GPU_GLOBALPOOL,
  CNN3D_GPU_COPY,
} Cnn3dGpuKind;

/* A convolution of the graph, as part of a step's weights. */
typedef struct {
  int node;
  int batchnorm; /* or -1 */
  int *from;     /* for each input channel, its lane of x */
  int *to;       /* for each output channel, its lane of y */
} Cnn3dGpuPart;

#define CNN3D_GPU_MAX_PARTS 2

typedef struct {
  Cnn3dGpuKind kind;
  const char *module; /* of the first node, or NULL */
  Cnn3dExtent in, out, kernel, stride, pad;
  int x, y, z;                 /* buffers; z: added before the activation, or -1 */
  Cnn3dActivation activation;  /* of CONV and ReLU6: stored as by ReLU, whoever loads it clamps */
  gboolean clamp;              /* x is such */
  int n_parts;
  Cnn3dGpuPart parts[CNN3D_GPU_MAX_PARTS]; /* of CONV and DEPTHWISE */
  int n_lanes;
  int *from; /* of pools and DEPTHWISE: the lane of x (or -1: 0) for each lane of y; NULL: the same */
  int *to;   /* of COPY: x's lanes from[i] go to y's to[i], i < n_lanes */
  gint64 macs; /* as published, for one clip */
  /* What of the graph can be read from y after this step. */
  int value;
  int *lanes; /* of value's channels, in y */
} Cnn3dGpuStep;

typedef struct {
  int lanes;
  Cnn3dExtent extent;
  gboolean clamp;
  int first, last; /* the steps that write it first and use it last */
  gsize offset;    /* in bytes; see cnn3d_gpu_plan_place() */
} Cnn3dGpuBuffer;

typedef struct {
  GArray *steps;   /* Cnn3dGpuStep */
  GArray *buffers; /* Cnn3dGpuBuffer; the first is the clip, of 3 lanes */
  int output;      /* buffer of the logits, at one position */
  int *output_lanes;
  int features;    /* buffer of what the last layer reads; stays until the end */
  int n_features, *feature_lanes;
} Cnn3dGpuPlan;

#define CNN3D_GPU_LANES 8
#define CNN3D_GPU_ALIGNMENT 256

/* The graph has to outlive the plan. */
Cnn3dGpuPlan *cnn3d_gpu_plan_new (const Cnn3dGraph *graph);
void cnn3d_gpu_plan_free (Cnn3dGpuPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dGpuPlan, cnn3d_gpu_plan_free)

/* Places the buffers of `batch` clips of elements of `size` bytes; returns the bytes it takes. */
gsize cnn3d_gpu_plan_place (Cnn3dGpuPlan *plan, int batch, gsize size);

static inline Cnn3dGpuStep *
cnn3d_gpu_plan_step (const Cnn3dGpuPlan *plan, int i)
{
  return &g_array_index (plan->steps, Cnn3dGpuStep, i);
}

static inline Cnn3dGpuBuffer *
cnn3d_gpu_plan_buffer (const Cnn3dGpuPlan *plan, int i)
{
  return &g_array_index (plan->buffers, Cnn3dGpuBuffer, i);
}

G_END_DECLS
