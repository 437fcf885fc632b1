/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/decision.h"

#include <string.h>

#define MAX_WINDOW 256

struct _GstDecision
{
  guint n_classes;
  gboolean *idle;
  GstDecisionParams params;

  gfloat *history;              /* ring of window x n_classes */
  guint n_history, next;
  gfloat *average;              /* of EWMA */
  gboolean has_average;

  /* The action that is going on. */
  gboolean active, reported;
  GstDecisionEvent current;
  gdouble sum;
  guint n;
  gint challenger;              /* that was better in the last clip, or -1 */
};

GstDecision *
gst_decision_new (guint n_classes, const gboolean * idle)
{
  GstDecision *decision = g_new0 (GstDecision, 1);

  decision->n_classes = n_classes;
  decision->idle = g_memdup2 (idle, n_classes * sizeof (gboolean));
  decision->average = g_new0 (gfloat, n_classes);
  decision->params.window = 1;
  decision->history = g_new0 (gfloat, n_classes);
  return decision;
}

void
gst_decision_free (GstDecision * decision)
{
  g_free (decision->idle);
  g_free (decision->history);
  g_free (decision->average);
  g_free (decision);
}

void
gst_decision_set_params (GstDecision * decision,
    const GstDecisionParams * params)
{
  guint window = CLAMP (params->window, 1, MAX_WINDOW);

  if (window != decision->params.window) {
    g_free (decision->history);
    decision->history = g_new0 (gfloat, window * decision->n_classes);
    decision->n_history = decision->next = 0;
  }
  decision->params = *params;
  decision->params.window = window;
}

void
gst_decision_reset (GstDecision * decision)
{
  decision->n_history = decision->next = 0;
  decision->has_average = FALSE;
  decision->active = FALSE;
}

static int
compare_floats (gconstpointer a, gconstpointer b)
{
  gfloat x = *(const gfloat *) a, y = *(const gfloat *) b;

  return x < y ? -1 : x > y;
}

static gfloat
median (gfloat * values, guint n)
{
  qsort (values, n, sizeof *values, compare_floats);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void
smooth_window (GstDecision * decision, gfloat * scores, gboolean use_median)
{
  guint n = decision->n_classes, k;

  memcpy (decision->history + decision->next * n, scores, n * sizeof (gfloat));
  decision->next = (decision->next + 1) % decision->params.window;
  decision->n_history = MIN (decision->n_history + 1, decision->params.window);
  k = decision->n_history;
  for (guint c = 0; c < n; c++) {
    gfloat values[MAX_WINDOW], sum = 0;

    for (guint i = 0; i < k; i++)
      sum += values[i] = decision->history[i * n + c];
    scores[c] = use_median ? median (values, k) : sum / k;
  }
}

void
gst_decision_smooth (GstDecision * decision, gfloat * scores)
{
  gfloat weight = 2.0f / (decision->params.window + 1);

  switch (decision->params.smoothing) {
    case GST_DECISION_SMOOTHING_MEAN:
    case GST_DECISION_SMOOTHING_MEDIAN:
      smooth_window (decision, scores,
          decision->params.smoothing == GST_DECISION_SMOOTHING_MEDIAN);
      break;
    case GST_DECISION_SMOOTHING_EWMA:
      for (guint c = 0; c < decision->n_classes; c++) {
        if (decision->has_average)
          scores[c] = weight * scores[c] + (1 - weight) * decision->average[c];
        decision->average[c] = scores[c];
      }
      decision->has_average = TRUE;
      break;
    default:
      break;
  }
}

/* Ends the action that is going on. Returns whether it is to be reported: it
 * was not yet, and on the whole it was more likely than not. */
static gboolean
end_action (GstDecision * decision, GstDecisionEvent * event)
{
  gboolean report = decision->active && !decision->reported
      && decision->sum / decision->n >= decision->params.threshold
      - decision->params.hysteresis;

  decision->active = FALSE;
  if (report)
    *event = decision->current;
  return report;
}

/* Whether another class takes over: at once if it is sure, else if it is the
 * best for two clips on end. Two that alternate by little are one action that
 * the network is not sure of. */
static gboolean
is_displaced (GstDecision * decision, gint best, gdouble score, gdouble next)
{
  const GstDecisionParams *p = &decision->params;
  gint challenger = decision->challenger;

  decision->challenger = -1;
  if (best == decision->current.index || score < p->threshold)
    return FALSE;
  decision->challenger = best;
  return score - next >= p->lead || challenger == best;
}

guint
gst_decision_update (GstDecision * decision, const gfloat * scores,
    gint64 start, gint64 end, GstDecisionEvent events[2])
{
  const GstDecisionParams *p = &decision->params;
  GstDecisionEvent *current = &decision->current;
  gint best = -1;
  gdouble next = 0, score;
  guint n = 0;

  for (guint c = 0; c < decision->n_classes; c++)
    if (!decision->idle[c] && (best < 0 || scores[c] > scores[best]))
      best = c;
  for (guint c = 0; c < decision->n_classes; c++)
    if ((gint) c != best)
      next = MAX (next, scores[c]);
  if (best < 0)
    return 0;

  if (decision->active && (scores[current->index] < p->threshold - p->hysteresis
          || is_displaced (decision, best, scores[best], next)))
    n += end_action (decision, &events[n]);
  if (!decision->active) {
    if (scores[best] < p->threshold)
      return n;
    decision->active = TRUE;
    decision->reported = FALSE;
    decision->challenger = -1;
    decision->sum = decision->n = 0;
    *current = (GstDecisionEvent) {
    .index = best,.start = start};
  }

  score = scores[current->index];
  decision->sum += score;
  decision->n++;
  current->end = end;
  if (score > current->score) {
    current->score = score;
    current->peak = start + (end - start) / 2;
  }
  if (!decision->reported && best == current->index
      && score - next >= p->lead) {
    decision->reported = TRUE;
    events[n] = *current;
    events[n++].early = TRUE;
  }
  return n;
}

guint
gst_decision_finish (GstDecision * decision, GstDecisionEvent * event)
{
  return end_action (decision, event);
}

gint
gst_decision_get_current (GstDecision * decision)
{
  return decision->active ? decision->current.index : -1;
}

const GstDecisionEvent *
gst_decision_get_event (GstDecision * decision)
{
  return decision->active ? &decision->current : NULL;
}
