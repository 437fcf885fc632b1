/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "lib3dcnn/train/random.h"
#include "tools/train/data.h"

/* A video file, with the parts of it that the data set has. */
typedef struct {
  guint64 order;   /* random, and the same however many others there are */
  int label;       /* of its first part */
  gboolean val;
} Group;

static int
compare_groups (gconstpointer a, gconstpointer b)
{
  const Group *m = *(Group *const *) a, *n = *(Group *const *) b;

  if (m->label != n->label)
    return m->label - n->label;
  return m->order != n->order ? (m->order < n->order ? -1 : 1) : 0;
}

char *
data_file_of (const char *name)
{
  const char *part = g_strrstr (name, "#t=");

  return g_strndup (name, part ? (gsize) (part - name) : strlen (name));
}

/* Marks a share of the groups of each class, which follow each other. */
static void
mark_groups (GPtrArray *groups, double share)
{
  for (guint first = 0, end; first < groups->len; first = end) {
    int label = ((Group *) groups->pdata[first])->label, n, n_val;

    for (end = first; end < groups->len && ((Group *) groups->pdata[end])->label == label; end++) {
    }
    n = (int) (end - first);
    n_val = n < 2 ? 0 : CLAMP ((int) (share * n + 0.5), 1, n - 1);
    for (int i = 0; i < n_val; i++)
      ((Group *) groups->pdata[first + (guint) i])->val = TRUE;
  }
}

gboolean
data_split (Cnn3dCache *cache, double share, guint64 seed, Cnn3dCache **train, Cnn3dCache **val, GError **error)
{
  int n = cnn3d_cache_get_n_videos (cache);
  g_autoptr (GHashTable) by_file = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) groups = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) learned = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (int));
  g_autofree Group **group_of = g_new (Group *, n);

  for (int i = 0; i < n; i++) {
    g_autofree char *file = NULL;
    Cnn3dCacheVideo video;

    cnn3d_cache_get_video (cache, i, &video);
    file = data_file_of (video.name);
    group_of[i] = g_hash_table_lookup (by_file, file);
    if (group_of[i] != NULL)
      continue;
    group_of[i] = g_new0 (Group, 1);
    group_of[i]->order = cnn3d_random_bits (seed, g_str_hash (file));
    group_of[i]->label = video.label;
    g_ptr_array_add (groups, group_of[i]);
    g_hash_table_insert (by_file, g_steal_pointer (&file), group_of[i]);
  }
  g_ptr_array_sort (groups, compare_groups);
  mark_groups (groups, share);
  for (int i = 0; i < n; i++)
    g_array_append_val (group_of[i]->val ? kept : learned, i);
  if (learned->len == 0 || kept->len == 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
        "%s: no class has two videos, so none can be kept for validation", cnn3d_cache_get_folder (cache));
    return FALSE;
  }
  *train = cnn3d_cache_new_subset (cache, (const int *) (gpointer) learned->data, (int) learned->len);
  *val = cnn3d_cache_new_subset (cache, (const int *) (gpointer) kept->data, (int) kept->len);
  return TRUE;
}
