/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Chunks of positions of a dense convolution, and how their matrices are filled. */

#include "lib3dcnn/train/tape.h"

G_BEGIN_DECLS

typedef struct {
  Cnn3dTape *tape;
  Cnn3dTrainStep *step;
  const Cnn3dTrainBuffer *buffer;
  int n;            /* clips */
  gint64 first;     /* position of the chunk */
  int positions;
  int columns;      /* positions * n */
  int padded;       /* columns, up to the alignment */
  gsize ld;         /* of the chunk's matrices */
} Cnn3dTrainChunk;

/* dense.c: tiles of a product of so many rows. */
int cnn3d_train_tiles (const Cnn3dTape *tape, int rows);
void cnn3d_train_chunk_set (Cnn3dTrainChunk *c, gint64 first, gint64 positions);
/* A thread's share of the step's weights, in tiles. */
void cnn3d_train_pack_weights (const Cnn3dTape *tape, const Cnn3dTrainStep *step, int thread);
/* The chunk's gradients of a group's outputs, through BatchNorm: [out][columns]. */
void cnn3d_train_read_gradient (const Cnn3dTrainChunk *c, int group, Real *z);
/* Adds d, gradients of a group's inputs [in][columns], to their buffers. */
void cnn3d_train_give_input (const Cnn3dTrainChunk *c, int group, const Real *d);
/* Adds the sums of z [out][columns] to the gradient of the bias. */
void cnn3d_train_add_row_sums (const Cnn3dTrainChunk *c, int group, const Real *z, Real *bias);
/* Adds up what all threads have behind their scratch: gradients of the weights, then of the bias. */
void cnn3d_train_reduce_weights (const Cnn3dTape *tape, const Cnn3dTrainStep *step, int thread);

/* unfold.c: the chunk's inputs of a group as [in * taps][columns]. */
void cnn3d_train_read_input (const Cnn3dTrainChunk *c, int group, Real *a);
/* The gradients of a larger kernel's outputs as the chunk's inputs see them: [out * taps][columns]. */
void cnn3d_train_gather_gradient (const Cnn3dTrainChunk *c, int group, Real *z);

/* Products run over whole vectors. */
static inline void
chunk_zero_tail (const Cnn3dTrainChunk *c, Real *row)
{
  memset (row + c->columns, 0, sizeof (Real) * (gsize) (c->padded - c->columns));
}

G_END_DECLS
