/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stream.c, stream-rings.c, stream-stem.c and stream-lines.c work on. */

#include "lib3dcnn/cpu/engine.h"
#include "lib3dcnn/slices.h"

G_BEGIN_DECLS

/* What a slot holds: the slice at frame `time`, of the clip that begins at frame `clip`, or shared (cnn3d_stream_key()). */
typedef struct {
  gint64 time, clip;
} Key;

/* Of a group of frames of the stem (stream-stem.c). */
typedef enum {
  PART_FIRST = 1 << 0, /* the first slice alone, which meets what is before the group: it has been made with the others */
  PART_LAST = 1 << 1,  /* the last one alone, which meets what is after it */
  PART_WHOLE = 1 << 2,
} Part;

/* Slice t of a step; of a stem by Winograd's filtering a part of group t. */
typedef struct {
  int step, t;
  Part part;
  /* Of a whole group: its first slice for the clip that begins there as well, and what its last one will be made of. */
  gboolean makes_first, keeps_last;
} Work;

/*
 * Where slices of a step lie: [phase][block][slot][h][w][16]. Clips that begin a multiple of the step's scale apart have one
 * phase, so that a stream of such a stride uses one alone; all rings of a scale have theirs together. The ring of a stem that
 * joins frames has one phase, and slots in which every second one is used.
 */
typedef struct {
  gsize first; /* floats: slot 0 of block 0 of phase 0 */
  gsize phase; /* floats from a phase to the next */
  int n_phases, n_slots;
  int step; /* slots from a slice to the next */
} Ring;

/* What all streams of an engine have in common. */
struct _Cnn3dCpuSlices {
  Cnn3dSlices *slices;
  int n_frames;        /* of a clip */
  Ring *rings;         /* of each step; of one that is not kept, only phases are of use */
  int max_slots;       /* of all phases of a ring */
  gsize memory_floats; /* rings and, after them, frames and sums */
  /* Those of a clip: for a stem by Winograd's filtering as they were pushed; else padded planes or lines, then an empty one */
  gsize frames, frame_floats;
  Cnn3dTile **tiles;  /* for each convolution that is not WHOLE: taps and offsets in rings */
  gint32 **blocks;    /* and for those in bfloat16, where the blocks of their input are */
  int32_t *taps;
  int max_work;
  /* Of a stem by Winograd's filtering: */
  int n_groups;            /* of frames in a clip; 0 of any other stem */
  int group_slices;        /* slices of a group */
  gsize sums, sums_floats; /* of the last frame of a group; [h][block][w][16] */
};

typedef struct {
  Cnn3dEngine *engine;
  const Cnn3dCpuSlices *s;
  gpointer block; /* what was allocated for memory */
  float *memory;
  Key *keys; /* [step][phase][slot] */
  Work *work;
  int n_work;
  int32_t *stem_taps; /* for each slice of the stem that is computed */
  gint64 n_frames; /* pushed since the start */
  gint64 clip;     /* the first frame of the clip that is worked on */
  int stride;      /* from there to the next clip's */
  gboolean finish; /* whether it is complete and wanted */
  const Cnn3dClip *frame; /* that is being pushed */
  gboolean planes;        /* what frames were pushed as since the start */
  /* Of a stem by Winograd's filtering, where its slots are in memory: a first slice changes places with a spare one. */
  int *places; /* [frames + n_groups] */
  /* First frames, or -1, of groups of which there are: a first slice in a spare slot, sums of a last frame, a last frame. */
  gint64 *first_slices, last_sums, last_frame;
} Stream;

/* The slot of slice t of step i of the clip that is worked on, the slice's key, and that of what is there. */
static inline int
cnn3d_stream_slot (const Stream *stream, int i, int t)
{
  const Ring *ring = &stream->s->rings[i];

  return (int) ((stream->clip / ring->n_phases + t * ring->step) % ring->n_slots);
}

/* The memory that offsets in rings count from, for the phase of the clip that is worked on. */
static inline float *
cnn3d_stream_phase (const Stream *stream, int i)
{
  const Ring *ring = &stream->s->rings[i];

  return stream->memory + (gsize) (stream->clip % ring->n_phases) * ring->phase;
}

/*
 * Clips share what does not touch their padding; of a stem by Winograd's filtering, those whose groups of frames are the
 * same, as its rounding depends on the group.
 */
static inline Key
cnn3d_stream_key (const Stream *stream, int i, int t)
{
  const Cnn3dStepSlices *slices = &stream->s->slices->steps[i];
  gint64 shared = stream->s->n_groups > 0 ? -1 - stream->clip % CNN3D_POINT_FRAMES : -1;

  return (Key){ stream->clip + t * slices->scale, t >= slices->first && t < slices->end ? shared : stream->clip };
}

/* The slot of frame t of the clip; beyond its ends, that of the empty one. */
static inline int
cnn3d_stream_frame_slot (const Stream *stream, int t)
{
  int n = stream->s->n_frames;

  return t < 0 || t >= n ? n : (int) ((stream->clip + t) % n);
}

static inline Key *
cnn3d_stream_slot_key (const Stream *stream, int i, int t)
{
  const Ring *ring = &stream->s->rings[i];

  return &stream->keys[i * stream->s->max_slots + (int) (stream->clip % ring->n_phases) * ring->n_slots
      + cnn3d_stream_slot (stream, i, t)];
}

static inline gboolean
cnn3d_stream_has (const Stream *stream, int i, int t)
{
  Key want = cnn3d_stream_key (stream, i, t), *key = cnn3d_stream_slot_key (stream, i, t);

  return key->time == want.time && key->clip == want.clip;
}

/* stream-rings.c: NULL if there is nothing to keep. */
Cnn3dCpuSlices *cnn3d_cpu_slices_new (Cnn3dEngine *engine);
gboolean cnn3d_stream_keeps (const Cnn3dCpuSlices *s, int i);
/*
 * Floats of a slice of one block of a step's output, of all slots of one block, and where slot 0 of a block is in phase 0;
 * where a depthwise convolution in half precision reads them, of a pair of blocks, which takes as much.
 */
gsize cnn3d_stream_slice_floats (const Cnn3dEngine *engine, int i);
gsize cnn3d_stream_ring_floats (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, int i);
gsize cnn3d_stream_block_offset (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s, int i, int block);
gboolean cnn3d_stream_is_half (const Cnn3dEngine *engine, int i);
/* Whether slices of a stem are what the pool that follows joins of a frame, rows and columns. */
gboolean cnn3d_stream_pools_stem (const Cnn3dEngine *engine, int i);

/* stream-stem.c: whether a stem by Winograd's filtering can run group by group, and what it needs in memory. */
gboolean cnn3d_stream_groups_stem (const Cnn3dEngine *engine);
void cnn3d_stream_lay_out_groups (const Cnn3dEngine *engine, Cnn3dCpuSlices *s);
/* Slots of the stem's ring beyond those of its slices: spare ones, and two for what it joins of a group's last frames. */
static inline int
cnn3d_stream_more_slots (const Cnn3dEngine *engine, const Cnn3dCpuSlices *s)
{
  return s->n_groups + (s->n_groups > 0 && engine->steps[0].joins ? 2 : 0);
}
/* Which groups and parts of them can be computed of the clip, and are not; and as stream.c does with other stems. */
void cnn3d_stream_list_groups (Stream *stream);
void cnn3d_stream_forget_groups (Stream *stream);
void cnn3d_stream_load_frame (const Stream *stream, float *frame);
void cnn3d_stream_run_group (const Stream *stream, const Work *work, int thread, int first, int end);

/* stream-lines.c: likewise of a stem in bfloat16; floats of a frame's lines. */
gsize cnn3d_stream_lines_floats (const Cnn3dEngine *engine);
void cnn3d_stream_load_lines (const Stream *stream, int thread, float *frame);
void cnn3d_stream_run_lines (const Stream *stream, const Work *work, int thread, int first, int end);

G_END_DECLS
