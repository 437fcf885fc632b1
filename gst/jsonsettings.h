/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of videoclassjson. */

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum
{
  GST_JSON_LINES_RESULTS = 1 << 0,
  GST_JSON_LINES_EVENTS = 1 << 1,
  GST_JSON_LINES_OBJECTS = 1 << 2,
  GST_JSON_LINES_SUMMARY = 1 << 3,
  GST_JSON_LINES_ALL = GST_JSON_LINES_RESULTS | GST_JSON_LINES_EVENTS | GST_JSON_LINES_OBJECTS | GST_JSON_LINES_SUMMARY,
} GstJsonLines;

typedef struct
{
  gchar *location, *source, *model_name;
  gint fd;
  gboolean append, utc;
  guint lines;                  /* GstJsonLines */
  guint top_k;
  gdouble threshold;
} GstJsonSettings;

void gst_json_settings_install (GObjectClass * klass);
/* init and copy fill in what was empty; clear empties. */
void gst_json_settings_init (GstJsonSettings * settings);
void gst_json_settings_copy (GstJsonSettings * to,
    const GstJsonSettings * from);
void gst_json_settings_clear (GstJsonSettings * settings);
/* Return FALSE if there is no such property. */
gboolean gst_json_settings_set (GstJsonSettings * settings, guint id,
    const GValue * value);
gboolean gst_json_settings_get (const GstJsonSettings * settings, guint id,
    GValue * value);

G_END_DECLS
