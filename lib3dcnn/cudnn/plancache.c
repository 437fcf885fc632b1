/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/plancache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define GROUP "plans"
#define IDENTITY "identity"

struct _Cnn3dPlanCache {
  char *identity;
  char *path; /* NULL: kept for this session only */
  GKeyFile *file;
  GHashTable *found;   /* names that were got */
  GHashTable *changed; /* names that were set, or dropped, since it was read */
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

/* What is kept there, or nothing yet. */
static GKeyFile *
load (const char *path, const char *identity)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *found = NULL;

  if (path != NULL && g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    found = g_key_file_get_string (file, GROUP, IDENTITY, NULL);
  if (g_strcmp0 (found, identity) != 0) {
    g_key_file_free (g_steal_pointer (&file));
    file = g_key_file_new ();
    g_key_file_set_string (file, GROUP, IDENTITY, identity);
  }
  return g_steal_pointer (&file);
}

Cnn3dPlanCache *
cnn3d_plan_cache_new (const char *identity, gboolean anew)
{
  Cnn3dPlanCache *cache = g_new0 (Cnn3dPlanCache, 1);

  cache->identity = g_strdup (identity);
  cache->path = make_path (identity);
  cache->file = load (anew ? NULL : cache->path, identity);
  cache->found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  cache->changed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return cache;
}

void
cnn3d_plan_cache_free (Cnn3dPlanCache *cache)
{
  if (cache == NULL)
    return;
  g_key_file_free (cache->file);
  g_hash_table_unref (cache->found);
  g_hash_table_unref (cache->changed);
  g_free (cache->identity);
  g_free (cache->path);
  g_free (cache);
}

/* Puts what has changed into what is kept by now. */
static void
merge (Cnn3dPlanCache *cache)
{
  GKeyFile *kept = load (cache->path, cache->identity);
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, cache->changed);
  while (g_hash_table_iter_next (&iter, &name, NULL)) {
    g_autofree char *value = g_key_file_get_value (cache->file, GROUP, name, NULL);

    if (value != NULL)
      g_key_file_set_value (kept, GROUP, name, value);
    else
      g_key_file_remove_key (kept, GROUP, name, NULL);
  }
  g_key_file_free (cache->file);
  cache->file = kept;
}

/* Once for a process: where nothing can be kept, each start times all plans again. */
static void
complain (const char *reason)
{
  static gsize said;

  if (g_once_init_enter (&said)) {
    g_message ("lib3dcnn: chosen plans cannot be kept, so that each start takes longer: %s (%s names another folder, or"
        " none if it is empty)", reason, CNN3D_PLAN_CACHE_ENV);
    g_once_init_leave (&said, 1);
  }
}

void
cnn3d_plan_cache_save (Cnn3dPlanCache *cache)
{
  g_autofree char *folder = NULL;
  g_autoptr (GError) error = NULL;
  int lock;

  if (cache->path == NULL || g_hash_table_size (cache->changed) == 0)
    return;
  folder = g_path_get_dirname (cache->path);
  if (g_mkdir_with_parents (folder, 0700) != 0) {
    g_autofree char *reason = g_strdup_printf ("%s: %s", folder, g_strerror (errno));
    complain (reason);
    return;
  }
  /* The folder is locked, as the file is replaced. Where that cannot be done, the last one who writes wins. */
  lock = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock >= 0)
    flock (lock, LOCK_EX);
  merge (cache);
  /* Written as a whole and renamed. */
  if (g_key_file_save_to_file (cache->file, cache->path, &error))
    g_hash_table_remove_all (cache->changed);
  else
    complain (error->message);
  if (lock >= 0)
    close (lock);
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
  if (!g_hash_table_contains (cache->changed, name))
    g_hash_table_add (cache->found, g_strdup (name));
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
  g_hash_table_add (cache->changed, g_steal_pointer (&name));
}

gboolean
cnn3d_plan_cache_forget (Cnn3dPlanCache *cache)
{
  gboolean any = g_hash_table_size (cache->found) > 0;
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, cache->found);
  while (g_hash_table_iter_next (&iter, &name, NULL)) {
    g_key_file_remove_key (cache->file, GROUP, name, NULL);
    g_hash_table_add (cache->changed, g_strdup (name));
  }
  g_hash_table_remove_all (cache->found);
  return any;
}

/* The first line has it among words: "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug ...". */
char *
cnn3d_driver_release (const char *path)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) words = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  text[strcspn (text, "\n")] = '\0';
  words = g_strsplit_set (text, " \t", -1);
  for (int i = 0; words[i] != NULL; i++)
    if (g_ascii_isdigit (words[i][0]) && strchr (words[i], '.') != NULL
        && words[i][strspn (words[i], "0123456789.")] == '\0')
      return g_strdup (words[i]);
  return NULL;
}
