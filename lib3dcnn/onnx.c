/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/onnx.h"
#include "lib3dcnn/fold.h"
#include "lib3dcnn/io/card-json.h"
#include "lib3dcnn/protobuf.h"

#include <gio/gio.h>

#define IR_VERSION 8
#define OPSET 17

/* Field numbers of onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { OPSET_VERSION = 2 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2 };
enum { TYPE_TENSOR = 1 };
enum { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2 };
enum { SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };
/* Values of its enums. */
enum { ELEMENT_FLOAT = 1, ELEMENT_INT64 = 7 };
enum { ATTRIBUTE_TYPE_INT = 2, ATTRIBUTE_TYPE_INTS = 7 };

/* A layer's folded weights and bias. They are made when they are written, one layer at a time. */
typedef struct {
  Cnn3dStep step;           /* what folding asks for */
  GByteArray *weight, *bias; /* all of their messages but the numbers */
} Layer;

typedef struct {
  Cnn3dModel *model;
  const Cnn3dGraph *graph;
  GByteArray *body;      /* of the graph's message: everything but layers */
  GArray *layers;        /* Layer */
  GHashTable *constants; /* names of those in body */
  char **names;          /* of each node's output */
} Export;

static void
layer_clear (gpointer data)
{
  Layer *layer = data;

  g_byte_array_unref (layer->weight);
  g_byte_array_unref (layer->bias);
}

static GByteArray *
tensor_head (const char *name, int element, const int *dims, int n_dims)
{
  GByteArray *m = g_byte_array_new ();

  for (int d = 0; d < n_dims; d++)
    cnn3d_protobuf_int (m, TENSOR_DIMS, (guint64) dims[d]);
  cnn3d_protobuf_int (m, TENSOR_TYPE, (guint64) element);
  cnn3d_protobuf_string (m, TENSOR_NAME, name);
  return m;
}

/* The start of a float tensor's field in the graph, up to its numbers. */
static GByteArray *
float_tensor_start (const char *name, const int *dims, int n_dims)
{
  GByteArray *start = g_byte_array_new (), *head = tensor_head (name, ELEMENT_FLOAT, dims, n_dims);
  guint64 bytes = sizeof (float);

  for (int d = 0; d < n_dims; d++)
    bytes *= (guint64) dims[d];
  cnn3d_protobuf_start (head, TENSOR_RAW, bytes);
  cnn3d_protobuf_start (start, GRAPH_INITIALIZER, head->len + bytes);
  g_byte_array_append (start, head->data, head->len);
  g_byte_array_unref (head);
  return start;
}

static void
add_constant (Export *x, const char *name, int element, const int *dims, int n_dims, gconstpointer data,
    guint bytes)
{
  GByteArray *m = tensor_head (name, element, dims, n_dims);

  cnn3d_protobuf_start (m, TENSOR_RAW, bytes);
  g_byte_array_append (m, data, bytes);
  cnn3d_protobuf_message (x->body, GRAPH_INITIALIZER, m);
}

/* The name of a constant list of integers, which is made when it is first asked for. */
static const char *
ints (Export *x, int n, const int *values)
{
  GString *name = g_string_new ("ints");
  g_autofree gint64 *le = g_new (gint64, n);

  for (int i = 0; i < n; i++) {
    g_string_append_printf (name, "_%d", values[i]);
    le[i] = GINT64_TO_LE (values[i]);
  }
  if (!g_hash_table_contains (x->constants, name->str)) {
    add_constant (x, name->str, ELEMENT_INT64, &n, 1, le, (guint) n * sizeof *le);
    g_hash_table_add (x->constants, g_strdup (name->str));
  }
  return g_hash_table_lookup (x->constants, g_string_free_and_steal (name));
}
