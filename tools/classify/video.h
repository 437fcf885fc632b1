/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Classifies the clips of one video, by the element. */

#include "tools/classify/list.h"
#include "tools/session-options.h"

G_BEGIN_DECLS

typedef struct {
  double start, end; /* seconds; of one frame they are the same */
  double frame;      /* how long a frame of the video lasts; 0 if it does not say */
  int n;
  int *index;        /* best first; -1: it is of no class, which then is the first */
  double *score;
} Clip;

void clip_clear (gpointer clip);

typedef struct {
  const char *model_file, *labels_file;
  const ToolSession *where;
  double sample_rate;
  int clip_stride, threads;
  /* Called several times a second. */
  void (*idle) (gpointer data);
  gpointer idle_data;
} Classifier;

/* Whether all that it takes is there. Call gst_init() before. */
gboolean classifier_check (GError **error);

/* All clips of a video (of Clip), at least one; NULL with an error that names it. */
GArray *classifier_run (const Classifier *classifier, const Video *video, GError **error);

/* The mean of the clips' scores (the paper's rule for videos), as one more clip. */
Clip clips_mean (const GArray *clips, int classes);

G_END_DECLS
