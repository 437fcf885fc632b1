/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a session needs of a backend. */

#include "lib3dcnn/model-private.h"
#include "lib3dcnn/session.h"

G_BEGIN_DECLS

/* One clip: exactly one of the two is set. */
typedef struct {
  const float *planes; /* 3 x T x S x S, normalised */
  const guint8 *rgb;   /* T x S x S x 3 */
} Cnn3dClip;

typedef struct {
  /* Returns NULL with error set, or what the other two calls take. The model outlives it. */
  gpointer (*create) (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error);
  gboolean (*run) (gpointer engine, const Cnn3dClip *clips, int n, float *logits, GError **error);
  void (*destroy) (gpointer engine);
  /* For people: what of the backend is in use. */
  char *(*describe) (gpointer engine);
  /* As cnn3d_session_profile(); may be NULL. */
  int (*profile) (gpointer engine, const float *clip, Cnn3dLayer *layers, int max, double *peak);
} Cnn3dBackendClass;

extern const Cnn3dBackendClass cnn3d_cpu_backend;
extern const Cnn3dBackendClass cnn3d_reference_backend;

/* 0 threads means the default for this process. */
int cnn3d_default_threads (void);

G_END_DECLS
