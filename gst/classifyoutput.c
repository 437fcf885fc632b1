/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifyoutput.h"

#include <string.h>

#include "gst/idlelabels.h"

/* A score below any threshold minus any hysteresis. */
#define NEVER -2

struct _GstClassifyOutput
{
  gatomicrefcount ref_count;
  Cnn3dModel *model;
  gchar *model_name;
  gint n_classes;
  const Cnn3dUnknown *unknown;  /* the model's, or NULL */
  /* Classes and, where a clip can be of none of them, one more for that: 1 in
   * such a clip and 0 in any other, so that smoothing makes a share of it. */
  gint n_scores;
  GstDecision *decision;
  gfloat *scores;
  /* What events are made of where a clip can be of no class: the scores of such
   * a clip say nothing, so they are left out, and smoothed for themselves. */
  GstDecision *event_decision;  /* else the one above */
  gfloat *event_scores;
  gint *order;                  /* classes by score */

  /* Of the stream, before smoothing. */
  gdouble *sum;
  guint64 n_clips;
};

/* Being of no class is idle too. */
static gboolean *
find_idle (Cnn3dModel * model, const gchar * idle_labels)
{
  gint n = cnn3d_model_get_config (model)->classes;
  gboolean *idle = g_new (gboolean, n + 1);

  /* Of names that no class has, the element has warned. */
  g_free (gst_idle_labels_find (model, idle_labels, idle));
  idle[n] = TRUE;
  return idle;
}

GstClassifyOutput *
gst_classify_output_new (Cnn3dModel * model, const gchar * model_name,
    const gchar * idle_labels)
{
  GstClassifyOutput *output = g_new0 (GstClassifyOutput, 1);
  g_autofree gboolean *idle = find_idle (model, idle_labels);

  g_atomic_ref_count_init (&output->ref_count);
  output->model = cnn3d_model_ref (model);
  output->model_name = g_strdup (model_name);
  output->n_classes = cnn3d_model_get_config (model)->classes;
  output->unknown = cnn3d_model_get_card (model)->unknown;
  output->n_scores = output->n_classes + (output->unknown != NULL);
  output->decision = gst_decision_new (output->n_scores, idle);
  output->scores = g_new0 (gfloat, output->n_scores);
  output->event_decision = output->unknown == NULL ? output->decision
      : gst_decision_new (output->n_scores, idle);
  output->event_scores = g_new0 (gfloat, output->n_scores);
  output->order = g_new0 (gint, output->n_classes);
  output->sum = g_new0 (gdouble, output->n_scores);
  return output;
}

GstClassifyOutput *
gst_classify_output_ref (GstClassifyOutput * output)
{
  g_atomic_ref_count_inc (&output->ref_count);
  return output;
}

void
gst_classify_output_unref (GstClassifyOutput * output)
{
  if (!g_atomic_ref_count_dec (&output->ref_count))
    return;
  cnn3d_model_unref (output->model);
  if (output->event_decision != output->decision)
    gst_decision_free (output->event_decision);
  gst_decision_free (output->decision);
  g_free (output->model_name);
  g_free (output->scores);
  g_free (output->event_scores);
  g_free (output->order);
  g_free (output->sum);
  g_free (output);
}

void
gst_classify_output_reset (GstClassifyOutput * output, gboolean forget)
{
  gst_decision_reset (output->decision);
  gst_decision_reset (output->event_decision);
  if (!forget)
    return;
  memset (output->sum, 0, output->n_scores * sizeof (gdouble));
  output->n_clips = 0;
}

static gint
compare_scores (gconstpointer a, gconstpointer b, gpointer data)
{
  const gfloat *scores = data;
  gint c = *(const gint *) a, d = *(const gint *) b;

  if (scores[c] != scores[d])
    return scores[c] < scores[d] ? 1 : -1;
  return c - d;
}

/* How much of what has been seen is of no class. */
static gfloat
get_unknown (GstClassifyOutput * output)
{
  return output->unknown != NULL ? output->scores[output->n_classes] : 0;
}

/* The best classes by output->scores, after none if that is more likely than
 * not, and the action that is going on, if any. */
static GstVideoClassifyResult *
make_result (GstClassifyOutput * output, guint top_k, gdouble threshold,
    GstClockTime start, GstClockTime end, const GstDecisionEvent * decided)
{
  GstVideoClassifyEvent event;
  guint n_classes = output->n_classes, n_results, n = 0;
  gboolean is_unknown = get_unknown (output) > 0.5;
  g_autofree GstVideoClassifyClass *best = NULL;

  n_results = n_classes + is_unknown;
  if (top_k > 0)
    n_results = MIN (n_results, top_k);
  for (guint c = 0; c < n_classes; c++)
    output->order[c] = c;
  g_qsort_with_data (output->order, n_classes, sizeof (gint), compare_scores,
      output->scores);
  best = g_new (GstVideoClassifyClass, n_results);
  if (is_unknown)
    best[n++] = (GstVideoClassifyClass) {
    -1, get_unknown (output), output->unknown->label};
  for (guint i = 0; n < n_results
      && output->scores[output->order[i]] >= threshold; i++)
    best[n++] = (GstVideoClassifyClass) {
    output->order[i], output->scores[output->order[i]],
          cnn3d_model_get_label (output->model, output->order[i])};
  if (decided != NULL)
    event = (GstVideoClassifyEvent) {
    decided->index, decided->score,
          cnn3d_model_get_label (output->model, decided->index),
          decided->start, decided->peak, decided->end};
  return gst_video_classify_result_new_with_event (output->model_name, start,
      end, best, n, decided ? &event : NULL);
}

static GstStructure *
make_event (GstClassifyOutput * output, const GstDecisionEvent * event)
{
  return gst_structure_new ("videoclassify3d-event",
      "model", G_TYPE_STRING, output->model_name,
      "label", G_TYPE_STRING, cnn3d_model_get_label (output->model,
          event->index), "index", G_TYPE_INT, event->index,
      "score", G_TYPE_DOUBLE, event->score,
      "start", G_TYPE_UINT64, (guint64) event->start,
      "peak", G_TYPE_UINT64, (guint64) event->peak,
      "end", G_TYPE_UINT64, (guint64) event->end,
      "early", G_TYPE_BOOLEAN, event->early, NULL);
}

/* Smoothes scores, also those for events. Where it is likely that there is no
 * class, no event begins or goes on, whatever the threshold and hysteresis. */
static void
smooth (GstClassifyOutput * output, const GstDecisionParams * params)
{
  gint n = output->n_classes;
  gfloat *scores = output->event_scores;

  gst_decision_set_params (output->decision, params);
  if (output->unknown == NULL) {
    gst_decision_smooth (output->decision, output->scores);
    memcpy (scores, output->scores, n * sizeof (gfloat));
    return;
  }
  for (gint c = 0; c < n; c++)
    scores[c] = get_unknown (output) > 0 ? 0 : output->scores[c];
  scores[n] = get_unknown (output);
  gst_decision_set_params (output->event_decision, params);
  gst_decision_smooth (output->event_decision, scores);
  for (gint c = 0; c < n && scores[n] > 0.5; c++)
    scores[c] = NEVER;
  gst_decision_smooth (output->decision, output->scores);
}

GstVideoClassifyResult *
gst_classify_output_process (GstClassifyOutput * output,
    const GstClassifySettings * settings, const gfloat * logits,
    const gfloat * features, GstClockTime start, GstClockTime end,
    GstStructure * events[2], guint * n_events)
{
  const GstDecisionEvent *current = NULL;
  GstDecisionEvent decided[2];

  cnn3d_card_scores (cnn3d_model_get_card (output->model), logits,
      output->n_classes, output->scores);
  if (output->unknown != NULL)
    output->scores[output->n_classes] = cnn3d_unknown_judge (output->unknown,
        logits, output->n_classes, features);
  for (gint c = 0; c < output->n_scores; c++)
    output->sum[c] += output->scores[c];
  output->n_clips++;

  smooth (output, &settings->decision);
  *n_events = 0;
  if (settings->events == GST_CLASSIFY_EVENTS_ONCE)
    *n_events = gst_decision_update (output->event_decision,
        output->event_scores, start, end, decided);
  for (guint i = 0; i < *n_events; i++)
    events[i] = make_event (output, &decided[i]);
  if (settings->events == GST_CLASSIFY_EVENTS_ONCE)
    current = gst_decision_get_event (output->event_decision);
  return make_result (output, settings->top_k, settings->threshold, start, end,
      current);
}

GstStructure *
gst_classify_output_finish (GstClassifyOutput * output)
{
  GstDecisionEvent event;

  if (!gst_decision_finish (output->event_decision, &event))
    return NULL;
  return make_event (output, &event);
}

GstStructure *
gst_classify_output_describe (const GstVideoClassifyResult * result)
{
  GValue labels = G_VALUE_INIT, scores = G_VALUE_INIT, indices = G_VALUE_INIT;
  const GstVideoClassifyClass *c;
  GstStructure *s = gst_structure_new ("videoclassify3d",
      "model", G_TYPE_STRING, gst_video_classify_result_get_model (result),
      NULL);

  g_value_init (&labels, GST_TYPE_ARRAY);
  g_value_init (&scores, GST_TYPE_ARRAY);
  g_value_init (&indices, GST_TYPE_ARRAY);
  for (guint i = 0; (c = gst_video_classify_result_get_class (result, i)); i++) {
    GValue v = G_VALUE_INIT;

    if (i == 0)
      gst_structure_set (s, "label", G_TYPE_STRING, c->label,
          "score", G_TYPE_DOUBLE, c->score, NULL);
    g_value_init (&v, G_TYPE_STRING);
    g_value_set_string (&v, c->label);
    gst_value_array_append_and_take_value (&labels, &v);
    g_value_init (&v, G_TYPE_DOUBLE);
    g_value_set_double (&v, c->score);
    gst_value_array_append_and_take_value (&scores, &v);
    g_value_init (&v, G_TYPE_INT);
    g_value_set_int (&v, c->index);
    gst_value_array_append_and_take_value (&indices, &v);
  }
  gst_structure_take_value (s, "labels", &labels);
  gst_structure_take_value (s, "scores", &scores);
  gst_structure_take_value (s, "indices", &indices);
  return s;
}

GstStructure *
gst_classify_output_summary (GstClassifyOutput * output, guint top_k)
{
  g_autoptr (GstVideoClassifyResult) result = NULL;
  GstStructure *s;

  if (output->n_clips == 0)
    return NULL;
  for (gint c = 0; c < output->n_scores; c++)
    output->scores[c] = output->sum[c] / output->n_clips;
  result = make_result (output, top_k, 0, 0, 0, NULL);
  s = gst_classify_output_describe (result);
  gst_structure_set_name (s, "videoclassify3d-summary");
  gst_structure_set (s, "clips", G_TYPE_UINT64, output->n_clips, NULL);
  return s;
}
