/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The tensors by which a model file describes its classes (lib3dcnn/unknown.h), besides the network's. */

#include "lib3dcnn/graph.h"
#include "lib3dcnn/io/state.h"
#include "lib3dcnn/unknown.h"

G_BEGIN_DECLS

#define CNN3D_UNKNOWN_PARAMS 2

/* Whether a rule is of as many classes and features as the graph; NULL fits. */
gboolean cnn3d_unknown_fits (const Cnn3dUnknown *unknown, const Cnn3dGraph *graph);

/*
 * Names and shapes of the tensors of a rule, and where it keeps their values; returns how many there
 * are, 0 for a rule without any or NULL. Names are static.
 */
int cnn3d_unknown_get_params (const Cnn3dUnknown *unknown, Cnn3dParam params[CNN3D_UNKNOWN_PARAMS],
    float *values[CNN3D_UNKNOWN_PARAMS]);

/* Reads them for a network of graph, into a rule that has none yet. */
gboolean cnn3d_unknown_read (Cnn3dUnknown *unknown, const Cnn3dState *state, const Cnn3dGraph *graph,
    const char *file, GError **error);

G_END_DECLS
