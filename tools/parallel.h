/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes that mpirun started to do one thing together. mpi.c does it by MPI; in builds without it there is
 * mpi-none.c, where a process is always by itself: rank 0 of 1. Only the main thread calls any of this.
 */

#include <glib.h>

G_BEGIN_DECLS

/* Before parallel_begin(): how many processes mpirun says that it started, and which this one is; 1 and 0 without it. */
int parallel_announced (void);
int parallel_announced_rank (void);

/* Joins the others. FALSE with an error if this build cannot, or if there are others than were announced. */
gboolean parallel_begin (GError **error);

/*
 * Waits for the others and returns this process' exit status: rank 0's is that of all of them, the
 * others' is 0. Where a failure is this process' alone, and the others are still waiting for something
 * from it, ends them all: complaint is then printed.
 */
int parallel_end (int status, const char *complaint);

int parallel_rank (void); /* from 0 */
int parallel_ranks (void);

/* A number of threads, where 0 means one for each CPU: those that the processes of a machine share, shared out. */
int parallel_threads (int threads);

/* All processes have to call the following, in the same order. */

/* The largest of all processes' values. Sleeps while it waits. */
int parallel_max (int value);
/* A Cnn3dReduceFunc: replaces values by their sums over all processes, which are the same bits everywhere. */
void parallel_sum (double *values, gsize n, gpointer unused);
/* Copies what rank `from` has to the others. */
void parallel_broadcast (gpointer values, gsize bytes, int from);
/*
 * TRUE if no process has an error. Otherwise all get the same: that of the lowest rank that has one, with
 * the rank named if it is not 0; so it is enough if rank 0 reports it.
 */
gboolean parallel_agree (GError **error);
/* Whether all have the same text; else an error: process N "has other <what> than process 0". */
gboolean parallel_alike (const char *text, const char *what, GError **error);

/* Messages between rank 0 and another one. */

void parallel_send (int to, gconstpointer message, gsize bytes);
/* The next message and who sent it; NULL if there is none, unless it is waited for. */
GBytes *parallel_receive (int *from, gboolean wait);

G_END_DECLS
