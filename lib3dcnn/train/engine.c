/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a tape forward and backward; the loss; the update of parameters. */

#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/train/tape.h"

#include <math.h>
#include <sys/mman.h>

typedef struct {
  Cnn3dTapeFunc *forward, *backward;
} Operation;

static Operation
operation_of (const Cnn3dTrainStep *step)
{
  switch (step->node->op) {
    case CNN3D_OP_INPUT:
      return (Operation){ cnn3d_train_input_forward, NULL };
    case CNN3D_OP_MAXPOOL:
    case CNN3D_OP_AVGPOOL:
      return (Operation){ cnn3d_train_pool_forward, cnn3d_train_pool_backward };
    case CNN3D_OP_ADD:
      return (Operation){ cnn3d_train_add_forward, cnn3d_train_add_backward };
    case CNN3D_OP_DROPOUT:
      return (Operation){ cnn3d_train_dropout_forward, cnn3d_train_dropout_backward };
    default:
      if (step_is_depthwise (step))
        return (Operation){ cnn3d_train_depthwise_forward, cnn3d_train_depthwise_backward };
      return (Operation){ cnn3d_train_dense_forward, cnn3d_train_dense_backward };
  }
}

static gboolean
choose_kernels (Cnn3dTape *tape, GError **error)
{
  tape->kernels = &tape->own_kernels;
#ifdef CNN3D_TRAIN_DOUBLE
  cnn3d_train_kernels_init_double (&tape->own_kernels);
#else
  const Cnn3dKernels *chosen = cnn3d_isa_choose (error);

  if (chosen == NULL)
    return FALSE;
#define CNN3D_ISA_ENTRY(name, supported)                                                           \
  if (strcmp (chosen->isa, #name) == 0)                                                            \
    cnn3d_train_kernels_init_##name (&tape->own_kernels);
#include "lib3dcnn/cpu/isas.inc"
#undef CNN3D_ISA_ENTRY
#endif
  return TRUE;
}

static void
destroy (gpointer engine)
{
  Cnn3dTape *tape = engine;

  cnn3d_workers_free (tape->workers);
  for (int t = 0; t < tape->n_threads; t++) {
    g_aligned_free (tape->scratch[t]);
    g_free (tape->stats[t]);
  }
  g_free (tape->scratch);
  g_free (tape->stats);
  if (tape->arena != NULL)
    munmap (tape->arena, tape->arena_capacity);
  cnn3d_train_tape_free (tape);
}

static gpointer
create (const Cnn3dGraph *graph, int n_threads, gboolean last_only, gboolean squares, double dropout,
    GError **error)
{
  Cnn3dTape *tape = cnn3d_train_tape_new (graph, last_only, squares);

  tape->dropout = dropout;
  tape->n_threads = n_threads;
  tape->scratch = g_new0 (Real *, n_threads);
  tape->stats = g_new0 (Cnn3dTrainStats *, n_threads);
  for (int t = 0; t < n_threads; t++)
    tape->stats[t] = g_new0 (Cnn3dTrainStats, tape->max_channels);
  if (choose_kernels (tape, error))
    tape->workers = cnn3d_workers_new (n_threads, error);
  if (tape->workers == NULL) {
    destroy (tape);
    return NULL;
  }
  return tape;
}

static gboolean
reserve (gpointer engine, int n, gboolean training, GError **error)
{
  Cnn3dTape *tape = engine;

  if (n == tape->planned_n && training == tape->planned_training)
    return TRUE;
  if (!cnn3d_train_tape_place (tape, n, training, error))
    return FALSE;
  tape->scratch_floats = 0;
  for (guint i = 0; i < tape->steps->len; i++) {
    Cnn3dTrainStep *step = tape_step (tape, (int) i);
    gsize in = (gsize) cnn3d_extent_count (step->in.e) * (gsize) n;
    gsize out = (gsize) cnn3d_extent_count (step->node->shape.e) * (gsize) n;
    gsize line = (gsize) step->in.e.w * (gsize) n;

    if (operation_of (step).forward == cnn3d_train_dense_forward)
      cnn3d_train_dense_init (tape, step);
    else
      tape->scratch_floats = MAX (tape->scratch_floats, in + out + line + CNN3D_TRAIN_ALIGN);
  }
  /* Dense steps keep a thread's gradient of their weights and bias behind their matrices. */
  tape->scratch_floats = (tape->scratch_floats | (CNN3D_TRAIN_ALIGN - 1)) + 1;
  for (int t = 0; t < tape->n_threads; t++) {
    g_aligned_free (tape->scratch[t]);
    tape->scratch[t] = g_aligned_alloc (
        tape->scratch_floats + tape->max_weights + (gsize) tape->max_channels + CNN3D_TRAIN_ALIGN,
        sizeof (Real), 64);
  }
  return TRUE;
}

static void
run_forward (gpointer data, int thread)
{
  Cnn3dTape *tape = data;
  int n = (int) tape->steps->len;

  for (int i = tape->features != NULL ? tape->head : 0; i < n; i++) {
    Cnn3dTrainStep *step = tape_step (tape, i);

    if (tape_buffer (tape, step->buffer)->norm >= 0)
      memset (tape->stats[thread], 0, sizeof (Cnn3dTrainStats) * (gsize) step->node->shape.c);
    operation_of (step).forward (tape, step, thread);
    cnn3d_workers_barrier (tape->workers);
    if (tape_buffer (tape, step->buffer)->norm >= 0) {
      cnn3d_train_norm_forward (tape, step, thread);
      cnn3d_workers_barrier (tape->workers);
    }
  }
}

/* Whether each channel that the step gives a gradient to has one already. */
static void
mark_inputs (Cnn3dTape *tape, Cnn3dTrainStep *step)
{
  for (int k = 0; k < step->n_inputs; k++)
    for (int i = 0; i < step->n_lanes[k]; i++) {
      Cnn3dTrainLane *lane = &step->lanes[k][i];
      gboolean *written = &tape_buffer (tape, lane->buffer)->written[lane->channel];

      lane->add = *written;
      *written = TRUE;
    }
}

static void
run_backward (gpointer data, int thread)
{
  Cnn3dTape *tape = data;

  for (int i = (int) tape->steps->len - 1; i >= 0; i--) {
    Cnn3dTrainStep *step = tape_step (tape, i);

    if (!tape_buffer (tape, step->buffer)->needs_grad)
      continue;
    cnn3d_train_norm_backward (tape, step, thread);
    if (thread == 0)
      mark_inputs (tape, step);
    cnn3d_workers_barrier (tape->workers);
    if (step->trained || step->wants_input)
      operation_of (step).backward (tape, step, thread);
    cnn3d_workers_barrier (tape->workers);
  }
}

static void
forward (Cnn3dTape *tape, const float *clips, const float *features, gboolean training)
{
  tape->clips = clips;
  tape->features = features;
  tape->training = training;
  cnn3d_workers_run (tape->workers, run_forward, tape);
}

/* Logit of class c for clip i. */
static Real
logit (const Cnn3dTape *tape, int c, int i)
{
  const Cnn3dTrainLane *lane = &tape->outputs[c];
  Cnn3dAffine f = cnn3d_train_lane_read (tape, lane);
  Real y;

  tape->kernels->affine (&y, lane_data (tape, lane) + i, 1, &f);
  return y;
}

/* Softmax and cross-entropy, averaged over the batch; leaves the gradient of the logits. */
static double
loss (Cnn3dTape *tape, const int *targets, int *correct)
{
  int classes = tape->graph->config.classes;
  g_autofree double *e = g_new (double, classes);
  double total[2] = { 0, 0 }, n = tape->n;

  if (tape->reduce != NULL)
    tape->reduce (&n, 1, tape->reduce_data);
  for (int c = 0; c < classes; c++)
    tape->outputs[c].add = FALSE;
  for (int i = 0; i < tape->n; i++) {
    double most = -INFINITY, sum = 0;
    int best = 0;

    for (int c = 0; c < classes; c++) {
      e[c] = logit (tape, c, i);
      if (e[c] > most) {
        most = e[c];
        best = c;
      }
    }
    total[1] += best == targets[i];
    for (int c = 0; c < classes; c++)
      sum += exp (e[c] - most);
    total[0] += log (sum) + most - e[targets[i]];
    for (int c = 0; c < classes; c++) {
      Real d = (Real) ((exp (e[c] - most) / sum - (c == targets[i])) / n);
      cnn3d_train_lane_add (tape, &tape->outputs[c], (gsize) i, &d, 1);
    }
  }
  for (int c = 0; c < classes; c++)
    tape_buffer (tape, tape->outputs[c].buffer)->written[tape->outputs[c].channel] = TRUE;
  if (tape->reduce != NULL)
    tape->reduce (total, 2, tape->reduce_data);
  *correct = (int) total[1];
  return total[0] / n;
}

/* Gradients of all processes, some at a time. */
static void
reduce_gradients (Cnn3dTape *tape)
{
  enum { RUN = 65536 };
  g_autofree double *values = g_new (double, RUN);

  for (guint p = 0; p < tape->graph->params->len; p++) {
    gint64 n = cnn3d_param_count (cnn3d_graph_param (tape->graph, (int) p));

    for (gint64 i = 0; tape->grads[p] != NULL && i < n; i += RUN) {
      gint64 count = MIN (n - i, RUN);

      for (gint64 k = 0; k < count; k++)
        values[k] = tape->grads[p][i + k];
      tape->reduce (values, (gsize) count, tape->reduce_data);
      for (gint64 k = 0; k < count; k++)
        tape->grads[p][i + k] = (Real) values[k];
    }
  }
}

static double
step (gpointer engine, const Cnn3dTrainBatch *batch, int *correct)
{
  Cnn3dTape *tape = engine;
  double value;

  tape->seed = batch->seed;
  forward (tape, batch->clips, batch->features, TRUE);
  value = loss (tape, batch->targets, correct);
  cnn3d_workers_run (tape->workers, run_backward, tape);
  if (tape->reduce != NULL)
    reduce_gradients (tape);
  return value;
}

static void
evaluate (gpointer engine, const float *clips, int n, float *logits)
{
  Cnn3dTape *tape = engine;
  int classes = tape->graph->config.classes;

  forward (tape, clips, NULL, FALSE);
  for (int i = 0; i < n; i++)
    for (int c = 0; c < classes; c++)
      logits[i * classes + c] = (float) logit (tape, c, i);
}

static gsize
get_n_features (gpointer engine)
{
  Cnn3dTape *tape = engine;

  return tape->head < 0 ? 0 : (gsize) cnn3d_shape_count (&tape_step (tape, tape->head)->in);
}

/* Dropout does nothing here, so its output is its input. */
static void
compute_features (gpointer engine, const float *clips, int n, float *features)
{
  Cnn3dTape *tape = engine;
  const Cnn3dTrainBuffer *buffer = tape_buffer (tape, tape_step (tape, tape->head)->buffer);
  gint64 positions = cnn3d_extent_count (buffer->e);

  forward (tape, clips, NULL, FALSE);
  for (int i = 0; i < n; i++)
    for (int c = 0; c < buffer->channels; c++)
      for (gint64 p = 0; p < positions; p++)
        *features++ = (float) buffer->x[(gsize) c * buffer->stride + (gsize) (p * n + i)];
}

static void
set_reduce (gpointer engine, Cnn3dTrainReduce *reduce, gpointer data, int rank)
{
  Cnn3dTape *tape = engine;

  tape->reduce = reduce;
  tape->reduce_data = data;
  tape->rank = rank;
}

/* PyTorch's SGD: decay is part of the gradient. */
static void
update_sgd (Real *w, Real *m, const Real *g, gint64 n, Real scale, const Cnn3dTrainUpdate *u)
{
  Real decay = (Real) u->weight_decay, rate = (Real) u->rate, momentum = (Real) u->momentum;
  Real part = (Real) (u->nesterov ? 1 : 1 - u->dampening);

  for (gint64 k = 0; k < n; k++) {
    Real d = g[k] * scale + decay * w[k];
    m[k] = u->step == 1 ? d : momentum * m[k] + part * d;
    w[k] -= rate * (u->nesterov ? d + momentum * m[k] : m[k]);
  }
}

/* Means begin at zero, so they are divided by how much of them the steps so far have filled. */
static void
update_adamw (Real *w, Real *m, Real *q, const Real *g, gint64 n, Real scale, const Cnn3dTrainUpdate *u)
{
  double fill1 = 1 - pow (u->momentum, (double) u->step), fill2 = 1 - pow (u->beta2, (double) u->step);
  Real rate = (Real) (u->rate / fill1), keep = (Real) (1 - u->rate * u->weight_decay);
  Real root = (Real) (1 / sqrt (fill2)), beta1 = (Real) u->momentum, beta2 = (Real) u->beta2;

  for (gint64 k = 0; k < n; k++) {
    Real d = g[k] * scale;
    m[k] = beta1 * m[k] + (1 - beta1) * d;
    q[k] = beta2 * q[k] + (1 - beta2) * d * d;
    w[k] = keep * w[k] - rate * m[k] / ((Real) sqrt (q[k]) * root + (Real) 1e-8);
  }
}

static double
update (gpointer engine, const Cnn3dTrainUpdate *u)
{
  Cnn3dTape *tape = engine;
  double squares = 0, norm, scale = 1;

  for (guint i = 0; i < tape->graph->params->len; i++) {
    gint64 n = cnn3d_param_count (cnn3d_graph_param (tape->graph, (int) i));
    for (gint64 k = 0; tape->grads[i] != NULL && k < n; k++)
      squares += (double) tape->grads[i][k] * tape->grads[i][k];
  }
  norm = sqrt (squares);
  if (u->clip_norm > 0 && norm > u->clip_norm)
    scale = u->clip_norm / norm;

  for (guint i = 0; i < tape->graph->params->len; i++) {
    gint64 n = cnn3d_param_count (cnn3d_graph_param (tape->graph, (int) i));

    if (tape->grads[i] == NULL)
      continue;
    if (u->adamw)
      update_adamw (tape->params[i], tape->momentum[i], tape->squares[i], tape->grads[i], n, (Real) scale, u);
    else
      update_sgd (tape->params[i], tape->momentum[i], tape->grads[i], n, (Real) scale, u);
  }
  return norm;
}

static gpointer
get_value (gpointer engine, int param)
{
  return ((Cnn3dTape *) engine)->params[param];
}

static gpointer
get_gradient (gpointer engine, int param)
{
  return ((Cnn3dTape *) engine)->grads[param];
}

static gpointer
get_momentum (gpointer engine, int param)
{
  return ((Cnn3dTape *) engine)->momentum[param];
}

static gpointer
get_square (gpointer engine, int param)
{
  return ((Cnn3dTape *) engine)->squares[param];
}

static gsize
get_bytes (gpointer engine)
{
  Cnn3dTape *tape = engine;

  return tape->arena_bytes + sizeof (Real) * (tape->scratch_floats + tape->max_weights)
      * (gsize) tape->n_threads;
}

const Cnn3dTrainEngineClass cnn3d_train_engine = {
  .name = sizeof (Real) == 8 ? "double" : "float",
  .real_size = sizeof (Real),
  .create = create,
  .destroy = destroy,
  .reserve = reserve,
  .step = step,
  .evaluate = evaluate,
  .compute_features = compute_features,
  .get_n_features = get_n_features,
  .set_reduce = set_reduce,
  .update = update,
  .get_value = get_value,
  .get_gradient = get_gradient,
  .get_momentum = get_momentum,
  .get_square = get_square,
  .get_bytes = get_bytes,
};
