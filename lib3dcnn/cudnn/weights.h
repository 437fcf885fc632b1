/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/cudnn/lower.h"
#include "lib3dcnn/model-private.h"

G_BEGIN_DECLS

/*
 * A step's weights with BatchNorm folded in and zeros in all lanes that no channel has.
 * CONV: [lane of y][tap][lane of x]. DEPTHWISE: [tap][lane of y]. The bias: [lane of y].
 */
typedef struct {
  gsize n;
  float *weights;
  float *bias;
} Cnn3dGpuWeights;

Cnn3dGpuWeights *cnn3d_gpu_weights_new (const Cnn3dModel *model, const Cnn3dGpuPlan *plan,
    const Cnn3dGpuStep *step);
void cnn3d_gpu_weights_free (Cnn3dGpuWeights *weights);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dGpuWeights, cnn3d_gpu_weights_free)

G_END_DECLS
