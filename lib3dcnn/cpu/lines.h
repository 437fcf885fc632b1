/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A stem in bfloat16 (bf16.h), which begins a chain: rows of pixels become lines, and three frames of these a row of sums. A
 * row of sums is turned into blocks; but where a pool follows, three of them become one of what it joins of a frame.
 */

#include "lib3dcnn/cpu/engine.h"

G_BEGIN_DECLS

/* Whether a stem can be had so: it is 3x3x3, and a pool that follows is of three at a stride of two; and whether one does. */
gboolean cnn3d_lines_fit (const Cnn3dEngine *engine, const Cnn3dStep *stem);
gboolean cnn3d_lines_pool (const Cnn3dEngine *engine);

/* Floats of its weights and, after them, bias and what lines-border.c has, and what is in there; lanes that are computed. */
int cnn3d_lines_lanes (const Cnn3dStep *stem);
gsize cnn3d_lines_weight_floats (const Cnn3dEngine *engine, const Cnn3dCpuStep *stem);
void cnn3d_lines_pack (const Cnn3dEngine *engine, Cnn3dCpuStep *stem, const Cnn3dFolded *folded, float *weights);

/* Words of a row of pixels, of one part. */
static inline gsize
cnn3d_lines_row_words (const Cnn3dStep *stem)
{
  return (gsize) (CNN3D_LINES * CNN3D_LINE_WORDS (stem->out.w));
}

/* Parts of lines of planes, or of bytes, which need one alone; and the words from hi to lo, or 0. */
static inline int
cnn3d_lines_parts (const Cnn3dEngine *engine, gboolean planes)
{
  return planes ? engine->parts : 1;
}

static inline gssize
cnn3d_lines_part (const Cnn3dEngine *engine, gboolean planes, gssize part)
{
  return cnn3d_lines_parts (engine, planes) > 1 ? part : 0;
}

/*
 * Rows [first, end) of a frame of a clip of n_frames, both counted from the border on, one after the other. part: words from
 * hi to lo.
 */
void cnn3d_lines_load (const Cnn3dEngine *engine, const Cnn3dClip *clip, int n_frames, int frame, int first, int end,
    guint16 *out, gssize part);

/* Floats that a thread needs for rows of sums. */
gsize cnn3d_lines_sums_floats (const Cnn3dStep *stem);
/* Of what is kept of frames for those that follow, floats of one row of the pool. */
gsize cnn3d_lines_kept_floats (const Cnn3dEngine *engine);

/* A frame of the stem. */
typedef struct {
  const guint16 *lines[3]; /* of the frame and its neighbours, from row first_row of the padded input on */
  int first_row;
  int beside;            /* of these: bits of those that are beside the clip's frames */
  gssize part;           /* words from one part of lines to the next; 0: hi is all that there is */
  float *sums;           /* room for them */
  float *out;            /* where the first row goes, of the first block */
  gsize out_block;       /* floats to the next block */
  gboolean half;         /* blocks are pairs, in halves */
  /* Of a pool, for which `out` may be NULL: frames are joined alone. */
  float *kept;           /* for each of its rows what earlier frames have left; NULL: nothing is kept */
  gboolean begun, keeps; /* whether they have left anything, and whether this one is to */
} Cnn3dLinesFrame;
/* Its rows [first, end); and those of the pool. */
void cnn3d_lines_run (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int first, int end);
void cnn3d_lines_run_pool (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int first, int end);

/*
 * lines-border.c: what sums begin with, for which floats belong to the weights, zero so far; what is in there; and what row y
 * of them begins with, from a lane on.
 */
gsize cnn3d_lines_begin_floats (const Cnn3dEngine *engine, const Cnn3dStep *stem);
void cnn3d_lines_pack_begin (const Cnn3dEngine *engine, Cnn3dCpuStep *stem, const Cnn3dFolded *folded, float *begin);
void cnn3d_lines_begin (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int y, int lane, Cnn3dBf16StemArgs *args);

/* The rows of the stem that rows [first, end) of the pool meet: from the first on, and how many. */
int cnn3d_lines_first (int first);
int cnn3d_lines_count (const Cnn3dStep *stem, int first, int end);

G_END_DECLS
