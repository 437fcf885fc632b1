/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Results as lines of JSON (doc/videoclassjson.md has the schema). Knows nothing
 * of elements, nor of where lines go.
 */

#include "gst/labelledobjects.h"
#include "gst/videoclassify/gstvideoclassifymeta.h"

G_BEGIN_DECLS

typedef struct
{
  const gchar *source;          /* named in each line, or NULL */
  gboolean utc;                 /* whether each line says when it was written */
  const GstSegment *segment;    /* times are stream times of it */
} GstJsonLinesConfig;

/* All of these return a line without its end, to be freed. `time` is that of the
 * buffer by which it became known, a PTS. */
gchar *gst_json_lines_result (const GstJsonLinesConfig * config,
    GstClockTime time, const GstVideoClassifyResult * result, guint top_k,
    gdouble threshold);
/* has_ended: event-end, else event-start */
gchar *gst_json_lines_event (const GstJsonLinesConfig * config,
    GstClockTime time, const gchar * model, const GstVideoClassifyEvent * event,
    gboolean has_ended);
gchar *gst_json_lines_object (const GstJsonLinesConfig * config,
    GstClockTime time, const GstLabelledObject * object);
/* s: the structure of videoclassify3d-summary */
gchar *gst_json_lines_summary (const GstJsonLinesConfig * config,
    const GstStructure * s, guint top_k, gdouble threshold);

G_END_DECLS
