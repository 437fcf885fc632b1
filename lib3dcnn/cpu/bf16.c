/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs steps in bfloat16 (bf16.h): a chunk of positions is turned into rows of words, which all
 * tiles of the step then read. What steps read and write stays in single precision.
 */

#include "lib3dcnn/cpu/engine.h"

/* Words behind a buffer that a tap of the largest unit may read past it. */
#define SLACK 32

/*
 * All products, but for dense 3x3x3 convolutions by Winograd's minimal filtering: it has an eighth
 * of the multiplications, and its transforms would magnify what bfloat16 rounds away.
 */
gboolean
cnn3d_bf16_wanted (const Cnn3dEngine *engine, const Cnn3dStep *step, gboolean direct_stem)
{
  Cnn3dExtent k = step->kernel;

  if (engine->bf16 == NULL)
    return FALSE;
  switch (step->kind) {
    case CNN3D_STEP_STEM:
      /* Streams compute it frame by frame, in fp32. */
      return !direct_stem && k.t == 3 && k.h == 3 && k.w == 3 && step->channels_in == 3;
    case CNN3D_STEP_CONV:
      return !cnn3d_winograd_fits (step);
    default:
      return step->kind == CNN3D_STEP_POINTWISE || step->kind == CNN3D_STEP_LINEAR;
  }
}

/* Words of one part of all bands of a stem. */
static gsize
bands_words (const Cnn3dStep *step)
{
  Cnn3dExtent padded = cnn3d_padded_extent (step);

  return (gsize) padded.t * (gsize) step->out.h * (gsize) padded.w * CNN3D_BAND_WORDS + SLACK;
}

/* Words of one part of the padded input of a dense convolution. */
static gsize
input_words (const Cnn3dCpuStep *s)
{
  return (gsize) cnn3d_extent_count (cnn3d_padded_extent (s->step)) * (gsize) s->bf16->step;
}

/* Words of a row in natural order, for gathers; of one part. */
static gsize
natural_words (const Cnn3dBf16Rows *rows)
{
  return rows->n_gathers > 0 ? (gsize) (rows->n_blocks + 3) / 4 * 64 : 0;
}

void
cnn3d_bf16_room (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, gsize *shared, gsize *of_thread)
{
  gsize parts = (gsize) engine->parts;

  *shared = *of_thread = 0;
  if (s->step->kind == CNN3D_STEP_STEM) {
    *shared = parts * bands_words (s->step);
    *of_thread = parts * 3 * (gsize) cnn3d_band_room (cnn3d_padded_extent (s->step).w);
  } else if (s->step->kind == CNN3D_STEP_CONV) {
    *shared = parts * input_words (s);
  } else {
    *of_thread = parts * (CNN3D_CHUNK * (gsize) s->bf16->step + natural_words (s->bf16));
  }
  /* In floats. */
  *shared = (*shared + 1) / 2;
  *of_thread = (*of_thread + 1) / 2;
}

static guint16 *
room_of (const Cnn3dEngine *engine, int thread)
{
  return (guint16 *) (engine->thread_words + (gsize) thread * engine->thread_words_floats);
}

static void
convert (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const float *x, const gint32 *blocks,
    int n, guint16 *natural, const Cnn3dWords *to)
{
  const Cnn3dBf16Rows *rows = s->bf16;
  Cnn3dBf16RowsArgs args = { .x = x, .blocks = blocks, .lanes = rows->lanes,
    .n_blocks = rows->n_blocks, .gathers = rows->gathers, .n_gathers = rows->n_gathers,
    .natural = natural, .out = (guint16 *) to->x, .part = to->part, .step = to->step };

  engine->bf16->rows (&args, n, engine->parts);
}

Cnn3dWords
cnn3d_bf16_convert (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const float *x,
    const gint32 *blocks, int n, int thread)
{
  guint16 *room = room_of (engine, thread);
  Cnn3dWords words = { .x = room, .part = CNN3D_CHUNK * s->bf16->step, .step = s->bf16->step };

  g_assert (n <= CNN3D_CHUNK);
  convert (engine, s, x, blocks ? blocks : s->bf16->blocks, n, room + engine->parts * words.part,
      &words);
  return words;
}

void
cnn3d_bf16_multiply (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dTile *tile,
    const Cnn3dWords *words, float *out, const float *residual, int n)
{
  Cnn3dBf16ConvArgs args = { .x = words->x, .part = words->part, .step = words->step,
    .taps = tile->taps, .n_taps = tile->n_taps, .weights = (const guint16 *) tile->weights,
    .bias = tile->bias, .out = out, .residual = residual, .low = s->low, .high = s->high };

  memcpy (args.out_offsets, tile->out_offsets, sizeof args.out_offsets);
  memcpy (args.residual_offsets, tile->residual_offsets, sizeof args.residual_offsets);
  engine->bf16->conv (&args, tile->halves, n, engine->parts);
}

/* This thread's share of the bands of all frames. */
static void
load_bands (const Cnn3dEngine *engine, const Cnn3dStep *step, int thread)
{
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  int total = padded.t * step->out.h;
  guint16 *words = (guint16 *) engine->words;

  for (int i = (int) cnn3d_share (total, thread, engine->n_threads);
      i < cnn3d_share (total, thread + 1, engine->n_threads); i++) {
    Cnn3dBf16BandArgs args = { .width = padded.w, .room = room_of (engine, thread),
      .out = words + (gsize) i * (gsize) padded.w * CNN3D_BAND_WORDS,
      .part = (intptr_t) bands_words (step) };
    gint64 row = (gint64) (i / step->out.h) * padded.h + i % step->out.h * step->stride.h;

    for (int r = 0; r < 3; r++)
      for (int p = 0; p < 3; p++)
        args.rows[r][p] = engine->padded + (p * (gint64) padded.t * padded.h + row + r) * padded.w;
    engine->bf16->band (&args, engine->parts);
  }
}

/* This thread's share of engine->scratch. */
static void
load_input (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread)
{
  gint64 total = cnn3d_extent_count (cnn3d_padded_extent (s->step));
  gint64 first = cnn3d_share (total, thread, engine->n_threads);
  gint64 end = cnn3d_share (total, thread + 1, engine->n_threads);
  Cnn3dWords to = { .x = (guint16 *) engine->words + first * s->bf16->step,
    .part = (gssize) input_words (s), .step = s->bf16->step };

  convert (engine, s, engine->scratch + first * CNN3D_BLOCK, s->bf16->blocks, (int) (end - first),
      NULL, &to);
}

void
cnn3d_bf16_load (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread)
{
  if (s->step->kind == CNN3D_STEP_STEM)
    load_bands (engine, s->step, thread);
  else
    load_input (engine, s, thread);
}

Cnn3dWords
cnn3d_bf16_loaded_row (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int t, int h)
{
  const Cnn3dStep *step = s->step;
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  const guint16 *words = (const guint16 *) engine->words;
  gint64 frame = (gint64) t * step->stride.t;

  if (step->kind == CNN3D_STEP_STEM)
    return (Cnn3dWords){ words + (frame * step->out.h + h) * padded.w * CNN3D_BAND_WORDS,
      (gssize) bands_words (step), step->stride.w * CNN3D_BAND_WORDS };
  return (Cnn3dWords){
    words + (frame * padded.h + (gint64) h * step->stride.h) * padded.w * s->bf16->step,
    (gssize) input_words (s), s->bf16->step };
}
