/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The property idle-labels: which of a model's classes it names. */

#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

/**
 * gst_idle_labels_find:
 * @list: (nullable): labels, separated by commas; `\,` is a comma in a label
 * @idle: (out caller-allocates) (nullable): for each of the model's classes,
 *   whether it is among them
 *
 * Labels are compared without case, and `_` is a space. What the model calls a
 * clip that shows none of its classes is a name too.
 *
 * Returns: (transfer full) (nullable): names that no class has, in quotes, or
 *   %NULL
 */
gchar *gst_idle_labels_find (Cnn3dModel * model, const gchar * list,
    gboolean * idle);

G_END_DECLS
