/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kinds of `3dcnn bench` share. */

#include "tools/tool.h"

G_BEGIN_DECLS

typedef struct {
  int runs, batch;
  Cnn3dSessionOptions session; /* threads and batch aside */
  JsonBuilder *json; /* or NULL */
  gboolean layers;
  int stride; /* of --stream, else 0 */
  double load_ms; /* of the model file */
} Bench;

/*
 * Says what a session runs on, as soon as it has run: the fallback on stderr, or in JSON; before the first row, and when
 * something else takes over, where it runs, on stdout, with head after it.
 */
void bench_describe (const Bench *bench, Cnn3dSession *session, void (*head) (void));

/* Sorts n values, and returns the middle one. */
double bench_median (double *values, int n);
/* Random bytes, the same in every run. */
void bench_fill (guint8 *bytes, gsize n);

/* bench-stream.c: incremental inference against runs from scratch. */
gboolean bench_stream (const Bench *bench, Cnn3dModel *model, int threads, GError **error);

G_END_DECLS
