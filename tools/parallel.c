/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What mpi.c and mpi-none.c have in common. */

#include "tools/parallel.h"

#include <string.h>

#include "lib3dcnn/error.h"

static int
get_number (const char *variable, int fallback)
{
  const char *text = g_getenv (variable);
  guint64 number;

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT, &number, NULL) ? (int) number
                                                                                         : fallback;
}

/* Open MPI's mpirun; those of MPICH and its kin; Slurm's srun. */
int
parallel_announced (void)
{
  int slurm = g_getenv ("PMIX_RANK") != NULL ? get_number ("SLURM_STEP_NUM_TASKS", 1) : 1;

  return get_number ("OMPI_COMM_WORLD_SIZE", get_number ("PMI_SIZE", slurm));
}

int
parallel_announced_rank (void)
{
  return get_number ("OMPI_COMM_WORLD_RANK", get_number ("PMI_RANK", get_number ("PMIX_RANK", 0)));
}

gboolean
parallel_agree (GError **error)
{
  int rank = parallel_rank (), ranks = parallel_ranks ();
  int first = -parallel_max (*error != NULL ? -rank : -ranks);
  g_autofree char *text = NULL;
  gsize length = 0;

  if (first == ranks)
    return TRUE;
  if (first == 0 && rank == 0)
    text = g_strdup ((*error)->message);
  else if (first == rank)
    text = g_strdup_printf ("process %d: %s", rank, (*error)->message);
  length = text != NULL ? strlen (text) : 0;
  parallel_broadcast (&length, sizeof length, first);
  text = g_realloc (text, length + 1);
  parallel_broadcast (text, length, first);
  text[length] = '\0';
  if (rank > 0 || first > 0) {
    g_clear_error (error);
    g_set_error_literal (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, text);
  }
  return FALSE;
}

gboolean
parallel_alike (const char *text, const char *what, GError **error)
{
  g_autofree char *mine = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1), *first = g_strdup (mine);

  parallel_broadcast (first, strlen (mine), 0);
  if (strcmp (mine, first) != 0)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "has other %s than process 0", what);
  return parallel_agree (error);
}
