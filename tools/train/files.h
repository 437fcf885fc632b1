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

G_END_DECLS
