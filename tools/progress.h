/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A progress bar on standard error, if that is a terminal. */

#include <gst/gst.h>

G_BEGIN_DECLS

/* Says that the next file is the i-th of n, from 1. */
void progress_count (guint i, guint n);
/* Shows how far the pipeline is in the file; may be called at any rate, and draws ten times a second. */
void progress_show (GstElement *pipeline, const char *path);
/* Removes the bar, so that other text may follow. */
void progress_clear (void);

G_END_DECLS
