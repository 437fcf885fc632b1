/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * From the scores of clips to what is reported: smoothing over clips, and
 * events, by which each action is reported once (single-time activation, after
 * Köpüklü et al., "Real-time Hand Gesture Detection and Classification Using
 * Convolutional Neural Networks", 2019). Knows nothing of elements.
 */

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum
{
  GST_DECISION_SMOOTHING_NONE,
  GST_DECISION_SMOOTHING_MEAN,
  GST_DECISION_SMOOTHING_EWMA,
  GST_DECISION_SMOOTHING_MEDIAN,
} GstDecisionSmoothing;

typedef struct
{
  GstDecisionSmoothing smoothing;
  guint window;                 /* clips */
  gdouble threshold;            /* score from which an action begins */
  gdouble hysteresis;           /* it ends below threshold - hysteresis */
  gdouble lead;                 /* over the next class, from which it is sure */
} GstDecisionParams;

typedef struct
{
  gint index;                   /* class */
  gdouble score;                /* the highest */
  gint64 start, peak, end;      /* timestamps */
  gboolean early;               /* reported before its end, as it was sure */
} GstDecisionEvent;

typedef struct _GstDecision GstDecision;

/**
 * gst_decision_new:
 * @idle: (array length=n_classes): classes that are no action, such as
 *   "No gesture"
 */
GstDecision *gst_decision_new (guint n_classes, const gboolean * idle);
void gst_decision_free (GstDecision * decision);
void gst_decision_set_params (GstDecision * decision,
    const GstDecisionParams * params);

/* Forgets all clips and the action that is going on. */
void gst_decision_reset (GstDecision * decision);

/**
 * gst_decision_smooth:
 * @scores: (inout) (array length=n_classes): of a clip; smoothed in place
 */
void gst_decision_smooth (GstDecision * decision, gfloat * scores);

/**
 * gst_decision_update:
 * @scores: smoothed scores of the clip from @start to @end
 * @events: (out caller-allocates): at most two: an action that ended, and one
 *   that began and is sure
 *
 * Returns: number of events
 */
guint gst_decision_update (GstDecision * decision, const gfloat * scores,
    gint64 start, gint64 end, GstDecisionEvent events[2]);

/* The stream ends: reports the action that is going on, if it was not yet. */
guint gst_decision_finish (GstDecision * decision, GstDecisionEvent * event);

/* The class of the action that is going on, or -1. */
gint gst_decision_get_current (GstDecision * decision);
/* The action that is going on as it is so far, or NULL. */
const GstDecisionEvent *gst_decision_get_event (GstDecision * decision);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstDecision, gst_decision_free)

G_END_DECLS
