/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What videoclassoverlay shows on which buffer, and where. Paintings are kept
 * while they hold. Used by one thread at a time. */

#include <gst/video/video.h>
#include <gst/video/video-overlay-composition.h>

#include "gst/overlaysettings.h"

G_BEGIN_DECLS

typedef struct _GstOverlayScene GstOverlayScene;

GstOverlayScene *gst_overlay_scene_new (void);
void gst_overlay_scene_free (GstOverlayScene * scene);
void gst_overlay_scene_set_info (GstOverlayScene * scene,
    const GstVideoInfo * info);
/* Takes what is in the settings; they need not be cleared. */
void gst_overlay_scene_take_settings (GstOverlayScene * scene,
    GstOverlaySettings * settings);
/* Forgets the stream. */
void gst_overlay_scene_reset (GstOverlayScene * scene);

/**
 * gst_overlay_scene_compose:
 *
 * Returns: (transfer full) (nullable): what is to be seen on the buffer, or
 *   %NULL for nothing
 */
GstVideoOverlayComposition *gst_overlay_scene_compose (GstOverlayScene * scene,
    GstBuffer * buffer);

G_END_DECLS
