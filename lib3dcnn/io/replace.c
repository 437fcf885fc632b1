/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

gboolean
cnn3d_write_all (int fd, const void *data, gsize size)
{
  const guint8 *p = data;

  while (size > 0) {
    gssize n = write (fd, p, size);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    p += n;
    size -= (gsize) n;
  }
  return TRUE;
}

/* The new name is on the disk once its folder is. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = g_open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

  if (fd < 0)
    return;
  fsync (fd);
  close (fd);
}

gboolean
cnn3d_replace_file (const char *path, const void *data, gsize size, GError **error)
{
  g_autofree char *partial = g_strconcat (path, ".partial", NULL);
  GStatBuf old;
  int fd, reason;
  gboolean ok;

  /* A new name would take the place of a device. */
  if (g_stat (path, &old) == 0 && !S_ISREG (old.st_mode)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: cannot be written: is not a regular file", path);
    return FALSE;
  }
  fd = g_open (partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  reason = errno;
  ok = fd >= 0 && cnn3d_write_all (fd, data, size) && fsync (fd) == 0;
  if (fd >= 0) {
    reason = errno;
    if (close (fd) < 0 && ok) {
      reason = errno;
      ok = FALSE;
    }
  }
  if (ok && g_rename (partial, path) < 0) {
    reason = errno;
    ok = FALSE;
  }
  if (!ok) {
    if (fd >= 0)
      g_unlink (partial);
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (reason),
        "%s: cannot be written: %s", path, g_strerror (reason));
    return FALSE;
  }
  sync_folder (path);
  return TRUE;
}
