/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/files.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
fail (const char *path, int reason, GError **error)
{
  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (reason), "%s: cannot be written: %s", path,
      g_strerror (reason));
  return FALSE;
}

gboolean
files_check (const char *path, GError **error)
{
  g_autofree char *folder = path ? g_path_get_dirname (path) : NULL;
  GStatBuf file;

  if (path == NULL)
    return TRUE;
  if (g_stat (path, &file) == 0 && S_ISDIR (file.st_mode))
    return fail (path, EISDIR, error);
  if (g_stat (path, &file) == 0 && !S_ISREG (file.st_mode)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: cannot be written: is not a regular file", path);
    return FALSE;
  }
  if (g_stat (folder, &file) < 0)
    return fail (path, errno, error);
  if (!S_ISDIR (file.st_mode))
    return fail (path, ENOTDIR, error);
  return g_access (folder, W_OK | X_OK) == 0 || fail (path, errno, error);
}
