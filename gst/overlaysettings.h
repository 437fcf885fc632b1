/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of videoclassoverlay. */

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_OVERLAY_MAX_TOP_K 32

/* In rows of three. */
typedef enum
{
  GST_OVERLAY_POSITION_TOP_LEFT,
  GST_OVERLAY_POSITION_TOP,
  GST_OVERLAY_POSITION_TOP_RIGHT,
  GST_OVERLAY_POSITION_LEFT,
  GST_OVERLAY_POSITION_CENTER,
  GST_OVERLAY_POSITION_RIGHT,
  GST_OVERLAY_POSITION_BOTTOM_LEFT,
  GST_OVERLAY_POSITION_BOTTOM,
  GST_OVERLAY_POSITION_BOTTOM_RIGHT,
} GstOverlayPosition;

typedef struct
{
  gchar *font, *model_name;
  GstOverlayPosition position;
  gdouble size, threshold;
  guint color, background, bar, event;
  gint xpad, ypad;              /* -1 is automatic */
  guint top_k, hold;
} GstOverlaySettings;

void gst_overlay_settings_install (GObjectClass * klass);
/* init and copy fill in what was empty; clear empties. */
void gst_overlay_settings_init (GstOverlaySettings * settings);
void gst_overlay_settings_copy (GstOverlaySettings * to,
    const GstOverlaySettings * from);
void gst_overlay_settings_clear (GstOverlaySettings * settings);
/* Return FALSE if there is no such property. */
gboolean gst_overlay_settings_set (GstOverlaySettings * settings, guint id,
    const GValue * value);
gboolean gst_overlay_settings_get (const GstOverlaySettings * settings,
    guint id, GValue * value);

G_END_DECLS
