/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a clip's logits to what is reported: results, events, a summary. */

#include "gst/classifysettings.h"
#include "gst/videoclassify/gstvideoclassifymeta.h"

G_BEGIN_DECLS

typedef struct _GstClassifyOutput GstClassifyOutput;

/* model_name and idle_labels are copied; the model is referenced. */
GstClassifyOutput *gst_classify_output_new (Cnn3dModel * model,
    const gchar * model_name, const gchar * idle_labels);
GstClassifyOutput *gst_classify_output_ref (GstClassifyOutput * output);
void gst_classify_output_unref (GstClassifyOutput * output);
/* Forgets the clips before; not the sum for the summary, if only the stream was
 * interrupted. */
void gst_classify_output_reset (GstClassifyOutput * output, gboolean forget);

/**
 * gst_classify_output_process:
 * @logits: of the clip from @start to @end
 * @features: (nullable): of the clip, where the model's card needs them
 * @events: (out caller-allocates): structures of up to two events, to be freed
 * @n_events: (out)
 *
 * Returns: (transfer full): the clip's result
 */
GstVideoClassifyResult *gst_classify_output_process (GstClassifyOutput *
    output, const GstClassifySettings * settings, const gfloat * logits,
    const gfloat * features, GstClockTime start, GstClockTime end, GstStructure * events[2],
    guint * n_events);

/* Clips follow no more: an event that is due, or NULL. */
GstStructure *gst_classify_output_finish (GstClassifyOutput * output);
/* Mean of the scores of all clips (the paper's rule for videos); NULL if there
 * was no clip. */
GstStructure *gst_classify_output_summary (GstClassifyOutput * output,
    guint top_k);
/* A message's structure, its fields `label` to `indices`. */
GstStructure *gst_classify_output_describe (const GstVideoClassifyResult *
    result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstClassifyOutput, gst_classify_output_unref)

G_END_DECLS
