/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
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

/* Whether the file of this descriptor still has the name: the process before removes it when it is done. */
static gboolean
is_there (int fd, const char *path)
{
  struct stat mine;
  GStatBuf there;

  return fstat (fd, &mine) == 0 && g_stat (path, &there) == 0 && mine.st_dev == there.st_dev
      && mine.st_ino == there.st_ino;
}

gboolean
files_lock (const char *path, FileLock *lock, GError **error)
{
  g_autofree char *name = g_strconcat (path, ".lock", NULL);

  for (;;) {
    int fd = g_open (name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
      return fail (name, errno, error);
    if (flock (fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
      close (fd);
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST, "%s: another process writes it (it has %s locked)",
          path, name);
      return FALSE;
    }
    if (is_there (fd, name)) {
      *lock = (FileLock){ g_steal_pointer (&name), fd };
      return TRUE;
    }
    close (fd);
  }
}

void
file_lock_clear (FileLock *lock)
{
  if (lock->path == NULL)
    return;
  g_unlink (lock->path);
  close (lock->fd);
  g_clear_pointer (&lock->path, g_free);
}
