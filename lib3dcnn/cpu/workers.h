/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The threads of one session. All of them, the caller included, run the same function; within it
 * they meet at barriers. A thread that waits spins and then sleeps: after 20 us between runs;
 * at a barrier after as long as has lately been worth it, at most 0.3 ms. While there are enough CPUs, no two
 * threads of a run share one for long; the caller's affinity is left as it is.
 */

#include <glib.h>
#include <stdatomic.h>

G_BEGIN_DECLS

typedef struct _Cnn3dWorkers Cnn3dWorkers;
typedef void Cnn3dWorkersFunc (gpointer data, int thread);

/* What a thread has left of a step (deal.h). */
typedef struct {
  _Alignas (64) _Atomic guint64 units; /* the deal's number, the first unit and the end */
  guint number;                        /* of the thread's last deal in this run; only it looks at that */
} Cnn3dHand;

/* NULL with error set if the system has no more threads. */
Cnn3dWorkers *cnn3d_workers_new (int n_threads, GError **error);
void cnn3d_workers_free (Cnn3dWorkers *workers);

/* Calls func on every thread, the caller being thread 0, and returns when all have returned. */
void cnn3d_workers_run (Cnn3dWorkers *workers, Cnn3dWorkersFunc *func, gpointer data);
/* The same on the first n threads. */
void cnn3d_workers_run_on (Cnn3dWorkers *workers, int n, Cnn3dWorkersFunc *func, gpointer data);
/* To be called by each of these threads inside of func; does nothing if workers is NULL. */
void cnn3d_workers_barrier (Cnn3dWorkers *workers);

/* One for each thread, empty at the beginning of each run. */
Cnn3dHand *cnn3d_workers_get_hands (Cnn3dWorkers *workers);

/* Of a clock that only goes forward. */
gint64 cnn3d_nanoseconds (void);

G_END_DECLS
