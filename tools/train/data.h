/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Data sets: caches, and videos that are decoded into one. */

#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

/* How videos are decoded. All of it may be 0; caches that are named take none of it. */
typedef struct {
  const char *cache_folder; /* where decoded videos are kept; NULL: next to the data */
  double cache_size;        /* GiB that they may take; 0: 20 */
  int max_unreadable;       /* videos that may fail; 0 or less, unless strict: a tenth of all, at least 1 */
  gboolean strict;          /* max_unreadable is meant as it is, 0 too */
  double rate;              /* frames per second of clips; videos keep twice as many. 0 or NaN: all frames */
  int size;                 /* of clips; videos keep some more, for crops. 0: 112 */
} DataOptions;

/* Options of all commands that decode: o has cache, cache_size and max_unreadable, which begin as NULL, 20 and -1. */
#define DATA_ENTRIES(o)                                                                              \
  { "cache", 0, 0, G_OPTION_ARG_FILENAME, &(o)->cache,                                               \
    "Where decoded videos are kept (next to DATA)", "FOLDER" },                                      \
      { "cache-size", 0, 0, G_OPTION_ARG_DOUBLE, &(o)->cache_size,                                   \
        "GiB that they may take, for each DATA (20)", "N" },                                         \
  { "max-unreadable", 0, 0, G_OPTION_ARG_INT, &(o)->max_unreadable,                                  \
    "Videos that may be unreadable, of each DATA (a tenth, at least 1)", "N" }

/*
 * Opens a cache, or decodes a folder with a folder for each class, or a CSV file of
 * path,label[,start,end], into a cache of its own: that of an earlier call if it is still right. What
 * cannot be read is complained about. Processes that want the same at the same time wait for one.
 */
Cnn3dCache *data_open (const char *path, const DataOptions *options, GError **error);

/* The file of a video of a cache, which may be a part of it, by the video's name. */
char *data_file_of (const char *name);

/*
 * Splits by videos, not by their parts: about share of those of each class go into *val, at least one of
 * any class that has two. FALSE with an error if either side would be empty.
 */
gboolean data_split (Cnn3dCache *cache, double share, guint64 seed, Cnn3dCache **train, Cnn3dCache **val,
    GError **error);

G_END_DECLS
