/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Cuts the output channels of each convolution into tiles and packs their weights in the order in
 * which the kernels read them.
 *
 * A tile reads the union of its channels' inputs: of a grouped convolution, those of the groups it
 * touches. So a cut is cheap if it falls on a group's border, and larger tiles are cheaper per
 * channel; tile_cost() weighs the two, and dynamic programming finds the best cut.
 */

#include "lib3dcnn/cpu/lines.h"

typedef struct {
  const Cnn3dEngine *engine;
  const Cnn3dCpuStep *s;
  const Cnn3dStep *step;
  int align, max_halves; /* of the kernel */
  int n_halves;
  int group_in, group_out; /* channels of a group */
  int kernel;              /* taps of one input channel */
  int first_tap;           /* of these; taps before and after meet nothing but the border */
  guint64 pairs;           /* groups whose inputs are pairs of neighbours, if there are kernels for these */
  const gboolean *paired;  /* which halves take inputs by twos; NULL: not decided yet */
} Cut;

/* The groups that the channels of some halves belong to, as a bit mask; 0 if all lanes are dead. */
static guint64
groups_of (const Cut *cut, int first_half, int halves)
{
  const int *channel = cut->step->lane_channel + first_half * CNN3D_HALF;
  guint64 mask = 0;

  for (int i = 0; i < halves * CNN3D_HALF; i++)
    if (channel[i] >= 0)
      mask |= (guint64) 1 << (channel[i] / cut->group_out);
  return mask;
}

static int
taps_of (const Cut *cut, guint64 groups)
{
  if (cut->s->in_bf16)
    return cnn3d_bf16_taps (cut->engine, cut->s, groups, cut->first_tap,
        cut->first_tap + cut->kernel);
  return __builtin_popcountll (groups) * cut->group_in * cut->kernel;
}

/* Whether a tile takes inputs by twos (paired_tmpl.h): if that is not decided yet, wherever it can, as it is faster. */
static gboolean
is_paired (const Cut *cut, int first_half, int halves)
{
  if (cut->paired != NULL)
    return cut->paired[first_half];
  return halves <= cut->engine->kernels->paired_halves && (groups_of (cut, first_half, halves) & ~cut->pairs) == 0;
}

/* Whether a tile may be had: its halves take inputs in the same way. */
static gboolean
is_allowed (const Cut *cut, int first_half, int halves)
{
  if (cut->paired == NULL)
    return TRUE;
  for (int h = first_half; h < first_half + halves; h++)
    if (cut->paired[h] != cut->paired[first_half])
      return FALSE;
  return !cut->paired[first_half] || halves <= cut->engine->kernels->paired_halves;
}

/* Relative time of a tap of a tile: of its products, in blocks, and of what they have in common. */
static double
tap_cost (const Cut *cut, int first_half, int halves)
{
  /* AMX' tiles take as long half empty. */
  if (cut->s->in_bf16)
    return 0.5 * MAX ((halves + 1) / 2 * 2, cut->align) + 0.05;
  if (cut->engine->kernels->vector_width < CNN3D_BLOCK)
    return 0.5 * MAX (halves, cut->align) + 0.05;
  /* A broadcast for each position is common to all vectors: with 16 lanes it takes almost as long as one's products. */
  if (is_paired (cut, first_half, halves))
    return 0.5 * halves + 0.25;
  return 0.5 * MAX (halves, cut->align) + (halves > 1 && halves % 2 != 0 ? 0.6 : 0.4);
}

/* Relative time of a tile, with a constant for prologue and epilogue. */
static double
tile_cost (const Cut *cut, int first_half, int halves)
{
  return (taps_of (cut, groups_of (cut, first_half, halves)) + 3) * tap_cost (cut, first_half, halves);
}

/*
 * The best cut into tiles of at most max halves: next[h] is where the tile that starts at h ends.
 * Halves with no live channel belong to no tile.
 */
static void
cut_tiles (const Cut *cut, int max, int *next)
{
  int n = cut->n_halves, align = cut->align;
  g_autofree double *best = g_new (double, n + 1);

  best[n] = 0;
  for (int h = n - 1; h >= 0; h--) {
    best[h] = G_MAXDOUBLE;
    next[h] = h + 1;
    if (groups_of (cut, h, 1) == 0) {
      best[h] = best[h + 1];
      continue;
    }
    /* A single half fits anywhere. */
    for (int k = 1; k <= (h % align == 0 ? max : 1) && h + k <= n && groups_of (cut, h + k - 1, 1) != 0; k++) {
      double cost;

      if (best[h + k] == G_MAXDOUBLE || !is_allowed (cut, h, k))
        continue;
      cost = tile_cost (cut, h, k) + best[h + k];
      /* Of the same cost, that with the whole tiles first: what they leave in half precision lies in whole pairs of blocks. */
      if (cost < best[h] || (cut->s->in_bf16 && cost <= best[h] * (1 + 1e-9))) {
        best[h] = cost;
        next[h] = h + k;
      }
    }
  }
}

/* Shares tiles out to threads in order; returns the largest share's cost. */
static double
split_tiles (const Cut *cut, const int *next, int n_threads, int *split)
{
  double total = 0, sum = 0, worst = 0, share = 0;
  int n = 0, t = 0;

  for (int h = 0; h < cut->n_halves; h = next[h])
    if (groups_of (cut, h, 1) != 0)
      total += tile_cost (cut, h, next[h] - h);
  split[0] = 0;
  for (int h = 0; h < cut->n_halves; h = next[h]) {
    double cost;

    if (groups_of (cut, h, 1) == 0)
      continue;
    cost = tile_cost (cut, h, next[h] - h);
    /* A tile goes to the thread in whose part of the total its middle lies. */
    while (t < n_threads - 1 && sum + cost / 2 > total * (t + 1) / n_threads) {
      split[++t] = n;
      share = 0;
    }
    sum += cost;
    share += cost;
    worst = MAX (worst, share);
    n++;
  }
  while (t < n_threads)
    split[++t] = n;
  return worst;
}

/* The last layers of SqueezeNet see a single frame, with a kernel of three. */
static int
live_frames (const Cnn3dStep *step, int *first)
{
  int last = MIN (step->kernel.t, step->in.t + step->pad.t) - 1;

  *first = MAX (step->pad.t - (step->out.t - 1) * step->stride.t, 0);
  return last - *first + 1;
}

static void
init_cut (Cut *cut, const Cnn3dEngine *engine, const Cnn3dCpuStep *s)
{
  const Cnn3dStep *step = s->step;
  int area = step->kernel.h * step->kernel.w, first, frames = live_frames (step, &first);

  *cut = (Cut){ .engine = engine, .s = s, .step = step, .n_halves = step->n_blocks * 2,
    .align = s->in_bf16 ? engine->bf16->align_halves : engine->kernels->align_halves,
    .max_halves = s->in_bf16 ? engine->bf16->max_halves : engine->kernels->max_halves,
    .group_in = step->channels_in / step->groups, .group_out = step->channels_out / step->groups,
    .kernel = frames * area, .first_tap = first * area };
}

/* Vectors of 16 lanes alone gain by it. */
static guint64
groups_in_pairs (const Cut *cut)
{
  guint64 groups = 0;

  if (cut->s->in_bf16 || cut->step->kind != CNN3D_STEP_POINTWISE || cut->engine->kernels->vector_width < CNN3D_BLOCK)
    return 0;
  for (int g = 0; g < cut->step->groups; g++)
    if (cnn3d_cpu_pairs_up (cut->engine, cut->step, g))
      groups |= (guint64) 1 << g;
  return groups;
}

/*
 * Which halves take inputs by twos. Sums are in another order then, so this must not depend on the number of threads, as
 * tiles do.
 */
static gboolean *
decide_pairs (const Cut *cut)
{
  gboolean *paired = g_new0 (gboolean, cut->n_halves);
  g_autofree int *next = NULL;

  if (cut->pairs == 0)
    return paired;
  next = g_new (int, cut->n_halves);
  cut_tiles (cut, cut->max_halves, next);
  for (int h = 0; h < cut->n_halves; h = next[h])
    for (int i = h; i < next[h]; i++)
      paired[i] = is_paired (cut, h, next[h] - h);
  return paired;
}

/*
 * Whether threads share out a step's output channels. Each then reads all of the input, of which the others have much in
 * their caches, and in bfloat16 converts it; that takes longer than to read few weights more than once, if there are
 * positions enough for all threads. Of groups in single precision each reads but those that its channels are in.
 */
#define FEW_WEIGHT_BYTES (256 * 1024)
#define FEW_GROUP_WEIGHT_BYTES (64 * 1024)

static gboolean
splits_channels (const Cnn3dEngine *engine, const Cnn3dCpuStep *s)
{
  const Cnn3dStep *step = s->step;
  gint64 positions = cnn3d_extent_count (step->out);
  gsize weights = (gsize) (step->channels_in / step->groups) * (gsize) step->channels_out;
  gsize bytes = weights * (s->in_bf16 ? (gsize) engine->parts * sizeof (guint16) : sizeof (float));

  if (s->winograd_frames > 0)
    return cnn3d_winograd_splits_channels (s);
  if (step->kind == CNN3D_STEP_POINTWISE && engine->n_threads > 1 && positions >= engine->n_threads * 2 * CNN3D_UNIT
      && bytes <= (step->groups > 1 && !s->in_bf16 ? FEW_GROUP_WEIGHT_BYTES : FEW_WEIGHT_BYTES))
    return FALSE;
  return positions < CNN3D_SPLIT_POSITIONS;
}

/* Decides on the tiles of one step. */
static void
make_tiles (Cnn3dEngine *engine, Cnn3dCpuStep *s)
{
  const Cnn3dStep *step = s->step;
  gboolean by_tiles = splits_channels (engine, s);
  int n_threads = by_tiles ? engine->n_threads : 1, max_halves;
  Cut cut;
  g_autofree int *next = NULL, *best_next = NULL, *split = g_new (int, n_threads + 1);
  g_autofree gboolean *paired = NULL;
  double best = G_MAXDOUBLE;

  init_cut (&cut, engine, s);
  cut.pairs = groups_in_pairs (&cut);
  cut.paired = paired = decide_pairs (&cut);
  max_halves = cut.max_halves;
  /* Whole blocks, as these are what is transformed back; four halves allow the most positions. */
  if (s->winograd_frames > 0)
    max_halves = MIN (max_halves, 4) / 2 * 2;
  /* So that the weights of 27 taps of 32 words stay in the first cache while rows go past them. */
  else if (s->in_bf16 && step->kind == CNN3D_STEP_CONV)
    max_halves = MIN (max_halves, 2);
  next = g_new (int, cut.n_halves);
  best_next = g_new (int, cut.n_halves);

  /* Smaller tiles may share out more evenly. */
  for (int max = max_halves; max >= 1; max -= s->winograd_frames > 0 ? 2 : 1) {
    double worst;

    cut_tiles (&cut, max, next);
    worst = split_tiles (&cut, next, n_threads, split);
    if (worst < best * 0.999) {
      best = worst;
      memcpy (best_next, next, (gsize) cut.n_halves * sizeof (int));
    }
    if (n_threads == 1)
      break;
  }
  g_assert (best < G_MAXDOUBLE);
  split_tiles (&cut, best_next, n_threads, split);

  s->n_tiles = split[n_threads];
  s->tiles = g_new0 (Cnn3dTile, s->n_tiles);
  if (by_tiles) {
    s->splits = g_new (int, (n_threads + 1) * (n_threads + 2) / 2);
    for (int n = 1; n <= n_threads; n++)
      split_tiles (&cut, best_next, n, (int *) cnn3d_split_for (s->splits, n));
    s->tile_split = cnn3d_split_for (s->splits, n_threads);
  }
  for (int h = 0, i = 0; h < cut.n_halves; h = best_next[h]) {
    if (groups_of (&cut, h, 1) == 0)
      continue;
    s->tiles[i].first_half = h;
    s->tiles[i].halves = best_next[h] - h;
    s->tiles[i].n_taps = taps_of (&cut, groups_of (&cut, h, s->tiles[i].halves));
    s->tiles[i].paired = paired[h];
    if (s->tiles[i].paired)
      s->tiles[i].n_taps /= 2;
    if (s->temporal)
      s->tiles[i].n_taps = step->channels_in * step->kernel.h * step->kernel.w;
    else if (s->winograd_frames > 0)
      s->tiles[i].n_taps = step->channels_in;
    i++;
  }
}

/* Where tap k of input channel c lies, from the input of the tile's first position. */
static gint64
tap_offset (const Cnn3dEngine *engine, const Cnn3dStep *step, int c, int k)
{
  Cnn3dExtent p = cnn3d_padded_extent (step);
  int kw = k % step->kernel.w, kh = k / step->kernel.w % step->kernel.h;
  int kt = k / (step->kernel.w * step->kernel.h);
  gint64 place = ((gint64) kt * p.h + kh) * p.w + kw;

  if (step->kind == CNN3D_STEP_STEM)
    return (gint64) c * cnn3d_extent_count (p) + place;
  if (step->kind == CNN3D_STEP_CONV)
    return (gint64) (c / CNN3D_BLOCK) * cnn3d_extent_count (p) * CNN3D_BLOCK
        + place * CNN3D_BLOCK + c % CNN3D_BLOCK;
  return (gint64) cnn3d_lane_offset (engine, &step->inputs[c]);
}

#define PACK_INPUTS 64

/* Weights of inputs [first, end) of a group for output channel o, a stride apart; zero if it is of another group. */
static void
pack_lane (const Cut *cut, const Cnn3dFolded *folded, int volume, int o, int group, int first, int end,
    float *weights, int stride)
{
  gboolean connected = o >= 0 && o / cut->group_out == group;
  const float *from = connected ? folded->weights + (gsize) o * folded->inputs + cut->first_tap : NULL;

  for (int c = first; c < end; c++)
    for (int k = 0; k < cut->kernel; k++, weights += stride)
      *weights = connected ? from[c * volume + k] : 0;
}

static void
pack_taps (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dFolded *folded,
    Cnn3dTile *tile, int32_t *taps, float *weights)
{
  const Cnn3dStep *step = s->step;
  Cut cut;
  guint64 groups;
  const int *channel = step->lane_channel + tile->first_half * CNN3D_HALF;
  int lanes = tile->halves * CNN3D_HALF, n = 0, volume;

  init_cut (&cut, engine, s);
  groups = groups_of (&cut, tile->first_half, tile->halves);
  if (s->in_bf16) {
    cnn3d_bf16_pack (engine, s, folded, tile, groups, cut.first_tap, cut.first_tap + cut.kernel, taps,
        weights);
    return;
  }
  if (tile->paired) {
    cnn3d_cpu_pack_pairs (engine, s, folded, tile, groups, taps, weights);
    return;
  }
  volume = step->kernel.t * step->kernel.h * step->kernel.w;
  tile->taps = taps;
  tile->weights = weights;

  for (int g = 0; g < step->groups; g++) {
    if (!(groups >> g & 1))
      continue;
    for (int c = 0; c < cut.group_in; c++)
      for (int k = 0; k < cut.kernel; k++)
        taps[n++] = (int32_t) tap_offset (engine, step, g * cut.group_in + c, cut.first_tap + k);
    /* Some inputs at a time, as those of one output lie next to each other. */
    for (int c = 0; c < cut.group_in; c += PACK_INPUTS) {
      int end = MIN (c + PACK_INPUTS, cut.group_in), rows = (end - c) * cut.kernel;

      for (int i = 0; i < lanes; i++)
        pack_lane (&cut, folded, volume, channel[i], g, c, end, weights + i, lanes);
      weights += rows * lanes;
    }
  }
}

/* Floats of a tile's weights. */
static gsize
weight_floats (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dTile *tile)
{
  gsize n = (gsize) tile->n_taps;

  if (s->in_bf16)
    return n * (gsize) (engine->bf16->unit / 2 * cnn3d_bf16_parts (engine, s) * cnn3d_bf16_lanes (tile->halves));
  if (s->temporal)
    n *= (gsize) (CNN3D_POINTS * cnn3d_temporal_copies (engine->kernels, tile->halves));
  else if (s->winograd_frames > 0)
    n *= (gsize) cnn3d_winograd_points (s->winograd_frames, s->winograd_size);
  return n * (gsize) (tile->halves * CNN3D_HALF * (tile->paired ? 2 : 1));
}

/* Weights, which begin at a cache line, bias, and offsets. */
static void
pack_tile (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dFolded *folded, Cnn3dTile *tile,
    int32_t *taps, float *weights)
{
  const Cnn3dStep *step = s->step;
  const int *channel = step->lane_channel + tile->first_half * CNN3D_HALF;
  float *bias = weights + weight_floats (engine, s, tile);

  /* In bfloat16 it is read to the end of a vector, which tile_floats() has room for. */
  tile->bias = bias;
  for (int i = 0; i < tile->halves * CNN3D_HALF; i++)
    bias[i] = channel[i] >= 0 ? folded->bias[channel[i]] : 0;
  if (s->temporal)
    cnn3d_winograd_pack_temporal (engine, step, folded, tile, taps, weights);
  else if (s->winograd_frames > 0)
    cnn3d_winograd_pack_dense (s, folded, tile, taps, weights);
  else
    pack_taps (engine, s, folded, tile, taps, weights);

  for (int h = 0; h < tile->halves; h++) {
    int lane = (tile->first_half + h) * CNN3D_HALF;
    Cnn3dLane out = { step->buffer, lane };

    tile->out_offsets[h] = (int32_t) cnn3d_lane_offset (engine, &out);
    if (step->residual != NULL) {
      const Cnn3dBlockRef *r = &step->residual[lane / CNN3D_BLOCK];
      Cnn3dLane residual = { r->buffer, r->block * CNN3D_BLOCK + lane % CNN3D_BLOCK };
      tile->residual_offsets[h] = (int32_t) cnn3d_lane_offset (engine, &residual);
    }
  }
}

static void
pack_depthwise (const Cnn3dCpuStep *s, const Cnn3dFolded *folded, float *weights, float *bias)
{
  for (int lane = 0; lane < s->step->n_blocks * CNN3D_BLOCK; lane++) {
    int c = s->step->lane_channel[lane], block = lane / CNN3D_BLOCK, l = lane % CNN3D_BLOCK;

    bias[lane] = c >= 0 ? folded->bias[c] : 0;
    for (int k = 0; k < s->n_taps; k++)
      weights[(block * s->n_taps + k) * CNN3D_BLOCK + l] =
          c >= 0 ? folded->weights[c * 27 + s->first_tap + k] : 0;
  }
}

/* Likewise in half precision, two blocks together. */
static void
pack_half (const Cnn3dCpuStep *s, const Cnn3dFolded *folded, guint16 *weights, guint16 *bias)
{
  for (int lane = 0; lane < (s->step->n_blocks + 1) / 2 * 2 * CNN3D_BLOCK; lane++) {
    int c = lane < s->step->n_blocks * CNN3D_BLOCK ? s->step->lane_channel[lane] : -1;
    int pair = lane / (2 * CNN3D_BLOCK), l = lane % (2 * CNN3D_BLOCK);

    bias[lane] = cnn3d_half_round (c >= 0 ? folded->bias[c] : 0);
    for (int k = 0; k < s->n_taps; k++)
      weights[(pair * s->n_taps + k) * 2 * CNN3D_BLOCK + l] =
          cnn3d_half_round (c >= 0 ? folded->weights[c * 27 + s->first_tap + k] : 0);
  }
}

static gsize
round_up (gsize floats)
{
  return (floats + CNN3D_BLOCK - 1) / CNN3D_BLOCK * CNN3D_BLOCK;
}

/* Floats that a step's packed weights take, its tiles excluded. */
static gsize
plain_floats (const Cnn3dEngine *engine, const Cnn3dCpuStep *s)
{
  const Cnn3dStep *step = s->step;

  if (s->winograd_frames > 0)
    return (gsize) step->channels_out;
  if (s->in_lines)
    return cnn3d_lines_weight_floats (engine, s);
  if (step->kind == CNN3D_STEP_DEPTHWISE)
    return (gsize) cnn3d_depthwise_places (s) * (s->n_taps + 1) * CNN3D_BLOCK;
  if (cnn3d_gemm_wanted (engine, step))
    return round_up (((gsize) step->channels_in / step->groups + 1) * step->channels_out);
  return 0;
}

/* Floats of a tile's weights and bias. */
static gsize
tile_floats (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dTile *tile)
{
  return round_up (weight_floats (engine, s, tile) + (gsize) tile->halves * CNN3D_HALF);
}

/* Entries of a tile's list of taps. */
static gsize
tap_count (const Cnn3dCpuStep *s, const Cnn3dTile *tile)
{
  /* A list for each row that the first row of the kernel may meet (chain.c). */
  return (gsize) tile->n_taps * (s->temporal ? (gsize) s->step->kernel.h : 1);
}

void
cnn3d_cpu_pack (Cnn3dEngine *engine)
{
  guint n = engine->plan->steps->len;
  gsize n_weights = 0, n_taps = 0;
  float *weights;
  int32_t *taps;

  for (guint i = 0; i < n; i++) {
    Cnn3dCpuStep *s = &engine->steps[i];

    if (s->step->macs == 0)
      continue;
    if (s->step->kind == CNN3D_STEP_DEPTHWISE) {
      s->n_taps = live_frames (s->step, &s->first_tap) * 9;
      s->first_tap *= 9;
    }
    n_weights += plain_floats (engine, s);
    if (s->step->kind != CNN3D_STEP_DEPTHWISE && !s->in_lines && !cnn3d_gemm_wanted (engine, s->step))
      make_tiles (engine, s);
    for (int t = 0; t < s->n_tiles; t++) {
      n_taps += tap_count (s, &s->tiles[t]);
      n_weights += tile_floats (engine, s, &s->tiles[t]);
    }
  }
  for (guint i = 0; i < n; i++)
    if (engine->steps[i].step->chain > 2)
      cnn3d_cpu_place_chain (engine, i);
  weights = engine->weights = cnn3d_cpu_alloc (n_weights);
  taps = engine->taps = g_new (int32_t, n_taps);

  for (guint i = 0; i < n; i++) {
    Cnn3dCpuStep *s = &engine->steps[i];
    g_autoptr (Cnn3dFolded) folded = NULL;

    if (s->step->macs == 0)
      continue;
    folded = cnn3d_fold (engine->model, s->step);
    s->weights = weights;
    if (s->step->kind == CNN3D_STEP_DEPTHWISE) {
      s->bias = weights + (gsize) cnn3d_depthwise_places (s) * s->n_taps * CNN3D_BLOCK;
      if (s->in_half)
        pack_half (s, folded, (guint16 *) weights, (guint16 *) s->bias);
      else
        pack_depthwise (s, folded, weights, (float *) s->bias);
    } else if (s->in_lines) {
      cnn3d_lines_pack (engine, s, folded, weights);
    } else if (cnn3d_gemm_wanted (engine, s->step)) {
      s->bias = weights + (gsize) s->step->channels_in / s->step->groups * s->step->channels_out;
      cnn3d_gemm_pack (s->step, folded, weights);
    } else if (s->winograd_frames > 0) {
      s->bias = weights;
      for (int lane = 0; lane < s->step->channels_out; lane++)
        weights[lane] = folded->bias[s->step->lane_channel[lane]];
    }
    weights += plain_floats (engine, s);
    for (int t = 0; t < s->n_tiles; t++) {
      Cnn3dTile *tile = &s->tiles[t];

      pack_tile (engine, s, folded, tile, taps, weights);
      taps += tap_count (s, tile);
      weights += tile_floats (engine, s, tile);
    }
  }
}
