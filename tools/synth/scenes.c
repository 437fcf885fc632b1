/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/synth/scenes.h"

#include <math.h>
#include <string.h>

#include "tools/decode.h"
#include "tools/tool.h"

#define LONGEST_SIDE 1280 /* pictures are scaled down to it */
#define LONGEST_VIDEO_SIDE 640
#define SHORTEST_SIDE 64
#define MOST_FRAMES 300 /* of a video */
#define THUMB 8         /* side of the thumbnails that are compared */
#define ALIKE 0.9       /* their correlation, from which pictures show the same */

static const char *const picture_names[] = { ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif",
  ".tiff", NULL };
static const char *const video_names[] = { ".avi", ".mp4", ".mkv", ".webm", ".mov", ".ogv", ".mpg",
  NULL };

static gboolean
has_name (const char *path, const char *const *names)
{
  g_autofree char *lower = g_ascii_strdown (path, -1);

  for (; *names != NULL; names++)
    if (g_str_has_suffix (lower, *names))
      return TRUE;
  return FALSE;
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static gboolean
list_folder (GPtrArray *paths, const char *folder, const char *const *names, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  const char *name;

  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    /* A link to a folder may lead back up. */
    if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
      if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK) && !list_folder (paths, path, names, error))
        return FALSE;
    } else if (has_name (path, names)) {
      g_ptr_array_add (paths, g_steal_pointer (&path));
    }
  }
  return TRUE;
}

static gboolean
take_picture (const DecodedFrame *frame, gpointer data, GError **error)
{
  Scene *scene = data;

  if (MIN (frame->width, frame->height) >= SHORTEST_SIDE)
    g_ptr_array_add (
        scene->pictures, picture_new (frame->rgb, frame->width, frame->height, frame->stride));
  return FALSE;
}

static gboolean
take_video_frame (const DecodedFrame *frame, gpointer data, GError **error)
{
  take_picture (frame, data, error);
  return ((Scene *) data)->pictures->len < MOST_FRAMES;
}

/* Decodes a file: a picture, or a video at a rate. Returns NULL with an error. */
static Scene *
load_scene (const char *path, gboolean video, double rate, GError **error)
{
  const DecodeOptions options = { .longest = video ? LONGEST_VIDEO_SIDE : LONGEST_SIDE,
    .rate = video ? rate : 0 };
  g_autofree char *base = g_path_get_basename (path);
  g_autoptr (GError) reason = NULL;
  Scene *scene = scene_new (base);

  decode_file (path, &options, video ? take_video_frame : take_picture, scene, &reason);
  if (scene->pictures->len > 0) /* what could be decoded before an error serves */
    return scene;
  scene_free (scene);
  if (reason != NULL)
    g_propagate_error (error, g_steal_pointer (&reason));
  else
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: is smaller than %d x %d", path,
        SHORTEST_SIDE, SHORTEST_SIDE);
  return NULL;
}

gboolean
scenes_add_folder (GPtrArray *scenes, const char *folder, gboolean videos, double rate,
    const RenderOptions *options, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  guint before = scenes->len;

  if (!list_folder (paths, folder, videos ? video_names : picture_names, error))
    return FALSE;
  g_ptr_array_sort (paths, compare_paths);
  for (guint i = 0; i < paths->len; i++) {
    g_autoptr (GError) reason = NULL;
    Scene *scene = load_scene (g_ptr_array_index (paths, i), videos, rate, &reason);

    if (scene == NULL) {
      tool_complain ("%s; passed over", reason->message);
    } else if (!scene_has_texture (scene, options)) {
      tool_complain ("%s: is too plain for motion to be seen in it; passed over", (char *) paths->pdata[i]);
      scene_free (scene);
    } else {
      g_ptr_array_add (scenes, scene);
    }
  }
  if (scenes->len > before)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: has no %s that can be used", folder,
      videos ? "videos" : "pictures");
  return FALSE;
}

/* The middle square in THUMB x THUMB pixels of grey, with a mean of 0 and a length of 1. */
static void
make_thumbnail (const Scene *scene, float *thumb)
{
  const Picture *picture = g_ptr_array_index (scene->pictures, 0);
  double side = MIN (picture->width[0], picture->height[0]), step = side / THUMB;
  float sum = 0, length = 0;

  for (int y = 0; y < THUMB; y++) {
    PictureRow row = { 0.5 * (picture->width[0] - side + step),
      0.5 * (picture->height[0] - side) + (y + 0.5) * step, step, 0 };
    float rgb[3 * THUMB] = { 0 };

    picture_add_row (picture, &row, step, 1, THUMB, rgb);
    for (int x = 0; x < THUMB; x++)
      sum += thumb[THUMB * y + x] = rgb[3 * x] + rgb[3 * x + 1] + rgb[3 * x + 2];
  }
  for (int i = 0; i < THUMB * THUMB; i++) {
    thumb[i] -= sum / (THUMB * THUMB);
    length += thumb[i] * thumb[i];
  }
  for (int i = 0; i < THUMB * THUMB; i++)
    thumb[i] /= sqrtf (length + 1);
}

void
scenes_group (GPtrArray *scenes)
{
  g_autofree float *thumbs = g_new (float, (gsize) scenes->len *THUMB *THUMB);

  for (guint i = 0; i < scenes->len; i++) {
    Scene *scene = g_ptr_array_index (scenes, i);
    const float *a = thumbs + (gsize) i * THUMB * THUMB;

    make_thumbnail (scene, thumbs + (gsize) i * THUMB * THUMB);
    for (guint k = 0; k < i; k++) {
      const float *b = thumbs + (gsize) k * THUMB * THUMB;
      float same = 0;

      for (int j = 0; j < THUMB * THUMB; j++)
        same += a[j] * b[j];
      if (fabsf (same) > ALIKE) { /* below zero: one is the other's negative */
        const Scene *twin = g_ptr_array_index (scenes, k);

        g_free (scene->group);
        scene->group = g_strdup (twin->group);
        break;
      }
    }
  }
}
