/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>
#include <stdio.h>

#include "tools/classify/archive.h"
#include "tools/classify/output.h"
#include "tools/parallel.h"
#include "tools/progress.h"

typedef struct {
  Classifier classifier;
  Output output;
  GPtrArray *videos; /* of Video */
  guint printed, failed;
} Job;

/* In whichever process the video's turn comes. */
static void
classify (guint i, Answer *answer, gpointer data)
{
  const Job *job = data;
  const Video *video = job->videos->pdata[i];
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) clips = NULL;

  progress_count (i + 1, job->videos->len);
  clips = classifier_run (&job->classifier, video, &error);
  if (clips != NULL) {
    answer->text = output_describe (&job->output, video, clips);
    output_write_side_cars (&job->output, video, clips, &error);
  }
  if (error != NULL)
    answer->error = g_strdup (error->message);
}

static void
print (guint i, const Answer *answer, gpointer data)
{
  Job *job = data;

  progress_clear ();
  if (answer->text != NULL && job->output.json && job->printed++ > 0)
    putchar (',');
  if (answer->text != NULL)
    fputs (answer->text, stdout);
  /* Whole lines: mpirun may put the rest of one among what is said on standard error. */
  if (answer->text != NULL && job->output.json)
    putchar ('\n');
  fflush (stdout);
  if (answer->error != NULL) {
    job->failed++;
    tool_complain ("%s", answer->error);
  }
}

static void
serve (gpointer archive)
{
  archive_serve (archive);
}

static int
run (Job *job)
{
  g_autoptr (Archive) archive = archive_new (job->videos->len, print, job);

  job->classifier.idle = serve;
  job->classifier.idle_data = archive;
  tool_set_quiet (FALSE); /* a warning may be about one process' machine */
  if (job->output.json)
    puts ("[");
  archive_run (archive, classify, job);
  if (job->output.json)
    puts ("]");
  if (job->failed > 0 && job->videos->len > 1)
    tool_complain ("%u of %u videos failed", job->failed, job->videos->len);
  return job->failed > 0 ? EXIT_FAILED : EXIT_OK;
}

/* The first process reads the list, which may be its standard input, for all. */
static gboolean
add_list (GPtrArray *videos, const char *list, GError **error)
{
  g_autofree char *text = NULL;
  guint before = videos->len;
  gsize length = 0;

  if (parallel_rank () == 0)
    videos_read (list, &text, &length, error);
  if (!parallel_agree (error))
    return FALSE;
  parallel_broadcast (&length, sizeof length, 0);
  if (text == NULL)
    text = g_malloc (length + 1);
  parallel_broadcast (text, length, 0);
  if (!videos_parse (text, length, list, videos, error))
    return FALSE;
  if (videos->len == before)
    tool_complain ("%s: lists no videos", list);
  return TRUE;
}

/* What every process needs; an error of any is one of all. */
static gboolean
prepare (const char *name, const Cnn3dLoadOptions *options, char **model_file, Cnn3dModel **model, GError **error)
{
  if (classifier_check (error) && (*model_file = tool_find (name, error)) != NULL)
    *model = cnn3d_model_load (*model_file, options, error);
  return parallel_agree (error);
}

int
cmd_classify (int argc, char **argv)
{
  g_autofree char *labels = NULL, *model_file = NULL, *list = NULL;
  g_auto (ToolSession) where = { 0 };
  g_autoptr (GPtrArray) videos = g_ptr_array_new_with_free_func ((GDestroyNotify) video_free);
  Job job = { .output = { .top_k = 3, .threshold = 0.5 }, .videos = videos };
  Classifier *c = &job.classifier;
  const GOptionEntry entries[] = {
    { "list", 'L', 0, G_OPTION_ARG_FILENAME, &list,
        "Text file with a path or URI a line, '-' for standard input; # begins a comment", "FILE" },
    { "sample-rate", 'r', 0, G_OPTION_ARG_DOUBLE, &c->sample_rate,
        "Frames per second to take (0: the model's)", "RATE" },
    { "clip-stride", 's', 0, G_OPTION_ARG_INT, &c->clip_stride,
        "Sampled frames from clip to clip (0: the clip's length)", "N" },
    { "top-k", 'k', 0, G_OPTION_ARG_INT, &job.output.top_k, "Classes to print (3)", "K" },
    { "labels", 'l', 0, G_OPTION_ARG_FILENAME, &labels, "Text file with one label a line", "FILE" },
    TOOL_SESSION_ENTRIES (where),
    { "threads", 't', 0, G_OPTION_ARG_INT, &c->threads, "Threads (0: one for each CPU)", "N" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &job.output.json, "Print JSON", NULL },
    { "srt", 0, 0, G_OPTION_ARG_NONE, &job.output.side_cars[TIMELINE_SRT],
        "Write subtitles next to each video: VIDEO.srt", NULL },
    { "vtt", 0, 0, G_OPTION_ARG_NONE, &job.output.side_cars[TIMELINE_VTT], "The same as WebVTT: VIDEO.vtt", NULL },
    { "csv", 0, 0, G_OPTION_ARG_NONE, &job.output.side_cars[TIMELINE_CSV], "The same as a table: VIDEO.csv", NULL },
    { "threshold", 0, 0, G_OPTION_ARG_DOUBLE, &job.output.threshold,
        "Score from which a class is written to these files (0.5)", "SCORE" },
    { NULL },
  };
  Cnn3dLoadOptions load_options = { 0 };
  g_autoptr (Cnn3dModel) model = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dSessionOptions known = { 0 };

  if (!tool_parse (&argc, &argv, entries, "MODEL [VIDEO...]",
          "Prints the best classes of each clip, and of each video: the mean over its clips. A VIDEO is a path or"
          " a URI.\n\n"
          "Examples:\n  3dcnn classify shufflenet holiday.mp4\n"
          "  3dcnn classify jester.safetensors *.webm --json\n"
          "  mpirun -n 4 3dcnn classify shufflenet --list archive.txt\n", 1, -1))
    return EXIT_USAGE;
  if (argc == 2 && list == NULL) {
    tool_complain ("classify needs a VIDEO, or --list FILE");
    return EXIT_USAGE;
  }
  /* So that what is not a number is refused as well. */
  if (!(c->sample_rate >= 0 && c->sample_rate <= 1000) || c->clip_stride < 0 || c->clip_stride > 100000
      || job.output.top_k < 1 || c->threads < 0 || c->threads > 256
      || !(job.output.threshold >= 0 && job.output.threshold <= 1)) {
    tool_complain ("an option is out of range: --sample-rate takes 0 to 1000, --clip-stride 0 to 100000,"
        " --top-k 1 or more, --threads 0 to 256, --threshold 0 to 1");
    return EXIT_USAGE;
  }
  if (!tool_session_options (&where, &known))
    return EXIT_USAGE;
  gst_init (NULL, NULL);
  for (int i = 2; i < argc; i++)
    g_ptr_array_add (videos, video_new (argv[i], NULL));
  if (list != NULL && !add_list (videos, list, &error))
    return tool_fail (error);
  if (output_has_side_cars (&job.output) && !videos_check_side_cars (videos, &error)) {
    tool_fail (error);
    return EXIT_USAGE;
  }
  load_options.labels_file = labels;
  if (!prepare (argv[1], &load_options, &model_file, &model, &error))
    return tool_fail (error);
  job.output.model = model;
  c->model_file = model_file;
  c->labels_file = labels;
  c->where = &where;
  c->threads = parallel_threads (c->threads);
  return run (&job);
}
