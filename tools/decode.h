/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Decodes the frames of a picture or video file, in any format that GStreamer knows. */

#include <glib.h>

G_BEGIN_DECLS

/*
 * longest: frames are scaled down so that neither side is longer; 0: any size
 * shortest: frames are scaled down so that their shorter side is this; 0: any size
 * rate: frames per second, which repeats or drops frames; 0: as they are
 * start, end: seconds; frames from start on, up to before end. end 0: up to the last
 * video: a picture is an error, and a video that ends long before its file says is complained about
 */
typedef struct {
  int longest, shortest;
  double rate, start, end;
  gboolean video;
} DecodeOptions;

/* A frame, with square pixels: RGB, rows stride bytes apart. rate: per second, 0 if it varies. */
typedef struct {
  const guint8 *rgb;
  gsize stride;
  int width, height;
  double rate;
} DecodedFrame;

/* Takes a frame. FALSE ends decoding; with error set, as a failure. */
typedef gboolean (*DecodeFunc) (const DecodedFrame *frame, gpointer data, GError **error);

/*
 * Decodes the first video stream of a file. FALSE with an error that begins with the path if
 * GStreamer fails or there is no video; frames may have been taken before.
 */
gboolean decode_file (const char *path, const DecodeOptions *options, DecodeFunc take, gpointer data,
    GError **error);

G_END_DECLS
