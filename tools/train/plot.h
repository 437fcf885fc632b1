/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Draws the loss and the accuracy of all epochs of a table (log.h) as a picture (drawing.h). */
gboolean plot_write (const char *path, const char *table, const char *title, GError **error);

G_END_DECLS
