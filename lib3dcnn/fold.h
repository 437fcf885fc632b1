/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/model-private.h"
#include "lib3dcnn/plan.h"

G_BEGIN_DECLS

/* A step's weights with its BatchNorm folded in. */
typedef struct {
  int inputs;     /* of each output channel: channels of its group times kernel */
  float *weights; /* [channels_out][inputs] */
  float *bias;    /* [channels_out] */
} Cnn3dFolded;

Cnn3dFolded *cnn3d_fold (const Cnn3dModel *model, const Cnn3dStep *step);
void cnn3d_folded_free (Cnn3dFolded *folded);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dFolded, cnn3d_folded_free)

G_END_DECLS
