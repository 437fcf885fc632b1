/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starts a decoding pipeline near a time, with the same frames as from the file's beginning. */

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct DecodeSeek DecodeSeek;

/*
 * Watches what flows into entry, the element after the decoder, so from before the pipeline starts.
 * rate_n / rate_d: frames per second that are made of the stream; 0: all.
 */
DecodeSeek *decode_seek_new (GstElement *entry, int rate_n, int rate_d);
void decode_seek_free (DecodeSeek *seek);

/*
 * Lets the pipeline preroll and go to the last keyframe well before start, in seconds. FALSE if that was
 * not tried; it then plays from the beginning. An error is left on the bus.
 */
gboolean decode_seek_to (DecodeSeek *seek, GstElement *pipeline, double start);

/* Whether that led to a frame before start; if not, frames may be missing. To be called once there is one. */
gboolean decode_seek_arrived (DecodeSeek *seek, double start);

/* How many frames came from the decoder, and when the last of them ends: seconds, -1 if that is not known. */
guint decode_seek_get_frames (DecodeSeek *seek, double *end);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DecodeSeek, decode_seek_free)

G_END_DECLS
