/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/classifystream.h"

struct _GstClassifyStream
{
  Cnn3dStream *stream;
  gint64 frames;                /* in a clip */
  gsize frame_size;
  gint64 next;                  /* position of the frame to push next */
};

GstClassifyStream *
gst_classify_stream_new (Cnn3dSession * session, guint clip_stride)
{
  const Cnn3dConfig *config =
      cnn3d_model_get_config (cnn3d_session_get_model (session));
  GstClassifyStream *stream = g_new0 (GstClassifyStream, 1);

  stream->stream = cnn3d_stream_new (session, clip_stride);
  stream->frames = config->frames;
  stream->frame_size = (gsize) config->size * config->size * 3;
  return stream;
}

void
gst_classify_stream_free (GstClassifyStream * stream)
{
  cnn3d_stream_unref (stream->stream);
  g_free (stream);
}

static void
begin_at (GstClassifyStream * stream, gint64 position)
{
  cnn3d_stream_reset (stream->stream);
  stream->next = position;
}

void
gst_classify_stream_prepare (GstClassifyStream * stream, const guint8 * frame,
    gint64 position)
{
  /* A gap in the window's numbers is a new beginning; a smaller one means that
   * frames were not announced, which the clip is going to make up for. */
  if (position >= stream->next + stream->frames)
    begin_at (stream, position);
  if (position != stream->next)
    return;
  cnn3d_stream_push_rgb (stream->stream, frame);
  stream->next++;
}

gboolean
gst_classify_stream_run (GstClassifyStream * stream, const guint8 * rgb,
    gint64 position, gfloat * logits, gfloat * features, GError ** error)
{
  gint64 end = position + stream->frames;
  gint64 first = stream->next - cnn3d_stream_get_n_frames (stream->stream);

  /* It must go on from what was pushed, and nothing after it may have been. */
  if (position < first || position > stream->next || end < stream->next)
    begin_at (stream, position);
  for (; stream->next < end; stream->next++)
    cnn3d_stream_push_rgb (stream->stream,
        rgb + (stream->next - position) * stream->frame_size);
  return cnn3d_stream_run_features (stream->stream, logits, features, error);
}
