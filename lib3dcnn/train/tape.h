/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The graph as training runs it. Only convolutions, pools, additions and dropout store their
 * results, in buffers [channel][position][clip]. BatchNorm, activations, slices, concatenations and
 * shuffles are not stored: a channel of any value is a lane, which is a channel of a buffer and how
 * to read it. This halves the memory of training, and its traffic.
 *
 * A buffer's gradient is that of BatchNorm's output if a BatchNorm follows the buffer, else that of
 * the buffer itself; what reads lanes applies their activations' masks when it adds to it.
 */

#include "lib3dcnn/cpu/workers.h"
#include "lib3dcnn/train/engine.h"
#include "lib3dcnn/train/kernels.h"

G_BEGIN_DECLS

typedef struct {
  int buffer, channel;
  gboolean norm; /* read through the buffer's BatchNorm */
  gboolean add;  /* going backward: not the first that gives the channel a gradient */
  Real low, high;
} Cnn3dTrainLane;

typedef struct {
  int channels;
  Cnn3dExtent e;
  int step;            /* that makes it */
  int norm;            /* the BatchNorm node that follows, or -1 */
  gboolean needs_grad; /* something before it, or its BatchNorm, is trained */
  gboolean keep;       /* read again by the backward pass */
  int last_use;        /* last step that reads it going forward */
  gsize stride;        /* of channels, for the clips of this run */
  Real *x, *g;
  Cnn3dAffine *affine; /* for each channel; bounds are the lanes' */
  Real *inv_std;
  Cnn3dGradAffine *grad_affine;
  gboolean *written; /* for each channel: g has a value */
} Cnn3dTrainBuffer;

/* Where a convolution's taps lie in a volume with borders; see window.c. */
typedef struct {
  Cnn3dExtent e;   /* of the volume */
  gsize stride;    /* of its channels */
  ptrdiff_t *at;   /* for each channel of a group and tap, from a window's first value */
} Cnn3dTrainWindow;

/* How a convolution is cut; see dense.c. */
typedef struct {
  int in, out;       /* channels of a group */
  int taps;          /* places of the kernel */
  Real *forward;     /* weights in tiles, [tile][in * taps][rows], for each group */
  Real *transposed;  /* [tile][out (* taps, flipped)][rows] */
  gsize scratch;     /* of a thread, at a number of clips */
  Cnn3dTrainWindow input, gradient; /* of steps that read windows where they lie */
  Real *volume[2];   /* in the arena: going forward and going backward */
} Cnn3dTrainDense;

typedef struct {
  const Cnn3dNode *node;
  int buffer;
  int n_inputs;
  int n_lanes[CNN3D_MAX_INPUTS];
  Cnn3dTrainLane *lanes[CNN3D_MAX_INPUTS];
  Cnn3dShape in; /* of the first input */
  gboolean trained;     /* has parameters that are */
  gboolean wants_input; /* the backward pass has to reach its inputs */
  int32_t *taps;        /* of MAXPOOL, in the arena */
  Cnn3dTrainDense dense;
} Cnn3dTrainStep;

/* Count, mean and sum of squared differences from it. */
typedef struct {
  double count, mean, m2;
} Cnn3dTrainStats;

typedef struct {
  const Cnn3dGraph *graph;
  const Cnn3dTrainKernels *kernels;
  Cnn3dTrainKernels own_kernels;
  Cnn3dWorkers *workers;
  int n_threads;
  gboolean last_only;
  double dropout; /* overrides the graph's, if not negative */
  GArray *steps, *buffers;
  Cnn3dTrainLane *outputs; /* a lane for each class */
  Real **params, **grads, **momentum, **squares;
  Real *arena;
  gsize arena_bytes, arena_capacity;
  Real **scratch; /* for each thread */
  gsize scratch_floats;
  Cnn3dTrainStats **stats; /* for each thread, for each channel of the buffer in work */
  int max_channels;
  gsize max_weights;
  /* The run in progress. */
  int n, planned_n;
  gboolean training, planned_training;
  guint64 seed;
  const float *clips;
  const float *features; /* instead of clips: the input of step `head` */
  int head;              /* dropout before the last layer, or -1 */
  /* Training by several processes. */
  Cnn3dTrainReduce *reduce;
  gpointer reduce_data;
  int rank;
  double *sums; /* of a BatchNorm's gradient, two for each channel, and the number of values */
} Cnn3dTape;

typedef void Cnn3dTapeFunc (Cnn3dTape *tape, Cnn3dTrainStep *step, int thread);

/* tape.c */
Cnn3dTape *cnn3d_train_tape_new (const Cnn3dGraph *graph, gboolean last_only, gboolean squares);
void cnn3d_train_tape_free (Cnn3dTape *tape);
/* place.c: gives buffers their place in an arena for n clips. */
gboolean cnn3d_train_tape_place (Cnn3dTape *tape, int n, gboolean training, GError **error);

/* Every operation: one thread's share. Forward steps leave stats if a BatchNorm follows. */
void cnn3d_train_dense_init (Cnn3dTape *tape, Cnn3dTrainStep *step);
Cnn3dTapeFunc cnn3d_train_dense_forward, cnn3d_train_dense_backward;
/*
 * window.c: convolutions of larger kernels at stride 1, whose windows need not be unfolded if clips
 * fill vectors.
 */
gboolean cnn3d_train_window_fits (const Cnn3dTape *tape, const Cnn3dTrainStep *step);
/* Floats of the volume, and of a thread's scratch. */
gsize cnn3d_train_window_init (const Cnn3dTape *tape, Cnn3dTrainStep *step);
gsize cnn3d_train_window_scratch (const Cnn3dTape *tape, const Cnn3dTrainStep *step);
Cnn3dTapeFunc cnn3d_train_window_forward, cnn3d_train_window_backward;
Cnn3dTapeFunc cnn3d_train_depthwise_forward, cnn3d_train_depthwise_backward;
Cnn3dTapeFunc cnn3d_train_pool_forward, cnn3d_train_pool_backward;
Cnn3dTapeFunc cnn3d_train_input_forward;
Cnn3dTapeFunc cnn3d_train_add_forward, cnn3d_train_add_backward;
Cnn3dTapeFunc cnn3d_train_dropout_forward, cnn3d_train_dropout_backward;
/* norm.c: a step's BatchNorm, or nothing; backward also completes the gradient of the buffer. */
Cnn3dTapeFunc cnn3d_train_norm_forward, cnn3d_train_norm_backward;

/* How a lane is read. */
Cnn3dAffine cnn3d_train_lane_read (const Cnn3dTape *tape, const Cnn3dTrainLane *lane);
/* Adds d, the gradient of n floats of a lane from offset on, to its buffer's. */
void cnn3d_train_lane_add (const Cnn3dTape *tape, const Cnn3dTrainLane *lane, gsize offset,
    const Real *d, gsize n);

static inline Cnn3dTrainStep *
tape_step (const Cnn3dTape *tape, int i)
{
  return &g_array_index (tape->steps, Cnn3dTrainStep, i);
}

static inline Cnn3dTrainBuffer *
tape_buffer (const Cnn3dTape *tape, int i)
{
  return &g_array_index (tape->buffers, Cnn3dTrainBuffer, i);
}

static inline gboolean
step_is_depthwise (const Cnn3dTrainStep *step)
{
  const Cnn3dNode *node = step->node;

  return node->op == CNN3D_OP_CONV && node->groups > 1 && node->groups == step->in.c
      && node->groups == node->shape.c && node->kernel.w == 3 && node->stride.w <= 2;
}

static inline const Real *
lane_data (const Cnn3dTape *tape, const Cnn3dTrainLane *lane)
{
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, lane->buffer);

  return buffer->x + (gsize) lane->channel * buffer->stride;
}

/* Thread t of n gets [share (total, t, n), share (total, t + 1, n)). */
static inline gint64
tape_share (gint64 total, int t, int n)
{
  return total * t / n;
}

/* Adds n more values, some thousand at most, to the statistics of a channel. */
static inline void
tape_add_stats (const Cnn3dTape *tape, int thread, int channel, const Real *x, gsize n)
{
  Cnn3dTrainStats *s = &tape->stats[thread][channel];
  double mean, m2, delta, count = s->count + (double) n;

  tape->kernels->moments (x, n, &mean, &m2);
  delta = mean - s->mean;
  s->m2 += m2 + delta * delta * s->count * (double) n / count;
  s->mean += delta * (double) n / count;
  s->count = count;
}

/* Values that sums in Real may take before they go on in double. */
#define CNN3D_TRAIN_RUN 2048

G_END_DECLS
