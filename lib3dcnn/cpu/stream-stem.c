/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The stem of a stream by Winograd's filtering (temporal_tmpl.h): groups of four frames, as in a run from scratch.
 *
 * Of the six points, the first alone meets the frame before a group, and the last the one after it. So where a clip begins,
 * one frame differs from what earlier clips have there by the products of one point, and so does one where it ends. The one
 * is made along with the group, where a clip is going to begin; of the other, what is the same for both is kept until the
 * frame after it comes. A clip that begins eight frames after another one needs two groups and two points, 14 products where
 * a run from scratch needs 24.
 *
 * Where a pool follows, the stem's slices are not its frames, but what it joins of them for the pool: two of a group. The
 * first is also of the last frame of the group before; so groups are computed in their order.
 */

#include "lib3dcnn/cpu/stream.h"

#include <math.h>

#define MAX_TILES 32

gboolean
cnn3d_stream_groups_stem (const Cnn3dEngine *engine)
{
  const Cnn3dCpuStep *stem = &engine->steps[0];

  return stem->step->in.t % CNN3D_POINT_FRAMES == 0 && stem->step->out.t == stem->step->in.t && stem->n_tiles <= MAX_TILES;
}

void
cnn3d_stream_lay_out_groups (const Cnn3dEngine *engine, Cnn3dCpuSlices *s)
{
  const Cnn3dStep *stem = engine->steps[0].step;
  Cnn3dStepSlices *slices = s->slices->steps;

  s->n_groups = stem->in.t / CNN3D_POINT_FRAMES;
  s->group_slices = CNN3D_POINT_FRAMES;
  s->sums_floats = (gsize) (stem->n_blocks * stem->out.h * stem->out.w) * CNN3D_BLOCK;
  if (!engine->steps[0].joins)
    return;
  s->group_slices /= 2;
  slices[0].n = slices[1].n;
  slices[0].scale = slices[1].scale;
  slices[0].first = slices[1].first;
  slices[0].end = slices[1].end;
  memcpy (slices[0].last_frame, slices[1].last_frame, (gsize) slices[1].n * sizeof *slices[1].last_frame);
}

void
cnn3d_stream_forget_groups (Stream *stream)
{
  for (int g = 0; g < stream->s->n_groups; g++)
    stream->first_slices[g] = -1;
  stream->last_sums = stream->last_frame = -1;
}

/* The first frame of a group of the clip. */
static gint64
start_of (const Stream *stream, int group)
{
  return stream->clip + group * CNN3D_POINT_FRAMES;
}

/* Which of the spare slots is for the first slice of a group, and where that is. */
static int
spare_of (const Stream *stream, gint64 start)
{
  return (int) (start / CNN3D_POINT_FRAMES % stream->s->n_groups);
}

static int *
spare_place (const Stream *stream, gint64 start)
{
  return &stream->places[stream->s->n_frames + spare_of (stream, start)];
}

/* What has to be computed of a group, as parts. */
static int
missing_of (const Stream *stream, int group)
{
  int n = stream->s->group_slices, parts = 0;
  gint64 start = start_of (stream, group);

  for (int k = 0; k < n; k++) {
    if (cnn3d_stream_has (stream, 0, group * n + k))
      continue;
    if (k == 0 && group == 0 && stream->first_slices[spare_of (stream, start)] == start)
      parts |= PART_FIRST;
    else if (k == n - 1 && group < stream->s->n_groups - 1 && stream->last_sums == start)
      parts |= PART_LAST;
    else
      return PART_WHOLE;
  }
  return parts;
}

/* Puts the first slice of the clip in its place. */
static void
take_first (Stream *stream)
{
  int *slot = &stream->places[cnn3d_stream_slot (stream, 0, 0)], *spare = spare_place (stream, stream->clip), place = *slot;

  *slot = *spare;
  *spare = place;
  stream->first_slices[spare_of (stream, stream->clip)] = -1;
  *cnn3d_stream_slot_key (stream, 0, 0) = cnn3d_stream_key (stream, 0, 0);
}

/* Lists what has to be computed, and notes what is going to be there. */
static void
list_part (Stream *stream, int group, Part part)
{
  int n = stream->s->group_slices, n_groups = stream->s->n_groups;
  gint64 start = start_of (stream, group), offset = start - stream->clip;
  gboolean in_step = stream->stride % CNN3D_POINT_FRAMES == 0; /* else clips have other groups */
  Work *work = &stream->work[stream->n_work++];

  *work = (Work){ .t = group, .part = part };
  for (int k = part == PART_WHOLE ? 0 : n - 1; k < n; k++)
    *cnn3d_stream_slot_key (stream, 0, group * n + k) = cnn3d_stream_key (stream, 0, group * n + k);
  stream->last_frame = part == PART_LAST || group < n_groups - 1 ? start : -1;
  if (part == PART_LAST)
    return;
  /* For clips that begin there, and those in which this is not the last group any more. */
  work->makes_first = in_step && offset > 0 && offset % stream->stride == 0;
  work->keeps_last = in_step && group == n_groups - 1 && stream->stride < n_groups * CNN3D_POINT_FRAMES;
  if (work->makes_first)
    stream->first_slices[spare_of (stream, start)] = start;
  if (work->keeps_last)
    stream->last_sums = start;
}

/* Whether each of n groups finds the last frame of the one before, if it needs it. */
static gboolean
groups_follow (const Stream *stream, int n)
{
  gint64 last_frame = stream->last_frame;

  for (int g = 0; g < n; g++) {
    int parts = missing_of (stream, g);

    if (parts == PART_WHOLE && g > 0 && last_frame != start_of (stream, g - 1))
      return FALSE;
    if (parts & (PART_WHOLE | PART_LAST))
      last_frame = start_of (stream, g);
  }
  return TRUE;
}

void
cnn3d_stream_list_groups (Stream *stream)
{
  const Cnn3dCpuSlices *s = stream->s;
  const int *last_frame = s->slices->steps[0].last_frame;
  gboolean all;
  int n = 0;

  while (n < s->n_groups && last_frame[(n + 1) * s->group_slices - 1] < stream->n_frames - stream->clip)
    n++;
  all = stream->engine->steps[0].joins && !groups_follow (stream, n);
  for (int g = 0; g < n; g++) {
    int parts = all ? PART_WHOLE : missing_of (stream, g);

    if (parts & PART_FIRST)
      take_first (stream);
    if (parts & (PART_LAST | PART_WHOLE))
      list_part (stream, g, parts & ~PART_FIRST);
  }
}

/* Keeps the frame that is being pushed. */
void
cnn3d_stream_load_frame (const Stream *stream, float *frame)
{
  const Cnn3dStep *step = stream->engine->steps[0].step;
  gsize n = (gsize) (step->channels_in * step->in.h * step->in.w);

  if (stream->planes)
    memcpy (frame, stream->frame->planes, n * sizeof (float));
  else
    memcpy (frame, stream->frame->rgb, n);
}

/* What a thread works on. */
typedef struct {
  float *rows;   /* [point][channel][pitch], of the frames that a row of the points is of; and after them an empty one */
  float *points; /* [point][row of the kernel][channel][even columns, odd ones][pitch / 2] */
  float *first;  /* likewise of the first point, of the clip that begins with the group */
  float *sums;   /* [block][w][16], of its first frame */
  gsize row_floats, point_floats;
} Room;

static Room
divide_room (const Stream *stream, int thread)
{
  Cnn3dEngine *engine = stream->engine;
  const Cnn3dStep *step = engine->steps[0].step;
  Room room = { .rows = engine->rings + (gsize) thread * engine->ring_floats,
    .row_floats = (gsize) (step->channels_in * cnn3d_winograd_pitch (step)) };

  room.point_floats = (gsize) step->kernel.h * room.row_floats;
  room.points = room.rows + (CNN3D_POINTS + 1) * room.row_floats;
  room.first = room.points + CNN3D_POINTS * room.point_floats;
  room.sums = room.first + room.point_floats;
  g_assert (room.sums + stream->s->sums_floats / (gsize) step->out.h <= room.rows + engine->ring_floats);
  /* Beside the pixels, where nothing else is written. */
  memset (room.rows, 0, (CNN3D_POINTS + 1) * room.row_floats * sizeof (float));
  return room;
}

/* Row h of the stem's padded input at time t of the clip; but for what is beside the pixels. */
static void
load_row (const Stream *stream, int t, int h, float *out)
{
  const Cnn3dCpuSlices *s = stream->s;
  const Cnn3dStep *step = stream->engine->steps[0].step;
  gsize pitch = (gsize) cnn3d_winograd_pitch (step), plane = (gsize) step->in.h * step->in.w;
  const float *frame;
  Cnn3dClip clip;

  h -= step->pad.h;
  if (t < 0 || t >= step->in.t || h < 0 || h >= step->in.h) {
    memset (out, 0, (gsize) step->channels_in * pitch * sizeof (float));
    return;
  }
  frame = stream->memory + s->frames + (gsize) ((stream->clip + t) % s->n_frames) * s->frame_floats;
  clip = (Cnn3dClip){ .planes = stream->planes ? frame : NULL, .rgb = (const guint8 *) frame };
  cnn3d_cpu_load_row (stream->engine, &clip, plane, h, out + CNN3D_STEM_LEFT, pitch);
}

/* A row of the stem's padded input, of the six frames that a group meets, to its place in the points that a part needs. */
static void
transform_row (const Stream *stream, const Work *work, int row, const Room *room)
{
  const Cnn3dKernels *kernels = stream->engine->kernels;
  const Cnn3dStep *step = stream->engine->steps[0].step;
  gboolean last = work->part == PART_LAST;
  gsize place = (gsize) (row % step->kernel.h) * room->row_floats;
  Cnn3dTemporalInputArgs args = { .out = room->points + place, .point_floats = (intptr_t) room->point_floats,
    .n_lines = step->channels_in, .width = cnn3d_winograd_pitch (step) };

  /* The last point meets every second frame. */
  for (int k = last, i = 0; k < CNN3D_POINTS; k += last ? 2 : 1, i++) {
    float *out = room->rows + (gsize) k * room->row_floats;

    load_row (stream, work->t * CNN3D_POINT_FRAMES + k - step->pad.t, row, out);
    args.rows[i] = out;
  }
  if (last) {
    kernels->temporal_input_edge (&args);
    return;
  }
  kernels->temporal_input (&args);
  if (!work->makes_first)
    return;
  args.out = room->first + place;
  args.rows[0] = room->rows + CNN3D_POINTS * room->row_floats;
  args.rows[1] = args.rows[2];
  args.rows[2] = args.rows[4];
  kernels->temporal_input_edge (&args);
}

/* Row y of a place in the stem's ring, in its first block. */
static float *
place_row (const Stream *stream, int place, int y)
{
  const Cnn3dCpuStep *stem = &stream->engine->steps[0];
  int width = stem->joins ? stem[1].step->out.w : stem->step->out.w;

  return stream->memory + stream->s->rings[0].first + (gsize) ((place * stem->step->out.h + y) * width) * CNN3D_BLOCK;
}

static float *
slice_row (const Stream *stream, int t, int y)
{
  return place_row (stream, stream->places[cnn3d_stream_slot (stream, 0, t)], y);
}

/* Of the first slice of a group, for the clip that begins there. */
static float *
spare_row (const Stream *stream, int group, int y)
{
  return place_row (stream, *spare_place (stream, start_of (stream, group)), y);
}

/* For a pool, what the last slice of a group is of beside the last frame. */
static float *
last_rest_row (const Stream *stream, int y)
{
  return stream->engine->steps[0].joins ? place_row (stream, stream->s->n_frames + stream->s->n_groups, y) : NULL;
}

/* And that frame itself. */
static float *
last_frame_row (const Stream *stream, int y)
{
  return stream->engine->steps[0].joins ? place_row (stream, stream->s->n_frames + stream->s->n_groups + 1, y) : NULL;
}

static float *
last_sums_row (const Stream *stream, int y)
{
  const Cnn3dStep *step = stream->engine->steps[0].step;

  return stream->memory + stream->s->sums + (gsize) (y * step->n_blocks * step->out.w) * CNN3D_BLOCK;
}

/* What is the same for all rows of a tile, of all points or from one on. */
static void
init_tile (const Stream *stream, const Cnn3dTile *tile, const float *points, const Room *room, int point,
    Cnn3dTemporalArgs *args)
{
  const Cnn3dCpuStep *stem = &stream->engine->steps[0];
  int copies = cnn3d_temporal_copies (stream->engine->kernels, tile->halves);

  *args = (Cnn3dTemporalArgs){ .x = points, .point_floats = (intptr_t) room->point_floats, .n_taps = tile->n_taps,
    .weights = tile->weights + point * tile->n_taps * tile->halves * CNN3D_HALF * copies, .bias = tile->bias,
    .low = stem->low, .high = stem->high, .joins = stem->joins };
  for (int h = 0; h < tile->halves; h++) {
    int half = tile->first_half + h;

    args->out_offsets[h] = tile->out_offsets[h] - (int32_t) stream->s->rings[0].first;
    args->sums_offsets[h] = half / 2 * stem->step->out.w * CNN3D_BLOCK + half % 2 * CNN3D_HALF;
  }
}

/* Before the first group of a clip there is nothing that a pool could meet. */
static void
clear_last_frame (const Cnn3dTile *tile, const Cnn3dTemporalArgs *args, int width)
{
  for (int h = 0; h < tile->halves; h++)
    for (int i = 0; i < width * CNN3D_BLOCK; i += CNN3D_BLOCK)
      for (int k = 0; k < CNN3D_HALF; k++)
        args->out[2][args->out_offsets[h] + i + k] = -INFINITY;
}

/* Row y of all slices of a group. */
static void
run_whole (const Stream *stream, const Work *work, const Cnn3dTile *tile, int y, const Room *room, Cnn3dTemporalArgs *args)
{
  const Cnn3dCpuStep *stem = &stream->engine->steps[0];
  int n = stream->s->group_slices;

  for (int k = 0; k < n; k++)
    args->out[k] = slice_row (stream, work->t * n + k, y);
  if (args->joins)
    args->out[2] = last_frame_row (stream, y);
  if (work->t == 0 && args->joins)
    clear_last_frame (tile, args, stem[1].step->out.w);
  if (work->keeps_last) {
    args->sums[1] = last_sums_row (stream, y);
    args->rest[1] = last_rest_row (stream, y);
  }
  if (work->makes_first) {
    args->sums[0] = room->sums;
    args->rest[0] = args->joins ? spare_row (stream, work->t, y) : NULL;
  }
  stream->engine->kernels->temporal (args, tile->halves, stem->step->out.w);
}

/* Row y of the first slice of a group, for the clip that begins there, after that of all slices. */
static void
run_first (const Stream *stream, const Work *work, const Cnn3dTile *tile, int y, const Room *room, Cnn3dTemporalArgs *args)
{
  args->sums[0] = room->sums;
  args->out[0] = args->rest[0] = spare_row (stream, work->t, y);
  stream->engine->kernels->temporal_edge (args, tile->halves, stream->engine->steps[0].step->out.w);
}

static void
run_last (const Stream *stream, const Work *work, const Cnn3dTile *tile, int y, Cnn3dTemporalArgs *args)
{
  args->sums[0] = last_sums_row (stream, y);
  args->rest[0] = last_rest_row (stream, y);
  args->out[0] = slice_row (stream, (work->t + 1) * stream->s->group_slices - 1, y);
  args->out[2] = last_frame_row (stream, y);
  stream->engine->kernels->temporal_edge (args, tile->halves, stream->engine->steps[0].step->out.w);
}

/* Rows [first, end) of a group, or of its last slice. */
void
cnn3d_stream_run_group (const Stream *stream, const Work *work, int thread, int first, int end)
{
  const Cnn3dCpuStep *stem = &stream->engine->steps[0];
  const Cnn3dTile *tiles = stream->s->tiles[0];
  const Cnn3dStep *step = stem->step;
  Room room = divide_room (stream, thread);
  Cnn3dTemporalArgs args[MAX_TILES], first_args[MAX_TILES];
  int row = first * step->stride.h;

  for (int i = 0; i < stem->n_tiles; i++) {
    init_tile (stream, &tiles[i], room.points, &room, work->part == PART_LAST ? CNN3D_POINTS - 1 : 0, &args[i]);
    if (work->makes_first)
      init_tile (stream, &tiles[i], room.first, &room, 0, &first_args[i]);
  }
  for (int y = first; y < end; y++) {
    for (; row < y * step->stride.h + step->kernel.h; row++)
      transform_row (stream, work, row, &room);
    for (int i = 0; i < stem->n_tiles; i++) {
      args[i].taps = tiles[i].taps + y * step->stride.h % step->kernel.h * tiles[i].n_taps;
      if (work->part == PART_LAST) {
        run_last (stream, work, &tiles[i], y, &args[i]);
        continue;
      }
      run_whole (stream, work, &tiles[i], y, &room, &args[i]);
      if (work->makes_first) {
        first_args[i].taps = args[i].taps;
        run_first (stream, work, &tiles[i], y, &room, &first_args[i]);
      }
    }
  }
}
