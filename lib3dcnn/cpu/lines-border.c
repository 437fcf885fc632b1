/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The border of lines of bytes (lines.h). It stands for a normalised zero, which in units of bytes is a fraction where the mean
 * is one, and of that the one part that such lines have keeps 8 bits. Where a stem is to be as exact as in fp32, sums
 * begin with what weights make of the rest: with as many rows of these as there are ways for a kernel to lie beside a clip's
 * frames and their rows, at the first of three, at the last, at both or at none.
 */

#include "lib3dcnn/cpu/lines.h"

#define WAYS 4

/* Of three frames or rows, whose bits are set if they are beside; the second of them never is. */
static int
way_of (int beside)
{
  return (beside & 1) | beside >> 1;
}

static gboolean
is_beside (int way, int i)
{
  return i == 0 ? way & 1 : i == 2 ? way >> 1 : FALSE;
}

/* Floats of one way's rows. */
static gsize
way_floats (const Cnn3dStep *stem)
{
  return (gsize) (cnn3d_stem_rows (cnn3d_lines_lanes (stem)) * CNN3D_LINE_FLOATS (stem->out.w));
}

gsize
cnn3d_lines_begin_floats (const Cnn3dEngine *engine, const Cnn3dStep *stem)
{
  return engine->parts == CNN3D_EXACT_PARTS ? WAYS * WAYS * way_floats (stem) : 0;
}

/* What a channel's weights at each place of the kernel, [frame][row][column], make of what the border lacks. */
static gboolean
weigh_border (const Cnn3dEngine *engine, const Cnn3dFolded *folded, int channel, float places[27])
{
  const Cnn3dBf16Colors *colors = &engine->colors;
  gboolean any = FALSE;

  for (int i = 0; i < 27; i++) {
    places[i] = 0;
    for (int byte = 0; byte < 3; byte++)
      places[i] += (colors->rest[byte] - cnn3d_bf16_to_float (colors->border[0][byte]))
          * cnn3d_bf16_stem_weight (engine, folded, channel, i, byte);
    any |= places[i] != 0;
  }
  return any;
}

/* A channel's row: outputs at the ends meet columns beside the pixels. */
static void
fill_row (const Cnn3dStep *stem, const float places[27], int frames, int rows, float *out)
{
  int last = stem->out.w - 1;

  for (int place = 0; place < 27; place++) {
    int w = place % 3 - stem->pad.w;

    if (is_beside (frames, place / 9) || is_beside (rows, place / 3 % 3))
      for (int x = 0; x <= last; x++)
        out[x] += places[place];
    else if (w < 0)
      out[0] += places[place];
    else if (last * stem->stride.w + w >= stem->in.w)
      out[last] += places[place];
  }
}

void
cnn3d_lines_pack_begin (const Cnn3dEngine *engine, Cnn3dCpuStep *stem, const Cnn3dFolded *folded, float *begin)
{
  const Cnn3dStep *step = stem->step;
  gboolean any = FALSE;

  for (int lane = 0; lane < cnn3d_lines_lanes (step); lane++) {
    float places[27];

    if (step->lane_channel[lane] < 0 || !weigh_border (engine, folded, step->lane_channel[lane], places))
      continue;
    any = TRUE;
    for (int way = 0; way < WAYS * WAYS; way++)
      fill_row (step, places, way / WAYS, way % WAYS,
          begin + (gsize) way * way_floats (step) + lane * CNN3D_LINE_FLOATS (step->out.w));
  }
  stem->begin = any ? begin : NULL;
}

void
cnn3d_lines_begin (const Cnn3dEngine *engine, const Cnn3dLinesFrame *frame, int y, int lane, Cnn3dBf16StemArgs *args)
{
  const Cnn3dStep *step = engine->steps[0].step;
  int h = y * step->stride.h - step->pad.h, rows = (h < 0) | (h + 2 >= step->in.h) << 2;
  int way = way_of (frame->beside) * WAYS + way_of (rows);
  gboolean right = (step->out.w - 1) * step->stride.w - step->pad.w + 2 >= step->in.w;

  args->begun = 0;
  if (engine->steps[0].begin == NULL || frame->part != 0)
    return;
  args->begin = engine->steps[0].begin + (gsize) way * way_floats (step) + lane * CNN3D_LINE_FLOATS (step->out.w);
  /* Of most rows only the first output meets the border. */
  args->begun = way == 0 && !right ? 1 : step->out.w;
}
