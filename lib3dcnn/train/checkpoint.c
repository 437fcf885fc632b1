/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The state of a trainer as a safetensors file: values under their published names, momentum under
 * "momentum." and the name, means of squares under "square." and the name; steps and notes in the
 * metadata.
 */

#include <json-glib/json-glib.h>
#include <string.h>

#include "lib3dcnn/io/readers.h"
#include "lib3dcnn/io/replace.h"
#include "lib3dcnn/train.h"
#include "lib3dcnn/train/checkpoint.h"

#define FORMAT "3dcnn.checkpoint"
#define STEPS "3dcnn.checkpoint.steps"
#define MOMENTUM "momentum."
#define SQUARE "square."

/* The arrays of a trainer, in the order of the file. */
typedef struct {
  char *name;
  gpointer data;
  gint64 count;
} Array;

static void
array_clear (gpointer data)
{
  g_free (((Array *) data)->name);
}

static void
add_array (GArray *arrays, const char *prefix, const char *name, gpointer data, gint64 count)
{
  Array array = { NULL, data, count };

  if (data == NULL)
    return;
  array.name = g_strconcat (prefix, name, NULL);
  g_array_append_val (arrays, array);
}

static GArray *
list_arrays (Cnn3dTrainer *trainer)
{
  GArray *arrays = g_array_new (FALSE, FALSE, sizeof (Array));

  g_array_set_clear_func (arrays, array_clear);
  for (int i = 0; i < cnn3d_trainer_get_n_params (trainer); i++) {
    Cnn3dTrainerParam p;

    cnn3d_trainer_get_param (trainer, i, &p);
    add_array (arrays, "", p.name, p.value, p.count);
    add_array (arrays, MOMENTUM, p.name, p.momentum, p.count);
    add_array (arrays, SQUARE, p.name, p.square, p.count);
  }
  return arrays;
}

static char *
make_header (GArray *arrays, GHashTable *notes, guint64 steps, gsize real)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, steps);
  JsonObject *root = json_object_new (), *meta = json_object_new ();
  GHashTableIter iter;
  gpointer key, value;
  gint64 offset = 0;

  if (notes != NULL) {
    g_hash_table_iter_init (&iter, notes);
    while (g_hash_table_iter_next (&iter, &key, &value))
      json_object_set_string_member (meta, key, value);
  }
  json_object_set_string_member (meta, FORMAT, "1");
  json_object_set_string_member (meta, STEPS, text);
  json_object_set_object_member (root, "__metadata__", meta);
  for (guint i = 0; i < arrays->len; i++) {
    const Array *array = &g_array_index (arrays, Array, i);
    JsonObject *tensor = json_object_new ();
    JsonArray *shape = json_array_new (), *offsets = json_array_new ();

    json_array_add_int_element (shape, array->count);
    json_array_add_int_element (offsets, offset);
    json_array_add_int_element (offsets, offset += array->count * (gint64) real);
    json_object_set_string_member (tensor, "dtype", real == sizeof (float) ? "F32" : "F64");
    json_object_set_array_member (tensor, "shape", shape);
    json_object_set_array_member (tensor, "data_offsets", offsets);
    json_object_set_object_member (root, array->name, tensor);
  }
  json_node_take_object (node, root);
  return json_to_string (node, FALSE);
}

/* Files are little-endian. */
static void
append_reals (GByteArray *bytes, gconstpointer data, gsize count, gsize real)
{
  guint at = bytes->len;

  g_byte_array_append (bytes, data, (guint) (count * real));
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    return;
  for (gsize i = 0; i < count; i++)
    for (gsize k = 0; k < real; k++)
      bytes->data[at + i * real + k] = ((const guint8 *) data)[i * real + real - 1 - k];
}

gboolean
cnn3d_trainer_save_checkpoint (Cnn3dTrainer *trainer, const char *path, GHashTable *notes,
    GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GArray) arrays = NULL;
  g_autofree char *header = NULL;
  guint64 length;
  gsize real;

  g_return_val_if_fail (trainer != NULL && path != NULL, FALSE);

  arrays = list_arrays (trainer);
  real = cnn3d_trainer_get_real_size (trainer);
  header = make_header (arrays, notes, cnn3d_trainer_get_steps (trainer), real);
  length = GUINT64_TO_LE ((strlen (header) + 7) / 8 * 8);
  g_byte_array_append (bytes, (const guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) strlen (header));
  while (bytes->len % 8 != 0)
    g_byte_array_append (bytes, (const guint8 *) " ", 1);
  for (guint i = 0; i < arrays->len; i++) {
    const Array *array = &g_array_index (arrays, Array, i);

    append_reals (bytes, array->data, (gsize) array->count, real);
  }
  return cnn3d_replace_file (path, bytes->data, bytes->len, error);
}

/* The tensor of each array, in the trainer's precision; NULL if one is missing or does not fit. */
static const Cnn3dTensor **
find_tensors (const Cnn3dState *state, GArray *arrays, gsize real, const char *path, GError **error)
{
  g_autofree const Cnn3dTensor **tensors = g_new (const Cnn3dTensor *, arrays->len);
  Cnn3dDtype dtype = real == sizeof (float) ? CNN3D_DTYPE_F32 : CNN3D_DTYPE_F64;

  for (guint i = 0; i < arrays->len; i++) {
    const Array *array = &g_array_index (arrays, Array, i);

    tensors[i] = cnn3d_state_get (state, array->name);
    if (tensors[i] == NULL || tensors[i]->dtype != dtype
        || cnn3d_tensor_count (tensors[i]) != array->count) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH,
          "%s: is not a checkpoint of this network: its tensor '%s' is %s", path, array->name,
          tensors[i] ? "of another size or type" : "missing");
      return NULL;
    }
  }
  return g_steal_pointer (&tensors);
}

GHashTable *
cnn3d_trainer_load_checkpoint (Cnn3dTrainer *trainer, const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (Cnn3dState) state = NULL;
  g_autoptr (GArray) arrays = NULL;
  g_autofree const Cnn3dTensor **tensors = NULL;
  const char *format, *steps;
  guint64 n_steps;
  gsize real;

  g_return_val_if_fail (trainer != NULL && path != NULL, NULL);

  file = g_mapped_file_new (path, FALSE, error);
  if (file == NULL)
    return NULL;
  bytes = g_mapped_file_get_bytes (file);
  state = cnn3d_safetensors_read (bytes, path, error);
  if (state == NULL)
    return NULL;
  format = g_hash_table_lookup (state->metadata, FORMAT);
  steps = g_hash_table_lookup (state->metadata, STEPS);
  if (format == NULL || strcmp (format, "1") != 0 || steps == NULL
      || !g_ascii_string_to_unsigned (steps, 10, 0, G_MAXUINT64, &n_steps, NULL)) {
    cnn3d_state_fail (error, path, "is not a checkpoint of training");
    return NULL;
  }
  arrays = list_arrays (trainer);
  real = cnn3d_trainer_get_real_size (trainer);
  tensors = find_tensors (state, arrays, real, path, error);
  if (tensors == NULL)
    return NULL;
  for (guint i = 0; i < arrays->len; i++) {
    const Array *array = &g_array_index (arrays, Array, i);
    g_autoptr (GByteArray) swapped = g_byte_array_new ();

    append_reals (swapped, tensors[i]->data, (gsize) array->count, real);
    memcpy (array->data, swapped->data, swapped->len);
  }
  cnn3d_trainer_set_steps (trainer, n_steps);
  return g_hash_table_ref (state->metadata);
}
