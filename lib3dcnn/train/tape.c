/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/train/tape.h"

#include <math.h>

/* The channels of every node's output while the tape is made. */
typedef struct {
  Cnn3dTape *tape;
  Cnn3dTrainLane **lanes;
} Builder;

static Cnn3dTrainLane *
lanes_of (Builder *b, int node)
{
  return b->lanes[node];
}

static int
channels_of (Builder *b, int node)
{
  return cnn3d_graph_node (b->tape->graph, node)->shape.c;
}

/* A step that stores its result, and lanes that read it as it is. */
static void
add_step (Builder *b, int index, const Cnn3dNode *node)
{
  Cnn3dTape *tape = b->tape;
  int id = (int) tape->buffers->len, c = node->shape.c;
  Cnn3dTrainStep step = { .node = node, .buffer = id, .n_inputs = node->n_inputs };
  Cnn3dTrainBuffer buffer = { .channels = c, .e = node->shape.e, .norm = -1,
    .step = (int) tape->steps->len, .last_use = (int) tape->steps->len };

  step.trained = node->n_params > 0
      && (!tape->last_only || node->param + node->n_params == (int) tape->graph->params->len);
  for (int k = 0; k < node->n_inputs; k++) {
    step.n_lanes[k] = channels_of (b, node->inputs[k]);
    step.lanes[k] = g_memdup2 (lanes_of (b, node->inputs[k]),
        sizeof (Cnn3dTrainLane) * (gsize) step.n_lanes[k]);
    for (int i = 0; i < step.n_lanes[k]; i++) {
      Cnn3dTrainBuffer *in = tape_buffer (tape, step.lanes[k][i].buffer);
      in->last_use = buffer.step;
      step.wants_input |= in->needs_grad;
      in->keep |= step.trained;
    }
  }
  if (node->n_inputs > 0)
    step.in = cnn3d_graph_node (tape->graph, node->inputs[0])->shape;
  buffer.needs_grad = step.trained || step.wants_input;
  buffer.affine = g_new (Cnn3dAffine, c);
  buffer.inv_std = g_new (Real, c);
  buffer.grad_affine = g_new (Cnn3dGradAffine, c);
  buffer.written = g_new0 (gboolean, c);
  for (int i = 0; i < c; i++) {
    buffer.affine[i] = (Cnn3dAffine){ 0, 1, 0, -INFINITY, INFINITY };
    buffer.grad_affine[i] = (Cnn3dGradAffine){ 1, 0, 0, 0 };
  }
  g_array_append_val (tape->buffers, buffer);
  g_array_append_val (tape->steps, step);
  b->lanes[index] = g_new (Cnn3dTrainLane, c);
  for (int i = 0; i < c; i++)
    b->lanes[index][i] = (Cnn3dTrainLane){ id, i, FALSE, FALSE, -INFINITY, INFINITY };
}

/* BatchNorm belongs to the buffer that a convolution before it made. */
static void
add_norm (Builder *b, int index, const Cnn3dNode *node)
{
  Cnn3dTrainLane *lanes = g_memdup2 (lanes_of (b, node->inputs[0]),
      sizeof (Cnn3dTrainLane) * (gsize) node->shape.c);
  Cnn3dTrainBuffer *buffer = tape_buffer (b->tape, lanes[0].buffer);

  g_assert (buffer->norm < 0 && buffer->channels == node->shape.c);
  for (int i = 0; i < node->shape.c; i++) {
    g_assert (lanes[i].buffer == lanes[0].buffer && lanes[i].channel == i && !isfinite (lanes[i].low));
    lanes[i].norm = TRUE;
  }
  buffer->norm = index;
  if (!b->tape->last_only)
    buffer->needs_grad = TRUE;
  b->lanes[index] = lanes;
}

static void
add_view (Builder *b, int index, const Cnn3dNode *node)
{
  int c = node->shape.c;
  Cnn3dTrainLane *lanes = b->lanes[index] = g_new (Cnn3dTrainLane, c);
  const Cnn3dTrainLane *in = lanes_of (b, node->inputs[0]);

  for (int i = 0; i < c; i++)
    switch (node->op) {
      case CNN3D_OP_RELU:
      case CNN3D_OP_RELU6:
        lanes[i] = in[i];
        lanes[i].low = MAX (in[i].low, 0);
        if (node->op == CNN3D_OP_RELU6)
          lanes[i].high = MIN (in[i].high, 6);
        break;
      case CNN3D_OP_SLICE:
        lanes[i] = in[node->first + i];
        break;
      case CNN3D_OP_SHUFFLE:
        lanes[i] = in[i % node->groups * (c / node->groups) + i / node->groups];
        break;
      default: { /* CONCAT */
        int c0 = channels_of (b, node->inputs[0]);
        lanes[i] = i < c0 ? in[i] : lanes_of (b, node->inputs[1])[i - c0];
        break;
      }
    }
}

static gpointer
own_array (gsize n)
{
  return g_aligned_alloc0 (n + CNN3D_TRAIN_ALIGN, sizeof (Real), 64);
}

static void
add_params (Cnn3dTape *tape, gboolean squares)
{
  int n = (int) tape->graph->params->len;

  tape->params = g_new0 (Real *, n);
  tape->grads = g_new0 (Real *, n);
  tape->momentum = g_new0 (Real *, n);
  tape->squares = g_new0 (Real *, n);
  for (int i = 0; i < n; i++)
    tape->params[i] = own_array ((gsize) cnn3d_param_count (cnn3d_graph_param (tape->graph, i)));
  for (guint i = 0; i < tape->graph->nodes->len; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (tape->graph, (int) i);
    gboolean trained = !tape->last_only || node->param + node->n_params == n;

    for (int p = node->param; p < node->param + node->n_params; p++)
      if (trained && cnn3d_graph_param (tape->graph, p)->learned) {
        gsize count = (gsize) cnn3d_param_count (cnn3d_graph_param (tape->graph, p));
        tape->grads[p] = own_array (count);
        tape->momentum[p] = own_array (count);
        tape->squares[p] = squares ? own_array (count) : NULL;
      }
  }
}

Cnn3dTape *
cnn3d_train_tape_new (const Cnn3dGraph *graph, gboolean last_only, gboolean squares)
{
  Cnn3dTape *tape = g_new0 (Cnn3dTape, 1);
  int n = (int) graph->nodes->len;
  Builder b = { tape, g_new0 (Cnn3dTrainLane *, n) };

  tape->graph = graph;
  tape->last_only = last_only;
  tape->steps = g_array_new (FALSE, TRUE, sizeof (Cnn3dTrainStep));
  tape->buffers = g_array_new (FALSE, TRUE, sizeof (Cnn3dTrainBuffer));
  for (int i = 0; i < n; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, i);

    tape->max_channels = MAX (tape->max_channels, node->shape.c);
    switch (node->op) {
      case CNN3D_OP_BATCHNORM:
        add_norm (&b, i, node);
        break;
      case CNN3D_OP_RELU:
      case CNN3D_OP_RELU6:
      case CNN3D_OP_SLICE:
      case CNN3D_OP_SHUFFLE:
      case CNN3D_OP_CONCAT:
        add_view (&b, i, node);
        break;
      default:
        add_step (&b, i, node);
        break;
    }
  }
  tape->outputs = g_steal_pointer (&b.lanes[n - 1]);
  for (int i = 0; i < n; i++)
    g_free (b.lanes[i]);
  g_free (b.lanes);
  for (guint i = 0; i < tape->buffers->len; i++)
    tape_buffer (tape, (int) i)->keep |= tape_buffer (tape, (int) i)->needs_grad;
  tape->head = -1;
  for (guint i = 0; i < tape->steps->len; i++)
    if (tape_step (tape, (int) i)->node->op == CNN3D_OP_DROPOUT)
      tape->head = (int) i;
  tape->sums = g_new0 (double, 2 * tape->max_channels + 1);
  add_params (tape, squares);
  return tape;
}

void
cnn3d_train_tape_free (Cnn3dTape *tape)
{
  for (guint i = 0; i < tape->steps->len; i++) {
    Cnn3dTrainStep *step = tape_step (tape, (int) i);
    for (int k = 0; k < step->n_inputs; k++)
      g_free (step->lanes[k]);
    g_aligned_free (step->dense.forward);
    g_aligned_free (step->dense.transposed);
    g_free (step->dense.input.at);
    g_free (step->dense.gradient.at);
  }
  for (guint i = 0; i < tape->buffers->len; i++) {
    Cnn3dTrainBuffer *buffer = tape_buffer (tape, (int) i);
    g_free (buffer->affine);
    g_free (buffer->inv_std);
    g_free (buffer->grad_affine);
    g_free (buffer->written);
  }
  for (guint i = 0; i < tape->graph->params->len; i++) {
    g_aligned_free (tape->params[i]);
    g_aligned_free (tape->grads[i]);
    g_aligned_free (tape->momentum[i]);
    g_aligned_free (tape->squares[i]);
  }
  g_free (tape->sums);
  g_free (tape->params);
  g_free (tape->grads);
  g_free (tape->momentum);
  g_free (tape->squares);
  g_free (tape->outputs);
  g_array_unref (tape->steps);
  g_array_unref (tape->buffers);
  g_free (tape);
}
