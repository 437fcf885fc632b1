/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/decode.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>

#include "lib3dcnn/error.h"
#include "tools/decode-seek.h"
#include "tools/expect-video.h"
#include "tools/progress.h"
#include "tools/tool.h"
#include "tools/upright.h"

typedef struct {
  const char *path;
  const DecodeOptions *options;
  DecodeFunc take;
  gpointer data;
  guint taken; /* frames */
  gboolean lost; /* after seeking: nothing was taken, and it must be without */
} Decoder;

/* Caps of frames that are no longer than a side; what else is scaled, so that its shape stays. */
static GstCaps *
make_caps (const DecodeOptions *options)
{
  GstCaps *caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB",
      "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);

  if (options->longest > 0)
    gst_caps_set_simple (caps, "width", GST_TYPE_INT_RANGE, 1, options->longest, "height",
        GST_TYPE_INT_RANGE, 1, options->longest, NULL);
  if (options->rate > 0) {
    int n, d;

    gst_util_double_to_fraction (options->rate, &n, &d);
    gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, n, d, NULL);
  }
  return caps;
}

/* The size that the shorter side asks for is known once the stream is, and is another one when it is turned. */
static GstPadProbeReturn
on_event (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  g_autoptr (GstCaps) caps = NULL;
  GstElement *filter = data;
  const DecodeOptions *options = g_object_get_data (G_OBJECT (filter), "options");
  GstVideoInfo video;
  GstCaps *stream;
  double width, scale;

  if (GST_EVENT_TYPE (info->data) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (info->data, &stream);
  if (!gst_video_info_from_caps (&video, stream) || video.width < 1 || video.height < 1)
    return GST_PAD_PROBE_OK;
  width = (double) video.width * video.par_n / video.par_d;
  scale = MIN (options->shortest / MIN (width, video.height), 1);
  g_object_get (filter, "caps", &caps, NULL);
  caps = gst_caps_make_writable (caps);
  gst_caps_set_simple (caps, "width", G_TYPE_INT, MAX ((int) (width * scale + 0.5), 1), "height",
      G_TYPE_INT, MAX ((int) (video.height * scale + 0.5), 1), NULL);
  g_object_set (filter, "caps", caps, NULL);
  return GST_PAD_PROBE_OK;
}

static GstElement *
make_pipeline (const char *path, const DecodeOptions *options, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GstElement) pipeline = NULL, source = NULL, decoder = NULL, entry = NULL, scale = NULL, filter = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstCaps) caps = NULL;

  if (!gst_is_initialized ())
    gst_init (NULL, NULL);
  text = g_strdup_printf ("filesrc name=source ! decodebin name=decoder ! %s name=entry ! %s"
      " ! videoscale name=scale method=lanczos ! capsfilter name=filter ! appsink name=sink sync=false max-buffers=8",
      options->rate > 0 ? "videorate" : "identity", upright_elements ());
  pipeline = gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (pipeline == NULL)
    return NULL;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  decoder = gst_bin_get_by_name (GST_BIN (pipeline), "decoder");
  entry = gst_bin_get_by_name (GST_BIN (pipeline), "entry");
  expect_video (decoder, entry);
  scale = gst_bin_get_by_name (GST_BIN (pipeline), "scale");
  filter = gst_bin_get_by_name (GST_BIN (pipeline), "filter");
  caps = make_caps (options);
  g_object_set (source, "location", path, NULL);
  g_object_set (filter, "caps", caps, NULL);
  if (options->shortest > 0) {
    g_object_set_data (G_OBJECT (filter), "options", (gpointer) options);
    pad = gst_element_get_static_pad (scale, "sink");
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, filter, NULL);
  }
  return g_steal_pointer (&pipeline);
}

/* FALSE to end, with or without an error. */
static gboolean
take_sample (Decoder *d, GstSample *sample, GError **error)
{
  const DecodeOptions *o = d->options;
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  GstClockTime time = GST_CLOCK_TIME_NONE;
  GstVideoInfo info;
  GstVideoFrame frame;
  DecodedFrame out;
  gboolean more;

  if (GST_BUFFER_PTS_IS_VALID (buffer))
    time = gst_segment_to_stream_time (gst_sample_get_segment (sample), GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  if (GST_CLOCK_TIME_IS_VALID (time)) {
    double seconds = (double) time / GST_SECOND;

    if (seconds < o->start - 1e-6)
      return TRUE;
    if (o->end > 0 && seconds >= o->end - 1e-6)
      return FALSE;
  }
  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample))
      || !gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ)) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: has a frame that cannot be read", d->path);
    return FALSE;
  }
  out = (DecodedFrame){ GST_VIDEO_FRAME_PLANE_DATA (&frame, 0),
    (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), info.width, info.height,
    info.fps_n > 0 ? (double) info.fps_n / info.fps_d : 0 };
  d->taken++;
  more = d->take (&out, d->data, error);
  gst_video_frame_unmap (&frame);
  return more;
}

/* A stream's error, with the file's name. */
static void
take_error (const Decoder *d, GstMessage *message, GError **error)
{
  g_autoptr (GError) reason = NULL;

  gst_message_parse_error (message, &reason, NULL);
  if (d->options->video && d->taken > 0)
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: after %u frames: %s", d->path, d->taken, reason->message);
  else
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: %s", d->path, reason->message);
}

/* What file it is, as the decoder found. */
static gboolean
is_picture_file (GstElement *pipeline)
{
  g_autoptr (GstElement) typefind = gst_bin_get_by_name (GST_BIN (pipeline), "typefind");
  g_autoptr (GstCaps) caps = NULL;

  if (typefind != NULL)
    g_object_get (typefind, "caps", &caps, NULL);
  return caps != NULL && gst_caps_get_size (caps) > 0
      && g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "image/");
}

/* Looks at a file that came to its end, or that of what was asked for. */
static void
check_whole (const Decoder *d, GstElement *pipeline, DecodeSeek *seek, GError **error)
{
  double end, expected;
  gint64 duration = 0;

  if (decode_seek_get_frames (seek, &end) == 1 && is_picture_file (pipeline)) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: is a picture, no video", d->path);
    return;
  }
  if (end < 0 || !gst_element_query_duration (pipeline, GST_FORMAT_TIME, &duration) || duration <= 0)
    return;
  expected = (double) duration / GST_SECOND;
  if (d->options->end > 0)
    expected = MIN (expected, d->options->end);
  if (d->taken == 0 || expected - end < MAX (1, expected / 10))
    return;
  progress_clear ();
  tool_complain ("%s: the video ends after %.1f of %.1f s; the %u frames up to there are kept", d->path, end, expected,
      d->taken);
}

/* Goes near the start where that is worth it. TRUE if frames are not from the file's beginning on. */
static gboolean
begin (Decoder *d, GstElement *pipeline, DecodeSeek **seek)
{
  g_autoptr (GstElement) entry = gst_bin_get_by_name (GST_BIN (pipeline), "entry");
  int rate_n = 0, rate_d = 1;

  if (d->options->rate > 0)
    gst_util_double_to_fraction (d->options->rate, &rate_n, &rate_d);
  *seek = decode_seek_new (entry, rate_n, rate_d);
  return d->options->start > 0 && !d->lost && decode_seek_to (*seek, pipeline, d->options->start);
}

/* Decodes once; sets d->lost where seeking led to nothing. */
static void
decode (Decoder *d, GError **error)
{
  g_autoptr (GstElement) pipeline = make_pipeline (d->path, d->options, error), sink = NULL;
  g_autoptr (DecodeSeek) seek = NULL;
  g_autoptr (GstBus) bus = NULL;
  gboolean more = TRUE, ended = FALSE, sought;

  if (pipeline == NULL)
    return;
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  bus = gst_element_get_bus (pipeline);
  sought = begin (d, pipeline, &seek);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  /* After an error a sink may wait for ever, so that is looked for as well. */
  while (more && !ended && *error == NULL) {
    g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 50 * GST_MSECOND);
    g_autoptr (GstMessage) message = NULL;

    if (sample != NULL && sought && !decode_seek_arrived (seek, d->options->start))
      more = FALSE;
    else if (sample != NULL)
      more = take_sample (d, sample, error);
    else if ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR)) != NULL)
      take_error (d, message, error);
    else
      ended = gst_app_sink_is_eos (GST_APP_SINK (sink));
  }
  if (ended && d->options->video)
    check_whole (d, pipeline, seek, error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  d->lost = sought && d->taken == 0;
}

gboolean
decode_file (const char *path, const DecodeOptions *options, DecodeFunc take, gpointer data, GError **error)
{
  g_autoptr (GError) reason = NULL;
  Decoder d = { path, options, take, data, 0, FALSE };

  /* A pipe could be waited for without end. */
  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: %s", path,
        g_file_test (path, G_FILE_TEST_EXISTS) ? "is not a file" : "is not there");
    return FALSE;
  }
  decode (&d, &reason);
  if (d.lost) {
    g_clear_error (&reason);
    decode (&d, &reason);
  }
  if (reason == NULL && d.taken == 0)
    g_set_error (&reason, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: has no frames%s", path,
        options->start > 0 ? " after its start time" : "");
  if (reason == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}
