/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A state dict: named tensors as they lie in a file, and the file's metadata. Readers check every
 * length and offset before they hand out a pointer; what is here is safe to read.
 */

#include <glib.h>
#include "lib3dcnn/error.h"

G_BEGIN_DECLS

typedef enum {
  CNN3D_DTYPE_F32,
  CNN3D_DTYPE_F16,
  CNN3D_DTYPE_BF16,
  CNN3D_DTYPE_F64,
  CNN3D_DTYPE_OTHER, /* integers and the like: listed, never converted */
} Cnn3dDtype;

#define CNN3D_MAX_DIMS 8

typedef struct {
  char *name;
  Cnn3dDtype dtype;
  int n_dims;
  gint64 dims[CNN3D_MAX_DIMS];
  gint64 strides[CNN3D_MAX_DIMS]; /* in elements */
  const guint8 *data;             /* may be unaligned; valid as long as the state */
} Cnn3dTensor;

typedef struct {
  GBytes *bytes;        /* the file */
  GPtrArray *tensors;   /* Cnn3dTensor, in the file's order */
  GHashTable *by_name;  /* name -> Cnn3dTensor, borrowed */
  GHashTable *metadata; /* string -> string; safetensors' __metadata__, else empty */
  GPtrArray *owned;     /* blocks that tensors point into besides bytes, freed with the state */
} Cnn3dState;

/*
 * Reads a model file of any format; name is used in errors. Keys of a PyTorch checkpoint are those
 * of its state_dict with `module.` prefixes removed.
 */
Cnn3dState *cnn3d_state_read (GBytes *bytes, const char *name, GError **error);
void cnn3d_state_free (Cnn3dState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dState, cnn3d_state_free)

const Cnn3dTensor *cnn3d_state_get (const Cnn3dState *state, const char *name);
gint64 cnn3d_tensor_count (const Cnn3dTensor *tensor);
/* "[32, 3, 3, 3, 3]" */
char *cnn3d_tensor_describe (const Cnn3dTensor *tensor);
/* The tensor's data if it is contiguous, aligned float32 of this machine's byte order, else NULL. */
const float *cnn3d_tensor_peek (const Cnn3dTensor *tensor);
/* Copies and converts to row-major float32; out has room for cnn3d_tensor_count(). */
void cnn3d_tensor_convert (const Cnn3dTensor *tensor, float *out);

G_END_DECLS
