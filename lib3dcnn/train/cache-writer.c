/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#include "lib3dcnn/cache.h"
#include "lib3dcnn/io/replace.h"
#include "lib3dcnn/train/cache-private.h"

typedef struct {
  Cnn3dCacheVideo video;
  gint64 offset;
} Entry;

struct _Cnn3dCacheWriter {
  char *folder, *partial; /* the latter is NULL once the cache is in its place */
  char **labels;
  GHashTable *notes;
  GArray *entries;
  int fd;
  gint64 size; /* of frames.bin */
};

static gboolean
fail (GError **error, const char *file, const char *what)
{
  int reason = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (reason), "%s: %s: %s", file, what,
      g_strerror (reason));
  return FALSE;
}

/* The two files and the folder, nothing else. */
static void
remove_cache (const char *folder)
{
  g_autofree char *index = g_build_filename (folder, CNN3D_CACHE_INDEX, NULL);
  g_autofree char *frames = g_build_filename (folder, CNN3D_CACHE_FRAMES, NULL);

  g_unlink (index);
  g_unlink (frames);
  g_rmdir (folder);
}

/* Whether a finished cache may take this place. */
static gboolean
check_place (const char *folder, GError **error)
{
  g_autofree char *index = g_build_filename (folder, CNN3D_CACHE_INDEX, NULL);
  g_autoptr (GDir) dir = NULL;

  if (!g_file_test (folder, G_FILE_TEST_EXISTS) || g_file_test (index, G_FILE_TEST_EXISTS))
    return TRUE;
  dir = g_dir_open (folder, 0, error);
  if (dir == NULL)
    return FALSE;
  if (g_dir_read_name (dir) == NULL)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
      "%s: is there already, and is not a cache that could be replaced", folder);
  return FALSE;
}

static char *
without_slash (const char *folder)
{
  gsize n = strlen (folder);

  while (n > 1 && folder[n - 1] == G_DIR_SEPARATOR)
    n--;
  return g_strndup (folder, n);
}

Cnn3dCacheWriter *
cnn3d_cache_writer_new (const char *folder, const char *const *labels, GError **error)
{
  g_autoptr (Cnn3dCacheWriter) writer = NULL;
  g_autofree char *frames = NULL, *partial = NULL, *parent = NULL;

  g_return_val_if_fail (folder != NULL && *folder != '\0', NULL);
  g_return_val_if_fail (labels != NULL && labels[0] != NULL, NULL);

  writer = g_new0 (Cnn3dCacheWriter, 1);
  writer->fd = -1;
  writer->folder = without_slash (folder);
  writer->labels = g_strdupv ((char **) labels);
  writer->notes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  writer->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  if (!check_place (writer->folder, error))
    return NULL;
  parent = g_path_get_dirname (writer->folder);
  if (g_mkdir_with_parents (parent, 0777) < 0) {
    fail (error, parent, "cannot be made");
    return NULL;
  }
  partial = g_strconcat (writer->folder, ".partial-XXXXXX", NULL);
  if (g_mkdtemp_full (partial, 0777) == NULL) {
    fail (error, partial, "cannot be made");
    return NULL;
  }
  writer->partial = g_steal_pointer (&partial);
  frames = g_build_filename (writer->partial, CNN3D_CACHE_FRAMES, NULL);
  writer->fd = g_open (frames, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (writer->fd < 0) {
    fail (error, frames, "cannot be made");
    return NULL;
  }
  return g_steal_pointer (&writer);
}

void
cnn3d_cache_writer_set_note (Cnn3dCacheWriter *writer, const char *key, const char *value)
{
  g_return_if_fail (writer != NULL && key != NULL && value != NULL);
  g_hash_table_insert (writer->notes, g_strdup (key), g_strdup (value));
}

/* The video that was begun last. */
static Entry *
last_entry (Cnn3dCacheWriter *writer)
{
  return &g_array_index (writer->entries, Entry, writer->entries->len - 1);
}

void
cnn3d_cache_writer_cancel_video (Cnn3dCacheWriter *writer)
{
  Entry *last;

  g_return_if_fail (writer != NULL && writer->entries->len > 0);

  last = last_entry (writer);
  writer->size = last->offset;
  g_free ((char *) last->video.name);
  g_array_set_size (writer->entries, writer->entries->len - 1);
}

void
cnn3d_cache_writer_begin (Cnn3dCacheWriter *writer, const Cnn3dCacheVideo *video)
{
  Entry entry;

  g_return_if_fail (writer != NULL && video != NULL && video->name != NULL);
  g_return_if_fail (video->label >= 0 && video->label < (int) g_strv_length (writer->labels));
  g_return_if_fail (video->width >= 1 && video->width <= CNN3D_CACHE_MAX_SIDE);
  g_return_if_fail (video->height >= 1 && video->height <= CNN3D_CACHE_MAX_SIDE);

  if (writer->entries->len > 0 && last_entry (writer)->video.frames == 0)
    cnn3d_cache_writer_cancel_video (writer);
  entry = (Entry){ *video, writer->size };
  entry.video.name = g_utf8_make_valid (video->name, -1);
  entry.video.frames = 0;
  g_array_append_val (writer->entries, entry);
}

gboolean
cnn3d_cache_writer_add_frames (Cnn3dCacheWriter *writer, const guint8 *rgb, int n, GError **error)
{
  Cnn3dCacheVideo *video;
  gsize bytes;

  g_return_val_if_fail (writer != NULL && writer->fd >= 0 && writer->entries->len > 0, FALSE);
  g_return_val_if_fail (n >= 0 && (rgb != NULL || n == 0), FALSE);

  video = &last_entry (writer)->video;
  bytes = (gsize) video->width * video->height * 3 * n;
  /* After a cancelled video, its bytes are overwritten. */
  if (lseek (writer->fd, writer->size, SEEK_SET) < 0 || !cnn3d_write_all (writer->fd, rgb, bytes)) {
    g_autofree char *path = g_build_filename (writer->partial, CNN3D_CACHE_FRAMES, NULL);
    return fail (error, path, "cannot be written");
  }
  writer->size += (gint64) bytes;
  video->frames += n;
  return TRUE;
}

gboolean
cnn3d_cache_writer_add (Cnn3dCacheWriter *writer, const char *name, int label, int width, int height,
    double rate, const guint8 *rgb, int n_frames, GError **error)
{
  const Cnn3dCacheVideo video = { .name = name, .label = label, .width = width, .height = height,
    .rate = rate };

  g_return_val_if_fail (n_frames >= 1, FALSE);

  cnn3d_cache_writer_begin (writer, &video);
  return cnn3d_cache_writer_add_frames (writer, rgb, n_frames, error);
}

gint64
cnn3d_cache_writer_get_size (Cnn3dCacheWriter *writer)
{
  g_return_val_if_fail (writer != NULL, 0);
  return writer->size;
}

static char *
entry_to_json (const Entry *entry)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  const Cnn3dCacheVideo *video = &entry->video;

  json_object_set_string_member (object, "name", video->name);
  json_object_set_int_member (object, "label", video->label);
  json_object_set_int_member (object, "offset", entry->offset);
  json_object_set_int_member (object, "frames", video->frames);
  json_object_set_int_member (object, "width", video->width);
  json_object_set_int_member (object, "height", video->height);
  if (video->rate > 0)
    json_object_set_double_member (object, "rate", video->rate);
  if (video->source_size > 0) {
    json_object_set_int_member (object, "source_size", video->source_size);
    json_object_set_int_member (object, "source_time", video->source_time);
  }
  json_node_take_object (node, object);
  return json_to_string (node, FALSE);
}

/* The head as json-glib writes it, a line for each video. */
static GString *
make_index (Cnn3dCacheWriter *writer)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (writer->notes), (GCompareFunc) strcmp);
  g_autofree char *head = NULL;
  JsonObject *object = json_object_new (), *notes = json_object_new ();
  JsonArray *labels = json_array_new ();
  GString *index;

  for (char **label = writer->labels; *label != NULL; label++)
    json_array_add_string_element (labels, *label);
  for (GList *l = keys; l != NULL; l = l->next)
    json_object_set_string_member (notes, l->data, g_hash_table_lookup (writer->notes, l->data));
  json_object_set_int_member (object, "version", CNN3D_CACHE_VERSION);
  json_object_set_array_member (object, "labels", labels);
  json_object_set_object_member (object, "notes", notes);
  json_node_take_object (node, object);
  head = json_to_string (node, FALSE);

  index = g_string_new_len (head, (gssize) strlen (head) - 1);
  g_string_append (index, ",\n\"videos\":[");
  for (guint i = 0; i < writer->entries->len; i++) {
    g_autofree char *line = entry_to_json (&g_array_index (writer->entries, Entry, i));

    g_string_append_printf (index, "%s\n%s", i > 0 ? "," : "", line);
  }
  g_string_append (index, "\n]}\n");
  return index;
}

static gboolean
write_index (Cnn3dCacheWriter *writer, GError **error)
{
  g_autofree char *path = g_build_filename (writer->partial, CNN3D_CACHE_INDEX, NULL);
  GString *index = make_index (writer);
  int fd = g_open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  gboolean ok = fd >= 0 && cnn3d_write_all (fd, index->str, index->len) && fsync (fd) == 0;

  if (!ok)
    fail (error, path, "cannot be written");
  if (fd >= 0)
    close (fd);
  g_string_free (index, TRUE);
  return ok;
}

/* An older cache is exchanged in one step where the file system can, and then removed. */
static gboolean
put_in_place (Cnn3dCacheWriter *writer, GError **error)
{
  g_autofree char *old = NULL;

  g_rmdir (writer->folder); /* goes if it is empty */
  if (!g_file_test (writer->folder, G_FILE_TEST_EXISTS)) {
    if (g_rename (writer->partial, writer->folder) < 0)
      return fail (error, writer->folder, "cannot be put in place");
  } else if (renameat2 (AT_FDCWD, writer->partial, AT_FDCWD, writer->folder, RENAME_EXCHANGE) == 0) {
    remove_cache (writer->partial);
  } else {
    old = g_strconcat (writer->partial, "-old", NULL);
    if (g_rename (writer->folder, old) < 0 || g_rename (writer->partial, writer->folder) < 0) {
      fail (error, writer->folder, "cannot be replaced");
      g_rename (old, writer->folder);
      return FALSE;
    }
    remove_cache (old);
  }
  g_clear_pointer (&writer->partial, g_free);
  return TRUE;
}

gboolean
cnn3d_cache_writer_finish (Cnn3dCacheWriter *writer, GError **error)
{
  g_return_val_if_fail (writer != NULL && writer->fd >= 0, FALSE);

  if (writer->entries->len > 0 && last_entry (writer)->video.frames == 0)
    cnn3d_cache_writer_cancel_video (writer);
  if (writer->entries->len == 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: there is no video for this cache",
        writer->folder);
    return FALSE;
  }
  if (ftruncate (writer->fd, writer->size) < 0 || fsync (writer->fd) < 0) {
    g_autofree char *path = g_build_filename (writer->partial, CNN3D_CACHE_FRAMES, NULL);
    return fail (error, path, "cannot be written");
  }
  close (writer->fd);
  writer->fd = -1;
  return write_index (writer, error) && put_in_place (writer, error);
}

void
cnn3d_cache_writer_free (Cnn3dCacheWriter *writer)
{
  if (writer == NULL)
    return;
  if (writer->fd >= 0)
    close (writer->fd);
  if (writer->partial != NULL)
    remove_cache (writer->partial);
  for (guint i = 0; i < writer->entries->len; i++)
    g_free ((char *) g_array_index (writer->entries, Entry, i).video.name);
  g_array_unref (writer->entries);
  g_hash_table_unref (writer->notes);
  g_strfreev (writer->labels);
  g_free (writer->folder);
  g_free (writer->partial);
  g_free (writer);
}
