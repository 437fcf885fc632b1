/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/classify/video.h"

#include <gst/gst.h>

#include "lib3dcnn/error.h"
#include "tools/expect-video.h"
#include "tools/progress.h"
#include "tools/upright.h"

#define NAME_CHARACTERS 30
#define NO_CLIP "%s: no clip came of the %" G_GUINT64_FORMAT " frames that were decoded"

void
clip_clear (gpointer data)
{
  Clip *clip = data;

  g_free (clip->index);
  g_free (clip->score);
}

/* Links the first video stream that the decoder finds to the entry. */
static void
on_pad_added (GstElement *decoder, GstPad *pad, gpointer entry)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (entry, "sink");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);

  if (gst_pad_is_linked (sink) || gst_caps_is_empty (caps)
      || !g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "video/"))
    return;
  gst_pad_link (pad, sink);
}

/* The first part of a pipeline: what finds the video's streams. */
static GstElement *
make_decoder (const Video *video, GstElement *pipeline)
{
  GstElement *decoder = gst_element_factory_make (video->path ? "decodebin" : "uridecodebin", NULL);
  GstElement *source = video->path ? gst_element_factory_make ("filesrc", NULL) : NULL;

  gst_bin_add (GST_BIN (pipeline), decoder);
  if (video->path == NULL) {
    g_object_set (decoder, "uri", video->uri, NULL);
    return decoder;
  }
  g_object_set (source, "location", video->path, NULL);
  gst_bin_add (GST_BIN (pipeline), source);
  gst_element_link (source, decoder);
  return decoder;
}

/* What turns the video; its sink is where the decoder's stream goes. */
static GstElement *
make_entry (void)
{
  return gst_parse_bin_from_description_full (upright_elements (), TRUE, NULL, GST_PARSE_FLAG_NONE, NULL);
}

static GstElement *
make_pipeline (const Classifier *c, const Video *video, GstElement **element)
{
  GstElement *pipeline = gst_pipeline_new (NULL);
  GstElement *decoder = make_decoder (video, pipeline);
  GstElement *entry = make_entry (), *sink = gst_element_factory_make ("fakesink", NULL);

  *element = gst_element_factory_make ("videoclassify3d", NULL);
  g_object_set (sink, "sync", FALSE, NULL);
  /* All classes, as the video's score is the mean over its clips. */
  g_object_set (*element, "model-file", c->model_file, "labels-file", c->labels_file, "top-k", 0, "sample-rate",
      c->sample_rate, "clip-stride", c->clip_stride, "threads", c->threads, NULL);
  /* Only the messages matter, so decoding goes on meanwhile. */
  gst_util_set_object_arg (G_OBJECT (*element), "mode", "queue");
  g_object_set (*element, "device", c->where->device, "allow-tf32", c->where->allow_tf32, NULL);
  if (c->where->backend != NULL)
    gst_util_set_object_arg (G_OBJECT (*element), "backend", c->where->backend);
  if (c->where->precision != NULL)
    gst_util_set_object_arg (G_OBJECT (*element), "precision", c->where->precision);
  gst_bin_add_many (GST_BIN (pipeline), entry, *element, sink, NULL);
  gst_element_link_many (entry, *element, sink, NULL);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_pad_added), entry);
  expect_video (decoder, entry);
  return pipeline;
}

gboolean
classifier_check (GError **error)
{
  static const char *const names[] = { "videoclassify3d", "filesrc", "decodebin", "uridecodebin", "videoconvert",
    "fakesink" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (names[i]);
    g_autoptr (GstPluginFeature) feature = factory ? gst_plugin_feature_load (GST_PLUGIN_FEATURE (factory)) : NULL;

    if (feature == NULL) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "the GStreamer element %s is missing%s", names[i],
          i == 0 ? "; if it is not installed, set GST_PLUGIN_PATH to its folder" : "");
      return FALSE;
    }
  }
  return TRUE;
}

/* In seconds; 0 if the stream does not say. */
static double
frame_duration (GstElement *classifier)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (classifier, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (sink);
  int n = 0, d = 1;

  if (caps != NULL)
    gst_structure_get_fraction (gst_caps_get_structure (caps, 0), "framerate", &n, &d);
  return n > 0 ? (double) d / n : 0;
}

static void
take_clip (const GstStructure *s, GstElement *classifier, GArray *clips)
{
  const GValue *indices = gst_structure_get_value (s, "indices");
  const GValue *scores = gst_structure_get_value (s, "scores");
  guint64 start = 0, end = 0;
  Clip clip = { 0 };

  gst_structure_get_uint64 (s, "clip-start", &start);
  gst_structure_get_uint64 (s, "clip-end", &end);
  clip.start = (double) start / GST_SECOND;
  clip.end = (double) end / GST_SECOND;
  clip.frame = frame_duration (classifier);
  clip.n = (int) gst_value_array_get_size (indices);
  clip.index = g_new (int, clip.n);
  clip.score = g_new (double, clip.n);
  for (int i = 0; i < clip.n; i++) {
    clip.index[i] = g_value_get_int (gst_value_array_get_value (indices, (guint) i));
    clip.score[i] = g_value_get_double (gst_value_array_get_value (scores, (guint) i));
  }
  g_array_append_val (clips, clip);
}

/* A stream error's text, with the file's name. */
static void
take_error (GstMessage *message, const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;

  gst_message_parse_error (message, &reason, NULL);
  /* Some sources say no more than that their data do not flow. */
  if (GST_IS_ELEMENT (GST_MESSAGE_SRC (message))
      && GST_OBJECT_FLAG_IS_SET (GST_MESSAGE_SRC (message), GST_ELEMENT_FLAG_SOURCE))
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: cannot be read: %s", path, reason->message);
  else
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: %s", path, reason->message);
}

static guint64
count_frames (GstElement *classifier)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 frames = 0;

  g_object_get (classifier, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "frames", &frames);
  return frames;
}

/* How far the pipeline is in the file. */
static void
show_progress (GstElement *pipeline, const char *path)
{
  gint64 position = 0, duration = 0;
  g_autofree char *base = g_filename_display_basename (path), *name = NULL, *text = NULL;

  gst_element_query_position (pipeline, GST_FORMAT_TIME, &position);
  gst_element_query_duration (pipeline, GST_FORMAT_TIME, &duration);
  name = g_utf8_strlen (base, -1) > NAME_CHARACTERS ? g_utf8_substring (base, 0, NAME_CHARACTERS) : g_strdup (base);
  text = g_strdup_printf ("%.1f s", (double) MAX (position, 0) / GST_SECOND);
  progress_bar (name, duration > 0 ? (double) position / (double) duration : 0, text);
}

GArray *
classifier_run (const Classifier *c, const Video *video, GError **error)
{
  GstElement *classifier, *pipeline = make_pipeline (c, video, &classifier);
  g_autoptr (GArray) clips = g_array_new (FALSE, FALSE, sizeof (Clip));
  g_autoptr (GstBus) bus = NULL;
  gboolean done = FALSE, ok = TRUE;
  guint64 frames;

  g_array_set_clear_func (clips, clip_clear);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!done) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, 200 * GST_MSECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING);

    show_progress (pipeline, video->name);
    if (c->idle != NULL)
      c->idle (c->idle_data);
    if (message == NULL)
      continue;
    switch (GST_MESSAGE_TYPE (message)) {
      case GST_MESSAGE_ELEMENT:
        if (gst_message_has_name (message, "videoclassify3d"))
          take_clip (gst_message_get_structure (message), classifier, clips);
        break;
      case GST_MESSAGE_WARNING:
        if (GST_MESSAGE_SRC (message) == GST_OBJECT (classifier)) {
          g_autoptr (GError) warning = NULL;
          gst_message_parse_warning (message, &warning, NULL);
          progress_clear ();
          tool_complain ("%s", warning->message);
        }
        break;
      case GST_MESSAGE_ERROR:
        take_error (message, video->name, error);
        ok = FALSE;
        done = TRUE;
        break;
      default:
        done = TRUE;
        break;
    }
  }
  progress_clear ();
  frames = count_frames (classifier);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  if (ok && clips->len == 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, NO_CLIP, video->name, frames);
    ok = FALSE;
  }
  return ok ? g_steal_pointer (&clips) : NULL;
}

static int
compare_scores (gconstpointer a, gconstpointer b, gpointer data)
{
  const double *scores = data;
  int c = *(const int *) a, d = *(const int *) b;

  if (scores[c] != scores[d])
    return scores[c] < scores[d] ? 1 : -1;
  return c - d;
}

Clip
clips_mean (const GArray *clips, int classes)
{
  g_autofree double *mean = g_new0 (double, classes);
  const Clip *first = &g_array_index (clips, Clip, 0);
  Clip video = { .start = first->start };
  double unknown = 0;

  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);

    for (int k = 0; k < clip->n; k++)
      *(clip->index[k] < 0 ? &unknown : &mean[clip->index[k]]) += clip->score[k] / clips->len;
    video.end = MAX (video.end, clip->end);
  }
  video.index = g_new (int, classes + 1);
  video.score = g_new (double, classes + 1);
  if (unknown > 0.5) {
    video.index[0] = -1;
    video.score[video.n++] = unknown;
  }
  for (int c = 0; c < classes; c++)
    video.index[video.n + c] = c;
  g_qsort_with_data (video.index + video.n, classes, sizeof (int), compare_scores, mean);
  for (int c = 0; c < classes; c++, video.n++)
    video.score[video.n] = mean[video.index[video.n]];
  return video;
}
