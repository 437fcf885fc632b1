/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Objects on buffers, as detectors and trackers leave them, and results on
 * objects: GstVideoRegionOfInterestMeta, and GstAnalytics where there is one. */

#include <gst/video/video.h>

#include "gst/classifylane.h"

G_BEGIN_DECLS

typedef struct
{
  GstClassifySubject subject;
  gdouble x, y, w, h;           /* pixels */
  GstVideoRegionOfInterestMeta *region; /* or NULL */
  guint mtd;                    /* of GstAnalytics, if region is NULL */
} GstClassifyObject;

/**
 * gst_classify_objects_find:
 * @n_nameless: (out): how many regions were left out because they have the id 0
 *   in common, which is what regions have if nobody gives them one
 *
 * Returns: (transfer full): the objects on a buffer that have an identity, each
 *   once
 */
GArray *gst_classify_objects_find (GstBuffer * buffer, guint * n_nameless);

/**
 * gst_classify_object_attach:
 * @object: (nullable): %NULL for the whole picture
 * @buffer: a writable buffer
 * @age: of the result on this buffer
 *
 * Attaches the result to the object: a region gets a parameter named
 * `videoclassify3d` with what a message of it has, besides `index` and `age`; in
 * GstAnalytics, a classification related to the object's detection.
 */
void gst_classify_object_attach (const GstClassifyObject * object,
    GstBuffer * buffer, GstVideoClassifyResult * result, GstClockTime age);

G_END_DECLS
