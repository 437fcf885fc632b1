/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Overlapping clips of one picture, run incrementally. Clips and frames are
 * told apart by position: the number of a frame in its window. Frames may be
 * announced before the clip they are of; what was not is taken from the
 * clip, so that results are the same either way.
 */

#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

typedef struct _GstClassifyStream GstClassifyStream;

GstClassifyStream *gst_classify_stream_new (Cnn3dSession * session,
    guint clip_stride);
void gst_classify_stream_free (GstClassifyStream * stream);

/* Works ahead on clips that this frame is part of. */
void gst_classify_stream_prepare (GstClassifyStream * stream,
    const guint8 * frame, gint64 position);

/**
 * gst_classify_stream_run:
 * @rgb: the clip's frames
 * @position: of the first of them
 * @features: (nullable): where the clip's features go
 */
gboolean gst_classify_stream_run (GstClassifyStream * stream,
    const guint8 * rgb, gint64 position, gfloat * logits, gfloat * features,
    GError ** error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstClassifyStream, gst_classify_stream_free)

G_END_DECLS
