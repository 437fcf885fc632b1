/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>
#include <stdio.h>

#include "tools/progress.h"
#include "tools/session-options.h"
#include "tools/timeline.h"
#include "tools/tool.h"

#define NO_VIDEO "%s: has no video that could be decoded"

typedef struct {
  double start, end; /* seconds */
  int n;
  int *index;        /* best first */
  double *score;
} Clip;

typedef struct {
  char *path, *model_file, *labels_file;
  const ToolSession *where;
  double sample_rate;
  int clip_stride, threads, top_k;
  double threshold;
  gboolean timelines[N_TIMELINES];
  Cnn3dModel *model; /* for labels and the number of classes */
} Job;

static void
clip_clear (gpointer data)
{
  Clip *clip = data;

  g_free (clip->index);
  g_free (clip->score);
}

/* Links the first video stream that the decoder finds. */
static void
on_pad_added (GstElement *decoder, GstPad *pad, gpointer element)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);

  if (gst_pad_is_linked (sink) || gst_caps_is_empty (caps)
      || !g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "video/"))
    return;
  gst_pad_link (pad, sink);
}

static GstElement *
make_pipeline (const Job *job, GstElement **classifier, GError **error)
{
  GstElement *pipeline = gst_pipeline_new (NULL);
  GstElement *source = gst_element_factory_make ("filesrc", NULL);
  GstElement *decoder = gst_element_factory_make ("decodebin", NULL);
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);

  *classifier = gst_element_factory_make ("videoclassify3d", NULL);
  if (source == NULL || decoder == NULL || sink == NULL || *classifier == NULL) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "the GStreamer element %s is missing%s",
        *classifier == NULL ? "videoclassify3d" : "decodebin",
        *classifier == NULL ? "; if it is not installed, set GST_PLUGIN_PATH to its folder" : "");
    g_clear_object (&source);
    g_clear_object (&decoder);
    g_clear_object (&sink);
    g_clear_object (classifier);
    gst_object_unref (pipeline);
    return NULL;
  }
  g_object_set (source, "location", job->path, NULL);
  g_object_set (sink, "sync", FALSE, NULL);
  /* All classes, as the video's score is the mean over its clips. */
  g_object_set (*classifier, "model-file", job->model_file, "labels-file", job->labels_file, "top-k", 0,
      "sample-rate", job->sample_rate, "clip-stride", job->clip_stride, "threads", job->threads, NULL);
  /* Only the messages matter, so decoding goes on meanwhile. */
  gst_util_set_object_arg (G_OBJECT (*classifier), "mode", "queue");
  g_object_set (*classifier, "device", job->where->device, "allow-tf32", job->where->allow_tf32, NULL);
  if (job->where->backend != NULL)
    gst_util_set_object_arg (G_OBJECT (*classifier), "backend", job->where->backend);
  if (job->where->precision != NULL)
    gst_util_set_object_arg (G_OBJECT (*classifier), "precision", job->where->precision);
  gst_bin_add_many (GST_BIN (pipeline), source, decoder, *classifier, sink, NULL);
  gst_element_link (source, decoder);
  gst_element_link (*classifier, sink);
  g_signal_connect (decoder, "pad-added", G_CALLBACK (on_pad_added), *classifier);
  return pipeline;
}

static void
take_clip (const GstStructure *s, GArray *clips)
{
  const GValue *indices = gst_structure_get_value (s, "indices");
  const GValue *scores = gst_structure_get_value (s, "scores");
  guint64 start = 0, end = 0;
  Clip clip = { 0 };

  gst_structure_get_uint64 (s, "clip-start", &start);
  gst_structure_get_uint64 (s, "clip-end", &end);
  clip.start = (double) start / GST_SECOND;
  clip.end = (double) end / GST_SECOND;
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
take_error (GstMessage *message, GstElement *classifier, const char *path, GError **error)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (classifier, "sink");
  g_autoptr (GError) reason = NULL;

  gst_message_parse_error (message, &reason, NULL);
  /* All that a demuxer can tell when nobody takes its streams is that they do not flow. */
  if (!gst_pad_is_linked (sink) && g_error_matches (reason, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED))
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, NO_VIDEO, path);
  else
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: %s", path, reason->message);
}

static GArray *
classify (const Job *job, GError **error)
{
  GstElement *classifier, *pipeline = make_pipeline (job, &classifier, error);
  g_autoptr (GArray) clips = g_array_new (FALSE, FALSE, sizeof (Clip));
  g_autoptr (GstBus) bus = NULL;
  gboolean done = FALSE, ok = TRUE;

  g_array_set_clear_func (clips, clip_clear);
  if (pipeline == NULL)
    return NULL;
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!done) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, 200 * GST_MSECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING);

    progress_show (pipeline, job->path);
    if (message == NULL)
      continue;
    switch (GST_MESSAGE_TYPE (message)) {
      case GST_MESSAGE_ELEMENT:
        if (gst_message_has_name (message, "videoclassify3d"))
          take_clip (gst_message_get_structure (message), clips);
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
        take_error (message, classifier, job->path, error);
        ok = FALSE;
        done = TRUE;
        break;
      default:
        done = TRUE;
        break;
    }
  }
  progress_clear ();
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  if (ok && clips->len == 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, NO_VIDEO, job->path);
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

/* The mean of the clips' scores (the paper's rule for videos), as one more clip. */
static Clip
video_scores (const GArray *clips, int classes)
{
  g_autofree double *mean = g_new0 (double, classes);
  const Clip *first = &g_array_index (clips, Clip, 0);
  Clip video = { .start = first->start, .n = classes };

  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);

    for (int k = 0; k < clip->n; k++)
      mean[clip->index[k]] += clip->score[k] / clips->len;
    video.end = MAX (video.end, clip->end);
  }
  video.index = g_new (int, classes);
  video.score = g_new (double, classes);
  for (int c = 0; c < classes; c++)
    video.index[c] = c;
  g_qsort_with_data (video.index, classes, sizeof (int), compare_scores, mean);
  for (int c = 0; c < classes; c++)
    video.score[c] = mean[video.index[c]];
  return video;
}

static void
json_classes (JsonBuilder *b, const Job *job, const Clip *clip)
{
  json_builder_set_member_name (b, "classes");
  json_builder_begin_array (b);
  for (int i = 0; i < MIN (job->top_k, clip->n); i++) {
    json_builder_begin_object (b);
    tool_json_string (b, "label", cnn3d_model_get_label (job->model, clip->index[i]));
    tool_json_int (b, "index", clip->index[i]);
    tool_json_double (b, "score", clip->score[i]);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static void
print_json (JsonBuilder *b, const Job *job, const GArray *clips, const Clip *video)
{
  json_builder_begin_object (b);
  tool_json_string (b, "video", job->path);
  json_classes (b, job, video);
  json_builder_set_member_name (b, "clips");
  json_builder_begin_array (b);
  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);

    json_builder_begin_object (b);
    tool_json_double (b, "start", clip->start);
    tool_json_double (b, "end", clip->end);
    json_classes (b, job, clip);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
}

static void
print_line (const Job *job, const char *what, const Clip *clip)
{
  printf ("%s", what);
  for (int i = 0; i < MIN (job->top_k, clip->n); i++)
    printf ("%s%s %.3f", i > 0 ? ", " : "", cnn3d_model_get_label (job->model, clip->index[i]),
        clip->score[i]);
  putchar ('\n');
}

static void
print_text (const Job *job, const GArray *clips, const Clip *video)
{
  printf ("%s\n", job->path);
  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);
    g_autofree char *time = g_strdup_printf ("  %7.2f - %7.2f s  ", clip->start, clip->end);

    print_line (job, time, clip);
  }
  print_line (job, "  whole video          ", video);
  fflush (stdout);
}

/* The side-car files that were asked for. */
static gboolean
write_timelines (const Job *job, const GArray *clips, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (TimelineEntry));
  gboolean ok = TRUE;

  for (guint i = 0; i < clips->len; i++) {
    const Clip *clip = &g_array_index (clips, Clip, i);

    if (clip->n > 0 && clip->score[0] >= job->threshold)
      timeline_add (entries, clip->start, clip->end, cnn3d_model_get_label (job->model, clip->index[0]),
          clip->score[0]);
  }
  for (int format = 0; ok && format < N_TIMELINES; format++)
    if (job->timelines[format])
      ok = timeline_write (entries, (Timeline) format, job->path, error);
  return ok;
}

int
cmd_classify (int argc, char **argv)
{
  g_autofree char *labels = NULL, *model_file = NULL;
  g_auto (ToolSession) where = { 0 };
  gboolean json = FALSE;
  Job job = { .top_k = 3, .threshold = 0.5 };
  const GOptionEntry entries[] = {
    { "sample-rate", 'r', 0, G_OPTION_ARG_DOUBLE, &job.sample_rate,
        "Frames per second to take (0: the model's)", "RATE" },
    { "clip-stride", 's', 0, G_OPTION_ARG_INT, &job.clip_stride,
        "Sampled frames from clip to clip (0: the clip's length)", "N" },
    { "top-k", 'k', 0, G_OPTION_ARG_INT, &job.top_k, "Classes to print (3)", "K" },
    { "labels", 'l', 0, G_OPTION_ARG_FILENAME, &labels, "Text file with one label a line", "FILE" },
    TOOL_SESSION_ENTRIES (where),
    { "threads", 't', 0, G_OPTION_ARG_INT, &job.threads, "Threads (0: one for each CPU)", "N" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { "srt", 0, 0, G_OPTION_ARG_NONE, &job.timelines[TIMELINE_SRT],
        "Write subtitles next to each video: VIDEO.srt", NULL },
    { "vtt", 0, 0, G_OPTION_ARG_NONE, &job.timelines[TIMELINE_VTT], "The same as WebVTT: VIDEO.vtt", NULL },
    { "csv", 0, 0, G_OPTION_ARG_NONE, &job.timelines[TIMELINE_CSV], "The same as a table: VIDEO.csv", NULL },
    { "threshold", 0, 0, G_OPTION_ARG_DOUBLE, &job.threshold,
        "Score from which a class is written to these files (0.5)", "SCORE" },
    { NULL },
  };
  Cnn3dLoadOptions load_options = { 0 };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dSessionOptions known = { 0 };
  JsonBuilder *b = NULL;
  int status = EXIT_OK;

  if (!tool_parse (&argc, &argv, entries, "MODEL VIDEO...",
          "Prints the best classes of each clip, and of each video: the mean over its clips.\n\n"
          "Examples:\n  3dcnn classify shufflenet holiday.mp4\n"
          "  3dcnn classify jester.safetensors *.webm --json\n", 2, -1))
    return EXIT_USAGE;
  if (job.sample_rate < 0 || job.sample_rate > 1000 || job.clip_stride < 0 || job.clip_stride > 100000
      || job.top_k < 1 || job.threads < 0 || job.threads > 256) {
    tool_complain ("an option is out of range: --sample-rate takes 0 to 1000, --clip-stride 0 to 100000,"
        " --top-k 1 or more, --threads 0 to 256");
    return EXIT_USAGE;
  }
  if (!tool_session_options (&where, &known, &error))
    return tool_fail (error);
  load_options.labels_file = labels;
  model_file = tool_find (argv[1], &error);
  if (model_file == NULL || (model = cnn3d_model_load (model_file, &load_options, &error)) == NULL)
    return tool_fail (error);

  gst_init (NULL, NULL);
  job.model = model;
  job.model_file = model_file;
  job.labels_file = labels;
  job.where = &where;
  if (json) {
    b = json_builder_new ();
    json_builder_begin_array (b);
  }
  for (int i = 2; i < argc; i++) {
    g_autoptr (GArray) clips = NULL;
    g_autoptr (GError) video_error = NULL;
    Clip video;

    job.path = argv[i];
    clips = classify (&job, &video_error);
    if (clips == NULL) {
      status = tool_fail (video_error);
      continue;
    }
    video = video_scores (clips, cnn3d_model_get_config (model)->classes);
    if (json)
      print_json (b, &job, clips, &video);
    else
      print_text (&job, clips, &video);
    if (!write_timelines (&job, clips, &video_error))
      status = tool_fail (video_error);
    clip_clear (&video);
  }
  if (json) {
    json_builder_end_array (b);
    tool_print_json (b);
  }
  return status;
}
