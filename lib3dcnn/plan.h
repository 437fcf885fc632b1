/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The graph lowered to what a fast backend runs: a list of steps, each of which reads and writes
 * buffers of one arena.
 *
 * A buffer holds blocks of 16 channels, [block][t][h][w][16]. Each channel of a value of the graph
 * is a lane of some buffer. Concatenation, slices and channel shuffles only rearrange lists of
 * lanes, so they cost nothing; BatchNorm, activations and additions are part of the step that made
 * their input.
 */

#include "lib3dcnn/graph.h"

G_BEGIN_DECLS

#define CNN3D_BLOCK 16

typedef enum {
  CNN3D_STEP_STEM,      /* dense convolution of the clip */
  CNN3D_STEP_CONV,      /* dense convolution of lanes, kernel above 1 */
  CNN3D_STEP_POINTWISE, /* 1x1x1 convolution, any groups */
  CNN3D_STEP_DEPTHWISE,
  CNN3D_STEP_MAXPOOL,
  CNN3D_STEP_AVGPOOL,
  CNN3D_STEP_LINEAR,
} Cnn3dStepKind;

typedef enum {
  CNN3D_ACTIVATION_NONE,
  CNN3D_ACTIVATION_RELU,
  CNN3D_ACTIVATION_RELU6,
} Cnn3dActivation;

typedef struct {
  int buffer;
  int lane; /* block * 16 + channel in the block */
} Cnn3dLane;

typedef struct {
  int buffer;
  int block;
} Cnn3dBlockRef;

typedef struct {
  Cnn3dStepKind kind;
  int node;      /* of the graph */
  int batchnorm; /* node folded into the weights, or -1 */
  const char *module;
  Cnn3dActivation activation;
  Cnn3dExtent in, out, kernel, stride, pad;
  int groups;
  int channels_in, channels_out;
  Cnn3dLane *inputs;       /* channels_in; NULL for the stem */
  Cnn3dBlockRef *blocks;   /* of DEPTHWISE and pools: the input block of each output block */
  Cnn3dBlockRef *residual; /* for each output block, or NULL: added before the activation */
  int buffer, n_blocks;    /* of the output */
  int *lane_channel;       /* n_blocks * 16: the output channel in each lane, or -1 */
  gint64 macs;
  int chain;  /* number of steps that run as one from this step on; 0 inside of a chain */
} Cnn3dStep;

/*
 * A chain is a step whose output no cache holds (the producer), the depthwise convolution or pool
 * that alone reads it, and the pointwise convolution after that if there is one. It runs strip by
 * strip, so that only the last step's output ever exists as a whole: the other buffers have no place
 * in the arena.
 */

typedef struct {
  int n_blocks;
  gint64 positions;
  int first, last; /* the steps that write it and that read it last */
  gboolean in_chain; /* written and read inside of a chain: takes no room */
  gsize offset;      /* in floats, in the arena; that of an output may be its residual's */
} Cnn3dBuffer;

typedef struct {
  GArray *steps;      /* Cnn3dStep */
  GArray *buffers;    /* Cnn3dBuffer */
  Cnn3dLane *outputs; /* a lane for each class */
  int n_features;
  Cnn3dLane *features; /* what the last layer reads; stays until the end */
  gsize arena;        /* in floats */
} Cnn3dPlan;

/* The graph has to outlive the plan. */
Cnn3dPlan *cnn3d_plan_new (const Cnn3dGraph *graph);
void cnn3d_plan_free (Cnn3dPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dPlan, cnn3d_plan_free)

gint64 cnn3d_plan_get_arena_bytes (const Cnn3dGraph *graph);

static inline Cnn3dStep *
cnn3d_plan_step (const Cnn3dPlan *plan, int i)
{
  return &g_array_index (plan->steps, Cnn3dStep, i);
}

static inline Cnn3dBuffer *
cnn3d_plan_buffer (const Cnn3dPlan *plan, int i)
{
  return &g_array_index (plan->buffers, Cnn3dBuffer, i);
}

/*
 * Places buffers so that those whose lifetimes overlap do not, largest first; offsets are multiples
 * of a block's 16 floats. Returns the arena's size in floats.
 */
gsize cnn3d_arena_plan (GArray *buffers);

G_END_DECLS
