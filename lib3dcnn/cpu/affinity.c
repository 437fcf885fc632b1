/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cpu/affinity.h"

#include <sys/syscall.h>
#include <unistd.h>

void
cnn3d_affinity_init (Cnn3dAffinity *affinity)
{
  CPU_ZERO (&affinity->set);
  atomic_store (&affinity->avoided, -1);
  atomic_store (&affinity->tid, (int) syscall (SYS_gettid));
}

static void
move_off (Cnn3dAffinity *affinity, int cpu)
{
  pid_t tid = atomic_load (&affinity->tid);
  cpu_set_t set;

  if (sched_getaffinity (tid, sizeof set, &set) != 0)
    return;
  if (!CPU_EQUAL (&set, &affinity->set))
    affinity->allowed = set;
  set = affinity->allowed;
  CPU_CLR (cpu, &set);
  if (CPU_COUNT (&set) > 0 && sched_setaffinity (tid, sizeof set, &set) == 0)
    sched_getaffinity (tid, sizeof set, &affinity->set);
}

void
cnn3d_affinity_avoid (Cnn3dAffinity *affinity, int cpu)
{
  if (atomic_load (&affinity->tid) == 0 || atomic_load (&affinity->avoided) == cpu
      || atomic_flag_test_and_set (&affinity->busy))
    return;
  move_off (affinity, cpu);
  atomic_store (&affinity->avoided, cpu);
  atomic_flag_clear (&affinity->busy);
}
