/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What of a plan can be computed while the frames of a clip arrive, and what of that is the same for
 * every clip that contains these frames.
 *
 * A slice is the output of a step at one time. It depends on a range of frames; where that range
 * reaches over the clip's ends, on its zero padding as well. A slice that does not is shared: clips
 * that begin at other frames have the same one, at another time. One that does, or that reads
 * one that does, belongs to a single clip.
 */

#include "lib3dcnn/plan.h"

G_BEGIN_DECLS

typedef enum {
  CNN3D_SLICES_WHOLE, /* the step runs as a whole, once the clip is complete */
  CNN3D_SLICES_KEPT,  /* slice by slice, as frames arrive; slices are kept for the clips to come */
  CNN3D_SLICES_PASSED, /* what slices of the next step need of it is computed with them (cpu/stream.c) */
  CNN3D_SLICES_LAST,  /* reads kept slices alone, is read by whole steps: runs when the clip is complete */
} Cnn3dSliceRole;

typedef struct {
  Cnn3dSliceRole role;
  gboolean copied; /* KEPT, and read by a whole step too: copied to the arena once the clip is complete */
  int n;          /* slices of a clip */
  int scale;      /* frames from a slice to the next: the product of the strides up to here */
  int first, end; /* slices [first, end) are shared */
  int *last_frame; /* for each slice, the last frame of the clip that it depends on */
} Cnn3dStepSlices;

typedef struct {
  int n_steps, n_kept;
  int early; /* frames of a clip with which all slices are there that do not need the last one */
  Cnn3dStepSlices *steps;
} Cnn3dSlices;

/*
 * able: whether a backend can run this step slice by slice, with the same results. group: slices of the first step that are
 * computed together.
 */
Cnn3dSlices *cnn3d_slices_new (const Cnn3dPlan *plan, gboolean (*able) (int step, gpointer data),
    gpointer data, int group);
void cnn3d_slices_free (Cnn3dSlices *slices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dSlices, cnn3d_slices_free)

G_END_DECLS
