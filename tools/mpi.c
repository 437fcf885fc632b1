/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <mpi.h>
#include <stdio.h>
#include <unistd.h>

#include "lib3dcnn/error.h"
#include "tools/parallel.h"

/* Microseconds: MPI's own waiting keeps a CPU busy, which others than this process may need. */
#define SPIN 2000
#define NAP 500
/* How long others may take to fail as this process did, before it ends them. */
#define END_SECONDS 5

/* Values of one call of MPI, which counts in int. */
#define MAX_COUNT ((gsize) 1 << 24)

static int rank, ranks = 1, ranks_here = 1;
static MPI_Comm ending; /* of the last words, which must not be taken for anything else */

gboolean
parallel_begin (GError **error)
{
  MPI_Comm here;
  int provided;

  MPI_Init_thread (NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank (MPI_COMM_WORLD, &rank);
  MPI_Comm_size (MPI_COMM_WORLD, &ranks);
  MPI_Comm_dup (MPI_COMM_WORLD, &ending);
  MPI_Comm_split_type (MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &here);
  MPI_Comm_size (here, &ranks_here);
  MPI_Comm_free (&here);
  if (ranks == parallel_announced ())
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND,
      "mpirun started %d processes, but they see %d: is it the mpirun of another MPI than this build's?",
      parallel_announced (), ranks);
  return FALSE;
}

/* FALSE if that takes longer than some seconds; 0: any time. */
static gboolean
wait_for (MPI_Request *request, int seconds)
{
  gint64 begin = g_get_monotonic_time (), passed;
  int done = FALSE;

  for (;;) {
    MPI_Test (request, &done, MPI_STATUS_IGNORE);
    if (done)
      return TRUE;
    passed = g_get_monotonic_time () - begin;
    if (seconds > 0 && passed > seconds * G_USEC_PER_SEC)
      return FALSE;
    if (passed > SPIN)
      g_usleep (NAP);
  }
}

int
parallel_end (int status, const char *complaint)
{
  int all[2] = { status, rank == 0 ? status : 0 };
  MPI_Request request;

  fflush (stdout);
  MPI_Iallreduce (MPI_IN_PLACE, all, 2, MPI_INT, MPI_MAX, ending, &request);
  if (!wait_for (&request, status != 0 ? END_SECONDS : 0)) {
    fprintf (stderr, "3dcnn: process %d: %s; ending the others\n", rank, complaint ? complaint : "failed");
    MPI_Abort (MPI_COMM_WORLD, status);
  }
  if (rank > 0 && status != 0 && all[1] == 0)
    fprintf (stderr, "3dcnn: process %d: %s\n", rank, complaint ? complaint : "failed");
  MPI_Comm_free (&ending);
  MPI_Finalize ();
  /* mpirun ends all others at the first status that is not 0, and returns that. */
  return rank > 0 ? 0 : all[1] != 0 ? all[1] : all[0];
}

int
parallel_rank (void)
{
  return rank;
}

int
parallel_ranks (void)
{
  return ranks;
}

/* mpirun may have bound this process to some CPUs, its own or those that it shares with others. */
int
parallel_threads (int threads)
{
  int all = (int) sysconf (_SC_NPROCESSORS_ONLN);

  if (threads > 0 || ranks == 1)
    return threads;
  return MIN ((int) g_get_num_processors (), MAX (all / ranks_here, 1));
}

int
parallel_max (int value)
{
  MPI_Request request;

  if (ranks == 1)
    return value;
  MPI_Iallreduce (MPI_IN_PLACE, &value, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD, &request);
  wait_for (&request, 0);
  return value;
}

void
parallel_sum (double *values, gsize n, gpointer unused)
{
  for (gsize i = 0; ranks > 1 && i < n; i += MAX_COUNT)
    MPI_Allreduce (MPI_IN_PLACE, values + i, (int) MIN (n - i, MAX_COUNT), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

void
parallel_broadcast (gpointer values, gsize bytes, int from)
{
  for (gsize i = 0; ranks > 1 && i < bytes; i += MAX_COUNT)
    MPI_Bcast ((guint8 *) values + i, (int) MIN (bytes - i, MAX_COUNT), MPI_BYTE, from, MPI_COMM_WORLD);
}

void
parallel_send (int to, gconstpointer message, gsize bytes)
{
  g_assert (bytes <= G_MAXINT);
  MPI_Send (message, (int) bytes, MPI_BYTE, to, 0, MPI_COMM_WORLD);
}

GBytes *
parallel_receive (int *from, gboolean wait)
{
  int found = FALSE, n;
  MPI_Message message;
  MPI_Status status;
  guint8 *bytes;

  for (gint64 begin = g_get_monotonic_time (); ranks > 1;) {
    MPI_Improbe (MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &found, &message, &status);
    if (found || !wait)
      break;
    if (g_get_monotonic_time () - begin > SPIN)
      g_usleep (NAP);
  }
  if (!found)
    return NULL;
  MPI_Get_count (&status, MPI_BYTE, &n);
  bytes = g_malloc ((gsize) MAX (n, 1));
  MPI_Mrecv (bytes, n, MPI_BYTE, &message, MPI_STATUS_IGNORE);
  *from = status.MPI_SOURCE;
  return g_bytes_new_take (bytes, (gsize) n);
}
