/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A model's graph as the message that ONNX has for it, ready to be written. */

#include "lib3dcnn/fold.h"

G_BEGIN_DECLS

/* A layer's tensors but for their numbers, which are folded when they are written. */
typedef struct {
  Cnn3dStep step;            /* what folding asks for */
  GByteArray *weight, *bias; /* from the start of the graph's field up to the numbers */
} Cnn3dOnnxLayer;

typedef struct {
  const Cnn3dModel *model;
  GByteArray *message; /* all but the layers' tensors, which may follow it */
  GArray *layers;      /* Cnn3dOnnxLayer */
  guint64 bytes;       /* of the layers' tensors */
  char **names;        /* of each node's value */
} Cnn3dOnnxGraph;

/* The model has to outlive it. */
Cnn3dOnnxGraph *cnn3d_onnx_graph_new (const Cnn3dModel *model);
void cnn3d_onnx_graph_free (Cnn3dOnnxGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dOnnxGraph, cnn3d_onnx_graph_free)

G_END_DECLS
