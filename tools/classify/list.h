/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which videos are to be classified: those that are named, and those of a list. */

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  char *name; /* as it was given */
  char *path; /* of a file; else NULL */
  char *uri;  /* of anything else */
} Video;

void video_free (Video *video);

/* A path, or a URI; relative paths begin at folder, or where the process is if it is NULL. */
Video *video_new (const char *name, const char *folder);

/*
 * Adds the videos of a text to videos: one a line; empty lines and those that begin with # are none. FALSE
 * with an error that names the file if it is no text.
 */
gboolean videos_parse (const char *text, gsize length, const char *file, GPtrArray *videos, GError **error);

/* Reads a file, standard input for "-". */
gboolean videos_read (const char *file, char **text, gsize *length, GError **error);

/* FALSE with an error if a video has no place next to it for a side-car file, or two would have the same. */
gboolean videos_check_side_cars (const GPtrArray *videos, GError **error);

G_END_DECLS
