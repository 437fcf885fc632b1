/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/graph.h"
#include "lib3dcnn/arch/arch.h"

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

void
cnn3d_graph_free (Cnn3dGraph *graph)
{
  if (graph == NULL)
    return;
  g_array_unref (graph->nodes);
  g_array_unref (graph->params);
  g_free (graph);
}

Cnn3dGraph *
cnn3d_graph_new (const Cnn3dConfig *config, GError **error)
{
  Cnn3dGraph *graph = g_new0 (Cnn3dGraph, 1);
  GError *failure = NULL;
  Cnn3dBuilder b = { graph, &failure, FALSE };

  graph->config = *config;
  graph->nodes = g_array_new (FALSE, TRUE, sizeof (Cnn3dNode));
  graph->params = g_array_new (FALSE, TRUE, sizeof (Cnn3dParam));
  g_array_set_clear_func (graph->nodes, node_clear);
  g_array_set_clear_func (graph->params, param_clear);

  cnn3d_arch_build (&b, config);
  if (b.failed) {
    g_propagate_error (error, failure);
    cnn3d_graph_free (graph);
    return NULL;
  }
  return graph;
}

int
cnn3d_graph_get_features (const Cnn3dGraph *graph)
{
  for (int i = (int) graph->nodes->len - 1; i > 0; i--) {
    const Cnn3dNode *node = cnn3d_graph_node (graph, i);

    if (node->op == CNN3D_OP_CONV || node->op == CNN3D_OP_LINEAR)
      return node->inputs[0];
  }
  g_assert_not_reached ();
}

int
cnn3d_build_fail (Cnn3dBuilder *b, const char *format, ...)
{
  if (!b->failed) {
    g_autofree char *network = cnn3d_config_describe (&b->graph->config);
    g_autofree char *reason = NULL;
    va_list args;

    va_start (args, format);
    reason = g_strdup_vprintf (format, args);
    va_end (args);
    g_set_error (b->error, CNN3D_ERROR, CNN3D_ERROR_CONFIG, "%s: %s", network, reason);
    b->failed = TRUE;
  }
  return -1;
}

const Cnn3dShape *
cnn3d_build_shape (Cnn3dBuilder *b, int i)
{
  static const Cnn3dShape none = { 1, { 1, 1, 1 } };

  return i < 0 ? &none : &cnn3d_graph_node (b->graph, i)->shape;
}

int
cnn3d_build_name (Cnn3dBuilder *b, int i, const char *module)
{
  if (i >= 0) {
    Cnn3dNode *node = &g_array_index (b->graph->nodes, Cnn3dNode, i);
    g_free (node->module);
    node->module = g_strdup (module);
  }
  return i;
}

static int
add_node (Cnn3dBuilder *b, Cnn3dNode node, const char *module)
{
  if (b->failed)
    return -1;
  node.module = g_strdup (module);
  g_array_append_val (b->graph->nodes, node);
  return (int) b->graph->nodes->len - 1;
}

static void
add_param (Cnn3dBuilder *b, const char *module, const char *what, gboolean learned, int n_dims,
    const int *dims)
{
  Cnn3dParam param = { .n_dims = n_dims, .learned = learned };

  if (b->failed)
    return;
  param.name = g_strdup_printf ("%s.%s", module, what);
  for (int d = 0; d < n_dims; d++)
    param.dims[d] = dims[d];
  g_array_append_val (b->graph->params, param);
}

/* A node that keeps its input's shape. */
static Cnn3dNode
unary (Cnn3dBuilder *b, Cnn3dOp op, int in)
{
  return (Cnn3dNode){ .op = op, .n_inputs = 1, .inputs = { in },
    .shape = *cnn3d_build_shape (b, in) };
}

static int
window_out (int size, int kernel, int stride, int pad)
{
  return size + 2 * pad < kernel ? 0 : (size + 2 * pad - kernel) / stride + 1;
}

static gboolean
apply_window (Cnn3dBuilder *b, Cnn3dNode *node, const char *what)
{
  Cnn3dExtent in = node->shape.e, k = node->kernel, s = node->stride, p = node->pad;

  node->shape.e.t = window_out (in.t, k.t, s.t, p.t);
  node->shape.e.h = window_out (in.h, k.h, s.h, p.h);
  node->shape.e.w = window_out (in.w, k.w, s.w, p.w);
  if (!b->failed && cnn3d_extent_count (node->shape.e) == 0)
    cnn3d_build_fail (b, "%s has a window of %dx%dx%d (frames, height, width), larger than its input"
        " of %dx%dx%d: use longer clips or larger frames",
        what, k.t, k.h, k.w, in.t, in.h, in.w);
  return !b->failed;
}

int
cnn3d_build_conv (Cnn3dBuilder *b, int in, int out_channels, Cnn3dExtent kernel, Cnn3dExtent stride,
    int groups, gboolean bias, const char *module)
{
  Cnn3dNode node = unary (b, CNN3D_OP_CONV, in);
  int channels = node.shape.c;

  if (b->failed)
    return -1;
  if (out_channels < 1)
    return cnn3d_build_fail (b, "%s has no output channel left at this width", module);
  if (channels % groups != 0 || out_channels % groups != 0)
    return cnn3d_build_fail (b, "%s maps %d to %d channels, which %d groups do not divide", module,
        channels, out_channels, groups);

  node.kernel = kernel;
  node.stride = stride;
  node.pad = (Cnn3dExtent){ kernel.t / 2, kernel.h / 2, kernel.w / 2 };
  node.groups = groups;
  if (!apply_window (b, &node, module))
    return -1;
  node.shape.c = out_channels;
  node.param = (int) b->graph->params->len;
  node.n_params = bias ? 2 : 1;
  add_param (b, module, "weight", TRUE, 5,
      (int[]){ out_channels, channels / groups, kernel.t, kernel.h, kernel.w });
  if (bias)
    add_param (b, module, "bias", TRUE, 1, &out_channels);
  return add_node (b, node, module);
}

int
cnn3d_build_batchnorm (Cnn3dBuilder *b, int in, const char *module)
{
  Cnn3dNode node = unary (b, CNN3D_OP_BATCHNORM, in);

  node.param = (int) b->graph->params->len;
  node.n_params = 4;
  add_param (b, module, "weight", TRUE, 1, &node.shape.c);
  add_param (b, module, "bias", TRUE, 1, &node.shape.c);
  add_param (b, module, "running_mean", FALSE, 1, &node.shape.c);
  add_param (b, module, "running_var", FALSE, 1, &node.shape.c);
  return add_node (b, node, module);
}

int
cnn3d_build_relu (Cnn3dBuilder *b, int in)
{
  return add_node (b, unary (b, CNN3D_OP_RELU, in), NULL);
}

int
cnn3d_build_relu6 (Cnn3dBuilder *b, int in)
{
  return add_node (b, unary (b, CNN3D_OP_RELU6, in), NULL);
}

int
cnn3d_build_maxpool (Cnn3dBuilder *b, int in, const char *module)
{
  Cnn3dNode node = unary (b, CNN3D_OP_MAXPOOL, in);

  node.kernel = CNN3D_CUBE (3);
  node.stride = CNN3D_CUBE (2);
  node.pad = CNN3D_CUBE (1);
  if (!apply_window (b, &node, module))
    return -1;
  return add_node (b, node, module);
}

int
cnn3d_build_avgpool (Cnn3dBuilder *b, int in, Cnn3dExtent kernel, Cnn3dExtent stride,
    Cnn3dExtent pad)
{
  Cnn3dNode node = unary (b, CNN3D_OP_AVGPOOL, in);

  node.kernel = kernel;
  node.stride = stride;
  node.pad = pad;
  if (!apply_window (b, &node, "an average pool"))
    return -1;
  return add_node (b, node, NULL);
}

int
cnn3d_build_add (Cnn3dBuilder *b, int x, int y)
{
  Cnn3dNode node = unary (b, CNN3D_OP_ADD, x);

  node.n_inputs = 2;
  node.inputs[1] = y;
  g_assert (b->failed
      || memcmp (cnn3d_build_shape (b, x), cnn3d_build_shape (b, y), sizeof (Cnn3dShape)) == 0);
  return add_node (b, node, NULL);
}

int
cnn3d_build_concat (Cnn3dBuilder *b, int x, int y)
{
  Cnn3dNode node = unary (b, CNN3D_OP_CONCAT, x);
  const Cnn3dShape *other = cnn3d_build_shape (b, y);

  node.n_inputs = 2;
  node.inputs[1] = y;
  if (!b->failed && memcmp (&node.shape.e, &other->e, sizeof other->e) != 0)
    return cnn3d_build_fail (b, "the two branches of a unit give %dx%dx%d and %dx%dx%d (frames, height,"
        " width): the number of frames must be even there; use clips of 16 or 32 frames",
        node.shape.e.t, node.shape.e.h, node.shape.e.w, other->e.t, other->e.h, other->e.w);
  node.shape.c += other->c;
  return add_node (b, node, NULL);
}

int
cnn3d_build_slice (Cnn3dBuilder *b, int in, int first, int channels)
{
  Cnn3dNode node = unary (b, CNN3D_OP_SLICE, in);

  g_assert (b->failed || first + channels <= node.shape.c);
  node.first = first;
  node.shape.c = channels;
  return add_node (b, node, NULL);
}

int
cnn3d_build_shuffle (Cnn3dBuilder *b, int in, int groups)
{
  Cnn3dNode node = unary (b, CNN3D_OP_SHUFFLE, in);

  node.groups = groups;
  return add_node (b, node, NULL);
}

int
cnn3d_build_dropout (Cnn3dBuilder *b, int in, float p)
{
  Cnn3dNode node = unary (b, CNN3D_OP_DROPOUT, in);

  node.p = p;
  return add_node (b, node, NULL);
}

int
cnn3d_build_linear (Cnn3dBuilder *b, int in, int out, const char *module)
{
  Cnn3dNode node = unary (b, CNN3D_OP_LINEAR, in);

  g_assert (b->failed || cnn3d_extent_count (node.shape.e) == 1);
  node.kernel = node.stride = CNN3D_CUBE (1);
  node.groups = 1;
  node.param = (int) b->graph->params->len;
  node.n_params = 2;
  add_param (b, module, "weight", TRUE, 2, (int[]){ out, node.shape.c });
  add_param (b, module, "bias", TRUE, 1, &out);
  node.shape.c = out;
  return add_node (b, node, module);
}
