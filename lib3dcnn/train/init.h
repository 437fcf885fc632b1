/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/graph.h"

/* Fresh values of the parameters of a node; values[i] has room for its i-th. See train.h. */
void cnn3d_train_init_node (const Cnn3dGraph *graph, const Cnn3dNode *node, guint64 seed,
    float *const *values);
