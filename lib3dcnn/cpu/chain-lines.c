/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A stem on lines (lines.h) in its chain. Of a strip, lines of three frames are kept, as the next frame needs two of them; and
 * for a pool what frames leave to the next ones.
 */

#include "lib3dcnn/cpu/chain.h"
#include "lib3dcnn/cpu/lines.h"

gsize
cnn3d_chain_lines_bytes (const Cnn3dEngine *engine)
{
  /* Of bytes, which have one part; rows for clips of floats take more, and of the cache as well. */
  gsize lines = 3 * 2 * cnn3d_lines_row_words (engine->steps[0].step) * sizeof (guint16);

  return lines + (cnn3d_lines_pool (engine) ? cnn3d_lines_kept_floats (engine) / 2 * sizeof (float) : 0);
}

/* Of one frame, a strip's. */
static gsize
frame_words (const Chain *c)
{
  return (gsize) (2 * c->ring_rows + 1) * cnn3d_lines_row_words (c->producer->step);
}

gsize
cnn3d_chain_lines_room (const Chain *c, const Cnn3dEngine *engine, float *from, Room *room)
{
  const Cnn3dStep *stem = c->producer->step;
  gsize lines = 3 * (gsize) engine->parts * frame_words (c) / 2, sums = cnn3d_lines_sums_floats (stem);

  if (room != NULL) {
    room->lines = (guint16 *) (void *) from;
    room->sums = from + lines;
    room->largest = room->sums + sums;
  }
  return lines + sums + (cnn3d_lines_pool (engine) ? (gsize) c->rows * cnn3d_lines_kept_floats (engine) : 0);
}

/* Where the lines of a frame, which is counted from the border on, are. */
static guint16 *
place_lines (const Chain *c, const Room *room, int frame)
{
  return room->lines + (gsize) (frame % 3) * frame_words (c);
}

/* Lines of frame f and its neighbours, of rows [top, bottom) of the padded input; those of the frame before it are there. */
static void
load_lines (const Cnn3dEngine *engine, const Chain *c, const Room *room, int f, int top, int bottom, Cnn3dLinesFrame *frame)
{
  gssize part = 3 * (gssize) frame_words (c);

  for (int k = f == 0 ? 0 : f + 2; k < f + 3; k++)
    cnn3d_lines_load (engine, &engine->clip, c->producer->step->in.t, k, top, bottom, place_lines (c, room, k), part);
  for (int k = 0; k < 3; k++)
    frame->lines[k] = place_lines (c, room, f + k);
  frame->beside = (f == 0) | (f + 1 == c->producer->step->in.t) << 2;
  frame->first_row = top;
  frame->part = cnn3d_lines_part (engine, engine->clip.rgb == NULL, part);
  frame->sums = room->sums;
}

void
cnn3d_chain_produce_lines (const Cnn3dEngine *engine, const Chain *c, const Room *room, int t, int y0, int y1, int place)
{
  Cnn3dLinesFrame frame = { .out = ring_row (c, room, t, place), .out_block = c->in_block, .half = c->half };

  load_lines (engine, c, room, t, 2 * y0, 2 * y1 + 1, &frame);
  cnn3d_lines_run (engine, &frame, y0, y1);
}

void
cnn3d_chain_pool_lines (const Cnn3dEngine *engine, const Chain *c, const Room *room, int t, int y0, int y1, float *out,
    gsize out_block)
{
  const Cnn3dStep *stem = c->producer->step;
  int first = 2 * t, last = MIN (2 * t + 1, stem->out.t - 1), top = 2 * cnn3d_lines_first (y0);
  int bottom = top + 2 * cnn3d_lines_count (stem, y0, y1) + 1;
  Cnn3dLinesFrame frame = { .kept = room->largest, .out_block = out_block };

  for (int f = first; f <= last; f++) {
    load_lines (engine, c, room, f, top, bottom, &frame);
    frame.begun = f > 0;
    frame.keeps = f + 1 < stem->out.t;
    frame.out = f == last ? out : NULL;
    cnn3d_lines_run_pool (engine, &frame, y0, y1);
  }
}
