/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How one step of a plan is cut into calls of kernels, and what each thread does of it. */

#include "lib3dcnn/cpu/engine.h"

static void
call_conv (Cnn3dEngine *engine, Cnn3dConvFunc *func, const Cnn3dCpuStep *s, const Cnn3dTile *tile,
    const float *x, gint64 first, int positions)
{
  Cnn3dConvArgs args;

  cnn3d_cpu_init_conv (&args, s, tile);
  args.x = x;
  args.out = engine->arena + first * CNN3D_BLOCK;
  if (s->step->residual != NULL) {
    args.residual = args.out;
    memcpy (args.residual_offsets, tile->residual_offsets, sizeof args.residual_offsets);
  }
  func (&args, tile->halves, positions);
}

/* n positions from `place` on, in bfloat16. */
static void
multiply_chunk (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dWords *words, float *place, int n, int first_tile,
    int end_tile)
{
  for (int t = first_tile; t < end_tile; t++)
    cnn3d_bf16_multiply (engine, s, &s->tiles[t], words, place, s->step->residual ? place : NULL, n);
}

/* All positions, which are one chunk: a thread converts them once, however often it takes tiles. */
static void
run_tiles_in_bf16 (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, Cnn3dDeal *deal, int positions)
{
  Cnn3dWords words = cnn3d_bf16_convert (engine, s, engine->arena, NULL, positions, thread);

  for (int first, n; (n = cnn3d_deal_take (deal, 1, s->n_tiles, &first)) > 0;)
    multiply_chunk (engine, s, &words, engine->arena, positions, first, first + n);
}

void
cnn3d_cpu_run_positions (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, const float *x, gint64 first,
    gint64 end, int first_tile, int end_tile)
{
  for (int n; first < end; first += n, x += (gsize) n * CNN3D_BLOCK) {
    float *place = engine->arena + first * CNN3D_BLOCK;

    n = cnn3d_next_chunk (end - first);
    if (s->in_bf16) {
      Cnn3dWords words = cnn3d_bf16_convert (engine, s, x, NULL, n, thread);

      multiply_chunk (engine, s, &words, place, n, first_tile, end_tile);
      continue;
    }
    for (int t = first_tile; t < end_tile; t++)
      call_conv (engine, cnn3d_cpu_conv_of (engine, &s->tiles[t]), s, &s->tiles[t], x, first, n);
  }
}

void
cnn3d_cpu_run_pointwise (Cnn3dEngine *engine, gsize index, int thread)
{
  const Cnn3dCpuStep *s = &engine->steps[index];
  gint64 positions = cnn3d_extent_count (s->step->out);
  int units = (int) ((positions + CNN3D_UNIT - 1) / CNN3D_UNIT), first, n;
  int most = positions <= CNN3D_MAX_CHUNK ? units : CNN3D_CHUNK / CNN3D_UNIT;
  /* Of few positions a share is taken as a whole, as each part of it would read all weights again. */
  int least = positions < CNN3D_SPLIT_POSITIONS ? most : 1;
  Cnn3dDeal deal = cnn3d_cpu_deal (engine, thread, s->tile_split ? s->n_tiles : units, s->tile_split);

  if (s->tile_split != NULL && s->in_bf16 && positions <= CNN3D_MAX_CHUNK) {
    run_tiles_in_bf16 (engine, s, thread, &deal, (int) positions);
    return;
  }
  if (s->tile_split != NULL) {
    while ((n = cnn3d_deal_take (&deal, 1, s->n_tiles, &first)) > 0)
      cnn3d_cpu_run_positions (engine, s, thread, engine->arena, 0, positions, first, first + n);
    return;
  }
  while ((n = cnn3d_deal_take (&deal, least, most, &first)) > 0) {
    gint64 begin = (gint64) first * CNN3D_UNIT;

    cnn3d_cpu_run_positions (engine, s, thread, engine->arena + begin * CNN3D_BLOCK, begin,
        MIN (begin + (gint64) n * CNN3D_UNIT, positions), 0, s->n_tiles);
  }
}

/* Convolutions that read padded rows: a row of the output, counted over all frames, is one call. */
static void
run_row (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dTile *tile, Cnn3dConvFunc *func,
    const float *input, int step_floats, int row)
{
  const Cnn3dStep *step = s->step;
  Cnn3dExtent padded = cnn3d_padded_extent (step);
  gint64 it = (gint64) (row / step->out.h) * step->stride.t;
  gint64 ih = (gint64) (row % step->out.h) * step->stride.h, first = (gint64) row * step->out.w;

  if (s->in_bf16) {
    Cnn3dWords words = cnn3d_bf16_loaded_row (engine, s, row / step->out.h, row % step->out.h);
    float *place = engine->arena + first * CNN3D_BLOCK;

    cnn3d_bf16_multiply (engine, s, tile, &words, place, step->residual ? place : NULL,
        step->out.w);
    return;
  }
  call_conv (engine, func, s, tile, input + (it * padded.h + ih) * padded.w * step_floats, first,
      step->out.w);
}

static void
run_padded (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, Cnn3dConvFunc *func,
    const float *input, int step_floats)
{
  const Cnn3dStep *step = s->step;
  int n_rows = step->out.t * step->out.h;
  gboolean by_tiles = s->tile_split != NULL;
  /* With more rows, weights that are large in bfloat16 are read less often. */
  int most = by_tiles ? s->n_tiles : MAX (1, (s->in_bf16 ? 4 : 1) * CNN3D_CHUNK / step->out.w);
  Cnn3dDeal deal = cnn3d_cpu_deal (engine, thread, by_tiles ? s->n_tiles : n_rows, s->tile_split);

  for (int first, n; (n = cnn3d_deal_take (&deal, 1, most, &first)) > 0;) {
    int end = first + n;

    for (int t = by_tiles ? first : 0; t < (by_tiles ? end : s->n_tiles); t++)
      for (int row = by_tiles ? 0 : first; row < (by_tiles ? n_rows : end); row++)
        run_row (engine, s, &s->tiles[t], func, input, step_floats, row);
  }
}

void
cnn3d_cpu_run_stem (Cnn3dEngine *engine, gsize index, int thread)
{
  run_padded (engine, &engine->steps[index], thread, engine->kernels->conv_planar, engine->padded, 1);
}

void
cnn3d_cpu_pad (Cnn3dEngine *engine, const Cnn3dStep *step, Cnn3dExtent padded, int thread)
{
  Cnn3dExtent in = step->in;
  int n_blocks = (step->channels_in + CNN3D_BLOCK - 1) / CNN3D_BLOCK;
  gsize row = (gsize) in.w * CNN3D_BLOCK, left = (gsize) step->pad.w * CNN3D_BLOCK;
  gsize right = (gsize) padded.w * CNN3D_BLOCK - row - left;
  int total = n_blocks * padded.t * padded.h;

  for (int i = (int) cnn3d_share (total, thread, engine->n_threads);
      i < cnn3d_share (total, thread + 1, engine->n_threads); i++) {
    int block = i / (padded.t * padded.h);
    int t = i / padded.h % padded.t - step->pad.t, h = i % padded.h - step->pad.h;
    float *out = engine->scratch + (gsize) i * padded.w * CNN3D_BLOCK;
    const Cnn3dLane *lane = &step->inputs[block * CNN3D_BLOCK];
    const Cnn3dBuffer *b = cnn3d_plan_buffer (engine->plan, lane->buffer);

    if (t < 0 || h < 0 || t >= in.t || h >= in.h) {
      memset (out, 0, (left + row + right) * sizeof (float));
      continue;
    }
    memset (out, 0, left * sizeof (float));
    memcpy (out + left,
        engine->arena + b->offset + ((lane->lane / CNN3D_BLOCK * in.t + t) * (gsize) in.h + h) * row,
        row * sizeof (float));
    memset (out + left + row, 0, right * sizeof (float));
  }
}

/* Copies the input's channels into padded blocks, or rows of words, then convolves. */
void
cnn3d_cpu_run_conv (Cnn3dEngine *engine, gsize index, int thread)
{
  const Cnn3dCpuStep *s = &engine->steps[index];

  if (s->in_bf16)
    cnn3d_bf16_load (engine, s, thread);
  else
    cnn3d_cpu_pad (engine, s->step, cnn3d_padded_extent (s->step), thread);
  cnn3d_workers_barrier (engine->workers);
  run_padded (engine, s, thread, engine->kernels->conv_blocked, engine->scratch, CNN3D_BLOCK);
}

static const float *
input_block (const Cnn3dEngine *engine, const Cnn3dStep *step, int block)
{
  const Cnn3dBlockRef *ref = &step->blocks[block];
  const Cnn3dBuffer *b = cnn3d_plan_buffer (engine->plan, ref->buffer);

  return engine->arena + b->offset + (gsize) ref->block * b->positions * CNN3D_BLOCK;
}

float *
cnn3d_cpu_output_row (const Cnn3dEngine *engine, const Cnn3dStep *step, int block, int t, int h)
{
  const Cnn3dBuffer *b = cnn3d_plan_buffer (engine->plan, step->buffer);

  return engine->arena + b->offset
      + ((gsize) block * b->positions + ((gsize) t * step->out.h + h) * step->out.w) * CNN3D_BLOCK;
}

/* Row h of frame t of the input, which lies inside of the border. */
static const float *
input_row (const Cnn3dStep *step, const Cnn3dRow *row, int t, int h)
{
  int frame = (row->in_start + t * row->in_scale) % row->in_frames;
  gssize place = (gssize) (h - row->in_first_row) * (row->joined ? step->out.w : step->in.w) * CNN3D_BLOCK;

  if (h < row->kept_end)
    return row->kept + (gsize) t * row->kept_frame + place;
  if (row->in_places != NULL)
    frame = row->in_places[frame];
  return row->in + (gsize) frame * row->in_frame + place;
}

/* With what a block's arguments lack. */
static void
run_in_half (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int block, const Cnn3dRow *row, Cnn3dHalfArgs *args)
{
  args->low = s->half_low;
  args->high = s->half_high;
  args->second = row->second;
  args->words = row->words;
  if (row->words) {
    const guint16 *lanes = s[1].bf16->lanes;

    args->lanes = lanes[block] | (block + 1 < s->step->n_blocks ? (guint32) lanes[block + 1] << CNN3D_BLOCK : 0);
  }
  engine->bf16->depthwise (args, s->step->stride.w);
}

static void
run_to_words (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int block, const Cnn3dRow *row, Cnn3dBf16DepthwiseArgs *args)
{
  args->part = row->part;
  args->alone = block % 2 == 0 && block + 1 == s->step->n_blocks;
  engine->bf16->depthwise_words (args, s->step->stride.w);
}

/* Output rows from h on, n at most, as many as meet the same rows of the kernel. Returns how many. */
static int
depthwise_rows (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int block, int t, int h, int n, const Cnn3dRow *row)
{
  const Cnn3dStep *step = s->step;
  int place = s->in_half ? block / 2 : block;
  const float *weights = s->weights + (gsize) place * s->n_taps * CNN3D_BLOCK;
  int stride = step->stride.h, first_h = MAX (1 - h * stride, 0), end_h = MIN (3, step->in.h + 1 - h * stride);
  int inner = (step->in.h - 2) / stride - h + 1; /* rows up to the last one that does not meet the lower border */
  gsize width = (gsize) step->in.w * CNN3D_BLOCK;
  union {
    Cnn3dDepthwiseArgs of;
    Cnn3dHalfArgs half;
    Cnn3dBf16DepthwiseArgs words;
  } all;
  Cnn3dDepthwiseArgs *args = &all.of;

  /* As in cnn3d_cpu_init_conv(). */
  args->n_rows = 0;
  args->bias = s->bias + place * CNN3D_BLOCK;
  args->out = row->out;
  args->n_out = h == 0 || h * stride - 1 < row->kept_end ? 1 : CLAMP (inner, 1, n);
  args->in_step = stride * (intptr_t) width;
  args->width_in = step->in.w;
  args->width_out = step->out.w;
  args->low = s->low;
  args->high = s->high;
  for (int kt = 0; kt < 3; kt++) {
    int frame = t * step->stride.t + kt - 1;

    if (frame < 0 || frame >= step->in.t)
      continue;
    for (int kh = first_h; kh < end_h; kh++) {
      args->rows[args->n_rows] = input_row (step, row, frame, h * stride + kh - 1);
      args->weights[args->n_rows++] = weights + (kt * 9 + kh * 3 - s->first_tap) * CNN3D_BLOCK;
    }
  }
  if (s->in_half)
    run_in_half (engine, s, block, row, &all.half);
  else if (row->words)
    run_to_words (engine, s, block, row, &all.words);
  else if (step->stride.w == 1)
    engine->kernels->depthwise_s1 (args);
  else
    engine->kernels->depthwise_s2 (args);
  return args->n_out;
}

static void
pool_row (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, int t, int h, const Cnn3dRow *row)
{
  const Cnn3dStep *step = s->step;
  const float **rows = engine->rows + (gsize) thread * engine->n_rows;
  int first = h * step->stride.h - step->pad.h;
  Cnn3dPoolArgs args = { .rows = rows, .width_in = row->joined ? step->out.w : step->in.w, .width_out = step->out.w,
    .kernel = row->joined ? 1 : step->kernel.w, .stride = row->joined ? 1 : step->stride.w,
    .pad = row->joined ? 0 : step->pad.w,
    .scale = 1.0f / (float) cnn3d_extent_count (step->kernel),
    .line = engine->lines + (gsize) thread * engine->line_floats, .out = row->out, .low = s->low,
    .high = s->high };

  for (int kt = 0; kt < (row->joined_frames ? 1 : step->kernel.t); kt++) {
    int frame = row->joined_frames ? t : t * step->stride.t + kt - step->pad.t;

    if (frame < 0 || frame >= step->in.t)
      continue;
    if (row->joined_rows)
      rows[args.n_rows++] = input_row (step, row, frame, h);
    for (int kh = MAX (0, -first); kh < MIN (step->kernel.h, step->in.h - first) && !row->joined_rows; kh++)
      rows[args.n_rows++] = input_row (step, row, frame, first + kh);
  }
  if (step->kind == CNN3D_STEP_MAXPOOL)
    engine->kernels->pool_max (&args);
  else
    engine->kernels->pool_average (&args);
}

void
cnn3d_cpu_run_rows (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, int block, int t, int h, int n,
    const Cnn3dRow *first)
{
  Cnn3dRow row = *first;

  for (int count; n > 0; n -= count, h += count, row.out += (gsize) (count * s->step->out.w) * CNN3D_BLOCK) {
    count = 1;
    if (s->step->kind == CNN3D_STEP_DEPTHWISE)
      count = depthwise_rows (engine, s, block, t, h, n, &row);
    else
      pool_row (engine, s, thread, t, h, &row);
    if (row.second != NULL)
      row.second += (gsize) (count * s->step->out.w) * CNN3D_BLOCK;
  }
}

static void
run_rows_of_block (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, int block, int t, int h, int n)
{
  const Cnn3dStep *step = s->step;
  Cnn3dRow row = { .in = input_block (engine, step, block), .in_frames = step->in.t, .in_scale = 1,
    .in_frame = (gsize) step->in.h * step->in.w * CNN3D_BLOCK,
    .out = cnn3d_cpu_output_row (engine, step, block, t, h) };

  g_assert (!s->in_half);
  cnn3d_cpu_run_rows (engine, s, thread, block, t, h, n, &row);
}

/* One takes about as long as to ask for it. */
#define LEAST_ROWS 4

/*
 * What threads share out, such that each finds much of what it reads in its own cache: with few positions blocks, as the
 * channels of the input were (those that were not, as their weights are few, have rows too few to share out); else rows of
 * all blocks, counted frame by frame, or all frames' of a height after each other, as chains share them out.
 */
typedef enum { BLOCKS, ROWS_OF_FRAMES, ROWS_OF_HEIGHTS } Share;

static Share
share_of (const Cnn3dEngine *engine, const Cnn3dStep *step)
{
  const Cnn3dBuffer *input = cnn3d_plan_buffer (engine->plan, step->blocks[0].buffer);

  /* An average is of what was shared out by positions, and each of its outputs reads 27. */
  if (cnn3d_extent_count (step->kind == CNN3D_STEP_AVGPOOL ? step->in : step->out) < CNN3D_SPLIT_POSITIONS)
    return BLOCKS;
  return cnn3d_plan_step (engine->plan, input->first)->chain > 1 ? ROWS_OF_HEIGHTS : ROWS_OF_FRAMES;
}

/* n rows of a block from `first` on, as they are shared out. */
static void
run_rows (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, Share share, int block, int first, int n)
{
  Cnn3dExtent out = s->step->out;

  for (int count; n > 0; first += count, n -= count) {
    if (share == ROWS_OF_HEIGHTS) {
      count = 1;
      run_rows_of_block (engine, s, thread, block, first % out.t, first / out.t, 1);
    } else {
      count = MIN (n, out.h - first % out.h);
      run_rows_of_block (engine, s, thread, block, first / out.h, first % out.h, count);
    }
  }
}

/* Depthwise convolutions and pools. */
void
cnn3d_cpu_run_blocks (Cnn3dEngine *engine, gsize index, int thread)
{
  const Cnn3dCpuStep *s = &engine->steps[index];
  const Cnn3dStep *step = s->step;
  int rows = step->out.t * step->out.h, n_blocks = step->n_blocks;
  Share share = share_of (engine, step);
  int total = share == BLOCKS ? n_blocks * rows : rows, least = share == BLOCKS ? LEAST_ROWS : 1;
  Cnn3dDeal deal = cnn3d_cpu_deal (engine, thread, total, NULL);

  for (int first, n; (n = cnn3d_deal_take (&deal, least, total, &first)) > 0;) {
    if (share != BLOCKS)
      for (int block = 0; block < n_blocks; block++)
        run_rows (engine, s, thread, share, block, first, n);
    else
      for (int end = first + n, count; first < end; first += count) {
        count = MIN (end - first, rows - first % rows);
        run_rows (engine, s, thread, share, first / rows, first % rows, count);
      }
  }
}

void
cnn3d_cpu_load_row (const Cnn3dEngine *engine, const Cnn3dClip *clip, gsize plane, int i, float *out,
    gsize out_plane)
{
  const Cnn3dPixelBytes *bytes = &engine->bytes;
  int width = engine->steps[0].step->in.w;
  Cnn3dPixelArgs args;

  if (clip->planes != NULL) {
    for (int p = 0; p < 3; p++)
      memcpy (out + p * out_plane, clip->planes + p * plane + (gsize) i * width,
          (gsize) width * sizeof (float));
    return;
  }
  args.rgb = clip->rgb + (gsize) i * width * 3;
  args.width = width;
  args.mean = bytes->mean;
  args.scale = bytes->scale;
  for (int c = 0; c < 3; c++)
    args.planes[c] = out + (gsize) bytes->plane[c] * out_plane;
  engine->kernels->pixels (&args);
}

void
cnn3d_cpu_load_clip (Cnn3dEngine *engine, int thread)
{
  const Cnn3dStep *step = engine->steps[0].step;
  Cnn3dExtent in = step->in, padded = cnn3d_padded_extent (step);
  int rows = in.t * in.h;

  for (int i = (int) cnn3d_share (rows, thread, engine->n_threads);
      i < cnn3d_share (rows, thread + 1, engine->n_threads); i++) {
    gsize t = (gsize) (i / in.h + step->pad.t), h = (gsize) (i % in.h + step->pad.h);

    cnn3d_cpu_load_row (engine, &engine->clip, (gsize) cnn3d_extent_count (in), i,
        engine->padded + (t * padded.h + h) * padded.w + step->pad.w, (gsize) cnn3d_extent_count (padded));
  }
}
