/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a trainer runs on: the same engine in float and in double. */

#include "lib3dcnn/graph.h"

G_BEGIN_DECLS

typedef struct {
  double rate, momentum, dampening, weight_decay;
  gboolean nesterov;
  double clip_norm; /* 0: none */
  gboolean adamw;
  double beta2;
  guint64 step;     /* from 1 */
} Cnn3dTrainUpdate;

/* Adds up n values over all processes; see cnn3d_trainer_set_reduce(). */
typedef void Cnn3dTrainReduce (double *values, gsize n, gpointer data);

/* Clips, or what the last layer's input would be for them, and the class of each. */
typedef struct {
  const float *clips, *features;
  const int *targets;
  int n;
  guint64 seed;
} Cnn3dTrainBatch;

typedef struct {
  const char *name;
  gsize real_size;
  /* last_only: only the parameters of the last layer are trained, and BatchNorm stays as it is.
   * squares: keep what ADAMW needs. The graph has to outlive the engine. */
  gpointer (*create) (const Cnn3dGraph *graph, int n_threads, gboolean last_only, gboolean squares,
      double dropout, GError **error);
  void (*destroy) (gpointer engine);
  /* Makes room for batches of n clips. */
  gboolean (*reserve) (gpointer engine, int n, gboolean training, GError **error);
  /* Forward and backward; gradients are ready for update. Returns the mean loss. */
  double (*step) (gpointer engine, const Cnn3dTrainBatch *batch, int *correct);
  /* Logits [n][classes]. */
  void (*evaluate) (gpointer engine, const float *clips, int n, float *logits);
  /* The input of the last layer, before dropout: [n][get_n_features]. */
  void (*compute_features) (gpointer engine, const float *clips, int n, float *features);
  gsize (*get_n_features) (gpointer engine);
  void (*set_reduce) (gpointer engine, Cnn3dTrainReduce *reduce, gpointer data, int rank);
  /* Updates by the gradients of the last step. Returns their norm before clipping. */
  double (*update) (gpointer engine, const Cnn3dTrainUpdate *update);
  /* The arrays of a parameter, Real[count]; all but the value are NULL if it is not trained. */
  gpointer (*get_value) (gpointer engine, int param);
  gpointer (*get_gradient) (gpointer engine, int param);
  gpointer (*get_momentum) (gpointer engine, int param);
  gpointer (*get_square) (gpointer engine, int param);
  gsize (*get_bytes) (gpointer engine);
} Cnn3dTrainEngineClass;

extern const Cnn3dTrainEngineClass cnn3d_train_engine_float, cnn3d_train_engine_double;

G_END_DECLS
