/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/plan.h"

/* What is known about a node of the graph while it is lowered. */
typedef struct {
  int n_consumers;
  int consumer;    /* the last one */
  int absorbed;    /* channels that the steps which made its input have taken over */
  int *last_use;   /* for each channel, the last node that computes with it */
  Cnn3dLane *lane; /* where each channel lies */
} Value;

typedef struct {
  const Cnn3dGraph *graph;
  Cnn3dPlan *plan;
  Value *values;
} Lowering;

static gboolean
is_step (const Cnn3dNode *node)
{
  switch (node->op) {
    case CNN3D_OP_CONV:
    case CNN3D_OP_LINEAR:
    case CNN3D_OP_MAXPOOL:
    case CNN3D_OP_AVGPOOL:
      return TRUE;
    default:
      return FALSE;
  }
}

static void
count_consumers (Lowering *l)
{
  for (guint i = 0; i < l->graph->nodes->len; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (l->graph, (int) i);

    l->values[i].lane = g_new0 (Cnn3dLane, node->shape.c);
    l->values[i].last_use = g_new0 (int, node->shape.c);
    for (int k = 0; k < node->n_inputs; k++) {
      l->values[node->inputs[k]].n_consumers++;
      l->values[node->inputs[k]].consumer = (int) i;
    }
  }
}

/* Finds, from the last node to the first, up to when each channel is needed. */
static void
find_last_uses (Lowering *l)
{
  for (int i = (int) l->graph->nodes->len - 1; i > 0; i--) {
    const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
    const int *use = l->values[i].last_use;
    int offset = 0;

    for (int k = 0; k < node->n_inputs; k++) {
      Value *in = &l->values[node->inputs[k]];
      int channels = cnn3d_graph_node (l->graph, node->inputs[k])->shape.c;

      for (int c = 0; c < channels; c++) {
        int last = i;

        switch (node->op) {
          case CNN3D_OP_SLICE:
            last = c >= node->first && c < node->first + node->shape.c ? use[c - node->first] : 0;
            break;
          case CNN3D_OP_SHUFFLE: {
            int size = channels / node->groups;
            last = use[c % size * node->groups + c / size];
            break;
          }
          case CNN3D_OP_CONCAT:
            last = use[offset + c];
            break;
          case CNN3D_OP_DROPOUT:
            last = use[c];
            break;
          default:
            break;
        }
        in->last_use[c] = MAX (in->last_use[c], last);
      }
      offset += channels;
    }
  }
}

static int
step_of_buffer (Lowering *l, int buffer)
{
  return cnn3d_plan_buffer (l->plan, buffer)->first;
}

static void
use_buffer (Lowering *l, int buffer)
{
  cnn3d_plan_buffer (l->plan, buffer)->last = (int) l->plan->steps->len;
}

static int
compare_blocks (gconstpointer a, gconstpointer b)
{
  const Cnn3dBlockRef *r = a, *q = b;

  return r->buffer != q->buffer ? r->buffer - q->buffer : r->block - q->block;
}

/* The distinct blocks in which lanes lie, in order. index: lane -> its block's place. */
static GArray *
distinct_blocks (const Cnn3dLane *lanes, int n, int *index)
{
  GArray *blocks = g_array_new (FALSE, FALSE, sizeof (Cnn3dBlockRef));
  guint n_distinct = 0, place;

  for (int c = 0; c < n; c++) {
    Cnn3dBlockRef ref = { lanes[c].buffer, lanes[c].lane / CNN3D_BLOCK };
    g_array_append_val (blocks, ref);
  }
  g_array_sort (blocks, compare_blocks);
  for (guint i = 0; i < blocks->len; i++) {
    Cnn3dBlockRef *ref = &g_array_index (blocks, Cnn3dBlockRef, i);
    if (n_distinct == 0 || compare_blocks (ref, ref - 1) != 0)
      g_array_index (blocks, Cnn3dBlockRef, n_distinct++) = *ref;
  }
  g_array_set_size (blocks, n_distinct);
  for (int c = 0; c < n; c++) {
    Cnn3dBlockRef ref = { lanes[c].buffer, lanes[c].lane / CNN3D_BLOCK };
    g_array_binary_search (blocks, &ref, compare_blocks, &place);
    index[c] = (int) place;
  }
  return blocks;
}

static void
set_layout (Cnn3dStep *step, int n_blocks)
{
  step->n_blocks = n_blocks;
  step->lane_channel = g_new (int, n_blocks * CNN3D_BLOCK);
  for (int i = 0; i < n_blocks * CNN3D_BLOCK; i++)
    step->lane_channel[i] = -1;
}

/* Lays output channel c into the lane of lanes[c], and returns the blocks that it is parallel to. */
static Cnn3dBlockRef *
layout_like (Cnn3dStep *step, const Cnn3dLane *lanes)
{
  g_autofree int *index = g_new (int, step->channels_out);
  GArray *blocks = distinct_blocks (lanes, step->channels_out, index);

  set_layout (step, (int) blocks->len);
  for (int c = 0; c < step->channels_out; c++)
    step->lane_channel[index[c] * CNN3D_BLOCK + lanes[c].lane % CNN3D_BLOCK] = c;
  return (Cnn3dBlockRef *) (gpointer) g_array_free (blocks, FALSE);
}

typedef struct {
  const int *use;
  int group; /* output channels of a group */
} Order;

/* Whether channel c is one of the last of its group, which do not fill a unit of 8 lanes. */
static gboolean
is_leftover (const Order *order, int c)
{
  return c % order->group >= order->group / 8 * 8;
}

static int
compare_channels (gconstpointer a, gconstpointer b, gpointer data)
{
  const Order *order = data;
  int c = *(const int *) a, d = *(const int *) b;

  if (order->use[c] != order->use[d])
    return order->use[d] - order->use[c];
  if (is_leftover (order, c) != is_leftover (order, d))
    return is_leftover (order, c) ? 1 : -1;
  return c - d;
}

/* Units of 8 lanes that are computed together, at most. */
#define TILE_UNITS 6

/* What products of some units take, in blocks: their own, and what those that are computed together share (cpu/pack.c). */
static double
cost_of (int units)
{
  return 0.5 * units + 0.4 * ((units + TILE_UNITS - 1) / TILE_UNITS);
}

/* What a depthwise convolution, which follows all grouped ones, takes for a block: its taps. */
#define DEPTHWISE_TAPS 27

/*
 * Lanes of a group if each is to begin at a unit of 8: lanes that are computed together then read the inputs of one group
 * only. 0 if more is lost by the lanes that are left empty, or if some channels live longer than others.
 */
static int
padded_group (const Cnn3dStep *step, const Order *order)
{
  int groups = step->groups, inputs = step->channels_in / groups, whole = order->group / 8, rest = order->group % 8;
  int packed_blocks = (step->channels_out + CNN3D_BLOCK - 1) / CNN3D_BLOCK;
  int padded_blocks = ((whole + 1) * groups + 1) / 2;
  /* The rests of all groups together read all inputs. */
  double packed = inputs * groups * (cost_of (whole) + cost_of ((rest * groups + 7) / 8));
  double padded = inputs * groups * cost_of (whole + 1);

  for (int c = 1; c < step->channels_out; c++)
    if (order->use[c] != order->use[0])
      return 0;
  if (rest == 0 || groups == 1 || padded + DEPTHWISE_TAPS * padded_blocks >= packed + DEPTHWISE_TAPS * packed_blocks)
    return 0;
  return (whole + 1) * 8;
}

/*
 * The channels that live longest come first: of a ShuffleNetV2 unit's output, half of the channels
 * go on untouched through the next units, and later steps that work on whole blocks (the
 * depthwise convolution of a shortcut) then meet them packed. Within these, the channels of a group
 * stay together by eights, as lanes that are computed together read the inputs of all their groups.
 */
static void
layout_free (Cnn3dStep *step, const int *last_use)
{
  g_autofree int *channels = g_new (int, step->channels_out);
  Order order = { last_use, step->channels_out / step->groups };
  int padded = padded_group (step, &order);

  set_layout (step, (MAX (step->channels_out, padded * step->groups) + CNN3D_BLOCK - 1) / CNN3D_BLOCK);
  for (int c = 0; c < step->channels_out; c++) {
    channels[c] = c;
    if (padded > 0)
      step->lane_channel[c / order.group * padded + c % order.group] = c;
  }
  if (padded > 0)
    return;
  g_qsort_with_data (channels, step->channels_out, sizeof (int), compare_channels, &order);
  for (int i = 0; i < step->channels_out; i++)
    step->lane_channel[i] = channels[i];
}

/*
 * Follows the value of a step forward for as long as nothing else reads it, and takes over what can
 * be computed when it is stored. Through a concatenation, the step continues with its part of it.
 * Returns the node whose value, or part from channel *first on, the step stores.
 */
static int
absorb (Lowering *l, int i, Cnn3dStep *step, int *first, const Cnn3dLane **residual)
{
  int channels = step->channels_out;

  *first = 0;
  *residual = NULL;
  for (int value = i;;) {
    const Cnn3dNode *next;
    int n = l->values[value].consumer;

    if (l->values[value].n_consumers != 1)
      return value;
    next = cnn3d_graph_node (l->graph, n);

    if (next->op == CNN3D_OP_BATCHNORM && value == i && next->inputs[0] == i) {
      step->batchnorm = n;
    } else if (next->op == CNN3D_OP_RELU || next->op == CNN3D_OP_RELU6) {
      step->activation =
          next->op == CNN3D_OP_RELU ? CNN3D_ACTIVATION_RELU : CNN3D_ACTIVATION_RELU6;
      l->values[n].absorbed += channels;
      return n;
    } else if (next->op == CNN3D_OP_ADD && *residual == NULL
        && (step->kind == CNN3D_STEP_POINTWISE || step->kind == CNN3D_STEP_CONV)) {
      int other = next->inputs[next->inputs[0] == value];
      if (other > i)
        return value;
      *residual = l->values[other].lane + *first;
    } else if (next->op == CNN3D_OP_CONCAT && *residual == NULL) {
      /* Only worth following if something to absorb comes after it. */
      const Cnn3dNode *after = cnn3d_graph_node (l->graph, l->values[n].consumer);
      if (l->values[n].n_consumers != 1
          || (after->op != CNN3D_OP_RELU && after->op != CNN3D_OP_ADD))
        return value;
      if (next->inputs[1] == value)
        *first += cnn3d_graph_node (l->graph, next->inputs[0])->shape.c;
    } else {
      return value;
    }
    l->values[n].absorbed += channels;
    value = n;
  }
}

static Cnn3dStepKind
step_kind (Lowering *l, const Cnn3dNode *node)
{
  int channels_in = cnn3d_graph_node (l->graph, node->inputs[0])->shape.c;

  if (node->op == CNN3D_OP_LINEAR)
    return CNN3D_STEP_LINEAR;
  if (node->op == CNN3D_OP_MAXPOOL)
    return CNN3D_STEP_MAXPOOL;
  if (node->op == CNN3D_OP_AVGPOOL)
    return CNN3D_STEP_AVGPOOL;
  if (node->inputs[0] == 0)
    return CNN3D_STEP_STEM;
  if (node->kernel.t * node->kernel.h * node->kernel.w == 1)
    return CNN3D_STEP_POINTWISE;
  if (node->groups == channels_in && node->groups == node->shape.c)
    return CNN3D_STEP_DEPTHWISE;
  g_assert (node->groups == 1);
  return CNN3D_STEP_CONV;
}

static void
lower_step (Lowering *l, int i)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
  const Cnn3dNode *in = cnn3d_graph_node (l->graph, node->inputs[0]);
  const Cnn3dLane *lanes = l->values[node->inputs[0]].lane, *residual;
  Cnn3dStep step = { .kind = step_kind (l, node), .node = i, .batchnorm = -1, .in = in->shape.e,
    .out = node->shape.e, .kernel = node->kernel, .stride = node->stride, .pad = node->pad,
    .groups = MAX (node->groups, 1), .channels_in = in->shape.c, .channels_out = node->shape.c,
    .module = node->module };
  Cnn3dBuffer buffer = { .positions = cnn3d_extent_count (node->shape.e),
    .first = (int) l->plan->steps->len, .last = (int) l->plan->steps->len };
  int first, stored = absorb (l, i, &step, &first, &residual);

  if (node->op == CNN3D_OP_CONV || node->op == CNN3D_OP_LINEAR)
    step.macs = cnn3d_param_count (cnn3d_graph_param (l->graph, node->param)) * buffer.positions;
  if (step.kind != CNN3D_STEP_STEM)
    step.inputs = g_memdup2 (lanes, (gsize) step.channels_in * sizeof (Cnn3dLane));

  switch (step.kind) {
    case CNN3D_STEP_DEPTHWISE:
    case CNN3D_STEP_MAXPOOL:
    case CNN3D_STEP_AVGPOOL:
      g_assert (residual == NULL);
      step.blocks = layout_like (&step, lanes);
      break;
    default:
      if (residual != NULL)
        step.residual = layout_like (&step, residual);
      else
        layout_free (&step, l->values[stored].last_use + first);
      break;
  }

  for (int c = 0; c < step.channels_in && step.inputs != NULL; c++)
    use_buffer (l, step.inputs[c].buffer);
  for (int b = 0; b < step.n_blocks && step.residual != NULL; b++)
    use_buffer (l, step.residual[b].buffer);

  step.buffer = (int) l->plan->buffers->len;
  buffer.n_blocks = step.n_blocks;
  for (int lane = 0; lane < step.n_blocks * CNN3D_BLOCK; lane++)
    if (step.lane_channel[lane] >= 0)
      l->values[i].lane[step.lane_channel[lane]] = (Cnn3dLane){ step.buffer, lane };
  g_array_append_val (l->plan->buffers, buffer);
  g_array_append_val (l->plan->steps, step);
}

/* Nodes that are no steps: their channels are lanes that exist already. */
static void
forward_lanes (Lowering *l, int i)
{
  const Cnn3dNode *node = cnn3d_graph_node (l->graph, i);
  const Cnn3dLane *x = l->values[node->inputs[0]].lane;
  Cnn3dLane *y = l->values[i].lane;
  int channels = node->shape.c, n0;

  switch (node->op) {
    case CNN3D_OP_SLICE:
      memcpy (y, x + node->first, (gsize) channels * sizeof *y);
      break;
    case CNN3D_OP_SHUFFLE:
      for (int c = 0; c < channels; c++)
        y[c % (channels / node->groups) * node->groups + c / (channels / node->groups)] = x[c];
      break;
    case CNN3D_OP_CONCAT:
      n0 = cnn3d_graph_node (l->graph, node->inputs[0])->shape.c;
      memcpy (y, x, (gsize) n0 * sizeof *y);
      memcpy (y + n0, l->values[node->inputs[1]].lane, (gsize) (channels - n0) * sizeof *y);
      break;
    case CNN3D_OP_ADD: {
      /* The operand that was computed last has taken the other one in. */
      const Cnn3dLane *z = l->values[node->inputs[1]].lane;
      g_assert (l->values[i].absorbed == channels);
      memcpy (y, step_of_buffer (l, x[0].buffer) > step_of_buffer (l, z[0].buffer) ? x : z,
          (gsize) channels * sizeof *y);
      break;
    }
    case CNN3D_OP_DROPOUT:
      memcpy (y, x, (gsize) channels * sizeof *y);
      break;
    default:
      g_assert (l->values[i].absorbed == channels);
      memcpy (y, x, (gsize) channels * sizeof *y);
      break;
  }
}

/* From this size on, a step's output has left the second cache before the next step reads it. */
#define CHAIN_BYTES (768 * 1024)

/* Whether step i is all that reads the output of the step before it, and reads nothing else. */
static gboolean
follows (const Cnn3dPlan *plan, int i)
{
  const Cnn3dStep *step, *before;

  if (i >= (int) plan->steps->len)
    return FALSE;
  step = cnn3d_plan_step (plan, i);
  before = cnn3d_plan_step (plan, i - 1);
  if (cnn3d_plan_buffer (plan, before->buffer)->last != i)
    return FALSE;
  for (int c = 0; c < step->channels_in; c++)
    if (step->inputs[c].buffer != before->buffer)
      return FALSE;
  return TRUE;
}

static int
chain_length (const Cnn3dPlan *plan, int i)
{
  const Cnn3dStep *step = cnn3d_plan_step (plan, i), *next;
  const Cnn3dBuffer *buffer = cnn3d_plan_buffer (plan, step->buffer);

  if ((step->kind != CNN3D_STEP_STEM && step->kind != CNN3D_STEP_POINTWISE)
      || step->residual != NULL || buffer->n_blocks * buffer->positions * CNN3D_BLOCK * 4 < CHAIN_BYTES
      || !follows (plan, i + 1))
    return 1;
  next = cnn3d_plan_step (plan, i + 1);
  if (next->kind != CNN3D_STEP_DEPTHWISE && next->kind != CNN3D_STEP_MAXPOOL)
    return 1;
  return follows (plan, i + 2) && cnn3d_plan_step (plan, i + 2)->kind == CNN3D_STEP_POINTWISE ? 3 : 2;
}

static void
find_chains (Cnn3dPlan *plan)
{
  int n;

  for (int i = 0; i < (int) plan->steps->len; i += n) {
    n = cnn3d_plan_step (plan, i)->chain = chain_length (plan, i);
    if (n == 1)
      continue;
    for (int k = 0; k < n - 1; k++)
      cnn3d_plan_buffer (plan, cnn3d_plan_step (plan, i + k)->buffer)->in_chain = TRUE;
    for (int k = 1; k < n; k++)
      cnn3d_plan_step (plan, i + k)->chain = 0;
    /* What its steps read and write is alive all at the same time. */
    for (guint k = 0; k < plan->buffers->len; k++) {
      Cnn3dBuffer *buffer = cnn3d_plan_buffer (plan, (int) k);

      if (buffer->first > i && buffer->first < i + n)
        buffer->first = i;
      if (buffer->last >= i && buffer->last < i + n)
        buffer->last = i + n - 1;
    }
  }
}

static gboolean
reads_as_input (const Cnn3dStep *step, int buffer)
{
  for (int c = 0; c < step->channels_in; c++)
    if (step->inputs[c].buffer == buffer)
      return TRUE;
  return FALSE;
}

/*
 * Whether step i may write its output in place of the residual: of whole buffers, whose lanes are then the output's, and
 * which nobody reads any more but for this sum. Who writes some lanes of some positions has just read these. Not so in a
 * chain, whose first step may still have to read them for the strips beside.
 */
static gboolean
is_in_place (const Cnn3dPlan *plan, int i)
{
  const Cnn3dStep *step = cnn3d_plan_step (plan, i);
  int n_blocks = 0;

  if (step->residual == NULL || step->chain != 1)
    return FALSE;
  for (int b = 0; b < step->n_blocks; b++) {
    const Cnn3dBlockRef *ref = &step->residual[b];
    const Cnn3dBuffer *buffer = cnn3d_plan_buffer (plan, ref->buffer);

    if (buffer->last != i || reads_as_input (step, ref->buffer))
      return FALSE;
    /* Blocks are in order, and each is there once. */
    if (b == 0 || ref->buffer != ref[-1].buffer)
      n_blocks += buffer->n_blocks;
  }
  return n_blocks == step->n_blocks;
}

/* Where a buffer lies: from a block on of its own room, or of that of an output which is written in its place. */
typedef struct {
  int room, block;
} Place;

/* Puts the buffers of the residual one after the other into the output's room, which is there from the first of them on. */
static void
share_room (const Cnn3dStep *step, GArray *rooms, Place *places)
{
  Place place = places[step->buffer];
  Cnn3dBuffer *room = &g_array_index (rooms, Cnn3dBuffer, place.room);

  for (int b = 0; b < step->n_blocks; b++) {
    const Cnn3dBlockRef *ref = &step->residual[b];
    Cnn3dBuffer *own = &g_array_index (rooms, Cnn3dBuffer, ref->buffer);

    places[ref->buffer] = (Place){ place.room, place.block + b - ref->block };
    room->first = MIN (room->first, own->first);
    own->n_blocks = 0;
  }
}

/* From the last step to the first, as what is written in place may itself give its place to a later output. */
static void
place_buffers (Cnn3dPlan *plan)
{
  int n = (int) plan->buffers->len;
  g_autoptr (GArray) rooms = g_array_copy (plan->buffers);
  g_autofree Place *places = g_new (Place, n);

  for (int i = 0; i < n; i++)
    places[i] = (Place){ i, 0 };
  for (int i = (int) plan->steps->len - 1; i >= 0; i--)
    if (is_in_place (plan, i))
      share_room (cnn3d_plan_step (plan, i), rooms, places);
  plan->arena = cnn3d_arena_plan (rooms);
  for (int i = 0; i < n; i++) {
    Cnn3dBuffer *buffer = cnn3d_plan_buffer (plan, i);

    buffer->offset = g_array_index (rooms, Cnn3dBuffer, places[i].room).offset
        + (gsize) places[i].block * (gsize) buffer->positions * CNN3D_BLOCK;
  }
}

static void
step_clear (gpointer data)
{
  Cnn3dStep *step = data;

  g_free (step->inputs);
  g_free (step->blocks);
  g_free (step->residual);
  g_free (step->lane_channel);
}

Cnn3dPlan *
cnn3d_plan_new (const Cnn3dGraph *graph)
{
  Cnn3dPlan *plan = g_new0 (Cnn3dPlan, 1);
  Lowering l = { graph, plan, g_new0 (Value, graph->nodes->len) };
  const Cnn3dNode *last = cnn3d_graph_node (graph, (int) graph->nodes->len - 1);
  int features = cnn3d_graph_get_features (graph);

  plan->steps = g_array_new (FALSE, FALSE, sizeof (Cnn3dStep));
  plan->buffers = g_array_new (FALSE, FALSE, sizeof (Cnn3dBuffer));
  g_array_set_clear_func (plan->steps, step_clear);

  count_consumers (&l);
  find_last_uses (&l);
  for (int i = 1; i < (int) graph->nodes->len; i++) {
    if (is_step (cnn3d_graph_node (graph, i)))
      lower_step (&l, i);
    else
      forward_lanes (&l, i);
  }
  plan->outputs =
      g_memdup2 (l.values[graph->nodes->len - 1].lane, (gsize) last->shape.c * sizeof (Cnn3dLane));
  /* The logits are read after the last step. */
  for (int c = 0; c < last->shape.c; c++)
    use_buffer (&l, plan->outputs[c].buffer);
  plan->n_features = cnn3d_graph_node (graph, features)->shape.c;
  plan->features = g_memdup2 (l.values[features].lane, (gsize) plan->n_features * sizeof (Cnn3dLane));
  for (int c = 0; c < plan->n_features; c++)
    use_buffer (&l, plan->features[c].buffer);
  find_chains (plan);
  place_buffers (plan);

  for (guint i = 0; i < graph->nodes->len; i++) {
    g_free (l.values[i].lane);
    g_free (l.values[i].last_use);
  }
  g_free (l.values);
  return plan;
}

void
cnn3d_plan_free (Cnn3dPlan *plan)
{
  if (plan == NULL)
    return;
  g_array_unref (plan->steps);
  g_array_unref (plan->buffers);
  g_free (plan->outputs);
  g_free (plan->features);
  g_free (plan);
}

gint64
cnn3d_plan_get_arena_bytes (const Cnn3dGraph *graph)
{
  g_autoptr (Cnn3dPlan) plan = cnn3d_plan_new (graph);

  return (gint64) (plan->arena * sizeof (float));
}
