/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session's state on the device. */

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cudnn/convplan.h"
#include "lib3dcnn/cudnn/devices.h"
#include "lib3dcnn/cudnn/kernels-shape.h"
#include "lib3dcnn/cudnn/plancache.h"

G_BEGIN_DECLS

typedef union {
  Cnn3dFramesArgs frames;
  Cnn3dPlanesArgs planes;
  Cnn3dDepthwiseArgs depthwise;
  Cnn3dPoolArgs pool;
  Cnn3dGlobalPoolArgs globalpool;
  Cnn3dAddArgs add;
  Cnn3dCopyArgs copy;
} Cnn3dGpuArgs;

typedef struct {
  gboolean used;
  Cnn3dLaunchShape shape;
  Cnn3dGpuArgs args;
} Cnn3dGpuKernelLaunch;

/* A step, ready to be launched for a number of clips. */
typedef struct {
  Cnn3dConvPlan conv; /* of CONV */
  cudnnBackendDescriptor_t pack;
  Cnn3dGpuKernelLaunch kernel; /* of all others; of CONV what cuDNN could not fuse */
} Cnn3dGpuLaunch;

/* All steps for a number of clips. */
typedef struct {
  int batch;
  guint8 **buffers; /* device pointers, for each of the plan's */
  Cnn3dGpuLaunch *launches;
  cudaGraphExec_t graph; /* NULL: launched one by one */
} Cnn3dGpuProgram;

/* Where clips are brought to the device; two, so that one is filled while the other is read. */
typedef struct {
  guint8 *host, *device;
  cudaEvent_t uploaded, done;
  gboolean in_use;
} Cnn3dGpuSlot;

/* Of a step, on the device. */
typedef struct {
  guint8 *weights; /* CONV: elements; DEPTHWISE: floats */
  guint8 *bias;    /* CONV: elements */
  float *bias_float;
  gint32 *from, *to;
} Cnn3dGpuParams;

/* What it takes to time things: while programs are made, and while layers are looked at. */
typedef struct {
  cudaEvent_t begin, end;
  void *workspace;
  gint64 bytes;
} Cnn3dGpuStopwatch;

#define CNN3D_GPU_SLOTS 2
/* For 1, 2, 4, ... clips up to CNN3D_MAX_GROUP, and one for a batch between two of these. */
#define CNN3D_GPU_MAX_PROGRAMS 5

typedef struct {
  const Cnn3dCuda *cuda;
  Cnn3dModel *model; /* borrowed */
  Cnn3dDevice *device;
  CUcontext context; /* the device's primary one, which the runtime uses too */
  gboolean half, allow_tf32;
  gboolean overflow; /* weights are too large for halfs */
  gsize size; /* of an element */
  int batch;  /* clips in the largest program */
  cudnnHandle_t handle;
  cudnnBackendDescriptor_t properties;
  cudaStream_t stream, upload;
  cudaLibrary_t library;
  cudaKernel_t kernels[CNN3D_N_CUDA_KERNELS];
  Cnn3dGpuPlan *plan;
  Cnn3dPlanCache *cache;
  gboolean plans_made; /* what fails after that may be a plan's fault */
  Cnn3dGpuStopwatch stopwatch;
  guint8 *param_memory, *arena, *workspace;
  gsize arena_bytes, workspace_bytes;
  Cnn3dGpuParams *params; /* for each step */
  Cnn3dGpuProgram programs[CNN3D_GPU_MAX_PROGRAMS]; /* by size */
  int n_programs;
  Cnn3dGpuSlot slots[CNN3D_GPU_SLOTS];
  guint8 *logits, *features; /* pinned; of CNN3D_MAX_GROUP clips */
  char *eager; /* why there is no graph, or NULL */
} Cnn3dGpuEngine;

static inline gsize
cnn3d_gpu_clip_positions (const Cnn3dGpuEngine *engine)
{
  const Cnn3dConfig *c = &engine->model->config;

  return (gsize) c->frames * (gsize) c->size * (gsize) c->size;
}

static inline int
cnn3d_gpu_logit_lanes (const Cnn3dGpuEngine *engine)
{
  return cnn3d_gpu_plan_buffer (engine->plan, engine->plan->output)->lanes;
}

/* Bytes of the features of a clip, at all positions. */
static inline gsize
cnn3d_gpu_feature_bytes (const Cnn3dGpuEngine *engine)
{
  const Cnn3dGpuBuffer *b = cnn3d_gpu_plan_buffer (engine->plan, engine->plan->features);

  return (gsize) cnn3d_extent_count (b->extent) * (gsize) b->lanes * engine->size;
}

/* params.c: weights, biases and lists of lanes, uploaded once. */
gboolean cnn3d_gpu_upload_params (Cnn3dGpuEngine *engine, GError **error);

/* program.c: chooses plans and fills in arguments for program->batch clips; the arena has its place. */
gboolean cnn3d_gpu_program_init (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, GError **error);
/* Once the workspace has its place. */
gboolean cnn3d_gpu_program_bind (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, GError **error);
void cnn3d_gpu_program_clear (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program);

/* tune.c: the plan for a convolution, from the cache or the fastest of some; pack has its pointers. */
typedef struct {
  void *x, *w, *y, *z, *bias;
} Cnn3dConvPointers;
/*
 * Milliseconds of one launch on the device: of several in a row that are recorded as a graph, as runs are,
 * since those of the host, which take longer than many a kernel, would be measured otherwise; the median of
 * some rounds. What cannot be recorded is launched one by one. Call cnn3d_gpu_stopwatch_clear() afterwards.
 */
typedef gboolean (*Cnn3dGpuLaunchFunc) (Cnn3dGpuEngine *engine, gpointer data, GError **error);
gboolean cnn3d_gpu_time (Cnn3dGpuEngine *engine, Cnn3dGpuLaunchFunc launch, gpointer data, float *ms,
    GError **error);
gboolean cnn3d_gpu_choose_plan (Cnn3dGpuEngine *engine, const Cnn3dConvKey *key,
    const Cnn3dConvPointers *pointers, Cnn3dConvPlan *plan, GError **error);
void cnn3d_gpu_stopwatch_clear (Cnn3dGpuEngine *engine);
cudnnBackendDescriptor_t cnn3d_gpu_pack (const Cnn3dCuda *cuda, const Cnn3dConvKey *key,
    const Cnn3dConvPointers *pointers, void *workspace, GError **error);

/*
 * launch.c: makes the session's device this thread's current one, as it has to be for all that follows;
 * cnn3d_gpu_leave() brings back what was so before, be it none. Only to be left if entered.
 */
gboolean cnn3d_gpu_enter (Cnn3dGpuEngine *engine, GError **error);
void cnn3d_gpu_leave (Cnn3dGpuEngine *engine);
gboolean cnn3d_gpu_launch_kernel (Cnn3dGpuEngine *engine, const Cnn3dGpuKernelLaunch *launch,
    GError **error);
gboolean cnn3d_gpu_launch_step (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, guint i,
    GError **error);
gboolean cnn3d_gpu_launch_steps (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, GError **error);
/* What `times` launches do, as a graph; NULL with error set if it cannot be recorded. */
cudaGraphExec_t cnn3d_gpu_record (Cnn3dGpuEngine *engine, Cnn3dGpuLaunchFunc launch, gpointer data, int times,
    GError **error);
/* Records the steps as a graph. Without one, says why in engine->eager. */
void cnn3d_gpu_capture (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program);

/* run.c: copies n clips into a slot and brings them into the input's layout, on the device. */
gboolean cnn3d_gpu_load_clips (Cnn3dGpuEngine *engine, Cnn3dGpuProgram *program, Cnn3dGpuSlot *slot,
    const Cnn3dClip *clips, int n, GError **error);
/* As of Cnn3dBackendClass. */
gboolean cnn3d_gpu_run (gpointer engine, const Cnn3dClip *clips, int n, float *logits, float *features,
    GError **error);
/* inspect.c */
int cnn3d_gpu_profile (gpointer engine, const Cnn3dClip *clip, Cnn3dLayer *layers, int max, double *peak);
int cnn3d_gpu_check (gpointer engine, const float *clip, Cnn3dLayerCheck *checks, int max,
    GError **error);

G_END_DECLS
