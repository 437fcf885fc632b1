/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The units of one step, dealt out to the threads of a run: each begins at the front of its own share, the same as in
 * the run before, whose output it has in its cache. Who is done takes from the back of others' shares: a CPU can be
 * half as fast as the one beside it for a while, whatever it is that shares it, and a step is as slow as its last thread.
 *
 * All threads of a run make the same deals in the same order; none needs to wait for others in between.
 */

#include "lib3dcnn/cpu/workers.h"

G_BEGIN_DECLS

/* Thread t of n gets [cnn3d_share (total, t, n), cnn3d_share (total, t + 1, n)). */
static inline gint64
cnn3d_share (gint64 total, int t, int n)
{
  return total * t / n;
}

/* Units of a deal, at most. A run has 1023 deals at most; the longest clips' streams come to 160. */
#define CNN3D_DEAL_BITS 27
#define CNN3D_DEAL_MAX ((1 << CNN3D_DEAL_BITS) - 1)

typedef struct {
  Cnn3dHand *hands; /* of all threads; NULL if there is one */
  int thread, n_threads;
  guint number; /* of the deal */
  int total;
  const int *split; /* n_threads + 1 borders of shares; NULL: even ones */
  int first, end;   /* what is left, of a single thread */
  gboolean own;     /* whether what was taken last was of this thread's share */
} Cnn3dDeal;

/* workers may be NULL, with a single thread. split is kept by reference. */
Cnn3dDeal cnn3d_deal (Cnn3dWorkers *workers, int thread, int n_threads, int total, const int *split);

/*
 * Takes units from *first on; returns how many, 0 when all have been taken. That is `most`, and fewer towards the end of
 * a share, down to `least`, so that there is something to take for others.
 */
int cnn3d_deal_take (Cnn3dDeal *deal, int least, int most, int *first);

/* Where this thread's own share ends. */
int cnn3d_deal_end (const Cnn3dDeal *deal);

G_END_DECLS
