/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/graph.h"
#include "lib3dcnn/io/state.h"
#include "lib3dcnn/model.h"

G_BEGIN_DECLS

/* Tolerance of all comparisons of logits: of the largest |logit|. */
#define CNN3D_TOLERANCE 1e-4
/* Of those that were computed in fp16 and in bf16. */
#define CNN3D_FP16_TOLERANCE 2e-2
#define CNN3D_BF16_TOLERANCE 3e-2

struct _Cnn3dModel {
  gatomicrefcount ref_count;
  Cnn3dConfig config;
  Cnn3dCard *card;
  Cnn3dGraph *graph;
  const float **params; /* for each of the graph's params, in PyTorch's (row-major) order */
  Cnn3dState *state;    /* keeps what params point into; NULL if owned holds all */
  GPtrArray *owned;     /* float arrays made by conversion or by a hash */
  gboolean half;        /* weights are float16 numbers, and are stored so */
  Cnn3dModel *origin;   /* the model that this one was made from: its file's metadata are kept; or NULL */
  Cnn3dModel *shared;   /* the model whose graph, params and state these are, if not this one's */
  /* What a self-check of the model's file says, if it has one. */
  char *check_seed;
  float *check_logits; /* config.classes */
};

/* A model with no weights yet; takes graph and card. */
Cnn3dModel *cnn3d_model_new_empty (Cnn3dGraph *graph, Cnn3dCard *card);
/* Allocates a parameter that the model owns. */
float *cnn3d_model_own_param (Cnn3dModel *model, int param);

/* The hash that makes synthetic weights and self-check inputs: a number in [0, 1). */
guint64 cnn3d_hash_name (const char *prefix, const char *name);
double cnn3d_hash_uniform (guint64 name_hash, guint64 i);
/* The self-check's clip: pixels from the hash, minus the authors' mean. */
void cnn3d_hash_clip (const Cnn3dConfig *config, const char *seed, float *clip);

G_END_DECLS
