/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In place of mpi.c in builds without MPI. */

#include "lib3dcnn/error.h"
#include "tools/parallel.h"

gboolean
parallel_begin (GError **error)
{
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
      "mpirun started %d processes, but this build has no MPI, so each would do all of the work;"
      " it takes the build option -Dmpi=enabled", parallel_announced ());
  return FALSE;
}

int
parallel_end (int status, const char *complaint)
{
  return status;
}

int
parallel_rank (void)
{
  return 0;
}

int
parallel_ranks (void)
{
  return 1;
}

int
parallel_threads (int threads)
{
  return threads;
}

int
parallel_max (int value)
{
  return value;
}

void
parallel_sum (double *values, gsize n, gpointer unused)
{
}

void
parallel_broadcast (gpointer values, gsize bytes, int from)
{
}

void
parallel_send (int to, gconstpointer message, gsize bytes)
{
  g_assert_not_reached ();
}

GBytes *
parallel_receive (int *from, gboolean wait)
{
  return NULL;
}
