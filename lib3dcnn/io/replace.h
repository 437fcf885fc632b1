/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that are whole or not there, whatever happens while they are written. */

#include <glib.h>

/* Writes all of it; FALSE with errno set if that fails. */
gboolean cnn3d_write_all (int fd, const void *data, gsize size);

/*
 * Writes PATH.partial, forces it to the disk and gives it the name path. On failure path is as it was,
 * and the error names it.
 */
gboolean cnn3d_replace_file (const char *path, const void *data, gsize size, GError **error);
