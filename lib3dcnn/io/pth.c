/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PyTorch checkpoints: what torch.save() writes, in its legacy format and as a zip archive. */

#include <string.h>
#include <zip.h>

#include "lib3dcnn/io/pickle.h"
#include "lib3dcnn/io/readers.h"

static const guint8 magic[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };
#define LEGACY_PROTOCOL 1001

/* Where checkpoints keep their state dict; the root itself may be one. */
static const char *const state_keys[] = { "state_dict", "model_state_dict", "model" };

#define PREFIX "module."

static gboolean
add_tensor (Cnn3dState *state, const Cnn3dPickleValue *key, const Cnn3dPickleValue *value,
    const char *file, GError **error)
{
  const Cnn3dPickleValue *storage = value->storage;
  Cnn3dTensor tensor = { .n_dims = value->n_dims, .dtype = storage->dtype };
  const char *name = key->string;

  while (g_str_has_prefix (name, PREFIX))
    name += strlen (PREFIX);
  tensor.name = (char *) name;
  tensor.data = storage->data + (gsize) value->i * (gsize) storage->element_bytes;
  memcpy (tensor.dims, value->dims, sizeof tensor.dims);
  memcpy (tensor.strides, value->strides, sizeof tensor.strides);
  return cnn3d_state_add (state, &tensor, file, error);
}

Cnn3dState *
cnn3d_pickle_to_state (const Cnn3dPickleValue *root, GBytes *bytes, const char *file, GError **error)
{
  g_autoptr (Cnn3dState) state = cnn3d_state_new (bytes);
  const Cnn3dPickleValue *dict = root;

  for (guint i = 0; i < G_N_ELEMENTS (state_keys); i++) {
    const Cnn3dPickleValue *inner = cnn3d_pickle_get (root, state_keys[i]);
    if (inner != NULL && inner->type == CNN3D_PICKLE_DICT) {
      dict = inner;
      break;
    }
  }
  if (dict->type != CNN3D_PICKLE_DICT) {
    cnn3d_state_fail (error, file, "the checkpoint has no state_dict");
    return NULL;
  }
  for (guint i = 0; i + 1 < dict->items->len; i += 2) {
    const Cnn3dPickleValue *key = dict->items->pdata[i], *value = dict->items->pdata[i + 1];

    if (key->type != CNN3D_PICKLE_STRING || value->type != CNN3D_PICKLE_TENSOR) {
      cnn3d_state_fail (error, file, "the state dict has something other than a tensor under '%.100s'",
          key->type == CNN3D_PICKLE_STRING ? key->string : "a key that is no text");
      return NULL;
    }
    if (!add_tensor (state, key, value, file, error))
      return NULL;
  }
  return g_steal_pointer (&state);
}

/*
 * Legacy: four pickles (magic number, protocol, system, object), a fifth with the keys of the
 * storages, then for each of them its number of elements and its bytes.
 */
static gboolean
read_legacy_storages (Cnn3dPickle *pickle, const Cnn3dPickleValue *keys, GError **error)
{
  if (keys->type != CNN3D_PICKLE_LIST)
    return cnn3d_state_fail (error, pickle->file, "the list of storages is missing");
  for (guint i = 0; i < keys->items->len; i++) {
    const Cnn3dPickleValue *key = keys->items->pdata[i];
    Cnn3dPickleValue *storage = NULL;
    gint64 count, bytes;

    if (key->type == CNN3D_PICKLE_STRING)
      storage = g_hash_table_lookup (pickle->storages, key->string);
    if (storage == NULL || storage->data != NULL)
      return cnn3d_state_fail (error, pickle->file, "there is a storage that no tensor has");
    if (pickle->end - pickle->data < 8)
      return cnn3d_state_fail (error, pickle->file, "the file ends before storage '%s'", key->string);
    memcpy (&count, pickle->data, 8);
    count = GINT64_FROM_LE (count);
    if (count != storage->i)
      return cnn3d_state_fail (error, pickle->file,
          "storage '%s' has %" G_GINT64_FORMAT " elements where %" G_GINT64_FORMAT " were announced",
          key->string, count, storage->i);
    bytes = count * storage->element_bytes;
    pickle->data += 8;
    if (bytes > pickle->end - pickle->data)
      return cnn3d_state_fail (error, pickle->file, "the file ends inside of storage '%s'", key->string);
    storage->data = pickle->data;
    pickle->data += bytes;
  }
  return TRUE;
}

static gboolean
check_storages (const Cnn3dPickle *pickle, GError **error)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, pickle->storages);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Cnn3dPickleValue *storage = value;
    if (storage->data == NULL)
      return cnn3d_state_fail (error, pickle->file, "the file has no storage '%s'", storage->string);
  }
  return TRUE;
}

Cnn3dState *
cnn3d_pth_legacy_read (GBytes *bytes, const char *name, GError **error)
{
  g_auto (Cnn3dPickle) pickle = { 0 };
  Cnn3dPickleValue *number, *protocol, *system, *little, *root, *keys;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  cnn3d_pickle_init (&pickle, data, size, name);
  number = cnn3d_pickle_read (&pickle, error);
  if (number == NULL)
    return NULL;
  if (number->type != CNN3D_PICKLE_BYTES || number->length != sizeof magic
      || memcmp (number->string, magic, sizeof magic) != 0) {
    cnn3d_state_fail (error, name, "is a pickle, but not of a PyTorch checkpoint");
    return NULL;
  }
  protocol = cnn3d_pickle_read (&pickle, error);
  if (protocol == NULL)
    return NULL;
  if (protocol->type != CNN3D_PICKLE_INT || protocol->i != LEGACY_PROTOCOL) {
    cnn3d_state_fail (error, name, "is a checkpoint of an unknown version of the legacy format");
    return NULL;
  }
  system = cnn3d_pickle_read (&pickle, error);
  if (system == NULL)
    return NULL;
  little = cnn3d_pickle_get (system, "little_endian");
  if (little != NULL && (little->type != CNN3D_PICKLE_BOOL || !little->i)) {
    cnn3d_state_fail (error, name, "was written on a big-endian machine, which is not read");
    return NULL;
  }
  if ((root = cnn3d_pickle_read (&pickle, error)) == NULL
      || (keys = cnn3d_pickle_read (&pickle, error)) == NULL
      || !read_legacy_storages (&pickle, keys, error) || !check_storages (&pickle, error))
    return NULL;
  return cnn3d_pickle_to_state (root, bytes, name, error);
}

/*
 * One entry of an archive. PyTorch stores its entries uncompressed; anything else is refused, so that
 * nothing in memory is larger than the file. left counts down from the file's size.
 */
static guint8 *
read_entry (zip_t *zip, const char *entry, gsize *size, gsize *left, const char *name, GError **error)
{
  zip_stat_t stat;
  zip_file_t *file;
  guint8 *data;
  gboolean complete;

  if (zip_stat (zip, entry, 0, &stat) != 0 || !(stat.valid & ZIP_STAT_SIZE)) {
    cnn3d_state_fail (error, name, "the archive has no '%s'", entry);
    return NULL;
  }
  if (!(stat.valid & ZIP_STAT_COMP_METHOD) || stat.comp_method != ZIP_CM_STORE || stat.size > *left) {
    cnn3d_state_fail (error, name, "'%s' is compressed or larger than the file", entry);
    return NULL;
  }
  *left -= stat.size;
  *size = stat.size;
  file = zip_fopen (zip, entry, 0);
  if (file == NULL) {
    cnn3d_state_fail (error, name, "'%s': %s", entry, zip_strerror (zip));
    return NULL;
  }
  data = g_malloc (MAX (stat.size, 1));
  /* The last read of nothing makes libzip compare the checksum. */
  complete = zip_fread (file, data, stat.size) == (zip_int64_t) stat.size
      && zip_fread (file, data, 0) == 0;
  if (!complete) {
    cnn3d_state_fail (error, name, "'%s' is damaged: %s", entry, zip_file_strerror (file));
    g_clear_pointer (&data, g_free);
  }
  if (zip_fclose (file) != 0 && data != NULL) {
    cnn3d_state_fail (error, name, "'%s' is damaged", entry);
    g_clear_pointer (&data, g_free);
  }
  return data;
}

/* The folder that holds data.pkl: its name is that of the file when it was saved. */
static char *
find_folder (zip_t *zip)
{
  gint64 n = zip_get_num_entries (zip, 0);

  for (gint64 i = 0; i < n; i++) {
    const char *entry = zip_get_name (zip, (zip_uint64_t) i, 0);
    const char *file = "data.pkl";

    if (entry != NULL && g_str_has_suffix (entry, file)) {
      gsize length = strlen (entry) - strlen (file);
      if (length > 0 && entry[length - 1] == '/')
        return g_strndup (entry, length);
    }
  }
  return NULL;
}

static Cnn3dState *
read_archive (zip_t *zip, GBytes *bytes, const char *name, GError **error)
{
  g_autofree char *folder = find_folder (zip);
  g_autofree char *entry = NULL, *order_entry = NULL;
  g_autofree guint8 *data = NULL, *order = NULL;
  g_auto (Cnn3dPickle) pickle = { 0 };
  g_autoptr (GPtrArray) blocks = g_ptr_array_new_with_free_func (g_free);
  gsize size, left = g_bytes_get_size (bytes);
  Cnn3dPickleValue *root;
  Cnn3dState *state;
  GHashTableIter iter;
  gpointer value;

  if (folder == NULL) {
    cnn3d_state_fail (error, name, "is a zip archive, but not of a PyTorch checkpoint");
    return NULL;
  }
  order_entry = g_strdup_printf ("%sbyteorder", folder);
  if (zip_name_locate (zip, order_entry, 0) >= 0) {
    if ((order = read_entry (zip, order_entry, &size, &left, name, error)) == NULL)
      return NULL;
    if (size != 6 || memcmp (order, "little", 6) != 0) {
      cnn3d_state_fail (error, name, "was written on a big-endian machine, which is not read");
      return NULL;
    }
  }
  entry = g_strdup_printf ("%sdata.pkl", folder);
  if ((data = read_entry (zip, entry, &size, &left, name, error)) == NULL)
    return NULL;
  cnn3d_pickle_init (&pickle, data, size, name);
  if ((root = cnn3d_pickle_read (&pickle, error)) == NULL)
    return NULL;

  g_hash_table_iter_init (&iter, pickle.storages);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Cnn3dPickleValue *storage = value;
    g_autofree char *path = g_strdup_printf ("%sdata/%s", folder, storage->string);
    guint8 *block = read_entry (zip, path, &size, &left, name, error);

    if (block == NULL)
      return NULL;
    g_ptr_array_add (blocks, block);
    if (size != (gsize) storage->i * (gsize) storage->element_bytes) {
      cnn3d_state_fail (error, name, "'%s' has %" G_GSIZE_FORMAT " bytes, not those of %" G_GINT64_FORMAT
          " elements", path, size, storage->i);
      return NULL;
    }
    storage->data = block;
  }
  state = cnn3d_pickle_to_state (root, bytes, name, error);
  if (state != NULL)
    g_ptr_array_extend_and_steal (state->owned, g_steal_pointer (&blocks));
  return state;
}

Cnn3dState *
cnn3d_pth_zip_read (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);
  Cnn3dState *state;
  zip_source_t *source;
  zip_error_t zip_error;
  zip_t *zip = NULL;

  zip_error_init (&zip_error);
  source = zip_source_buffer_create (data, size, 0, &zip_error);
  if (source != NULL) {
    zip = zip_open_from_source (source, ZIP_RDONLY, &zip_error);
    if (zip == NULL)
      zip_source_free (source);
  }
  if (zip == NULL) {
    cnn3d_state_fail (error, name, "is a damaged zip archive: %s", zip_error_strerror (&zip_error));
    zip_error_fini (&zip_error);
    return NULL;
  }
  zip_error_fini (&zip_error);
  state = read_archive (zip, bytes, name, error);
  zip_discard (zip);
  return state;
}
