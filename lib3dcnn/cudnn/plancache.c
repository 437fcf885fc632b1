/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/plancache.h"

#define GROUP "plans"
#define IDENTITY "identity"

struct _Cnn3dPlanCache {
  GKeyFile *file;
  char *path; /* NULL: kept for this session only */
  gboolean changed;
};

static char *
make_path (const char *identity)
{
  const char *folder = g_getenv (CNN3D_PLAN_CACHE_ENV);
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, identity, -1);
  g_autofree char *name = g_strdup_printf ("cudnn-%.16s.ini", sum);

  if (folder != NULL)
    return folder[0] != '\0' ? g_build_filename (folder, name, NULL) : NULL;
  return g_build_filename (g_get_user_cache_dir (), "3dcnn", name, NULL);
}

Cnn3dPlanCache *
cnn3d_plan_cache_new (const char *identity)
{
  Cnn3dPlanCache *cache = g_new0 (Cnn3dPlanCache, 1);
  g_autofree char *found = NULL;

  cache->file = g_key_file_new ();
  cache->path = make_path (identity);
  if (cache->path != NULL && g_key_file_load_from_file (cache->file, cache->path, G_KEY_FILE_NONE, NULL))
    found = g_key_file_get_string (cache->file, GROUP, IDENTITY, NULL);
  if (g_strcmp0 (found, identity) != 0) {
    g_key_file_free (cache->file);
    cache->file = g_key_file_new ();
    g_key_file_set_string (cache->file, GROUP, IDENTITY, identity);
  }
  return cache;
}

void
cnn3d_plan_cache_free (Cnn3dPlanCache *cache)
{
  if (cache == NULL)
    return;
  if (cache->changed && cache->path != NULL) {
    g_autofree char *folder = g_path_get_dirname (cache->path);

    /* Written as a whole and renamed, so sessions that end together do no harm. */
    if (g_mkdir_with_parents (folder, 0700) == 0)
      g_key_file_save_to_file (cache->file, cache->path, NULL);
  }
  g_key_file_free (cache->file);
  g_free (cache->path);
  g_free (cache);
}

/* Names of keys may hold neither '=' nor brackets; ours do not, but have spaces. */
static char *
encode (const char *key)
{
  return g_strdelimit (g_strdup (key), " >+", '_');
}

gboolean
cnn3d_plan_cache_get (Cnn3dPlanCache *cache, const char *key, int *index, int *engine)
{
  g_autofree char *name = encode (key);
  gsize n = 0;
  g_autofree int *values = g_key_file_get_integer_list (cache->file, GROUP, name, &n, NULL);

  if (values == NULL || n != 2 || values[0] < 0)
    return FALSE;
  *index = values[0];
  *engine = values[1];
  return TRUE;
}

void
cnn3d_plan_cache_set (Cnn3dPlanCache *cache, const char *key, int index, int engine)
{
  g_autofree char *name = encode (key);
  int values[2] = { index, engine };

  g_key_file_set_integer_list (cache->file, GROUP, name, values, 2);
  cache->changed = TRUE;
}
