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

/* Incremental inference (stream.h) by a backend that keeps more of clips than their frames. */
typedef struct {
  /* Returns NULL if nothing is gained by it. The engine outlives it. */
  gpointer (*create) (gpointer engine);
  /* The next frame has nothing to do with those before. */
  void (*reset) (gpointer stream);
  /*
   * One frame, as a clip of one. Works ahead on the clip that begins with the frame of this number,
   * counted from the last reset on; it is not complete without this frame.
   */
  void (*push) (gpointer stream, const Cnn3dClip *frame, gint64 clip, int stride);
  /* The clip that the frame pushed last completes; there are as many frames. features may be NULL. */
  void (*run) (gpointer stream, float *logits, float *features);
  void (*destroy) (gpointer stream);
} Cnn3dStreamClass;

typedef struct {
  /* Returns NULL with error set, or what the other two calls take. The model outlives it. */
  gpointer (*create) (Cnn3dModel *model, const Cnn3dSessionOptions *options, GError **error);
  /* features: n x those of the model, or NULL. */
  gboolean (*run) (gpointer engine, const Cnn3dClip *clips, int n, float *logits, float *features,
      GError **error);
  void (*destroy) (gpointer engine);
  /* For people: what of the backend is in use. */
  char *(*describe) (gpointer engine);
  /* What it has chosen where the options say auto; NULL: fp32. */
  Cnn3dPrecision (*precision) (gpointer engine);
  /* As cnn3d_session_profile(); may be NULL. */
  int (*profile) (gpointer engine, const Cnn3dClip *clip, Cnn3dLayer *layers, int max, double *peak);
  const Cnn3dStreamClass *stream; /* may be NULL */
  /* As cnn3d_session_check_layers(), -1 on errors; may be NULL. */
  int (*check) (gpointer engine, const float *clip, Cnn3dLayerCheck *checks, int max, GError **error);
} Cnn3dBackendClass;

extern const Cnn3dBackendClass cnn3d_cpu_backend;
extern const Cnn3dBackendClass cnn3d_cudnn_backend;
extern const Cnn3dBackendClass cnn3d_reference_backend;

/* Clips are handed to a backend in groups of at most so many, so that no run has to allocate. */
#define CNN3D_MAX_GROUP 16

/* Whether there is no sign of an NVIDIA GPU, so that it is no surprise if the CPU is used. */
gboolean cnn3d_cudnn_absent (void);

/* 0 threads means the default for this process. */
int cnn3d_default_threads (void);

G_END_DECLS
