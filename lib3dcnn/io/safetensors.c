/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * safetensors: a little-endian 64-bit length, a JSON header of that length, the tensors' bytes.
 * https://huggingface.co/docs/safetensors
 */

#include <json-glib/json-glib.h>
#include <string.h>

#include "lib3dcnn/io/readers.h"
#include "lib3dcnn/io/safetensors.h"

/* The format's own limit. */
#define MAX_HEADER (100 * 1000 * 1000)
/* A header has objects in an object, with arrays in them. */
#define MAX_DEPTH 8

static const struct {
  const char *name;
  Cnn3dDtype dtype;
  int bytes;
} dtypes[] = {
  { "F32", CNN3D_DTYPE_F32, 4 }, { "F16", CNN3D_DTYPE_F16, 2 }, { "BF16", CNN3D_DTYPE_BF16, 2 },
  { "F64", CNN3D_DTYPE_F64, 8 }, { "I64", CNN3D_DTYPE_OTHER, 8 }, { "I32", CNN3D_DTYPE_OTHER, 4 },
  { "I16", CNN3D_DTYPE_OTHER, 2 }, { "I8", CNN3D_DTYPE_OTHER, 1 }, { "U64", CNN3D_DTYPE_OTHER, 8 },
  { "U32", CNN3D_DTYPE_OTHER, 4 }, { "U16", CNN3D_DTYPE_OTHER, 2 }, { "U8", CNN3D_DTYPE_OTHER, 1 },
  { "BOOL", CNN3D_DTYPE_OTHER, 1 }, { "F8_E5M2", CNN3D_DTYPE_OTHER, 1 },
  { "F8_E4M3", CNN3D_DTYPE_OTHER, 1 },
};

typedef struct {
  gint64 begin, end;
  const char *name;
} Span;

gboolean
cnn3d_json_is_shallow (const char *json, gsize length)
{
  int depth = 0;
  gboolean in_string = FALSE;

  for (gsize i = 0; i < length; i++) {
    char c = json[i];

    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = FALSE;
    } else if (c == '"') {
      in_string = TRUE;
    } else if (c == '{' || c == '[') {
      if (++depth > MAX_DEPTH)
        return FALSE;
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return TRUE;
}

/* Integers from an array of at most max; -1 if it is anything else. */
static int
read_integers (JsonObject *object, const char *member, gint64 *out, int max)
{
  JsonNode *node = json_object_get_member (object, member);
  JsonArray *array;
  int n;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return -1;
  array = json_node_get_array (node);
  n = (int) json_array_get_length (array);
  if (n > max)
    return -1;
  for (int i = 0; i < n; i++) {
    JsonNode *element = json_array_get_element (array, (guint) i);

    if (!JSON_NODE_HOLDS_VALUE (element) || json_node_get_value_type (element) != G_TYPE_INT64)
      return -1;
    out[i] = json_node_get_int (element);
    if (out[i] < 0)
      return -1;
  }
  return n;
}

static const char *
read_string (JsonNode *node)
{
  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

static gboolean
read_metadata (Cnn3dState *state, JsonNode *node, const char *file, GError **error)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return cnn3d_state_fail (error, file, "__metadata__ is not an object");
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &key, &value)) {
    if (read_string (value) == NULL)
      return cnn3d_state_fail (error, file, "__metadata__ has something other than text under '%s'", key);
    g_hash_table_insert (state->metadata, g_strdup (key), g_strdup (read_string (value)));
  }
  return TRUE;
}

static gboolean
read_tensor (Cnn3dState *state, const char *key, JsonNode *node, const guint8 *data, gint64 size,
    GArray *spans, const char *file, GError **error)
{
  Cnn3dTensor tensor = { .name = (char *) key };
  gint64 offsets[2], count = 1, bytes;
  JsonObject *object;
  const char *dtype;
  guint k;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return cnn3d_state_fail (error, file, "tensor '%s' is not described by an object", key);
  object = json_node_get_object (node);
  dtype = read_string (json_object_get_member (object, "dtype"));
  for (k = 0; dtype != NULL && k < G_N_ELEMENTS (dtypes); k++)
    if (strcmp (dtype, dtypes[k].name) == 0)
      break;
  if (dtype == NULL || k == G_N_ELEMENTS (dtypes))
    return cnn3d_state_fail (error, file, "tensor '%s' has the unknown type '%s'", key, dtype ? dtype : "");
  tensor.dtype = dtypes[k].dtype;

  tensor.n_dims = read_integers (object, "shape", tensor.dims, CNN3D_MAX_DIMS);
  if (tensor.n_dims < 0)
    return cnn3d_state_fail (error, file, "tensor '%s' has no valid shape", key);
  if (read_integers (object, "data_offsets", offsets, 2) != 2 || offsets[0] > offsets[1]
      || offsets[1] > size)
    return cnn3d_state_fail (error, file, "tensor '%s' lies outside of the file", key);
  for (int d = tensor.n_dims - 1; d >= 0; d--) {
    tensor.strides[d] = count;
    if (__builtin_mul_overflow (count, tensor.dims[d], &count))
      return cnn3d_state_fail (error, file, "tensor '%s' has more elements than fit into memory", key);
  }
  if (__builtin_mul_overflow (count, (gint64) dtypes[k].bytes, &bytes)
      || bytes != offsets[1] - offsets[0])
    return cnn3d_state_fail (error, file,
        "tensor '%s' has %" G_GINT64_FORMAT " bytes, which do not fit its type and shape", key,
        offsets[1] - offsets[0]);
  tensor.data = data + offsets[0];
  g_array_append_val (spans, ((Span){ offsets[0], offsets[1], key }));
  return cnn3d_state_add (state, &tensor, file, error);
}

static int
compare_spans (gconstpointer a, gconstpointer b)
{
  const Span *s = a, *t = b;

  if (s->begin != t->begin)
    return s->begin < t->begin ? -1 : 1;
  return s->end < t->end ? -1 : s->end > t->end;
}

/* Tensors may neither overlap nor leave holes, so that nothing hides in the file. */
static gboolean
check_spans (GArray *spans, gint64 size, const char *file, GError **error)
{
  gint64 end = 0;

  g_array_sort (spans, compare_spans);
  for (guint i = 0; i < spans->len; i++) {
    const Span *span = &g_array_index (spans, Span, i);

    if (span->begin < end)
      return cnn3d_state_fail (error, file, "tensor '%s' overlaps another one", span->name);
    if (span->begin > end)
      return cnn3d_state_fail (error, file, "there are bytes that belong to no tensor before '%s'", span->name);
    end = span->end;
  }
  if (end != size)
    return cnn3d_state_fail (error, file, "there are bytes that belong to no tensor at the end");
  return TRUE;
}

static gboolean
read_header (Cnn3dState *state, JsonNode *root, const guint8 *data, gint64 size, const char *file,
    GError **error)
{
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (Span));
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return cnn3d_state_fail (error, file, "the header is not a JSON object");
  json_object_iter_init_ordered (&iter, json_node_get_object (root));
  while (json_object_iter_next_ordered (&iter, &key, &value)) {
    gboolean ok = strcmp (key, "__metadata__") == 0
        ? read_metadata (state, value, file, error)
        : read_tensor (state, key, value, data, size, spans, file, error);
    if (!ok)
      return FALSE;
  }
  return check_spans (spans, size, file, error);
}

Cnn3dState *
cnn3d_safetensors_read (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (Cnn3dState) state = NULL;
  g_autoptr (GError) json_error = NULL;
  guint64 header;

  if (size < 8) {
    cnn3d_state_fail (error, name, "is too short for a safetensors file");
    return NULL;
  }
  memcpy (&header, data, 8);
  header = GUINT64_FROM_LE (header);
  if (header > MAX_HEADER || header > size - 8) {
    cnn3d_state_fail (error, name, "the header is said to be %" G_GUINT64_FORMAT " bytes long, the file has %"
        G_GSIZE_FORMAT, header, size);
    return NULL;
  }
  if (!g_utf8_validate ((const char *) data + 8, (gssize) header, NULL)
      || !cnn3d_json_is_shallow ((const char *) data + 8, header)) {
    cnn3d_state_fail (error, name, "the header is not valid JSON for a safetensors file");
    return NULL;
  }
  parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, (const char *) data + 8, (gssize) header, &json_error)) {
    cnn3d_state_fail (error, name, "the header is not valid JSON: %s", json_error->message);
    return NULL;
  }
  state = cnn3d_state_new (bytes);
  if (!read_header (state, json_parser_get_root (parser), data + 8 + header,
          (gint64) (size - 8 - header), name, error))
    return NULL;
  return g_steal_pointer (&state);
}

gboolean
cnn3d_safetensors_is_half (const Cnn3dParam *param, gboolean half)
{
  return half && param->n_dims > 1;
}

/* *offset: of its data; that of the next one's after it. */
static void
add_tensor (JsonObject *root, const Cnn3dParam *param, gboolean half, gint64 *offset)
{
  gint64 bytes = cnn3d_param_count (param) * (gint64) (half ? sizeof (guint16) : sizeof (float));
  JsonObject *tensor = json_object_new ();
  JsonArray *shape = json_array_new (), *offsets = json_array_new ();

  for (int d = 0; d < param->n_dims; d++)
    json_array_add_int_element (shape, param->dims[d]);
  json_array_add_int_element (offsets, *offset);
  json_array_add_int_element (offsets, *offset += bytes);
  json_object_set_string_member (tensor, "dtype", half ? "F16" : "F32");
  json_object_set_array_member (tensor, "shape", shape);
  json_object_set_array_member (tensor, "data_offsets", offsets);
  json_object_set_object_member (root, param->name, tensor);
}

GString *
cnn3d_safetensors_header (GHashTable *metadata, const Cnn3dGraph *graph, gboolean half,
    const Cnn3dParam *more, int n)
{
  g_autoptr (JsonObject) root = json_object_new ();
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *json = NULL;
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (metadata), (GCompareFunc) strcmp);
  JsonObject *meta = json_object_new ();
  GString *header;
  gint64 offset = 0;
  guint64 length;

  for (GList *l = keys; l != NULL; l = l->next)
    json_object_set_string_member (meta, l->data, g_hash_table_lookup (metadata, l->data));
  json_object_set_object_member (root, "__metadata__", meta);
  for (guint i = 0; i < graph->params->len; i++) {
    const Cnn3dParam *param = cnn3d_graph_param (graph, (int) i);

    add_tensor (root, param, cnn3d_safetensors_is_half (param, half), &offset);
  }
  for (int i = 0; i < n; i++)
    add_tensor (root, &more[i], FALSE, &offset);
  json_node_set_object (node, root);
  json = json_to_string (node, FALSE);

  /* Spaces bring the data to a multiple of 64 bytes, so that it can be used where it is mapped. */
  header = g_string_new (NULL);
  length = (strlen (json) + 8 + 63) / 64 * 64 - 8;
  length = GUINT64_TO_LE (length);
  g_string_append_len (header, (const char *) &length, 8);
  g_string_append (header, json);
  while (header->len % 64 != 0)
    g_string_append_c (header, ' ');
  return header;
}
