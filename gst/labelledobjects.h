/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Objects that videoclassify3d has attached its results to (roi=meta), as its
 * companions read them. */

#include <gst/video/video.h>

G_BEGIN_DECLS

typedef struct
{
  gint64 id;                    /* the tracker's, or -1 */
  gboolean is_tracked;          /* by GstAnalytics, whose ids are not regions' ids */
  gint x, y, w, h;              /* pixels */
  gchar *label;
  gdouble score;
} GstLabelledObject;

/**
 * gst_labelled_objects_find:
 * @model: (nullable): only results of this model, where that is known, which it
 *   is not for GstAnalytics
 *
 * Of several classifications of a GstAnalytics object the newest is taken, which
 * is videoclassify3d's and not the detector's.
 *
 * Returns: (transfer full): the objects on a buffer that have a result
 */
GArray *gst_labelled_objects_find (GstBuffer * buffer, const gchar * model);

G_END_DECLS
