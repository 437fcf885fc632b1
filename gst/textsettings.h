/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of videoclasstext, and what they make of a result. */

#include "gst/videoclassify/gstvideoclassifymeta.h"

G_BEGIN_DECLS

typedef enum
{
  GST_TEXT_CONTENT_RESULTS,
  GST_TEXT_CONTENT_EVENTS,
} GstTextContent;

typedef enum
{
  GST_TEXT_TIMING_CLIPS,
  GST_TEXT_TIMING_CHANGES,
  GST_TEXT_TIMING_BUFFERS,
} GstTextTiming;

typedef struct
{
  GstTextContent content;
  GstTextTiming timing;
  gchar *template, *model_name;
  gdouble threshold;
  guint top_k;
  guint64 max_duration;         /* 0 = any */
} GstTextSettings;

void gst_text_settings_install (GObjectClass * klass);
void gst_text_settings_init (GstTextSettings * settings);
void gst_text_settings_clear (GstTextSettings * settings);
/* Return FALSE if there is no such property. */
gboolean gst_text_settings_set (GstTextSettings * settings, guint id,
    const GValue * value);
gboolean gst_text_settings_get (const GstTextSettings * settings, guint id,
    GValue * value);

/**
 * gst_text_settings_describe:
 * @key: (out) (transfer full): results with the same key are one text
 * @text: (out) (transfer full)
 * @score: (out): of the best class
 *
 * Returns: FALSE, and nothing set, if there is nothing to say of the result
 */
gboolean gst_text_settings_describe (const GstTextSettings * settings,
    const GstVideoClassifyResult * result, gchar ** key, gchar ** text,
    gdouble * score);

G_END_DECLS
