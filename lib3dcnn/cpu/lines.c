/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* See lines.h. Lanes of the output's blocks are what kernels call channels, in their order. */

#include "lib3dcnn/cpu/lines.h"

gboolean
cnn3d_lines_fit (const Cnn3dEngine *engine, const Cnn3dStep *stem)
{
  const Cnn3dStep *pool = cnn3d_plan_step (engine->plan, 1);
  Cnn3dExtent k = stem->kernel, s = stem->stride, p = stem->pad;

  if (stem->chain == 1 || stem->channels_in != 3 || k.t != 3 || k.h != 3 || k.w != 3 || s.t != 1 || s.h != 2 || s.w != 2
      || p.t != 1 || p.h != 1 || p.w != 1)
    return FALSE;
  if (!cnn3d_lines_pool (engine))
    return TRUE;
  k = pool->kernel;
  s = pool->stride;
  p = pool->pad;
  return k.t == 3 && k.h == 3 && k.w == 3 && s.t == 2 && s.h == 2 && s.w == 2 && p.t == 1 && p.h == 1 && p.w == 1;
}

gboolean
cnn3d_lines_pool (const Cnn3dEngine *engine)
{
  return cnn3d_plan_step (engine->plan, 1)->kind == CNN3D_STEP_MAXPOOL;
}

/* Up to the last one that has a channel. */
int
cnn3d_lines_lanes (const Cnn3dStep *stem)
{
  int n = stem->n_blocks * CNN3D_BLOCK;

  while (n > 1 && stem->lane_channel[n - 1] < 0)
    n--;
  return n;
}

/* Lanes of the group that begins with a lane. */
static int
lanes_of_group (const Cnn3dStep *stem, int lane)
{
  return MIN (cnn3d_lines_lanes (stem) - lane, CNN3D_STEM_CHANNELS);
}

/* Words of a group's weights. */
static gsize
group_words (const Cnn3dEngine *engine, int lanes)
{
  return (gsize) (3 * engine->parts * cnn3d_stem_rows (lanes) * CNN3D_STEM_WORDS);
}

gsize
cnn3d_lines_weight_floats (const Cnn3dEngine *engine, const Cnn3dCpuStep *stem)
{
  gsize words = 0;

  for (int lane = 0; lane < cnn3d_lines_lanes (stem->step); lane += CNN3D_STEM_CHANNELS)
    words += group_words (engine, lanes_of_group (stem->step, lane));
  return words / 2 + (gsize) stem->step->n_blocks * CNN3D_BLOCK + cnn3d_lines_begin_floats (engine, stem->step);
}

/* Place of the kernel within a frame that a word of a channel's weights meets, and which byte of the pixel; -1 if none. */
static int
place_of_word (int word, int *byte)
{
  int row = word / (2 * CNN3D_LINES), line = word / 2 % CNN3D_LINES, second = word % 2;

  *byte = line < 3 ? line : 2 * (line - 3) + second;
  return row < 3 && *byte < 3 ? row * 3 + (line < 3 ? second : 2) : -1;
}

/* A channel's weights, so many words apart from one part, and from one frame, to the next; they are zero so far. */
static void
pack_lane (const Cnn3dEngine *engine, const Cnn3dFolded *folded, int channel, guint16 *words, int apart)
{
  for (int frame = 0; frame < 3 && channel >= 0; frame++, words += engine->parts * apart)
    for (int i = 0; i < CNN3D_STEM_WORDS; i++) {
      int byte, place = place_of_word (i, &byte);

      if (place >= 0)
        cnn3d_bf16_split (cnn3d_bf16_stem_weight (engine, folded, channel, frame * 9 + place, byte), engine->parts,
            words + i, apart);
    }
}

void
cnn3d_lines_pack (const Cnn3dEngine *engine, Cnn3dCpuStep *stem, const Cnn3dFolded *folded, float *weights)
{
  const Cnn3dStep *step = stem->step;
  guint16 *words = (guint16 *) weights;
  int n = cnn3d_lines_lanes (step), lanes;
  float *begin = weights + cnn3d_lines_weight_floats (engine, stem) - cnn3d_lines_begin_floats (engine, step);
  float *bias = begin - step->n_blocks * CNN3D_BLOCK;

  stem->weights = weights;
  stem->bias = bias;
  for (int lane = 0; lane < n; lane++)
    bias[lane] = step->lane_channel[lane] < 0 ? 0 : cnn3d_bf16_stem_bias (engine, folded, step->lane_channel[lane]);
  for (int first = 0; first < n; first += lanes, words += group_words (engine, lanes)) {
    lanes = lanes_of_group (step, first);
    for (int lane = 0; lane < lanes; lane++)
      pack_lane (engine, folded, step->lane_channel[first + lane], words + lane * CNN3D_STEM_WORDS,
          cnn3d_stem_rows (lanes) * CNN3D_STEM_WORDS);
  }
  if (engine->parts == CNN3D_EXACT_PARTS)
    cnn3d_lines_pack_begin (engine, stem, folded, begin);
}

void
cnn3d_lines_load (const Cnn3dEngine *engine, const Cnn3dClip *clip, int n_frames, int frame, int first, int end,
    guint16 *out, gssize part)
{
  const Cnn3dStep *step = engine->steps[0].step;
  gsize plane = (gsize) (n_frames * step->in.h) * (gsize) step->in.w;
  int t = frame - step->pad.t;

  for (int row = first; row < end; row++, out += cnn3d_lines_row_words (step)) {
    int h = row - step->pad.h;
    gboolean inside = t >= 0 && t < n_frames && h >= 0 && h < step->in.h;
    gsize place = inside ? (gsize) (t * step->in.h + h) * (gsize) step->in.w : 0;
    Cnn3dBf16LinesArgs args = { .colors = &engine->colors, .width = inside ? step->in.w : 0, .outputs = step->out.w,
      .out = out, .part = part };

    if (inside && clip->rgb != NULL)
      args.rgb = clip->rgb + 3 * place;
    for (int c = 0; c < 3 && inside && clip->rgb == NULL; c++)
      args.planes[c] = clip->planes + (gsize) engine->bytes.plane[c] * plane + place;
    engine->bf16->lines (&args, cnn3d_lines_parts (engine, clip->rgb == NULL));
  }
}

/* Floats of a row of sums of one lane. */
static int
pitch_of (const Cnn3dStep *stem)
{
  return CNN3D_LINE_FLOATS (stem->out.w);
}

gsize
cnn3d_lines_sums_floats (const Cnn3dStep *stem)
{
  return (gsize) (3 * CNN3D_STEM_CHANNELS * pitch_of (stem));
}

gsize
cnn3d_lines_kept_floats (const Cnn3dEngine *engine)
{
  return (gsize) (engine->steps[0].step->n_blocks * CNN3D_BLOCK * CNN3D_KEPT_FLOATS (engine->steps[1].step->out.w));
}

int
cnn3d_lines_first (int first)
{
  return MAX (2 * first - 1, 0);
}

int
cnn3d_lines_count (const Cnn3dStep *stem, int first, int end)
{
  return MIN (2 * end, stem->out.h) - cnn3d_lines_first (first);
}

/* Sums of row y, in one of three places that take turns. */
static float *
place_sums (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int y)
{
  return frame->sums + y % 3 * CNN3D_STEM_CHANNELS * pitch_of (engine->steps[0].step);
}

/* Of a row of the pool, what earlier frames have left, from a lane on. */
static float *
place_kept (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int row, int lane)
{
  return frame->kept + (gsize) row * cnn3d_lines_kept_floats (engine)
      + lane * CNN3D_KEPT_FLOATS (engine->steps[1].step->out.w);
}

/* Row p of the pool, where `first` is the first one, of a group of lanes; its rows of sums are there. */
static void
join_row (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int lane, int lanes, int p, int first)
{
  const Cnn3dStep *step = engine->steps[0].step, *pool = engine->steps[1].step;
  int pitch = pitch_of (step), y0 = cnn3d_lines_first (p), y1 = MIN (2 * p + 1, step->out.h - 1);
  Cnn3dBf16JoinArgs args = { .width = step->out.w, .outputs = pool->out.w };
  int each = frame->out != NULL ? CNN3D_BLOCK : lanes;

  for (int i = 0; i < lanes; i += each) {
    for (int r = 0; r < 3; r++)
      args.rows[r] = place_sums (engine, frame, CLAMP (2 * p - 1 + r, y0, y1)) + i * pitch;
    if (frame->begun)
      args.before = place_kept (engine, frame, p - first, lane + i);
    if (frame->keeps)
      args.after = place_kept (engine, frame, p - first, lane + i);
    if (frame->out != NULL)
      args.out = frame->out + (gsize) ((lane + i) / CNN3D_BLOCK) * frame->out_block
          + (gsize) ((p - first) * pool->out.w) * CNN3D_BLOCK;
    args.channels = MIN (each, lanes - i);
    args.bias = engine->steps[0].bias + lane + i;
    args.low = engine->steps[1].low;
    args.high = engine->steps[1].high;
    engine->bf16->join (&args);
  }
}

/* What is the same for all rows of a frame. */
static Cnn3dBf16StemArgs
stem_args (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame)
{
  return (Cnn3dBf16StemArgs){ .part = frame->part, .outputs = engine->steps[0].step->out.w,
    .weights = (const guint16 *) engine->steps[0].weights };
}

/* Row y of sums of a group of lanes, from `lane` on. */
static void
compute_sums (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int y, int lane, Cnn3dBf16StemArgs *args)
{
  gsize row_words = cnn3d_lines_row_words (engine->steps[0].step);

  for (int f = 0; f < 3; f++)
    args->lines[f] = frame->lines[f] + (gsize) (2 * y - frame->first_row) * row_words;
  args->out = place_sums (engine, frame, y);
  cnn3d_lines_begin (engine, frame, y, lane, args);
  engine->bf16->stem (args, engine->parts);
}

/* Row y of sums of a group of lanes into their blocks, whose first row is `first`. */
static void
place_row (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int lane, int lanes, int y, int first)
{
  const Cnn3dCpuStep *stem = &engine->steps[0];
  int pitch = pitch_of (stem->step), each = frame->half ? 2 * CNN3D_BLOCK : CNN3D_BLOCK;
  Cnn3dBf16BlocksArgs args = { .outputs = stem->step->out.w, .low = stem->low, .high = stem->high, .half = frame->half };

  for (int i = 0; i < lanes; i += each) {
    args.sums = place_sums (engine, frame, y) + i * pitch;
    args.channels = MIN (each, lanes - i);
    args.bias = stem->bias + lane + i;
    args.out = frame->out + (gsize) ((lane + i) / each) * frame->out_block
        + (gsize) ((y - first) * stem->step->out.w) * CNN3D_BLOCK;
    engine->bf16->blocks (&args);
  }
}

void
cnn3d_lines_run (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int first, int end)
{
  int n = cnn3d_lines_lanes (engine->steps[0].step), lanes;
  Cnn3dBf16StemArgs args = stem_args (engine, frame);

  for (int lane = 0; lane < n; lane += lanes, args.weights += group_words (engine, lanes)) {
    args.channels = lanes = lanes_of_group (engine->steps[0].step, lane);
    for (int y = first; y < end; y++) {
      compute_sums (engine, frame, y, lane, &args);
      place_row (engine, frame, lane, lanes, y, first);
    }
  }
}

void
cnn3d_lines_run_pool (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int first, int end)
{
  const Cnn3dStep *step = engine->steps[0].step;
  int n = cnn3d_lines_lanes (step), lanes;
  Cnn3dBf16StemArgs args = stem_args (engine, frame);

  for (int lane = 0; lane < n; lane += lanes, args.weights += group_words (engine, lanes)) {
    int y = cnn3d_lines_first (first);

    args.channels = lanes = lanes_of_group (step, lane);
    for (int p = first; p < end; p++) {
      for (; y < MIN (2 * p + 2, step->out.h); y++)
        compute_sums (engine, frame, y, lane, &args);
      join_row (engine, frame, lane, lanes, p, first);
    }
  }
}
