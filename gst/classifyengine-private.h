/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What classifyengine.c, the thread and its sessions, and classifyclient.c, what is
 * asked of them, have in common. */

#include "gst/classifyengine.h"
#include "gst/classifystream.h"

G_BEGIN_DECLS

/* Clips in a run; more would only make the first of them wait. */
#define MAX_BATCH 16

struct _GstClassifyEngine
{
  gint ref_count;               /* guarded by engines_lock */
  gchar *key;
  Cnn3dModel *model;
  /* At TRUE one with a direct stem, which runs overlapping clips of some strides
   * faster; made when a client first needs it. On a GPU they are one and the same. */
  Cnn3dSession *sessions[2];    /* guarded by the lock */
  gint on_gpu[2];               /* atomic; no more when the CPU takes over */
  /* Of each, as it was at first: it may move to the CPU while it runs. Guarded by
   * engines_lock. */
  gchar *descriptions[2], *fallbacks[2];
  gsize clip_size, frame_size;
  guint frames;
  gint classes;
  gint n_features;              /* 0: the model's card needs none */
  gulong slow_us;

  GThread *thread;
  GMutex lock;
  GCond work, done;
  gboolean quit;
  GQueue jobs;                  /* Entry, not started */
  GQueue announced;             /* Frame, not started */
  GPtrArray *idle;              /* Entry, to be used again */
  guint8 *batch;                /* MAX_BATCH clips */
  gfloat *logits, *features;    /* features: NULL if there are none */
};

struct _GstClassifyClient
{
  GstClassifyEngine *engine;
  GstClassifyDone done;
  GDestroyNotify free_owner;
  gpointer data;
  guint clip_stride;
  gboolean overlaps;            /* so much that clips are run incrementally */
  gboolean direct;              /* which of the engine's sessions */
  GstClassifyStream *stream;    /* the engine's thread's, of stream 0 */
  guint n_running, n_announced; /* guarded by the engine's lock */
};

typedef struct
{
  GstClassifyJob job;           /* the first, so that a job is its entry */
  GstClassifyClient *client;
} Entry;

/* A frame on its way to the engine, ahead of its clip. */
typedef struct
{
  GstClassifyClient *client;
  gint64 position;
  guint8 rgb[];
} Frame;

GstClassifyEngine *gst_classify_engine_ref (GstClassifyEngine * engine);

/* Takes back an entry that is done with. Called with the lock held. */
void gst_classify_engine_recycle (GstClassifyEngine * engine, Entry * entry);

/* Where clips share half of their frames, running them incrementally is less
 * work. */
gboolean gst_classify_engine_overlaps_enough (GstClassifyEngine * engine,
    guint clip_stride);

/* Which of two sessions is for clips of this stride. */
gboolean gst_classify_engine_wants_direct (GstClassifyEngine * engine,
    guint clip_stride);

G_END_DECLS
