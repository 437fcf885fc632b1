/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Labels from text, NUL-terminated after length; name is for errors. */
char **cnn3d_labels_parse (const char *text, gsize length, const char *name, GError **error);
