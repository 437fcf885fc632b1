/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The clips of one picture: the whole one, or an object's crop. A lane has the
 * network that its clips are for, the window they are gathered in, and what has
 * come of them.
 *
 * The streaming thread owns a lane. Its output and its result are shared with
 * the thread that classifies, and change with the element's lock held.
 */

#include "gst/classifynetwork.h"
#include "gst/classifyoutput.h"
#include "gst/clipwindow.h"
#include "gst/framescaler.h"

G_BEGIN_DECLS

/* Regions and GstAnalytics' tracks are numbered by themselves each. */
typedef enum
{
  GST_CLASSIFY_PICTURE,
  GST_CLASSIFY_REGION,          /* a GstVideoRegionOfInterestMeta */
  GST_CLASSIFY_TRACKED,         /* by GstAnalytics */
} GstClassifyKind;

/* What clips are of. */
typedef struct
{
  GstClassifyKind kind;
  guint64 id;                   /* the tracker's; 0 for the picture */
} GstClassifySubject;

typedef struct
{
  guint number;                 /* of its clips in the engine */
  GstClassifySubject subject;
  GstClassifyNetwork *network;
  GstClipWindow *window;
  gint64 announced;             /* position up to which the engine has frames */
  GstFrameScaler *scaler;       /* NULL until it is needed */
  guint64 n_clips;              /* due since the stream began */

  GstClassifyOutput *output;
  GstVideoClassifyResult *result;       /* of the newest clip, or NULL */
  gint64 result_submitted;      /* when that clip was: older ones may come late */
  GQueue pending;               /* the picture's that no buffer has carried */
} GstClassifyLane;

void gst_classify_lane_clear (GstClassifyLane * lane);

/**
 * gst_classify_lane_set_network:
 * @network: (transfer none): for the clips to come
 *
 * Frames that are there stay, if they serve the new network as well; otherwise
 * the next frame begins a clip. The result stays until there is another.
 */
void gst_classify_lane_set_network (GstClassifyLane * lane,
    GstClassifyNetwork * network);

/* Whether no clip is part-filled, or none is begun. */
gboolean gst_classify_lane_is_between_clips (GstClassifyLane * lane);

/* What no buffer has carried since the last call, oldest first, to be unreffed
 * and freed. */
GList *gst_classify_lane_take_pending (GstClassifyLane * lane);

/* Forgets the frames; and all that came of the clips before, if asked to. */
void gst_classify_lane_reset (GstClassifyLane * lane, gboolean forget);

G_END_DECLS
