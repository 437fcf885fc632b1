/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A loaded model as one element uses it: its share of an engine, and what the
 * settings say of its clips. Immutable. */

#include "gst/classifyengine.h"
#include "gst/classifysettings.h"

G_BEGIN_DECLS

typedef struct _GstClassifyNetwork GstClassifyNetwork;

/* Takes a network that nothing uses any more, to free it. */
typedef void (*GstClassifyRetire) (gpointer data, GstClassifyNetwork * network);

typedef struct
{
  GstClassifyDone done;
  GDestroyNotify free_owner;
  GstClassifyRetire retire;
  gpointer data;
} GstClassifyNetworkUser;

struct _GstClassifyNetwork
{
  gatomicrefcount ref_count;
  GstClassifyNetworkUser user;
  GstClassifySettings settings; /* that it was loaded with */
  gchar *path, *name;
  GstClassifyEngine *engine;
  GstClassifyClient *client;
  Cnn3dModel *model;            /* the engine's */
  guint frames, size;
  gsize frame_size;             /* bytes of a frame */
  guint clip_stride;
  gdouble rate;                 /* of sampling, frames per second */
  gboolean rate_is_guessed;     /* neither model nor settings give one */
};

/* Loads a model, or shares it with elements that have it already. */
GstClassifyNetwork *gst_classify_network_load (const GstClassifySettings *
    settings, const GstClassifyNetworkUser * user, GError ** error);
GstClassifyNetwork *gst_classify_network_ref (GstClassifyNetwork * network);
/* The last one calls the user's retire(). */
void gst_classify_network_unref (GstClassifyNetwork * network);
/* Finishes the clips that are in work, then frees. For retire(). */
void gst_classify_network_free (GstClassifyNetwork * network);

/* Whether frames that were taken for one serve the other as well. */
gboolean gst_classify_network_same_frames (const GstClassifyNetwork * a,
    const GstClassifyNetwork * b);

/* How long a clip is, in nanoseconds. */
GstClockTime gst_classify_network_get_clip_duration (const GstClassifyNetwork *
    network);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstClassifyNetwork, gst_classify_network_unref)

G_END_DECLS
