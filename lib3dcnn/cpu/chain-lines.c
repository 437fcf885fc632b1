/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A chain of a stem on lines and a pool (lines.h). Of a strip, lines of three frames are kept, as the next frame needs two of
 * them, and what frames leave to the next ones.
 */

#include "lib3dcnn/cpu/chain.h"
#include "lib3dcnn/cpu/lines.h"

gsize
cnn3d_chain_lines_bytes (const Cnn3dEngine *engine, const Cnn3dStep *stem)
{
  return 3 * (gsize) engine->parts * 2 * cnn3d_lines_row_words (stem) * sizeof (guint16)
      + cnn3d_lines_kept_floats (engine) / 2 * sizeof (float);
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
  return lines + sums + (gsize) c->rows * cnn3d_lines_kept_floats (engine);
}

/* Where the lines of a frame, which is counted from the border on, are. */
static guint16 *
place_lines (const Chain *c, const Room *room, int frame)
{
  return room->lines + (gsize) (frame % 3) * frame_words (c);
}

void
cnn3d_chain_pool_lines (const Cnn3dEngine *engine, const Chain *c, const Room *room, int t, int y0, int y1, float *out,
    gsize out_block)
{
  const Cnn3dStep *stem = c->producer->step;
  int first = 2 * t, last = MIN (2 * t + 1, stem->out.t - 1), top = cnn3d_lines_first (y0) * stem->stride.h;
  int bottom = top + 2 * cnn3d_lines_count (stem, y0, y1) + 1;
  gssize part = 3 * (gssize) frame_words (c);
  Cnn3dLinesFrame frame = { .first_row = top, .part = cnn3d_bf16_part_of (engine, &engine->clip, part),
    .sums = room->sums, .kept = room->largest, .out_block = out_block };

  for (int f = first; f <= last; f++) {
    for (int k = f == 0 ? 0 : f + 2; k < f + 3; k++)
      cnn3d_lines_load (engine, &engine->clip, stem->in.t, k, top, bottom, place_lines (c, room, k), part);
    for (int k = 0; k < 3; k++)
      frame.lines[k] = place_lines (c, room, f + k);
    frame.begun = f > 0;
    frame.keeps = f + 1 < stem->out.t;
    frame.out = f == last ? out : NULL;
    cnn3d_lines_run (engine, &frame, y0, y1);
  }
}
