/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How far something is, on standard error. May be called at any rate. */

#include <glib.h>

G_BEGIN_DECLS

/* Says that what follows is the i-th of n, from 1. */
void progress_count (guint i, guint n);
/* A bar that stays in place, if standard error is a terminal. part: 0 to 1. */
void progress_bar (const char *what, double part, const char *text);
/* The same; where there is no terminal, a line now and then. */
void progress_tell (const char *what, double part, const char *text);
/* A time that is left, "1:02:03". */
char *progress_time (double seconds);
/* Removes the bar, so that other text may follow. */
void progress_clear (void);

G_END_DECLS
