/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/onnx.h"
#include "lib3dcnn/io/card-json.h"
#include "lib3dcnn/io/replace.h"
#include "lib3dcnn/onnx-graph.h"
#include "lib3dcnn/protobuf.h"

#include <gio/gio.h>

#define IR_VERSION 8
#define OPSET 17

/* Of one message, which is all that an ONNX file is. */
#define MAX_BYTES G_MAXINT32

/* Field numbers of onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { OPSET_VERSION = 2, ENTRY_KEY = 1, ENTRY_VALUE = 2 };

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

/* The model card, by the names that it has in model files. */
static void
put_metadata (GByteArray *file, const Cnn3dModel *model)
{
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (Cnn3dCard) card = cnn3d_card_copy (model->card);
  g_autoptr (GList) keys = NULL;

  /* A rule by distance needs tensors and features, which are not there. */
  if (cnn3d_unknown_needs_features (card->unknown))
    g_clear_pointer (&card->unknown, cnn3d_unknown_free);
  cnn3d_card_write (metadata, &model->config, card);
  keys = g_list_sort (g_hash_table_get_keys (metadata), compare_keys);
  for (GList *key = keys; key != NULL; key = key->next) {
    GByteArray *entry = g_byte_array_new ();

    cnn3d_protobuf_string (entry, ENTRY_KEY, key->data);
    cnn3d_protobuf_string (entry, ENTRY_VALUE, g_hash_table_lookup (metadata, key->data));
    cnn3d_protobuf_message (file, MODEL_METADATA, entry);
  }
}

/* The file up to the layers' tensors, which end the graph and the file. */
static GByteArray *
file_start (const Cnn3dOnnxGraph *graph)
{
  GByteArray *file = g_byte_array_new (), *opset = g_byte_array_new ();

  cnn3d_protobuf_int (file, MODEL_IR_VERSION, IR_VERSION);
  cnn3d_protobuf_string (file, MODEL_PRODUCER, "lib3dcnn");
  cnn3d_protobuf_int (opset, OPSET_VERSION, OPSET);
  cnn3d_protobuf_message (file, MODEL_OPSET, opset);
  put_metadata (file, graph->model);
  cnn3d_protobuf_start (file, MODEL_GRAPH, graph->message->len + graph->bytes);
  g_byte_array_append (file, graph->message->data, graph->message->len);
  return file;
}

static gboolean
write_bytes (GOutputStream *stream, const GByteArray *bytes, GError **error)
{
  return g_output_stream_write_all (stream, bytes->data, bytes->len, NULL, NULL, error);
}

/* Swaps in place where that is needed. */
static gboolean
write_floats (GOutputStream *stream, float *values, gsize n, GError **error)
{
  guint32 *bits = (guint32 *) (gpointer) values;

  for (gsize i = 0; G_BYTE_ORDER != G_LITTLE_ENDIAN && i < n; i++)
    bits[i] = GUINT32_TO_LE (bits[i]);
  return g_output_stream_write_all (stream, values, n * sizeof *values, NULL, NULL, error);
}

static gboolean
write_layers (const Cnn3dOnnxGraph *graph, GOutputStream *stream, GError **error)
{
  for (guint i = 0; i < graph->layers->len; i++) {
    const Cnn3dOnnxLayer *layer = &g_array_index (graph->layers, Cnn3dOnnxLayer, i);
    g_autoptr (Cnn3dFolded) folded = cnn3d_fold (graph->model, &layer->step);
    gsize n = (gsize) layer->step.channels_out;

    if (!write_bytes (stream, layer->weight, error)
        || !write_floats (stream, folded->weights, n * (gsize) folded->inputs, error)
        || !write_bytes (stream, layer->bias, error) || !write_floats (stream, folded->bias, n, error))
      return FALSE;
  }
  return TRUE;
}

/* The file as it is to be; NULL with an error if ONNX has no room for it. */
static GMemoryOutputStream *
make_file (const Cnn3dOnnxGraph *graph, GError **error)
{
  g_autoptr (GByteArray) start = file_start (graph);
  g_autoptr (GOutputStream) stream = NULL;

  if (start->len + graph->bytes > MAX_BYTES) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
        "the network takes %.1f GB, more than an ONNX file holds (2 GB)",
        (double) (start->len + graph->bytes) * 1e-9);
    return NULL;
  }
  stream = g_memory_output_stream_new_resizable ();
  if (!write_bytes (stream, start, error) || !write_layers (graph, stream, error))
    return NULL;
  return G_MEMORY_OUTPUT_STREAM (g_steal_pointer (&stream));
}

gboolean
cnn3d_model_export_onnx (Cnn3dModel *model, const char *path, GError **error)
{
  g_autoptr (Cnn3dOnnxGraph) graph = NULL;
  g_autoptr (GMemoryOutputStream) file = NULL;

  g_return_val_if_fail (model != NULL && path != NULL, FALSE);

  graph = cnn3d_onnx_graph_new (model);
  file = make_file (graph, error);
  if (file == NULL) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  return cnn3d_replace_file (path, g_memory_output_stream_get_data (file),
      g_memory_output_stream_get_data_size (file), error);
}
