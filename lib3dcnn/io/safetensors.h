/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/graph.h"

/*
 * Length and header of a safetensors file with these metadata, and all parameters of graph in their
 * order, those of which cnn3d_safetensors_is_half() is true as float16, the others as float32, then n
 * more as float32; their data follow it.
 */
GString *cnn3d_safetensors_header (GHashTable *metadata, const Cnn3dGraph *graph, gboolean half,
    const Cnn3dParam *more, int n);
/* Weights of convolutions and linear layers. Variances may be beyond float16, and take little room. */
gboolean cnn3d_safetensors_is_half (const Cnn3dParam *param, gboolean half);

/* Whether JSON nests no deeper than a header does: json-glib's parser recurses, and has no limit. */
gboolean cnn3d_json_is_shallow (const char *json, gsize length);
