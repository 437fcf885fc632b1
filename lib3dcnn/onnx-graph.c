/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/onnx-graph.h"
#include "lib3dcnn/protobuf.h"

/* Field numbers of onnx.proto. */
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { ATTRIBUTE_TYPE_INT = 2, ATTRIBUTE_TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW_DATA = 9 };
enum { DATA_TYPE_FLOAT = 1, DATA_TYPE_INT64 = 7 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

/* A tensor of the graph up to its numbers, which take this many bytes. */
static GByteArray *
tensor_start (const char *name, int type, const gint64 *dims, int n_dims, guint64 bytes)
{
  GByteArray *start = g_byte_array_new ();
  g_autoptr (GByteArray) tensor = g_byte_array_new ();

  for (int d = 0; d < n_dims; d++)
    cnn3d_protobuf_int (tensor, TENSOR_DIMS, (guint64) dims[d]);
  cnn3d_protobuf_int (tensor, TENSOR_DATA_TYPE, (guint64) type);
  cnn3d_protobuf_string (tensor, TENSOR_NAME, name);
  cnn3d_protobuf_start (tensor, TENSOR_RAW_DATA, bytes);
  cnn3d_protobuf_start (start, GRAPH_INITIALIZER, tensor->len + bytes);
  g_byte_array_append (start, tensor->data, tensor->len);
  return start;
}

static void
add_float (Cnn3dOnnxGraph *w, const char *name, float value)
{
  g_autoptr (GByteArray) start = tensor_start (name, DATA_TYPE_FLOAT, NULL, 0, sizeof value);
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  bits = GUINT32_TO_LE (bits);
  g_byte_array_append (start, (const guint8 *) &bits, sizeof bits);
  g_byte_array_append (w->message, start->data, start->len);
}

static void
add_ints (Cnn3dOnnxGraph *w, const char *name, const gint64 *values, int n)
{
  g_autoptr (GByteArray) start =
      tensor_start (name, DATA_TYPE_INT64, (gint64[]){ n }, 1, (guint64) n * sizeof *values);

  for (int i = 0; i < n; i++) {
    gint64 value = GINT64_TO_LE (values[i]);
    g_byte_array_append (start, (const guint8 *) &value, sizeof value);
  }
  g_byte_array_append (w->message, start->data, start->len);
}

static void
attribute (GByteArray *node, const char *name, const gint64 *values, int n)
{
  GByteArray *a = g_byte_array_new ();

  cnn3d_protobuf_string (a, ATTRIBUTE_NAME, name);
  for (int i = 0; i < n; i++)
    cnn3d_protobuf_int (a, ATTRIBUTE_INTS, (guint64) values[i]);
  cnn3d_protobuf_int (a, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_INTS);
  cnn3d_protobuf_message (node, NODE_ATTRIBUTE, a);
}

static void
attribute_int (GByteArray *node, const char *name, gint64 value)
{
  GByteArray *a = g_byte_array_new ();

  cnn3d_protobuf_string (a, ATTRIBUTE_NAME, name);
  cnn3d_protobuf_int (a, ATTRIBUTE_INT, (guint64) value);
  cnn3d_protobuf_int (a, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_INT);
  cnn3d_protobuf_message (node, NODE_ATTRIBUTE, a);
}

/* A node with up to three inputs; the caller adds attributes and then the node to the graph. */
static GByteArray *
node_new (const char *op, const char *output, const char *in0, const char *in1, const char *in2)
{
  const char *inputs[] = { in0, in1, in2 };
  GByteArray *node = g_byte_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (inputs) && inputs[i] != NULL; i++)
    cnn3d_protobuf_string (node, NODE_INPUT, inputs[i]);
  cnn3d_protobuf_string (node, NODE_OUTPUT, output);
  cnn3d_protobuf_string (node, NODE_OP_TYPE, op);
  return node;
}

static void
put_window (GByteArray *node, const Cnn3dNode *n)
{
  const gint64 kernel[] = { n->kernel.t, n->kernel.h, n->kernel.w };
  const gint64 strides[] = { n->stride.t, n->stride.h, n->stride.w };
  const gint64 pads[] = { n->pad.t, n->pad.h, n->pad.w, n->pad.t, n->pad.h, n->pad.w };

  attribute (node, "kernel_shape", kernel, 3);
  attribute (node, "strides", strides, 3);
  attribute (node, "pads", pads, 6);
}

/* The BatchNorm that is all that follows a convolution, or -1. */
static int
find_batchnorm (const Cnn3dGraph *graph, int conv)
{
  int next = conv + 1;

  if (next < (int) graph->nodes->len && cnn3d_graph_node (graph, next)->op == CNN3D_OP_BATCHNORM
      && cnn3d_graph_node (graph, next)->inputs[0] == conv)
    return next;
  return -1;
}

static void
write_conv (Cnn3dOnnxGraph *w, int i)
{
  const Cnn3dNode *n = cnn3d_graph_node (w->model->graph, i);
  const Cnn3dParam *param = cnn3d_graph_param (w->model->graph, n->param);
  Cnn3dOnnxLayer layer = { .step = { .node = i, .batchnorm = find_batchnorm (w->model->graph, i),
                      .channels_out = n->shape.c } };
  guint64 weight_bytes = (guint64) cnn3d_param_count (param) * sizeof (float);
  guint64 bias_bytes = (guint64) n->shape.c * sizeof (float);
  g_autofree char *weight = g_strdup_printf ("%s.weight", w->names[i]);
  g_autofree char *bias = g_strdup_printf ("%s.bias", w->names[i]);
  gint64 dims[5];
  GByteArray *node;

  for (int d = 0; d < param->n_dims; d++)
    dims[d] = param->dims[d];
  layer.weight = tensor_start (weight, DATA_TYPE_FLOAT, dims, param->n_dims, weight_bytes);
  layer.bias = tensor_start (bias, DATA_TYPE_FLOAT, dims, 1, bias_bytes);
  w->bytes += layer.weight->len + weight_bytes + layer.bias->len + bias_bytes;
  g_array_append_val (w->layers, layer);
  if (n->op == CNN3D_OP_LINEAR) {
    g_autofree char *flat = g_strdup_printf ("%s.flat", w->names[i]);

    cnn3d_protobuf_message (w->message, GRAPH_NODE, node_new ("Flatten", flat, w->names[n->inputs[0]], NULL, NULL));
    node = node_new ("Gemm", w->names[i], flat, weight, bias);
    attribute_int (node, "transB", 1);
  } else {
    node = node_new ("Conv", w->names[i], w->names[n->inputs[0]], weight, bias);
    put_window (node, n);
    attribute_int (node, "group", n->groups);
  }
  cnn3d_protobuf_message (w->message, GRAPH_NODE, node);
}

/* Reshape, transpose, reshape; a 0 keeps the batch's size. */
static void
write_shuffle (Cnn3dOnnxGraph *w, int i)
{
  const Cnn3dNode *n = cnn3d_graph_node (w->model->graph, i);
  Cnn3dExtent e = n->shape.e;
  const gint64 split[] = { 0, n->groups, n->shape.c / n->groups, e.t, e.h, e.w };
  const gint64 joined[] = { 0, n->shape.c, e.t, e.h, e.w };
  const gint64 order[] = { 0, 2, 1, 3, 4, 5 };
  g_autofree char *split_name = g_strdup_printf ("%s.split", w->names[i]);
  g_autofree char *joined_name = g_strdup_printf ("%s.joined", w->names[i]);
  g_autofree char *a = g_strdup_printf ("%s.a", w->names[i]), *b = g_strdup_printf ("%s.b", w->names[i]);
  GByteArray *transpose;

  add_ints (w, split_name, split, 6);
  add_ints (w, joined_name, joined, 5);
  cnn3d_protobuf_message (w->message, GRAPH_NODE, node_new ("Reshape", a, w->names[n->inputs[0]], split_name, NULL));
  transpose = node_new ("Transpose", b, a, NULL, NULL);
  attribute (transpose, "perm", order, 6);
  cnn3d_protobuf_message (w->message, GRAPH_NODE, transpose);
  cnn3d_protobuf_message (w->message, GRAPH_NODE, node_new ("Reshape", w->names[i], b, joined_name, NULL));
}

static void
write_slice (Cnn3dOnnxGraph *w, int i)
{
  const Cnn3dNode *n = cnn3d_graph_node (w->model->graph, i);
  const gint64 values[] = { n->first, n->first + n->shape.c, 1 };
  g_autofree char *start = g_strdup_printf ("%s.start", w->names[i]);
  g_autofree char *end = g_strdup_printf ("%s.end", w->names[i]);
  g_autofree char *axis = g_strdup_printf ("%s.axis", w->names[i]);
  GByteArray *node = g_byte_array_new ();

  add_ints (w, start, &values[0], 1);
  add_ints (w, end, &values[1], 1);
  add_ints (w, axis, &values[2], 1);
  cnn3d_protobuf_string (node, NODE_INPUT, w->names[n->inputs[0]]);
  cnn3d_protobuf_string (node, NODE_INPUT, start);
  cnn3d_protobuf_string (node, NODE_INPUT, end);
  cnn3d_protobuf_string (node, NODE_INPUT, axis);
  cnn3d_protobuf_string (node, NODE_OUTPUT, w->names[i]);
  cnn3d_protobuf_string (node, NODE_OP_TYPE, "Slice");
  cnn3d_protobuf_message (w->message, GRAPH_NODE, node);
}

static void
write_node (Cnn3dOnnxGraph *w, int i)
{
  const Cnn3dNode *n = cnn3d_graph_node (w->model->graph, i);
  const char *x = n->n_inputs > 0 ? w->names[n->inputs[0]] : NULL;
  const char *y = n->n_inputs > 1 ? w->names[n->inputs[1]] : NULL;
  GByteArray *node = NULL;

  switch (n->op) {
    case CNN3D_OP_CONV:
    case CNN3D_OP_LINEAR:
      write_conv (w, i);
      break;
    case CNN3D_OP_RELU:
      node = node_new ("Relu", w->names[i], x, NULL, NULL);
      break;
    case CNN3D_OP_RELU6:
      node = node_new ("Clip", w->names[i], x, "zero", "six");
      break;
    case CNN3D_OP_MAXPOOL:
    case CNN3D_OP_AVGPOOL:
      node = node_new (n->op == CNN3D_OP_MAXPOOL ? "MaxPool" : "AveragePool", w->names[i], x, NULL, NULL);
      put_window (node, n);
      if (n->op == CNN3D_OP_AVGPOOL)
        attribute_int (node, "count_include_pad", 1);
      break;
    case CNN3D_OP_ADD:
      node = node_new ("Add", w->names[i], x, y, NULL);
      break;
    case CNN3D_OP_CONCAT:
      node = node_new ("Concat", w->names[i], x, y, NULL);
      attribute_int (node, "axis", 1);
      break;
    case CNN3D_OP_SLICE:
      write_slice (w, i);
      break;
    case CNN3D_OP_SHUFFLE:
      write_shuffle (w, i);
      break;
    default: /* INPUT; BATCHNORM and DROPOUT share their input's name */
      break;
  }
  if (node != NULL)
    cnn3d_protobuf_message (w->message, GRAPH_NODE, node);
}

/* A value of the graph's interface: a batch of any size. */
static void
add_value (Cnn3dOnnxGraph *w, int field, const char *name, const gint64 *dims, int n_dims)
{
  GByteArray *value = g_byte_array_new (), *type = g_byte_array_new ();
  GByteArray *tensor = g_byte_array_new (), *shape = g_byte_array_new (), *dim = g_byte_array_new ();

  cnn3d_protobuf_string (dim, DIM_PARAM, "N");
  cnn3d_protobuf_message (shape, SHAPE_DIM, dim);
  for (int d = 0; d < n_dims; d++) {
    dim = g_byte_array_new ();
    cnn3d_protobuf_int (dim, DIM_VALUE, (guint64) dims[d]);
    cnn3d_protobuf_message (shape, SHAPE_DIM, dim);
  }
  cnn3d_protobuf_int (tensor, TENSOR_TYPE_ELEMENT, DATA_TYPE_FLOAT);
  cnn3d_protobuf_message (tensor, TENSOR_TYPE_SHAPE, shape);
  cnn3d_protobuf_message (type, TYPE_TENSOR, tensor);
  cnn3d_protobuf_string (value, VALUE_NAME, name);
  cnn3d_protobuf_message (value, VALUE_TYPE, type);
  cnn3d_protobuf_message (w->message, field, value);
}

static void
write_graph (Cnn3dOnnxGraph *w)
{
  const Cnn3dGraph *graph = w->model->graph;
  const Cnn3dConfig *config = &w->model->config;
  const gint64 input[] = { 3, config->frames, config->size, config->size };
  const gint64 output[] = { config->classes };
  GByteArray *flatten;
  int last = (int) graph->nodes->len - 1;

  for (int i = 0; i <= last; i++) {
    const Cnn3dNode *n = cnn3d_graph_node (graph, i);

    if (n->op == CNN3D_OP_BATCHNORM || n->op == CNN3D_OP_DROPOUT)
      w->names[i] = g_strdup (w->names[n->inputs[0]]);
    else
      w->names[i] = i == 0 ? g_strdup ("x") : g_strdup_printf ("n%d", i);
  }
  if (config->arch == CNN3D_ARCH_MOBILENETV2) { /* which alone has ReLU6 */
    add_float (w, "zero", 0);
    add_float (w, "six", 6);
  }
  for (int i = 0; i <= last; i++)
    write_node (w, i);
  flatten = node_new ("Flatten", "y", w->names[last], NULL, NULL);
  cnn3d_protobuf_message (w->message, GRAPH_NODE, flatten);
  cnn3d_protobuf_string (w->message, GRAPH_NAME, cnn3d_arch_get_name (config->arch));
  add_value (w, GRAPH_INPUT, "x", input, 4);
  add_value (w, GRAPH_OUTPUT, "y", output, 1);
}

static void
layer_clear (gpointer data)
{
  Cnn3dOnnxLayer *layer = data;

  g_byte_array_unref (layer->weight);
  g_byte_array_unref (layer->bias);
}

Cnn3dOnnxGraph *
cnn3d_onnx_graph_new (const Cnn3dModel *model)
{
  Cnn3dOnnxGraph *w = g_new0 (Cnn3dOnnxGraph, 1);

  w->model = model;
  w->message = g_byte_array_new ();
  w->layers = g_array_new (FALSE, FALSE, sizeof (Cnn3dOnnxLayer));
  g_array_set_clear_func (w->layers, layer_clear);
  w->names = g_new0 (char *, model->graph->nodes->len + 1);
  write_graph (w);
  return w;
}

void
cnn3d_onnx_graph_free (Cnn3dOnnxGraph *w)
{
  g_byte_array_unref (w->message);
  g_array_unref (w->layers);
  g_strfreev (w->names);
  g_free (w);
}
