/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/*
 * Has the entry of a pipeline post an error, of CNN3D_ERROR_FORMAT, once the decoder has shown all streams of a file and none
 * of them is linked to its sink, as with sound alone. Both live as long as the pipeline.
 *
 * Elements do not see to that: a demuxer says that its streams are not linked, but for a file so short that it has
 * ended before it is told; then nothing more is said, and a pipeline waits for ever.
 */
void expect_video (GstElement *decoder, GstElement *entry);

G_END_DECLS
