/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/lower.h"

/* What is known about a node of the graph while it is lowered. */
typedef struct {
  int n_consumers;
  int consumer; /* the last one */
  int buffer;   /* where its channels lie, or -1 */
  int *lanes;
} Value;

typedef struct {
  const Cnn3dGraph *graph;
  Cnn3dGpuPlan *plan;
  Value *values;
} Lowering;

static int
round_lanes (int channels)
{
  return (channels + CNN3D_GPU_LANES - 1) / CNN3D_GPU_LANES * CNN3D_GPU_LANES;
}

static int
new_buffer (Lowering *l, int lanes, Cnn3dExtent extent)
{
  Cnn3dGpuBuffer buffer = { .lanes = lanes, .extent = extent, .first = (int) l->plan->steps->len };

  g_array_append_val (l->plan->buffers, buffer);
  return (int) l->plan->buffers->len - 1;
}

static int *
lanes_from (int first, int n)
{
  int *lanes = g_new (int, n);

  for (int c = 0; c < n; c++)
    lanes[c] = first + c;
  return lanes;
}

static int *
copy_lanes (const int *lanes, int n)
{
  return g_memdup2 (lanes, (gsize) n * sizeof *lanes);
}

static int
channels_of (Lowering *l, int node)
{
  return cnn3d_graph_node (l->graph, node)->shape.c;
}

/* Takes lanes. */
static void
set_value (Lowering *l, int node, int buffer, int *lanes)
{
  g_assert (l->values[node].buffer < 0);
  l->values[node].buffer = buffer;
  l->values[node].lanes = lanes;
}

/* Completes a step whose y holds the value of node `value`. */
static void
add_step (Lowering *l, Cnn3dGpuStep *step, int value)
{
  int n = (int) l->plan->steps->len;
  Cnn3dGpuBuffer *x = cnn3d_gpu_plan_buffer (l->plan, step->x);

  step->clamp = x->clamp;
  x->last = n;
  cnn3d_gpu_plan_buffer (l->plan, step->y)->last = n;
  if (step->z >= 0) {
    g_assert (!cnn3d_gpu_plan_buffer (l->plan, step->z)->clamp);
    cnn3d_gpu_plan_buffer (l->plan, step->z)->last = n;
  }
  /* Only our own kernels clamp what they load. */
  g_assert (step->kind != CNN3D_GPU_CONV || !step->clamp);
  if (step->kind == CNN3D_GPU_CONV && step->activation == CNN3D_ACTIVATION_RELU6)
    cnn3d_gpu_plan_buffer (l->plan, step->y)->clamp = TRUE;
  step->value = value;
  step->lanes = copy_lanes (l->values[value].lanes, channels_of (l, value));
  g_array_append_val (l->plan->steps, *step);
}

static void
init_step (Lowering *l, Cnn3dGpuStep *step, Cnn3dGpuKind kind, int i)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);

  *step = (Cnn3dGpuStep){ .kind = kind, .module = node->module, .kernel = node->kernel,
    .stride = node->stride, .pad = node->pad, .out = node->shape.e,
    .in = cnn3d_graph_node (l->graph, node->inputs[0])->shape.e,
    .x = l->values[node->inputs[0]].buffer, .z = -1 };
}

/*
 * Takes over what can be computed when a step's value v is stored, and returns the value that is
 * stored then. *batchnorm and *residual keep what they are if there is none.
 */
static int
follow (Lowering *l, int v, Cnn3dActivation *activation, int *batchnorm, int *residual)
{
  while (l->values[v].n_consumers == 1) {
    int n = l->values[v].consumer;
    const Cnn3dNode *next = cnn3d_graph_node (l->graph, n);

    if (next->op == CNN3D_OP_BATCHNORM && batchnorm != NULL && *batchnorm < 0) {
      *batchnorm = n;
    } else if (next->op == CNN3D_OP_RELU && *activation == CNN3D_ACTIVATION_NONE) {
      *activation = CNN3D_ACTIVATION_RELU;
    } else if (next->op == CNN3D_OP_RELU6 && *activation == CNN3D_ACTIVATION_NONE) {
      *activation = CNN3D_ACTIVATION_RELU6;
    } else if (next->op == CNN3D_OP_ADD && residual != NULL && *residual < 0
        && *activation == CNN3D_ACTIVATION_NONE
        && l->values[next->inputs[next->inputs[0] == v]].buffer >= 0) {
      *residual = next->inputs[next->inputs[0] == v];
    } else {
      break;
    }
    v = n;
  }
  return v;
}

/* The concatenation that alone reads v, or -1. */
static int
concat_of (Lowering *l, int v)
{
  int n = l->values[v].consumer;

  return l->values[v].n_consumers == 1 && cnn3d_graph_node (l->graph, n)->op == CNN3D_OP_CONCAT ? n : -1;
}

/* What made v, up to BatchNorm and activations. */
static int
root_of (Lowering *l, int v)
{
  for (;;) {
    const Cnn3dNode *node = cnn3d_graph_node (l->graph, v);

    if (node->op != CNN3D_OP_BATCHNORM && node->op != CNN3D_OP_RELU && node->op != CNN3D_OP_RELU6)
      return v;
    v = node->inputs[0];
  }
}

static void
add_part (Lowering *l, Cnn3dGpuStep *step, int i, int batchnorm, const int *to)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
  const Value *in = &l->values[node->inputs[0]];

  step->parts[step->n_parts++] = (Cnn3dGpuPart){ .node = i, .batchnorm = batchnorm,
    .from = copy_lanes (in->lanes, channels_of (l, node->inputs[0])),
    .to = copy_lanes (to, node->shape.c) };
  step->macs += cnn3d_param_count (cnn3d_graph_param (l->graph, node->param))
      * cnn3d_extent_count (node->shape.e);
}

/* A pool of the shortcut, written to lanes [first, ...) of a buffer of `lanes` that is zero elsewhere. */
static int
pool_into (Lowering *l, int i, int first, int lanes)
{
  Cnn3dGpuStep step;
  int channels = channels_of (l, i), in = cnn3d_graph_node (l->graph, i)->inputs[0];

  init_step (l, &step, CNN3D_GPU_AVGPOOL, i);
  step.y = new_buffer (l, lanes, step.out);
  step.n_lanes = lanes;
  step.from = g_new (int, lanes);
  for (int lane = 0; lane < lanes; lane++)
    step.from[lane] = lane >= first && lane < first + channels
        ? l->values[in].lanes[lane - first] : -1;
  set_value (l, i, step.y, lanes_from (first, channels));
  add_step (l, &step, i);
  return step.y;
}

static int
compare_lanes (gconstpointer a, gconstpointer b)
{
  return *(const int *) a - *(const int *) b;
}

/* Concatenates v, just computed, with a slice: v takes the lanes of the other slice, which has been read. */
static void
copy_over_slice (Lowering *l, int v, int concat, int slice)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, concat);
  int source = cnn3d_graph_node (l->graph, slice)->inputs[0], kept = channels_of (l, slice);
  int channels = channels_of (l, v), total = node->shape.c, freed = 0;
  int *lanes = g_new (int, total);
  gboolean v_first = node->inputs[0] == v;
  Cnn3dGpuStep step = { .kind = CNN3D_GPU_COPY, .z = -1, .in = node->shape.e, .out = node->shape.e,
    .x = l->values[v].buffer, .y = l->values[source].buffer, .n_lanes = channels,
    .from = copy_lanes (l->values[v].lanes, channels), .to = g_new (int, channels) };

  g_assert (l->values[source].n_consumers == 2 && kept + channels == channels_of (l, source));
  for (int c = 0; c < channels_of (l, source); c++) {
    const Cnn3dNode *s = cnn3d_graph_node (l->graph, slice);
    if (c < s->first || c >= s->first + kept)
      step.to[freed++] = l->values[source].lanes[c];
  }
  g_assert (freed == channels);
  /* In order, so that neighbours are written together. */
  qsort (step.to, (gsize) channels, sizeof (int), compare_lanes);
  memcpy (lanes + (v_first ? 0 : kept), step.to, (gsize) channels * sizeof (int));
  memcpy (lanes + (v_first ? channels : 0), l->values[slice].lanes, (gsize) kept * sizeof (int));
  set_value (l, concat, step.y, lanes);
  add_step (l, &step, concat);
}

static void
lower_conv (Lowering *l, int i)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
  int channels = node->shape.c, residual = -1, batchnorm = -1, first = 0, root = -1;
  int total = channels, slice = -1, sibling = -1;
  g_autofree int *to = NULL;
  Cnn3dGpuStep step;
  int v, concat, stored;

  init_step (l, &step, CNN3D_GPU_CONV, i);
  stored = v = follow (l, i, &step.activation, &batchnorm, &residual);
  concat = concat_of (l, v);
  if (concat >= 0) {
    const Cnn3dNode *join = cnn3d_graph_node (l->graph, concat);
    int other = join->inputs[join->inputs[0] == v];
    const Cnn3dNode *made;

    root = root_of (l, other);
    made = cnn3d_graph_node (l->graph, root);
    total = join->shape.c;
    first = join->inputs[0] == v ? 0 : total - channels;
    if (made->op == CNN3D_OP_SLICE) {
      slice = root;
      first = 0;
      total = channels;
    } else if (made->op == CNN3D_OP_CONV && made->inputs[0] == node->inputs[0]
        && step.activation == CNN3D_ACTIVATION_NONE) {
      if (root > i)
        return; /* done together with the other one */
      sibling = root;
      stored = follow (l, concat, &step.activation, NULL, &residual);
    } else if (made->op == CNN3D_OP_AVGPOOL && l->values[root].buffer < 0) {
      step.z = pool_into (l, root, first == 0 ? channels : 0, round_lanes (total));
      stored = follow (l, concat, &step.activation, NULL, NULL);
    } else if (l->values[other].buffer >= 0) {
      step.z = l->values[other].buffer;
      stored = concat;
    }
    g_assert (step.z < 0 || cnn3d_gpu_plan_buffer (l->plan, step.z)->lanes == round_lanes (total));
  }

  if (residual >= 0) {
    step.z = l->values[residual].buffer;
    to = copy_lanes (l->values[residual].lanes, total);
    step.y = new_buffer (l, cnn3d_gpu_plan_buffer (l->plan, step.z)->lanes, step.out);
  } else {
    to = lanes_from (0, total);
    step.y = new_buffer (l, round_lanes (total), step.out);
  }
  if (sibling >= 0) {
    Cnn3dActivation none = CNN3D_ACTIVATION_NONE;
    int sibling_batchnorm = -1;
    const Cnn3dNode *s = cnn3d_graph_node (l->graph, sibling);

    follow (l, sibling, &none, &sibling_batchnorm, NULL);
    add_part (l, &step, sibling, sibling_batchnorm, to + (first == 0 ? channels : 0));
    step.kernel.t = MAX (step.kernel.t, s->kernel.t);
    step.kernel.h = MAX (step.kernel.h, s->kernel.h);
    step.kernel.w = MAX (step.kernel.w, s->kernel.w);
    step.pad.t = step.kernel.t / 2;
    step.pad.h = step.kernel.h / 2;
    step.pad.w = step.kernel.w / 2;
  }
  add_part (l, &step, i, batchnorm, to + first);
  if (stored == v && concat >= 0)
    set_value (l, v, step.y, copy_lanes (to + first, channels));
  else
    set_value (l, stored, step.y, copy_lanes (to, total));
  add_step (l, &step, stored);
  if (slice >= 0)
    copy_over_slice (l, v, concat, slice);
}

/* One lane in, one lane out: the order of lanes stays, unless most of them are not this value's. */
static void
lower_lanewise (Lowering *l, int i, Cnn3dGpuKind kind)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
  const Value *in = &l->values[node->inputs[0]];
  int channels = node->shape.c, batchnorm = -1, lanes, stored;
  g_autofree int *to = NULL;
  Cnn3dGpuStep step;

  init_step (l, &step, kind, i);
  lanes = cnn3d_gpu_plan_buffer (l->plan, step.x)->lanes;
  if (lanes > round_lanes (channels)) {
    lanes = round_lanes (channels);
    step.n_lanes = lanes;
    step.from = g_new (int, lanes);
    for (int lane = 0; lane < lanes; lane++)
      step.from[lane] = lane < channels ? in->lanes[lane] : kind == CNN3D_GPU_DEPTHWISE ? 0 : -1;
    to = lanes_from (0, channels);
  } else {
    to = copy_lanes (in->lanes, channels);
  }
  step.y = new_buffer (l, lanes, step.out);
  stored = follow (l, i, &step.activation, kind == CNN3D_GPU_DEPTHWISE ? &batchnorm : NULL, NULL);
  if (kind == CNN3D_GPU_DEPTHWISE)
    add_part (l, &step, i, batchnorm, to);
  set_value (l, stored, step.y, g_steal_pointer (&to));
  add_step (l, &step, stored);
}

/* Nodes that compute nothing. */
static void
forward_lanes (Lowering *l, int i)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
  const Value *in = &l->values[node->inputs[0]];
  int channels = node->shape.c, size = channels / MAX (node->groups, 1);
  int *lanes;

  /* The value of a node that some step took over is nowhere: only what came of it. */
  if (in->buffer < 0)
    return;
  switch (node->op) {
    case CNN3D_OP_SLICE:
      lanes = copy_lanes (in->lanes + node->first, channels);
      break;
    case CNN3D_OP_SHUFFLE:
      lanes = g_new (int, channels);
      for (int c = 0; c < channels; c++)
        lanes[c % size * node->groups + c / size] = in->lanes[c];
      break;
    case CNN3D_OP_DROPOUT:
      lanes = copy_lanes (in->lanes, channels);
      break;
    default:
      return;
  }
  set_value (l, i, in->buffer, lanes);
}

static void
lower_node (Lowering *l, int i)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
  const Cnn3dNode *in = cnn3d_graph_node (l->graph, node->inputs[0]);

  switch (node->op) {
    case CNN3D_OP_CONV:
      if (node->groups == in->shape.c && node->groups == node->shape.c && node->kernel.t == 3)
        lower_lanewise (l, i, CNN3D_GPU_DEPTHWISE);
      else
        lower_conv (l, i);
      break;
    case CNN3D_OP_LINEAR:
      lower_conv (l, i);
      break;
    case CNN3D_OP_MAXPOOL:
      lower_lanewise (l, i, CNN3D_GPU_MAXPOOL);
      break;
    case CNN3D_OP_AVGPOOL:
      lower_lanewise (l, i, memcmp (&node->kernel, &in->shape.e, sizeof in->shape.e) == 0
              && node->pad.t + node->pad.h + node->pad.w == 0 ? CNN3D_GPU_GLOBALPOOL : CNN3D_GPU_AVGPOOL);
      break;
    default:
      forward_lanes (l, i);
      break;
  }
}

static void
step_clear (gpointer data)
{
  Cnn3dGpuStep *step = data;

  for (int p = 0; p < step->n_parts; p++) {
    g_free (step->parts[p].from);
    g_free (step->parts[p].to);
  }
  g_free (step->from);
  g_free (step->to);
  g_free (step->lanes);
}

Cnn3dGpuPlan *
cnn3d_gpu_plan_new (const Cnn3dGraph *graph)
{
  Cnn3dGpuPlan *plan = g_new0 (Cnn3dGpuPlan, 1);
  int n = (int) graph->nodes->len, features = cnn3d_graph_get_features (graph);
  Lowering l = { graph, plan, g_new0 (Value, n) };

  plan->steps = g_array_new (FALSE, FALSE, sizeof (Cnn3dGpuStep));
  plan->buffers = g_array_new (FALSE, FALSE, sizeof (Cnn3dGpuBuffer));
  g_array_set_clear_func (plan->steps, step_clear);
  for (int i = 0; i < n; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, i);

    l.values[i].buffer = -1;
    for (int k = 0; k < node->n_inputs; k++) {
      l.values[node->inputs[k]].n_consumers++;
      l.values[node->inputs[k]].consumer = i;
    }
  }
  set_value (&l, 0, new_buffer (&l, 3, cnn3d_graph_node (graph, 0)->shape.e), lanes_from (0, 3));
  for (int i = 1; i < n; i++)
    if (l.values[i].buffer < 0)
      lower_node (&l, i);

  plan->output = l.values[n - 1].buffer;
  g_assert (plan->output >= 0);
  plan->output_lanes = copy_lanes (l.values[n - 1].lanes, channels_of (&l, n - 1));
  cnn3d_gpu_plan_buffer (plan, plan->output)->last = (int) plan->steps->len;
  plan->features = l.values[features].buffer;
  plan->n_features = channels_of (&l, features);
  plan->feature_lanes = copy_lanes (l.values[features].lanes, plan->n_features);
  /* What is read of it is the stored value. */
  g_assert (plan->features >= 0 && !cnn3d_gpu_plan_buffer (plan, plan->features)->clamp);
  cnn3d_gpu_plan_buffer (plan, plan->features)->last = (int) plan->steps->len;
  for (int i = 0; i < n; i++)
    g_free (l.values[i].lanes);
  g_free (l.values);
  return plan;
}

void
cnn3d_gpu_plan_free (Cnn3dGpuPlan *plan)
{
  if (plan == NULL)
    return;
  g_array_unref (plan->steps);
  g_array_unref (plan->buffers);
  g_free (plan->output_lanes);
  g_free (plan->feature_lanes);
  g_free (plan);
}

gsize
cnn3d_gpu_plan_place (Cnn3dGpuPlan *plan, int batch, gsize size)
{
  /* The planner of the CPU's arena counts blocks of 16 floats. */
  const gsize unit = CNN3D_BLOCK * sizeof (float);
  g_autoptr (GArray) buffers = g_array_new (FALSE, TRUE, sizeof (Cnn3dBuffer));
  gsize bytes;

  for (guint i = 0; i < plan->buffers->len; i++) {
    const Cnn3dGpuBuffer *b = cnn3d_gpu_plan_buffer (plan, (int) i);
    Cnn3dBuffer buffer = { .positions = CNN3D_GPU_ALIGNMENT / (gint64) unit, .first = b->first,
      .last = b->last };

    bytes = (gsize) batch * (gsize) cnn3d_extent_count (b->extent) * (gsize) b->lanes * size;
    buffer.n_blocks = (int) ((bytes + CNN3D_GPU_ALIGNMENT - 1) / CNN3D_GPU_ALIGNMENT);
    g_array_append_val (buffers, buffer);
  }
  bytes = cnn3d_arena_plan (buffers) * sizeof (float);
  for (guint i = 0; i < plan->buffers->len; i++)
    cnn3d_gpu_plan_buffer (plan, (int) i)->offset =
        g_array_index (buffers, Cnn3dBuffer, i).offset * sizeof (float);
  return bytes;
}
