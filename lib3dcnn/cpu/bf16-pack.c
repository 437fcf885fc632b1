/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Makes a step ready for products in bfloat16: which words a position's row has, and weights in the
 * order of these words.
 *
 * A row is the input's blocks in natural order where that wastes little. Where a group's channels
 * are strewn over blocks, as behind a channel shuffle, words are put into the order of the groups.
 */

#include "lib3dcnn/cpu/engine.h"

#include <math.h>

/*
 * Words of a natural row may be so many times those that are needed. By tiles, of many positions, they may be more, as it is
 * sooner multiplied by zero than sorted: cycles of a position for a tap and 16 channels, and for gathers, about.
 */
#define MAX_WASTE 1.25
#define TAP_CYCLES 1.6
#define GATHER_CYCLES 3.0
#define SORT_CYCLES 20.0 /* and to have words in natural order first */

typedef struct {
  gint64 block; /* where it begins, in floats */
  int lane, channel;
} Source;

static int
compare_sources (gconstpointer a, gconstpointer b)
{
  const Source *s = a, *t = b;

  if (s->block != t->block)
    return s->block < t->block ? -1 : 1;
  return s->lane - t->lane;
}

static Source *
list_sources (const Cnn3dEngine *engine, const Cnn3dStep *step)
{
  Source *sources = g_new (Source, step->channels_in);

  for (int c = 0; c < step->channels_in; c++) {
    int lane = step->inputs[c].lane % CNN3D_BLOCK;

    sources[c] = (Source){ (gint64) cnn3d_lane_offset (engine, &step->inputs[c]) - lane, lane, c };
  }
  qsort (sources, (gsize) step->channels_in, sizeof *sources, compare_sources);
  return sources;
}

static int
units (int words, int unit)
{
  return (words + unit - 1) / unit;
}

/* The words that each group spans, of those in rows->channel; returns how many these are in all. */
static int
span_groups (Cnn3dBf16Rows *rows, int groups, int group_in, int n_words, int unit)
{
  int sum = 0;

  for (int g = 0; g < groups; g++) {
    int first = n_words, end = 0;

    for (int w = 0; w < n_words; w++)
      if (rows->channel[w] >= 0 && rows->channel[w] / group_in == g) {
        first = MIN (first, w);
        end = w + 1;
      }
    rows->groups[g].first = first / unit * unit;
    rows->groups[g].units = units (end - rows->groups[g].first, unit);
    sum += rows->groups[g].units * unit;
  }
  return sum;
}

/*
 * Words in the order of the groups, each of which begins with a whole unit; natural: where each word
 * comes from.
 */
static int
order_words (Cnn3dBf16Rows *rows, const Cnn3dStep *step, int unit, const int *place, int *natural)
{
  int group_in = step->channels_in / step->groups, n = 0;

  for (int g = 0; g < step->groups; g++) {
    for (int i = 0; i < units (group_in, unit) * unit; i++, n++) {
      rows->channel[n] = i < group_in ? g * group_in + i : -1;
      natural[n] = i < group_in ? place[g * group_in + i] : -1;
    }
  }
  return n;
}

static void
make_gathers (Cnn3dBf16Rows *rows, const int *natural, int n_words)
{
  int n_groups = (rows->n_blocks + 3) / 4;

  rows->gathers = g_new0 (Cnn3dBf16Gather, units (n_words, CNN3D_ROW_WORDS) * n_groups);
  for (int v = 0; v * CNN3D_ROW_WORDS < n_words; v++) {
    int begun = rows->n_gathers;

    for (int g = 0; g < n_groups; g++) {
      Cnn3dBf16Gather *gather = &rows->gathers[rows->n_gathers];

      for (int i = 0; i < CNN3D_ROW_WORDS && v * CNN3D_ROW_WORDS + i < n_words; i++) {
        int from = natural[v * CNN3D_ROW_WORDS + i];

        if (from < 0 || from / 64 != g)
          continue;
        gather->index[i] = (guint16) (from % 64);
        gather->mask |= (guint32) 1 << i;
      }
      gather->vector = (gint16) v;
      gather->group = (gint16) g;
      /* One at least, so that words past the last channel become zero. */
      if (gather->mask != 0 || (g == n_groups - 1 && rows->n_gathers == begun))
        rows->n_gathers++;
    }
  }
}

/* Gathers for words in the order of the groups: one for each 64 natural words that a vector has words of. */
static int
count_gathers (const Cnn3dStep *step, int unit, const int *place)
{
  int group_in = step->channels_in / step->groups, n = 0;
  int n_vectors = units (units (group_in, unit) * unit * step->groups, CNN3D_ROW_WORDS);
  g_autofree guint64 *met = g_new0 (guint64, n_vectors);

  for (int c = 0; c < step->channels_in; c++)
    met[(c / group_in * units (group_in, unit) * unit + c % group_in) / CNN3D_ROW_WORDS] |= (guint64) 1 << place[c] / 64 % 64;
  for (int v = 0; v < n_vectors; v++)
    n += __builtin_popcountll (met[v]);
  return n;
}

/* Whether a row is better had in natural order, where groups span so many words in all, wanted of which are needed. */
static gboolean
is_natural_better (const Cnn3dEngine *engine, const Cnn3dStep *step, const int *place, int spanned, int wanted)
{
  int unit = engine->bf16->unit;
  double tap = TAP_CYCLES * step->channels_out / step->groups / CNN3D_BLOCK;

  if (spanned <= MAX_WASTE * wanted)
    return TRUE;
  return engine->bf16->tiles && engine->parts == 1 && cnn3d_extent_count (step->out) >= CNN3D_SPLIT_POSITIONS
      && tap * (spanned - wanted) / unit < SORT_CYCLES + GATHER_CYCLES * count_gathers (step, unit, place);
}

Cnn3dBf16Rows *
cnn3d_bf16_rows_new (const Cnn3dEngine *engine, const Cnn3dStep *step)
{
  Cnn3dBf16Rows *rows = g_new0 (Cnn3dBf16Rows, 1);
  g_autofree Source *sources = list_sources (engine, step);
  g_autofree int *place = g_new (int, step->channels_in), *natural = NULL;
  int n = step->channels_in, group_in = n / step->groups, unit = engine->bf16->unit, n_words, spanned;
  int wanted = units (group_in, unit) * unit * step->groups;

  rows->blocks = g_new (gint32, n + 1);
  rows->lanes = g_new0 (guint16, n + 1);
  rows->groups = g_new (Cnn3dBf16Group, step->groups);
  for (int i = 0; i < n; i++) {
    if (i == 0 || sources[i].block != sources[i - 1].block)
      rows->blocks[rows->n_blocks++] = (gint32) sources[i].block;
    rows->lanes[rows->n_blocks - 1] |= (guint16) (1 << sources[i].lane);
    place[sources[i].channel] = (rows->n_blocks - 1) * CNN3D_BLOCK + sources[i].lane;
  }

  rows->columns = 1;
  if (rows->n_blocks == 1 && unit == 2 * CNN3D_BLOCK) {
    rows->columns = step->kind == CNN3D_STEP_CONV && step->kernel.w > 1 ? 2 : 1;
    rows->split = step->kind != CNN3D_STEP_CONV && engine->parts == 2 && step->groups == 1;
  }
  if (rows->columns == 2) {
    rows->blocks[1] = rows->blocks[0] + CNN3D_BLOCK;
    rows->lanes[1] = rows->lanes[0];
    rows->n_blocks = 2;
  }
  n_words = units (rows->n_blocks * CNN3D_BLOCK, CNN3D_ROW_WORDS) * CNN3D_ROW_WORDS;
  rows->channel = g_new (int, MAX (n_words, units (wanted, CNN3D_ROW_WORDS) * CNN3D_ROW_WORDS));
  for (int w = 0; w < n_words; w++)
    rows->channel[w] = -1;
  for (int c = 0; c < n; c++)
    rows->channel[place[c]] = c;
  for (int w = CNN3D_BLOCK; w < 2 * CNN3D_BLOCK && (rows->columns == 2 || rows->split); w++)
    rows->channel[w] = rows->channel[w - CNN3D_BLOCK];
  spanned = span_groups (rows, step->groups, group_in, n_words, unit);
  if (!is_natural_better (engine, step, place, spanned, wanted)) {
    natural = g_new (int, wanted);
    n_words = order_words (rows, step, unit, place, natural);
    span_groups (rows, step->groups, group_in, n_words, unit);
    make_gathers (rows, natural, n_words);
    n_words = units (n_words, CNN3D_ROW_WORDS) * CNN3D_ROW_WORDS;
  }
  /* An odd number of cache lines, so that the same word of many rows is in many sets of the cache. */
  rows->step = n_words / CNN3D_ROW_WORDS % 2 == 1 ? n_words : n_words + CNN3D_ROW_WORDS;
  return rows;
}

void
cnn3d_bf16_rows_free (Cnn3dBf16Rows *rows)
{
  if (rows == NULL)
    return;
  g_free (rows->blocks);
  g_free (rows->lanes);
  g_free (rows->groups);
  g_free (rows->channel);
  g_free (rows->gathers);
  g_free (rows);
}

guint16
cnn3d_bf16_round (float f)
{
  guint32 bits;

  memcpy (&bits, &f, sizeof bits);
  if ((bits & 0x7f800000) == 0)
    return (guint16) (bits >> 16 & 0x8000);
  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

guint16
cnn3d_half_round (float f)
{
  float size = MIN (fabsf (f), CNN3D_LARGEST_HALF);
  guint16 sign = signbit (f) ? 0x8000 : 0;
  guint32 bits;

  /* Of denormals, the numbers of the smallest one; nearest to even, as below. */
  if (size < 0x1p-14f)
    return sign | (guint16) rintf (size * 0x1p24f);
  memcpy (&bits, &size, sizeof bits);
  bits -= 112u << 23;
  return sign | (guint16) ((bits + 0xfff + (bits >> 13 & 1)) >> 13);
}

float
cnn3d_bf16_to_float (guint16 word)
{
  guint32 bits = (guint32) word << 16;
  float f;

  memcpy (&f, &bits, sizeof f);
  return f;
}

void
cnn3d_bf16_split (float f, int parts, guint16 *words, int apart)
{
  for (int k = 0; k < parts; k++, words += apart) {
    *words = cnn3d_bf16_round (f);
    f -= cnn3d_bf16_to_float (*words);
  }
}

/* A tap of a tile: where it is in x, and which of the folded weights its words meet. */
typedef struct {
  gint64 offset;
  int group, word; /* of the row */
  int place;       /* of the kernel */
  gboolean rest;   /* of rows that are split: lo of the weights, for hi alone */
} Tap;

float
cnn3d_bf16_stem_weight (const Cnn3dEngine *engine, const Cnn3dFolded *folded, int channel, int place, int byte)
{
  return folded->weights[(gsize) channel * folded->inputs + engine->bytes.plane[byte] * 27 + place]
      / engine->colors.scale[byte];
}

float
cnn3d_bf16_stem_bias (const Cnn3dEngine *engine, const Cnn3dFolded *folded, int channel)
{
  double bias = folded->bias[channel];

  /* Of weights as they are rounded, so that a normalised zero adds nothing. */
  for (int i = 0; i < 81; i++) {
    float w = cnn3d_bf16_stem_weight (engine, folded, channel, i / 3, i % 3), rest = engine->colors.rest[i % 3];
    guint16 words[CNN3D_MAX_PARTS];

    cnn3d_bf16_split (w, engine->parts, words, 1);
    for (int k = 0; k < engine->parts; k++)
      bias -= (double) cnn3d_bf16_to_float (words[k]) * rest;
  }
  return (float) bias;
}

/* Of an output channel, the weight that word i of a tap meets; -1 if there is none. */
static int
weight_of (const Cnn3dStep *step, const Cnn3dBf16Rows *rows, const Tap *tap, int i)
{
  int volume = step->kernel.t * step->kernel.h * step->kernel.w, word = tap->word + i, c;

  c = rows->channel[word] - tap->group * (step->channels_in / step->groups);
  if (c < 0 || c >= step->channels_in / step->groups)
    return -1;
  if (rows->columns == 1 || word < CNN3D_BLOCK) /* words of lo meet what those of hi do */
    return c * volume + tap->place;
  /* Of the next column, if the kernel has one. */
  return tap->place % step->kernel.w + 1 < step->kernel.w ? c * volume + tap->place + 1 : -1;
}

static void
pack_tap (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dFolded *folded,
    const Cnn3dTile *tile, const Tap *tap, guint16 *weights)
{
  const int *channel = s->step->lane_channel + tile->first_half * CNN3D_HALF;
  int group_out = s->step->channels_out / s->step->groups, unit = engine->bf16->unit;
  int lanes = tile->halves * CNN3D_HALF, row = cnn3d_bf16_lanes (tile->halves);

  for (int i = 0; i < unit; i++) {
    int k = weight_of (s->step, s->bf16, tap, i);

    for (int lane = 0; lane < lanes; lane++) {
      guint16 *to = weights + (i / 2 * row + lane) * 2 + i % 2;
      int o = channel[lane];
      float w = 0;

      if (k >= 0 && o >= 0 && o / group_out == tap->group)
        w = folded->weights[(gsize) o * folded->inputs + k];
      if (tap->rest)
        w = i < CNN3D_BLOCK ? w - cnn3d_bf16_to_float (cnn3d_bf16_round (w)) : 0;
      cnn3d_bf16_split (w, cnn3d_bf16_parts (engine, s), to, unit * row);
    }
  }
}

/* Whether a tap is needed that begins at a place of the kernel. */
static gboolean
is_begin (const Cnn3dCpuStep *s, int place)
{
  return place % s->step->kernel.w % s->bf16->columns == 0;
}

static int
count_places (const Cnn3dCpuStep *s, int first, int end)
{
  int n = 0;

  for (int k = first; k < end; k++)
    n += is_begin (s, k);
  return n;
}

int
cnn3d_bf16_taps (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, guint64 groups, int first,
    int end)
{
  int n = 0;

  for (int g = 0; g < s->step->groups; g++)
    if (groups >> g & 1)
      n += s->bf16->groups[g].units;
  return n * count_places (s, first, end) * (s->bf16->split ? 2 : 1);
}

void
cnn3d_bf16_pack (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dFolded *folded,
    Cnn3dTile *tile, guint64 groups, int first, int end, gint32 *taps, float *weights)
{
  const Cnn3dStep *step = s->step;
  int unit = engine->bf16->unit, size = unit * cnn3d_bf16_lanes (tile->halves) * cnn3d_bf16_parts (engine, s);
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  guint16 *words = (guint16 *) weights;

  tile->taps = taps;
  tile->weights = weights;
  for (int g = 0; g < step->groups; g++) {
    Cnn3dBf16Group group = s->bf16->groups[g];

    if (!(groups >> g & 1))
      continue;
    for (int k = first; k < end; k++)
      for (int u = 0; u < group.units * (s->bf16->split ? 2 : 1) && is_begin (s, k); u++, words += size) {
        Tap tap = { .group = g, .word = group.first + u % group.units * unit, .place = k, .rest = u >= group.units };

        if (step->kind == CNN3D_STEP_CONV)
          tap.offset = (((gint64) (k / (step->kernel.h * step->kernel.w)) * padded.h
                            + k / step->kernel.w % step->kernel.h) * padded.w + k % step->kernel.w)
              * s->bf16->step;
        *taps++ = (gint32) (tap.offset + tap.word);
        pack_tap (engine, s, folded, tile, &tap, words);
      }
  }
}
