/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs clips through a network on a thread of its own. Elements with the same
 * model and options share one engine, so that a process loads a model once,
 * clips that several streams have ready run as one batch, and the number of
 * threads is bounded.
 */

#include <gst/gst.h>

#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

typedef struct _GstClassifyEngine GstClassifyEngine;
typedef struct _GstClassifyClient GstClassifyClient;

typedef struct
{
  const gchar *model_file;
  const gchar *labels_file;     /* or NULL */
  Cnn3dBackend backend;
  const gchar *device;          /* or NULL */
  Cnn3dPrecision precision;
  gboolean allow_tf32;
  guint threads;
  guint clip_stride;            /* 0: clips do not overlap */
} GstClassifyEngineConfig;

/* A clip on its way through the engine. */
typedef struct
{
  guint8 *rgb;                  /* frames x size x size x 3 */
  gfloat *logits;               /* valid if error is NULL */
  gfloat *features;             /* as well; NULL where the model's card needs none */
  GError *error;
  const gchar *fallback;        /* why the CPU had to take over, or NULL */
  gint64 start, end;            /* timestamps of the clip */
  GstClockTime running_time;    /* of its last frame */
  guint epoch;                  /* the element's, when it was submitted */
  guint stream;                 /* which of the element's clips it is */
  gint64 position;              /* of its first frame among those announced; -1 if
                                 * it has nothing to do with them */
  gpointer owner;               /* the element's; freed with the client's function */
  gint64 submitted, done;       /* monotonic time, us */
} GstClassifyJob;

/* What becomes of a clip, and of those before it, when it is submitted. */
typedef enum
{
  GST_CLASSIFY_SUBMIT_NEWEST,   /* replaces one of the same stream that has not
                                 * been started; never waits */
  GST_CLASSIFY_SUBMIT_ALL,      /* waits while a whole batch of the client has not
                                 * been started */
  GST_CLASSIFY_SUBMIT_DONE,     /* waits until it is done */
} GstClassifySubmit;

/* Called on the engine's thread, with no lock held. */
typedef void (*GstClassifyDone) (gpointer data, const GstClassifyJob * job);

GstClassifyEngine *gst_classify_engine_get (const GstClassifyEngineConfig *
    config, GError ** error);
void gst_classify_engine_unref (GstClassifyEngine * engine);
Cnn3dModel *gst_classify_engine_get_model (GstClassifyEngine * engine);
const gchar *gst_classify_engine_describe (GstClassifyEngine * engine);
/* Why it is not on the GPU that is there, as it was at first; or NULL. */
const gchar *gst_classify_engine_get_fallback (GstClassifyEngine * engine);

/**
 * gst_classify_client_new:
 * @engine: (transfer none): kept alive by the client
 * @clip_stride: as in the engine's config
 * @free_owner: frees the owner of a job that is done or dropped
 *
 * A client is one element with one network. Its callback is never called after
 * gst_classify_client_free().
 */
GstClassifyClient *gst_classify_client_new (GstClassifyEngine * engine,
    guint clip_stride, GstClassifyDone done, GDestroyNotify free_owner, gpointer data);
/* Returns when nothing of the client is in work; drops what was not started. */
void gst_classify_client_free (GstClassifyClient * client);

/**
 * gst_classify_client_begin:
 *
 * Returns: (transfer full): a job whose clip and fields are to be filled in, and
 *   that gst_classify_client_submit() takes back
 */
GstClassifyJob *gst_classify_client_begin (GstClassifyClient * client);

/**
 * gst_classify_client_submit:
 * @job: (transfer full): of gst_classify_client_begin()
 *
 * Returns: how many older clips were dropped for this one: 0 or 1
 */
guint gst_classify_client_submit (GstClassifyClient * client,
    GstClassifyJob * job, GstClassifySubmit how);

/* Whether clips overlap so much that they are run incrementally, on the CPU. On
 * a GPU each is run from scratch, in a batch with others that are ready. */
gboolean gst_classify_client_wants_frames (GstClassifyClient * client);

/**
 * gst_classify_client_announce:
 * @rgb: a frame of clips that will be submitted, copied
 * @position: its number
 *
 * Lets the engine work ahead when it has nothing else to do. Results do not
 * depend on it.
 */
void gst_classify_client_announce (GstClassifyClient * client,
    const guint8 * rgb, gint64 position);

/* Returns when everything that the client has submitted is done. */
void gst_classify_client_drain (GstClassifyClient * client);

/* Drops what has not been started. Returns how many clips that were. */
guint gst_classify_client_flush (GstClassifyClient * client);

G_END_DECLS
