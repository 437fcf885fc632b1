/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/onnx.h"
#include "lib3dcnn/fold.h"

#include <string.h>

/* Field numbers of onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8 };
enum { OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { ATTRIBUTE_TYPE_INT = 2, ATTRIBUTE_TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW_DATA = 9 };
enum { DATA_TYPE_FLOAT = 1, DATA_TYPE_INT64 = 7 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

#define IR_VERSION 8
#define OPSET 17

typedef struct {
  Cnn3dModel *model;
  GByteArray *graph;
  char **names; /* of each node's value */
} Writer;

/* Protocol buffers' wire format. */
static void
put_varint (GByteArray *to, guint64 value)
{
  do {
    guint8 byte = (guint8) ((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    g_byte_array_append (to, &byte, 1);
    value >>= 7;
  } while (value > 0);
}

static void
put_int (GByteArray *to, int field, gint64 value)
{
  put_varint (to, (guint64) field << 3);
  put_varint (to, (guint64) value);
}

static void
put_bytes (GByteArray *to, int field, gconstpointer data, gsize size)
{
  put_varint (to, (guint64) field << 3 | 2);
  put_varint (to, size);
  g_byte_array_append (to, data, (guint) size);
}

static void
put_string (GByteArray *to, int field, const char *text)
{
  put_bytes (to, field, text, strlen (text));
}

/* Adds a message that was built by itself, and frees it. */
static void
put_message (GByteArray *to, int field, GByteArray *message)
{
  put_bytes (to, field, message->data, message->len);
  g_byte_array_unref (message);
}

static void
add_tensor (Writer *w, const char *name, int type, const gint64 *dims, int n_dims, gconstpointer data,
    gsize bytes)
{
  GByteArray *tensor = g_byte_array_new ();

  for (int d = 0; d < n_dims; d++)
    put_int (tensor, TENSOR_DIMS, dims[d]);
  put_int (tensor, TENSOR_DATA_TYPE, type);
  put_string (tensor, TENSOR_NAME, name);
  put_bytes (tensor, TENSOR_RAW_DATA, data, bytes);
  put_message (w->graph, GRAPH_INITIALIZER, tensor);
}

static void
add_ints (Writer *w, const char *name, const gint64 *values, int n)
{
  gint64 dims[1] = { n };

  add_tensor (w, name, DATA_TYPE_INT64, dims, 1, values, (gsize) n * sizeof *values);
}

static void
attribute (GByteArray *node, const char *name, const gint64 *values, int n)
{
  GByteArray *a = g_byte_array_new ();

  put_string (a, ATTRIBUTE_NAME, name);
  for (int i = 0; i < n; i++)
    put_int (a, ATTRIBUTE_INTS, values[i]);
  put_int (a, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_INTS);
  put_message (node, NODE_ATTRIBUTE, a);
}

static void
attribute_int (GByteArray *node, const char *name, gint64 value)
{
  GByteArray *a = g_byte_array_new ();

  put_string (a, ATTRIBUTE_NAME, name);
  put_int (a, ATTRIBUTE_INT, value);
  put_int (a, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_INT);
  put_message (node, NODE_ATTRIBUTE, a);
}

/* A node with up to three inputs; the caller adds attributes and then the node to the graph. */
static GByteArray *
node_new (const char *op, const char *output, const char *in0, const char *in1, const char *in2)
{
  const char *inputs[] = { in0, in1, in2 };
  GByteArray *node = g_byte_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (inputs) && inputs[i] != NULL; i++)
    put_string (node, NODE_INPUT, inputs[i]);
  put_string (node, NODE_OUTPUT, output);
  put_string (node, NODE_OP_TYPE, op);
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
write_conv (Writer *w, int i)
{
  const Cnn3dNode *n = cnn3d_graph_node (w->model->graph, i);
  const Cnn3dParam *param = cnn3d_graph_param (w->model->graph, n->param);
  Cnn3dStep step = { .node = i, .batchnorm = find_batchnorm (w->model->graph, i),
    .channels_out = n->shape.c };
  g_autoptr (Cnn3dFolded) folded = cnn3d_fold (w->model, &step);
  g_autofree char *weight = g_strdup_printf ("%s.weight", w->names[i]);
  g_autofree char *bias = g_strdup_printf ("%s.bias", w->names[i]);
  gint64 dims[5];
  GByteArray *node;

  for (int d = 0; d < param->n_dims; d++)
    dims[d] = param->dims[d];
  add_tensor (w, weight, DATA_TYPE_FLOAT, dims, param->n_dims, folded->weights,
      (gsize) cnn3d_param_count (param) * sizeof (float));
  add_tensor (w, bias, DATA_TYPE_FLOAT, dims, 1, folded->bias, (gsize) dims[0] * sizeof (float));
  if (n->op == CNN3D_OP_LINEAR) {
    g_autofree char *flat = g_strdup_printf ("%s.flat", w->names[i]);

    put_message (w->graph, GRAPH_NODE, node_new ("Flatten", flat, w->names[n->inputs[0]], NULL, NULL));
    node = node_new ("Gemm", w->names[i], flat, weight, bias);
    attribute_int (node, "transB", 1);
  } else {
    node = node_new ("Conv", w->names[i], w->names[n->inputs[0]], weight, bias);
    put_window (node, n);
    attribute_int (node, "group", n->groups);
  }
  put_message (w->graph, GRAPH_NODE, node);
}

/* Reshape, transpose, reshape; a 0 keeps the batch's size. */
static void
write_shuffle (Writer *w, int i)
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
  put_message (w->graph, GRAPH_NODE, node_new ("Reshape", a, w->names[n->inputs[0]], split_name, NULL));
  transpose = node_new ("Transpose", b, a, NULL, NULL);
  attribute (transpose, "perm", order, 6);
  put_message (w->graph, GRAPH_NODE, transpose);
  put_message (w->graph, GRAPH_NODE, node_new ("Reshape", w->names[i], b, joined_name, NULL));
}

static void
write_slice (Writer *w, int i)
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
  put_string (node, NODE_INPUT, w->names[n->inputs[0]]);
  put_string (node, NODE_INPUT, start);
  put_string (node, NODE_INPUT, end);
  put_string (node, NODE_INPUT, axis);
  put_string (node, NODE_OUTPUT, w->names[i]);
  put_string (node, NODE_OP_TYPE, "Slice");
  put_message (w->graph, GRAPH_NODE, node);
}

static void
write_node (Writer *w, int i)
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
    put_message (w->graph, GRAPH_NODE, node);
}

/* A value of the graph's interface: a batch of any size. */
static void
add_value (Writer *w, int field, const char *name, const gint64 *dims, int n_dims)
{
  GByteArray *value = g_byte_array_new (), *type = g_byte_array_new ();
  GByteArray *tensor = g_byte_array_new (), *shape = g_byte_array_new (), *dim = g_byte_array_new ();

  put_string (dim, DIM_PARAM, "N");
  put_message (shape, SHAPE_DIM, dim);
  for (int d = 0; d < n_dims; d++) {
    dim = g_byte_array_new ();
    put_int (dim, DIM_VALUE, dims[d]);
    put_message (shape, SHAPE_DIM, dim);
  }
  put_int (tensor, TENSOR_TYPE_ELEMENT, DATA_TYPE_FLOAT);
  put_message (tensor, TENSOR_TYPE_SHAPE, shape);
  put_message (type, TYPE_TENSOR, tensor);
  put_string (value, VALUE_NAME, name);
  put_message (value, VALUE_TYPE, type);
  put_message (w->graph, field, value);
}

static void
write_graph (Writer *w)
{
  const Cnn3dGraph *graph = w->model->graph;
  const Cnn3dConfig *config = &w->model->config;
  const gint64 input[] = { 3, config->frames, config->size, config->size };
  const gint64 output[] = { config->classes };
  const float bounds[] = { 0, 6 };
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
    add_tensor (w, "zero", DATA_TYPE_FLOAT, NULL, 0, &bounds[0], sizeof (float));
    add_tensor (w, "six", DATA_TYPE_FLOAT, NULL, 0, &bounds[1], sizeof (float));
  }
  for (int i = 0; i <= last; i++)
    write_node (w, i);
  flatten = node_new ("Flatten", "y", w->names[last], NULL, NULL);
  put_message (w->graph, GRAPH_NODE, flatten);
  put_string (w->graph, GRAPH_NAME, cnn3d_arch_get_name (config->arch));
  add_value (w, GRAPH_INPUT, "x", input, 4);
  add_value (w, GRAPH_OUTPUT, "y", output, 1);
}

gboolean
cnn3d_model_export_onnx (Cnn3dModel *model, const char *path, GError **error)
{
  g_autoptr (GByteArray) file = g_byte_array_new ();
  Writer w = { model, g_byte_array_new (), NULL };
  GByteArray *opset = g_byte_array_new ();

  g_return_val_if_fail (model != NULL && path != NULL, FALSE);

  w.names = g_new0 (char *, model->graph->nodes->len + 1);
  write_graph (&w);
  g_strfreev (w.names);
  put_int (file, MODEL_IR_VERSION, IR_VERSION);
  put_string (file, MODEL_PRODUCER, "lib3dcnn");
  put_message (file, MODEL_GRAPH, w.graph);
  put_int (opset, OPSET_VERSION, OPSET);
  put_message (file, MODEL_OPSET, opset);
  return g_file_set_contents (path, (const char *) file->data, (gssize) file->len, error);
}
