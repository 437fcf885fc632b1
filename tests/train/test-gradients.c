/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Every operation in a network of a few channels: its gradients in double against differences of
 * the loss, then those in float, on the ISA that the environment sets, against those in double, for
 * numbers of clips that fill vectors and that do not.
 */

#include <math.h>

#include "lib3dcnn/arch/arch.h"
#include "lib3dcnn/train/engine.h"
#include "lib3dcnn/train/random.h"

#define CLASSES 4
#define DELTA 1e-5
#define MOST_ELEMENTS 12 /* of each parameter that are differentiated by differences */
#define SEED 20

typedef int Body (Cnn3dBuilder *b, int x);

typedef struct {
  const char *name;
  Body *body;
  Cnn3dExtent e;
  int channels;
} Case;

static int
norm (Cnn3dBuilder *b, int x, const char *name)
{
  return cnn3d_build_batchnorm (b, x, name);
}

static int
conv (Cnn3dBuilder *b, int x, int out, Cnn3dExtent k, Cnn3dExtent s, int groups, gboolean bias)
{
  return cnn3d_build_conv (b, x, out, k, s, groups, bias, "conv");
}

static int
pointwise (Cnn3dBuilder *b, int x)
{
  return conv (b, x, 17, CNN3D_CUBE (1), CNN3D_CUBE (1), 1, FALSE);
}

static int
pointwise_bias (Cnn3dBuilder *b, int x)
{
  return conv (b, x, 9, CNN3D_CUBE (1), CNN3D_CUBE (1), 1, TRUE);
}

static int
pointwise_grouped (Cnn3dBuilder *b, int x)
{
  return conv (b, x, 12, CNN3D_CUBE (1), CNN3D_CUBE (1), 3, FALSE);
}

static int
dense (Cnn3dBuilder *b, int x)
{
  return conv (b, x, 5, CNN3D_CUBE (3), CNN3D_CUBE (1), 1, TRUE);
}

static int
dense_stem (Cnn3dBuilder *b, int x)
{
  return conv (b, x, 5, CNN3D_CUBE (3), (Cnn3dExtent){ 1, 2, 2 }, 1, FALSE);
}

static int
dense_norm (Cnn3dBuilder *b, int x)
{
  return norm (b, conv (b, x, 5, CNN3D_CUBE (3), CNN3D_CUBE (1), 1, TRUE), "bn");
}

static int
dense_grouped (Cnn3dBuilder *b, int x)
{
  return norm (b, conv (b, x, 9, (Cnn3dExtent){ 1, 3, 5 }, CNN3D_CUBE (2), 3, FALSE), "bn");
}

static int
dense_uneven (Cnn3dBuilder *b, int x)
{
  return norm (b, conv (b, x, 9, (Cnn3dExtent){ 1, 3, 5 }, CNN3D_CUBE (1), 3, TRUE), "bn");
}

static int
depthwise (Cnn3dBuilder *b, int x)
{
  int c = cnn3d_build_shape (b, x)->c;
  return conv (b, x, c, CNN3D_CUBE (3), CNN3D_CUBE (1), c, FALSE);
}

static int
depthwise_2 (Cnn3dBuilder *b, int x)
{
  int c = cnn3d_build_shape (b, x)->c;
  return norm (b, conv (b, x, c, CNN3D_CUBE (3), CNN3D_CUBE (2), c, FALSE), "bn");
}

static int
depthwise_mixed (Cnn3dBuilder *b, int x)
{
  int c = cnn3d_build_shape (b, x)->c;
  return conv (b, x, c, CNN3D_CUBE (3), (Cnn3dExtent){ 2, 1, 2 }, c, FALSE);
}

static int
batchnorm (Cnn3dBuilder *b, int x)
{
  return norm (b, pointwise (b, x), "bn");
}

static int
relu (Cnn3dBuilder *b, int x)
{
  return pointwise (b, cnn3d_build_relu (b, x));
}

static int
relu6 (Cnn3dBuilder *b, int x)
{
  return cnn3d_build_relu6 (b, batchnorm (b, cnn3d_build_relu6 (b, x)));
}

static int
maxpool (Cnn3dBuilder *b, int x)
{
  return pointwise (b, cnn3d_build_maxpool (b, cnn3d_build_relu (b, x), "pool"));
}

static int
avgpool (Cnn3dBuilder *b, int x)
{
  return pointwise (b,
      cnn3d_build_avgpool (b, x, (Cnn3dExtent){ 2, 3, 3 }, CNN3D_CUBE (2), (Cnn3dExtent){ 0, 1, 1 }));
}

static int
add (Cnn3dBuilder *b, int x)
{
  int y = norm (b, depthwise (b, x), "bn");
  return cnn3d_build_relu (b, cnn3d_build_add (b, cnn3d_build_relu (b, x), y));
}

static int
concat (Cnn3dBuilder *b, int x)
{
  return cnn3d_build_relu (b, cnn3d_build_concat (b, batchnorm (b, x), x));
}

static int
slice (Cnn3dBuilder *b, int x)
{
  int left = cnn3d_build_slice (b, x, 0, 2), right = cnn3d_build_slice (b, x, 2, 3);
  /* The last channel has no use, and so no gradient. */
  return cnn3d_build_concat (b, left, cnn3d_build_relu (b, pointwise (b, right)));
}

static int
shuffle (Cnn3dBuilder *b, int x)
{
  return pointwise_grouped (b, cnn3d_build_relu (b, cnn3d_build_shuffle (b, x, 2)));
}

static int
dropout (Cnn3dBuilder *b, int x)
{
  return pointwise (b, cnn3d_build_dropout (b, cnn3d_build_relu (b, x), 0.5f));
}

static const Case cases[] = {
  { "pointwise", pointwise, { 2, 3, 5 }, 6 },
  { "pointwise-bias", pointwise_bias, { 2, 3, 5 }, 6 },
  { "pointwise-grouped", pointwise_grouped, { 2, 3, 5 }, 6 },
  { "pointwise-wide", pointwise, { 1, 1, 2 }, 70 },
  { "dense", dense, { 3, 4, 5 }, 6 },
  { "dense-stem", dense_stem, { 3, 7, 6 }, 3 },
  { "dense-norm", dense_norm, { 2, 3, 4 }, 3 },
  { "dense-grouped", dense_grouped, { 3, 5, 7 }, 6 },
  { "dense-uneven", dense_uneven, { 2, 4, 5 }, 6 },
  { "depthwise", depthwise, { 3, 4, 9 }, 6 },
  { "depthwise-flat", depthwise, { 1, 1, 1 }, 6 },
  { "depthwise-stride-2", depthwise_2, { 3, 5, 11 }, 6 },
  { "depthwise-even", depthwise_2, { 4, 2, 12 }, 5 },
  { "depthwise-mixed-strides", depthwise_mixed, { 3, 4, 4 }, 6 },
  { "batchnorm", batchnorm, { 2, 3, 3 }, 6 },
  { "batchnorm-flat", batchnorm, { 1, 1, 1 }, 6 },
  { "relu", relu, { 2, 3, 3 }, 6 },
  { "relu6", relu6, { 2, 3, 3 }, 6 },
  { "maxpool", maxpool, { 4, 5, 6 }, 6 },
  { "avgpool", avgpool, { 4, 5, 6 }, 6 },
  { "add", add, { 2, 4, 4 }, 6 },
  { "concat", concat, { 2, 3, 3 }, 6 },
  { "slice", slice, { 2, 3, 3 }, 6 },
  { "shuffle", shuffle, { 2, 3, 3 }, 6 },
  { "dropout", dropout, { 2, 3, 3 }, 6 },
};

static void
node_clear (gpointer data)
{
  g_free (((Cnn3dNode *) data)->module);
}

static void
param_clear (gpointer data)
{
  g_free (((Cnn3dParam *) data)->name);
}

/* A convolution with BatchNorm, whose gradients come through the body; the body; a classifier. */
static Cnn3dGraph *
make_graph (const Case *c)
{
  Cnn3dGraph *graph = g_new0 (Cnn3dGraph, 1);
  GError *error = NULL;
  Cnn3dBuilder b = { graph, &error, FALSE };
  Cnn3dNode input = { .op = CNN3D_OP_INPUT, .shape = { 3, c->e } };
  int x = 0;

  graph->config.classes = CLASSES;
  graph->nodes = g_array_new (FALSE, TRUE, sizeof (Cnn3dNode));
  graph->params = g_array_new (FALSE, TRUE, sizeof (Cnn3dParam));
  g_array_set_clear_func (graph->nodes, node_clear);
  g_array_set_clear_func (graph->params, param_clear);
  g_array_append_val (graph->nodes, input);
  x = cnn3d_build_conv (&b, x, c->channels, CNN3D_CUBE (1), CNN3D_CUBE (1), 1, FALSE, "first");
  x = c->body (&b, norm (&b, x, "first.bn"));
  x = cnn3d_build_avgpool (&b, x, cnn3d_build_shape (&b, x)->e, CNN3D_CUBE (1), CNN3D_CUBE (0));
  cnn3d_build_linear (&b, x, CLASSES, "last");
  g_assert_no_error (error);
  return graph;
}

static gint64
param_count (const Cnn3dGraph *graph, int p)
{
  return cnn3d_param_count (cnn3d_graph_param (graph, p));
}

static double *
get (const Cnn3dTrainEngineClass *klass, gpointer engine, const Cnn3dGraph *graph, int p)
{
  gint64 n = param_count (graph, p);
  gpointer from = klass->get_gradient (engine, p);
  double *to = g_new (double, (gsize) n);

  for (gint64 i = 0; i < n; i++)
    to[i] = klass->real_size == sizeof (float) ? ((float *) from)[i] : ((double *) from)[i];
  return to;
}

/* The same weights in both precisions; those of BatchNorm about 1. */
static void
set_params (const Cnn3dTrainEngineClass *klass, gpointer engine, const Cnn3dGraph *graph)
{
  for (int p = 0; p < (int) graph->params->len; p++) {
    gpointer to = klass->get_value (engine, p);
    const char *name = cnn3d_graph_param (graph, p)->name;
    gboolean one = (g_str_has_suffix (name, ".weight") && cnn3d_graph_param (graph, p)->n_dims == 1)
        || g_str_has_suffix (name, ".running_var");

    for (gint64 i = 0; i < param_count (graph, p); i++) {
      float v = (float) (cnn3d_random_uniform ((guint64) p + 1, (guint64) i) - 0.5 + (one ? 1 : 0));
      if (klass->real_size == sizeof (float))
        ((float *) to)[i] = v;
      else
        ((double *) to)[i] = v;
    }
  }
}

static gpointer
make_engine (const Cnn3dTrainEngineClass *klass, const Cnn3dGraph *graph, int threads, int n)
{
  g_autoptr (GError) error = NULL;
  gpointer engine = klass->create (graph, threads, FALSE, FALSE, -1, &error);

  g_assert_no_error (error);
  set_params (klass, engine, graph);
  klass->reserve (engine, n, TRUE, &error);
  g_assert_no_error (error);
  return engine;
}

static float *
make_clips (const Case *c, int n, int **targets)
{
  gsize size = (gsize) (3 * cnn3d_extent_count (c->e) * n);
  float *clips = g_new (float, size);

  for (gsize i = 0; i < size; i++)
    clips[i] = (float) (cnn3d_random_uniform (99, i) * 4 - 2);
  *targets = g_new (int, n);
  for (int i = 0; i < n; i++)
    (*targets)[i] = i * 7 % CLASSES;
  return clips;
}

static void
check_differences (const Case *c, int n)
{
  const Cnn3dTrainEngineClass *klass = &cnn3d_train_engine_double;
  g_autoptr (Cnn3dGraph) graph = make_graph (c);
  int correct;
  g_autofree int *targets = NULL;
  g_autofree float *clips = make_clips (c, n, &targets);
  Cnn3dTrainBatch batch = { .clips = clips, .targets = targets, .n = n, .seed = SEED };
  gpointer engine = make_engine (klass, graph, 2, n);
  double worst = 0;

  for (int p = 0; p < (int) graph->params->len; p++) {
    gint64 count = param_count (graph, p), skip = MAX (count / MOST_ELEMENTS, 1);
    double *value = klass->get_value (engine, p);

    if (klass->get_gradient (engine, p) == NULL)
      continue;
    for (gint64 i = 0; i < count; i += skip) {
      double kept = value[i], up, down, gradient, difference;

      value[i] = kept + DELTA;
      up = klass->step (engine, &batch, &correct);
      value[i] = kept - DELTA;
      down = klass->step (engine, &batch, &correct);
      value[i] = kept;
      klass->step (engine, &batch, &correct);
      gradient = ((double *) klass->get_gradient (engine, p))[i];
      difference = (up - down) / (2 * DELTA);
      worst = MAX (worst, fabs (gradient - difference));
      if (!(fabs (gradient - difference) <= 1e-8 + 1e-6 * fabs (gradient)))
        g_error ("%s[%d]: gradient %.10g, difference %.10g", cnn3d_graph_param (graph, p)->name,
            (int) i, gradient, difference);
    }
  }
  g_test_message ("worst difference %.1e", worst);
  klass->destroy (engine);
}

static void
test_differences (gconstpointer data)
{
  const Case *c = data;

  check_differences (c, 5);
  /* Of a single number, BatchNorm takes the running averages. */
  if (strcmp (c->name, "batchnorm-flat") == 0)
    check_differences (c, 1);
  /* Larger kernels are computed otherwise if clips fill vectors. */
  if (g_str_has_prefix (c->name, "dense"))
    check_differences (c, 16);
}

static void
compare (const Case *c, int n, int threads)
{
  const Cnn3dTrainEngineClass *klasses[2] = { &cnn3d_train_engine_double, &cnn3d_train_engine_float };
  g_autoptr (Cnn3dGraph) graph = make_graph (c);
  g_autofree int *targets = NULL;
  g_autofree float *clips = make_clips (c, n, &targets);
  Cnn3dTrainBatch batch = { .clips = clips, .targets = targets, .n = n, .seed = SEED };
  gpointer engines[2];
  double losses[2];
  int correct[2];

  for (int k = 0; k < 2; k++) {
    engines[k] = make_engine (klasses[k], graph, threads, n);
    losses[k] = klasses[k]->step (engines[k], &batch, &correct[k]);
  }
  g_assert_cmpfloat_with_epsilon (losses[0], losses[1], 1e-5);
  for (int p = 0; p < (int) graph->params->len; p++) {
    g_autofree double *a = NULL, *b = NULL;
    double size = 0, off = 0;

    if (klasses[0]->get_gradient (engines[0], p) == NULL)
      continue;
    a = get (klasses[0], engines[0], graph, p);
    b = get (klasses[1], engines[1], graph, p);
    for (gint64 i = 0; i < param_count (graph, p); i++) {
      size += a[i] * a[i];
      off += (a[i] - b[i]) * (a[i] - b[i]);
    }
    if (sqrt (off) > 1e-4 * sqrt (size) + 2e-6)
      g_error ("%d clips, %d threads, %s: off by %g of %g", n, threads,
          cnn3d_graph_param (graph, p)->name, sqrt (off), sqrt (size));
  }
  for (int k = 0; k < 2; k++)
    klasses[k]->destroy (engines[k]);
}

static void
test_float (gconstpointer data)
{
  static const int clips[] = { 1, 3, 4, 8, 16, 21, 32, 40 };

  for (guint i = 0; i < G_N_ELEMENTS (clips); i++)
    /* BatchNorm of a few values may divide by next to nothing. */
    if (clips[i] * cnn3d_extent_count (((const Case *) data)->e) >= 8
        || clips[i] * cnn3d_extent_count (((const Case *) data)->e) == 1)
      for (int threads = 1; threads <= 3; threads++)
        compare (data, clips[i], threads);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *differences = g_strdup_printf ("/train/differences/%s", cases[i].name);
    g_autofree char *in_float = g_strdup_printf ("/train/float/%s", cases[i].name);

    g_test_add_data_func (differences, &cases[i], test_differences);
    g_test_add_data_func (in_float, &cases[i], test_float);
  }
  return g_test_run ();
}
