/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * An interpreter for the subset of Python's pickle that PyTorch checkpoints need. It builds
 * containers, strings, numbers, storages and tensors; it has no way to call anything. A pickle that
 * names any other class or function is refused at that name.
 */

#include "lib3dcnn/io/state.h"

G_BEGIN_DECLS

typedef enum {
  CNN3D_PICKLE_NONE,
  CNN3D_PICKLE_MARK,
  CNN3D_PICKLE_BOOL,
  CNN3D_PICKLE_INT,
  CNN3D_PICKLE_FLOAT,
  CNN3D_PICKLE_STRING,
  CNN3D_PICKLE_BYTES, /* also integers of more than 8 bytes, little-endian */
  CNN3D_PICKLE_LIST,  /* lists, tuples and sets */
  CNN3D_PICKLE_DICT,  /* keys and values take turns */
  CNN3D_PICKLE_GLOBAL,
  CNN3D_PICKLE_STORAGE,
  CNN3D_PICKLE_TENSOR,
} Cnn3dPickleType;

typedef struct _Cnn3dPickleValue Cnn3dPickleValue;

struct _Cnn3dPickleValue {
  Cnn3dPickleType type;
  gint64 i;         /* BOOL, INT; elements of a STORAGE; first element of a TENSOR */
  double f;         /* FLOAT */
  char *string;     /* STRING, GLOBAL ("module.name"), BYTES; key of a STORAGE */
  gsize length;     /* of string */
  GPtrArray *items; /* LIST, DICT: values, borrowed */
  /* STORAGE */
  Cnn3dDtype dtype;
  int element_bytes;
  const guint8 *data; /* set by the reader of the file */
  /* TENSOR */
  Cnn3dPickleValue *storage;
  int n_dims;
  gint64 dims[CNN3D_MAX_DIMS], strides[CNN3D_MAX_DIMS];
};

typedef struct {
  const guint8 *data, *end; /* what is left to read */
  const char *file;         /* for errors */
  GPtrArray *values;        /* every value made, owned */
  GHashTable *storages;     /* key -> STORAGE */
} Cnn3dPickle;

void cnn3d_pickle_init (Cnn3dPickle *pickle, const guint8 *data, gsize size, const char *file);
void cnn3d_pickle_clear (Cnn3dPickle *pickle);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Cnn3dPickle, cnn3d_pickle_clear)

/* Reads one pickle, up to its STOP; several may follow each other. The value is the pickle's. */
Cnn3dPickleValue *cnn3d_pickle_read (Cnn3dPickle *pickle, GError **error);

/* The value under a key of a DICT, or NULL. */
Cnn3dPickleValue *cnn3d_pickle_get (const Cnn3dPickleValue *dict, const char *key);

/*
 * The tensors of a checkpoint's state dict, whose storages have their data, into a new state.
 */
Cnn3dState *cnn3d_pickle_to_state (const Cnn3dPickleValue *root, GBytes *bytes, const char *file,
    GError **error);

G_END_DECLS
