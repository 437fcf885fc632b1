/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "lib3dcnn/io/safetensors.h"
#include "lib3dcnn/train/cache-private.h"

typedef struct {
  Cnn3dCacheVideo video;
  gint64 offset;
} Entry;

struct _Cnn3dCache {
  gatomicrefcount ref_count;
  Cnn3dCache *whole; /* of a subset: what it shares all but the entries with */
  char *folder;
  char **labels;
  GHashTable *notes;
  GStringChunk *names;
  GArray *entries;
  int fd;
};

G_DEFINE_BOXED_TYPE (Cnn3dCache, cnn3d_cache, cnn3d_cache_ref, cnn3d_cache_unref)

/* Sets an error that begins with the index' name; returns FALSE. */
static gboolean G_GNUC_PRINTF (3, 4)
fail (Cnn3dCache *cache, GError **error, const char *format, ...)
{
  g_autofree char *reason = NULL;
  va_list args;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s/" CNN3D_CACHE_INDEX ": %s", cache->folder,
      reason);
  return FALSE;
}

static const char *
get_string (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
      ? json_node_get_string (node)
      : NULL;
}

/* An integer member from min to max; a missing one is min - 1, and so is anything else. */
static gint64
get_integer (JsonObject *object, const char *member, gint64 min, gint64 max)
{
  JsonNode *node = json_object_get_member (object, member);
  gint64 value;

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64)
    return min - 1;
  value = json_node_get_int (node);
  return value >= min && value <= max ? value : min - 1;
}

static gboolean
read_labels (Cnn3dCache *cache, JsonNode *node, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node)
      || json_array_get_length (json_node_get_array (node)) == 0)
    return fail (cache, error, "has no array of labels");
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    const char *label = get_string (json_array_get_element (array, i));

    if (label == NULL)
      return fail (cache, error, "label %u is not text", i);
    g_strv_builder_add (builder, label);
  }
  cache->labels = g_strv_builder_end (builder);
  return TRUE;
}

static gboolean
read_notes (Cnn3dCache *cache, JsonNode *node, GError **error)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (node == NULL)
    return TRUE;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return fail (cache, error, "its notes are not an object");
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &key, &value)) {
    if (get_string (value) == NULL)
      return fail (cache, error, "its note '%s' is not text", key);
    g_hash_table_insert (cache->notes, g_strdup (key), g_strdup (get_string (value)));
  }
  return TRUE;
}

static gboolean
read_video (Cnn3dCache *cache, guint i, JsonNode *node, gint64 n_labels, gint64 size, GError **error)
{
  JsonObject *o;
  const char *name;
  Entry entry = { 0 };
  Cnn3dCacheVideo *v = &entry.video;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return fail (cache, error, "video %u is not an object", i);
  o = json_node_get_object (node);
  name = get_string (json_object_get_member (o, "name"));
  v->label = (int) get_integer (o, "label", 0, n_labels - 1);
  v->width = (int) get_integer (o, "width", 1, CNN3D_CACHE_MAX_SIDE);
  v->height = (int) get_integer (o, "height", 1, CNN3D_CACHE_MAX_SIDE);
  v->frames = (int) get_integer (o, "frames", 1, G_MAXINT);
  entry.offset = get_integer (o, "offset", 0, size);
  if (name == NULL || v->label < 0 || v->width < 1 || v->height < 1 || v->frames < 1 || entry.offset < 0)
    return fail (cache, error, "video %u (%s) lacks a member, or has one out of range", i,
        name ? name : "no name");
  if ((size - entry.offset) / ((gint64) v->width * v->height * 3) < v->frames)
    return fail (cache, error, "video %u (%s) ends beyond the end of " CNN3D_CACHE_FRAMES, i, name);
  if (json_object_has_member (o, "rate")) {
    JsonNode *rate = json_object_get_member (o, "rate");

    v->rate = JSON_NODE_HOLDS_VALUE (rate) ? json_node_get_double (rate) : -1;
    if (!isfinite (v->rate) || v->rate < 0)
      return fail (cache, error, "video %u (%s) has no valid rate", i, name);
  }
  v->source_size = MAX (get_integer (o, "source_size", 0, G_MAXINT64), 0);
  v->source_time = MAX (get_integer (o, "source_time", 0, G_MAXINT64), 0);
  v->name = g_string_chunk_insert (cache->names, name);
  g_array_append_val (cache->entries, entry);
  return TRUE;
}

static gboolean
read_index (Cnn3dCache *cache, JsonNode *root, gint64 size, GError **error)
{
  JsonObject *object;
  JsonNode *videos;
  JsonArray *array;
  gint64 n_labels;

  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return fail (cache, error, "is not a JSON object");
  object = json_node_get_object (root);
  if (get_integer (object, "version", 1, CNN3D_CACHE_VERSION) < 1)
    return fail (cache, error, "is not a cache of version %d", CNN3D_CACHE_VERSION);
  videos = json_object_get_member (object, "videos");
  if (videos == NULL || !JSON_NODE_HOLDS_ARRAY (videos)
      || json_array_get_length (json_node_get_array (videos)) == 0)
    return fail (cache, error, "has no array of videos");
  if (!read_labels (cache, json_object_get_member (object, "labels"), error)
      || !read_notes (cache, json_object_get_member (object, "notes"), error))
    return FALSE;
  array = json_node_get_array (videos);
  n_labels = g_strv_length (cache->labels);
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (!read_video (cache, i, json_array_get_element (array, i), n_labels, size, error))
      return FALSE;
  return TRUE;
}

Cnn3dCache *
cnn3d_cache_open (const char *folder, GError **error)
{
  g_autoptr (Cnn3dCache) cache = NULL;
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) json_error = NULL;
  g_autofree char *index = NULL, *frames = NULL, *text = NULL;
  gsize length;
  gint64 size;

  g_return_val_if_fail (folder != NULL, NULL);

  cache = g_new0 (Cnn3dCache, 1);
  g_atomic_ref_count_init (&cache->ref_count);
  cache->fd = -1;
  cache->folder = g_strdup (folder);
  cache->notes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  cache->names = g_string_chunk_new (1 << 16);
  cache->entries = g_array_new (FALSE, FALSE, sizeof (Entry));

  index = g_build_filename (folder, CNN3D_CACHE_INDEX, NULL);
  frames = g_build_filename (folder, CNN3D_CACHE_FRAMES, NULL);
  if (!g_file_get_contents (index, &text, &length, error))
    return NULL;
  cache->fd = g_open (frames, O_RDONLY | O_CLOEXEC, 0);
  size = cache->fd < 0 ? -1 : lseek (cache->fd, 0, SEEK_END);
  if (size < 0) {
    int reason = errno;
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (reason), "%s: %s", frames,
        g_strerror (reason));
    return NULL;
  }
  if (!g_utf8_validate (text, (gssize) length, NULL) || !cnn3d_json_is_shallow (text, length)) {
    fail (cache, error, "is not the index of a cache");
    return NULL;
  }
  parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, text, (gssize) length, &json_error)) {
    fail (cache, error, "%s", json_error->message);
    return NULL;
  }
  if (!read_index (cache, json_parser_get_root (parser), size, error))
    return NULL;
  return g_steal_pointer (&cache);
}

Cnn3dCache *
cnn3d_cache_new_subset (Cnn3dCache *cache, const int *videos, int n)
{
  Cnn3dCache *subset;

  g_return_val_if_fail (cache != NULL && videos != NULL && n >= 1, NULL);
  for (int i = 0; i < n; i++)
    g_return_val_if_fail (videos[i] >= 0 && videos[i] < (int) cache->entries->len, NULL);

  subset = g_memdup2 (cache, sizeof *cache);
  g_atomic_ref_count_init (&subset->ref_count);
  subset->whole = cnn3d_cache_ref (cache);
  subset->entries = g_array_sized_new (FALSE, FALSE, sizeof (Entry), (guint) n);
  for (int i = 0; i < n; i++)
    g_array_append_val (subset->entries, g_array_index (cache->entries, Entry, videos[i]));
  return subset;
}

Cnn3dCache *
cnn3d_cache_ref (Cnn3dCache *cache)
{
  g_return_val_if_fail (cache != NULL, NULL);
  g_atomic_ref_count_inc (&cache->ref_count);
  return cache;
}

void
cnn3d_cache_unref (Cnn3dCache *cache)
{
  g_return_if_fail (cache != NULL);
  if (!g_atomic_ref_count_dec (&cache->ref_count))
    return;
  g_array_unref (cache->entries);
  if (cache->whole != NULL) {
    cnn3d_cache_unref (cache->whole);
    g_free (cache);
    return;
  }
  if (cache->fd >= 0)
    close (cache->fd);
  g_string_chunk_free (cache->names);
  g_hash_table_unref (cache->notes);
  g_strfreev (cache->labels);
  g_free (cache->folder);
  g_free (cache);
}

const char *
cnn3d_cache_get_folder (Cnn3dCache *cache)
{
  g_return_val_if_fail (cache != NULL, NULL);
  return cache->folder;
}

const char *const *
cnn3d_cache_get_labels (Cnn3dCache *cache)
{
  g_return_val_if_fail (cache != NULL, NULL);
  return (const char *const *) cache->labels;
}

int
cnn3d_cache_get_n_videos (Cnn3dCache *cache)
{
  g_return_val_if_fail (cache != NULL, 0);
  return (int) cache->entries->len;
}

void
cnn3d_cache_get_video (Cnn3dCache *cache, int index, Cnn3dCacheVideo *video)
{
  g_return_if_fail (cache != NULL && video != NULL);
  g_return_if_fail (index >= 0 && index < (int) cache->entries->len);
  *video = g_array_index (cache->entries, Entry, index).video;
}

const char *
cnn3d_cache_get_note (Cnn3dCache *cache, const char *key)
{
  g_return_val_if_fail (cache != NULL && key != NULL, NULL);
  return g_hash_table_lookup (cache->notes, key);
}

gboolean
cnn3d_cache_read (Cnn3dCache *cache, int video, int first, int n, guint8 *rgb, GError **error)
{
  const Entry *entry;
  gsize frame, left;
  gint64 at;

  g_return_val_if_fail (cache != NULL && rgb != NULL, FALSE);
  g_return_val_if_fail (video >= 0 && video < (int) cache->entries->len, FALSE);
  entry = &g_array_index (cache->entries, Entry, video);
  g_return_val_if_fail (first >= 0 && n >= 0 && n <= entry->video.frames - first, FALSE);

  frame = (gsize) entry->video.width * entry->video.height * 3;
  at = entry->offset + (gint64) frame * first;
  for (left = frame * n; left > 0;) {
    gssize got = pread (cache->fd, rgb, left, at);

    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0) {
      int reason = errno;
      g_set_error (error, G_FILE_ERROR,
          got == 0 ? G_FILE_ERROR_IO : (gint) g_file_error_from_errno (reason),
          "%s/" CNN3D_CACHE_FRAMES ": video '%s' cannot be read: %s", cache->folder, entry->video.name,
          got == 0 ? "the file has become shorter" : g_strerror (reason));
      return FALSE;
    }
    rgb += got;
    at += got;
    left -= (gsize) got;
  }
  return TRUE;
}
