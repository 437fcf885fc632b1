/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <lib3dcnn/error.h>

G_BEGIN_DECLS

/**
 * cnn3d_labels_load:
 * @path: a UTF-8 text file, one label a line in class order
 *
 * Line ends may be LF or CRLF; empty lines at the end are ignored, elsewhere
 * they are an error, as they would shift all labels after them.
 *
 * Returns: (transfer full) (array zero-terminated=1) (nullable): the labels, or
 *   %NULL with %G_FILE_ERROR or %CNN3D_ERROR_FORMAT that name the file and line
 */
CNN3D_API char **cnn3d_labels_load (const char *path, GError **error);

G_END_DECLS
