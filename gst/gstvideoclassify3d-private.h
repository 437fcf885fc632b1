/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two halves of videoclassify3d share: the element (properties, caps,
 * events), and its clips (what is handed to the engine and what comes back). */

#include "gst/gstvideoclassify3d.h"

#include "gst/classifyengine.h"
#include "gst/classifyoutput.h"
#include "gst/classifysettings.h"
#include "gst/classifytracks.h"
#include "gst/clipwindow.h"
#include "gst/framescaler.h"

G_BEGIN_DECLS

/* Durations that the percentiles of the statistics are taken from. */
#define N_DURATIONS 128

enum
{
  GST_VIDEO_CLASSIFY_3D_RESULT,
  GST_VIDEO_CLASSIFY_3D_EVENT,
  GST_VIDEO_CLASSIFY_3D_N_SIGNALS
};

extern guint gst_video_classify_3d_signals[GST_VIDEO_CLASSIFY_3D_N_SIGNALS];

typedef struct
{
  guint64 frames, due, done, skipped;
  guint n_durations;
  gfloat durations[N_DURATIONS];        /* ms, ring */
} GstVideoClassify3DStats;

struct _GstVideoClassify3D
{
  GstBaseTransform parent;

  GstClassifySettings settings; /* guarded by the object lock */

  /* From start to stop; used by the streaming thread. */
  GstClassifyEngine *engine;
  GstClassifyClient *client;
  Cnn3dModel *network;          /* the engine's */
  GstClipWindow *window;
  guint8 *clip;                 /* frames x size x size x 3 */
  gsize frame_size;
  GstVideoInfo info;            /* from caps on, as is scaler */
  GstFrameScaler *scaler;
  gdouble rate;                 /* of sampling */
  guint clip_stride;
  GstClockTime frame_duration;
  gboolean is_first;            /* no buffer has come yet */
  gboolean is_live;
  GstClockTime next_pts;        /* if a buffer has none */

  /* Shared with the engine's thread. */
  GMutex lock;
  guint epoch;                  /* changes when the stream is forgotten */
  GstClassifyOutput *output;
  GstVideoClassifyResult *result;       /* of the newest clip */
  GstClassifyTracks *tracks;    /* with roi meta, else NULL */
  gboolean failed;
  GstVideoClassify3DStats stats;
  GstClockTime last_pts;
  GstClockTime latency;         /* of the slowest clip, reported in sync mode */
};

GstStructure *gst_video_classify_3d_make_stats (GstVideoClassify3D * self);
gboolean gst_video_classify_3d_is_async (GstVideoClassify3D * self);
/* GstClassifyDone: a clip comes back from the engine, on its thread. */
void gst_video_classify_3d_clip_done (gpointer data,
    const GstClassifyJob * job);
/* Takes what is wanted of a frame, and hands on the clips that it completes.
 * Returns FALSE if the frame cannot be read. */
gboolean gst_video_classify_3d_take_frame (GstVideoClassify3D * self,
    GstBuffer * buffer, GstClockTime pts);
/* Attaches the newest results to a buffer. */
void gst_video_classify_3d_attach (GstVideoClassify3D * self,
    GstBuffer * buffer, GstClockTime pts);
/* What is due at the end is posted before EOS is forwarded. */
void gst_video_classify_3d_finish (GstVideoClassify3D * self);

G_END_DECLS
