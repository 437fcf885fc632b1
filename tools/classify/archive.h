/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Work on many things, done by all processes that mpirun started: each does one at a time, and gets
 * another one from the first process when it is done. What comes out is in the order of the things.
 */

#include <glib.h>

G_BEGIN_DECLS

typedef struct _Archive Archive;

/* What came of one thing; each may be NULL. */
typedef struct {
  char *text;  /* the result */
  char *error; /* what went wrong */
} Answer;

/* Does thing number i; in any process. */
typedef void (*ArchiveWork) (guint i, Answer *answer, gpointer data);
/* Gets the answers, from 0 on; in the first process only. */
typedef void (*ArchiveTake) (guint i, const Answer *answer, gpointer data);

/* n things; all processes have to agree. take may be called from archive_run() and archive_serve(). */
Archive *archive_new (guint n, ArchiveTake take, gpointer data);
void archive_free (Archive *archive);

/* Does all of them. Each process calls this once; in the first one it returns after the last answer. */
void archive_run (Archive *archive, ArchiveWork work, gpointer data);

/* Gives the other processes something to do, if any is done; work has to call it now and then. */
void archive_serve (Archive *archive);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Archive, archive_free)

G_END_DECLS
