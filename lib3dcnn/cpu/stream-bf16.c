/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The stem of a stream in bfloat16. Of each frame, its bands (bf16.h) are kept, which three slices read; an empty frame's
 * stand for the border.
 */

#include "lib3dcnn/cpu/stream.h"

/* Taps of a stem: three frames of 27 words, two a tap at least. */
#define MAX_TAPS (3 * 14)

/* Words of one part of a frame's bands. */
static gssize
part_words (const Cnn3dStep *step)
{
  return (gssize) (step->out.h * step->out.w) * CNN3D_BAND_STEP;
}

gsize
cnn3d_stream_bands_floats (const Cnn3dEngine *engine)
{
  return (gsize) (engine->parts * part_words (engine->steps[0].step)) / 2;
}

/* A thread's share of the bands of a frame of a clip of n. */
static void
load_share (const Stream *stream, int thread, const Cnn3dClip *clip, int n, float *frame)
{
  const Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *step = engine->steps[0].step;
  int first = (int) cnn3d_share (step->out.h, thread, engine->n_threads);
  int end = (int) cnn3d_share (step->out.h, thread + 1, engine->n_threads), loaded = 0;

  cnn3d_bf16_load_bands (engine, step, thread, clip, n, step->pad.t, first, end, &loaded,
      (guint16 *) (void *) frame + (gssize) (first * step->out.w) * CNN3D_BAND_STEP, part_words (step));
}

/* Of the frame that is being pushed; with the first one, of the empty one as well. */
void
cnn3d_stream_load_bands (const Stream *stream, int thread, float *frame)
{
  const Cnn3dCpuSlices *s = stream->s;
  const Cnn3dClip nothing = { NULL };

  if (stream->n_frames == 1)
    load_share (stream, thread, &nothing, 0, stream->memory + s->frames + (gsize) s->n_slots * s->frame_floats);
  load_share (stream, thread, stream->frame, 1, frame);
}

/* Rows [first, end) of one slice. */
void
cnn3d_stream_run_bands (const Stream *stream, const Work *work, int first, int end)
{
  const Cnn3dCpuSlices *s = stream->s;
  Cnn3dEngine *engine = stream->engine;
  const Cnn3dCpuStep *stem = &engine->steps[0];
  const Cnn3dStep *step = stem->step;
  int n_taps = stem->tiles[0].n_taps, a_frame = n_taps / 3;
  gsize slice = (gsize) cnn3d_stream_slot (stream, 0, work->t) * cnn3d_stream_slice_floats (engine, 0);
  gsize row_floats = cnn3d_stream_slice_floats (engine, 0) / (gsize) step->out.h;
  const guint16 *bands = (const guint16 *) (const void *) (stream->memory + s->frames);
  int32_t taps[MAX_TAPS];

  g_assert (n_taps <= MAX_TAPS);
  for (int i = 0; i < n_taps; i++) {
    int slot = cnn3d_stream_frame_slot (stream, work->t * step->stride.t - step->pad.t + i / a_frame);

    taps[i] = stem->tiles[0].taps[i % a_frame] + (int32_t) ((gsize) slot * s->frame_floats * 2);
  }
  for (int y = first; y < end; y++) {
    Cnn3dWords words = { bands + (gssize) (y * step->out.w) * CNN3D_BAND_STEP,
      stream->planes && engine->parts == 2 ? part_words (step) : 0, CNN3D_BAND_STEP };
    gsize row = (gsize) y * row_floats;

    for (int k = 0; k < stem->n_tiles; k++) {
      Cnn3dTile tile = s->tiles[0][k];

      tile.taps = taps;
      cnn3d_bf16_multiply (engine, stem, &tile, &words, stream->memory + slice + row, NULL, step->out.w);
    }
  }
}
