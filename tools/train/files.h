/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is found out about files that are written at the end, before hours of work. */

#include <glib.h>

G_BEGIN_DECLS

/*
 * Whether a file can be written: its folder is there and may be written to, and the name is no folder's and
 * no device's. FALSE with an error that names it; path may be NULL, for no file.
 */
gboolean files_check (const char *path, GError **error);

/* Of a file that one process at a time writes: PATH.lock, which the kernel unlocks when the process ends in any way. */
typedef struct {
  char *path; /* NULL: not held */
  int fd;
} FileLock;

/* FALSE with an error if another process has it. Where files cannot be locked, nobody has. */
gboolean files_lock (const char *path, FileLock *lock, GError **error);
void file_lock_clear (FileLock *lock);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FileLock, file_lock_clear)

G_END_DECLS
