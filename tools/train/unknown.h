/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Measures how clips of no class are told (lib3dcnn/unknown.h), once a model has been taught its classes. */

#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

typedef struct {
  gboolean wanted;
  Cnn3dUnknownRule rule;
  double quantile; /* part of clips of the known classes that is to be accepted */
  const char *label;
} UnknownOptions;

/* What it is measured on. */
typedef struct {
  Cnn3dCache *cache;
  Cnn3dLoader *plain;   /* the middle of each of its videos */
  Cnn3dLoader *changed; /* clips of them that are shifted, cropped, mirrored; may be NULL */
  int views;            /* clips from changed, for each video */
  Cnn3dLoader *val;     /* may be NULL */
  gboolean trained;     /* features were learned from these videos, so that leaving one out proves nothing */
  int threads;
} UnknownData;

/* Says what is wrong with a name for them, if anything; FALSE then. */
gboolean unknown_check_label (const UnknownOptions *o, const Cnn3dCard *card, const char *data);

/* The model with the rule in its card; NULL with an error, or with none: interrupted. Says what was found. */
Cnn3dModel *unknown_measure (
    const UnknownOptions *o, const UnknownData *data, Cnn3dModel *model, GError **error);

G_END_DECLS
