/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A plan made ready for this CPU: weights packed into tiles, offsets resolved, threads waiting. */

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cpu/deal.h"
#include "lib3dcnn/cpu/isa.h"
#include "lib3dcnn/cpu/workers.h"
#include "lib3dcnn/fold.h"
#include "lib3dcnn/plan.h"

G_BEGIN_DECLS

/* Output channels that are computed together, and the taps that they need. */
typedef struct {
  int first_half, halves;
  gboolean paired; /* a tap is two inputs (paired_tmpl.h) */
  int n_taps;
  const int32_t *taps;
  const float *weights, *bias;
  int32_t out_offsets[CNN3D_MAX_HALVES]; /* from the arena */
  int32_t residual_offsets[CNN3D_MAX_HALVES];
  gboolean to_half; /* in a chain: as Cnn3dBf16ConvArgs.half */
} Cnn3dTile;

/*
 * Where half h of a block goes, counted over all blocks, from the first one on, of blocks so many floats apart; to_half: in
 * halves, of pairs of blocks.
 */
static inline int32_t
cnn3d_half_offset (int h, gsize block, gboolean to_half)
{
  return to_half ? (int32_t) ((gsize) (h / 4) * 2 * block) + h % 4 * CNN3D_HALF
                 : (int32_t) ((gsize) (h / 2) * block) + h % 2 * CNN3D_HALF;
}

/* Of a row's words in bfloat16, those that a group of channels reads: whole units. */
typedef struct {
  int first, units;
} Cnn3dBf16Group;

/* The words of a position that a step reads in bfloat16 (bf16-pack.c). */
typedef struct {
  int *channel;           /* of each word: an input channel, or -1 */
  Cnn3dBf16Group *groups; /* of the convolution */
  gint32 *blocks;         /* where the input's blocks begin, from the arena */
  guint16 *lanes;         /* of each: a bit for each lane that is read */
  int n_blocks;
  /*
   * So that a tap of AMX is as many inputs as it can be, those of one block are followed by those of the next position (2),
   * or hi by lo, which two taps read: one multiplies both by hi of the weights, one hi by lo of these.
   */
  int columns;
  gboolean split;
  Cnn3dBf16Gather *gathers; /* NULL: in natural order */
  int n_gathers;
  gssize step; /* words from one position to the next */
} Cnn3dBf16Rows;

/* The bytes of a pixel, by the model's card: how each is normalised, and which channel of the input it is. */
typedef struct {
  float mean[3], scale[3];
  int plane[3];
} Cnn3dPixelBytes;

typedef struct _Cnn3dEngine Cnn3dEngine;
typedef struct _Cnn3dCpuSlices Cnn3dCpuSlices;

typedef struct {
  const Cnn3dStep *step;
  /* Runs one thread's share. */
  void (*run) (Cnn3dEngine *engine, gsize index, int thread);
  float low, high;
  Cnn3dTile *tiles; /* of convolutions other than depthwise */
  int n_tiles;
  /* For steps that are split by tiles: the tiles of each thread (n_threads + 1), of this run and of any. */
  const int *tile_split;
  int *splits; /* for 1 to max_threads threads, one list after the other */
  int winograd_frames, winograd_size; /* tiles of a dense convolution in dense.c; else 0 */
  gboolean temporal; /* a stem by Winograd's filtering over frames; tiles hold the taps of one frame */
  gboolean joins;    /* then, it joins columns and frames for the pool that follows */
  gboolean in_lines; /* a stem in bfloat16 (lines.h), which has no tiles; a pool that follows is computed together with it */
  const float *weights, *bias; /* of DEPTHWISE: [block][n_taps][16] and [block][16]; or see gemm.c, lines.c */
  const float *begin;          /* what sums of a stem on lines of bytes begin with (lines-border.c), or NULL */
  int first_tap, n_taps;       /* of DEPTHWISE: those of 27 that ever meet more than the border */
  gboolean in_bf16;            /* products in bfloat16; tiles are in its order */
  Cnn3dBf16Rows *bf16;         /* then, but for a stem */
  gboolean in_half; /* DEPTHWISE, in half precision: weights and bias of pairs of blocks, [pair][n_taps][32] and [pair][32] */
  guint16 half_low, half_high;
} Cnn3dCpuStep;

struct _Cnn3dEngine {
  Cnn3dModel *model;
  Cnn3dPlan *plan;
  const Cnn3dKernels *kernels;
  const Cnn3dBf16 *bf16; /* NULL in fp32 */
  int parts;             /* of a number in bfloat16: 1, 2 for bf16x3, or CNN3D_EXACT_PARTS where fp32 has stems so */
  Cnn3dPixelBytes bytes;
  Cnn3dBf16Colors colors; /* of the model's card */
  int n_threads;   /* of this run */
  int max_threads; /* of any */
  int n_cpus;      /* that the process may run on */
  Cnn3dWorkers *workers;
  Cnn3dEngine **lanes; /* max_threads or none: each runs clips by itself, on one thread (cpu.c) */
  Cnn3dCpuStep *steps;
  float *memory;  /* that all but weights lie in */
  float *arena;
  float *weights; /* of all steps */
  int32_t *taps;
  gsize padded_floats;
  float *padded;          /* the stem's input: [3][T + 2p][S + 2p][S + 2p], its border zero */
  float *scratch;         /* padded input of dense convolutions */
  gsize scratch_floats;
  float *lines;           /* for each thread, a row of the largest pool */
  gsize line_floats;
  const float **rows;     /* for each thread, pointers to the input rows of a pool's output */
  gsize n_rows;
  gboolean use_gemm; /* 1x1x1 convolutions by OpenBLAS */
  float *gemm;       /* for each thread, its matrices */
  gsize gemm_floats;
  float *rings;      /* for each thread, what a chain works on (chain.c) */
  gsize ring_floats;
  float *words; /* bfloat16: padded input of dense convolutions */
  gsize words_floats;
  float *thread_words; /* for each thread: rows of a chunk of positions */
  gsize thread_words_floats;
  gint64 *times; /* of a profile: nanoseconds at the start of each step and at the end; else NULL */
  Cnn3dCpuSlices *slices; /* from the first stream on, else NULL */
  /* The clip that is being run. */
  Cnn3dClip clip;
};

/* Floats, zero, for g_aligned_free(). */
float *cnn3d_cpu_alloc (gsize n);
/* Of all CPUs that matter here; and whole ones for so many bytes, which begin at one. */
#define CNN3D_HUGE_PAGE ((gsize) 2 << 20)
static inline gsize
cnn3d_huge_pages (gsize bytes)
{
  return (bytes + CNN3D_HUGE_PAGE - 1) / CNN3D_HUGE_PAGE * CNN3D_HUGE_PAGE;
}
void cnn3d_want_huge_pages (gpointer p, gsize bytes);

/* Fills in steps, tiles, packed weights. */
void cnn3d_cpu_pack (Cnn3dEngine *engine);

/* pairs.c: whether the inputs of a group lie in pairs; and what pack.c does for other tiles, whose groups are bits. */
gboolean cnn3d_cpu_pairs_up (const Cnn3dEngine *engine, const Cnn3dStep *step, int group);
void cnn3d_cpu_pack_pairs (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dFolded *folded, Cnn3dTile *tile,
    guint64 groups, int32_t *taps, float *weights);

/* winograd.c: likewise. */
void cnn3d_winograd_pack_temporal (const Cnn3dEngine *engine, const Cnn3dStep *step,
    const Cnn3dFolded *folded, Cnn3dTile *tile, int32_t *taps, float *weights);
void cnn3d_winograd_pack_dense (const Cnn3dCpuStep *s, const Cnn3dFolded *folded, Cnn3dTile *tile,
    int32_t *taps, float *weights);
/*
 * Lines of the planes that a stem's transform over frames reads and writes: a border, pixels from a whole vector on, and
 * a border again if the last position meets one. Both halves of what is written, of even and of odd columns, are whole
 * vectors.
 */
#define CNN3D_STEM_LEFT CNN3D_BLOCK
static inline int
cnn3d_winograd_pitch (const Cnn3dStep *step)
{
  int right = (step->out.w - 1) * step->stride.w + step->kernel.w - step->pad.w;

  return (CNN3D_STEM_LEFT + MAX (step->in.w, right) + 2 * CNN3D_BLOCK - 1) / (2 * CNN3D_BLOCK) * (2 * CNN3D_BLOCK);
}
/* Points of a tile of mt x m x m outputs. */
int cnn3d_winograd_points (int mt, int m);

/* dense.c: dense convolutions by Winograd's minimal filtering. */
gboolean cnn3d_winograd_fits (const Cnn3dStep *step);
void cnn3d_winograd_init (Cnn3dCpuStep *s); /* chooses the size of tiles */
gboolean cnn3d_winograd_splits_channels (const Cnn3dCpuStep *s);
/* Floats in engine->scratch, and in each thread's part of engine->rings, once tiles have been made. */
void cnn3d_winograd_room (const Cnn3dCpuStep *s, gsize *shared, gsize *of_thread);
int32_t cnn3d_winograd_tap (const Cnn3dCpuStep *s, int channel);
void cnn3d_cpu_run_winograd (Cnn3dEngine *engine, gsize index, int thread);

/* The first of a step's splits for n threads. */
static inline const int *
cnn3d_split_for (const int *splits, int n)
{
  return splits + (n - 1) * (n + 2) / 2;
}

/* Calls func on as many threads as there are CPUs for, with engine->n_threads set. */
void cnn3d_cpu_run_on_threads (Cnn3dEngine *engine, Cnn3dWorkersFunc *func, gpointer data);

/*
 * Below this many positions a step streams weights, and threads split output channels instead, unless its weights are few
 * (pack.c).
 */
#define CNN3D_SPLIT_POSITIONS 392

/*
 * Positions that are run through all tiles before the next ones: the input of a chunk stays in the
 * first or second cache while the weights stream past it. A multiple of every tile's positions.
 */
#define CNN3D_CHUNK 96

/* Positions that threads deal out: of these, whole tiles. */
#define CNN3D_UNIT 24

/* How many of the positions that are left make the next chunk: a few alone would read all weights again. */
#define CNN3D_MAX_CHUNK (CNN3D_CHUNK + CNN3D_UNIT - 1)
static inline int
cnn3d_next_chunk (gint64 left)
{
  return left <= CNN3D_MAX_CHUNK ? (int) left : CNN3D_CHUNK;
}

/*
 * All that a tile says of a call, without residual. Compilers clear an initialized structure of this size by an
 * instruction that takes as long as many a row; so fields are assigned.
 */
static inline void
cnn3d_cpu_init_conv (Cnn3dConvArgs *args, const Cnn3dCpuStep *s, const Cnn3dTile *tile)
{
  args->taps = tile->taps;
  args->n_taps = tile->n_taps;
  args->weights = tile->weights;
  args->bias = tile->bias;
  args->residual = NULL;
  memcpy (args->out_offsets, tile->out_offsets, sizeof args->out_offsets);
  args->low = s->low;
  args->high = s->high;
}

/* Of a 1x1x1 convolution. */
static inline Cnn3dConvFunc *
cnn3d_cpu_conv_of (const Cnn3dEngine *engine, const Cnn3dTile *tile)
{
  return tile->paired ? engine->kernels->conv_paired : engine->kernels->conv_blocked;
}

/* steps.c: what Cnn3dCpuStep.run may be. */
void cnn3d_cpu_run_pointwise (Cnn3dEngine *engine, gsize index, int thread);
void cnn3d_cpu_run_stem (Cnn3dEngine *engine, gsize index, int thread);
void cnn3d_cpu_run_conv (Cnn3dEngine *engine, gsize index, int thread);
void cnn3d_cpu_run_blocks (Cnn3dEngine *engine, gsize index, int thread);
/* This thread's part of copying a step's input to engine->scratch, with a border up to `padded`. */
void cnn3d_cpu_pad (Cnn3dEngine *engine, const Cnn3dStep *step, Cnn3dExtent padded, int thread);
/*
 * chain.c: tiles from `first` on that have whole blocks of the output to themselves, or where these lie together whole
 * pairs, of max blocks where they need no more; and how many blocks these are.
 */
int cnn3d_cpu_end_of_group (const Cnn3dCpuStep *s, int first, int max, int together);
int cnn3d_cpu_blocks_of_group (const Cnn3dCpuStep *s, int first, int end);
/* chain.c: a whole chain of steps (plan.h), from its first. */
void cnn3d_cpu_run_chain (Cnn3dEngine *engine, gsize index, int thread);
/*
 * Of a chain that a pointwise convolution begins, outputs [first, first + n) of the depthwise convolution after it, from and
 * to a stream's rings. Time t of what is read is frame in_start + t modulo in_frames; likewise of what is written.
 */
typedef struct {
  int first, n;
  const Cnn3dTile *tiles; /* of the first step, with taps from `in` on */
  const gint32 *blocks;   /* likewise in bfloat16, where the blocks of its input are */
  const float *in;
  float *out;
  gsize in_frame, out_frame, out_block;
  int in_frames, in_start, out_frames, out_start;
} Cnn3dChainSlices;
void cnn3d_cpu_run_chain_slices (Cnn3dEngine *engine, gsize index, int thread, const Cnn3dChainSlices *slices);
/* Places what its last step reads in a thread's room: after tiles have been cut, before taps are listed. */
void cnn3d_cpu_place_chain (Cnn3dEngine *engine, gsize i);
/* Floats that a thread needs for the chain that begins at step i. */
gsize cnn3d_cpu_chain_floats (const Cnn3dEngine *engine, gsize i);

/* steps.c, for chains: where rows of a depthwise convolution or pool read, and where the first of them is written. */
typedef struct {
  const float *in;  /* of the block: frame 0, row 0 */
  gsize in_frame;   /* floats between frames; time t is frame (in_start + t * in_scale) modulo in_frames */
  int in_frames, in_start, in_scale, in_first_row;
  /* Rows from in_first_row up to this one are elsewhere, of frame 0 from here on, and so many floats further for each time. */
  int kept_end;
  const float *kept;
  gsize kept_frame;
  const int *in_places; /* where these frames are; NULL: in order */
  gboolean joined; /* the stem has joined a pool's columns: rows are as wide as its output (temporal_tmpl.h, lines.h) */
  gboolean joined_rows, joined_frames; /* and there are as many rows, or frames */
  float *out;
  gboolean words; /* out is words in bfloat16; and from hi to lo, if they are of two parts */
  gssize part;
  float *second;  /* in half precision, as of Cnn3dHalfArgs */
} Cnn3dRow;
/* n rows of frame t from h on, which are written one after the other; in half precision of this block and the next one. */
void cnn3d_cpu_run_rows (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, int block, int t, int h, int n,
    const Cnn3dRow *first);
/* Positions [first, end) of some tiles of a pointwise convolution; its taps are counted from x on for the first of them. */
void cnn3d_cpu_run_positions (Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread, const float *x, gint64 first,
    gint64 end, int first_tile, int end_tile);
/* Row i of the rows of all frames of a clip, into row 0 of each plane; gaps from plane to plane in floats. */
void cnn3d_cpu_load_row (const Cnn3dEngine *engine, const Cnn3dClip *clip, gsize plane, int i, float *out,
    gsize out_plane);
/* Of the clip that was run; features may be NULL. */
void cnn3d_cpu_read_results (const Cnn3dEngine *engine, float *logits, float *features);

/* stream.c */
extern const Cnn3dStreamClass cnn3d_cpu_stream;
void cnn3d_cpu_slices_free (Cnn3dCpuSlices *slices);

float *cnn3d_cpu_output_row (const Cnn3dEngine *engine, const Cnn3dStep *step, int block, int t, int h);
/* Brings the clip into engine->padded. */
void cnn3d_cpu_load_clip (Cnn3dEngine *engine, int thread);

/*
 * gemm.c: 1x1x1 convolutions by OpenBLAS. The baseline of x86-64 has vectors of 4 and no FMA, while
 * OpenBLAS picks its kernels by itself; that of aarch64 is NEON, which the own kernels use as well.
 */
#ifndef __aarch64__
#define CNN3D_BASELINE_IS_SLOW TRUE
#else
#define CNN3D_BASELINE_IS_SLOW FALSE
#endif
gboolean cnn3d_gemm_init (const Cnn3dKernels *kernels); /* whether it is to be used at all */
gboolean cnn3d_gemm_wanted (const Cnn3dEngine *engine, const Cnn3dStep *step);
gsize cnn3d_gemm_scratch (const Cnn3dStep *step);
void cnn3d_gemm_pack (const Cnn3dStep *step, const Cnn3dFolded *folded, float *weights);
void cnn3d_cpu_run_gemm (Cnn3dEngine *engine, gsize index, int thread);

/* bf16.c: whether a step's products are computed in bfloat16. */
gboolean cnn3d_bf16_wanted (const Cnn3dEngine *engine, const Cnn3dStep *step);
void cnn3d_bf16_init_colors (Cnn3dEngine *engine);
/* Floats of engine->words, and of each thread's part of engine->thread_words. */
void cnn3d_bf16_room (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, gsize *shared, gsize *of_thread);

/* Rows of words that products read: hi, and of bf16x3 lo, which is `part` words further. */
typedef struct {
  const guint16 *x;
  gssize part, step;
} Cnn3dWords;

/*
 * n positions of a 1x1x1 convolution's input from x on, CNN3D_MAX_CHUNK at most, in a thread's own room until it converts
 * the next ones. blocks: where its blocks are, or NULL if x is in the arena.
 */
Cnn3dWords cnn3d_bf16_convert (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const float *x,
    const gint32 *blocks, int n, int thread);
/* n positions of one tile; offsets of the tile are from out and residual, which may be NULL. */
void cnn3d_bf16_multiply (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dTile *tile,
    const Cnn3dWords *words, float *out, const float *residual, int n);
/*
 * Positions [first, end) of a 1x1x1 convolution, of words that are in place, in natural order: each 32 of a position so many
 * words apart, from one position to the next 32. part: words from hi to lo.
 */
void cnn3d_bf16_run_words (Cnn3dEngine *engine, const Cnn3dCpuStep *s, const guint16 *x, gssize apart, gssize part, gint64 first,
    gint64 end);
/* Parts of a step's rows and weights as kernels have them. */
static inline int
cnn3d_bf16_parts (const Cnn3dEngine *engine, const Cnn3dCpuStep *s)
{
  return s->bf16 != NULL && s->bf16->split ? 1 : engine->parts;
}
/* A thread's share of bringing the input of a dense convolution into engine->words. */
void cnn3d_bf16_load (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int thread);
/* What a thread has to do at the end of a run. */
static inline void
cnn3d_bf16_release (const Cnn3dEngine *engine)
{
  if (engine->bf16 != NULL && engine->bf16->release != NULL)
    engine->bf16->release ();
}
/* What the outputs of row h of frame t read of it. */
Cnn3dWords cnn3d_bf16_loaded_row (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, int t, int h);

/* bf16.c: whether a depthwise convolution is computed in half precision, once the step before it has been filled in. */
gboolean cnn3d_half_wanted (const Cnn3dEngine *engine, const Cnn3dCpuStep *s);
/* Blocks of a depthwise convolution that weights are packed for, in half precision pairs of these. */
static inline int
cnn3d_depthwise_places (const Cnn3dCpuStep *s)
{
  return s->in_half ? (s->step->n_blocks + 1) / 2 : s->step->n_blocks;
}
/* bf16-pack.c: the word nearest to a float, as VCVTNEPS2BF16 rounds; of no NaN; and back. */
guint16 cnn3d_bf16_round (float f);
/* A float as a sum of so many words, the largest first, so many apart. */
void cnn3d_bf16_split (float f, int parts, guint16 *words, int apart);
float cnn3d_bf16_to_float (guint16 word);
/* bf16-pack.c: the half nearest to a float, the largest one at most. */
guint16 cnn3d_half_round (float f);

/* bf16-pack.c. Taps [first, end) of the kernel, and the groups of a tile as bits. */
Cnn3dBf16Rows *cnn3d_bf16_rows_new (const Cnn3dEngine *engine, const Cnn3dStep *step);
void cnn3d_bf16_rows_free (Cnn3dBf16Rows *rows);
int cnn3d_bf16_taps (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, guint64 groups, int first, int end);
void cnn3d_bf16_pack (const Cnn3dEngine *engine, const Cnn3dCpuStep *s, const Cnn3dFolded *folded,
    Cnn3dTile *tile, guint64 groups, int first, int end, gint32 *taps, float *weights);
/*
 * Of a stem, which reads pixels in units of their own (Cnn3dBf16Colors): the weight of a byte of a pixel at one of the 27
 * places of the kernel, and an output channel's bias.
 */
float cnn3d_bf16_stem_weight (const Cnn3dEngine *engine, const Cnn3dFolded *folded, int channel, int place, int byte);
float cnn3d_bf16_stem_bias (const Cnn3dEngine *engine, const Cnn3dFolded *folded, int channel);

/* Where a lane's first position lies, from the arena's start. */
static inline gsize
cnn3d_lane_offset (const Cnn3dEngine *engine, const Cnn3dLane *lane)
{
  const Cnn3dBuffer *b = cnn3d_plan_buffer (engine->plan, lane->buffer);

  return b->offset + (gsize) (lane->lane / CNN3D_BLOCK) * (gsize) b->positions * CNN3D_BLOCK
      + (gsize) (lane->lane % CNN3D_BLOCK);
}

/* Deals a step's units out to the threads of this run. */
static inline Cnn3dDeal
cnn3d_cpu_deal (const Cnn3dEngine *engine, int thread, int total, const int *split)
{
  return cnn3d_deal (engine->workers, thread, engine->n_threads, total, split);
}

/* Rows and columns of the padded input of a convolution. */
static inline Cnn3dExtent
cnn3d_padded_extent (const Cnn3dStep *step)
{
  return (Cnn3dExtent){ step->in.t + 2 * step->pad.t, step->in.h + 2 * step->pad.h,
    step->in.w + 2 * step->pad.w };
}

G_END_DECLS
