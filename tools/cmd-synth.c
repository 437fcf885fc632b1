/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/synth/output.h"
#include "tools/synth/scenes.h"
#include "tools/tool.h"

#define BATCH 64
#define PHOTO_SHARE 0.65 /* of clips, where there are textures as well */

typedef struct {
  RenderOptions render;
  GPtrArray *pool; /* of Scene; how often one is in it is how likely it is */
  guint64 seed;
  int first; /* clip of the batch */
  guint8 *rgb;
  const Scene *scene[BATCH];
} Job;

static void
make_clip (gpointer index, gpointer data)
{
  Job *job = data;
  int i = GPOINTER_TO_INT (index) - 1, clip = job->first + i;

  job->scene[i] =
      render_clip (&job->render, (Scene *const *) job->pool->pdata, (int) job->pool->len,
          (CameraMotion) (clip % CAMERA_N_MOTIONS), cnn3d_random_bits (job->seed, (guint64) clip),
          job->rgb + (gsize) i * job->render.frames * job->render.size * job->render.size * 3);
}

static gboolean
make_clips (Job *job, int n, int threads, Output *output, GError **error)
{
  gsize bytes = (gsize) job->render.frames * job->render.size * job->render.size * 3;

  for (job->first = 0; job->first < n; job->first += BATCH) {
    GThreadPool *threads_pool = g_thread_pool_new (make_clip, job, threads, TRUE, error);
    int count = MIN (BATCH, n - job->first);

    if (threads_pool == NULL)
      return FALSE;
    for (int i = 0; i < count; i++)
      g_thread_pool_push (threads_pool, GINT_TO_POINTER (i + 1), NULL);
    g_thread_pool_free (threads_pool, FALSE, TRUE);
    for (int i = 0; i < count; i++) {
      if (job->scene[i] == NULL) {
        g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
            "clip %d: the photographs and videos are too plain for a motion to be seen; others, or more --textures, help",
            job->first + i);
        return FALSE;
      }
      if (!output_add (output, job->first + i, (CameraMotion) ((job->first + i) % CAMERA_N_MOTIONS),
              job->scene[i]->name, job->rgb + bytes * (gsize) i, error))
        return FALSE;
    }
    if (isatty (STDERR_FILENO)) {
      fprintf (stderr, "\r\033[K%d of %d clips", job->first + count, n);
      fflush (stderr);
    }
  }
  if (isatty (STDERR_FILENO)) {
    fputs ("\r\033[K", stderr);
    fflush (stderr);
  }
  return TRUE;
}

/* Whether a scene is kept for tests: by its group's name, so that other files do not change it. */
static gboolean
is_for_test (const Scene *scene, double share)
{
  return cnn3d_random_uniform (g_str_hash (scene->group), 0) < share;
}

/* Fills the pool with scenes of one side of the split, and textures if there are any. Returns how many. */
static guint
fill_pool (GPtrArray *pool, const GPtrArray *scenes, gboolean test, double share,
    const GPtrArray *textures)
{
  guint photos = 0;
  double times;

  g_ptr_array_set_size (pool, 0);
  for (guint i = 0; i < scenes->len; i++)
    if (is_for_test (scenes->pdata[i], share) == test) {
      g_ptr_array_add (pool, scenes->pdata[i]);
      photos++;
    }
  if (textures == NULL || textures->len == 0)
    return photos;
  /* Repeating all scenes alike keeps their shares whole numbers. */
  times = photos > 0 ? textures->len * PHOTO_SHARE / (1 - PHOTO_SHARE) / photos : 0;
  for (int k = 1; k < (int) (times + 0.5); k++)
    for (guint i = 0; i < photos; i++)
      g_ptr_array_add (pool, pool->pdata[i]);
  for (guint i = 0; i < textures->len; i++)
    g_ptr_array_add (pool, textures->pdata[i]);
  return photos + textures->len;
}

static gboolean
add_folders (GPtrArray *scenes, char **folders, gboolean videos, double rate, const RenderOptions *options,
    GError **error)
{
  for (; folders != NULL && *folders != NULL; folders++)
    if (!scenes_add_folder (scenes, *folders, videos, rate, options, error))
      return FALSE;
  return TRUE;
}

/* Whether one side of the split has something to look at; there may be textures besides. */
static gboolean
check_side (const GPtrArray *scenes, gboolean test, double share, int textures, GError **error)
{
  for (guint i = 0; i < scenes->len; i++)
    if (is_for_test (scenes->pdata[i], share) == test)
      return TRUE;
  if (textures > 0)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
      "none of the %u photographs and videos is for %s; change --test-share or --textures", scenes->len,
      test ? "tests" : "training");
  return FALSE;
}

int
cmd_synth (int argc, char **argv)
{
  g_autofree char *output_folder = NULL, *format = NULL, *note = NULL;
  g_auto (GStrv) images = NULL, videos = NULL;
  int clips = 10000, test_clips = 1000, n_textures = 100, threads = 0, seed = 1;
  double share = 0.2, rate = 7.5;
  gboolean as_videos, force = FALSE;
  Job job = { .render = { .frames = 16, .size = 112, .actors = 0.6 } };
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output_folder,
        "Where train/ and test/ are put (needed)", "FOLDER" },
    { "images", 'i', 0, G_OPTION_ARG_FILENAME_ARRAY, &images,
        "A folder of photographs, with all in it; may be repeated", "FOLDER" },
    { "videos", 'v', 0, G_OPTION_ARG_FILENAME_ARRAY, &videos,
        "A folder of videos for the camera to move over; may be repeated", "FOLDER" },
    { "textures", 0, 0, G_OPTION_ARG_INT, &n_textures,
        "Textures that are made, for training only (100)", "N" },
    { "clips", 'n', 0, G_OPTION_ARG_INT, &clips, "Clips for training (10000)", "N" },
    { "test-clips", 0, 0, G_OPTION_ARG_INT, &test_clips, "Clips for tests (1000)", "N" },
    { "test-share", 0, 0, G_OPTION_ARG_DOUBLE, &share,
        "Part of the photographs and videos kept for tests (0.2)", "PART" },
    { "actors", 0, 0, G_OPTION_ARG_DOUBLE, &job.render.actors,
        "Part of the clips in which people or things move (0.6)", "PART" },
    { "frames", 0, 0, G_OPTION_ARG_INT, &job.render.frames, "Frames of a clip (16)", "N" },
    { "size", 0, 0, G_OPTION_ARG_INT, &job.render.size, "Side of a frame in pixels (112)", "N" },
    { "rate", 'r', 0, G_OPTION_ARG_DOUBLE, &rate,
        "Frames a second: what clips say, and how videos are sampled (7.5)", "RATE" },
    { "format", 0, 0, G_OPTION_ARG_STRING, &format,
        "cache (default), or video: a folder of AVI files for each class", "FORMAT" },
    { "force", 0, 0, G_OPTION_ARG_NONE, &force, "Remove the clips that --format video made there before", NULL },
    { "seed", 0, 0, G_OPTION_ARG_INT, &seed, "Another number makes other clips (1)", "N" },
    { "threads", 't', 0, G_OPTION_ARG_INT, &threads, "Threads (0: one for each CPU)", "N" },
    { NULL },
  };
  g_autoptr (GPtrArray) scenes = g_ptr_array_new_with_free_func ((GDestroyNotify) scene_free);
  g_autoptr (GPtrArray) textures = g_ptr_array_new_with_free_func ((GDestroyNotify) scene_free);
  g_autoptr (GPtrArray) pool = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  int status = EXIT_OK;

  if (!tool_parse (&argc, &argv, entries, "",
          "Makes labelled clips of camera motion: static, pan left and right, tilt up and down, "
          "zoom in and\n"
          "out, roll clockwise and counterclockwise, shake. Pan, tilt and zoom are the camera's: "
          "in\n"
          "\"pan left\" the picture moves right. In \"roll clockwise\" the picture turns "
          "clockwise.\n\nExample:\n"
          "  3dcnn synth --images /usr/share/backgrounds --clips 20000 -o motion\n",
          0, 0))
    return EXIT_USAGE;
  as_videos = g_strcmp0 (format, "video") == 0;
  if (output_folder == NULL || (format != NULL && !as_videos && strcmp (format, "cache") != 0)) {
    tool_complain (output_folder == NULL ? "synth needs --output FOLDER"
                                         : "--format is cache or video, not '%s'",
        format);
    return EXIT_USAGE;
  }
  if (clips < 0 || test_clips < 0 || clips + test_clips == 0 || n_textures < 0 || n_textures > 10000
      || !(share >= 0 && share <= 1) || !(job.render.actors >= 0 && job.render.actors <= 1)
      || job.render.frames < 1 || job.render.frames > 256 || job.render.size < 16
      || job.render.size > 512 || !(rate > 0 && rate <= 1000) || threads < 0 || threads > 256) {
    tool_complain (
        "a number is out of range: clips and textures are not negative, parts are from 0 to 1, "
        "frames from 1 to 256, size from 16 to 512, rate above 0, threads from 0 to 256");
    return EXIT_USAGE;
  }
  for (int test = 0; test < 2 && as_videos; test++) {
    g_autofree char *folder = g_build_filename (output_folder, test ? "test" : "train", NULL);

    if ((test ? test_clips : clips) > 0 && !output_check_place (folder, force, &error))
      return tool_fail (error);
  }
  gst_init (NULL, NULL);
  if (!add_folders (scenes, images, FALSE, rate, &job.render, &error)
      || !add_folders (scenes, videos, TRUE, rate, &job.render, &error))
    return tool_fail (error);
  scenes_group (scenes);
  /* Tests have textures only where there is nothing else. */
  if ((clips > 0 && !check_side (scenes, FALSE, share, n_textures, &error))
      || (test_clips > 0 && !check_side (scenes, TRUE, share, scenes->len == 0, &error)))
    return tool_fail (error);
  if (clips > 0)
    scenes_add_textures (textures, n_textures, (guint64) seed);

  if (threads == 0)
    threads = (int) g_get_num_processors ();
  note = g_strdup_printf ("3dcnn synth, seed %d, %u photographs and videos, %u textures", seed,
      scenes->len, textures->len);
  job.rgb = g_malloc ((gsize) BATCH * job.render.frames * job.render.size * job.render.size * 3);
  for (int test = 0; test < 2 && status == EXIT_OK; test++) {
    g_autofree char *folder = g_build_filename (output_folder, test ? "test" : "train", NULL);
    g_autoptr (Output) output = NULL;
    int n = test ? test_clips : clips;
    guint n_scenes;

    if (n == 0)
      continue;
    /* Without photographs, tests are over textures of their own. */
    if (test && scenes->len == 0) {
      g_ptr_array_set_size (textures, 0);
      scenes_add_textures (textures, MAX (n_textures, 1), ~(guint64) seed);
    }
    n_scenes = fill_pool (pool, scenes, test, share, !test || scenes->len == 0 ? textures : NULL);
    if (as_videos)
      output_remove_clips (folder);
    job.pool = pool;
    job.seed = cnn3d_random_bits ((guint64) seed, (guint64) test);
    if (g_mkdir_with_parents (output_folder, 0777) < 0)
      g_set_error (&error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: cannot be made", output_folder);
    else
      output = output_new (folder, as_videos, &job.render, rate, note, &error);
    if (output == NULL || !make_clips (&job, n, threads, output, &error)
        || !output_finish (output, &error))
      status = tool_fail (error);
    else
      printf ("%s: %d clips over %u scenes\n", folder, n, n_scenes);
  }
  g_free (job.rgb);
  return status;
}
