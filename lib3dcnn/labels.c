/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/labels.h"
#include "lib3dcnn/labels-private.h"

/* Longer files are not lists of labels. */
#define MAX_BYTES (4 * 1024 * 1024)

char **
cnn3d_labels_parse (const char *text, gsize length, const char *name, GError **error)
{
  g_auto (GStrv) lines = NULL;
  guint n;

  if (length > MAX_BYTES) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: too large for a list of labels", name);
    return NULL;
  }
  if (!g_utf8_validate (text, (gssize) length, NULL)) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: is not UTF-8 text", name);
    return NULL;
  }
  lines = g_strsplit (text, "\n", -1);
  for (n = 0; lines[n] != NULL; n++)
    g_strstrip (lines[n]);
  while (n > 0 && *lines[n - 1] == '\0')
    g_clear_pointer (&lines[--n], g_free);
  if (n == 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: has no labels", name);
    return NULL;
  }
  for (guint i = 0; i < n; i++) {
    if (*lines[i] == '\0') {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
          "%s: line %u is empty, so that the labels after it would be off by one", name, i + 1);
      return NULL;
    }
  }
  return g_steal_pointer (&lines);
}

char **
cnn3d_labels_load (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize length;

  g_return_val_if_fail (path != NULL, NULL);

  if (!g_file_get_contents (path, &text, &length, error))
    return NULL;
  return cnn3d_labels_parse (text, length, path, error);
}
