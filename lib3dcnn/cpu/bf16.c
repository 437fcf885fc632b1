/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs steps in bfloat16 (bf16.h): a chunk of positions is turned into rows of words, which all
 * tiles of the step then read. What steps read and write stays in single precision, but within some chains.
 */

#include "lib3dcnn/cpu/lines.h"

#include <math.h>

/*
 * All products, but dense 3x3x3 convolutions only where they are more than eight times as fast as in single precision:
 * Winograd's minimal filtering has an eighth of the multiplications, and its transforms would magnify what bfloat16
 * rounds away. The weights of bf16x3 are as many bytes as floats, so that steps of few positions, which wait for them, gain
 * nothing; and a stem takes longer than by minimal filtering, unless by tiles, as do groups of few channels than in single
 * precision.
 */
#define FEW_POSITIONS 32
#define FEW_GROUP_CHANNELS 20

static gboolean
has_small_groups (const Cnn3dStep *step)
{
  return step->groups > 1 && MIN (step->channels_in, step->channels_out) <= FEW_GROUP_CHANNELS * step->groups;
}

gboolean
cnn3d_bf16_wanted (const Cnn3dEngine *engine, const Cnn3dStep *step)
{
  gboolean one = engine->parts == 1;

  if (engine->bf16 == NULL || (engine->parts == CNN3D_EXACT_PARTS && step->kind != CNN3D_STEP_STEM))
    return FALSE;
  switch (step->kind) {
    case CNN3D_STEP_STEM:
      return cnn3d_lines_fit (engine, step) && (one || engine->bf16->tiles);
    case CNN3D_STEP_CONV:
      return (engine->bf16->tiles && one) || !cnn3d_winograd_fits (step);
    default:
      return (step->kind == CNN3D_STEP_POINTWISE || step->kind == CNN3D_STEP_LINEAR)
          && (one || (cnn3d_extent_count (step->out) > FEW_POSITIONS && !has_small_groups (step)));
  }
}

/* Within a chain, whose ring is in half precision then. */
gboolean
cnn3d_half_wanted (const Cnn3dEngine *engine, const Cnn3dCpuStep *s)
{
  return engine->bf16 != NULL && engine->parts == 1 && engine->bf16->depthwise != NULL && s > engine->steps
      && s[-1].step->chain > 1 && s[-1].in_bf16;
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
  if (s->step->kind == CNN3D_STEP_STEM)
    return;
  if (s->step->kind == CNN3D_STEP_CONV) {
    *shared = parts * input_words (s);
  } else {
    *of_thread = parts * (CNN3D_MAX_CHUNK * (gsize) s->bf16->step + natural_words (s->bf16));
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
    .split = rows->split, .natural = natural, .out = (guint16 *) to->x, .part = to->part, .step = to->step };

  engine->bf16->rows (&args, n, cnn3d_bf16_parts (engine, s));
}

Cnn3dWords
cnn3d_bf16_convert (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const float *x,
    const gint32 *blocks, int n, int thread)
{
  guint16 *room = room_of (engine, thread);
  Cnn3dWords words = { .x = room, .part = CNN3D_MAX_CHUNK * s->bf16->step, .step = s->bf16->step };

  g_assert (n <= CNN3D_MAX_CHUNK);
  convert (engine, s, x, blocks ? blocks : s->bf16->blocks, n, room + engine->parts * words.part,
      &words);
  return words;
}

void
cnn3d_bf16_multiply (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dTile *tile,
    const Cnn3dWords *words, float *out, const float *residual, int n)
{
  Cnn3dBf16ConvArgs args;

  /* As in cnn3d_cpu_init_conv(). */
  args.x = words->x;
  args.part = words->part;
  args.step = words->step;
  args.taps = tile->taps;
  args.n_taps = tile->n_taps;
  args.weights = (const guint16 *) tile->weights;
  args.bias = tile->bias;
  args.out = out;
  args.residual = residual;
  args.low = s->low;
  args.high = s->high;
  args.half = tile->to_half;
  memcpy (args.out_offsets, tile->out_offsets, sizeof args.out_offsets);
  memcpy (args.residual_offsets, tile->residual_offsets, sizeof args.residual_offsets);
  engine->bf16->conv (&args, tile->halves, n, cnn3d_bf16_parts (engine, s));
}

void
cnn3d_bf16_run_words (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const guint16 *x, gssize apart, gssize part, gint64 first,
    gint64 end)
{
  const Cnn3dWords words = { .x = x, .part = part, .step = CNN3D_ROW_WORDS };
  float *place = engine->arena + first * CNN3D_BLOCK;
  int32_t *taps;
  int most = 0;

  for (int k = 0; k < s->n_tiles; k++)
    most = MAX (most, s->tiles[k].n_taps);
  taps = g_newa (int32_t, most);
  for (int k = 0; k < s->n_tiles; k++) {
    Cnn3dTile tile = s->tiles[k];

    for (int i = 0; i < tile.n_taps; i++)
      taps[i] = (int32_t) (tile.taps[i] / CNN3D_ROW_WORDS * apart) + tile.taps[i] % CNN3D_ROW_WORDS;
    tile.taps = taps;
    cnn3d_bf16_multiply (engine, s, &tile, &words, place, s->step->residual ? place : NULL, (int) (end - first));
  }
}

void
cnn3d_bf16_init_colors (Cnn3dEngine *engine)
{
  const Cnn3dCard *card = engine->model->card;
  Cnn3dBf16Colors *colors = &engine->colors;

  for (int c = 0; c < 3; c++) {
    int p = engine->bytes.plane[c];
    float rest;

    colors->offset[c] = (gint16) CLAMP (rintf (card->mean[p]), 0, 255);
    rest = card->mean[p] - colors->offset[c];
    cnn3d_bf16_split (rest, CNN3D_MAX_PARTS, &colors->border[0][c], (int) G_N_ELEMENTS (colors->border[0]));
    colors->rest[c] = rest;
    colors->scale[c] = card->std[p];
  }
}

/* Of two columns, what the last pixel of a row has of the next row, and what the border before the first one lacks. */
static void
mend_columns (const Cnn3dCpuStep *s, guint16 *pixels, gssize part, int parts)
{
  gssize step = s->bf16->step, last = (s->step->in.w - 1) * step + CNN3D_BLOCK;

  for (int i = 0; i < parts; i++, pixels += part) {
    memset (pixels + last, 0, CNN3D_BLOCK * sizeof *pixels);
    if (s->step->pad.w > 0)
      memcpy (pixels - step + CNN3D_BLOCK, pixels, CNN3D_BLOCK * sizeof *pixels);
  }
}

/* A row of the padded input of a dense convolution, of those of all frames. */
static void
load_input_row (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int i)
{
  const Cnn3dStep *step = s->step;
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  int t = i / padded.h - step->pad.t, h = i % padded.h - step->pad.h;
  gsize row = (gsize) (padded.w * s->bf16->step), left = (gsize) (step->pad.w * s->bf16->step);
  guint16 *out = (guint16 *) engine->words + (gsize) i * row;
  gssize part = (gssize) input_words (s);
  Cnn3dWords to = { .x = out + left, .part = part, .step = s->bf16->step };
  gboolean inside = t >= 0 && t < step->in.t && h >= 0 && h < step->in.h;

  for (int k = 0; k < engine->parts; k++, out += part) {
    memset (out, 0, (inside ? left : row) * sizeof *out);
    if (inside)
      memset (out + row - left, 0, left * sizeof *out);
  }
  if (!inside)
    return;
  convert (engine, s, engine->arena + (gsize) (t * step->in.h + h) * (gsize) step->in.w * CNN3D_BLOCK, s->bf16->blocks,
      step->in.w, NULL, &to);
  if (s->bf16->columns == 2)
    mend_columns (s, (guint16 *) to.x, part, engine->parts);
}

void
cnn3d_bf16_load (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread)
{
  Cnn3dExtent padded = cnn3d_padded_extent (s->step);
  int rows = padded.t * padded.h, end = (int) cnn3d_share (rows, thread + 1, engine->n_threads);

  for (int i = (int) cnn3d_share (rows, thread, engine->n_threads); i < end; i++)
    load_input_row (engine, s, i);
}

Cnn3dWords
cnn3d_bf16_loaded_row (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int t, int h)
{
  const Cnn3dStep *step = s->step;
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  const guint16 *words = (const guint16 *) engine->words;
  gint64 frame = (gint64) t * step->stride.t;

  return (Cnn3dWords){
    words + (frame * padded.h + (gint64) h * step->stride.h) * padded.w * s->bf16->step,
    (gssize) input_words (s), s->bf16->step };
}
