/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a chain works on, for those who produce its rings' rows: chain.c and chain-bf16.c. */

#include "lib3dcnn/cpu/engine.h"

G_BEGIN_DECLS

typedef struct {
  const Cnn3dCpuStep *producer, *middle, *last; /* last may be NULL */
  int frames, stride_t, pad_t, kernel_t; /* as middle meets what is in the ring: a stem may have joined frames for it */
  int step_frames; /* that the producer makes at a time */
  int n_frames;    /* in the ring, after which there is the last of a call, if a stem joins frames */
  int max_blocks;  /* of a group, where a tile does not need more */
  gboolean half;   /* the ring has halves, of two blocks together: where it has a block otherwise, it has a pair */
  /*
   * Whether what middle makes is in bfloat16, for last to read as it is: 32 words of two blocks together, where otherwise a
   * block would be, or hi there and lo where the next block would be.
   */
  gboolean words;
  int n_blocks;    /* or pairs in the ring, at most */
  int rows;        /* outputs of middle in a strip, at most */
  int ring_rows;   /* that they need */
  int overlap;     /* of these, rows that the next strip needs too */
  gsize in_frame, in_block; /* floats */
  /* Of middle's outputs that wait for last: one frame, or all where some channels come later; and floats. */
  int out_frames;
  gsize out_frame, out_block;
  /* Of a stem that is temporal, floats of a row of its input, of all channels, and of a strip's rows of a frame. */
  gsize row_floats, held_floats;
  int width; /* of the ring's rows */
  const Cnn3dChainSlices *slices; /* of a stream; NULL: all outputs of the middle step */
} Chain;

/* What a thread works on. */
typedef struct {
  float *ring;   /* [block][frame][row][w][16] */
  float *kept;   /* [block][frame][overlap][w][16], of all blocks and frames */
  float *out;    /* [block][frame][row][w][16], of all blocks: what last reads, if there is one */
  /* Of a stem that is temporal, rows are [channel][pitch]: */
  float *held;   /* [4][row]: frames that the next frames of the output need as well, and that these leave to the next */
  float *rows;   /* [2][row]: of two frames that they do not */
  float *points; /* [point][row of the kernel][channel][even columns, odd ones][pitch / 2] */
  /* Of a stem on lines; together with a pool it has none of the above but `out`: */
  guint16 *lines; /* [part][frame % 3][row of pixels][line][output][2] */
  float *sums;    /* [row % 3][lane][pitch] */
  float *largest; /* for a pool, of frames: [row][lane][outputs] */
} Room;

/* Of six frames of the input, two are those that the last four of the output have left. */
#define CNN3D_HELD (CNN3D_POINTS - CNN3D_POINT_FRAMES)

/* Where row y (of the strip's, whose first is y0) of frame t lies in the ring. */
static inline float *
ring_row (const Chain *c, const Room *room, int t, int y)
{
  return room->ring + (t % c->n_frames) * c->in_frame
      + (gsize) (y * c->width) * CNN3D_BLOCK;
}

/* Row 0 of frame t of a pointwise convolution's input, in the block that its taps are counted from. */
static inline const float *
chain_input (const Cnn3dEngine *engine, const Chain *c, int t)
{
  const Cnn3dStep *step = c->producer->step;
  const Cnn3dChainSlices *s = c->slices;

  if (s != NULL)
    return s->in + (gsize) ((s->in_start + t) % s->in_frames) * s->in_frame;
  return engine->arena + (gsize) (t * step->out.h * step->out.w) * CNN3D_BLOCK;
}

/* A producer's tile that writes the half blocks of a group from first_half on to blocks, or pairs, so many floats apart. */
static inline Cnn3dTile
moved_tile (const Cnn3dTile *tile, int first_half, gsize block, gboolean to_half)
{
  Cnn3dTile moved = *tile;

  moved.to_half = to_half;
  for (int h = 0; h < tile->halves; h++)
    moved.out_offsets[h] = cnn3d_half_offset (tile->first_half + h - first_half, block, to_half);
  return moved;
}

/* chain-stem.c: what is the same for all strips, what a strip begins with, and as produce() in chain.c. */
void cnn3d_chain_clear_borders (const Chain *c, const Room *room);
void cnn3d_chain_clear_last_frames (const Chain *c, const Room *room, int n_blocks);
void cnn3d_chain_produce_temporal (Cnn3dEngine *engine, const Chain *c, const Room *room, int first_tile, int end_tile, int t,
    int y0, int y1, int place);

/* chain-bf16.c: rows [y0, y1) of frame t, as produce() in chain.c, of a pointwise convolution. */
void cnn3d_bf16_produce (Cnn3dEngine *engine, const Chain *c, const Room *room, int thread, int first_tile, int end_tile,
    int t, int y0, int y1, int place);

/*
 * chain-lines.c: bytes that a strip needs for a row of the stem; what all of it needs, as divide_room() in chain.c; rows
 * [y0, y1) of frame t, as produce() in chain.c; and those of the pool, if one follows. Frames come in their order.
 */
gsize cnn3d_chain_lines_bytes (const Cnn3dEngine *engine);
void cnn3d_chain_produce_lines (const Cnn3dEngine *engine, const Chain *c, const Room *room, int t, int y0, int y1, int place);
gsize cnn3d_chain_lines_room (const Chain *c, const Cnn3dEngine *engine, float *from, Room *room);
void cnn3d_chain_pool_lines (const Cnn3dEngine *engine, const Chain *c, const Room *room, int t, int y0, int y1, float *out,
    gsize out_block);

G_END_DECLS
