/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/classify/list.h"

#include <errno.h>
#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

#include "lib3dcnn/error.h"
#include "tools/timeline.h"

void
video_free (Video *video)
{
  g_free (video->name);
  g_free (video->path);
  g_free (video->uri);
  g_free (video);
}

Video *
video_new (const char *name, const char *folder)
{
  Video *video = g_new0 (Video, 1);

  video->name = g_strdup (name);
  if (strstr (name, "://") == NULL || !gst_uri_is_valid (name))
    video->path = g_path_is_absolute (name) || folder == NULL ? g_strdup (name)
                                                              : g_build_filename (folder, name, NULL);
  else if ((video->path = g_filename_from_uri (name, NULL, NULL)) == NULL)
    video->uri = g_strdup (name);
  return video;
}

gboolean
videos_parse (const char *text, gsize length, const char *file, GPtrArray *videos, GError **error)
{
  g_autofree char *folder = strcmp (file, "-") == 0 ? NULL : g_path_get_dirname (file);
  const char *end = text + length;

  if (memchr (text, '\0', length) != NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: is no text, so no list of videos", file);
    return FALSE;
  }
  if (length >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    text += 3; /* UTF-8's mark */
  while (text < end) {
    const char *newline = memchr (text, '\n', (gsize) (end - text)), *stop = newline ? newline : end;
    gsize n = (gsize) (stop - text) - (stop > text && stop[-1] == '\r');
    g_autofree char *line = g_strndup (text, n);

    if (line[strspn (line, " \t")] != '\0' && line[0] != '#')
      g_ptr_array_add (videos, video_new (line, folder));
    text = stop + 1;
  }
  return TRUE;
}

gboolean
videos_read (const char *file, char **text, gsize *length, GError **error)
{
  g_autoptr (GString) all = g_string_new (NULL);
  char part[4096];
  gsize n;

  if (strcmp (file, "-") != 0)
    return g_file_get_contents (file, text, length, error);
  while ((n = fread (part, 1, sizeof part, stdin)) > 0)
    g_string_append_len (all, part, (gssize) n);
  if (ferror (stdin)) {
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno), "standard input: %s",
        g_strerror (errno));
    return FALSE;
  }
  *length = all->len;
  *text = g_string_free (g_steal_pointer (&all), FALSE);
  return TRUE;
}

gboolean
videos_check_side_cars (const GPtrArray *videos, GError **error)
{
  g_autoptr (GHashTable) owners = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; i < videos->len; i++) {
    const Video *video = videos->pdata[i];
    g_autofree char *path = NULL, *stem = NULL;
    const char *owner;

    if (video->path == NULL) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
          "%s: has no place next to it for the files of --srt, --vtt and --csv; --json has all results", video->name);
      return FALSE;
    }
    path = g_canonicalize_filename (video->path, NULL);
    for (int format = 0; format < N_TIMELINES; format++) {
      g_autofree char *side_car = timeline_path (path, (Timeline) format);

      if (strcmp (side_car, path) == 0) {
        g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
            "%s: has the name of a file of --srt, --vtt or --csv, which would replace it", video->name);
        return FALSE;
      }
    }
    stem = timeline_path (path, TIMELINE_CSV);
    owner = g_hash_table_lookup (owners, stem);
    if (owner != NULL && strcmp (owner, path) != 0) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
          "%s and %s: would write the same files by --srt, --vtt and --csv", owner, path);
      return FALSE;
    }
    if (owner == NULL)
      g_hash_table_insert (owners, g_steal_pointer (&stem), g_steal_pointer (&path));
  }
  return TRUE;
}
