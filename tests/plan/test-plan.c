/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The arena planner on random lifetimes, and what must hold of the plan of every network. */

#include "lib3dcnn/arch/arch.h"
#include "lib3dcnn/plan.h"

static gsize
buffer_floats (const Cnn3dBuffer *b)
{
  return b->in_chain ? 0 : (gsize) b->n_blocks * (gsize) b->positions * CNN3D_BLOCK;
}

/* The most that is alive at a time: no arena can be smaller. */
static gsize
largest_live_sum (GArray *buffers, int n_steps)
{
  gsize largest = 0;

  for (int i = 0; i < n_steps; i++) {
    gsize sum = 0;

    for (guint k = 0; k < buffers->len; k++) {
      const Cnn3dBuffer *b = &g_array_index (buffers, Cnn3dBuffer, k);
      if (b->first <= i && b->last >= i)
        sum += buffer_floats (b);
    }
    largest = MAX (largest, sum);
  }
  return largest;
}

static void
check_arena (GArray *buffers, int n_steps, gsize total, double factor)
{
  gsize least = largest_live_sum (buffers, n_steps);

  for (guint i = 0; i < buffers->len; i++) {
    const Cnn3dBuffer *a = &g_array_index (buffers, Cnn3dBuffer, i);

    g_assert_cmpuint (a->offset % CNN3D_BLOCK, ==, 0);
    g_assert_cmpuint (a->offset + buffer_floats (a), <=, total);
    for (guint k = 0; k < i; k++) {
      const Cnn3dBuffer *b = &g_array_index (buffers, Cnn3dBuffer, k);

      if (a->last < b->first || b->last < a->first || buffer_floats (a) == 0
          || buffer_floats (b) == 0)
        continue;
      g_assert_true (a->offset >= b->offset + buffer_floats (b)
          || b->offset >= a->offset + buffer_floats (a));
    }
  }
  g_assert_cmpuint (total, >=, least);
  g_assert_cmpfloat ((double) total, <=, factor * (double) least);
}

static void
test_arena (void)
{
  for (int round = 0; round < 2000; round++) {
    g_autoptr (GArray) buffers = g_array_new (FALSE, TRUE, sizeof (Cnn3dBuffer));
    int n = g_test_rand_int_range (1, 60), n_steps = g_test_rand_int_range (1, 80);

    for (int i = 0; i < n; i++) {
      Cnn3dBuffer b = { .n_blocks = g_test_rand_int_range (1, 20),
        .positions = g_test_rand_int_range (1, 5000),
        .in_chain = g_test_rand_int_range (0, 8) == 0 };

      b.first = g_test_rand_int_range (0, n_steps);
      b.last = MIN (n_steps - 1, b.first + g_test_rand_int_range (0, 1 + round % 40));
      g_array_append_val (buffers, b);
    }
    check_arena (buffers, n_steps, cnn3d_arena_plan (buffers), 2);
  }
}

static gboolean
overlap (const Cnn3dBuffer *a, const Cnn3dBuffer *b)
{
  return buffer_floats (a) > 0 && buffer_floats (b) > 0 && a->offset < b->offset + buffer_floats (b)
      && b->offset < a->offset + buffer_floats (a);
}

static gsize
block_offset (const Cnn3dPlan *plan, int buffer, int block)
{
  const Cnn3dBuffer *b = cnn3d_plan_buffer (plan, buffer);

  return b->offset + (gsize) block * (gsize) b->positions * CNN3D_BLOCK;
}

/* Whether step i writes in place of a buffer that it reads; then all must hold that makes this safe. */
static gboolean
check_in_place (const Cnn3dPlan *plan, int i)
{
  const Cnn3dStep *step = cnn3d_plan_step (plan, i);
  const Cnn3dBuffer *out = cnn3d_plan_buffer (plan, step->buffer), *in;
  gboolean in_place = FALSE;

  for (int b = 0; b < step->n_blocks && step->residual != NULL; b++) {
    in = cnn3d_plan_buffer (plan, step->residual[b].buffer);
    in_place = in_place || (in->last >= out->first && overlap (in, out));
  }
  if (!in_place)
    return FALSE;
  g_assert_cmpint (step->chain, ==, 1);
  for (int b = 0; b < step->n_blocks; b++) {
    in = cnn3d_plan_buffer (plan, step->residual[b].buffer);
    g_assert_cmpint (in->last, ==, i);
    g_assert_cmpint (in->positions, ==, out->positions);
    g_assert_cmpuint (block_offset (plan, step->residual[b].buffer, step->residual[b].block), ==,
        block_offset (plan, step->buffer, b));
  }
  for (int c = 0; c < step->channels_in; c++)
    g_assert_false (overlap (cnn3d_plan_buffer (plan, step->inputs[c].buffer), out));
  return TRUE;
}

/* Steps that write in place of their residual. Of all else that is alive at a time, nothing overlaps. */
static int
check_places (const Cnn3dPlan *plan)
{
  g_autoptr (GArray) buffers = g_array_copy (plan->buffers);
  int n = 0;

  for (int i = 0; i < (int) plan->steps->len; i++) {
    const Cnn3dStep *step = cnn3d_plan_step (plan, i);

    if (!check_in_place (plan, i))
      continue;
    n++;
    /* What is replaced ends where the output begins. */
    for (int b = 0; b < step->n_blocks; b++)
      g_array_index (buffers, Cnn3dBuffer, step->residual[b].buffer).last = i - 1;
  }
  check_arena (buffers, (int) plan->steps->len, plan->arena, 1.5);
  return n;
}

/* Where a lane's channel was written: the step before `i` whose buffer it is, with it alive. */
static void
check_lane (const Cnn3dPlan *plan, Cnn3dLane lane, int i, Cnn3dExtent extent)
{
  const Cnn3dBuffer *b;
  const Cnn3dStep *writer = NULL;
  int w;

  g_assert_cmpint (lane.buffer, >=, 0);
  g_assert_cmpint (lane.buffer, <, (int) plan->buffers->len);
  for (w = 0; w < i && writer == NULL; w++)
    if (cnn3d_plan_step (plan, w)->buffer == lane.buffer)
      writer = cnn3d_plan_step (plan, w);
  g_assert_nonnull (writer);
  b = cnn3d_plan_buffer (plan, lane.buffer);
  g_assert_cmpint (lane.lane, >=, 0);
  g_assert_cmpint (lane.lane, <, b->n_blocks * CNN3D_BLOCK);
  g_assert_cmpint (writer->lane_channel[lane.lane], >=, 0);
  g_assert_cmpint (b->positions, ==, cnn3d_extent_count (extent));
  g_assert_cmpint (b->first, <=, w - 1);
  g_assert_cmpint (b->last, >=, MIN (i, (int) plan->steps->len - 1));
}

static void
check_outputs (const Cnn3dPlan *plan, const Cnn3dStep *step)
{
  const Cnn3dBuffer *b = cnn3d_plan_buffer (plan, step->buffer);
  g_autofree int *seen = g_new0 (int, step->channels_out);
  int live = 0, live_below = 0;

  g_assert_cmpint (b->n_blocks, ==, step->n_blocks);
  g_assert_cmpint (b->positions, ==, cnn3d_extent_count (step->out));
  for (int lane = 0; lane < step->n_blocks * CNN3D_BLOCK; lane++) {
    int c = step->lane_channel[lane];

    if (lane % CNN3D_BLOCK == 0)
      live = 0;
    if (lane % CNN3D_BLOCK == 8)
      live_below = live;
    if (c >= 0) {
      g_assert_cmpint (c, <, step->channels_out);
      seen[c]++;
      live++;
    }
    if (lane % CNN3D_BLOCK == CNN3D_BLOCK - 1)
      g_assert_cmpint (live_below, >, 0); /* vectors of a whole block start with a live half */
  }
  for (int c = 0; c < step->channels_out; c++)
    g_assert_cmpint (seen[c], ==, 1);
}

static void
check_inputs (const Cnn3dPlan *plan, const Cnn3dStep *step, int i)
{
  gboolean by_block = step->kind == CNN3D_STEP_DEPTHWISE || step->kind == CNN3D_STEP_MAXPOOL
      || step->kind == CNN3D_STEP_AVGPOOL;

  g_assert_true ((step->inputs == NULL) == (step->kind == CNN3D_STEP_STEM));
  for (int c = 0; step->inputs != NULL && c < step->channels_in; c++)
    check_lane (plan, step->inputs[c], i, step->in);

  g_assert_true ((step->blocks != NULL) == by_block);
  for (int lane = 0; lane < step->n_blocks * CNN3D_BLOCK; lane++) {
    int c = step->lane_channel[lane], block = lane / CNN3D_BLOCK, l = lane % CNN3D_BLOCK;

    if (c < 0)
      continue;
    if (by_block) {
      g_assert_cmpint (step->inputs[c].buffer, ==, step->blocks[block].buffer);
      g_assert_cmpint (step->inputs[c].lane, ==, step->blocks[block].block * CNN3D_BLOCK + l);
    }
    if (step->residual != NULL) {
      Cnn3dLane r = { step->residual[block].buffer, step->residual[block].block * CNN3D_BLOCK + l };
      check_lane (plan, r, i, step->out);
    }
  }
}

/* A step for each node that computes, in their order, and none that only moves channels. */
static void
check_nodes (const Cnn3dGraph *graph, const Cnn3dPlan *plan)
{
  int n = 0, batchnorms = 0, channels_added = 0;

  for (guint i = 0; i < graph->nodes->len; i++) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, (int) i);

    switch (node->op) {
      case CNN3D_OP_CONV:
      case CNN3D_OP_LINEAR:
      case CNN3D_OP_MAXPOOL:
      case CNN3D_OP_AVGPOOL:
        g_assert_cmpint (n, <, (int) plan->steps->len);
        g_assert_cmpint (cnn3d_plan_step (plan, n)->node, ==, (int) i);
        n++;
        break;
      case CNN3D_OP_BATCHNORM:
        batchnorms++;
        break;
      case CNN3D_OP_ADD:
        channels_added += node->shape.c;
        break;
      default:
        break;
    }
  }
  g_assert_cmpint (n, ==, (int) plan->steps->len);
  g_assert_cmpint (n, ==, (int) plan->buffers->len);
  for (int i = 0; i < n; i++) {
    const Cnn3dStep *step = cnn3d_plan_step (plan, i);

    if (step->batchnorm >= 0)
      batchnorms--;
    if (step->residual != NULL)
      channels_added -= step->channels_out;
  }
  g_assert_cmpint (batchnorms, ==, 0);
  g_assert_cmpint (channels_added, ==, 0);
}

static void
check_chains (const Cnn3dPlan *plan)
{
  int n = (int) plan->steps->len, chain;

  for (int i = 0; i < n; i += chain) {
    chain = cnn3d_plan_step (plan, i)->chain;
    g_assert_cmpint (chain, >=, 1);
    g_assert_cmpint (i + chain, <=, n);
    for (int k = 0; k < chain; k++) {
      const Cnn3dBuffer *b = cnn3d_plan_buffer (plan, cnn3d_plan_step (plan, i + k)->buffer);

      g_assert_cmpint (cnn3d_plan_step (plan, i + k)->chain, ==, k == 0 ? chain : 0);
      g_assert_true (b->in_chain == (k < chain - 1));
      /* All that a chain writes is alive from its first step on, all that it reads to its last. */
      g_assert_cmpint (b->first, ==, i);
      if (b->in_chain)
        g_assert_cmpint (b->last, ==, i + chain - 1);
      for (int c = 0; chain > 1 && k == 0 && c < cnn3d_plan_step (plan, i)->channels_in; c++)
        if (cnn3d_plan_step (plan, i)->inputs != NULL)
          g_assert_cmpint (
              cnn3d_plan_buffer (plan, cnn3d_plan_step (plan, i)->inputs[c].buffer)->last, >=,
              i + chain - 1);
    }
  }
}

static int n_plans;

static void
check_plan (const Cnn3dConfig *config)
{
  Cnn3dConfig filled = *config;
  g_autoptr (Cnn3dGraph) graph = NULL;
  g_autoptr (Cnn3dPlan) plan = NULL;
  const Cnn3dNode *last, *features;

  cnn3d_config_fill (&filled);
  graph = cnn3d_graph_new (&filled, NULL);
  if (graph == NULL) /* out of its limits: see test-limits.c */
    return;
  n_plans++;
  plan = cnn3d_plan_new (graph);

  check_nodes (graph, plan);
  for (int i = 0; i < (int) plan->steps->len; i++) {
    check_outputs (plan, cnn3d_plan_step (plan, i));
    check_inputs (plan, cnn3d_plan_step (plan, i), i);
  }
  check_chains (plan);
  last = cnn3d_graph_node (graph, (int) graph->nodes->len - 1);
  g_assert_cmpint (last->shape.c, ==, filled.classes);
  for (int c = 0; c < last->shape.c; c++)
    check_lane (plan, plan->outputs[c], (int) plan->steps->len, last->shape.e);
  features = cnn3d_graph_node (graph, cnn3d_graph_get_features (graph));
  g_assert_cmpint (plan->n_features, ==, features->shape.c);
  for (int c = 0; c < plan->n_features; c++)
    check_lane (plan, plan->features[c], (int) plan->steps->len, features->shape.e);
  check_places (plan);
}

static void
test_networks (gconstpointer data)
{
  static const double widths[] = { 0.2, 0.25, 0.3, 0.45, 0.5, 0.7, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5 };
  static const int groups[] = { 1, 2, 3, 4, 8 };
  static const int frames[] = { 1, 8, 16, 17, 32 };
  static const int sizes[] = { 32, 64, 80, 112, 113, 127, 160 };
  static const int versions[] = { 10, 11 };
  static const int classes[] = { 1, 7, 27, 600 };
  Cnn3dConfig config = { .arch = GPOINTER_TO_INT (data) };
  int i = 0;

  n_plans = 0;
  for (guint w = 0; w < G_N_ELEMENTS (widths); w++)
    for (guint f = 0; f < G_N_ELEMENTS (frames); f++)
      for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
        for (guint g = 0; g < G_N_ELEMENTS (groups); g++) {
          if (g > 0 && config.arch != CNN3D_ARCH_SHUFFLENET)
            break;
          config.width = config.arch == CNN3D_ARCH_SQUEEZENET ? 1 : widths[w];
          config.version = config.arch == CNN3D_ARCH_SQUEEZENET ? versions[w % 2] : 0;
          config.groups = groups[g];
          config.frames = frames[f];
          config.size = sizes[s];
          config.classes = classes[i++ % (int) G_N_ELEMENTS (classes)];
          check_plan (&config);
        }
  g_test_message ("%d plans", n_plans);
  g_assert_cmpint (n_plans, >, 50);
}

/* Where a group's channels do not fill units of 8 lanes, those of 10, 20, 30 and 60 channels begin at one all the same. */
static void
test_groups (void)
{
  static const struct { double width; int group, steps; } padded[] = { { 0.5, 10, 3 }, { 0.5, 20, 8 }, { 1.0, 20, 3 }, { 1.5, 30, 3 },
    { 1.5, 60, 8 } };

  for (guint k = 0; k < G_N_ELEMENTS (padded); k++) {
    Cnn3dConfig config = { .arch = CNN3D_ARCH_SHUFFLENET, .width = padded[k].width };
    g_autoptr (Cnn3dGraph) graph = NULL;
    g_autoptr (Cnn3dPlan) plan = NULL;
    int found = 0;

    cnn3d_config_fill (&config);
    graph = cnn3d_graph_new (&config, NULL);
    plan = cnn3d_plan_new (graph);
    for (int i = 0; i < (int) plan->steps->len; i++) {
      const Cnn3dStep *step = cnn3d_plan_step (plan, i);

      /* The first one, of eight inputs a group, saves too little. */
      if (step->kind != CNN3D_STEP_POINTWISE || step->groups == 1 || step->channels_in < 40 * step->groups
          || step->channels_out != padded[k].group * step->groups)
        continue;
      found++;
      for (int lane = 0; lane < step->n_blocks * CNN3D_BLOCK; lane++) {
        int c = step->lane_channel[lane], first = step->lane_channel[lane / 8 * 8];

        if (c >= 0)
          g_assert_cmpint (c / padded[k].group, ==, first / padded[k].group);
      }
    }
    g_assert_cmpint (found, ==, padded[k].steps);
  }
}

/*
 * All units of a ShuffleNetV1 but for the first ones of the stages, and SqueezeNet's bypasses, of two convolutions each, but
 * for that of version 1.0 around a module that halves a single buffer. MobileNetV2's first one is in a chain.
 */
static void
test_in_place (void)
{
  static const struct { Cnn3dConfig config; int in_place, residuals; } nets[] = {
    { { .arch = CNN3D_ARCH_SHUFFLENET, .width = 0.5 }, 13, 13 },
    { { .arch = CNN3D_ARCH_SHUFFLENET, .width = 1.5 }, 13, 13 },
    { { .arch = CNN3D_ARCH_SHUFFLENET, .width = 2.0 }, 13, 13 },
    { { .arch = CNN3D_ARCH_MOBILENETV2, .width = 1.0 }, 9, 10 },
    { { .arch = CNN3D_ARCH_SQUEEZENET, .width = 1.0, .version = 11 }, 8, 8 },
    { { .arch = CNN3D_ARCH_SQUEEZENET, .width = 1.0, .version = 10 }, 6, 8 },
  };

  for (guint k = 0; k < G_N_ELEMENTS (nets); k++) {
    Cnn3dConfig config = nets[k].config;
    g_autoptr (Cnn3dGraph) graph = NULL;
    g_autoptr (Cnn3dPlan) plan = NULL;
    int residuals = 0;

    cnn3d_config_fill (&config);
    graph = cnn3d_graph_new (&config, NULL);
    plan = cnn3d_plan_new (graph);
    for (int i = 0; i < (int) plan->steps->len; i++)
      residuals += cnn3d_plan_step (plan, i)->residual != NULL;
    g_assert_cmpint (check_places (plan), ==, nets[k].in_place);
    g_assert_cmpint (residuals, ==, nets[k].residuals);
  }
}

/* A graph for tests that build their own, with the output of a stem of 32 channels as its last node. */
static Cnn3dGraph *
begin_graph (Cnn3dBuilder *b, Cnn3dConfig *config, int *stem)
{
  cnn3d_config_fill (config);
  *b = (Cnn3dBuilder){ .graph = cnn3d_graph_new (config, NULL) };
  g_array_set_size (b->graph->nodes, 0);
  g_array_set_size (b->graph->params, 0);
  *stem = cnn3d_build_conv (b, cnn3d_build_input (b, config), 32, CNN3D_CUBE (3), CNN3D_CUBE (2), 1, FALSE, "stem");
  return b->graph;
}

static int
build_pointwise (Cnn3dBuilder *b, int in, int channels)
{
  return cnn3d_build_conv (b, in, channels, CNN3D_CUBE (1), CNN3D_CUBE (1), 1, FALSE, "pointwise");
}

/* x + f(x) reads x as its input; x + f(g(x)) may be in place of x, unless x is read again. */
static void
test_needed (void)
{
  for (int again = 0; again < 2; again++) {
    Cnn3dConfig config = { .arch = CNN3D_ARCH_MOBILENET };
    Cnn3dBuilder b;
    int x, y;
    g_autoptr (Cnn3dGraph) graph = begin_graph (&b, &config, &x);
    g_autoptr (Cnn3dPlan) plan = NULL;

    x = cnn3d_build_add (&b, x, build_pointwise (&b, x, 32));
    y = cnn3d_build_add (&b, x, build_pointwise (&b, build_pointwise (&b, x, 32), 32));
    if (again)
      y = cnn3d_build_concat (&b, y, x);
    cnn3d_build_classifier (&b, y, &config);
    g_assert_false (b.failed);

    plan = cnn3d_plan_new (graph);
    g_assert_nonnull (cnn3d_plan_step (plan, 1)->residual);
    g_assert_nonnull (cnn3d_plan_step (plan, 3)->residual);
    g_assert_cmpint (check_places (plan), ==, !again);
    g_assert_cmpint (check_in_place (plan, 3), ==, !again);
  }
}

/* Two sums that are each in place of a buffer, and one that is in place of both. */
static void
test_nested (void)
{
  Cnn3dConfig config = { .arch = CNN3D_ARCH_MOBILENET };
  Cnn3dBuilder b;
  int x, y, both;
  g_autoptr (Cnn3dGraph) graph = begin_graph (&b, &config, &x);
  g_autoptr (Cnn3dPlan) plan = NULL;

  y = build_pointwise (&b, x, 32);
  x = build_pointwise (&b, x, 32);
  both = build_pointwise (&b, cnn3d_build_concat (&b, x, y), 32);
  x = cnn3d_build_add (&b, x, build_pointwise (&b, both, 32));
  y = cnn3d_build_add (&b, y, build_pointwise (&b, both, 32));
  x = cnn3d_build_concat (&b, x, y);
  x = cnn3d_build_add (&b, x, build_pointwise (&b, both, 64));
  cnn3d_build_classifier (&b, x, &config);
  g_assert_false (b.failed);

  plan = cnn3d_plan_new (graph);
  g_assert_cmpint (check_places (plan), ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/arena", test_arena);
  g_test_add_func ("/plan/groups", test_groups);
  g_test_add_func ("/plan/in-place", test_in_place);
  g_test_add_func ("/plan/needed", test_needed);
  g_test_add_func ("/plan/nested", test_nested);
  for (int arch = 0; arch < CNN3D_N_ARCHS; arch++) {
    g_autofree char *name = g_strdup_printf ("/plan/%s", cnn3d_arch_get_name (arch));
    g_test_add_data_func (name, GINT_TO_POINTER (arch), test_networks);
  }
  return g_test_run ();
}
