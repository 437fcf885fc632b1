/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How often each class was taken for each other one. */

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  int classes;
  const char *const *labels; /* of the classes; not kept alive */
  gint64 *counts;            /* [truth][answer] */
} Confusion;

/*
 * Writes the table to a file: a picture if its name ends in ".svg" or ".png", CSV with a row for
 * each true class and a column for each answer if it ends in ".csv". FALSE with an error that names the file.
 */
gboolean confusion_write (const Confusion *confusion, const char *path, GError **error);

G_END_DECLS
