/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The network as the authors publish it: one node for each PyTorch operation, in order of
 * execution, with the state dict's names. Nothing is folded or fused here; the reference
 * backend runs it as it stands, and lower.h turns it into what fast backends run.
 */

#include "lib3dcnn/network.h"

G_BEGIN_DECLS

typedef struct {
  int t, h, w;
} Cnn3dExtent;

typedef struct {
  int c;
  Cnn3dExtent e;
} Cnn3dShape;

typedef enum {
  CNN3D_OP_INPUT,
  CNN3D_OP_CONV,      /* params: weight [out, in / groups, kt, kh, kw], then bias [out] if any */
  CNN3D_OP_BATCHNORM, /* params: weight, bias, running_mean, running_var, each [c] */
  CNN3D_OP_RELU,
  CNN3D_OP_RELU6,
  CNN3D_OP_MAXPOOL,
  CNN3D_OP_AVGPOOL, /* padding counts in the average, as is PyTorch's default */
  CNN3D_OP_ADD,
  CNN3D_OP_CONCAT,  /* two inputs, along channels */
  CNN3D_OP_SLICE,   /* channels [first, first + c) */
  CNN3D_OP_SHUFFLE, /* out[j * groups + i] = in[i * (c / groups) + j] */
  CNN3D_OP_DROPOUT, /* the identity outside of training */
  CNN3D_OP_LINEAR,  /* params: weight [out, in], bias [out]; input is 1 x 1 x 1 */
} Cnn3dOp;

#define CNN3D_MAX_INPUTS 2

typedef struct {
  Cnn3dOp op;
  char *module; /* the published module's name, for messages and golden files; may be NULL */
  int n_inputs;
  int inputs[CNN3D_MAX_INPUTS];
  Cnn3dShape shape; /* of the output */
  Cnn3dExtent kernel, stride, pad;
  int groups; /* of CONV and SHUFFLE */
  int first;  /* of SLICE */
  float p;    /* of DROPOUT */
  int param, n_params;
} Cnn3dNode;

typedef struct {
  char *name; /* in the state dict */
  int n_dims;
  int dims[5];
  gboolean learned; /* FALSE for running statistics */
} Cnn3dParam;

typedef struct {
  Cnn3dConfig config;
  GArray *nodes;  /* Cnn3dNode; node 0 is the input, the last one the logits */
  GArray *params; /* Cnn3dParam, in the published order */
} Cnn3dGraph;

/* Builds the graph of config, whose zeros have been replaced by defaults. */
Cnn3dGraph *cnn3d_graph_new (const Cnn3dConfig *config, GError **error);
void cnn3d_graph_free (Cnn3dGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dGraph, cnn3d_graph_free)

/* The node whose channels, averaged over positions, are the features of a clip: what the last layer reads. */
int cnn3d_graph_get_features (const Cnn3dGraph *graph);
/* Replaces zeros by defaults. */
void cnn3d_config_fill (Cnn3dConfig *config);

static inline const Cnn3dNode *
cnn3d_graph_node (const Cnn3dGraph *graph, int i)
{
  return &g_array_index (graph->nodes, Cnn3dNode, i);
}

static inline const Cnn3dParam *
cnn3d_graph_param (const Cnn3dGraph *graph, int i)
{
  return &g_array_index (graph->params, Cnn3dParam, i);
}

static inline gint64
cnn3d_extent_count (Cnn3dExtent e)
{
  return (gint64) e.t * e.h * e.w;
}

static inline gint64
cnn3d_shape_count (const Cnn3dShape *shape)
{
  return shape->c * cnn3d_extent_count (shape->e);
}

static inline gint64
cnn3d_param_count (const Cnn3dParam *param)
{
  gint64 n = 1;
  for (int d = 0; d < param->n_dims; d++)
    n *= param->dims[d];
  return n;
}

/*
 * Building. The calls return the new node's index, or -1 once *error is set; they accept -1 as
 * input, so that an architecture reads as a straight list and is checked once, at its end.
 */
typedef struct {
  Cnn3dGraph *graph;
  GError **error;
  gboolean failed;
} Cnn3dBuilder;

#define CNN3D_CUBE(n) ((Cnn3dExtent){ (n), (n), (n) })

/* Padding is kernel / 2, as in all of the published convolutions. name may be a printf format. */
int cnn3d_build_conv (Cnn3dBuilder *b, int in, int out_channels, Cnn3dExtent kernel,
    Cnn3dExtent stride, int groups, gboolean bias, const char *module);
int cnn3d_build_batchnorm (Cnn3dBuilder *b, int in, const char *module);
int cnn3d_build_relu (Cnn3dBuilder *b, int in);
int cnn3d_build_relu6 (Cnn3dBuilder *b, int in);
int cnn3d_build_maxpool (Cnn3dBuilder *b, int in, const char *module);
int cnn3d_build_avgpool (Cnn3dBuilder *b, int in, Cnn3dExtent kernel, Cnn3dExtent stride,
    Cnn3dExtent pad);
int cnn3d_build_add (Cnn3dBuilder *b, int x, int y);
int cnn3d_build_concat (Cnn3dBuilder *b, int x, int y);
int cnn3d_build_slice (Cnn3dBuilder *b, int in, int first, int channels);
int cnn3d_build_shuffle (Cnn3dBuilder *b, int in, int groups);
int cnn3d_build_dropout (Cnn3dBuilder *b, int in, float p);
int cnn3d_build_linear (Cnn3dBuilder *b, int in, int out, const char *module);
/* Names node i, the last of a published module, for golden files and profiles. */
int cnn3d_build_name (Cnn3dBuilder *b, int i, const char *module);
const Cnn3dShape *cnn3d_build_shape (Cnn3dBuilder *b, int i);
/* Records a failure of the configuration; returns -1. */
int cnn3d_build_fail (Cnn3dBuilder *b, const char *format, ...) G_GNUC_PRINTF (2, 3);

G_END_DECLS
