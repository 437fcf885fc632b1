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
  guint threads;
} GstClassifyEngineConfig;

/* A clip on its way through the engine. */
typedef struct
{
  guint8 *rgb;                  /* frames x size x size x 3 */
  gfloat *logits;               /* valid if error is NULL */
  GError *error;
  gint64 start, end;            /* timestamps of the clip */
  guint epoch;                  /* the element's, when it was submitted */
  guint stream;                 /* which of the element's clips it is */
  gint64 submitted, done;       /* monotonic time, us */
} GstClassifyJob;

/* Called on the engine's thread, with no lock held. */
typedef void (*GstClassifyDone) (gpointer data, const GstClassifyJob * job);

GstClassifyEngine *gst_classify_engine_get (const GstClassifyEngineConfig *
    config, GError ** error);
void gst_classify_engine_unref (GstClassifyEngine * engine);
Cnn3dModel *gst_classify_engine_get_model (GstClassifyEngine * engine);
const gchar *gst_classify_engine_describe (GstClassifyEngine * engine);

/**
 * gst_classify_client_new:
 * @engine: (transfer none): kept alive by the client
 *
 * A client is one element. Its callback is never called after
 * gst_classify_client_free().
 */
GstClassifyClient *gst_classify_client_new (GstClassifyEngine * engine,
    GstClassifyDone done, gpointer data);
void gst_classify_client_free (GstClassifyClient * client);

/**
 * gst_classify_client_submit:
 * @rgb: frames of the clip, copied
 * @wait: whether to return only when the clip is done. Else the clip replaces
 *   one of the same @stream that has not been started
 *
 * Returns: how many older clips were dropped for this one: 0 or 1
 */
guint gst_classify_client_submit (GstClassifyClient * client,
    const guint8 * rgb, gint64 start, gint64 end, guint epoch, guint stream,
    gboolean wait);

/* Returns when everything that the client has submitted is done. */
void gst_classify_client_drain (GstClassifyClient * client);

/* Drops what has not been started. */
void gst_classify_client_flush (GstClassifyClient * client);

G_END_DECLS
