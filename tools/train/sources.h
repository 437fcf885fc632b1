/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which videos a data set has: those of a folder for each class, or of a table. */

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  char *path;
  char *name;           /* the path from the data set on, and "#t=START,END" for a part of a video */
  int label;            /* in the order of labels */
  double start, end;    /* seconds; end 0: to the end */
  gint64 size, time;    /* of the file, in bytes and in microseconds since 1970; 0: it is not there */
} Source;

typedef struct {
  GPtrArray *sources;   /* of Source, in a fixed order */
  char **labels;        /* sorted: as numbers if all are, else by their bytes */
} Sources;

/*
 * Lists a folder with a folder for each class, or a CSV file with lines of path,label[,start,end], paths
 * from the file's folder on. NULL with an error if it can be neither, or has no videos.
 */
Sources *sources_list (const char *path, GError **error);
void sources_free (Sources *sources);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sources, sources_free)

G_END_DECLS
