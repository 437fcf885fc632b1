/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps a thread of ours off one CPU at a time: that of another thread of the same run. Schedulers do not see to
 * that in a virtual machine, where a CPU that sleeps looks as if it were taken: they put a thread that is woken
 * behind the one that woke it, and there it stays for milliseconds.
 */

#include <glib.h>
#include <sched.h>
#include <stdatomic.h>

G_BEGIN_DECLS

typedef struct {
  atomic_int tid; /* 0: not known yet */
  atomic_int avoided;
  atomic_flag busy;
  cpu_set_t allowed; /* without our doing */
  cpu_set_t set;     /* by us, as the system has it */
} Cnn3dAffinity;

/* To be called by the thread itself, whose affinity is zeros until then. */
void cnn3d_affinity_init (Cnn3dAffinity *affinity);

/* Moves the thread off cpu, which may be where it runs or waits to run, and lets it on the one before again. Any thread
 * may call it. What is done from elsewhere to the thread's affinity holds; where it allows no other CPU, nothing is done. */
void cnn3d_affinity_avoid (Cnn3dAffinity *affinity, int cpu);

G_END_DECLS
