/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is told about a classified video. */

#include "tools/classify/video.h"
#include "tools/timeline.h"

G_BEGIN_DECLS

typedef struct {
  Cnn3dModel *model;
  int top_k;
  gboolean json;                     /* an object; otherwise lines */
  double threshold;                  /* of scores in side-car files */
  gboolean side_cars[N_TIMELINES];
} Output;

gboolean output_has_side_cars (const Output *output);

/* The text that goes to standard output. */
char *output_describe (const Output *output, const Video *video, const GArray *clips);

/* Writes the side-car files that were asked for; FALSE with an error that names one. */
gboolean output_write_side_cars (const Output *output, const Video *video, const GArray *clips, GError **error);

G_END_DECLS
