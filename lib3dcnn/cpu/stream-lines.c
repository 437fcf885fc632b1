/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The stem of a stream in bfloat16 (lines.h). Of each frame its lines are kept, which three slices read; an empty frame's stand
 * for the border. If a pool follows, a slice is what it joins of a frame, rows and columns, a fourth of the stem's output.
 */

#include "lib3dcnn/cpu/lines.h"
#include "lib3dcnn/cpu/stream.h"

/* Rows of a frame's padded input that are met. */
static int
count_rows (const Cnn3dStep *step)
{
  return (step->out.h - 1) * step->stride.h + step->kernel.h;
}

/* Words of one part of a frame's lines. */
static gssize
part_words (const Cnn3dStep *step)
{
  return count_rows (step) * (gssize) cnn3d_lines_row_words (step);
}

gsize
cnn3d_stream_lines_floats (const Cnn3dEngine *engine)
{
  return (gsize) (engine->parts * part_words (engine->steps[0].step)) / 2;
}

static guint16 *
place_frame (const Stream *stream, int slot)
{
  return (guint16 *) (void *) (stream->memory + stream->s->frames + (gsize) slot * stream->s->frame_floats);
}

/* A thread's share of the lines of a frame of a clip of n. */
static void
load_share (const Stream *stream, int thread, const Cnn3dClip *clip, int n, guint16 *out)
{
  const Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *step = engine->steps[0].step;
  int first = (int) cnn3d_share (count_rows (step), thread, engine->n_threads);
  int end = (int) cnn3d_share (count_rows (step), thread + 1, engine->n_threads);

  cnn3d_lines_load (engine, clip, n, step->pad.t, first, end, out + (gsize) first * cnn3d_lines_row_words (step),
      part_words (step));
}

/* Of the frame that is being pushed; with the first one, of the empty one as well. */
void
cnn3d_stream_load_lines (const Stream *stream, int thread, float *frame)
{
  const Cnn3dClip nothing = { NULL };

  if (stream->n_frames == 1)
    load_share (stream, thread, &nothing, 0, place_frame (stream, stream->s->n_frames));
  load_share (stream, thread, stream->frame, 1, (guint16 *) (void *) frame);
}

/* Rows [first, end) of one slice. */
void
cnn3d_stream_run_lines (const Stream *stream, const Work *work, int thread, int first, int end)
{
  const Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *stem = engine->steps[0].step;
  gboolean pools = cnn3d_stream_pools_stem (engine, 0);
  int width = pools ? engine->steps[1].step->out.w : stem->out.w;
  gsize slice = (gsize) cnn3d_stream_slot (stream, 0, work->t) * cnn3d_stream_slice_floats (engine, 0);
  Cnn3dLinesFrame frame = { .part = cnn3d_lines_part (engine, stream->planes, part_words (stem)),
    .sums = engine->rings + (gsize) thread * engine->ring_floats,
    .out = stream->memory + stream->s->rings[0].first + slice + (gsize) (first * width) * CNN3D_BLOCK,
    .out_block = cnn3d_stream_ring_floats (engine, stream->s, 0), .half = cnn3d_stream_is_half (engine, 0) };

  g_assert (cnn3d_lines_sums_floats (stem) <= engine->ring_floats);
  for (int k = 0; k < 3; k++) {
    int t = work->t - stem->pad.t + k;

    frame.lines[k] = place_frame (stream, cnn3d_stream_frame_slot (stream, t));
    frame.beside |= (t < 0 || t >= stem->in.t) << k;
  }
  if (pools)
    cnn3d_lines_run_pool (engine, &frame, first, end);
  else
    cnn3d_lines_run (engine, &frame, first, end);
}
