/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Kernels in bfloat16 against naive sums in double precision, and against rounding bit by bit. */

#include "tests/kernels/bf16-test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_POSITIONS 70
#define MAX_TAP_WORDS 160

float
word_to_float (uint16_t word)
{
  uint32_t bits = (uint32_t) word << 16;
  float f;

  memcpy (&f, &bits, sizeof f);
  return f;
}

uint16_t
nearest_word (float f)
{
  uint32_t bits, rest;

  memcpy (&bits, &f, sizeof bits);
  rest = bits & 0xffff;
  if ((bits & 0x7f800000) == 0)
    return (uint16_t) (bits >> 16 & 0x8000); /* denormals are zero */
  if (f != f)
    return (uint16_t) (bits >> 16 | 0x40);
  if (rest > 0x8000 || (rest == 0x8000 && bits >> 16 & 1))
    bits += 0x10000;
  return (uint16_t) (bits >> 16);
}

uint16_t *
guarded_words (size_t n)
{
  return (uint16_t *) guarded_bytes (2 * n);
}

/* Of one part: small integers, or reals. Those past the first are smaller, as they would be, but large enough to be missed. */
uint16_t
random_word (bool exact, int part)
{
  return nearest_word (random_value (exact) * (exact ? 1 : part == 0 ? 1 : part == 1 ? 0x1p-7f : 0x1p-11f));
}

typedef struct {
  Cnn3dBf16ConvArgs a;
  int unit, parts, halves, positions;
  bool exact;
} Conv;

/* Weight of word i of tap k for a lane. */
static double
weight (const Conv *c, int k, int i, int lane, int part)
{
  int lanes = cnn3d_bf16_lanes (c->halves);
  size_t row = (size_t) ((k * c->parts + part) * c->unit / 2 + i / 2);

  return word_to_float (c->a.weights[(row * (size_t) lanes + (size_t) lane) * 2 + (size_t) (i % 2)]);
}

static void
expect_lane (const Conv *c, int p, int lane, const float *residual)
{
  const Cnn3dBf16ConvArgs *a = &c->a;
  double sum = a->bias[lane], sum_abs = fabs (sum);
  int terms = c->unit * a->n_taps * (c->parts == 2 ? 3 : 1);

  for (int k = 0; k < a->n_taps; k++)
    for (int i = 0; i < c->unit; i++)
      for (int n = 0; n < (c->parts == 2 ? 3 : 1); n++) {
        /* hi hi, lo hi, hi lo */
        const uint16_t *x = a->x + a->taps[k] + p * a->step + i + (n == 1 ? a->part : 0);
        double product = word_to_float (*x) * weight (c, k, i, lane, n == 2);

        sum += product;
        sum_abs += fabs (product);
      }
  if (residual != NULL) {
    double r = residual[a->residual_offsets[lane / 8] + lane % 8 + p * CNN3D_BLOCK];

    sum += r;
    sum_abs += fabs (r);
  }
  expect (a->out + a->out_offsets[lane / 8] + lane % 8 + p * CNN3D_BLOCK, sum, a->low, a->high,
      error_bound (c->exact, terms, sum_abs));
}

void
conv_case (const Cnn3dBf16 *table, bool exact, int parts, int halves, int positions)
{
  static int32_t taps[MAX_TAP_WORDS];
  Conv c = { .unit = table->unit, .parts = parts, .halves = halves, .positions = positions, .exact = exact };
  Cnn3dBf16ConvArgs *a = &c.a;
  int max_taps = MAX_TAP_WORDS / table->unit, lanes = halves * CNN3D_HALF;
  int blocks = (halves + 1) / 2 + random_int (0, 1), reach, words;
  size_t out_floats = (size_t) (blocks * positions * CNN3D_BLOCK), n_weights;
  const char *activation = random_bounds (&a->low, &a->high);
  bool in_place = positions % 2 && random_int (0, 1);
  uint16_t *x, *weights;
  float *bias, *residual = NULL;

  a->n_taps = random_int (0, 3) == 0 ? random_int (0, 2) : random_int (0, max_taps);
  a->step = random_int (1, 60);
  a->taps = taps;
  reach = random_int (0, 200);
  words = reach + (int) a->step * (positions - 1) + table->unit;
  a->part = words + random_int (0, 5);
  n_weights = (size_t) (a->n_taps * parts * table->unit * cnn3d_bf16_lanes (halves));
  case_begin ("%d parts, %d halves, %d positions, %d taps, step %d, %s, %sresidual%s", parts, halves, positions,
      a->n_taps, (int) a->step, activation, positions % 2 ? "" : "no ", in_place ? " in place" : "");

  a->x = x = guarded_words ((size_t) (parts == 2 ? a->part + words : words));
  a->weights = weights = guarded_words (n_weights);
  a->bias = bias = guarded ((size_t) cnn3d_bf16_lanes (halves));
  a->out = guarded (out_floats);
  random_fill (bias, (size_t) lanes, exact);
  for (size_t i = 0; i < n_weights; i++)
    weights[i] = random_word (exact, parts == 2 && i / (size_t) (table->unit * cnn3d_bf16_lanes (halves)) % 2);
  /* All that no tap meets stays poison; the first two taps reach both ends. */
  for (int k = 0; k < a->n_taps; k++) {
    taps[k] = k == 0 ? reach : k == 1 ? 0 : random_int (0, reach);
    for (int p = 0; p < positions; p++)
      for (int i = 0; i < table->unit; i++)
        for (int part = 0; part < parts; part++)
          x[taps[k] + p * a->step + i + part * a->part] = random_word (exact, part);
  }
  place_halves (table->align_halves, a->out_offsets, halves, blocks, positions);
  if (positions % 2) {
    a->residual = residual = in_place ? a->out : guarded (out_floats);
    place_halves (table->align_halves, a->residual_offsets, halves, blocks, positions);
    if (in_place)
      memcpy (a->residual_offsets, a->out_offsets, sizeof a->residual_offsets);
    for (int p = 0; p < positions; p++)
      for (int i = 0; i < lanes; i++)
        residual[a->residual_offsets[i / 8] + i % 8 + p * CNN3D_BLOCK] = random_value (exact);
  }
  case_freeze ();
  for (int p = 0; p < positions; p++)
    for (int i = 0; i < lanes; i++)
      expect_lane (&c, p, i, residual);
  table->conv (a, halves, positions, parts);
  case_end ();
}

/* All kinds of floats: reals, halfway between words, denormals, infinities, NaNs. */
static float
random_float (void)
{
  uint32_t bits = (uint32_t) random_int (0, 0xffff) << 16;
  float f;

  switch (random_int (0, 5)) {
    case 0:
      bits |= 0x8000;
      break;
    case 1:
      bits = (bits & 0x807f0000) | (uint32_t) random_int (0, 0xffff);
      break;
    case 2:
      bits |= (uint32_t) random_int (0x7fff, 0x8001);
      break;
    default:
      return random_value (false);
  }
  memcpy (&f, &bits, sizeof f);
  return f;
}

/* Part of what a float becomes; a NaN's bits are not what matters. */
bool
is_part (uint16_t word, float f, int part)
{
  uint16_t want;

  for (int k = 0; k < part; k++)
    f -= word_to_float (nearest_word (f));
  want = nearest_word (f);
  if (word_to_float (want) != word_to_float (want))
    return word_to_float (word) != word_to_float (word);
  return word == want;
}

/* Where word w of a row comes from: a block and a lane; -1 if it is zero. */
typedef struct {
  int block, lane;
} Origin;

/* Gathers for words in any order, some of them zero. */
static int
random_gathers (const Cnn3dBf16RowsArgs *a, int n_vectors, Origin *origins, Cnn3dBf16Gather *gathers)
{
  int n = 0, n_groups = (a->n_blocks + 3) / 4;

  for (int v = 0; v < n_vectors; v++)
    for (int i = 0; i < CNN3D_ROW_WORDS; i++) {
      Origin *o = &origins[v * CNN3D_ROW_WORDS + i];

      *o = (Origin){ random_int (-1, a->n_blocks - 1), random_int (0, 15) };
    }
  for (int v = 0; v < n_vectors; v++)
    for (int g = 0; g < n_groups; g++, n++) {
      gathers[n] = (Cnn3dBf16Gather){ .vector = (int16_t) v, .group = (int16_t) g };
      for (int i = 0; i < CNN3D_ROW_WORDS; i++) {
        Origin o = origins[v * CNN3D_ROW_WORDS + i];

        if (o.block < 0 || o.block / 4 != g)
          continue;
        gathers[n].mask |= (uint32_t) 1 << i;
        gathers[n].index[i] = (uint16_t) (o.block % 4 * 16 + o.lane);
      }
    }
  return n;
}

void
rows_case (const Cnn3dBf16 *table, int parts, int n_blocks, int positions)
{
  static int32_t blocks[MAX_BLOCKS];
  static uint16_t lanes[MAX_BLOCKS];
  static Cnn3dBf16Gather gathers[4 * MAX_BLOCKS * MAX_BLOCKS];
  static Origin origins[2 * MAX_BLOCKS * CNN3D_ROW_WORDS];
  bool gathered = random_int (0, 1);
  int n_vectors = gathered ? random_int (1, 2 * n_blocks) : (n_blocks + 1) / 2;
  int words = n_vectors * CNN3D_ROW_WORDS, step = words + random_int (0, 40);
  size_t natural = (size_t) (parts * (n_blocks + 3) / 4 * 64), size;
  Cnn3dBf16RowsArgs a = { .blocks = blocks, .lanes = lanes, .n_blocks = n_blocks, .step = step };
  uint16_t *before;
  float *x;

  case_begin ("%d parts, %d blocks, %d positions, %d words, %s", parts, n_blocks, positions, words,
      gathered ? "gathered" : "natural");
  natural = (size_t) parts * (size_t) ((n_blocks + 3) / 4 * 64);
  x = guarded ((size_t) (n_blocks * positions * CNN3D_BLOCK));
  a.x = x;
  for (int b = 0; b < n_blocks; b++) {
    blocks[b] = (n_blocks - 1 - b) * positions * CNN3D_BLOCK;
    lanes[b] = (uint16_t) random_int (0, 0xffff);
    /* Lanes that are not wanted stay poison. */
    for (int i = 0; i < positions * CNN3D_BLOCK; i++)
      if (lanes[b] >> i % 16 & 1)
        x[blocks[b] + i] = random_float ();
  }
  for (int w = 0; w < words && !gathered; w++)
    origins[w] = (Origin){ w / 16 < n_blocks ? w / 16 : -1, w % 16 };
  if (gathered) {
    a.gathers = gathers;
    a.n_gathers = random_gathers (&a, n_vectors, origins, gathers);
    a.natural = guarded_words (natural);
  }
  a.part = (positions - 1) * step + words + random_int (0, 3);
  size = (size_t) ((parts == 2 ? a.part : 0) + (positions - 1) * step + words);
  a.out = guarded_words (size);
  before = malloc (size * sizeof *before);
  memcpy (before, a.out, size * sizeof *before);
  case_freeze ();
  case_scratch_bytes (a.out, size * sizeof *before);
  if (gathered)
    case_scratch_bytes (a.natural, natural * sizeof *before);

  table->rows (&a, positions, parts);
  for (int p = 0; p < positions; p++)
    for (int part = 0; part < parts; part++)
      for (int w = 0; w < words; w++) {
        size_t at = (size_t) (part * a.part + p * step + w);
        Origin o = origins[w];
        bool wanted = o.block >= 0 && lanes[o.block] >> o.lane & 1;

        case_require (is_part (a.out[at], wanted ? x[blocks[o.block] + p * 16 + o.lane] : 0, part),
            "position %d, part %d, word %d is %04x", p, part, w, a.out[at]);
        before[at] = a.out[at];
      }
  case_require (memcmp (before, a.out, size * sizeof *before) == 0, "written between rows");
  free (before);
  case_end ();
}

void
random_colors (Cnn3dBf16Colors *colors)
{
  for (int c = 0; c < 3; c++) {
    colors->scale[c] = random_value (false) * 60;
    colors->rest[c] = random_value (false) / 2;
    colors->offset[c] = (int16_t) random_int (0, 255);
    for (int part = 0; part < CNN3D_MAX_PARTS; part++)
      colors->border[part][c] = random_word (false, part);
  }
}

void
split_case (const Cnn3dBf16 *table, int positions)
{
  int32_t block = 0;
  uint16_t lanes = (uint16_t) random_int (0, 0xffff);
  Cnn3dBf16RowsArgs a = { .blocks = &block, .lanes = &lanes, .n_blocks = 1, .split = 1,
    .step = CNN3D_ROW_WORDS * random_int (1, 2) };
  float *x;

  case_begin ("%d positions, %d words apart, lanes %04x", positions, (int) a.step, lanes);
  a.x = x = guarded ((size_t) (positions * CNN3D_BLOCK));
  for (int i = 0; i < positions * CNN3D_BLOCK; i++)
    if (lanes >> i % CNN3D_BLOCK & 1)
      x[i] = random_float ();
  a.out = guarded_words ((size_t) ((positions - 1) * a.step + CNN3D_ROW_WORDS));
  case_freeze ();
  for (int p = 0; p < positions; p++)
    case_scratch_bytes (a.out + p * a.step, CNN3D_ROW_WORDS * sizeof *a.out);
  table->rows (&a, positions, 1);
  for (int p = 0; p < positions; p++)
    for (int w = 0; w < CNN3D_ROW_WORDS; w++) {
      int lane = w % CNN3D_BLOCK;
      float f = lanes >> lane & 1 ? x[p * CNN3D_BLOCK + lane] : 0;

      case_require (is_part (a.out[p * a.step + w], f, w / CNN3D_BLOCK), "position %d, word %d is %04x", p, w,
          a.out[p * a.step + w]);
    }
  case_end ();
}
