/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/graph.h"

/*
 * Length and header of a safetensors file with these metadata, and all parameters of graph as
 * float32 in their order; their data follow it.
 */
GString *cnn3d_safetensors_header (GHashTable *metadata, const Cnn3dGraph *graph);

/* Whether JSON nests no deeper than a header does: json-glib's parser recurses, and has no limit. */
gboolean cnn3d_json_is_shallow (const char *json, gsize length);
