/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two halves of videoclassify3d share: the element (properties, caps,
 * events), and its clips (what is handed to the engine and what comes back). */

#include "gst/gstvideoclassify3d.h"

#include "gst/classifytracks.h"

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
  GstClassifyNetwork *network;  /* for clips to come */
  GstClassifyLane picture;      /* the whole picture's clips */
  GstVideoInfo info;            /* from caps on */
  GstClockTime frame_duration;
  gboolean ids_warned;          /* that objects have no ids */
  gboolean is_first;            /* no buffer has come yet */
  GstClockTime last_time;       /* up to which the stream has come */
  GstClockTime next_pts;        /* if a buffer has none */

  /* Shared with the engine's thread, and guarded by the lock, as are the outputs
   * and results of lanes. */
  GMutex lock;
  guint epoch;                  /* changes when the stream is forgotten */
  gboolean is_live;
  GstClassifyTracks *tracks;    /* with roi meta, else NULL */
  gboolean failed;
  gboolean fallback_warned;     /* that the CPU had to take over */
  GstVideoClassify3DStats stats;
  GstClockTime last_pts;
  GstSegment segment;           /* of the clips of this epoch */
  GstClockTime latency;         /* of the slowest clip, reported in sync mode */

  /* Models that are changed while the element runs. */
  GMutex models_lock;           /* taken after the lock, if both are */
  gboolean running;
  GThread *loader;              /* from the first change on */
  GCond loader_work;
  gboolean reload, loader_quit;
  GstClassifyNetwork *newest;   /* that was loaded */
  GstClassifyNetwork *pending;  /* loaded, not yet seen by the streaming thread */
  GQueue retired;               /* networks to be freed */
};

/* gstvideoclassify3d.c */
/* What auto means here: never AUTO. */
GstClassifyMode gst_video_classify_3d_get_mode (GstVideoClassify3D * self);

/* gstvideoclassify3d-clips.c: from frames to clips, and what comes back */

/* GstClassifyDone: a clip comes back from the engine, on its thread. */
/* Posts, once, that the CPU runs what was to run on the GPU. */
void gst_video_classify_3d_warn_fallback (GstVideoClassify3D * self,
    const gchar * reason);
void gst_video_classify_3d_clip_done (gpointer data,
    const GstClassifyJob * job);
/* Tells elements downstream how long clips are. */
void gst_video_classify_3d_announce (GstVideoClassify3D * self);
/* Takes what is wanted of a frame, and hands on the clips that it completes.
 * Returns FALSE if the frame cannot be read. */
gboolean gst_video_classify_3d_take_frame (GstVideoClassify3D * self,
    GstBuffer * buffer, GstClockTime pts);
/* Nothing comes up to a time: what is due until then is handed on. */
void gst_video_classify_3d_pass_time (GstVideoClassify3D * self,
    GstClockTime time);
/* Drops the part-filled clips; what follows has nothing to do with what was.
 * Results of clips in work are dropped when they come. An interruption keeps
 * the sums for the summary, a new stream does not. */
void gst_video_classify_3d_interrupt (GstVideoClassify3D * self,
    gboolean forget);
/* Before another stream or segment, or where the stream is interrupted: waits for
 * what is queued with mode=queue, which only a flush drops, and sends downstream
 * what no buffer has carried. */
void gst_video_classify_3d_finish_stream (GstVideoClassify3D * self);
/* What is due at the end is posted before EOS is forwarded. */
void gst_video_classify_3d_finish (GstVideoClassify3D * self);

/* gstvideoclassify3d-results.c: what is attached to buffers and posted */

GstStructure *gst_video_classify_3d_make_stats (GstVideoClassify3D * self);
void gst_video_classify_3d_post (GstVideoClassify3D * self, GstStructure * s);
/* NONE unless the segment is in time. */
GstClockTime gst_video_classify_3d_running_time (const GstSegment * segment,
    GstClockTime time);
/* Takes the event, which may be NULL. */
void gst_video_classify_3d_post_event (GstVideoClassify3D * self,
    GstStructure * event, const GstClassifySubject * subject);
void gst_video_classify_3d_post_result (GstVideoClassify3D * self,
    GstVideoClassifyResult * result, GstClockTime running_time,
    const GstClassifySubject * subject);
/* Says what a message is about, if it is not the whole picture. */
void gst_video_classify_3d_set_subject (GstStructure * s,
    const GstClassifySubject * subject);
void gst_video_classify_3d_post_skipped (GstVideoClassify3D * self,
    GstClockTime end, guint64 done, guint64 skipped);
/* Attaches the newest results to a buffer. Returns FALSE if a clip failed. */
gboolean gst_video_classify_3d_attach (GstVideoClassify3D * self,
    GstBuffer * buffer, GstClockTime pts);

/* gstvideoclassify3d-models.c: loading models, at start and while running */

/* Loads the model of the settings; posts an error if it cannot. */
gboolean gst_video_classify_3d_start_models (GstVideoClassify3D * self);
void gst_video_classify_3d_stop_models (GstVideoClassify3D * self);
/* Settings of the model have changed. */
void gst_video_classify_3d_change_model (GstVideoClassify3D * self);
/* Whether the settings are being changed by the loader itself. */
gboolean gst_video_classify_3d_is_loader (GstVideoClassify3D * self);
/* Between two frames: a model that was loaded is for clips to come. */
void gst_video_classify_3d_take_model (GstVideoClassify3D * self);

G_END_DECLS
