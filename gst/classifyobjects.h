/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Objects on buffers, as detectors and trackers leave them, and results on
 * objects: GstVideoRegionOfInterestMeta, and GstAnalytics where there is one. */

#include <gst/video/video.h>

#include "gst/videoclassify/gstvideoclassifymeta.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 id;                   /* the tracker's */
  gdouble x, y, w, h;           /* pixels */
  GstVideoRegionOfInterestMeta *region; /* or NULL */
  guint mtd;                    /* of GstAnalytics, if region is NULL */
} GstClassifyObject;

/* The objects on a buffer that have an identity, each id once. */
GArray *gst_classify_objects_find (GstBuffer * buffer);

/**
 * gst_classify_object_attach:
 * @object: (nullable): %NULL for the whole picture
 * @buffer: a writable buffer
 *
 * Attaches the result to the object: a region gets a parameter named
 * `videoclassify3d` with `model`, `label`, `score`; in GstAnalytics, a
 * classification related to the object's detection.
 */
void gst_classify_object_attach (const GstClassifyObject * object,
    GstBuffer * buffer, GstVideoClassifyResult * result);

G_END_DECLS
