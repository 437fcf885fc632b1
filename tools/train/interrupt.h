/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ctrl-C while something is computed that should end in order. */

#include <glib.h>

G_BEGIN_DECLS

#define EXIT_INTERRUPTED 130

/*
 * From here on, the first SIGINT, SIGTERM or SIGUSR1 is remembered only; a second one ends the program at
 * once. USR1 is what mpirun hands on to its processes; those that it ends itself have one second left.
 */
void interrupt_catch (void);
gboolean interrupt_seen (void);

G_END_DECLS
